#include "compare/verdict.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <cmath>
#include <map>
#include <set>

#include "base/units.h"

namespace scry::compare {
namespace {

using base::FormatCount;
using base::FormatDuration;

constexpr size_t kUnjudgedMax = 1000;
constexpr size_t kAddedColumnsToldMax = 5;
constexpr double kNoiseFisherP = 0.01;
constexpr double kFidelityTold = 0.99;
constexpr size_t kUnfaithfulToldMax = 3;  // In the verdict's sentence.
constexpr double kLostShareMax =
    0.05;  // More statements without a lane to run on: too thin to judge.
// A slowdown that hits only some parameters leaves the median alone: calls that take twice as long.
constexpr double kTailFactor = 2.0;
constexpr double kTailP = 0.001;
constexpr double kTailShareMin = 0.02;
// What cannot be run by itself (several statements in one message, a temporary table) gates without
// having been seen again if the low end of its factor's interval is here. Of noise on a machine
// with five times more work than cores, the low ends went up to 2.6.
constexpr double kUnconfirmedFactorMin = 3.0;

double AsDouble(uint64_t value) { return static_cast<double>(value); }

// Rounded down: 94.96 % does not meet a floor of 95 %.
std::string Percent(double share) { return fmt::format("{:.4g} %", std::floor(share * 1000) / 10); }
std::string Calls(uint64_t count) { return FormatCount(count) + (count == 1 ? " call" : " calls"); }
std::string OfCalls(uint64_t affected, uint64_t calls) {
  return fmt::format("in {} of {}", FormatCount(affected), Calls(calls));
}
std::string Statements(uint64_t count) {
  return FormatCount(count) + (count == 1 ? " statement" : " statements");
}

LatencyNumbers NumbersOf(std::vector<double> values) {
  std::sort(values.begin(), values.end());
  return {Percentile(values, 0.50), Percentile(values, 0.95), Percentile(values, 0.99)};
}

double ShareOf(const PatternStats& stats, const TableTotals& totals) {
  const uint64_t all = totals.time_us[0] + totals.time_us[1];
  return all == 0 ? 0 : AsDouble(stats.time_us[0] + stats.time_us[1]) / AsDouble(all);
}

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

Finding Open(FindingClass type, const PatternStats& stats, const TableTotals& totals) {
  Finding finding;
  finding.type = type;
  finding.id = fmt::format("{}-{:016x}", Name(type), stats.fingerprint);
  finding.fingerprint = stats.fingerprint;
  finding.pattern = stats.pattern;
  finding.calls = stats.calls;
  finding.share = ShareOf(stats, totals);
  return finding;
}

void SetDifference(Finding& finding, DifferenceKind kind, const KindStats& stats) {
  finding.difference = kind;
  finding.sqlstate = stats.example.sqlstate;
  finding.message = stats.example.message;
  finding.example = stats.example;
}

void SetSpeed(Finding& finding, const Speed& speed) {
  finding.has_latency = true;
  finding.before = speed.before;
  finding.after = speed.after;
  finding.factor = speed.ratio;
  finding.p = speed.p;
  finding.affected = speed.stats->latency_pairs;
}

class Judgement {
 public:
  Judgement(const PatternTable& table, const Policy& policy, const RunFacts& run,
            const PatternTable* confirmation, const WorkTable* work)
      : table_(table), policy_(policy), run_(run), confirmation_(confirmation), work_(work) {}

  Verdict Run() {
    const std::vector<const PatternStats*> patterns = table_.Patterns();
    const TableTotals& totals = table_.totals();
    verdict_.patterns = patterns.size();
    verdict_.statements = totals.statements;
    verdict_.compared = totals.compared;
    RankFidelity(patterns);
    for (const PatternStats* stats : patterns) JudgeOutcomes(*stats);
    JudgeLatency();
    if (work_ != nullptr) JudgeWorkOfAll(*work_);
    JudgeChannels();
    for (const PatternStats* stats : patterns) {
      if (stats->compared > 0 && told_.count(stats->fingerprint) == 0) ++verdict_.unchanged;
    }
    Sort();
    AddNotes();
    Conclude();
    return std::move(verdict_);
  }

