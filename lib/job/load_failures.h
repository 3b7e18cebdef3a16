// Which statements of a migration fail while traffic runs and do not without, whatever the command
// makes of that: psql goes on and exits with 0. Used by the during act. Pure.
#pragma once

#include <vector>

#include "base/clock.h"
#include "migration/profile.h"

namespace scry::job {

// The command was run from then to then, and once more after that.
struct GivenUp {
  base::Micros begin_us = 0;  // Monotonic time.
  base::Micros end_us = 0;
};

struct LoadFailure {
  const migration::StatementProfile* statement = nullptr;  // Of the run under load.
  // It had succeeded in an attempt that was given up: the command cannot be run twice.
  bool repeated = false;
};

// At most one for each fingerprint, by time. What succeeds in the end, as the command tries again
// of its own accord, is none; nor is what fails in a transaction that is lost already.
std::vector<LoadFailure> FailuresUnderLoad(const std::vector<migration::StatementProfile>& idle,
                                           const std::vector<migration::StatementProfile>& load,
                                           const std::vector<GivenUp>& attempts);

}  // namespace scry::job
