#include "job/fix_prover.h"

#include <fmt/format.h>

#include <algorithm>
#include <optional>
#include <set>
#include <utility>

#include "base/units.h"
#include "cause/catalog.h"
#include "cause/remedy.h"
#include "compare/latency_shape.h"
#include "compare/latency_verdict.h"
#include "compare/outcome_verdict.h"
#include "compare/pace.h"
#include "compare/work.h"
#include "event/value_sites.h"
#include "explain/plan.h"
#include "job/fix_meter.h"
#include "job/fix_neighbours.h"
#include "job/hypothetical_indexes.h"
#include "job/plan_probe.h"
#include "job/remedy_bench.h"

namespace scry::job {
namespace {

using base::FormatCount;
using base::Micros;
using base::Result;
using base::Status;

constexpr size_t kSamplesCounted = 4;      // Sets of parameters for each remedy.
constexpr size_t kRoundsProven = 2;        // Of the remedies that look best, so many are timed.
constexpr size_t kConstantSamplesMin = 5;  // Fewer say little of what is always so.
constexpr size_t kTogetherMax = 3;         // Remedies that only mend it together.
constexpr uint64_t kPairsMax = 60;
constexpr double kBetter = 1.5;  // So much less, or it is not worth it.
constexpr double kAlike = 1.1;   // Blocks that do not tell two remedies apart.
// Of the time that the gate allows a new query: one that an index for another barely mends gets
// one of its own.
constexpr double kJoinShare = 0.6;
constexpr Micros kMakeMinUs = 1000000;
constexpr Micros kLookUpMaxUs = 30 * 1000000LL;

// Remedies with what they were seen to do, together.
struct Trial {
  std::vector<cause::Remedy> remedies;
  std::vector<compare::WorkSample> counted;
  double blocks = 0;        // Median on the candidate.
  double cost = 0;          // The planner's.
  uint64_t size_bytes = 0;  // Of all its indexes.

  size_t columns() const {
    size_t count = 0;
    for (const cause::Remedy& remedy : remedies) count += remedy.columns.size();
    return count;
  }
  // Of columns that are only carried along.
  bool covers() const {
    return std::any_of(remedies.begin(), remedies.end(),
                       [](const cause::Remedy& remedy) { return !remedy.included.empty(); });
  }
  std::set<std::string> tables() const {
    std::set<std::string> names;
    for (const cause::Remedy& remedy : remedies) names.insert(remedy.table);
    return names;
  }
};

bool IsBetter(const Trial& a, const Trial& b) {
  const auto weight = [](double blocks) { return std::max(blocks, 8.0); };
  // Carrying columns along makes an index larger and updates dearer: that must pay.
  if (a.covers() && !b.covers()) return weight(a.blocks) * kBetter <= weight(b.blocks);
  if (b.covers() && !a.covers()) return weight(b.blocks) * kBetter > weight(a.blocks);
  if (weight(a.blocks) > weight(b.blocks) * kAlike) return false;
  if (weight(b.blocks) > weight(a.blocks) * kAlike) return true;
  // A partial index that does as well.
  if (a.size_bytes > 0 && a.size_bytes * 2 < b.size_bytes) return true;
  if (b.size_bytes > 0 && b.size_bytes * 2 < a.size_bytes) return false;
  if (a.remedies.size() != b.remedies.size()) return a.remedies.size() < b.remedies.size();
  if (a.cost > b.cost * kAlike || b.cost > a.cost * kAlike) return a.cost < b.cost;
  return a.columns() < b.columns();
}

// What all samples demand by literals of their texts.
std::vector<cause::ConstantTerm> ConstantsOf(const std::vector<replay::Sample>& samples) {
  std::vector<cause::ConstantTerm> constants;
  if (samples.size() < kConstantSamplesMin) return constants;
  for (size_t i = 0; i < samples.size(); ++i) {
    const std::string& text = samples[i].text;
    std::vector<cause::ConstantTerm> here;
    const std::vector<event::StatementSites> statements = event::FindValueSites(text);
    for (const event::ValueSite& site : statements.front().sites) {
      if (!site.conjunct || site.parameter != 0 || site.array) continue;
      here.push_back({site.relation, site.column, text.substr(site.offset, site.length)});
    }
    if (i == 0) constants = here;
    std::erase_if(constants, [&](const cause::ConstantTerm& one) {
      return std::find(here.begin(), here.end(), one) == here.end();
    });
  }
  return constants;
}

// A fix that stays on the candidate, for its place in ProvenFixes::fixes.
struct Kept {
  std::vector<cause::Remedy> remedies;
  std::set<std::string> indexes;  // As plans name them.
  const FixTarget* target = nullptr;
};

class Prover {
 public:
  Prover(const FixRequest& request, RemedyBench& bench, FixMeter& meter, const RunWatch& watch,
         event::FactsCache& facts)
      : request_(request),
        bench_(bench),
        meter_(meter),
        watch_(watch),
        neighbours_(meter, request.policy, request.table, request.work, request.catalogs.after,
                    facts) {}

