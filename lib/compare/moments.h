// Two moments after a migration: the first minutes, with the statistics and the visibility map that
// it left behind, and the time after VACUUM (ANALYZE). What is bad in both is a regression; what is
// bad only at first is transient, and goes away with a command. Used by Judge(). Pure.
#pragma once

#include <cstdint>
#include <map>
#include <string>
#include <vector>

#include "compare/latency_verdict.h"
#include "compare/pattern_table.h"
#include "compare/policy.h"
#include "compare/verdict.h"
#include "compare/work.h"

namespace scry::compare {

// A sample of the traffic, run right after the change by itself and rolled back. Filled by the job.
struct FirstMoment {
  PatternTable timed;
  PatternTable confirmation;  // A second run of what looked slower in `timed`.
  WorkTable work;
  // What settles the tables of a pattern: "VACUUM (ANALYZE) public.orders".
  std::map<uint64_t, std::string> remedies;
};

// Latency in the first moment; of a sample, shares of the load say nothing.
LatencyVerdict JudgeFirstLatency(const FirstMoment& first, const Policy& policy, bool confirmed);

// Joins what was seen in the first moment with the findings of the second: says of these whether
// they were there at first, and adds one of kTransient for each pattern that was bad only then.
// `table`: of the second moment. `work`: of the second moment; nullptr: not measured.
void JoinMoments(const FirstMoment& first, const PatternTable& table, const WorkTable* work,
                 const Policy& policy, std::vector<Finding>& findings);

const char* Name(Moment moment);  // "both", "first", "later"; empty: not told.

}  // namespace scry::compare
