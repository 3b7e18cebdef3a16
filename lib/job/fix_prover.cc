#include "job/fix_prover.h"

#include <fmt/format.h>

#include <algorithm>
#include <cstdlib>
#include <optional>
#include <set>
#include <utility>

#include "base/units.h"
#include "cause/catalog.h"
#include "cause/remedy.h"
#include "compare/latency_shape.h"
#include "compare/latency_verdict.h"
#include "compare/statistics.h"
#include "compare/work.h"
#include "explain/plan.h"
#include "job/plan_probe.h"
#include "pg/admin.h"

namespace scry::job {
namespace {

using base::FormatCount;
using base::Micros;
using base::Result;
using base::Status;

constexpr size_t kSamplesCounted = 4;  // Sets of parameters for each remedy.
constexpr size_t kRoundsProven = 2;    // Of the remedies that look best, so many are timed.
constexpr uint64_t kPairsMax = 60;
constexpr uint64_t kWritePairs = 40;
constexpr size_t kOthersMax = 30;  // Patterns looked at for harm; so many writers are timed.
constexpr size_t kWritersMax = 5;
constexpr double kBetter = 1.5;  // A new query has no baseline: so much less, or nothing.
constexpr double kAlike = 1.1;   // Blocks that do not tell two remedies apart.

double Median(std::vector<double> values) {
  if (values.empty()) return 0;
  const size_t middle = values.size() / 2;
  std::nth_element(values.begin(), values.begin() + static_cast<std::ptrdiff_t>(middle),
                   values.end());
  return values[middle];
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

report::Work WorkOf(const compare::LaneWork& work) {
  return {work.blocks, work.spilled, work.wal_bytes, work.rows};
}

// One remedy with what it was seen to do.
struct Trial {
  cause::Remedy remedy;
  Micros build_us = 0;
  uint64_t size_bytes = 0;
  std::vector<compare::WorkSample> counted;
  double blocks = 0;  // Median on the candidate.
  double cost = 0;    // The planner's.
};

bool IsBetter(const Trial& a, const Trial& b) {
  const auto weight = [](double blocks) { return std::max(blocks, 8.0); };
  if (weight(a.blocks) > weight(b.blocks) * kAlike) return false;
  if (weight(b.blocks) > weight(a.blocks) * kAlike) return true;
  if (a.cost > b.cost * kAlike || b.cost > a.cost * kAlike) return a.cost < b.cost;
  return a.remedy.columns.size() < b.remedy.columns.size();
}

class Prover {
 public:
  Prover(const FixRequest& request, const RunWatch& watch, event::FactsCache& facts)
      : request_(request),
        watch_(watch),
        facts_(facts),
        ends_us_(base::SystemClock().MonotonicUs() + request.budget_us) {}

  Result<ProvenFixes> Run(const std::vector<FixTarget>& targets) {
    SCRY_TRY_ASSIGN(pg::AdminSession session, pg::AdminSession::Connect(candidate().info));
    session_ = &session;
    SCRY_TRY_ASSIGN(const pg::Rows path, session.Exec("SET search_path = public"));
    Status status;
    for (size_t i = 0; i < targets.size() && i < kFixFindingsMax && status.ok(); ++i) {
      if (LeftUs() <= 0) {
        ++result_.out_of_time;
      } else {
        status = Mend(targets[i]);
      }
    }
    // Whatever happened, the candidate is left as it was.
    const Status undone = UndoAll();
    SCRY_TRY(status);
    SCRY_TRY(undone);
    return std::move(result_);
  }

 private:
  const replay::LaneTarget& baseline() const { return request_.lanes[0]; }
  const replay::LaneTarget& candidate() const { return request_.lanes[1]; }
  Micros LeftUs() const { return ends_us_ - base::SystemClock().MonotonicUs(); }

  // --- Applying.

  Status Exec(const std::string& sql) {
    const auto done = session_->Exec(sql);
    return done.ok() ? Status() : Status(done.error());
  }

  // False: the server refuses it (an expression that no longer fits, no time left).
  Result<bool> Apply(Trial& trial) {
    SCRY_TRY(watch_.Check());
    const Micros timeout_us = std::max<Micros>(LeftUs(), 1000000);
    SCRY_TRY(Exec(fmt::format("SET statement_timeout = {}", timeout_us / 1000)));
    const Micros began_us = base::SystemClock().MonotonicUs();
    bool applied = true;
    for (const std::string& sql : trial.remedy.apply) applied = applied && Exec(sql).ok();
    trial.build_us = base::SystemClock().MonotonicUs() - began_us;
    SCRY_TRY(Exec("SET statement_timeout = 0"));
    applied_.push_back(trial.remedy);
    if (!applied) {
      SCRY_TRY(UndoLast());
      return false;
    }
    ++result_.tried;
    return true;
  }

  Status UndoLast() {
    const cause::Remedy remedy = std::move(applied_.back());
    applied_.pop_back();
    for (const std::string& sql : remedy.undo) {
      const Status done = Exec(sql);
      // 42704: it was never made.
      if (!done.ok() && done.error().sqlstate != "42704") return done;
    }
    return {};
  }

  Status UndoAll() {
    Status first;
    while (!applied_.empty()) {
      Status done = UndoLast();
      if (first.ok()) first = std::move(done);
    }
    return first;
  }

  void ReadSize(Trial& trial) {
    const std::string& undo = trial.remedy.undo.front();
    const std::string prefix = "DROP INDEX ";
    if (!undo.starts_with(prefix)) return;
    const auto rows = session_->Exec(
        fmt::format("SELECT coalesce(sum(pg_catalog.pg_relation_size(relid)), 0) FROM "
                    "pg_catalog.pg_partition_tree({0}::pg_catalog.regclass) UNION ALL SELECT "
                    "pg_catalog.pg_relation_size({0}::pg_catalog.regclass) ORDER BY 1 DESC",
                    session_->Quote(undo.substr(prefix.size()))));
    if (rows.ok() && rows->Single()) {
      trial.size_bytes = std::strtoull(rows->Single()->c_str(), nullptr, 10);
    }
  }

  // --- Measuring.

  // Of a new query both lanes are the candidate.
  Result<std::vector<compare::WorkSample>> Count(uint64_t fingerprint,
                                                 const std::vector<replay::Sample>& samples,
                                                 bool candidate_only) {
    WorkGaps gaps;
    const std::vector<replay::LaneTarget> lanes = {candidate_only ? candidate() : baseline(),
                                                   candidate()};
    SCRY_TRY_ASSIGN(MeasuredWork measured,
                    MeasureWork(lanes, {fingerprint}, {{fingerprint, samples}},
                                std::max<Micros>(LeftUs(), 1000000), watch_, facts_, gaps));
    return std::move(measured.table[fingerprint]);
  }

  static double BlocksOf(const std::vector<compare::WorkSample>& counted) {
    std::vector<double> blocks;
    for (const compare::WorkSample& sample : counted) blocks.push_back(sample.candidate.blocks);
    return Median(std::move(blocks));
  }
  static double BlocksBefore(const std::vector<compare::WorkSample>& counted) {
    std::vector<double> blocks;
    for (const compare::WorkSample& sample : counted) blocks.push_back(sample.baseline.blocks);
    return Median(std::move(blocks));
  }
  bool NoMoreWork(const std::vector<compare::WorkSample>& counted) const {
    return !counted.empty() && compare::JudgeWork(counted, request_.policy.work).rises.empty();
  }

  // --- One finding.

  Status Mend(const FixTarget& target) {
    std::vector<replay::Sample> samples = target.samples;
    if (samples.size() > kSamplesCounted) samples.resize(kSamplesCounted);
    if (samples.empty()) return {};
    SCRY_TRY_ASSIGN(const std::vector<compare::WorkSample> now,
                    Count(target.fingerprint, samples, target.is_new));
    if (now.empty()) return {};
    if (!fixed_by_.empty() && !target.is_new && NoMoreWork(now) && JoinsFix(target)) return {};
    SCRY_TRY_ASSIGN(std::vector<Trial> trials, TryAll(target, samples, now));
    std::stable_sort(trials.begin(), trials.end(), IsBetter);
    for (size_t i = 0; i < trials.size() && i < kRoundsProven; ++i) {
      SCRY_TRY_ASSIGN(const bool applied, Apply(trials[i]));
      if (!applied) continue;
      ReadSize(trials[i]);
      SCRY_TRY_ASSIGN(std::optional<report::Fix> fix, Prove(target, samples, now, trials[i]));
      if (fix) {
        fixed_by_.push_back(trials[i].remedy.name);
        result_.fixes.push_back(std::move(*fix));
        mended_.push_back(&target);
        return DropPrefixes();
      }
      SCRY_TRY(UndoLast());
    }
    if (target.is_new) {
      (void)JoinsFix(target);
      return {};
    }
    return ProveLookUps(target);
  }

  // A DELETE of the parent cannot be run again once the replay has deleted its rows; the query that
  // its foreign keys make can.
  Status ProveLookUps(const FixTarget& target) {
    for (const cause::Remedy& remedy : look_ups_) {
      const auto before = Explain(remedy.look_up);
      if (!before || LeftUs() <= 0) continue;
      Trial trial;
      trial.remedy = remedy;
      SCRY_TRY_ASSIGN(const bool applied, Apply(trial));
      if (!applied) continue;
      const auto with = Explain(remedy.look_up);
      std::vector<report::WriteCost> writes;
      bool good = with && with->root.blocks * kBetter <= before->root.blocks;
      if (good) {
        SCRY_TRY_ASSIGN(good, LookAtOthers(target, remedy, writes));
      }
      if (!good) {
        SCRY_TRY(UndoLast());
        continue;
      }
      ReadSize(trial);
      report::Fix fix;
      fix.kind = remedy.kind;
      fix.sql = remedy.sql;
      fix.advice = remedy.advice;
      fix.findings = {target.finding->id};
      fix.us_after = before->root.time_total_ms.value_or(0) * 1000;
      fix.us_fixed = with->root.time_total_ms.value_or(0) * 1000;
      fix.blocks_after = before->root.blocks;
      fix.blocks_fixed = with->root.blocks;
      fix.size_bytes = trial.size_bytes;
      fix.build_us = trial.build_us;
      fix.writes = std::move(writes);
      fix.sentence = fmt::format(
          "measured by the query that the foreign key makes of {} for each such write, as the rows "
          "themselves were deleted by the replay; no other pattern that was measured does more "
          "work",
          remedy.table);
      fixed_by_.push_back(remedy.name);
      result_.fixes.push_back(std::move(fix));
      mended_.push_back(&target);
      return {};
    }
    return {};
  }

  // The second run counts, as elsewhere. nullopt: it does not run.
  std::optional<explain::Plan> Explain(const std::string& sql) {
    std::optional<explain::Plan> plan;
    for (int i = 0; i < 2; ++i) {
      const auto rows = session_->Exec("EXPLAIN (ANALYZE, BUFFERS, FORMAT JSON) " + sql);
      if (!rows.ok() || !rows->Single()) return std::nullopt;
      auto parsed = explain::ParsePlan(*rows->Single());
      if (!parsed.ok()) return std::nullopt;
      plan = std::move(parsed).value();
    }
    return plan;
  }

  // Of an earlier index the one that was just proven may be all that is needed: it begins with the
  // same columns.
  Status DropPrefixes() {
    const cause::Remedy longer = applied_.back();
    if (longer.kind != "index" || !longer.predicate.empty()) return {};
    for (size_t i = 0; i + 1 < result_.fixes.size();) {
      const auto shorter =
          std::find_if(applied_.begin(), applied_.end(),
                       [&](const cause::Remedy& one) { return one.name == fixed_by_[i]; });
      const bool prefix =
          shorter != applied_.end() && shorter->kind == "index" && shorter->table == longer.table &&
          shorter->predicate.empty() && shorter->look_up.empty() &&
          shorter->columns.size() < longer.columns.size() &&
          std::equal(shorter->columns.begin(), shorter->columns.end(), longer.columns.begin());
      bool dropped = false;
      if (prefix) {
        SCRY_TRY_ASSIGN(dropped, DropIfNotNeeded(i, *shorter));
      }
      if (!dropped) ++i;
    }
    return {};
  }

  // `remedy` is applied, for the fix at `at`; the last fix may do as well.
  Result<bool> DropIfNotNeeded(size_t at, const cause::Remedy& remedy) {
    const std::vector<std::string> undo = remedy.undo;
    const std::vector<std::string> apply = remedy.apply;
    const FixTarget& target = *mended_[at];
    for (const std::string& sql : undo) SCRY_TRY(Exec(sql));
    std::vector<replay::Sample> samples = target.samples;
    if (samples.size() > kSamplesCounted) samples.resize(kSamplesCounted);
    SCRY_TRY_ASSIGN(const std::vector<compare::WorkSample> counted,
                    Count(target.fingerprint, samples, target.is_new));
    const report::Fix& fix = result_.fixes[at];
    const double most = std::max(fix.blocks_fixed, 8.0) * kBetter;
    if (counted.empty() || BlocksOf(counted) > most || (!target.is_new && !NoMoreWork(counted))) {
      for (const std::string& sql : apply) SCRY_TRY(Exec(sql));
      return false;
    }
    auto& findings = result_.fixes.back().findings;
    findings.insert(findings.end(), fix.findings.begin(), fix.findings.end());
    std::erase_if(applied_, [&](const cause::Remedy& one) { return one.name == fixed_by_[at]; });
    const auto gone = static_cast<std::ptrdiff_t>(at);
    result_.fixes.erase(result_.fixes.begin() + gone);
    fixed_by_.erase(fixed_by_.begin() + gone);
    mended_.erase(mended_.begin() + gone);
    return true;
  }

  // An earlier fix mends this one as well: its plan uses it.
  bool JoinsFix(const FixTarget& target) {
    const auto plan = ExplainSample(candidate().info, target.samples.front());
    if (!plan.ok()) return false;
    for (const explain::PlanNode* node : explain::AllNodes(*plan)) {
      const auto found = std::find(fixed_by_.begin(), fixed_by_.end(), node->index);
      if (node->index.empty() || found == fixed_by_.end()) continue;
      const auto at = static_cast<size_t>(found - fixed_by_.begin());
      result_.fixes[at].findings.push_back(target.finding->id);
      return true;
    }
    return false;
  }

  // All that look as if they helped, each by itself.
  Result<std::vector<Trial>> TryAll(const FixTarget& target,
                                    const std::vector<replay::Sample>& samples,
                                    const std::vector<compare::WorkSample>& now) {
    std::vector<Trial> trials;
    const size_t tried_before = result_.tried;
    auto catalog = cause::ReadCatalog(*session_);
    if (!catalog.ok()) return trials;
    cause::Evidence evidence = EvidenceOf(*target.known, *target.finding, &request_.catalogs);
    evidence.after = &*catalog;
    std::optional<PlanPair> fresh;
    if (evidence.plan_after == nullptr) {
      fresh = ExplainPair(request_.lanes, samples.front());
      if (fresh->after) evidence.plan_after = &*fresh->after;
      if (fresh->before) evidence.plan_before = &*fresh->before;
    }
    look_ups_.clear();
    for (cause::Remedy& remedy : cause::ProposeRemedies(evidence)) {
      if (LeftUs() <= 0) break;
      if (!remedy.look_up.empty()) look_ups_.push_back(remedy);
      Trial trial;
      trial.remedy = std::move(remedy);
      SCRY_TRY_ASSIGN(const bool applied, Apply(trial));
      if (!applied) continue;
      SCRY_TRY_ASSIGN(trial.counted, Count(target.fingerprint, samples, target.is_new));
      trial.blocks = BlocksOf(trial.counted);
      const auto plan = ExplainSample(candidate().info, samples.front());
      if (plan.ok()) trial.cost = plan->root.cost_total;
      SCRY_TRY(UndoLast());
      if (!Helps(target, now, trial)) continue;
      const bool as_it_was = trial.remedy.kind == "index kept";
      trials.push_back(std::move(trial));
      if (as_it_was) break;  // What was there before is the least surprise.
    }
    tried_ = result_.tried - tried_before;
    return trials;
  }

  bool Helps(const FixTarget& target, const std::vector<compare::WorkSample>& now,
             const Trial& trial) const {
    if (trial.counted.empty()) return false;
    if (target.is_new) return trial.blocks * kBetter <= BlocksOf(now);
    // A finding of the clock alone: the work may be what it was already.
    return NoMoreWork(trial.counted) && (trial.blocks < BlocksOf(now) || NoMoreWork(now));
  }

  // The remedy is applied. nullopt: it does not do what it should, or harms others.
  Result<std::optional<report::Fix>> Prove(const FixTarget& target,
                                           const std::vector<replay::Sample>& samples,
                                           const std::vector<compare::WorkSample>& now,
                                           const Trial& trial) {
    SCRY_TRY_ASSIGN(const std::vector<compare::WorkSample> counted,
                    Count(target.fingerprint, samples, target.is_new));
    if (!target.is_new && !NoMoreWork(counted)) return std::optional<report::Fix>();
    std::vector<report::WriteCost> writes;
    SCRY_TRY_ASSIGN(const bool harmless, LookAtOthers(target, trial.remedy, writes));
    if (!harmless) return std::optional<report::Fix>();
    compare::PatternTable timed;
    SCRY_TRY(Time(target, writes, timed));
    const compare::PatternStats* stats = timed.Find(target.fingerprint);
    if (!FastEnough(target, timed, stats)) return std::optional<report::Fix>();
    // What was slower without more work is mended where the clock says so, and nowhere else: a
    // DELETE whose row the replay has deleted already is fast in any case.
    const bool timed_enough =
        stats != nullptr && stats->latency_pairs >= request_.policy.latency.min_pairs;
    if (!target.is_new && NoMoreWork(now) && !timed_enough) return std::optional<report::Fix>();
    report::Fix fix;
    fix.kind = trial.remedy.kind;
    fix.sql = trial.remedy.sql;
    fix.advice = trial.remedy.advice;
    fix.findings = {target.finding->id};
    const compare::PatternStats* judged = request_.table.Find(target.fingerprint);
    if (!target.is_new) fix.us_before = LatencyOf(stats, 0);
    fix.us_after =
        target.finding->has_latency ? target.finding->after.p50_us : LatencyOf(judged, 1);
    fix.us_fixed = LatencyOf(stats, 1);
    if (stats != nullptr && !stats->latencies.empty()) {
      fix.latencies.push_back({"fixed", compare::ShapeOf(*stats, 1)});
    }
    if (!target.is_new) fix.blocks_before = BlocksBefore(counted);
    fix.blocks_after = BlocksOf(now);
    fix.blocks_fixed = BlocksOf(counted);
    fix.size_bytes = trial.size_bytes;
    fix.build_us = trial.build_us;
    fix.writes = std::move(writes);
    fix.sentence = SentenceOf(target, counted.size(), stats);
    return std::optional<report::Fix>(std::move(fix));
  }

  std::string SentenceOf(const FixTarget& target, size_t sets,
                         const compare::PatternStats* stats) const {
    const std::string with = fmt::format("with {} set{} of parameters", sets, sets == 1 ? "" : "s");
    if (target.is_new) {
      return fmt::format(
          "the best of {} remed{} tried for a new query, {}; no other pattern that was measured "
          "does "
          "more work",
          FormatCount(tried_), tried_ == 1 ? "y" : "ies", with);
    }
    std::string text = fmt::format("brings it back to the baseline: no more work {}", with);
    if (stats != nullptr && stats->latency_pairs >= request_.policy.latency.min_pairs) {
      text += fmt::format(", no slower in {} pairs", FormatCount(stats->latency_pairs));
    }
    return text + "; no other pattern that was measured does more work";
  }

  bool FastEnough(const FixTarget& target, const compare::PatternTable& timed,
                  const compare::PatternStats* stats) const {
    if (target.is_new) {
      const double with = LatencyOf(stats, 1);
      return with == 0 || !target.finding->has_latency || with <= target.finding->after.p50_us;
    }
    const compare::LatencyVerdict verdict =
        compare::JudgeLatency(timed, request_.policy, nullptr, nullptr, {});
    return std::none_of(verdict.findings.begin(), verdict.findings.end(), [&](const auto& one) {
      return one.fingerprint == target.fingerprint && one.type == compare::FindingClass::kSlower;
    });
  }

  // The finding and what writes its table, in rotating order with the baseline.
  Status Time(const FixTarget& target, std::vector<report::WriteCost>& writes,
              compare::PatternTable& timed) {
    Samples chosen;
    RepeatTo(chosen[target.fingerprint] = target.samples, PairsFor(target));
    for (const report::WriteCost& cost : writes) {
      const uint64_t fingerprint = std::strtoull(cost.fingerprint.c_str(), nullptr, 16);
      if (chosen.size() <= kWritersMax) {
        RepeatTo(chosen[fingerprint] = request_.work.samples.at(fingerprint), kWritePairs);
      }
    }
    SCRY_TRY(RunSamples(chosen, /*seed=*/6, timed, facts_, request_.replay));
    for (report::WriteCost& cost : writes) {
      const compare::PatternStats* stats =
          timed.Find(std::strtoull(cost.fingerprint.c_str(), nullptr, 16));
      if (stats == nullptr || stats->latency_pairs < request_.policy.latency.min_pairs) continue;
      cost.us_without = LatencyOf(stats, 0);
      cost.us_with = LatencyOf(stats, 1);
    }
    return {};
  }

  uint64_t PairsFor(const FixTarget& target) const {
    const auto us = static_cast<Micros>(std::max(target.finding->before.p50_us, 1.0) *
                                        static_cast<double>(request_.lanes.size()));
    const auto affordable = static_cast<uint64_t>(std::max<Micros>(LeftUs(), 0) / (4 * us));
    return std::clamp<uint64_t>(affordable, request_.policy.latency.min_pairs + 3, kPairsMax);
  }

  // --- Others.

  bool Touches(const event::StatementFacts& facts, const std::string& table) const {
    std::set<std::string> names;
    for (const std::string& relation : facts.relations) {
      for (const cause::CatalogObject* object :
           request_.catalogs.after.Named("relation", relation)) {
        names.insert(object->name);
      }
    }
    return request_.catalogs.after.Closure(names).contains(table);
  }

  // False: a pattern over the same table has to do more than on the candidate without the remedy.
  Result<bool> LookAtOthers(const FixTarget& target, const cause::Remedy& remedy,
                            std::vector<report::WriteCost>& writes) {
    size_t looked_at = 0;
    for (const auto& [fingerprint, all] : request_.work.samples) {
      if (fingerprint == target.fingerprint || all.empty()) continue;
      const event::StatementFacts facts = facts_.Get(all.front().text, 0);
      if (!Touches(facts, remedy.table) || ++looked_at > kOthersMax) continue;
      std::vector<replay::Sample> samples = all;
      if (samples.size() > kSamplesCounted / 2) samples.resize(kSamplesCounted / 2);
      SCRY_TRY_ASSIGN(std::vector<compare::WorkSample> counted,
                      Count(fingerprint, samples, /*candidate_only=*/true));
      const auto& before = request_.work.table.at(fingerprint);
      if (counted.size() != samples.size() || before.size() < samples.size()) continue;
      for (size_t i = 0; i < counted.size(); ++i) counted[i].baseline = before[i].candidate;
      const compare::WorkJudgement judged = compare::JudgeWork(counted, request_.policy.work);
      if (!judged.rises.empty()) return false;
      // A write that finds its row gone by now costs nothing and tells nothing.
      if (!facts.writes || judged.numbers.after.wal_bytes == 0) continue;
      writes.push_back({event::FingerprintText(fingerprint), facts.pattern, 0, 0,
                        WorkOf(judged.numbers.before), WorkOf(judged.numbers.after)});
    }
    return true;
  }

  const FixRequest& request_;
  const RunWatch& watch_;
  event::FactsCache& facts_;
  const Micros ends_us_;
  pg::AdminSession* session_ = nullptr;   // Of Run().
  std::vector<cause::Remedy> applied_;    // In the candidate right now.
  std::vector<cause::Remedy> look_ups_;   // For the finding at hand.
  size_t tried_ = 0;                      // For the finding at hand.
  std::vector<std::string> fixed_by_;     // Names, one for each fix.
  std::vector<const FixTarget*> mended_;  // The first finding of each fix.
  ProvenFixes result_;
};

}  // namespace

Result<ProvenFixes> ProveFixes(const FixRequest& request, const std::vector<FixTarget>& targets,
                               const RunWatch& watch, event::FactsCache& facts) {
  return Prover(request, watch, facts).Run(targets);
}

}  // namespace scry::job
