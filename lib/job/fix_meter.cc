#include "job/fix_meter.h"

#include <algorithm>
#include <utility>

#include "job/work_probe.h"

namespace scry::job {
namespace {

using base::Micros;
using base::Result;
using base::Status;

constexpr Micros kCountMinUs = 1000000;  // What was begun is counted, if it does not take long.

double Median(std::vector<double> values) {
  if (values.empty()) return 0;
  const size_t middle = values.size() / 2;
  std::nth_element(values.begin(), values.begin() + static_cast<std::ptrdiff_t>(middle),
                   values.end());
  return values[middle];
}

double MedianBlocks(const std::vector<compare::WorkSample>& counted,
                    compare::LaneWork compare::WorkSample::*lane) {
  std::vector<double> blocks;
  for (const compare::WorkSample& sample : counted) blocks.push_back((sample.*lane).blocks);
  return Median(std::move(blocks));
}

}  // namespace

Result<std::vector<compare::WorkSample>> FixMeter::Count(uint64_t fingerprint,
                                                         const std::vector<replay::Sample>& samples,
                                                         bool candidate_only) {
  WorkGaps gaps;
  std::vector<replay::LaneTarget> lanes = {lanes_[1]};
  if (!candidate_only) lanes.insert(lanes.begin(), lanes_[0]);
  SCRY_TRY_ASSIGN(MeasuredWork measured,
                  MeasureWork(lanes, {fingerprint}, {{fingerprint, samples}},
                              std::max(LeftUs(), kCountMinUs), watch_, facts_, gaps));
  return std::move(measured.table[fingerprint]);
}

Status FixMeter::Time(const Samples& samples, compare::PatternTable& timed) {
  return RunSamples(samples, /*seed=*/6, timed, facts_, replay_);
}

double BlocksOf(const std::vector<compare::WorkSample>& counted) {
  return MedianBlocks(counted, &compare::WorkSample::candidate);
}

double BlocksBefore(const std::vector<compare::WorkSample>& counted) {
  return MedianBlocks(counted, &compare::WorkSample::baseline);
}

double LatencyOf(const compare::PatternStats* stats, size_t lane) {
  std::vector<double> values;
  if (stats != nullptr) {
    for (const compare::LatencyTuple& tuple : stats->latencies) values.push_back(tuple[lane]);
    if (values.empty() && lane == 1) {
      for (const auto& [captured, now] : stats->new_latencies) values.push_back(now);
    }
  }
  return Median(std::move(values));
}

}  // namespace scry::job
