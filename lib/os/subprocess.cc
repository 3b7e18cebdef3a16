#include "os/subprocess.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <grp.h>
#include <poll.h>
#include <signal.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <condition_variable>
#include <mutex>
#include <thread>

extern char** environ;

namespace scry::os {
namespace {

constexpr size_t kLineBytesMax = 64 * 1024;
constexpr int kPollWithoutPidFdMs = 20;
// How long a finished program's descendants may hold its output open before they are cut off.
constexpr base::Micros kDrainUs = 200 * 1000;

base::Micros NowUs() { return base::SystemClock().MonotonicUs(); }

// Everything the child needs, made before fork: after it only async-signal-safe calls are allowed,
// since another thread may have held a lock of malloc at that moment.
struct Launch {
  std::string path;
  std::vector<std::string> environment;
  std::vector<char*> argv;
  std::vector<char*> envp;
  const Program* program = nullptr;
  bool change_user = false;
  int in = -1;
  int out = -1;
  int err = -1;
  int failure = -1;
  pid_t parent = 0;
};

enum class Step : int { kNone, kGroup, kStreams, kUser, kDirectory, kExec };
struct ChildFailure {
  Step step = Step::kNone;
  int error = 0;
};

[[noreturn]] void GiveUp(const Launch& launch, Step step) {
  const ChildFailure failure{step, errno};
  const ssize_t ignored = write(launch.failure, &failure, sizeof(failure));
  static_cast<void>(ignored);
  _exit(127);
}

void CloseOtherDescriptorsOnExec() {
#ifdef SYS_close_range
  constexpr unsigned kCloseOnExec = 1U << 2;  // CLOSE_RANGE_CLOEXEC, Linux 5.11.
  syscall(SYS_close_range, 3U, ~0U, kCloseOnExec);
#endif
}

[[noreturn]] void RunChild(const Launch& launch) {
  const Program& program = *launch.program;
  for (const int number : {SIGPIPE, SIGINT, SIGTERM, SIGHUP, SIGQUIT, SIGCHLD}) {
    signal(number, SIG_DFL);
  }
  sigset_t none;
  sigemptyset(&none);
  sigprocmask(SIG_SETMASK, &none, nullptr);
  if (program.new_session ? setsid() < 0 : setpgid(0, 0) != 0) GiveUp(launch, Step::kGroup);

  // First out of the way of 0, 1 and 2, which our own caller may have closed.
  const int in = fcntl(launch.in, F_DUPFD_CLOEXEC, 3);
  const int out = fcntl(launch.out, F_DUPFD_CLOEXEC, 3);
  const int err = fcntl(launch.err, F_DUPFD_CLOEXEC, 3);
  if (in < 0 || out < 0 || err < 0 || dup2(in, 0) < 0 || dup2(out, 1) < 0 || dup2(err, 2) < 0) {
    GiveUp(launch, Step::kStreams);
  }
  CloseOtherDescriptorsOnExec();

  if (launch.change_user) {
    const User& user = *program.run_as;
    if (setgroups(user.groups.size(), user.groups.data()) != 0 || setgid(user.gid) != 0 ||
        setuid(user.uid) != 0) {
      GiveUp(launch, Step::kUser);
    }
  }
  if (!program.directory.empty() && chdir(program.directory.c_str()) != 0) {
    GiveUp(launch, Step::kDirectory);
  }
  if (program.death_signal != 0) {
    // After setuid, which clears it. The parent may have died in between: then nobody would signal
    // us.
    prctl(PR_SET_PDEATHSIG, program.death_signal);
    if (getppid() != launch.parent) _exit(127);
  }
  execve(launch.path.c_str(), launch.argv.data(), launch.envp.data());
  GiveUp(launch, Step::kExec);
}

// Forks for children with a parent-death signal: Linux sends it when the *thread* that forked ends,
// so this one never ends.
class ForkingThread {
 public:
  static pid_t Fork(const Launch& launch) {
    static std::mutex instance_mutex;
    static ForkingThread* instance = nullptr;
    const std::lock_guard lock(instance_mutex);
    // A forked copy of this process has no thread of its own yet.
    if (instance == nullptr || instance->process_ != getpid()) instance = new ForkingThread();
    return instance->Ask(launch);
  }

