#include "job/capture_job.h"

#include <fmt/format.h>
#include <unistd.h>

#include <csignal>
#include <memory>
#include <utility>

#include "base/units.h"
#include "capture/relay.h"
#include "job/source_probe.h"
#include "migration/command.h"
#include "os/file.h"
#include "os/subprocess.h"
#include "pg/admin.h"
#include "pg/connection.h"
#include "pg/conninfo.h"
#include "querylog/log_writer.h"
#include "querylog/snapshot.h"

namespace scry::job {
namespace {

using base::Fail;
using base::Result;

constexpr base::Micros kGraceUs = 5 * 1000 * 1000;
// What the command left running may hold connections for ever.
constexpr base::Micros kDrainUs = 2 * 1000 * 1000;

// While the command runs, the terminal is its own: psql reads it, and Ctrl-C is for psql to handle.
class TerminalLoan {
 public:
  explicit TerminalLoan(pid_t group) : lent_(isatty(STDIN_FILENO) == 1) {
    if (!lent_) return;
    before_ = tcgetpgrp(STDIN_FILENO);
    // Setting the foreground group from a background one stops the caller, unless it ignores that.
    std::signal(SIGTTOU, SIG_IGN);
    lent_ = before_ == getpgrp() && tcsetpgrp(STDIN_FILENO, group) == 0;
  }
  TerminalLoan(const TerminalLoan&) = delete;
  TerminalLoan& operator=(const TerminalLoan&) = delete;
  ~TerminalLoan() {
    if (lent_) tcsetpgrp(STDIN_FILENO, before_);
  }

