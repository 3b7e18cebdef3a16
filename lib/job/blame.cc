#include "job/blame.h"

#include <algorithm>
#include <map>
#include <optional>
#include <set>
#include <string_view>
#include <utility>

#include "base/letter_case.h"
#include "event/relation_name.h"
#include "migration/server_log.h"

namespace scry::job {
namespace {

using base::Micros;
using migration::LockMode;
using migration::LockWaitEvent;
using migration::StatementProfile;

constexpr size_t kSlowMax = 500 * 1000;
constexpr size_t kPatternsMax = 20 * 1000;
constexpr size_t kStepsMax = 400;
// Waits of waits: each round finds those one step further from the migration.
constexpr int kRoundsMax = 20;
// The log has milliseconds.
constexpr Micros kSlackUs = 3000;

bool ForLocks(const std::string& sqlstate) {
  return sqlstate == "40P01" || sqlstate == "55P03" || sqlstate == "57014" || sqlstate == "25P03" ||
         sqlstate == "25P04" || sqlstate == "57P05";
}

class Blaming {
 public:
  Blaming(const migration::MigrationProfile& profile, const SlowBook& book, const RunSpan& span,
          const Allowance& allowance)
      : profile_(profile),
        book_(book),
        span_(span),
        early_deadlock_us_(allowance.early_deadlock_us) {
    for (const StatementProfile& statement : profile_.statements) pids_.insert(statement.pid);
    FindHolds(allowance.supposed);
    for (size_t i = 0; i < book_.statements().size(); ++i) {
      by_pid_[book_.statements()[i].pid].push_back(i);
    }
  }

  Blame Run() {
    FindRoots();
    for (size_t i = 0; i < profile_.waits.size(); ++i) {
      if (roots_[i]) TakeWait(profile_.waits[i], *roots_[i]);
    }
    for (const auto& deadlock : profile_.deadlocks) TakeDeadlock(deadlock);
    for (const LockWaitEvent& wait : profile_.waits) {
      if (!pids_.contains(wait.pid)) continue;
      if (const auto own = StatementAt(wait.pid, wait.begin_wall_us)) {
        Own& waits = own_waits_[*own];
        waits.us += CountedUs(wait, wait.end_wall_us);
        if (wait.ForTable() && wait.mode >= waits.mode) {
          waits.mode = wait.mode;
          waits.relation = wait.name;
        }
      }
    }
    Sum();
    SumStale();
    SumMeanwhile();
    return std::move(blame_);
  }

 private:
  // Whom a wait is for: those that hold the lock, and those before it in the queue.
  template <typename Visit>
  static void EachBlocker(const LockWaitEvent& wait, Visit visit) {
    for (const uint32_t pid : wait.holders) {
      if (visit(pid)) return;
    }
    for (const uint32_t pid : wait.queue) {
      if (pid == wait.pid || visit(pid)) return;
    }
  }

  void FindRoots() {
    roots_.resize(profile_.waits.size());
    std::map<uint32_t, std::vector<size_t>> blamed;  // By pid.
    for (int round = 0; round < kRoundsMax; ++round) {
      bool found = false;
      for (size_t i = 0; i < profile_.waits.size(); ++i) {
        const LockWaitEvent& wait = profile_.waits[i];
        if (roots_[i] || pids_.contains(wait.pid)) continue;
        EachBlocker(wait, [&](uint32_t pid) {
          roots_[i] = pids_.contains(pid) ? Root(wait, pid) : Passed(wait, pid, blamed);
          return roots_[i].has_value();
        });
        if (!roots_[i]) continue;
        blamed[wait.pid].push_back(i);
        found = true;
      }
      if (!found) return;
    }
  }

  std::optional<size_t> Passed(const LockWaitEvent& wait, uint32_t pid,
                               const std::map<uint32_t, std::vector<size_t>>& blamed) const {
    const auto known = blamed.find(pid);
    if (known == blamed.end()) return std::nullopt;
    for (const size_t other : known->second) {
      const LockWaitEvent& of = profile_.waits[other];
      const bool overlap = of.begin_wall_us <= wait.end_wall_us + kSlackUs &&
                           wait.begin_wall_us <= of.end_wall_us + kSlackUs;
      if (overlap) return roots_[other];
    }
    return std::nullopt;
  }

