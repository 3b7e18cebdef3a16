// The safe form of a migration that stopped traffic, tried before it is shown: what the migration
// sent, with the statements that blocked in the form of cause::SafeRewrite, runs on a fork of its
// own beside the traffic of the during act. It is a fix if it keeps to the policy and ends in the
// same schema. Used by the test-migration job. Blocks, but for what is named pure.
#pragma once

#include <optional>
#include <set>
#include <string>
#include <vector>

#include "base/result.h"
#include "cause/catalog.h"
#include "compare/policy.h"
#include "job/cause_finder.h"
#include "job/during_act.h"
#include "job/progress.h"
#include "job/run_watch.h"
#include "job/split_migration.h"
#include "migration/extrapolate.h"
#include "migration/profile.h"
#include "report/report.h"
#include "shadow/fork.h"

namespace scry::job {

struct SplitPlan {
  SplitMigration migration;
  std::vector<std::string> findings;   // Ids of those that it may mend.
  std::set<std::string> fingerprints;  // Theirs.
  std::string why_not;                 // It cannot be tried: in words that end a sentence.
};

// For the findings `blocked` that gate, or that production's size makes too long. nullopt: none of
// them has another form. Pure.
std::optional<SplitPlan> PlanSplit(const migration::MigrationProfile& profile,
                                   const LaneCatalogs& catalogs, const report::Report& report,
                                   const compare::Policy& policy);

// What the trial saw.
struct SplitOutcome {
  report::DuringFacts during;
  std::vector<report::Finding> findings;
  std::string failed_on;               // The statement that failed, and how; empty: none did.
  std::string schema_change;           // Against that of the migration as it is; empty: the same.
  base::Micros held_us_estimated = 0;  // On production, of locks that stop others; 0: as measured.
};

// Why it is no fix, in words that end a sentence. Empty: it is one. Pure.
std::string WhyNoFix(const SplitPlan& plan, const SplitOutcome& outcome,
                     const report::Report& report, const compare::Policy& policy);
// REQUIRES: it is one. Literals only with `show_values`. Pure.
report::Fix FixOf(const SplitPlan& plan, const SplitOutcome& outcome, const report::Report& report,
                  bool show_values);

struct SplitTrialRequest {
  const SplitPlan& plan;
  DuringRequest during;          // That of the act; its command is one that runs `script_file`.
  std::string script_file;       // To be written.
  const cause::Catalog& wanted;  // Of the migration as it is, beside the same traffic.
  const migration::ProductionSize& production;
};

// A fix in the report, or a note on why there is none. Fails only where `watch` ends the run.
base::Status TrySplit(const SplitTrialRequest& request, const ForkMaker& make_fork,
                      const RunWatch& watch, Progress& progress, report::Report& report);

}  // namespace scry::job
