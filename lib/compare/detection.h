// How large a slowdown a run could have seen: the chance that a pattern which becomes slower by a
// factor is flagged, and the least factor that is flagged surely enough. From the pairs' own
// spread, their number, the floors of the policy and the correction for the number of tests. Pure.
#pragma once

#include <cstdint>
#include <optional>
#include <span>
#include <vector>

#include "compare/policy.h"

namespace scry::compare {

inline constexpr double kDetectionPower = 0.8;
inline constexpr double kDetectableMax = 100;  // No larger factor is looked for.

class Detection {
 public:
  // Latencies of the same statements in the order of time. `pairs`: how many there were, of which
  // these are a sample. `alpha`: the p below which one pattern alone counts as changed.
  // REQUIRES: equal sizes, not empty.
  Detection(std::span<const double> before, std::span<const double> after, uint64_t pairs,
            double alpha, const LatencyPolicy& policy);

  // That a slowdown by `factor` is flagged in a first look.
  double Chance(double factor) const;
  // ... and again in a second one, with three times the pairs.
  double ChanceConfirmed(double factor) const;
  // The least factor with ChanceConfirmed() >= kDetectionPower. None: so few pairs, or so many
  // patterns, that none would do.
  std::optional<double> LeastFactor() const;

 private:
  struct Look {
    double pairs = 0;
    std::optional<double> critical;  // The sum of positive ranks that counts.
  };
  double ChanceOf(double log_factor, const Look& look) const;
  double TestChance(double log_factor, const Look& look) const;

  std::vector<double> centred_;  // Log ratios of pairs around their median, sorted.
  double inflation_;             // See SerialInflation().
  double floor_log_;             // The ratio of medians that the floors ask for.
  double ratio_error_;           // Of the log of the ratio of medians, times the root of the pairs.
  Look first_;
  Look again_;
};

// A second run of a finding: three times its pairs, within reason.
inline constexpr uint64_t kConfirmFactor = 3;
inline constexpr uint64_t kConfirmPairsMin = 30;  // Twice what a judgement of speed needs.
inline constexpr uint64_t kConfirmPairsMax = 600;
inline constexpr uint64_t kConfirmTailPairsMax = 2000;  // Of p95 and p99.

}  // namespace scry::compare
