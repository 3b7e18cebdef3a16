"""What a team decides itself: findings that it accepts until a day, budgets, and how much of the traffic there is time for."""

import json
import os

import gate_support
import scry_e2e

LEDGER = """
create table accounts (id int primary key, owner text not null, balance int not null default 0);
insert into accounts select i, 'owner ' || i, i % 500 from generate_series(1, 30000) i;
create index accounts_owner on accounts (owner);
create table audit (id bigserial primary key, what text not null);
create table seen (id int primary key, at int not null default 0);
insert into seen select i, 0 from generate_series(1, 100) i;
vacuum analyze accounts, audit, seen;
grant select, insert, update, delete on all tables in schema public to app;
grant usage on all sequences in schema public to app;
"""

SESSIONS = 30
RARE = 17  # Only this one looks for owners.

OFTEN = """
set search_path = public, pg_temp;
select pg_sleep(0.03);
select balance from accounts where id = {id};
insert into audit (what) values ('looked {id}');
update seen set at = {id} where id = {id};
select at from seen where id = {id};
"""
SELDOM = "select id, balance from accounts where owner = 'owner 17';"


class PolicyTest(gate_support.GateTest):
    def prepare(self):
        self.server.sql("create role app login;" + LEDGER)
        self.config_of()
        self.create_shadow()

        def traffic(url):
            for number in range(1, SESSIONS + 1):
                script = OFTEN.format(id=number) + (SELDOM if number == RARE else "")
                self.must(self.psql(url, script, "-q"))
        type(self).traffic = self.capture(self.path("traffic"), traffic, user="app")

    def accept(self, finding, config, *more, report=None, until="2999-12-31", code=0):
        done = self.run_scry("--config", config, "report", "accept", finding,
                             *([report] if report else []), "--reason", "it's \"fine\" # for now",
                             "--until", until, *more)
        self.assertEqual(done.code, code, done)
        return done

    def read(self, path):
        with open(path, encoding="utf-8") as file:
            return file.read()

    def test_an_accepted_finding_passes_until_its_day(self):
        original = self.read(self.workspace + "/scry.yaml") + "# the end of it\n"
        config = self.config(original, "accepting.yaml")
        os.chmod(config, 0o640)
        drop = ["drop index accounts_owner"]
        flags = ("--config", config)
        done, report = self.migrate_sql(*drop, code=5, flags=flags)
        gating = self.findings(report)
        self.assertEqual(report["ignore_rules"], [])
        for finding in gating:
            self.assertIn(finding["id"], done.out)
        folder = sorted(name for name in os.listdir(self.path("."))
                        if name.startswith("report-"))[-1]
        self.assertIn(f"scry report accept {gating[0]['id']} {self.path(folder)} --reason", done.out)
        folder = self.path(folder)
        unknown = self.accept("slower-0000000000000000", config, report=folder, code=3)
        self.assertIn(gating[0]["id"], self.assert_one_line(unknown))
        past = self.accept(gating[0]["id"], config, report=folder, until="2020-01-31", code=64)
        self.assertIn("is past", self.assert_one_line(past))
        self.assertEqual(self.read(config), original)
        for finding in gating:
            self.accept(finding["id"], config, report=folder)
        again = self.accept(gating[0]["id"], config, report=folder, code=64)
        self.assertIn("already", self.assert_one_line(again))
        self.assertTrue(self.read(config).startswith(original.removesuffix("# the end of it\n")))
        self.assertTrue(self.read(config).endswith("# the end of it\n"))
        self.assertEqual(os.stat(config).st_mode & 0o777, 0o640)

        done, report = self.migrate_sql(*drop, code=0, flags=flags)
        hidden = [one for one in report["findings"] if one["type"] == "ignored"]
        self.assertTrue(hidden, report["findings"])
        self.assertEqual(self.findings(report), [])
        rules = report["ignore_rules"]
        self.assertEqual({rule["reason"] for rule in rules}, {"it's \"fine\" # for now"})
        self.assertGreaterEqual(sum(rule["hidden"] for rule in rules), len(hidden))
        for one in hidden:
            self.assertIn(one["ignored"]["by"], [rule["place"] for rule in rules])
        self.assertIn("IGNORED", done.out)
        self.assertIn("ignored by rules", report["sentence"])

        self.config(self.read(config).replace("2999-12-31", "2020-01-31"), "accepting.yaml")
        done, report = self.migrate_sql(*drop, code=5, flags=flags)
        self.assertTrue(all(rule["expired"] for rule in report["ignore_rules"]))
        self.assertGreater(sum(rule["again"] for rule in report["ignore_rules"]), 0)
        self.assertRegex(done.out, "was ignored until 2020-01-31")

    def test_a_rule_makes_its_file(self):
        config = self.path("new.yaml")
        done = self.accept("broken-00f3a9c0d1e2f3a4", config, "--json")
        self.assertEqual(json.loads(done.out), {
            "config": config, "made": True, "findings": ["broken-00f3a9c0d1e2f3a4"],
            "until": "2999-12-31"})
        self.assertIn("finding: broken-00f3a9c0d1e2f3a4\n", self.read(config))
        self.assertIn("broken-00f3a9c0d1e2f3a4 was not checked against a report", done.err)
        done = self.accept("latency", self.path("other.yaml"), code=64)
        self.assertIn("no id of a finding", self.assert_one_line(done))
        self.assertFalse(os.path.exists(self.path("other.yaml")))

    def test_a_budget_keeps_the_rare_query_in(self):
        flags = ("--budget", "1500ms")
        done, report = self.migrate_sql("drop index accounts_owner", code=5, flags=flags)
        chosen = report["budget"]
        self.assertEqual(chosen["sessions_all"], SESSIONS)
        self.assertLess(chosen["sessions"], SESSIONS)
        self.assertGreater(chosen["sessions"], 3)
        self.assertEqual(chosen["patterns"], chosen["patterns_all"])
        self.assertLessEqual(chosen["estimated_us"], chosen["budget_us"])
        self.assertEqual(report["tested"]["sessions"], chosen["sessions"])
        self.assertEqual(report["tested"]["sessions_excluded"], 0)
        self.assertEqual(report["tested"]["stalls_released"], 0)
        self.assertIn("owner", self.findings(report)[0]["pattern"])
        self.assertRegex(done.out, rf"budget +1\.50 s: {chosen['sessions']} of {SESSIONS} sessions")
        self.assertIn("THIN", done.out)

        _, again = self.migrate_sql("drop index accounts_owner", code=5, flags=flags)
        self.assertEqual(again["budget"], chosen)
        # Sessions that wrote are left out: what reads behind them does not count for fidelity.
        _, report = self.migrate_sql("comment on table audit is 'x'", code=0,
                                     flags=("--budget", "1s"))
        self.assertGreater(report["budget"]["writers_left_out"], 0)
        self.assertGreater(report["budget"]["fidelity_skipped"], 0)
        self.assertEqual(report["tested"]["fidelity"], 1)

    def test_a_budget_for_less_than_a_session_takes_the_beginning_of_all(self):
        length_us = self.log_info(self.traffic)["duration_us"]
        # At such a pace it takes 20 s.
        _, report = self.migrate_sql("comment on table audit is 'x'", code=0, flags=(
            "--budget", "5s", "--speed", f"{length_us / 20e6:.6f}"))
        chosen = report["budget"]
        self.assertGreater(chosen["cut_us"], 0)
        self.assertLess(chosen["cut_us"], length_us / 4)
        self.assertLess(chosen["sessions"], SESSIONS)
        self.assertEqual(report["tested"]["sessions"], chosen["sessions"])
        done, _ = self.migrate(flags=("--budget", "1us"), code=64)
        self.assertIn("too short", self.assert_one_line(done))

    def test_a_window_chooses_what_is_replayed(self):
        _, report = self.migrate(code=0, flags=("--last", "7d"))
        self.assertEqual(report["tested"]["sessions"], SESSIONS)
        self.assertNotIn("budget", report)
        _, half = self.migrate(code=0, flags=("--to", "1s"))
        self.assertLess(half["tested"]["statements"], report["tested"]["statements"])
        done = self.must(self.scry("ci", "test-migration", "db/main", "--capture", self.traffic,
                                   "--from", "7d"), 6)
        self.assertRegex(self.assert_one_line(done), r"no statements .* between --from and --to.*; it lasted \d")
        done, _ = self.migrate(flags=("--last", "1h", "--to", "1s"), code=64)
        self.assertIn("--last goes without", self.assert_one_line(done))

    def test_what_comes_next_is_the_same_test(self):
        fix = self.sql_file("fix.sql", "select 1;")
        flags = ("--to", "1h", "--budget", "10m", "--fix", fix)
        _, report = self.migrate_sql("alter table accounts rename to gone", code=5, flags=flags)
        command = f"scry ci test-migration db/main --capture {self.traffic} --to 1h --budget 600s --fix {fix} -- ..."
        self.assertIn(command, [step["command"] for step in report["next_steps"]])

    def test_a_budget_of_the_policy_gates_what_is_slow(self):
        config = self.config(self.read(self.workspace + "/scry.yaml") + "policy:\n"
                             "  budgets:\n    - { pattern: 'select pg_sleep%', p99: 5ms }\n"
                             "    - { table: nowhere, p99: 5ms }\n", "budgets.yaml")
        _, report = self.migrate(code=0, flags=("--config", config))
        [why] = [one["why"] for one in report["not_judged"] if "pg_sleep" in one["pattern"].lower()]
        self.assertIn(f"too few calls for its p99 budget of 5.00 ms: {SESSIONS - 1} of 200", why)
        self.assertIn("The budget in budgets.yaml:", " ".join(report["notes"]))


if __name__ == "__main__":
    scry_e2e.main()
