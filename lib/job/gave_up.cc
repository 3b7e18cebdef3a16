#include "job/gave_up.h"

#include <algorithm>

namespace scry::job {
namespace {

using base::Micros;
using migration::LockWaitEvent;

// The log has milliseconds.
constexpr Micros kSlackUs = 3000;

bool IsBehind(const LockWaitEvent& wait, const SupposedHold& supposed) {
  return wait.end != LockWaitEvent::End::kGranted &&
         std::find(wait.holders.begin(), wait.holders.end(), supposed.pid) != wait.holders.end();
}

}  // namespace

bool GaveUpBehind(const SupposedHold& supposed, const migration::MigrationProfile& profile,
                  const std::vector<LoadFailure>& failures, Micros attempt_us) {
  if (supposed.pid == 0) return false;
  const auto of_migration = [&](const LockWaitEvent& wait) {
    return std::any_of(profile.statements.begin(), profile.statements.end(),
                       [&](const auto& statement) { return statement.pid == wait.pid; });
  };
  if (failures.empty()) {
    return std::any_of(profile.waits.begin(), profile.waits.end(), [&](const auto& wait) {
      return wait.begin_wall_us + kSlackUs >= attempt_us && of_migration(wait) &&
             IsBehind(wait, supposed);
    });
  }
  const migration::StatementProfile& failed = *failures.front().statement;
  bool waited = false;
  for (const LockWaitEvent& wait : profile.waits) {
    if (wait.pid != failed.pid || wait.begin_wall_us + kSlackUs < failed.begin_us) continue;
    if (wait.begin_wall_us > failed.end_us + kSlackUs) continue;
    if (IsBehind(wait, supposed)) return true;
    waited = true;
  }
  // NOWAIT, and a lock_timeout too short to be logged, leave no wait.
  return !waited && failed.sqlstate == "55P03" && failed.begin_us < supposed.end_us;
}

}  // namespace scry::job
