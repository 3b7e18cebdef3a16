#include "job/during_act.h"

#include <fmt/format.h>

#include <algorithm>
#include <atomic>
#include <map>
#include <memory>
#include <stop_token>
#include <thread>
#include <utility>
#include <variant>

#include "base/letter_case.h"
#include "base/units.h"
#include "cause/safe_form.h"
#include "compare/blocking.h"
#include "compare/ignore_rules.h"
#include "compare/meanwhile.h"
#include "event/statement_facts.h"
#include "job/blame.h"
#include "job/blocker.h"
#include "job/capture_traffic.h"
#include "job/command_text.h"
#include "job/gave_up.h"
#include "job/load_failures.h"
#include "job/lock_chance.h"
#include "job/migration_reach.h"
#include "job/migration_report.h"
#include "job/missed_meeting.h"
#include "job/repeated_traffic.h"
#include "job/starting_gun.h"
#include "job/traffic_part.h"
#include "job/wait_timeline.h"
#include "migration/server_log.h"
#include "migration/watch.h"
#include "os/file.h"
#include "pg/admin.h"
#include "querylog/event_spool.h"
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
constexpr Micros kStuckUs = 60 * 1000 * 1000;
constexpr uint64_t kStuckFactor = 3;
constexpr size_t kPatternsTold = 20;
constexpr size_t kDeadlocksTold = 50;
constexpr size_t kFailuresTold = 20;
constexpr Micros kEndPollUs = 5 * 1000;
// So long before a round of the traffic ends, its next one begins to be read.
constexpr Micros kReadAheadUs = 200 * 1000;

Micros Now() { return base::SystemClock().MonotonicUs(); }

// What a run beside traffic that missed its moment taught for the next one.
struct Aim {
  std::optional<Micros> lead_us;  // From the command's start to its first strong lock.
  Micros later_us = 0;            // Than it would come, as traffic is late.
};

class DuringAct {
 public:
  DuringAct(const DuringRequest& request, const Aim& aim, shadow::Fork& fork, const RunWatch& watch,
            Progress& progress, report::Report& report)
      : request_(request),
        aim_(aim),
        options_(request.options),
        fork_(fork),
        watch_(watch),
        progress_(progress),
        report_(report),
        during_(report.during),
        book_(facts_) {
    outcome_.fork = &fork;
  }

  Status Run();
  // Behind the supposed transaction.
  bool gave_up() const { return gave_up_; }
  // It came when the traffic's longest transaction was not there.
  const std::optional<MissedMeeting>& missed() const { return missed_; }
  Micros blocker_us() const { return blocker_us_; }
  Micros transaction_us() const { return part_.transaction_us_max; }
  // REQUIRES: it missed that.
  Aim NextAim() const;
  // Tells of the run. Once, after it.
  void Conclude();
  DuringOutcome TakeOutcome() { return std::move(outcome_); }

 private:
  struct CommandRun {
    Status status;
    std::optional<migration::CommandOutcome> outcome;
    Micros started_us = 0;
    Micros ended_us = 0;
    Micros command_us = 0;  // The last attempt of the command, as it is measured without traffic.
    std::vector<std::string> last;  // What ran last: the command, or the fix.
    Micros unloaded_us = 0;         // Of that, behind the end of all traffic.
    uint64_t attempts = 0;          // Of the one that needed most.
    std::vector<GivenUp> given_up;  // The attempts but the last.
    SupposedHold blocker;           // Whoever asked for it.
    std::string no_blocker;         // Why there is none, though there was to be one.
  };
  // Of the clock, not of the capture.
  struct Timing {
    Micros lead_us = 0;  // From the command's start to its first statement that may stop others ...
    Micros startup_us = 0;  // ... and to its first statement.
    Micros work_us = 0;     // Without traffic, behind the lead.
  };

