#include "job/migration_test_job.h"

#include <fmt/format.h>
#include <sys/stat.h>

#include <algorithm>
#include <memory>
#include <optional>
#include <utility>

#include "base/units.h"
#include "compare/pattern_table.h"
#include "compare/verdict.h"
#include "event/statement_facts.h"
#include "job/capture_survey.h"
#include "job/plan_probe.h"
#include "migration/command.h"
#include "migration/touched_tables.h"
#include "os/file.h"
#include "os/subprocess.h"
#include "pg/admin.h"
#include "querylog/log_reader.h"
#include "replay/replayer.h"
#include "replay/sample_book.h"
#include "report/json_writer.h"
#include "report/text_writer.h"
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

// Exit statuses of a report; apps/scry/exit_status.h has the whole table.
constexpr int kExitSafe = 0;
constexpr int kExitRegressions = 5;
constexpr int kExitInconclusive = 6;
constexpr int kExitMigration = 7;

constexpr size_t kPlansMax = 5;
constexpr size_t kSamplesPerPattern = 60;
// Decision 3: three times the samples, within reason: a confirmation must not outlast the replay.
constexpr uint64_t kConfirmFactor = 3;
constexpr uint64_t kConfirmPairsMax = 600;
constexpr uint64_t kConfirmPairsMin = 30;  // Twice what a judgement of speed needs.
constexpr Micros kConfirmBudgetMinUs = 5 * 1000000LL;
constexpr int kConnectionsSpare = 20;
constexpr uint64_t kConnectionsMax = 4000;

// Counts only what the confirmation is about, not the BEGIN and ROLLBACK around it.
class ChosenPatterns final : public event::PairSink {
 public:
  ChosenPatterns(compare::PatternTable& table, event::FactsCache& facts,
                 const std::map<uint64_t, std::vector<replay::Sample>>& samples)
      : table_(table), facts_(facts), samples_(samples) {}
  void Put(const event::StatementPair& pair) override {
    if (pair.text.empty()) return;
    const event::StatementFacts& facts = facts_.Get(pair.text, pair.ordinal);
    if (samples_.contains(facts.fingerprint)) table_.Put(pair);
  }

 private:
  compare::PatternTable& table_;
  event::FactsCache& facts_;
  const std::map<uint64_t, std::vector<replay::Sample>>& samples_;
};

class MigrationTest {
 public:
  MigrationTest(const shadow::StateDir& state, const MigrationTestRequest& request,
                Progress& progress, const std::function<bool()>& should_stop)
      : state_(state),
        request_(request),
        progress_(progress),
        should_stop_(should_stop),
        started_us_(base::SystemClock().MonotonicUs()) {
    report_.notes = request.notes;
  }

  Result<report::Report> Go();

 private:
  Status Survey();
  Status MakeLanes();
  Status Migrate();
  Status Settle();
  Status ReplayCaptures();
  Result<replay::ReplayStats> ReplayOne(event::EventSource& source, event::PairSink& sink,
                                        uint64_t statements, const char* what);
  Status Confirm(const compare::Verdict& first);
  size_t ConfirmPairs(const compare::PatternStats& stats, size_t patterns) const;
  Status Explain();
  Result<replay::SampleBook> CollectSamples(const std::set<uint64_t>& fingerprints);
  void FillLanes();
  void FillNextSteps();
  report::Report Finish(int exit_status);

  bool OutOfTime() const {
    return request_.timeout_us > 0 &&
           base::SystemClock().MonotonicUs() - started_us_ > request_.timeout_us;
  }
  Status CheckTime() const;
  // What a lane's server did wrong is told by its own log, not by the connection that broke.
  base::Error WithServerWord(base::Error error);
  shadow::Control Control() const;
  shadow::Fork& baseline() { return *run_->forks()[0]; }
  shadow::Fork& candidate() { return *run_->forks()[1]; }
  shadow::Fork& control() { return *run_->forks()[2]; }

  const shadow::StateDir& state_;
  const MigrationTestRequest& request_;
  Progress& progress_;
  const std::function<bool()>& should_stop_;
  const Micros started_us_;

  shadow::ShadowInfo shadow_;
  std::optional<shadow::Run> run_;
  CaptureSurvey survey_;
  event::FactsCache facts_;
  compare::PatternTable table_;
  compare::PatternTable confirmation_;
  replay::ReplayStats stats_;
  compare::Verdict verdict_;
  report::Report report_;
};

