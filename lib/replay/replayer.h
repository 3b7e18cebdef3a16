// Replays a capture on several lanes at once and yields one pair per statement. Used by the jobs.
// One thread, one loop: all sessions of all lanes; the sink is called from it.
//
//   source -> [window] -> sessions' queues -> order says when -> every lane, in rotating order ->
//   pairs
#pragma once

#include <functional>
#include <string>
#include <vector>

#include "base/clock.h"
#include "base/result.h"
#include "event/event_source.h"
#include "event/lane_pair.h"
#include "event/statement_facts.h"
#include "pg/conninfo.h"
#include "replay/options.h"

namespace scry::replay {

struct LaneTarget {
  std::string name;  // "baseline"; for messages.
  // The private server's socket and its superuser. Captured sessions connect as their own roles.
  // The caller has checked the shadow marker.
  pg::ConnInfo info;
};

// Called about ten times a second. False stops the replay (kInterrupted).
using ReplayTick = std::function<bool(const ReplayStats&)>;

// Ends by itself, whatever the capture holds. Fails when a lane's server ends or a source breaks.
base::Result<ReplayStats> Replay(const std::vector<LaneTarget>& lanes, event::EventSource& source,
                                 event::PairSink& sink, event::FactsCache& facts,
                                 const ReplayOptions& options, const base::Clock& clock,
                                 const ReplayTick& tick);

}  // namespace scry::replay
