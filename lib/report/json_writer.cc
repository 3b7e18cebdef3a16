#include "report/json_writer.h"

#include <cmath>
#include <nlohmann/json.hpp>

#include "report/json_members.h"

namespace scry::report {
namespace {

using nlohmann::ordered_json;

// JSON has no infinity.
double Finite(double value) { return std::isfinite(value) ? value : 0; }

void AddLatencies(const std::vector<LaneLatencies>& lanes, ordered_json& to) {
  if (lanes.empty()) return;
  ordered_json& list = to["latencies"] = ordered_json::array();
  for (const LaneLatencies& lane : lanes) {
    list.push_back({{"lane", lane.lane}, {"buckets", lane.buckets}});
  }
}

ordered_json Of(const Latency& latency) {
  return {{"p50_us", Finite(latency.p50_us)},
          {"p95_us", Finite(latency.p95_us)},
          {"p99_us", Finite(latency.p99_us)}};
}

ordered_json Of(const SampleRow& row, bool values) {
  ordered_json json = {{"change", row.change}, {"before", row.before}, {"after", row.after}};
  if (values) json["key"] = row.key;
  json["cells"] = ordered_json::array();
  for (const SampleCell& cell : row.cells) {
    ordered_json one = {{"column", cell.column},
                        {"null_before", cell.null_before},
                        {"null_after", cell.null_after}};
    if (cell.at) one["at"] = *cell.at;
    if (values) {
      one["before"] = cell.before;
      one["after"] = cell.after;
    }
    json["cells"].push_back(std::move(one));
  }
  return json;
}

ordered_json Of(const RowSample& sample) {
  ordered_json columns = ordered_json::array();
  for (const SampleColumn& column : sample.columns) {
    columns.push_back({{"name", column.name}, {"type", column.type}, {"rows", column.rows}});
  }
  ordered_json rows = ordered_json::array();
  for (const SampleRow& row : sample.rows) rows.push_back(Of(row, sample.values));
  return {{"key", sample.key},
          {"columns", columns},
          {"columns_more", sample.columns_more},
          {"rows_before", sample.rows_before},
          {"rows_after", sample.rows_after},
          {"changed", sample.changed},
          {"gone", sample.gone},
          {"added", sample.added},
          {"moved", sample.moved},
          {"partial", sample.partial},
          {"values", sample.values},
          {"sample", rows}};
}

ordered_json Of(const Work& work) {
  return {{"blocks", Finite(work.blocks)},
          {"spilled_blocks", Finite(work.spilled_blocks)},
          {"wal_bytes", Finite(work.wal_bytes)},
          {"rows", Finite(work.rows)}};
}

ordered_json Of(const Finding& finding) {
  ordered_json json = {{"id", finding.id},
                       {"type", finding.type},
                       {"gates", finding.gates},
                       {"fingerprint", finding.fingerprint},
                       {"pattern", finding.pattern},
                       {"reasons", finding.reasons},
                       {"calls", finding.calls},
                       {"affected", finding.affected},
                       {"share", Finite(finding.share)}};
  if (!finding.advice.empty()) json["advice"] = finding.advice;
  if (!finding.difference.empty()) {
    json["difference"] = finding.difference;
    json["sqlstate"] = finding.sqlstate;
    json["message"] = finding.message;
    json["rows_before"] = finding.rows_before;
    json["rows_after"] = finding.rows_after;
  }
  if (finding.has_latency) {
    json["latency"] = {{"before", Of(finding.before)},
                       {"after", Of(finding.after)},
                       {"factor", Finite(finding.factor)},
                       {"factor_low", Finite(finding.factor_low)},
                       {"factor_high", Finite(finding.factor_high)},
                       {"p", Finite(finding.p)},
                       {"confirmed", finding.confirmed},
                       {"again_pairs", finding.again_pairs},
                       {"part", finding.part}};
  }
  if (finding.has_work) {
    json["work"] = {{"before", Of(finding.work_before)},
                    {"after", Of(finding.work_after)},
                    {"samples", finding.work_samples},
                    {"risen", finding.work_risen},
                    {"other_plan", finding.work_other_plan}};
  }
  if (!finding.moment.empty()) json["moment"] = finding.moment;
  if (finding.plan != PlanText{}) {
    json["plan"] = {{"sentence", finding.plan.sentence},
                    {"baseline", finding.plan.baseline},
                    {"candidate", finding.plan.candidate}};
    const auto costliest = [&](const char* key, const std::optional<uint64_t>& line) {
      if (line) json["plan"][key] = *line;
    };
    costliest("baseline_costliest", finding.plan.baseline_costliest);
    costliest("candidate_costliest", finding.plan.candidate_costliest);
  }
  if (!finding.ignored_type.empty()) {
    json["ignored"] = {{"type", finding.ignored_type}, {"by", finding.ignored_by}};
  }
  if (!finding.rows.rows.empty()) json["rows"] = Of(finding.rows);
  if (!finding.example.empty()) json["example"] = finding.example;
  return json;
}

ordered_json Of(const Cause& cause) {
  ordered_json json = {
      {"object", cause.object}, {"mechanism", cause.mechanism}, {"sentence", cause.sentence}};
  if (!cause.statement.empty()) json["statement"] = cause.statement;
  if (cause.statement_index) json["statement_index"] = *cause.statement_index;
  json["findings"] = cause.findings;
  return json;
}

ordered_json Of(const WriteCost& cost) {
  return {{"fingerprint", cost.fingerprint},       {"pattern", cost.pattern},
          {"us_without", Finite(cost.us_without)}, {"us_with", Finite(cost.us_with)},
          {"without", Of(cost.without)},           {"with", Of(cost.with)}};
}

ordered_json Of(const FixWaits& waits) {
  return {{"wait_us_before", waits.wait_us_before}, {"wait_us_fixed", waits.wait_us_fixed},
          {"blocked_before", waits.blocked_before}, {"blocked_fixed", waits.blocked_fixed},
          {"took_us_before", waits.took_us_before}, {"took_us_fixed", waits.took_us_fixed}};
}

ordered_json Of(const Fix& fix) {
  ordered_json writes = ordered_json::array();
  for (const WriteCost& cost : fix.writes) writes.push_back(Of(cost));
  ordered_json json = {{"kind", fix.kind},
                       {"sql", fix.sql},
                       {"sentence", fix.sentence},
                       {"findings", fix.findings},
                       {"us_before", Finite(fix.us_before)},
                       {"us_after", Finite(fix.us_after)},
                       {"us_fixed", Finite(fix.us_fixed)},
                       {"blocks_before", Finite(fix.blocks_before)},
                       {"blocks_after", Finite(fix.blocks_after)},
                       {"blocks_fixed", Finite(fix.blocks_fixed)},
                       {"size_bytes", fix.size_bytes},
                       {"build_us", fix.build_us},
                       {"writes", writes},
                       {"advice", fix.advice}};
  AddLatencies(fix.latencies, json);
  if (fix.waits) json["waits"] = Of(*fix.waits);
  return json;
}

ordered_json Of(const NotJudged& item) {
  return {{"fingerprint", item.fingerprint},
          {"pattern", item.pattern},
          {"why", item.why},
          {"calls", item.calls},
          {"pairs", item.pairs},
          {"share", Finite(item.share)}};
}

ordered_json Of(const PatternLine& line) {
  ordered_json json = {{"fingerprint", line.fingerprint},
                       {"pattern", line.pattern},
                       {"type", line.type},
                       {"calls", line.calls},
                       {"pairs", line.pairs},
                       {"share", Finite(line.share)},
                       {"median_us", Finite(line.median_us)},
                       {"median_after_us", Finite(line.median_after_us)},
                       {"detectable", Finite(line.detectable)}};
  if (!line.why.empty()) json["why"] = line.why;
  if (!line.finding.empty()) json["finding"] = line.finding;
  if (line.work_samples > 0) {
    json["work"] = {{"before", Of(line.work_before)},
                    {"after", Of(line.work_after)},
                    {"samples", line.work_samples}};
  }
  AddLatencies(line.latencies, json);
  return json;
}

ordered_json Of(const NextStep& step) { return {{"why", step.why}, {"command", step.command}}; }

ordered_json Of(const CaptureFacts& capture) { return CaptureJson(capture); }
ordered_json Of(const LaneFacts& lane) {
  return {{"name", lane.name},
          {"made", lane.made},
          {"server_version", lane.server_version},
          {"ready_us", lane.ready_us},
          {"busy_us", lane.busy_us}};
}

ordered_json Of(const MigrationLock& lock) {
  return {{"relation", lock.relation},
          {"mode", lock.mode},
          {"held_us", lock.held_us},
          {"implied", lock.implied}};
}

ordered_json Of(const RewrittenTable& table) {
  ordered_json json = {{"relation", table.relation},
                       {"bytes_before", table.bytes_before},
                       {"bytes_after", table.bytes_after}};
  if (table.bytes_estimated > 0) json["bytes_estimated"] = table.bytes_estimated;
  return json;
}

ordered_json Of(const MigrationEstimate& estimate) {
  return {{"factor", estimate.factor},
          {"growth", estimate.growth},
          {"duration_us", estimate.duration_us},
          {"rows", estimate.rows},
          {"wal_bytes", estimate.wal_bytes}};
}

ordered_json Of(const RowsWritten& table) {
  return {{"relation", table.relation}, {"rows", table.rows}};
}

ordered_json Of(const BlockedPattern& pattern) {
  return {{"fingerprint", pattern.fingerprint}, {"pattern", pattern.pattern},
          {"blocked", pattern.blocked},         {"failed", pattern.failed},
          {"wait_us_max", pattern.wait_us_max}, {"stall_us", pattern.stall_us}};
}

ordered_json Of(const WaitingStep& step) {
  return {{"at_us", step.at_us}, {"queries", step.queries}};
}

ordered_json Of(const WaitStep& step) {
  return {{"blocked", step.blocked}, {"wait_us_max", step.wait_us_max}};
}

ordered_json Of(const Deadlock& deadlock) {
  return {{"victim", deadlock.victim}, {"others", deadlock.others}};
}

ordered_json Of(const Losses& lost) {
  return {{"sqlstate", lost.sqlstate}, {"rows", lost.rows}, {"values", lost.values}};
}

ordered_json Of(const Unfaithful& item) {
  return {{"fingerprint", item.fingerprint},
          {"pattern", item.pattern},
          {"calls", item.calls},
          {"lost", Of(item.lost)}};
}

ordered_json Of(const IgnoreRule& rule) {
  return {{"finding", rule.finding}, {"pattern", rule.pattern}, {"reason", rule.reason},
          {"until", rule.until},     {"place", rule.place},     {"expired", rule.expired},
          {"hidden", rule.hidden},   {"again", rule.again}};
}

ordered_json Of(const ThinPattern& item) {
  return {{"fingerprint", item.fingerprint},
          {"pattern", item.pattern},
          {"calls", item.calls},
          {"available", item.available},
          {"wanted", item.wanted}};
}

ordered_json Of(const BudgetFacts& budget) {
  ordered_json thin = ordered_json::array();
  for (const ThinPattern& item : budget.thin) thin.push_back(Of(item));
  return {{"budget_us", budget.budget_us},
          {"estimated_us", budget.estimated_us},
          {"cut_us", budget.cut_us},
          {"seed", budget.seed},
          {"sessions", budget.sessions},
          {"sessions_all", budget.sessions_all},
          {"writers_left_out", budget.writers_left_out},
          {"statements", budget.statements},
          {"statements_all", budget.statements_all},
          {"patterns", budget.patterns},
          {"patterns_all", budget.patterns_all},
          {"time_us", budget.time_us},
          {"time_all_us", budget.time_all_us},
          {"fidelity_skipped", budget.fidelity_skipped},
          {"thin", thin},
          {"thin_more", budget.thin_more},
          {"rare", budget.rare}};
}

ordered_json Of(const TestedFacts& tested) {
  ordered_json classes = ordered_json::object();
  for (const ClassCount& count : tested.classes) classes[count.name] = count.patterns;
  return {{"sessions", tested.sessions},
          {"sessions_excluded", tested.sessions_excluded},
          {"statements", tested.statements},
          {"compared", tested.compared},
          {"patterns", tested.patterns},
          {"unchanged", tested.unchanged},
          {"classes", classes},
          {"self_test",
           {{"patterns", tested.self_test_patterns}, {"flagged", tested.self_test_flagged}}},
          {"confirmation",
           {{"asked", tested.confirm_asked},
            {"ran", tested.confirm_ran},
            {"confirmed", tested.confirmed}}},
          {"fidelity", Finite(tested.fidelity)},
          {"fidelity_floor", Finite(tested.fidelity_floor)},
          {"fidelity_lost", Of(tested.fidelity_lost)},
          {"order_broken", tested.order_broken},
          {"held_up", tested.held_up},
          {"stalls_released", tested.stalls_released},
          {"races_withdrawn", tested.races_withdrawn},
          {"cancelled", tested.cancelled},
          {"order_wait_us", tested.order_wait_us},
          {"tool_wait_us", tested.tool_wait_us},
          {"lag_us_max", tested.lag_us_max},
          {"work_patterns", tested.work_patterns},
          {"work_samples", tested.work_samples},
          {"first_patterns", tested.first_patterns},
          {"duration_us", tested.duration_us}};
}

// Lists of them are written with what is above.
ordered_json Of(const MigrationStatement& statement);
ordered_json Of(const BlockingStatement& statement);

template <typename T>
ordered_json ListOf(const std::vector<T>& items) {
  ordered_json list = ordered_json::array();
  for (const T& item : items) list.push_back(Of(item));
  return list;
}

ordered_json Of(const MigrationStatement& statement) {
  ordered_json json = {{"text", statement.text},
                       {"fingerprint", statement.fingerprint},
                       {"started_us", statement.started_us},
                       {"duration_us", statement.duration_us},
                       {"calls", statement.calls},
                       {"sqlstate", statement.sqlstate},
                       {"rows", statement.rows}};
  if (statement.wal_bytes) json["wal_bytes"] = *statement.wal_bytes;
  if (statement.disk_bytes) json["disk_bytes"] = *statement.disk_bytes;
  if (statement.temp_bytes) json["temp_bytes"] = *statement.temp_bytes;
  json["locks"] = ListOf(statement.locks);
  json["rewrote"] = statement.rewrote;
  json["dropped"] = statement.dropped;
  if (!statement.file.empty()) {
    json["file"] = statement.file;
    json["line"] = statement.line;
  }
  if (statement.estimate) json["estimate"] = Of(*statement.estimate);
  if (statement.held_us_estimated > 0) json["held_us_estimated"] = statement.held_us_estimated;
  return json;
}

ordered_json Of(const MigrationFacts& migration) {
  ordered_json json = {{"command", migration.command},
                       {"exit_status", migration.exit_status},
                       {"duration_us", migration.duration_us},
                       {"output", migration.output},
                       {"statements", ListOf(migration.statements)},
                       {"statements_more", migration.statements_more},
                       {"wal_bytes", migration.wal_bytes},
                       {"temp_bytes", migration.temp_bytes},
                       {"disk_bytes", migration.disk_bytes},
                       {"rewritten", ListOf(migration.rewritten)},
                       {"rows_written", ListOf(migration.rows_written)},
                       {"statistics_lost", migration.statistics_lost},
                       {"visibility_lost", migration.visibility_lost},
                       {"indexes_invalid", migration.indexes_invalid},
                       {"grants_lost", migration.grants_lost}};
  if (!migration.estimate_basis.empty()) {
    json["estimate"] = {{"basis", migration.estimate_basis},
                        {"duration_us", migration.duration_us_estimated}};
  }
  return json;
}

ordered_json Of(const BlockingStatement& statement) {
  return {{"text", statement.text},
          {"mode", statement.mode},
          {"relation", statement.relation},
          {"waited_us", statement.waited_us},
          {"blocked", statement.blocked},
          {"failed", statement.failed},
          {"wait_us_max", statement.wait_us_max},
          {"stall_us", statement.stall_us},
          {"patterns", ListOf(statement.patterns)}};
}

ordered_json Of(const DuringFacts& during) {
  ordered_json json = {{"speed", Finite(during.speed)},
                       {"sessions", during.sessions},
                       {"statements", during.statements},
                       {"duration_us", during.duration_us},
                       {"rounds", during.rounds},
                       {"unloaded_us", during.unloaded_us},
                       {"migration_at_us", during.migration_at_us},
                       {"migration_us", during.migration_us},
                       {"span_us", during.span_us},
                       {"exit_status", during.exit_status},
                       {"transaction_us_max", during.transaction_us_max},
                       {"blocker_us", during.blocker_us},
                       {"blocker_supposed", during.blocker_supposed},
                       {"blocked", during.blocked},
                       {"failed", during.failed},
                       {"wait_us_max", during.wait_us_max},
                       {"stall_us", during.stall_us},
                       {"drain_us", during.drain_us},
                       {"piled_up", during.piled_up},
                       {"blocking", ListOf(during.statements_blocking)},
                       {"deadlocks", ListOf(during.deadlocks)},
                       {"migration_statements", ListOf(during.migration_statements)},
                       {"waiting", ListOf(during.waiting)}};
  if (during.step_us > 0) {
    json["timeline"] = {{"step_us", during.step_us}, {"steps", ListOf(during.timeline)}};
  }
  if (during.lock_timeout_us > 0) {
    json["rehearsal"] = {{"lock_timeout_us", during.lock_timeout_us},
                         {"attempts", during.attempts},
                         {"attempts_max", during.attempts_max},
                         {"succeeded", during.succeeded}};
    if (during.chance >= 0) {
      json["rehearsal"]["chance_once"] = Finite(during.chance_once);
      json["rehearsal"]["chance"] = Finite(during.chance);
    }
  }
  return json;
}

}  // namespace

std::string WriteJson(const Report& report) {
  ordered_json json;
  json["schema"] = kSchema;
  json["tool_version"] = report.tool_version;
  json["created"] = base::FormatWall(report.created_us);
  json["created_us"] = report.created_us;
  json["shadow"] = report.shadow;
  json["verdict"] = report.verdict;
  json["sentence"] = report.sentence;
  json["exit_status"] = report.exit_status;
  json["findings"] = ListOf(report.findings);
  if (!report.causes.empty()) json["causes"] = ListOf(report.causes);
  if (!report.fixes.empty()) json["fixes"] = ListOf(report.fixes);
  json["not_judged"] = ListOf(report.not_judged);
  json["unfaithful"] = ListOf(report.unfaithful);
  json["patterns"] = ListOf(report.patterns);
  json["ignore_rules"] = ListOf(report.ignore_rules);
  json["notes"] = report.notes;
  json["tested"] = Of(report.tested);
  if (report.budget.budget_us > 0) json["budget"] = Of(report.budget);
  json["captures"] = ListOf(report.captures);
  if (report.migration.ran) json["migration"] = Of(report.migration);
  if (report.during.ran) json["during"] = Of(report.during);
  json["lanes"] = ListOf(report.lanes);
  json["next_steps"] = ListOf(report.next_steps);
  return json.dump(2, ' ', false, ordered_json::error_handler_t::replace) + "\n";
}

}  // namespace scry::report
