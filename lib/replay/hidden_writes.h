// Asks a lane what makes reading text write. Called once per replay. Blocks.
#pragma once

#include <set>
#include <string>

#include "base/result.h"
#include "pg/admin.h"

namespace scry::replay {

// What makes a SELECT write, lock or draw from a sequence without its text saying so.
struct HiddenWrites {
  std::set<std::string> functions;  // Volatile ones: lower case, no schema.
  std::set<std::string> relations;  // Views and tables with policies that use such; no schema.
  std::set<std::string> operators;  // "<=>": those whose function is volatile.

  void Add(HiddenWrites other);
};

base::Result<HiddenWrites> FindHiddenWrites(pg::AdminSession& lane);

}  // namespace scry::replay