  Result<ProvenFixes> Run(const std::vector<FixTarget>& targets) {
    for (const FixTarget& target : targets) found_.insert(target.fingerprint);
    Status status;
    for (size_t i = 0; i < targets.size() && status.ok(); ++i) {
      status = i < kFixFindingsMax ? MendInTime(targets[i]) : JoinOrSkip(targets[i]);
    }
    // Whatever happened, the candidate is left as it was.
    const Status undone = bench_.UndoAll();
    SCRY_TRY(status);
    SCRY_TRY(undone);
    return std::move(result_);
  }

 private:
  Status MendInTime(const FixTarget& target) {
    if (!meter_.OutOfTime()) return Mend(target);
    ++result_.out_of_time;
    return {};
  }

  // No remedy is tried for it, but one may mend it as well.
  Status JoinOrSkip(const FixTarget& target) {
    bool joined = false;
    if (!kept_.empty() && !meter_.OutOfTime() && !target.samples.empty()) {
      SCRY_TRY_ASSIGN(const std::vector<compare::WorkSample> now,
                      meter_.Count(target.fingerprint, SamplesOf(target), target.is_new));
      SCRY_TRY_ASSIGN(joined, IsMendedNow(target, now));
    }
    if (!joined) ++result_.skipped;
    return {};
  }

  // --- On the candidate.

  Result<bool> Make(const cause::Remedy& remedy) {
    SCRY_TRY(watch_.Check());
    const Micros timeout_us = std::max(meter_.LeftUs(), kMakeMinUs);
    SCRY_TRY_ASSIGN(const RemedyBench::Outcome outcome, bench_.Make(remedy, timeout_us));
    if (outcome == RemedyBench::Outcome::kTooLong) {
      result_.unfinished.emplace(remedy.sql.front(), timeout_us);
    }
    if (outcome == RemedyBench::Outcome::kMade && tried_.insert(remedy.made).second) {
      ++result_.tried;
    }
    return outcome == RemedyBench::Outcome::kMade;
  }
  // All of them or none.
  Result<bool> Make(const Trial& trial) {
    for (const cause::Remedy& remedy : trial.remedies) {
      SCRY_TRY_ASSIGN(const bool made, Make(remedy));
      if (made) continue;
      SCRY_TRY(Undo(trial));
      return false;
    }
    return true;
  }
  Status Undo(const Trial& trial) {
    for (auto remedy = trial.remedies.rbegin(); remedy != trial.remedies.rend(); ++remedy) {
      SCRY_TRY(bench_.Undo(*remedy));
    }
    return {};
  }

  // --- One finding.

  // The worst, and others from first to last: the first runs of a prepared statement are planned
  // in another way than most.
  static std::vector<replay::Sample> SamplesOf(const FixTarget& target) {
    const std::vector<replay::Sample>& all = target.samples;
    if (all.size() <= kSamplesCounted) return all;
    std::vector<replay::Sample> samples;
    for (size_t i = 0; i < kSamplesCounted; ++i) {
      samples.push_back(all[i * (all.size() - 1) / (kSamplesCounted - 1)]);
    }
    return samples;
  }

