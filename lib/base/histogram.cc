#include "base/histogram.h"

#include <algorithm>
#include <bit>
#include <cmath>
#include <utility>

namespace scry::base {
namespace {

constexpr uint64_t kCountMax = UINT64_C(1) << 62;  // Of stored ones: sums stay in range.
constexpr uint32_t kSubBits = 7;                   // 128 buckets to each power of two.

uint32_t BucketOf(Micros value_us) {
  const auto value = static_cast<uint64_t>(std::max<Micros>(value_us, 0));
  if (value < (1U << kSubBits)) return static_cast<uint32_t>(value);
  const auto exponent = static_cast<uint32_t>(std::bit_width(value)) - kSubBits - 1;
  const auto mantissa = static_cast<uint32_t>(value >> exponent) - (1U << kSubBits);
  return ((exponent + 1) << kSubBits) + mantissa;
}

Micros LowerBound(uint32_t bucket) {
  const uint32_t high = bucket >> kSubBits;
  const uint32_t mantissa = bucket & ((1U << kSubBits) - 1);
  if (high == 0) return mantissa;
  return static_cast<Micros>(static_cast<uint64_t>(mantissa + (1U << kSubBits)) << (high - 1));
}

}  // namespace

void Histogram::Add(Micros value_us) {
  AddTo(BucketOf(value_us), 1);
  min_us_ = count_ == 0 ? value_us : std::min(min_us_, value_us);
  max_us_ = count_ == 0 ? value_us : std::max(max_us_, value_us);
  ++count_;
  total_us_ += value_us;
}

void Histogram::AddTo(uint32_t bucket, uint64_t count) {
  const auto place =
      std::lower_bound(buckets_.begin(), buckets_.end(), bucket,
                       [](const auto& entry, uint32_t number) { return entry.first < number; });
  if (place != buckets_.end() && place->first == bucket) {
    place->second += count;
  } else {
    buckets_.emplace(place, bucket, count);
  }
}

void Histogram::Merge(const Histogram& other) {
  if (other.count_ == 0) return;
  min_us_ = count_ == 0 ? other.min_us_ : std::min(min_us_, other.min_us_);
  max_us_ = count_ == 0 ? other.max_us_ : std::max(max_us_, other.max_us_);
  count_ += other.count_;
  total_us_ += other.total_us_;
  for (const auto& [bucket, count] : other.buckets_) AddTo(bucket, count);
}

Result<Histogram> Histogram::FromParts(const std::map<uint32_t, uint64_t>& buckets, Micros total_us,
                                       Micros min_us, Micros max_us) {
  const Error broken = Fail(ErrorCode::kCorrupt, "a histogram whose parts contradict each other");
  Histogram histogram;
  for (const auto& [bucket, count] : buckets) {
    if (count == 0 || count > kCountMax - histogram.count_) return broken;
    histogram.count_ += count;
  }
  if (histogram.count_ == 0) {
    if (total_us != 0 || min_us != 0 || max_us != 0) return broken;
    return histogram;
  }
  if (min_us > max_us || BucketOf(min_us) != buckets.begin()->first ||
      BucketOf(max_us) != buckets.rbegin()->first) {
    return broken;
  }
  histogram.buckets_.assign(buckets.begin(), buckets.end());
  histogram.total_us_ = total_us;
  histogram.min_us_ = min_us;
  histogram.max_us_ = max_us;
  return histogram;
}

double Histogram::mean() const {
  return count_ == 0 ? 0 : static_cast<double>(total_us_) / static_cast<double>(count_);
}

Micros Histogram::Quantile(double share) const {
  if (count_ == 0) return 0;
  const auto rank = static_cast<uint64_t>(
      std::max(1.0, std::ceil(std::clamp(share, 0.0, 1.0) * static_cast<double>(count_))));
  uint64_t seen = 0;
  for (const auto& [bucket, count] : buckets_) {
    seen += count;
    if (seen >= rank) return std::min(std::max(LowerBound(bucket), min_us_), max_us_);
  }
  return max_us_;
}

}  // namespace scry::base
