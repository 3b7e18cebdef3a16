// Runs other programs by argv, never through a shell. Used by shadow (servers, pg_dump) and
// migration. Every child gets a process group of its own, so that it can be ended with all it
// started and a terminal's Ctrl-C does not reach it twice; no descriptor but 0, 1 and 2 is
// inherited. Thread rule: functions may be called from any thread; a ChildProcess is for one thread
// at a time.
#pragma once

#include <sys/types.h>

#include <cstddef>
#include <functional>
#include <optional>
#include <stop_token>
#include <string>
#include <string_view>
#include <vector>

#include "base/clock.h"
#include "base/result.h"
#include "os/unique_fd.h"
#include "os/user.h"

namespace scry::os {

using Environment = std::vector<std::string>;  // "NAME=value", any order.

// A copy of this process's environment.
Environment CurrentEnvironment();
// The value of NAME, or nullopt.
std::optional<std::string> GetVariable(const Environment& environment, std::string_view name);
void SetVariable(Environment& environment, std::string_view name, std::string_view value);
void DropVariable(Environment& environment, std::string_view name);

enum class InputFrom : uint8_t {
  kNull,     // /dev/null.
  kInherit,  // Ours. A background group that reads a terminal is stopped by the kernel.
  kText,     // Program::input_text, then end of file.
};

// What happens to one of the child's output streams.
struct Output {
  int direct_fd = -1;             // The child writes here itself; the rest of this struct is void.
  int copy_to = -1;               // Each chunk is also written here.
  size_t keep_bytes = 64 * 1024;  // Of the tail, kept for Finished.
  std::function<void(std::string_view line)> on_line;  // Without its line break.
};

struct Program {
  std::vector<std::string>
      argv;  // argv[0] is looked up in the PATH of `environment` without a slash.
  std::optional<Environment> environment;  // nullopt: ours.
  std::string directory;                   // Working directory. Empty: ours.
  std::optional<User> run_as;              // Needs root, unless it is ourselves.
  InputFrom input = InputFrom::kNull;
  std::string input_text;
  Output out;
  Output err;
  bool err_into_out = false;  // One stream, in the order of writing; `err` is void.
  // Sent to the child when this process dies, however it dies; 0: none. Linux ties it to the thread
  // that forks, so such children are forked by a thread that lives as long as the process.
  int death_signal = 0;
  bool new_session = false;  // setsid: survives the terminal. For servers that outlive scry.
};

enum class EndKind : uint8_t { kExited, kSignaled, kTimedOut, kStopped };

struct Finished {
  EndKind end = EndKind::kExited;
  int exit_code = 0;      // Of kExited.
  int signal_number = 0;  // Of kSignaled.
  std::string out;        // The kept tail.
  std::string err;
  bool out_cut = false;  // More was written than kept.
  bool err_cut = false;
  base::Micros elapsed_us = 0;

  bool success() const { return end == EndKind::kExited && exit_code == 0; }
  // "exited with status 3", "was ended by signal 9 (Killed)", "ran out of time", "was stopped".
  std::string Describe() const;
};

struct RunLimits {
  base::Micros timeout_us = 0;  // 0: none.
  std::stop_token stop;
  int stop_fd = -1;                     // Stops when readable: InterruptFlag::fd().
  base::Micros grace_us = 5 * 1000000;  // Between SIGTERM and SIGKILL, both to the whole group.
};

// Whether a program of this name could be started: in one line why not, of kNotFound where there is
// none. `environment`: whose PATH names without a slash are looked up in.
base::Status CheckProgram(const std::string& name, const Environment& environment);

// Runs to the end. Fails only where the program could not be started; how it ended is a value. What
// it leaves running in its group is killed.
base::Result<Finished> RunProgram(const Program& program, const RunLimits& limits = {});

// The same, and everything but exit status 0 is an Error with LastErrorLine() of its stderr.
base::Result<Finished> RunChecked(const Program& program, const RunLimits& limits = {});

struct WaitStatus {
  int exit_code = -1;     // -1: ended by a signal.
  int signal_number = 0;  // 0: exited.
};

// A program that runs beside us. Output goes to Output::direct_fd, or to /dev/null.
class ChildProcess {
 public:
  static base::Result<ChildProcess> Start(const Program& program);
  ChildProcess(ChildProcess&& other) noexcept;
  ChildProcess& operator=(ChildProcess&& other) noexcept;
  ~ChildProcess();  // Kills the group, unless waited for or released.

  pid_t pid() const { return pid_; }
  // nullopt: still running.
  std::optional<WaitStatus> Poll();
  // nullopt: still running after `timeout_us`.
  std::optional<WaitStatus> WaitFor(base::Micros timeout_us);
  // To the child alone, or to its whole group. Nothing happens once it was waited for.
  void Signal(int number) const;
  void SignalGroup(int number) const;
  // SIGTERM to the group, SIGKILL after the grace time; waits.
  WaitStatus Terminate(base::Micros grace_us);
  // Lets it run on; the destructor leaves it alone.
  void Release() { pid_ = -1; }

 private:
  ChildProcess(pid_t pid, UniqueFd pid_fd) : pid_(pid), pid_fd_(std::move(pid_fd)) {}
  pid_t pid_ = -1;   // -1: nothing to end.
  UniqueFd pid_fd_;  // Readable once it ended; may be absent (old kernels).
  std::optional<WaitStatus> status_;
};

// The last `bytes_max` bytes of what was appended.
class TailBuffer {
 public:
  explicit TailBuffer(size_t bytes_max) : bytes_max_(bytes_max) {}
  void Append(std::string_view text);
  bool cut() const { return cut_; }
  std::string Text() const;

 private:
  size_t bytes_max_;
  std::string text_;  // At most twice bytes_max_, trimmed now and then.
  bool cut_ = false;
};

// The last line of `text` that is not blank, for one-line errors.
std::string LastLine(std::string_view text);
// The last line that calls itself an error (many programs say more after it), else the last line.
std::string LastErrorLine(std::string_view text);

}  // namespace scry::os
