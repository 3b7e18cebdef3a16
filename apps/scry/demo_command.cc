#include <fmt/format.h>
#include <poll.h>
#include <unistd.h>

#include <CLI/CLI.hpp>
#include <cerrno>
#include <cstdio>
#include <iterator>
#include <memory>

#include "command.h"
#include "command_line.h"
#include "configuration.h"
#include "job/demo_job.h"
#include "report/json_writer.h"

namespace scry::app {
namespace {

struct Flags {
  std::string scenario;
  std::string report_dir;
  bool keep = false;
  bool step = false;
};

// Until Enter, the end of the input, or Ctrl-C.
void WaitForEnter() {
  std::fputs("press Enter to go on ", stderr);
  std::fflush(stderr);
  pollfd waits[] = {{STDIN_FILENO, POLLIN, 0}, {InterruptFd(), POLLIN, 0}};
  char byte = 0;
  while (byte != '\n') {
    if (poll(waits, std::size(waits), -1) < 0) {
      if (errno == EINTR && !Interrupted()) continue;
      return;
    }
    if (waits[1].revents != 0 || read(STDIN_FILENO, &byte, 1) != 1) return;
  }
}

// One object: the reports of the runs by name, in their order.
std::string Json(const std::string& scenario, const job::DemoOutcome& outcome) {
  std::string json = "{\"scenario\": " + JsonString(scenario);
  for (const job::DemoRun& run : outcome.runs) {
    json += fmt::format(", {}: {}", JsonString(run.name), report::WriteJson(run.report));
  }
  return json + "}\n";
}

ExitStatus Run(const CommonOptions& common, const Flags& flags) {
  if (flags.step && isatty(STDIN_FILENO) == 0) {
    return Refuse(base::Fail(base::ErrorCode::kUsage,
                             "--step waits for Enter, and standard input is no terminal; leave "
                             "--step away for the demo without pauses"));
  }
  job::DemoRequest request;
  request.scenario = job::FindDemoScenario(flags.scenario);
  request.keep = flags.keep;
  request.report_dir = flags.report_dir;
  request.color = WantsColor(common, STDOUT_FILENO);
  request.columns = TerminalColumns(STDOUT_FILENO);
  request.stop_fd = InterruptFd();
  if (flags.step) request.wait = WaitForEnter;
  TerminalProgress progress(common);
  const auto print = [&](const std::string& text) {
    if (!common.json) PrintResult(text);
  };
  const auto outcome = job::RunDemo(request, progress, print, [] { return Interrupted(); });
  if (!outcome.ok()) return Refuse(outcome.error());
  if (common.json) PrintResult(Json(flags.scenario, *outcome));
  return ExitStatus::kSafe;
}

}  // namespace

void AddDemoCommand(CLI::App& app, Chosen& chosen) {
  CLI::App* command = app.add_subcommand(
      "demo",
      "A shop, its traffic, a migration that looks harmless, and what mends it: the whole of scry\n"
      "on private servers, every figure measured in the run, in less than a minute. Needs no\n"
      "configuration, no network and no root; leaves nothing behind.\n\n"
      "  missing-index   a new column is searched by, without an index (default)\n"
      "  index-drop      an index is dropped that nobody uses by day\n"
      "  table-locking   a table is filled in one transaction, while customers come");
  auto flags = std::make_shared<Flags>();
  const std::vector<std::string> names = job::DemoScenarioNames();
  flags->scenario = names.front();
  command->add_option("scenario", flags->scenario, "Which of them")->check(OneOf(names));
  command->add_flag("--step", flags->step, "Explain each step, and wait for Enter");
  command->add_option("--report", flags->report_dir,
                      "Leave the report of each run there, as HTML, JSON and text");
  command->add_flag("--keep", flags->keep, "Leave captures, shadow and reports for a look");
  command->footer(
      "EXIT STATUS\n  0 the story came true   1 it did not, or a server failed   130 interrupted\n"
      "EXAMPLE\n  scry demo table-locking --step");
  command->callback([&chosen, flags] {
    chosen.action = [&chosen, flags] { return Run(chosen.common, *flags); };
  });
}

}  // namespace scry::app
