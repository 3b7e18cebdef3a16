// Ends every pattern in exactly one class, from its findings and from what could not be judged.
// Called by Judge() when all findings are there. Pure.
#pragma once

#include <cstdint>
#include <map>
#include <set>

#include "compare/pattern_table.h"
#include "compare/verdict.h"

namespace scry::compare {

struct ClassFacts {
  std::set<uint64_t> folded;              // Patterns told with the finding of their cause.
  std::map<uint64_t, double> detectable;  // By fingerprint, of those with enough pairs.
  const WorkTable* work = nullptr;        // nullptr: not measured.
};

// Fills `classes`, `class_counts` and `unchanged` of the verdict.
void Classify(const PatternTable& table, const ClassFacts& facts, Verdict& verdict);

// The class that a finding puts its pattern in.
PatternClass ClassOf(const Finding& finding);

}  // namespace scry::compare
