// How the latencies of one pattern are spread on one lane: counts in logarithmic buckets, for
// charts. Bounded: some 30 buckets, however many calls. Pure.
#pragma once

#include <cstddef>
#include <cstdint>
#include <utility>
#include <vector>

#include "compare/pattern_table.h"

namespace scry::compare {

// Four buckets to each doubling: bucket b holds what takes from 2^(b/4) microseconds up to the next
// one's. Ascending by bucket, none empty.
using LatencyShape = std::vector<std::pair<uint32_t, uint64_t>>;

// That a latency of so many microseconds falls into; below one microsecond: 0.
uint32_t ShapeBucket(uint32_t latency_us);

// Of the pairs that the table sampled, on a lane in the order of event::LaneRole.
LatencyShape ShapeOf(const PatternStats& stats, size_t lane);
// Of a query that the change introduces: when captured (0), and on the candidate (1).
LatencyShape NewShapeOf(const PatternStats& stats, size_t side);

}  // namespace scry::compare
