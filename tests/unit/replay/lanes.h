// Two servers to replay on, for the tests that need real ones.
#pragma once

#include <functional>
#include <string>
#include <utility>
#include <vector>

#include "base/clock.h"
#include "event/statement_facts.h"
#include "replay/replayer.h"
#include "script.h"
#include "support/catch.h"
#include "support/pg_server.h"

namespace scry::replay {

inline constexpr const char* kSettings = "max_connections = 500\nlog_min_messages = fatal\n";

struct Replayed {
  ReplayStats stats;
  std::vector<event::StatementPair> pairs;
  std::string error;

  const event::StatementPair& Pair(const std::string& text) const {
    for (const auto& pair : pairs) {
      if (pair.text == text) return pair;
    }
    FAIL("no pair of: " << text);
    return pairs.front();
  }
};

// Two equal servers, but for what the candidate alone is told.
class Lanes {
 public:
  explicit Lanes(const std::string& settings = kSettings)
      : baseline_(settings), candidate_(settings) {
    lanes_ = {{"baseline", baseline_.Info()}, {"candidate", candidate_.Info()}};
  }
  // Servers are dear: promises share them one after the other.
  void Reset(const std::string& schema, const std::string& candidate_only = {}) {
    options = ReplayOptions();
    options.stuck_us = 3 * 1000 * 1000;
    const std::string clear = "DROP SCHEMA IF EXISTS public CASCADE; CREATE SCHEMA public; ";
    baseline_.Exec(clear + schema);
    candidate_.Exec(clear + schema);
    if (!candidate_only.empty()) candidate_.Exec(candidate_only);
  }
  test::PgServer& baseline() { return baseline_; }
  test::PgServer& candidate() { return candidate_; }

  Replayed Play(Script script, const std::function<void()>& tick = {}) {
    PairList pairs;
    event::FactsCache facts;
    Replayed replayed;
    const auto result =
        Replay(lanes_, script, pairs, facts, options, base::SystemClock(), [&](const ReplayStats&) {
          if (tick) tick();
          return true;
        });
    replayed.pairs = std::move(pairs.pairs);
    if (!result.ok()) {
      replayed.error = result.error().message;
      return replayed;
    }
    replayed.stats = *result;
    // What was fed is either played or counted as left out.
    CHECK(replayed.stats.exchanges + replayed.stats.exchanges_excluded == script.exchanges());
    return replayed;
  }

  ReplayOptions options;

 private:
  test::PgServer baseline_;
  test::PgServer candidate_;
  std::vector<LaneTarget> lanes_;
};

inline bool Same(const event::StatementPair& pair) {
  const event::Outcome& one = pair.lanes[0].outcome;
  const event::Outcome& other = pair.lanes[1].outcome;
  return one.status == other.status && one.tag == other.tag && one.rows == other.rows &&
         one.digest_ordered == other.digest_ordered && one.sqlstate == other.sqlstate &&
         one.message == other.message &&
         pair.lanes[0].transaction_status == pair.lanes[1].transaction_status &&
         pair.lanes[0].cells == pair.lanes[1].cells;
}

// Nobody was left out, and each statement did the same on both lanes.
inline void CheckEqual(const Replayed& replayed) {
  CHECK(replayed.error.empty());
  for (const auto& [reason, count] : replayed.stats.exclusion_reasons) {
    FAIL_CHECK(count << " left out: " << reason);
  }
  for (const auto& pair : replayed.pairs) {
    INFO(pair.text.str() << ": " << pair.lanes[0].outcome.message << " / "
                         << pair.lanes[1].outcome.message);
    CHECK(Same(pair));
  }
}

}  // namespace scry::replay
