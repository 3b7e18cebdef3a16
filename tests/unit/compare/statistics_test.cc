#include "compare/statistics.h"

#include <algorithm>
#include <cmath>
#include <vector>

#include "base/random.h"
#include "support/catch.h"

namespace scry::compare {
namespace {

using Sample = std::vector<double>;

std::vector<double> MidRanks(const Sample& values) {
  std::vector<double> ranks;
  for (const double value : values) {
    const auto less =
        std::count_if(values.begin(), values.end(), [&](double v) { return v < value; });
    const auto same = std::count(values.begin(), values.end(), value);
    ranks.push_back(static_cast<double>(less) + (static_cast<double>(same) + 1) / 2);
  }
  return ranks;
}

// Every assignment that `chooses` allows is equally likely: the definition of the exact test.
template <typename Chooses>
double PByEnumeration(const std::vector<double>& ranks, double observed, Chooses chooses) {
  double below = 0;
  double above = 0;
  double total = 0;
  for (unsigned mask = 0; mask < (1U << ranks.size()); ++mask) {
    if (!chooses(mask)) continue;
    double sum = 0;
    for (size_t i = 0; i < ranks.size(); ++i) sum += (mask >> i & 1U) != 0 ? ranks[i] : 0;
    ++total;
    below += sum <= observed + 1e-9 ? 1 : 0;
    above += sum >= observed - 1e-9 ? 1 : 0;
  }
  return std::min(1.0, 2 * std::min(below, above) / total);
}

TEST_CASE("Mann-Whitney gives the published value", "[compare]") {
  // Age at diagnosis of diabetes; the example of scipy.stats.mannwhitneyu.
  const RankTest test = MannWhitney(Sample{19, 22, 16, 29, 24}, Sample{20, 11, 17, 12});
  CHECK(test.exact);
  CHECK(test.statistic == Approx(17));
  CHECK(test.p == Approx(0.1111111111).epsilon(1e-9));
}

TEST_CASE("Wilcoxon gives the published value", "[compare]") {
  // Darwin's maize; the example of scipy.stats.wilcoxon.
  const RankTest test =
      WilcoxonSignedRank(Sample{6, 8, 14, 16, 23, 24, 28, 29, 41, -48, 49, 56, 60, -67, 75});
  CHECK(test.exact);
  CHECK(test.statistic == Approx(96));  // 120 - 24.
  CHECK(test.p == Approx(0.041259765625).epsilon(1e-12));
}

TEST_CASE("exact p values equal a full enumeration, ties included", "[compare]") {
  base::Random random(11);
  for (int round = 0; round < 60; ++round) {
    Sample first;
    Sample second;
    for (uint64_t i = 0; i < 2 + random.Below(5); ++i) first.push_back(double(random.Below(6)));
    for (uint64_t i = 0; i < 2 + random.Below(5); ++i) second.push_back(double(random.Below(6)));
    Sample all = first;
    all.insert(all.end(), second.begin(), second.end());
    const auto ranks = MidRanks(all);
    double observed = 0;
    for (size_t i = 0; i < first.size(); ++i) observed += ranks[i];
    const double expected = PByEnumeration(ranks, observed, [&](unsigned mask) {
      return static_cast<size_t>(__builtin_popcount(mask)) == first.size();
    });
    CHECK(MannWhitney(first, second).p == Approx(expected).epsilon(1e-9));

    Sample differences;
    Sample sizes;
    for (uint64_t i = 0; i < 3 + random.Below(8); ++i) {
      const double value = double(random.Below(5)) + 1;
      differences.push_back(random.Below(2) == 0 ? value : -value);
      sizes.push_back(value);
    }
    const auto signed_ranks = MidRanks(sizes);
    double positive = 0;
    for (size_t i = 0; i < sizes.size(); ++i) positive += differences[i] > 0 ? signed_ranks[i] : 0;
    CHECK(WilcoxonSignedRank(differences).p ==
          Approx(PByEnumeration(signed_ranks, positive, [](unsigned) {
            return true;
          })).epsilon(1e-9));
  }
}

TEST_CASE("the normal approximation meets the exact test where it takes over", "[compare]") {
  base::Random random(3);
  for (int round = 0; round < 20; ++round) {
    Sample differences;
    for (int i = 0; i < 50; ++i) differences.push_back(random.Unit() - 0.4);
    const double exact = WilcoxonSignedRank(differences).p;
    // Twice the same sample with noise too small to matter, as a sample past the exact limit.
    Sample more = differences;
    more.push_back(1e-9);
    const RankTest approximate = WilcoxonSignedRank(more);
    CHECK_FALSE(approximate.exact);
    CHECK(approximate.p == Approx(exact).margin(0.03));
  }
}

TEST_CASE("rank tests are symmetric and do not care about scale", "[compare]") {
  base::Random random(5);
  for (const size_t size : {6U, 18U, 200U}) {
    Sample a;
    Sample b;
    for (size_t i = 0; i < size; ++i) {
      a.push_back(random.Unit());
      b.push_back(random.Unit() + 0.1);
    }
    Sample scaled_a = a;
    Sample scaled_b = b;
    for (double& value : scaled_a) value = std::exp(value);
    for (double& value : scaled_b) value = std::exp(value);
    CHECK(MannWhitney(a, b).p == Approx(MannWhitney(b, a).p));
    CHECK(MannWhitney(a, b).p == Approx(MannWhitney(scaled_a, scaled_b).p));
  }
}

TEST_CASE("nothing to tell apart has p of one", "[compare]") {
  CHECK(MannWhitney(Sample{}, Sample{1}).p == 1);
  CHECK(MannWhitney(Sample{1, 1, 1}, Sample{1, 1, 1}).p == 1);
  CHECK(MannWhitney(Sample(100, 1.0), Sample(100, 1.0)).p == 1);
  CHECK(WilcoxonSignedRank(Sample{}).p == 1);
  CHECK(WilcoxonSignedRank(Sample{0, 0, 0}).p == 1);
}

TEST_CASE("Wilcoxon rejects a true hypothesis about as often as it says", "[compare]") {
  base::Random random(17);
  int rejected = 0;
  for (int round = 0; round < 2000; ++round) {
    Sample differences;
    for (int i = 0; i < 30; ++i) differences.push_back(random.Unit() - 0.5);
    if (WilcoxonSignedRank(differences).p < 0.05) ++rejected;
  }
  CHECK(rejected > 60);
  CHECK(rejected < 140);
}

TEST_CASE("Benjamini-Hochberg gives the published values", "[compare]") {
  // p.adjust(c(.01,.02,.03,.04,.05), "BH") of R gives .05 five times.
  for (const double p : BenjaminiHochberg(Sample{0.01, 0.02, 0.03, 0.04, 0.05})) {
    CHECK(p == Approx(0.05));
  }
  const auto adjusted = BenjaminiHochberg(Sample{0.5, 0.001, 0.04});
  CHECK(adjusted[0] == Approx(0.5));
  CHECK(adjusted[1] == Approx(0.003));
  CHECK(adjusted[2] == Approx(0.06));
  CHECK(BenjaminiHochberg(Sample{}).empty());
}

TEST_CASE("Fisher's test gives the tea lady's value", "[compare]") {
  // Three of four cups right each way: 17 / 70.
  CHECK(FisherGreater(3, 4, 1, 4) == Approx(17.0 / 70));
  CHECK(FisherGreater(4, 4, 0, 4) == Approx(1.0 / 70));
  CHECK(FisherGreater(0, 10, 0, 10) == 1);
  CHECK(FisherGreater(0, 10, 5, 10) == Approx(1));
}

TEST_CASE("percentiles interpolate as type 7", "[compare]") {
  const Sample sorted = {1, 2, 3, 4};
  CHECK(Percentile(sorted, 0) == 1);
  CHECK(Percentile(sorted, 1) == 4);
  CHECK(Percentile(sorted, 0.5) == Approx(2.5));
  CHECK(Percentile(sorted, 0.95) == Approx(3.85));
  CHECK(Percentile(Sample{}, 0.5) == 0);
  CHECK(Median({3, 1, 2}) == 2);
  CHECK(Median({4, 1, 2, 3}) == Approx(2.5));
}

TEST_CASE("the interval of the median ratio holds the true ratio and repeats", "[compare]") {
  base::Random random(23);
  int held = 0;
  for (int round = 0; round < 60; ++round) {
    Sample before;
    Sample after;
    for (int i = 0; i < 80; ++i) {
      before.push_back(100 + 50 * random.Unit());
      after.push_back(2 * (100 + 50 * random.Unit()));
    }
    const Interval interval = BootstrapMedianRatio(before, after, 0.99, 1);
    CHECK(interval == BootstrapMedianRatio(before, after, 0.99, 1));
    if (interval.low <= 2 && interval.high >= 2) ++held;
  }
  CHECK(held >= 56);
  CHECK(BootstrapMedianRatio(Sample{}, Sample{}, 0.99, 1) == Interval{});
}

}  // namespace
}  // namespace scry::compare
