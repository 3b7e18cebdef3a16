// Judges what the migration did to traffic while it ran. Called by the during act with what it
// measured. Pure.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "compare/policy.h"
#include "compare/verdict.h"

namespace scry::compare {

// Shorter waits do not count as blocked: any busy server has them.
inline constexpr Micros kBlockedUs = 50 * 1000;

struct BlockedQueries {
  uint64_t fingerprint = 0;
  std::string pattern;
  uint64_t blocked = 0;
  uint64_t failed = 0;  // For the lock: deadlock, lock_timeout, statement_timeout.
  Micros wait_us_max = 0;
  Micros stall_us = 0;
};

// One statement of the migration that made others wait.
struct BlockingQuery {
  uint64_t fingerprint = 0;
  std::string pattern;  // Of the migration's statement.
  std::string mode;     // "AccessExclusive"; empty: others waited for rows of it ...
  std::string relation;
  std::string other_lock;   // ... or, if not empty, for this: "an advisory lock".
  Micros waited_us = 0;     // Itself, before it had its lock.
  std::string failed_with;  // It failed itself, with this SQLSTATE, as it does not without traffic.
  bool repeated = false;    // ... where it had been done before, in an attempt that was given up.
  int exit_status = 0;      // Not 0: of the whole command, which failed on none of its statements.
  // On production, where the table is larger, it would hold its lock for so long. 0: not known.
  Micros estimated_us = 0;
  std::vector<BlockedQueries> queries;  // Most stall first.

  bool FailedItself() const { return !failed_with.empty() || exit_status != 0; }
  uint64_t Blocked() const;
  uint64_t Failed() const;
  Micros WaitMaxUs() const;
  Micros StallUs() const;
};

struct BlockingFacts {
  std::vector<BlockingQuery> statements;  // Most stall first.
  uint64_t statements_replayed = 0;
  // Waits for a transaction of this length that scry added of its own accord show what could
  // happen, not that it does: they are left out above. 0: there was none.
  Micros supposed_us = 0;
};

// At most one for each fingerprint, in the order of the first statements of each.
std::vector<Finding> JudgeBlocking(const BlockingFacts& facts, const Policy& policy);
// "3 statements of the migration block traffic; 1 pattern fails in sessions that are open across
// it; 2 patterns fail while the migration runs".
std::string DuringSentence(uint64_t statements, uint64_t stale_patterns,
                           uint64_t meanwhile_patterns);

}  // namespace scry::compare
