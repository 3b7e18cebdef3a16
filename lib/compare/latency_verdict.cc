#include "compare/latency_verdict.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <utility>

#include "base/units.h"
#include "compare/detection.h"
#include "compare/finding_parts.h"
#include "compare/speed.h"
#include "compare/statistics.h"

namespace scry::compare {
namespace {

using base::FormatCount;
using base::FormatDuration;

// A slowdown that hits only some parameters leaves the median alone: calls that take twice as long.
// Told where there are too few pairs for the rule of tails.
constexpr double kLongerFactor = 2.0;
constexpr double kLongerP = 0.001;
constexpr double kLongerShareMin = 0.02;
// What cannot be run by itself (several statements in one message, a temporary table) gates without
// having been seen again if the low end of its factor's interval is here. Of noise on a machine
// with five times more work than cores, the low ends went up to 2.6.
constexpr double kUnconfirmedFactorMin = 3.0;
// What creates and removes files lasts as long as the place takes that its lane happens to lie at:
// of copies of one database, side by side on one disk, some were measured four times slower at
// TRUNCATE than others, by a millisecond, for as long as they existed. So does a COMMIT after it.
constexpr double kPlaceUs = 10'000;
// A part is told beside its pattern if it is so much slower.
constexpr double kPartTold = 1.5;

// No migration makes these slower: they neither read nor write, and run no triggers.
bool IsEmpty(event::StatementKind kind) {
  return kind == event::StatementKind::kBegin || kind == event::StatementKind::kRollback ||
         kind == event::StatementKind::kSavepoint;
}

// What a second run said of one test.
enum class Again : uint8_t { kNotRun, kShown, kGone };

struct Flagged {
  const Speed* speed = nullptr;
  Again again = Again::kNotRun;
  uint64_t again_pairs = 0;
};

class LatencyJudge {
 public:
  LatencyJudge(const PatternTable& table, const Policy& policy, const PatternTable* confirmation,
               const WorkTable* work, std::set<uint64_t> told)
      : table_(table),
        policy_(policy),
        rules_(policy.latency),
        confirmation_(confirmation),
        work_(work),
        told_(std::move(told)),
        speeds_(MeasureAll(table, rules_, 1)),
        control_(table.totals().has_control ? MeasureAll(table, rules_, 2) : std::vector<Speed>()),
        makes_files_(std::any_of(speeds_.begin(), speeds_.end(), [](const Speed& speed) {
          return speed.stats->kind == event::StatementKind::kDdl;
        })) {}

  LatencyVerdict Run() {
    Flag();
    if (confirmation_ != nullptr) {
      LookAgain();
    } else if (policy_.gate.latency) {
      AskAgain();
    }
    TestSelf();
    for (size_t begin = 0, end = 0; begin < speeds_.size(); begin = end) {
      end = begin;
      while (end < speeds_.size() && speeds_[end].stats == speeds_[begin].stats) ++end;
      JudgePattern(speeds_[begin]);
    }
    TellRefuted();
    return std::move(verdict_);
  }

 private:
  void Add(Finding finding) {
    told_.insert(finding.fingerprint);
    verdict_.findings.push_back(std::move(finding));
  }

  // What gates if a second run shows it again, what is told as faster, and what the self-test would
  // say.
  void Flag() {
    for (const Speed& speed : speeds_) {
      if (IsEmpty(speed.stats->kind)) continue;
      if (LooksFaster(speed)) {
        faster_[speed.stats->fingerprint].push_back({&speed});
        Ask(speed);
      }
      if (!IsSlower(speed, rules_)) continue;
      flagged_[speed.stats->fingerprint].push_back({&speed});
      if (speed.share >= rules_.min_share) Ask(speed);
    }
    for (const Speed& speed : control_) {
      if (IsEmpty(speed.stats->kind)) continue;
      const bool counts = speed.enough && speed.aspect.whole() && !HangsOnFiles(speed.stats->kind);
      verdict_.self_test.patterns += counts ? 1U : 0U;
      if (!policy_.gate.latency || speed.share < rules_.min_share) continue;
      if (!IsSlower(speed, rules_) && !IsFaster(speed, rules_)) continue;
      doubts_[speed.stats->fingerprint].push_back({&speed});
      Ask(speed);
    }
  }

