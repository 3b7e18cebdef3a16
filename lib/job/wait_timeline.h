// How many queries waited for a migration, second by second. Filled from what blame found, for the
// report of the during act. Pure.
#pragma once

#include <cstddef>
#include <vector>

#include "base/clock.h"
#include "report/report.h"

namespace scry::job {

// Times are those of the clock's monotonic time.
struct QueryWait {
  size_t query = 0;  // Equal for the waits of one query.
  base::Micros begin_us = 0;
  base::Micros end_us = 0;
};

struct WaitTimeline {
  base::Micros step_us = 0;
  std::vector<report::WaitStep> steps;  // From `from_us` to `until_us`, none left out.
};

inline constexpr base::Micros kTimelineStepUs = 1000 * 1000;
// A longer run has wider steps, so that nothing of it is left out.
inline constexpr size_t kTimelineStepsMax = 120;

// Waits before `from_us` count from there on, those after `until_us` up to there.
WaitTimeline MakeWaitTimeline(const std::vector<QueryWait>& waits, base::Micros from_us,
                              base::Micros until_us);

}  // namespace scry::job