  // The statement that a backend of the migration ran at a moment, else the last before it.
  std::optional<size_t> StatementAt(uint32_t pid, Micros at_us) const {
    std::optional<size_t> found;
    for (size_t i = 0; i < profile_.statements.size(); ++i) {
      const StatementProfile& statement = profile_.statements[i];
      if (statement.pid != pid) continue;
      if (statement.begin_us > at_us + kSlackUs) break;
      found = i;
    }
    return found;
  }

  static bool IsAdvisory(const LockWaitEvent& wait) {
    return wait.target.starts_with("advisory lock");
  }

  // Neither for a table, nor for rows, nor for the end of a transaction that wrote some.
  static bool IsOtherLock(const LockWaitEvent& wait) {
    return wait.relation == 0 &&
           (IsAdvisory(wait) || wait.target.starts_with("object ") ||
            wait.target.starts_with("user lock") || wait.target.starts_with("virtual transaction"));
  }

  static std::string_view RowsTable(const LockWaitEvent& wait) {
    return wait.row_of.empty() ? event::BareName(wait.name) : std::string_view(wait.row_of);
  }

  bool Names(size_t statement, std::string_view table) const {
    if (table.empty()) return false;
    const auto& relations = profile_.statements[statement].relations;
    return std::any_of(relations.begin(), relations.end(),
                       [&](const auto& one) { return event::BareName(one) == table; });
  }

  // It locked rows of the table, or may have: what it locks is told once for each transaction.
  bool LocksRows(size_t i, std::string_view table) const {
    const StatementProfile& statement = profile_.statements[i];
    const bool locks = std::any_of(
        statement.locks.begin(), statement.locks.end(), [&](const migration::TakenLock& lock) {
          const bool rows =
              lock.mode == LockMode::kRowShare || lock.mode == LockMode::kRowExclusive;
          return rows && event::BareName(lock.name) == table;
        });
    return locks || (statement.rows > 0 && !statement.work.reads_table && Names(i, table));
  }

  // Rows are not counted of what code writes.
  static bool Writes(const StatementProfile& statement) {
    return statement.rows > 0 ||
           std::any_of(statement.locks.begin(), statement.locks.end(),
                       [](const auto& lock) { return lock.mode == LockMode::kRowExclusive; });
  }

  // Whoever asked for an advisory lock last: such a lock may outlive its transaction. Of other
  // things, whatever runs.
  std::optional<size_t> RootOfOther(const LockWaitEvent& wait, uint32_t pid) const {
    std::optional<size_t> asked;
    for (size_t i = 0; i < profile_.statements.size() && IsAdvisory(wait); ++i) {
      const StatementProfile& statement = profile_.statements[i];
      if (statement.pid != pid || statement.begin_us > wait.begin_wall_us + kSlackUs) continue;
      const bool asks = base::ContainsInAnyCase(statement.text, "advisory_lock") ||
                        base::ContainsInAnyCase(statement.text, "advisory_xact_lock");
      if (asks) asked = i;
    }
    return asked ? asked : StatementAt(pid, wait.begin_wall_us);
  }

  // The one whose lock it is: of an earlier statement of the transaction, or the one that runs.
  std::optional<size_t> Root(const LockWaitEvent& wait, uint32_t pid) const {
    if (IsOtherLock(wait)) return RootOfOther(wait, pid);
    std::optional<size_t> wrote;
    bool sure = false;
    for (size_t i = 0; i < profile_.statements.size(); ++i) {
      const StatementProfile& statement = profile_.statements[i];
      if (statement.pid != pid || statement.begin_us > wait.begin_wall_us + kSlackUs) continue;
      if (statement.transaction_end_us + kSlackUs < wait.begin_wall_us) continue;
      // The last that wrote; of those that locked rows of the table, if there are any.
      const bool locked = LocksRows(i, RowsTable(wait));
      if (locked || (!sure && Writes(statement))) {
        wrote = i;
        sure = locked;
      }
      for (const migration::TakenLock& lock : statement.locks) {
        const bool same = wait.ForTable() && lock.relation == wait.relation;
        if (same && Conflicts(wait.mode, lock.mode)) return i;
      }
    }
    // For a row, or for the end of the transaction that wrote it.
    if (!wait.ForTable() && wrote) return wrote;
    return StatementAt(pid, wait.begin_wall_us);
  }

