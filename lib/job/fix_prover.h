// Tries remedies for findings of latency and work, and keeps those that were shown to help: each is
// really applied to the candidate, after all judging is done, measured against the baseline with
// the statements' own parameters, and taken away again. That is the candidate itself and no fork of
// it: building an index there costs less than copying its data, and its caches stay warm. Used by
// Comparison. Blocks. One thread.
#pragma once

#include <functional>
#include <map>
#include <string>
#include <vector>

#include "base/clock.h"
#include "base/result.h"
#include "compare/pattern_table.h"
#include "compare/policy.h"
#include "event/lane_pair.h"
#include "event/statement_facts.h"
#include "job/cause_finder.h"
#include "job/run_watch.h"
#include "job/sample_run.h"
#include "job/work_probe.h"
#include "replay/replayer.h"
#include "replay/sample.h"
#include "report/report.h"

namespace scry::job {

inline constexpr size_t kFixFindingsMax = 5;

// A finding to mend.
struct FixTarget {
  uint64_t fingerprint = 0;
  const report::Finding* finding = nullptr;
  const ExplainedFinding* known = nullptr;
  bool is_new = false;  // The baseline cannot run it: then the best that is found counts.
  std::vector<replay::Sample> samples;
};

struct FixRequest {
  const std::vector<replay::LaneTarget>& lanes;
  const LaneCatalogs& catalogs;
  const compare::Policy& policy;
  const compare::PatternTable& table;  // Of the second moment.
  const MeasuredWork& work;            // The same.
  base::Micros budget_us = 0;          // Of all remedies together.
  bool show_values = false;
  ReplayTraffic replay;
};

struct ProvenFixes {
  std::vector<report::Fix> fixes;
  size_t tried = 0;  // Remedies that were applied.
  // Indexes that HypoPG was asked about, and of those the ones that were not built for it.
  size_t asked = 0;
  size_t pruned = 0;
  size_t out_of_time = 0;  // Findings that no remedy was tried for.
  size_t skipped = 0;      // The same, past kFixFindingsMax, where no fix for another mends them.
  // Remedies that could not be made in the time that was left, by SQL, and that time.
  std::map<std::string, base::Micros> unfinished;
};

// `targets`: the worst first; for those past kFixFindingsMax nothing new is tried. Fails only where
// `watch` ends the run or the candidate is lost; it is as it was before.
base::Result<ProvenFixes> ProveFixes(const FixRequest& request,
                                     const std::vector<FixTarget>& targets, const RunWatch& watch,
                                     event::FactsCache& facts);

}  // namespace scry::job