 private:
  Finding& Add(Finding finding) {
    told_.insert(finding.fingerprint);
    verdict_.findings.push_back(std::move(finding));
    return verdict_.findings.back();
  }

  void AddUnjudged(const PatternStats& stats, std::string why) {
    verdict_.unjudged.push_back({stats.fingerprint, stats.pattern, std::move(why), stats.calls,
                                 stats.latency_pairs, ShareOf(stats, table_.totals())});
  }

  // More often on the candidate than the control lane differs by itself.
  static bool BeyondNoise(const PatternStats& stats, uint64_t count, uint64_t noise) {
    if (noise == 0) return true;
    const uint64_t n = std::max({stats.calls, count, noise});
    return FisherGreater(count, n, noise, n) <= kNoiseFisherP;
  }

  static uint64_t ControlCount(const PatternStats& stats,
                               std::initializer_list<DifferenceKind> kinds) {
    uint64_t count = 0;
    for (const DifferenceKind kind : kinds) {
      const auto found = stats.control_differences.find(kind);
      if (found != stats.control_differences.end()) count += found->second;
    }
    return count;
  }

  static bool ErrorsBeyondNoise(const PatternStats& stats, uint64_t count) {
    return BeyondNoise(
        stats, count, ControlCount(stats, {DifferenceKind::kError, DifferenceKind::kErrorChanged}));
  }

  // `known`: the columns are, and each was held against the control lane's by itself.
  static bool ResultsBeyondNoise(const PatternStats& stats, DifferenceKind kind, uint64_t count,
                                 bool known) {
    using Kind = DifferenceKind;
    uint64_t noise = ControlCount(stats, {kind});
    if (kind == Kind::kValues) {
      noise = ControlCount(stats, {Kind::kRows}) + (known ? 0 : ControlCount(stats, {kind}));
    }
    if (kind == Kind::kOrder) noise = ControlCount(stats, {kind, Kind::kValues, Kind::kRows});
    return BeyondNoise(stats, count, noise);
  }

  // Columns in which the candidate differs about as often as the control lane does by itself.
  static ColumnBits NoisyColumns(const PatternStats& stats) {
    ColumnBits noisy = 0;
    for (size_t bit = 0; bit < kColumnBits && !stats.control_columns.empty(); ++bit) {
      const uint64_t noise = stats.control_columns.At(bit);
      if (!BeyondNoise(stats, stats.candidate_columns.At(bit), noise)) {
        noisy |= ColumnBits{1} << bit;
      }
    }
    return noisy;
  }

  // What weighs of a kind: not the pairs that differ in noisy columns only.
  struct Weighed {
    WeightCounts counts;
    uint64_t known = 0;  // Of those, with known columns.
    uint64_t noise = 0;  // Left out.
  };
  static Weighed WeighKind(const PatternStats& stats, const KindStats& kind) {
    Weighed weighed{kind.weights};
    if (kind.by_columns.empty()) return weighed;
    const ColumnBits noisy = NoisyColumns(stats);
    for (const auto& [columns, counts] : kind.by_columns) {
      if ((columns & ~noisy) != 0) {
        weighed.known += counts.sum();
        continue;
      }
      weighed.counts.Subtract(counts);
      weighed.noise += counts.sum();
    }
    return weighed;
  }

  void JudgeOutcomes(const PatternStats& stats) {
    for (const auto& [kind, counts] : stats.differences) {
      if (kind == DifferenceKind::kError) JudgeErrors(stats, counts);
      if (kind == DifferenceKind::kFixed) JudgeFixed(stats, counts);
    }
    JudgeRaces(stats);
    JudgeResults(stats);
    JudgeWarnings(stats);
    if (stats.failed_on_both > 0 && stats.failed_on_both * 2 > stats.calls) {
      const auto& errors = stats.errors[0];
      const std::string state =
          errors.empty() ? "" : fmt::format(" with {}", errors.begin()->first);
      AddUnjudged(stats, fmt::format("fails{} on both lanes, though it ran when captured", state));
    }
    const auto odd = stats.differences.find(DifferenceKind::kNotComparable);
    if (odd != stats.differences.end() && odd->second.excuses.count(Excuse::kTooLarge) != 0) {
      AddUnjudged(stats, "its results are too large to compare column by column");
    }
  }

