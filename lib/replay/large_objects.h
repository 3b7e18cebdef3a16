// Large objects that a server numbered itself: lo_creat, called as drivers do (FunctionCall). The
// number goes into rows and later calls, so lanes are asked for the one that production got. Pure.
#pragma once

#include "event/event.h"

namespace scry::replay {

// Of a lo_creat whose number the capture holds, makes lo_create with that number. Others stay.
void KeepObjectNumber(event::Exchange& exchange);

}  // namespace scry::replay
