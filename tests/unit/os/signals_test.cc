#include "os/signals.h"

#include <poll.h>
#include <signal.h>
#include <unistd.h>

#include "support/catch.h"

using scry::os::InterruptFlag;

TEST_CASE("an interrupt sets the flag and makes its descriptor readable, for ever", "[os]") {
  auto flag = InterruptFlag::Install();
  REQUIRE(flag.ok());
  CHECK_FALSE(flag->Requested());
  pollfd fd{flag->fd(), POLLIN, 0};
  CHECK(poll(&fd, 1, 0) == 0);
  kill(getpid(), SIGTERM);
  CHECK(poll(&fd, 1, 10000) == 1);
  CHECK(flag->Requested());
  CHECK(flag->signal_number() == SIGTERM);
  CHECK(poll(&fd, 1, 0) == 1);
  flag->Clear();
  CHECK_FALSE(flag->Requested());
  CHECK(poll(&fd, 1, 0) == 0);
}
