#include "compare/latency_shape.h"

#include <algorithm>
#include <cmath>
#include <map>

namespace scry::compare {
namespace {

template <typename Samples, typename Of>
LatencyShape Counted(const Samples& samples, Of of) {
  std::map<uint32_t, uint64_t> counts;
  for (const auto& sample : samples) ++counts[ShapeBucket(of(sample))];
  return {counts.begin(), counts.end()};
}

}  // namespace

uint32_t ShapeBucket(uint32_t latency_us) {
  return static_cast<uint32_t>(std::floor(4 * std::log2(std::max<double>(latency_us, 1))));
}

LatencyShape ShapeOf(const PatternStats& stats, size_t lane) {
  return Counted(stats.latencies, [&](const LatencySample& sample) { return sample.us[lane]; });
}

LatencyShape NewShapeOf(const PatternStats& stats, size_t side) {
  return Counted(stats.new_latencies, [&](const auto& sample) { return sample[side]; });
}

}  // namespace scry::compare
