#include "compare/open_sessions.h"

#include <fmt/format.h>

#include <utility>

#include "base/units.h"

namespace scry::compare {

bool IsStalePlan(std::string_view sqlstate, std::string_view message) {
  // 0A000 stands for all that a server does not support; drivers tell this one by its words as
  // well. The fork that runs the migration under load has lc_messages = C.
  return sqlstate == "0A000" && message.find("cached plan") != std::string_view::npos;
}

std::vector<Finding> JudgeStalePlans(const std::vector<StalePlans>& stale,
                                     uint64_t statements_replayed, const Policy& policy) {
  std::vector<Finding> findings;
  for (const StalePlans& one : stale) {
    Finding finding;
    finding.type = FindingClass::kBroken;
    // The same pattern may be broken for sessions that begin later, too.
    finding.id = fmt::format("stale-{:016x}", one.fingerprint);
    finding.fingerprint = one.fingerprint;
    finding.pattern = one.pattern;
    finding.difference = DifferenceKind::kError;
    finding.sqlstate = one.sqlstate;
    finding.message = one.message;
    finding.calls = statements_replayed;
    finding.affected = one.failed;
    finding.reasons.push_back(fmt::format(
        "fails {} time{} in {} session{} that had prepared it before the migration and stayed "
        "open: {}",
        base::FormatCount(one.failed), one.failed == 1 ? "" : "s", base::FormatCount(one.sessions),
        one.sessions == 1 ? "" : "s", one.message));
    if (!one.statement.empty()) {
      finding.reasons.push_back("since " + base::Printable(one.statement, 200));
    }
    finding.gates = policy.gate.error;
    findings.push_back(std::move(finding));
  }
  return findings;
}

}  // namespace scry::compare
