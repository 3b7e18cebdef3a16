#include "job/demo_job.h"

#include <fmt/format.h>

#include <algorithm>
#include <optional>
#include <utility>

#include "base/units.h"
#include "job/comparison.h"
#include "job/demo_files.h"
#include "job/demo_shop.h"
#include "job/demo_table.h"
#include "job/migration_test_job.h"
#include "job/report_files.h"
#include "os/directory.h"
#include "os/file.h"
#include "pg/server_programs.h"
#include "report/table.h"
#include "report/text_writer.h"
#include "report/wait_chart.h"
#include "shadow/provider.h"
#include "shadow/state_dir.h"

namespace scry::job {
namespace {

using base::Fail;
using base::FormatCount;
using base::Result;
using base::Status;

constexpr size_t kColumnsMax = 100;
constexpr const char* kMigrationFile = "migration.sql";
constexpr const char* kProposalFile = "proposal.sql";

// "batched" of "table-locking/batched.sql".
std::string StemOf(const std::string& path) {
  const size_t slash = path.rfind('/');
  const std::string name = slash == std::string::npos ? path : path.substr(slash + 1);
  return name.substr(0, name.rfind('.'));
}

class Story {
 public:
  Story(const DemoRequest& request, Progress& progress,
        const std::function<void(const std::string&)>& print,
        const std::function<bool()>& should_stop, DemoFolder folder, shadow::StateDir state)
      : request_(request),
        scenario_(*request.scenario),
        progress_(progress),
        print_(print),
        should_stop_(should_stop),
        folder_(std::move(folder)),
        state_(std::move(state)),
        columns_(std::min(request.columns, kColumnsMax)) {
    text_.color = request.color;
    text_.columns = columns_;
  }

  Result<DemoOutcome> Tell();

 private:
  Status TellAll();
  Status Prepare();
  Status SetUpShop();
  Status MakeShadow();
  Status Capture(const DemoCapture& capture);
  Status RunClients(DemoClients clients, const pg::ConnInfo& proxy);
  Status Look(const DemoLook& look);

  // `fix`: a file of the folder that mends the migration; empty: none.
  Result<report::Report> Test(const std::string& name, const std::string& file, const char* sql,
                              const std::string& fix);
  Status TryMigration();
  Status TryAttempt(const DemoAttempt& attempt);
  Status WriteProposal();
  Status LeaveReport(const std::string& name, const report::Report& report);

  void Say(const std::string& text) { print_(text + "\n"); }
  void SayLines(const std::vector<std::string>& lines) {
    for (const std::string& line : lines) Say(line);
  }
  Status Chapter(const std::string& title, const char* why);
  void SayCommand(const std::string& file, const std::string& fix);
  void PrintWorstPlan(const report::Report& bad);
  void PrintVerdict(const report::Report& report);
  void PrintEnd();
  Status NotTrue(const report::Report& report, int wanted);

  shadow::Control Control() const;
  Status CheckStop() const {
    if (should_stop_()) return Fail(base::ErrorCode::kInterrupted, "interrupted");
    return {};
  }

