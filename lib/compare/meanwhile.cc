#include "compare/meanwhile.h"

#include <fmt/format.h>

#include <utility>

#include "base/units.h"

namespace scry::compare {

bool IsMissing(std::string_view sqlstate) {
  // Names, columns, functions and rights; a schema; a view that is not filled, a state in which a
  // relation is of no use; what is not supported; a relation that went while it was opened.
  return sqlstate.starts_with("42") || sqlstate == "3F000" || sqlstate == "55000" ||
         sqlstate == "0A000" || sqlstate == "XX000";
}

std::vector<Finding> JudgeMeanwhile(const std::vector<MeanwhileFailures>& failures,
                                    uint64_t statements_replayed, const Policy& policy) {
  std::vector<Finding> findings;
  for (const MeanwhileFailures& one : failures) {
    Finding finding;
    finding.type = FindingClass::kBroken;
    finding.id = fmt::format("{}{:016x}", kMeanwhilePrefix, one.fingerprint);
    finding.fingerprint = one.fingerprint;
    finding.pattern = one.pattern;
    finding.difference = DifferenceKind::kError;
    finding.sqlstate = one.sqlstate;
    finding.message = one.message;
    finding.calls = statements_replayed;
    finding.affected = one.failed;
    finding.reasons.push_back(fmt::format(
        "failed {} time{} with {} while the migration ran, as it had not when captured: {}",
        base::FormatCount(one.failed), one.failed == 1 ? "" : "s", one.sqlstate, one.message));
    if (!one.statement.empty()) {
      finding.reasons.push_back("since " + base::Printable(one.statement, 200));
    }
    finding.gates = policy.gate.error;
    findings.push_back(std::move(finding));
  }
  return findings;
}

}  // namespace scry::compare