  Micros Clocked(Micros captured_us) const {
    return static_cast<Micros>(static_cast<double>(captured_us) / options_.speed);
  }
  Micros Captured(Micros clocked_us) const {
    return static_cast<Micros>(static_cast<double>(clocked_us) * std::max(options_.speed, 0.001));
  }
  Status ChoosePart();
  Status SpoolPart();
  void ChooseBlocker();
  Timing TimingOf() const;
  Result<std::unique_ptr<event::EventSource>> OpenPart();
  RepeatedTraffic::Sequel AfterRound(uint64_t rounds);
  Result<replay::ReplayStats> PlayTraffic();
  void RunInTime(Micros migrate_us, bool at_once, const std::stop_token& stop);
  void RunCommands(const std::stop_token& stop);
  bool DeadlocksAreEarly() const;
  bool IsLockTimeout(const std::string& sqlstate) const;
  bool RunOne(const std::vector<std::string>& argv, const std::stop_token& stop);
  Status AwaitCommand(std::jthread& command);
  std::optional<MissedMeeting> MissedTransaction() const;
  void FillBlocking(const std::vector<compare::BlockingQuery>& statements);
  void AddEstimates(std::vector<compare::BlockingQuery>& statements) const;
  void AddAdvice(const migration::MigrationProfile& profile);
  std::string SqlToTell(const migration::StatementProfile& statement) const;
  std::vector<compare::FailedPattern> OnlyMeanwhile(const Blame& blame) const;
  int ExitStatus() const;
  std::vector<LoadFailure> OwnFailures() const;
  void AddOwnFailures(const std::vector<LoadFailure>& failures,
                      std::vector<compare::BlockingQuery>& statements) const;
  std::vector<compare::Finding> JudgeBlocking(const std::vector<LoadFailure>& failures,
                                              Blame& blame);
  void TellBlocker();
  void TellEarlyDeadlocks();
  void TellRounds();
  void TellGaps(const migration::MigrationProfile& profile);

  const DuringRequest& request_;
  const Aim aim_;
  const DuringOptions& options_;
  shadow::Fork& fork_;
  const RunWatch& watch_;
  Progress& progress_;
  report::Report& report_;
  report::DuringFacts& during_;
  TrafficPart part_;
  std::unique_ptr<querylog::EventSpool> spool_;  // Of a part that is not the whole.
  Micros blocker_us_ = 0;
  bool supposed_ = false;  // Nobody asked for the blocker.
  bool gave_up_ = false;   // Behind that.
  std::optional<MissedMeeting> missed_;
  Micros migrates_us_ = 0;  // When it is to come for its first strong lock, in the traffic's time,
                            // as repeated.
  replay::ReplayStats stats_;
  std::vector<LoadFailure> failures_;  // Views into outcome_.profile.
  std::vector<uint32_t> tables_;       // That the blocker holds.
  std::unique_ptr<migration::MigrationWatch> migration_;
  std::unique_ptr<RepeatedTraffic> traffic_;
  std::unique_ptr<StartingGun> gun_;
  event::FactsCache facts_;
  SlowBook book_;
  CommandRun run_;  // Of the command's thread while it runs.
  std::atomic<bool> command_ended_ = false;
  std::atomic<bool> repeating_ = false;  // The traffic has begun once more.
  std::atomic<bool> enough_ = false;     // Of repeated traffic.
  DuringOutcome outcome_;
};

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

// Of those that are told, the one for this statement; a new one where there is none.
compare::BlockingQuery& QueryOf(const migration::StatementProfile& statement,
                                std::vector<compare::BlockingQuery>& queries) {
  const auto known = std::find_if(queries.begin(), queries.end(), [&](const auto& one) {
    return one.fingerprint == statement.fingerprint;
  });
  if (known != queries.end()) return *known;
  compare::BlockingQuery& query = queries.emplace_back();
  query.fingerprint = statement.fingerprint;
  query.pattern = statement.pattern;
  return query;
}

DuringAct::Timing DuringAct::TimingOf() const {
  Timing timing;
  const auto& statements = request_.idle->statements;
  const auto at_us = [&](const migration::StatementProfile& statement) {
    return std::max<Micros>(statement.begin_us - request_.idle_started_us, 0);
  };
  if (!statements.empty()) timing.startup_us = at_us(statements.front());
  if (const auto* first = FirstStrong(*request_.idle)) timing.lead_us = at_us(*first);
  if (aim_.lead_us) timing.lead_us = *aim_.lead_us;
  timing.startup_us = std::min(timing.startup_us, timing.lead_us);
  timing.work_us = std::max<Micros>(request_.idle_us - timing.lead_us, 0);
  return timing;
}

