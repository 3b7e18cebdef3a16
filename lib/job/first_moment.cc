#include "job/first_moment.h"

#include <algorithm>
#include <memory>
#include <set>
#include <string_view>
#include <utility>

#include "job/plan_probe.h"
#include "job/work_probe.h"
#include "replay/options.h"
#include "replay/sample_book.h"

namespace scry::job {
namespace {

using base::Micros;
using base::Result;
using base::Status;
using event::StatementKind;

constexpr size_t kPatternsScanned = 2000;  // Further ones of the capture are not looked at.
constexpr size_t kPatternsMax = 200;       // The heaviest of those.
constexpr size_t kSamplesPerPattern = 30;
constexpr uint64_t kPairsMax = 60;
constexpr uint64_t kConfirmFactor = 3;
constexpr size_t kPlansMax = 5;

bool HasPlanAtRisk(StatementKind kind) {
  return kind == StatementKind::kSelect || kind == StatementKind::kUpdate ||
         kind == StatementKind::kDelete || kind == StatementKind::kMerge;
}

// By what name statements may call the relations that a migration touched.
class Touched {
 public:
  explicit Touched(const std::vector<migration::TouchedRelation>& relations) {
    for (const migration::TouchedRelation& relation : relations) {
      names_[relation.table].insert(relation.touched);
      names_[relation.schema + "." + relation.table].insert(relation.touched);
    }
  }

  // What VACUUM would have to settle for this statement; empty: it is not concerned.
  std::set<std::string> Of(const event::StatementFacts& facts) const {
    std::set<std::string> tables;
    for (const std::string& relation : facts.relations) {
      const auto found = names_.find(relation);
      if (found != names_.end()) tables.insert(found->second.begin(), found->second.end());
    }
    return tables;
  }

 private:
  std::map<std::string, std::set<std::string>> names_;
};

class Measurement {
 public:
  Measurement(const FirstMomentRequest& request, const RunWatch& watch, event::FactsCache& facts)
      : request_(request), watch_(watch), facts_(facts), touched_(request.touched) {}

  Result<FirstMomentResult> Run() {
    SCRY_TRY(Draw());
    if (samples_.empty()) return std::move(result_);
    SCRY_TRY(CountWork());
    SCRY_TRY(Time(samples_, /*factor=*/1, /*seed=*/3, result_.moment.timed));
    SCRY_TRY(Confirm());
    SCRY_TRY(Explain());
    return std::move(result_);
  }

 private:
  Status Draw() {
    std::set<uint64_t> known;
    const auto wanted = [&](const event::StatementFacts& facts) {
      if (result_.moment.remedies.contains(facts.fingerprint)) return true;
      if (known.contains(facts.fingerprint) || known.size() >= kPatternsScanned) return false;
      known.insert(facts.fingerprint);
      const std::set<std::string> tables = touched_.Of(facts);
      if (tables.empty() || !HasPlanAtRisk(facts.kind) || !IsUndoable(facts)) return false;
      std::string remedy;
      for (const std::string& table : tables) {
        remedy += (remedy.empty() ? "VACUUM (ANALYZE) " : ", ") + table;
      }
      result_.moment.remedies[facts.fingerprint] = std::move(remedy);
      return true;
    };
    replay::SampleBook book(wanted, kSamplesPerPattern, /*seed=*/4);
    for (const std::string& directory : request_.captures) {
      SCRY_TRY_ASSIGN(const std::unique_ptr<event::EventSource> source, request_.open(directory));
      SCRY_TRY(book.Scan(*source, facts_));
      SCRY_TRY(watch_.Check());
    }
    const auto weight = [&](uint64_t fingerprint) {
      const std::vector<replay::Sample>& kept = book.samples().at(fingerprint);
      Micros sum = 0;
      for (const replay::Sample& sample : kept) sum += sample.elapsed_us + 1;
      return static_cast<double>(sum) / static_cast<double>(kept.size()) *
             static_cast<double>(book.Seen(fingerprint));
    };
    for (const auto& [fingerprint, kept] : book.samples()) {
      if (!kept.empty()) order_.push_back(fingerprint);
    }
    std::stable_sort(order_.begin(), order_.end(),
                     [&](uint64_t a, uint64_t b) { return weight(a) > weight(b); });
    if (order_.size() > kPatternsMax) order_.resize(kPatternsMax);
    for (const uint64_t fingerprint : order_) {
      samples_[fingerprint] = book.samples().at(fingerprint);
    }
    return {};
  }