  // What replay ran on the waiter's backend meanwhile.
  std::optional<size_t> QueryOf(uint32_t pid, Micros begin_us, Micros end_us) const {
    const auto known = by_pid_.find(pid);
    if (known == by_pid_.end()) return std::nullopt;
    std::optional<size_t> best;
    Micros longest = 0;
    for (const size_t i : known->second) {
      const SlowStatement& slow = book_.statements()[i];
      const Micros overlap = std::min(slow.end_us, end_us) - std::max(slow.begin_us, begin_us);
      if (overlap + 2 * kSlackUs <= longest) continue;
      longest = overlap + 2 * kSlackUs;
      best = i;
    }
    return best;
  }

  // When the migration waited for the supposed transaction; apart from each other, in order.
  void FindHolds(const SupposedHold& supposed) {
    if (supposed.pid == 0) return;
    for (const LockWaitEvent& wait : profile_.waits) {
      const auto& holders = wait.holders;
      if (!pids_.contains(wait.pid)) continue;
      if (std::find(holders.begin(), holders.end(), supposed.pid) == holders.end()) continue;
      holds_.emplace_back(wait.begin_wall_us, std::min(wait.end_wall_us, supposed.end_us));
    }
    std::sort(holds_.begin(), holds_.end());
    for (size_t i = 1; i < holds_.size(); ++i) {
      holds_[i].first = std::max(holds_[i].first, holds_[i - 1].second);
      holds_[i].second = std::max(holds_[i].second, holds_[i].first);
    }
  }

  // What counts of a wait for what was let go at `let_go_us`: a queue that formed in such a hold
  // wakes up all at once, and how long that takes is not the migration's doing either. Nor is how
  // long the queue has grown: without the hold, who came so much later than the migration began to
  // wait would have come so much later than it had its lock.
  Micros CountedUs(const LockWaitEvent& wait, Micros let_go_us) const {
    Micros end_us = wait.end_wall_us;
    Micros held_us = 0;
    Micros late_us = 0;
    for (const auto& [hold_begin_us, hold_end_us] : holds_) {
      const Micros overlap_us =
          std::min(wait.end_wall_us, hold_end_us) - std::max(wait.begin_wall_us, hold_begin_us);
      if (overlap_us <= 0) continue;
      held_us += overlap_us;
      late_us = std::max<Micros>(late_us, wait.begin_wall_us - hold_begin_us);
      end_us = std::min(wait.end_wall_us, std::max(let_go_us, hold_end_us));
    }
    return std::max<Micros>(end_us - wait.begin_wall_us - held_us - late_us, 0);
  }

  // What makes it fail here would do so in production too.
  bool IsFailure(size_t query) const {
    const std::string& sqlstate = book_.statements()[query].sqlstate;
    return ForLocks(sqlstate) && (early_deadlock_us_ == 0 || sqlstate != "40P01");
  }

  void TakeWait(const LockWaitEvent& wait, size_t root) {
    const auto query = QueryOf(wait.pid, wait.begin_wall_us, wait.end_wall_us);
    if (!query) return;  // Not of the traffic: autovacuum, or the blocker.
    Waited& waited = waited_[{root, *query}];
    waited.us += CountedUs(wait, profile_.statements[root].transaction_end_us);
    waited.waits.push_back({*query, wait.begin_wall_us, wait.end_wall_us});
    waited.failed |= wait.end == LockWaitEvent::End::kFailed && IsFailure(*query);
    if (wait.end_wall_us - wait.begin_wall_us >= compare::kBlockedUs || waited.failed) {
      edges_.emplace_back(wait.begin_wall_us, 1);
      edges_.emplace_back(wait.end_wall_us, -1);
      blame_.last_end_us = std::max(blame_.last_end_us, wait.end_wall_us);
    }
    if (IsAdvisory(wait)) other_locks_[root] = "an advisory lock";
    if (IsOtherLock(wait)) other_locks_.try_emplace(root, "a lock on " + wait.target);
    if (!wait.ForTable()) return;
    if (!wait.name.empty()) other_locks_.try_emplace(root, "a lock on " + wait.name);
    Wanted& wanted = waits_for_[root][wait.relation];
    wanted.mode = std::max(wanted.mode, wait.mode);
    wanted.us += wait.end_wall_us - wait.begin_wall_us;
  }