  void JudgeErrors(const PatternStats& stats, const KindStats& counts) {
    if (counts.weights.gates > 0) {
      Finding finding = Open(FindingClass::kBroken, stats, table_.totals());
      SetDifference(finding, DifferenceKind::kError, counts);
      finding.affected = counts.weights.gates;
      finding.gates = policy_.gate.error && ErrorsBeyondNoise(stats, counts.weights.gates);
      finding.reasons.push_back(fmt::format(
          "fails {}: {}", OfCalls(counts.weights.gates, stats.calls), counts.example.detail));
      AddOtherStates(stats, counts.example.sqlstate, finding);
      Add(std::move(finding));
      return;
    }
    if (counts.excuses.empty()) return;
    const Excuse excuse = counts.excuses.begin()->first;
    Finding finding = Open(FindingClass::kWarning, stats, table_.totals());
    SetDifference(finding, DifferenceKind::kError, counts);
    finding.affected = counts.count;
    std::string why = "the control lane disagrees with the baseline as well";
    if (excuse == Excuse::kCounterfactual) {
      why = "an earlier statement went differently, so a client might not have sent it";
    }
    if (excuse == Excuse::kOrderBroken) why = "the order of the capture could not be kept there";
    finding.reasons.push_back(
        fmt::format("fails {}: {}", OfCalls(counts.count, stats.calls), counts.example.detail));
    finding.reasons.push_back("does not gate: " + why);
    Add(std::move(finding));
  }

  // One lost race says nothing. A query that runs into its timeout on the candidate again and
  // again, and not on the baseline, has become too slow to ever yield a pair of latencies.
  void JudgeRaces(const PatternStats& stats) {
    for (const auto& [state, count] : stats.errors[1]) {
      if (!IsRaceState(state)) continue;
      uint64_t usual = 0;
      for (const size_t lane : {size_t{0}, size_t{2}}) {
        const auto found = stats.errors[lane].find(state);
        if (found != stats.errors[lane].end()) usual = std::max(usual, found->second);
      }
      if (FisherGreater(count, stats.calls, usual, stats.calls) > kNoiseFisherP) continue;
      const bool timeout = state == "57014";
      Finding finding =
          Open(timeout ? FindingClass::kBroken : FindingClass::kWarning, stats, table_.totals());
      const auto odd = stats.differences.find(DifferenceKind::kNotComparable);
      if (odd != stats.differences.end())
        SetDifference(finding, DifferenceKind::kError, odd->second);
      if (finding.sqlstate != state) finding.message.clear();
      finding.sqlstate = state;
      finding.id += "-" + state;
      finding.affected = count;
      finding.gates = timeout && policy_.gate.error;
      finding.reasons.push_back(
          fmt::format("{} {}: {}, {} on the baseline", timeout ? "is cancelled" : "loses a race",
                      OfCalls(count, stats.calls), state, FormatCount(usual)));
      Add(std::move(finding));
    }
  }

  static void AddOtherStates(const PatternStats& stats, const std::string& told, Finding& finding) {
    std::string others;
    for (const auto& [state, count] : stats.errors[1]) {
      const auto before = stats.errors[0].find(state);
      const uint64_t baseline = before == stats.errors[0].end() ? 0 : before->second;
      if (state == told || count <= baseline) continue;
      others += fmt::format("{}{} ({} times)", others.empty() ? "" : ", ", state,
                            FormatCount(count - baseline));
    }
    if (!others.empty()) finding.reasons.push_back("also fails with " + others);
  }

