#include "compare/pattern_class.h"

#include <algorithm>
#include <utility>
#include <vector>

#include "compare/finding_parts.h"

namespace scry::compare {
namespace {

using event::StatementKind;

// The weightiest first: a pattern with several findings is what the first of these says.
constexpr std::array<PatternClass, 9> kByWeight = {
    PatternClass::kBroken,   PatternClass::kDifferent, PatternClass::kSlower,
    PatternClass::kMoreWork, PatternClass::kNew,       PatternClass::kFaster,
    PatternClass::kBlocked,  PatternClass::kIgnored,   PatternClass::kCannotEvaluate,
};

size_t WeightOf(PatternClass type) {
  return static_cast<size_t>(std::find(kByWeight.begin(), kByWeight.end(), type) -
                             kByWeight.begin());
}

double MedianUs(const PatternStats& stats, size_t lane) {
  std::vector<double> values;
  values.reserve(stats.latencies.size());
  for (const LatencySample& sample : stats.latencies) values.push_back(sample.us[lane]);
  return Median(std::move(values));
}

class Classes {
 public:
  Classes(const PatternTable& table, const ClassFacts& facts, Verdict& verdict)
      : table_(table), facts_(facts), verdict_(verdict) {
    for (const Finding& finding : verdict.findings) {
      findings_[finding.fingerprint].push_back(&finding);
    }
    for (const Unjudged& unjudged : verdict.unjudged) {
      unjudged_.try_emplace(unjudged.fingerprint, &unjudged);
    }
  }

  void Run() {
    for (const PatternStats* stats : table_.Patterns()) {
      PatternVerdict one;
      one.fingerprint = stats->fingerprint;
      one.pattern = stats->pattern;
      one.calls = stats->calls;
      one.pairs = stats->latency_pairs;
      one.share = ShareOf(*stats, table_.totals());
      one.median_us = MedianUs(*stats, 0);
      one.median_after_us = MedianUs(*stats, 1);
      const auto detectable = facts_.detectable.find(stats->fingerprint);
      if (detectable != facts_.detectable.end()) one.detectable = detectable->second;
      if (facts_.work != nullptr) {
        const auto work = facts_.work->find(stats->fingerprint);
        if (work != facts_.work->end()) one.work = NumbersOf(work->second);
      }
      if (!ByFinding(*stats, one)) ByNothing(*stats, one);
      ++verdict_.class_counts[static_cast<size_t>(one.type)];
      verdict_.classes.push_back(std::move(one));
    }
    std::stable_sort(
        verdict_.classes.begin(), verdict_.classes.end(),
        [](const PatternVerdict& a, const PatternVerdict& b) { return a.share > b.share; });
    verdict_.unchanged = verdict_.class_counts[static_cast<size_t>(PatternClass::kUnchanged)];
  }

 private:
  bool ByFinding(const PatternStats& stats, PatternVerdict& one) const {
    const auto found = findings_.find(stats.fingerprint);
    if (found == findings_.end()) return false;
    const Finding* first = nullptr;
    for (const Finding* finding : found->second) {
      if (first == nullptr || WeightOf(ClassOf(*finding)) < WeightOf(ClassOf(*first))) {
        first = finding;
      }
    }
    one.type = ClassOf(*first);
    one.finding = first->id;
    if (!first->reasons.empty()) one.why = first->reasons.front();
    return true;
  }

  // No finding: either nothing changed, or nothing can be said.
  void ByNothing(const PatternStats& stats, PatternVerdict& one) const {
    if (facts_.folded.contains(stats.fingerprint)) {
      const bool fails = stats.differences.contains(DifferenceKind::kError);
      one.type = fails ? PatternClass::kBroken : PatternClass::kDifferent;
      one.why = "follows from what another pattern did";
      return;
    }
    const auto unjudged = unjudged_.find(stats.fingerprint);
    const auto cannot = [&](std::string why) {
      one.type = PatternClass::kCannotEvaluate;
      one.why = unjudged == unjudged_.end() ? std::move(why) : unjudged->second->why;
    };
    const auto fixed = stats.differences.find(DifferenceKind::kFixed);
    if (stats.compared == 0) return cannot("none of its calls could be compared");
    if (fixed != stats.differences.end() && fixed->second.count * 2 > stats.compared) {
      return cannot("fails on the baseline and runs on the candidate");
    }
    if (facts_.detectable.contains(stats.fingerprint) || event::IsDull(stats.kind)) {
      // Something else about it may not be known: results too large to compare, say.
      if (unjudged != unjudged_.end()) return cannot({});
      return;
    }
    if (facts_.work != nullptr && facts_.work->contains(stats.fingerprint)) {
      one.why = "too few calls to judge speed; results are equal and its work did not rise";
      return;
    }
    cannot("too few calls to judge speed");
  }

  const PatternTable& table_;
  const ClassFacts& facts_;
  Verdict& verdict_;
  std::map<uint64_t, std::vector<const Finding*>> findings_;
  std::map<uint64_t, const Unjudged*> unjudged_;
};

}  // namespace

PatternClass ClassOf(const Finding& finding) {
  switch (finding.type) {
    case FindingClass::kBroken:
      return PatternClass::kBroken;
    case FindingClass::kDifferent:
      return PatternClass::kDifferent;
    case FindingClass::kSlower:
    case FindingClass::kTransient:   // Slower or more work, until VACUUM (ANALYZE).
    case FindingClass::kOverBudget:  // Too slow, whatever it was before.
      return PatternClass::kSlower;
    case FindingClass::kNewSlow:
    case FindingClass::kNew:
      return PatternClass::kNew;
    case FindingClass::kMoreWork:
      return PatternClass::kMoreWork;
    case FindingClass::kFaster:
      return PatternClass::kFaster;
    case FindingClass::kBlocked:
      return PatternClass::kBlocked;
    case FindingClass::kIgnored:
      return PatternClass::kIgnored;
    case FindingClass::kWarning:
      break;
  }
  // Told, not sure: slower calls of some parameters, an error that may be chance, another type.
  if (finding.difference == DifferenceKind::kNone) return PatternClass::kSlower;
  if (finding.difference == DifferenceKind::kError && !IsRaceState(finding.sqlstate)) {
    return PatternClass::kCannotEvaluate;
  }
  return PatternClass::kDifferent;
}

void Classify(const PatternTable& table, const ClassFacts& facts, Verdict& verdict) {
  verdict.classes.clear();
  verdict.class_counts = {};
  Classes(table, facts, verdict).Run();
}

}  // namespace scry::compare