shadow::Control MigrationTest::Control() const {
  shadow::Control control;
  control.stop_fd = request_.stop_fd;
  return control;
}

Status MigrationTest::CheckTime() const {
  if (should_stop_()) return Fail(base::ErrorCode::kInterrupted, "interrupted");
  if (!OutOfTime()) return {};
  return Fail(base::ErrorCode::kTimeout,
              fmt::format("the time limit of {} ran out", FormatDuration(request_.timeout_us)));
}

Status MigrationTest::Survey() {
  progress_.Step("read " + (request_.captures.size() == 1
                                ? request_.captures[0]
                                : fmt::format("{} captures", request_.captures.size())));
  for (const std::string& directory : request_.captures) {
    SCRY_TRY_ASSIGN(const CaptureSurvey one, SurveyCapture(directory));
    survey_.Add(one);
    report_.captures.push_back(one.facts);
  }
  progress_.Done(fmt::format("{} statements of {} sessions", FormatCount(survey_.facts.statements),
                             FormatCount(survey_.facts.sessions)));
  if (survey_.facts.statements == 0) {
    return Fail(base::ErrorCode::kInconclusive,
                "the capture holds no statements, so nothing can be judged; capture some traffic "
                "first: scry capture --help");
  }
  return {};
}

Status MigrationTest::MakeLanes() {
  SCRY_TRY_ASSIGN(shadow_, shadow::ShowShadow(state_, request_.shadow));
  (void)shadow::CollectGarbage(state_)
      .ok();  // What killed runs left; this run does not depend on it.
  SCRY_TRY_ASSIGN(shadow::Run run, shadow::Run::Begin(state_));
  run_.emplace(std::move(run));
  shadow::ForkOptions options;
  options.connections_min =
      static_cast<int>(std::min(survey_.sessions_at_once, kConnectionsMax) + kConnectionsSpare);
  // The control is a second baseline: what those two disagree on (a default of now(), ids that
  // sessions draw from one sequence, a busy machine) is not the migration's doing.
  const std::vector<const char*> lanes = {"baseline", "candidate", "control"};
  options.lanes = static_cast<int>(lanes.size());
  for (const char* lane : lanes) {
    progress_.Step(fmt::format("fork {} for the {}", request_.shadow.Text(), lane));
    options.lane = lane;
    options.loopback = std::string_view(lane) == "candidate" && !request_.command.empty();
    SCRY_TRY_ASSIGN(const shadow::Fork* fork, run_->MakeFork(shadow_, options, Control()));
    progress_.Done(fmt::format("{} {}", base::FormatSize(fork->copied().bytes),
                               fork->copied().reflinked > 0 ? "by reflink" : "copied"));
  }
  return {};
}

// As a shell would read it back.
std::string ShellWord(const std::string& word) {
  const bool plain =
      !word.empty() && word.find_first_of(" \t\n'\"\\$`*?;&|<>()#!~") == std::string::npos;
  if (plain) return word;
  std::string quoted = "'";
  for (const char c : word) quoted += c == '\'' ? "'\\''" : std::string(1, c);
  return quoted + "'";
}

