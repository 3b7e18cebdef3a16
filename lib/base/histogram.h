// Counts of durations in log-linear buckets: quantiles within 0.8 % of the value, in bounded
// memory, however many values come. Pure; one thread.
#pragma once

#include <cstdint>
#include <map>
#include <utility>
#include <vector>

#include "base/clock.h"
#include "base/result.h"

namespace scry::base {

class Histogram {
 public:
  void Add(Micros value_us);
  void Merge(const Histogram& other);

  uint64_t count() const { return count_; }
  Micros total() const { return total_us_; }
  Micros max() const { return max_us_; }
  Micros min() const { return count_ == 0 ? 0 : min_us_; }
  double mean() const;
  // `share` in [0, 1]: 0.5 is the median. The lower bound of the bucket, never above max(). 0 when
  // empty.
  Micros Quantile(double share) const;

  // For storing: counts by number of the bucket, 128 buckets to each power of two (values below 128
  // have one each). Two that went through this and are merged give what all values together had.
  using Buckets = std::vector<std::pair<uint32_t, uint64_t>>;  // Ascending, none empty.
  const Buckets& buckets() const { return buckets_; }
  // Fails with kCorrupt where the parts do not belong together.
  static Result<Histogram> FromParts(const std::map<uint32_t, uint64_t>& buckets, Micros total_us,
                                     Micros min_us, Micros max_us);

  friend bool operator==(const Histogram&, const Histogram&) = default;

 private:
  void AddTo(uint32_t bucket, uint64_t count);

  Buckets buckets_;  // Few and close together: searched for faster than the nodes of a map.
  uint64_t count_ = 0;
  Micros total_us_ = 0;
  Micros max_us_ = 0;
  Micros min_us_ = 0;
};

}  // namespace scry::base
