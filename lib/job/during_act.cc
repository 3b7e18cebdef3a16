#include "job/during_act.h"

#include <fmt/format.h>

#include <algorithm>
#include <atomic>
#include <chrono>
#include <condition_variable>
#include <memory>
#include <mutex>
#include <stop_token>
#include <thread>
#include <utility>

#include "base/units.h"
#include "cause/safe_form.h"
#include "compare/blocking.h"
#include "compare/ignore_rules.h"
#include "event/statement_facts.h"
#include "job/blame.h"
#include "job/capture_traffic.h"
#include "job/migration_report.h"
#include "job/traffic_part.h"
#include "job/wait_timeline.h"
#include "migration/server_log.h"
#include "migration/watch.h"
#include "pg/admin.h"
#include "pg/connection.h"
#include "replay/traffic_filter.h"

namespace scry::job {
namespace {

using base::FormatDuration;
using base::Micros;
using base::Result;
using base::Status;
using migration::LockMode;

// After a lock_timeout a careful team waits for traffic to drain before it tries again.
constexpr Micros kRetryPauseUs = 500 * 1000;
constexpr Micros kBlockerPollUs = 5 * 1000;
constexpr size_t kBlockerTablesMax = 50;
constexpr Micros kStuckUs = 60 * 1000 * 1000;
constexpr uint64_t kStuckFactor = 3;
constexpr size_t kPatternsTold = 20;
constexpr size_t kDeadlocksTold = 50;

Micros Now() { return base::SystemClock().MonotonicUs(); }

void SleepUs(Micros us) {
  if (us > 0) std::this_thread::sleep_for(std::chrono::microseconds(us));
}

// Sleeps until a moment of monotonic time; false: stopped before.
bool SleepUntil(Micros at_us, const std::stop_token& stop) {
  constexpr Micros kStepUs = 20 * 1000;
  while (!stop.stop_requested() && Now() < at_us) SleepUs(std::min(kStepUs, at_us - Now()));
  return !stop.stop_requested();
}

// Tells when replay began: as it takes the first session, whose time is the replay's zero.
class StartingGun final : public event::EventSource {
 public:
  explicit StartingGun(event::EventSource& source) : source_(source) {}
  Result<bool> Read(event::Event& event) override {
    auto more = source_.Read(event);
    if (!fired_ && more.ok() && *more) {
      if (const auto* start = std::get_if<event::SessionStart>(&event)) {
        const std::lock_guard lock(mutex_);
        fired_ = true;
        at_us_ = Now();
        captured_us_ = start->at_us;
        changed_.notify_all();
      }
    }
    return more;
  }
  double ShareRead() const override { return source_.ShareRead(); }
  Micros started_us() {
    const std::lock_guard lock(mutex_);
    return at_us_;
  }
  // The monotonic time at which something of the capture's time happens, at a speed. nullopt:
  // stopped before replay began.
  std::optional<Micros> Wait(Micros captured_us, double speed, const std::stop_token& stop) {
    std::unique_lock lock(mutex_);
    while (!fired_) {
      changed_.wait_for(lock, std::chrono::milliseconds(20));
      if (stop.stop_requested()) return std::nullopt;
    }
    return at_us_ + static_cast<Micros>(static_cast<double>(captured_us - captured_us_) / speed);
  }

 private:
  event::EventSource& source_;
  std::mutex mutex_;
  std::condition_variable changed_;
  bool fired_ = false;
  Micros at_us_ = 0;
  Micros captured_us_ = 0;
};

// A session that is idle in a transaction, with the locks of one that has written to the tables.
class Blocker {
 public:
  // Holds them on return.
  static Result<std::unique_ptr<Blocker>> Begin(const pg::ConnInfo& fork,
                                                const std::vector<uint32_t>& tables,
                                                Micros length_us,
                                                const migration::MigrationWatch& watch) {
    SCRY_TRY_ASSIGN(pg::Connection holder, pg::Connection::Connect(fork));
    SCRY_TRY_ASSIGN(pg::AdminSession probe, pg::AdminSession::Connect(fork));
    std::string oids;
    for (const uint32_t oid : tables) oids += (oids.empty() ? "" : ",") + std::to_string(oid);
    SCRY_TRY_ASSIGN(
        const pg::Rows names,
        probe.Exec("SELECT n.nspname, c.relname FROM pg_catalog.pg_class c "
                   "JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace "
                   "WHERE c.relkind IN ('r', 'p') AND c.oid IN (SELECT coalesce("
                   "(SELECT indrelid FROM pg_catalog.pg_index WHERE indexrelid = o), o) "
                   "FROM unnest(ARRAY[" +
                   oids + "]::pg_catalog.oid[]) o)"));
    SCRY_TRY(holder.QueryValue("BEGIN"));
    SCRY_TRY(holder.QueryValue("SET LOCAL lock_timeout = '2s'"));
    for (const auto& row : names.rows) {
      SCRY_TRY(holder.QueryValue("LOCK TABLE " + probe.QuoteName(row[0].value_or("")) + "." +
                                 probe.QuoteName(row[1].value_or("")) + " IN ROW EXCLUSIVE MODE"));
    }
    return std::unique_ptr<Blocker>(
        new Blocker(std::move(holder), std::move(probe), length_us, watch));
  }
  ~Blocker() {
    thread_.request_stop();
    if (thread_.joinable()) thread_.join();
  }

