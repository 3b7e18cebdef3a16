#include "shadow/private_server.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <poll.h>
#include <signal.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <charconv>
#include <climits>
#include <cstdlib>
#include <iterator>
#include <thread>
#include <vector>

#include "base/units.h"
#include "os/directory.h"
#include "os/unique_fd.h"
#include "pg/connection.h"

namespace scry::shadow {
namespace {

constexpr auto kPollStep = std::chrono::milliseconds(10);

std::string TailOfFile(const std::string& path, size_t bytes_max) {
  const os::UniqueFd fd(open(path.c_str(), O_RDONLY | O_CLOEXEC));
  if (!fd) return {};
  const off_t size = lseek(fd.get(), 0, SEEK_END);
  const off_t begin = std::max<off_t>(0, size - static_cast<off_t>(bytes_max));
  std::string text(static_cast<size_t>(std::max<off_t>(0, size - begin)), '\0');
  const ssize_t got = pread(fd.get(), text.data(), text.size(), begin);
  text.resize(static_cast<size_t>(std::max<ssize_t>(0, got)));
  return text;
}

std::vector<std::string> PidFileLines(const std::string& data_dir) {
  std::vector<std::string> lines;
  const auto text = os::LoadText(data_dir + "/postmaster.pid", 8192);
  if (!text.ok()) return lines;
  for (size_t begin = 0; begin < text->size();) {
    const size_t end = std::min(text->find('\n', begin), text->size());
    lines.push_back(text->substr(begin, end - begin));
    begin = end + 1;
  }
  return lines;
}

int NumberIn(const std::string& text) {
  int value = 0;
  std::from_chars(text.data(), text.data() + text.size(), value);
  return value;
}

std::string RealPath(const std::string& path) {
  char* real = realpath(path.c_str(), nullptr);
  if (real == nullptr) return path;
  std::string text = real;
  std::free(real);
  return text;
}

// A postmaster works in its data directory. A process number alone proves nothing: numbers are
// reused.
bool WorksIn(pid_t pid, const std::string& data_dir) {
  std::array<char, PATH_MAX> target;
  const std::string link = fmt::format("/proc/{}/cwd", pid);
  const ssize_t length = readlink(link.c_str(), target.data(), target.size());
  if (length <= 0) return false;
  return std::string_view(target.data(), static_cast<size_t>(length)) == RealPath(data_dir);
}

bool PidFileSaysReady(const std::string& data_dir, pid_t pid) {
  const auto lines = PidFileLines(data_dir);
  return lines.size() >= 8 && NumberIn(lines[0]) == pid && lines[7].starts_with("ready");
}

std::string Ended(const ServerSpec& spec) {
  const std::string word = LastServerWord(TailOfFile(spec.log_file, 16384));
  return fmt::format("{} (log: {})", word.empty() ? "it said nothing" : word, spec.log_file);
}

int SignalOf(PrivateServer::StopMode mode) {
  return mode == PrivateServer::StopMode::kFast ? SIGINT : SIGQUIT;
}

}  // namespace

bool Control::cancelled() const {
  if (stop.stop_requested()) return true;
  pollfd fd{stop_fd, POLLIN, 0};
  return stop_fd >= 0 && poll(&fd, 1, 0) > 0;
}

os::RunLimits Control::Limits() const {
  os::RunLimits limits;
  limits.stop = stop;
  limits.stop_fd = stop_fd;
  return limits;
}

std::string LastServerWord(std::string_view log) {
  std::string found;
  std::string hint;
  for (size_t begin = 0; begin < log.size();) {
    const size_t end = std::min(log.find('\n', begin), log.size());
    const std::string_view line = log.substr(begin, end - begin);
    begin = end + 1;
    for (const std::string_view mark : {"FATAL:  ", "PANIC:  ", "HINT:  "}) {
      const size_t at = line.find(mark);
      if (at == std::string_view::npos) continue;
      std::string said(line.substr(at + mark.size()));
      if (mark[0] == 'H') {
        if (!found.empty()) hint = std::move(said);
      } else {
        found = std::move(said);
        hint.clear();
      }
    }
  }
  if (found.empty()) return base::OneLine(os::LastLine(log));
  return hint.empty() ? found : found + "; " + hint;
}

namespace {

// glibc gives the top of a backend's heap back to the kernel as soon as 128 kB of it are free, and
// the next query faults it in again. Whether that falls on a query hangs on what lay in that heap
// before: one that no migration touched was measured 1.2 to 1.9 times slower on the candidate, run
// after run, as the statement before it on its connection had begun to check a foreign key. A
// backend keeps up to 8 MB of what it has used; other libraries ignore these variables.
constexpr const char* kAllocator[] = {"MALLOC_TRIM_THRESHOLD_=8388608",
                                      "MALLOC_MMAP_THRESHOLD_=4194304", "MALLOC_TOP_PAD_=262144"};

}  // namespace

os::Environment ServerEnvironment(const pg::Programs& programs, const os::User& user) {
  os::Environment environment = {"PATH=" + programs.bindir + ":/usr/local/bin:/usr/bin:/bin",
                                 "HOME=" + user.home, "LC_ALL=C", "USER=" + user.name,
                                 "LOGNAME=" + user.name};
  environment.insert(environment.end(), std::begin(kAllocator), std::end(kAllocator));
  return environment;
}

base::Status InitDatabase(const pg::Programs& programs, const os::User& user,
                          const std::string& data_dir, const InitOptions& options) {
  os::Program initdb;
  initdb.argv = {programs.Path("initdb"),
                 "--pgdata=" + data_dir,
                 "--username=" + options.superuser,
                 "--auth=trust",
                 "--encoding=" + options.encoding,
                 "--lc-collate=" + options.lc_collate,
                 "--lc-ctype=" + options.lc_ctype,
                 "--lc-messages=C",
                 "--no-sync",
                 "--no-instructions"};
  if (programs.major < 14) initdb.argv.pop_back();
  initdb.environment = ServerEnvironment(programs, user);
  initdb.run_as = user;
  initdb.directory = "/";
  const auto finished = os::RunChecked(initdb);
  if (!finished.ok())
    return base::Status(finished.error()).With("make a database cluster in " + data_dir);
  return {};
}

namespace {

int PortOf(const ServerSpec& spec) {
  return spec.loopback_port == 0 ? kPrivatePort : spec.loopback_port;
}

}  // namespace

pg::ConnInfo PrivateServer::LoopbackInfo(const std::string& dbname, const std::string& user,
                                         const std::string& password) const {
  pg::ConnInfo info;
  info.Set("host", "127.0.0.1").Set("port", std::to_string(spec_.loopback_port));
  return info.Set("user", user).Set("dbname", dbname).Set("password", password);
}

base::Result<PrivateServer> PrivateServer::Start(const ServerSpec& spec, const Control& control) {
  const os::UniqueFd log(
      open(spec.log_file.c_str(), O_WRONLY | O_CREAT | O_APPEND | O_NOFOLLOW | O_CLOEXEC, 0600));
  if (!log) return base::FailErrno("open " + spec.log_file);
  os::Program program;
  // What must hold whatever the files say stands on the command line.
  program.argv = {spec.programs.Path("postgres"),
                  "-D",
                  spec.data_dir,
                  "-k",
                  spec.socket_dir,
                  "-p",
                  std::to_string(PortOf(spec)),
                  "-c",
                  spec.loopback_port == 0 ? "listen_addresses=" : "listen_addresses=127.0.0.1"};
  program.environment = ServerEnvironment(spec.programs, spec.user);
  program.directory = "/";
  program.run_as = spec.user;
  program.out.direct_fd = log.get();
  program.err.direct_fd = log.get();
  program.new_session = spec.outlive;
  // Killed without a chance to clean up, scry must not leave servers behind.
  program.death_signal = spec.outlive ? 0 : SIGQUIT;
  SCRY_TRY_ASSIGN(os::ChildProcess child, os::ChildProcess::Start(program));
  PrivateServer server(spec, std::move(child));

  const base::Clock& clock = base::SystemClock();
  const base::Micros until = clock.MonotonicUs() + spec.start_timeout_us;
  const pg::ConnInfo info = server.Info("template1");
  for (;;) {
    if (server.child_.Poll()) {
      server.running_ = false;
      return base::Fail(
          fmt::format("start a private server on {}: {}", spec.data_dir, Ended(spec)));
    }
    if (PidFileSaysReady(spec.data_dir, server.pid()) &&
        pg::Ping(info) == pg::PingState::kAccepting) {
      return server;
    }
    if (control.cancelled()) {
      return base::Fail(base::ErrorCode::kInterrupted, "starting a private server was interrupted");
    }
    if (clock.MonotonicUs() >= until) {
      return base::Fail(
          fmt::format("start a private server on {}: not ready after {}; last word: {}",
                      spec.data_dir, base::FormatDuration(spec.start_timeout_us), Ended(spec)));
    }
    std::this_thread::sleep_for(kPollStep);
  }
}

PrivateServer::~PrivateServer() {
  if (child_.pid() <= 0 || !running_) return;
  if (spec_.outlive) {
    child_.Release();
    return;
  }
  const base::Status ignored = Stop(StopMode::kImmediate);
  static_cast<void>(ignored);  // Stop() ends with SIGKILL; there is nobody to tell here.
}

pg::ConnInfo PrivateServer::Info(const std::string& dbname, const std::string& user) const {
  return pg::ConnInfo::Private(spec_.socket_dir, PortOf(spec_),
                               user.empty() ? spec_.superuser : user, dbname);
}

base::Status PrivateServer::CheckAlive() {
  if (!running_) return base::Fail(fmt::format("the server on {} was stopped", spec_.data_dir));
  if (!child_.Poll()) return {};
  running_ = false;
  return base::Fail(
      fmt::format("the server on {} ended by itself: {}", spec_.data_dir, Ended(spec_)));
}

base::Status PrivateServer::Stop(StopMode mode, base::Micros timeout_us) {
  if (!running_) return {};
  running_ = false;
  child_.Signal(SignalOf(mode));
  if (child_.WaitFor(timeout_us)) return {};
  child_.Terminate(0);
  return base::Fail(fmt::format("the server on {} did not stop within {} and was killed",
                                spec_.data_dir, base::FormatDuration(timeout_us)));
}

std::optional<FoundServer> FindServer(const std::string& data_dir) {
  const auto lines = PidFileLines(data_dir);
  if (lines.size() < 2) return std::nullopt;
  FoundServer found;
  // A standalone backend writes its number negative.
  found.pid = std::abs(NumberIn(lines[0]));
  if (found.pid <= 1 || !WorksIn(found.pid, data_dir)) return std::nullopt;
  if (lines.size() >= 5) {
    found.port = NumberIn(lines[3]);
    found.socket_dir = lines[4];
  }
  return found;
}

base::Status StopFoundServer(const std::string& data_dir, PrivateServer::StopMode mode,
                             base::Micros timeout_us) {
  const auto found = FindServer(data_dir);
  if (!found) return {};
  if (RealPath(data_dir) != data_dir) {
    return base::Fail(
        fmt::format("{} is reached through a symbolic link: its server is not scry's "
                    "and is not stopped",
                    data_dir));
  }
  const base::Clock& clock = base::SystemClock();
  const auto gone = [&](base::Micros wait_us) {
    const base::Micros until = clock.MonotonicUs() + wait_us;
    while (kill(found->pid, 0) == 0 && WorksIn(found->pid, data_dir)) {
      if (clock.MonotonicUs() >= until) return false;
      std::this_thread::sleep_for(kPollStep);
    }
    return true;
  };
  if (kill(found->pid, SignalOf(mode)) != 0 && errno != ESRCH) {
    return base::FailErrno(fmt::format("stop server process {} on {}", found->pid, data_dir));
  }
  if (gone(timeout_us)) return {};
  kill(found->pid, SIGKILL);
  if (gone(5 * 1000000LL)) return {};
  return base::Fail(fmt::format("server process {} on {} does not end", found->pid, data_dir));
}

base::Result<std::string> SingleUserValue(const pg::Programs& programs, const os::User& user,
                                          const std::string& data_dir, const std::string& sql) {
  os::Program program;
  program.argv = {programs.Path("postgres"),
                  "--single",
                  "-D",
                  data_dir,
                  "-c",
                  "shared_preload_libraries=",
                  "-c",
                  "log_min_messages=fatal",
                  "template1"};
  program.environment = ServerEnvironment(programs, user);
  program.directory = "/";
  program.run_as = user;
  program.input = os::InputFrom::kText;
  program.input_text = sql + "\n";
  SCRY_TRY_ASSIGN(const os::Finished finished, os::RunChecked(program));
  // "	 1: name = "value"	(typeid = 25, ...".
  const std::string mark = " = \"";
  const size_t begin = finished.out.find(mark);
  const size_t end =
      begin == std::string::npos ? begin : finished.out.find('"', begin + mark.size());
  if (end == std::string::npos) {
    return base::Fail(fmt::format("ask the stopped cluster {}: no answer: {}", data_dir,
                                  base::OneLine(os::LastLine(finished.err))));
  }
  return finished.out.substr(begin + mark.size(), end - begin - mark.size());
}

}  // namespace scry::shadow
