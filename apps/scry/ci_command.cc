#include <fmt/format.h>
#include <unistd.h>

#include <CLI/CLI.hpp>
#include <memory>

#include "base/units.h"
#include "command.h"
#include "command_line.h"
#include "config/config.h"
#include "configuration.h"
#include "job/comparison.h"
#include "job/migration_test_job.h"
#include "job/report_files.h"
#include "report_output.h"

namespace scry::app {
namespace {

struct Flags {
  std::string shadow;
  std::vector<std::string> captures;
  std::vector<std::string> command;
  std::vector<std::string> migrations;
  std::string report_dir;
  std::string timeout;
  std::string from;
  std::string to;
  std::string last;
  std::string budget;
  uint64_t seed = 1;
  std::string speed = "max";
  std::string connect_speed;
  std::string sync = "commit";
  std::string during = "auto";
  std::string during_speed = "1";
  std::string blocker;
  std::string lock_timeout;
  uint64_t retries = 0;
  bool keep = false;
  bool plans = false;
  bool show_values = false;
  bool no_fix = false;
  std::string fix;
};

base::Result<job::DuringOptions> DuringOf(const Flags& flags) {
  job::DuringOptions during;
  if (flags.during == "always") {
    during.mode = job::DuringMode::kAlways;
  } else if (flags.during == "never") {
    during.mode = job::DuringMode::kNever;
  }
  SCRY_TRY_ASSIGN(during.speed, ParseSpeed(flags.during_speed));
  if (during.speed <= 0) {
    return base::Fail(base::ErrorCode::kUsage,
                      "--during-speed takes a number: without a pace there is nothing to disturb");
  }
  if (flags.blocker == "none") {
    during.blocker_us = 0;
  } else if (!flags.blocker.empty()) {
    SCRY_TRY_ASSIGN(during.blocker_us, base::ParseDuration(flags.blocker));
  }
  if (!flags.lock_timeout.empty()) {
    SCRY_TRY_ASSIGN(during.lock_timeout_us, base::ParseDuration(flags.lock_timeout));
    during.mode = during.mode == job::DuringMode::kAuto ? job::DuringMode::kAlways : during.mode;
  }
  during.retries = flags.retries;
  if (during.retries > 0 && during.lock_timeout_us == 0) {
    return base::Fail(base::ErrorCode::kUsage, "--retries needs --lock-timeout");
  }
  return during;
}

// The gate never connects to the source: it hides it from the migration, and takes its user. A
// runner that holds no secret of production can test all the same.
base::Status Configure(const config::Config& config, job::MigrationTestRequest& request) {
  ApplyPolicy(config, request.policy);
  for (config::NamedSource& named : config.Sources()) {
    if (!named.source.empty()) request.other_sources.push_back(std::move(named.source));
  }
  const auto database = config.FindDatabase(request.shadow.database, config::Unset::kTold);
  // A name that the file does not know may be that of a shadow all the same; where the file would
  // have to name the captures, it is a mistake.
  if (!database.ok()) {
    const bool needed = request.captures.empty();
    if (needed || database.error().code != base::ErrorCode::kNotFound) return database.error();
    return {};
  }
  const auto shadow = config.FindShadow(request.shadow.Text());
  request.source = shadow.ok() && !shadow->source.empty() ? shadow->source : database->source;
  request.production_bytes = database->production_bytes;
  if (request.captures.empty()) request.captures = database->captures;
  if (request.source.empty() && !database->source_unset.empty()) {
    request.notes.push_back(
        fmt::format("The source is not known here ({}), so the migration ran as superuser, and of "
                    "the source only "
                    "what looks like an address of PostgreSQL was taken out of its environment.",
                    database->source_unset));
  }
  return {};
}

// What flags say, then what scry.yaml says of the database and its shadow.
base::Result<job::MigrationTestRequest> RequestOf(const CommonOptions& common, const Flags& flags) {
  job::MigrationTestRequest request;
  SCRY_TRY_ASSIGN(request.shadow, config::ParseShadowName(flags.shadow));
  request.captures = flags.captures;
  request.command = flags.command;
  request.migrations = flags.migrations;
  for (const std::string& path : flags.migrations) {
    if (access(path.c_str(), R_OK) == 0) continue;
    return base::Fail(base::ErrorCode::kUsage,
                      "--migrations: cannot read " + base::Printable(path));
  }
  request.report_dir = flags.report_dir;
  request.keep = flags.keep;
  request.show_values = flags.show_values;
  request.prove_fixes = !flags.no_fix;
  request.fix_file = flags.fix;
  if (!flags.fix.empty() && access(flags.fix.c_str(), R_OK) != 0) {
    return base::Fail(base::ErrorCode::kUsage, "--fix: cannot read " + flags.fix);
  }
  if (!flags.fix.empty() && flags.command.empty()) {
    return base::Fail(base::ErrorCode::kUsage,
                      "--fix FILE mends a migration: give its command after --");
  }
  request.stop_fd = InterruptFd();
  request.output_fd = common.quiet ? -1 : STDERR_FILENO;
  if (!flags.timeout.empty()) {
    SCRY_TRY_ASSIGN(request.timeout_us, base::ParseDuration(flags.timeout));
  }
  request.selection.from = flags.from;
  request.selection.to = flags.to;
  request.selection.last = flags.last;
  SCRY_TRY_ASSIGN(request.budget_us, ParseBudget(flags.budget));
  request.seed = flags.seed;
  SCRY_TRY_ASSIGN(request.speed, ParseSpeed(flags.speed));
  if (!flags.connect_speed.empty()) {
    SCRY_TRY_ASSIGN(request.connect_speed, ParseSpeed(flags.connect_speed));
  }
  SCRY_TRY_ASSIGN(request.during, DuringOf(flags));
  SCRY_TRY_ASSIGN(request.sync, ParseSyncMode(flags.sync, request.speed));
  SCRY_TRY_ASSIGN(const std::optional<config::Config> config, LoadConfigIfAny(common));
  if (config) SCRY_TRY(Configure(*config, request));
  if (request.captures.empty()) {
    return base::Fail(base::ErrorCode::kUsage,
                      "no capture to replay: give --capture DIR, or list captures of the database "
                      "in scry.yaml");
  }
  return request;
}

ExitStatus TestMigration(const CommonOptions& common, const Flags& flags) {
  const auto request = RequestOf(common, flags);
  if (!request.ok()) return Refuse(request.error());
  const auto state = shadow::StateDir::Open(common.state_dir);
  if (!state.ok()) return Refuse(state.error());
  if (!flags.report_dir.empty()) {
    const base::Status made = job::MakeReportFolder(flags.report_dir);
    if (!made.ok()) return Refuse(made.error());
  }
  TerminalProgress progress(common);
  const auto report =
      job::RunMigrationTest(*state, *request, progress, [] { return Interrupted(); });
  if (!report.ok()) return Refuse(report.error());
  PrintReport(common, *report, flags.plans);
  // Printed first: a folder that can no longer be written loses nothing.
  if (!flags.report_dir.empty()) {
    const base::Status written = job::WriteReportFiles(*report, flags.report_dir);
    // Nor does it turn a verdict against the migration into a failure of scry.
    if (!written.ok()) {
      const ExitStatus failed = Refuse(written.error());
      if (report->exit_status == 0) return failed;
    }
  }
  return static_cast<ExitStatus>(report->exit_status);
}

}  // namespace

void AddCiCommand(CLI::App& app, Chosen& chosen) {
  CLI::App* ci = app.add_subcommand("ci", "Test a migration before it ships.");
  ci->require_subcommand(1);
  ci->footer(
      "EXIT STATUS\n  that of the command; see its own --help\n"
      "EXAMPLE\n  scry ci test-migration prod-db/ci-main -- alembic upgrade head");
  AddDetectCommand(*ci, chosen);
  CLI::App* command = ci->add_subcommand(
      "test-migration",
      "Fork a shadow twice, run CMD on one fork, replay captured traffic on both side by side,\n"
      "and say which queries break, return something else or get slower. CMD finds the fork in\n"
      "DATABASE_URL and PG*. Without CMD the two forks are equal: a test of the set-up itself.");
  auto flags = std::make_shared<Flags>();
  command->add_option("shadow", flags->shadow, "DATABASE/SHADOW, as in 'scry shadow list'")
      ->required();
  command->add_option("--capture", flags->captures, "Folder of a capture; may be given again")
      ->allow_extra_args(false);
  command->add_option("--last", flags->last, "Only the last 2h of each capture");
  command->add_option("--from", flags->from, "From 10m after its start, or 2026-11-20T13:00:00Z");
  command->add_option("--to", flags->to, "Up to then");
  command->add_option("--budget", flags->budget,
                      "Of that, sessions that show every query often enough in 10m of replay");
  command->add_option("--seed", flags->seed, "Of that choice; the same gives the same")
      ->check(WholeNumber(0))
      ->group("");
  command->add_option("--report", flags->report_dir,
                      "Leave report.json, .txt, .md and .html there");
  command
      ->add_option("--migrations", flags->migrations,
                   "SQL files or folders of CMD, to name lines; may be given again")
      ->allow_extra_args(false);
  command->add_option("--timeout", flags->timeout, "Give up after 10m, 2h (exit status 2)");
  command->add_option("--speed", flags->speed, "1: as captured, N: N times as fast, max (default)");
  command->add_option("--connect-speed", flags->connect_speed,
                      "The same for the starts of sessions; default: as --speed");
  command
      ->add_option("--sync", flags->sync,
                   "Across sessions: commit (what each had seen; default), time, none")
      ->check(OneOf({"commit", "time", "none"}));
  const char* under_traffic = "The migration under traffic";
  command
      ->add_option("--during", flags->during,
                   "CMD once more beside captured traffic: auto (if it\n"
                   "may disturb; default), always, never")
      ->check(OneOf({"auto", "always", "never"}))
      ->group(under_traffic);
  command->add_option("--during-speed", flags->during_speed, "Pace of that traffic: 1 (default), N")
      ->group(under_traffic);
  command
      ->add_option("--blocker", flags->blocker,
                   "Length of a transaction beside it: 5s, or none; default: 1s,\n"
                   "not gating, where the capture has no long one")
      ->group(under_traffic);
  command->add_option("--lock-timeout", flags->lock_timeout, "For CMD beside traffic: 200ms")
      ->group(under_traffic);
  command->add_option("--retries", flags->retries, "So often after a lock timeout; default: 0")
      ->check(WholeNumber(0))
      ->group(under_traffic);
  command->add_flag("--plans", flags->plans, "Whole plans of the slower queries");
  command->add_flag("--show-values", flags->show_values, "Examples with their constants");
  command->add_option("--fix", flags->fix,
                      "SQL file to run after CMD: is the migration safe with it?");
  command->add_flag("--no-fix", flags->no_fix,
                    "Do not look for fixes of what got slower or blocks");
  command->add_flag("--keep", flags->keep,
                    "Leave the forks for a look; 'scry shadow gc' removes them");
  command->add_option("command", flags->command, "After --: the migration");
  command->footer(
      "EXIT STATUS\n"
      "  0 safe to ship        5 regressions         7 the migration itself failed\n"
      "  1 scry or a server    6 inconclusive       64 wrong usage or configuration\n"
      "  2 --timeout ran out   3 no such shadow or capture\n"
      "EXAMPLE\n"
      "  scry ci test-migration prod-db/ci-main --capture cap -- alembic upgrade head");
  command->callback([&chosen, flags] {
    chosen.action = [&chosen, flags] { return TestMigration(chosen.common, *flags); };
  });
}

}  // namespace scry::app