  const DemoRequest& request_;
  const DemoScenario& scenario_;
  Progress& progress_;
  const std::function<void(const std::string&)>& print_;
  const std::function<bool()>& should_stop_;
  DemoFolder folder_;
  shadow::StateDir state_;
  const size_t columns_;
  report::TextOptions text_;
  std::optional<DemoServer> production_;
  const shadow::ShadowName shadow_name_{"shop", "demo"};
  int chapter_ = 0;
  DemoOutcome outcome_;
};

shadow::Control Story::Control() const {
  shadow::Control control;
  control.stop_fd = request_.stop_fd;
  return control;
}

Status Story::Chapter(const std::string& title, const char* why) {
  const auto lines = report::Wrap(fmt::format("{}. {}", ++chapter_, title), columns_);
  Say("");
  for (const std::string& line : lines) Say(request_.color ? "\x1b[1m" + line + "\x1b[0m" : line);
  if (!request_.wait) return {};
  for (const std::string& line : report::Wrap(why, columns_ - 2)) Say("  " + line);
  request_.wait();
  return CheckStop();
}

// As a user would type it.
void Story::SayCommand(const std::string& file, const std::string& fix) {
  std::vector<std::string> parts = {"scry ci test-migration shop/demo"};
  for (const DemoCapture& capture : scenario_.captures) {
    parts.push_back(fmt::format("--capture {}", capture.file));
  }
  parts.emplace_back(scenario_.during ? "--during always --blocker none" : "--during never");
  if (!fix.empty()) parts.push_back("--fix " + fix);
  parts.push_back("-- psql -v ON_ERROR_STOP=1 -f " + file);
  std::string line = "  $";
  for (const std::string& part : parts) {
    if (line.size() + 1 + part.size() + 2 > columns_) {
      Say(line + " \\");
      line = "     ";
    }
    line += " " + part;
  }
  Say(line);
}

Status Story::SetUpShop() {
  progress_.Step("start a private server, load the shop");
  SCRY_TRY_ASSIGN(DemoServer server, DemoServer::Start(folder_, "production", state_, Control()));
  production_.emplace(std::move(server));
  SCRY_TRY(production_->Run(DemoFile("missing-index/schema.sql")));
  SCRY_TRY(production_->Run(DemoFile("missing-index/data.sql")));
  SCRY_TRY(production_->Run("VACUUM (ANALYZE)"));
  if (scenario_.setup != nullptr) SCRY_TRY(production_->Run(DemoFile(scenario_.setup)));
  progress_.Done("25,000 orders");
  return CheckStop();
}

Status Story::MakeShadow() {
  progress_.Step("copy it to a shadow");
  shadow::ShadowOptions options;
  options.name = shadow_name_;
  options.source = production_->Info().Render();
  SCRY_TRY_ASSIGN(const shadow::ShadowInfo info, shadow::CreateShadow(options, state_, Control()));
  progress_.Done(fmt::format("pg_basebackup, {}", base::FormatSize(info.size_bytes)));
  return CheckStop();
}

Status Story::RunClients(DemoClients clients, const pg::ConnInfo& proxy) {
  switch (clients) {
    case DemoClients::kShopDay:
      return RunShopSessions(proxy);
    case DemoClients::kFeature:
      return RunFeatureSession(proxy);
    case DemoClients::kSettlement:
      return RunSettlementSession(proxy);
    case DemoClients::kRushHour:
      return RunRushHour(proxy, progress_, should_stop_);
  }
  return {};
}

Status Story::Capture(const DemoCapture& capture) {
  progress_.Step(capture.step);
  std::optional<DemoServer> staging;
  if (capture.staging != nullptr) {
    SCRY_TRY_ASSIGN(DemoServer server, DemoServer::Start(folder_, "staging", state_, Control()));
    staging.emplace(std::move(server));
    SCRY_TRY(staging->Run(DemoFile("missing-index/schema.sql")));
    SCRY_TRY(staging->Run(DemoFile(capture.staging)));
  }
  const DemoServer& server = staging ? *staging : *production_;
  SCRY_TRY_ASSIGN(
      const CaptureSummary summary,
      CaptureClients(server.AppInfo(), folder_.In(capture.file), [&](const pg::ConnInfo& proxy) {
        return RunClients(capture.clients, proxy);
      }));
  progress_.Done(fmt::format("{} exchanges, {} session{}", FormatCount(summary.exchanges),
                             summary.sessions, summary.sessions == 1 ? "" : "s"));
  if (capture.look != nullptr) SCRY_TRY(Look(*capture.look));
  return CheckStop();
}

Status Story::Look(const DemoLook& look) {
  SCRY_TRY_ASSIGN(const pg::Rows found, production_->Query(look.sql));
  std::vector<report::TableColumn> columns;
  for (size_t i = 0; i < found.columns.size(); ++i) {
    columns.push_back({found.columns[i], i == 0 ? report::Align::kLeft : report::Align::kRight});
  }
  report::Table table(std::move(columns), 4);
  for (const auto& row : found.rows) {
    std::vector<std::string> cells;
    for (const auto& value : row) cells.push_back(value.value_or(""));
    table.AddRow(std::move(cells));
  }
  Say(fmt::format("  {}", look.title));
  SayLines(table.Lines(columns_));
  if (!found.rows.empty() && found.rows[0].size() > 1 && found.rows[0][1] == "0") return {};
  return Fail(
      "what the scenario looks for in the statistics is not there; run the demo again, and report "
      "it if it happens twice");
}

Result<report::Report> Story::Test(const std::string& name, const std::string& file,
                                   const char* sql, const std::string& fix) {
  SayCommand(file, fix);
  const std::string path = folder_.In(file);
  SCRY_TRY(os::StoreText(path, sql, 0644, os::CurrentUser()));
  SCRY_TRY_ASSIGN(const pg::Programs programs, pg::FindPrograms(std::nullopt));
  MigrationTestRequest request;
  request.shadow = shadow_name_;
  for (const DemoCapture& capture : scenario_.captures) {
    request.captures.push_back(folder_.In(capture.file));
  }
  request.command = {programs.Path("psql"), "-X", "-q", "-v", "ON_ERROR_STOP=1", "-f", path};
  request.stop_fd = request_.stop_fd;
  request.during.mode = scenario_.during ? DuringMode::kAlways : DuringMode::kNever;
  request.during.blocker_us = 0;
  if (!fix.empty()) request.fix_file = folder_.In(fix);
  SCRY_TRY_ASSIGN(report::Report report,
                  RunMigrationTest(state_, request, progress_, should_stop_));
  // What a user would have typed; the folders of this run are gone when it is read.
  report.migration.command = "psql -v ON_ERROR_STOP=1 -f " + file;
  for (size_t i = 0; i < report.captures.size(); ++i) {
    report.captures[i].name = scenario_.captures[i].file;
  }
  report.next_steps.clear();
  SCRY_TRY(LeaveReport(name, report));
  outcome_.runs.push_back({name, report});
  return report;
}

Status Story::LeaveReport(const std::string& name, const report::Report& report) {
  if (request_.report_dir.empty() && !request_.keep) return {};
  const std::string folder =
      (request_.report_dir.empty() ? folder_.In("reports") : request_.report_dir) + "/" + name;
  SCRY_TRY(WriteReportFiles(report, folder));
  outcome_.reports.push_back(folder + "/report.html");
  return {};
}

void Story::PrintWorstPlan(const report::Report& bad) {
  for (const report::Finding& finding : bad.findings) {
    if (!finding.gates || finding.plan.candidate.empty()) continue;
    Say("plan of the worst, with its own parameters:");
    for (const std::string& line : finding.plan.candidate) {
      Say("  " + report::Shorten(base::Printable(line), columns_ - 2));
    }
    Say("");
    return;
  }
}

Status Story::NotTrue(const report::Report& report, int wanted) {
  return Fail(
      fmt::format("this run ended with exit status {}, and the story with {}; run the demo again, "
                  "and report it if it happens twice",
                  report.exit_status, wanted));
}

Status Story::TryMigration() {
  SCRY_TRY(Chapter(scenario_.migration_title, scenario_.migration_why));
  SCRY_TRY_ASSIGN(const report::Report bad, Test("migration", kMigrationFile,
                                                 DemoFile(scenario_.FileOf(kMigrationFile)), {}));
  Say("\n" + report::WriteText(bad, text_));
  PrintWorstPlan(bad);
  Say(fmt::format("exit status {}", bad.exit_status));
  if (bad.exit_status != kExitRegressions) return NotTrue(bad, kExitRegressions);
  return {};
}

// The remedies that the first run tried and measured.
Status Story::WriteProposal() {
  std::string proposal;
  for (const report::Fix& fix : outcome_.runs.front().report.fixes) {
    if (fix.waits) continue;  // It stands in place of the migration, not behind it.
    for (const std::string& sql : fix.sql) proposal += sql + "\n";
  }
  if (proposal.empty()) {
    return Fail(
        "no fix was found and proven on this machine; run the demo again, and report it if it "
        "happens twice");
  }
  return os::StoreText(folder_.In(kProposalFile), proposal, 0644, os::CurrentUser());
}

// The whole way once more: the migration, or another in its place, then all of the traffic.
Status Story::TryAttempt(const DemoAttempt& attempt) {
  SCRY_TRY(Chapter(attempt.title, attempt.why));
  std::string name = StemOf(kProposalFile);
  std::string file = kMigrationFile;
  std::string path = scenario_.FileOf(kMigrationFile);
  std::string fix = kProposalFile;
  if (attempt.file == nullptr) {
    SCRY_TRY(WriteProposal());
  } else {
    path = attempt.file;
    name = StemOf(path);
    file = name + ".sql";
    fix.clear();
  }
  SCRY_TRY_ASSIGN(const report::Report mended, Test(name, file, DemoFile(path), fix));
  PrintVerdict(mended);
  if (mended.exit_status == kExitSafe) return {};
  Say("\n" + report::WriteText(mended, text_));
  return NotTrue(mended, kExitSafe);
}

void Story::PrintVerdict(const report::Report& report) {
  const std::string word = report.exit_status == kExitSafe ? "SAFE" : report.verdict;
  Say("");
  bool first = true;
  for (const std::string& line : report::Wrap(report.sentence, columns_ - word.size() - 2)) {
    Say((first ? word : std::string(word.size(), ' ')) + "  " + line);
    first = false;
  }
  if (scenario_.during) SayLines(report::WaitChart(report.during, columns_));
  Say(fmt::format("exit status {}", report.exit_status));
}

void Story::PrintEnd() {
  Say("");
  std::vector<const report::Report*> runs;
  for (const DemoRun& run : outcome_.runs) runs.push_back(&run.report);
  SayLines(DemoTable(scenario_, runs, columns_));
  for (const std::string& line : report::Wrap(scenario_.table_note, columns_ - 2)) {
    Say("  " + line);
  }
  Say("\nWith your own database:\n"
      "  scry capture --upstream \"$DATABASE_URL\" -o cap    # applications connect to it\n"
      "  scry shadow create prod-db/ci-main                # scry.yaml names the source\n"
      "  scry ci test-migration prod-db/ci-main --capture cap -- alembic upgrade head");
}

// What would fail at the end fails at once.
Status Story::Prepare() {
  if (request_.report_dir.empty()) return {};
  return MakeReportFolder(request_.report_dir);
}

Status Story::TellAll() {
  SCRY_TRY(Prepare());
  SayLines(report::Wrap(scenario_.intro, columns_));
  SayLines(report::Wrap(
      "Everything below runs and is measured now, on private servers of this run.", columns_));
  SCRY_TRY(Chapter(scenario_.setup_title, scenario_.setup_why));
  SCRY_TRY(SetUpShop());
  SCRY_TRY(MakeShadow());
  for (const DemoCapture& capture : scenario_.captures) SCRY_TRY(Capture(capture));
  SCRY_TRY(TryMigration());
  for (const DemoAttempt& attempt : scenario_.attempts) SCRY_TRY(TryAttempt(attempt));
  PrintEnd();
  if (!outcome_.reports.empty()) Say("");
  for (const std::string& file : outcome_.reports) Say("report: " + file);
  return {};
}

// What went wrong is what somebody wants to look at: it is kept as well.
Result<DemoOutcome> Story::Tell() {
  const Status told = TellAll();
  Status kept;
  if (request_.keep) {
    outcome_.kept_in = folder_.path();
    Say("kept in " + folder_.path());
    kept = folder_.Keep();
  }
  SCRY_TRY(told);
  SCRY_TRY(kept);
  return std::move(outcome_);
}

}  // namespace

Result<DemoOutcome> RunDemo(const DemoRequest& request, Progress& progress,
                            const std::function<void(const std::string&)>& print,
                            const std::function<bool()>& should_stop) {
  SCRY_TRY_ASSIGN(DemoFolder folder, DemoFolder::Make());
  SCRY_TRY_ASSIGN(shadow::StateDir state, shadow::StateDir::Open(folder.In("state")));
  Story story(request, progress, print, should_stop, std::move(folder), std::move(state));
  return story.Tell();
}

}  // namespace scry::job
