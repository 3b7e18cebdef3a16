#include "compare/latency_verdict.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <cmath>
#include <utility>

#include "base/units.h"
#include "compare/finding_parts.h"
#include "compare/statistics.h"

namespace scry::compare {
namespace {

using base::FormatCount;
using base::FormatDuration;

// A slowdown that hits only some parameters leaves the median alone: calls that take twice as long.
constexpr double kTailFactor = 2.0;
constexpr double kTailP = 0.001;
constexpr double kTailShareMin = 0.02;
// What cannot be run by itself (several statements in one message, a temporary table) gates without
// having been seen again if the low end of its factor's interval is here. Of noise on a machine
// with five times more work than cores, the low ends went up to 2.6.
constexpr double kUnconfirmedFactorMin = 3.0;

std::vector<double> Lane(const PatternStats& stats, size_t lane) {
  std::vector<double> values;
  values.reserve(stats.latencies.size());
  for (const LatencyTuple& tuple : stats.latencies) values.push_back(tuple[lane]);
  return values;
}

// Latency of one pattern on another lane than the baseline.
struct Speed {
  const PatternStats* stats = nullptr;
  bool enough = false;
  LatencyNumbers before;
  LatencyNumbers after;
  double ratio = 1;
  double p = 1;  // Adjusted once all patterns are known.
  double share = 0;

  double delta_us() const { return after.p50_us - before.p50_us; }
};

Speed Measure(const PatternStats& stats, const TableTotals& totals, const LatencyPolicy& policy,
              size_t lane) {
  Speed speed;
  speed.stats = &stats;
  speed.share = ShareOf(stats, totals);
  if (stats.latencies.empty()) return speed;
  const std::vector<double> before = Lane(stats, 0);
  const std::vector<double> after = Lane(stats, lane);
  speed.before = NumbersOf(before);
  speed.after = NumbersOf(after);
  speed.ratio = speed.after.p50_us / std::max(speed.before.p50_us, 1.0);
  speed.enough = stats.latency_pairs >= policy.min_pairs;
  if (!speed.enough) return speed;
  std::vector<double> logs(before.size());
  for (size_t i = 0; i < before.size(); ++i) {
    logs[i] = std::log(std::max(after[i], 1.0)) - std::log(std::max(before[i], 1.0));
  }
  speed.p = WilcoxonSignedRank(logs).p;
  return speed;
}

std::vector<Speed> MeasureAll(const PatternTable& table, const LatencyPolicy& policy, size_t lane,
                              const std::set<uint64_t>* only = nullptr) {
  std::vector<Speed> speeds;
  for (const PatternStats* stats : table.Patterns()) {
    if (only != nullptr && only->count(stats->fingerprint) == 0) continue;
    speeds.push_back(Measure(*stats, table.totals(), policy, lane));
  }
  std::vector<double> p_values;
  for (const Speed& speed : speeds) {
    if (speed.enough) p_values.push_back(speed.p);
  }
  const std::vector<double> adjusted = BenjaminiHochberg(p_values);
  size_t next = 0;
  for (Speed& speed : speeds) {
    if (speed.enough) speed.p = adjusted[next++];
  }
  return speeds;
}

bool Sure(const Speed& speed, const LatencyPolicy& policy) {
  return speed.enough && speed.p < 1 - policy.confidence;
}
bool IsSlower(const Speed& speed, const LatencyPolicy& policy) {
  return Sure(speed, policy) && speed.ratio >= policy.min_ratio &&
         speed.delta_us() >= static_cast<double>(policy.min_delta_us);
}
bool IsFaster(const Speed& speed, const LatencyPolicy& policy) {
  return Sure(speed, policy) && speed.ratio * policy.min_ratio <= 1 &&
         -speed.delta_us() >= static_cast<double>(policy.min_delta_us);
}

void SetSpeed(Finding& finding, const Speed& speed) {
  finding.has_latency = true;
  finding.before = speed.before;
  finding.after = speed.after;
  finding.factor = speed.ratio;
  finding.p = speed.p;
  finding.affected = speed.stats->latency_pairs;
}

class LatencyJudge {
 public:
  LatencyJudge(const PatternTable& table, const Policy& policy, const PatternTable* confirmation,
               const WorkTable* work, std::set<uint64_t> told)
      : table_(table),
        policy_(policy),
        confirmation_(confirmation),
        work_(work),
        told_(std::move(told)) {}

