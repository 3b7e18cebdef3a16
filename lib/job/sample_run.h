// Samples run again on all lanes, each in a transaction that is rolled back, and counted by
// pattern. Used by what confirms, looks at the first moment and tries fixes. Blocks. One thread.
#pragma once

#include <cstddef>
#include <cstdint>
#include <functional>
#include <map>
#include <vector>

#include "base/result.h"
#include "compare/pattern_table.h"
#include "event/lane_pair.h"
#include "event/statement_facts.h"
#include "job/run_watch.h"
#include "replay/sample.h"

namespace scry::job {

// By fingerprint.
using Samples = std::map<uint64_t, std::vector<replay::Sample>>;
// Replays traffic on all lanes.
using ReplayTraffic = std::function<base::Status(Traffic traffic, event::PairSink& sink)>;

// Repeats what was drawn until there are `count` of them, or drops what is more. REQUIRES: some.
void RepeatTo(std::vector<replay::Sample>& samples, size_t count);

// In a random order by `seed`. Counted in `table` is only what the samples are about, not the BEGIN
// and ROLLBACK around each, and of it what does the work that it did when captured.
base::Status RunSamples(const Samples& samples, uint64_t seed, compare::PatternTable& table,
                        event::FactsCache& facts, const ReplayTraffic& replay);

}  // namespace scry::job