  bool NoMoreWork(const std::vector<compare::WorkSample>& counted) const {
    return !counted.empty() && compare::JudgeWork(counted, request_.policy.work).rises.empty();
  }

  Status Mend(const FixTarget& target) {
    if (target.samples.empty()) return {};
    SCRY_TRY_ASSIGN(const std::vector<compare::WorkSample> now,
                    meter_.Count(target.fingerprint, SamplesOf(target), target.is_new));
    if (now.empty()) return {};
    SCRY_TRY_ASSIGN(const bool mended, IsMendedNow(target, now));
    if (mended) return {};
    SCRY_TRY_ASSIGN(std::vector<Trial> trials, TryAll(target, now));
    std::stable_sort(trials.begin(), trials.end(), IsBetter);
    for (size_t i = 0; i < trials.size() && i < kRoundsProven; ++i) {
      SCRY_TRY(neighbours_.Survey(target.fingerprint, trials[i].tables()));
      SCRY_TRY_ASSIGN(const bool made, Make(trials[i]));
      if (!made) continue;
      SCRY_TRY_ASSIGN(std::optional<report::Fix> fix, Prove(target, now, trials[i]));
      if (fix) {
        Keep(target, trials[i], std::move(*fix));
        return DropPrefixes();
      }
      SCRY_TRY(Undo(trials[i]));
    }
    return target.is_new || !LooksUp(target) ? Status() : ProveLookUps(target);
  }

  void Keep(const FixTarget& target, const Trial& trial, report::Fix fix) {
    Kept kept{trial.remedies, {}, &target};
    for (const cause::Remedy& remedy : trial.remedies) {
      const RemedyBench::Made made = bench_.LookAt(remedy);
      kept.indexes.insert(made.indexes.begin(), made.indexes.end());
      fix.size_bytes += made.size_bytes;
      fix.build_us += made.build_us;
    }
    neighbours_.Forget(trial.tables());
    kept_.push_back(std::move(kept));
    result_.fixes.push_back(std::move(fix));
  }

  // By an earlier fix: its plan uses it. Then the finding is told with that.
  Result<bool> IsMendedNow(const FixTarget& target, const std::vector<compare::WorkSample>& now) {
    if (kept_.empty() || (!target.is_new && !NoMoreWork(now))) return false;
    const auto plan = ExplainSample(request_.lanes[1].info, target.samples.front(), target.samples);
    if (!plan.ok()) return false;
    for (const explain::PlanNode* node : explain::AllNodes(*plan)) {
      const auto found = std::find_if(kept_.begin(), kept_.end(), [&](const Kept& kept) {
        return kept.indexes.contains(node->index);
      });
      if (node->index.empty() || found == kept_.end()) continue;
      // What does no more work in any case is mended where the clock says so.
      if (target.is_new || !target.finding->has_work) {
        compare::PatternTable timed;
        SCRY_TRY(meter_.Time(TimedSamples(target), timed));
        if (!IsFastEnough(target, timed, kJoinShare)) return false;
      }
      result_.fixes[static_cast<size_t>(found - kept_.begin())].findings.push_back(
          target.finding->id);
      return true;
    }
    return false;
  }

  // --- Trials.

  Result<std::vector<cause::Remedy>> Propose(const FixTarget& target) {
    std::vector<cause::Remedy> proposals;
    auto catalog = cause::ReadCatalog(bench_.session());
    if (!catalog.ok()) return proposals;
    cause::Evidence evidence = EvidenceOf(*target.known, *target.finding, &request_.catalogs);
    evidence.after = &*catalog;
    std::optional<PlanPair> fresh;
    if (evidence.plan_after == nullptr) {
      fresh = ExplainPair(request_.lanes, target.samples.front(), target.samples);
      if (fresh->after) evidence.plan_after = &*fresh->after;
      if (fresh->before) evidence.plan_before = &*fresh->before;
    }
    evidence.constants = ConstantsOf(target.samples);
    evidence.show_values = request_.show_values;
    std::set<std::string> names;
    for (const Kept& kept : kept_) {
      for (const cause::Remedy& remedy : kept.remedies) names.insert(remedy.name);
    }
    proposals = cause::ProposeRemedies(evidence, names);
    Prune(target, proposals);
    return proposals;
  }