  LatencyVerdict Run() {
    const LatencyPolicy& policy = policy_.latency;
    const std::vector<Speed> speeds = MeasureAll(table_, policy, 1);
    std::set<uint64_t> flagged;
    for (const Speed& speed : speeds) {
      if (IsSlower(speed, policy)) flagged.insert(speed.stats->fingerprint);
    }
    if (confirmation_ != nullptr) Confirm(flagged);
    if (table_.totals().has_control) FindNoise(flagged);
    for (const Speed& speed : speeds) {
      if (!speed.enough) {
        TellTooFew(speed);
      } else if (IsSlower(speed, policy)) {
        AddSlower(speed);
      } else if (IsFaster(speed, policy) && speed.share >= policy.min_share) {
        Finding finding = OpenFinding(FindingClass::kFaster, *speed.stats, table_.totals());
        SetSpeed(finding, speed);
        finding.factor_interval = IntervalOf(speed);
        Add(std::move(finding));
      } else {
        TellTail(speed, speeds.size());
      }
    }
    if (refuted_ > 0) {
      verdict_.notes.push_back(
          fmt::format("{} looked slower at first and did not when run again",
                      refuted_ == 1 ? "1 pattern" : fmt::format("{} patterns", refuted_)));
    }
    return std::move(verdict_);
  }

 private:
  void Add(Finding finding) {
    told_.insert(finding.fingerprint);
    verdict_.findings.push_back(std::move(finding));
  }

  void Confirm(const std::set<uint64_t>& flagged) {
    for (const Speed& speed : MeasureAll(*confirmation_, policy_.latency, 1, &flagged)) {
      if (speed.enough) ran_again_.insert(speed.stats->fingerprint);
      if (IsSlower(speed, policy_.latency)) confirmed_.insert(speed.stats->fingerprint);
    }
  }

  // Patterns whose control lane differs from the baseline as much as the candidate does: of the run
  // that decides. Others may be as noisy as they like, nothing hangs on them.
  void FindNoise(const std::set<uint64_t>& flagged) {
    const auto look = [&](const PatternTable& table, bool again) {
      for (const Speed& speed : MeasureAll(table, policy_.latency, 2, &flagged)) {
        const uint64_t fingerprint = speed.stats->fingerprint;
        if ((ran_again_.count(fingerprint) != 0) != again) continue;
        if (IsSlower(speed, policy_.latency) || IsFaster(speed, policy_.latency)) {
          noisy_.insert(fingerprint);
        }
      }
    };
    look(table_, false);
    if (confirmation_ != nullptr) look(*confirmation_, true);
  }

  Interval IntervalOf(const Speed& speed) const { return FactorInterval(*speed.stats, 1); }

  void AddSlower(const Speed& speed) {
    Finding finding = OpenFinding(FindingClass::kSlower, *speed.stats, table_.totals());
    SetSpeed(finding, speed);
    finding.factor_interval = IntervalOf(speed);
    finding.confirmed = confirmed_.count(speed.stats->fingerprint) != 0;
    if (confirmation_ != nullptr && !finding.confirmed &&
        ran_again_.count(finding.fingerprint) != 0) {
      ++refuted_;  // Noise: told in a note, not as a finding.
      return;
    }
    finding.gates = policy_.gate.latency;
    if (speed.share < policy_.latency.min_share) {
      finding.gates = false;
      finding.reasons.push_back(
          fmt::format("does not gate: {:.2f} % of the time, under the share of {:.3g} %",
                      speed.share * 100, policy_.latency.min_share * 100));
    } else if (finding.gates) {
      if (confirmation_ == nullptr) verdict_.to_confirm.push_back(finding.fingerprint);
      Doubt(finding);
    }
    Add(std::move(finding));
  }