  // Its time is in part that of the place of its lane's files.
  bool HangsOnFiles(event::StatementKind kind) const {
    return kind == event::StatementKind::kDdl ||
           (kind == event::StatementKind::kCommit && makes_files_);
  }

  bool LooksFaster(const Speed& speed) const {
    return speed.aspect.whole() && speed.enough && speed.share >= rules_.min_share &&
           !HangsOnFiles(speed.stats->kind) && IsFaster(speed, rules_);
  }

  void Ask(const Speed& speed) {
    std::vector<const Speed*>& wanted = asked_[speed.stats->fingerprint];
    const auto same = [&](const Speed* other) { return other->aspect == speed.aspect; };
    if (std::none_of(wanted.begin(), wanted.end(), same)) wanted.push_back(&speed);
  }

  // One run of each pattern: of all its calls if anything says so of them, else of that part with
  // the most time.
  void AskAgain() {
    for (const auto& [fingerprint, wanted] : asked_) {
      const Speed& first =
          **std::max_element(wanted.begin(), wanted.end(), [](const Speed* a, const Speed* b) {
            const bool a_all = a->aspect.calls.kind == event::CostKind::kAll;
            const bool b_all = b->aspect.calls.kind == event::CostKind::kAll;
            if (a_all != b_all) return b_all;
            if (a->share != b->share) return a->share < b->share;
            return a->aspect.calls.kind > b->aspect.calls.kind;
          });
      const bool tail = std::any_of(wanted.begin(), wanted.end(), [](const Speed* speed) {
        return speed->aspect.quantity != Quantity::kMedian;
      });
      verdict_.rechecks.push_back({fingerprint, first.aspect.calls, first.pairs, tail});
    }
  }

  Asked AspectsAsked() const {
    Asked asked;
    for (const auto& [fingerprint, wanted] : asked_) {
      for (const Speed* speed : wanted) asked[fingerprint].push_back(speed->aspect);
    }
    return asked;
  }

  void LookAgain() {
    const Asked asked = AspectsAsked();
    const std::vector<Speed> speeds = MeasureAgain(*confirmation_, rules_, 1, asked);
    Remember(speeds, flagged_,
             [&](const Speed&, const Speed& again) { return IsSlower(again, rules_); });
    Remember(speeds, faster_,
             [&](const Speed&, const Speed& again) { return IsFaster(again, rules_); });
    if (control_.empty()) return;
    const std::vector<Speed> control = MeasureAgain(*confirmation_, rules_, 2, asked);
    // Once slower and once faster is no difference of the lanes.
    Remember(control, doubts_, [&](const Speed& first, const Speed& again) {
      return IsSlower(first, rules_) ? IsSlower(again, rules_) : IsFaster(again, rules_);
    });
    // As much of what made a pattern slow again that it is no evidence.
    for (size_t i = 0; i < speeds.size(); ++i) {
      if (!IsSlower(speeds[i], rules_) || !IsSlower(control[i], rules_)) continue;
      if (std::log(control[i].ratio()) * 2 >= std::log(speeds[i].ratio())) {
        again_noisy_.insert(control[i].stats->fingerprint);
      }
    }
  }

  template <typename Shows>
  static void Remember(const std::vector<Speed>& speeds,
                       std::map<uint64_t, std::vector<Flagged>>& flagged, Shows shows) {
    for (const Speed& speed : speeds) {
      if (speed.stats == nullptr || !speed.enough) continue;
      const auto found = flagged.find(speed.stats->fingerprint);
      if (found == flagged.end()) continue;
      for (Flagged& one : found->second) {
        if (one.speed->aspect != speed.aspect) continue;
        one.again = shows(*one.speed, speed) ? Again::kShown : Again::kGone;
        one.again_pairs = speed.pairs;
      }
    }
    // What a pattern that did run again did not have enough pairs for, it did not show.
    for (auto& [fingerprint, all] : flagged) {
      const bool ran = std::any_of(all.begin(), all.end(),
                                   [](const Flagged& one) { return one.again != Again::kNotRun; });
      for (Flagged& one : all) {
        if (ran && one.again == Again::kNotRun) one.again = Again::kGone;
      }
    }
  }

