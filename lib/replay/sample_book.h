// Single executions of chosen patterns, taken out of a capture so that each can be run again by
// itself: for confirming a latency finding and for EXPLAIN with real parameters. Bounded by the
// number of patterns times the samples of each. One thread.
#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <set>
#include <string>
#include <unordered_map>
#include <vector>

#include "base/random.h"
#include "base/result.h"
#include "event/event.h"
#include "event/event_source.h"
#include "event/statement_facts.h"

namespace scry::replay {

struct Sample {
  uint64_t fingerprint = 0;
  event::SessionStart session;  // Whose role and settings it ran with.
  std::string text;
  std::string tag;  // What the server answered when it was captured.
  // Of the extended protocol: the messages that run it, complete with its Parse. Empty: simple
  // query.
  std::vector<event::FrontendMessage> messages;
};

class SampleBook {
 public:
  SampleBook(std::set<uint64_t> fingerprints, size_t samples_per_pattern, uint64_t seed)
      : fingerprints_(std::move(fingerprints)),
        samples_per_pattern_(samples_per_pattern),
        random_(seed) {}

  // Reads a whole capture. May be called for several.
  base::Status Scan(event::EventSource& source, event::FactsCache& facts);

  const std::map<uint64_t, std::vector<Sample>>& samples() const { return samples_; }

 private:
  struct Session {
    event::SessionStart start;
    std::unordered_map<std::string, event::FrontendMessage> prepared;  // By name: its Parse.
  };
  static void Remember(const event::FrontendMessage& message, Session& session);
  void Take(const event::Exchange& exchange, event::FactsCache& facts);
  std::optional<Sample> MakeSample(const Session& session, const event::Exchange& exchange) const;

  const std::set<uint64_t> fingerprints_;
  const size_t samples_per_pattern_;
  base::Random random_;
  std::unordered_map<uint64_t, Session> sessions_;  // Open ones.
  std::map<uint64_t, std::vector<Sample>> samples_;
  std::map<uint64_t, uint64_t> seen_;
};

// The samples as a capture of its own: `rounds` times each, in a fresh random order, each in a
// transaction that is rolled back, so that every run sees the same data.
class SampleSource final : public event::EventSource {
 public:
  SampleSource(const std::map<uint64_t, std::vector<Sample>>& samples, uint64_t rounds,
               uint64_t seed);
  base::Result<std::optional<event::Event>> Next() override;

 private:
  struct Run {
    const Sample* sample;
    event::SessionId session;
  };
  event::Exchange QueryExchange(event::SessionId session, const std::string& sql, char status);
  event::Exchange SampleExchange(const Run& run);

  std::vector<event::SessionStart> starts_;  // One session per role and settings.
  std::vector<Run> runs_;
  size_t at_ = 0;
  int step_ = 0;
  size_t started_ = 0;
  std::unordered_map<uint64_t, uint64_t> index_;
};

}  // namespace scry::replay
