// Which sessions to replay when there is no time for all of them. A survey counts, in one pass, how
// often each session runs which pattern; the choice takes whole sessions until the budget is full.
// Pure; one thread. The same events and seed give the same choice.
//
// Chosen are, in this order:
//   1. sessions that bring patterns to the number of calls that a verdict needs, the rarest pattern
//      first, and of heavy patterns also each magnitude of rows (a customer with thousands of
//      orders is a rare call of a frequent pattern);
//   2. sessions that change what the chosen ones read, in the order of their first write and up to
//      the first one that does not fit: until then the lanes hold all that production held, so
//      fidelity can be judged. Behind a write that is left out it cannot, for statements that name
//      the same relation, and the choice says from when on;
//   3. any others, by chance.
// Order among what is chosen needs no help: replay orders what it reads, and waits for nothing
// else.
//
// Memory: at most `sessions_max` sessions that ended, with `entries_max` counts, and as many counts
// of open ones; about 60 MB. Past that, sessions are dropped by chance, half of them at a time, but
// at first not those that a pattern has few of. What was dropped counts in the totals and cannot be
// chosen; counts of open sessions past the limit are missing, so a pattern may look rarer there.
#pragma once

#include <cstddef>
#include <cstdint>
#include <functional>
#include <map>
#include <string>
#include <string_view>
#include <unordered_map>
#include <utility>
#include <vector>

#include "base/clock.h"
#include "event/event.h"
#include "event/statement_facts.h"

namespace scry::replay {

// Thinning leaves so many sessions of each pattern and magnitude, as long as there is room.
inline constexpr uint32_t kSessionsPerKey = 64;

struct SurveyLimits {
  size_t sessions_max = 250'000;
  size_t entries_max = 2'000'000;
  size_t relations_max = 50'000;  // Further ones count as kAnyRelation.
  size_t patterns_max = 20'000;   // Statements of further ones count in the totals alone.
  size_t pattern_bytes = 300;     // A longer pattern is cut.
  uint64_t seed = 1;
};

struct ChoiceOptions {
  base::Micros budget_us = 0;
  uint64_t lanes = 3;
  uint64_t calls_wanted = 30;         // Of each pattern, and of each magnitude of a heavy one.
  uint64_t calls_wanted_heavy = 250;  // Of a heavy pattern in all.
  double heavy_share = 0.01;          // Of the captured time.
};

struct ChosenPattern {
  uint64_t fingerprint = 0;
  std::string pattern;
  uint64_t calls = 0;      // In what was chosen ...
  uint64_t available = 0;  // ... and in all.
  uint64_t wanted = 0;
};

struct SessionChoice {
  std::vector<std::vector<uint64_t>> sessions;  // Per capture, in ascending order.
  base::Micros estimated_us = 0;
  uint64_t sessions_chosen = 0;
  uint64_t sessions_all = 0;
  uint64_t writers_left_out = 0;
  uint64_t statements = 0;
  uint64_t statements_all = 0;
  base::Micros time_us = 0;
  base::Micros time_all_us = 0;
  std::vector<ChosenPattern> patterns;  // All; the rarest first.
  // Per capture: relations, as statements name them but without a schema, that sessions changed
  // which are left out, and since when. kAnyRelation: which ones is not known.
  std::vector<std::map<std::string, base::Micros, std::less<>>> left_out_writes;
};

inline constexpr std::string_view kAnyRelation;

// "orders" of "public.orders".
std::string_view BareRelation(std::string_view name);

class SessionSurvey {
 public:
  explicit SessionSurvey(const SurveyLimits& limits = {}) : limits_(limits) {}

  // What follows is of the next capture.
  void BeginCapture();
  void Add(const event::Event& event, event::FactsCache& facts);
  // Of the last capture too.
  void End();

  // REQUIRES: End(). All sessions, if they fit.
  SessionChoice Choose(const ChoiceOptions& options) const;
  // What replaying everything should take.
  base::Micros EstimateAllUs(uint64_t lanes) const;

  // For tests.
  size_t entries() const { return entries_; }
  size_t sessions_kept() const { return rows_.size(); }

 private:
  friend class SessionChooser;
  struct Entry {
    uint32_t key = 0;
    uint32_t count = 0;
  };
  struct Row {
    uint32_t capture = 0;
    uint32_t statements = 0;
    uint64_t session = 0;
    uint64_t order = 0;  // By chance.
    base::Micros time_us = 0;
    base::Micros first_write_us = -1;  // -1: none.
    uint32_t exchanges = 0;
    std::vector<Entry> entries;  // By key.
  };
  struct OpenRow {
    Row row;
    std::unordered_map<uint32_t, uint32_t> counts;
  };
  // A pattern, or calls of it with one magnitude of rows.
  struct Key {
    uint32_t pattern = 0;
    uint32_t magnitude = 0;
    uint64_t calls = 0;
    uint32_t sessions = 0;  // Kept and closed ones.
  };
  struct Pattern {
    uint64_t fingerprint = 0;
    std::string text;
    uint64_t calls = 0;
    base::Micros time_us = 0;
    bool writes = false;
    std::vector<uint32_t> relations;  // Of all its statements: fingerprints pass over numbers.
  };

  void AddExchange(const event::Exchange& exchange, event::FactsCache& facts);
  void Count(const event::Statement& statement, const event::StatementFacts& facts,
             base::Micros at_us, OpenRow& open);
  uint32_t PatternOf(const event::StatementFacts& facts);
  void NoteRelations(const event::StatementFacts& facts, Pattern& pattern);
  uint32_t KeyOf(uint32_t pattern, uint32_t magnitude);
  void Close(OpenRow open);
  void CloseAll();
  void Thin();
  void NoteWrites(const Row& row);

  const SurveyLimits limits_;
  uint32_t captures_ = 0;
  std::map<uint64_t, OpenRow> open_;
  std::vector<Row> rows_;
  std::vector<Pattern> patterns_;
  std::vector<Key> keys_;
  std::vector<std::string> relations_;
  std::unordered_map<uint64_t, uint32_t> pattern_of_;  // By fingerprint.
  std::unordered_map<uint64_t, uint32_t> key_of_;      // By pattern and magnitude.
  std::map<std::string, uint32_t, std::less<>> relation_of_;
  size_t entries_ = 0;                    // Of closed sessions.
  size_t open_entries_ = 0;               // Of open ones: at most as many again.
  int level_ = 0;                         // Sessions were halved so often.
  uint32_t protected_ = kSessionsPerKey;  // Sessions of a key that are not dropped.
  uint64_t sessions_all_ = 0;
  uint64_t writers_dropped_ = 0;
  uint64_t statements_all_ = 0;
  uint64_t exchanges_all_ = 0;
  base::Micros time_all_us_ = 0;
  // Per capture, by relation: first write of dropped sessions.
  std::vector<std::unordered_map<uint32_t, base::Micros>> dropped_writes_;
};

}  // namespace scry::replay
