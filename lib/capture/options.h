// How a capture listens and what it keeps. Plain values.
#pragma once

#include <cstdint>
#include <string>
#include <utility>
#include <vector>

namespace scry::capture {

struct RelayOptions {
  // Where clients connect: "127.0.0.1:0" (a free port), "127.0.0.1:6432" or a folder for a Unix
  // socket.
  std::string listen = "127.0.0.1:0";
  // The server: a host name, number or socket folder, and a port.
  std::string upstream_host;
  uint16_t upstream_port = 5432;
  // An exchange whose frontend bytes exceed this is forwarded, not recorded, and counted as a gap.
  uint64_t exchange_bytes_max = 16 * 1024 * 1024;
  // The sink hears of an exchange before its last bytes go on to the client, who therefore has not
  // sent anything further: what a sink looks up then (locks of an open transaction) is still as the
  // exchange left it. Forwarding waits for the sink: never where the server is somebody's own.
  bool tell_first = false;
  // Settings that every session begins with, but where its client brings its own. Never where the
  // server is somebody's own.
  std::vector<std::pair<std::string, std::string>> settings;
};

}  // namespace scry::capture