 private:
  ForkingThread() : process_(getpid()) {
    std::thread([this] { Loop(); }).detach();
  }

  pid_t Ask(const Launch& launch) {
    std::unique_lock lock(mutex_);
    launch_ = &launch;
    asked_.notify_one();
    answered_.wait(lock, [&] { return launch_ == nullptr; });
    errno = error_;
    return pid_;
  }

  [[noreturn]] void Loop() {
    sigset_t all;
    sigfillset(&all);
    pthread_sigmask(SIG_BLOCK, &all, nullptr);
    std::unique_lock lock(mutex_);
    for (;;) {
      asked_.wait(lock, [&] { return launch_ != nullptr; });
      pid_ = fork();
      if (pid_ == 0) RunChild(*launch_);
      error_ = errno;
      launch_ = nullptr;
      answered_.notify_one();
    }
  }

  const pid_t process_;
  std::mutex mutex_;
  std::condition_variable asked_;
  std::condition_variable answered_;
  // Guarded by mutex_.
  const Launch* launch_ = nullptr;
  pid_t pid_ = -1;
  int error_ = 0;
};

base::Result<std::string> FindExecutable(const std::string& name, const Environment& environment) {
  if (name.find('/') != std::string::npos) return name;
  const std::string path =
      GetVariable(environment, "PATH").value_or("/usr/local/bin:/usr/bin:/bin");
  for (size_t begin = 0; begin <= path.size();) {
    const size_t end = std::min(path.find(':', begin), path.size());
    const std::string folder = end == begin ? "." : path.substr(begin, end - begin);
    const std::string candidate = folder + "/" + name;
    if (access(candidate.c_str(), X_OK) == 0) return candidate;
    begin = end + 1;
  }
  return base::Fail(base::ErrorCode::kNotFound,
                    fmt::format("run {}: no such program in PATH", name));
}

struct Pipe {
  UniqueFd read;
  UniqueFd write;
};

base::Result<Pipe> MakePipe() {
  int ends[2];
  if (pipe2(ends, O_CLOEXEC) != 0) return base::FailErrno("make a pipe");
  return Pipe{UniqueFd(ends[0]), UniqueFd(ends[1])};
}

void SetNonBlocking(int fd) { fcntl(fd, F_SETFL, fcntl(fd, F_GETFL) | O_NONBLOCK); }

std::string DescribeFailure(const Program& program, const ChildFailure& failure) {
  const std::string& name = program.argv[0];
  const char* why = strerror(failure.error);
  switch (failure.step) {
    case Step::kUser:
      return fmt::format("run {} as user {}: {}", name, program.run_as->name, why);
    case Step::kDirectory:
      return fmt::format("run {} in folder {}: {}", name, program.directory, why);
    case Step::kNone:
    case Step::kGroup:
    case Step::kStreams:
    case Step::kExec:
      break;
  }
  return fmt::format("run {}: {}", name, why);
}

// Starts it with the three descriptors given; returns once exec has succeeded.
base::Result<pid_t> Spawn(const Program& program, int in, int out, int err) {
  if (program.argv.empty()) return base::Fail("run a program: no program was named");
  Launch launch;
  launch.program = &program;
  launch.environment = program.environment ? *program.environment : CurrentEnvironment();
  SCRY_TRY_ASSIGN(launch.path, FindExecutable(program.argv[0], launch.environment));
  for (const auto& argument : program.argv)
    launch.argv.push_back(const_cast<char*>(argument.c_str()));
  for (const auto& entry : launch.environment)
    launch.envp.push_back(const_cast<char*>(entry.c_str()));
  launch.argv.push_back(nullptr);
  launch.envp.push_back(nullptr);
  launch.change_user = program.run_as && program.run_as->uid != geteuid();
  SCRY_TRY_ASSIGN(Pipe failure_pipe, MakePipe());
  launch.in = in;
  launch.out = out;
  launch.err = err;
  launch.failure = failure_pipe.write.get();
  launch.parent = getpid();

  pid_t pid = -1;
  if (program.death_signal != 0) {
    pid = ForkingThread::Fork(launch);
  } else {
    // Signals wait until the child has put back the defaults, or our handler would run in it.
    sigset_t all;
    sigset_t old;
    sigfillset(&all);
    pthread_sigmask(SIG_BLOCK, &all, &old);
    pid = fork();
    if (pid == 0) RunChild(launch);
    const int error = errno;
    pthread_sigmask(SIG_SETMASK, &old, nullptr);
    errno = error;
  }
  if (pid < 0) return base::FailErrno("start " + program.argv[0]);

  failure_pipe.write.Reset();
  ChildFailure failure;
  ssize_t got = 0;
  do {
    got = read(failure_pipe.read.get(), &failure, sizeof(failure));
  } while (got < 0 && errno == EINTR);
  if (got == static_cast<ssize_t>(sizeof(failure))) {
    while (waitpid(pid, nullptr, 0) < 0 && errno == EINTR) {
    }
    return base::Fail(DescribeFailure(program, failure));
  }
  return pid;
}

UniqueFd OpenPidFd(pid_t pid) {
#ifdef SYS_pidfd_open
  return UniqueFd(static_cast<int>(syscall(SYS_pidfd_open, pid, 0U)));
#else
  static_cast<void>(pid);
  return UniqueFd();
#endif
}

base::Result<UniqueFd> OpenNull() {
  const int fd = open("/dev/null", O_RDWR | O_CLOEXEC);
  if (fd < 0) return base::FailErrno("open /dev/null");
  return UniqueFd(fd);
}

WaitStatus FromRaw(int raw) {
  if (WIFSIGNALED(raw)) return {-1, WTERMSIG(raw)};
  return {WEXITSTATUS(raw), 0};
}

// It ended, and its number is still taken: the group can be signalled without hitting a stranger.
bool HasEnded(pid_t pid) {
  siginfo_t info{};
  const int result = waitid(P_PID, static_cast<id_t>(pid), &info, WEXITED | WNOHANG | WNOWAIT);
  return result == 0 ? info.si_pid == pid : errno == ECHILD;
}

WaitStatus Reap(pid_t pid) {
  int raw = 0;
  while (waitpid(pid, &raw, 0) < 0) {
    if (errno != EINTR) return {-1, 0};
  }
  return FromRaw(raw);
}

void WriteAll(int fd, std::string_view text) {
  while (!text.empty()) {
    const ssize_t written = write(fd, text.data(), text.size());
    if (written < 0 && errno == EINTR) continue;
    if (written <= 0) return;  // A closed terminal must not end the run.
    text.remove_prefix(static_cast<size_t>(written));
  }
}

// One output stream of a running program.
class Reader {
 public:
  explicit Reader(const Output& output) : output_(output), tail_(output.keep_bytes) {}

