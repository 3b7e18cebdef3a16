// Capture, whole: relay in front of a server, log on disk, and (if given) a command that runs
// against it. Owns the writer's thread through querylog; the relay runs on the calling thread.
#pragma once

#include <cstdint>
#include <functional>
#include <optional>
#include <string>
#include <vector>

#include "base/clock.h"
#include "base/result.h"
#include "job/progress.h"

namespace scry::job {

struct CaptureRequest {
  std::string upstream;   // CONNINFO of the server.
  std::string listen;     // "127.0.0.1:0" when empty.
  std::string directory;  // Of the capture; must not hold one.
  std::optional<base::Micros> for_us;
  std::vector<std::string> command;  // Run with DATABASE_URL and PG* pointing at the proxy.
  uint64_t queue_bytes = 64 * 1024 * 1024;
  // Told once, before the first client can connect: where the proxy listens.
  std::function<void(const std::string& host, uint16_t port)> on_listening;
};

struct CaptureSummary {
  std::string listen;
  base::Micros duration_us = 0;
  uint64_t sessions = 0;
  uint64_t exchanges = 0;       // Recorded.
  uint64_t exchanges_lost = 0;  // In gaps.
  uint64_t bytes_written = 0;
  std::string last_error;        // Of the log's writer; empty: none.
  std::optional<int> exit_code;  // Of the command.
};

// Ends when the command ends, when the time is over, or when `should_stop` says so (the first two
// and the last are all ways to end well). The command's exit status is in the summary.
base::Result<CaptureSummary> RunCapture(const CaptureRequest& request, Progress& progress,
                                        const std::function<bool()>& should_stop);

}  // namespace scry::job