  // Of the run that decides: where a second run could look, only what it shows counts.
  void TestSelf() {
    if (!policy_.gate.latency) return;
    noisy_ = again_noisy_;
    for (const auto& [fingerprint, doubts] : doubts_) {
      for (const Flagged& doubt : doubts) {
        if (doubt.again == Again::kGone) continue;
        if (confirmation_ != nullptr && doubt.again == Again::kNotRun && !FarOff(*doubt.speed, 2) &&
            flagged_.count(fingerprint) == 0) {
          continue;
        }
        noisy_.insert(fingerprint);
      }
    }
    for (const uint64_t fingerprint : noisy_) {
      const bool counts = !HangsOnFiles(table_.Find(fingerprint)->kind);
      verdict_.self_test.flagged += counts ? 1U : 0U;
    }
    verdict_.too_noisy = verdict_.self_test.flagged > 0;
  }

  // So far that it counts without having been seen again.
  static bool FarOff(const Speed& speed, size_t lane) {
    const Interval interval = IntervalOf(speed, lane);
    return interval.low >= kUnconfirmedFactorMin ||
           (interval.high > 0 && interval.high * kUnconfirmedFactorMin <= 1);
  }

  void JudgePattern(const Speed& whole) {
    const uint64_t fingerprint = whole.stats->fingerprint;
    if (!whole.enough) return TellTooFew(whole);
    FindDetectable(whole);
    const auto flagged = flagged_.find(fingerprint);
    if (flagged != flagged_.end()) {
      AddSlower(*whole.stats, flagged->second);
    } else if (StaysFaster(fingerprint)) {
      Finding finding = Open(FindingClass::kFaster, whole);
      finding.factor_interval = IntervalOf(whole, 1);
      Add(std::move(finding));
    } else if (whole.pairs < rules_.min_tail_pairs && !IsEmpty(whole.stats->kind)) {
      TellLonger(whole);
    }
  }

  bool StaysFaster(uint64_t fingerprint) const {
    const auto found = faster_.find(fingerprint);
    if (found == faster_.end()) return false;
    const Flagged& flagged = found->second.front();  // There is no other: the whole pattern.
    if (flagged.again != Again::kNotRun || confirmation_ == nullptr) {
      return flagged.again != Again::kGone;
    }
    return FarOff(*flagged.speed, 1);
  }

  // The one that says most: seen again before not run again, the pattern before its parts, medians
  // before tails, and of parts the one with most of the time.
  static const Flagged& LeadOf(const std::vector<Flagged>& flagged) {
    const auto less = [](const Flagged& a, const Flagged& b) {
      const auto rank = [](const Flagged& one) {
        return one.again == Again::kShown ? 2 : one.again == Again::kNotRun ? 1 : 0;
      };
      if (rank(a) != rank(b)) return rank(a) < rank(b);
      const Aspect& left = a.speed->aspect;
      const Aspect& right = b.speed->aspect;
      if (left.whole() != right.whole()) return right.whole();
      if (left.quantity != right.quantity) return left.quantity > right.quantity;
      if (a.speed->share != b.speed->share) return a.speed->share < b.speed->share;
      return left.calls.kind > right.calls.kind;
    };
    return *std::max_element(flagged.begin(), flagged.end(), less);
  }

  Finding Open(FindingClass type, const Speed& speed) const {
    Finding finding = OpenFinding(type, *speed.stats, table_.totals());
    finding.has_latency = true;
    finding.before = speed.before;
    finding.after = speed.after;
    finding.factor = speed.ratio();
    finding.p = speed.p;
    finding.affected = speed.pairs;
    return finding;
  }

  static std::string PartOf(const Speed& speed) {
    if (speed.aspect.quantity == Quantity::kP95) return "p95";
    if (speed.aspect.quantity == Quantity::kP99) return "p99";
    return DescribeCalls(*speed.stats, speed.aspect.calls);
  }

