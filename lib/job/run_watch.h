// What may end a run before its time: Ctrl-C and the user's time limit; and replay under that
// watch, with its progress shown. Used by the jobs that replay. One thread.
#pragma once

#include <cstdint>
#include <functional>
#include <stop_token>
#include <string>
#include <vector>

#include "base/clock.h"
#include "base/result.h"
#include "event/event_source.h"
#include "event/lane_pair.h"
#include "event/statement_facts.h"
#include "job/progress.h"
#include "replay/replayer.h"

namespace scry::job {

class RunWatch {
 public:
  // The clock starts here. `timeout_us`: 0 is none. `should_stop` outlives it.
  RunWatch(base::Micros timeout_us, const std::function<bool()>& should_stop);

  // kInterrupted or kTimeout once the run should end.
  base::Status Check() const;
  bool OutOfTime() const;
  bool ShouldStop() const { return should_stop_(); }
  bool limited() const { return timeout_us_ > 0; }
  // At least 1. REQUIRES: limited().
  base::Micros LeftUs() const;

 private:
  const base::Micros timeout_us_;
  const std::function<bool()>& should_stop_;
  const base::Micros started_us_;
};

// Sleeps until a moment of monotonic time; false: stopped before.
bool SleepUntil(base::Micros at_us, const std::stop_token& stop);
// The same, for whom the watch ends.
base::Status SleepUntil(base::Micros at_us, const RunWatch& watch);

// What is replayed, and how much of it there is, for progress. 0: unknown; how far it is read
// tells.
struct Traffic {
  event::EventSource& source;
  uint64_t statements = 0;
};

// Replay() that ends with the watch.
base::Result<replay::ReplayStats> WatchedReplay(const std::vector<replay::LaneTarget>& lanes,
                                                Traffic traffic, event::PairSink& sink,
                                                event::FactsCache& facts,
                                                const replay::ReplayOptions& options,
                                                const RunWatch& watch, Progress& progress);

// "41,200 statements, 3100/s".
std::string RateText(uint64_t statements, base::Micros duration_us);

}  // namespace scry::job
