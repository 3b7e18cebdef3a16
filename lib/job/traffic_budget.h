// Chooses from captures what can be replayed in a given time (replay/session_choice.h), and knows
// afterwards what of the rest is missed. Used by the jobs that compare. One thread.
#pragma once

#include <cstddef>
#include <cstdint>
#include <functional>
#include <string>
#include <vector>

#include "base/clock.h"
#include "base/result.h"
#include "compare/pattern_table.h"
#include "compare/policy.h"
#include "job/progress.h"
#include "job/replay_selection.h"
#include "job/run_watch.h"
#include "replay/session_choice.h"
#include "report/report.h"

namespace scry::job {

struct BudgetOptions {
  base::Micros budget_us = 0;
  uint64_t seed = 1;
  double speed = 0;  // See replay::ReplayOptions.
  uint64_t lanes = 3;
  compare::LatencyPolicy latency;
};

class TrafficBudget {
 public:
  // Reads the captures and limits `traffic` to the choice. Where whole sessions do not fit, its
  // window is shortened to its beginning, which the lanes' data is nearest to: sessions are then
  // whole up to there. kUsage: a budget too short for anything.
  static base::Result<TrafficBudget> Choose(const BudgetOptions& options,
                                            const std::vector<std::string>& captures,
                                            SelectedTraffic& traffic, const RunWatch& watch,
                                            Progress& progress);

  const report::BudgetFacts& facts() const { return facts_; }
  // Whether the lanes can have the data that a statement of the capture names: no session that is
  // left out had changed it before. Outlived by this.
  compare::PatternTable::Knowable Knowable(size_t capture) const;

 private:
  report::BudgetFacts facts_;
  replay::SessionChoice choice_;
};

}  // namespace scry::job
