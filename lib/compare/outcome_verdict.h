// Which patterns fail or answer something else, what that follows from, and whether it gates. Pure.
#pragma once

#include <cstdint>
#include <optional>
#include <set>
#include <vector>

#include "compare/pattern_table.h"
#include "compare/policy.h"
#include "compare/verdict.h"

namespace scry::compare {

struct OutcomeVerdict {
  std::vector<Finding> findings;
  std::vector<Unjudged> unjudged;
  std::set<uint64_t> told;    // Patterns with a finding, or told with the finding of their cause.
  uint64_t fixed = 0;         // Patterns that fail on the baseline only.
  uint64_t cut_off = 0;       // Patterns cancelled on the candidate alone, too rarely to judge.
  uint64_t column_noise = 0;  // Statements that differ only where the control lane does as well.
};

// Differences that follow from earlier ones are folded under their cause, if that gates by itself:
// a run that gates without folding gates with it.
// `pace`: see PaceFor; where `table` is not what tells it.
OutcomeVerdict JudgeOutcomes(const PatternTable& table, const Policy& policy,
                             std::optional<double> pace = std::nullopt);

}  // namespace scry::compare