  base::Result<int> Open() {  // The descriptor for the child.
    if (output_.direct_fd >= 0) return output_.direct_fd;
    SCRY_TRY_ASSIGN(pipe_, MakePipe());
    SetNonBlocking(pipe_.read.get());
    return pipe_.write.get();
  }
  void Started() { pipe_.write.Reset(); }
  int fd() const { return pipe_.read.get(); }

  // Takes what is there now.
  void Drain() {
    std::array<char, 16384> buffer;
    while (pipe_.read) {
      const ssize_t got = read(pipe_.read.get(), buffer.data(), buffer.size());
      if (got < 0 && errno == EINTR) continue;
      if (got < 0 && (errno == EAGAIN || errno == EWOULDBLOCK)) return;
      if (got <= 0) {
        pipe_.read.Reset();
        return;
      }
      Take({buffer.data(), static_cast<size_t>(got)});
    }
  }
  void Finish() {
    pipe_.read.Reset();
    if (!line_.empty()) output_.on_line(line_);
    line_.clear();
  }
  std::string Text() const { return tail_.Text(); }
  bool cut() const { return tail_.cut(); }

 private:
  void Take(std::string_view chunk) {
    tail_.Append(chunk);
    if (output_.copy_to >= 0) WriteAll(output_.copy_to, chunk);
    if (!output_.on_line) return;
    while (!chunk.empty()) {
      const size_t end = chunk.find('\n');
      const std::string_view piece = chunk.substr(0, end);
      line_.append(piece.substr(0, kLineBytesMax - std::min(line_.size(), kLineBytesMax)));
      if (end == std::string_view::npos) return;
      output_.on_line(line_);
      line_.clear();
      chunk.remove_prefix(end + 1);
    }
  }

