// What gates and how sure a finding must be. Filled from `policy:` in scry.yaml; the defaults need
// no file. Plain values.
#pragma once

#include <cstdint>

#include "base/clock.h"

namespace scry::compare {

using base::Micros;

struct LatencyPolicy {
  double min_ratio = 1.1;     // Median candidate / median baseline.
  Micros min_delta_us = 200;  // Median candidate - median baseline.
  double confidence = 0.99;   // 1 - p, after correction for the number of patterns.
  double min_share = 0.01;    // Of the lanes' total time; below it a finding is told, not gating.
  uint64_t min_pairs = 15;    // Fewer: cannot evaluate.
};

// Patterns the baseline cannot run, judged against the latency they had when captured. That was
// another machine and another volume, so the floors are higher.
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

// What the migration may do to traffic while it runs.
struct LockPolicy {
  Micros max_wait_us = 500000;  // A query may wait so long for it,
  uint64_t max_blocked = 10;    // and so many may wait.
};

struct GatePolicy {
  bool error = true;
  bool result = true;
  bool latency = true;
  bool work = true;
  bool transient = false;  // Bad only until VACUUM (ANALYZE).
  bool lock = true;
};

struct Policy {
  LatencyPolicy latency;
  NewPatternPolicy new_pattern;
  WorkPolicy work;
  LockPolicy lock;
  GatePolicy gate;
  double fidelity_floor = 0.95;  // Below it the verdict is inconclusive. 0: not judged.
};

}  // namespace scry::compare
