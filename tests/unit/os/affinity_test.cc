#include "os/affinity.h"

#include <sched.h>
#include <signal.h>
#include <sys/wait.h>
#include <unistd.h>

#include "support/catch.h"

using namespace scry::os;

TEST_CASE("a process that is pinned runs on that CPU alone", "[os]") {
  const std::vector<int> cpus = UsableCpus();
  REQUIRE_FALSE(cpus.empty());
  const pid_t child = fork();
  if (child == 0) {
    pause();
    _exit(0);
  }
  REQUIRE(child > 0);
  CHECK(PinToCpu(static_cast<uint32_t>(child), cpus.back()));
  cpu_set_t set;
  CPU_ZERO(&set);
  CHECK(sched_getaffinity(child, sizeof(set), &set) == 0);
  CHECK(CPU_COUNT(&set) == 1);
  CHECK(CPU_ISSET(static_cast<size_t>(cpus.back()), &set));
  kill(child, SIGKILL);
  waitpid(child, nullptr, 0);
  CHECK_FALSE(PinToCpu(static_cast<uint32_t>(child), cpus.back()));
  // 0 would be this process itself.
  CHECK_FALSE(PinToCpu(0, cpus.back()));
  CHECK_FALSE(PinToCpu(static_cast<uint32_t>(getpid()), -1));
  CHECK(UsableCpus() == cpus);
}
