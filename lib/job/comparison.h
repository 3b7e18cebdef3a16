// Replays captures on lanes side by side, judges what they did, confirms what looks slower,
// explains the worst, and fills the report. Shared by the jobs that compare: forks of a shadow with
// a migration between them, or servers that exist already. One thread.
#pragma once

#include <cstddef>
#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <set>
#include <string>
#include <utility>
#include <vector>

#include "base/clock.h"
#include "base/result.h"
#include "compare/moments.h"
#include "compare/pattern_table.h"
#include "compare/policy.h"
#include "compare/verdict.h"
#include "event/source_snapshot.h"
#include "event/statement_facts.h"
#include "job/capture_survey.h"
#include "job/capture_traffic.h"
#include "job/cause_finder.h"
#include "job/first_moment.h"
#include "job/progress.h"
#include "job/run_watch.h"
#include "job/sample_run.h"
#include "job/traffic_budget.h"
#include "job/work_probe.h"
#include "migration/touched_tables.h"
#include "replay/options.h"
#include "replay/replayer.h"
#include "replay/sample_book.h"
#include "report/report.h"

namespace scry::job {

// Exit statuses of a report; apps/scry/exit_status.h has the whole table.
inline constexpr int kExitSafe = 0;
inline constexpr int kExitRegressions = 5;
inline constexpr int kExitInconclusive = 6;
inline constexpr int kExitMigration = 7;

struct ComparisonRequest {
  std::vector<std::string> captures;  // Directories. At least one.
  compare::Policy policy;
  replay::ReplayOptions replay;
  bool show_values = false;
  // Lanes' sequences are set to where the source's stood. Not where nothing may be written.
  bool set_sequences = true;
  // Remedies are tried on the candidate. Only where it is scry's own to change.
  bool prove_fixes = false;
  // Sessions are replayed a second time where that alone can confirm something. Likewise.
  bool rerun_sessions = false;
};

class Comparison {
 public:
  // The lanes in the order of event::LaneRole: baseline, candidate and, if there is one, control.
  // Asked before each replay; refuses lanes that may not be written to.
  using Lanes = std::function<base::Result<std::vector<replay::LaneTarget>>()>;

  // All but the request outlive it. Notes and facts go into `report`.
  Comparison(ComparisonRequest request, OpenTraffic open, const RunWatch& watch, Progress& progress,
             report::Report& report);

  // What is opened was chosen so. Before Survey().
  void Limit(TrafficBudget budget) { budget_ = std::move(budget); }

  // Reads the captures once. kInconclusive where they hold nothing to judge.
  base::Status Survey();
  const CaptureSurvey& survey() const { return survey_; }

  // What the migration changed, for causes: right after it. `copies`: the lanes were made of one
  // database. Where the catalogues cannot be read a note says so.
  base::Status LookAtCatalogs(const Lanes& lanes, bool copies);

  // Between a migration and VACUUM (ANALYZE) of what it touched: the first of two moments.
  base::Status LookAtFirstMoment(const Lanes& lanes,
                                 const std::vector<migration::TouchedRelation>& touched);

  // Everything else; the verdict is in the report afterwards. The lanes are those of `lanes`.
  base::Status Run(const Lanes& lanes);
  // kExitSafe, kExitRegressions or kExitInconclusive. REQUIRES: Run() succeeded.
  int ExitStatus() const;

  // Does a finding that was proven by other means make the verdict `regressions`? Noise does not
  // stand against it; a replay that compared nothing, or lost fidelity, does. REQUIRES: Run()
  // succeeded.
  bool LetsGate() const;
  // Did a query of this pattern fail so on the baseline or on the candidate? REQUIRES: Run()
  // succeeded.
  bool Fails(uint64_t fingerprint, const std::string& sqlstate) const;
  // What LookAtCatalogs() read; nullptr: nothing.
  const LaneCatalogs* catalogs() const { return catalogs_.get(); }
  // Of findings that came after Run(): the rules are asked for them as well.
  void AddCauses(const std::vector<ExplainedFinding>& findings);

  // Counts and notes of what was replayed, as far as it came. Once.
  void FillTested();
  // Of all its statements.
  base::Micros BusyUs(size_t lane) const;

 private:
  base::Status ReplayCaptures(const Lanes& lanes);
  base::Result<replay::ReplayStats> ReplayOne(const Lanes& lanes, Traffic traffic,
                                              event::PairSink& sink, bool set_sequences);
  // Once more, of which the report tells nothing but the pairs. `lanes` outlives it.
  ReplayTraffic ReplayAgain(const Lanes& lanes);
  base::Status Confirm(const Lanes& lanes);
  base::Status ConfirmBySessions(const Lanes& lanes);
  base::Status MeasureWork(const Lanes& lanes);
  base::Micros FixBudget() const;
  void ForgetCrowdedPages();
  size_t ConfirmPairs(const compare::PatternStats& stats, const compare::Recheck& recheck,
                      size_t patterns) const;
  base::Status ScanCaptures(replay::SampleBook& book);
  base::Result<replay::SampleBook> CollectSamples(
      const std::set<uint64_t>& fingerprints, size_t per_pattern,
      replay::SampleChoice choice = replay::SampleChoice::kRandom);

  const ComparisonRequest request_;
  const OpenTraffic open_;
  const RunWatch& watch_;
  Progress& progress_;
  report::Report& report_;

  std::optional<TrafficBudget> budget_;
  CaptureSurvey survey_;
  event::FactsCache facts_;
  std::optional<event::SourceSnapshot> snapshot_;  // Of the capture replayed last.
  compare::PatternTable table_;
  compare::PatternTable confirmation_;
  std::optional<FirstMomentResult> first_;  // None: nothing was touched.
  std::unique_ptr<LaneCatalogs> catalogs_;  // nullptr: not read.
  MeasuredWork work_;
  base::Micros work_took_us_ = 0;  // To count it.
  replay::ReplayStats stats_;
  compare::Verdict verdict_;
};

}  // namespace scry::job
