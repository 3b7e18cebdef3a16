// Replays captures on servers that exist already, side by side, and judges them as the gate judges
// forks: for an upgrade, another machine, another setting. Used by `scry replay --baseline`. One
// thread.
#pragma once

#include <cstdint>
#include <functional>
#include <string>
#include <vector>

#include "base/clock.h"
#include "base/result.h"
#include "compare/policy.h"
#include "config/config.h"
#include "job/progress.h"
#include "job/replay_selection.h"
#include "replay/options.h"
#include "report/report.h"

namespace scry::job {

struct ServerComparisonRequest {
  std::vector<std::string> captures;  // Directories. At least one.
  std::string baseline;               // CONNINFOs.
  std::string candidate;
  std::string control;                       // Empty: none.
  std::vector<config::NamedSource> sources;  // Must never be a target.
  compare::Policy policy;
  ReplaySelection selection;
  base::Micros budget_us = 0;  // So much replay is chosen from that; 0: all of it.
  uint64_t seed = 1;           // Of the choice.
  replay::ReplayOptions replay;
  base::Micros timeout_us = 0;  // Of the whole run; 0: none.
  bool show_values = false;
  std::vector<std::string> notes;  // Sentences for the report.
};

// The report's exit_status is 0, 5 or 6. An Error is everything else.
base::Result<report::Report> RunServerComparison(const ServerComparisonRequest& request,
                                                 Progress& progress,
                                                 const std::function<bool()>& should_stop);

}  // namespace scry::job
