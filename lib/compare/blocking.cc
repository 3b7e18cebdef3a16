#include "compare/blocking.h"

#include <fmt/format.h>

#include <algorithm>
#include <map>
#include <utility>

#include "base/units.h"
#include "event/event.h"

namespace scry::compare {
namespace {

using base::FormatCount;
using base::FormatDuration;

constexpr size_t kPatternsTold = 3;

std::string Queries(uint64_t count) {
  return fmt::format("{} quer{}", FormatCount(count), count == 1 ? "y" : "ies");
}

Finding OpenFinding(const BlockingQuery& statement, const BlockingFacts& facts) {
  Finding finding;
  finding.type = FindingClass::kBlocked;
  finding.fingerprint = statement.fingerprint;
  finding.id = fmt::format("blocked-{:016x}", statement.fingerprint);
  finding.pattern = statement.pattern;
  finding.calls = facts.statements_replayed;
  return finding;
}

std::string Waits(const BlockingQuery& statement, Micros supposed_us) {
  std::string what = "rows that it had written";
  if (!statement.other_lock.empty()) what = statement.other_lock;
  if (!statement.mode.empty()) what = fmt::format("{} on {}", statement.mode, statement.relation);
  std::string words =
      fmt::format("{} waited for it ({}), {} at most and {} in all", Queries(statement.Blocked()),
                  what, FormatDuration(statement.WaitMaxUs()), FormatDuration(statement.StallUs()));
  if (supposed_us > 0) {
    words += fmt::format(", without their waits behind the transaction of {} that scry added",
                         FormatDuration(supposed_us));
  }
  return words;
}

// Nobody waited for it: told, as it waits for as long as a transaction lasts, and so does whatever
// runs it.
Finding Waiting(const BlockingQuery& statement, const BlockingFacts& facts) {
  Finding finding = OpenFinding(statement, facts);
  finding.reasons.push_back(fmt::format(
      "waited {} for transactions of the traffic that were open, and waits as long as the longest; "
      "no query waited for it",
      FormatDuration(statement.waited_us)));
  return finding;
}

std::string Estimate(const BlockingQuery& statement, const Policy& policy) {
  return fmt::format(
      "on production it would hold its lock for about {} (an estimate), and the policy allows "
      "waits "
      "of {}",
      FormatDuration(statement.estimated_us), FormatDuration(policy.lock.max_wait_us));
}

// Nothing waited for long here, where the table is small.
Finding Estimated(const BlockingQuery& statement, const BlockingFacts& facts,
                  const Policy& policy) {
  Finding finding = OpenFinding(statement, facts);
  finding.reasons.push_back(Estimate(statement, policy));
  return finding;
}

std::string Failure(const BlockingQuery& statement) {
  const std::string& sqlstate = statement.failed_with;
  if (sqlstate.empty()) {
    return fmt::format(
        "failed with exit status {} under traffic, on none of its statements, and succeeds without",
        statement.exit_status);
  }
  if (statement.repeated) {
    return fmt::format(
        "failed with {} when the command ran again: it had been done in an attempt that a "
        "lock_timeout ended further on, so the command cannot be repeated as it is",
        sqlstate);
  }
  if (sqlstate == "40P01") return "was itself the victim of a deadlock with traffic (40P01)";
  if (sqlstate == "55P03") return "did not get its lock within lock_timeout (55P03)";
  return fmt::format("failed with {} under traffic, and succeeds without", sqlstate);
}

void Add(const BlockedQueries& more, std::vector<BlockedQueries>& queries) {
  const auto known = std::find_if(queries.begin(), queries.end(), [&](const auto& one) {
    return one.fingerprint == more.fingerprint;
  });
  if (known == queries.end()) {
    queries.push_back(more);
    return;
  }
  known->blocked += more.blocked;
  known->failed += more.failed;
  known->wait_us_max = std::max(known->wait_us_max, more.wait_us_max);
  known->stall_us += more.stall_us;
}

void Add(const BlockingQuery& more, BlockingQuery& sum) {
  // What others waited for most is told.
  if (sum.mode.empty()) {
    sum.mode = more.mode;
    sum.relation = more.relation;
    if (sum.other_lock.empty()) sum.other_lock = more.other_lock;
  }
  sum.estimated_us = std::max(sum.estimated_us, more.estimated_us);
  sum.waited_us = std::max(sum.waited_us, more.waited_us);
  if (sum.failed_with.empty()) {
    sum.failed_with = more.failed_with;
    sum.repeated = more.repeated;
  }
  for (const BlockedQueries& queries : more.queries) Add(queries, sum.queries);
  std::stable_sort(sum.queries.begin(), sum.queries.end(),
                   [](const auto& a, const auto& b) { return a.stall_us > b.stall_us; });
}

// A migration in batches runs one statement many times: that is one finding, by its fingerprint.
std::vector<BlockingQuery> ByFingerprint(const std::vector<BlockingQuery>& statements) {
  std::vector<BlockingQuery> merged;
  std::map<uint64_t, size_t> places;
  for (const BlockingQuery& statement : statements) {
    const auto [place, first] = places.emplace(statement.fingerprint, merged.size());
    if (first) {
      merged.push_back(statement);
    } else {
      Add(statement, merged[place->second]);
    }
  }
  return merged;
}

}  // namespace

uint64_t BlockingQuery::Blocked() const {
  uint64_t sum = 0;
  for (const BlockedQueries& one : queries) sum += one.blocked;
  return sum;
}

uint64_t BlockingQuery::Failed() const {
  uint64_t sum = 0;
  for (const BlockedQueries& one : queries) sum += one.failed;
  return sum;
}

Micros BlockingQuery::WaitMaxUs() const {
  Micros longest = 0;
  for (const BlockedQueries& one : queries) longest = std::max(longest, one.wait_us_max);
  return longest;
}

Micros BlockingQuery::StallUs() const {
  Micros sum = 0;
  for (const BlockedQueries& one : queries) sum += one.stall_us;
  return sum;
}

std::vector<Finding> JudgeBlocking(const BlockingFacts& facts, const Policy& policy) {
  std::vector<Finding> findings;
  for (const BlockingQuery& statement : ByFingerprint(facts.statements)) {
    const uint64_t blocked = statement.Blocked();
    const uint64_t failed = statement.Failed();
    const bool alone = blocked == 0 && failed == 0 && !statement.FailedItself();
    const bool long_there = statement.estimated_us > policy.lock.max_wait_us;
    if (alone) {
      if (long_there) findings.push_back(Estimated(statement, facts, policy));
      if (!long_there && statement.waited_us > policy.lock.max_wait_us) {
        findings.push_back(Waiting(statement, facts));
      }
      continue;
    }
    Finding finding = OpenFinding(statement, facts);
    finding.affected = blocked + failed;
    if (blocked > 0) finding.reasons.push_back(Waits(statement, facts.supposed_us));
    if (statement.FailedItself()) finding.reasons.push_back(Failure(statement));
    if (failed > 0) finding.reasons.push_back(Queries(failed) + " failed because of it");
    if (statement.waited_us >= kBlockedUs) {
      finding.reasons.push_back(
          fmt::format("waited {} for its own lock, and whoever came after it queued behind it",
                      FormatDuration(statement.waited_us)));
    }
    std::string worst;
    for (size_t i = 0; i < statement.queries.size() && i < kPatternsTold; ++i) {
      const BlockedQueries& one = statement.queries[i];
      worst += fmt::format("{}{} ({})", i == 0 ? "most: " : ", ", base::Printable(one.pattern, 60),
                           FormatCount(one.blocked + one.failed));
    }
    if (!worst.empty()) finding.reasons.push_back(worst);
    if (long_there) finding.reasons.push_back(Estimate(statement, policy));
    const bool over = statement.WaitMaxUs() > policy.lock.max_wait_us ||
                      blocked > policy.lock.max_blocked || failed > 0 || statement.FailedItself();
    if (!over) {
      finding.reasons.push_back(fmt::format("does not gate: within the policy's {} and {}",
                                            FormatDuration(policy.lock.max_wait_us),
                                            Queries(policy.lock.max_blocked)));
    }
    finding.gates = over && policy.gate.lock;
    findings.push_back(std::move(finding));
  }
  return findings;
}

std::string DuringSentence(uint64_t statements, uint64_t stale_patterns,
                           uint64_t meanwhile_patterns) {
  std::string words;
  if (statements > 0) {
    words = fmt::format("{} statement{} of the migration block{} traffic", FormatCount(statements),
                        statements == 1 ? "" : "s", statements == 1 ? "s" : "");
  }
  const auto add_failing = [&](uint64_t patterns, const char* when) {
    if (patterns == 0) return;
    words +=
        fmt::format("{}{} pattern{} fail{} {}", words.empty() ? "" : "; ", FormatCount(patterns),
                    patterns == 1 ? "" : "s", patterns == 1 ? "s" : "", when);
  };
  add_failing(stale_patterns, "in sessions that are open across it");
  add_failing(meanwhile_patterns, "while the migration runs");
  return words;
}

}  // namespace scry::compare