  const Output& output_;
  Pipe pipe_;
  TailBuffer tail_;
  std::string line_;
};

// RunProgram's loop: feeds, reads and ends one program.
class Run {
 public:
  Run(const Program& program, const RunLimits& limits)
      : program_(program), limits_(limits), out_(program.out), err_(program.err) {}

  base::Result<Finished> Go() {
    SCRY_TRY(Start());
    std::stop_callback on_stop(limits_.stop, [fd = stop_event_.get()] {
      const uint64_t one = 1;
      const ssize_t ignored = write(fd, &one, sizeof(one));
      static_cast<void>(ignored);
    });
    while (!HasEnded(pid_)) {
      Step();
      Judge();
    }
    DrainRest();
    return Result();
  }

 private:
  base::Status Start() {
    started_us_ = NowUs();
    const int event = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
    if (event < 0) return base::FailErrno("make an event descriptor");
    stop_event_.Reset(event);
    SCRY_TRY_ASSIGN(UniqueFd null, OpenNull());
    SCRY_TRY_ASSIGN(const int out, out_.Open());
    int err = out;
    if (!program_.err_into_out) {
      SCRY_TRY_ASSIGN(err, err_.Open());
    }
    Pipe input;
    int in = program_.input == InputFrom::kInherit ? 0 : null.get();
    if (program_.input == InputFrom::kText) {
      SCRY_TRY_ASSIGN(input, MakePipe());
      in = input.read.get();
    }
    SCRY_TRY_ASSIGN(pid_, Spawn(program_, in, out, err));
    pid_fd_ = OpenPidFd(pid_);
    out_.Started();
    err_.Started();
    if (input.write) SetNonBlocking(input.write.get());
    input_ = std::move(input.write);
    return {};
  }

  // Waits for something to happen, and takes it.
  void Step() {
    std::array<pollfd, 6> fds{};
    // poll() ignores negative descriptors.
    fds[0] = {out_.fd(), POLLIN, 0};
    fds[1] = {err_.fd(), POLLIN, 0};
    fds[2] = {pid_fd_.get(), POLLIN, 0};
    fds[3] = {ending_ ? -1 : stop_event_.get(), POLLIN, 0};
    fds[4] = {ending_ ? -1 : limits_.stop_fd, POLLIN, 0};
    fds[5] = {input_.get(), POLLOUT, 0};
    if (poll(fds.data(), fds.size(), TimeoutMs()) < 0) return;
    out_.Drain();
    err_.Drain();
    if (fds[3].revents != 0 || fds[4].revents != 0) End(EndKind::kStopped);
    if (fds[5].revents != 0) Feed();
  }

  int TimeoutMs() const {
    base::Micros wait_us = pid_fd_ ? 60 * 1000000 : kPollWithoutPidFdMs * 1000;
    if (deadline_us() != 0)
      wait_us = std::min(wait_us, std::max<base::Micros>(0, deadline_us() - NowUs()));
    return static_cast<int>(wait_us / 1000 + 1);
  }
  base::Micros deadline_us() const {
    if (ending_) return kill_at_us_;
    return limits_.timeout_us == 0 ? 0 : started_us_ + limits_.timeout_us;
  }

  void Judge() {
    if (deadline_us() == 0 || NowUs() < deadline_us()) return;
    if (!ending_) {
      End(EndKind::kTimedOut);
      return;
    }
    kill(-pid_, SIGKILL);
    kill_at_us_ = NowUs() + 1000000;  // Only an uninterruptible wait gets here again.
  }

  void End(EndKind why) {
    ending_ = true;
    end_ = why;
    kill_at_us_ = NowUs() + limits_.grace_us;
    kill(-pid_, SIGTERM);
    kill(-pid_, SIGCONT);
  }

  void Feed() {
    const std::string_view rest = std::string_view(program_.input_text).substr(fed_);
    const ssize_t written = rest.empty() ? 0 : write(input_.get(), rest.data(), rest.size());
    if (written > 0) fed_ += static_cast<size_t>(written);
    const bool broken = written < 0 && errno != EAGAIN && errno != EINTR;
    if (broken || fed_ == program_.input_text.size()) input_.Reset();
  }

