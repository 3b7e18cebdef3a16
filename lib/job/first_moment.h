// What a migration leaves behind until autovacuum has passed: runs a sample of the statements that
// read or write what it touched, right after it and before VACUUM (ANALYZE), by themselves on all
// lanes, and rolls each back. INSERTs are left out: they have no plan to go wrong, and rolled back
// they would still draw from sequences. Used by Comparison. Blocks. One thread.
#pragma once

#include <cstdint>
#include <functional>
#include <map>
#include <string>
#include <vector>

#include "base/clock.h"
#include "base/result.h"
#include "compare/moments.h"
#include "compare/policy.h"
#include "event/event_source.h"
#include "event/lane_pair.h"
#include "event/statement_facts.h"
#include "job/capture_traffic.h"
#include "job/plan_probe.h"
#include "job/run_watch.h"
#include "job/sample_run.h"
#include "migration/touched_tables.h"
#include "replay/replayer.h"

namespace scry::job {

struct FirstMomentRequest {
  const std::vector<std::string>& captures;
  const OpenTraffic& open;
  const compare::Policy& policy;
  const std::vector<migration::TouchedRelation>& touched;
  const std::vector<replay::LaneTarget>& lanes;
  base::Micros budget_us = 0;  // Of both halves together: counting work, and the clock.
  ReplayTraffic replay;
};

struct FirstMomentResult {
  compare::FirstMoment moment;
  // Of what was bad: VACUUM (ANALYZE) takes the plans away with it. By fingerprint.
  std::map<uint64_t, PlanPair> plans;
};

// Fails only where `watch` ends the run, a capture cannot be read, or a lane is lost.
base::Result<FirstMomentResult> MeasureFirstMoment(const FirstMomentRequest& request,
                                                   const RunWatch& watch, event::FactsCache& facts);

}  // namespace scry::job
