// Counts what captured statements have to do on each lane (blocks, spills, WAL) with EXPLAIN
// (ANALYZE, BUFFERS, WAL), for the same parameters, in transactions that are rolled back. Runs
// after the replay, when the lanes are warm. What no rollback undoes is not run. Blocks. One
// thread.
#pragma once

#include <cstddef>
#include <cstdint>
#include <map>
#include <string>
#include <vector>

#include "base/clock.h"
#include "base/result.h"
#include "compare/pattern_table.h"
#include "compare/work.h"
#include "event/statement_facts.h"
#include "job/run_watch.h"
#include "replay/replayer.h"
#include "replay/sample.h"

namespace scry::job {

inline constexpr size_t kWorkSamplesPerPattern = 8;
inline constexpr size_t kWorkHeavyPatterns = 200;  // Whatever the number of their calls.
inline constexpr size_t kWorkPatternsMax = 1000;  // With those whose calls are too few for a clock.

// Patterns whose work is not measured, by reason.
struct WorkGaps {
  uint64_t no_plan = 0;       // COPY, utility statements, cursors.
  uint64_t effects = 0;       // No rollback undoes them.
  uint64_t too_many = 0;      // Light ones past the limits.
  uint64_t no_sample = 0;     // Cannot be taken out of their exchange.
  uint64_t does_not_run = 0;  // By itself, on the baseline.
  uint64_t no_time = 0;

  uint64_t total() const {
    return no_plan + effects + too_many + no_sample + does_not_run + no_time;
  }
};

// Which patterns are worth it: the heaviest first.
std::vector<uint64_t> ChooseForWork(const compare::PatternTable& table, uint64_t pairs_enough,
                                    WorkGaps& gaps);

// Whether a rollback undoes what these functions do, as far as their names tell.
bool IsUndoable(const event::StatementFacts& facts);

struct MeasuredWork {
  compare::WorkTable table;
  // Of each of its entries, in their order.
  std::map<uint64_t, std::vector<replay::Sample>> samples;
  // The longest that one of the counted runs took, on any lane. By fingerprint.
  std::map<uint64_t, base::Micros> slowest_us;
};

// `lanes`: in the order of event::LaneRole, or one alone, which then is baseline and candidate.
// `patterns`: those to measure, the most wanted first; `samples` of them. First one sample of each
// pattern, then a second one, until `budget_us` is used up. Fails only where `watch` ends the run.
base::Result<MeasuredWork> MeasureWork(
    const std::vector<replay::LaneTarget>& lanes, const std::vector<uint64_t>& patterns,
    const std::map<uint64_t, std::vector<replay::Sample>>& samples, base::Micros budget_us,
    const RunWatch& watch, event::FactsCache& facts, WorkGaps& gaps);

// "Work was measured for ..."; empty where there are no gaps.
std::string DescribeGaps(const WorkGaps& gaps, size_t measured);

}  // namespace scry::job