  void JudgeFixed(const PatternStats& stats, const KindStats& counts) {
    if (counts.introduced == 0) {
      fixed_ += 1;
      return;
    }
    Finding finding = Open(FindingClass::kNew, stats, table_.totals());
    SetDifference(finding, DifferenceKind::kFixed, counts);
    finding.affected = counts.introduced;
    const std::string before =
        fmt::format("cannot run before the change: {}", counts.example.detail);
    const NewPatternPolicy& policy = policy_.new_pattern;
    std::string judged;
    if (!stats.new_latencies.empty()) {
      std::vector<double> captured;
      std::vector<double> candidate;
      for (const auto& [then, now] : stats.new_latencies) {
        captured.push_back(then);
        candidate.push_back(now);
      }
      finding.has_latency = true;
      finding.before = NumbersOf(captured);
      finding.after = NumbersOf(candidate);
      finding.factor = finding.after.p50_us / std::max(finding.before.p50_us, 1.0);
      const bool slow =
          finding.factor >= policy.min_ratio &&
          finding.after.p50_us - finding.before.p50_us >= static_cast<double>(policy.min_delta_us);
      if (stats.new_pairs < policy.min_samples) {
        AddUnjudged(stats, fmt::format("new, and ran {} of the {} times needed to judge its speed",
                                       FormatCount(stats.new_pairs), policy.min_samples));
      } else if (slow) {
        finding.type = FindingClass::kNewSlow;
        finding.id = fmt::format("{}-{:016x}", Name(finding.type), stats.fingerprint);
        finding.gates = policy_.gate.latency;
        judged = fmt::format("takes {:.1f} times as long as when it was captured", finding.factor);
      } else {
        judged = "runs after it, about as fast as when it was captured or faster";
      }
    } else {
      AddUnjudged(stats, "new, and did not run when captured: its speed cannot be judged");
    }
    if (!judged.empty()) finding.reasons.push_back(judged);
    finding.reasons.push_back(before);
    Add(std::move(finding));
  }

  void JudgeResults(const PatternStats& stats) {
    Finding finding = Open(FindingClass::kDifferent, stats, table_.totals());
    uint64_t gating = 0;
    bool beyond = false;
    for (const auto& [kind, counts] : stats.differences) {
      if (!IsResultKind(kind)) continue;
      const Weighed weighed = WeighKind(stats, counts);
      column_noise_ += weighed.noise;
      const bool most = weighed.counts.gates_if_most * 2 > stats.compared;
      const uint64_t weighs = weighed.counts.gates + (most ? weighed.counts.gates_if_most : 0);
      if (weighs == 0) continue;
      beyond = beyond || ResultsBeyondNoise(stats, kind, weighs, weighed.known >= weighs);
      if (finding.reasons.empty()) SetDifference(finding, kind, counts);
      finding.reasons.push_back(
          fmt::format("{}, {}", counts.example.detail, OfCalls(weighs, stats.calls)));
      const std::string rows = DescribeSample(counts.example.rows);
      if (!rows.empty()) finding.reasons.push_back("in one of them " + rows);
      gating += weighs;
    }
    if (gating == 0) return;
    finding.affected = gating;
    finding.gates = policy_.gate.result && beyond;
    if (policy_.gate.result && !finding.gates) {
      finding.reasons.push_back("does not gate: the control lane differs about as often");
    }
    Add(std::move(finding));
  }

  void JudgeWarnings(const PatternStats& stats) {
    Finding finding = Open(FindingClass::kWarning, stats, table_.totals());
    for (const auto& [kind, counts] : stats.differences) {
      const WeightCounts weighs = WeighKind(stats, counts).counts;
      const bool few = weighs.gates_if_most > 0 && weighs.gates_if_most * 2 <= stats.compared;
      const uint64_t told = weighs.warnings + (few ? weighs.gates_if_most : 0);
      if (told == 0) continue;
      if (finding.reasons.empty()) SetDifference(finding, kind, counts);
      finding.affected += told;
      finding.reasons.push_back(
          fmt::format("{}, {}", counts.example.detail, OfCalls(told, stats.calls)));
      if (few) finding.reasons.push_back("may be chance: fewer than half of its calls differ");
    }
    if (!finding.reasons.empty()) Add(std::move(finding));
  }

