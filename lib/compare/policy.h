// What gates and how sure a finding must be. Filled from `policy:` in scry.yaml; the defaults need
// no file. Plain values.
#pragma once

#include <chrono>
#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "base/clock.h"

namespace scry::compare {

using base::Micros;

struct LatencyPolicy {
  double min_ratio = 1.1;     // Median candidate / median baseline.
  Micros min_delta_us = 200;  // Median candidate - median baseline.
  double confidence = 0.99;   // 1 - p, after correction for the number of patterns.
  double min_share = 0.01;    // Of the lanes' total time; below it a finding is told, not gating.
  uint64_t min_pairs = 15;    // Fewer: cannot evaluate.
  // Of p95 and p99, which scatter more than medians. min_delta_us holds for them as well.
  uint64_t min_tail_pairs = 200;
  double min_tail_ratio = 1.5;
};

// Patterns the baseline cannot run, judged against the latency they had when captured, times what
// other patterns take longer on the baseline than when captured. That was another machine and
// another volume, so the floors are higher.
struct NewPatternPolicy {
  double min_ratio = 3.0;
  Micros min_delta_us = 1000;
  uint64_t min_samples = 5;
};

// Of one statement with the same parameters. No clock is involved, so small rises count.
struct WorkPolicy {
  double min_ratio = 1.5;          // Candidate / baseline.
  uint64_t min_blocks = 100;       // Candidate - baseline.
  uint64_t min_wal_bytes = 65536;  // The same of WAL.
  double min_share = 0.01;  // Of the lanes' time or blocks, the larger; below it: told, not gating.
};

// How long statements may wait for what the migration locks, and how many may at once.
struct LockPolicy {
  Micros max_wait_us = 500 * 1000;
  uint64_t max_blocked = 10;
};

// What a statement may take on the candidate, whatever it took before.
struct Budget {
  std::string pattern;  // Of statements as wildcards (base/wildcard.h), or a fingerprint.
  std::string table;    // Or all statements that name this table, with or without its schema.
  Micros p99_us = 0;
  std::string place;  // "scry.yaml:12".
};

// A finding that the team has judged and accepts.
struct IgnoreRule {
  std::string pattern;  // Of a statement as wildcards, or its fingerprint; empty: any.
  std::string finding;  // The id of a finding, or one of kIgnoreWords; empty: any.
  std::string reason;   // Never empty.
  std::optional<std::chrono::year_month_day> until;  // Last day it counts, in UTC.
  std::string place;                                 // "scry.yaml:28".
};

inline constexpr const char* kIgnoreWords[] = {"error",  "result",    "latency", "work",
                                               "budget", "transient", "lock",    "new"};

struct GatePolicy {
  bool error = true;
  bool result = true;
  bool latency = true;
  bool work = true;
  bool budget = true;
  bool transient = false;  // Bad only until VACUUM (ANALYZE).
  bool lock = true;
};

struct Policy {
  LatencyPolicy latency;
  NewPatternPolicy new_pattern;
  WorkPolicy work;
  LockPolicy lock;
  std::vector<Budget> budgets;
  std::vector<IgnoreRule> ignore;
  // The day of the run, in UTC, that rules expire by. Unknown: rules with an end do not count.
  std::optional<std::chrono::year_month_day> today;
  GatePolicy gate;
  double fidelity_floor = 0.95;  // Below it the verdict is inconclusive. 0: not judged.
};

}  // namespace scry::compare
