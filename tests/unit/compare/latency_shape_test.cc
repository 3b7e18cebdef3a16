#include "compare/latency_shape.h"

#include "support/catch.h"

namespace scry::compare {
namespace {

TEST_CASE("four buckets make a doubling", "[compare]") {
  CHECK(ShapeBucket(0) == 0);
  CHECK(ShapeBucket(1) == 0);
  CHECK(ShapeBucket(2) == 4);
  CHECK(ShapeBucket(1024) == 40);
  CHECK(ShapeBucket(1217) == 40);  // 2^(41/4) is 1217.7.
  CHECK(ShapeBucket(1218) == 41);
  CHECK(ShapeBucket(UINT32_MAX) == 127);
}

TEST_CASE("a shape counts every sampled pair once, on each lane", "[compare]") {
  PatternStats stats;
  stats.latencies.emplace_back(LatencyTuple{1024, 2048, 1}, 0, event::CostDecades{});
  stats.latencies.emplace_back(LatencyTuple{1100, 1, 1}, 1, event::CostDecades{});
  CHECK(ShapeOf(stats, 0) == LatencyShape{{40, 2}});
  CHECK(ShapeOf(stats, 1) == LatencyShape{{0, 1}, {44, 1}});
  CHECK(ShapeOf(PatternStats{}, 0).empty());
  stats.new_latencies = {{16, 64}};
  CHECK(NewShapeOf(stats, 0) == LatencyShape{{16, 1}});
  CHECK(NewShapeOf(stats, 1) == LatencyShape{{24, 1}});
}

}  // namespace
}  // namespace scry::compare
