#include "compare/failed_pattern.h"

#include <fmt/format.h>

#include <utility>

#include "base/units.h"

namespace scry::compare {

Finding FindingOf(const FailedPattern& failed, std::string_view id_prefix, std::string reason,
                  uint64_t statements_replayed, const Policy& policy) {
  Finding finding;
  finding.type = FindingClass::kBroken;
  finding.id = fmt::format("{}{:016x}", id_prefix, failed.fingerprint);
  finding.fingerprint = failed.fingerprint;
  finding.pattern = failed.pattern;
  finding.difference = DifferenceKind::kError;
  finding.sqlstate = failed.sqlstate;
  finding.message = failed.message;
  finding.calls = statements_replayed;
  finding.affected = failed.failed;
  finding.reasons.push_back(std::move(reason));
  if (!failed.statement.empty()) {
    finding.reasons.push_back("since " + base::Printable(failed.statement, 200));
  }
  finding.gates = policy.gate.error;
  return finding;
}

}  // namespace scry::compare
