#include "job/migration_test_job.h"
#include "job/command_text.h"

#include <fmt/format.h>

#include <algorithm>
#include <cstdlib>
#include <optional>
#include <utility>

#include "base/units.h"
#include "compare/blocking.h"
#include "compare/meanwhile.h"
#include "job/capture_age.h"
#include "job/cause_statement.h"
#include "job/comparison.h"
#include "job/migration_files.h"
#include "job/migration_report.h"
#include "job/run_watch.h"
#include "job/split_trial.h"
#include "job/traffic_budget.h"
#include "migration/command.h"
#include "migration/log_settings.h"
#include "migration/server_log.h"
#include "migration/touched_tables.h"
#include "migration/watch.h"
#include "os/subprocess.h"
#include "pg/admin.h"
#include "pg/server_programs.h"
#include "replay/replayer.h"
#include "shadow/fork.h"
#include "shadow/garbage.h"
#include "shadow/marker.h"
#include "shadow/store.h"

namespace scry::job {
namespace {

using base::Fail;
using base::FormatCount;
using base::FormatDuration;
using base::Micros;
using base::Result;
using base::Status;

constexpr int kConnectionsSpare = 20;
constexpr size_t kLanes = 3;  // That are compared.
constexpr uint64_t kConnectionsMax = 4000;

class MigrationTest {
 public:
  MigrationTest(const shadow::StateDir& state, const MigrationTestRequest& request,
                Progress& progress, const std::function<bool()>& should_stop)
      : state_(state),
        request_(request),
        progress_(progress),
        watch_(request.timeout_us, should_stop),
        comparison_(
            ComparisonOf(request),
            [this](const std::string& directory) {
              return traffic_ ? traffic_->Open(directory) : OpenWholeCapture(directory);
            },
            watch_, progress, report_) {
    report_.notes = request.notes;
  }

  Result<report::Report> Go();

 private:
  static ComparisonRequest ComparisonOf(const MigrationTestRequest& request);
  Status CheckCommand() const;
  Status Select();
  shadow::ForkOptions LaneOptions() const;
  Status MakeLanes();
  migration::CommandOptions CommandOptions() const;
  Status Migrate();
  void FindLines();
  void EstimateForProduction();
  Result<std::vector<std::string>> PsqlCommand(const std::string& file) const;
  Result<std::vector<std::string>> FixCommand() const;
  Status RunFix(migration::CommandOptions options);
  void TellUnused(bool connected);
  Status Settle();
  Result<shadow::Fork*> MakeForkUnderLoad(const std::string& lane, const std::string& what);
  ForkMaker ForksUnderLoad(const std::string& what);
  Result<Micros> DeadlockTimeout();
  Status During();
  Result<cause::Catalog> CatalogUnderLoad(const shadow::Fork& fork) const;
  Status TrySafeForm(DuringRequest request, const shadow::Fork& during, Micros act_us);
  int WithDuring(int exit_status);
  int WithoutLoad(int exit_status);
  void SayUnused();
  Result<std::vector<replay::LaneTarget>> Lanes();
  void FillLanes();
  std::string GateCommand() const;
  void FillNextSteps();
  report::Report Finish(int exit_status);
  Status EndRun();

  // What a lane's server did wrong is told by its own log, not by the connection that broke.
  base::Error WithServerWord(base::Error error);
  shadow::Control Control() const;
  shadow::Fork& baseline() { return *run_->forks()[0]; }
  shadow::Fork& candidate() { return *run_->forks()[1]; }
  shadow::Fork& control() { return *run_->forks()[2]; }

  const shadow::StateDir& state_;
  const MigrationTestRequest& request_;
  Progress& progress_;
  const RunWatch watch_;