  // Whoever closes the cycle waits for a moment only, too short for the book: then by the log.
  std::string NameOf(uint32_t pid, const migration::DeadlockEvent& deadlock) const {
    if (pids_.contains(pid)) return "migration";
    const auto query = QueryOf(pid, deadlock.wall_us - kSlackUs, deadlock.wall_us + kSlackUs);
    if (query) return book_.PatternOf(book_.statements()[*query].fingerprint);
    for (size_t i = 0; i < deadlock.queries.size(); ++i) {
      const std::string& text = deadlock.queries[i];
      if (deadlock.pids[i] == pid && !text.empty()) {
        return event::AnalyzeQuery(text).front().pattern;
      }
    }
    return "another session";
  }

  void TakeDeadlock(const migration::DeadlockEvent& deadlock) {
    const auto one = std::find_if(deadlock.pids.begin(), deadlock.pids.end(),
                                  [&](uint32_t pid) { return pids_.contains(pid); });
    const bool victim = pids_.contains(deadlock.victim);
    if (one == deadlock.pids.end() && !victim) return;
    const uint32_t migrating = victim ? deadlock.victim : *one;
    report::Deadlock told;
    told.victim = NameOf(deadlock.victim, deadlock);
    for (const uint32_t pid : deadlock.pids) {
      if (pid != deadlock.victim) told.others.push_back(NameOf(pid, deadlock));
    }
    blame_.deadlocks.push_back(std::move(told));
    // A migration that lives on goes on at once; while it was found it waited.
    const auto statement = StatementAt(migrating, deadlock.wall_us - 2 * kSlackUs);
    if (!statement) return;
    if (victim) {
      victims_.insert(*statement);
      return;
    }
    const auto query = QueryOf(deadlock.victim, deadlock.wall_us - kSlackUs, deadlock.wall_us);
    if (!query) return;
    Waited& waited = waited_[{*statement, *query}];
    waited.failed |= early_deadlock_us_ == 0;
    waited.us += early_deadlock_us_;
  }

  void Sum() {
    std::map<size_t, std::map<uint64_t, compare::BlockedQueries>> found;
    std::map<size_t, bool> told;  // By query, that may have waited for several statements: failed?
    for (const auto& [where, waited] : waited_) {
      if (!waited.failed && waited.us < compare::kBlockedUs) continue;
      const uint64_t fingerprint = book_.statements()[where.second].fingerprint;
      compare::BlockedQueries& queries = found[where.first][fingerprint];
      queries.fingerprint = fingerprint;
      queries.pattern = book_.PatternOf(fingerprint);
      queries.stall_us += waited.us;
      queries.wait_us_max = std::max(queries.wait_us_max, waited.us);
      ++(waited.failed ? queries.failed : queries.blocked);
      bool& failed = told[where.second];
      failed = failed || waited.failed;
      blame_.waits.insert(blame_.waits.end(), waited.waits.begin(), waited.waits.end());
    }
    for (const auto& [query, failed] : told) ++(failed ? blame_.failed : blame_.blocked);
    for (const size_t victim : victims_) found[victim];
    for (const auto& [statement, own] : own_waits_) {
      if (own.us >= compare::kBlockedUs) found[statement];
    }
    for (auto& [root, by_pattern] : found) AddStatement(root, by_pattern);
    std::stable_sort(blame_.statements.begin(), blame_.statements.end(),
                     [](const auto& a, const auto& b) { return a.StallUs() > b.StallUs(); });
    std::sort(edges_.begin(), edges_.end());
    CountWaiting();
  }

  // One step for each moment or, where there are too many, the worst of each of equal spans: a pile
  // is not to be lost.
  void CountWaiting() {
    if (edges_.empty()) return;
    const Micros begin_us = edges_.front().first;
    const Micros span_us =
        std::max<Micros>((edges_.back().first - begin_us) / static_cast<Micros>(kStepsMax), 1);
    Micros span = -1;
    int64_t now = 0;
    for (const auto& [at_us, change] : edges_) {
      now += change;
      const auto queries = static_cast<uint64_t>(std::max<int64_t>(now, 0));
      blame_.piled_up = std::max(blame_.piled_up, queries);
      if (edges_.size() > kStepsMax && (at_us - begin_us) / span_us == span) {
        blame_.waiting.back().queries = std::max(blame_.waiting.back().queries, queries);
        continue;
      }
      span = (at_us - begin_us) / span_us;
      if (!blame_.waiting.empty() && blame_.waiting.back().at_us == at_us) {
        blame_.waiting.back().queries = queries;
      } else {
        blame_.waiting.push_back({at_us, queries});
      }
    }
    // In the end nobody waits.
    if (blame_.waiting.back().queries > 0) blame_.waiting.push_back({edges_.back().first, 0});
  }

