// Turns a table of patterns into findings and one verdict. Called by the test-migration and replay
// jobs. Pure; the same table gives the same verdict.
#pragma once

#include <array>
#include <cstdint>
#include <string>
#include <vector>

#include "compare/pattern_table.h"
#include "compare/policy.h"
#include "compare/statistics.h"
#include "compare/work.h"
#include "event/cost_range.h"

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
  kNewSlow,     // Introduced by the change, and much slower than when captured.
  kOverBudget,  // Takes longer on the candidate than the policy allows.
  kMoreWork,    // Reads more blocks, spills, writes more WAL.
  kTransient,   // Slower or more work, but only until VACUUM (ANALYZE).
  kWarning,     // Another type, another error.
  kNew,         // Introduced by the change, and fine.
  kFaster,
  kIgnored,  // A rule of the policy covers it: told, never gating.
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
  std::string id;  // "broken-00f3a9c0...": kind and fingerprint, so the same in every run.
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
  std::string part;          // Which calls, or which quantile; empty: all, and their median.
  uint64_t again_pairs = 0;  // Pairs of the second run.
  // What it has to do, in kMoreWork and where a latency finding comes with a rise.
  bool has_work = false;
  WorkNumbers work;
  Moment moment = Moment::kNotTold;
  // Of a slower one with more work: which half would gate by itself.
  bool speed_gates = false;
  bool work_gates = false;
  // It would gate if the control lane did not differ from the baseline as well.
  bool in_noise = false;
  // Of kIgnored: what it is, and the first of Verdict::rules that covers it.
  FindingClass ignored_type = FindingClass::kWarning;
  size_t rule = 0;
};

// What became of an ignore rule of the policy.
struct RuleUse {
  IgnoreRule rule;
  bool expired = false;
  uint64_t hidden = 0;  // Findings that it covers ...
  uint64_t again = 0;   // ... and those that it would, had it not expired.
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

// What every pattern ends as: one of these.
enum class PatternClass : uint8_t {
  kBroken,
  kDifferent,
  kSlower,
  kMoreWork,
  kBlocked,  // Nothing judges it yet.
  kFaster,
  kUnchanged,
  kNew,
  kCannotEvaluate,
  kIgnored,  // By a rule of the policy.
};
inline constexpr size_t kPatternClasses = 10;

struct PatternVerdict {
  uint64_t fingerprint = 0;
  std::string pattern;
  PatternClass type = PatternClass::kUnchanged;
  std::string why;      // A sentence; of kCannotEvaluate and kIgnored never empty.
  std::string finding;  // The id of the weightiest; empty: none.
  uint64_t calls = 0;
  uint64_t pairs = 0;  // Of latencies.
  double share = 0;
  double median_us = 0;        // On the baseline.
  double median_after_us = 0;  // On the candidate.
  // The least slowdown, as a factor of the median, that this run would have shown and confirmed
  // with a chance of 80 %. 0: none, however large, as pairs are too few.
  double detectable = 0;
  WorkNumbers work;  // Without samples: not measured.
};

// What a second run is to show again: of a pattern, all calls or those of one cost.
struct Recheck {
  uint64_t fingerprint = 0;
  event::CostRange calls;
  uint64_t pairs = 0;  // Of the first run.
  bool tail = false;   // It is about p95 or p99: many different parameters are needed.
};

// Slower patterns that were to be run again.
struct Confirmation {
  uint64_t asked = 0;
  uint64_t ran = 0;  // The others cannot be run by themselves.
  uint64_t confirmed = 0;
};

// The control lane against the baseline, by the rules for the candidate.
struct SelfTest {
  uint64_t patterns = 0;  // 0: there was no control lane, or too few pairs.
  uint64_t flagged = 0;   // ... and, where they could be, shown again by a second run.
};

// What Judge() needs to know of the run besides the table.
struct RunFacts {
  uint64_t sessions_replayed = 0;
  uint64_t sessions_excluded = 0;
  uint64_t stalls_released = 0;
  uint64_t exchanges = 0;           // Replayed.
  uint64_t exchanges_excluded = 0;  // Of sessions that were left out, from where they were.
  uint64_t gap_exchanges = 0;       // Missing from the capture.
  bool interrupted = false;         // The replay ended before the capture did.
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
  uint64_t unchanged = 0;  // Of PatternClass::kUnchanged.
  uint64_t statements = 0;
  uint64_t compared = 0;
  FidelityCounts fidelity;  // Statements whose baseline did what production did.
  double fidelity_floor = 0;
  std::vector<UnfaithfulPattern> unfaithful;  // Those that lost most, at most kUnfaithfulMax.
  // Baseline and control differ in latency by the rules that hold for the candidate.
  bool too_noisy = false;
  uint64_t cut_off = 0;  // Patterns cancelled on the candidate alone, too rarely to judge.
  SelfTest self_test;
  Confirmation confirmation;
  std::vector<Recheck> rechecks;
  std::vector<PatternVerdict> classes;  // One for each pattern, by share.
  std::array<uint64_t, kPatternClasses> class_counts{};
  std::vector<RuleUse> rules;  // All ignore rules, in the order of the policy.

  // Fingerprints of what gates if a second run shows it again, and of what the self-test flags.
  std::vector<uint64_t> NeedsConfirmation() const;
};

// `confirmation`: pairs of a second run of what NeedsConfirmation() named. With it, a latency
// finding gates only if it shows there too, or is far slower and cannot be run by itself.
// `work`: what statements had to do on each lane; nullptr: not measured.
Verdict Judge(const PatternTable& table, const Policy& policy, const RunFacts& run,
              const PatternTable* confirmation = nullptr, const WorkTable* work = nullptr);

const char* Name(FindingClass type);     // "broken", "new-slow" ...
const char* Name(PatternClass type);     // "broken", "more-work", "cannot-evaluate" ...
const char* Name(VerdictResult result);  // "safe", "regressions", "inconclusive".

}  // namespace scry::compare
