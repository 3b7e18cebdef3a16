#include "job/work_probe.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <cstdlib>
#include <deque>
#include <optional>
#include <set>
#include <string_view>
#include <utility>

#include "base/units.h"
#include "explain/plan.h"
#include "job/lane_runner.h"
#include "job/sample_statement.h"

namespace scry::job {
namespace {

using base::Micros;
using base::Result;
using base::Status;
using event::StatementKind;

constexpr Micros kStatementMaxUs = 30 * 1000000LL;
constexpr Micros kStatementMinUs = 1000000LL;
constexpr size_t kFailuresMax = 2;  // Then no more samples of the pattern are tried.
constexpr const char* kExplain =
    "EXPLAIN (ANALYZE, BUFFERS, WAL, TIMING OFF, SUMMARY OFF, FORMAT JSON) ";
// Blocks that this transaction asked for, of all relations of users. EXPLAIN leaves out what
// triggers do at the end of a statement, foreign keys among them; here it is counted.
constexpr const char* kBlocksSql =
    "SELECT coalesce(sum(pg_catalog.pg_stat_get_xact_blocks_fetched(oid)), 0) "
    "FROM pg_catalog.pg_class WHERE oid >= 16384 AND relkind IN ('r', 'i', 'm', 't')";
// Rows that this transaction updated, and of those the ones that wrote no index entries.
constexpr const char* kUpdatedSql =
    "SELECT coalesce(sum(pg_catalog.pg_stat_get_xact_tuples_updated(oid)), 0) "
    "FROM pg_catalog.pg_class WHERE oid >= 16384 AND relkind IN ('r', 'm', 't')";
constexpr const char* kHotSql =
    "SELECT coalesce(sum(pg_catalog.pg_stat_get_xact_tuples_hot_updated(oid)), 0) "
    "FROM pg_catalog.pg_class WHERE oid >= 16384 AND relkind IN ('r', 'm', 't')";

bool HasPlan(StatementKind kind) {
  return kind == StatementKind::kSelect || kind == StatementKind::kInsert ||
         kind == StatementKind::kUpdate || kind == StatementKind::kDelete ||
         kind == StatementKind::kMerge;
}

Result<double> NumberOf(pg::Connection& connection, const std::string& sql) {
  SCRY_TRY_ASSIGN(const std::optional<std::string> text, connection.QueryValue(sql));
  return std::strtod(text.value_or("0").c_str(), nullptr);
}

Result<compare::LaneWork> RunOnce(pg::Connection& connection, const SampleStatement& statement,
                                  bool writes) {
  double blocks_before = 0;
  double blocks_after = 0;
  // PostgreSQL 14 and later.
  const bool has_generic =
      statement.prepared() && pg::MajorVersion(connection.server_version()) >= 14;
  double updated_before = 0;
  double updated_after = 0;
  double hot_before = 0;
  double hot_after = 0;
  const std::string generic_sql =
      fmt::format("SELECT generic_plans FROM pg_catalog.pg_prepared_statements WHERE name = '{}'",
                  SampleStatement::kName);
  double generic_before = 0;
  double generic_after = 0;
  SCRY_TRY_ASSIGN(const std::optional<std::string> saved, connection.QueryValue("SAVEPOINT scry"));
  if (writes) {
    SCRY_TRY_ASSIGN(updated_before, NumberOf(connection, kUpdatedSql));
    SCRY_TRY_ASSIGN(hot_before, NumberOf(connection, kHotSql));
    SCRY_TRY_ASSIGN(blocks_before, NumberOf(connection, kBlocksSql));
  }
  if (has_generic) {
    SCRY_TRY_ASSIGN(generic_before, NumberOf(connection, generic_sql));
  }
  SCRY_TRY_ASSIGN(const std::optional<std::string> text,
                  connection.QueryBound(kExplain + statement.sql(), {}));
  SCRY_TRY_ASSIGN(const explain::Plan plan, explain::ParsePlan(text.value_or("")));
  if (has_generic) {
    SCRY_TRY_ASSIGN(generic_after, NumberOf(connection, generic_sql));
  }
  if (writes) {
    SCRY_TRY_ASSIGN(blocks_after, NumberOf(connection, kBlocksSql));
    SCRY_TRY_ASSIGN(updated_after, NumberOf(connection, kUpdatedSql));
    SCRY_TRY_ASSIGN(hot_after, NumberOf(connection, kHotSql));
  }
  SCRY_TRY_ASSIGN(const std::optional<std::string> undone,
                  connection.QueryValue("ROLLBACK TO SAVEPOINT scry"));
  compare::LaneWork work;
  work.blocks = std::max(plan.root.blocks, blocks_after - blocks_before);
  work.in_triggers = work.blocks - plan.root.blocks;
  work.spilled = plan.root.temp_blocks;
  work.wal_bytes = std::max(0.0, plan.root.wal_bytes - plan.root.wal_images * compare::kBlockBytes);
  work.updated = updated_after - updated_before;
  work.hot_updated = hot_after - hot_before;
  work.rows = plan.root.rows_actual.value_or(0) * plan.root.loops;
  work.plan_shape = event::DigestOf(explain::PlanShape(plan));
  work.generic_plan = generic_after > generic_before;
  return work;
}

class Probe {
 public:
  Probe(const std::vector<replay::LaneTarget>& lanes, Micros budget_us, const RunWatch& watch,
        event::FactsCache& facts)
      : watch_(watch), facts_(facts), ends_us_(base::SystemClock().MonotonicUs() + budget_us) {
    for (const replay::LaneTarget& lane : lanes) runners_.emplace_back(lane.info);
  }