 private:
  Blocker(pg::Connection holder, pg::AdminSession probe, Micros length_us,
          const migration::MigrationWatch& watch)
      : holder_(std::move(holder)), probe_(std::move(probe)), length_us_(length_us), watch_(watch) {
    thread_ = std::jthread([this](const std::stop_token& stop) { Hold(stop); });
  }

  // Lets go so long after the migration began to wait for it: how long that takes to come does not
  // matter then.
  void Hold(const std::stop_token& stop) {
    const std::string own = std::to_string(holder_.backend_pid());
    while (!stop.stop_requested()) {
      std::string pids;
      for (const uint32_t pid : watch_.BackendPids()) {
        pids += (pids.empty() ? "" : ",") + std::to_string(pid);
      }
      if (!pids.empty()) {
        const auto waits = probe_.Exec(
            "SELECT 1 FROM pg_catalog.pg_stat_get_activity(NULL) WHERE wait_event_type = 'Lock' "
            "AND pid IN (" +
            pids + ") AND " + own + " = ANY (pg_catalog.pg_blocking_pids(pid))");
        if (!waits.ok() || waits->Single()) break;
      }
      SleepUs(kBlockerPollUs);
    }
    (void)SleepUntil(Now() + length_us_, stop);
    (void)holder_.QueryValue("ROLLBACK").ok();
  }

  pg::Connection holder_;
  pg::AdminSession probe_;
  const Micros length_us_;
  const migration::MigrationWatch& watch_;
  std::jthread thread_;
};

class DuringAct {
 public:
  DuringAct(const DuringRequest& request, shadow::Fork& fork, const RunWatch& watch,
            Progress& progress, report::Report& report)
      : request_(request),
        options_(request.options),
        fork_(fork),
        watch_(watch),
        progress_(progress),
        report_(report),
        during_(report.during),
        book_(facts_) {}

  Status Go();
  std::vector<ExplainedFinding> TakeKnown() { return std::move(known_); }

 private:
  struct CommandRun {
    Status status;
    std::optional<migration::CommandOutcome> outcome;
    Micros started_us = 0;
    Micros ended_us = 0;
    uint64_t attempts = 0;
    std::string blocker_failed;
  };

  void ChooseBlocker();
  Micros LeadUs() const;
  Status SetLockTimeout(const std::string& role);
  Result<replay::ReplayStats> PlayTraffic();
  void RunCommand(const std::stop_token& stop);
  Status AwaitCommand(std::jthread& command);
  void Conclude(const migration::MigrationProfile& profile, const replay::ReplayStats& stats);
  void FillBlocking(const std::vector<compare::BlockingQuery>& statements);
  void AddAdvice(const migration::MigrationProfile& profile);
  void AddOwnFailure(const migration::MigrationProfile& profile, compare::BlockingFacts& facts);

