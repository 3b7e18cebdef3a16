#include "job/load_failures.h"

#include <algorithm>
#include <cstdint>
#include <map>
#include <set>
#include <string>
#include <utility>

namespace scry::job {
namespace {

using migration::StatementProfile;

bool WasGivenUp(const StatementProfile& statement, const std::vector<GivenUp>& attempts) {
  return std::any_of(attempts.begin(), attempts.end(), [&](const GivenUp& attempt) {
    return statement.begin_us >= attempt.begin_us && statement.begin_us <= attempt.end_us;
  });
}

}  // namespace

std::vector<LoadFailure> FailuresUnderLoad(const std::vector<StatementProfile>& idle,
                                           const std::vector<StatementProfile>& load,
                                           const std::vector<GivenUp>& attempts) {
  std::map<std::pair<uint64_t, std::string>, uint64_t> expected;
  std::map<uint64_t, uint64_t> wanting;  // By fingerprint: successes that are still to come.
  for (const StatementProfile& statement : idle) {
    if (statement.sqlstate.empty()) {
      wanting[statement.fingerprint] += statement.calls;
    } else {
      expected[{statement.fingerprint, statement.sqlstate}] += statement.calls;
    }
  }
  std::map<uint64_t, LoadFailure> failed;  // By fingerprint.
  std::set<uint64_t> done_before;
  for (const StatementProfile& statement : load) {
    if (WasGivenUp(statement, attempts)) {
      if (statement.sqlstate.empty()) done_before.insert(statement.fingerprint);
    } else if (statement.sqlstate.empty()) {
      uint64_t& left = wanting[statement.fingerprint];
      left -= std::min(left, statement.calls);
      if (left == 0) failed.erase(statement.fingerprint);
    } else if (statement.sqlstate != "25P02") {
      uint64_t& known = expected[{statement.fingerprint, statement.sqlstate}];
      if (known >= statement.calls) {
        known -= statement.calls;
      } else {
        failed.try_emplace(statement.fingerprint,
                           LoadFailure{&statement, done_before.contains(statement.fingerprint)});
      }
    }
  }
  std::vector<LoadFailure> failures;
  for (const auto& [fingerprint, failure] : failed) failures.push_back(failure);
  std::sort(failures.begin(), failures.end(), [](const auto& a, const auto& b) {
    return a.statement->begin_us < b.statement->begin_us;
  });
  return failures;
}

}  // namespace scry::job