Status DuringAct::ChoosePart() {
  const Timing timing = TimingOf();
  PartWish wish;
  SCRY_TRY_ASSIGN(wish.tables, NamesOver(*request_.idle, fork_.Info()));
  const Micros before_us = std::max(kDuringBeforeUs, timing.lead_us - timing.startup_us);
  const Micros after_us = std::max(kDuringAfterUs, kDuringSlower * timing.work_us + kDuringDrainUs);
  wish.before_us = Captured(before_us);
  wish.length_us = Captured(before_us + after_us);
  wish.hold_us = Captured(options_.lock_timeout_us);
  SCRY_TRY_ASSIGN(part_, ChooseTrafficPart(request_.captures, wish, facts_));
  if (options_.lock_timeout_us <= 0) return {};
  during_.lock_timeout_us = options_.lock_timeout_us;
  during_.attempts_max = options_.retries + 1;
  if (wish.tables.empty()) return {};
  LockWish lock{part_.begin_us, part_.end_us, wish.hold_us, Captured(kRetryPauseUs), 1};
  during_.chance_once = LockChance(lock, part_.spans);
  lock.attempts = during_.attempts_max;
  during_.chance = LockChance(lock, part_.spans);
  return {};
}

// Which part of a capture takes part in it only its whole tells: what was set up long before, and
// what ends long after. To be read while traffic plays it must be at hand.
Status DuringAct::SpoolPart() {
  if (part_.whole) return {};
  constexpr uint64_t kLookEvery = 1024;
  progress_.Step("take the traffic that plays beside the migration");
  SCRY_TRY_ASSIGN(
      spool_, querylog::EventSpool::Create(os::RealFileSystem(), fork_.log_file() + ".traffic"));
  SCRY_TRY_ASSIGN(const std::unique_ptr<event::EventSource> capture,
                  OpenWholeCapture(part_.capture));
  replay::TrafficFilterOptions window;
  window.from_us = part_.from_us;
  window.to_us = part_.to_us;
  replay::TrafficFilter filter(*capture, window, facts_, nullptr);
  event::Event event;
  uint64_t exchanges = 0;
  for (uint64_t read = 0;; ++read) {
    if (read % kLookEvery == 0) SCRY_TRY(watch_.Check());
    SCRY_TRY_ASSIGN(const bool more, filter.Read(event));
    if (!more) break;
    exchanges += static_cast<uint64_t>(std::holds_alternative<event::Exchange>(event));
    SCRY_TRY(spool_->Add(event));
  }
  SCRY_TRY(spool_->Finish());
  progress_.Done(base::FormatCount(exchanges) + " exchanges");
  return {};
}

Result<std::unique_ptr<event::EventSource>> DuringAct::OpenPart() {
  return spool_ ? spool_->Open() : OpenWholeCapture(part_.capture);
}

// Once more, for as long as the command runs.
RepeatedTraffic::Sequel DuringAct::AfterRound(uint64_t rounds) {
  if (command_ended_) return RepeatedTraffic::Sequel::kEnd;
  const auto ends_us =
      gun_->MomentOf(part_.from_us + static_cast<Micros>(rounds) * (part_.to_us - part_.from_us));
  if (!ends_us || Now() < *ends_us - kReadAheadUs) return RepeatedTraffic::Sequel::kUnknown;
  repeating_ = true;
  return RepeatedTraffic::Sequel::kRepeat;
}

// The rehearsal's lock_timeout ends a wait before production would look for a deadlock.
bool DuringAct::DeadlocksAreEarly() const {
  const auto& idle = request_.idle->statements;
  const bool own = std::any_of(idle.begin(), idle.end(), [](const auto& statement) {
    return base::ContainsInAnyCase(statement.text, "lock_timeout");
  });
  return !own && options_.lock_timeout_us > 0 &&
         options_.lock_timeout_us < request_.deadlock_timeout_us;
}

bool DuringAct::IsLockTimeout(const std::string& sqlstate) const {
  return sqlstate == "55P03" || (sqlstate == "40P01" && DeadlocksAreEarly());
}

