// Rows that were stored at nearly the same moment, sorted by that moment: which came first is an
// accident of each lane, as two transactions begin together. Called by difference.cc. Pure; any
// thread.
#pragma once

#include "base/clock.h"
#include "compare/difference.h"
#include "event/lane_pair.h"
#include "event/statement_facts.h"

namespace scry::compare {

// Do the candidate's rows differ from the baseline's only in what a clock writes (columns that the
// control shows to be of that kind) and in the order that follows from it? The query sorts by such
// a column; a row of both lanes has its moment within `tolerance_us`, and one of one lane alone is
// as near to where a LIMIT cuts. False where that cannot be told: rows not kept whole.
// REQUIRES: `difference` compares the first two lanes, with equal row counts.
bool FollowsFromClocks(const event::StatementPair& pair, const event::StatementFacts& facts,
                       const Difference& difference, base::Micros tolerance_us);

}  // namespace scry::compare