  // What else may keep a slower pattern from gating.
  void Doubt(Finding& finding) {
    const bool ran_again = ran_again_.count(finding.fingerprint) != 0;
    std::string why;
    if (confirmation_ != nullptr && !ran_again &&
        finding.factor_interval.low < kUnconfirmedFactorMin) {
      why = "does not gate: it cannot be run a second time by itself, and is not slower by far";
    } else if (noisy_.count(finding.fingerprint) != 0) {
      why = "does not gate: the control lane differs from the baseline as well";
      verdict_.too_noisy = finding.in_noise = true;
    }
    if (why.empty()) return;
    finding.gates = false;
    finding.reasons.push_back(std::move(why));
  }

  void TellTooFew(const Speed& speed) {
    const PatternStats& stats = *speed.stats;
    using event::StatementKind;
    static constexpr std::array<StatementKind, 5> kDull = {
        StatementKind::kBegin, StatementKind::kCommit, StatementKind::kRollback,
        StatementKind::kSavepoint, StatementKind::kSession};
    if (std::find(kDull.begin(), kDull.end(), stats.kind) != kDull.end()) return;
    if (stats.compared == 0 || stats.new_pairs > 0 || told_.count(stats.fingerprint) != 0) return;
    std::string why = fmt::format("too few calls to judge speed: {} of {}",
                                  FormatCount(stats.latency_pairs), policy_.latency.min_pairs);
    if (stats.latency_pairs > 0) {
      why += fmt::format("; {} before, {} after", FormatDuration(speed.before.p50_us),
                         FormatDuration(speed.after.p50_us));
    }
    if (work_ != nullptr) {
      const auto work = work_->find(stats.fingerprint);
      if (work != work_->end()) {
        if (!JudgeWork(work->second, policy_.work).rises.empty()) return;  // A finding tells it.
        why += "; its work did not rise";
      }
    }
    verdict_.unjudged.push_back(UnjudgedOf(stats, table_.totals(), std::move(why)));
  }

  void TellTail(const Speed& speed, size_t patterns) {
    const auto floor_us = static_cast<double>(policy_.latency.min_delta_us);
    uint64_t longer = 0;
    uint64_t shorter = 0;
    const auto much = [&](double from, double to) {
      return to >= kTailFactor * from && to - from >= floor_us;
    };
    for (const LatencyTuple& tuple : speed.stats->latencies) {
      longer += much(tuple[0], tuple[1]) ? 1U : 0U;
      shorter += much(tuple[1], tuple[0]) ? 1U : 0U;
    }
    const uint64_t pairs = speed.stats->latencies.size();
    if (AsDouble(longer) < kTailShareMin * AsDouble(pairs)) return;
    if (FisherGreater(longer, pairs, shorter, pairs) > kTailP / AsDouble(patterns)) return;
    if (speed.share < policy_.latency.min_share) return;
    Finding finding = OpenFinding(FindingClass::kWarning, *speed.stats, table_.totals());
    SetSpeed(finding, speed);
    finding.affected = longer;
    finding.id = fmt::format("tail-{:016x}", finding.fingerprint);
    finding.reasons.push_back(fmt::format(
        "{} of {} take at least twice as long ({} the other way); the median is unchanged",
        FormatCount(longer), Calls(pairs), FormatCount(shorter)));
    Add(std::move(finding));
  }

  const PatternTable& table_;
  const Policy& policy_;
  const PatternTable* confirmation_;
  const WorkTable* work_;
  LatencyVerdict verdict_;
  std::set<uint64_t> told_;  // Patterns with a finding.
  std::set<uint64_t> confirmed_;
  std::set<uint64_t> ran_again_;  // Often enough, in the second run.
  std::set<uint64_t> noisy_;
  uint64_t refuted_ = 0;  // Slower patterns that the second run did not show again.
};

}  // namespace

LatencyVerdict JudgeLatency(const PatternTable& table, const Policy& policy,
                            const PatternTable* confirmation, const WorkTable* work,
                            const std::set<uint64_t>& told) {
  return LatencyJudge(table, policy, confirmation, work, told).Run();
}

Interval FactorInterval(const PatternStats& stats, size_t lane) {
  return BootstrapMedianRatio(Lane(stats, 0), Lane(stats, lane), 0.99, stats.fingerprint);
}

bool IsSurelyFaster(const PatternStats& stats, const TableTotals& totals,
                    const LatencyPolicy& policy) {
  const Speed speed = Measure(stats, totals, policy, 1);
  return Sure(speed, policy) && speed.ratio < 1;
}

}  // namespace scry::compare
