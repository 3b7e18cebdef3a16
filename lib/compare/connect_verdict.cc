#include "compare/connect_verdict.h"

#include <fmt/format.h>

#include <utility>

#include "base/units.h"
#include "compare/difference.h"
#include "compare/finding_parts.h"
#include "event/statement_facts.h"

namespace scry::compare {
namespace {

constexpr const char* kIdStart = "connect-";
constexpr size_t kRoleColumnsMax = 60;

// In words, where the server's own are in another language or missing.
std::string WhyOf(const std::string& sqlstate, const std::string& message) {
  if (sqlstate.empty()) return "no answer in time";
  return fmt::format("{} {}", sqlstate, MessageWithoutValues(sqlstate, message));
}

Finding FindingOf(const std::string& name, const ConnectTally::Role& role,
                  const std::string& sqlstate, const ConnectTally::Refusals& refusals) {
  const std::string shown = base::Printable(base::OneLine(name), kRoleColumnsMax);
  Finding finding;
  finding.type = FindingClass::kBroken;
  finding.pattern = "connect as " + shown;
  finding.fingerprint = event::DigestOf(finding.pattern + " " + sqlstate);
  finding.id = fmt::format("{}{:016x}", kIdStart, finding.fingerprint);
  finding.calls = role.sessions;
  finding.affected = refusals.candidate;
  finding.difference = DifferenceKind::kError;
  finding.sqlstate = sqlstate;
  finding.message = MessageWithoutValues(sqlstate, refusals.message);
  finding.reasons.push_back(
      fmt::format("cannot connect in {} of {} session{}: {}", base::FormatCount(refusals.candidate),
                  base::FormatCount(role.sessions), role.sessions == 1 ? "" : "s",
                  WhyOf(sqlstate, refusals.message)));
  return finding;
}

}  // namespace

std::vector<Finding> JudgeConnects(const ConnectTally& tally, const Policy& policy) {
  std::vector<Finding> findings;
  for (const auto& [name, role] : tally.roles()) {
    for (const auto& [sqlstate, refusals] : role.refusals) {
      if (refusals.candidate == 0) continue;
      Finding finding = FindingOf(name, role, sqlstate, refusals);
      const bool by_chance = sqlstate.empty() || IsInfrastructureState(sqlstate);
      const bool gates = !by_chance || NoChance(refusals.candidate, refusals.others, role.sessions);
      finding.gates = policy.gate.error && gates;
      if (!gates) {
        finding.type = FindingClass::kWarning;
        finding.reasons.push_back("does not gate: it may be chance");
      }
      findings.push_back(std::move(finding));
    }
  }
  return findings;
}

bool IsAboutConnecting(const Finding& finding) { return finding.id.starts_with(kIdStart); }

}  // namespace scry::compare
