#include "compare/open_sessions.h"

#include <fmt/format.h>

#include <string>
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
    std::string reason = fmt::format(
        "fails {} time{} in {} session{} that had prepared it before the migration and stayed "
        "open: {}",
        base::FormatCount(one.failed), one.failed == 1 ? "" : "s", base::FormatCount(one.sessions),
        one.sessions == 1 ? "" : "s", one.message);
    findings.push_back(FindingOf(one, "stale-", std::move(reason), statements_replayed, policy));
  }
  return findings;
}

}  // namespace scry::compare
