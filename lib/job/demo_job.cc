#include "job/demo_job.h"
#include "job/comparison.h"
#include "job/report_files.h"

#include <fmt/format.h>

#include <algorithm>
#include <optional>
#include <utility>

#include "base/units.h"
#include "job/comparison.h"
#include "job/demo_files.h"
#include "job/demo_shop.h"
#include "job/migration_test_job.h"
#include "os/directory.h"
#include "pg/server_programs.h"
#include "report/table.h"
#include "report/text_writer.h"
#include "shadow/provider.h"
#include "shadow/state_dir.h"

namespace scry::job {
namespace {

using base::Fail;
using base::FormatCount;
using base::FormatDuration;
using base::Result;
using base::Status;

class Story {
 public:
  Story(const DemoRequest& request, Progress& progress,
        const std::function<void(const std::string&)>& print,
        const std::function<bool()>& should_stop, DemoFolder folder, shadow::StateDir state)
      : request_(request),
        progress_(progress),
        print_(print),
        should_stop_(should_stop),
        folder_(std::move(folder)),
        state_(std::move(state)) {}

  Result<DemoOutcome> Tell();

 private:
  Status SetUpShop();
  Status MakeShadow();
  Status CaptureProduction();
  Status CaptureFeature();
  // `fix`: a file of the folder that mends the migration; empty: none.
  Result<report::Report> Test(const std::string& file, const char* sql,
                              const std::string& fix = {});
  Status TryProposal(DemoOutcome& outcome, const report::TextOptions& text);
  Status TryByHand(DemoOutcome& outcome, const report::TextOptions& text);
  void Say(const std::string& text) { print_(text + "\n"); }
  void Chapter(const std::string& title);
  void PrintWorstPlan(const report::Report& bad);
  void PrintComparison(const DemoOutcome& outcome);
  Status PrintVerdict(const report::Report& report, const report::TextOptions& text);
  void PrintOwnDatabase();
  shadow::Control Control() const;
  Status CheckStop() const {
    if (should_stop_()) return Fail(base::ErrorCode::kInterrupted, "interrupted");
    return {};
  }