  Status CountWork() {
    WorkGaps gaps;
    SCRY_TRY_ASSIGN(MeasuredWork work, MeasureWork(request_.lanes, order_, samples_,
                                                   request_.budget_us / 2, watch_, facts_, gaps));
    result_.moment.work = std::move(work.table);
    work_samples_ = std::move(work.samples);
    slowest_us_ = std::move(work.slowest_us);
    return {};
  }

  // Each pattern as often as there is time for, and not at all where that is too rarely to judge.
  Status Time(const Samples& from, uint64_t factor, uint64_t seed, compare::PatternTable& table) {
    const uint64_t warm_up = replay::ReplayOptions().warm_up_calls;
    Samples chosen;
    for (const auto& [fingerprint, kept] : from) {
      const auto slowest = slowest_us_.find(fingerprint);
      if (slowest == slowest_us_.end()) continue;  // Does not run by itself.
      const auto lanes = static_cast<Micros>(request_.lanes.size());
      const Micros share_us = request_.budget_us / 2 / static_cast<Micros>(from.size());
      const auto affordable =
          static_cast<uint64_t>(share_us / std::max<Micros>(1, slowest->second * lanes));
      const uint64_t pairs = std::min(affordable, kPairsMax) * factor;
      if (pairs < request_.policy.latency.min_pairs + warm_up) continue;
      RepeatTo(chosen[fingerprint] = kept, pairs);
    }
    if (chosen.empty()) return {};
    return RunSamples(chosen, seed, table, facts_, request_.replay);
  }

  Status Confirm() {
    const compare::LatencyVerdict verdict =
        compare::JudgeFirstLatency(result_.moment, request_.policy, /*confirmed=*/false);
    Samples flagged;
    for (const compare::Recheck& recheck : verdict.rechecks) {
      flagged[recheck.fingerprint] = samples_.at(recheck.fingerprint);
    }
    return Time(flagged, kConfirmFactor, /*seed=*/5, result_.moment.confirmation);
  }

  Status Explain() {
    std::set<uint64_t> bad;
    for (const compare::Finding& finding :
         compare::JudgeFirstLatency(result_.moment, request_.policy, /*confirmed=*/true).findings) {
      if (finding.type == compare::FindingClass::kSlower) bad.insert(finding.fingerprint);
    }
    std::map<uint64_t, size_t> worst;
    for (const auto& [fingerprint, samples] : result_.moment.work) {
      const compare::WorkJudgement judged = compare::JudgeWork(samples, request_.policy.work);
      if (!judged.rises.empty()) bad.insert(fingerprint);
      worst[fingerprint] = judged.worst;
    }
    for (const uint64_t fingerprint : order_) {
      if (!bad.contains(fingerprint) || result_.plans.size() >= kPlansMax) continue;
      SCRY_TRY(watch_.Check());
      const auto counted = work_samples_.find(fingerprint);
      const std::vector<replay::Sample>& pattern =
          counted != work_samples_.end() ? counted->second : samples_.at(fingerprint);
      const size_t shown =
          counted != work_samples_.end() ? worst[fingerprint] : replay::UsualOf(pattern);
      result_.plans[fingerprint] = ExplainPair(request_.lanes, pattern[shown], pattern);
    }
    return {};
  }

  const FirstMomentRequest& request_;
  const RunWatch& watch_;
  event::FactsCache& facts_;
  const Touched touched_;
  std::vector<uint64_t> order_;  // Patterns, the heaviest first.
  Samples samples_;
  Samples work_samples_;
  std::map<uint64_t, Micros> slowest_us_;
  FirstMomentResult result_;
};

}  // namespace

Result<FirstMomentResult> MeasureFirstMoment(const FirstMomentRequest& request,
                                             const RunWatch& watch, event::FactsCache& facts) {
  return Measurement(request, watch, facts).Run();
}

}  // namespace scry::job