  // What the planner would not use need not be built to know.
  void Prune(const FixTarget& target, std::vector<cause::Remedy>& proposals) {
    const auto unused = FindUnusedIndexes(request_.lanes[1].info, target.samples, proposals);
    if (!unused) return;
    result_.asked += unused->asked;
    result_.pruned += unused->made.size();
    std::erase_if(proposals,
                  [&](const cause::Remedy& remedy) { return unused->made.contains(remedy.made); });
  }

  // All that look as if they helped, by themselves or together.
  Result<std::vector<Trial>> TryAll(const FixTarget& target,
                                    const std::vector<compare::WorkSample>& now) {
    tried_.clear();
    SCRY_TRY_ASSIGN(const std::vector<cause::Remedy> proposals, Propose(target));
    look_ups_.clear();
    std::vector<cause::Remedy> as_they_were;
    for (const cause::Remedy& remedy : proposals) {
      if (!remedy.look_up.empty()) look_ups_.push_back(remedy);
      if (remedy.kind == "index kept") as_they_were.push_back(remedy);
    }
    std::vector<Trial> trials;
    if (as_they_were.size() > 1) {
      SCRY_TRY_ASSIGN(trials, TryTogether(target, now, as_they_were));
    }
    if (trials.empty()) {
      SCRY_TRY_ASSIGN(trials, TryEach(target, now, proposals));
    }
    return trials;
  }

  // Each by itself; where that is not enough, on top of the best one.
  Result<std::vector<Trial>> TryEach(const FixTarget& target,
                                     const std::vector<compare::WorkSample>& now,
                                     const std::vector<cause::Remedy>& proposals) {
    std::vector<Trial> helping;
    std::optional<Trial> best;  // Of those that do less work at all.
    for (const cause::Remedy& remedy : proposals) {
      if (meter_.OutOfTime()) break;
      SCRY_TRY_ASSIGN(std::optional<Trial> trial, TryOnTop(target, {}, remedy));
      if (!trial) continue;
      if (IsLess(*trial, BlocksOf(now)) && (!best || IsBetter(*trial, *best))) best = *trial;
      if (!Helps(target, now, *trial)) continue;
      helping.push_back(std::move(*trial));
      if (remedy.kind == "index kept") return helping;  // What was there is the least surprise.
    }
    if (best && (helping.empty() || target.is_new)) {
      SCRY_TRY_ASSIGN(std::optional<Trial> more, Extend(target, now, *best, proposals));
      if (more) helping.push_back(std::move(*more));
    }
    return helping;
  }

  static bool IsLess(const Trial& trial, double blocks) {
    return !trial.counted.empty() && trial.blocks * kAlike <= blocks;
  }

  // `below` is made already. nullopt: it cannot be made, or what is to be mended does not run.
  Result<std::optional<Trial>> TryOnTop(const FixTarget& target,
                                        const std::vector<cause::Remedy>& below,
                                        const cause::Remedy& remedy) {
    std::optional<Trial> none;
    SCRY_TRY_ASSIGN(const bool made, Make(remedy));
    if (!made) return none;
    Trial trial;
    trial.remedies = below;
    trial.remedies.push_back(remedy);
    SCRY_TRY(Measure(target, trial));
    SCRY_TRY(bench_.Undo(remedy));
    if (trial.counted.empty()) return none;
    return std::optional(std::move(trial));
  }

  Status Measure(const FixTarget& target, Trial& trial) {
    SCRY_TRY_ASSIGN(trial.counted,
                    meter_.Count(target.fingerprint, SamplesOf(target), target.is_new));
    trial.blocks = BlocksOf(trial.counted);
    const auto plan = ExplainSample(request_.lanes[1].info, target.samples.front(), target.samples);
    if (plan.ok()) trial.cost = plan->root.cost_total;
    for (const cause::Remedy& remedy : trial.remedies) {
      trial.size_bytes += bench_.LookAt(remedy).size_bytes;
    }
    return {};
  }

