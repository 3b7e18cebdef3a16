"""What a migration does to traffic while it runs is found, counted and put down to the statement of
the migration that did it; the safe forms pass.
"""

import os
import signal
import subprocess
import threading
import time

import gate_support
import scry_e2e

SHOP = """
create role app login;
create table orders (id int primary key, customer int not null, total int not null);
insert into orders select i, 1 + i % 500, i % 100 from generate_series(1, 5000) i;
create table customers (id int primary key, visits int not null default 0);
insert into customers select i, 0 from generate_series(1, 500) i;
create materialized view spent as select customer, sum(total) as total from orders group by customer;
create view "Big ones" as select * from orders where total > 90;
create function vat(total int) returns int language sql as 'select total / 5';
grant select, insert, update, delete on orders, customers to app;
"""

# Sixteen sessions, each 50 times a second: reads, and now and then a write.
SHOPPING = """
\\set id random(1, 5000)
\\sleep 20 ms
select total from orders where id = :id;
\\sleep 20 ms
select total from orders where id = :id;
\\sleep 20 ms
update orders set total = total where id = :id;
"""

# Both tables in one transaction, always in the same order.
VISITS = """
\\set id random(1, 500)
begin;
update orders set total = total where id = :id;
\\sleep 10 ms
update customers set visits = visits where id = :id;
commit;
"""

LONG = "begin; select count(*) from orders; select pg_sleep(1.5); commit;"
# Its client leaves without a word.
LEFT_OPEN = "begin; select count(*) from orders;\n\\! sleep 1.5\n"