  // Only a statement that locks a relation against everybody changes the columns of it.
  bool Changes(const StatementProfile& statement, const event::StatementFacts& query) const {
    return std::any_of(
        statement.locks.begin(), statement.locks.end(), [&](const migration::TakenLock& lock) {
          return lock.mode == migration::LockMode::kAccessExclusive &&
                 std::any_of(query.relations.begin(), query.relations.end(), [&](const auto& one) {
                   return event::BareName(one) == event::BareName(lock.name);
                 });
        });
  }

  void SumStale() {
    struct Tally {
      uint64_t failed = 0;
      std::set<uint64_t> sessions;
      Micros first_us = 0;
    };
    std::map<uint64_t, Tally> tallies;
    for (const StaleStatement& one : book_.stale()) {
      Tally& tally = tallies[one.fingerprint];
      if (tally.failed++ == 0) tally.first_us = one.end_us;
      tally.first_us = std::min(tally.first_us, one.end_us);
      tally.sessions.insert(one.session);
    }
    for (const auto& [fingerprint, tally] : tallies) {
      const FailedQuery& query = book_.stale_queries().at(fingerprint);
      compare::StalePlans& stale = blame_.stale.emplace_back();
      stale.fingerprint = fingerprint;
      stale.pattern = query.facts.pattern;
      stale.sqlstate = query.sqlstate;
      stale.message = query.message;
      stale.failed = tally.failed;
      stale.sessions = tally.sessions.size();
      for (const StatementProfile& statement : profile_.statements) {
        if (statement.begin_us <= tally.first_us && Changes(statement, query.facts)) {
          stale.statement = statement.pattern;
        }
      }
    }
    std::stable_sort(blame_.stale.begin(), blame_.stale.end(),
                     [](const auto& a, const auto& b) { return a.failed > b.failed; });
  }

  // What failed so before the migration began fails by itself, and what never worked here may miss
  // what was made before the part of the capture that is played. Told is what has a cause.
  void SumMeanwhile() {
    struct Tally {
      uint64_t failed = 0;
      Micros first_us = 0;
    };
    std::set<std::pair<uint64_t, std::string>> before;
    for (const MissingStatement& one : book_.missing()) {
      if (one.end_us < span_.begin_us) before.emplace(one.fingerprint, one.sqlstate);
    }
    std::map<uint64_t, Tally> tallies;
    for (const MissingStatement& one : book_.missing()) {
      if (one.end_us < span_.begin_us || one.begin_us > span_.end_us) continue;
      if (before.contains({one.fingerprint, one.sqlstate})) continue;
      Tally& tally = tallies[one.fingerprint];
      if (tally.failed++ == 0 || one.end_us < tally.first_us) tally.first_us = one.end_us;
    }
    event::FactsCache facts;  // Of the migration.
    for (const auto& [fingerprint, tally] : tallies) {
      const FailedQuery& query = book_.missing_queries().at(fingerprint);
      if (!book_.Worked(fingerprint) || book_.UsesMade(query.facts)) continue;
      const std::string took = TookAway(query.facts, tally.first_us, facts);
      if (took.empty()) continue;
      blame_.meanwhile.push_back(
          {fingerprint, query.facts.pattern, query.sqlstate, query.message, tally.failed, took});
    }
    std::stable_sort(blame_.meanwhile.begin(), blame_.meanwhile.end(),
                     [](const auto& a, const auto& b) { return a.failed > b.failed; });
  }

  // The last statement up to then that locked a relation of the query against everybody; else the
  // last DDL.
  std::string TookAway(const event::StatementFacts& query, Micros at_us,
                       event::FactsCache& facts) const {
    std::string locked;
    std::string other;
    for (const StatementProfile& statement : profile_.statements) {
      if (statement.begin_us > at_us + kSlackUs || !statement.sqlstate.empty()) continue;
      if (Changes(statement, query)) locked = statement.pattern;
      const event::StatementFacts& own = facts.Get(statement.pattern, 0);
      if (own.kind == event::StatementKind::kDdl) other = statement.pattern;
    }
    return locked.empty() ? other : locked;
  }

