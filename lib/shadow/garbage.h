// Clears away what killed processes left: runs, half-made and half-removed shadows, servers, socket
// folders. Called at the start of jobs and by `scry shadow gc`. Any process may do so at any time:
// what is in use has its lock held.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "base/result.h"
#include "shadow/state_dir.h"

namespace scry::shadow {

struct GarbageReport {
  uint64_t runs_removed = 0;
  uint64_t shadows_removed = 0;  // Half-made or half-removed ones.
  uint64_t servers_stopped = 0;
  uint64_t bytes_freed = 0;
  std::vector<std::string> kept_runs;  // Folders kept on purpose.
  std::vector<std::string> failures;   // One line each.
};

base::Result<GarbageReport> CollectGarbage(const StateDir& state, bool kept_runs_too = false);

}  // namespace scry::shadow
