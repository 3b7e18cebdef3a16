// Measures single patterns on baseline and candidate while fixes are tried: what they have to do,
// and how long they take. Used by the prover of fixes. Blocks. One thread.
#pragma once

#include <cstddef>
#include <cstdint>
#include <vector>

#include "base/clock.h"
#include "base/result.h"
#include "compare/pattern_table.h"
#include "compare/work.h"
#include "event/statement_facts.h"
#include "job/run_watch.h"
#include "job/sample_run.h"
#include "replay/replayer.h"
#include "replay/sample.h"

namespace scry::job {

class FixMeter {
 public:
  // All of it outlives the meter. `lanes`: in the order of event::LaneRole. What is measured ends
  // about `ends_us`, of the monotonic clock.
  FixMeter(const std::vector<replay::LaneTarget>& lanes, const ReplayTraffic& replay,
           const RunWatch& watch, event::FactsCache& facts, base::Micros ends_us)
      : lanes_(lanes), replay_(replay), watch_(watch), facts_(facts), ends_us_(ends_us) {}

  base::Micros LeftUs() const { return ends_us_ - base::SystemClock().MonotonicUs(); }
  bool OutOfTime() const { return LeftUs() <= 0; }

  // Those of `samples` that run, in their order. `candidate_only`: of what the baseline cannot run,
  // and of what is compared with the candidate; it stands for both lanes then.
  base::Result<std::vector<compare::WorkSample>> Count(uint64_t fingerprint,
                                                       const std::vector<replay::Sample>& samples,
                                                       bool candidate_only);
  // In rotating order of the lanes.
  base::Status Time(const Samples& samples, compare::PatternTable& timed);

 private:
  const std::vector<replay::LaneTarget>& lanes_;
  const ReplayTraffic& replay_;
  const RunWatch& watch_;
  event::FactsCache& facts_;
  const base::Micros ends_us_;
};

// Medians; 0: none. `lane`: as in event::LaneRole.
double BlocksOf(const std::vector<compare::WorkSample>& counted);      // On the candidate.
double BlocksBefore(const std::vector<compare::WorkSample>& counted);  // On the baseline.
double LatencyOf(const compare::PatternStats* stats, size_t lane);

}  // namespace scry::job
