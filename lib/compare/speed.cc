#include "compare/speed.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>

#include "base/units.h"
#include "compare/finding_parts.h"

namespace scry::compare {
namespace {

using event::CostKind;
using event::CostRange;

// Of the family's error, what tests of whole patterns may use together; tails and parts share the
// rest. There are more of the latter, and without this a pattern with few calls could never be
// sure.
constexpr double kWholeWeight = 2.0 / 3;
// A part that is nearly all of its pattern says nothing else.
constexpr double kPartShareMax = 0.8;
constexpr uint64_t kHeldMin = 64;
constexpr uint64_t kTailHeldMin = 200;

const CostSplit& SplitOf(const PatternStats& stats, CostKind kind) {
  return kind == CostKind::kRows ? stats.by_rows : stats.by_time;
}

std::vector<LatencySample> SamplesOf(const PatternStats& stats, const CostRange& calls) {
  std::vector<LatencySample> samples;
  if (calls.kind == CostKind::kAll) {
    samples = stats.latencies;
  } else {
    const CostSplit& split = SplitOf(stats, calls.kind);
    // Of a second run, all calls may be of the one part that was asked for.
    if (split.size() == 1 && calls.low <= split.begin()->first &&
        split.begin()->first <= calls.high) {
      samples = stats.latencies;
    } else {
      for (const auto& [decade, part] : split) {
        if (decade < calls.low || decade > calls.high) continue;
        samples.insert(samples.end(), part.latencies.begin(), part.latencies.end());
      }
    }
  }
  std::stable_sort(samples.begin(), samples.end(),
                   [](const LatencySample& a, const LatencySample& b) { return a.at() < b.at(); });
  return samples;
}

Pairs PairsOf(const std::vector<LatencySample>& samples, size_t lane) {
  Pairs pairs;
  for (const LatencySample& sample : samples) {
    pairs.before.push_back(sample.us[0]);
    pairs.after.push_back(sample.us[lane]);
  }
  return pairs;
}

uint64_t PairCount(const PatternStats& stats, const CostRange& calls) {
  if (calls.kind == CostKind::kAll) return stats.latency_pairs;
  uint64_t pairs = 0;
  for (const auto& [decade, part] : SplitOf(stats, calls.kind)) {
    if (calls.low <= decade && decade <= calls.high) pairs += part.pairs;
  }
  return pairs;
}

double ShareOfCalls(const PatternStats& stats, const TableTotals& totals, const CostRange& calls) {
  if (calls.kind == CostKind::kAll) return ShareOf(stats, totals);
  uint64_t part_us = 0;
  for (const auto& [decade, part] : SplitOf(stats, calls.kind)) {
    if (calls.low <= decade && decade <= calls.high) part_us += part.time_us[0] + part.time_us[1];
  }
  const uint64_t all_us = totals.time_us[0] + totals.time_us[1];
  return all_us == 0 ? 0 : AsDouble(part_us) / AsDouble(all_us);
}

double MedianP(const Pairs& pairs) {
  std::vector<double> logs(pairs.before.size());
  for (size_t i = 0; i < logs.size(); ++i) {
    logs[i] = std::log(std::max(pairs.after[i], 1.0)) - std::log(std::max(pairs.before[i], 1.0));
  }
  return WilcoxonInTime(logs).p;
}

// Is one lane beyond the limit more often? The limit is the quantile of both lanes together: of the
// baseline alone it would lie where the baseline happened to have few, and look like a slowdown.
double TailP(const Pairs& pairs, double quantile) {
  std::vector<double> both = pairs.before;
  both.insert(both.end(), pairs.after.begin(), pairs.after.end());
  std::sort(both.begin(), both.end());
  const double limit = Percentile(both, quantile);
  std::vector<double> signs(pairs.before.size());
  for (size_t i = 0; i < signs.size(); ++i) {
    signs[i] = (pairs.after[i] > limit ? 1 : 0) - (pairs.before[i] > limit ? 1 : 0);
  }
  return SignsInTime(signs).p;
}

Speed Measure(const PatternStats& stats, const TableTotals& totals, const LatencyPolicy& policy,
              size_t lane, const Aspect& aspect, const Pairs& pairs) {
  Speed speed;
  speed.stats = &stats;
  speed.aspect = aspect;
  speed.lane = lane;
  speed.pairs = PairCount(stats, aspect.calls);
  speed.share = ShareOfCalls(stats, totals, aspect.calls);
  if (lane >= kLanesMax || pairs.before.empty()) return speed;
  speed.before = NumbersOf(pairs.before);
  speed.after = NumbersOf(pairs.after);
  const bool tail = aspect.quantity != Quantity::kMedian;
  const uint64_t least = tail ? policy.min_tail_pairs : policy.min_pairs;
  // Where memory ran out, what is held may be less than what was seen.
  const uint64_t held_least = std::min<uint64_t>(least, tail ? kTailHeldMin : kHeldMin);
  speed.enough = speed.pairs >= least && pairs.before.size() >= held_least;
  if (!speed.enough) return speed;
  speed.raw_p = speed.p = tail ? TailP(pairs, speed.quantile()) : MedianP(pairs);
  return speed;
}

// Parts with enough pairs to be judged: decades, joined with the next lighter one where they are
// too few. What is left over at the light end joins the lightest part.
std::vector<CostRange> PartsOf(const PatternStats& stats, CostKind kind, uint64_t pairs_min) {
  std::vector<CostRange> parts;
  const CostSplit& split = SplitOf(stats, kind);
  if (split.size() < 2) return parts;
  uint64_t pairs = 0;
  uint8_t high = event::kDecades - 1;
  for (auto part = split.rbegin(); part != split.rend(); ++part) {
    pairs += part->second.pairs;
    if (pairs < pairs_min) continue;
    parts.push_back({kind, part->first, high});
    high = part->first > 0 ? part->first - 1 : 0;
    pairs = 0;
  }
  if (parts.size() < 2) return {};
  parts.back().low = 0;
  const double most = kPartShareMax * AsDouble(stats.latency_pairs);
  std::erase_if(parts,
                [&](const CostRange& range) { return AsDouble(PairCount(stats, range)) > most; });
  return parts;
}

// Benjamini-Hochberg with weights that average to 1 (Genovese, Roeder, Wasserman 2006).
void Correct(std::vector<Speed>& speeds, double alpha) {
  double whole = 0;
  double others = 0;
  for (const Speed& speed : speeds) {
    if (speed.enough) (speed.aspect.whole() ? whole : others) += 1;
  }
  const double all = whole + others;
  if (all == 0) return;
  const bool both = whole > 0 && others > 0;
  const double whole_weight = both ? kWholeWeight * all / whole : 1;
  const double other_weight = both ? (1 - kWholeWeight) * all / others : 1;
  std::vector<double> p_values;
  for (Speed& speed : speeds) {
    if (!speed.enough) continue;
    const double weight = speed.aspect.whole() ? whole_weight : other_weight;
    speed.alpha = alpha * weight / all;
    p_values.push_back(std::min(1.0, speed.raw_p / weight));
  }
  const std::vector<double> adjusted = BenjaminiHochberg(p_values);
  size_t next = 0;
  for (Speed& speed : speeds) {
    if (speed.enough) speed.p = adjusted[next++];
  }
}

std::string Rows(uint64_t rows) { return base::FormatCount(rows) + (rows == 1 ? " row" : " rows"); }

bool Returns(const PatternStats& stats) {
  using event::StatementKind;
  return stats.kind != StatementKind::kInsert && stats.kind != StatementKind::kUpdate &&
         stats.kind != StatementKind::kDelete && stats.kind != StatementKind::kMerge;
}

}  // namespace

double Speed::quantile() const {
  return aspect.quantity == Quantity::kMedian ? 0.5
         : aspect.quantity == Quantity::kP95  ? 0.95
                                              : 0.99;
}

double Speed::from_us() const {
  return aspect.quantity == Quantity::kMedian ? before.p50_us
         : aspect.quantity == Quantity::kP95  ? before.p95_us
                                              : before.p99_us;
}

double Speed::to_us() const {
  return aspect.quantity == Quantity::kMedian ? after.p50_us
         : aspect.quantity == Quantity::kP95  ? after.p95_us
                                              : after.p99_us;
}

double Speed::ratio() const { return to_us() / std::max(from_us(), 1.0); }

namespace {

bool Sure(const Speed& speed, const LatencyPolicy& policy) {
  return speed.enough && speed.p < 1 - policy.confidence;
}

// 95 %, by so few resamples that every suspect can be asked.
Interval RoughInterval(const Speed& speed) {
  const Pairs pairs = PairsOf(SamplesOf(*speed.stats, speed.aspect.calls), speed.lane);
  return BootstrapRatio(pairs.before, pairs.after, speed.quantile(), 0.95, speed.stats->fingerprint,
                        512, 200);
}

double RatioFloor(const Speed& speed, const LatencyPolicy& policy) {
  return speed.aspect.quantity == Quantity::kMedian ? policy.min_ratio : policy.min_tail_ratio;
}

}  // namespace

bool IsSlower(const Speed& speed, const LatencyPolicy& policy) {
  return Sure(speed, policy) && speed.ratio() >= RatioFloor(speed, policy) &&
         speed.delta_us() >= static_cast<double>(policy.min_delta_us) &&
         RoughInterval(speed).low > 1;
}

bool IsFaster(const Speed& speed, const LatencyPolicy& policy) {
  return Sure(speed, policy) && speed.ratio() * RatioFloor(speed, policy) <= 1 &&
         -speed.delta_us() >= static_cast<double>(policy.min_delta_us) &&
         RoughInterval(speed).high < 1;
}

Pairs PairsOf(const PatternStats& stats, const CostRange& calls, size_t lane) {
  return PairsOf(SamplesOf(stats, calls), lane);
}

Interval IntervalOf(const Speed& speed, size_t lane) {
  const Pairs pairs = PairsOf(*speed.stats, speed.aspect.calls, lane);
  // Its tail is in few pairs: all of them are used.
  const size_t samples_max = speed.aspect.quantity == Quantity::kMedian ? 512 : 4096;
  return BootstrapRatio(pairs.before, pairs.after, speed.quantile(), 0.99, speed.stats->fingerprint,
                        samples_max);
}

std::vector<Speed> MeasureAll(const PatternTable& table, const LatencyPolicy& policy, size_t lane) {
  std::vector<Speed> speeds;
  for (const PatternStats* stats : table.Patterns()) {
    const auto add = [&](const Aspect& aspect, const Pairs& pairs) {
      speeds.push_back(Measure(*stats, table.totals(), policy, lane, aspect, pairs));
    };
    const Pairs all = PairsOf(*stats, CostRange{}, lane);
    add({}, all);
    if (!speeds.back().enough) continue;
    if (speeds.back().pairs >= policy.min_tail_pairs) {
      add({Quantity::kP95, {}}, all);
      add({Quantity::kP99, {}}, all);
    }
    for (const CostKind kind : {CostKind::kRows, CostKind::kTime}) {
      for (const CostRange& part : PartsOf(*stats, kind, policy.min_pairs)) {
        add({Quantity::kMedian, part}, PairsOf(*stats, part, lane));
      }
    }
  }
  Correct(speeds, 1 - policy.confidence);
  return speeds;
}

std::vector<Speed> MeasureAgain(const PatternTable& table, const LatencyPolicy& policy, size_t lane,
                                const Asked& asked) {
  std::vector<Speed> speeds;
  for (const auto& [fingerprint, aspects] : asked) {
    const PatternStats* stats = table.Find(fingerprint);
    for (const Aspect& aspect : aspects) {
      if (stats == nullptr) {
        speeds.emplace_back();
        speeds.back().aspect = aspect;
        continue;
      }
      speeds.push_back(Measure(*stats, table.totals(), policy, lane, aspect,
                               PairsOf(*stats, aspect.calls, lane)));
    }
  }
  Correct(speeds, 1 - policy.confidence);
  return speeds;
}

std::string DescribeCalls(const PatternStats& stats, const CostRange& calls) {
  if (calls.kind == CostKind::kAll) return {};
  const double share =
      AsDouble(PairCount(stats, calls)) / AsDouble(std::max<uint64_t>(stats.latency_pairs, 1));
  std::string text =
      fmt::format("the {:.2g} % of calls that ", share * 100 >= 99.5 ? 99.0 : share * 100);
  const bool open = calls.high + 1 >= event::kDecades;
  const uint64_t from = event::DecadeBegin(calls.low);
  const uint64_t to = open ? 0 : event::DecadeBegin(static_cast<uint8_t>(calls.high + 1));
  if (calls.kind == CostKind::kRows) {
    text += Returns(stats) ? "return " : "change ";
    if (open) return text + Rows(from) + " or more";
    if (to <= 1) return text + "no row";
    if (calls.low == 0) return text + "fewer than " + Rows(to);
    return text + fmt::format("{} to {}", base::FormatCount(from), Rows(to - 1));
  }
  text += "took ";
  const auto time = [](uint64_t us) { return base::FormatDuration(static_cast<double>(us)); };
  if (open) return text + time(from) + " or more when captured";
  if (calls.low == 0) return text + "less than " + time(to) + " when captured";
  return text + fmt::format("{} to {} when captured", time(from), time(to));
}

}  // namespace scry::compare
