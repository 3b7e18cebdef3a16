// EXPLAIN (ANALYZE) of one captured execution on a lane, with its own parameters, as its own role,
// in a transaction that is rolled back. Used by the test-migration job. Blocks.
#pragma once

#include <vector>

#include "base/result.h"
#include "explain/plan.h"
#include "pg/conninfo.h"
#include "replay/replayer.h"
#include "replay/sample.h"
#include "report/report.h"

namespace scry::job {

base::Result<explain::Plan> ExplainSample(const pg::ConnInfo& lane, const replay::Sample& sample);

// On baseline and candidate, those in the order of event::LaneRole; empty where it does not run.
report::PlanText PlansOf(const std::vector<replay::LaneTarget>& lanes,
                         const replay::Sample& sample);

}  // namespace scry::job
