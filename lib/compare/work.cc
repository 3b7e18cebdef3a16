#include "compare/work.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <cmath>
#include <optional>

#include "base/units.h"
#include "compare/statistics.h"

namespace scry::compare {
namespace {

struct Values {
  double before = 0;  // The larger of baseline and control.
  double after = 0;
};

double Of(const LaneWork& work, WorkKind kind) {
  switch (kind) {
    case WorkKind::kBlocks:
      return work.blocks;
    case WorkKind::kSpill:
      return work.spilled;
    case WorkKind::kWal:
    case WorkKind::kIndexEntries:
      return work.wal_bytes;
  }
  return 0;
}

Values ValuesOf(const WorkSample& sample, WorkKind kind) {
  Values values{Of(sample.baseline, kind), Of(sample.candidate, kind)};
  if (sample.control) values.before = std::max(values.before, Of(*sample.control, kind));
  return values;
}

bool Rises(const Values& values, WorkKind kind, const WorkPolicy& policy) {
  // A sort that begins to spill is a cliff, however low it starts.
  if (kind == WorkKind::kSpill && values.before == 0) return values.after > 0;
  const double floor = kind == WorkKind::kWal ? static_cast<double>(policy.min_wal_bytes)
                                              : static_cast<double>(policy.min_blocks);
  return values.after - values.before >= floor && values.after >= policy.min_ratio * values.before;
}

double Median(std::vector<double> values) {
  std::sort(values.begin(), values.end());
  return Percentile(values, 0.5);
}

template <typename Number>
double MedianOf(const std::vector<WorkSample>& samples, Number number) {
  std::vector<double> values;
  values.reserve(samples.size());
  for (const WorkSample& sample : samples) values.push_back(number(sample));
  return Median(std::move(values));
}

LaneWork MedianWork(const std::vector<WorkSample>& samples, LaneWork WorkSample::*lane) {
  LaneWork work;
  work.blocks = MedianOf(samples, [&](const WorkSample& s) { return (s.*lane).blocks; });
  work.in_triggers = MedianOf(samples, [&](const WorkSample& s) { return (s.*lane).in_triggers; });
  work.spilled = MedianOf(samples, [&](const WorkSample& s) { return (s.*lane).spilled; });
  work.wal_bytes = MedianOf(samples, [&](const WorkSample& s) { return (s.*lane).wal_bytes; });
  work.updated = MedianOf(samples, [&](const WorkSample& s) { return (s.*lane).updated; });
  work.hot_updated = MedianOf(samples, [&](const WorkSample& s) { return (s.*lane).hot_updated; });
  work.rows = MedianOf(samples, [&](const WorkSample& s) { return (s.*lane).rows; });
  return work;
}

std::string Factor(double before, double after) {
  const double factor = after / std::max(before, 1.0);
  return factor < 10 ? fmt::format("{:.1f}x", factor) : fmt::format("{:.0f}x", factor);
}

std::string Whole(double number) {
  const double kept = std::isfinite(number) ? std::clamp(std::round(number), 0.0, 9e18) : 0.0;
  return base::FormatCount(static_cast<uint64_t>(kept));
}

std::string Bytes(double bytes) {
  const double kept = std::isfinite(bytes) ? std::clamp(std::round(bytes), 0.0, 9e18) : 0.0;
  return base::FormatSize(static_cast<uint64_t>(kept));
}

// Whether an update can be heap-only hangs on the room in its page as well, so one set of
// parameters says little: most must have been so before, on the control lane too, and none may be
// now.
constexpr size_t kHotSamplesMin = 4;
constexpr double kHotBefore = 0.75;

bool IsHot(const LaneWork& work) { return work.updated > 0 && work.hot_updated >= work.updated; }

std::optional<WorkRise> LostHotUpdates(const std::vector<WorkSample>& samples,
                                       std::vector<bool>& risen) {
  size_t updates = 0;
  size_t baseline = 0;
  size_t control = 0;
  WorkRise rise;
  rise.kind = WorkKind::kIndexEntries;
  rise.in_median = true;
  std::vector<double> before;
  std::vector<double> after;
  for (size_t i = 0; i < samples.size(); ++i) {
    const WorkSample& sample = samples[i];
    if (sample.baseline.updated <= 0 || sample.candidate.updated <= 0) continue;
    if (sample.candidate.hot_updated > 0) return std::nullopt;
    ++updates;
    baseline += IsHot(sample.baseline) ? 1U : 0U;
    control += !sample.control || IsHot(*sample.control) ? 1U : 0U;
    if (!IsHot(sample.baseline)) continue;
    ++rise.risen;
    risen[i] = true;
    before.push_back(sample.baseline.wal_bytes);
    after.push_back(sample.candidate.wal_bytes);
  }
  const double least = kHotBefore * static_cast<double>(updates);
  if (updates < kHotSamplesMin || static_cast<double>(std::min(baseline, control)) < least) {
    return std::nullopt;
  }
  rise.before = Median(before);
  rise.after = Median(after);
  return rise;
}

}  // namespace

WorkNumbers NumbersOf(const std::vector<WorkSample>& samples) {
  WorkNumbers numbers;
  if (samples.empty()) return numbers;
  numbers.samples = samples.size();
  numbers.before = MedianWork(samples, &WorkSample::baseline);
  numbers.after = MedianWork(samples, &WorkSample::candidate);
  return numbers;
}

WorkJudgement JudgeWork(const std::vector<WorkSample>& samples, const WorkPolicy& policy) {
  WorkJudgement judgement;
  if (samples.empty()) return judgement;
  WorkNumbers& numbers = judgement.numbers;
  numbers = NumbersOf(samples);
  std::vector<bool> risen(samples.size());
  double worst_rise = -1;
  for (const WorkKind kind : {WorkKind::kBlocks, WorkKind::kSpill, WorkKind::kWal}) {
    WorkRise rise;
    rise.kind = kind;
    double most = -1;
    for (size_t i = 0; i < samples.size(); ++i) {
      const Values values = ValuesOf(samples[i], kind);
      if (!Rises(values, kind, policy)) continue;
      ++rise.risen;
      risen[i] = true;
      const double by = values.after - values.before;
      if (by > most) {
        most = by;
        rise.before = values.before;
        rise.after = values.after;
      }
      const double weight = kind == WorkKind::kWal ? by / kBlockBytes : by;
      if (weight > worst_rise) {
        worst_rise = weight;
        judgement.worst = i;
      }
    }
    if (rise.risen == 0) continue;
    const Values median{MedianOf(samples, [&](const auto& s) { return ValuesOf(s, kind).before; }),
                        MedianOf(samples, [&](const auto& s) { return ValuesOf(s, kind).after; })};
    rise.in_median = Rises(median, kind, policy);
    if (rise.in_median) {
      rise.before = median.before;
      rise.after = median.after;
    }
    judgement.rises.push_back(rise);
  }
  std::vector<bool> lost_hot(samples.size());
  if (const auto rise = LostHotUpdates(samples, lost_hot)) {
    judgement.rises.push_back(*rise);
    for (size_t i = 0; i < samples.size(); ++i) risen[i] = risen[i] || lost_hot[i];
  }
  numbers.risen = static_cast<size_t>(std::count(risen.begin(), risen.end(), true));
  for (const WorkSample& sample : samples) {
    if (sample.candidate.plan_shape != sample.baseline.plan_shape) ++numbers.other_plan;
    if (sample.candidate.generic_plan) ++numbers.generic;
  }
  return judgement;
}

std::string DescribeRise(const WorkRise& rise, size_t samples) {
  std::string text;
  if (rise.kind == WorkKind::kBlocks) {
    text = fmt::format("reads {} blocks instead of {} ({})", Whole(rise.after), Whole(rise.before),
                       Factor(rise.before, rise.after));
  } else if (rise.kind == WorkKind::kSpill) {
    text = fmt::format("spills {} to disk instead of {}", Bytes(rise.after * kBlockBytes),
                       rise.before == 0 ? "nothing" : Bytes(rise.before * kBlockBytes));
  } else if (rise.kind == WorkKind::kIndexEntries) {
    text = fmt::format(
        "updates are no longer heap-only: each writes an entry into every index ({} of WAL instead "
        "of {})",
        Bytes(rise.after), Bytes(rise.before));
  } else {
    text = fmt::format("writes {} of WAL instead of {}{}", Bytes(rise.after), Bytes(rise.before),
                       rise.before == 0 ? "" : " (" + Factor(rise.before, rise.after) + ")");
  }
  if (!rise.in_median || rise.risen * 2 < samples) {
    text += fmt::format(" with {} of the {} sampled parameters", rise.risen, samples);
  }
  return text;
}

std::vector<std::string> DescribeWork(const WorkJudgement& judgement) {
  std::vector<std::string> reasons;
  const WorkNumbers& numbers = judgement.numbers;
  for (const WorkRise& rise : judgement.rises) {
    reasons.push_back(DescribeRise(rise, numbers.samples));
  }
  if (reasons.empty()) return reasons;
  const auto of_samples = [&](size_t count) {
    return count == numbers.samples
               ? std::string()
               : fmt::format(" for {} of {} sampled parameters", count, numbers.samples);
  };
  if (numbers.other_plan > 0)
    reasons.push_back("has another plan" + of_samples(numbers.other_plan));
  const double rise = numbers.after.blocks - numbers.before.blocks;
  if (judgement.rises[0].kind == WorkKind::kBlocks && rise > 0 &&
      (numbers.after.in_triggers - numbers.before.in_triggers) * 2 >= rise) {
    reasons.push_back("most of it in triggers, those of foreign keys included");
  }
  if (numbers.generic > 0) {
    reasons.push_back("runs by the generic plan of a prepared statement" +
                      of_samples(numbers.generic));
  }
  return reasons;
}

double EstimateBlocks(const std::vector<WorkSample>& samples, uint64_t calls) {
  double blocks = 0;
  for (const WorkSample& sample : samples) {
    blocks += sample.baseline.blocks + sample.candidate.blocks;
  }
  return samples.empty()
             ? 0
             : blocks / static_cast<double>(samples.size()) * static_cast<double>(calls);
}

}  // namespace scry::compare
