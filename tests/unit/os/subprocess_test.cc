#include "os/subprocess.h"

#include <fcntl.h>
#include <signal.h>
#include <sys/wait.h>
#include <unistd.h>

#include <chrono>
#include <cstdlib>
#include <string>
#include <thread>
#include <vector>

#include "support/catch.h"

using namespace scry;
using namespace scry::os;

namespace {

Program Shell(const std::string& script) {
  Program program;
  program.argv = {"/bin/sh", "-c", script};
  return program;
}

Finished Ran(const Program& program, const RunLimits& limits = {}) {
  auto finished = RunProgram(program, limits);
  INFO((finished.ok() ? "" : finished.error().message));
  REQUIRE(finished.ok());
  return *finished;
}

bool GoneSoon(pid_t pid) {
  for (int i = 0; i < 1000; ++i) {
    if (kill(pid, 0) != 0) return true;
    std::this_thread::sleep_for(std::chrono::milliseconds(10));
  }
  return false;
}

}  // namespace

TEST_CASE("arguments reach the program as they are, never through a shell", "[os]") {
  Program program;
  program.argv = {"printf", "%s|", "a b", "$HOME", "'\"`;", "", "ü\n"};
  CHECK(Ran(program).out == "a b|$HOME|'\"`;||ü\n|");
}

TEST_CASE("the environment is the one given and nothing else", "[os]") {
  Program program;
  program.argv = {"env"};
  program.environment = Environment{"PATH=/usr/bin:/bin", "A=1"};
  CHECK(Ran(program).out == "PATH=/usr/bin:/bin\nA=1\n");
  Environment environment{"A=1", "AB=2"};
  SetVariable(environment, "A", "3=x");
  CHECK(GetVariable(environment, "A") == "3=x");
  CHECK(GetVariable(environment, "AB") == "2");
  DropVariable(environment, "A");
  CHECK_FALSE(GetVariable(environment, "A"));
}

TEST_CASE("status, signal, timeout and stop are told apart", "[os]") {
  CHECK(Ran(Shell("exit 7")).exit_code == 7);
  CHECK(Ran(Shell("exit 7")).Describe() == "exited with status 7");
  const Finished killed = Ran(Shell("kill -TERM $$"));
  CHECK(killed.end == EndKind::kSignaled);
  CHECK(killed.signal_number == SIGTERM);
  RunLimits limits;
  limits.timeout_us = 30000;
  CHECK(Ran(Shell("sleep 1000"), limits).end == EndKind::kTimedOut);
  limits.grace_us = 30000;
  const Finished stubborn =
      Ran(Shell("trap '' TERM; echo here; while :; do sleep 0.01; done"), limits);
  CHECK(stubborn.end == EndKind::kTimedOut);

  std::stop_source source;
  source.request_stop();
  RunLimits stopped;
  stopped.stop = source.get_token();
  CHECK(Ran(Shell("sleep 1000"), stopped).end == EndKind::kStopped);
  int ends[2];
  REQUIRE(pipe2(ends, O_CLOEXEC) == 0);
  REQUIRE(write(ends[1], "x", 1) == 1);
  RunLimits by_fd;
  by_fd.stop_fd = ends[0];
  CHECK(Ran(Shell("sleep 1000"), by_fd).end == EndKind::kStopped);
  close(ends[0]);
  close(ends[1]);
}

TEST_CASE("a program that cannot start is an error with a reason", "[os]") {
  Program program;
  program.argv = {"no-such-program-anywhere"};
  CHECK(RunProgram(program).error().code == base::ErrorCode::kNotFound);
  program.argv = {"/etc/passwd"};
  CHECK(RunProgram(program).error().message.find("Permission denied") != std::string::npos);
  program = Shell("true");
  program.directory = "/no/such/folder";
  CHECK(RunProgram(program).error().message.find("/no/such/folder") != std::string::npos);
  program.argv.clear();
  CHECK_FALSE(RunProgram(program).ok());
}

