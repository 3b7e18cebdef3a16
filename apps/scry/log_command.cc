#include <fmt/format.h>
#include <unistd.h>

#include <CLI/CLI.hpp>
#include <memory>

#include "base/units.h"
#include "command.h"
#include "command_line.h"
#include "job/log_job.h"

namespace scry::app {
namespace {

struct Flags {
  std::vector<std::string> captures;
  uint64_t session = 0;
  std::string from;
  std::string to;
  uint64_t limit = 20;
  bool hide_values = false;
};

base::Result<job::LogRequest> RequestOf(const CommonOptions& common, const Flags& flags) {
  job::LogRequest request;
  request.directories = flags.captures;
  if (flags.session != 0) request.session = flags.session;
  if (!flags.from.empty()) {
    SCRY_TRY_ASSIGN(request.from_us, base::ParseDuration(flags.from));
  }
  if (!flags.to.empty()) {
    SCRY_TRY_ASSIGN(request.to_us, base::ParseDuration(flags.to));
  }
  request.limit = flags.limit;
  request.json = common.json;
  request.show_values = !flags.hide_values;
  request.columns = TerminalColumns(STDOUT_FILENO);
  return request;
}

ExitStatus PrintOrRefuse(const base::Result<std::string>& text) {
  if (!text.ok()) return Refuse(text.error());
  PrintResult(*text);
  return ExitStatus::kSafe;
}

ExitStatus Verify(const job::LogRequest& request) {
  const auto outcome = job::LogVerify(request);
  if (!outcome.ok()) return Refuse(outcome.error());
  PrintResult(outcome->text);
  return outcome->sound ? ExitStatus::kSafe : ExitStatus::kFailed;
}

ExitStatus Cat(const job::LogRequest& request) {
  const base::Status status =
      job::LogCat(request, [](const std::string& text) { return PrintResult(text); });
  return status.ok() ? ExitStatus::kSafe : Refuse(status.error());
}

ExitStatus Run(const std::string& verb, const CommonOptions& common, const Flags& flags) {
  const auto request = RequestOf(common, flags);
  if (!request.ok()) return Refuse(request.error());
  if (verb == "info") return PrintOrRefuse(job::LogInfo(*request));
  if (verb == "top") return PrintOrRefuse(job::LogTop(*request));
  if (verb == "cat") return Cat(*request);
  return Verify(*request);
}

std::string Footer(const std::string& example) {
  return "EXIT STATUS\n  0 done   1 verify found damage   3 no such capture   64 wrong usage\n"
         "EXAMPLE\n  scry log " +
         example;
}

void AddVerb(CLI::App* log, Chosen& chosen, const std::string& verb, const std::string& help,
             const std::string& example) {
  CLI::App* command = log->add_subcommand(verb, help);
  command->footer(Footer(verb + example));
  auto flags = std::make_shared<Flags>();
  command->add_option("capture", flags->captures, "Folders of captures")->required();
  if (verb != "verify") {
    // Without the checks -1 would be a very large number, and 0 every session.
    command->add_option("--session", flags->session, "Only this session")->check(WholeNumber(1));
    command->add_option("--from", flags->from, "From so long after the capture's start (10s, 5m)");
    command->add_option("--to", flags->to, "Until so long after the capture's start");
  }
  if (verb == "top") {
    command->add_option("--limit", flags->limit, "Patterns shown; 0: all")->check(WholeNumber(0));
  }
  if (verb == "cat") command->add_flag("--hide-values", flags->hide_values, "Patterns, no values");
  command->callback([&chosen, flags, verb] {
    chosen.action = [&chosen, flags, verb] { return Run(verb, chosen.common, *flags); };
  });
}

}  // namespace

void AddLogCommand(CLI::App& app, Chosen& chosen) {
  CLI::App* log = app.add_subcommand("log", "What a capture holds.");
  log->require_subcommand(1);
  AddVerb(log, chosen, "info", "Sessions, statements, size, and what is missing", " cap");
  AddVerb(log, chosen, "top", "Patterns by total time", " cap --limit 50");
  AddVerb(log, chosen, "cat", "Every exchange, readable or with --json one document a line",
          " cap --session 3");
  AddVerb(log, chosen, "verify", "Read every byte, check every sum", " cap");
  log->footer(Footer("top cap"));
}

}  // namespace scry::app