  static std::string SlowerSentence(const Speed& speed) {
    const std::string times =
        fmt::format("{} before, {} after ({:.2f}x)", FormatDuration(speed.from_us()),
                    FormatDuration(speed.to_us()), speed.ratio());
    if (speed.aspect.quantity != Quantity::kMedian) {
      return fmt::format("its slowest calls became slower: {} {}", PartOf(speed), times);
    }
    return fmt::format("{}: {}", PartOf(speed), times);
  }

  void AddSlower(const PatternStats& stats, const std::vector<Flagged>& flagged) {
    const Flagged& lead = LeadOf(flagged);
    const Speed& speed = *lead.speed;
    const bool heavy = std::any_of(flagged.begin(), flagged.end(), [&](const Flagged& one) {
      return one.speed->share >= rules_.min_share;
    });
    if (heavy && policy_.gate.latency && confirmation_ != nullptr) {
      const auto any = [&](Again again) {
        return std::any_of(flagged.begin(), flagged.end(),
                           [&](const Flagged& one) { return one.again == again; });
      };
      ++verdict_.confirmation.asked;
      verdict_.confirmation.ran += any(Again::kShown) || any(Again::kGone) ? 1U : 0U;
      verdict_.confirmation.confirmed += any(Again::kShown) ? 1U : 0U;
    }
    if (lead.again == Again::kGone) {
      ++refuted_;  // Noise: told in a note, not as a finding.
      return;
    }
    Finding finding = Open(FindingClass::kSlower, speed);
    finding.factor_interval = IntervalOf(speed, 1);
    finding.confirmed = lead.again == Again::kShown;
    finding.again_pairs = lead.again_pairs;
    finding.share = speed.share;
    finding.part = PartOf(speed);
    if (!speed.aspect.whole()) finding.reasons.push_back(SlowerSentence(speed));
    for (const Flagged& one : flagged) {
      const bool worse = one.speed != &speed && one.again != Again::kGone &&
                         one.speed->aspect.quantity == Quantity::kMedian &&
                         !one.speed->aspect.whole() &&
                         one.speed->ratio() >= kPartTold * speed.ratio();
      if (worse) finding.reasons.push_back(SlowerSentence(*one.speed));
    }
    finding.gates = policy_.gate.latency;
    if (finding.gates) Doubt(finding, stats);
    Add(std::move(finding));
  }

  // What keeps a slower pattern from gating.
  void Doubt(Finding& finding, const PatternStats& stats) {
    std::string why;
    if (finding.share < rules_.min_share) {
      why = fmt::format("does not gate: {:.2f} % of the time, under the share of {:.3g} %",
                        finding.share * 100, rules_.min_share * 100);
    } else if (confirmation_ != nullptr && !finding.confirmed &&
               finding.factor_interval.low < kUnconfirmedFactorMin) {
      why = "does not gate: it cannot be run a second time by itself, and is not slower by far";
    } else if (HangsOnFiles(stats.kind) &&
               std::abs(finding.after.p50_us - finding.before.p50_us) < kPlaceUs) {
      why =
          "does not gate: it makes or removes files, and where on the disk its lane lies decides "
          "that";
    } else if (noisy_.count(stats.fingerprint) != 0) {
      why = "does not gate: the control lane differs from the baseline as well";
      finding.in_noise = true;
    } else if (verdict_.too_noisy) {
      why =
          "does not gate: elsewhere the control lane differs from the baseline, so this machine "
          "is too noisy";
    }
    if (why.empty()) return;
    finding.gates = false;
    finding.reasons.push_back(std::move(why));
  }

  void FindDetectable(const Speed& whole) {
    const Pairs pairs = PairsOf(*whole.stats, {}, 1);
    const Detection detection(pairs.before, pairs.after, whole.pairs, whole.alpha, rules_);
    verdict_.detectable[whole.stats->fingerprint] = detection.LeastFactor().value_or(0);
  }