  // One more remedy after the other, the one that saves most first, until it helps: a query that
  // used two indexes needs both.
  Result<std::optional<Trial>> Extend(const FixTarget& target,
                                      const std::vector<compare::WorkSample>& now, Trial trial,
                                      const std::vector<cause::Remedy>& proposals) {
    const double alone = trial.blocks;
    std::optional<Trial> enough;
    SCRY_TRY_ASSIGN(const bool made, Make(trial));
    if (!made) return enough;
    while (trial.remedies.size() < kTogetherMax && !enough) {
      std::optional<Trial> best;
      for (const cause::Remedy& remedy : proposals) {
        const bool taken = std::any_of(trial.remedies.begin(), trial.remedies.end(),
                                       [&](const auto& one) { return one.made == remedy.made; });
        if (taken || meter_.OutOfTime()) continue;
        SCRY_TRY_ASSIGN(std::optional<Trial> more, TryOnTop(target, trial.remedies, remedy));
        if (more && IsLess(*more, trial.blocks) && (!best || IsBetter(*more, *best))) best = more;
      }
      if (!best) break;
      const bool new_and_less = best->blocks * kBetter <= alone;
      if (target.is_new ? new_and_less : Helps(target, now, *best)) {
        enough = std::move(best);
        break;
      }
      SCRY_TRY_ASSIGN(const bool more_made, Make(best->remedies.back()));
      if (!more_made) break;
      trial = std::move(*best);
    }
    SCRY_TRY(Undo(trial));
    return enough;
  }

  // All of them, then without each that is not needed. Empty: they do not help together either.
  Result<std::vector<Trial>> TryTogether(const FixTarget& target,
                                         const std::vector<compare::WorkSample>& now,
                                         const std::vector<cause::Remedy>& remedies) {
    Trial all;
    all.remedies = remedies;
    SCRY_TRY_ASSIGN(bool made, Make(all));
    if (!made) return std::vector<Trial>();
    SCRY_TRY(Measure(target, all));
    if (!Helps(target, now, all)) {
      SCRY_TRY(Undo(all));
      return std::vector<Trial>();
    }
    for (size_t i = 0; made && i < all.remedies.size() && all.remedies.size() > 1;) {
      const cause::Remedy out = all.remedies[i];
      Trial fewer;
      for (const cause::Remedy& remedy : all.remedies) {
        if (remedy.made != out.made) fewer.remedies.push_back(remedy);
      }
      SCRY_TRY(bench_.Undo(out));
      SCRY_TRY(Measure(target, fewer));
      if (Helps(target, now, fewer) && IsBetter(fewer, all)) {
        all = std::move(fewer);
        continue;
      }
      SCRY_TRY_ASSIGN(made, Make(out));
      ++i;
    }
    SCRY_TRY(Undo(all));
    return std::vector<Trial>{std::move(all)};
  }

  bool Helps(const FixTarget& target, const std::vector<compare::WorkSample>& now,
             const Trial& trial) const {
    if (trial.counted.empty()) return false;
    if (target.is_new) return trial.blocks * kBetter <= BlocksOf(now);
    // A finding of the clock alone: the work may be what it was already.
    return NoMoreWork(trial.counted) && (trial.blocks < BlocksOf(now) || NoMoreWork(now));
  }

  // --- Proof.