  bool OutOfTime() const { return base::SystemClock().MonotonicUs() >= ends_us_; }

  // In the order of event::LaneRole.
  Result<compare::WorkSample> Measure(const replay::Sample& sample,
                                      const std::vector<replay::Sample>& pattern) {
    compare::WorkSample work;
    slowest_us_ = 0;
    SCRY_TRY_ASSIGN(work.baseline, MeasureOn(runners_[0], sample, pattern));
    if (runners_.size() == 1) {
      work.candidate = work.baseline;
      return work;
    }
    SCRY_TRY_ASSIGN(work.candidate, MeasureOn(runners_[1], sample, pattern));
    if (runners_.size() > 2) {
      SCRY_TRY_ASSIGN(work.control, MeasureOn(runners_[2], sample, pattern));
    }
    return work;
  }

  // On any lane, of the runs that counted in the last Measure().
  Micros slowest_us() const { return slowest_us_; }

 private:
  Result<compare::LaneWork> MeasureOn(LaneRunner& runner, const replay::Sample& sample,
                                      const std::vector<replay::Sample>& pattern) {
    SCRY_TRY(watch_.Check());
    const bool writes = facts_.Get(sample.text, 0).writes;
    const Micros timeout_us =
        std::clamp(ends_us_ - base::SystemClock().MonotonicUs(), kStatementMinUs, kStatementMaxUs);
    compare::LaneWork work;
    const auto body = [&](pg::Connection& connection) -> Status {
      SampleStatement statement(connection, sample);
      SCRY_TRY(statement.Prepare(pattern));
      // The second run counts: the first one fills caches and sets hint bits.
      SCRY_TRY_ASSIGN(work, RunOnce(connection, statement, writes));
      const Micros began_us = base::SystemClock().MonotonicUs();
      SCRY_TRY_ASSIGN(work, RunOnce(connection, statement, writes));
      slowest_us_ = std::max(slowest_us_, base::SystemClock().MonotonicUs() - began_us);
      return {};
    };
    SCRY_TRY(runner.InTransaction(sample, timeout_us, body));
    return work;
  }