  const DemoRequest& request_;
  Progress& progress_;
  const std::function<void(const std::string&)>& print_;
  const std::function<bool()>& should_stop_;
  DemoFolder folder_;
  shadow::StateDir state_;
  std::optional<DemoServer> production_;
  const shadow::ShadowName shadow_name_{"shop", "demo"};
  int chapter_ = 0;
};

shadow::Control Story::Control() const {
  shadow::Control control;
  control.stop_fd = request_.stop_fd;
  return control;
}

void Story::Chapter(const std::string& title) {
  if (chapter_ > 0 && request_.wait) request_.wait();
  const std::string line = fmt::format("{}. {}", ++chapter_, title);
  Say(request_.color ? "\n\x1b[1m" + line + "\x1b[0m" : "\n" + line);
}

Status Story::SetUpShop() {
  progress_.Step("start a private server, load the shop");
  SCRY_TRY_ASSIGN(DemoServer server, DemoServer::Start(folder_, "production", state_, Control()));
  production_.emplace(std::move(server));
  SCRY_TRY(production_->Run(kShopSchemaSql));
  SCRY_TRY(production_->Run(kShopDataSql));
  SCRY_TRY(production_->Run("VACUUM (ANALYZE)"));
  progress_.Done("2,500 customers, 25,000 orders");
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

Status Story::CaptureProduction() {
  progress_.Step("capture the application at work");
  SCRY_TRY_ASSIGN(
      const CaptureSummary summary,
      CaptureClients(production_->AppInfo(), folder_.In("production.cap"), RunShopSessions));
  progress_.Done(fmt::format("{} exchanges of {} sessions, {}", FormatCount(summary.exchanges),
                             summary.sessions, base::FormatSize(summary.bytes_written)));
  return CheckStop();
}

Status Story::CaptureFeature() {
  progress_.Step("capture the feature's tests on staging");
  SCRY_TRY_ASSIGN(DemoServer staging, DemoServer::Start(folder_, "staging", state_, Control()));
  SCRY_TRY(staging.Run(kShopSchemaSql));
  SCRY_TRY(staging.Run(kShopStagingSql));
  SCRY_TRY_ASSIGN(const CaptureSummary summary,
                  CaptureClients(staging.AppInfo(), folder_.In("feature.cap"), RunFeatureSession));
  progress_.Done(fmt::format("{} exchanges on 100 orders", FormatCount(summary.exchanges)));
  return CheckStop();
}

Result<report::Report> Story::Test(const std::string& file, const char* sql,
                                   const std::string& fix) {
  const std::string path = folder_.In(file);
  SCRY_TRY(os::StoreText(path, sql, 0644, os::CurrentUser()));
  SCRY_TRY_ASSIGN(const pg::Programs programs, pg::FindPrograms(std::nullopt));
  MigrationTestRequest request;
  request.shadow = shadow_name_;
  request.captures = {folder_.In("production.cap"), folder_.In("feature.cap")};
  request.command = {programs.Path("psql"), "-X", "-q", "-v", "ON_ERROR_STOP=1", "-f", path};
  request.stop_fd = request_.stop_fd;
  request.during.mode = DuringMode::kNever;  // Each story has one point, and this one is speed.
  if (!fix.empty()) request.fix_file = folder_.In(fix);
  SCRY_TRY_ASSIGN(report::Report report,
                  RunMigrationTest(state_, request, progress_, should_stop_));
  // What a user would have typed; the folders of this run are gone when it is read.
  report.migration.command = "psql -v ON_ERROR_STOP=1 -f " + file;
  report.captures[0].name = "production.cap";
  report.captures[1].name = "feature.cap";
  report.next_steps.clear();
  if (request_.keep) {
    SCRY_TRY(WriteReportFiles(report, folder_.In((fix.empty() ? file : fix) + ".report")));
  }
  return report;
}

void Story::PrintWorstPlan(const report::Report& bad) {
  for (const report::Finding& finding : bad.findings) {
    if (!finding.gates || finding.plan.candidate.empty()) continue;
    Say("plan of the worst, with its own parameters:");
    for (const std::string& line : finding.plan.candidate) Say("  " + base::Printable(line, 98));
    Say("");
    return;
  }
}

void Story::PrintComparison(const DemoOutcome& outcome) {
  using report::Align;
  report::Table table({{"staging", Align::kRight},
                       {"migration.sql", Align::kRight},
                       {"factor", Align::kRight},
                       {"scry's", Align::kRight},
                       {"fix.sql", Align::kRight},
                       {"query of the feature", Align::kLeft, true}},
                      2);
  const auto mended = [](const report::Report& in, const report::Finding& slow) {
    for (const report::Finding& finding : in.findings) {
      if (finding.fingerprint == slow.fingerprint && finding.has_latency) {
        return FormatDuration(finding.after.p50_us);
      }
    }
    return std::string("-");
  };
  for (const report::Finding& slow : outcome.bad.findings) {
    if (slow.type != "new-slow") continue;
    table.AddRow({FormatDuration(slow.before.p50_us), FormatDuration(slow.after.p50_us),
                  fmt::format("{:.0f}x", slow.factor), mended(outcome.proposed, slow),
                  mended(outcome.fixed, slow), slow.pattern});
  }
  for (const std::string& line : table.Lines(std::min<size_t>(request_.columns, 100))) Say(line);
  Say("  medians, measured just now; staging held 100 orders, the shadow 25,000");
}

Status Story::PrintVerdict(const report::Report& report, const report::TextOptions& text) {
  Say(fmt::format("\n{}  {}\nexit status {}",
                  report.exit_status == kExitSafe ? "SAFE" : report.verdict, report.sentence,
                  report.exit_status));
  if (report.exit_status == kExitSafe) return {};
  Say("\n" + report::WriteText(report, text));
  return Fail(
      "the fixed migration was not found safe on this machine; run the demo again, and report it "
      "if it happens twice");
}

// The whole way once more: the migration, then what scry proposes, then all of the traffic.
Status Story::TryProposal(DemoOutcome& outcome, const report::TextOptions& text) {
  std::string proposal;
  for (const report::Fix& fix : outcome.bad.fixes) {
    for (const std::string& sql : fix.sql) proposal += sql + "\n";
  }
  if (proposal.empty()) {
    return Fail(
        "no fix was found and proven on this machine; run the demo again, and report it if it "
        "happens twice");
  }
  Chapter("scry's own proposal, as it stands under FIX, and all of the traffic again");
  Say("  $ scry ci test-migration shop/demo --capture production.cap --capture feature.cap \\\n"
      "      --fix proposal.sql -- psql -v ON_ERROR_STOP=1 -f migration.sql");
  SCRY_TRY(os::StoreText(folder_.In("proposal.sql"), proposal, 0644, os::CurrentUser()));
  SCRY_TRY_ASSIGN(outcome.proposed, Test("migration.sql", kShopMigrationSql, "proposal.sql"));
  return PrintVerdict(outcome.proposed, text);
}

Status Story::TryByHand(DemoOutcome& outcome, const report::TextOptions& text) {
  Chapter("For comparison: the same change with two indexes that an engineer wrote");
  Say("  CREATE INDEX orders_region_status_created_idx ON orders (region, status, created_at);\n"
      "  CREATE INDEX orders_region_total_idx ON orders (region, total_cents DESC, id);\n"
      "  $ scry ci test-migration shop/demo --capture production.cap --capture feature.cap \\\n"
      "      -- psql -v ON_ERROR_STOP=1 -f fix.sql");
  SCRY_TRY_ASSIGN(outcome.fixed, Test("fix.sql", kShopFixSql));
  return PrintVerdict(outcome.fixed, text);
}

void Story::PrintOwnDatabase() {
  Chapter("With your own database");
  Say("  scry capture --upstream \"$DATABASE_URL\" -o cap        (point the application at the "
      "proxy)\n"
      "  scry shadow create prod-db/ci-main                    (scry.yaml names the source)\n"
      "  scry ci test-migration prod-db/ci-main --capture cap -- alembic upgrade head");
}

Result<DemoOutcome> Story::Tell() {
  Say("A shop adds a region to its orders. The change passed every test on staging.\n"
      "Everything below runs and is measured now, on private servers of this run.");
  Chapter("The shop, its shadow and its traffic");
  SCRY_TRY(SetUpShop());
  SCRY_TRY(MakeShadow());
  SCRY_TRY(CaptureProduction());
  SCRY_TRY(CaptureFeature());

  DemoOutcome outcome;
  Chapter("The migration: ALTER TABLE orders ADD COLUMN region, and an UPDATE that fills it");
  Say("  $ scry ci test-migration shop/demo --capture production.cap --capture feature.cap \\\n"
      "      -- psql -v ON_ERROR_STOP=1 -f migration.sql");
  SCRY_TRY_ASSIGN(outcome.bad, Test("migration.sql", kShopMigrationSql));
  report::TextOptions text;
  text.color = request_.color;
  text.columns = std::min<size_t>(request_.columns, 100);
  text.plans = false;
  Say("\n" + report::WriteText(outcome.bad, text));
  PrintWorstPlan(outcome.bad);
  Say(fmt::format("exit status {}", outcome.bad.exit_status));
  if (outcome.bad.exit_status != kExitRegressions) {
    return Fail(
        "the migration without its indexes was not found slower on this machine; run the demo "
        "again, and report it if it happens twice");
  }

  SCRY_TRY(TryProposal(outcome, text));
  SCRY_TRY(TryByHand(outcome, text));
  Say("");
  PrintComparison(outcome);
  PrintOwnDatabase();
  if (request_.keep) {
    outcome.kept_in = folder_.path();
    Say("\nkept in " + folder_.path());
    folder_.Keep();
  }
  return outcome;
}

}  // namespace

Result<DemoOutcome> RunMissingIndexDemo(const DemoRequest& request, Progress& progress,
                                        const std::function<void(const std::string&)>& print,
                                        const std::function<bool()>& should_stop) {
  SCRY_TRY_ASSIGN(DemoFolder folder, DemoFolder::Make());
  SCRY_TRY_ASSIGN(shadow::StateDir state, shadow::StateDir::Open(folder.In("state")));
  Story story(request, progress, print, should_stop, std::move(folder), std::move(state));
  return story.Tell();
}

}  // namespace scry::job
