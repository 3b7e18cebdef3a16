#include <fmt/format.h>
#include <unistd.h>

#include <CLI/CLI.hpp>
#include <cstdio>
#include <memory>

#include "command.h"
#include "configuration.h"
#include "job/demo_job.h"
#include "report/json_writer.h"

namespace scry::app {
namespace {

struct Flags {
  std::string scenario = "missing-index";
  bool keep = false;
  bool step = false;
};

void WaitForEnter() {
  std::fputs("press Enter to go on ", stderr);
  std::fflush(stderr);
  char byte = 0;
  while (read(STDIN_FILENO, &byte, 1) == 1 && byte != '\n') {
  }
}

ExitStatus Run(const CommonOptions& common, const Flags& flags) {
  job::DemoRequest request;
  request.keep = flags.keep;
  request.color = WantsColor(common, STDOUT_FILENO);
  request.columns = TerminalColumns(STDOUT_FILENO);
  request.stop_fd = InterruptFd();
  if (flags.step) request.wait = WaitForEnter;
  TerminalProgress progress(common);
  const auto print = [&](const std::string& text) {
    if (!common.json) PrintResult(text);
  };
  const auto outcome =
      job::RunMissingIndexDemo(request, progress, print, [] { return Interrupted(); });
  if (!outcome.ok()) return Refuse(outcome.error());
  if (common.json) {
    PrintResult(fmt::format("{{\"bad\": {}, \"fixed\": {}}}\n", report::WriteJson(outcome->bad),
                            report::WriteJson(outcome->fixed)));
  }
  return ExitStatus::kSafe;
}

}  // namespace

void AddDemoCommand(CLI::App& app, Chosen& chosen) {
  CLI::App* command = app.add_subcommand(
      "demo",
      "A shop, its traffic, a migration that looks harmless on staging, and its fix: the whole of\n"
      "scry on private servers, every figure measured in the run. Needs no configuration, no\n"
      "network and no root; leaves nothing behind.");
  auto flags = std::make_shared<Flags>();
  command->add_option("scenario", flags->scenario, "missing-index")
      ->check(CLI::IsMember({"missing-index"}));
  command->add_flag("--step", flags->step, "Wait for Enter between the steps");
  command->add_flag("--keep", flags->keep, "Leave captures, shadow and reports for a look");
  command->footer(
      "EXIT STATUS\n  0 the story came true   1 it did not, or a server failed\n"
      "EXAMPLE\n  scry demo missing-index --step");
  command->callback([&chosen, flags] {
    chosen.action = [&chosen, flags] { return Run(chosen.common, *flags); };
  });
}

}  // namespace scry::app
