#include "os/socket.h"

#include <arpa/inet.h>
#include <fcntl.h>
#include <fmt/format.h>
#include <netdb.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include <cerrno>
#include <charconv>
#include <cstring>
#include <memory>
#include <optional>
#include <utility>

namespace scry::os {
namespace {

using base::Fail;
using base::FailErrno;
using base::Result;
using base::Status;

constexpr int kBacklog = 1024;

Result<sockaddr_un> UnixAddress(const std::string& path) {
  sockaddr_un address{};
  address.sun_family = AF_UNIX;
  if (path.size() >= sizeof(address.sun_path)) {
    return Fail(
        fmt::format("socket path '{}' is longer than the {} bytes that systems allow; use a "
                    "shorter folder",
                    path, sizeof(address.sun_path) - 1));
  }
  std::memcpy(address.sun_path, path.data(), path.size());
  return address;
}

using AddressList = std::unique_ptr<addrinfo, decltype(&freeaddrinfo)>;

Result<AddressList> Resolve(const Address& address, bool passive) {
  addrinfo hints{};
  hints.ai_family = AF_UNSPEC;
  hints.ai_socktype = SOCK_STREAM;
  hints.ai_flags = AI_NUMERICSERV | (passive ? AI_PASSIVE : 0);
  addrinfo* list = nullptr;
  const std::string port = std::to_string(address.port);
  const int error = getaddrinfo(address.host.empty() ? nullptr : address.host.c_str(), port.c_str(),
                                &hints, &list);
  if (error != 0) {
    return Fail(fmt::format("look-up of host '{}': {}", address.host, gai_strerror(error)));
  }
  return AddressList(list, &freeaddrinfo);
}

// Exchanges are small and wait for each other: Nagle's delay would be measured as latency.
void NoDelay(int fd) {
  const int on = 1;
  setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof(on));
  setsockopt(fd, SOL_SOCKET, SO_KEEPALIVE, &on, sizeof(on));
}

uint16_t BoundPort(int fd) {
  sockaddr_storage storage{};
  socklen_t size = sizeof(storage);
  if (getsockname(fd, reinterpret_cast<sockaddr*>(&storage), &size) != 0) return 0;
  if (storage.ss_family == AF_INET) {
    return ntohs(reinterpret_cast<const sockaddr_in*>(&storage)->sin_port);
  }
  return ntohs(reinterpret_cast<const sockaddr_in6*>(&storage)->sin6_port);
}

Result<Listener> ListenUnix(Address address) {
  if (address.port == 0) address.port = 5432;
  const std::string path = address.Path();
  SCRY_TRY_ASSIGN(const sockaddr_un name, UnixAddress(path));
  UniqueFd fd(socket(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0));
  if (!fd) return FailErrno("socket");
  const mode_t before = umask(0077);
  const int bound = bind(fd.get(), reinterpret_cast<const sockaddr*>(&name), sizeof(name));
  umask(before);
  if (bound != 0) return FailErrno("listen on " + path);
  if (listen(fd.get(), kBacklog) != 0) return FailErrno("listen on " + path);
  return Listener{std::move(fd), address};
}

}  // namespace

std::string Address::Path() const { return fmt::format("{}/.s.PGSQL.{}", host, port); }

std::string Address::Text() const {
  if (IsUnix()) return Path();
  if (host.find(':') != std::string::npos) return fmt::format("[{}]:{}", host, port);
  return fmt::format("{}:{}", host, port);
}

Result<Address> ParseListenAddress(const std::string& text) {
  Address address;
  std::string port = text;
  const size_t colon = text.rfind(':');
  const bool bracketed = text.ends_with(']');
  if (text.starts_with('/') && colon == std::string::npos) {
    address.host = text;
    return address;
  }
  address.host = "127.0.0.1";
  if (colon != std::string::npos && !bracketed) {
    if (colon > 0) address.host = text.substr(0, colon);
    port = text.substr(colon + 1);
  }
  if (address.host.starts_with('[') && address.host.ends_with(']')) {
    address.host = address.host.substr(1, address.host.size() - 2);
  }
  unsigned value = 0;
  const auto [rest, error] = std::from_chars(port.data(), port.data() + port.size(), value);
  if (error != std::errc() || rest != port.data() + port.size() || value > 65535) {
    return Fail(
        base::ErrorCode::kUsage,
        fmt::format("'{}' is no address to listen on; write 127.0.0.1:6432 or a folder for a "
                    "Unix socket",
                    text));
  }
  address.port = static_cast<uint16_t>(value);
  return address;
}

