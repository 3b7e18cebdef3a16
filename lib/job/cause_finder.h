// Looks for the cause of each finding: reads the catalogues of baseline and candidate, puts
// together what is known of a finding (plans, catalogues, statement, role), asks the rules of
// lib/cause, and groups findings of one cause in the report. Used by Comparison. Reading blocks.
// One thread.
#pragma once

#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "base/result.h"
#include "cause/catalog.h"
#include "cause/evidence.h"
#include "compare/verdict.h"
#include "event/statement_facts.h"
#include "job/plan_probe.h"
#include "replay/replayer.h"
#include "report/report.h"

namespace scry::job {

// As they were right after the migration. `changes` point into the two.
struct LaneCatalogs {
  cause::Catalog before;
  cause::Catalog after;
  std::vector<cause::Change> changes;
  bool copies = false;  // Of one database.
};
// By pointer, as it may not move. `copies`: both lanes were made of one database.
base::Result<std::unique_ptr<LaneCatalogs>> ReadLaneCatalogs(
    const std::vector<replay::LaneTarget>& lanes, bool copies);

struct ExplainedFinding {
  std::string id;  // Of the report's finding.
  event::StatementFacts facts;
  std::string role;
  std::optional<PlanPair> plans;
  std::optional<double> triggers_before;
  std::optional<double> triggers_after;
  bool settled = false;  // Statistics and visibility maps are those after VACUUM (ANALYZE).
};

// For the rules, and for what might mend it. Views of all three.
cause::Evidence EvidenceOf(const ExplainedFinding& from, const report::Finding& finding,
                           const LaneCatalogs* catalogs);

// Does this class of findings have causes to look for?
bool HasCause(const report::Finding& finding);

// `catalogs`: nullptr where they could not be read.
void FillCauses(const std::vector<ExplainedFinding>& findings, const LaneCatalogs* catalogs,
                report::Report& report);

}  // namespace scry::job
