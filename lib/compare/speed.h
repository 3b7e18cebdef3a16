// The speed of patterns on one lane next to the baseline: of each pattern as a whole, of its tail,
// and of those of its calls that cost alike. Every such test belongs to one family whose p values
// are corrected together. Pure.
#pragma once

#include <cstdint>
#include <map>
#include <string>
#include <vector>

#include "compare/pattern_table.h"
#include "compare/policy.h"
#include "compare/statistics.h"
#include "compare/verdict.h"
#include "event/cost_range.h"

namespace scry::compare {

enum class Quantity : uint8_t { kMedian, kP95, kP99 };

// What one test is about.
struct Aspect {
  Quantity quantity = Quantity::kMedian;
  event::CostRange calls;  // Of kP95 and kP99: all.
  friend bool operator==(const Aspect&, const Aspect&) = default;
  friend auto operator<=>(const Aspect&, const Aspect&) = default;

  bool whole() const {
    return quantity == Quantity::kMedian && calls.kind == event::CostKind::kAll;
  }
};

struct Speed {
  const PatternStats* stats = nullptr;
  Aspect aspect;
  size_t lane = 1;      // The one that is held against the baseline.
  bool enough = false;  // Pairs to judge.
  uint64_t pairs = 0;
  LatencyNumbers before;
  LatencyNumbers after;
  double raw_p = 1;
  double p = 1;      // Corrected for the family.
  double alpha = 0;  // The raw p that it needs if no other test of the family shows anything.
  double share = 0;  // Of the time of both lanes.

  double quantile() const;  // 0.5, 0.95, 0.99.
  double from_us() const;   // The quantity on both lanes.
  double to_us() const;
  double ratio() const;
  double delta_us() const { return to_us() - from_us(); }
};

// Surely, by at least the floors of its quantity, and with a 95 % interval of the ratio that leaves
// out 1: where few and scattered pairs differ in rank, their quantiles may say nothing.
bool IsSlower(const Speed& speed, const LatencyPolicy& policy);
bool IsFaster(const Speed& speed, const LatencyPolicy& policy);

// The pairs that a test is about, in the order of time.
struct Pairs {
  std::vector<double> before;
  std::vector<double> after;
};
Pairs PairsOf(const PatternStats& stats, const event::CostRange& calls, size_t lane);

// The 99 % interval of the ratio.
Interval IntervalOf(const Speed& speed, size_t lane);

// Every test of every pattern; the whole of each pattern comes first, also with too few pairs.
std::vector<Speed> MeasureAll(const PatternTable& table, const LatencyPolicy& policy, size_t lane);
// Those of a second run: of each pattern only what the first one flagged. As many as asked for;
// `stats` is nullptr where the pattern did not run again.
using Asked = std::map<uint64_t, std::vector<Aspect>>;  // By fingerprint.
std::vector<Speed> MeasureAgain(const PatternTable& table, const LatencyPolicy& policy, size_t lane,
                                const Asked& asked);

// "the 3 % of calls that return 1,000 rows or more"; empty: all calls.
std::string DescribeCalls(const PatternStats& stats, const event::CostRange& calls);

}  // namespace scry::compare
