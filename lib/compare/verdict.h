// Turns a table of patterns into findings and one verdict. Called by the test-migration and replay
// jobs. Pure; the same table gives the same verdict.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "compare/pattern_table.h"
#include "compare/policy.h"
#include "compare/statistics.h"
#include "compare/work.h"

namespace scry::compare {

struct FirstMoment;  // moments.h

inline constexpr size_t kUnfaithfulMax = 20;

enum class VerdictResult : uint8_t { kSafe, kRegressions, kInconclusive };

// In the order of harm.
enum class FindingClass : uint8_t {
  kBroken,     // Ran on the baseline, fails on the candidate.
  kDifferent,  // Gives another result.
  kBlocked,    // Of a statement of the migration: queries waited for it.
  kSlower,
  kNewSlow,    // Introduced by the change, and much slower than when captured.
  kMoreWork,   // Reads more blocks, spills, writes more WAL.
  kTransient,  // Slower or more work, but only until VACUUM (ANALYZE).
  kWarning,    // Another type, another error.
  kNew,        // Introduced by the change, and fine.
  kFaster,
};

// When after the migration a finding of latency or work shows.
enum class Moment : uint8_t {
  kNotTold,  // Not measured at first, or not well enough.
  kBoth,
  kFirst,  // Only right after the migration.
  kLater,  // Only after VACUUM (ANALYZE).
};

struct LatencyNumbers {
  double p50_us = 0;
  double p95_us = 0;
  double p99_us = 0;
  friend bool operator==(const LatencyNumbers&, const LatencyNumbers&) = default;
};

struct Finding {
  std::string id;  // "broken-00f3a9c0...": class and fingerprint, so the same in every run.
  FindingClass type = FindingClass::kWarning;
  bool gates = false;
  uint64_t fingerprint = 0;
  std::string pattern;
  std::vector<std::string> reasons;  // Sentences without values, the weightiest first.
  uint64_t calls = 0;
  uint64_t affected = 0;  // Calls that differ; of latency findings: pairs measured.
  double share = 0;       // Of the time of both lanes.
  // Errors and results.
  std::string sqlstate;
  std::string message;
  DifferenceKind difference = DifferenceKind::kNone;
  Example example;
  // Latency. `before` is the baseline; of kNew and kNewSlow what was captured.
  bool has_latency = false;
  LatencyNumbers before;
  LatencyNumbers after;
  double factor = 0;         // Median after / median before.
  Interval factor_interval;  // 99 %; zeros: not computed.
  double p = 1;              // After correction.
  bool confirmed = false;    // A second run showed it again.
  // What it has to do, in kMoreWork and where a latency finding comes with a rise.
  bool has_work = false;
  WorkNumbers work;
  Moment moment = Moment::kNotTold;
};

// A pattern about which something cannot be said.
struct Unjudged {
  uint64_t fingerprint = 0;
  std::string pattern;
  std::string why;
  uint64_t calls = 0;
  uint64_t pairs = 0;
  double share = 0;
};

// What Judge() needs to know of the run besides the table.
struct RunFacts {
  uint64_t sessions_replayed = 0;
  uint64_t sessions_excluded = 0;
  uint64_t stalls_released = 0;
  bool interrupted = false;  // The replay ended before the capture did.
  // What a sample did before VACUUM (ANALYZE); nullptr: not looked at.
  const FirstMoment* first = nullptr;
};

struct Verdict {
  VerdictResult result = VerdictResult::kInconclusive;
  std::string sentence;            // "2 queries break, 1 is slower".
  std::vector<Finding> findings;   // By harm, gating ones first.
  std::vector<Unjudged> unjudged;  // Latency or all of it, the largest share first.
  std::vector<std::string> notes;  // Sentences.
  uint64_t patterns = 0;
  uint64_t unchanged = 0;  // Patterns compared that have no finding.
  uint64_t statements = 0;
  uint64_t compared = 0;
  FidelityCounts fidelity;  // Statements whose baseline did what production did.
  double fidelity_floor = 0;
  std::vector<UnfaithfulPattern> unfaithful;  // Those that lost most, at most kUnfaithfulMax.
  // What would gate is not sure: there, baseline and control differ in latency by the same rule.
  bool too_noisy = false;
  std::vector<uint64_t> to_confirm;

  // Fingerprints of latency findings that gate if a second run shows them again.
  const std::vector<uint64_t>& NeedsConfirmation() const { return to_confirm; }
};

// `confirmation`: pairs of a second run of what NeedsConfirmation() named. With it, a latency
// finding gates only if it shows there too, or is far slower and cannot be run by itself.
// `work`: what statements had to do on each lane; nullptr: not measured.
Verdict Judge(const PatternTable& table, const Policy& policy, const RunFacts& run,
              const PatternTable* confirmation = nullptr, const WorkTable* work = nullptr);

const char* Name(FindingClass type);     // "broken", "new-slow" ...
const char* Name(VerdictResult result);  // "safe", "regressions", "inconclusive".

}  // namespace scry::compare
