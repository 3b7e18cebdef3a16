// Single executions of chosen patterns, taken out of a capture so that each can be run again by
// itself: for confirming a latency finding and for EXPLAIN with real parameters. Bounded by the
// number of patterns times the samples of each. One thread.
#pragma once

#include <cstdint>
#include <functional>
#include <map>
#include <optional>
#include <set>
#include <string>
#include <unordered_map>
#include <vector>

#include "base/random.h"
#include "base/result.h"
#include "event/cost_range.h"
#include "event/event.h"
#include "event/event_source.h"
#include "event/statement_facts.h"
#include "replay/sample.h"
#include "replay/sample_spread.h"
#include "replay/session_settings.h"

namespace scry::replay {

inline constexpr size_t kSpreadSampleBytesMax = 256 * 1024;
inline constexpr size_t kSpreadBytesMax = 128 * 1024 * 1024;  // Of all patterns together.

enum class SampleChoice : uint8_t {
  kRandom,  // Every execution has the same chance.
  kSpread,  // Those that show most of the parameter space: SampleSpread.
};

class SampleBook {
 public:
  // Whether executions of this pattern are kept. Asked for each; the caller bounds the patterns.
  using Wanted = std::function<bool(const event::StatementFacts&)>;

  SampleBook(Wanted wanted, size_t samples_per_pattern, uint64_t seed,
             SampleChoice choice = SampleChoice::kRandom)
      : wanted_(std::move(wanted)),
        samples_per_pattern_(samples_per_pattern),
        seed_(seed),
        choice_(choice),
        random_(seed) {}
  SampleBook(std::set<uint64_t> fingerprints, size_t samples_per_pattern, uint64_t seed,
             SampleChoice choice = SampleChoice::kRandom)
      : SampleBook(
            [fingerprints = std::move(fingerprints)](const event::StatementFacts& facts) {
              return fingerprints.contains(facts.fingerprint);
            },
            samples_per_pattern, seed, choice) {}

  // Of kRandom: of this pattern, keep so many, and only those that cost this much. Before Scan().
  struct Wish {
    size_t samples = 0;
    event::CostRange calls;
  };
  void Want(uint64_t fingerprint, const Wish& wish) { wishes_[fingerprint] = wish; }

  // Reads a whole capture. May be called for several.
  base::Status Scan(event::EventSource& source, event::FactsCache& facts);

  const std::map<uint64_t, std::vector<Sample>>& samples() const { return samples_; }
  // Of kRandom: executions of a pattern, kept or not.
  uint64_t Seen(uint64_t fingerprint) const {
    const auto found = seen_.find(fingerprint);
    return found == seen_.end() ? 0 : found->second;
  }
  // Of kSpread: executions not looked at, as they are too large, or too much is held already.
  uint64_t left_out() const { return left_out_; }

 private:
  struct Prepared {
    event::FrontendMessage parse;
    uint64_t executed = 0;  // Its Binds.
    // The one at hand, which is counted already.
    uint64_t executed_before() const { return executed > 0 ? executed - 1 : 0; }
  };
  struct Session {
    event::SessionStart start;
    std::unordered_map<std::string, Prepared> prepared;  // By name.
    SessionSettings settings;
  };
  static void Remember(const event::FrontendMessage& message, Session& session);
  void Take(Session& session, const event::Exchange& exchange, event::FactsCache& facts);
  void TakeRandom(Session& session, const event::Exchange& exchange, uint64_t fingerprint);
  void TakeSpread(Session& session, const event::Exchange& exchange, uint64_t fingerprint);
  static uint64_t KeyOf(Session& session, const std::string& text,
                        const event::FrontendMessage* bind);
  static Prepared* PreparedOf(Session& session, const event::FrontendMessage& bind);
  static std::optional<Sample> MakeSample(Session& session, const event::Exchange& exchange);

  const Wanted wanted_;
  const size_t samples_per_pattern_;
  const uint64_t seed_;
  const SampleChoice choice_;
  std::map<uint64_t, Wish> wishes_;
  base::Random random_;
  std::unordered_map<uint64_t, Session> sessions_;  // Open ones.
  std::map<uint64_t, std::vector<Sample>> samples_;
  std::map<uint64_t, uint64_t> seen_;
  std::map<uint64_t, SampleSpread> spreads_;
  size_t spread_bytes_ = 0;
  uint64_t left_out_ = 0;
};

// The samples as a capture of its own: `rounds` times each, each in a transaction that is rolled
// back, so that every run sees the same data. In a fresh random order, but in short stretches of
// one pattern on one session: what runs before a query on its connection leaves the processor's
// caches and the backend's memory as it will, and if that became slower, the query would too. What
// was accustomed when it was captured is so here: prepared by a name, and bound often enough before
// its first run that the server has its generic plan.
class SampleSource final : public event::EventSource {
 public:
  static constexpr size_t kStretch = 8;  // Runs; of the first one the neighbour may be another.

  SampleSource(const std::map<uint64_t, std::vector<Sample>>& samples, uint64_t rounds,
               uint64_t seed);
  base::Result<bool> Read(event::Event& event) override;

 private:
  struct Run {
    const Sample* sample;
    event::SessionId session;
    std::optional<size_t> statement;  // In statements_, where it is accustomed.
  };
  // One Parse of samples in one session.
  struct NamedStatement {
    std::string name;
    std::vector<const Sample*> samples;  // The first few: what it is bound with before.
    bool prepared = false;
  };
  event::Exchange Open(event::SessionId session, char status);
  event::Exchange QueryExchange(event::SessionId session, const std::string& sql, char status);
  event::Exchange SampleExchange(const Run& run);
  event::Exchange AccustomExchange(event::SessionId session, const NamedStatement& statement);

  std::vector<event::SessionStart> starts_;  // One session per role and settings.
  std::vector<Run> runs_;
  std::vector<NamedStatement> statements_;
  size_t at_ = 0;
  int step_ = 0;
  size_t started_ = 0;
  std::unordered_map<uint64_t, uint64_t> index_;
};

}  // namespace scry::replay
