#include <fmt/format.h>
#include <unistd.h>

#include <CLI/CLI.hpp>
#include <memory>

#include "command.h"
#include "job/report_job.h"
#include "report/json_writer.h"
#include "report/text_writer.h"

namespace scry::app {
namespace {

ExitStatus Show(const CommonOptions& common, const std::string& path, bool plans) {
  const auto report = job::ReadReport(path);
  if (!report.ok()) return Refuse(report.error());
  if (common.json) {
    PrintResult(report::WriteJson(*report));
    return ExitStatus::kSafe;
  }
  report::TextOptions options;
  options.color = WantsColor(common, STDOUT_FILENO);
  options.columns = std::min<size_t>(TerminalColumns(STDOUT_FILENO), 100);
  options.plans = plans || common.verbose;
  options.fidelity = options.waits = common.verbose;
  PrintResult(report::WriteText(*report, options));
  return ExitStatus::kSafe;
}

}  // namespace

void AddReportCommand(CLI::App& app, Chosen& chosen) {
  CLI::App* report = app.add_subcommand("report", "Reports that 'scry ci test-migration' left.");
  report->require_subcommand(1);
  CLI::App* show = report->add_subcommand("show", "Print a report again");
  auto path = std::make_shared<std::string>();
  auto plans = std::make_shared<bool>(false);
  show->add_option("report", *path, "report.json, or the folder it is in")->required();
  show->add_flag("--plans", *plans, "Whole plans of the slower queries");
  show->footer(
      "EXIT STATUS\n  0 done   1 not readable   3 no such report   64 wrong usage\n"
      "EXAMPLE\n  scry report show out/report.json --plans");
  show->callback([&chosen, path, plans] {
    chosen.action = [&chosen, path, plans] { return Show(chosen.common, *path, *plans); };
  });
}

}  // namespace scry::app