  const RunWatch& watch_;
  event::FactsCache& facts_;
  const Micros ends_us_;
  std::deque<LaneRunner> runners_;
  Micros slowest_us_ = 0;
};

}  // namespace

std::vector<uint64_t> ChooseForWork(const compare::PatternTable& table, uint64_t pairs_enough,
                                    WorkGaps& gaps) {
  std::vector<const compare::PatternStats*> able;
  for (const compare::PatternStats* stats : table.Patterns()) {
    if (HasPlan(stats->kind)) {
      able.push_back(stats);
    } else if (!event::IsDull(stats->kind)) {
      ++gaps.no_plan;
    }
  }
  const auto time = [](const compare::PatternStats* stats) {
    return stats->time_us[0] + stats->time_us[1];
  };
  std::stable_sort(able.begin(), able.end(),
                   [&](const auto* a, const auto* b) { return time(a) > time(b); });
  std::vector<uint64_t> chosen;
  for (size_t i = 0; i < able.size(); ++i) {
    const bool few = able[i]->latency_pairs < pairs_enough;
    if (chosen.size() < kWorkPatternsMax && (i < kWorkHeavyPatterns || few)) {
      chosen.push_back(able[i]->fingerprint);
    } else {
      ++gaps.too_many;
    }
  }
  return chosen;
}

bool IsUndoable(const event::StatementFacts& facts) {
  static const std::set<std::string_view> kNames = {"lo_export",
                                                    "lo_import",
                                                    "nextval",
                                                    "pg_cancel_backend",
                                                    "pg_create_restore_point",
                                                    "pg_logical_emit_message",
                                                    "pg_promote",
                                                    "pg_reload_conf",
                                                    "pg_rotate_logfile",
                                                    "pg_sleep",
                                                    "pg_sleep_for",
                                                    "pg_sleep_until",
                                                    "pg_start_backup",
                                                    "pg_stop_backup",
                                                    "pg_switch_wal",
                                                    "pg_terminate_backend",
                                                    "pg_wal_replay_pause",
                                                    "pg_wal_replay_resume",
                                                    "setval"};
  // Advisory locks of a session outlive the transaction. What talks to other servers is not ours
  // to undo.
  static constexpr std::array<std::string_view, 12> kPrefixes = {
      "dblink",        "pg_advisory_lock",         "pg_advisory_unlock", "pg_try_advisory_lock",
      "pg_stat_reset", "pg_stat_statements_reset", "pg_create_",         "pg_drop_",
      "pg_copy_",      "pg_replication_",          "pg_file_",           "http"};
  return std::none_of(facts.functions.begin(), facts.functions.end(), [](const std::string& name) {
    return kNames.contains(name) ||
           std::any_of(kPrefixes.begin(), kPrefixes.end(),
                       [&](std::string_view prefix) { return name.starts_with(prefix); });
  });
}

Result<MeasuredWork> MeasureWork(const std::vector<replay::LaneTarget>& lanes,
                                 const std::vector<uint64_t>& patterns,
                                 const std::map<uint64_t, std::vector<replay::Sample>>& samples,
                                 Micros budget_us, const RunWatch& watch, event::FactsCache& facts,
                                 WorkGaps& gaps) {
  MeasuredWork measured;
  Probe probe(lanes, budget_us, watch, facts);
  std::map<uint64_t, size_t> failures;
  std::set<uint64_t> with_effects;
  for (size_t round = 0; round < kWorkSamplesPerPattern && !probe.OutOfTime(); ++round) {
    for (const uint64_t fingerprint : patterns) {
      const auto found = samples.find(fingerprint);
      if (found == samples.end() || round >= found->second.size()) continue;
      if (failures[fingerprint] >= kFailuresMax || with_effects.contains(fingerprint)) continue;
      if (probe.OutOfTime()) break;
      const replay::Sample& sample = found->second[round];
      if (!IsUndoable(facts.Get(sample.text, 0))) {
        with_effects.insert(fingerprint);
        continue;
      }
      auto work = probe.Measure(sample, found->second);
      SCRY_TRY(watch.Check());
      if (!work.ok()) {
        ++failures[fingerprint];
        continue;
      }
      measured.table[fingerprint].push_back(std::move(*work));
      measured.samples[fingerprint].push_back(sample);
      Micros& slowest_us = measured.slowest_us[fingerprint];
      slowest_us = std::max(slowest_us, probe.slowest_us());
    }
  }
  for (const uint64_t fingerprint : patterns) {
    if (measured.table.contains(fingerprint)) continue;
    const auto found = samples.find(fingerprint);
    if (found == samples.end() || found->second.empty()) {
      ++gaps.no_sample;
    } else if (with_effects.contains(fingerprint)) {
      ++gaps.effects;
    } else if (failures[fingerprint] > 0) {
      ++gaps.does_not_run;
    } else {
      ++gaps.no_time;
    }
  }
  return measured;
}

std::string DescribeGaps(const WorkGaps& gaps, size_t measured) {
  if (gaps.total() == 0) return {};
  std::string text =
      fmt::format("Work (blocks, spills, WAL) was measured for {} of {} patterns; not of",
                  base::FormatCount(measured), base::FormatCount(measured + gaps.total()));
  const std::pair<uint64_t, const char*> reasons[] = {
      {gaps.no_plan, "without a plan (COPY, utility statements)"},
      {gaps.effects, "with effects that no rollback undoes"},
      {gaps.no_sample, "that cannot be taken out of their exchange"},
      {gaps.does_not_run, "that cannot be run by themselves on every lane"},
      {gaps.no_time, "for which there was no time"},
      {gaps.too_many, "beyond the heaviest"}};
  const char* lead = " ";
  for (const auto& [count, what] : reasons) {
    if (count == 0) continue;
    text += fmt::format("{}{} {}", lead, base::FormatCount(count), what);
    lead = ", ";
  }
  return text;
}

}  // namespace scry::job
