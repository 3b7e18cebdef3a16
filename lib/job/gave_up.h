// Did a migration fail under load for a transaction that scry added of its own accord, which says
// nothing of the traffic? Used by the during act. Pure.
#pragma once

#include <vector>

#include "base/clock.h"
#include "job/blame.h"
#include "job/load_failures.h"
#include "migration/profile.h"

namespace scry::job {

// REQUIRES: the command failed. `failures`: of its last attempt, which began at `attempt_us`, by
// time: what came after the first may follow from it. Without any, the command gave up by itself.
bool GaveUpBehind(const SupposedHold& supposed, const migration::MigrationProfile& profile,
                  const std::vector<LoadFailure>& failures, base::Micros attempt_us);

}  // namespace scry::job
