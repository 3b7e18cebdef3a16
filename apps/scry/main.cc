#include <fmt/format.h>

#include <CLI/CLI.hpp>
#include <algorithm>
#include <exception>
#include <memory>
#include <string>
#include <vector>

#include "base/units.h"
#include "command.h"
#include "command_line.h"
#include "pg/conninfo.h"

namespace {

using scry::app::Chosen;
using scry::app::ColorWhen;
using scry::app::ExitStatus;

constexpr const char* kVersion = SCRY_VERSION;

constexpr const char* kHelp = R"(scry: ship PostgreSQL schema changes with evidence instead of hope.

It captures the queries production really runs, forks a shadow of the database, runs the
migration on one fork, replays the captured traffic on the forks side by side, and says in
one exit status which queries break, return something else, or get slower.

USAGE
  scry COMMAND [OPTIONS]

SEE IT WORK
  demo          missing-index | index-drop | table-locking: a shop, its traffic and a bad
                migration, on private servers; needs nothing
  doctor        what is installed, what is missing, how to mend it
  completion    bash | zsh | fish: commands and flags, completed by the shell

CAPTURE
  capture       stand between an application and its server, and record what passes
  log           info | top | cat | verify: what a capture holds

TEST
  shadow        create | list | show | url | destroy | gc: kept copies of a database
                mark | unmark: servers of your own that replays may write to
  ci            test-migration: run a migration on a fork and judge it by captured traffic
                detect-migrations: which changed files are migrations
  replay        captured traffic on a server: as load, or on two side by side
  report        show | accept | convert | diff | merge: print a report again, accept a finding,
                write it as Markdown or HTML, hold two against each other, add up those of shards

OPTIONS (for every command)
  --config FILE      scry.yaml to use; default: here or in a parent, up to the repository root
  --state-dir DIR    where shadows live; default $SCRY_STATE_DIR, then ~/.local/state/scry
                     (root: /var/lib/scry)
  --color WHEN       auto, always or never; NO_COLOR is honoured
  --json             one JSON document on stdout and nothing else
  -q, --quiet        no progress      -v, --verbose   more detail
  -h, --help         of a command too: scry ci test-migration --help
  --version

EXIT STATUS
  0 safe to ship, or done      5 regressions               7 the migration itself failed
  1 scry or a server failed    6 inconclusive              64 wrong usage or configuration
  2 a time limit ran out       3 no such database, shadow, capture or report
                               4 reserved                  130 interrupted

EXAMPLE
  scry capture --upstream "$DATABASE_URL" -o cap -- npm test
  scry shadow create prod-db/ci-main
  scry ci test-migration prod-db/ci-main --capture cap -- alembic upgrade head
)";

void AddCommonOptions(CLI::App& app, Chosen& chosen) {
  app.add_option("--config", chosen.common.config_path, "scry.yaml to use");
  app.add_option("--state-dir", chosen.common.state_dir, "Where shadows live");
  const auto color = [&chosen](const std::string& when) {
    chosen.common.color = when == "always"  ? ColorWhen::kAlways
                          : when == "never" ? ColorWhen::kNever
                                            : ColorWhen::kAuto;
  };
  app.add_option_function<std::string>("--color", color, "auto, always or never")
      ->check(scry::app::OneOf({"auto", "always", "never"}));
  app.add_flag("--json", chosen.common.json, "One JSON document on stdout");
  app.add_flag("-q,--quiet", chosen.common.quiet, "No progress");
  app.add_flag("-v,--verbose", chosen.common.verbose, "More detail");
}