  // The trial is made. nullopt: it does not do what it should, or harms others.
  Result<std::optional<report::Fix>> Prove(const FixTarget& target,
                                           const std::vector<compare::WorkSample>& now,
                                           const Trial& trial) {
    std::optional<report::Fix> none;
    SCRY_TRY_ASSIGN(const std::vector<compare::WorkSample> counted,
                    meter_.Count(target.fingerprint, SamplesOf(target), target.is_new));
    if (!target.is_new && !NoMoreWork(counted)) return none;
    SCRY_TRY_ASSIGN(auto writes, neighbours_.Costs(target.fingerprint, trial.tables()));
    if (!writes) return none;
    Samples samples = TimedSamples(target);
    samples.merge(neighbours_.TimedSamples(*writes));
    std::optional<compare::PatternTable> timed;
    bool passes = false;
    // As with findings, what is slow once may be a moment's doing.
    for (int round = 0; !passes && round < 2 && (round == 0 || !meter_.OutOfTime()); ++round) {
      SCRY_TRY(meter_.Time(samples, timed.emplace()));
      passes = IsFastEnough(target, *timed, 1) && neighbours_.JudgeTimes(*timed, found_, *writes);
    }
    if (!passes) return none;
    // What was slower without more work is mended where the clock says so, and nowhere else: a
    // DELETE whose row the replay has deleted already is fast in any case.
    const compare::PatternStats* stats = timed->Find(target.fingerprint);
    if (!target.is_new && NoMoreWork(now) && !WasTimed(stats)) return none;
    report::Fix fix = FixOf(target, trial.remedies);
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
    fix.writes = std::move(*writes);
    fix.sentence = SentenceOf(target, counted.size(), stats);
    return std::optional<report::Fix>(std::move(fix));
  }

  static report::Fix FixOf(const FixTarget& target, const std::vector<cause::Remedy>& remedies) {
    report::Fix fix;
    for (const cause::Remedy& remedy : remedies) {
      const bool first_kind = fix.kind.empty() || fix.kind == remedy.kind;
      fix.kind = first_kind ? remedy.kind : "index";
      fix.sql.insert(fix.sql.end(), remedy.sql.begin(), remedy.sql.end());
      for (const std::string& advice : remedy.advice) {
        if (std::find(fix.advice.begin(), fix.advice.end(), advice) == fix.advice.end()) {
          fix.advice.push_back(advice);
        }
      }
    }
    fix.findings = {target.finding->id};
    return fix;
  }

  bool WasTimed(const compare::PatternStats* stats) const {
    return stats != nullptr && stats->latency_pairs >= request_.policy.latency.min_pairs;
  }

  std::string SentenceOf(const FixTarget& target, size_t sets,
                         const compare::PatternStats* stats) const {
    const std::string with = fmt::format("with {} set{} of parameters", sets, sets == 1 ? "" : "s");
    if (target.is_new) {
      return fmt::format(
          "the best of {} remed{} tried for a new query, {}; no other pattern that was measured "
          "does more work",
          FormatCount(tried_.size()), tried_.size() == 1 ? "y" : "ies", with);
    }
    std::string text = fmt::format("brings it back to the baseline: no more work {}", with);
    if (WasTimed(stats)) {
      text += fmt::format(", no slower in {} pairs", FormatCount(stats->latency_pairs));
    }
    return text + "; no other pattern that was measured does more work";
  }

  // By the rules of the gate; of a new query, with this share of what they allow.
  bool IsFastEnough(const FixTarget& target, const compare::PatternTable& timed,
                    double share) const {
    if (target.is_new) {
      const compare::PatternStats* stats = timed.Find(target.fingerprint);
      if (stats == nullptr || stats->new_pairs < request_.policy.new_pattern.min_samples) {
        return false;
      }
      // As fast as the gate asks for, by what it had of this machine.
      const compare::PatternStats* judged = request_.table.Find(target.fingerprint);
      if (judged == nullptr) return false;
      compare::Policy policy = request_.policy;
      policy.new_pattern.min_delta_us =
          static_cast<Micros>(share * static_cast<double>(policy.new_pattern.min_delta_us));
      const compare::OutcomeVerdict verdict = compare::JudgeOutcomes(
          timed, policy, compare::PaceFor(request_.table, *judged, request_.policy.new_pattern));
      return std::none_of(verdict.findings.begin(), verdict.findings.end(), [&](const auto& one) {
        return one.fingerprint == target.fingerprint && one.type == compare::FindingClass::kNewSlow;
      });
    }
    const compare::LatencyVerdict verdict =
        compare::JudgeLatency(timed, request_.policy, nullptr, nullptr, {});
    return std::none_of(verdict.findings.begin(), verdict.findings.end(), [&](const auto& one) {
      return one.fingerprint == target.fingerprint && one.type == compare::FindingClass::kSlower;
    });
  }

