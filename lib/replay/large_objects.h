// Large objects that a server numbered itself: lo_creat, called as drivers do (FunctionCall) or in
// a SELECT, where lo_create(0) and lo_from_bytea(0, ...) do the same. The number goes into rows and
// later calls, so lanes are asked for the one that production got. Pure.
#pragma once

#include "event/event.h"

namespace scry::replay {

// Of a call whose number the capture holds, makes one that asks for that number. Others stay.
void KeepObjectNumber(event::Exchange& exchange);

}  // namespace scry::replay
