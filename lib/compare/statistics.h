// Rank tests, corrections and intervals for latency samples. Called by verdict.cc. Pure, and the
// same on every machine: what is random is seeded by the caller. All p values are two-sided.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <vector>

namespace scry::compare {

// Linear interpolation between order statistics (type 7). Empty: 0.
double Percentile(std::span<const double> sorted, double share);
double Median(std::vector<double> values);

struct RankTest {
  double statistic =
      0;  // Mann-Whitney: U of the first sample. Wilcoxon: sum of the positive ranks.
  double p = 1;
  bool exact = false;  // Enumerated, ties included; else the normal approximation, tie-corrected.
};

// Do two independent samples come from one distribution? Exact up to 40 values in all.
RankTest MannWhitney(std::span<const double> first, std::span<const double> second);

// Are differences of pairs symmetric around zero? Zeros are dropped. Exact up to 50 pairs.
RankTest WilcoxonSignedRank(std::span<const double> differences);
// The same of differences in the order of time, which noise of a machine may tie together: p is
// what as many independent pairs would have to show.
RankTest WilcoxonInTime(std::span<const double> differences);

// Of pairs in the order of time: `signs` is 1 where only the second is beyond a limit, -1 where
// only the first is, else 0. Is one beyond it more often? Exact but for what time ties together.
RankTest SignsInTime(std::span<const double> signs);

// How much wider the sum of a series in the order of time scatters than if its values were
// independent, as variance: at least 1. Its mean does not matter. Newey-West, less one standard
// error of itself: what is independent shall stay at 1.
double SerialInflation(std::span<const double> series);

double NormalBelow(double z);         // P(Z <= z).
double NormalQuantile(double share);  // The z with P(Z <= z) = share; share is cut to (0, 1).

// Adjusted p values, in the order given: reject where adjusted <= q.
std::vector<double> BenjaminiHochberg(std::span<const double> p_values);

// P(at least `hits_a` of `n_a`), given hits_a + hits_b of n_a + n_b: is `a` hit more often than
// `b`?
double FisherGreater(uint64_t hits_a, uint64_t n_a, uint64_t hits_b, uint64_t n_b);

struct Interval {
  double low = 0;
  double high = 0;
  friend bool operator==(const Interval&, const Interval&) = default;
};

// Of quantile(after) / quantile(before) over pairs, by resampling pairs. At most `samples_max`
// pairs are used (evenly spread), which only widens the interval. REQUIRES: equal sizes.
Interval BootstrapRatio(std::span<const double> before, std::span<const double> after,
                        double quantile, double confidence, uint64_t seed, size_t samples_max = 512,
                        size_t resamples = 1000);
// The same of medians.
Interval BootstrapMedianRatio(std::span<const double> before, std::span<const double> after,
                              double confidence, uint64_t seed, size_t samples_max = 512,
                              size_t resamples = 1000);

}  // namespace scry::compare
