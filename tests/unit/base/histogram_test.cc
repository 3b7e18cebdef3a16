#include "base/histogram.h"

#include <algorithm>
#include <cmath>
#include <vector>

#include "base/random.h"
#include "support/catch.h"

namespace scry::base {
namespace {

TEST_CASE("an empty histogram answers zero", "[base]") {
  const Histogram histogram;
  CHECK(histogram.count() == 0);
  CHECK(histogram.Quantile(0.5) == 0);
  CHECK(histogram.mean() == 0);
  CHECK(histogram.min() == 0);
  CHECK(histogram.max() == 0);
}

TEST_CASE("every quantile is within 0.8 % of the sorted values' own", "[base]") {
  Random random(9);
  for (int round = 0; round < 50; ++round) {
    Histogram histogram;
    std::vector<Micros> values;
    for (uint64_t i = 1 + random.Below(2000); i > 0; --i) {
      values.push_back(static_cast<Micros>(random.Next() >> (20 + random.Below(44))));
      histogram.Add(values.back());
    }
    std::sort(values.begin(), values.end());
    for (const double share : {0.0, 0.01, 0.5, 0.9, 0.99, 1.0}) {
      const auto rank =
          static_cast<size_t>(std::max(1.0, std::ceil(share * static_cast<double>(values.size()))));
      const auto exact = static_cast<double>(values[rank - 1]);
      const auto told = static_cast<double>(histogram.Quantile(share));
      CHECK(told <= exact);
      CHECK(told >= exact * 0.992 - 1e-9);
    }
    CHECK(histogram.min() == values.front());
    CHECK(histogram.max() == values.back());
  }
}

TEST_CASE("merging is as if all values had gone into one", "[base]") {
  Random random(10);
  Histogram all;
  Histogram parts[3];
  for (int i = 0; i < 3000; ++i) {
    const auto value = static_cast<Micros>(random.Below(1000000));
    all.Add(value);
    parts[random.Below(2)].Add(value);  // The third stays empty.
  }
  Histogram merged;
  for (const Histogram& part : parts) merged.Merge(part);
  CHECK(merged.count() == all.count());
  CHECK(merged.total() == all.total());
  CHECK(merged.min() == all.min());
  CHECK(merged.max() == all.max());
  for (int i = 0; i <= 100; ++i) CHECK(merged.Quantile(i / 100.0) == all.Quantile(i / 100.0));
}

TEST_CASE("a histogram comes back from its parts, and only from parts that fit", "[base]") {
  Random random(11);
  Histogram histogram;
  for (int i = 0; i < 1000; ++i) histogram.Add(static_cast<Micros>(random.Below(10000000)));
  const auto back = Histogram::FromParts({histogram.buckets().begin(), histogram.buckets().end()},
                                         histogram.total(), histogram.min(), histogram.max());
  REQUIRE(back.ok());
  CHECK(*back == histogram);
  CHECK(*Histogram::FromParts({}, 0, 0, 0) == Histogram());
  CHECK_FALSE(Histogram::FromParts({}, 1, 0, 0).ok());
  CHECK_FALSE(Histogram::FromParts({{5, 0}}, 0, 5, 5).ok());
  CHECK_FALSE(Histogram::FromParts({{5, 1}}, 5, 5, 6).ok());
  CHECK_FALSE(Histogram::FromParts({{5, 1}, {6, 1}}, 11, 6, 5).ok());
  CHECK_FALSE(Histogram::FromParts({{5, UINT64_MAX}, {6, 1}}, 11, 5, 6).ok());
}

TEST_CASE("a share outside of 0 to 1 means the nearest end", "[base]") {
  Histogram histogram;
  histogram.Add(5);
  histogram.Add(70);
  CHECK(histogram.Quantile(-1) == 5);
  CHECK(histogram.Quantile(2) == 70);
  CHECK(histogram.mean() == Approx(37.5));
}

}  // namespace
}  // namespace scry::base
