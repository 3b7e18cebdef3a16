#include "job/cause_finder.h"

#include <algorithm>
#include <utility>

#include "cause/cause.h"
#include "pg/admin.h"

namespace scry::job {
namespace {

struct FoundCause {
  const report::Finding* finding;
  cause::Sort sort;
  cause::Cause cause;
};

// Where no rule fitted a finding, as one made without a plan, but one did another of the same
// query: its cause is this one's.
void TakeNamedCauses(std::vector<FoundCause>& found) {
  for (FoundCause& one : found) {
    if (one.cause.mechanism != cause::kNoRule) continue;
    const auto named = std::find_if(found.begin(), found.end(), [&](const FoundCause& other) {
      return other.finding->fingerprint == one.finding->fingerprint && other.sort == one.sort &&
             other.cause.mechanism != cause::kNoRule;
    });
    if (named != found.end()) one.cause = named->cause;
  }
}

}  // namespace

cause::Evidence EvidenceOf(const ExplainedFinding& from, const report::Finding& finding,
                           const LaneCatalogs* catalogs) {
  cause::Evidence evidence;
  evidence.type = finding.type;
  evidence.tail = finding.type == "warning" && finding.has_latency;
  if (finding.difference != "fixed") {
    evidence.sqlstate = finding.sqlstate;
    evidence.message = finding.message;
  }
  evidence.difference = finding.difference;
  for (const report::SampleColumn& column : finding.rows.columns) {
    evidence.columns.push_back(column.name);
  }
  evidence.pattern = finding.pattern;
  evidence.kind = from.facts.kind;
  evidence.relations = from.facts.relations;
  evidence.functions = from.facts.functions;
  evidence.role = from.role;
  evidence.settled = from.settled;
  if (from.plans && from.plans->before) evidence.plan_before = &*from.plans->before;
  if (from.plans && from.plans->after) evidence.plan_after = &*from.plans->after;
  evidence.triggers_before = from.triggers_before;
  evidence.triggers_after = from.triggers_after;
  if (catalogs != nullptr) {
    evidence.before = &catalogs->before;
    evidence.after = &catalogs->after;
    evidence.changes = &catalogs->changes;
  }
  return evidence;
}

base::Result<std::unique_ptr<LaneCatalogs>> ReadLaneCatalogs(
    const std::vector<replay::LaneTarget>& lanes, bool copies) {
  auto catalogs = std::make_unique<LaneCatalogs>();
  SCRY_TRY_ASSIGN(pg::AdminSession before, pg::AdminSession::Connect(lanes[0].info));
  SCRY_TRY_ASSIGN(pg::AdminSession after, pg::AdminSession::Connect(lanes[1].info));
  SCRY_TRY_ASSIGN(catalogs->before, cause::ReadCatalog(before));
  SCRY_TRY_ASSIGN(catalogs->after, cause::ReadCatalog(after));
  catalogs->changes = cause::DiffCatalogs(catalogs->before, catalogs->after, copies);
  catalogs->copies = copies;
  return catalogs;
}

bool HasCause(const report::Finding& finding) {
  return finding.type != "new" && finding.type != "faster";
}

void FillCauses(const std::vector<ExplainedFinding>& findings, const LaneCatalogs* catalogs,
                report::Report& report) {
  std::vector<FoundCause> causes;
  for (const report::Finding& finding : report.findings) {
    const auto found =
        std::find_if(findings.begin(), findings.end(),
                     [&](const ExplainedFinding& one) { return one.id == finding.id; });
    if (found == findings.end()) continue;
    const cause::Evidence evidence = EvidenceOf(*found, finding, catalogs);
    auto cause = cause::FindCause(evidence);
    if (cause) causes.push_back({&finding, cause::SortOf(evidence), std::move(*cause)});
  }
  TakeNamedCauses(causes);
  for (const auto& [finding, sort, cause] : causes) {
    const auto same =
        std::find_if(report.causes.begin(), report.causes.end(), [&](const report::Cause& one) {
          return one.mechanism == cause.mechanism && one.object == cause.object;
        });
    if (same != report.causes.end()) {
      same->findings.push_back(finding->id);
    } else {
      report.causes.push_back(
          {cause.object, cause.mechanism, cause.sentence, {}, {finding->id}, {}});
    }
  }
}

}  // namespace scry::job
