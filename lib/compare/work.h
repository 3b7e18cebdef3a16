// What statements had to do, whatever the clock says: blocks touched, blocks spilled to disk, WAL
// written, as EXPLAIN counted them for the same parameters on every lane. Judges one pattern.
// Filled by the jobs, read by Judge(). Pure.
#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <vector>

#include "compare/policy.h"

namespace scry::compare {

inline constexpr double kBlockBytes = 8192;  // What blocks are told as; servers rarely differ.

// Of one execution on one lane.
struct LaneWork {
  double blocks = 0;  // Shared and local, from the cache or not.
  double in_triggers =
      0;                 // Of `blocks`: what its triggers touched, those of foreign keys included.
  double spilled = 0;    // Temporary blocks written.
  double wal_bytes = 0;  // Without the page images that the first change after a checkpoint writes.
  double rows = 0;
  double updated = 0;         // Rows, by its triggers as well; and of those, the ones that wrote no
  double hot_updated = 0;     // index entries: "heap-only".
  uint64_t plan_shape = 0;    // Digest; equal where two plans work the same way.
  bool generic_plan = false;  // Of a prepared statement: planned without its parameters.
};

// One set of parameters on every lane.
struct WorkSample {
  LaneWork baseline;
  LaneWork candidate;
  std::optional<LaneWork> control;
};

// By fingerprint. Patterns that could not be measured have no entry.
using WorkTable = std::map<uint64_t, std::vector<WorkSample>>;

// kIndexEntries: updates that were heap-only and now write an entry into every index, since one of
// them holds a column that they change.
enum class WorkKind : uint8_t { kBlocks, kSpill, kWal, kIndexEntries };

// How one kind of work went, in blocks or bytes; of kIndexEntries: WAL per execution.
struct WorkRise {
  WorkKind kind = WorkKind::kBlocks;
  bool in_median = false;  // Else only some parameters show it.
  size_t risen = 0;        // Samples that show it.
  double before = 0;       // Medians over the samples if `in_median`, else of the sample that rose
  double after = 0;        // most.
};

struct WorkNumbers {
  size_t samples = 0;
  size_t risen = 0;       // Those that show any rise.
  size_t other_plan = 0;  // Those whose plan has another shape on the candidate.
  size_t generic = 0;     // Those that the candidate ran by a generic plan.
  // Medians over the samples.
  LaneWork before;
  LaneWork after;
};

struct WorkJudgement {
  std::vector<WorkRise> rises;  // At most one per kind, in their order. Empty: no more work.
  WorkNumbers numbers;
  size_t worst = 0;  // Index of the sample to look at: the one that rose most.
};

// Medians and how many samples; what rose is left to JudgeWork().
WorkNumbers NumbersOf(const std::vector<WorkSample>& samples);

// More of the larger of baseline and control is no noise: by ratio and by amount, with any set of
// parameters.
WorkJudgement JudgeWork(const std::vector<WorkSample>& samples, const WorkPolicy& policy);

// "reads 4,812 blocks instead of 12 (401x)".
std::string DescribeRise(const WorkRise& rise, size_t samples);

// A sentence per rise, and what else is known of why.
std::vector<std::string> DescribeWork(const WorkJudgement& judgement);

// Blocks of all calls, baseline and candidate together, estimated from the samples.
double EstimateBlocks(const std::vector<WorkSample>& samples, uint64_t calls);

}  // namespace scry::compare
