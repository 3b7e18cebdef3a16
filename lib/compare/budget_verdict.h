// Absolute budgets of the policy: what statements may take on the candidate, whatever they took
// before. Pure.
#pragma once

#include <string>
#include <vector>

#include "compare/pattern_table.h"
#include "compare/policy.h"
#include "compare/verdict.h"

namespace scry::compare {

// A p99 of fewer is the slowest call or the one before it.
inline constexpr uint64_t kBudgetSamplesMin = 200;

struct BudgetVerdict {
  std::vector<Finding> findings;  // At most one per pattern, of the tightest budget.
  std::vector<Unjudged> unjudged;
  std::vector<std::string> notes;  // Of budgets that nothing falls under.
};

// A pattern is over its budget if more calls took longer than one in a hundred would by chance,
// with the confidence of the latency policy and corrected for the number of patterns judged.
BudgetVerdict JudgeBudgets(const PatternTable& table, const Policy& policy);

// P(at least `hits` of `trials`) where each has the chance `chance`.
double BinomialAtLeast(uint64_t hits, uint64_t trials, double chance);

}  // namespace scry::compare
