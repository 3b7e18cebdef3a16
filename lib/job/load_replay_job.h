// Replays captures on one server that exists already, for sizing a machine, a version or a setting.
// Compares nothing. Used by `scry replay --target`. Called from one thread; replays in several.
#pragma once

#include <cstddef>
#include <functional>
#include <string>
#include <vector>

#include "base/clock.h"
#include "base/result.h"
#include "config/config.h"
#include "job/progress.h"
#include "job/replay_selection.h"
#include "replay/options.h"
#include "report/load_report.h"

namespace scry::job {

inline constexpr size_t kPipelineMax = 32;

struct LoadReplayRequest {
  std::vector<std::string> captures;  // Directories, replayed one after the other. At least one.
  std::string target;                 // CONNINFO.
  std::vector<config::NamedSource> sources;  // Must never be a target.
  ReplaySelection selection;
  std::vector<std::string> filters;  // The selection as the user gave it, for the report.
  replay::ReplayOptions replay;
  size_t jobs = 0;              // Threads that share the sessions; 0: as many as serve it.
  size_t pipeline = 0;          // 1 to kPipelineMax; 0: likewise; see ReplayOptions.
  base::Micros timeout_us = 0;  // Of the whole run; 0: none.
};

// kUsage: the target carries no mark and would be written to. kInconclusive: nothing was replayed.
base::Result<report::LoadReport> RunLoadReplay(const LoadReplayRequest& request, Progress& progress,
                                               const std::function<bool()>& should_stop);

// report.json and report.txt in `directory`, which is made.
base::Status WriteLoadReportFiles(const report::LoadReport& report, const std::string& directory);

}  // namespace scry::job