TEST_CASE("the end of the output is kept, within its limit", "[os]") {
  Program program = Shell("i=0; while [ $i -lt 3000 ]; do echo $i; i=$((i+1)); done");
  program.out.keep_bytes = 100;
  std::vector<std::string> lines;
  program.out.on_line = [&](std::string_view line) { lines.emplace_back(line); };
  const Finished finished = Ran(program);
  CHECK(finished.out.size() == 100);
  CHECK(finished.out.ends_with("2998\n2999\n"));
  CHECK(finished.out_cut);
  REQUIRE(lines.size() == 3000);
  CHECK(lines[0] == "0");
  CHECK(lines[2999] == "2999");

  TailBuffer tail(5);
  std::string all;
  for (int i = 0; i < 200; ++i) {
    const std::string piece(static_cast<size_t>(i % 9), static_cast<char>('a' + i % 26));
    tail.Append(piece);
    all += piece;
    CHECK(tail.Text() == all.substr(all.size() - std::min<size_t>(5, all.size())));
  }
}

TEST_CASE("text given as input arrives, however large, and its reader may leave early", "[os]") {
  Program program;
  program.argv = {"wc", "-c"};
  program.input = InputFrom::kText;
  program.input_text = std::string(3000000, 'x');
  signal(SIGPIPE, SIG_IGN);
  CHECK(Ran(program).out == "3000000\n");
  program.argv = {"head", "-c", "1"};
  CHECK(Ran(program).out == "x");
}

TEST_CASE("what a program leaves running in its group is ended with it", "[os]") {
  const Finished finished = Ran(Shell("sleep 1000 & echo $!"));
  CHECK(finished.exit_code == 0);
  CHECK(GoneSoon(std::atoi(finished.out.c_str())));
}

TEST_CASE("no descriptor of ours leaks into a program", "[os]") {
  const int open_fd = open("/dev/null", O_RDONLY);  // Without O_CLOEXEC, as libraries do.
  const Finished finished = Ran(Shell("ls /proc/$$/fd"));
  CHECK(finished.out.find("\n" + std::to_string(open_fd) + "\n") == std::string::npos);
  close(open_fd);
}

TEST_CASE("a child can be polled, waited for and ended with its group", "[os]") {
  auto quick = ChildProcess::Start(Shell("exit 4"));
  REQUIRE(quick.ok());
  const auto status = quick->WaitFor(60000000);
  REQUIRE(status);
  CHECK(status->exit_code == 4);

  auto slow = ChildProcess::Start(Shell("sleep 1000"));
  REQUIRE(slow.ok());
  CHECK_FALSE(slow->Poll());
  CHECK_FALSE(slow->WaitFor(1000));
  CHECK(getpgid(slow->pid()) == slow->pid());
  CHECK(slow->Terminate(10000000).signal_number == SIGTERM);

  pid_t pid = 0;
  {
    auto dropped = ChildProcess::Start(Shell("sleep 1000"));
    REQUIRE(dropped.ok());
    pid = dropped->pid();
  }
  CHECK(kill(pid, 0) != 0);
}

TEST_CASE("a child with a death signal outlives the thread that started it, not the process",
          "[os]") {
  int ends[2];
  REQUIRE(pipe2(ends, O_CLOEXEC) == 0);
  const pid_t parent = fork();
  if (parent == 0) {
    pid_t pid = 0;
    std::optional<ChildProcess> child;
    std::thread([&] {
      Program program = Shell("exec sleep 1000");
      program.death_signal = SIGKILL;
      auto started = ChildProcess::Start(program);
      if (!started.ok()) _exit(1);
      child.emplace(std::move(*started));
      pid = child->pid();
    }).join();
    std::this_thread::sleep_for(std::chrono::milliseconds(100));
    if (child->Poll()) _exit(2);
    if (write(ends[1], &pid, sizeof(pid)) != sizeof(pid)) _exit(3);
    for (;;) pause();
  }
  close(ends[1]);
  pid_t pid = 0;
  const ssize_t got = read(ends[0], &pid, sizeof(pid));
  close(ends[0]);
  REQUIRE(got == static_cast<ssize_t>(sizeof(pid)));
  CHECK(kill(pid, 0) == 0);
  kill(parent, SIGKILL);
  waitpid(parent, nullptr, 0);
  CHECK(GoneSoon(pid));
}

TEST_CASE("the last line and the last error of a program's words are found", "[os]") {
  CHECK(LastLine("a\nb\n\n \n") == "b");
  CHECK(LastLine("") == "");
  CHECK(LastErrorLine("pg_x: error: broken\npg_x: removing folder\n") == "pg_x: error: broken");
  CHECK(LastErrorLine("just this\n") == "just this");
}
