#include <fmt/format.h>
#include <unistd.h>

#include <CLI/CLI.hpp>
#include <charconv>
#include <memory>

#include "base/units.h"
#include "command.h"
#include "command_line.h"
#include "configuration.h"
#include "job/comparison.h"
#include "job/load_parts.h"
#include "job/load_replay_job.h"
#include "job/report_files.h"
#include "job/server_comparison_job.h"
#include "report_output.h"

namespace scry::app {
namespace {

using base::Result;

struct Flags {
  std::vector<std::string> captures;
  std::string target;
  std::string baseline;
  std::string candidate;
  std::string control;
  std::string speed;
  std::string connect_speed;
  std::string sync;
  std::vector<std::string> users;
  std::vector<std::string> databases;
  std::vector<std::string> applications;
  std::vector<std::string> patterns;
  std::string from;
  std::string to;
  std::string last;
  std::string budget;
  uint64_t seed = 1;
  bool reads_only = false;
  uint64_t multiply = 1;
  size_t jobs = 0;
  size_t pipeline = 0;
  std::string shard;
  std::string timeout;
  std::string report_dir;
  uint64_t top = 20;
  bool plans = false;
  bool show_values = false;
};

base::Error Usage(std::string message) {
  return base::Fail(base::ErrorCode::kUsage, std::move(message));
}

// "2/3".
base::Status ParseShard(const std::string& text, replay::TrafficFilterOptions& filter) {
  const char* end = text.data() + text.size();
  const auto first = std::from_chars(text.data(), end, filter.shard);
  const bool slash = first.ec == std::errc() && first.ptr != end && *first.ptr == '/';
  const auto second = slash ? std::from_chars(first.ptr + 1, end, filter.shards) : first;
  if (!slash || second.ec != std::errc() || second.ptr != end || filter.shard < 1 ||
      filter.shard > filter.shards || filter.shards > replay::kShardsMax) {
    return Usage(fmt::format("'{}' is no shard; write 1/3, 2/3 and 3/3", base::Printable(text)));
  }
  return {};
}

Result<job::ReplaySelection> SelectionOf(const Flags& flags) {
  job::ReplaySelection selection;
  selection.filter.users = flags.users;
  selection.filter.databases = flags.databases;
  selection.filter.applications = flags.applications;
  selection.filter.statements = flags.patterns;
  selection.filter.reads_only = flags.reads_only;
  selection.filter.multiply = flags.multiply;
  if (!flags.shard.empty()) SCRY_TRY(ParseShard(flags.shard, selection.filter));
  selection.from = flags.from;
  selection.to = flags.to;
  selection.last = flags.last;
  return selection;
}

// A paced load keeps each exchange at its moment; one without a pace, and a comparison, keep the
// order that makes results repeat.
Result<replay::ReplayOptions> PaceOf(const Flags& flags, const std::string& speed) {
  replay::ReplayOptions options;
  SCRY_TRY_ASSIGN(options.speed, ParseSpeed(flags.speed.empty() ? speed : flags.speed));
  if (!flags.connect_speed.empty()) {
    SCRY_TRY_ASSIGN(options.connect_speed, ParseSpeed(flags.connect_speed));
  }
  options.sync = !flags.target.empty() && options.speed > 0 ? replay::SyncMode::kTime
                                                            : replay::SyncMode::kCommit;
  if (!flags.sync.empty()) {
    SCRY_TRY_ASSIGN(options.sync, ParseSyncMode(flags.sync, options.speed));
  }
  return options;
}

std::vector<std::string> FiltersOf(const Flags& flags) {
  std::vector<std::string> filters;
  const auto add = [&](const char* name, const std::vector<std::string>& values) {
    for (const std::string& value : values) {
      if (!value.empty()) filters.push_back(fmt::format("{} {}", name, value));
    }
  };
  add("--user", flags.users);
  add("--database", flags.databases);
  add("--application", flags.applications);
  add("--pattern", flags.patterns);
  add("--from", {flags.from});
  add("--to", {flags.to});
  add("--last", {flags.last});
  if (flags.reads_only) filters.emplace_back("--reads-only");
  return filters;
}

Result<job::LoadReplayRequest> LoadRequestOf(const CommonOptions& common, const Flags& flags) {
  job::LoadReplayRequest request;
  request.captures = flags.captures;
  request.target = flags.target;
  SCRY_TRY_ASSIGN(request.selection, SelectionOf(flags));
  SCRY_TRY_ASSIGN(request.replay, PaceOf(flags, "1"));
  request.filters = FiltersOf(flags);
  request.jobs = flags.jobs;
  request.pipeline = flags.pipeline;
  if (!flags.timeout.empty()) {
    SCRY_TRY_ASSIGN(request.timeout_us, base::ParseDuration(flags.timeout));
  }
  SCRY_TRY_ASSIGN(request.sources, SourcesOfConfig(common));
  return request;
}

ExitStatus Load(const CommonOptions& common, const Flags& flags) {
  const auto request = LoadRequestOf(common, flags);
  if (!request.ok()) return Refuse(request.error());
  TerminalProgress progress(common);
  const auto report = job::RunLoadReplay(*request, progress, [] { return Interrupted(); });
  if (!report.ok()) return Refuse(report.error());
  PrintLoadReport(common, *report, flags.top);
  if (!flags.report_dir.empty()) {
    const base::Status written = job::WriteLoadReportFiles(*report, flags.report_dir);
    if (!written.ok()) return Refuse(written.error());
  }
  return ExitStatus::kSafe;
}

Result<job::ServerComparisonRequest> ComparisonRequestOf(const CommonOptions& common,
                                                         const Flags& flags) {
  job::ServerComparisonRequest request;
  request.captures = flags.captures;
  request.baseline = flags.baseline;
  request.candidate = flags.candidate;
  request.control = flags.control;
  request.show_values = flags.show_values;
  SCRY_TRY_ASSIGN(request.selection, SelectionOf(flags));
  SCRY_TRY_ASSIGN(request.replay, PaceOf(flags, "max"));
  SCRY_TRY_ASSIGN(request.budget_us, ParseBudget(flags.budget));
  request.seed = flags.seed;
  if (!flags.timeout.empty()) {
    SCRY_TRY_ASSIGN(request.timeout_us, base::ParseDuration(flags.timeout));
  }
  SCRY_TRY_ASSIGN(const std::optional<config::Config> config, LoadConfigIfAny(common));
  if (config) ApplyPolicy(*config, request.policy);
  SCRY_TRY_ASSIGN(request.sources, SourcesOfConfig(common));
  return request;
}

ExitStatus Compare(const CommonOptions& common, const Flags& flags) {
  const auto request = ComparisonRequestOf(common, flags);
  if (!request.ok()) return Refuse(request.error());
  TerminalProgress progress(common);
  const auto report = job::RunServerComparison(*request, progress, [] { return Interrupted(); });
  if (!report.ok()) return Refuse(report.error());
  PrintReport(common, *report, flags.plans);
  if (!flags.report_dir.empty()) {
    const base::Status written = job::WriteReportFiles(*report, flags.report_dir);
    if (!written.ok()) return Refuse(written.error());
  }
  return static_cast<ExitStatus>(report->exit_status);
}

ExitStatus Replay(const CommonOptions& common, const Flags& flags) {
  const bool load = !flags.target.empty();
  const bool compare = !flags.baseline.empty() || !flags.candidate.empty();
  if (load == compare) {
    return Refuse(Usage(load ? "--target replays on one server, --baseline and --candidate compare "
                               "two: give one or the other"
                             : "where to? give --target CONNINFO, or --baseline and --candidate"));
  }
  if (load && !flags.budget.empty()) {
    return Refuse(
        Usage("--budget chooses for a verdict, and a load has none; --shard and --last "
              "make a load smaller"));
  }
  if (!flags.report_dir.empty()) {
    const base::Status made = job::MakeReportFolder(flags.report_dir);
    if (!made.ok()) return Refuse(made.error());
  }
  if (load) return Load(common, flags);
  if (flags.jobs > 0 || flags.pipeline > 0) {
    return Refuse(
        Usage(fmt::format("{} is for a load; a comparison keeps the order of all sessions",
                          flags.jobs > 0 ? "--jobs" : "--pipeline")));
  }
  if (flags.baseline.empty() || flags.candidate.empty()) {
    return Refuse(Usage("a comparison needs both --baseline and --candidate"));
  }
  return Compare(common, flags);
}

void AddOptions(CLI::App* command, Flags& flags) {
  const auto several = [&](const char* name, std::vector<std::string>& values, const char* help) {
    command->add_option(name, values, help)->allow_extra_args(false)->group("What is replayed");
  };
  const auto where = [&](const char* name, std::string& value, const char* help) {
    command->add_option(name, value, help)->group("Where");
  };
  command->add_option("capture", flags.captures, "Folders of captures")->required();
  where("--target", flags.target, "CONNINFO of one server: load, nothing is compared");
  where("--baseline", flags.baseline, "CONNINFO: compare a second server with this one ...");
  where("--candidate", flags.candidate, "... this one, and judge it");
  where("--control", flags.control, "A second baseline: tells chance from change");
  several("--user", flags.users, "Only sessions of this user; * is any text; may be repeated");
  several("--database", flags.databases, "... of this database");
  several("--application", flags.applications, "... with this application_name");
  several("--pattern", flags.patterns, "... exchanges with such a statement ('select % from t%')");
  command->add_option("--from", flags.from, "From 10m after the start, or 2026-11-20T13:00:00Z")
      ->group("What is replayed");
  command->add_option("--to", flags.to, "Up to then")->group("What is replayed");
  command->add_option("--last", flags.last, "The last 2h")->group("What is replayed");
  command
      ->add_option("--budget", flags.budget,
                   "Sessions that show every query often enough in 10m of replay (compare)")
      ->group("What is replayed");
  command->add_option("--seed", flags.seed, "Of that choice")->check(WholeNumber(0))->group("");
  command->add_flag("--reads-only", flags.reads_only, "Only what is known to read")
      ->group("What is replayed");
  command->add_option("--multiply", flags.multiply, "So many copies of every session")
      ->check(WholeNumber(1, replay::kMultiplyMax))
      ->group("What is replayed");
  command->add_option("--shard", flags.shard, "1/3: one of three parts, by session")
      ->group("What is replayed");
  command
      ->add_option("--speed", flags.speed, "1: as captured (load), N times as fast, max (compare)")
      ->group("How");
  command->add_option("--connect-speed", flags.connect_speed, "The same for new connections")
      ->group("How");
  command->add_option("--sync", flags.sync, "commit (compare, max), time (load with a pace), none")
      ->check(OneOf({"commit", "time", "none"}))
      ->group("How");
  command
      ->add_option("--jobs,-j", flags.jobs,
                   "Threads that share the sessions (load); usual: by the number of CPUs with\n"
                   "--reads-only --speed max --sync none, else 1")
      ->check(WholeNumber(1, job::LoadParts::kJobsMax))
      ->group("How");
  command
      ->add_option("--pipeline", flags.pipeline,
                   "Exchanges of a session at the server at once, of which it runs one; usual:\n"
                   "8 in a load with --speed max --sync none, else 1: sent when answered")
      ->check(WholeNumber(1, job::kPipelineMax))
      ->group("How");
  command->add_option("--timeout", flags.timeout, "Give up after 10m, 2h (exit status 2)")
      ->group("How");
  command
      ->add_option("--report", flags.report_dir,
                   "Leave report.json and .txt there (compare: .md and .html too)")
      ->group("Output");
  command->add_option("--top", flags.top, "Patterns shown; 0: all")
      ->check(WholeNumber(0))
      ->group("Output");
  command->add_flag("--plans", flags.plans, "Whole plans of the slower queries")->group("Output");
  command->add_flag("--show-values", flags.show_values, "Examples with their constants")
      ->group("Output");
}

}  // namespace

void AddReplayCommand(CLI::App& app, Chosen& chosen) {
  CLI::App* command = app.add_subcommand(
      "replay",
      "Replay captured traffic on a server that exists: as load (--target), or on two side by\n"
      "side (--baseline, --candidate). It writes what was captured, so the server must carry a\n"
      "mark ('scry shadow mark'), unless only reads are replayed.");
  auto flags = std::make_shared<Flags>();
  AddOptions(command, *flags);
  command->footer(
      "EXIT STATUS\n"
      "  0 done, or safe to ship   5 regressions (compare)   64 wrong usage, or no mark\n"
      "  1 scry or a server        6 nothing can be judged   130 interrupted\n"
      "  2 --timeout ran out       3 no such capture\n"
      "EXAMPLE\n"
      "  scry replay cap --target \"$TEST_DATABASE_URL\" --speed 2 --report out");
  command->callback([&chosen, flags] {
    chosen.action = [&chosen, flags] { return Replay(chosen.common, *flags); };
  });
}

}  // namespace scry::app
