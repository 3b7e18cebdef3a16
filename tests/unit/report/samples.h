// Reports for the tests of report: one of each verdict, and the file comparison.
#pragma once

#include <algorithm>
#include <cstdlib>
#include <fstream>
#include <iterator>
#include <string>

#include "report/report.h"

namespace scry::report {

// SCRY_REGENERATE_GOLDEN=1 writes the files anew; the change is then seen in version control.
inline std::string Golden(const std::string& name, const std::string& actual) {
  const std::string path = std::string(SCRY_GOLDEN_DIR) + "/report/" + name;
  if (std::getenv("SCRY_REGENERATE_GOLDEN") != nullptr) {
    std::ofstream(path, std::ios::binary) << actual;
  }
  std::ifstream in(path, std::ios::binary);
  return {std::istreambuf_iterator<char>(in), std::istreambuf_iterator<char>()};
}

inline Report Basics() {
  Report report;
  report.tool_version = "0.1.0";
  report.created_us = 1'795'180'625'123'456;
  report.shadow = "prod-db/ci-main";
  report.captures = {{"captures/prod-db", 12, 4812, 1'795'094'225'000'000, 600'000'000, 1, 3}};
  report.migration.ran = true;
  report.migration.command = "alembic upgrade head";
  report.migration.duration_us = 1'920'000;
  report.lanes = {{"baseline", "fork of prod-db/ci-main", "15.7", 412'000, 3'100'000},
                  {"candidate", "fork of prod-db/ci-main", "15.7", 398'000, 9'700'000}};
  report.tested.sessions = 12;
  report.tested.sessions_excluded = 1;
  report.tested.statements = 4790;
  report.tested.compared = 4788;
  report.tested.patterns = 41;
  report.tested.unchanged = 34;
  report.tested.classes = {{"broken", 1}, {"slower", 2}, {"unchanged", 34}, {"cannot-evaluate", 4}};
  report.tested.self_test_patterns = 37;
  report.tested.confirm_asked = 3;
  report.tested.confirm_ran = 2;
  report.tested.confirmed = 2;
  report.patterns = {
      {"0000000000000021",
       "SELECT * FROM orders WHERE customer_id = $1",
       "slower",
       "the 3 % of calls that return 1,000 rows or more: 31 ms before, 92 ms after (2.97x)",
       "slower-0000000000000021",
       900,
       899,
       0.31,
       812,
       815,
       1.13,
       5,
       {12, 0, 0, 1},
       {37, 0, 0, 1},
       {{"baseline", {{36, 40}, {38, 700}, {40, 150}, {50, 9}}},
        {"candidate", {{38, 60}, {40, 400}, {46, 410}, {60, 29}}},
        {"control", {{36, 41}, {38, 699}, {40, 159}}}}},
      {"0000000000000022",
       "SELECT * FROM carts WHERE id = $1",
       "unchanged",
       "",
       "",
       700,
       699,
       0.2,
       1204,
       1199,
       1.17,
       0,
       {},
       {},
       {}},
      {"0000000000000023",
       "UPDATE carts SET seen = $1 WHERE id = $2",
       "unchanged",
       "too few calls to judge speed; results are equal and its work did not rise",
       "",
       3,
       3,
       0.01,
       512,
       0,
       0,
       2,
       {4, 0, 120, 1},
       {4, 0, 118.5, 1},
       {}}};
  report.tested.fidelity = 0.9962;
  report.tested.fidelity_floor = 0.95;
  report.tested.fidelity_lost = {3, 10, 5};
  report.unfaithful = {{"0000000000000007", "SELECT * FROM orders WHERE id = $1", 400, {0, 10, 5}},
                       {"0000000000000008", "INSERT INTO orders (id) VALUES ($1)", 90, {3, 0, 0}}};
  report.tested.work_patterns = 38;
  report.tested.work_samples = 212;
  report.tested.first_patterns = 9;
  report.tested.duration_us = 14'200'000;
  return report;
}

inline Finding FindingOf(const std::string& type, const std::string& pattern) {
  Finding finding;
  finding.type = type;
  finding.fingerprint = "00c0ffee00c0ffee";
  finding.id = type + "-" + finding.fingerprint;
  finding.pattern = pattern;
  finding.calls = 312;
  finding.affected = 312;
  finding.gates = type == "broken" || type == "different" || type == "slower" ||
                  type == "new-slow" || type == "more-work";
  return finding;
}

inline Finding Timed(Finding finding, double before_us, double after_us, double share) {
  finding.has_latency = true;
  finding.before = {before_us, before_us * 1.5, before_us * 2};
  finding.after = {after_us, after_us * 1.2, after_us * 1.6};
  finding.factor = after_us / before_us;
  finding.share = share;
  finding.p = 0.0001;
  return finding;
}

// What the migration of Regressions() did.
inline void Migrated(MigrationFacts& migration) {
  MigrationStatement alter;
  alter.text = "ALTER TABLE orders ALTER COLUMN total_cents TYPE bigint";
  alter.started_us = 410'000;
  alter.duration_us = 640'000;
  alter.wal_bytes = 48'200'000;
  alter.disk_bytes = 21'000'000;
  alter.temp_bytes = 1'200'000;
  alter.locks = {{"orders", "AccessExclusive", 1'210'000, false},
                 {"customers", "ShareRowExclusive", 1'210'000, true}};
  alter.rewrote = {"orders"};
  alter.estimate = MigrationEstimate{10, "linear", 6'400'000, 0, 482'000'000};
  alter.held_us_estimated = 12'100'000;
  MigrationStatement update;
  update.text = "UPDATE orders SET channel = $1 WHERE id BETWEEN $2 AND $3";
  update.started_us = 1'050'000;
  update.duration_us = 570'000;
  update.calls = 25;
  update.rows = 25'000;
  update.wal_bytes = 9'100'000;
  update.disk_bytes = 0;
  update.temp_bytes = 0;
  update.estimate = MigrationEstimate{10, "linear", 5'700'000, 250'000, 91'000'000};
  MigrationStatement drop;
  drop.text = "DROP TABLE invoices_old CASCADE";
  drop.started_us = 1'630'000;
  drop.duration_us = 4'000;
  drop.sqlstate = "55P03";
  drop.locks = {{"invoices_old", "AccessExclusive", 4'000, false}};
  drop.dropped = {"view public.open_invoices"};
  migration.statements = {alter, update, drop};
  migration.statements_more = 2;
  migration.wal_bytes = 57'400'000;
  migration.temp_bytes = 1'200'000;
  migration.disk_bytes = 21'000'000;
  migration.rewritten = {{"orders", 52'000'000, 54'000'000, 540'000'000}};
  migration.rows_written = {{"orders", 25'000}};
  migration.statistics_lost = {"orders.total_cents"};
  migration.visibility_lost = {"orders"};
  migration.indexes_invalid = {"orders_channel"};
  migration.grants_lost = {"SELECT on invoices to app"};
  migration.duration_us_estimated = 12'500'000;
  migration.estimate_basis =
      "an estimate for production, from what was measured on this smaller shadow (90.0 MB of 900.0 "
      "MB): linear in the bytes of the table";
}

inline DuringFacts Blocked() {
  DuringFacts during;
  during.ran = true;
  during.sessions = 12;
  during.statements = 4'011;
  during.duration_us = 20'100'000;
  during.rounds = 2;
  during.migration_at_us = 8'300'000;
  during.migration_us = 4'900'000;
  during.span_us = 5'200'000;
  during.transaction_us_max = 3'900'000;
  during.blocker_us = 1'000'000;
  during.blocker_supposed = true;
  during.blocked = 412;
  during.failed = 1;
  during.wait_us_max = 3'480'000;
  during.stall_us = 611'000'000;
  during.drain_us = 220'000;
  during.piled_up = 11;
  BlockingStatement alter;
  alter.text = "ALTER TABLE orders ALTER COLUMN total_cents TYPE bigint";
  alter.mode = "AccessExclusive";
  alter.relation = "orders";
  alter.waited_us = 3'300'000;
  alter.blocked = 412;
  alter.failed = 1;
  alter.wait_us_max = 3'480'000;
  alter.stall_us = 611'000'000;
  alter.patterns = {
      {"00c0ffee00c0ffee", "SELECT * FROM orders WHERE id = $1", 412, 1, 3'480'000, 611'000'000}};
  during.statements_blocking = {alter};
  during.deadlocks = {{"UPDATE stock SET n = n - $1", {"migration"}}};
  MigrationStatement ran;
  ran.text = alter.text;
  ran.started_us = 300'000;
  ran.duration_us = 4'100'000;
  ran.locks = {{"orders", "AccessExclusive", 4'200'000, false}};
  during.migration_statements = {ran};
  during.waiting = {{350'000, 1}, {900'000, 4}, {2'000'000, 11}, {4'600'000, 2}, {4'700'000, 0}};
  during.step_us = 1'000'000;
  during.timeline.resize(21);
  const WaitStep steps[] = {{38, 700'000},    {81, 1'400'000},  {122, 2'100'000},
                            {158, 2'800'000}, {203, 3'480'000}, {12, 3'480'000}};
  std::copy(std::begin(steps), std::end(steps), during.timeline.begin() + 8);
  during.lock_timeout_us = 200'000;
  during.attempts = 3;
  during.attempts_max = 5;
  during.succeeded = true;
  during.chance_once = 0.62;
  during.chance = 0.998;
  return during;
}

inline Report Regressions() {
  Report report = Basics();
  Migrated(report.migration);
  report.during = Blocked();
  report.verdict = "regressions";
  report.sentence =
      "1 query breaks, 1 returns something else, 1 is slower, 1 is new and slow, 1 has more work "
      "to do";
  report.exit_status = 5;
  Finding broken = FindingOf("broken", "SELECT id, email, legacy_name FROM users WHERE id = $1");
  broken.reasons = {"fails in 312 of 312 calls: 42703 column \"legacy_name\" does not exist"};
  broken.difference = "error";
  broken.sqlstate = "42703";
  broken.message = "column \"legacy_name\" does not exist";
  Finding different = FindingOf("different",
                                "SELECT o.* FROM orders o JOIN customers c ON c.id = o.customer_id "
                                "WHERE c.region = $1 AND o.status = ANY($2) ORDER BY o.created_at");
  different.reasons = {"18 rows returned instead of 20, in 31 of 40 calls"};
  different.difference = "rows";
  different.calls = 40;
  different.affected = 31;
  different.rows_before = 20;
  different.rows_after = 18;
  different.rows.key = {"id"};
  different.rows.columns = {{"total_cents", "bigint", 3}, {"note", "text", 1}};
  different.rows.rows_before = 20;
  different.rows.rows_after = 18;
  different.rows.changed = 3;
  different.rows.gone = 2;
  different.rows.rows = {
      {"changed", 3, 3, {}, {{"total_cents", false, false, "", "", 0}}},
      {"changed",
       4,
       5,
       {},
       {{"total_cents", false, false, "", "", 0}, {"note", true, false, "", "", 1}}},
      {"gone", 7, 0, {}, {}}};
  Finding slower = Timed(FindingOf("slower",
                                   "SELECT * FROM orders WHERE customer_id = $1 AND "
                                   "status = $2 ORDER BY created_at DESC LIMIT $3"),
                         412, 38'200, 0.314);
  slower.calls = 1204;
  slower.factor_low = 80.1;
  slower.factor_high = 101.4;
  slower.confirmed = true;
  slower.again_pairs = 600;
  slower.plan.sentence = "Seq Scan on orders reads 25,000 rows to keep 12 (36.9 ms)";
  slower.plan.baseline = {
      "Index Scan using orders_customer on orders  12 rows, 0.310 ms  "
      "(customer_id = $1)"};
  slower.plan.candidate = {
      "Seq Scan on orders  12 rows, 36.9 ms, 24,988 removed  (customer_id = $1)"};
  slower.plan.baseline_costliest = slower.plan.candidate_costliest = 0;
  Finding small = Timed(FindingOf("slower", "UPDATE carts SET touched_at = now() WHERE id = $1"),
                        800, 1'240, 0.004);
  small.gates = false;
  small.reasons = {"does not gate: 0.40 % of the time, under the share of 1 %"};
  Finding fresh_slow =
      Timed(FindingOf("new-slow", "SELECT id FROM orders WHERE channel = $1"), 900, 31'000, 0.05);
  fresh_slow.reasons = {"takes 34.4 times as long as when it was captured",
                        "cannot run before the change: 42703 column \"channel\" does not exist"};
  slower.reasons = {"reads 4,812 blocks instead of 12 (401x)", "has another plan"};
  slower.has_work = true;
  slower.work_before = {12, 0, 0, 12};
  slower.work_after = {4812, 0, 0, 12};
  slower.work_samples = slower.work_risen = slower.work_other_plan = 8;
  Finding work = FindingOf("more-work", "SELECT day, sum(total) FROM orders GROUP BY day");
  work.reasons = {"spills 1.05 MB to disk instead of nothing"};
  work.calls = 4;
  work.affected = 2;
  work.has_work = true;
  work.work_before = {900, 0, 0, 365};
  work.work_after = {901, 128, 0, 365};
  work.work_samples = 3;
  work.work_risen = 2;
  work.moment = "both";
  Finding transient = Timed(FindingOf("transient", "SELECT count(*) FROM orders WHERE status = $1"),
                            610, 9'400, 0.03);
  transient.moment = "first";
  transient.reasons = {"reads 1,204 blocks instead of 31 (39x)",
                       "only until VACUUM (ANALYZE) public.orders, after which it is as before: "
                       "ship the migration with it"};
  transient.has_work = true;
  transient.work_before = {31, 0, 0, 1};
  transient.work_after = {1204, 0, 0, 1};
  transient.work_samples = transient.work_risen = 8;
  Finding warning = FindingOf("warning", "SELECT total FROM invoices WHERE id = $1");
  warning.reasons = {"column total has another type, in 312 of 312 calls"};
  warning.difference = "columns changed";
  Finding faster =
      Timed(FindingOf("faster", "SELECT count(*) FROM events WHERE day = $1"), 5'000, 700, 0.02);
  report.findings = {broken,    different, slower,  fresh_slow, work,
                     transient, small,     warning, faster};
  report.not_judged = {
      {"0000000000000001", "SELECT * FROM nightly_totals WHERE day = $1",
       "too few calls to judge speed: 3 of 15; 5.10 ms before, 20.0 s after", 3, 3, 0.08},
      {"0000000000000002", "VACUUM audit",
       "fails with 42501 on both lanes, though it ran when "
       "captured",
       2, 0, 0.001}};
  report.notes = {"SELECT * FROM users WHERE id = $1 also returns column created_by",
                  "31 statements not weighed: a clock, a sequence or a random number makes values "
                  "differ"};
  report.next_steps = {{"see both plans of every slower query",
                        "scry report show --plans reports/ci-main/report.json"},
                       {"look around in the candidate", "scry shadow url prod-db/ci-main"}};
  return report;
}

// As Regressions, with causes and a fix.
inline Report Explained() {
  Report report = Regressions();
  const auto id = [&](size_t i) { return report.findings[i].id; };
  report.causes = {{"column users.legacy_name",
                    "column dropped",
                    "column users.legacy_name was dropped",
                    "ALTER TABLE users DROP COLUMN legacy_name",
                    {id(0)},
                    {}},
                   {"index orders_customer",
                    "index dropped",
                    "Seq Scan on orders reads 25,000 rows to keep 12 because index orders_customer "
                    "(customer_id) "
                    "was dropped",
                    "DROP INDEX orders_customer",
                    {id(2), id(3), id(4), id(5)},
                    3},
                   {"",
                    "differs",
                    "no rule names the cause; what differs: table orders changed (options)",
                    "",
                    {id(1)},
                    {}}};
  MigrationStatement drop;
  drop.text = "DROP INDEX orders_customer";
  drop.fingerprint = "00000000000000d1";
  drop.file = "db/migrate/007_drop index.sql";
  drop.line = 12;
  drop.started_us = 1'640'000;
  drop.duration_us = 3'000;
  report.migration.statements.push_back(drop);
  Fix fix;
  fix.kind = "index kept";
  fix.sql = {
      "CREATE INDEX CONCURRENTLY orders_customer ON public.orders USING btree (customer_id);"};
  fix.sentence = "brings it back to the baseline: no more work with 4 sets of parameters";
  fix.findings = {id(2)};
  fix.us_before = 412;
  fix.us_after = 38'200;
  fix.us_fixed = 409;
  fix.blocks_before = fix.blocks_fixed = 12;
  fix.blocks_after = 4812;
  fix.size_bytes = 1'200'000;
  fix.build_us = 151'000;
  fix.writes = {{"0000000000000009",
                 "INSERT INTO orders (customer_id) VALUES ($1)",
                 210,
                 230,
                 {13, 0, 343, 0},
                 {15, 0, 423, 0}}};
  fix.latencies = {{"fixed", {{35, 320}, {36, 180}}}};
  fix.advice = {"CONCURRENTLY does not run inside a transaction"};
  Fix vacuum;
  vacuum.kind = "vacuum";
  vacuum.sql = {"VACUUM (ANALYZE) public.orders;"};
  vacuum.sentence = "run right after the migration it ends what else lasts until autovacuum";
  vacuum.findings = {id(5)};
  vacuum.blocks_before = vacuum.blocks_fixed = 31;
  vacuum.blocks_after = 1204;
  vacuum.advice = fix.advice;  // Told once.
  Fix split;
  split.kind = "split migration";
  split.sql = {"CREATE INDEX CONCURRENTLY orders_total ON orders (total);", "BEGIN;",
               "DO $$ BEGIN\n  NULL;  -- Two  blanks.\nEND $$;", "COMMIT;"};
  split.sentence =
      "in place of the migration's own: ends in the same schema, and keeps to the policy while the "
      "same traffic runs";
  split.findings = {id(1)};
  split.waits = {812'000, 3'000, 41, 0, 800'000, 1'900'000};
  report.fixes = {fix, vacuum, split};
  return report;
}

inline Report Safe() {
  Report report = Basics();
  report.verdict = "safe";
  report.sentence =
      "4,788 statements of 41 patterns compared: none breaks, returns something else or is slower";
  report.tested.unchanged = 41;
  report.tested.classes = {{"unchanged", 41}};
  report.tested.confirm_asked = report.tested.confirm_ran = report.tested.confirmed = 0;
  report.tested.sessions_excluded = 0;
  report.captures[0].gaps = 0;
  return report;
}

// As Regressions, for a user who asked for values.
inline Report RegressionsWithValues() {
  Report report = Regressions();
  for (Finding& finding : report.findings) {
    if (finding.rows.rows.empty()) continue;
    finding.example = "SELECT o.* FROM orders o JOIN customers c ON c.id = o.customer_id";
    finding.rows.values = true;
    auto& rows = finding.rows.rows;
    for (size_t i = 0; i < rows.size(); ++i) rows[i].key = {std::to_string(1004 + i)};
    rows[0].cells[0].before = "1250";
    rows[0].cells[0].after = "12.50";
    rows[1].cells[0].before = "99";
    rows[1].cells[0].after = "0.99";
    rows[1].cells[1].before = "NULL";
    rows[1].cells[1].after = "a note that is far longer than the column of a table may be";
  }
  return report;
}

inline Report Unfaithfully() {
  Report report = Safe();
  report.verdict = "inconclusive";
  report.sentence =
      "the baseline did what production did for 81.2 % of the statements and 95 % are required: "
      "900 "
      "another SQLSTATE; most in SELECT * FROM orders WHERE id = $1 (900 of 1,000 calls)";
  report.exit_status = 6;
  report.tested.fidelity = 0.8121;
  report.tested.fidelity_lost = {900, 0, 0};
  report.unfaithful = {};
  for (uint64_t i = 0; i < 7; ++i) {
    report.unfaithful.push_back({"000000000000000" + std::to_string(i),
                                 "SELECT * FROM orders WHERE id = $" + std::to_string(i + 1),
                                 1000,
                                 {900 - 100 * i, 0, i}});
  }
  return report;
}

inline Report MigrationFailed() {
  Report report = Basics();
  report.migration.exit_status = 1;
  report.migration.output = {"INFO  Running upgrade 3f2a -> 9b1c",
                             "psycopg2.errors.UndefinedTable: relation \"ordes\" does not exist"};
  report.tested = {};
  report.unfaithful = {};
  report.exit_status = 7;
  FillMigrationFailed(report);
  return report;
}

// Safe by rules of the policy, within a time budget.
inline Report Ignored() {
  Report report = Basics();
  report.verdict = "safe";
  report.sentence =
      "4,788 statements of 41 patterns compared: nothing that gates; 2 findings are ignored by "
      "rules";
  Finding slower = Timed(FindingOf("ignored", "SELECT * FROM audit WHERE day = $1"), 400, 900, 0.2);
  slower.id = "slower-00c0ffee00c0ffee";
  slower.gates = false;
  slower.ignored_type = "slower";
  slower.ignored_by = "scry.yaml:12";
  Finding broken = FindingOf("ignored", "SELECT legacy_name FROM users WHERE id = $1");
  broken.id = "broken-00c0ffee00c0ffee";
  broken.gates = false;
  broken.reasons = {"fails in 312 of 312 calls: 42703 column \"legacy_name\" does not exist"};
  broken.ignored_type = "broken";
  broken.ignored_by = "scry.yaml:15";
  report.findings = {slower, broken};
  report.ignore_rules = {
      {"latency", "select * from audit%", "nightly only", "2027-01-31", "scry.yaml:12", false, 1,
       0},
      {"broken-00c0ffee00c0ffee", "", "the page goes with this release, and nobody will miss it",
       "", "scry.yaml:15", false, 1, 0},
      {"", "truncate%", "test data", "2027-06-30", "scry.yaml:17", false, 0, 0},
      {"more-work-00c0ffee00c0ffee", "", "until the index is there", "2026-01-31", "scry.yaml:19",
       true, 2, 1},
      {"result", "select now()%", "a clock", "2026-01-31", "scry.yaml:21", true, 0, 0}};
  report.budget.budget_us = 600'000'000;
  report.budget.estimated_us = 588'000'000;
  report.budget.cut_us = 1'800'000'000;
  report.budget.seed = 1;
  report.budget.sessions = 412;
  report.budget.sessions_all = 9120;
  report.budget.writers_left_out = 4000;
  report.budget.statements = 4812;
  report.budget.statements_all = 120'000;
  report.budget.patterns = 41;
  report.budget.patterns_all = 42;
  report.budget.time_us = 196'000'000;
  report.budget.time_all_us = 2'400'000'000;
  report.budget.fidelity_skipped = 310;
  report.budget.thin = {
      {"00c0ffee00c0ffee", "SELECT * FROM nightly_totals WHERE day = $1", 0, 40, 30},
      {"00c0ffee00c0ffed", "SELECT * FROM reports WHERE owner = $1", 12, 300, 200}};
  report.budget.rare = 3;
  return report;
}

}  // namespace scry::report
