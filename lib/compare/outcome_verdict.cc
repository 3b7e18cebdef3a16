#include "compare/outcome_verdict.h"

#include <fmt/format.h>

#include <algorithm>
#include <iterator>
#include <optional>
#include <utility>

#include "base/units.h"
#include "compare/finding_parts.h"
#include "compare/folding.h"
#include "compare/ignore_rules.h"
#include "compare/pace.h"
#include "compare/statistics.h"

namespace scry::compare {
namespace {

using base::FormatCount;

constexpr size_t kFoldingsMax = 8;
constexpr uint64_t kAlwaysCutOffMin = 2;  // Calls, that what cancels all of them is no chance.
constexpr double kPaceTold = 1.5;
// Of all patterns that ask a clock, none is to gate by chance: lanes are not alike in that they run
// one after the other.
constexpr double kClockFisherP = 1e-6;
constexpr uint64_t kClockShare = 10;  // One of so many calls, at least.
constexpr const char* kLostMark = "08006";

// More often on the candidate than the control lane differs by itself.
bool BeyondNoise(const PatternStats& stats, uint64_t count, uint64_t noise) {
  if (noise == 0) return true;
  const uint64_t n = std::max({stats.calls, count, noise});
  return FisherGreater(count, n, noise, n) <= kNoiseFisherP;
}

uint64_t ControlCount(const PatternStats& stats, std::initializer_list<DifferenceKind> kinds) {
  uint64_t count = 0;
  for (const DifferenceKind kind : kinds) {
    const auto found = stats.control_differences.find(kind);
    if (found != stats.control_differences.end()) count += found->second;
  }
  return count;
}

uint64_t ErrorCount(const PatternStats& stats, size_t lane, const std::string& state) {
  const auto found = stats.errors[lane].find(state);
  return found == stats.errors[lane].end() ? 0 : found->second;
}

// So often more than on the baseline.
uint64_t ControlErrors(const PatternStats& stats, const std::string& state) {
  const uint64_t control = ErrorCount(stats, 2, state);
  return control - std::min(control, ErrorCount(stats, 0, state));
}

// Whatever the control lane fails with: what it never shows on its own is no noise of others.
bool ErrorsBeyondNoise(const PatternStats& stats, const KindStats& errors, uint64_t count) {
  const uint64_t noise =
      ControlCount(stats, {DifferenceKind::kError, DifferenceKind::kErrorChanged});
  if (BeyondNoise(stats, count, noise)) return true;
  return std::any_of(errors.states.begin(), errors.states.end(), [&](const auto& state) {
    return !MayBeRaced(state.first) &&
           BeyondNoise(stats, std::min(state.second, count), ControlErrors(stats, state.first));
  });
}

// `known`: the columns are, and each was held against the control lane's by itself.
bool ResultsBeyondNoise(const PatternStats& stats, DifferenceKind kind, uint64_t count,
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
ColumnBits NoisyColumns(const PatternStats& stats) {
  ColumnBits noisy = 0;
  for (size_t bit = 0; bit < kColumnBits && !stats.control_columns.empty(); ++bit) {
    const uint64_t noise = stats.control_columns.At(bit);
    if (!BeyondNoise(stats, stats.candidate_columns.At(bit), noise)) {
      noisy |= ColumnBits{1} << bit;
    }
  }
  return noisy;
}

void AddOtherStates(const PatternStats& stats, const std::string& told, Finding& finding) {
  std::string others;
  for (const auto& [state, count] : stats.errors[1]) {
    const uint64_t baseline = ErrorCount(stats, 0, state);
    if (state == told || count <= baseline) continue;
    others += fmt::format("{}{} ({} times)", others.empty() ? "" : ", ", state,
                          FormatCount(count - baseline));
  }
  if (!others.empty()) finding.reasons.push_back("also fails with " + others);
}

class OutcomeJudge {
 public:
  OutcomeJudge(const PatternTable& table, const Policy& policy, const Causes& causes,
               std::optional<double> pace)
      : table_(table), policy_(policy), causes_(causes), pace_(pace) {}

  OutcomeVerdict Run() {
    for (const PatternStats* stats : table_.Patterns()) JudgePattern(*stats);
    return std::move(outcomes_);
  }

 private:
  void Add(Finding finding) {
    outcomes_.told.insert(finding.fingerprint);
    outcomes_.findings.push_back(std::move(finding));
  }

  void AddUnjudged(const PatternStats& stats, std::string why) {
    outcomes_.unjudged.push_back(UnjudgedOf(stats, table_.totals(), std::move(why)));
  }

  // What weighs of a kind: not what is folded, and not the pairs that differ in noisy columns only.
  struct Weighed {
    WeightCounts counts;
    uint64_t known = 0;  // Of those, with known columns.
    uint64_t noise = 0;  // Left out.
  };
  Weighed Weigh(const PatternStats& stats, const KindStats& kind) const {
    const ColumnWeights own = OwnWeights(kind, causes_);
    Weighed weighed{own.weights};
    if (own.by_columns.empty()) return weighed;
    const ColumnBits noisy = NoisyColumns(stats);
    for (const auto& [columns, counts] : own.by_columns) {
      if ((columns & ~noisy) != 0) {
        weighed.known += counts.sum();
        continue;
      }
      weighed.counts.Subtract(counts);
      weighed.noise += counts.sum();
    }
    return weighed;
  }

  void JudgePattern(const PatternStats& stats) {
    if (AnyFolded(stats, causes_)) outcomes_.told.insert(stats.fingerprint);
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
    const WeightCounts weights = OwnWeights(counts, causes_).weights;
    if (weights.gates > 0) {
      Finding finding = OpenFinding(FindingClass::kBroken, stats, table_.totals());
      SetDifference(finding, DifferenceKind::kError, counts);
      finding.affected = weights.gates;
      finding.gates = policy_.gate.error && ErrorsBeyondNoise(stats, counts, weights.gates);
      finding.reasons.push_back(
          fmt::format("fails {}: {}", OfCalls(weights.gates, stats.calls), counts.example.detail));
      AddOtherStates(stats, counts.example.sqlstate, finding);
      Add(std::move(finding));
      return;
    }
    if (counts.weights.gates > 0) return;  // All of it follows from another finding.
    if (counts.excuses.empty()) return;
    const Excuse excuse = counts.excuses.begin()->first;
    Finding finding = OpenFinding(FindingClass::kWarning, stats, table_.totals());
    // JudgeWarnings may have another one for the same pattern.
    finding.id = fmt::format("fails-{:016x}", finding.fingerprint);
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

  // Calls that end in `count` on the lane that does so most, the candidate left aside.
  static uint64_t Usual(const PatternStats& stats, const std::string& state) {
    return std::max(ErrorCount(stats, 0, state), ErrorCount(stats, 2, state));
  }

  // All of its calls were cancelled on the candidate, none on the baseline, and the limit is no
  // near thing: the baseline is done long before it, or goes on well beyond it.
  static bool AlwaysCutOff(const PatternStats& stats, uint64_t count, uint64_t usual) {
    const uint64_t limits_us = stats.time_us[1];
    const bool near = stats.time_us[0] * 2 > limits_us && stats.time_us[0] < limits_us * 2;
    return usual == 0 && count >= stats.calls && !near;
  }

  // What a statement ends in by chance too: a race, a timeout, a server without room or its end.
  Finding OpenChance(const PatternStats& stats, FindingClass type, const std::string& state,
                     uint64_t count, std::string reason) const {
    Finding finding = OpenFinding(type, stats, table_.totals());
    const auto odd = stats.differences.find(DifferenceKind::kNotComparable);
    if (odd != stats.differences.end()) {
      SetDifference(finding, DifferenceKind::kError, odd->second);
    }
    if (finding.sqlstate != state) finding.message.clear();
    finding.sqlstate = state;
    finding.id += "-" + (state.empty() ? std::string(kLostMark) : state);
    finding.affected = count;
    finding.gates = type == FindingClass::kBroken && policy_.gate.error;
    finding.reasons.push_back(std::move(reason));
    return finding;
  }

  // One lost race says nothing. A query that runs into its timeout on the candidate again and
  // again, and not on the baseline, has become too slow to ever yield a pair of latencies; one that
  // lacks memory or disk there sorts or hashes what it did not before.
  void JudgeRaces(const PatternStats& stats) {
    JudgeStuck(stats);
    for (const auto& [state, count] : stats.errors[1]) {
      const bool lacks = IsResourceState(state);
      if (!IsRaceState(state) && !lacks) continue;
      const bool timeout = state == "57014";
      if (timeout && stats.stuck > 0) continue;  // Told already.
      const uint64_t usual = Usual(stats, state);
      bool chance = FisherGreater(count, stats.calls, usual, stats.calls) > kNoiseFisherP;
      if (lacks) chance = !NoChance(count, usual, stats.calls);
      if (chance && timeout && AlwaysCutOff(stats, count, usual)) {
        chance = stats.calls < kAlwaysCutOffMin;
        if (chance) TellCutOff(stats);
      }
      if (chance) continue;
      const bool always = table_.totals().has_control && NearlyAlways(count, usual, stats.calls);
      const char* what = timeout ? "is cancelled" : lacks ? "lacks resources" : "loses a race";
      Add(OpenChance(stats,
                     timeout || lacks || always ? FindingClass::kBroken : FindingClass::kWarning,
                     state, count,
                     fmt::format("{} {}: {}, {} on the baseline", what, OfCalls(count, stats.calls),
                                 state, FormatCount(usual))));
    }
    const uint64_t lost = stats.lost[1];
    const uint64_t usual = std::max(stats.lost[0], stats.lost[2]);
    if (stats.stuck > 0 || lost == 0 || !NoChance(lost, usual, stats.calls)) return;
    Add(OpenChance(stats, FindingClass::kBroken, {}, lost,
                   fmt::format("ends its connection {}, {} on the baseline",
                               OfCalls(lost, stats.calls), FormatCount(usual))));
  }

  // Other lanes ended it, so it can be no matter of chance.
  void JudgeStuck(const PatternStats& stats) {
    if (stats.stuck == 0) return;
    Add(OpenChance(stats, FindingClass::kBroken, "57014", stats.stuck,
                   fmt::format("does not end {}, and had to be cancelled",
                               OfCalls(stats.stuck, stats.calls))));
  }

  void TellCutOff(const PatternStats& stats) {
    ++outcomes_.cut_off;
    AddUnjudged(stats, "is cancelled with 57014 in its only call, on the candidate alone");
  }

  void JudgeFixed(const PatternStats& stats, const KindStats& counts) {
    if (counts.introduced == 0) {
      ++outcomes_.fixed;
      return;
    }
    Finding finding = OpenFinding(FindingClass::kNew, stats, table_.totals());
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
      const double pace = pace_ ? *pace_ : PaceFor(table_, stats, policy);
      const double usual_us = finding.before.p50_us * pace;
      const bool slow = finding.factor >= policy.min_ratio * pace &&
                        finding.after.p50_us - usual_us >= static_cast<double>(policy.min_delta_us);
      if (stats.new_pairs < policy.min_samples) {
        AddUnjudged(stats, fmt::format("new, and ran {} of the {} times needed to judge its speed",
                                       FormatCount(stats.new_pairs), policy.min_samples));
      } else if (slow) {
        finding.type = FindingClass::kNewSlow;
        finding.id = fmt::format("{}-{:016x}", Name(finding.type), stats.fingerprint);
        finding.gates = policy_.gate.latency;
        judged = fmt::format("takes {:.1f} times as long as when it was captured", finding.factor);
        if (pace >= kPaceTold) {
          judged += fmt::format(" (half of the others: {:.1f} times or less)", pace);
        }
      } else {
        judged = "runs after it, about as fast as when it was captured or faster";
        if (finding.factor >= policy.min_ratio) {
          judged = fmt::format(
              "runs after it, {:.1f} times as long as when it was captured, as other queries do "
              "here",
              finding.factor);
        }
      }
    } else {
      AddUnjudged(stats, "new, and did not run when captured: its speed cannot be judged");
    }
    if (!judged.empty()) finding.reasons.push_back(judged);
    finding.reasons.push_back(before);
    Add(std::move(finding));
  }

  // Clocks do as much on the control lane: what differs in many calls on the candidate and in
  // hardly any there is not theirs.
  bool ClockCannot(const PatternStats& stats, DifferenceKind kind, const KindStats& counts,
                   const WeightCounts& weighed) const {
    const uint64_t count = std::min(counts.by_clock, weighed.gates_if_most);
    if (!table_.totals().has_control || count * kClockShare < stats.compared) return false;
    const uint64_t n = std::max(stats.compared, count);
    const uint64_t noise = std::min(ControlCount(stats, {kind}), n);
    return FisherGreater(count, n, noise, n) <= kClockFisherP;
  }

  // Of what gates if most of the pairs do: do they? One change may show as other rows in some calls
  // and as other values in others.
  bool Most(const PatternStats& stats, DifferenceKind kind, const KindStats& counts,
            const WeightCounts& weighed) const {
    uint64_t differ = 0;
    for (const auto& [other, all] : stats.differences) {
      if (!IsResultKind(other)) continue;
      const WeightCounts weights = Weigh(stats, all).counts;
      differ += weights.gates + weights.gates_if_most;
    }
    return differ * 2 > stats.compared || ClockCannot(stats, kind, counts, weighed);
  }

  void JudgeResults(const PatternStats& stats) {
    Finding finding = OpenFinding(FindingClass::kDifferent, stats, table_.totals());
    uint64_t gating = 0;
    bool beyond = false;
    for (const auto& [kind, counts] : stats.differences) {
      if (!IsResultKind(kind)) continue;
      const Weighed weighed = Weigh(stats, counts);
      outcomes_.column_noise += weighed.noise;
      const bool most =
          weighed.counts.gates_if_most > 0 && Most(stats, kind, counts, weighed.counts);
      uint64_t weighs = weighed.counts.gates + (most ? weighed.counts.gates_if_most : 0);
      if (table_.totals().has_control &&
          NearlyAlways(counts.by_locks, ControlCount(stats, {kind}), stats.compared)) {
        weighs += counts.by_locks;
      }
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
    Finding finding = OpenFinding(FindingClass::kWarning, stats, table_.totals());
    for (const auto& [kind, counts] : stats.differences) {
      const WeightCounts weighs = Weigh(stats, counts).counts;
      const bool few = weighs.gates_if_most > 0 && !Most(stats, kind, counts, weighs);
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

  const PatternTable& table_;
  const Policy& policy_;
  const Causes& causes_;
  const std::optional<double> pace_;
  OutcomeVerdict outcomes_;
};

// Patterns that gate by their outcomes.
std::set<uint64_t> GatingPatterns(const OutcomeVerdict& outcomes, const Policy& policy) {
  std::set<uint64_t> gating;
  for (const Finding& finding : outcomes.findings) {
    const bool outcome =
        finding.type == FindingClass::kBroken || finding.type == FindingClass::kDifferent;
    // Under a cause that a rule hides, nothing may be folded.
    if (outcome && finding.gates && !IsIgnored(finding, policy)) gating.insert(finding.fingerprint);
  }
  return gating;
}

}  // namespace

// First all that follows is folded, to see what gates by itself; then only what follows from that.
// Repeated until each cause is seen to gate beside what is folded under it; without causes, nothing
// is folded.
OutcomeVerdict JudgeOutcomes(const PatternTable& table, const Policy& policy,
                             std::optional<double> pace) {
  Causes causes;
  if (AnyFollows(table)) {
    causes.only = GatingPatterns(OutcomeJudge(table, policy, {true, {}}, pace).Run(), policy);
  }
  for (size_t i = 0;; ++i) {
    if (i >= kFoldingsMax) causes.only.clear();
    OutcomeVerdict outcomes = OutcomeJudge(table, policy, causes, pace).Run();
    const std::set<uint64_t> gating = GatingPatterns(outcomes, policy);
    std::set<uint64_t> kept;
    std::set_intersection(causes.only.begin(), causes.only.end(), gating.begin(), gating.end(),
                          std::inserter(kept, kept.end()));
    if (kept == causes.only) {
      TellFollowers(table, causes, outcomes.findings);
      return outcomes;
    }
    causes.only = std::move(kept);
  }
}

}  // namespace scry::compare
