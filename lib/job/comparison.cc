#include "job/comparison.h"

#include <fmt/format.h>

#include <algorithm>
#include <map>
#include <memory>
#include <utility>

#include "base/units.h"
#include "compare/detection.h"
#include "job/finding_explainer.h"
#include "job/sample_run.h"
#include "job/session_rerun.h"

namespace scry::job {
namespace {

using base::Fail;
using base::FormatCount;
using base::Micros;
using base::Result;
using base::Status;

constexpr size_t kSamplesPerPattern = 60;
// Of p95 and p99: few of them would not hold the parameters that became slow.
constexpr size_t kTailSamplesPerPattern = 400;
constexpr Micros kConfirmBudgetMinUs = 5 * 1000000LL;
// Or as long as the replay took, or so many times what counting work did: it tells how quick the
// machine is with such patterns.
constexpr Micros kFixBudgetMinUs = 20 * 1000000LL;
constexpr Micros kFixBudgetByWorkMaxUs = 60 * 1000000LL;
constexpr Micros kFixBudgetPerWork = 20;
constexpr Micros kWorkBudgetMinUs = 10 * 1000000LL;  // Or as long as the replay took.
// A quarter of the time that was captured, within these.
constexpr Micros kFirstBudgetMinUs = 3 * 1000000LL;
constexpr Micros kFirstBudgetMaxUs = 30 * 1000000LL;

}  // namespace

Comparison::Comparison(ComparisonRequest request, OpenTraffic open, const RunWatch& watch,
                       Progress& progress, report::Report& report)
    : request_(std::move(request)),
      open_(std::move(open)),
      watch_(watch),
      progress_(progress),
      report_(report) {}

Status Comparison::Survey() {
  progress_.Step("read " + (request_.captures.size() == 1
                                ? request_.captures[0]
                                : fmt::format("{} captures", request_.captures.size())));
  for (const std::string& directory : request_.captures) {
    SCRY_TRY_ASSIGN(const CaptureSurvey one, SurveyCapture(directory, open_));
    survey_.Add(one);
    report_.captures.push_back(one.facts);
  }
  progress_.Done(fmt::format("{} statements of {} sessions", FormatCount(survey_.facts.statements),
                             FormatCount(survey_.facts.sessions)));
  if (survey_.facts.statements == 0) {
    return Fail(base::ErrorCode::kInconclusive,
                "the capture holds no statements, so nothing can be judged; capture some traffic "
                "first: scry capture --help");
  }
  return {};
}

Status Comparison::LookAtCatalogs(const Lanes& lanes, bool copies) {
  SCRY_TRY_ASSIGN(const std::vector<replay::LaneTarget> targets, lanes());
  auto read = ReadLaneCatalogs(targets, copies);
  SCRY_TRY(watch_.Check());
  if (!read.ok()) {
    report_.notes.push_back("Causes come from plans alone: the catalogues could not be read (" +
                            base::Printable(base::OneLine(read.error().message), 200) + ").");
    return {};
  }
  catalogs_ = std::move(read).value();
  if (catalogs_->before.cut || catalogs_->after.cut) {
    report_.notes.push_back(
        fmt::format("Causes may be missing: only the first {} objects of each "
                    "catalogue were read.",
                    FormatCount(cause::kObjectsMax)));
  }
  return {};
}

Status Comparison::LookAtFirstMoment(const Lanes& lanes,
                                     const std::vector<migration::TouchedRelation>& touched) {
  progress_.Step("try what touches them before autovacuum does");
  SCRY_TRY_ASSIGN(const std::vector<replay::LaneTarget> targets, lanes());
  const FirstMomentRequest request{
      request_.captures,
      open_,
      request_.policy,
      touched,
      targets,
      std::clamp(survey_.facts.duration_us / 4, kFirstBudgetMinUs, kFirstBudgetMaxUs),
      ReplayAgain(lanes)};
  SCRY_TRY_ASSIGN(FirstMomentResult first, MeasureFirstMoment(request, watch_, facts_));
  first_.emplace(std::move(first));
  report_.tested.first_patterns = first_->moment.work.size();
  progress_.Done(fmt::format("{} pattern{}", FormatCount(report_.tested.first_patterns),
                             report_.tested.first_patterns == 1 ? "" : "s"));
  return {};
}

Status Comparison::Run(const Lanes& lanes) {
  SCRY_TRY(ReplayCaptures(lanes));
  compare::RunFacts facts;
  facts.sessions_replayed = stats_.sessions;
  facts.sessions_excluded = stats_.sessions_excluded;
  facts.stalls_released = stats_.stalls_broken;
  facts.exchanges = stats_.exchanges;
  facts.exchanges_excluded = stats_.exchanges_excluded;
  facts.gap_exchanges = stats_.gap_exchanges;
  if (first_) facts.first = &first_->moment;
  verdict_ = compare::Judge(table_, request_.policy, facts);
  SCRY_TRY(Confirm(lanes));
  SCRY_TRY(MeasureWork(lanes));
  // Also where nothing of it could be run again: then only what is slower by far gates.
  const bool rechecked = !verdict_.rechecks.empty();
  verdict_ = compare::Judge(table_, request_.policy, facts, rechecked ? &confirmation_ : nullptr,
                            &work_.table);
  report::FillVerdict(verdict_, request_.show_values, report_);
  report::FillLatencies(verdict_, table_, report_);
  report::FillTotals(table_.totals(), report_);
  if (budget_) {
    report_.budget = budget_->facts();
    report_.budget.fidelity_skipped = table_.totals().fidelity_skipped;
    if (table_.totals().fidelity.judged == 0) {
      report_.notes.push_back(
          "Fidelity could not be judged: all that was replayed reads what left-out sessions had "
          "written. A longer --budget or a shorter window leaves out fewer.");
    }
  }
  return FindingExplainer(
             {request_.policy, table_, verdict_, work_, first_ ? &*first_ : nullptr,
              catalogs_.get(), request_.prove_fixes, FixBudget(), request_.show_values, lanes,
              [this](const std::set<uint64_t>& wanted) {
                return CollectSamples(wanted, kSamplesPerPattern);
              },
              ReplayAgain(lanes)},
             watch_, progress_, facts_, report_)
      .Run();
}

int Comparison::ExitStatus() const {
  switch (verdict_.result) {
    case compare::VerdictResult::kSafe:
      return kExitSafe;
    case compare::VerdictResult::kRegressions:
      return kExitRegressions;
    case compare::VerdictResult::kInconclusive:
      return kExitInconclusive;
  }
  return kExitInconclusive;
}

Result<replay::ReplayStats> Comparison::ReplayOne(const Lanes& lanes, Traffic traffic,
                                                  event::PairSink& sink, bool set_sequences) {
  SCRY_TRY_ASSIGN(const std::vector<replay::LaneTarget> targets, lanes());
  replay::ReplayOptions options = request_.replay;
  options.snapshot = snapshot_ ? &*snapshot_ : nullptr;
  options.set_sequences = set_sequences && request_.set_sequences;
  return WatchedReplay(targets, traffic, sink, facts_, options, watch_, progress_);
}

ReplayTraffic Comparison::ReplayAgain(const Lanes& lanes) {
  return [this, &lanes](Traffic traffic, event::PairSink& sink) -> Status {
    const auto stats = ReplayOne(lanes, traffic, sink, /*set_sequences=*/false);
    return stats.ok() ? Status() : Status(stats.error());
  };
}

Status Comparison::ReplayCaptures(const Lanes& lanes) {
  for (size_t i = 0; i < request_.captures.size(); ++i) {
    progress_.Step("replay on all lanes");
    SCRY_TRY_ASSIGN(const std::unique_ptr<event::EventSource> source, open_(request_.captures[i]));
    if (budget_) table_.JudgeFidelityWhere(budget_->Knowable(i));
    snapshot_ = SnapshotOf(request_.captures[i], report_.notes);
    SCRY_TRY_ASSIGN(const replay::ReplayStats stats,
                    ReplayOne(lanes, {*source, report_.captures[i].statements}, table_,
                              /*set_sequences=*/true));
    table_.EndSessions();
    table_.BeginCapture();
    progress_.Done(RateText(stats.statements, stats.duration_us));
    stats_.Add(stats);
  }
  return {};
}

Result<replay::SampleBook> Comparison::CollectSamples(const std::set<uint64_t>& fingerprints,
                                                      size_t per_pattern,
                                                      replay::SampleChoice choice) {
  replay::SampleBook book(fingerprints, per_pattern, /*seed=*/1, choice);
  SCRY_TRY(ScanCaptures(book));
  return book;
}

Status Comparison::ScanCaptures(replay::SampleBook& book) {
  for (const std::string& directory : request_.captures) {
    SCRY_TRY_ASSIGN(const std::unique_ptr<event::EventSource> source, open_(directory));
    SCRY_TRY(book.Scan(*source, facts_));
  }
  return {};
}

Micros Comparison::FixBudget() const {
  const Micros by_work_us = std::min(work_took_us_ * kFixBudgetPerWork, kFixBudgetByWorkMaxUs);
  return std::max({stats_.duration_us, kFixBudgetMinUs, by_work_us});
}

// Three times the samples, as far as all of them together do not take longer than the replay did.
size_t Comparison::ConfirmPairs(const compare::PatternStats& stats, const compare::Recheck& recheck,
                                size_t patterns) const {
  uint64_t lanes_us = 0;
  for (const uint64_t lane_us : stats.time_us) lanes_us += lane_us;
  uint64_t pairs = stats.calls;
  if (recheck.calls.kind != event::CostKind::kAll) {
    // The calls of one part take longer than those of the whole pattern, or shorter.
    lanes_us = pairs = 0;
    for (const auto& [decade, part] :
         recheck.calls.kind == event::CostKind::kRows ? stats.by_rows : stats.by_time) {
      if (decade < recheck.calls.low || decade > recheck.calls.high) continue;
      pairs += part.pairs;
      for (const uint64_t lane_us : part.time_us) lanes_us += lane_us;
    }
  }
  const uint64_t pair_us = std::max<uint64_t>(1, lanes_us / std::max<uint64_t>(1, pairs));
  const auto budget_us = static_cast<uint64_t>(std::max(stats_.duration_us, kConfirmBudgetMinUs));
  const uint64_t most = recheck.tail ? compare::kConfirmTailPairsMax : compare::kConfirmPairsMax;
  const uint64_t wanted = std::min(compare::kConfirmFactor * recheck.pairs, most);
  return std::max(compare::kConfirmPairsMin, std::min(wanted, budget_us / patterns / pair_us));
}

// Decision 3: what looks slower is run again, in fresh order, before it may gate. So is that in
// which the control lane differs.
Status Comparison::Confirm(const Lanes& lanes) {
  const std::vector<compare::Recheck>& rechecks = verdict_.rechecks;
  if (rechecks.empty()) return {};
  progress_.Step(
      fmt::format("look again at {} pattern{}", rechecks.size(), rechecks.size() == 1 ? "" : "s"));
  const std::vector<uint64_t> flagged = verdict_.NeedsConfirmation();
  replay::SampleBook book(std::set<uint64_t>(flagged.begin(), flagged.end()), kSamplesPerPattern,
                          /*seed=*/1);
  for (const compare::Recheck& recheck : rechecks) {
    book.Want(recheck.fingerprint,
              {recheck.tail ? kTailSamplesPerPattern : kSamplesPerPattern, recheck.calls});
  }
  SCRY_TRY(ScanCaptures(book));
  Samples samples = book.samples();
  for (const compare::Recheck& recheck : rechecks) {
    const compare::PatternStats* stats = table_.Find(recheck.fingerprint);
    const auto kept = samples.find(recheck.fingerprint);
    if (stats == nullptr || kept == samples.end() || kept->second.empty()) continue;
    // Each as often as it needs: the rare and the slow pattern must not set the pace of the others.
    RepeatTo(kept->second, ConfirmPairs(*stats, recheck, rechecks.size()));
  }
  SCRY_TRY(RunSamples(samples, /*seed=*/2, confirmation_, facts_, ReplayAgain(lanes)));
  SCRY_TRY(ConfirmBySessions(lanes));
  progress_.Done(fmt::format("{} pairs", FormatCount(confirmation_.totals().statements)));
  return {};
}

// What needs its session runs again with that.
Status Comparison::ConfirmBySessions(const Lanes& lanes) {
  if (!request_.rerun_sessions) return {};
  SessionRerun rerun{
      request_.captures, open_, {}, std::max(stats_.duration_us, kConfirmBudgetMinUs)};
  for (const compare::Recheck& recheck : verdict_.rechecks) {
    const compare::PatternStats* again = confirmation_.Find(recheck.fingerprint);
    if (again != nullptr && again->latency_pairs >= request_.policy.latency.min_pairs) continue;
    rerun.pairs_wanted[recheck.fingerprint] = compare::kConfirmFactor * recheck.pairs;
  }
  if (rerun.pairs_wanted.empty()) return {};
  return RerunSessions(rerun, confirmation_, facts_, ReplayAgain(lanes));
}

// Decision 4: what does not depend on a clock.
Status Comparison::MeasureWork(const Lanes& lanes) {
  WorkGaps gaps;
  const std::vector<uint64_t> patterns =
      ChooseForWork(table_, request_.policy.latency.min_pairs, gaps);
  if (patterns.empty()) return {};
  progress_.Step(fmt::format("count the work of {} pattern{}", FormatCount(patterns.size()),
                             patterns.size() == 1 ? "" : "s"));
  SCRY_TRY_ASSIGN(const replay::SampleBook book,
                  CollectSamples({patterns.begin(), patterns.end()}, kWorkSamplesPerPattern,
                                 replay::SampleChoice::kSpread));
  SCRY_TRY_ASSIGN(const std::vector<replay::LaneTarget> targets, lanes());
  const Micros began_us = base::SystemClock().MonotonicUs();
  SCRY_TRY_ASSIGN(work_, job::MeasureWork(targets, patterns, book.samples(),
                                          std::max(stats_.duration_us, kWorkBudgetMinUs), watch_,
                                          facts_, gaps));
  work_took_us_ = base::SystemClock().MonotonicUs() - began_us;
  for (const auto& [fingerprint, samples] : work_.table)
    report_.tested.work_samples += samples.size();
  report_.tested.work_patterns = work_.table.size();
  ForgetCrowdedPages();
  const std::string note = DescribeGaps(gaps, work_.table.size());
  if (!note.empty()) report_.notes.push_back(note);
  if (book.left_out() > 0) {
    report_.notes.push_back(fmt::format("{} executions were too large to count the work of",
                                        FormatCount(book.left_out())));
  }
  progress_.Done(fmt::format("{} sets of parameters", FormatCount(report_.tested.work_samples)));
  return {};
}

// Whether an update is heap-only hangs on the room in its page as well, which a rewrite takes away
// and VACUUM brings back. For good it is lost to an index alone: without a new one on its table,
// what the samples saw of it says nothing.
void Comparison::ForgetCrowdedPages() {
  if (!catalogs_) return;
  std::set<std::string> indexed;
  for (const cause::Change& change : catalogs_->changes) {
    const bool more = change.type == cause::ChangeType::kAdded || change.Has("columns");
    if (change.kind() == "index" && more && change.after != nullptr) {
      indexed.insert(change.after->table);
    }
  }
  const auto has_new_index = [&](const std::string& relation) {
    for (const cause::CatalogObject* object : catalogs_->after.Named("relation", relation)) {
      for (const std::string& below : catalogs_->after.Closure({object->name})) {
        if (indexed.contains(below)) return true;
      }
    }
    return false;
  };
  const auto forget = [&](compare::WorkTable& work) {
    for (auto& [fingerprint, samples] : work) {
      const compare::PatternStats* stats = table_.Find(fingerprint);
      if (stats == nullptr || stats->text.empty()) continue;
      const std::vector<std::string> relations = facts_.Get(stats->text, stats->ordinal).relations;
      if (std::any_of(relations.begin(), relations.end(), has_new_index)) continue;
      for (compare::WorkSample& sample : samples) sample.candidate.updated = 0;
    }
  };
  forget(work_.table);
  if (first_) forget(first_->moment.work);
}

bool Comparison::LetsGate() const {
  return verdict_.compared > 0 && verdict_.fidelity.share() >= request_.policy.fidelity_floor;
}

bool Comparison::Fails(uint64_t fingerprint, const std::string& sqlstate) const {
  const compare::PatternStats* stats = table_.Find(fingerprint);
  return stats != nullptr &&
         std::any_of(stats->errors.begin(), stats->errors.end(), [&](const auto& lane) {
           return lane.contains(sqlstate) || lane.contains("other");
         });
}

void Comparison::AddCauses(const std::vector<ExplainedFinding>& findings) {
  FillCauses(findings, catalogs_.get(), report_);
}

void Comparison::FillTested() {
  report_.tested.sessions = stats_.sessions;
  report_.tested.sessions_excluded = stats_.sessions_excluded;
  report_.tested.stalls_released = stats_.stalls_broken;
  report_.tested.races_withdrawn = stats_.races_withdrawn;
  report_.tested.cancelled = stats_.cancelled;
  report_.tested.order_wait_us = stats_.order_wait_us;
  report_.tested.tool_wait_us = stats_.tool_wait_us;
  report_.tested.lag_us_max = stats_.lag_us_max;
  report_.tested.duration_us = stats_.duration_us;
  for (const auto& [reason, count] : stats_.exclusion_reasons) {
    report_.notes.push_back(fmt::format("{} session{} could not be replayed: {}",
                                        FormatCount(count), count == 1 ? "" : "s",
                                        base::Printable(base::OneLine(reason), 200)));
  }
  report_.notes.insert(report_.notes.end(), stats_.notes.begin(), stats_.notes.end());
  if (stats_.cancels_missed > 0) {
    report_.notes.push_back(
        fmt::format("{} cancel request{} of the capture hit nothing that is in it",
                    FormatCount(stats_.cancels_missed), stats_.cancels_missed == 1 ? "" : "s"));
  }
}

Micros Comparison::BusyUs(size_t lane) const {
  const auto& times = table_.totals().time_us;
  return lane < times.size() ? static_cast<Micros>(times[lane]) : 0;
}

}  // namespace scry::job
