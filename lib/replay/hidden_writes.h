// Asks a lane what makes reading text write: see HiddenWrites. Called once per replay. Blocks.
#pragma once

#include "base/result.h"
#include "pg/admin.h"
#include "replay/exchange_class.h"

namespace scry::replay {

base::Result<HiddenWrites> FindHiddenWrites(pg::AdminSession& lane);

}  // namespace scry::replay
