#include <unistd.h>

#include <CLI/CLI.hpp>
#include <memory>

#include "command.h"
#include "config/config.h"
#include "configuration.h"
#include "job/detect_job.h"
#include "terminal.h"

namespace scry::app {
namespace {

constexpr size_t kColumnsMax = 140;

struct Flags {
  job::DetectRequest request;
  bool exit_code = false;
};

// Flags, and what scry.yaml of the repository says.
base::Result<job::DetectRequest> RequestOf(const CommonOptions& common, const Flags& flags) {
  job::DetectRequest request = flags.request;
  SCRY_TRY_ASSIGN(const std::optional<config::Config> config,
                  LoadConfigIfAny(common, request.repository));
  if (!config) return request;
  const config::MigrationPaths& told = config->migrations();
  request.rules.paths.insert(request.rules.paths.end(), told.paths.begin(), told.paths.end());
  request.rules.ignore.insert(request.rules.ignore.end(), told.ignore.begin(), told.ignore.end());
  return request;
}

ExitStatus Detect(const CommonOptions& common, const Flags& flags) {
  const auto request = RequestOf(common, flags);
  if (!request.ok()) return Refuse(request.error());
  const auto report = job::DetectMigrations(*request);
  if (!report.ok()) return Refuse(report.error());
  PrintResult(common.json ? job::DetectJson(*report)
                          : job::DetectText(*report,
                                            std::min(TerminalColumns(STDOUT_FILENO), kColumnsMax)));
  const bool none = flags.exit_code && report->migrations.empty();
  return none ? ExitStatus::kNotFound : ExitStatus::kSafe;
}

}  // namespace

void AddDetectCommand(CLI::App& ci, Chosen& chosen) {
  CLI::App* command = ci.add_subcommand(
      "detect-migrations",
      "Which files changed since a branch are migrations: by the "
      "layouts of Alembic, Django, Rails,\n"
      "Flyway, Liquibase, Prisma, Knex, Drizzle, "
      "node-pg-migrate, golang-migrate, sqitch and plain\n"
      "SQL, by what the added lines say, and, whatever the tool, in folders named "
      "migrations,\nmigration or migrate. scry.yaml may add "
      "rules:\n  migrations: { paths: [\"db/*/now.sql\"], ignore: "
      "[\"*/legacy/*\"] }");
  auto flags = std::make_shared<Flags>();
  command->add_option("--base", flags->request.base,
                      "Compare with this commit or branch; default: what the CI system says, else\n"
                      "the remote's default branch");
  command->add_option("--repository", flags->request.repository, "Folder of the git repository");
  command
      ->add_option("--path", flags->request.rules.paths,
                   "Also a migration: wildcard over paths; may be given again")
      ->allow_extra_args(false);
  command
      ->add_option("--ignore", flags->request.rules.ignore,
                   "Never a migration: wildcard over paths; may be given again")
      ->allow_extra_args(false);
  command->add_flag("--exit-code", flags->exit_code, "Exit with 3 if there is none");
  command->footer(
      "EXIT STATUS\n  0 done (with --exit-code: there are migrations)   1 failed\n"
      "  3 with --exit-code: there are none               64 wrong usage, no such base\n"
      "EXAMPLE\n  scry ci detect-migrations --base origin/main --exit-code && echo test them");
  command->callback([&chosen, flags] {
    chosen.action = [&chosen, flags] { return Detect(chosen.common, *flags); };
  });
}

}  // namespace scry::app
