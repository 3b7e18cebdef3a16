// Which patterns became slower or faster, and how sure that is. Pure.
#pragma once

#include <cstdint>
#include <map>
#include <set>
#include <string>
#include <vector>

#include "compare/pattern_table.h"
#include "compare/policy.h"
#include "compare/verdict.h"

namespace scry::compare {

struct LatencyVerdict {
  std::vector<Finding> findings;
  std::vector<Unjudged> unjudged;
  std::vector<std::string> notes;
  std::vector<Recheck> rechecks;
  std::map<uint64_t, double> detectable;  // See PatternVerdict, by fingerprint; 0: none.
  SelfTest self_test;
  Confirmation confirmation;
  bool too_noisy = false;
};

// `confirmation`, `work`: see Judge(). `told`: patterns that have a finding already.
LatencyVerdict JudgeLatency(const PatternTable& table, const Policy& policy,
                            const PatternTable* confirmation, const WorkTable* work,
                            const std::set<uint64_t>& told);

// 99 %, of the median on `lane` over that of the baseline.
Interval FactorInterval(const PatternStats& stats, size_t lane);

// An index join touches more blocks than the scan it replaces, and may be the better plan.
bool IsSurelyFaster(const PatternStats& stats, const LatencyPolicy& policy);

}  // namespace scry::compare
