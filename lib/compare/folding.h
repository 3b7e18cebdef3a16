// Takes what follows from an earlier difference out of what a pattern weighs by itself, and tells
// it with its cause. Pure.
#pragma once

#include <cstdint>
#include <map>
#include <set>
#include <vector>

#include "compare/pattern_table.h"
#include "compare/verdict.h"

namespace scry::compare {

// Causes under which differences are folded, by fingerprint.
struct Causes {
  bool all = false;  // Whatever the cause is: to see what gates by itself.
  std::set<uint64_t> only;

  bool Has(uint64_t cause) const { return all || only.count(cause) != 0; }
};

// What is left of a kind without the pairs that are folded.
ColumnWeights OwnWeights(const KindStats& kind, const Causes& causes);
bool AnyFolded(const PatternStats& stats, const Causes& causes);
// Some pair follows from an earlier difference.
bool AnyFollows(const PatternTable& table);

// Adds to the findings of causes what follows from them. Findings that do not gate have nothing
// folded under them.
void TellFollowers(const PatternTable& table, const Causes& causes, std::vector<Finding>& findings);

}  // namespace scry::compare
