// Says why findings are there and what would mend them, after all judging is done: plans on both
// lanes, causes, and fixes that are really tried. Used by Comparison. Blocks. One thread.
#pragma once

#include <cstdint>
#include <functional>
#include <set>
#include <utility>
#include <vector>

#include "base/clock.h"
#include "base/result.h"
#include "compare/pattern_table.h"
#include "compare/policy.h"
#include "compare/verdict.h"
#include "event/statement_facts.h"
#include "job/cause_finder.h"
#include "job/first_moment.h"
#include "job/progress.h"
#include "job/run_watch.h"
#include "job/sample_run.h"
#include "job/work_probe.h"
#include "replay/replayer.h"
#include "replay/sample_book.h"
#include "report/report.h"

namespace scry::job {

// What is known by then. All of it outlives the explainer.
struct ExplainRequest {
  const compare::Policy& policy;
  const compare::PatternTable& table;  // Of the second moment.
  const compare::Verdict& verdict;     // What the report's findings were made of.
  const MeasuredWork& work;
  const FirstMomentResult* first = nullptr;  // nullptr: nothing was touched.
  const LaneCatalogs* catalogs = nullptr;    // nullptr: not read.
  bool prove_fixes = false;
  base::Micros fix_budget_us = 0;
  bool show_values = false;
  std::function<base::Result<std::vector<replay::LaneTarget>>()> lanes;
  std::function<base::Result<replay::SampleBook>(const std::set<uint64_t>&)> collect;
  ReplayTraffic replay;
};

class FindingExplainer {
 public:
  FindingExplainer(ExplainRequest request, const RunWatch& watch, Progress& progress,
                   event::FactsCache& facts, report::Report& report)
      : request_(std::move(request)),
        watch_(watch),
        progress_(progress),
        facts_(facts),
        report_(report) {}

  // Fills causes, fixes and plans of the report.
  base::Status Run();

 private:
  base::Status Prove(const std::vector<ExplainedFinding>& known, const replay::SampleBook& book,
                     const std::vector<replay::LaneTarget>& targets);
  // VACUUM (ANALYZE), where that is what ended a finding.
  void TellSettled();
  // Of the verdict: what the report's finding was made of.
  const compare::Finding& Judged(const report::Finding& finding) const;
  ExplainedFinding WhatIsKnown(const compare::Finding& finding,
                               const replay::SampleBook& book) const;
  // The execution to explain: the one whose work rose most, else any.
  const replay::Sample* WorstSample(uint64_t fingerprint, const replay::SampleBook& book) const;

  const ExplainRequest request_;
  const RunWatch& watch_;
  Progress& progress_;
  event::FactsCache& facts_;
  report::Report& report_;
};

}  // namespace scry::job
