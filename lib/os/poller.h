// Level-triggered epoll: which descriptors can be read or written. Used by the relay's and the
// replayer's loops. One thread; tokens are the caller's own and come back as given.
#pragma once

#include <cstdint>
#include <vector>

#include "base/clock.h"
#include "base/result.h"

namespace scry::os {

struct Readiness {
  uint64_t token = 0;
  bool readable = false;  // Also end of file and errors: reading tells.
  bool writable = false;
};

class Poller {
 public:
  static base::Result<Poller> Open();
  Poller(Poller&& other) noexcept;
  Poller& operator=(Poller&& other) noexcept;
  Poller(const Poller&) = delete;
  Poller& operator=(const Poller&) = delete;
  ~Poller();

  base::Status Add(int fd, uint64_t token, bool read, bool write);
  base::Status Change(int fd, uint64_t token, bool read, bool write);
  // Before the descriptor is closed.
  void Remove(int fd);

  // Waits at most `timeout_us` (negative: for ever). The view is valid until the next call.
  base::Result<const std::vector<Readiness>*> Wait(base::Micros timeout_us);

 private:
  explicit Poller(int fd) : fd_(fd) {}
  int fd_ = -1;
  std::vector<Readiness> ready_;
};

}  // namespace scry::os