// One command of the migration, and again after a lock_timeout. True: it succeeded.
bool DuringAct::RunOne(const std::vector<std::string>& argv, const std::stop_token& stop) {
  migration::CommandOptions options = request_.command;
  options.argv = run_.last = argv;
  options.target = migration_->command_target();
  options.stop = stop;
  options.output_fd = -1;
  for (uint64_t attempts = 1;; ++attempts) {
    migration_->ForgetSqlstate();
    const Micros began_us = Now();
    auto outcome = migration::RunCommand(options);
    run_.attempts = std::max(run_.attempts, attempts);
    run_.ended_us = Now();
    if (!outcome.ok()) {
      run_.status = outcome.error();
      return false;
    }
    const bool done = outcome->finished.success() || attempts > options_.retries ||
                      options_.lock_timeout_us <= 0 || !IsLockTimeout(migration_->LastSqlstate());
    run_.outcome = std::move(*outcome);
    if (done || !SleepUntil(Now() + kRetryPauseUs, stop)) return run_.outcome->finished.success();
    run_.given_up.push_back({began_us, run_.ended_us});
  }
}

void DuringAct::RunCommands(const std::stop_token& stop) {
  std::unique_ptr<Blocker> blocker;
  if (blocker_us_ > 0) {
    auto begun = Blocker::Begin(fork_.Info(), tables_, blocker_us_, *migration_);
    if (!begun.ok()) {
      run_.no_blocker = base::OneLine(begun.error().message);
    } else if (*begun == nullptr) {
      run_.no_blocker = "what the migration locks is no table and no view";
    } else {
      blocker = std::move(*begun);
    }
  }
  run_.started_us = Now();
  const bool succeeded = RunOne(request_.command.argv, stop);
  if (run_.outcome) run_.command_us = run_.outcome->finished.elapsed_us;
  if (succeeded && !request_.fix.empty()) RunOne(request_.fix, stop);
  if (blocker) run_.blocker = {blocker->pid(), blocker->End()};
}

// On the command's thread. `migrate_us`: of the capture's time.
void DuringAct::RunInTime(Micros migrate_us, bool at_once, const std::stop_token& stop) {
  bool go = true;
  if (!at_once) {
    const auto at_us = gun_->AwaitMomentOf(migrate_us, stop);
    go = at_us && SleepUntil(*at_us - TimingOf().lead_us, stop);
  }
  if (go) RunCommands(stop);
  command_ended_ = true;
  // A part that was chosen to be long enough in any case need not be played to its end.
  const Micros least_us = kDuringBeforeUs + kDuringAfterUs;
  const Micros until_us = std::max(Now() + kDuringDrainUs, gun_->started_us() + least_us);
  const bool is_long = Clocked(part_.to_us - part_.from_us) > least_us;
  if (SleepUntil(until_us, stop) && (repeating_ || is_long)) enough_ = true;
}

Result<replay::ReplayStats> DuringAct::PlayTraffic() {
  traffic_ =
      std::make_unique<RepeatedTraffic>([this] { return OpenPart(); }, part_.from_us, part_.to_us,
                                        [this](uint64_t rounds) { return AfterRound(rounds); });
  gun_ = std::make_unique<StartingGun>(*traffic_, options_.speed);
  book_.CountRepeats([this](uint64_t session) { return traffic_->Repeats(session); });
  replay::ReplayOptions replay;
  replay.speed = options_.speed;
  replay.sync = replay::SyncMode::kTime;
  replay.cells_max = 1;  // Nothing is compared.
  replay.row_bytes_kept = 0;
  replay.stuck_us = std::max(kStuckUs, static_cast<Micros>(kStuckFactor) * request_.idle_us);
  replay.enough = &enough_;
  std::vector<std::string> notes;
  const auto snapshot = SnapshotOf(part_.capture, notes);
  replay.snapshot = snapshot ? &*snapshot : nullptr;

  // The first strong lock is to come at its moment, whatever the tool takes to start: before the
  // traffic begins, if need be. What comes before the lock is to run beside traffic too: where
  // there is not enough before that moment, the lock comes at the same one of a later round.
  const Timing timing = TimingOf();
  const Micros length_us = std::max<Micros>(part_.to_us - part_.from_us, 1);
  const Micros round_us = std::max<Micros>(Clocked(length_us), 1);
  const Micros start_us = Clocked(part_.migrate_us - part_.from_us) - timing.lead_us;
  const Micros short_us = std::max<Micros>(-timing.startup_us - start_us, 0);
  const Micros rounds = (short_us + round_us - 1) / round_us;
  const Micros early_us = std::max<Micros>(-(start_us + rounds * round_us), 0);
  gun_->Expect(std::max(round_us, start_us + rounds * round_us + request_.idle_us));
  migrates_us_ = part_.migrate_us + rounds * length_us;
  std::jthread command([&, at_once = early_us > 0](const std::stop_token& stop) {
    RunInTime(migrates_us_ + Captured(aim_.later_us), at_once, stop);
  });
  SCRY_TRY(SleepUntil(Now() + early_us, watch_));
  const std::vector<replay::LaneTarget> lanes = {{fork_.lane(), fork_.Info()}};
  auto stats = WatchedReplay(lanes, {*gun_, 0}, book_, facts_, replay, watch_, progress_);
  if (!stats.ok()) return stats;  // The thread is stopped and joined.
  gun_->FireAnyway(part_.from_us);
  SCRY_TRY(AwaitCommand(command));
  return stats;
}