Result<Listener> Listen(const Address& address) {
  if (address.IsUnix()) return ListenUnix(address);
  SCRY_TRY_ASSIGN(const AddressList list, Resolve(address, true));
  UniqueFd fd(socket(list->ai_family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0));
  if (!fd) return FailErrno("socket");
  const int on = 1;
  setsockopt(fd.get(), SOL_SOCKET, SO_REUSEADDR, &on, sizeof(on));
  if (bind(fd.get(), list->ai_addr, list->ai_addrlen) != 0 || listen(fd.get(), kBacklog) != 0) {
    return FailErrno("listen on " + address.Text());
  }
  Address bound = address;
  bound.port = BoundPort(fd.get());
  return Listener{std::move(fd), bound};
}

Result<Address> FindReachable(const Address& address, base::Micros timeout_us) {
  if (address.IsUnix()) return address;
  SCRY_TRY_ASSIGN(const AddressList list, Resolve(address, false));
  std::optional<Address> first;
  for (const addrinfo* at = list.get(); at != nullptr; at = at->ai_next) {
    char host[NI_MAXHOST] = "";
    if (getnameinfo(at->ai_addr, at->ai_addrlen, host, sizeof(host), nullptr, 0, NI_NUMERICHOST) !=
        0) {
      continue;
    }
    const Address numeric{host, address.port};
    if (!first) first = numeric;
    if (list->ai_next == nullptr) break;  // No choice, nothing to try out.
    const auto fd = StartConnect(numeric);
    if (!fd.ok()) continue;
    pollfd writable{fd->get(), POLLOUT, 0};
    if (poll(&writable, 1, static_cast<int>(timeout_us / 1000)) == 1 &&
        ConnectError(fd->get()).ok()) {
      return numeric;
    }
  }
  if (!first) return Fail(fmt::format("host '{}' has no address", address.host));
  return *first;
}

Result<UniqueFd> StartConnect(const Address& address) {
  if (address.IsUnix()) {
    SCRY_TRY_ASSIGN(const sockaddr_un name, UnixAddress(address.Path()));
    UniqueFd fd(socket(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0));
    if (!fd) return FailErrno("socket");
    if (connect(fd.get(), reinterpret_cast<const sockaddr*>(&name), sizeof(name)) != 0) {
      return FailErrno("connect to " + address.Text());
    }
    return fd;
  }
  SCRY_TRY_ASSIGN(const AddressList list, Resolve(address, false));
  base::Error last = Fail("connect to " + address.Text() + ": no address");
  for (const addrinfo* at = list.get(); at != nullptr; at = at->ai_next) {
    UniqueFd fd(socket(at->ai_family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0));
    if (!fd) continue;
    if (connect(fd.get(), at->ai_addr, at->ai_addrlen) == 0 || errno == EINPROGRESS) {
      NoDelay(fd.get());
      return fd;
    }
    last = FailErrno("connect to " + address.Text());
  }
  return last;
}

Status ConnectError(int fd) {
  int error = 0;
  socklen_t size = sizeof(error);
  if (getsockopt(fd, SOL_SOCKET, SO_ERROR, &error, &size) != 0) return FailErrno("getsockopt");
  if (error == 0) return {};
  errno = error;
  return FailErrno("connect");
}

Result<Accepted> Accept(int listener) {
  sockaddr_storage storage{};
  socklen_t size = sizeof(storage);
  UniqueFd fd(accept4(listener, reinterpret_cast<sockaddr*>(&storage), &size,
                      SOCK_NONBLOCK | SOCK_CLOEXEC));
  if (!fd) {
    // ECONNABORTED: the client left the queue before we came; the next one may be there.
    if (errno == EAGAIN || errno == EINTR || errno == ECONNABORTED) return Accepted{};
    return FailErrno("accept");
  }
  Accepted accepted{std::move(fd), "unix"};
  if (storage.ss_family == AF_INET || storage.ss_family == AF_INET6) {
    NoDelay(accepted.fd.get());
    char host[NI_MAXHOST] = "";
    char port[NI_MAXSERV] = "";
    getnameinfo(reinterpret_cast<const sockaddr*>(&storage), size, host, sizeof(host), port,
                sizeof(port), NI_NUMERICHOST | NI_NUMERICSERV);
    accepted.peer = fmt::format("{}:{}", host, port);
  }
  return accepted;
}

IoResult ReadSome(int fd, char* buffer, size_t size) {
  const ssize_t count = recv(fd, buffer, size, 0);
  if (count > 0) return {IoState::kDone, static_cast<size_t>(count), 0};
  if (count == 0) return {IoState::kClosed, 0, 0};
  if (errno == EAGAIN || errno == EINTR) return {IoState::kWouldBlock, 0, 0};
  return {IoState::kClosed, 0, errno};
}

IoResult WriteSome(int fd, const char* data, size_t size) {
  const ssize_t count = send(fd, data, size, MSG_NOSIGNAL);
  if (count >= 0) return {IoState::kDone, static_cast<size_t>(count), 0};
  if (errno == EAGAIN || errno == EINTR) return {IoState::kWouldBlock, 0, 0};
  return {IoState::kClosed, 0, errno};
}

}  // namespace scry::os
