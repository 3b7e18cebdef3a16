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

// Of median(after) / median(before) over pairs, by resampling pairs. At most `samples_max` pairs
// are used (evenly spread), which only widens the interval. REQUIRES: equal sizes.
Interval BootstrapMedianRatio(std::span<const double> before, std::span<const double> after,
                              double confidence, uint64_t seed, size_t samples_max = 512,
                              size_t resamples = 1000);

}  // namespace scry::compare
