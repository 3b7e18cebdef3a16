// Judges what the migration took away from traffic for as long as it ran: queries that failed for
// want of a view, an index or a right that was there before it and is there again behind it. A
// replay before and after cannot show it. Called by the during act. Pure.
#pragma once

#include <cstdint>
#include <string_view>
#include <vector>

#include "compare/failed_pattern.h"
#include "compare/policy.h"
#include "compare/verdict.h"

namespace scry::compare {

// Of the ids of such findings.
inline constexpr std::string_view kMeanwhilePrefix = "meanwhile-";

// Is it an error for want of what a migration may have taken away?
// That something is there already, or was never there in the session, is not.
bool IsMissing(std::string_view sqlstate, std::string_view message);

// `statements_replayed`: of all the traffic that ran beside the migration.
std::vector<Finding> JudgeMeanwhile(const std::vector<FailedPattern>& failures,
                                    uint64_t statements_replayed, const Policy& policy);

}  // namespace scry::compare
