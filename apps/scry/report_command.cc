#include <fmt/format.h>
#include <unistd.h>

#include <CLI/CLI.hpp>
#include <filesystem>
#include <iterator>
#include <memory>
#include <system_error>
#include <variant>

#include "base/clock.h"
#include "base/units.h"
#include "command.h"
#include "command_line.h"
#include "config/config.h"
#include "job/accept_job.h"
#include "job/migration_files.h"
#include "job/report_job.h"
#include "os/file.h"
#include "report/ci_writers.h"
#include "report/finding_origin.h"
#include "report/html_writer.h"
#include "report/json_writer.h"
#include "report/markdown_writer.h"
#include "report/report_diff.h"
#include "report/sarif_writer.h"
#include "report/text_writer.h"
#include "report_output.h"
#include "terminal.h"

namespace scry::app {
namespace {

struct Flags {
  std::string path;
  std::vector<std::string> paths;
  std::string output;
  std::string finding;
  std::string reason;
  std::string until;
  uint64_t top = 20;
  bool plans = false;
  std::string to;
  std::string file = "scry.yaml";
  std::string name;
  std::vector<std::string> migrations;
  std::string newer;
  bool exit_code = false;
};

ExitStatus Show(const CommonOptions& common, const Flags& flags) {
  const auto report = job::ReadAnyReport(flags.path);
  if (!report.ok()) return Refuse(report.error());
  if (const auto* load = std::get_if<report::LoadReport>(&*report)) {
    PrintLoadReport(common, *load, flags.top);
  } else {
    PrintReport(common, std::get<report::Report>(*report), flags.plans);
  }
  return ExitStatus::kSafe;
}

// Formats of `scry report convert`.
constexpr const char* kFormats[] = {"text",   "json",   "markdown",    "html", "junit",
                                    "github", "gitlab", "openmetrics", "sarif"};

// What code scanning will not show, or not in its place, is said where the pipeline's log is read.
std::string ConvertedToSarif(const report::Report& report, const std::string& file) {
  report::Sarif sarif = report::WriteSarif(report, file);
  if (sarif.without_place > 0) {
    PrintNote(
        fmt::format("{} of {} results have no line of a migration file and stand on line 1 of {}; "
                    "--migrations names files to look in",
                    base::FormatCount(sarif.without_place), base::FormatCount(sarif.results),
                    base::Printable(file)));
  }
  if (sarif.left_out > 0) {
    PrintNote(fmt::format("{} findings were left out: code scanning shows no more",
                          base::FormatCount(sarif.left_out)));
  }
  return std::move(sarif.text);
}

std::string Converted(const report::Report& report, const Flags& flags) {
  if (flags.to == "sarif") return ConvertedToSarif(report, flags.file);
  if (flags.to == "json") return report::WriteJson(report);
  if (flags.to == "junit") return report::WriteJunit(report);
  if (flags.to == "html") return report::WriteHtml(report);
  if (flags.to == "github") return report::WriteGithubAnnotations(report);
  if (flags.to == "gitlab") return report::WriteGitlabCodeQuality(report, flags.file);
  if (flags.to == "openmetrics") return report::WriteOpenMetrics(report);
  if (flags.to == "markdown") {
    report::MarkdownOptions options;
    options.name = flags.name;
    return report::WriteMarkdown(report, options);
  }
  report::TextOptions options;
  options.plans = flags.plans;
  return report::WriteText(report, options);
}

ExitStatus Convert(const Flags& flags) {
  if (!report::LiesInRepository(flags.file)) {
    return Refuse(
        base::Fail(base::ErrorCode::kUsage,
                   fmt::format("--file {} is not in the repository; name it by its path from there",
                               base::Printable(flags.file))));
  }
  auto report = job::ReadVerdictReport(flags.path, "convert");
  if (!report.ok()) return Refuse(report.error());
  const base::Status placed = job::PlaceStatements(flags.migrations, report->migration);
  if (!placed.ok()) return Refuse(placed.error());
  const std::string text = Converted(*report, flags);
  if (flags.output.empty() || flags.output == "-") {
    PrintResult(text);
    return ExitStatus::kSafe;
  }
  const base::Status written = os::ReplaceFile(os::RealFileSystem(), flags.output, text);
  if (!written.ok()) return Refuse(written.error());
  return ExitStatus::kSafe;
}

// A run that judged nothing lets nothing pass.
ExitStatus StatusOfDiff(const report::ReportDiff& diff) {
  if (report::MigrationHasFailed(*diff.after)) return ExitStatus::kMigration;
  if (!report::IsJudged(*diff.after)) return ExitStatus::kInconclusive;
  return diff.fresh_gating() > 0 ? ExitStatus::kRegressions : ExitStatus::kSafe;
}

ExitStatus Diff(const CommonOptions& common, const Flags& flags) {
  const auto before = job::ReadVerdictReport(flags.path, "diff");
  if (!before.ok()) return Refuse(before.error());
  const auto after = job::ReadVerdictReport(flags.newer, "diff");
  if (!after.ok()) return Refuse(after.error());
  const report::ReportDiff diff = report::DiffReports(*before, *after);
  if (common.json) {
    PrintResult(report::WriteDiffJson(diff));
  } else {
    PrintResult(report::WriteDiffText(
        diff, {WantsColor(common, STDOUT_FILENO), TerminalColumns(STDOUT_FILENO)}));
  }
  return flags.exit_code ? StatusOfDiff(diff) : ExitStatus::kSafe;
}

ExitStatus Merge(const CommonOptions& common, const Flags& flags) {
  const auto merged = job::MergeReportFiles(flags.paths);
  if (!merged.ok()) return Refuse(merged.error());
  if (!flags.output.empty()) {
    const base::Status written = job::WriteLoadReport(*merged, flags.output);
    if (!written.ok()) return Refuse(written.error());
  }
  PrintLoadReport(common, *merged, flags.top);
  return ExitStatus::kSafe;
}

// --config, the nearest scry.yaml, or a new one here.
std::string ConfigFileOf(const CommonOptions& common) {
  if (!common.config_path.empty()) return common.config_path;
  std::error_code error;
  const auto nearest = config::FindFile(std::filesystem::current_path(error).string());
  return nearest.value_or("scry.yaml");
}

ExitStatus Accept(const CommonOptions& common, const Flags& flags) {
  job::AcceptRequest request;
  request.finding = flags.finding;
  request.report = flags.path;
  request.reason = flags.reason;
  request.until = flags.until;
  request.config = ConfigFileOf(common);
  const auto accepted = job::AcceptFinding(request, base::SystemClock().WallUs());
  if (!accepted.ok()) return Refuse(accepted.error());
  if (!accepted->checked) {
    PrintNote(
        fmt::format("{} was not checked against a report: there is none here; 'scry report "
                    "accept ID REPORT' names one",
                    flags.finding));
  }
  std::string ids;
  std::string json;
  for (const std::string& id : accepted->findings) {
    ids += (ids.empty() ? "" : " and ") + id;
    json += (json.empty() ? "" : ", ") + JsonString(id);
  }
  if (common.json) {
    PrintResult(fmt::format("{{\"config\": {}, \"made\": {}, \"findings\": [{}], \"until\": {}}}\n",
                            JsonString(accepted->config), accepted->made, json,
                            JsonString(accepted->until)));
  } else {
    PrintResult(fmt::format("{} ignored until {}, by {}{}\n", ids, accepted->until,
                            base::Printable(accepted->config), accepted->made ? " (new)" : ""));
  }
  return ExitStatus::kSafe;
}

void AddTop(CLI::App* command, Flags& flags) {
  command->add_option("--top", flags.top, "Patterns of a load replay shown; 0: all")
      ->check(WholeNumber(0));
}

}  // namespace

void AddReportCommand(CLI::App& app, Chosen& chosen) {
  CLI::App* report =
      app.add_subcommand("report", "Reports that 'scry ci test-migration' and 'scry replay' left.");
  report->require_subcommand(1);
  report->footer(
      "EXIT STATUS\n  0 done   1 failed   3 no such report   64 wrong usage\n"
      "EXAMPLE\n  scry report show report");
  auto flags = std::make_shared<Flags>();

  CLI::App* show = report->add_subcommand("show", "Print a report again");
  show->add_option("report", flags->path, "report.json, or the folder it is in")->required();
  show->add_flag("--plans", flags->plans, "Whole plans of the slower queries");
  AddTop(show, *flags);
  show->footer(
      "EXIT STATUS\n  0 done   1 not readable   3 no such report   64 wrong usage\n"
      "EXAMPLE\n  scry report show out/report.json --plans");
  show->callback([&chosen, flags] {
    chosen.action = [&chosen, flags] { return Show(chosen.common, *flags); };
  });

  CLI::App* convert = report->add_subcommand(
      "convert", "Write a report in another form: for a pull request, a CI system, a dashboard");
  convert->add_option("report", flags->path, "report.json, or the folder it is in")->required();
  convert
      ->add_option("--to", flags->to,
                   "text, json, markdown, html, junit, github, gitlab, openmetrics, sarif")
      ->required()
      ->check(OneOf({std::begin(kFormats), std::end(kFormats)}));
  convert->add_option("-o,--output", flags->output, "Write it to this file; default: print it");
  convert->add_option("--file", flags->file,
                      "gitlab, sarif: the file for findings without a line (default: scry.yaml)");
  convert
      ->add_option("--migrations", flags->migrations,
                   "SQL files or folders where lines of the migration are looked up; may be given "
                   "again")
      ->allow_extra_args(false);
  convert->add_option("--name", flags->name,
                      "markdown: which of several comments on one pull request this is");
  convert->add_flag("--plans", flags->plans, "text: whole plans of the slower queries");
  convert->footer(
      "EXIT STATUS\n  0 done   1 not readable   3 no such report   64 wrong usage\n"
      "EXAMPLE\n  scry report convert out --to markdown >> \"$GITHUB_STEP_SUMMARY\"");
  convert->callback([&chosen, flags] { chosen.action = [flags] { return Convert(*flags); }; });
  CLI::App* accept = report->add_subcommand(
      "accept",
      "Write an ignore rule for a finding into scry.yaml: it no longer gates, and every report\n"
      "lists it with its reason until the day it ends. The rest of the file stays as it is.");
  accept->add_option("finding", flags->finding, "Its id, as reports show it")->required();
  accept->add_option("report", flags->path,
                     "The report it is in; default: report.json here, if there is one");
  accept->add_option("--reason", flags->reason, "Why, for those who read it later")->required();
  accept->add_option("--until", flags->until, "2027-01-31: the last day it counts, in UTC")
      ->required();
  accept->footer(
      "EXIT STATUS\n"
      "  0 written   1 not writable   3 no such report or finding\n"
      "  64 wrong usage, a day that is past, a rule that is there, or a file that no\n"
      "     rule can be added to\n"
      "EXAMPLE\n"
      "  scry report accept slower-00f3a9c0d1e2f3a4 --reason \"nightly only\" \\\n"
      "      --until 2027-01-31");
  accept->callback([&chosen, flags] {
    chosen.action = [&chosen, flags] { return Accept(chosen.common, *flags); };
  });

  CLI::App* diff = report->add_subcommand(
      "diff", "What a push changed: findings that are new, gone and still there, by their ids");
  diff->add_option("old", flags->path, "report.json, or the folder it is in")->required();
  diff->add_option("new", flags->newer, "The same of the newer run")->required();
  diff->add_flag(
      "--exit-code", flags->exit_code,
      "Exit with 5 where a finding gates that did not in OLD, and with 6 or 7 where NEW\n"
      "judged nothing");
  diff->footer(
      "EXIT STATUS\n  0 done   1 not readable   3 no such report   64 wrong usage\n"
      "  with --exit-code: 5 newly gating, 6 NEW is inconclusive, 7 its command failed\n"
      "EXAMPLE\n  scry report diff main/report.json out --exit-code");
  diff->callback([&chosen, flags] {
    chosen.action = [&chosen, flags] { return Diff(chosen.common, *flags); };
  });

  CLI::App* merge = report->add_subcommand(
      "merge",
      "Add up the load reports of 'scry replay --shard', as if one machine had replayed all");
  merge->add_option("reports", flags->paths, "report.json files, or their folders")->required();
  merge->add_option("-o,--output", flags->output, "Also write it as JSON to this file");
  AddTop(merge, *flags);
  merge->footer(
      "EXIT STATUS\n  0 done   1 not readable   3 no such report   64 reports of different "
      "replays\n"
      "EXAMPLE\n  scry report merge shard1/report.json shard2/report.json -o whole.json");
  merge->callback([&chosen, flags] {
    chosen.action = [&chosen, flags] { return Merge(chosen.common, *flags); };
  });
}

}  // namespace scry::app