  void TellTooFew(const Speed& speed) {
    const PatternStats& stats = *speed.stats;
    if (event::IsDull(stats.kind)) return;
    if (stats.compared == 0 || stats.new_pairs > 0 || told_.count(stats.fingerprint) != 0) return;
    std::string why = fmt::format("too few calls to judge speed: {} of {}",
                                  FormatCount(stats.latency_pairs), rules_.min_pairs);
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

  void TellLonger(const Speed& speed) {
    const auto floor_us = static_cast<double>(rules_.min_delta_us);
    uint64_t longer = 0;
    uint64_t shorter = 0;
    const auto much = [&](double from, double to) {
      return to >= kLongerFactor * from && to - from >= floor_us;
    };
    for (const LatencySample& sample : speed.stats->latencies) {
      longer += much(sample.us[0], sample.us[1]) ? 1U : 0U;
      shorter += much(sample.us[1], sample.us[0]) ? 1U : 0U;
    }
    const uint64_t pairs = speed.stats->latencies.size();
    if (AsDouble(longer) < kLongerShareMin * AsDouble(pairs)) return;
    const double patterns = AsDouble(table_.size());
    if (FisherGreater(longer, pairs, shorter, pairs) > kLongerP / patterns) return;
    if (speed.share < rules_.min_share) return;
    Finding finding = Open(FindingClass::kWarning, speed);
    finding.affected = longer;
    finding.id = fmt::format("tail-{:016x}", finding.fingerprint);
    finding.reasons.push_back(fmt::format(
        "{} of {} take at least twice as long ({} the other way), without a clear change of the "
        "median",
        FormatCount(longer), Calls(pairs), FormatCount(shorter)));
    Add(std::move(finding));
  }

  void TellRefuted() {
    if (refuted_ == 0) return;
    verdict_.notes.push_back(
        fmt::format("{} looked slower at first and did not when run again",
                    refuted_ == 1 ? "1 pattern" : fmt::format("{} patterns", refuted_)));
  }

  const PatternTable& table_;
  const Policy& policy_;
  const LatencyPolicy& rules_;
  const PatternTable* confirmation_;
  const WorkTable* work_;
  LatencyVerdict verdict_;
  std::set<uint64_t> told_;  // Patterns with a finding.
  const std::vector<Speed> speeds_;
  const std::vector<Speed> control_;
  const bool makes_files_;                               // Some pattern is DDL.
  std::map<uint64_t, std::vector<Flagged>> flagged_;     // Slower on the candidate, by fingerprint.
  std::map<uint64_t, std::vector<Flagged>> faster_;      // Faster on the candidate.
  std::map<uint64_t, std::vector<Flagged>> doubts_;      // Slower or faster on the control lane.
  std::map<uint64_t, std::vector<const Speed*>> asked_;  // Of the second run.
  std::set<uint64_t> again_noisy_;  // Where the control lane differs in the second run.
  std::set<uint64_t> noisy_;        // ... in the run that decides.
  uint64_t refuted_ = 0;            // Slower patterns that the second run did not show again.
};

}  // namespace

LatencyVerdict JudgeLatency(const PatternTable& table, const Policy& policy,
                            const PatternTable* confirmation, const WorkTable* work,
                            const std::set<uint64_t>& told) {
  return LatencyJudge(table, policy, confirmation, work, told).Run();
}

bool IsSurelyFaster(const PatternStats& stats, const LatencyPolicy& policy) {
  if (stats.latency_pairs < policy.min_pairs || stats.latencies.empty()) return false;
  const Pairs pairs = PairsOf(stats, {}, 1);
  std::vector<double> logs(pairs.before.size());
  for (size_t i = 0; i < logs.size(); ++i) {
    logs[i] = std::log(std::max(pairs.after[i], 1.0)) - std::log(std::max(pairs.before[i], 1.0));
  }
  return WilcoxonInTime(logs).p < 1 - policy.confidence &&
         NumbersOf(pairs.after).p50_us < NumbersOf(pairs.before).p50_us;
}

Interval FactorInterval(const PatternStats& stats, size_t lane) {
  const Pairs pairs = PairsOf(stats, {}, lane);
  return BootstrapMedianRatio(pairs.before, pairs.after, 0.99, stats.fingerprint);
}

}  // namespace scry::compare