  // The lock of a statement that such a wait was for. One on a partition may be known by its table.
  static const migration::TakenLock* LockFor(const StatementProfile& statement, uint32_t relation,
                                             migration::LockMode mode) {
    const migration::TakenLock* other = nullptr;
    for (const migration::TakenLock& lock : statement.locks) {
      if (!Conflicts(mode, lock.mode)) continue;
      if (lock.relation == relation) return &lock;
      if (other == nullptr) other = &lock;
    }
    return other;
  }

  void AddStatement(size_t root, std::map<uint64_t, compare::BlockedQueries>& by_pattern) {
    const StatementProfile& statement = profile_.statements[root];
    compare::BlockingQuery query;
    query.fingerprint = statement.fingerprint;
    query.pattern = statement.pattern;
    if (victims_.contains(root) && early_deadlock_us_ == 0) query.failed_with = "40P01";
    Micros most_us = -1;
    for (const auto& [relation, wanted] : waits_for_[root]) {
      const migration::TakenLock* lock = LockFor(statement, relation, wanted.mode);
      if (lock == nullptr || wanted.us <= most_us) continue;
      most_us = wanted.us;
      query.mode = Name(lock->mode);
      query.relation = lock->name;
    }
    const auto own = own_waits_.find(root);
    if (own != own_waits_.end()) {
      query.waited_us = own->second.us;
      // It never had the lock for which the others queued behind it.
      if (query.mode.empty() && own->second.mode != migration::LockMode::kNone) {
        query.mode = Name(own->second.mode);
        query.relation = own->second.relation;
      }
    }
    const auto other = other_locks_.find(root);
    if (query.mode.empty() && other != other_locks_.end()) query.other_lock = other->second;
    for (auto& [fingerprint, queries] : by_pattern) query.queries.push_back(std::move(queries));
    std::stable_sort(query.queries.begin(), query.queries.end(),
                     [](const auto& a, const auto& b) { return a.stall_us > b.stall_us; });
    blame_.wait_us_max = std::max(blame_.wait_us_max, query.WaitMaxUs());
    blame_.stall_us += query.StallUs();
    blame_.statements.push_back(std::move(query));
  }

  struct Own {
    Micros us = 0;
    migration::LockMode mode = migration::LockMode::kNone;
    std::string relation;
  };
  struct Wanted {
    migration::LockMode mode = migration::LockMode::kNone;
    Micros us = 0;
  };
  struct Waited {
    Micros us = 0;
    bool failed = false;
    std::vector<QueryWait> waits;
  };

