// Counts only what a run of samples is about, not the BEGIN and ROLLBACK around each, and of it
// what does the work that it did when captured. One thread.
#pragma once

#include <cstdint>
#include <map>
#include <vector>

#include "compare/pattern_table.h"
#include "compare/same_work.h"
#include "event/lane_pair.h"
#include "event/statement_facts.h"
#include "replay/sample.h"

namespace scry::job {

class ChosenPatterns final : public event::PairSink {
 public:
  // All outlive it.
  ChosenPatterns(compare::PatternTable& table, event::FactsCache& facts,
                 const std::map<uint64_t, std::vector<replay::Sample>>& samples)
      : table_(table), facts_(facts), samples_(samples) {}
  void Put(const event::StatementPair& pair) override {
    if (pair.text.empty()) return;
    const event::StatementFacts& facts = facts_.Get(pair.text, pair.ordinal);
    if (!samples_.contains(facts.fingerprint)) return;
    if (same_work_.Keeps(pair, facts)) table_.Put(pair);
  }

 private:
  compare::PatternTable& table_;
  event::FactsCache& facts_;
  const std::map<uint64_t, std::vector<replay::Sample>>& samples_;
  compare::SameWork same_work_;
};

// Repeats what was drawn until there are `count` of them, or drops what is more. REQUIRES: some.
void RepeatTo(std::vector<replay::Sample>& samples, size_t count);

}  // namespace scry::job