  // Another number of notifications, or others, is told but does not gate: who listens decides what
  // it means.
  void JudgeChannels() {
    for (const ChannelDifference& difference : ChannelDifferences(table_.unasked())) {
      Finding finding;
      finding.type = FindingClass::kWarning;
      finding.fingerprint = event::DigestOf("channel " + difference.channel);
      finding.id = fmt::format("channel-{:016x}", finding.fingerprint);
      finding.pattern = "channel " + difference.channel;
      finding.calls = difference.baseline;
      finding.affected = difference.candidate;
      finding.reasons.push_back(difference.sentence);
      Add(std::move(finding));
    }
  }

  void JudgeLatency() {
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
        Finding finding = Open(FindingClass::kFaster, *speed.stats, table_.totals());
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

  Interval IntervalOf(const Speed& speed) const {
    return BootstrapMedianRatio(Lane(*speed.stats, 0), Lane(*speed.stats, 1), 0.99,
                                speed.stats->fingerprint);
  }

  void AddSlower(const Speed& speed) {
    Finding finding = Open(FindingClass::kSlower, *speed.stats, table_.totals());
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
      verdict_.too_noisy = true;
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
    AddUnjudged(stats, std::move(why));
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
    Finding finding = Open(FindingClass::kWarning, *speed.stats, table_.totals());
    SetSpeed(finding, speed);
    finding.affected = longer;
    finding.id = fmt::format("tail-{:016x}", finding.fingerprint);
    finding.reasons.push_back(fmt::format(
        "{} of {} take at least twice as long ({} the other way); the median is unchanged",
        FormatCount(longer), Calls(pairs), FormatCount(shorter)));
    Add(std::move(finding));
  }

  void JudgeWorkOfAll(const WorkTable& work) {
    double all_blocks = 0;
    for (const auto& [fingerprint, samples] : work) {
      const PatternStats* stats = table_.Find(fingerprint);
      if (stats != nullptr) all_blocks += EstimateBlocks(samples, stats->calls);
    }
    for (const auto& [fingerprint, samples] : work) {
      const PatternStats* stats = table_.Find(fingerprint);
      if (stats == nullptr) continue;
      const WorkJudgement judged = JudgeWork(samples, policy_.work);
      if (judged.rises.empty()) continue;
      const double blocks = EstimateBlocks(samples, stats->calls) / std::max(all_blocks, 1.0);
      AddWork(*stats, judged, std::max(ShareOf(*stats, table_.totals()), blocks));
    }
  }

  void AddWork(const PatternStats& stats, const WorkJudgement& judged, double share) {
    std::vector<std::string> reasons = DescribeWork(judged);
    std::string doubt;
    if (IsSurelyFaster(stats)) {
      doubt = "does not gate: it is faster all the same";
    } else if (share < policy_.work.min_share) {
      doubt = fmt::format(
          "does not gate: {:.2f} % of the time and the blocks, under the share of {:.3g} %",
          share * 100, policy_.work.min_share * 100);
    }
    const bool gates = policy_.gate.work && doubt.empty();
    // One finding per pattern: that it is slower has its reason here.
    for (Finding& finding : verdict_.findings) {
      const bool timed = finding.has_latency && finding.type != FindingClass::kWarning &&
                         finding.fingerprint == stats.fingerprint;
      if (!timed) continue;
      if (gates && !finding.gates) {
        std::erase_if(finding.reasons, [](const std::string& reason) {
          return reason.starts_with("does not gate");
        });
        finding.gates = true;
      }
      finding.reasons.insert(finding.reasons.begin(), reasons.begin(), reasons.end());
      finding.has_work = true;
      finding.work = judged.numbers;
      return;
    }
    Finding finding = Open(FindingClass::kMoreWork, stats, table_.totals());
    finding.affected = judged.numbers.risen;
    finding.gates = gates;
    finding.has_work = true;
    finding.work = judged.numbers;
    finding.reasons = std::move(reasons);
    if (!doubt.empty() && policy_.gate.work) finding.reasons.push_back(std::move(doubt));
    Add(std::move(finding));
  }

  // An index join touches more blocks than the scan it replaces, and may be the better plan.
  bool IsSurelyFaster(const PatternStats& stats) const {
    const Speed speed = Measure(stats, table_.totals(), policy_.latency, 1);
    return Sure(speed, policy_.latency) && speed.ratio < 1;
  }

  void Sort() {
    const auto harm = [](const Finding& f) {
      return f.has_latency ? std::fabs(f.after.p50_us - f.before.p50_us) * AsDouble(f.calls)
                           : AsDouble(f.affected);
    };
    std::sort(verdict_.findings.begin(), verdict_.findings.end(),
              [&](const Finding& a, const Finding& b) {
                if (a.gates != b.gates) return a.gates;
                if (a.type != b.type) return a.type < b.type;
                if (harm(a) != harm(b)) return harm(a) > harm(b);
                if (a.fingerprint != b.fingerprint) return a.fingerprint < b.fingerprint;
                return a.id < b.id;
              });
    std::sort(verdict_.unjudged.begin(), verdict_.unjudged.end(),
              [](const Unjudged& a, const Unjudged& b) {
                if (a.share != b.share) return a.share > b.share;
                if (a.fingerprint != b.fingerprint) return a.fingerprint < b.fingerprint;
                return a.why < b.why;
              });
    if (verdict_.unjudged.size() > kUnjudgedMax) {
      Note(fmt::format("{} more patterns could not be judged; the {} with the most time are listed",
                       FormatCount(verdict_.unjudged.size() - kUnjudgedMax), kUnjudgedMax));
      verdict_.unjudged.resize(kUnjudgedMax);
    }
  }

  void Note(std::string sentence) { verdict_.notes.push_back(std::move(sentence)); }

  void AddNotes() {
    const TableTotals& totals = table_.totals();
    if (verdict_.too_noisy) {
      Note("Baseline and control differ in speed: this machine is too noisy to judge latency");
    }
    if (verdict_.fidelity.share() < kFidelityTold) {
      Note(
          fmt::format("The baseline did what production did for {} of the statements ({}); the "
                      "shadow may be older than the capture",
                      Percent(verdict_.fidelity.share()), DescribeLosses(verdict_.fidelity)));
    }
    for (std::string& note : UnaskedNotes(table_.unasked())) Note(std::move(note));
    TellAddedColumns();
    if (fixed_ > 0) {
      Note(fmt::format("{} on the baseline and {} on the candidate",
                       fixed_ == 1 ? "1 query fails" : FormatCount(fixed_) + " queries fail",
                       fixed_ == 1 ? "runs" : "run"));
    }
    for (const auto& [excuse, count] : totals.excuses) {
      const char* why = ExcuseSentence(excuse);
      if (why != nullptr) Note(fmt::format("{} {}", Statements(count), why));
    }
    if (column_noise_ > 0) {
      Note(fmt::format(
          "{} not weighed: differ only in columns in which baseline and control differ as well",
          Statements(column_noise_)));
    }
    if (totals.overflow_statements > 0) {
      Note(
          fmt::format("{} of rare patterns were checked for breaks only: there were too many "
                      "patterns to keep",
                      Statements(totals.overflow_statements)));
    }
  }

  void TellAddedColumns() {
    size_t told = 0;
    size_t more = 0;
    for (const PatternStats* stats : table_.Patterns()) {
      const auto added = stats->differences.find(DifferenceKind::kColumnsAdded);
      if (added == stats->differences.end()) continue;
      if (++told > kAddedColumnsToldMax) {
        ++more;
        continue;
      }
      Note(fmt::format("{} {}", base::Printable(stats->pattern, 60), added->second.example.detail));
    }
    if (more > 0) Note(fmt::format("{} more queries return additional columns", FormatCount(more)));
  }

  static const char* ExcuseSentence(Excuse excuse) {
    switch (excuse) {
      case Excuse::kVolatile:
        return "not weighed: a clock, a sequence or a random number makes values differ";
      case Excuse::kCatalog:
        return "not weighed: the system catalogs show the migration";
      case Excuse::kTiesAtLimit:
        return "not weighed: other rows among those tied at the edge of a LIMIT";
      case Excuse::kLimitUnordered:
        return "compared by number of rows only: LIMIT without ORDER BY";
      case Excuse::kHiddenSortKey:
        return "not weighed: equal rows in another order, sorted by something not in the output";
      case Excuse::kRowOrderSums:
        return "not exact: sums or aggregates that depend on the order rows are read in";
      case Excuse::kRace:
        return "not compared: lost a race on one lane (serialization, deadlock, timeout)";
      case Excuse::kInfrastructure:
        return "not compared: one lane lacked resources or its connection";
      case Excuse::kCascade:
        return "not compared: an earlier error on one lane came first";
      case Excuse::kCounterfactual:
        return "not weighed: follows an earlier difference in its transaction";
      case Excuse::kOrderBroken:
        return "not weighed: the order of the capture could not be kept";
      case Excuse::kNoise:
        return "not weighed: baseline and control differ as well";
      case Excuse::kNoLanes:
        return "not compared: did not run on both lanes";
      case Excuse::kEqualByValue:
        return "not weighed: the same numbers, with another scale or rounding";
      case Excuse::kNone:
      case Excuse::kTooLarge:
        return nullptr;
    }
    return nullptr;
  }

  void Conclude() {
    const bool gates = std::any_of(verdict_.findings.begin(), verdict_.findings.end(),
                                   [](const Finding& finding) { return finding.gates; });
    verdict_.result = VerdictResult::kInconclusive;
    if (verdict_.compared == 0) {
      verdict_.sentence = verdict_.statements == 0
                              ? "no statement was replayed"
                              : "none of the replayed statements could be compared";
      return;
    }
    if (verdict_.fidelity.share() < policy_.fidelity_floor) {
      verdict_.sentence = UnfaithfulSentence(gates);
      return;
    }
    if (gates) {
      verdict_.result = VerdictResult::kRegressions;
      verdict_.sentence = Summary();
      return;
    }
    if (verdict_.too_noisy) {
      verdict_.sentence = "queries look slower, but this machine is too noisy to be sure";
      return;
    }
    if (LostShare() > kLostShareMax) {
      verdict_.sentence = fmt::format(
          "{:.0f} % of the statements lacked a lane to run on; what ran shows no regression",
          LostShare() * 100);
      return;
    }
    if (run_.interrupted) {
      verdict_.sentence = "the replay ended early; what ran shows no regression";
      return;
    }
    verdict_.result = VerdictResult::kSafe;
    verdict_.sentence = fmt::format(
        "{} of {} compared: {}", Statements(verdict_.compared),
        verdict_.patterns == 1 ? "1 pattern" : FormatCount(verdict_.patterns) + " patterns",
        SafeClaim());
  }

  // Too unfaithful a replay shows neither safety nor a regression. What would have gated is told
  // all the same.
  std::string UnfaithfulSentence(bool gates) const {
    std::string sentence = fmt::format(
        "the baseline did what production did for {} of the statements and {:.4g} % are "
        "required: {}",
        Percent(verdict_.fidelity.share()), policy_.fidelity_floor * 100,
        DescribeLosses(verdict_.fidelity));
    for (size_t i = 0; i < verdict_.unfaithful.size() && i < kUnfaithfulToldMax; ++i) {
      const UnfaithfulPattern& worst = verdict_.unfaithful[i];
      sentence += fmt::format("{} {} ({} of {})", i == 0 ? "; most in" : ",",
                              base::Printable(worst.pattern, 60),
                              FormatCount(worst.counts.lost_in_all()), Calls(worst.counts.judged));
    }
    if (gates) sentence += fmt::format("; in what was replayed, {}", Summary());
    return sentence;
  }

  // The patterns that lost most statements; equal ones by fingerprint.
  void RankFidelity(const std::vector<const PatternStats*>& patterns) {
    verdict_.fidelity = table_.totals().fidelity;
    verdict_.fidelity_floor = policy_.fidelity_floor;
    for (const PatternStats* stats : patterns) {
      if (stats->fidelity.lost_in_all() == 0) continue;
      verdict_.unfaithful.push_back({stats->fingerprint, stats->pattern, stats->fidelity});
    }
    std::stable_sort(verdict_.unfaithful.begin(), verdict_.unfaithful.end(),
                     [](const UnfaithfulPattern& a, const UnfaithfulPattern& b) {
                       return a.counts.lost_in_all() > b.counts.lost_in_all();
                     });
    if (verdict_.unfaithful.size() > kUnfaithfulMax) verdict_.unfaithful.resize(kUnfaithfulMax);
  }

  double LostShare() const {
    uint64_t lost = 0;
    for (const auto& [excuse, count] : table_.totals().excuses) {
      if (excuse == Excuse::kInfrastructure || excuse == Excuse::kNoLanes) lost += count;
    }
    return AsDouble(lost) / AsDouble(std::max<uint64_t>(table_.totals().statements, 1));
  }

  // Only what gates was asked for; a finding that is told does not turn into a clean bill.
  std::string SafeClaim() const {
    const bool told =
        std::any_of(verdict_.findings.begin(), verdict_.findings.end(),
                    [](const Finding& finding) { return finding.type < FindingClass::kNew; });
    return told ? "nothing that gates" : "none breaks, returns something else or is slower";
  }

  std::string Summary() const {
    std::map<FindingClass, uint64_t> counts;
    for (const Finding& finding : verdict_.findings) {
      if (finding.gates) ++counts[finding.type];
    }
    struct Words {
      const char* one;
      const char* many;
    };
    static const std::map<FindingClass, Words> kWords = {
        {FindingClass::kBroken, {"breaks", "break"}},
        {FindingClass::kDifferent, {"returns something else", "return something else"}},
        {FindingClass::kSlower, {"is slower", "are slower"}},
        {FindingClass::kNewSlow, {"is new and slow", "are new and slow"}},
        {FindingClass::kMoreWork, {"has more work to do", "have more work to do"}}};
    std::string summary;
    for (const auto& [type, count] : counts) {
      const auto words = kWords.find(type);
      if (words == kWords.end()) continue;
      const std::string noun = !summary.empty() ? "" : count == 1 ? " query" : " queries";
      summary += fmt::format("{}{}{} {}", summary.empty() ? "" : ", ", FormatCount(count), noun,
                             count == 1 ? words->second.one : words->second.many);
    }
    return summary;
  }

  const PatternTable& table_;
  const Policy& policy_;
  const RunFacts& run_;
  const PatternTable* confirmation_;
  const WorkTable* work_;
  Verdict verdict_;
  std::set<uint64_t> told_;  // Patterns with a finding.
  std::set<uint64_t> confirmed_;
  uint64_t fixed_ = 0;
  uint64_t column_noise_ = 0;  // Statements that differ only where the control lane does as well.
  uint64_t refuted_ = 0;       // Slower patterns that the second run did not show again.
  std::set<uint64_t> ran_again_;  // Often enough, in the second run.
  std::set<uint64_t> noisy_;
};

}  // namespace

Verdict Judge(const PatternTable& table, const Policy& policy, const RunFacts& run,
              const PatternTable* confirmation, const WorkTable* work) {
  return Judgement(table, policy, run, confirmation, work).Run();
}

const char* Name(FindingClass type) {
  static constexpr std::array<const char*, 8> kNames = {
      "broken", "different", "slower", "new-slow", "more-work", "warning", "new", "faster"};
  return kNames[static_cast<size_t>(type)];
}

const char* Name(VerdictResult result) {
  static constexpr std::array<const char*, 3> kNames = {"safe", "regressions", "inconclusive"};
  return kNames[static_cast<size_t>(result)];
}

}  // namespace scry::compare
