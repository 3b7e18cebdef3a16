#include "replay/options.h"

#include <algorithm>

namespace scry::replay {

void IdentityStats::Add(const IdentityStats& other) {
  functions_unknown += other.functions_unknown;
}

void ReplayStats::Add(const ReplayStats& other) {
  sessions += other.sessions;
  sessions_excluded += other.sessions_excluded;
  for (const auto& [reason, count] : other.exclusion_reasons) exclusion_reasons[reason] += count;
  exchanges += other.exchanges;
  exchanges_excluded += other.exchanges_excluded;
  statements += other.statements;
  races_withdrawn += other.races_withdrawn;
  held_up += other.held_up;
  stalls_broken += other.stalls_broken;
  cancelled += other.cancelled;
  cancel_requests += other.cancel_requests;
  cancels_missed += other.cancels_missed;
  gaps += other.gaps;
  gap_exchanges += other.gap_exchanges;
  order_wait_us += other.order_wait_us;
  tool_wait_us += other.tool_wait_us;
  lag_us_max = std::max(lag_us_max, other.lag_us_max);
  lag.Merge(other.lag);
  server_wait_us += other.server_wait_us;
  duration_us += other.duration_us;
  identity.Add(other.identity);
  notes.insert(notes.end(), other.notes.begin(), other.notes.end());
}

}  // namespace scry::replay
