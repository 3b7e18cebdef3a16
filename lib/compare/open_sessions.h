// Judges what the migration broke in sessions that were open across it: statements prepared before
// it, whose result type is another one now, fail until they are prepared again. A replay before and
// after cannot show it, as its sessions begin after the migration. Called by the during act. Pure.
#pragma once

#include <cstdint>
#include <string_view>
#include <vector>

#include "compare/failed_pattern.h"
#include "compare/policy.h"
#include "compare/verdict.h"

namespace scry::compare {

// Queries of one pattern that failed so. `statement`: the last one known to touch what they read.
struct StalePlans : FailedPattern {
  uint64_t sessions = 0;
};

// Is it the error of a prepared statement that its session would have to prepare again?
bool IsStalePlan(std::string_view sqlstate, std::string_view message);

// `statements_replayed`: of all the traffic that ran beside the migration.
std::vector<Finding> JudgeStalePlans(const std::vector<StalePlans>& stale,
                                     uint64_t statements_replayed, const Policy& policy);

}  // namespace scry::compare
