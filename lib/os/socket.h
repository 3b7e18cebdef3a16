// Stream sockets, TCP and Unix: listen, accept, connect, all non-blocking and close-on-exec.
// Thread rule: none; one owner.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string>

#include "base/clock.h"
#include "base/result.h"
#include "os/unique_fd.h"

namespace scry::os {

// Where a server listens.
struct Address {
  std::string host;  // A name or number for TCP, or a folder ("/run/postgresql") for a Unix socket.
  uint16_t port = 5432;
  bool IsUnix() const { return host.starts_with('/'); }
  // "127.0.0.1:5432", "/run/postgresql/.s.PGSQL.5432".
  std::string Text() const;
  // Of a Unix socket.
  std::string Path() const;
};

// "127.0.0.1:6432", ":6432", "6432", "[::1]:6432", "/tmp/folder" or "/tmp/folder:6432". Port 0: a
// free one is chosen.
base::Result<Address> ParseListenAddress(const std::string& text);

struct Listener {
  UniqueFd fd;
  Address address;  // With the port really bound.
};
// A Unix socket gets mode 0700's protection from its folder; the caller removes its file.
base::Result<Listener> Listen(const Address& address);

// The address of `address` that takes connections, as numbers; the first one where none does (it
// may later). Blocks: looks the name up and, where it has several, tries each for at most
// `timeout_us`.
base::Result<Address> FindReachable(const Address& address, base::Micros timeout_us);

// Starts a connection; it is established when the socket becomes writable and ConnectError() is ok.
// Looking a name up blocks: where that matters, give numbers (FindReachable).
base::Result<UniqueFd> StartConnect(const Address& address);
base::Status ConnectError(int fd);

struct Accepted {
  UniqueFd fd;       // Not open: nobody is waiting.
  std::string peer;  // "127.0.0.1:53412", "unix".
};
base::Result<Accepted> Accept(int listener);

enum class IoState : uint8_t { kDone, kWouldBlock, kClosed };
struct IoResult {
  IoState state = IoState::kDone;
  size_t bytes = 0;
  int error = 0;  // errno where kClosed came from an error; 0 for an orderly end.
};
IoResult ReadSome(int fd, char* buffer, size_t size);
IoResult WriteSome(int fd, const char* data, size_t size);

}  // namespace scry::os
