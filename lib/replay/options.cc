#include "replay/options.h"

namespace scry::replay {

void ReplayStats::Add(const ReplayStats& other) {
  sessions += other.sessions;
  sessions_excluded += other.sessions_excluded;
  for (const auto& [reason, count] : other.exclusion_reasons) exclusion_reasons[reason] += count;
  exchanges += other.exchanges;
  exchanges_excluded += other.exchanges_excluded;
  statements += other.statements;
  held_up += other.held_up;
  stalls_broken += other.stalls_broken;
  cancelled += other.cancelled;
  gaps += other.gaps;
  gap_exchanges += other.gap_exchanges;
  duration_us += other.duration_us;
}

}  // namespace scry::replay
