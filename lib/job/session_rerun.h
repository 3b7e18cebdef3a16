// Whole sessions run again, for what cannot be run by itself: a statement that needs a temporary
// table, a savepoint, a prepared statement made in SQL, or the others of its message. The lanes are
// left as the first replay left them, so what it inserted is there already and what it deleted is
// gone; counted is only what ends as it did in production, does the same on every lane, and as a
// write does the work that it did when captured. Writes. Blocks. One thread.
#pragma once

#include <cstdint>
#include <map>
#include <string>
#include <vector>

#include "base/clock.h"
#include "base/result.h"
#include "compare/pattern_table.h"
#include "event/statement_facts.h"
#include "job/capture_traffic.h"
#include "job/sample_run.h"

namespace scry::job {

struct SessionRerun {
  std::vector<std::string> captures;
  OpenTraffic open;
  std::map<uint64_t, uint64_t> pairs_wanted;  // By fingerprint.
  // No further round after so long; the first one takes at most what the replay took.
  base::Micros budget_us = 0;
};

// Runs each session that has any of the patterns, up to `kSessionRoundsMax` times. Pairs of those
// patterns, and of no others, go into `table`.
inline constexpr int kSessionRoundsMax = 3;
base::Status RerunSessions(const SessionRerun& rerun, compare::PatternTable& table,
                           event::FactsCache& facts, const ReplayTraffic& replay);

}  // namespace scry::job
