// EXPLAIN of one captured execution on a lane, with its own parameters, as its own role, in a
// transaction that is rolled back. Used by the test-migration job. Blocks.
#pragma once

#include "base/result.h"
#include "explain/plan.h"
#include "pg/conninfo.h"
#include "replay/sample.h"

namespace scry::job {

base::Result<explain::Plan> ExplainSample(const pg::ConnInfo& lane, const replay::Sample& sample);

}  // namespace scry::job