  Samples TimedSamples(const FixTarget& target) const {
    Samples samples;
    RepeatTo(samples[target.fingerprint] = target.samples, PairsFor(target));
    return samples;
  }

  uint64_t PairsFor(const FixTarget& target) const {
    const auto us = static_cast<Micros>(std::max(target.finding->before.p50_us, 1.0) *
                                        static_cast<double>(request_.lanes.size()));
    const auto affordable = static_cast<uint64_t>(std::max<Micros>(meter_.LeftUs(), 0) / (4 * us));
    return std::clamp<uint64_t>(affordable, request_.policy.latency.min_pairs + 3, kPairsMax);
  }

  // --- Foreign keys.

  // An UPDATE makes the queries of foreign keys only where it changes a key, which shows in the
  // work of its triggers.
  static bool LooksUp(const FixTarget& target) {
    const ExplainedFinding& known = *target.known;
    return known.facts.kind == event::StatementKind::kDelete ||
           known.triggers_after.value_or(0) > known.triggers_before.value_or(0);
  }

  // A DELETE of the parent cannot be run again once the replay has deleted its rows; the queries
  // that its foreign keys make can.
  Status ProveLookUps(const FixTarget& target) {
    Trial together;
    together.remedies = look_ups_;
    if (look_ups_.empty() || meter_.OutOfTime()) return {};
    SCRY_TRY(neighbours_.Survey(target.fingerprint, together.tables()));
    together.remedies.clear();
    report::Fix sums;
    for (const cause::Remedy& remedy : look_ups_) {
      SCRY_TRY(watch_.Check());
      if (meter_.OutOfTime()) break;
      const auto before = ExplainLookUp(remedy);
      if (!before) continue;
      SCRY_TRY_ASSIGN(const bool made, Make(remedy));
      if (!made) continue;
      const auto with = ExplainLookUp(remedy);
      if (!with || with->root.blocks * kBetter > before->root.blocks) {
        SCRY_TRY(bench_.Undo(remedy));
        continue;
      }
      together.remedies.push_back(remedy);
      sums.us_after += before->root.time_total_ms.value_or(0) * 1000;
      sums.us_fixed += with->root.time_total_ms.value_or(0) * 1000;
      sums.blocks_after += before->root.blocks;
      sums.blocks_fixed += with->root.blocks;
    }
    if (together.remedies.empty()) return watch_.Check();
    SCRY_TRY_ASSIGN(auto writes, neighbours_.Costs(target.fingerprint, together.tables()));
    if (!writes) return Undo(together);
    report::Fix fix = FixOf(target, together.remedies);
    fix.us_after = sums.us_after;
    fix.us_fixed = sums.us_fixed;
    fix.blocks_after = sums.blocks_after;
    fix.blocks_fixed = sums.blocks_fixed;
    fix.writes = std::move(*writes);
    const bool one = together.remedies.size() == 1;
    const std::set<std::string> tables = together.tables();
    fix.sentence = fmt::format(
        "measured by the quer{} of {} for each such write, as the rows themselves were {} by "
        "the replay; no other pattern that was measured does more work",
        one ? "y that the foreign key makes" : "ies that the foreign keys make",
        cause::Joined({tables.begin(), tables.end()}),
        target.known->facts.kind == event::StatementKind::kDelete ? "deleted" : "changed");
    Keep(target, together, std::move(fix));
    return {};
  }

  // The second run counts, as elsewhere. nullopt: it does not run, or not in time.
  std::optional<explain::Plan> ExplainLookUp(const cause::Remedy& remedy) {
    std::optional<explain::Plan> plan;
    for (int i = 0; i < 2; ++i) {
      const Micros timeout_us = std::clamp(meter_.LeftUs(), kMakeMinUs, kLookUpMaxUs);
      const auto rows =
          bench_.Run("EXPLAIN (ANALYZE, BUFFERS, FORMAT JSON) " + remedy.look_up, timeout_us);
      if (!rows.ok() || !rows->Single()) return std::nullopt;
      auto parsed = explain::ParsePlan(*rows->Single());
      if (!parsed.ok()) return std::nullopt;
      plan = std::move(parsed).value();
    }
    return plan;
  }

