#include "os/signals.h"

#include <fcntl.h>
#include <signal.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include <atomic>
#include <cerrno>
#include <cstdint>

namespace scry::os {
namespace {

// Touched by the signal handler: lock-free atomics only.
std::atomic<int> first_signal{0};
std::atomic<int> signal_count{0};
std::atomic<int> wake_fd{-1};
static_assert(std::atomic<int>::is_always_lock_free);

void OnSignal(int number) {
  const int saved = errno;
  int none = 0;
  first_signal.compare_exchange_strong(none, number);
  const uint64_t one = 1;
  const ssize_t ignored = write(wake_fd.load(), &one, sizeof(one));
  static_cast<void>(ignored);  // Full means it is readable already.
  if (signal_count.fetch_add(1) + 1 >= 3) {
    // Private servers end with us (parent-death signal); folders are left to the next clean-up.
    signal(number, SIG_DFL);
    raise(number);
  }
  errno = saved;
}

}  // namespace

base::Result<InterruptFlag> InterruptFlag::Install() {
  if (wake_fd.load() < 0) {
    const int fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
    if (fd < 0) return base::FailErrno("make an event descriptor");
    wake_fd.store(fd);
    struct sigaction action {};
    action.sa_handler = OnSignal;
    sigemptyset(&action.sa_mask);
    action.sa_flags = SA_RESTART;
    for (const int number : {SIGINT, SIGTERM, SIGHUP}) {
      struct sigaction old {};
      // nohup and CI runners start programs with SIGHUP ignored, on purpose.
      if (sigaction(number, nullptr, &old) == 0 && old.sa_handler == SIG_IGN) continue;
      if (sigaction(number, &action, nullptr) != 0) return base::FailErrno("catch signals");
    }
  }
  IgnoreBrokenPipes();
  return InterruptFlag();
}

bool InterruptFlag::Requested() const { return first_signal.load() != 0; }
int InterruptFlag::signal_number() const { return first_signal.load(); }
int InterruptFlag::fd() const { return wake_fd.load(); }

void InterruptFlag::Clear() {
  uint64_t count = 0;
  const ssize_t ignored = read(wake_fd.load(), &count, sizeof(count));
  static_cast<void>(ignored);  // Nothing to read: it was clear.
  signal_count.store(0);
  first_signal.store(0);
}

void IgnoreBrokenPipes() { signal(SIGPIPE, SIG_IGN); }

}  // namespace scry::os