Status DuringAct::AwaitCommand(std::jthread& command) {
  const Micros traffic_ended_us = Now();
  const bool late = !command_ended_;
  while (!command_ended_) SCRY_TRY(SleepUntil(Now() + kEndPollUs, watch_));
  command.request_stop();
  command.join();
  if (late) run_.unloaded_us = std::max<Micros>(run_.ended_us - traffic_ended_us, 1);
  return {};
}

Status DuringAct::Run() {
  SCRY_TRY(ChoosePart());
  SCRY_TRY(SpoolPart());
  ChooseBlocker();
  SCRY_TRY_ASSIGN(const pg::ConnInfo loopback, fork_.OpenLoopback({}, request_.role));
  migration::WatchTarget target{fork_.Info(), loopback, fork_.log_file(), {}};
  if (options_.lock_timeout_us > 0) {
    // For the command's sessions alone, whatever tool begins them: the traffic may have its role.
    const Micros timeout_ms = std::max<Micros>(options_.lock_timeout_us / 1000, 1);
    target.settings = {{"lock_timeout", fmt::format("{}ms", timeout_ms)}};
  }
  SCRY_TRY_ASSIGN(migration_, migration::MigrationWatch::Begin(target));
  progress_.Step(request_.step);
  SCRY_TRY_ASSIGN(stats_, PlayTraffic());
  SCRY_TRY(run_.status);
  SCRY_TRY_ASSIGN(outcome_.profile, migration_->End());
  failures_ = OwnFailures();
  during_.exit_status = ExitStatus();
  during_.succeeded = during_.exit_status == 0 && failures_.empty();
  const Micros attempt_us = run_.given_up.empty() ? 0 : run_.given_up.back().end_us;
  gave_up_ = supposed_ && !during_.succeeded &&
             GaveUpBehind(run_.blocker, outcome_.profile, failures_, attempt_us);
  if (during_.succeeded) missed_ = MissedTransaction();
  return {};
}

// Where it was to come for its lock beside a transaction of the traffic.
std::optional<MissedMeeting> DuringAct::MissedTransaction() const {
  if (blocker_us_ > 0 || tables_.empty() || !run_.given_up.empty()) return std::nullopt;
  if (part_.transaction_us_max < kLongTransactionUs) return std::nullopt;
  const TransactionSpan& span = part_.transaction;
  const Micros later_us = migrates_us_ - part_.migrate_us;
  const auto begin_us = gun_->MomentOf(span.begin_us + later_us);
  const auto end_us = gun_->MomentOf(span.end_us + later_us);
  if (!begin_us || !end_us) return std::nullopt;
  return Missed(outcome_.profile, {*begin_us, *end_us}, stats_.lag_us_max);
}

// What made one of two starts slow was a moment's doing.
Aim DuringAct::NextAim() const {
  Aim aim;
  aim.lead_us = std::max<Micros>(missed_->first_lock_us - run_.started_us, 0);
  if (const auto* idle = FirstStrong(*request_.idle)) {
    const Micros idle_us = std::max<Micros>(idle->begin_us - request_.idle_started_us, 0);
    aim.lead_us = std::min(*aim.lead_us, idle_us);
  }
  if (missed_->traffic_late) {
    aim.later_us = std::min(missed_->by_us, Clocked(part_.transaction_us_max) / 2);
  }
  return aim;
}

