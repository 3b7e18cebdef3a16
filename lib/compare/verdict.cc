#include "compare/verdict.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <cmath>
#include <map>
#include <set>
#include <utility>

#include "base/units.h"
#include "compare/budget_verdict.h"
#include "compare/connect_verdict.h"
#include "compare/finding_parts.h"
#include "compare/ignore_rules.h"
#include "compare/latency_verdict.h"
#include "compare/moments.h"
#include "compare/outcome_verdict.h"
#include "compare/pattern_class.h"
#include "compare/verdict_sentence.h"

namespace scry::compare {
namespace {

using base::FormatCount;

constexpr size_t kUnjudgedMax = 1000;
constexpr size_t kAddedColumnsToldMax = 5;
constexpr double kFidelityTold = 0.99;

const char* ExcuseSentence(Excuse excuse) {
  switch (excuse) {
    case Excuse::kVolatile:
      return "not weighed: a clock, a sequence or a random number makes values differ";
    case Excuse::kCatalog:
      return "not weighed: the system catalogs show the migration";
    case Excuse::kTiesAtLimit:
      return "not weighed: other rows among those tied at the edge of a LIMIT, of what was "
             "fetched, or where the query chooses among them";
    case Excuse::kLimitUnordered:
      return "compared by number of rows only: LIMIT, or fetched in part, without ORDER BY";
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
    TakeOutcomes();
    folded_ = told_;  // Without those that have a finding of their own: a class goes by that first.
    TakeLatency();
    if (work_ != nullptr) JudgeWorkOfAll(*work_);
    if (run_.first != nullptr) TakeFirstMoment(*run_.first);
    TakeBudgets();
    JudgeChannels();
    for (Finding& finding : JudgeConnects(table_.connects(), policy_)) Add(std::move(finding));
    ApplyIgnoreRules(policy_, verdict_);
    Classify(table_, {std::move(folded_), std::move(detectable_), work_}, verdict_);
    Sort();
    AddNotes();
    Conclude(table_, policy_, run_, verdict_);
    return std::move(verdict_);
  }

 private:
  void Add(Finding finding) {
    told_.insert(finding.fingerprint);
    verdict_.findings.push_back(std::move(finding));
  }

  void TakeOutcomes() {
    OutcomeVerdict outcomes = JudgeOutcomes(table_, policy_);
    told_ = std::move(outcomes.told);
    fixed_ = outcomes.fixed;
    column_noise_ = outcomes.column_noise;
    verdict_.cut_off = outcomes.cut_off;
    verdict_.findings = std::move(outcomes.findings);
    verdict_.unjudged = std::move(outcomes.unjudged);
  }

  void TakeLatency() {
    LatencyVerdict latency = JudgeLatency(table_, policy_, confirmation_, work_, told_);
    for (Finding& finding : latency.findings) Add(std::move(finding));
    for (Unjudged& unjudged : latency.unjudged) verdict_.unjudged.push_back(std::move(unjudged));
    verdict_.notes = std::move(latency.notes);
    verdict_.rechecks = std::move(latency.rechecks);
    verdict_.self_test = latency.self_test;
    verdict_.confirmation = latency.confirmation;
    verdict_.too_noisy = latency.too_noisy;
    detectable_ = std::move(latency.detectable);
  }

  void TakeBudgets() {
    BudgetVerdict budgets = JudgeBudgets(table_, policy_);
    for (Finding& finding : budgets.findings) Add(std::move(finding));
    for (Unjudged& unjudged : budgets.unjudged) verdict_.unjudged.push_back(std::move(unjudged));
    for (std::string& note : budgets.notes) Note(std::move(note));
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
    if (IsSurelyFaster(stats, policy_.latency)) {
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
      finding.speed_gates = finding.gates;
      finding.work_gates = gates;
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
    Finding finding = OpenFinding(FindingClass::kMoreWork, stats, table_.totals());
    finding.affected = judged.numbers.risen;
    finding.gates = gates;
    finding.has_work = true;
    finding.work = judged.numbers;
    finding.reasons = std::move(reasons);
    if (!doubt.empty() && policy_.gate.work) finding.reasons.push_back(std::move(doubt));
    TakeTail(finding);
    Add(std::move(finding));
  }

  // That some calls of the pattern take longer has its reason here too.
  void TakeTail(Finding& work) {
    const auto tail = std::find_if(
        verdict_.findings.begin(), verdict_.findings.end(), [&](const Finding& finding) {
          return finding.type == FindingClass::kWarning && finding.has_latency &&
                 finding.fingerprint == work.fingerprint;
        });
    if (tail == verdict_.findings.end()) return;
    work.reasons.insert(work.reasons.end(), tail->reasons.begin(), tail->reasons.end());
    verdict_.findings.erase(tail);
  }

  void TakeFirstMoment(const FirstMoment& first) {
    JoinMoments(first, table_, work_, policy_, verdict_.findings);
    for (const Finding& finding : verdict_.findings) told_.insert(finding.fingerprint);
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
      Note(
          fmt::format("Baseline and control differ in speed of {}: this machine is too noisy to "
                      "judge latency",
                      PatternCount(verdict_.self_test.flagged)));
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
    if (totals.parts_alone > 0) {
      Note(
          fmt::format("{} fetched a part of a result that was compared by itself, whatever the "
                      "order of its query: too many cursors were open to put all together",
                      Statements(totals.parts_alone)));
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

  const PatternTable& table_;
  const Policy& policy_;
  const RunFacts& run_;
  const PatternTable* confirmation_;
  const WorkTable* work_;
  Verdict verdict_;
  std::set<uint64_t> told_;  // Patterns with a finding.
  std::set<uint64_t> folded_;
  std::map<uint64_t, double> detectable_;
  uint64_t fixed_ = 0;
  uint64_t column_noise_ = 0;
};

}  // namespace

Verdict Judge(const PatternTable& table, const Policy& policy, const RunFacts& run,
              const PatternTable* confirmation, const WorkTable* work) {
  return Judgement(table, policy, run, confirmation, work).Run();
}

std::vector<uint64_t> Verdict::NeedsConfirmation() const {
  std::vector<uint64_t> fingerprints;
  for (const Recheck& recheck : rechecks) fingerprints.push_back(recheck.fingerprint);
  return fingerprints;
}

const char* Name(FindingClass type) {
  static constexpr std::array<const char*, 12> kNames = {
      "broken",    "different", "blocked", "slower", "new-slow", "over-budget",
      "more-work", "transient", "warning", "new",    "faster",   "ignored"};
  return kNames[static_cast<size_t>(type)];
}

const char* Name(PatternClass type) {
  static constexpr std::array<const char*, kPatternClasses> kNames = {
      "broken", "different", "slower", "more-work",       "blocked",
      "faster", "unchanged", "new",    "cannot-evaluate", "ignored"};
  return kNames[static_cast<size_t>(type)];
}

const char* Name(VerdictResult result) {
  static constexpr std::array<const char*, 3> kNames = {"safe", "regressions", "inconclusive"};
  return kNames[static_cast<size_t>(result)];
}

}  // namespace scry::compare
