#include "compare/moments.h"

#include <fmt/format.h>

#include <algorithm>
#include <optional>
#include <set>
#include <utility>

#include "compare/finding_parts.h"

namespace scry::compare {
namespace {

constexpr const char* kSettled = "VACUUM (ANALYZE)";

// What the first moment showed of one pattern.
struct First {
  const Finding* latency = nullptr;  // Slower, confirmed where it could be.
  std::optional<WorkJudgement> work;

  bool bad() const { return latency != nullptr || (work && !work->rises.empty()); }
};

class Join {
 public:
  Join(const FirstMoment& first, const PatternTable& table, const WorkTable* work,
       const Policy& policy, std::vector<Finding>& findings)
      : first_(first),
        table_(table),
        work_(work),
        policy_(policy),
        findings_(findings),
        latency_(JudgeFirstLatency(first, policy, /*confirmed=*/true)) {}

  void Run() {
    std::set<uint64_t> told;
    for (Finding& finding : findings_) {
      // Errors and other results are there at any time.
      if (finding.type == FindingClass::kBroken || finding.type == FindingClass::kDifferent) {
        told.insert(finding.fingerprint);
      }
      if (finding.type == FindingClass::kSlower || finding.type == FindingClass::kMoreWork) {
        told.insert(finding.fingerprint);
        TellMoment(finding);
      }
    }
    for (const uint64_t fingerprint : Measured()) {
      const First first = At(fingerprint);
      if (!first.bad() || told.contains(fingerprint)) continue;
      AddTransient(fingerprint, first);
    }
  }

 private:
  std::set<uint64_t> Measured() const {
    std::set<uint64_t> measured;
    for (const PatternStats* stats : first_.timed.Patterns()) measured.insert(stats->fingerprint);
    for (const auto& [fingerprint, samples] : first_.work) measured.insert(fingerprint);
    return measured;
  }

  First At(uint64_t fingerprint) const {
    First first;
    for (const Finding& finding : latency_.findings) {
      const bool sure = finding.confirmed && finding.gates;
      if (finding.fingerprint == fingerprint && finding.type == FindingClass::kSlower && sure) {
        first.latency = &finding;
      }
    }
    const auto work = first_.work.find(fingerprint);
    if (work != first_.work.end()) first.work = JudgeWork(work->second, policy_.work);
    return first;
  }

  // Whether it was seen that this pattern was no slower then: thin evidence is no evidence.
  bool WasGood(const Finding& finding, const First& first) const {
    if (first.bad()) return false;
    if (finding.has_work) return first.work.has_value();
    const PatternStats* stats = first_.timed.Find(finding.fingerprint);
    return stats != nullptr && stats->latency_pairs >= policy_.latency.min_pairs &&
           FactorInterval(*stats, 1).high < finding.factor_interval.low;
  }

  void TellMoment(Finding& finding) const {
    const First first = At(finding.fingerprint);
    if (first.bad()) {
      finding.moment = Moment::kBoth;
    } else if (WasGood(finding, first)) {
      finding.moment = Moment::kLater;
      finding.reasons.push_back(fmt::format(
          "only after {}: right after the migration it was as before, so the new statistics chose "
          "another plan",
          kSettled));
    }
  }

  // Whether the second moment was measured, and how well: what a transient finding rests on.
  bool SettledKnown(uint64_t fingerprint, const First& first) const {
    const bool worked = work_ != nullptr && work_->contains(fingerprint);
    if (first.latency == nullptr) return worked;
    const PatternStats* stats = table_.Find(fingerprint);
    return worked || (stats != nullptr && stats->latency_pairs >= policy_.latency.min_pairs);
  }

  void AddTransient(uint64_t fingerprint, const First& first) {
    const PatternStats* stats = table_.Find(fingerprint);
    if (stats == nullptr) return;  // Nothing of it was replayed: nothing is known of later.
    Finding finding = OpenFinding(FindingClass::kTransient, *stats, table_.totals());
    finding.moment = Moment::kFirst;
    if (first.latency != nullptr) {
      finding.has_latency = true;
      finding.before = first.latency->before;
      finding.after = first.latency->after;
      finding.factor = first.latency->factor;
      finding.factor_interval = first.latency->factor_interval;
      finding.p = first.latency->p;
      finding.confirmed = first.latency->confirmed;
      finding.affected = first.latency->affected;
    }
    if (first.work && !first.work->rises.empty()) {
      finding.reasons = DescribeWork(*first.work);
      finding.has_work = true;
      finding.work = first.work->numbers;
      if (!finding.has_latency) finding.affected = first.work->numbers.risen;
    }
    const auto remedy = first_.remedies.find(fingerprint);
    finding.reasons.push_back(
        fmt::format("only until {}{}", remedy == first_.remedies.end() ? kSettled : remedy->second,
                    SettledKnown(fingerprint, first)
                        ? ", after which it is as before: ship the migration with it"
                        : "; afterwards it was measured too rarely to say more"));
    finding.gates = policy_.gate.transient && finding.share >= policy_.latency.min_share;
    findings_.push_back(std::move(finding));
  }

  const FirstMoment& first_;
  const PatternTable& table_;
  const WorkTable* work_;
  const Policy& policy_;
  std::vector<Finding>& findings_;
  const LatencyVerdict latency_;
};

}  // namespace

LatencyVerdict JudgeFirstLatency(const FirstMoment& first, const Policy& policy, bool confirmed) {
  Policy of_sample = policy;
  of_sample.latency.min_share = 0;
  of_sample.gate.latency = true;
  return JudgeLatency(first.timed, of_sample, confirmed ? &first.confirmation : nullptr,
                      &first.work, {});
}

void JoinMoments(const FirstMoment& first, const PatternTable& table, const WorkTable* work,
                 const Policy& policy, std::vector<Finding>& findings) {
  Join(first, table, work, policy, findings).Run();
}

const char* Name(Moment moment) {
  switch (moment) {
    case Moment::kNotTold:
      return "";
    case Moment::kBoth:
      return "both";
    case Moment::kFirst:
      return "first";
    case Moment::kLater:
      return "later";
  }
  return "";
}

}  // namespace scry::compare
