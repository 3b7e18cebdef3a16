#include <unistd.h>

#include <CLI/CLI.hpp>
#include <memory>

#include "command.h"
#include "job/detect_job.h"
#include "terminal.h"

namespace scry::app {
namespace {

constexpr size_t kColumnsMax = 140;

struct Flags {
  job::DetectRequest request;
  bool exit_code = false;
};

ExitStatus Detect(const CommonOptions& common, const Flags& flags) {
  const auto report = job::DetectMigrations(flags.request);
  if (!report.ok()) return Refuse(report.error());
  PrintResult(common.json ? job::DetectJson(*report)
                          : job::DetectText(*report,
                                            std::min(TerminalColumns(STDOUT_FILENO), kColumnsMax)));
  const bool none = flags.exit_code && report->migrations.empty();
  return none ? ExitStatus::kNotFound : ExitStatus::kSafe;
}

}  // namespace

void AddDetectCommand(CLI::App& ci, Chosen& chosen) {
  CLI::App* command = ci.add_subcommand("detect-migrations",
                                        "Which files changed since a branch are migrations: by the "
                                        "layouts of Alembic, Django, Rails,\n"
                                        "Flyway, Liquibase, Prisma, Knex, Drizzle, "
                                        "node-pg-migrate, golang-migrate, sqitch and plain\n"
                                        "SQL, and by what the added lines say.");
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