  // The program ended. What it left in its group is ended too; output held open by others is cut
  // off.
  void DrainRest() {
    kill(-pid_, SIGKILL);
    const base::Micros until = NowUs() + kDrainUs;
    for (;;) {
      out_.Drain();
      err_.Drain();
      if ((out_.fd() < 0 && err_.fd() < 0) || NowUs() >= until) break;
      std::array<pollfd, 2> fds{pollfd{out_.fd(), POLLIN, 0}, pollfd{err_.fd(), POLLIN, 0}};
      poll(fds.data(), fds.size(), 20);
    }
    out_.Finish();
    err_.Finish();
  }

  Finished Result() {
    const WaitStatus status = Reap(pid_);
    Finished finished;
    finished.end = ending_                     ? end_
                   : status.signal_number != 0 ? EndKind::kSignaled
                                               : EndKind::kExited;
    finished.exit_code = status.exit_code;
    finished.signal_number = status.signal_number;
    finished.out = out_.Text();
    finished.err = err_.Text();
    finished.out_cut = out_.cut();
    finished.err_cut = err_.cut();
    finished.elapsed_us = NowUs() - started_us_;
    return finished;
  }

  const Program& program_;
  const RunLimits& limits_;
  Reader out_;
  Reader err_;
  UniqueFd stop_event_;
  UniqueFd pid_fd_;
  UniqueFd input_;
  pid_t pid_ = -1;
  size_t fed_ = 0;
  base::Micros started_us_ = 0;
  bool ending_ = false;
  EndKind end_ = EndKind::kExited;
  base::Micros kill_at_us_ = 0;
};

}  // namespace

Environment CurrentEnvironment() {
  Environment environment;
  for (char** entry = environ; entry != nullptr && *entry != nullptr; ++entry) {
    environment.emplace_back(*entry);
  }
  return environment;
}

std::optional<std::string> GetVariable(const Environment& environment, std::string_view name) {
  for (const auto& entry : environment) {
    if (entry.size() > name.size() && entry[name.size()] == '=' && entry.starts_with(name)) {
      return entry.substr(name.size() + 1);
    }
  }
  return std::nullopt;
}

void DropVariable(Environment& environment, std::string_view name) {
  std::erase_if(environment, [&](const std::string& entry) {
    return entry.size() > name.size() && entry[name.size()] == '=' && entry.starts_with(name);
  });
}

void SetVariable(Environment& environment, std::string_view name, std::string_view value) {
  DropVariable(environment, name);
  environment.push_back(fmt::format("{}={}", name, value));
}

std::string Finished::Describe() const {
  switch (end) {
    case EndKind::kExited:
      return fmt::format("exited with status {}", exit_code);
    case EndKind::kSignaled:
      return fmt::format("was ended by signal {} ({})", signal_number, strsignal(signal_number));
    case EndKind::kTimedOut:
      return "ran out of time";
    case EndKind::kStopped:
      return "was stopped";
  }
  return "ended";
}

base::Status CheckProgram(const std::string& name, const Environment& environment) {
  SCRY_TRY_ASSIGN(const std::string path, FindExecutable(name, environment));
  struct stat info {};
  if (stat(path.c_str(), &info) != 0) {
    const bool missing = errno == ENOENT || errno == ENOTDIR;
    base::Error error = base::FailErrno("run " + name);
    if (missing) error.code = base::ErrorCode::kNotFound;
    return error;
  }
  if (!S_ISREG(info.st_mode)) return base::Fail(fmt::format("run {}: it is no file", name));
  if (access(path.c_str(), X_OK) != 0) return base::FailErrno("run " + name);
  return {};
}

base::Result<Finished> RunProgram(const Program& program, const RunLimits& limits) {
  return Run(program, limits).Go();
}

base::Result<Finished> RunChecked(const Program& program, const RunLimits& limits) {
  SCRY_TRY_ASSIGN(Finished finished, RunProgram(program, limits));
  if (finished.success()) return finished;
  const std::string& name = program.argv[0];
  const std::string last = LastErrorLine(finished.err.empty() ? finished.out : finished.err);
  std::string message = fmt::format("{} {}", name.substr(name.rfind('/') + 1), finished.Describe());
  if (!last.empty()) message += ": " + last;
  base::Error error = base::Fail(std::move(message));
  if (finished.end == EndKind::kTimedOut) error.code = base::ErrorCode::kTimeout;
  if (finished.end == EndKind::kStopped) error.code = base::ErrorCode::kInterrupted;
  return error;
}

base::Result<ChildProcess> ChildProcess::Start(const Program& program) {
  SCRY_TRY_ASSIGN(UniqueFd null, OpenNull());
  const int in = program.input == InputFrom::kInherit ? 0 : null.get();
  const int out = program.out.direct_fd >= 0 ? program.out.direct_fd : null.get();
  const int err = program.err.direct_fd >= 0 ? program.err.direct_fd : null.get();
  SCRY_TRY_ASSIGN(const pid_t pid, Spawn(program, in, out, err));
  return ChildProcess(pid, OpenPidFd(pid));
}

ChildProcess::ChildProcess(ChildProcess&& other) noexcept
    : pid_(std::exchange(other.pid_, -1)),
      pid_fd_(std::move(other.pid_fd_)),
      status_(std::exchange(other.status_, std::nullopt)) {}

ChildProcess& ChildProcess::operator=(ChildProcess&& other) noexcept {
  if (this != &other) {
    if (pid_ > 0 && !status_) Terminate(0);
    pid_ = std::exchange(other.pid_, -1);
    pid_fd_ = std::move(other.pid_fd_);
    status_ = std::exchange(other.status_, std::nullopt);
  }
  return *this;
}

ChildProcess::~ChildProcess() {
  if (pid_ > 0 && !status_) Terminate(0);
}

std::optional<WaitStatus> ChildProcess::Poll() {
  if (pid_ > 0 && !status_ && HasEnded(pid_)) {
    kill(-pid_, SIGKILL);
    status_ = Reap(pid_);
  }
  return status_;
}

std::optional<WaitStatus> ChildProcess::WaitFor(base::Micros timeout_us) {
  const base::Micros until = NowUs() + timeout_us;
  while (!Poll() && pid_ > 0) {
    const base::Micros left = until - NowUs();
    if (left <= 0) return std::nullopt;
    pollfd fd{pid_fd_.get(), POLLIN, 0};
    const base::Micros step =
        pid_fd_ ? left : std::min<base::Micros>(left, kPollWithoutPidFdMs * 1000);
    poll(&fd, 1, static_cast<int>(std::min<base::Micros>(step / 1000 + 1, 60000)));
  }
  return status_;
}

void ChildProcess::Signal(int number) const {
  if (pid_ > 0 && !status_) kill(pid_, number);
}

void ChildProcess::SignalGroup(int number) const {
  if (pid_ > 0 && !status_) kill(-pid_, number);
}

WaitStatus ChildProcess::Terminate(base::Micros grace_us) {
  if (pid_ <= 0) return {};
  if (grace_us > 0 && !Poll()) {
    SignalGroup(SIGTERM);
    WaitFor(grace_us);
  }
  while (!Poll()) {
    SignalGroup(SIGKILL);
    WaitFor(1000000);
  }
  return *status_;
}

void TailBuffer::Append(std::string_view text) {
  if (text.size() > bytes_max_) {
    cut_ = true;
    text.remove_prefix(text.size() - bytes_max_);
  }
  text_.append(text);
  if (text_.size() > bytes_max_) cut_ = true;
  if (text_.size() > 2 * bytes_max_) text_.erase(0, text_.size() - bytes_max_);
}

std::string TailBuffer::Text() const {
  return text_.size() > bytes_max_ ? text_.substr(text_.size() - bytes_max_) : text_;
}

std::string LastLine(std::string_view text) {
  while (!text.empty()) {
    const size_t start = text.rfind('\n');
    const std::string_view line = start == std::string_view::npos ? text : text.substr(start + 1);
    if (line.find_first_not_of(" \t\r") != std::string_view::npos) return std::string(line);
    if (start == std::string_view::npos) break;
    text = text.substr(0, start);
  }
  return {};
}

std::string LastErrorLine(std::string_view text) {
  std::string found;
  for (size_t begin = 0; begin < text.size();) {
    const size_t end = std::min(text.find('\n', begin), text.size());
    const std::string_view line = text.substr(begin, end - begin);
    begin = end + 1;
    for (const std::string_view mark : {"error:", "ERROR:", "fatal:", "FATAL:"}) {
      if (line.find(mark) != std::string_view::npos) found = line;
    }
  }
  return found.empty() ? LastLine(text) : found;
}

}  // namespace scry::os
