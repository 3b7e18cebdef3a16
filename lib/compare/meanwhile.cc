#include "compare/meanwhile.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <string>
#include <utility>

#include "base/units.h"

namespace scry::compare {

bool IsMissing(std::string_view sqlstate, std::string_view message) {
  // Cursors, databases, statements, schemas, tables, columns, objects and functions.
  constexpr std::array<std::string_view, 8> kDuplicates = {"42P03", "42P04", "42P05", "42P06",
                                                           "42P07", "42701", "42710", "42723"};
  if (std::find(kDuplicates.begin(), kDuplicates.end(), sqlstate) != kDuplicates.end()) {
    return false;
  }
  // currval(), where the part of the traffic that is played begins behind its nextval(). The fork
  // has lc_messages = C.
  if (message.find("not yet defined in this session") != std::string_view::npos) return false;
  // A type that was made anew: the capture declares the number of the old one, where a client that
  // connects anew asks for the new one's. So is most of XX000, "cache lookup failed for type".
  if (message.find("type with OID") != std::string_view::npos) return false;
  // Names, columns, functions and rights; a schema; a view that is not filled, a state in which a
  // relation is of no use; what is not supported.
  return sqlstate.starts_with("42") || sqlstate == "3F000" || sqlstate == "55000" ||
         sqlstate == "0A000";
}

std::vector<Finding> JudgeMeanwhile(const std::vector<FailedPattern>& failures,
                                    uint64_t statements_replayed, const Policy& policy) {
  std::vector<Finding> findings;
  for (const FailedPattern& one : failures) {
    std::string reason = fmt::format(
        "failed {} time{} with {} while the migration ran, as it had not when captured: {}",
        base::FormatCount(one.failed), one.failed == 1 ? "" : "s", one.sqlstate, one.message);
    findings.push_back(
        FindingOf(one, kMeanwhilePrefix, std::move(reason), statements_replayed, policy));
  }
  return findings;
}

}  // namespace scry::compare