  shadow::ShadowInfo shadow_;
  std::optional<shadow::Run> run_;
  std::optional<SelectedTraffic> traffic_;  // None: captures are opened whole.
  report::Report report_;
  std::string role_;                     // That runs the migration; empty: the superuser.
  migration::MigrationProfile profile_;  // Of its run without traffic ...
  Micros started_us_ = 0;                // ... when that began ...
  Micros took_us_ = 0;                   // ... and took, with the fix.
  migration::ProductionSize production_;
  bool unused_ = false;  // The command ended well, and the fork heard nothing of it.
  Comparison comparison_;
  std::vector<ExplainedFinding> known_during_;  // Of the migration under load.
};

ComparisonRequest MigrationTest::ComparisonOf(const MigrationTestRequest& request) {
  ComparisonRequest comparison;
  comparison.captures = request.captures;
  comparison.policy = request.policy;
  comparison.replay.sync = request.sync;
  comparison.replay.speed = request.speed;
  comparison.replay.connect_speed = request.connect_speed;
  comparison.show_values = request.show_values;
  comparison.prove_fixes = request.prove_fixes && !request.command.empty();
  comparison.rerun_sessions = true;
  comparison.replay.pin_sessions = true;
  return comparison;
}

shadow::Control MigrationTest::Control() const {
  shadow::Control control;
  control.stop_fd = request_.stop_fd;
  return control;
}

// A part of the captures, where one was asked for.
Status MigrationTest::Select() {
  if (request_.selection.whole() && request_.budget_us == 0) return {};
  SCRY_TRY_ASSIGN(SelectedTraffic traffic,
                  SelectedTraffic::Make(request_.selection, request_.captures));
  traffic_.emplace(std::move(traffic));
  if (request_.budget_us == 0) return {};
  BudgetOptions options;
  options.budget_us = request_.budget_us;
  options.seed = request_.seed;
  options.speed = request_.speed;
  options.latency = request_.policy.latency;
  SCRY_TRY_ASSIGN(TrafficBudget budget,
                  TrafficBudget::Choose(options, request_.captures, *traffic_, watch_, progress_));
  comparison_.Limit(std::move(budget));
  return {};
}

shadow::ForkOptions MigrationTest::LaneOptions() const {
  shadow::ForkOptions options;
  options.connections_min = static_cast<int>(
      std::min(comparison_.survey().sessions_at_once, kConnectionsMax) + kConnectionsSpare);
  options.lanes = static_cast<int>(kLanes);
  return options;
}

Status MigrationTest::MakeLanes() {
  SCRY_TRY_ASSIGN(shadow_, shadow::ShowShadow(state_, request_.shadow));
  (void)shadow::CollectGarbage(state_)
      .ok();  // What killed runs left; this run does not depend on it.
  SCRY_TRY_ASSIGN(shadow::Run run, shadow::Run::Begin(state_));
  run_.emplace(std::move(run));
  shadow::ForkOptions options = LaneOptions();
  // The control is a second baseline: what those two disagree on (a default of now(), ids that
  // sessions draw from one sequence, a busy machine) is not the migration's doing.
  const std::vector<const char*> lanes = {"baseline", "candidate", "control"};
  for (const char* lane : lanes) {
    progress_.Step(fmt::format("fork {} for the {}", request_.shadow.Text(), lane));
    options.lane = lane;
    options.loopback = std::string_view(lane) == "candidate" && !request_.command.empty();
    // Causes are read from messages, whatever the language of the source.
    options.extra = {{"lc_messages", "C"}};
    if (options.loopback) options.extra.emplace_back("log_line_prefix", migration::kLogLinePrefix);
    SCRY_TRY_ASSIGN(const shadow::Fork* fork, run_->MakeFork(shadow_, options, Control()));
    progress_.Done(fmt::format("{} {}", base::FormatSize(fork->copied().bytes),
                               fork->copied().reflinked > 0 ? "by reflink" : "copied"));
    // On all of them: what is compared is to differ by the migration alone.
    std::vector<std::string> forgotten = {"lc_messages"};
    if (!request_.command.empty()) forgotten.emplace_back(migration::kWatchSettingName);
    SCRY_TRY_ASSIGN(pg::AdminSession session, pg::AdminSession::ConnectToWrite(fork->Info()));
    SCRY_TRY(migration::ForgetSettings(session, forgotten));
  }
  return {};
}

// The role that runs migrations in production owns what they create: the source's user, if it may
// log in here; else the superuser.
std::string MigrationRole(const std::string& source, pg::AdminSession& session) {
  if (source.empty()) return {};
  const auto info = pg::ConnInfo::Parse(source);
  if (!info.ok() || !info->Has("user")) return {};
  const auto rows =
      session.Exec("SELECT 1 FROM pg_catalog.pg_roles WHERE rolcanlogin AND rolname = " +
                   session.Quote(info->Get("user")));
  return rows.ok() && rows->Single() ? info->Get("user") : std::string();
}

// A step has little room, and where a program lies says nothing about it.
std::string BaseName(const std::string& path) {
  return path.substr(path.rfind('/') + 1);  // Without one: all of it.
}

std::vector<std::string> LastLines(const std::string& text, size_t count) {
  std::vector<std::string> lines;
  size_t end = text.find_last_not_of("\n\r");
  while (end != std::string::npos && lines.size() < count) {
    const size_t begin = text.rfind('\n', end);
    const size_t from = begin == std::string::npos ? 0 : begin + 1;
    lines.push_back(text.substr(from, end + 1 - from));
    if (begin == std::string::npos || begin == 0) break;
    end = begin - 1;
  }
  std::reverse(lines.begin(), lines.end());
  return lines;
}

// A command that prints its DATABASE_URL would otherwise put the run's password into the report.
std::string Masked(std::string text, const std::string& secret) {
  if (secret.empty()) return text;
  for (size_t at = text.find(secret); at != std::string::npos; at = text.find(secret, at)) {
    text.replace(at, secret.size(), "***");
  }
  return text;
}

migration::CommandOptions MigrationTest::CommandOptions() const {
  migration::CommandOptions options;
  options.argv = request_.command;
  if (!request_.source.empty()) options.sources.push_back(request_.source);
  for (const std::string& source : request_.other_sources) {
    // A mistake in another database's is none in this test.
    if (pg::ConnInfo::Parse(source).ok()) options.sources.push_back(source);
  }
  options.environment = os::CurrentEnvironment();
  options.stop_fd = request_.stop_fd;
  options.output_fd = request_.output_fd;
  if (watch_.limited()) options.timeout_us = watch_.LeftUs();
  return options;
}

Status MigrationTest::Migrate() {
  if (request_.command.empty()) return {};
  SCRY_TRY(shadow::CheckMarker(candidate().Info(), run_->nonce()));
  SCRY_TRY_ASSIGN(pg::AdminSession session, pg::AdminSession::Connect(candidate().Info()));
  migration::CommandOptions options = CommandOptions();
  role_ = MigrationRole(request_.source, session);
  SCRY_TRY_ASSIGN(const pg::ConnInfo loopback, candidate().OpenLoopback({}, role_));
  SCRY_TRY_ASSIGN(
      const auto watch,
      migration::MigrationWatch::Begin({candidate().Info(), loopback, candidate().log_file(), {}}));
  options.target = watch->command_target();
  report_.migration.ran = true;
  report_.migration.command = CommandText(request_.command);
  std::vector<std::string> told = request_.command;
  told.front() = BaseName(told.front());
  SCRY_TRY(watch_.Check());  // What is left of a limit that ran out would be told as the limit.
  progress_.Step("run " + CommandText(told));
  progress_.Note("");  // The command's own output follows.
  started_us_ = base::SystemClock().MonotonicUs();
  const auto ran = migration::RunCommand(options);
  Status fixed;
  bool connected = false;
  if (ran.ok() && ran->finished.success()) {
    progress_.Done("");
    unused_ = !watch->SawStatement();
    connected = !watch->BackendPids().empty();
    fixed = RunFix(options);
  }
  took_us_ = base::SystemClock().MonotonicUs() - started_us_;
  auto profile = watch->End();
  if (!ran.ok()) return Fail(ran.error().message);  // It was there a moment ago.
  // Without a server there is nothing to tell.
  if (!profile.ok()) SCRY_TRY(candidate().CheckAlive());
  SCRY_TRY_ASSIGN(profile_, std::move(profile));
  FillMigration(profile_, started_us_, request_.show_values, report_.migration);
  TellUnused(connected);
  FindLines();
  if (!profile_.triggers) {
    report_.notes.push_back(
        "Without the extension plpgsql in the shadow, short locks of the migration's statements "
        "may be missing.");
  }
  for (std::string& note : GapNotes(profile_.gaps, "While the migration ran without traffic")) {
    report_.notes.push_back(std::move(note));
  }
  const migration::CommandOutcome& outcome = *ran;
  report_.migration.duration_us = outcome.finished.elapsed_us;
  const Status judged = migration::JudgeOutcome(options, outcome);
  if (!judged.ok() && judged.error().code != base::ErrorCode::kMigration) return judged;
  if (!judged.ok()) {
    report_.migration.exit_status = outcome.finished.end == os::EndKind::kExited
                                        ? outcome.finished.exit_code
                                        : 128 + outcome.finished.signal_number;
    // Servers quote values in what they say; the terminal has it as the command printed it.
    if (request_.show_values) {
      report_.migration.output =
          LastLines(Masked(outcome.finished.out, options.target.Get("password")), 20);
    }
    SCRY_TRY(candidate().CheckAlive());
    return judged;
  }
  SCRY_TRY(fixed);
  EstimateForProduction();
  return {};
}

// Equal forks are equal: a SAFE that a variable nobody reads led to must not pass for a test.
void MigrationTest::TellUnused(bool connected) {
  // A client that did not wait for its answer is heard of by now.
  if (request_.fix_file.empty() && !profile_.statements.empty()) unused_ = false;
  if (!unused_) return;
  report_.notes.push_back(
      connected ? "The command connected to the fork and sent no statement to it."
                : "The command never connected to the fork; does it read DATABASE_URL or PG*?");
}

void MigrationTest::SayUnused() {
  if (!unused_) return;
  report_.sentence =
      "nothing was migrated: the command sent no statement to the fork; " + report_.sentence;
}

// A file that the command was given is what ran, whatever else holds the same statement. A line
// that cannot be found costs no verdict.
void MigrationTest::FindLines() {
  std::vector<std::string> fix;
  if (!request_.fix_file.empty()) fix.push_back(request_.fix_file);
  for (const auto& paths : {SqlFilesOf(request_.command), request_.migrations, fix}) {
    const Status placed = PlaceStatements(paths, report_.migration);
    if (!placed.ok()) {
      report_.notes.push_back("Lines of the migration may be missing: " +
                              base::Printable(base::OneLine(placed.error().message), 200));
    }
  }
}

void MigrationTest::EstimateForProduction() {
  std::vector<std::string> notes;  // The replay of the captures tells them.
  production_.database_bytes = request_.production_bytes;
  for (const std::string& capture : request_.captures) {
    const auto snapshot = SnapshotOf(capture, notes);
    if (snapshot) AddTableSizes(*snapshot, production_);
  }
  FillEstimates(profile_, production_, report_.migration);
  if (std::string note = NoEstimateNote(profile_, production_); !note.empty()) {
    report_.notes.push_back(std::move(note));
  }
}

// A file may hold what runs in no transaction.
Result<std::vector<std::string>> MigrationTest::PsqlCommand(const std::string& file) const {
  SCRY_TRY_ASSIGN(const pg::Programs programs, pg::FindPrograms(shadow_.server_major));
  return std::vector<std::string>{programs.Path("psql"), "-X", "-q", "-v",
                                  "ON_ERROR_STOP=1",     "-f", file};
}

// Empty: there is no fix.
Result<std::vector<std::string>> MigrationTest::FixCommand() const {
  if (request_.fix_file.empty()) return std::vector<std::string>();
  return PsqlCommand(request_.fix_file);
}

// As a part of the migration, watched as it is.
Status MigrationTest::RunFix(migration::CommandOptions options) {
  SCRY_TRY_ASSIGN(options.argv, FixCommand());
  if (options.argv.empty()) return {};
  SCRY_TRY(watch_.Check());
  if (watch_.limited()) options.timeout_us = watch_.LeftUs();
  progress_.Step("run " + BaseName(request_.fix_file));
  progress_.Note("");
  SCRY_TRY_ASSIGN(const migration::CommandOutcome outcome, migration::RunCommand(options));
  const Status judged = migration::JudgeOutcome(options, outcome);
  if (!judged.ok()) {
    if (judged.error().code != base::ErrorCode::kMigration) return judged;
    return Fail(fmt::format("the fix {} does not run after the migration: {}", request_.fix_file,
                            judged.error().message));
  }
  progress_.Done("");
  report_.notes.push_back(
      fmt::format("The verdict is of the migration followed by {}, which took {}.",
                  request_.fix_file, FormatDuration(outcome.finished.elapsed_us)));
  return {};
}

// Two moments are judged: the first minutes, before autovacuum has passed over what the migration
// touched, by a sample; and what remains afterwards, by all of the traffic. What autovacuum would
// do is done in between, on all lanes alike.
Status MigrationTest::Settle() {
  if (request_.command.empty()) return {};
  SCRY_TRY_ASSIGN(pg::AdminSession before, pg::AdminSession::ConnectToWrite(baseline().Info()));
  SCRY_TRY_ASSIGN(pg::AdminSession after, pg::AdminSession::ConnectToWrite(candidate().Info()));
  SCRY_TRY_ASSIGN(pg::AdminSession again, pg::AdminSession::ConnectToWrite(control().Info()));
  SCRY_TRY_ASSIGN(const std::vector<migration::TableName> touched,
                  migration::TouchedTables(before, after));
  if (touched.empty()) return {};
  SCRY_TRY_ASSIGN(const std::vector<migration::TouchedRelation> over,
                  migration::RelationsOver(after, touched));
  SCRY_TRY(comparison_.LookAtFirstMoment([&] { return Lanes(); }, over));
  progress_.Step(fmt::format("VACUUM (ANALYZE) {} touched table{}", touched.size(),
                             touched.size() == 1 ? "" : "s"));
  SCRY_TRY(migration::SettleTables(before, touched));
  SCRY_TRY(migration::SettleTables(after, touched));
  SCRY_TRY(migration::SettleTables(again, touched));
  std::string names;
  for (size_t i = 0; i < touched.size() && i < 5; ++i) {
    names += (i == 0 ? "" : ", ") + touched[i].table;
  }
  if (touched.size() > 5) names += ", …";
  progress_.Done(base::Printable(names, 40));
  report_.notes.push_back(
      fmt::format("Judged before and after VACUUM (ANALYZE) of the tables the migration touched "
                  "({}): before it "
                  "by {} pattern{} run by themselves, after it by all of the traffic.",
                  base::Printable(names, 200), FormatCount(report_.tested.first_patterns),
                  report_.tested.first_patterns == 1 ? "" : "s"));
  return {};
}

Result<shadow::Fork*> MigrationTest::MakeForkUnderLoad(const std::string& lane,
                                                       const std::string& what) {
  progress_.Step(fmt::format("fork {} for {} under load", request_.shadow.Text(), what));
  shadow::ForkOptions options = LaneOptions();
  options.lane = lane;
  options.loopback = true;
  options.extra = DuringSettings();
  SCRY_TRY_ASSIGN(shadow::Fork * fork, run_->MakeFork(shadow_, options, Control()));
  progress_.Done("");
  SCRY_TRY(shadow::CheckMarker(fork->Info(), run_->nonce()));
  SCRY_TRY_ASSIGN(pg::AdminSession session, pg::AdminSession::ConnectToWrite(fork->Info()));
  SCRY_TRY(migration::ForgetSettings(session, migration::LogSettingNames()));
  return fork;
}

ForkMaker MigrationTest::ForksUnderLoad(const std::string& what) {
  return [this, what](const std::string& lane) { return MakeForkUnderLoad(lane, what); };
}

// Forks have the source's, but for those under load.
Result<Micros> MigrationTest::DeadlockTimeout() {
  SCRY_TRY_ASSIGN(pg::AdminSession session, pg::AdminSession::Connect(baseline().Info()));
  SCRY_TRY_ASSIGN(const pg::Rows rows,
                  session.Exec("SELECT setting::pg_catalog.int8 * 1000 FROM pg_catalog.pg_settings "
                               "WHERE name = 'deadlock_timeout'"));
  const auto value = rows.Single();
  return value ? static_cast<Micros>(std::strtoll(value->c_str(), nullptr, 10)) : 0;
}

// The migration once more, on a fork of its own, while traffic runs.
Status MigrationTest::During() {
  if (request_.command.empty() || !WantsDuring(request_.during.mode, profile_)) return {};
  DuringRequest request;
  request.options = request_.during;
  request.captures = request_.captures;
  request.policy = request_.policy;
  request.show_values = request_.show_values;
  request.command = CommandOptions();
  SCRY_TRY_ASSIGN(request.fix, FixCommand());
  request.role = role_;
  request.idle = &profile_;
  request.idle_started_us = started_us_;
  request.idle_us = took_us_;
  if (request.options.lock_timeout_us > 0) {
    SCRY_TRY_ASSIGN(request.deadlock_timeout_us, DeadlockTimeout());
  }
  request.fails_anyway = [this](uint64_t fingerprint, const std::string& sqlstate) {
    return comparison_.Fails(fingerprint, sqlstate);
  };
  const Micros began_us = base::SystemClock().MonotonicUs();
  SCRY_TRY_ASSIGN(DuringOutcome outcome,
                  RunDuring(request, ForksUnderLoad("the migration"), watch_, progress_, report_));
  known_during_ = std::move(outcome.known);
  comparison_.AddCauses(known_during_);
  // What is compared is to differ in SQL alone.
  if (outcome.gave_up) request.options.blocker_us = 0;
  return TrySafeForm(std::move(request), *outcome.fork,
                     base::SystemClock().MonotonicUs() - began_us);
}

// What the migration as it is ends in beside the traffic, which may run DDL of its own; where it
// failed there, what it ends in without traffic.
Result<cause::Catalog> MigrationTest::CatalogUnderLoad(const shadow::Fork& fork) const {
  if (!report_.during.succeeded) return comparison_.catalogs()->after;
  SCRY_TRY_ASSIGN(pg::AdminSession session, pg::AdminSession::Connect(fork.Info()));
  return cause::ReadCatalog(session);
}

// What it should rather have sent, where that is known and blocked traffic. `act_us`: so long took
// what is to be done again.
Status MigrationTest::TrySafeForm(DuringRequest request, const shadow::Fork& during,
                                  Micros act_us) {
  const LaneCatalogs* catalogs = comparison_.catalogs();
  const bool rehearsal = request.options.lock_timeout_us > 0;
  if (!request_.prove_fixes || catalogs == nullptr || rehearsal) return {};
  const auto plan = PlanSplit(profile_, *catalogs, report_, request_.policy);
  if (!plan) return {};
  if (!plan->why_not.empty()) {
    report_.notes.push_back("No safe form of what blocks traffic could be tried: " + plan->why_not +
                            ".");
    return {};
  }
  // A time limit must not cost the verdict that is there by now.
  if (watch_.limited() && watch_.LeftUs() / 2 < act_us) {
    report_.notes.push_back("There was no time to try a safe form of what blocks traffic.");
    return {};
  }
  const std::string script = run_->folder() + "/safe_form.sql";
  request.lane = "safe-form";
  request.command = CommandOptions();
  SCRY_TRY_ASSIGN(request.command.argv, PsqlCommand(script));
  // Psql needs no time to start that is worth counting: the first statement comes at once.
  if (!profile_.statements.empty()) {
    const Micros startup_us = profile_.statements.front().begin_us - request.idle_started_us;
    request.idle_started_us += startup_us;
    request.idle_us = std::max<Micros>(request.idle_us - startup_us, 0);
  }
  request.step = "try its safe form while traffic runs";
  SCRY_TRY_ASSIGN(const cause::Catalog wanted, CatalogUnderLoad(during));
  return TrySplit({*plan, std::move(request), script, wanted, production_},
                  ForksUnderLoad("its safe form"), watch_, progress_, report_);
}

// What the migration did to traffic while it ran is proven by the server's log and not by the
// clock; it does not make up for a comparison that could not be had.
int MigrationTest::WithDuring(int exit_status) {
  uint64_t blocks = 0;
  uint64_t stale = 0;
  uint64_t meanwhile = 0;
  for (const report::Finding& finding : report_.findings) {
    if (!finding.gates) continue;
    if (finding.type == compare::Name(compare::FindingClass::kBlocked)) ++blocks;
    if (finding.id.starts_with(compare::kMeanwhilePrefix)) ++meanwhile;
    if (std::any_of(known_during_.begin(), known_during_.end(),
                    [&](const auto& known) { return known.id == finding.id; })) {
      ++stale;
    }
  }
  if (blocks + stale + meanwhile == 0) return WithoutLoad(exit_status);
  const std::string words = compare::DuringSentence(blocks, stale, meanwhile);
  const bool proves =
      exit_status == kExitSafe || (exit_status == kExitInconclusive && comparison_.LetsGate());
  if (!proves) {
    report_.sentence += "; " + words;
    return exit_status;
  }
  report_.sentence = exit_status == kExitSafe ? words : words + "; " + report_.sentence;
  report_.verdict = compare::Name(compare::VerdictResult::kRegressions);
  return kExitRegressions;
}

// Whoever was never asked to wait proves nothing.
int MigrationTest::WithoutLoad(int exit_status) {
  if (report_.during.unloaded_us == 0 || exit_status != kExitSafe) return exit_status;
  report_.sentence = fmt::format(
      "the migration ran {} of its time without any traffic beside it, so what it does to traffic "
      "is not known",
      FormatDuration(report_.during.unloaded_us));
  report_.verdict = compare::Name(compare::VerdictResult::kInconclusive);
  return kExitInconclusive;
}

Result<std::vector<replay::LaneTarget>> MigrationTest::Lanes() {
  std::vector<replay::LaneTarget> lanes;
  for (const auto& fork : run_->forks()) {
    SCRY_TRY(shadow::CheckMarker(fork->Info(), run_->nonce()));
    lanes.push_back({fork->lane(), fork->Info()});
  }
  return lanes;
}

void MigrationTest::FillLanes() {
  if (!run_) return;
  for (const auto& fork : run_->forks()) {
    if (report_.lanes.size() == kLanes) break;  // The one for the migration under load.
    report::LaneFacts lane;
    lane.name = fork->lane();
    lane.made = fmt::format("fork of {}", request_.shadow.Text());
    lane.server_version = shadow_.server_version;
    lane.ready_us = fork->took_us();
    lane.busy_us = comparison_.BusyUs(report_.lanes.size());
    report_.lanes.push_back(std::move(lane));
  }
}

// What makes the next run the same test as this one, up to the migration.
std::string MigrationTest::GateCommand() const {
  std::vector<std::string> words = {"scry", "ci", "test-migration", request_.shadow.Text()};
  const auto add = [&](const char* flag, const std::string& value) {
    if (!value.empty()) words.insert(words.end(), {flag, value});
  };
  for (const std::string& capture : request_.captures) add("--capture", capture);
  add("--from", request_.selection.from);
  add("--to", request_.selection.to);
  add("--last", request_.selection.last);
  const bool seconds = request_.budget_us % 1000000 == 0;
  if (request_.budget_us > 0) {
    add("--budget", seconds ? fmt::format("{}s", request_.budget_us / 1000000)
                            : fmt::format("{}us", request_.budget_us));
  }
  add("--fix", request_.fix_file);
  return CommandText(words);
}

void MigrationTest::FillNextSteps() {
  const std::string top = "scry log top " + CommandText(request_.captures);
  const std::string gate = GateCommand();
  if (report_.exit_status == kExitRegressions) {
    const bool slow =
        std::any_of(report_.findings.begin(), report_.findings.end(),
                    [](const auto& f) { return f.gates && (f.has_latency || f.has_work); });
    const bool blocks =
        std::any_of(report_.findings.begin(), report_.findings.end(), [](const auto& f) {
          return f.gates && f.type == compare::Name(compare::FindingClass::kBlocked);
        });
    if (blocks && request_.during.lock_timeout_us == 0) {
      report_.next_steps.push_back({"rehearse it with short waits and retries",
                                    gate + " --lock-timeout 200ms --retries 10 -- ..."});
    }
    if (slow) report_.next_steps.push_back({"see both plans", gate + " --plans -- ..."});
    report_.next_steps.push_back({"after the fix, run it again", gate + " -- ..."});
    report_.next_steps.push_back(
        {"if the worst is meant to be so, accept it",
         fmt::format("scry report accept {}{} --reason ... --until ...", report_.findings[0].id,
                     request_.report_dir.empty() ? "" : " " + CommandText({request_.report_dir}))});
  } else if (report_.exit_status == kExitMigration) {
    report_.next_steps.push_back({"look at the forks it failed on", gate + " --keep -- ..."});
  } else if (report_.exit_status == kExitInconclusive) {
    report_.next_steps.push_back({"see what the capture holds", top});
  } else {
    report_.next_steps.push_back({"see what was tested", top});
  }
}

report::Report MigrationTest::Finish(int exit_status) {
  report_.tool_version = SCRY_VERSION;
  report_.created_us = base::SystemClock().WallUs();
  report_.shadow = request_.shadow.Text();
  report_.exit_status = exit_status;
  comparison_.FillTested();
  FillLanes();
  FillNextSteps();
  return report_;
}

base::Error MigrationTest::WithServerWord(base::Error error) {
  if (!run_ || error.code != base::ErrorCode::kFailed) return error;
  for (const auto& fork : run_->forks()) {
    const Status alive = fork->CheckAlive();
    if (!alive.ok()) {
      return Fail(fmt::format("the {} server ended: {}", fork->lane(), alive.error().message));
    }
  }
  return error;
}

// Known before three forks are made for it.
Status MigrationTest::CheckCommand() const {
  if (request_.command.empty()) return {};
  const Status found = os::CheckProgram(request_.command.front(), os::CurrentEnvironment());
  if (found.ok()) return {};
  return Fail(base::ErrorCode::kUsage,
              "cannot start the migration: " + base::OneLine(found.error().message));
}

Result<report::Report> MigrationTest::Go() {
  const auto body = [&]() -> Status {
    SCRY_TRY(CheckCommand());
    SCRY_TRY(Select());
    const Status surveyed = comparison_.Survey();
    if (!surveyed.ok()) {
      return traffic_ ? traffic_->WithWindow(surveyed.error()) : surveyed.error();
    }
    SCRY_TRY(MakeLanes());
    for (std::string& note : CaptureAgeNotes(shadow_, report_.captures)) {
      report_.notes.push_back(std::move(note));
    }
    SCRY_TRY(Migrate());
    SCRY_TRY(watch_.Check());
    if (!request_.command.empty()) {
      SCRY_TRY(comparison_.LookAtCatalogs([&] { return Lanes(); }, /*copies=*/true));
    }
    SCRY_TRY(Settle());
    SCRY_TRY(comparison_.Run([&] { return Lanes(); }));
    SCRY_TRY(During());
    TieCauses(profile_, report_);  // What the migration under load found has causes too.
    return {};
  };
  const Status status = body();
  int exit_status = kExitSafe;
  if (status.ok()) {
    exit_status = WithDuring(comparison_.ExitStatus());
    SayUnused();
  } else if (status.error().code == base::ErrorCode::kMigration) {
    report::FillMigrationFailed(report_);
    FillFailure(profile_, request_.show_values, report_.causes);
    exit_status = kExitMigration;
  } else {
    return WithServerWord(status.error());
  }
  report::Report report = Finish(exit_status);
  const Status ended = EndRun();
  if (ended.ok()) return report;
  if (exit_status == kExitSafe) return ended.error();
  // What is known against the migration is not given up for that.
  report.notes.push_back("The forks could not be removed, 'scry shadow gc' tries again: " +
                         base::Printable(base::OneLine(ended.error().message), 300));
  return report;
}

Status MigrationTest::EndRun() {
  if (!run_) return {};
  if (!request_.keep) return run_->Finish();
  progress_.Note("forks kept in " + run_->folder());
  return run_->Keep();
}

}  // namespace

Result<report::Report> RunMigrationTest(const shadow::StateDir& state,
                                        const MigrationTestRequest& request, Progress& progress,
                                        const std::function<bool()>& should_stop) {
  MigrationTest test(state, request, progress, should_stop);
  return test.Go();
}

}  // namespace scry::job