void DuringAct::TellRounds() {
  during_.rounds = traffic_->rounds();
  during_.unloaded_us = run_.unloaded_us;
  if (during_.rounds > 1) {
    std::string note = fmt::format(
        "The migration took longer than the {} of captured traffic that were played beside it: "
        "they "
        "were begun {} times.",
        FormatDuration(part_.to_us - part_.from_us), base::FormatCount(during_.rounds));
    if (book_.repeats_failed() > 0) {
      note += fmt::format(
          " {} of the repeated statements failed as they had not when captured, as a row that is "
          "there already makes them: up to then they take the same locks.",
          base::FormatCount(book_.repeats_failed()));
    }
    report_.notes.push_back(std::move(note));
  }
}

void DuringAct::TellGaps(const migration::MigrationProfile& profile) {
  for (std::string& note : GapNotes(profile.gaps, "While traffic ran beside the migration")) {
    report_.notes.push_back(std::move(note));
  }
  if (book_.dropped() > 0) {
    report_.notes.push_back(
        fmt::format("While traffic ran beside the migration, {} slow or failed queries were more "
                    "than are kept: "
                    "that some of them waited may be missing.",
                    base::FormatCount(book_.dropped())));
  }
}

int DuringAct::ExitStatus() const {
  if (!run_.outcome) return 0;
  const os::Finished& finished = run_.outcome->finished;
  return finished.end == os::EndKind::kExited ? finished.exit_code : 128 + finished.signal_number;
}

// Without traffic it succeeded: what fails now fails because of that.
std::vector<LoadFailure> DuringAct::OwnFailures() const {
  auto failures =
      FailuresUnderLoad(request_.idle->statements, outcome_.profile.statements, run_.given_up);
  if (failures.size() > kFailuresTold) failures.resize(kFailuresTold);
  return failures;
}

void DuringAct::AddOwnFailures(const std::vector<LoadFailure>& failures,
                               std::vector<compare::BlockingQuery>& statements) const {
  for (const LoadFailure& failure : failures) {
    compare::BlockingQuery& query = QueryOf(*failure.statement, statements);
    query.failed_with = failure.statement->sqlstate;
    query.repeated = failure.repeated;
  }
  if (during_.exit_status == 0 || !failures.empty()) return;
  compare::BlockingQuery& command = statements.emplace_back();
  command.pattern = CommandText(run_.last);
  command.fingerprint = event::DigestOf(command.pattern);
  command.exit_status = during_.exit_status;
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

// What is short here, as the shadow is small, may be long there.
void DuringAct::AddEstimates(std::vector<compare::BlockingQuery>& statements) const {
  const auto& idle = request_.idle->statements;
  const auto& told = report_.migration.statements;  // The first of them.
  for (size_t i = 0; i < std::min(idle.size(), told.size()); ++i) {
    if (!StopsOthers(idle[i]) || told[i].held_us_estimated == 0) continue;
    compare::BlockingQuery& query = QueryOf(idle[i], statements);
    query.estimated_us = std::max(query.estimated_us, told[i].held_us_estimated);
  }
}

// With its literals, where they may be told.
std::string DuringAct::SqlToTell(const migration::StatementProfile& statement) const {
  const auto known =
      std::find_if(request_.idle->script.begin(), request_.idle->script.end(),
                   [&](const auto& one) { return one.fingerprint == statement.fingerprint; });
  const bool whole =
      known != request_.idle->script.end() && TellsLiterals(statement.text, request_.show_values);
  return whole ? known->sql : statement.pattern;
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
      return w.pid == statement->pid && w.ForTable() && w.begin_wall_us >= statement->begin_us &&
             w.begin_wall_us <= statement->end_us;
    });
    const bool partitioned = std::any_of(
        statement->locks.begin(), statement->locks.end(),
        [](const migration::TakenLock& lock) { return lock.partitioned && StopsTraffic(lock); });
    cause::BlockingForm form;
    form.sql = SqlToTell(*statement);
    form.work = statement->work;
    form.rewrites = !statement->rewrote.empty();
    form.writes = statement->rows > 0;
    form.waited = waited;
    form.partitioned = partitioned;
    finding.advice = cause::SafeForms(form);
  }
}

// What fails before or after the migration as well is told by the replay of those.
std::vector<compare::FailedPattern> DuringAct::OnlyMeanwhile(const Blame& blame) const {
  std::vector<compare::FailedPattern> failures = blame.meanwhile;
  if (request_.fails_anyway) {
    std::erase_if(failures, [&](const compare::FailedPattern& one) {
      return request_.fails_anyway(one.fingerprint, one.sqlstate);
    });
  }
  if (failures.size() > kFailuresTold) failures.resize(kFailuresTold);
  return failures;
}

