// How a shadow's speed compares with production's, from what both ran: queries that the change
// introduces have no baseline, only the latency they were captured with. Called by outcome_verdict
// and the fix prover. Pure.
#pragma once

#include "compare/pattern_table.h"
#include "compare/policy.h"

namespace scry::compare {

// How much longer the baseline takes than the capture that `introduced` was last seen in did: the
// median over that capture's other patterns, of calls that came to equally many rows. At least 1,
// as a query is not slow for being the only one that is no faster here than it was there.
double PaceFor(const PatternTable& table, const PatternStats& introduced,
               const NewPatternPolicy& policy);

}  // namespace scry::compare