  const migration::MigrationProfile& profile_;
  const SlowBook& book_;
  const RunSpan span_;
  const Micros early_deadlock_us_;
  std::vector<std::pair<Micros, Micros>> holds_;              // Of the supposed transaction.
  std::set<uint32_t> pids_;                                   // Of the migration.
  std::unordered_map<uint32_t, std::vector<size_t>> by_pid_;  // Slow statements.
  std::vector<std::optional<size_t>> roots_;                // By wait: statement of the migration.
  std::map<std::pair<size_t, size_t>, Waited> waited_;      // By statement and query.
  std::map<size_t, std::map<uint32_t, Wanted>> waits_for_;  // By statement and relation.
  // By statement: in words, what was waited for where no lock of it is known.
  std::map<size_t, std::string> other_locks_;
  std::map<size_t, Own> own_waits_;
  std::set<size_t> victims_;
  std::vector<std::pair<Micros, int>> edges_;
  Blame blame_;
};

}  // namespace

void SlowBook::Put(const event::StatementPair& pair) {
  if (pair.lanes.empty()) return;
  ++seen_;
  const event::LaneOutcome& lane = pair.lanes.front();
  if (pair.session != session_ || pair.exchange != exchange_) {
    session_ = pair.session;
    exchange_ = pair.exchange;
    at_us_ = pair.started_us;
  }
  const Micros begin_us = at_us_;
  at_us_ += std::max<Micros>(lane.outcome.elapsed_us, 0);
  const bool failed = lane.outcome.status == event::OutcomeStatus::kError &&
                      lane.outcome.sqlstate != pair.captured.sqlstate;
  const bool repeat = repeats_ && repeats_(static_cast<uint64_t>(pair.session));
  NoteWorked(pair);
  if (failed && compare::IsStalePlan(lane.outcome.sqlstate, lane.outcome.message)) {
    TakeStale(pair);
  } else if (failed && !repeat && pair.captured.sqlstate.empty() &&
             compare::IsMissing(lane.outcome.sqlstate, lane.outcome.message)) {
    TakeMissing(pair, begin_us);
  }
  if (failed && repeat && !ForLocks(lane.outcome.sqlstate)) {
    ++repeats_failed_;
    if (at_us_ - begin_us < migration::kLockWaitLoggedUs / 2) return;
  }
  const bool slow = at_us_ - begin_us >= migration::kLockWaitLoggedUs / 2;
  if (!slow && !failed) return;
  if (slow_.size() >= kSlowMax) {
    ++dropped_;
    return;
  }
  SlowStatement kept;
  kept.pid = lane.backend_pid;
  kept.begin_us = begin_us;
  kept.end_us = at_us_;
  if (!pair.text.empty()) {
    const event::StatementFacts& facts = facts_.Get(pair.text, pair.ordinal);
    kept.fingerprint = facts.fingerprint;
    if (patterns_.size() < kPatternsMax) patterns_.emplace(facts.fingerprint, facts.pattern);
  }
  if (failed) kept.sqlstate = lane.outcome.sqlstate;
  slow_.push_back(std::move(kept));
}

void SlowBook::TakeStale(const event::StatementPair& pair) {
  if (pair.text.empty() || stale_.size() >= kSlowMax) return;
  const event::StatementFacts& facts = facts_.Get(pair.text, pair.ordinal);
  if (stale_queries_.size() >= kPatternsMax && !stale_queries_.contains(facts.fingerprint)) return;
  const event::Outcome& outcome = pair.lanes.front().outcome;
  stale_queries_.try_emplace(facts.fingerprint,
                             FailedQuery{facts, outcome.sqlstate, outcome.message});
  stale_.push_back({static_cast<uint64_t>(pair.session), at_us_, facts.fingerprint});
}

void SlowBook::NoteWorked(const event::StatementPair& pair) {
  if (pair.text.empty() || !pair.captured.sqlstate.empty()) return;
  const event::StatementFacts& facts = facts_.Get(pair.text, pair.ordinal);
  if (!facts.makes.empty() && made_.size() < kPatternsMax)
    made_.emplace(event::BareName(facts.makes));
  const bool worked = pair.lanes.front().outcome.status == event::OutcomeStatus::kDone;
  if (worked && worked_.size() < kPatternsMax) worked_.insert(facts.fingerprint);
}

bool SlowBook::UsesMade(const event::StatementFacts& query) const {
  return std::any_of(query.relations.begin(), query.relations.end(),
                     [&](const std::string& relation) {
                       return made_.contains(std::string(event::BareName(relation)));
                     });
}

void SlowBook::TakeMissing(const event::StatementPair& pair, Micros begin_us) {
  if (pair.order_broken || pair.text.empty() || missing_.size() >= kSlowMax) return;
  const event::StatementFacts& facts = facts_.Get(pair.text, pair.ordinal);
  if (facts.kind == event::StatementKind::kDdl) return;
  if (missing_queries_.size() >= kPatternsMax && !missing_queries_.contains(facts.fingerprint)) {
    return;
  }
  const event::Outcome& outcome = pair.lanes.front().outcome;
  missing_queries_.try_emplace(facts.fingerprint,
                               FailedQuery{facts, outcome.sqlstate, outcome.message});
  missing_.push_back({begin_us, at_us_, facts.fingerprint, outcome.sqlstate});
}

const std::string& SlowBook::PatternOf(uint64_t fingerprint) const {
  static const std::string kUnknown = "another query";
  const auto found = patterns_.find(fingerprint);
  return found == patterns_.end() ? kUnknown : found->second;
}

Blame BlameMigration(const migration::MigrationProfile& profile, const SlowBook& book,
                     const RunSpan& span, const Allowance& allowance) {
  return Blaming(profile, book, span, allowance).Run();
}

}  // namespace scry::job