class DuringTest(gate_support.GateTest):
    def prepare(self):
        self.server.sql(SHOP)
        self.server.sql("vacuum analyze")
        self.config_of()
        self.create_shadow()
        type(self).plain = self.capture_load("plain", SHOPPING)
        type(self).long = self.capture_load("long", SHOPPING, LONG)
        type(self).visits = self.capture_load("visits", VISITS)

    def patient(self):
        """Flags for what stops all sixteen at once, if for a moment: that alone is more than ten by the default, where
        the machine is busy. How long anybody waits is judged as ever."""
        with open(self.workspace + "/scry.yaml", encoding="utf-8") as file:
            text = file.read()
        return "--config", self.config(text + "policy:\n  lock: { max_blocked: 100 }\n", "patient.yaml")

    def capture_load(self, name, script, long_transaction=""):
        path = self.sql_file(name + ".pgbench", script)

        def play(url):
            def report():
                time.sleep(0.8)
                self.must(self.psql(url, long_transaction, "-q"))
            other = threading.Thread(target=report)
            if long_transaction:
                other.start()
            subprocess.run([scry_e2e.program("pgbench"), "-n", "-c", "16", "-T", "4", "-f", path, url],
                           check=True, capture_output=True, env=scry_e2e.clean_environment())
            if long_transaction:
                other.join()
        return self.capture(self.path(name), play, user="app")

    def during(self, sql, traffic, code=None, flags=(), stop=("-v", "ON_ERROR_STOP=1")):
        # What is judged here is the act alone: fixes have tests of their own.
        path = self.sql_file("migration.sql", sql)
        _, report = self.migrate("psql", "-Xq", *stop, "-f", path, capture=traffic, code=code,
                                 flags=("--no-fix", *flags))
        self.assert_adds_up(report)
        return report

    def assert_adds_up(self, report):
        during = report.get("during")
        if during is None:
            return
        for name in ("blocked", "failed", "stall_us"):
            counted = sum(one[name] for one in during["blocking"])
            # A query that waited for two statements is one query.
            (self.assertEqual if name == "stall_us" else self.assertGreaterEqual)(counted, during[name], name)
            for one in during["blocking"]:
                if len(one["patterns"]) < 20:
                    self.assertEqual(sum(pattern[name] for pattern in one["patterns"]), one[name])
        self.assertEqual(max([one["wait_us_max"] for one in during["blocking"]], default=0),
                         during["wait_us_max"])

    def blocked(self, report, gates=True):
        return self.findings(report, "blocked", gates=gates)

    def test_an_instant_alter_behind_a_long_transaction_blocks(self):
        report = self.during("select 1;\nalter table orders add column vip bool;\nselect 2;\n",
                             self.long, code=5)
        [finding] = self.blocked(report)
        self.assertIn("orders add", finding["pattern"].lower())
        during = report["during"]
        self.assertEqual(during["blocker_us"], 0, "the capture has its own")
        self.assertGreaterEqual(during["transaction_us_max"], 1500000)
        [blocking] = during["blocking"]
        self.assertEqual((blocking["mode"], blocking["relation"]), ("AccessExclusive", "orders"))
        self.assertGreater(blocking["waited_us"], 0)
        self.assertGreater(blocking["wait_us_max"], 0)
        # Each of the sessions ran into it.
        self.assertGreaterEqual(during["blocked"], 12)
        self.assertGreaterEqual(during["piled_up"], 12)
        # Which statement of the traffic a session had reached is chance.
        self.assertLessEqual({one["pattern"].split()[0].lower() for one in blocking["patterns"]},
                             {"select", "update"})
        self.assertGreater(during["migration_us"], report["migration"]["duration_us"])
        self.assertIn("block", report["sentence"])

    def test_a_command_that_starts_at_another_pace_still_meets_the_transaction(self):
        ran = self.path("it-ran")
        alter = self.sql_file("alter.sql", "alter table orders add column vip bool;\n")
        # The first run, without traffic, takes its time: by that, the second comes too early.
        script = (f"test -e {ran} || {{ touch {ran}; sleep 2; }}; "
                  f"exec {scry_e2e.program('psql')} -Xq -v ON_ERROR_STOP=1 -f {alter}")
        _, report = self.migrate("sh", "-c", script, capture=self.long, code=5)
        self.assert_adds_up(report)
        self.assertEqual(len(self.blocked(report)), 1)
        self.assertGreater(report["during"]["blocking"][0]["waited_us"], 0)
        self.assertTrue(any("before the transaction of" in note and "second run" in note
                            for note in report["notes"]), report["notes"])

    def test_a_transaction_lasts_until_its_client_leaves(self):
        traffic = self.capture_load("left", SHOPPING, LEFT_OPEN)
        # So slow that only a part of the capture is played.
        report = self.during("alter table orders add column vip bool;\n", traffic, code=5,
                             flags=("--during-speed", "0.15"))
        during = report["during"]
        self.assertEqual(during["blocker_us"], 0, "the capture has its own")
        [blocking] = during["blocking"]
        self.assertGreater(blocking["waited_us"], 1500000)

    def test_the_safe_forms_pass_beside_the_same_transaction(self):
        for sql in ("create index concurrently orders_total on orders (total);\n",
                    "alter table orders add constraint known foreign key (customer) "
                    "references customers not valid;\n"
                    "alter table orders validate constraint known;\n"):
            report = self.during(sql, self.long, code=0,
                                 flags=("--during", "always", "--blocker", "none", *self.patient()))
            # A busy machine may stop anybody for a moment: a queue behind the transaction would last a second.
            self.assertLess(report["during"]["wait_us_max"], 500000, report["during"])
            self.assertEqual(report["during"]["exit_status"], 0)

    def test_a_transaction_that_scry_made_up_does_not_gate_unless_it_was_asked_for(self):
        sql = "alter table orders add column vip bool;\n"
        report = self.during(sql, self.plain, code=0, flags=self.patient())
        self.assertEqual(report["during"]["blocker_us"], 1000000)
        self.assertTrue(report["during"]["blocker_supposed"])
        self.assertGreater(report["during"]["blocked"], 0, "told all the same")
        self.assertEqual(self.blocked(report) + self.blocked(report, gates=False), [])
        report = self.during(sql, self.plain, code=5, flags=("--blocker", "1s"))
        self.assertEqual(len(self.blocked(report)), 1)
        self.assertFalse(report["during"]["blocker_supposed"])
        report = self.during(sql, self.plain, code=0, flags=("--blocker", "none", *self.patient()))
        self.assertLess(report["during"]["wait_us_max"], 500000, report["during"])

    def test_what_a_statement_holds_up_behind_a_made_up_transaction_is_its_own_doing(self):
        # All of the sixteen queue behind the transaction of a second; for the rest they wait for the lock itself.
        report = self.during("begin;\ncreate index orders_total on orders (total);\nselect pg_sleep(0.4);\ncommit;\n",
                             self.plain, code=5)
        during = report["during"]
        self.assertTrue(during["blocker_supposed"])
        self.assertGreater(during["wait_us_max"], 1000000, "told in full")
        [finding] = self.blocked(report)
        self.assertGreater(finding["affected"], 10)
        self.assertIn("that scry added", finding["reasons"][0])

    def test_a_migration_that_gives_up_behind_a_made_up_transaction_runs_once_more_without_it(self):
        careful = "set lock_timeout = '500ms';\nalter table customers add column vip bool;\n"
        report = self.during(careful + "begin;\ncreate index orders_total on orders (total);\n"
                             "select pg_sleep(0.8);\ncommit;\n", self.plain, code=5)
        self.assertEqual((report["during"]["blocker_us"], report["during"]["exit_status"]), (0, 0))
        [finding] = self.blocked(report)
        self.assertIn("orders_total", finding["pattern"])
        self.assertTrue(any("a transaction of 1.00 s" in note for note in report["notes"]), report["notes"])
        # Though psql goes on and ends with 0.
        report = self.during(careful, self.plain, code=0, stop=())
        self.assertEqual(report["during"]["blocker_us"], 0)
        self.assertTrue(any("gave up" in note for note in report["notes"]), report["notes"])
        # A transaction that was asked for, or is the traffic's own, is no supposition.
        report = self.during(careful, self.plain, code=5, flags=("--blocker", "2s"))
        self.assertTrue(any("55P03" in reason for one in self.blocked(report) for reason in one["reasons"]))

    def test_a_transaction_that_was_asked_for_has_read_views(self):
        for sql in ("drop materialized view spent;\n", "alter view \"Big ones\" rename to big;\n"):
            report = self.during(sql, self.plain, code=0, flags=("--blocker", "1s"))
            self.assertEqual(report["during"]["blocker_us"], 1000000)
            [blocking] = report["during"]["blocking"]
            self.assertGreater(blocking["waited_us"], 900000)
        report = self.during("create or replace function vat(total int) returns int language sql as "
                             "'select total / 4';\n", self.plain, code=0,
                             flags=("--blocker", "1s", "--during", "always"))
        self.assertEqual(report["during"]["blocker_us"], 0, "there is nothing that it holds")

    def test_a_lock_kept_through_later_statements_is_put_down_to_the_one_that_took_it(self):
        report = self.during("begin;\ncreate index orders_total on orders (total);\n"
                             "select pg_sleep(0.8);\nselect pg_sleep(0.2);\ncommit;\n",
                             self.plain, code=5, flags=("--blocker", "none"))
        self.assertNotIn("fixes", report)
        [finding] = self.blocked(report)
        self.assertIn("orders_total", finding["pattern"])
        self.assertIn("CONCURRENTLY", finding["advice"][0])
        [blocking] = report["during"]["blocking"]
        self.assertEqual(blocking["mode"], "Share")
        self.assertEqual({one["pattern"].split()[0].lower() for one in blocking["patterns"]}, {"update"},
                         "readers are not stopped")

    def test_rows_that_a_backfill_holds_are_its_doing(self):
        report = self.during("begin;\nupdate orders set customer = customer;\nselect pg_sleep(0.9);\ncommit;\n",
                             self.plain, code=5, flags=("--blocker", "none"))
        [finding] = self.blocked(report)
        self.assertIn("customer = customer", finding["pattern"].lower())

    def test_a_wait_for_a_row_is_put_down_to_the_statement_that_wrote_to_its_table(self):
        report = self.during("begin;\nupdate orders set customer = customer;\nupdate customers set visits = visits;\n"
                             "select pg_sleep(0.9);\ncommit;\n", self.plain, code=5, flags=("--blocker", "none"))
        [finding] = self.blocked(report)
        self.assertIn("update orders", finding["pattern"].lower())

    def test_batches_that_hold_rows_are_one_finding(self):
        batch = "begin;\nupdate orders set customer = customer;\nselect pg_sleep(0.3);\ncommit;\n"
        report = self.during(batch * 3, self.plain, code=5, flags=("--blocker", "none"))
        self.assertGreater(len(report["during"]["blocking"]), 1)
        [finding] = self.blocked(report)
        self.assertIn("customer = customer", finding["pattern"].lower())

    def test_the_opposite_order_of_the_traffic_deadlocks(self):
        report = self.during("begin;\nalter table customers add column a int;\nselect pg_sleep(0.4);\n"
                             "alter table orders add column b int;\ncommit;\n",
                             self.visits, code=5, flags=("--blocker", "none"))
        during = report["during"]
        self.assertGreaterEqual(len(during["deadlocks"]), 1)
        parties = {name for one in during["deadlocks"] for name in [one["victim"], *one["others"]]}
        self.assertIn("migration", parties)
        self.assertTrue(any("customers" in name.lower() for name in parties), parties)

    def test_a_rehearsal_tries_again_until_the_lock_is_had(self):
        report = self.during("alter table orders add column vip bool;\n", self.plain,
                             flags=("--blocker", "1500ms", "--lock-timeout", "100ms", "--retries", "20"))
        rehearsal = report["during"]["rehearsal"]
        self.assertTrue(rehearsal["succeeded"], rehearsal)
        self.assertGreater(rehearsal["attempts"], 1)
        # A pause follows each of the attempts but the last.
        self.assertGreater(report["during"]["span_us"] - report["during"]["migration_us"],
                           500000 * (rehearsal["attempts"] - 1))
        self.assertEqual(rehearsal["attempts_max"], 21)
        self.assertEqual(rehearsal["chance"], 1, "no transaction of the traffic is long")
        self.assertLess(report["during"]["wait_us_max"], 1500000, "less than the transaction lasts")
        report = self.during("alter table orders add column vip bool;\n", self.plain, code=5,
                             flags=("--blocker", "2s", "--lock-timeout", "50ms", "--retries", "1"))
        self.assertEqual((report["during"]["rehearsal"]["succeeded"],
                          report["during"]["rehearsal"]["attempts"]), (False, 2))
        self.assertTrue(any("55P03" in reason for one in self.blocked(report) for reason in one["reasons"]))

    def test_a_rehearsal_tries_again_after_a_deadlock_that_its_lock_timeout_would_prevent(self):
        # Each attempt meets the whole queue of the traffic in the other order; production would look after a second.
        report = self.during("begin;\nalter table customers add column a int;\nselect pg_sleep(0.4);\n"
                             "alter table orders add column b int;\ncommit;\n", self.visits, code=5,
                             flags=("--blocker", "none", "--lock-timeout", "300ms", "--retries", "2"))
        during = report["during"]
        self.assertGreaterEqual(len(during["deadlocks"]), 1)
        self.assertEqual((during["rehearsal"]["succeeded"], during["rehearsal"]["attempts"]), (False, 3))
        self.assertTrue(any("looks for them after 1.00 s" in note for note in report["notes"]), report["notes"])

    def test_a_migration_longer_than_the_traffic_is_under_load_to_its_end(self):
        report = self.during("alter table orders add column vip bool;\nselect pg_sleep(7);\nbegin;\n"
                             "create index orders_total on orders (total);\nselect pg_sleep(0.9);\ncommit;\n",
                             self.plain, code=5, flags=("--blocker", "none"))
        during = report["during"]
        self.assertGreater(during["rounds"], 1)
        self.assertEqual(during["unloaded_us"], 0)
        self.assertTrue(any("orders_total" in one["pattern"] for one in self.blocked(report)), report["findings"])
        self.assertTrue(any("took longer than" in note for note in report["notes"]), report["notes"])

    def test_what_comes_before_the_first_strong_lock_is_under_load_too(self):
        # Rows it writes are none, its lock stops nobody: only the statement behind it does.
        report = self.during("create index concurrently orders_total on orders (total);\nselect pg_sleep(6);\n"
                             "alter table orders add column vip bool;\n", self.long, code=5)
        during = report["during"]
        self.assertGreater(during["migration_at_us"], 0)
        self.assertGreater(during["rounds"], 1)
        [finding] = self.blocked(report)
        self.assertIn("add", finding["pattern"].lower())

    def test_a_fix_is_a_part_of_the_migration_under_load(self):
        fix = self.sql_file("fix.sql", "begin;\ncreate index orders_total on orders (total);\n"
                            "select pg_sleep(0.8);\ncommit;\n")
        report = self.during("alter table orders add column vip bool;\n", self.plain, code=5,
                             flags=("--blocker", "none", "--fix", fix))
        self.assertTrue(any("orders_total" in one["pattern"] for one in self.blocked(report)), report["findings"])
        self.assertGreater(report["during"]["span_us"], report["during"]["migration_us"] + 800000)
        texts = [one["text"] for one in report["during"]["migration_statements"]]
        self.assertTrue(any("orders_total" in text for text in texts), texts)

    def test_a_migration_that_fails_under_load_alone_never_passes(self):
        # It sees the traffic and gives up, without a statement of its own that fails.
        crowded = ("sh", "-c", "psql -Xqc 'alter table orders add column vip bool' && "
                   "test $(psql -XAtc \"select count(*) from pg_stat_activity where usename = 'app'\") = 0")
        _, report = self.migrate(*crowded, capture=self.plain, code=5, flags=("--blocker", "none"))
        self.assertEqual(report["during"]["exit_status"], 1)
        self.assertTrue(any("exit status 1" in reason for one in self.blocked(report) for reason in one["reasons"]))

    def test_a_statement_that_fails_under_load_is_told_though_psql_goes_on(self):
        report = self.during("set lock_timeout = '100ms';\nalter table orders add column vip bool;\n"
                             "create table afterwards (id int);\n", self.long, code=5, stop=())
        self.assertEqual(report["during"]["exit_status"], 0)
        [finding] = self.blocked(report)
        self.assertTrue(any("55P03" in reason for reason in finding["reasons"]), finding)

    def test_lock_timeout_is_the_migrations_alone(self):
        # The traffic waits for rows that the migration holds far longer than the migration may wait.
        report = self.during("do $$ begin if exists (select 1 from pg_db_role_setting where "
                             "setconfig::text like '%lock_timeout%') then raise 'of the role'; end if; end $$;\n"
                             "begin;\nupdate orders set customer = customer;\nselect pg_sleep(0.9);\ncommit;\n",
                             self.plain, code=5, flags=("--blocker", "none", "--lock-timeout", "400ms"))
        self.assertEqual(report["during"]["failed"], 0, report["during"])
        self.assertGreater(report["during"]["wait_us_max"], 500000)

    def test_a_migration_that_cannot_be_repeated_is_told_so(self):
        report = self.during("alter table customers add column a int;\nalter table orders add column b int;\n",
                             self.long, code=5, flags=("--lock-timeout", "100ms", "--retries", "3"))
        self.assertEqual(report["during"]["rehearsal"]["attempts"], 2)
        # One and a half of some four seconds are taken by a transaction on orders.
        self.assertGreater(report["during"]["rehearsal"]["chance_once"], 0.4)
        self.assertLess(report["during"]["rehearsal"]["chance_once"], 0.8)
        reasons = [reason for one in self.blocked(report) for reason in one["reasons"]]
        self.assertTrue(any("42701" in reason and "cannot be repeated" in reason for reason in reasons), reasons)
        self.assertFalse(report["during"]["rehearsal"]["succeeded"])

    def test_a_long_statement_elsewhere_is_no_transaction_on_its_tables(self):
        report = self.during("alter table customers add column vip bool;\n", self.long, code=0)
        self.assertLess(report["during"]["transaction_us_max"], 500000)
        self.assertEqual(report["during"]["blocker_us"], 1000000)

    def test_locks_are_seen_under_session_replication_role(self):
        report = self.during("set session_replication_role = replica;\nalter table orders add column vip bool;\n",
                             self.plain, code=0, flags=("--during", "never"))
        locks = [lock for one in report["migration"]["statements"] for lock in one["locks"]]
        self.assertIn(("AccessExclusive", "orders"), [(one["mode"], one["relation"]) for one in locks])

    def test_dropped_indexes_of_plain_tables_are_told_how_to_drop_them_concurrently(self):
        report = self.during("create index one on orders (total);\ncreate index two on customers (visits);\n"
                             "begin;\ndrop index one, two;\nselect pg_sleep(0.8);\ncommit;\n",
                             self.plain, code=5, flags=("--blocker", "none"))
        [finding] = [one for one in self.blocked(report) if "drop index" in one["pattern"].lower()]
        self.assertFalse(any("partitioned" in one for one in finding["advice"]), finding["advice"])

    def test_an_interrupt_ends_the_wait_before_the_traffic(self):
        # The command needs longer to start than the traffic has before its moment: it goes first.
        mark = self.path("mark")
        process = self.start_scry("ci", "test-migration", "db/main", "--capture", self.long, "--", "sh", "-c",
                                  f"echo x >> {mark}; sleep 15; exec psql -Xqc 'alter table orders add vip bool'")
        runs = lambda: os.path.exists(mark) and os.path.getsize(mark) // 2
        scry_e2e.wait_until(lambda: runs() == 2 or process.poll() is not None, "the run beside traffic")
        time.sleep(0.5)
        began = time.monotonic()
        os.killpg(process.pid, signal.SIGINT)
        self.must(self.finish(process), 130)
        self.assertLess(time.monotonic() - began, 12)
        self.assert_no_runs()

    def test_it_runs_where_the_migration_may_stop_others(self):
        self.assertNotIn("during", self.during("create table fresh (id int);\n", self.plain, code=0))
        self.assertNotIn("during", self.during("alter table orders add column vip bool;\n", self.plain,
                                               code=0, flags=("--during", "never")))

    def test_wrong_usage_is_refused(self):
        for flags in (("--during", "maybe"), ("--during-speed", "max"), ("--retries", "3"),
                      ("--blocker", "long")):
            done = self.scry("ci", "test-migration", "db/main", "--capture", self.plain, *flags, "--", "true")
            self.must(done, 64)
            self.assert_one_line(done)


if __name__ == "__main__":
    scry_e2e.main()
