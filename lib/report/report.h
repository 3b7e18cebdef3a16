// The report: everything a run of `scry ci test-migration` or `scry replay` has to say, as plain
// values. Filled by the jobs; rendered by one writer per format; SCHEMA.md is its JSON form.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "base/clock.h"
#include "compare/pattern_table.h"
#include "compare/verdict.h"

namespace scry::report {

using base::Micros;

struct CaptureFacts {
  std::string name;  // The directory, as the user wrote it.
  uint64_t sessions = 0;
  uint64_t statements = 0;
  Micros started_us = 0;  // Wall time. 0: unknown.
  Micros duration_us = 0;
  uint64_t gaps = 0;
  uint64_t gap_exchanges = 0;  // Traffic known to be missing.
  friend bool operator==(const CaptureFacts&, const CaptureFacts&) = default;
};

// A table lock that a statement of the migration took first in its transaction.
struct MigrationLock {
  std::string relation;
  std::string mode;      // "AccessExclusive".
  Micros held_us = 0;    // To the end of its transaction, at most.
  bool implied = false;  // Follows from what the statement did; it was not seen.
  friend bool operator==(const MigrationLock&, const MigrationLock&) = default;
};

// What it would cost on production, where the shadow is smaller: from what was measured.
struct MigrationEstimate {
  double factor = 1;   // Production's bytes to the shadow's, of the tables it works through.
  std::string growth;  // "linear", "n log n".
  Micros duration_us = 0;
  uint64_t rows = 0;
  uint64_t wal_bytes = 0;
  friend bool operator==(const MigrationEstimate&, const MigrationEstimate&) = default;
};

struct MigrationStatement {
  std::string text;         // With literals only where the user asked for values.
  std::string fingerprint;  // 16 hex digits; empty: not kept.
  std::string file;         // Where it stands, from the root of the repository; empty: not known.
  uint64_t line = 0;        // From 1.
  Micros started_us = 0;    // Since the command started.
  Micros duration_us = 0;   // Of all calls.
  uint64_t calls = 1;       // Equal ones, one after the other.
  std::string sqlstate;     // Empty: it succeeded.
  uint64_t rows = 0;        // Written.
  // These two: none where traffic that writes runs beside it; the second also where it is not
  // known.
  std::optional<uint64_t> wal_bytes;
  std::optional<int64_t> disk_bytes;          // The database grew by, from its begin to its end.
  std::optional<uint64_t> temp_bytes;         // In files of a MiB or more. None: not known.
  std::vector<MigrationLock> locks;           // Strongest first.
  std::vector<std::string> rewrote;           // Tables.
  std::vector<std::string> dropped;           // Taken along by CASCADE: "view public.v".
  std::optional<MigrationEstimate> estimate;  // None: as measured.
  Micros held_us_estimated = 0;               // Its strongest lock; 0: as measured.
  friend bool operator==(const MigrationStatement&, const MigrationStatement&) = default;
};

struct RewrittenTable {
  std::string relation;
  uint64_t bytes_before = 0;  // With indexes and TOAST.
  uint64_t bytes_after = 0;
  uint64_t bytes_estimated = 0;  // After it, on production; 0: as measured.
  friend bool operator==(const RewrittenTable&, const RewrittenTable&) = default;
};

struct RowsWritten {
  std::string relation;
  uint64_t rows = 0;
  friend bool operator==(const RowsWritten&, const RowsWritten&) = default;
};

struct MigrationFacts {
  bool ran = false;  // False: a replay of two databases, without a migration.
  std::string command;
  int exit_status = 0;
  Micros duration_us = 0;
  std::vector<std::string> output;             // Its last lines; for a migration that failed.
  std::vector<MigrationStatement> statements;  // By start.
  uint64_t statements_more = 0;                // Not listed.
  uint64_t wal_bytes = 0;                      // Written by the server meanwhile.
  uint64_t temp_bytes = 0;
  int64_t disk_bytes = 0;  // The database grew by.
  std::vector<RewrittenTable> rewritten;
  std::vector<RowsWritten> rows_written;
  std::vector<std::string> statistics_lost;  // "orders.status".
  std::vector<std::string> visibility_lost;  // Tables.
  std::vector<std::string> indexes_invalid;
  std::vector<std::string> grants_lost;  // "SELECT on orders to app".
  std::string estimate_basis;            // How estimates were made; empty: there are none.
  Micros duration_us_estimated = 0;
  friend bool operator==(const MigrationFacts&, const MigrationFacts&) = default;
};

struct LaneFacts {
  std::string name;            // "baseline", "candidate", "control".
  std::string made;            // "fork of prod-db/ci-main".
  std::string server_version;  // "15.7".
  Micros ready_us = 0;         // To make it.
  Micros busy_us = 0;          // Its statements, added up.
  friend bool operator==(const LaneFacts&, const LaneFacts&) = default;
};

// Statements whose baseline did not do what production did, by what it did instead.
struct Losses {
  uint64_t sqlstate = 0;  // Another SQLSTATE, an error for an answer or an answer for an error.
  uint64_t rows = 0;      // Another number of rows.
  uint64_t values = 0;    // Equally many rows of other values.
  friend bool operator==(const Losses&, const Losses&) = default;
};

// A pattern that lost fidelity.
struct Unfaithful {
  std::string fingerprint;
  std::string pattern;
  uint64_t calls = 0;  // Those that fidelity was judged of.
  Losses lost;
  friend bool operator==(const Unfaithful&, const Unfaithful&) = default;
};

struct ClassCount {
  std::string name;  // compare::Name(PatternClass).
  uint64_t patterns = 0;
  friend bool operator==(const ClassCount&, const ClassCount&) = default;
};

// What one execution had to do: medians over the sampled parameters.
struct Work {
  double blocks = 0;
  double spilled_blocks = 0;
  double wal_bytes = 0;
  double rows = 0;
  friend bool operator==(const Work&, const Work&) = default;
};

// How latencies are spread on one lane, by compare::LatencyShape.
struct LaneLatencies {
  // "baseline", "candidate", "control"; of what the change introduces "captured" in place of the
  // first; of a fix "fixed".
  std::string lane;
  std::vector<std::pair<uint32_t, uint64_t>> buckets;
  friend bool operator==(const LaneLatencies&, const LaneLatencies&) = default;
};

// What became of one pattern.
struct PatternLine {
  std::string fingerprint;
  std::string pattern;
  std::string type;     // compare::Name(PatternClass).
  std::string why;      // Empty: nothing to say.
  std::string finding;  // The id of the weightiest.
  uint64_t calls = 0;
  uint64_t pairs = 0;
  double share = 0;
  double median_us = 0;        // On the baseline.
  double median_after_us = 0;  // On the candidate.
  // The least slowdown, as a factor, that would have been found with a chance of 80 %; 0: none.
  double detectable = 0;
  uint64_t work_samples = 0;  // 0: not measured.
  Work work_before;
  Work work_after;
  std::vector<LaneLatencies> latencies;  // Empty: not kept, or too few.
  friend bool operator==(const PatternLine&, const PatternLine&) = default;
};

struct TestedFacts {
  uint64_t sessions = 0;
  uint64_t sessions_excluded = 0;
  uint64_t statements = 0;
  uint64_t compared = 0;
  uint64_t patterns = 0;
  uint64_t unchanged = 0;  // Patterns of that class.
  // How many patterns each class has, those with none left out: "slower", 2.
  std::vector<ClassCount> classes;
  uint64_t self_test_patterns = 0;  // Those of the control lane held against the baseline ...
  uint64_t self_test_flagged = 0;   // ... and found to differ, by the rules for the candidate.
  uint64_t confirm_asked = 0;       // Slower patterns to be run again, those that could be, and
  uint64_t confirm_ran = 0;         // those that were slower again.
  uint64_t confirmed = 0;
  double fidelity = 1;        // Statements whose baseline did what production did.
  double fidelity_floor = 0;  // Below it the verdict is inconclusive. 0: not judged.
  Losses fidelity_lost;
  uint64_t order_broken = 0;
  uint64_t held_up = 0;
  uint64_t stalls_released = 0;
  uint64_t races_withdrawn = 0;  // Exchanges that had lost a race when captured: not run again.
  uint64_t cancelled = 0;        // Exchanges that did not end by themselves.
  // Exchanges that were ready waited for the order, and for scry: sums.
  Micros order_wait_us = 0;
  Micros tool_wait_us = 0;
  Micros lag_us_max = 0;       // Of a paced replay: behind its time, at most.
  uint64_t work_patterns = 0;  // Patterns whose work was measured; with so many sets of parameters.
  uint64_t work_samples = 0;
  uint64_t first_patterns = 0;  // Patterns tried before VACUUM (ANALYZE).
  Micros duration_us = 0;       // Of the replay.
  friend bool operator==(const TestedFacts&, const TestedFacts&) = default;
};

struct Latency {
  double p50_us = 0;
  double p95_us = 0;
  double p99_us = 0;
  friend bool operator==(const Latency&, const Latency&) = default;
};

struct PlanText {
  std::string sentence;               // "Seq Scan on orders reads 25,000 rows to keep 12".
  std::vector<std::string> baseline;  // Lines of the plan; empty: none.
  std::vector<std::string> candidate;
  // The line of the node that costs most by itself, from 0.
  std::optional<uint64_t> baseline_costliest;
  std::optional<uint64_t> candidate_costliest;
  friend bool operator==(const PlanText&, const PlanText&) = default;
};

struct SampleColumn {
  std::string name;
  std::string type;
  uint64_t rows = 0;  // Changed rows in which it differs.
  friend bool operator==(const SampleColumn&, const SampleColumn&) = default;
};

struct SampleCell {
  std::string column;
  bool null_before = false;
  bool null_after = false;
  std::string before;  // Values: only where the user asked for them.
  std::string after;
  std::optional<uint64_t> at;  // Place in RowSample::columns; older reports have none.
  friend bool operator==(const SampleCell&, const SampleCell&) = default;
};

struct SampleRow {
  std::string change;   // "changed", "gone", "added", "moved".
  uint64_t before = 0;  // Place in the baseline's result, from 1; 0: not there.
  uint64_t after = 0;
  std::vector<std::string> key;   // Values of RowSample::key, where asked for.
  std::vector<SampleCell> cells;  // That differ, in the order of columns, which may share a name.
  friend bool operator==(const SampleRow&, const SampleRow&) = default;
};

// The first differing rows of one example.
struct RowSample {
  std::vector<std::string> key;  // Columns that line rows up; empty: none do.
  std::vector<SampleColumn> columns;
  uint64_t columns_more = 0;
  uint64_t rows_before = 0;  // Looked at.
  uint64_t rows_after = 0;
  uint64_t changed = 0;
  uint64_t gone = 0;
  uint64_t added = 0;
  uint64_t moved = 0;
  bool partial = false;  // Only the first rows were looked at.
  bool values = false;   // Values are shown.
  std::vector<SampleRow> rows;
  friend bool operator==(const RowSample&, const RowSample&) = default;
};

struct Finding {
  std::string id;
  std::string type;  // compare::Name(FindingClass): "broken" ...
  bool gates = false;
  std::string fingerprint;  // 16 hex digits.
  std::string pattern;
  std::vector<std::string> reasons;
  // Of `blocked`: how else to write the statement. Sentences and SQL; not tried, unlike a Fix.
  std::vector<std::string> advice;
  uint64_t calls = 0;
  uint64_t affected = 0;
  double share = 0;
  std::string difference;  // compare::Name(DifferenceKind); empty for latency.
  std::string sqlstate;
  std::string message;
  uint64_t rows_before = 0;  // Of the example; 0 and 0: not about rows.
  uint64_t rows_after = 0;
  bool has_latency = false;
  Latency before;
  Latency after;
  double factor = 0;
  double factor_low = 0;  // 99 % interval; 0 and 0: not computed.
  double factor_high = 0;
  double p = 1;
  bool confirmed = false;
  uint64_t again_pairs = 0;  // Of the second run.
  std::string part;          // The calls or the quantile that it is about; empty: all, the median.
  bool has_work = false;
  Work work_before;
  Work work_after;
  uint64_t work_samples = 0;  // Sets of parameters; of those, the ones that show a rise, and those
  uint64_t work_risen = 0;    // with another plan.
  uint64_t work_other_plan = 0;
  std::string moment;  // compare::Name(Moment): "both", "first", "later"; empty: not told.
  PlanText plan;
  std::string ignored_type;  // Of "ignored": what it is, and the place of the rule that covers it.
  std::string ignored_by;
  RowSample rows;       // No rows: not about results, or not kept.
  std::string example;  // With values: only where the user asked for them.
  friend bool operator==(const Finding&, const Finding&) = default;
};

// Why findings are there, in a sentence for whoever wrote the migration.
struct Cause {
  std::string object;     // "index orders_region"; empty: none is known.
  std::string mechanism;  // "index dropped"; "differs": no rule names the cause.
  std::string sentence;
  std::string statement;              // Of the migration; empty: not known.
  std::vector<std::string> findings;  // Their ids, the worst first.
  // Its place in MigrationFacts::statements.
  std::optional<uint64_t> statement_index;
  friend bool operator==(const Cause&, const Cause&) = default;
};

// What a fix costs a pattern that writes its table: medians on the candidate, without and with it.
struct WriteCost {
  std::string fingerprint;
  std::string pattern;
  double us_without = 0;  // 0 and 0: too few to time.
  double us_with = 0;
  Work without;  // Of one execution.
  Work with;
  friend bool operator==(const WriteCost&, const WriteCost&) = default;
};

// What the statements that a fix rewrites did to traffic, on a fork while it played, and what their
// new form did to the same traffic. Of all statements of the migration, where it says so.
struct FixWaits {
  Micros wait_us_before = 0;  // The longest of a query.
  Micros wait_us_fixed = 0;
  uint64_t blocked_before = 0;  // Queries that waited, or failed for it.
  uint64_t blocked_fixed = 0;
  Micros took_us_before = 0;  // All statements of the migration, one after the other.
  Micros took_us_fixed = 0;
  friend bool operator==(const FixWaits&, const FixWaits&) = default;
};

// A remedy that was applied to the candidate and measured there; or, with `waits`, the migration in
// a form that was tried on a fork of its own.
struct Fix {
  std::string kind;  // "index", "index kept", "statistics", "vacuum", "split migration".
  std::vector<std::string> sql;       // To paste, one statement each.
  std::string sentence;               // What it does and how well that was shown.
  std::vector<std::string> findings;  // Ids of those it mends.
  // Of the first of them, medians: on the baseline (0: cannot run there), on the candidate, and on
  // the candidate with the fix. 0 and 0: not timed, or not counted.
  double us_before = 0;
  double us_after = 0;
  double us_fixed = 0;
  double blocks_before = 0;
  double blocks_after = 0;
  double blocks_fixed = 0;
  uint64_t size_bytes = 0;  // Of its indexes.
  Micros build_us = 0;
  std::vector<WriteCost> writes;         // Patterns that write its table, as far as measured.
  std::vector<std::string> advice;       // Sentences.
  std::vector<LaneLatencies> latencies;  // Of the first finding, with the fix. Empty: not timed.
  std::optional<FixWaits> waits;         // None: it is no other form of the migration.
  friend bool operator==(const Fix&, const Fix&) = default;
};

struct NotJudged {
  std::string fingerprint;
  std::string pattern;
  std::string why;
  uint64_t calls = 0;
  uint64_t pairs = 0;
  double share = 0;
  friend bool operator==(const NotJudged&, const NotJudged&) = default;
};

// A rule of the policy that findings are ignored by, and what became of it in this run.
struct IgnoreRule {
  std::string finding;  // An id, a class or, for all classes, empty.
  std::string pattern;  // Of statements; empty: any.
  std::string reason;
  std::string until;  // "2027-01-31"; empty: without an end.
  std::string place;  // "scry.yaml:28".
  bool expired = false;
  uint64_t hidden = 0;  // Findings that it covers.
  uint64_t again = 0;   // Findings that it would cover, had it not expired.
  friend bool operator==(const IgnoreRule&, const IgnoreRule&) = default;
};

// A pattern that the choice for a time budget meets less often than its verdict needs.
struct ThinPattern {
  std::string fingerprint;
  std::string pattern;
  uint64_t calls = 0;      // In what was chosen ...
  uint64_t available = 0;  // ... and in the window.
  uint64_t wanted = 0;
  friend bool operator==(const ThinPattern&, const ThinPattern&) = default;
};

// What was chosen of the captures for a time budget. "All" is what the window holds.
struct BudgetFacts {
  Micros budget_us = 0;     // 0: there was none.
  Micros estimated_us = 0;  // What replaying the choice should take.
  Micros cut_us = 0;        // The window was shortened to so much from its start; 0: it was not.
  uint64_t seed = 0;
  uint64_t sessions = 0;
  uint64_t sessions_all = 0;
  uint64_t writers_left_out = 0;  // Sessions.
  uint64_t statements = 0;
  uint64_t statements_all = 0;
  uint64_t patterns = 0;  // Met at all.
  uint64_t patterns_all = 0;
  Micros time_us = 0;  // Of the server, as captured.
  Micros time_all_us = 0;
  uint64_t fidelity_skipped = 0;  // Statements that read what left-out sessions had written.
  std::vector<ThinPattern> thin;  // Those that could have been met more often; the rarest first.
  uint64_t thin_more = 0;         // Further ones.
  uint64_t rare = 0;              // Patterns all of whose calls are in, and still too few.
  friend bool operator==(const BudgetFacts&, const BudgetFacts&) = default;
};

// Queries of one pattern that a statement of the migration made wait, or fail.
struct BlockedPattern {
  std::string fingerprint;
  std::string pattern;
  uint64_t blocked = 0;
  uint64_t failed = 0;
  Micros wait_us_max = 0;
  Micros stall_us = 0;  // Their waits added up.
  friend bool operator==(const BlockedPattern&, const BlockedPattern&) = default;
};

struct BlockingStatement {
  std::string text;
  std::string mode;  // Of its strongest lock that others waited for; empty: rows.
  std::string relation;
  Micros waited_us = 0;  // Itself, for its locks.
  uint64_t blocked = 0;
  uint64_t failed = 0;
  Micros wait_us_max = 0;
  Micros stall_us = 0;
  std::vector<BlockedPattern> patterns;  // Most stall first.
  friend bool operator==(const BlockingStatement&, const BlockingStatement&) = default;
};

struct Deadlock {
  std::string victim;               // "migration", or the pattern of a query.
  std::vector<std::string> others;  // The same, of who it was with.
  friend bool operator==(const Deadlock&, const Deadlock&) = default;
};

// From a moment on, so many queries waited for the migration at once.
struct WaitingStep {
  Micros at_us = 0;  // Since the command started.
  uint64_t queries = 0;
  friend bool operator==(const WaitingStep&, const WaitingStep&) = default;
};

// What one step of time saw of the queries that the migration blocked.
struct WaitStep {
  uint64_t blocked = 0;    // Queries that waited in it, for however short a part.
  Micros wait_us_max = 0;  // How long the longest of them had waited when it ended.
  friend bool operator==(const WaitStep&, const WaitStep&) = default;
};

// The migration once more, on a fork of its own while captured traffic played at its pace.
struct DuringFacts {
  bool ran = false;
  double speed = 1;
  uint64_t sessions = 0;
  uint64_t statements = 0;
  Micros duration_us = 0;      // Of the traffic.
  uint64_t rounds = 1;         // It was begun so often, as the migration took longer.
  Micros unloaded_us = 0;      // The migration's end ran without any traffic for so long.
  Micros migration_at_us = 0;  // The command began so long after the traffic.
  // Of the command's last attempt under load; without load: MigrationFacts::duration_us.
  Micros migration_us = 0;
  Micros span_us = 0;             // From its first attempt to its end, with the fix.
  int exit_status = 0;            // Of the command.
  Micros transaction_us_max = 0;  // The traffic's longest on what the migration locks or writes.
  Micros blocker_us = 0;          // A transaction that scry added; 0: none.
  bool blocker_supposed = false;  // Nobody asked for it: waits for it are told, no finding.
  uint64_t blocked = 0;
  uint64_t failed = 0;
  Micros wait_us_max = 0;
  Micros stall_us = 0;
  Micros drain_us = 0;    // From the migration's end until nobody waited any more.
  uint64_t piled_up = 0;  // Sessions that waited at the same time.
  std::vector<BlockingStatement> statements_blocking;  // Most stall first.
  std::vector<Deadlock> deadlocks;
  std::vector<MigrationStatement> migration_statements;  // What it did under load, by start.
  std::vector<WaitingStep> waiting;                      // By time. Empty: nobody waited.
  Micros step_us = 0;                                    // Of `timeline`; 0: not known.
  std::vector<WaitStep> timeline;                        // Step by step, since the traffic began.
  // Rehearsal, where the user asked for it.
  Micros lock_timeout_us = 0;  // 0: none.
  uint64_t attempts = 0;
  uint64_t attempts_max = 0;
  bool succeeded = false;
  // By the transactions of the capture: the share of moments to begin at from which one attempt
  // gets a lock on its tables, and from which one of `attempts_max` does. Below 0: not known.
  double chance_once = -1;
  double chance = -1;
  friend bool operator==(const DuringFacts&, const DuringFacts&) = default;
};

struct NextStep {
  std::string why;      // "see both plans of the worst query".
  std::string command;  // "scry report show report.json --plans".
  friend bool operator==(const NextStep&, const NextStep&) = default;
};

struct Report {
  std::string tool_version;
  Micros created_us = 0;  // Wall time.
  std::string shadow;     // "prod-db/ci-main"; empty: none.
  std::vector<CaptureFacts> captures;
  MigrationFacts migration;
  std::vector<LaneFacts> lanes;
  TestedFacts tested;
  DuringFacts during;
  std::string verdict;  // "safe", "regressions", "inconclusive", "migration failed".
  std::string sentence;
  std::vector<Finding> findings;  // By harm.
  std::vector<Cause> causes;      // In the order of their worst finding.
  std::vector<Fix> fixes;
  std::vector<NotJudged> not_judged;
  std::vector<PatternLine> patterns;     // All, by share.
  std::vector<Unfaithful> unfaithful;    // Those that lost most.
  std::vector<IgnoreRule> ignore_rules;  // All that the policy has.
  BudgetFacts budget;
  std::vector<std::string> notes;
  std::vector<NextStep> next_steps;
  int exit_status = 0;
  friend bool operator==(const Report&, const Report&) = default;
};

// What compare found: verdict, findings, not judged, notes and the numbers in `tested` that compare
// knows. Example texts, which hold values, only with `show_values`.
void FillVerdict(const compare::Verdict& verdict, bool show_values, Report& report);
// Further findings, for what is judged beside the comparison, and what rules hide of them; the
// gating ones stay first.
void AddFindings(const compare::Verdict& verdict, bool show_values, Report& report);
// How latencies are spread, for the patterns of `verdict` that take most of the time and for those
// with a finding. After FillVerdict().
void FillLatencies(const compare::Verdict& verdict, const compare::PatternTable& table,
                   Report& report);
// The counts of broken order and of held up statements.
void FillTotals(const compare::TableTotals& totals, Report& report);

// "migration failed" with its sentence, where the command did not exit with 0.
void FillMigrationFailed(Report& report);
bool MigrationHasFailed(const Report& report);
// Safe or regressions: what a report that is neither does not hold may be there all the same.
bool IsJudged(const Report& report);

}  // namespace scry::report