std::string CommandText(const std::vector<std::string>& argv) {
  std::string text;
  for (const std::string& argument : argv) {
    if (!text.empty()) text += ' ';
    text += ShellWord(argument);
  }
  return text;
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

Status MigrationTest::Migrate() {
  if (request_.command.empty()) return {};
  SCRY_TRY(shadow::CheckMarker(candidate().Info(), run_->nonce()));
  SCRY_TRY_ASSIGN(pg::AdminSession session, pg::AdminSession::Connect(candidate().Info()));
  migration::CommandOptions options;
  options.argv = request_.command;
  SCRY_TRY_ASSIGN(options.target,
                  candidate().OpenLoopback({}, MigrationRole(request_.source, session)));
  if (!request_.source.empty()) options.sources.push_back(request_.source);
  options.environment = os::CurrentEnvironment();
  options.stop_fd = request_.stop_fd;
  options.output_fd = request_.output_fd;
  if (request_.timeout_us > 0) {
    options.timeout_us = std::max<Micros>(
        1, request_.timeout_us - (base::SystemClock().MonotonicUs() - started_us_));
  }
  report_.migration.ran = true;
  report_.migration.command = CommandText(request_.command);
  progress_.Step("run " + report_.migration.command);
  progress_.Note("");  // The command's own output follows.
  const auto ran = migration::RunCommand(options);
  if (!ran.ok() && ran.error().code == base::ErrorCode::kNotFound) {
    // As a shell says it. A report belongs to every migration that was tried.
    report_.migration.exit_status = 127;
    report_.migration.output = {ran.error().message};
    return Fail(base::ErrorCode::kMigration, ran.error().message);
  }
  if (!ran.ok()) return ran.error();
  const migration::CommandOutcome& outcome = *ran;
  report_.migration.duration_us = outcome.finished.elapsed_us;
  const Status judged = migration::JudgeOutcome(options, outcome);
  if (!judged.ok() && judged.error().code != base::ErrorCode::kMigration) return judged;
  if (!judged.ok()) {
    report_.migration.exit_status = outcome.finished.end == os::EndKind::kExited
                                        ? outcome.finished.exit_code
                                        : 128 + outcome.finished.signal_number;
    report_.migration.output =
        LastLines(Masked(outcome.finished.out, options.target.Get("password")), 20);
    SCRY_TRY(candidate().CheckAlive());
    return judged;
  }
  progress_.Done("");
  return {};
}

// Judged is what remains once autovacuum has passed: what it would do in the next minutes is done
// now, on all lanes alike.
Status MigrationTest::Settle() {
  if (request_.command.empty()) return {};
  SCRY_TRY_ASSIGN(pg::AdminSession before, pg::AdminSession::Connect(baseline().Info()));
  SCRY_TRY_ASSIGN(pg::AdminSession after, pg::AdminSession::Connect(candidate().Info()));
  SCRY_TRY_ASSIGN(pg::AdminSession again, pg::AdminSession::Connect(control().Info()));
  SCRY_TRY_ASSIGN(const std::vector<migration::TableName> touched,
                  migration::TouchedTables(before, after));
  if (touched.empty()) return {};
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
  report_.notes.push_back(fmt::format(
      "Judged after VACUUM (ANALYZE) of the tables the migration touched ({}): the first minutes, "
      "before autovacuum, may be slower.",
      base::Printable(names, 200)));
  return {};
}

Result<replay::ReplayStats> MigrationTest::ReplayOne(event::EventSource& source,
                                                     event::PairSink& sink, uint64_t statements,
                                                     const char* what) {
  std::vector<replay::LaneTarget> lanes;
  for (const auto& fork : run_->forks()) {
    SCRY_TRY(shadow::CheckMarker(fork->Info(), run_->nonce()));
    lanes.push_back({fork->lane(), fork->Info()});
  }
  replay::ReplayOptions options;
  options.speed = request_.speed;
  bool timed_out = false;
  auto stats = replay::Replay(
      lanes, source, sink, facts_, options, base::SystemClock(),
      [&](const replay::ReplayStats& now) {
        const double share =
            statements == 0 ? -1
                            : static_cast<double>(now.statements) / static_cast<double>(statements);
        const double seconds = static_cast<double>(std::max<Micros>(now.duration_us, 1)) / 1e6;
        progress_.Update(share, fmt::format("{} {}, {:.0f}/s", FormatCount(now.statements), what,
                                            static_cast<double>(now.statements) / seconds));
        timed_out = OutOfTime();
        return !timed_out && !should_stop_();
      });
  if (!stats.ok() && timed_out) SCRY_TRY(CheckTime());
  return stats;
}

Status MigrationTest::ReplayCaptures() {
  for (size_t i = 0; i < request_.captures.size(); ++i) {
    progress_.Step("replay on all lanes");
    SCRY_TRY_ASSIGN(querylog::LogReader reader, querylog::LogReader::Open(request_.captures[i]));
    SCRY_TRY_ASSIGN(const replay::ReplayStats stats,
                    ReplayOne(reader, table_, report_.captures[i].statements, "statements"));
    progress_.Done(fmt::format("{} statements, {:.0f}/s", FormatCount(stats.statements),
                               static_cast<double>(stats.statements) * 1e6 /
                                   static_cast<double>(std::max<Micros>(stats.duration_us, 1))));
    stats_.Add(stats);
  }
  return {};
}

Result<replay::SampleBook> MigrationTest::CollectSamples(const std::set<uint64_t>& fingerprints) {
  replay::SampleBook book(fingerprints, kSamplesPerPattern, /*seed=*/1);
  for (const std::string& directory : request_.captures) {
    SCRY_TRY_ASSIGN(querylog::LogReader reader, querylog::LogReader::Open(directory));
    SCRY_TRY(book.Scan(reader, facts_));
  }
  return book;
}

// Three times the samples, as far as all of them together do not take longer than the replay did.
size_t MigrationTest::ConfirmPairs(const compare::PatternStats& stats, size_t patterns) const {
  uint64_t lanes_us = 0;
  for (const uint64_t lane_us : stats.time_us) lanes_us += lane_us;
  const uint64_t pair_us = std::max<uint64_t>(1, lanes_us / std::max<uint64_t>(1, stats.calls));
  const auto budget_us = static_cast<uint64_t>(std::max(stats_.duration_us, kConfirmBudgetMinUs));
  const uint64_t wanted = std::min(kConfirmFactor * stats.latency_pairs, kConfirmPairsMax);
  return std::max(kConfirmPairsMin, std::min(wanted, budget_us / patterns / pair_us));
}

// Decision 3: what looks slower is run again, in fresh order, before it may gate.
Status MigrationTest::Confirm(const compare::Verdict& first) {
  const std::vector<uint64_t> flagged = first.NeedsConfirmation();
  if (flagged.empty()) return {};
  progress_.Step(
      fmt::format("confirm {} slower pattern{}", flagged.size(), flagged.size() == 1 ? "" : "s"));
  SCRY_TRY_ASSIGN(const replay::SampleBook book, CollectSamples({flagged.begin(), flagged.end()}));
  std::map<uint64_t, std::vector<replay::Sample>> samples = book.samples();
  uint64_t statements = 0;
  for (auto& [fingerprint, kept] : samples) {
    const compare::PatternStats* stats = table_.Find(fingerprint);
    if (stats == nullptr || kept.empty()) continue;
    // Each as often as it needs: the rare and the slow pattern must not set the pace of the others.
    const size_t pairs = ConfirmPairs(*stats, flagged.size());
    const size_t drawn = kept.size();
    kept.reserve(pairs);
    while (kept.size() < pairs) kept.push_back(kept[kept.size() - drawn]);
    kept.resize(pairs);
    statements += pairs * 3;  // With BEGIN and ROLLBACK.
  }
  replay::SampleSource source(samples, /*rounds=*/1, /*seed=*/2);
  ChosenPatterns sink(confirmation_, facts_, samples);
  SCRY_TRY_ASSIGN(const replay::ReplayStats stats,
                  ReplayOne(source, sink, statements, "statements"));
  progress_.Done(fmt::format("{} pairs", FormatCount(confirmation_.totals().statements)));
  stats_.stalls_broken += stats.stalls_broken;
  stats_.cancelled += stats.cancelled;
  return {};
}

// Plans of the worst latency findings, on both lanes where both can run it.
Status MigrationTest::Explain() {
  std::set<uint64_t> wanted;
  for (const compare::Finding& finding : verdict_.findings) {
    if (finding.has_latency && finding.gates && wanted.size() < kPlansMax) {
      wanted.insert(finding.fingerprint);
    }
  }
  if (wanted.empty()) return {};
  progress_.Step("explain the worst");
  SCRY_TRY_ASSIGN(const replay::SampleBook book, CollectSamples(wanted));
  for (report::Finding& finding : report_.findings) {
    for (const auto& [fingerprint, samples] : book.samples()) {
      if (event::FingerprintText(fingerprint) != finding.fingerprint || samples.empty()) continue;
      const auto after = ExplainSample(candidate().Info(), samples.front());
      const auto before = ExplainSample(baseline().Info(), samples.front());
      if (after.ok()) {
        finding.plan.candidate = explain::RenderPlan(*after);
        finding.plan.sentence = explain::DescribePlan(*after);
      }
      if (before.ok()) finding.plan.baseline = explain::RenderPlan(*before);
    }
  }
  progress_.Done("");
  return {};
}

void MigrationTest::FillLanes() {
  if (!run_) return;
  for (const auto& fork : run_->forks()) {
    report::LaneFacts lane;
    lane.name = fork->lane();
    lane.made = fmt::format("fork of {}", request_.shadow.Text());
    lane.server_version = shadow_.server_version;
    lane.ready_us = fork->took_us();
    lane.busy_us = static_cast<Micros>(table_.totals().time_us[report_.lanes.size()]);
    report_.lanes.push_back(std::move(lane));
  }
}

void MigrationTest::FillNextSteps() {
  const std::string capture = CommandText({request_.captures.front()});
  const std::string gate =
      fmt::format("scry ci test-migration {} --capture {}", request_.shadow.Text(), capture);
  if (report_.exit_status == kExitRegressions) {
    const bool slow = std::any_of(report_.findings.begin(), report_.findings.end(),
                                  [](const auto& f) { return f.gates && f.has_latency; });
    if (slow) report_.next_steps.push_back({"see both plans", gate + " --plans -- ..."});
    report_.next_steps.push_back({"after the fix, run it again", gate + " -- ..."});
  } else if (report_.exit_status == kExitMigration) {
    report_.next_steps.push_back({"look at the forks it failed on", gate + " --keep -- ..."});
  } else if (report_.exit_status == kExitInconclusive) {
    report_.next_steps.push_back({"see what the capture holds", "scry log top " + capture});
  } else {
    report_.next_steps.push_back({"see what was tested", "scry log top " + capture});
  }
}

report::Report MigrationTest::Finish(int exit_status) {
  report_.tool_version = SCRY_VERSION;
  report_.created_us = base::SystemClock().WallUs();
  report_.shadow = request_.shadow.Text();
  report_.exit_status = exit_status;
  report_.tested.sessions = stats_.sessions;
  report_.tested.sessions_excluded = stats_.sessions_excluded;
  report_.tested.stalls_released = stats_.stalls_broken;
  report_.tested.duration_us = stats_.duration_us;
  for (const auto& [reason, count] : stats_.exclusion_reasons) {
    report_.notes.push_back(fmt::format("{} session{} could not be replayed: {}",
                                        FormatCount(count), count == 1 ? "" : "s",
                                        base::Printable(base::OneLine(reason), 200)));
  }
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

Result<report::Report> MigrationTest::Go() {
  const auto body = [&]() -> Status {
    SCRY_TRY(Survey());
    SCRY_TRY(MakeLanes());
    SCRY_TRY(Migrate());
    SCRY_TRY(CheckTime());
    SCRY_TRY(Settle());
    SCRY_TRY(ReplayCaptures());
    compare::RunFacts facts;
    facts.sessions_replayed = stats_.sessions;
    facts.sessions_excluded = stats_.sessions_excluded;
    facts.stalls_released = stats_.stalls_broken;
    verdict_ = compare::Judge(table_, request_.policy, facts);
    SCRY_TRY(Confirm(verdict_));
    if (confirmation_.size() > 0) {
      verdict_ = compare::Judge(table_, request_.policy, facts, &confirmation_);
    }
    report::FillVerdict(verdict_, request_.show_values, report_);
    report::FillTotals(table_.totals(), report_);
    return Explain();
  };
  const Status status = body();
  int exit_status = kExitSafe;
  if (status.ok()) {
    if (verdict_.result == compare::VerdictResult::kRegressions) exit_status = kExitRegressions;
    if (verdict_.result == compare::VerdictResult::kInconclusive) exit_status = kExitInconclusive;
  } else if (status.error().code == base::ErrorCode::kMigration) {
    report::FillMigrationFailed(report_);
    exit_status = kExitMigration;
  } else {
    return WithServerWord(status.error());
  }
  report::Report report = Finish(exit_status);
  if (run_ && request_.keep) {
    progress_.Note("forks kept in " + run_->folder());
    SCRY_TRY(run_->Keep());
  } else if (run_) {
    SCRY_TRY(run_->Finish());
  }
  return report;
}

}  // namespace

Result<report::Report> RunMigrationTest(const shadow::StateDir& state,
                                        const MigrationTestRequest& request, Progress& progress,
                                        const std::function<bool()>& should_stop) {
  MigrationTest test(state, request, progress, should_stop);
  return test.Go();
}

Status WriteReportFiles(const report::Report& report, const std::string& directory) {
  os::FileSystem& files = os::RealFileSystem();
  SCRY_TRY(files.MakeDirectories(directory).With("write the report to " + directory));
  SCRY_TRY(os::ReplaceFile(files, directory + "/report.json", report::WriteJson(report)));
  report::TextOptions options;
  options.plans = true;
  return os::ReplaceFile(files, directory + "/report.txt", report::WriteText(report, options));
}

}  // namespace scry::job
