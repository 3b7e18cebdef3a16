#include "compare/detection.h"

#include <algorithm>
#include <cmath>
#include <numeric>

#include "base/check.h"
#include "compare/statistics.h"

namespace scry::compare {
namespace {

constexpr size_t kCentredMax = 256;
constexpr size_t kExactMax = 50;          // As WilcoxonSignedRank.
constexpr double kIntervalErrors = 1.96;  // Half of a 95 % interval.
constexpr double kSharp = 1e-9;           // A standard deviation of nothing.

// What one value adds to the error of the log of its sample's median: its side, times the sparsity
// of values there (by Bofinger's span), per median.
class MedianPull {
 public:
  explicit MedianPull(std::span<const double> values) {
    std::vector<double> sorted(values.begin(), values.end());
    std::sort(sorted.begin(), sorted.end());
    const double span = std::min(0.45, 0.647 * std::pow(static_cast<double>(sorted.size()), -0.2));
    median_ = Percentile(sorted, 0.5);
    const double sparsity =
        (Percentile(sorted, 0.5 + span) - Percentile(sorted, 0.5 - span)) / (2 * span);
    pull_ = sparsity / 2 / std::max(median_, 1.0);
  }
  double median() const { return median_; }
  double Of(double value) const { return value > median_ ? pull_ : value < median_ ? -pull_ : 0; }

 private:
  double median_ = 0;
  double pull_ = 0;
};

// The least sum of positive ranks that is significant. None: not even all of them are.
std::optional<double> CriticalSum(double pairs, double alpha, double inflation) {
  const double mean = pairs * (pairs + 1) / 4;
  const double most = pairs * (pairs + 1) / 2;
  double critical = 0;
  if (pairs <= static_cast<double>(kExactMax)) {
    const auto n = static_cast<size_t>(pairs);
    std::vector<double> ways(n * (n + 1) / 2 + 1, 0.0);
    ways[0] = 1;
    for (size_t rank = 1; rank <= n; ++rank) {
      for (size_t sum = ways.size(); sum-- > rank;) ways[sum] += ways[sum - rank];
    }
    const double all = std::pow(2.0, pairs);
    double tail = 0;
    size_t sum = ways.size();
    while (sum > 0 && 2 * (tail + ways[sum - 1]) / all <= alpha) tail += ways[--sum];
    critical = static_cast<double>(sum);
  } else {
    const double variance = pairs * (pairs + 1) * (2 * pairs + 1) / 24;
    critical = mean + 0.5 - NormalQuantile(alpha / 2) * std::sqrt(variance);
  }
  critical = mean + (critical - mean) * std::sqrt(inflation);
  if (critical > most) return std::nullopt;
  return critical;
}

}  // namespace

Detection::Detection(std::span<const double> before, std::span<const double> after, uint64_t pairs,
                     double alpha, const LatencyPolicy& policy) {
  SCRY_CHECK(before.size() == after.size() && !before.empty());
  const size_t count = before.size();
  std::vector<double> logs(count);
  for (size_t i = 0; i < count; ++i) {
    logs[i] = std::log(std::max(after[i], 1.0)) - std::log(std::max(before[i], 1.0));
  }
  inflation_ = SerialInflation(logs);
  const double middle = Median(logs);
  const size_t kept = std::min(count, kCentredMax);
  for (size_t i = 0; i < kept; ++i) centred_.push_back(logs[i * count / kept] - middle);
  std::sort(centred_.begin(), centred_.end());

  const MedianPull left(before);
  const MedianPull right(after);
  double variance = 0;
  for (size_t i = 0; i < count; ++i) {
    const double pull = right.Of(after[i]) - left.Of(before[i]);
    variance += pull * pull / static_cast<double>(count);
  }
  ratio_error_ = std::sqrt(variance * inflation_);
  const double floor = std::max(policy.min_ratio, 1 + static_cast<double>(policy.min_delta_us) /
                                                          std::max(left.median(), 1.0));
  floor_log_ = std::log(floor);

  const uint64_t again = std::clamp(pairs * kConfirmFactor, kConfirmPairsMin, kConfirmPairsMax);
  first_ = {static_cast<double>(pairs), {}};
  first_.critical = CriticalSum(first_.pairs, alpha, inflation_);
  again_ = {static_cast<double>(again), {}};
  again_.critical = CriticalSum(again_.pairs, 1 - policy.confidence, inflation_);
}

// By the normal approximation of the sum of positive ranks, whose mean and variance follow from how
// often sums of two differences, and two that share one, lie above zero.
double Detection::TestChance(double log_factor, const Look& look) const {
  if (!look.critical) return 0;
  const double pairs = look.pairs;
  const size_t count = centred_.size();
  const auto n = static_cast<double>(count);
  double above = 0;       // P(d > 0).
  double sums_above = 0;  // P(d + d' > 0).
  double both_above = 0;  // P(d + d' > 0 and d + d'' > 0).
  double sums_and_above = 0;
  size_t reach = count;  // First of those that lie above zero together with the i-th.
  for (size_t i = 0; i < count; ++i) {
    while (reach > 0 && centred_[i] + centred_[reach - 1] + 2 * log_factor > 0) --reach;
    const double share = static_cast<double>(count - reach) / n;
    sums_above += share / n;
    both_above += share * share / n;
    if (centred_[i] + log_factor > 0) {
      above += 1 / n;
      sums_and_above += share / n;
    }
  }
  const double mean = pairs * above + pairs * (pairs - 1) / 2 * sums_above;
  const double variance =
      pairs * above * (1 - above) +
      pairs * (pairs - 1) / 2 *
          (4 * (sums_and_above - above * sums_above) + sums_above * (1 - sums_above)) +
      pairs * (pairs - 1) * (pairs - 2) * (both_above - sums_above * sums_above);
  const double spread = std::sqrt(std::max(0.0, variance) * inflation_);
  return NormalBelow((mean + 0.5 - *look.critical) / std::max(spread, kSharp));
}

double Detection::ChanceOf(double log_factor, const Look& look) const {
  const double error = ratio_error_ / std::sqrt(look.pairs);
  // Also where the floor is low, the interval of the ratio must leave out 1.
  const double least = std::max(floor_log_, kIntervalErrors * error);
  const double floor = NormalBelow((log_factor - least) / std::max(error, kSharp));
  return std::min(floor, TestChance(log_factor, look));
}

double Detection::Chance(double factor) const { return ChanceOf(std::log(factor), first_); }

double Detection::ChanceConfirmed(double factor) const {
  return Chance(factor) * ChanceOf(std::log(factor), again_);
}

std::optional<double> Detection::LeastFactor() const {
  double low = 0;
  double high = std::log(kDetectableMax);
  if (ChanceConfirmed(kDetectableMax) < kDetectionPower) return std::nullopt;
  for (int i = 0; i < 20; ++i) {
    const double middle = (low + high) / 2;
    (ChanceConfirmed(std::exp(middle)) < kDetectionPower ? low : high) = middle;
  }
  return std::exp(high);
}

}  // namespace scry::compare