// `scry help log top` is `scry log top --help`.
ExitStatus PrintHelp(const CLI::App& app, const std::vector<std::string>& words) {
  const CLI::App* command = &app;
  for (const std::string& word : words) {
    const auto named =
        command->get_subcommands([&](const CLI::App* known) { return known->get_name() == word; });
    if (named.empty()) {
      return scry::app::Refuse(scry::base::Fail(
          scry::base::ErrorCode::kUsage,
          fmt::format("there is no command '{}' (try 'scry --help')",
                      scry::base::Printable(fmt::format("{}", fmt::join(words, " ")), 60))));
    }
    command = named.front();
  }
  const std::string path = scry::app::PathOf(*command);
  scry::app::PrintResult(
      command->get_formatter()->make_help(command, path, CLI::AppFormatMode::Normal));
  return ExitStatus::kSafe;
}

void AddHelpCommand(CLI::App& app, Chosen& chosen) {
  auto words = std::make_shared<std::vector<std::string>>();
  CLI::App* help = app.add_subcommand("help", "Print the help of a command");
  help->group("");  // -h is what the texts name.
  help->add_option("of", *words, "Its words");
  help->callback(
      [&app, &chosen, words] { chosen.action = [&app, words] { return PrintHelp(app, *words); }; });
}

ExitStatus Run(int argc, char** argv) {
  CLI::App app("scry", "scry");
  app.set_version_flag("--version", std::string("scry ") + kVersion);
  app.formatter(std::make_shared<CLI::FormatterLambda>(
      [](const CLI::App* which, std::string name, CLI::AppFormatMode mode) -> std::string {
        if (which->get_parent() == nullptr) return kHelp;
        return CLI::Formatter().make_help(which, std::move(name), mode);
      }));
  app.require_subcommand(1);
  app.fallthrough();
  Chosen chosen;
  AddCommonOptions(app, chosen);
  scry::app::AddCaptureCommand(app, chosen);
  scry::app::AddLogCommand(app, chosen);
  scry::app::AddShadowCommand(app, chosen);
  scry::app::AddCiCommand(app, chosen);
  scry::app::AddReplayCommand(app, chosen);
  scry::app::AddReportCommand(app, chosen);
  scry::app::AddDemoCommand(app, chosen);
  scry::app::AddDoctorCommand(app, chosen);
  scry::app::AddCompletionCommand(app, chosen);
  AddHelpCommand(app, chosen);
  CLI::App* version = app.add_subcommand("version", "Print the version");
  version->footer("EXIT STATUS\n  0 done   64 wrong usage\nEXAMPLE\n  scry version");
  version->callback([&chosen] {
    chosen.action = [] {
      scry::app::PrintResult(fmt::format("scry {}\n", kVersion));
      return ExitStatus::kSafe;
    };
  });
  const std::vector<std::string> words(argv + std::min(argc, 1), argv + argc);
  try {
    app.parse(argc, argv);
  } catch (const CLI::Success& success) {  // --help, --version.
    app.exit(success);
    return ExitStatus::kSafe;
  } catch (const CLI::ParseError& error) {
    scry::app::PrintError(
        scry::base::Fail(scry::base::ErrorCode::kUsage, scry::app::UsageText(app, error, words)));
    return ExitStatus::kUsage;
  }
  if (scry::app::LacksCommand(scry::app::ChosenCommand(app), words)) {
    scry::app::PrintError(scry::base::Fail(
        scry::base::ErrorCode::kUsage,
        "nothing stands behind --; an unset variable? Leave -- away for no command at all"));
    return ExitStatus::kUsage;
  }
  return chosen.action ? chosen.action() : ExitStatus::kUsage;
}

}  // namespace

int main(int argc, char** argv) {
  scry::app::Interrupted();  // Installs the handlers before any thread starts.
  scry::pg::AdoptEnvironment();
  try {
    const ExitStatus status = Run(argc, argv);
    if (scry::app::OutputFailed()) return static_cast<int>(ExitStatus::kFailed);
    return static_cast<int>(status);
  } catch (const std::exception& error) {
    // Nothing should come here: exceptions of libraries become errors where they are called.
    scry::app::PrintError(scry::base::Fail(fmt::format("unexpected: {}", error.what())));
    return static_cast<int>(ExitStatus::kFailed);
  }
}
