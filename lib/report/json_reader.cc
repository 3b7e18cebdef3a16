#include "report/json_reader.h"

#include <nlohmann/json.hpp>
#include <utility>

#include "compare/ignore_rules.h"
#include "report/json_members.h"
#include "report/json_writer.h"

namespace scry::report {
namespace {

using nlohmann::json;

// 2^(127/4) microseconds: what 32 bits of them hold.
constexpr uint32_t kShapeBucketMax = 127;

class Reader : public JsonMembers<Reader> {
 public:
  void Fill(const json& from, Latency& to) {
    Read(from, "p50_us", to.p50_us);
    Read(from, "p95_us", to.p95_us);
    Read(from, "p99_us", to.p99_us);
  }
  void Fill(const json& from, SampleColumn& to) {
    Read(from, "name", to.name);
    Read(from, "type", to.type);
    Read(from, "rows", to.rows);
  }
  void Fill(const json& from, SampleCell& to) {
    Read(from, "column", to.column);
    ReadIfThere(from, "at", to.at);
    Read(from, "null_before", to.null_before);
    Read(from, "null_after", to.null_after);
    Read(from, "before", to.before);
    Read(from, "after", to.after);
  }
  void Fill(const json& from, SampleRow& to) {
    Read(from, "change", to.change);
    Read(from, "before", to.before);
    Read(from, "after", to.after);
    Read(from, "key", to.key);
    ReadList(from, "cells", to.cells);
  }
  void Fill(const json& from, RowSample& to) {
    Read(from, "key", to.key);
    ReadList(from, "columns", to.columns);
    Read(from, "columns_more", to.columns_more);
    Read(from, "rows_before", to.rows_before);
    Read(from, "rows_after", to.rows_after);
    Read(from, "changed", to.changed);
    Read(from, "gone", to.gone);
    Read(from, "added", to.added);
    Read(from, "moved", to.moved);
    Read(from, "partial", to.partial);
    Read(from, "values", to.values);
    ReadList(from, "sample", to.rows);
  }
  void Fill(const json& from, Work& to) {
    Read(from, "blocks", to.blocks);
    Read(from, "spilled_blocks", to.spilled_blocks);
    Read(from, "wal_bytes", to.wal_bytes);
    Read(from, "rows", to.rows);
  }
  void Fill(const json& from, Finding& to) {
    Read(from, "id", to.id);
    // It goes where a name is expected: into rules, file names, headings.
    if (!to.id.empty() && !compare::IsFindingId(to.id)) Complain("id");
    Read(from, "type", to.type);
    Read(from, "gates", to.gates);
    Read(from, "fingerprint", to.fingerprint);
    Read(from, "pattern", to.pattern);
    Read(from, "reasons", to.reasons);
    Read(from, "advice", to.advice);
    Read(from, "calls", to.calls);
    Read(from, "affected", to.affected);
    Read(from, "share", to.share);
    Read(from, "difference", to.difference);
    Read(from, "sqlstate", to.sqlstate);
    Read(from, "message", to.message);
    Read(from, "rows_before", to.rows_before);
    Read(from, "rows_after", to.rows_after);
    Read(from, "example", to.example);
    if (const json* latency = Object(from, "latency")) {
      to.has_latency = true;
      if (const json* before = Object(*latency, "before")) Fill(*before, to.before);
      if (const json* after = Object(*latency, "after")) Fill(*after, to.after);
      Read(*latency, "factor", to.factor);
      Read(*latency, "factor_low", to.factor_low);
      Read(*latency, "factor_high", to.factor_high);
      Read(*latency, "p", to.p);
      Read(*latency, "confirmed", to.confirmed);
      Read(*latency, "again_pairs", to.again_pairs);
      Read(*latency, "part", to.part);
    }
    if (const json* ignored = Object(from, "ignored")) {
      Read(*ignored, "type", to.ignored_type);
      Read(*ignored, "by", to.ignored_by);
    }
    if (const json* rows = Object(from, "rows")) Fill(*rows, to.rows);
    if (const json* work = Object(from, "work")) {
      to.has_work = true;
      if (const json* before = Object(*work, "before")) Fill(*before, to.work_before);
      if (const json* after = Object(*work, "after")) Fill(*after, to.work_after);
      Read(*work, "samples", to.work_samples);
      Read(*work, "risen", to.work_risen);
      Read(*work, "other_plan", to.work_other_plan);
    }
    Read(from, "moment", to.moment);
    if (const json* plan = Object(from, "plan")) {
      Read(*plan, "sentence", to.plan.sentence);
      Read(*plan, "baseline", to.plan.baseline);
      Read(*plan, "candidate", to.plan.candidate);
      ReadIfThere(*plan, "baseline_costliest", to.plan.baseline_costliest);
      ReadIfThere(*plan, "candidate_costliest", to.plan.candidate_costliest);
    }
  }
  void Fill(const json& from, Cause& to) {
    Read(from, "object", to.object);
    Read(from, "mechanism", to.mechanism);
    Read(from, "sentence", to.sentence);
    Read(from, "statement", to.statement);
    ReadIfThere(from, "statement_index", to.statement_index);
    Read(from, "findings", to.findings);
  }
  void Fill(const json& from, WriteCost& to) {
    Read(from, "fingerprint", to.fingerprint);
    Read(from, "pattern", to.pattern);
    Read(from, "us_without", to.us_without);
    Read(from, "us_with", to.us_with);
    if (const json* without = Object(from, "without")) Fill(*without, to.without);
    if (const json* with = Object(from, "with")) Fill(*with, to.with);
  }
  void Fill(const json& from, FixWaits& to) {
    Read(from, "wait_us_before", to.wait_us_before);
    Read(from, "wait_us_fixed", to.wait_us_fixed);
    Read(from, "blocked_before", to.blocked_before);
    Read(from, "blocked_fixed", to.blocked_fixed);
    Read(from, "took_us_before", to.took_us_before);
    Read(from, "took_us_fixed", to.took_us_fixed);
  }
  void Fill(const json& from, Fix& to) {
    Read(from, "kind", to.kind);
    Read(from, "sql", to.sql);
    Read(from, "sentence", to.sentence);
    Read(from, "findings", to.findings);
    Read(from, "us_before", to.us_before);
    Read(from, "us_after", to.us_after);
    Read(from, "us_fixed", to.us_fixed);
    Read(from, "blocks_before", to.blocks_before);
    Read(from, "blocks_after", to.blocks_after);
    Read(from, "blocks_fixed", to.blocks_fixed);
    Read(from, "size_bytes", to.size_bytes);
    Read(from, "build_us", to.build_us);
    ReadList(from, "writes", to.writes);
    Read(from, "advice", to.advice);
    ReadList(from, "latencies", to.latencies);
    if (const json* waits = Object(from, "waits")) Fill(*waits, to.waits.emplace());
  }
  void Fill(const json& from, LaneLatencies& to) {
    Read(from, "lane", to.lane);
    Read(from, "buckets", to.buckets);
    for (const auto& [bucket, count] : to.buckets) {
      if (bucket > kShapeBucketMax) Complain("buckets");
    }
  }
  void Fill(const json& from, NotJudged& to) {
    Read(from, "fingerprint", to.fingerprint);
    Read(from, "pattern", to.pattern);
    Read(from, "why", to.why);
    Read(from, "calls", to.calls);
    Read(from, "pairs", to.pairs);
    Read(from, "share", to.share);
  }
  void Fill(const json& from, Losses& to) {
    Read(from, "sqlstate", to.sqlstate);
    Read(from, "rows", to.rows);
    Read(from, "values", to.values);
  }
  void Fill(const json& from, Unfaithful& to) {
    Read(from, "fingerprint", to.fingerprint);
    Read(from, "pattern", to.pattern);
    Read(from, "calls", to.calls);
    if (const json* lost = Object(from, "lost")) Fill(*lost, to.lost);
  }
  void Fill(const json& from, PatternLine& to) {
    Read(from, "fingerprint", to.fingerprint);
    Read(from, "pattern", to.pattern);
    Read(from, "type", to.type);
    Read(from, "why", to.why);
    Read(from, "finding", to.finding);
    Read(from, "calls", to.calls);
    Read(from, "pairs", to.pairs);
    Read(from, "share", to.share);
    Read(from, "median_us", to.median_us);
    Read(from, "median_after_us", to.median_after_us);
    Read(from, "detectable", to.detectable);
    if (const json* work = Object(from, "work")) {
      if (const json* before = Object(*work, "before")) Fill(*before, to.work_before);
      if (const json* after = Object(*work, "after")) Fill(*after, to.work_after);
      Read(*work, "samples", to.work_samples);
    }
    ReadList(from, "latencies", to.latencies);
  }
  void Fill(const json& from, WaitingStep& to) {
    Read(from, "at_us", to.at_us);
    Read(from, "queries", to.queries);
  }
  void Fill(const json& from, IgnoreRule& to) {
    Read(from, "finding", to.finding);
    Read(from, "pattern", to.pattern);
    Read(from, "reason", to.reason);
    Read(from, "until", to.until);
    Read(from, "place", to.place);
    Read(from, "expired", to.expired);
    Read(from, "hidden", to.hidden);
    Read(from, "again", to.again);
  }
  void Fill(const json& from, ThinPattern& to) {
    Read(from, "fingerprint", to.fingerprint);
    Read(from, "pattern", to.pattern);
    Read(from, "calls", to.calls);
    Read(from, "available", to.available);
    Read(from, "wanted", to.wanted);
  }
  void Fill(const json& from, BudgetFacts& to) {
    Read(from, "budget_us", to.budget_us);
    Read(from, "estimated_us", to.estimated_us);
    Read(from, "cut_us", to.cut_us);
    Read(from, "seed", to.seed);
    Read(from, "sessions", to.sessions);
    Read(from, "sessions_all", to.sessions_all);
    Read(from, "writers_left_out", to.writers_left_out);
    Read(from, "statements", to.statements);
    Read(from, "statements_all", to.statements_all);
    Read(from, "patterns", to.patterns);
    Read(from, "patterns_all", to.patterns_all);
    Read(from, "time_us", to.time_us);
    Read(from, "time_all_us", to.time_all_us);
    Read(from, "fidelity_skipped", to.fidelity_skipped);
    ReadList(from, "thin", to.thin);
    Read(from, "thin_more", to.thin_more);
    Read(from, "rare", to.rare);
  }
  void Fill(const json& from, NextStep& to) {
    Read(from, "why", to.why);
    Read(from, "command", to.command);
  }
  using JsonMembers::Fill;
  void Fill(const json& from, LaneFacts& to) {
    Read(from, "name", to.name);
    Read(from, "made", to.made);
    Read(from, "server_version", to.server_version);
    Read(from, "ready_us", to.ready_us);
    Read(from, "busy_us", to.busy_us);
  }
  void Fill(const json& from, MigrationFacts& to) {
    to.ran = true;
    Read(from, "command", to.command);
    Read(from, "exit_status", to.exit_status);
    Read(from, "duration_us", to.duration_us);
    Read(from, "output", to.output);
    ReadList(from, "statements", to.statements);
    Read(from, "statements_more", to.statements_more);
    Read(from, "wal_bytes", to.wal_bytes);
    Read(from, "temp_bytes", to.temp_bytes);
    Read(from, "disk_bytes", to.disk_bytes);
    ReadList(from, "rewritten", to.rewritten);
    ReadList(from, "rows_written", to.rows_written);
    Read(from, "statistics_lost", to.statistics_lost);
    Read(from, "visibility_lost", to.visibility_lost);
    Read(from, "indexes_invalid", to.indexes_invalid);
    Read(from, "grants_lost", to.grants_lost);
    if (const json* estimate = Object(from, "estimate")) {
      Read(*estimate, "basis", to.estimate_basis);
      Read(*estimate, "duration_us", to.duration_us_estimated);
    }
  }
  void Fill(const json& from, MigrationLock& to) {
    Read(from, "relation", to.relation);
    Read(from, "mode", to.mode);
    Read(from, "held_us", to.held_us);
    Read(from, "implied", to.implied);
  }
  void Fill(const json& from, MigrationStatement& to) {
    Read(from, "text", to.text);
    Read(from, "fingerprint", to.fingerprint);
    Read(from, "file", to.file);
    Read(from, "line", to.line);
    Read(from, "started_us", to.started_us);
    Read(from, "duration_us", to.duration_us);
    Read(from, "calls", to.calls);
    Read(from, "sqlstate", to.sqlstate);
    Read(from, "rows", to.rows);
    ReadIfThere(from, "wal_bytes", to.wal_bytes);
    ReadIfThere(from, "disk_bytes", to.disk_bytes);
    ReadIfThere(from, "temp_bytes", to.temp_bytes);
    ReadList(from, "locks", to.locks);
    Read(from, "rewrote", to.rewrote);
    Read(from, "dropped", to.dropped);
    if (const json* estimate = Object(from, "estimate")) Fill(*estimate, to.estimate.emplace());
    Read(from, "held_us_estimated", to.held_us_estimated);
  }
  void Fill(const json& from, MigrationEstimate& to) {
    Read(from, "factor", to.factor);
    Read(from, "growth", to.growth);
    Read(from, "duration_us", to.duration_us);
    Read(from, "rows", to.rows);
    Read(from, "wal_bytes", to.wal_bytes);
  }
  void Fill(const json& from, RewrittenTable& to) {
    Read(from, "relation", to.relation);
    Read(from, "bytes_before", to.bytes_before);
    Read(from, "bytes_after", to.bytes_after);
    Read(from, "bytes_estimated", to.bytes_estimated);
  }
  void Fill(const json& from, RowsWritten& to) {
    Read(from, "relation", to.relation);
    Read(from, "rows", to.rows);
  }
  void Fill(const json& from, BlockedPattern& to) {
    Read(from, "fingerprint", to.fingerprint);
    Read(from, "pattern", to.pattern);
    Read(from, "blocked", to.blocked);
    Read(from, "failed", to.failed);
    Read(from, "wait_us_max", to.wait_us_max);
    Read(from, "stall_us", to.stall_us);
  }
  void Fill(const json& from, BlockingStatement& to) {
    Read(from, "text", to.text);
    Read(from, "mode", to.mode);
    Read(from, "relation", to.relation);
    Read(from, "waited_us", to.waited_us);
    Read(from, "blocked", to.blocked);
    Read(from, "failed", to.failed);
    Read(from, "wait_us_max", to.wait_us_max);
    Read(from, "stall_us", to.stall_us);
    ReadList(from, "patterns", to.patterns);
  }
  void Fill(const json& from, Deadlock& to) {
    Read(from, "victim", to.victim);
    Read(from, "others", to.others);
  }
  void Fill(const json& from, WaitStep& to) {
    Read(from, "blocked", to.blocked);
    Read(from, "wait_us_max", to.wait_us_max);
  }
  void Fill(const json& from, DuringFacts& to) {
    to.ran = true;
    Read(from, "speed", to.speed);
    Read(from, "sessions", to.sessions);
    Read(from, "statements", to.statements);
    Read(from, "duration_us", to.duration_us);
    Read(from, "rounds", to.rounds);
    Read(from, "unloaded_us", to.unloaded_us);
    Read(from, "migration_at_us", to.migration_at_us);
    Read(from, "migration_us", to.migration_us);
    to.span_us = to.migration_us;  // Of reports that have no other.
    Read(from, "span_us", to.span_us);
    Read(from, "exit_status", to.exit_status);
    Read(from, "transaction_us_max", to.transaction_us_max);
    Read(from, "blocker_us", to.blocker_us);
    Read(from, "blocker_supposed", to.blocker_supposed);
    Read(from, "blocked", to.blocked);
    Read(from, "failed", to.failed);
    Read(from, "wait_us_max", to.wait_us_max);
    Read(from, "stall_us", to.stall_us);
    Read(from, "drain_us", to.drain_us);
    Read(from, "piled_up", to.piled_up);
    ReadList(from, "blocking", to.statements_blocking);
    ReadList(from, "deadlocks", to.deadlocks);
    ReadList(from, "migration_statements", to.migration_statements);
    ReadList(from, "waiting", to.waiting);
    if (const json* timeline = Object(from, "timeline")) {
      Read(*timeline, "step_us", to.step_us);
      ReadList(*timeline, "steps", to.timeline);
    }
    if (const json* rehearsal = Object(from, "rehearsal")) {
      Read(*rehearsal, "lock_timeout_us", to.lock_timeout_us);
      Read(*rehearsal, "attempts", to.attempts);
      Read(*rehearsal, "attempts_max", to.attempts_max);
      Read(*rehearsal, "succeeded", to.succeeded);
      Read(*rehearsal, "chance_once", to.chance_once);
      Read(*rehearsal, "chance", to.chance);
    }
  }
  void Fill(const json& from, TestedFacts& to) {
    Read(from, "sessions", to.sessions);
    Read(from, "sessions_excluded", to.sessions_excluded);
    Read(from, "statements", to.statements);
    Read(from, "compared", to.compared);
    Read(from, "patterns", to.patterns);
    Read(from, "unchanged", to.unchanged);
    if (const json* classes = Object(from, "classes")) {
      for (size_t i = 0; i < compare::kPatternClasses; ++i) {
        ClassCount count{compare::Name(static_cast<compare::PatternClass>(i)), 0};
        Read(*classes, count.name.c_str(), count.patterns);
        if (count.patterns > 0) to.classes.push_back(std::move(count));
      }
    }
    if (const json* self_test = Object(from, "self_test")) {
      Read(*self_test, "patterns", to.self_test_patterns);
      Read(*self_test, "flagged", to.self_test_flagged);
    }
    if (const json* confirmation = Object(from, "confirmation")) {
      Read(*confirmation, "asked", to.confirm_asked);
      Read(*confirmation, "ran", to.confirm_ran);
      Read(*confirmation, "confirmed", to.confirmed);
    }
    Read(from, "fidelity", to.fidelity);
    Read(from, "fidelity_floor", to.fidelity_floor);
    if (const json* lost = Object(from, "fidelity_lost")) Fill(*lost, to.fidelity_lost);
    Read(from, "order_broken", to.order_broken);
    Read(from, "held_up", to.held_up);
    Read(from, "stalls_released", to.stalls_released);
    Read(from, "races_withdrawn", to.races_withdrawn);
    Read(from, "cancelled", to.cancelled);
    Read(from, "order_wait_us", to.order_wait_us);
    Read(from, "tool_wait_us", to.tool_wait_us);
    Read(from, "lag_us_max", to.lag_us_max);
    Read(from, "work_patterns", to.work_patterns);
    Read(from, "work_samples", to.work_samples);
    Read(from, "first_patterns", to.first_patterns);
    Read(from, "duration_us", to.duration_us);
  }
  void Fill(const json& from, Report& to) {
    Read(from, "tool_version", to.tool_version);
    Read(from, "created_us", to.created_us);
    Read(from, "shadow", to.shadow);
    Read(from, "verdict", to.verdict);
    Read(from, "sentence", to.sentence);
    Read(from, "exit_status", to.exit_status);
    Read(from, "notes", to.notes);
    ReadList(from, "findings", to.findings);
    ReadList(from, "patterns", to.patterns);
    ReadList(from, "causes", to.causes);
    ReadList(from, "fixes", to.fixes);
    ReadList(from, "not_judged", to.not_judged);
    ReadList(from, "unfaithful", to.unfaithful);
    ReadList(from, "ignore_rules", to.ignore_rules);
    if (const json* budget = Object(from, "budget")) Fill(*budget, to.budget);
    ReadList(from, "captures", to.captures);
    ReadList(from, "lanes", to.lanes);
    ReadList(from, "next_steps", to.next_steps);
    if (const json* tested = Object(from, "tested")) Fill(*tested, to.tested);
    if (const json* during = Object(from, "during")) Fill(*during, to.during);
    if (const json* migration = Object(from, "migration")) Fill(*migration, to.migration);
  }
};

constexpr std::string_view kKind = "scry report";

}  // namespace

base::Result<Report> ReadJson(std::string_view text) {
  SCRY_TRY_ASSIGN(const json parsed, ParseReport(text, kSchema, kKind));
  Report report;
  Reader reader;
  reader.Fill(parsed, report);
  if (!reader.problem().empty()) return NotOfKind(kKind, reader.problem());
  if (report.verdict.empty()) return NotOfKind(kKind, "it has no \"verdict\"");
  return report;
}

}  // namespace scry::report