  // --- Fixes that later ones make needless.

  // nullptr: it is more than an index by itself.
  static const cause::Remedy* PlainIndex(const Kept& kept) {
    if (kept.remedies.size() != 1) return nullptr;
    const cause::Remedy& remedy = kept.remedies.front();
    const bool plain = remedy.kind == "index" && remedy.predicate.empty() &&
                       remedy.look_up.empty() && remedy.included.empty();
    return plain ? &remedy : nullptr;
  }

  // Of an earlier index the one that was just proven may be all that is needed: it begins with the
  // same columns.
  Status DropPrefixes() {
    const cause::Remedy* longer = PlainIndex(kept_.back());
    if (longer == nullptr) return {};
    const std::vector<std::string> columns = longer->columns;
    const std::string table = longer->table;
    for (size_t i = 0; i + 1 < kept_.size();) {
      const cause::Remedy* shorter = PlainIndex(kept_[i]);
      const bool prefix =
          shorter != nullptr && shorter->table == table &&
          shorter->columns.size() < columns.size() &&
          std::equal(shorter->columns.begin(), shorter->columns.end(), columns.begin());
      bool dropped = false;
      if (prefix) {
        SCRY_TRY_ASSIGN(dropped, DropIfNotNeeded(i));
      }
      if (!dropped) ++i;
    }
    return {};
  }

  // The last fix may do for what the one at `at` mends.
  Result<bool> DropIfNotNeeded(size_t at) {
    const cause::Remedy remedy = kept_[at].remedies.front();
    const FixTarget& target = *kept_[at].target;
    SCRY_TRY(bench_.Undo(remedy));
    SCRY_TRY_ASSIGN(const std::vector<compare::WorkSample> counted,
                    meter_.Count(target.fingerprint, SamplesOf(target), target.is_new));
    const report::Fix& fix = result_.fixes[at];
    const double most = std::max(fix.blocks_fixed, 8.0) * kBetter;
    if (counted.empty() || BlocksOf(counted) > most || (!target.is_new && !NoMoreWork(counted))) {
      SCRY_TRY_ASSIGN(
          const auto made,
          bench_.Make(remedy, std::max(meter_.LeftUs(), 2 * fix.build_us + kMakeMinUs)));
      (void)made;  // It was proven, whether or not it can be made once more.
      return false;
    }
    auto& findings = result_.fixes.back().findings;
    findings.insert(findings.end(), fix.findings.begin(), fix.findings.end());
    const auto gone = static_cast<std::ptrdiff_t>(at);
    result_.fixes.erase(result_.fixes.begin() + gone);
    kept_.erase(kept_.begin() + gone);
    return true;
  }

  const FixRequest& request_;
  RemedyBench& bench_;
  FixMeter& meter_;
  const RunWatch& watch_;
  FixNeighbours neighbours_;
  std::set<uint64_t> found_;             // Patterns with a finding.
  std::vector<cause::Remedy> look_ups_;  // For the finding at hand.
  std::set<std::string> tried_;          // The same: what was made.
  std::vector<Kept> kept_;               // One for each fix.
  ProvenFixes result_;
};

}  // namespace

Result<ProvenFixes> ProveFixes(const FixRequest& request, const std::vector<FixTarget>& targets,
                               const RunWatch& watch, event::FactsCache& facts) {
  SCRY_TRY_ASSIGN(RemedyBench bench, RemedyBench::Open(request.lanes[1].info, watch));
  FixMeter meter(request.lanes, request.replay, watch, facts,
                 base::SystemClock().MonotonicUs() + request.budget_us);
  return Prover(request, bench, meter, watch, facts).Run(targets);
}

}  // namespace scry::job
