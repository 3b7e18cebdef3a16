#include <fmt/format.h>

#include <CLI/CLI.hpp>
#include <memory>

#include "base/units.h"
#include "command.h"
#include "job/capture_job.h"

namespace scry::app {
namespace {

struct Flags {
  std::string upstream;
  std::string listen;
  std::string directory;
  std::string duration;
  std::string queue;
  std::vector<std::string> command;
};

std::string JsonText(const job::CaptureSummary& s, const std::string& directory) {
  return fmt::format(
      "{{\"capture\": {}, \"sessions\": {}, \"exchanges\": {}, \"exchanges_lost\": {}, "
      "\"bytes_written\": {}, \"duration_us\": {}, \"command_exit\": {}}}\n",
      JsonString(directory), s.sessions, s.exchanges, s.exchanges_lost, s.bytes_written,
      s.duration_us, s.exit_code ? std::to_string(*s.exit_code) : "null");
}

ExitStatus Run(const CommonOptions& common, const Flags& flags) {
  job::CaptureRequest request;
  request.upstream = flags.upstream;
  request.listen = flags.listen;
  request.directory = flags.directory;
  request.command = flags.command;
  if (!flags.duration.empty()) {
    const auto duration = base::ParseDuration(flags.duration);
    if (!duration.ok()) return Refuse(duration.error());
    request.for_us = *duration;
  }
  if (!flags.queue.empty()) {
    const auto size = base::ParseSize(flags.queue);
    if (!size.ok()) return Refuse(size.error());
    request.queue_bytes = *size;
  }
  TerminalProgress progress(common);
  const auto summary = job::RunCapture(request, progress, [] { return Interrupted(); });
  if (!summary.ok()) return Refuse(summary.error());
  if (common.json) {
    PrintResult(JsonText(*summary, flags.directory));
  } else {
    PrintResult(
        fmt::format("captured {} exchanges of {} sessions in {}: {}, {}\n",
                    base::FormatCount(summary->exchanges), base::FormatCount(summary->sessions),
                    base::FormatDuration(summary->duration_us), base::Printable(flags.directory),
                    base::FormatSize(summary->bytes_written)));
    if (summary->exchanges_lost > 0) {
      PrintResult(fmt::format("NOT recorded: {} exchanges{}; 'scry log info' tells which\n",
                              base::FormatCount(summary->exchanges_lost),
                              summary->last_error.empty() ? "" : " (" + summary->last_error + ")"));
    }
    if (summary->sessions == 0 && !flags.command.empty()) {
      PrintResult(
          fmt::format("{} never connected to the proxy; does it read DATABASE_URL or PG*?\n",
                      base::Printable(flags.command.front())));
    } else {
      PrintResult(fmt::format("next: scry log top {}\n", base::Printable(flags.directory)));
    }
  }
  if (Interrupted() && summary->exit_code) {
    return Refuse(base::Fail(base::ErrorCode::kInterrupted,
                             fmt::format("interrupted before '{}' ended; what it did until then is "
                                         "captured",
                                         flags.command.front())));
  }
  if (summary->exit_code.value_or(0) != 0) {
    return Refuse(
        base::Fail(fmt::format("the command '{}' ended with exit status {}; what it did "
                               "until then is captured",
                               flags.command.front(), *summary->exit_code)));
  }
  return ExitStatus::kSafe;
}

}  // namespace

void AddCaptureCommand(CLI::App& app, Chosen& chosen) {
  CLI::App* command = app.add_subcommand(
      "capture",
      "Stand between an application and its PostgreSQL server and record what passes.\n"
      "With -- CMD, CMD runs with DATABASE_URL and PG* pointing at the proxy, and the capture\n"
      "ends with it. Without, it runs until Ctrl-C or --for. Recording never holds up traffic:\n"
      "what cannot be written becomes a counted gap.");
  auto flags = std::make_shared<Flags>();
  command
      ->add_option("--upstream", flags->upstream, "The server: anything libpq accepts (CONNINFO)")
      ->required();
  command->add_option("--listen", flags->listen,
                      "127.0.0.1:6432, or a folder for a Unix socket; default: a free port");
  command->add_option("-o,--output", flags->directory, "Folder of the capture; must not hold one")
      ->required();
  command->add_option("--for", flags->duration, "Stop after 500ms, 5s, 10m, 2h");
  command->add_option("--queue", flags->queue, "Memory between relay and disk; default 64MiB")
      ->group("");
  command->add_option("command", flags->command, "After --: the program to capture");
  command->footer(
      "EXIT STATUS\n  0 captured   1 the server, the disk or CMD failed   64 wrong usage\n"
      "  130 interrupted before CMD ended (without CMD, Ctrl-C is a good end)\n"
      "EXAMPLE\n  scry capture --upstream \"$DATABASE_URL\" -o cap -- pgbench -c 8 -T 20");
  command->callback([&chosen, flags] {
    chosen.action = [&chosen, flags] { return Run(chosen.common, *flags); };
  });
}

}  // namespace scry::app
