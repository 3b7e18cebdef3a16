// EXPLAIN (ANALYZE) of one captured execution on a lane, with its own parameters, as its own role
// and planned as in its session, in a transaction that is rolled back. Used by the test-migration
// job. Blocks.
#pragma once

#include <optional>
#include <vector>

#include "base/result.h"
#include "explain/plan.h"
#include "pg/conninfo.h"
#include "replay/replayer.h"
#include "replay/sample.h"
#include "report/report.h"

namespace scry::job {

// `pattern`: samples of the same pattern, as SampleStatement::Prepare() takes them.
base::Result<explain::Plan> ExplainSample(const pg::ConnInfo& lane, const replay::Sample& sample,
                                          const std::vector<replay::Sample>& pattern);

// On baseline and candidate; empty where it does not run.
struct PlanPair {
  std::optional<explain::Plan> before;
  std::optional<explain::Plan> after;
};
// `lanes`: in the order of event::LaneRole.
PlanPair ExplainPair(const std::vector<replay::LaneTarget>& lanes, const replay::Sample& sample,
                     const std::vector<replay::Sample>& pattern);

// As the report tells them.
report::PlanText TextOf(const PlanPair& plans);

}  // namespace scry::job
