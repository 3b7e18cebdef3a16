#include "compare/statistics.h"

#include <algorithm>
#include <cmath>
#include <numeric>

#include "base/check.h"
#include "base/random.h"

namespace scry::compare {
namespace {

constexpr size_t kMannWhitneyExactMax = 40;
constexpr size_t kWilcoxonExactMax = 50;
constexpr size_t kSeriesMin = 8;  // Shorter series tell nothing of themselves.

struct Ranks {
  std::vector<size_t> doubled;  // Mid-ranks times two, so that ties stay whole numbers.
  double tie_term = 0;          // Sum of t^3 - t over groups of ties.
};

Ranks RankAll(std::span<const double> values) {
  std::vector<size_t> order(values.size());
  std::iota(order.begin(), order.end(), size_t{0});
  std::sort(order.begin(), order.end(), [&](size_t a, size_t b) { return values[a] < values[b]; });
  Ranks ranks;
  ranks.doubled.resize(values.size());
  for (size_t begin = 0, end = 0; begin < order.size(); begin = end) {
    while (end < order.size() && values[order[end]] == values[order[begin]]) ++end;
    for (size_t i = begin; i < end; ++i) ranks.doubled[order[i]] = begin + 1 + end;
    const auto ties = static_cast<double>(end - begin);
    ranks.tie_term += ties * ties * ties - ties;
  }
  return ranks;
}

// Two-sided p from counts of every possible rank sum.
double TailsOf(const std::vector<double>& counts, size_t observed) {
  double total = 0;
  double below = 0;
  double above = 0;
  for (size_t sum = 0; sum < counts.size(); ++sum) {
    total += counts[sum];
    if (sum <= observed) below += counts[sum];
    if (sum >= observed) above += counts[sum];
  }
  return std::min(1.0, 2 * std::min(below, above) / total);
}

double NormalTails(double distance, double variance) {
  if (variance <= 0) return 1;
  // Half a step towards the mean: the statistic is discrete.
  const double z = std::max(0.0, std::fabs(distance) - 0.5) / std::sqrt(variance);
  return std::min(1.0, std::erfc(z / std::sqrt(2.0)));
}

// Ways to choose `chosen` of the ranks, by their sum.
std::vector<double> SumsOfChosen(const std::vector<size_t>& doubled, size_t chosen) {
  const size_t sum_max = std::accumulate(doubled.begin(), doubled.end(), size_t{0});
  std::vector<std::vector<double>> ways(chosen + 1, std::vector<double>(sum_max + 1, 0.0));
  ways[0][0] = 1;
  for (const size_t rank : doubled) {
    for (size_t k = chosen; k >= 1; --k) {
      for (size_t sum = sum_max; sum >= rank; --sum) ways[k][sum] += ways[k - 1][sum - rank];
    }
  }
  return ways[chosen];
}

double LogChoose(uint64_t n, uint64_t k) {
  const auto gamma = [](uint64_t m) { return std::lgamma(static_cast<double>(m) + 1); };
  return gamma(n) - gamma(k) - gamma(n - k);
}

// As Percentile, of values in any order.
double QuantileInPlace(std::vector<double>& values, double share) {
  if (values.empty()) return 0;
  const double place = std::clamp(share, 0.0, 1.0) * static_cast<double>(values.size() - 1);
  const auto low = static_cast<size_t>(place);
  const auto at = values.begin() + static_cast<std::ptrdiff_t>(low);
  std::nth_element(values.begin(), at, values.end());
  if (low + 1 >= values.size()) return *at;
  const double next = *std::min_element(at + 1, values.end());
  return *at + (place - static_cast<double>(low)) * (next - *at);
}

}  // namespace

double Percentile(std::span<const double> sorted, double share) {
  if (sorted.empty()) return 0;
  const double place = std::clamp(share, 0.0, 1.0) * static_cast<double>(sorted.size() - 1);
  const auto low = static_cast<size_t>(place);
  const size_t high = std::min(low + 1, sorted.size() - 1);
  return sorted[low] + (place - static_cast<double>(low)) * (sorted[high] - sorted[low]);
}

double Median(std::vector<double> values) { return QuantileInPlace(values, 0.5); }

RankTest MannWhitney(std::span<const double> first, std::span<const double> second) {
  RankTest test;
  if (first.empty() || second.empty()) return test;
  std::vector<double> all(first.begin(), first.end());
  all.insert(all.end(), second.begin(), second.end());
  const Ranks ranks = RankAll(all);
  const size_t doubled_sum =
      std::accumulate(ranks.doubled.begin(),
                      ranks.doubled.begin() + static_cast<std::ptrdiff_t>(first.size()), size_t{0});
  const auto n = static_cast<double>(first.size());
  const auto m = static_cast<double>(second.size());
  test.statistic = static_cast<double>(doubled_sum) / 2 - n * (n + 1) / 2;
  if (all.size() <= kMannWhitneyExactMax) {
    test.exact = true;
    test.p = TailsOf(SumsOfChosen(ranks.doubled, first.size()), doubled_sum);
    return test;
  }
  const double total = n + m;
  const double variance = n * m / 12 * (total + 1 - ranks.tie_term / (total * (total - 1)));
  test.p = NormalTails(test.statistic - n * m / 2, variance);
  return test;
}

namespace {

struct SignedRanks {
  Ranks ranks;                  // Of those that are not zero.
  std::vector<double> in_time;  // Rank with its sign; zeros are 0.
  size_t doubled_positive = 0;
};

SignedRanks RankSigned(std::span<const double> differences) {
  std::vector<double> sizes;
  for (const double difference : differences) {
    if (difference != 0) sizes.push_back(std::fabs(difference));
  }
  SignedRanks signed_ranks;
  signed_ranks.ranks = RankAll(sizes);
  signed_ranks.in_time.resize(differences.size());
  size_t next = 0;
  for (size_t i = 0; i < differences.size(); ++i) {
    if (differences[i] == 0) continue;
    const size_t doubled = signed_ranks.ranks.doubled[next++];
    const double rank = static_cast<double>(doubled) / 2;
    signed_ranks.in_time[i] = differences[i] > 0 ? rank : -rank;
    if (differences[i] > 0) signed_ranks.doubled_positive += doubled;
  }
  return signed_ranks;
}

RankTest TestSignedRanks(const SignedRanks& signed_ranks) {
  RankTest test;
  const std::vector<size_t>& doubled = signed_ranks.ranks.doubled;
  if (doubled.empty()) return test;
  test.statistic = static_cast<double>(signed_ranks.doubled_positive) / 2;
  const auto n = static_cast<double>(doubled.size());
  if (doubled.size() <= kWilcoxonExactMax) {
    const size_t sum_max = std::accumulate(doubled.begin(), doubled.end(), size_t{0});
    std::vector<double> ways(sum_max + 1, 0.0);
    ways[0] = 1;
    for (const size_t rank : doubled) {
      for (size_t sum = sum_max; sum >= rank; --sum) ways[sum] += ways[sum - rank];
    }
    test.exact = true;
    test.p = TailsOf(ways, signed_ranks.doubled_positive);
    return test;
  }
  const double variance = n * (n + 1) * (2 * n + 1) / 24 - signed_ranks.ranks.tie_term / 48;
  test.p = NormalTails(test.statistic - n * (n + 1) / 4, variance);
  return test;
}

// The p of a sum that scatters `inflation` times as wide as it was taken for.
double Inflated(double p, double inflation) {
  if (inflation <= 1 || p >= 1) return p;
  return std::erfc(-NormalQuantile(p / 2) / std::sqrt(2 * inflation));
}

}  // namespace

RankTest WilcoxonSignedRank(std::span<const double> differences) {
  return TestSignedRanks(RankSigned(differences));
}

RankTest WilcoxonInTime(std::span<const double> differences) {
  const SignedRanks signed_ranks = RankSigned(differences);
  RankTest test = TestSignedRanks(signed_ranks);
  test.p = Inflated(test.p, SerialInflation(signed_ranks.in_time));
  return test;
}

RankTest SignsInTime(std::span<const double> signs) {
  uint64_t more = 0;
  uint64_t less = 0;
  for (const double sign : signs) {
    more += sign > 0 ? 1U : 0U;
    less += sign < 0 ? 1U : 0U;
  }
  RankTest test;
  test.statistic = static_cast<double>(more);
  test.exact = true;
  // Fair coins: the tail beyond the larger number, twice.
  const uint64_t all = more + less;
  double tail = 0;
  for (uint64_t k = std::max(more, less); k <= all; ++k) {
    tail += std::exp(LogChoose(all, k) - static_cast<double>(all) * std::log(2.0));
  }
  test.p = Inflated(std::min(1.0, 2 * tail), SerialInflation(signs));
  return test;
}

double SerialInflation(std::span<const double> series) {
  const size_t count = series.size();
  if (count < kSeriesMin) return 1;
  const auto n = static_cast<double>(count);
  const double mean = std::accumulate(series.begin(), series.end(), 0.0) / n;
  const auto lags = static_cast<size_t>(std::sqrt(n));
  const auto covariance = [&](size_t lag) {
    double sum = 0;
    for (size_t i = lag; i < count; ++i) sum += (series[i] - mean) * (series[i - lag] - mean);
    return sum / n;
  };
  const double variance = covariance(0);
  if (variance <= 0) return 1;
  double inflation = 1;
  for (size_t lag = 1; lag <= lags; ++lag) {
    const double weight = 1 - static_cast<double>(lag) / static_cast<double>(lags + 1);
    inflation += 2 * weight * covariance(lag) / variance;
  }
  // Of independent values the correlations scatter by 1/n each, and Bartlett's weights add up to a
  // third of the lags.
  const double error = std::sqrt(4 * static_cast<double>(lags) / (3 * n));
  return std::max(1.0, inflation - error);
}

double NormalBelow(double z) { return std::erfc(-z / std::sqrt(2.0)) / 2; }

// Bisection on erfc: exact enough for any p, and fast enough for one per pattern.
double NormalQuantile(double share) {
  double low = -38;
  double high = 38;
  for (int i = 0; i < 64; ++i) {
    const double middle = (low + high) / 2;
    (NormalBelow(middle) < share ? low : high) = middle;
  }
  return (low + high) / 2;
}

std::vector<double> BenjaminiHochberg(std::span<const double> p_values) {
  const size_t count = p_values.size();
  std::vector<size_t> order(count);
  std::iota(order.begin(), order.end(), size_t{0});
  std::sort(order.begin(), order.end(),
            [&](size_t a, size_t b) { return p_values[a] < p_values[b]; });
  std::vector<double> adjusted(count);
  double least = 1;
  for (size_t i = count; i-- > 0;) {
    const double scaled =
        p_values[order[i]] * static_cast<double>(count) / static_cast<double>(i + 1);
    least = std::min(least, scaled);
    adjusted[order[i]] = least;
  }
  return adjusted;
}

double FisherGreater(uint64_t hits_a, uint64_t n_a, uint64_t hits_b, uint64_t n_b) {
  const uint64_t hits = hits_a + hits_b;
  if (hits_a > n_a || hits_b > n_b || hits == 0) return 1;
  const double all = LogChoose(n_a + n_b, hits);
  double p = 0;
  for (uint64_t k = hits_a; k <= std::min(hits, n_a); ++k) {
    if (hits - k > n_b) continue;
    p += std::exp(LogChoose(n_a, k) + LogChoose(n_b, hits - k) - all);
  }
  return std::min(1.0, p);
}

Interval BootstrapRatio(std::span<const double> before, std::span<const double> after,
                        double quantile, double confidence, uint64_t seed, size_t samples_max,
                        size_t resamples) {
  SCRY_CHECK(before.size() == after.size());
  if (before.empty() || samples_max == 0 || resamples == 0) return {};
  const size_t used = std::min(before.size(), samples_max);
  base::Random random(seed);
  std::vector<double> ratios;
  ratios.reserve(resamples);
  std::vector<double> left(used);
  std::vector<double> right(used);
  for (size_t round = 0; round < resamples; ++round) {
    for (size_t i = 0; i < used; ++i) {
      const size_t at = static_cast<size_t>(random.Below(used)) * before.size() / used;
      left[i] = before[at];
      right[i] = after[at];
    }
    const double base = QuantileInPlace(left, quantile);
    if (base > 0) ratios.push_back(QuantileInPlace(right, quantile) / base);
  }
  std::sort(ratios.begin(), ratios.end());
  const double tail = (1 - confidence) / 2;
  return {Percentile(ratios, tail), Percentile(ratios, 1 - tail)};
}

Interval BootstrapMedianRatio(std::span<const double> before, std::span<const double> after,
                              double confidence, uint64_t seed, size_t samples_max,
                              size_t resamples) {
  return BootstrapRatio(before, after, 0.5, confidence, seed, samples_max, resamples);
}

}  // namespace scry::compare