 private:
  bool lent_;
  pid_t before_ = 0;
};

Result<os::ChildProcess> StartCommand(const CaptureRequest& request, const pg::ConnInfo& upstream,
                                      const os::Address& proxy) {
  pg::ConnInfo target = upstream;
  target.Set("host", proxy.host);
  target.Set("port", std::to_string(proxy.port));
  target.Set("hostaddr", "");
  target.Set("sslmode", "disable");  // The proxy answers for itself, without TLS.
  os::Program program;
  program.argv = request.command;
  std::vector<std::string> hidden;
  program.environment =
      migration::MigrationEnvironment(os::CurrentEnvironment(), target, {upstream}, hidden);
  program.input = os::InputFrom::kInherit;
  program.out.direct_fd = STDOUT_FILENO;
  program.err.direct_fd = STDERR_FILENO;
  return os::ChildProcess::Start(program);
}

// What the source is, for the manifest and for snapshot.json. A server that does not tell makes
// both poorer, and no capture fail: clients bring their own credentials.
struct Source {
  querylog::Manifest manifest;
  std::optional<event::SourceSnapshot> snapshot;
};

Source LookAt(const pg::ConnInfo& upstream, Progress& progress) {
  Source source;
  source.manifest.scry_version = SCRY_VERSION;
  source.manifest.facts["dbname"] = upstream.Get("dbname");
  auto facts = ProbeSource(upstream);
  if (!facts.ok()) {
    progress.Note("scry: cannot ask the server what it is, so the capture has no snapshot of it: " +
                  facts.error().message);
    return source;
  }
  source.manifest.server_version = facts->server_version;
  source.snapshot = std::move(facts->snapshot);
  for (const std::string& note : source.snapshot->notes) {
    progress.Note("scry: the snapshot of the source lacks " + note);
  }
  return source;
}

// Replaces snapshot.json. Only replay needs it: a capture without it is whole.
void Keep(const event::SourceSnapshot& snapshot, const std::string& directory, Progress& progress) {
  const base::Status written = querylog::WriteSnapshot(os::RealFileSystem(), directory, snapshot);
  if (!written.ok()) {
    progress.Note("scry: cannot write the snapshot of the source: " + written.error().message);
  }
}

// The server's count of transactions at both ends: `scry log info` tells from it how much of the
// traffic went around the capture.
void KeepStart(const pg::ConnInfo& upstream, const std::string& directory,
               std::optional<event::SourceSnapshot>& snapshot, Progress& progress) {
  if (!snapshot) return;
  const auto counts = CountTransactions(upstream);
  if (counts.ok()) {
    snapshot->commits_at_start = counts->commits;
    snapshot->rollbacks_at_start = counts->rollbacks;
  }
  Keep(*snapshot, directory, progress);
}

void KeepEnd(const pg::ConnInfo& upstream, const std::string& directory,
             std::optional<event::SourceSnapshot>& snapshot, Progress& progress) {
  if (!snapshot || !snapshot->commits_at_start) return;
  const auto counts = CountTransactions(upstream);
  if (!counts.ok()) return;
  snapshot->commits_at_end = counts->commits;
  snapshot->rollbacks_at_end = counts->rollbacks;
  Keep(*snapshot, directory, progress);
}

CaptureSummary Summarise(const capture::Relay& relay, const querylog::LogWriter& log) {
  const querylog::WriteStats stats = log.stats();
  CaptureSummary summary;
  summary.listen = relay.address().Text();
  summary.sessions = relay.counters().sessions;
  summary.exchanges = stats.exchanges;
  summary.exchanges_lost = stats.exchanges_lost;
  summary.bytes_written = stats.bytes_written;
  summary.last_error = stats.last_error;
  return summary;
}

void TellProgress(const capture::Relay& relay, const querylog::LogWriter& log, Progress& progress) {
  const capture::RelayCounters& counters = relay.counters();
  const querylog::WriteStats stats = log.stats();
  std::string text =
      fmt::format("{} sessions open, {} exchanges, {}", base::FormatCount(counters.sessions_open),
                  base::FormatCount(counters.exchanges), base::FormatSize(stats.bytes_written));
  if (stats.exchanges_lost > 0) {
    text += fmt::format(", {} NOT recorded", base::FormatCount(stats.exchanges_lost));
  }
  progress.Update(-1, text);
}

Result<std::unique_ptr<capture::Relay>> OpenRelay(const CaptureRequest& request,
                                                  const pg::ConnInfo& upstream,
                                                  event::EventSink& sink,
                                                  const base::Clock& clock) {
  capture::RelayOptions options;
  if (!request.listen.empty()) options.listen = request.listen;
  options.upstream_host =
      upstream.Has("hostaddr") ? upstream.Get("hostaddr") : upstream.Get("host");
  options.upstream_port = static_cast<uint16_t>(std::stoi(upstream.Get("port")));
  return capture::Relay::Open(options, sink, clock);
}

// " (connection refused ...)", in libpq's words; empty where it answers by now.
std::string WhyUnreachable(const pg::ConnInfo& upstream) {
  const auto session = pg::AdminSession::Connect(upstream);
  if (session.ok()) return {};
  std::string why = base::OneLine(session.error().message);
  const std::string known = "connect to " + upstream.Display() + ": ";
  if (why.starts_with(known)) why.erase(0, known.size());
  return " (" + base::Printable(why, 400) + ")";
}

}  // namespace

Result<CaptureSummary> RunCapture(const CaptureRequest& request, Progress& progress,
                                  const std::function<bool()>& should_stop) {
  SCRY_TRY_ASSIGN(const pg::ConnInfo named, pg::ConnInfo::Parse(request.upstream));
  SCRY_TRY_ASSIGN(const pg::ConnInfo upstream, named.WithDefaults());
  if (!request.listen.empty()) SCRY_TRY(os::ParseListenAddress(request.listen));
  if (pg::Ping(upstream) == pg::PingState::kNoResponse) {
    return Fail(fmt::format("no server answers at {}; check --upstream{}", upstream.Display(),
                            WhyUnreachable(upstream)));
  }
  Source source = LookAt(upstream, progress);
  querylog::WriteOptions write_options;
  write_options.queue_bytes = request.queue_bytes;
  SCRY_TRY_ASSIGN(
      const std::unique_ptr<querylog::LogWriter> log,
      querylog::LogWriter::Create(request.directory, std::move(source.manifest), write_options));
  const base::Clock& clock = base::SystemClock();
  auto opened = OpenRelay(request, upstream, *log, clock);
  if (!opened.ok()) {
    log->Discard();
    return opened.error();
  }
  const std::unique_ptr<capture::Relay> relay = std::move(opened).value();
  KeepStart(upstream, request.directory, source.snapshot, progress);
  const base::Micros started = clock.MonotonicUs();
  if (request.on_listening) request.on_listening(relay->address().host, relay->address().port);

  std::optional<os::ChildProcess> child;
  std::optional<TerminalLoan> loan;
  if (!request.command.empty()) {
    auto process = StartCommand(request, upstream, relay->address());
    if (!process.ok()) {
      log->Discard();
      // A program that is missing is none of the things that exit status 3 is about.
      return Fail(process.error().message);
    }
    child.emplace(std::move(process).value());
    loan.emplace(child->pid());
  } else if (!request.on_listening) {
    progress.Note(fmt::format("listening on {} for {}; Ctrl-C ends the capture",
                              relay->address().Text(), upstream.Display()));
  }

  std::optional<os::WaitStatus> child_end;
  base::Micros child_ended_us = 0;
  progress.Step("capture into " + request.directory);
  const base::Status ran = relay->Run([&] {
    TellProgress(*relay, *log, progress);
    if (child && !child_end) {
      child_end = child->Poll();
      child_ended_us = clock.MonotonicUs();
    }
    const bool over = request.for_us && clock.MonotonicUs() - started >= *request.for_us;
    // The command may have ended with its connections still closing: they end before we stop.
    const bool drained =
        relay->counters().sessions_open == 0 || clock.MonotonicUs() - child_ended_us >= kDrainUs;
    return should_stop() || over || (child_end && drained);
  });
  if (child && !child_end) child_end = child->Terminate(kGraceUs);
  loan.reset();
  const base::Status closed = log->Close();
  KeepEnd(upstream, request.directory, source.snapshot, progress);
  CaptureSummary summary = Summarise(*relay, *log);
  summary.duration_us = clock.MonotonicUs() - started;
  if (child_end) {
    summary.exit_code =
        child_end->signal_number != 0 ? 128 + child_end->signal_number : child_end->exit_code;
  }
  progress.Done("");
  SCRY_TRY(ran);
  SCRY_TRY(closed);
  return summary;
}

}  // namespace scry::job
