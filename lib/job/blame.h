// Who waited for whom while a migration ran under traffic: joins the lock waits of the server's log
// with what replay ran on each backend and with the migration's own statements. Used by the during
// act. SlowBook is for the replay's thread; blaming is pure.
//
// A wait is the migration's doing if a backend of the migration holds the lock or stands before the
// waiter in its queue, or if a backend does that itself waits for the migration.
#pragma once

#include <cstdint>
#include <functional>
#include <map>
#include <set>
#include <string>
#include <unordered_map>
#include <utility>
#include <vector>

#include "base/clock.h"
#include "compare/blocking.h"
#include "compare/meanwhile.h"
#include "compare/open_sessions.h"
#include "event/lane_pair.h"
#include "event/statement_facts.h"
#include "job/wait_timeline.h"
#include "migration/profile.h"
#include "report/report.h"

namespace scry::job {

// A query that failed in a session that had prepared it before the migration.
struct StaleStatement {
  uint64_t session = 0;
  base::Micros end_us = 0;
  uint64_t fingerprint = 0;
};
// A query that failed for want of something (compare::IsMissing), as it had not when captured.
struct MissingStatement {
  base::Micros begin_us = 0;
  base::Micros end_us = 0;
  uint64_t fingerprint = 0;
  std::string sqlstate;
};
// What such queries have in common.
struct FailedQuery {
  event::StatementFacts facts;
  std::string sqlstate;
  std::string message;
};

// A statement that took so long that a logged wait may be in it, or that failed. Times are those of
// the clock's monotonic time.
struct SlowStatement {
  uint32_t pid = 0;
  base::Micros begin_us = 0;
  base::Micros end_us = 0;
  uint64_t fingerprint = 0;
  std::string sqlstate;  // Empty: it succeeded, or failed in the capture as well.
};

// Keeps those of the first lane.
class SlowBook final : public event::PairSink {
 public:
  explicit SlowBook(event::FactsCache& facts) : facts_(facts) {}
  // Which sessions send what others had sent before: that they fail says little.
  void CountRepeats(std::function<bool(uint64_t session)> repeats) {
    repeats_ = std::move(repeats);
  }
  void Put(const event::StatementPair& pair) override;

  const std::vector<SlowStatement>& statements() const { return slow_; }
  const std::string& PatternOf(uint64_t fingerprint) const;
  const std::vector<StaleStatement>& stale() const { return stale_; }
  // By fingerprint.
  const std::map<uint64_t, FailedQuery>& stale_queries() const { return stale_queries_; }
  // By end. Of the first round alone: a later one finds what the first has left.
  const std::vector<MissingStatement>& missing() const { return missing_; }
  // Did the query succeed in this run too? What is missing may have been made before the traffic
  // that was played.
  bool Worked(uint64_t fingerprint) const { return worked_.contains(fingerprint); }
  // Does the traffic itself make one of its relations? Then another order of it explains that one
  // was missing.
  bool UsesMade(const event::StatementFacts& query) const;
  // The first of each fingerprint.
  const std::map<uint64_t, FailedQuery>& missing_queries() const { return missing_queries_; }
  uint64_t seen() const { return seen_; }
  uint64_t dropped() const { return dropped_; }  // Over the limit.
  // Statements of repeats that failed as the first had not, for other reasons than locks.
  uint64_t repeats_failed() const { return repeats_failed_; }

 private:
  void TakeStale(const event::StatementPair& pair);
  void TakeMissing(const event::StatementPair& pair, base::Micros begin_us);
  void NoteWorked(const event::StatementPair& pair);

  event::FactsCache& facts_;
  std::vector<SlowStatement> slow_;
  std::vector<StaleStatement> stale_;
  std::map<uint64_t, FailedQuery> stale_queries_;
  std::vector<MissingStatement> missing_;
  std::map<uint64_t, FailedQuery> missing_queries_;
  std::set<uint64_t> worked_;   // Fingerprints.
  std::set<std::string> made_;  // Relations that the traffic makes, without their schemas.
  std::unordered_map<uint64_t, std::string> patterns_;
  uint64_t seen_ = 0;
  uint64_t dropped_ = 0;
  uint64_t repeats_failed_ = 0;
  std::function<bool(uint64_t)> repeats_;
  // Where the exchange that is under way has come to.
  event::SessionId session_ = event::SessionId::kNone;
  uint64_t exchange_ = 0;
  base::Micros at_us_ = 0;
};

struct Blame {
  std::vector<compare::BlockingQuery> statements;  // Most stall first.
  std::vector<report::Deadlock> deadlocks;         // With the migration.
  std::vector<compare::StalePlans> stale;          // Most failures first.
  std::vector<compare::FailedPattern> meanwhile;   // The same.
  // Queries, each once: one that waited for two statements counts with both of them.
  uint64_t blocked = 0;
  uint64_t failed = 0;
  base::Micros wait_us_max = 0;  // For one statement.
  base::Micros stall_us = 0;
  base::Micros last_end_us = 0;  // Monotonic time. 0: nobody waited.
  uint64_t piled_up = 0;
  std::vector<report::WaitingStep> waiting;  // By monotonic time.
  std::vector<QueryWait> waits;              // Of the queries in `blocked` and `failed`.
};

// When the migration's command ran, by monotonic time.
struct RunSpan {
  base::Micros begin_us = 0;
  base::Micros end_us = 0;
};

// A transaction that scry added of its own accord, and until when it was open: what traffic waits
// while it holds the migration up shows what could happen, and is not the migration's doing.
struct SupposedHold {
  uint32_t pid = 0;  // 0: there was none.
  base::Micros end_us = 0;
};

// What of a run is scry's doing, and is not held against the migration.
struct Allowance {
  // Of waits, only what lies outside the times in which the migration waited for it counts.
  SupposedHold supposed;
  // The fork finds deadlocks before the migration's lock_timeout would end the wait, and production
  // after: its victims are no failures, and a query among them would have waited so long. 0: they
  // are what they would be there.
  base::Micros early_deadlock_us = 0;
};

// `profile`: of the migration that ran under load, on a server with LogSettings().
Blame BlameMigration(const migration::MigrationProfile& profile, const SlowBook& book,
                     const RunSpan& span, const Allowance& allowance = {});

}  // namespace scry::job