void DuringAct::TellBlocker() {
  if (run_.no_blocker.empty()) return;
  during_.blocker_us = 0;
  during_.blocker_supposed = supposed_ = false;
  report_.notes.push_back("No transaction could be added beside the traffic: " +
                          base::Printable(run_.no_blocker, 200));
}

void DuringAct::TellEarlyDeadlocks() {
  if (during_.deadlocks.empty() || !DeadlocksAreEarly()) return;
  report_.notes.push_back(fmt::format(
      "{} deadlock{} with traffic {} found after {}, as the fork logs waits from then on. The "
      "source looks for them after {}, and the lock_timeout of {} comes first: an attempt that "
      "ended so "
      "counts as one that got no lock, and a query that failed so would have waited.",
      base::FormatCount(during_.deadlocks.size()), during_.deadlocks.size() == 1 ? "" : "s",
      during_.deadlocks.size() == 1 ? "was" : "were", FormatDuration(migration::kLockWaitLoggedUs),
      FormatDuration(request_.deadlock_timeout_us), FormatDuration(options_.lock_timeout_us)));
}

// All waits are told, and those that are the migration's doing are judged.
std::vector<compare::Finding> DuringAct::JudgeBlocking(const std::vector<LoadFailure>& failures,
                                                       Blame& blame) {
  compare::BlockingFacts facts;
  facts.statements_replayed = during_.statements;
  facts.statements = blame.statements;
  Allowance allowance;
  if (supposed_ && run_.blocker.pid != 0) {
    allowance.supposed = run_.blocker;
    facts.supposed_us = blocker_us_;
  }
  if (DeadlocksAreEarly()) allowance.early_deadlock_us = options_.lock_timeout_us;
  if (facts.supposed_us > 0 || allowance.early_deadlock_us > 0) {
    const RunSpan span{run_.started_us, run_.ended_us};
    facts.statements = BlameMigration(outcome_.profile, book_, span, allowance).statements;
  }
  AddOwnFailures(failures, blame.statements);
  FillBlocking(blame.statements);
  AddOwnFailures(failures, facts.statements);
  AddEstimates(facts.statements);
  return compare::JudgeBlocking(facts, request_.policy);
}

void DuringAct::Conclude() {
  const migration::MigrationProfile& profile = outcome_.profile;
  Blame blame = BlameMigration(profile, book_, {run_.started_us, run_.ended_us});
  during_.ran = true;
  during_.speed = options_.speed;
  during_.sessions = stats_.sessions;
  during_.statements = stats_.statements;
  during_.duration_us = stats_.duration_us;
  during_.migration_us = run_.command_us;
  during_.span_us = run_.ended_us - run_.started_us;
  during_.attempts = run_.attempts;
  TellRounds();
  TellGaps(profile);
  during_.blocked = blame.blocked;
  during_.failed = blame.failed;
  during_.wait_us_max = blame.wait_us_max;
  during_.stall_us = blame.stall_us;
  during_.piled_up = blame.piled_up;
  during_.waiting = std::move(blame.waiting);
  for (report::WaitingStep& step : during_.waiting) step.at_us -= run_.started_us;
  during_.migration_statements = StatementsOf(profile, run_.started_us, request_.show_values);
  // The traffic writes to the same log and the same files.
  for (report::MigrationStatement& one : during_.migration_statements) {
    one.wal_bytes.reset();
    one.disk_bytes.reset();
  }
  if (blame.last_end_us > 0) {
    during_.drain_us = std::max<Micros>(blame.last_end_us - run_.ended_us, 0);
  }
  const Micros began_us = gun_->started_us();
  during_.migration_at_us = std::max<Micros>(run_.started_us - began_us, 0);
  const Micros ended_us =
      std::max({began_us + stats_.duration_us, run_.ended_us, blame.last_end_us});
  WaitTimeline timeline = MakeWaitTimeline(blame.waits, began_us, ended_us);
  during_.step_us = timeline.step_us;
  during_.timeline = std::move(timeline.steps);
  if (blame.deadlocks.size() > kDeadlocksTold) blame.deadlocks.resize(kDeadlocksTold);
  during_.deadlocks = std::move(blame.deadlocks);
  TellBlocker();
  TellEarlyDeadlocks();
  compare::Verdict verdict;
  verdict.findings = JudgeBlocking(failures_, blame);
  for (compare::Finding& finding :
       compare::JudgeStalePlans(blame.stale, stats_.statements, request_.policy)) {
    ExplainedFinding& known = outcome_.known.emplace_back();
    known.id = finding.id;
    known.facts = book_.stale_queries().at(finding.fingerprint).facts;
    verdict.findings.push_back(std::move(finding));
  }
  for (compare::Finding& finding :
       compare::JudgeMeanwhile(OnlyMeanwhile(blame), stats_.statements, request_.policy)) {
    verdict.findings.push_back(std::move(finding));
  }
  compare::ApplyIgnoreRules(request_.policy, verdict);
  report::AddFindings(verdict, request_.show_values, report_);
  AddAdvice(profile);
  progress_.Done(during_.blocked + during_.failed == 0
                     ? "no query waited"
                     : fmt::format("{} queries waited, {} at most",
                                   base::FormatCount(during_.blocked),
                                   FormatDuration(during_.wait_us_max)));
}

