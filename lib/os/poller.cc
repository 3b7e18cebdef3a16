#include "os/poller.h"

#include <sys/epoll.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <utility>

namespace scry::os {
namespace {

constexpr size_t kEventsMax = 256;

epoll_event Wanted(uint64_t token, bool read, bool write) {
  epoll_event event{};
  event.events = (read ? EPOLLIN | EPOLLRDHUP : 0U) | (write ? EPOLLOUT : 0U);
  event.data.u64 = token;
  return event;
}

}  // namespace

base::Result<Poller> Poller::Open() {
  const int fd = epoll_create1(EPOLL_CLOEXEC);
  if (fd < 0) return base::FailErrno("epoll_create1");
  return Poller(fd);
}

Poller::Poller(Poller&& other) noexcept
    : fd_(std::exchange(other.fd_, -1)), ready_(std::move(other.ready_)) {}

Poller& Poller::operator=(Poller&& other) noexcept {
  std::swap(fd_, other.fd_);
  std::swap(ready_, other.ready_);
  return *this;
}

Poller::~Poller() {
  if (fd_ >= 0) close(fd_);
}

base::Status Poller::Add(int fd, uint64_t token, bool read, bool write) {
  epoll_event event = Wanted(token, read, write);
  if (epoll_ctl(fd_, EPOLL_CTL_ADD, fd, &event) != 0) return base::FailErrno("epoll_ctl add");
  return {};
}

base::Status Poller::Change(int fd, uint64_t token, bool read, bool write) {
  epoll_event event = Wanted(token, read, write);
  if (epoll_ctl(fd_, EPOLL_CTL_MOD, fd, &event) != 0) return base::FailErrno("epoll_ctl mod");
  return {};
}

void Poller::Remove(int fd) { epoll_ctl(fd_, EPOLL_CTL_DEL, fd, nullptr); }

base::Result<const std::vector<Readiness>*> Poller::Wait(base::Micros timeout_us) {
  std::array<epoll_event, kEventsMax> events{};
  // Rounded up: a timeout of 0.4 ms that became 0 would spin.
  const int timeout_ms =
      timeout_us < 0 ? -1
                     : static_cast<int>(std::min<base::Micros>((timeout_us + 999) / 1000, 3600000));
  const int count = epoll_wait(fd_, events.data(), static_cast<int>(events.size()), timeout_ms);
  ready_.clear();
  if (count < 0 && errno != EINTR) return base::FailErrno("epoll_wait");
  for (int i = 0; i < count; ++i) {
    const epoll_event& event = events[static_cast<size_t>(i)];
    Readiness& ready = ready_.emplace_back();
    ready.token = event.data.u64;
    ready.readable = (event.events & (EPOLLIN | EPOLLRDHUP | EPOLLHUP | EPOLLERR)) != 0;
    ready.writable = (event.events & (EPOLLOUT | EPOLLERR)) != 0;
  }
  return &ready_;
}

}  // namespace scry::os
