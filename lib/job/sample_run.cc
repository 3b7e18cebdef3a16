#include "job/sample_run.h"

#include "compare/same_work.h"
#include "replay/sample_book.h"

namespace scry::job {
namespace {

class ChosenPatterns final : public event::PairSink {
 public:
  ChosenPatterns(compare::PatternTable& table, event::FactsCache& facts, const Samples& samples)
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
  const Samples& samples_;
  compare::SameWork same_work_;
};

}  // namespace

void RepeatTo(std::vector<replay::Sample>& samples, size_t count) {
  const size_t drawn = samples.size();
  samples.reserve(count);
  while (samples.size() < count) samples.push_back(samples[samples.size() - drawn]);
  samples.resize(count);
}

base::Status RunSamples(const Samples& samples, uint64_t seed, compare::PatternTable& table,
                        event::FactsCache& facts, const ReplayTraffic& replay) {
  constexpr uint64_t kStatementsEach = 3;  // With BEGIN and ROLLBACK.
  uint64_t statements = 0;
  for (const auto& [fingerprint, drawn] : samples) statements += drawn.size() * kStatementsEach;
  replay::SampleSource source(samples, /*rounds=*/1, seed);
  ChosenPatterns sink(table, facts, samples);
  SCRY_TRY(replay({source, statements}, sink));
  table.EndSessions();
  return {};
}

}  // namespace scry::job