std::string HowMissed(const MissedMeeting& missed, Micros transaction_us) {
  const std::string by = FormatDuration(missed.by_us);
  const std::string whom =
      fmt::format("the transaction of {} that it was to meet", FormatDuration(transaction_us));
  if (missed.traffic_late) {
    return fmt::format("did not wait for {}, as traffic was up to {} late", whom, by);
  }
  return fmt::format("came {} {} {}", by, missed.early ? "before" : "too late for", whom);
}

}  // namespace

bool WantsDuring(DuringMode mode, const migration::MigrationProfile& idle) {
  if (mode != DuringMode::kAuto) return mode == DuringMode::kAlways;
  return !StoppedRelations(idle).empty() || !WrittenTables(idle).empty() || TakesAway(idle);
}

shadow::Settings DuringSettings() { return migration::LogSettings(); }

Result<DuringOutcome> RunDuring(const DuringRequest& request, const ForkMaker& make_fork,
                                const RunWatch& watch, Progress& progress, report::Report& report) {
  DuringRequest asked = request;
  Aim aim;
  bool gave_up = false;
  bool anew = false;  // It missed the transaction before.
  for (;;) {
    const Micros began_us = Now();
    SCRY_TRY_ASSIGN(shadow::Fork * fork, make_fork(asked.lane));
    DuringAct act(asked, aim, *fork, watch, progress, report);
    SCRY_TRY(act.Run());
    // A time limit must not cost what is known by now.
    const bool time = !watch.limited() || watch.LeftUs() / 2 > Now() - began_us;
    if (act.gave_up()) {
      const std::string behind = FormatDuration(act.blocker_us());
      progress.Done("gave up behind a transaction of " + behind);
      report.during = {};
      report.notes.push_back(fmt::format(
          "Behind a transaction of {}, which scry added beside the traffic, the migration gave up "
          "waiting for its lock and failed. {}",
          behind,
          time ? "What is told of it under load is of a second run, without that transaction."
               : "There was no time for a run without it: what the migration does under load was "
                 "not seen."));
      gave_up = true;
      asked.options.blocker_us = 0;
      asked.lane = request.lane + "-again";
      if (time) continue;
      DuringOutcome outcome = act.TakeOutcome();
      outcome.gave_up = true;
      return outcome;
    }
    const std::string missed =
        act.missed() ? HowMissed(*act.missed(), act.transaction_us()) : std::string();
    if (act.missed() && !anew && time) {
      anew = true;
      progress.Done(missed);
      report.during = {};
      report.notes.push_back(fmt::format(
          "Beside traffic the migration {}. What is told of it under load is of a second run.",
          missed));
      aim = act.NextAim();
      asked.lane += "-anew";
      continue;
    }
    if (act.missed()) {
      report.notes.push_back(fmt::format(
          "Beside traffic the migration {}: what would queue up behind that was not seen. The "
          "machine may be too busy.",
          missed));
    }
    act.Conclude();
    DuringOutcome outcome = act.TakeOutcome();
    outcome.gave_up = gave_up;
    return outcome;
  }
}

}  // namespace scry::job