  const DuringRequest& request_;
  const DuringOptions& options_;
  shadow::Fork& fork_;
  const RunWatch& watch_;
  Progress& progress_;
  report::Report& report_;
  report::DuringFacts& during_;
  TrafficPart part_;
  Micros blocker_us_ = 0;
  bool supposed_ = false;         // Nobody asked for the blocker.
  std::vector<uint32_t> tables_;  // That the blocker holds.
  std::unique_ptr<migration::MigrationWatch> migration_;
  std::unique_ptr<StartingGun> gun_;
  event::FactsCache facts_;
  SlowBook book_;
  CommandRun run_;  // Of the command's thread while it runs.
  std::atomic<bool> command_ended_ = false;
  std::vector<ExplainedFinding> known_;
};

// What the migration locks so that others stop.
std::vector<uint32_t> StoppedRelations(const migration::MigrationProfile& profile) {
  std::vector<uint32_t> relations;
  for (const migration::StatementProfile& statement : profile.statements) {
    for (const migration::TakenLock& lock : statement.locks) {
      if (!StopsTraffic(lock.mode)) continue;
      if (std::find(relations.begin(), relations.end(), lock.relation) != relations.end()) continue;
      if (relations.size() < kBlockerTablesMax) relations.push_back(lock.relation);
    }
  }
  return relations;
}

void DuringAct::ChooseBlocker() {
  tables_ = StoppedRelations(*request_.idle);
  during_.transaction_us_max = part_.transaction_us_max;
  if (tables_.empty()) return;
  if (options_.blocker_us) {
    blocker_us_ = *options_.blocker_us;
  } else if (part_.transaction_us_max < kLongTransactionUs) {
    blocker_us_ = kBlockerDefaultUs;
    supposed_ = true;
  }
  during_.blocker_us = blocker_us_;
  during_.blocker_supposed = supposed_;
}

// From the command's start to the first statement that may stop others.
Micros DuringAct::LeadUs() const {
  for (const migration::StatementProfile& statement : request_.idle->statements) {
    const bool stops = std::any_of(statement.locks.begin(), statement.locks.end(),
                                   [](const auto& lock) { return StopsTraffic(lock.mode); });
    if (stops || statement.rows > 0) {
      return std::max<Micros>(statement.begin_us - request_.idle_started_us, 0);
    }
  }
  return 0;
}

// For every session that the role begins, whatever tool begins it.
Status DuringAct::SetLockTimeout(const std::string& role) {
  if (options_.lock_timeout_us <= 0) return {};
  SCRY_TRY_ASSIGN(pg::AdminSession session, pg::AdminSession::Connect(fork_.Info()));
  SCRY_TRY(
      session.Exec(fmt::format("ALTER ROLE {} SET lock_timeout = '{}ms'", session.QuoteName(role),
                               std::max<Micros>(options_.lock_timeout_us / 1000, 1))));
  during_.lock_timeout_us = options_.lock_timeout_us;
  during_.attempts_max = options_.retries + 1;
  return {};
}

void DuringAct::RunCommand(const std::stop_token& stop) {
  migration::CommandOptions options = request_.command;
  options.target = migration_->command_target();
  options.stop = stop;
  options.output_fd = -1;
  std::unique_ptr<Blocker> blocker;
  if (blocker_us_ > 0) {
    auto begun = Blocker::Begin(fork_.Info(), tables_, blocker_us_, *migration_);
    if (begun.ok()) {
      blocker = std::move(*begun);
    } else {
      run_.blocker_failed = begun.error().message;
    }
  }
  run_.started_us = Now();
  for (;;) {
    auto outcome = migration::RunCommand(options);
    ++run_.attempts;
    run_.ended_us = Now();
    if (!outcome.ok()) {
      run_.status = outcome.error();
      return;
    }
    const bool done = outcome->finished.success() || run_.attempts > options_.retries ||
                      options_.lock_timeout_us <= 0 || migration_->LastSqlstate() != "55P03";
    run_.outcome = std::move(*outcome);
    if (done || !SleepUntil(Now() + kRetryPauseUs, stop)) return;
  }
}

Result<replay::ReplayStats> DuringAct::PlayTraffic() {
  SCRY_TRY_ASSIGN(const std::unique_ptr<event::EventSource> capture,
                  OpenWholeCapture(part_.capture));
  replay::TrafficFilterOptions window;
  if (!part_.whole) {
    window.from_us = part_.from_us;
    window.to_us = part_.to_us;
  }
  replay::TrafficFilter filter(*capture, window, facts_, nullptr);
  gun_ = std::make_unique<StartingGun>(filter);
  replay::ReplayOptions replay;
  replay.speed = options_.speed;
  replay.sync = replay::SyncMode::kTime;
  replay.cells_max = 1;  // Nothing is compared.
  replay.row_bytes_kept = 0;
  replay.stuck_us = std::max(kStuckUs, static_cast<Micros>(kStuckFactor) * request_.idle_us);
  std::vector<std::string> notes;
  const auto snapshot = SnapshotOf(part_.capture, notes);
  replay.snapshot = snapshot ? &*snapshot : nullptr;

  // The first strong lock is to come at its moment, whatever the tool takes to start.
  const Micros lead_us = LeadUs();
  const auto offset_us =
      static_cast<Micros>(static_cast<double>(part_.migrate_us - part_.from_us) / options_.speed);
  const Micros early_us = std::max<Micros>(lead_us - offset_us, 0);
  std::jthread command([&](const std::stop_token& stop) {
    bool go = true;
    if (early_us == 0) {
      const auto at_us = gun_->Wait(part_.migrate_us, options_.speed, stop);
      go = at_us && SleepUntil(*at_us - lead_us, stop);
    }
    if (go) RunCommand(stop);
    command_ended_ = true;
  });
  SleepUs(early_us);
  const std::vector<replay::LaneTarget> lanes = {{fork_.lane(), fork_.Info()}};
  auto stats = WatchedReplay(lanes, {*gun_, part_.whole ? part_.statements : 0}, book_, facts_,
                             replay, watch_, progress_);
  if (!stats.ok()) return stats;  // The thread is stopped and joined.
  SCRY_TRY(AwaitCommand(command));
  return stats;
}

Status DuringAct::AwaitCommand(std::jthread& command) {
  const bool late = !command_ended_;
  while (!command_ended_) {
    const Status check = watch_.Check();
    if (!check.ok()) {
      command.request_stop();
      command.join();
      return check;
    }
    SleepUs(20 * 1000);
  }
  command.join();
  if (late) {
    report_.notes.push_back(
        "During the migration, the captured traffic ended before the migration did: its last part "
        "ran without load.");
  }
  return {};
}

Status DuringAct::Go() {
  const auto window_us =
      static_cast<Micros>(static_cast<double>(kDuringWindowUs) * std::max(options_.speed, 0.001));
  SCRY_TRY_ASSIGN(part_, ChooseTrafficPart(request_.captures, window_us));
  ChooseBlocker();
  SCRY_TRY_ASSIGN(const pg::ConnInfo loopback, fork_.OpenLoopback({}, request_.role));
  SCRY_TRY(SetLockTimeout(loopback.Get("user")));
  SCRY_TRY_ASSIGN(migration_,
                  migration::MigrationWatch::Begin({fork_.Info(), loopback, fork_.log_file()}));
  progress_.Step("migrate while traffic runs");
  SCRY_TRY_ASSIGN(const replay::ReplayStats stats, PlayTraffic());
  SCRY_TRY(run_.status);
  SCRY_TRY_ASSIGN(const migration::MigrationProfile profile, migration_->End());
  Conclude(profile, stats);
  progress_.Done(during_.blocked + during_.failed == 0
                     ? "no query waited"
                     : fmt::format("{} queries waited, {} at most",
                                   base::FormatCount(during_.blocked),
                                   FormatDuration(during_.wait_us_max)));
  return {};
}

// Without traffic the command succeeded: what fails now fails because of it.
void DuringAct::AddOwnFailure(const migration::MigrationProfile& profile,
                              compare::BlockingFacts& facts) {
  const migration::StatementProfile* failed = FailedStatement(profile.statements);
  if (failed == nullptr) {
    report_.notes.push_back(
        fmt::format("The migration failed while traffic ran, with exit status {}, and on none of "
                    "its statements",
                    during_.exit_status));
    return;
  }
  const auto known =
      std::find_if(facts.statements.begin(), facts.statements.end(),
                   [&](const auto& one) { return one.fingerprint == failed->fingerprint; });
  if (known != facts.statements.end()) {
    known->failed_with = failed->sqlstate;
    return;
  }
  compare::BlockingQuery& query = facts.statements.emplace_back();
  query.fingerprint = failed->fingerprint;
  query.pattern = failed->pattern;
  query.failed_with = failed->sqlstate;
}

void DuringAct::FillBlocking(const std::vector<compare::BlockingQuery>& statements) {
  for (const compare::BlockingQuery& from : statements) {
    report::BlockingStatement& to = during_.statements_blocking.emplace_back();
    to.text = base::Printable(base::OneLine(from.pattern), 2000);
    to.mode = from.mode;
    to.relation = from.relation;
    to.waited_us = from.waited_us;
    to.blocked = from.Blocked();
    to.failed = from.Failed();
    to.wait_us_max = from.WaitMaxUs();
    to.stall_us = from.StallUs();
    for (const compare::BlockedQueries& queries : from.queries) {
      if (to.patterns.size() >= kPatternsTold) break;
      to.patterns.push_back({event::FingerprintText(queries.fingerprint),
                             base::Printable(queries.pattern, 2000), queries.blocked,
                             queries.failed, queries.wait_us_max, queries.stall_us});
    }
  }
}

void DuringAct::AddAdvice(const migration::MigrationProfile& profile) {
  for (report::Finding& finding : report_.findings) {
    if (finding.type != compare::Name(compare::FindingClass::kBlocked)) continue;
    const auto statement =
        std::find_if(profile.statements.begin(), profile.statements.end(), [&](const auto& one) {
          return event::FingerprintText(one.fingerprint) == finding.fingerprint;
        });
    if (statement == profile.statements.end()) continue;
    const bool waited = std::any_of(profile.waits.begin(), profile.waits.end(), [&](const auto& w) {
      return w.pid == statement->pid && w.relation != 0 && w.begin_wall_us >= statement->begin_us &&
             w.begin_wall_us <= statement->end_us;
    });
    const bool partitioned = std::any_of(
        statement->locks.begin(), statement->locks.end(),
        [](const auto& lock) { return lock.partitioned && migration::StopsTraffic(lock.mode); });
    finding.advice = cause::SafeForms({statement->pattern, !statement->rewrote.empty(),
                                       statement->rows > 0, waited, partitioned});
  }
}

void DuringAct::Conclude(const migration::MigrationProfile& profile,
                         const replay::ReplayStats& stats) {
  Blame blame = BlameMigration(profile, book_);
  during_.ran = true;
  during_.speed = options_.speed;
  during_.sessions = stats.sessions;
  during_.statements = stats.statements;
  during_.duration_us = stats.duration_us;
  during_.migration_us = run_.ended_us - run_.started_us;
  during_.attempts = run_.attempts;
  if (run_.outcome) {
    const os::Finished& finished = run_.outcome->finished;
    during_.succeeded = finished.success();
    during_.exit_status =
        finished.end == os::EndKind::kExited ? finished.exit_code : 128 + finished.signal_number;
  }
  during_.blocked = blame.blocked;
  during_.failed = blame.failed;
  during_.wait_us_max = blame.wait_us_max;
  during_.stall_us = blame.stall_us;
  during_.piled_up = blame.piled_up;
  during_.waiting = std::move(blame.waiting);
  for (report::WaitingStep& step : during_.waiting) step.at_us -= run_.started_us;
  during_.migration_statements = StatementsOf(profile, run_.started_us, request_.show_values);
  if (blame.last_end_us > 0) {
    during_.drain_us = std::max<Micros>(blame.last_end_us - run_.ended_us, 0);
  }
  const Micros began_us = gun_->started_us();
  during_.migration_at_us = std::max<Micros>(run_.started_us - began_us, 0);
  const Micros ended_us =
      std::max({began_us + stats.duration_us, run_.ended_us, blame.last_end_us});
  WaitTimeline timeline = MakeWaitTimeline(blame.waits, began_us, ended_us);
  during_.step_us = timeline.step_us;
  during_.timeline = std::move(timeline.steps);
  if (blame.deadlocks.size() > kDeadlocksTold) blame.deadlocks.resize(kDeadlocksTold);
  during_.deadlocks = std::move(blame.deadlocks);
  if (!run_.blocker_failed.empty()) {
    during_.blocker_us = 0;
    during_.blocker_supposed = supposed_ = false;
    report_.notes.push_back("No transaction could be added beside the traffic: " +
                            base::Printable(base::OneLine(run_.blocker_failed), 200));
  }
  compare::BlockingFacts facts;
  facts.statements = std::move(blame.statements);
  facts.statements_replayed = stats.statements;
  facts.supposed = supposed_;
  if (during_.exit_status != 0) AddOwnFailure(profile, facts);
  FillBlocking(facts.statements);
  compare::Verdict verdict;
  verdict.findings = compare::JudgeBlocking(facts, request_.policy);
  for (compare::Finding& finding :
       compare::JudgeStalePlans(blame.stale, stats.statements, request_.policy)) {
    ExplainedFinding& known = known_.emplace_back();
    known.id = finding.id;
    known.facts = book_.stale_queries().at(finding.fingerprint).facts;
    verdict.findings.push_back(std::move(finding));
  }
  compare::ApplyIgnoreRules(request_.policy, verdict);
  report::AddFindings(verdict, request_.show_values, report_);
  AddAdvice(profile);
}

}  // namespace

bool WantsDuring(DuringMode mode, const migration::MigrationProfile& idle) {
  if (mode != DuringMode::kAuto) return mode == DuringMode::kAlways;
  return !StoppedRelations(idle).empty() || !idle.change.rows_written.empty();
}

shadow::Settings DuringSettings() { return migration::LogSettings(); }

Result<std::vector<ExplainedFinding>> RunDuring(const DuringRequest& request, shadow::Fork& fork,
                                                const RunWatch& watch, Progress& progress,
                                                report::Report& report) {
  DuringAct act(request, fork, watch, progress, report);
  SCRY_TRY(act.Go());
  return act.TakeKnown();
}

}  // namespace scry::job
