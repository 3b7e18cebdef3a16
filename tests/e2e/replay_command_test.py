"""`scry replay` on servers that exist: as load, in shards, reads only, and two servers side by side.

Nothing here looks at how long something took: counts, refusals and verdicts alone.
"""

import json
import os
import signal
import subprocess

import scry_e2e

CLIENTS = 4
TRANSACTIONS = 60


class ReplayTest(scry_e2e.TestCase):
    """A source whose pgbench traffic was captured, and a second server with databases to replay on."""

    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        cls.source = cls.start_server(config={"autovacuum": "off"})
        cls.target = cls.start_server(config={"autovacuum": "off", "max_connections": "80"})
        cls.source.sql("create database bench; create role reader login; "
                       "create database other;")
        cls.target.sql("create database bench; create role reader login;")
        for server in (cls.source, cls.target):
            cls.init(server)
        cls.target.sql("create database pristine template bench")
        fixture = cls()
        try:
            fixture.capture_all()
        finally:
            fixture.doCleanups()

    def runTest(self):
        """So that setUpClass() has an instance to run on."""

    @staticmethod
    def init(server):
        subprocess.run([scry_e2e.program("pgbench"), "-i", "-q", "-s", "1", server.url("bench")],
                       check=True, capture_output=True, env=scry_e2e.clean_environment())
        server.sql("create table notes (n int); insert into notes values (0); "
                   "grant select on all tables in schema public to reader; "
                   "grant update on notes to reader; analyze", "bench")

    def capture_all(self):
        cls = type(self)
        cls.capture = self.path("cap")
        capture = self.start_capture(cls.capture, server=self.source)
        for mode in ("prepared", "simple"):
            subprocess.run(
                [scry_e2e.program("pgbench"), "-n", "-c", str(CLIENTS), "-t", str(TRANSACTIONS),
                 "-M", mode, capture.url("bench")],
                check=True, capture_output=True, env=scry_e2e.clean_environment())
        reads = "set application_name = 'report';\n" + "".join(
            f"select abalance from pgbench_accounts where aid = {aid};\n" for aid in range(1, 21))
        done = self.psql(capture.url("bench", user="reader"),
                         reads + "select count(*) from pgbench_history;\n"
                         "select nonsense;\n"
                         # What would unlock a session that may only read.
                         "select set_config('default_transaction_read_only', 'off', false);\n"
                         "set default_transaction_read_only = off;\n"
                         "begin read write;\n"
                         "update notes set n = n + 1;\n"
                         "commit;\n")
        self.assertEqual(done.code, 0, done)
        self.assertEqual(capture.stop().code, 0)
        info = self.log_info(cls.capture)
        cls.statements = info["statements"]
        cls.sessions = info["sessions"]

    def setUp(self):
        self.mark()

    def mark(self):
        done = self.run_scry("shadow", "mark", "--target", self.target.url())
        self.assertEqual(done.code, 0, done)

    def unmark(self):
        done = self.run_scry("shadow", "unmark", "--target", self.target.url())
        self.assertEqual(done.code, 0, done)

    def load(self, *flags, code=0, target=None, capture=None):
        """The load report as a document, or the Done where it failed."""
        done = self.run_scry("replay", capture or self.capture, "--target",
                             target or self.target.url("bench"), "--speed", "max", "--json", *flags)
        self.assertEqual(done.code, code, done)
        return json.loads(done.out) if code == 0 else done

    def written(self, database="bench"):
        """Rows that changed in the target's tables."""
        return self.target.sql("select (select count(*) from pgbench_history), (select n from notes),"
                               " (select sum(abalance) from pgbench_accounts)", database)

    # --- Load.

    def test_everything_that_was_captured_is_replayed(self):
        before = self.target.sql("select count(*) from pgbench_history", "bench")
        report = self.load()
        totals = report["totals"]
        self.assertEqual(totals["statements"], self.statements, report)
        self.assertEqual(totals["sessions"], self.sessions)
        self.assertEqual(totals["sessions_excluded"], 0, report["excluded"])
        self.assertEqual(sum(one["calls"] for one in report["patterns"]), self.statements)
        for one in report["patterns"]:
            self.assertEqual(one["replayed"]["count"] + one["errors"]["expected"] +
                             one["errors"]["new"] + one["lost"], one["calls"], one)
        # select nonsense failed in the capture too.
        self.assertEqual(report["errors"]["42703"], {"expected": 1, "new": 0})
        after = self.target.sql("select count(*) from pgbench_history", "bench")
        self.assertEqual(int(after) - int(before), 2 * CLIENTS * TRANSACTIONS)
        top = self.log_top(self.capture)
        self.assertEqual({one["fingerprint"] for one in report["patterns"]},
                         {one["fingerprint"] for one in top["patterns"]}, "the same patterns as log top")

    def test_a_paced_replay_tells_its_lag_and_leaves_a_report(self):
        folder = self.path("out")
        done = self.run_scry("replay", self.capture, "--target", self.target.url("bench"), "--speed", "50",
                             "--report", folder, "--top", "3")
        self.assertEqual(done.code, 0, done)
        self.assertIn("behind schedule", done.out)
        self.assertIn("further patterns", done.out)
        self.assertEqual(sorted(os.listdir(folder)), ["report.json", "report.txt"])
        shown = self.run_scry("report", "show", folder, "--top", "3")
        self.assertEqual((shown.code, shown.out), (0, done.out))
        with open(os.path.join(folder, "report.json"), encoding="utf-8") as file:
            report = json.load(file)
        self.assertEqual(report["schema"], "scry.load/1")
        self.assertEqual(report["settings"]["sync"], "time")
        self.assertEqual(report["totals"]["lag"]["count"], report["totals"]["exchanges"])

    def test_sessions_are_multiplied(self):
        report = self.load("--multiply", "3", "--sync", "none", "--user", "reader")
        self.assertEqual(report["totals"]["sessions"], 3)
        single = self.load("--user", "reader")
        self.assertEqual(report["totals"]["statements"], 3 * single["totals"]["statements"])

    def test_shards_add_up_to_the_whole(self):
        whole = self.load("--sync", "none", "--reads-only")
        folders = []
        for shard in ("1/3", "2/3", "3/3"):
            folders.append(self.path("shard" + shard[0]))
            self.load("--sync", "none", "--reads-only", "--shard", shard, "--report", folders[-1])
        merged = self.scry_json("report", "merge", *folders)
        self.assertEqual(merged["shards"], ["1/3", "2/3", "3/3"])
        for name in ("sessions", "statements", "exchanges", "exchanges_refused"):
            self.assertEqual(merged["totals"][name], whole["totals"][name], name)

        def counts(report):
            return {one["fingerprint"]: (one["calls"], one["captured"], one["errors"])
                    for one in report["patterns"]}
        self.assertEqual(counts(merged), counts(whole))
        again = self.run_scry("report", "merge", folders[0], folders[0])
        self.assertEqual(again.code, 64, again)
        self.assertIn("shard 1/3 is in two", again.err)

    def test_threads_share_the_sessions_and_add_up_to_the_whole(self):
        flags = ("--sync", "none", "--reads-only", "--multiply", "2")
        one = self.load(*flags, "--jobs", "1")
        for jobs in ((), ("--jobs", "3"), ("--jobs", "64"), ("--pipeline", "1"), ("--pipeline", "32")):
            many = self.load(*flags, *jobs)
            for name in ("sessions", "sessions_excluded", "sessions_filtered", "statements", "exchanges",
                         "exchanges_filtered", "exchanges_refused"):
                self.assertEqual(many["totals"][name], one["totals"][name], (name, jobs))
            self.assertEqual(many["captures"], one["captures"])
            self.assertEqual({p["fingerprint"]: (p["calls"], p["captured"], p["errors"])
                              for p in many["patterns"]},
                             {p["fingerprint"]: (p["calls"], p["captured"], p["errors"])
                              for p in one["patterns"]})
        for flag in ("--jobs", "--pipeline"):
            ordered = self.load(flag, "2", code=64)
            self.assertIn("--sync none", ordered.err)

    def test_a_pipeline_is_for_what_nothing_holds_back(self):
        self.assertEqual(self.load()["settings"]["pipeline"], 1)
        self.assertEqual(self.load("--sync", "none", "--reads-only")["settings"]["pipeline"], 8)
        done = self.run_scry("replay", self.capture, "--target", self.target.url("bench"), "--speed", "max",
                             "--sync", "none", "--reads-only", "--pipeline", "4")
        self.assertEqual(done.code, 0, done)
        self.assertIn("up to 4 exchanges of a session", done.out)

    def test_filters_choose_sessions_statements_and_times(self):
        reader = self.load("--user", "read*")
        self.assertEqual(reader["totals"]["sessions"], 1)
        updates = self.load("--pattern", "update pgbench_tellers%")
        calls = {one["pattern"].split()[0].lower(): one["calls"] for one in updates["patterns"]}
        self.assertEqual(calls["update"], 2 * CLIENTS * TRANSACTIONS, calls)
        self.assertEqual(calls["begin"], 2 * CLIENTS * TRANSACTIONS, calls)
        self.assertNotIn("insert", calls)
        self.assertNotIn("select", calls)
        whole = self.load("--from", "0s")
        self.assertEqual(whole["totals"]["statements"], self.statements)
        first = self.load("--to", "2000-01-01T00:00:00Z", code=6)
        self.assertIn("nothing of the capture is left", first.err)
        nobody = self.load("--user", "nobody", code=6)
        self.assertIn("nothing of the capture is left", nobody.err)

    # --- Safety.

    def test_a_server_without_the_mark_is_not_written_to(self):
        self.unmark()
        before = self.written()
        done = self.load(code=64)
        self.assertIn("scry shadow mark", done.err)
        self.assertEqual(done.err.strip().count("\n"), 0, done.err)
        done = self.run_scry("replay", self.capture, "--baseline", self.target.url("bench"),
                             "--candidate", self.target.url("pristine"))
        self.assertEqual(done.code, 64, done)
        self.assertEqual(self.written(), before)

    def test_reads_alone_need_no_mark(self):
        self.unmark()
        before = self.written()
        report = self.load("--reads-only")
        self.assertEqual(self.written(), before)
        kinds = {one["pattern"].split()[0].lower() for one in report["patterns"]}
        self.assertIn("select", kinds)
        self.assertFalse(kinds & {"update", "insert"}, kinds)
        self.assertGreater(report["totals"]["exchanges_refused"], 0)
        self.assertFalse([one for one in report["patterns"] if "set_config" in one["pattern"]])
        self.assertEqual(report["errors"], {"42703": {"expected": 1, "new": 0}})

    def test_a_source_is_never_a_target(self):
        config = self.path("scry.yaml")
        with open(config, "w", encoding="utf-8") as file:
            file.write("version: 1\ndatabases:\n  db:\n"
                       f"    source: {self.target.url('bench')}\n")
        for command in (["replay", self.capture], ["shadow", "mark"]):
            done = self.run_scry("--config", config, *command, "--target", self.target.url())
            self.assertEqual(done.code, 64, done)
            self.assertIn("nothing is ever written to a source", done.err)

    def test_a_source_that_is_not_known_here_stops_what_would_write(self):
        config = self.path("scry.yaml")
        known = f"source: {self.target.url('bench')}"
        for source, own, words in (
                ("source: ${SHOP_URL}", "", ("source of db:", "SHOP_URL is not set; set it")),
                ("source: service=nowhere", "", ("source of db:", "nowhere")),
                ("source: host=elsewhere", ", source: 'host=x password=${SHOP_URL}'",
                 ("source of db/main:", "SHOP_URL is not set"))):
            with open(config, "w", encoding="utf-8") as file:
                file.write(f"version: 1\ndatabases:\n  db:\n    {source}\n    shadows:\n"
                           f"      main: {{ provider: dump{own} }}\n")
            before = self.written()
            for command in (["replay", self.capture, "--target", self.target.url()],
                            ["replay", self.capture, "--baseline", self.target.url("bench"),
                             "--candidate", self.target.url("pristine")],
                            ["shadow", "mark", "--target", self.target.url()]):
                with self.subTest(source=source, command=command):
                    done = self.run_scry("--config", config, *command)
                    self.assertEqual(done.code, 64, done)
                    self.assertIn("cannot tell whether", done.err)
                    for word in words:
                        self.assertIn(word, done.err)
            self.assertEqual(self.written(), before)
        # What only reads is refused by a source that is known alone.
        self.load("--reads-only", "--config", config)
        with open(config, "w", encoding="utf-8") as file:
            file.write(f"version: 1\ndatabases:\n  db:\n    {known}\n")
        done = self.run_scry("--config", config, "replay", self.capture, "--reads-only", "--target", self.target.url())
        self.assertEqual(done.code, 64, done)

    def test_wrong_usage_is_told(self):
        cases = [(["replay", self.capture], "where to?"),
                 (["replay", self.capture, "--target", "x", "--baseline", "y"], "one or the other"),
                 (["replay", self.capture, "--baseline", self.target.url()], "both"),
                 (["replay", self.capture, "--target", self.target.url(), "--shard", "4/3"],
                  "no shard"),
                 (["replay", self.capture, "--target", self.target.url(), "--sync", "time",
                   "--speed", "max"], "needs a pace"),
                 (["replay", self.capture, "--target", self.target.url(), "--from", "noon"],
                  "no moment"),
                 (["replay", self.capture, "--target", self.target.url("bench") +
                   "?gssencmode=require"], "TLS or plain text"),
                 (["replay", self.capture, "--baseline", self.target.url("bench"), "--candidate",
                   self.target.url("bench")], "same server")]
        for argv, words in cases:
            done = self.run_scry(*argv)
            self.assertEqual(done.code, 64, done)
            self.assertIn(words, done.err)
        done = self.run_scry("replay", self.path("none"), "--target", self.target.url())
        self.assertEqual(done.code, 3, done)

    # --- Two servers.

    def compare(self, *flags, code, change=None):
        """Both databases as the source was before the capture, but for `change`."""
        for name in ("bench_b", "bench_c"):
            self.target.sql(f"drop database if exists {name}")
            self.target.sql(f"create database {name} template pristine")
        if change:
            self.target.sql(change, "bench_c")
        done = self.run_scry("replay", self.capture, "--baseline", self.target.url("bench_b"),
                             "--candidate", self.target.url("bench_c"), "--json", *flags)
        self.assertEqual(done.code, code, done)
        return json.loads(done.out)

    def test_equal_servers_are_safe_and_a_dropped_column_is_not(self):
        report = self.compare(code=0)
        self.assertEqual(report["verdict"], "safe", report["sentence"])
        self.assertEqual([one["name"] for one in report["lanes"]], ["baseline", "candidate"])
        self.assertTrue(any("No control" in note for note in report["notes"]), report["notes"])
        self.assertEqual(report["tested"]["statements"], self.statements)
        report = self.compare(code=5, change="alter table pgbench_tellers drop column tbalance")
        broken = [one for one in report["findings"] if one["type"] == "broken"]
        self.assertIn("42703", {one["sqlstate"] for one in broken}, report["findings"])

    def test_what_defaults_fill_on_each_server_is_no_difference_but_another_default_is(self):
        tables = ("create table orders (id int primary key, at timestamptz not null default now(), "
                  "day date default current_date, token uuid default gen_random_uuid())")
        self.source.sql("create database defaults")
        self.source.sql(tables, "defaults")
        directory = self.path("defaults")
        capture = self.start_capture(directory, server=self.source)
        done = self.psql(capture.url("defaults"), "".join(
            f"insert into orders values ({n}) {returning};\nselect * from orders where id = {n};\n"
            for n, returning in enumerate(["", "returning at", "returning id, day, at", ""])))
        self.assertEqual(done.code, 0, done)
        self.assertEqual(capture.stop().code, 0)
        for change, code in (("", 0), ("alter table orders alter at set default now() - interval '1 hour'", 5)):
            for name in ("defaults_b", "defaults_c"):
                self.target.sql(f"drop database if exists {name}")
                self.target.sql(f"create database {name}")
                self.target.sql(tables, name)
            if change:
                self.target.sql(change, "defaults_c")
            done = self.run_scry("replay", directory, "--baseline", self.target.url("defaults_b"),
                                 "--candidate", self.target.url("defaults_c"), "--json")
            self.assertEqual(done.code, code, done)
            report = json.loads(done.out)
            self.assertEqual(report["tested"]["fidelity"], 1, report["unfaithful"])
            self.assertEqual({one["difference"] for one in report["findings"]}, {"values"} if code else set())

    # --- TLS.

    def answer_by_tls_alone(self):
        """Until the end of the test, over TCP."""
        server = self.target
        hba, key, certificate = (os.path.join(server.data, name)
                                 for name in ("pg_hba.conf", "server.key", "server.crt"))
        subprocess.run(server._as_server_user(
            "openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "2", "-subj", "/CN=localhost",
            "-keyout", key, "-out", certificate), check=True, capture_output=True, cwd=server.folder)
        with open(hba, encoding="utf-8") as file:
            before = file.read()

        def set_up(rules, ssl):
            with open(hba, "w", encoding="utf-8") as file:
                file.write(rules)
            server.sql(f"alter system set ssl = {ssl}")
            server.sql("select pg_reload_conf()")
            # A session that starts before the reload may still find what was.
            scry_e2e.wait_until(lambda: server.sql("show ssl") == ssl, "the server to read its settings")
        self.addCleanup(set_up, before, "off")
        set_up("local all all trust\nhostssl all all 127.0.0.1/32 trust\n", "on")

    def test_servers_that_take_only_tls_are_replayed_on(self):
        # More than sockets and records hold, both ways.
        large = self.path("large")
        capture = self.start_capture(large, server=self.source)
        rows = "".join(f"{n}\t{'x' * 1000}\n" for n in range(3000))
        done = self.psql(capture.url("bench"), "create temp table t (n int, x text);\n"
                         f"copy t from stdin;\n{rows}\\.\n"
                         "select * from t, generate_series(1, 7);\n")
        self.assertEqual((done.code, capture.stop().code), (0, 0), done.err)
        self.answer_by_tls_alone()
        report = self.load(capture=large, target=self.target.url("bench", sslmode="require"))
        self.assertEqual((report["totals"]["statements"], report["errors"]), (3, {}), report)
        refused = self.psql(self.target.url("bench", sslmode="disable"), "select 1")
        self.assertNotEqual(refused.code, 0, refused)
        for target in (self.target.url("bench", sslmode="require"), self.target.url("bench")):
            for flags in ((), ("--sync", "none", "--reads-only")):
                report = self.load(*flags, target=target)
                self.assertEqual(report["totals"]["sessions_excluded"], 0, report)
                self.assertFalse([one for one in report["errors"].values() if one["new"]], report)
        self.assertEqual(self.compare(code=0)["tested"]["statements"], self.statements)

    # --- Ends.

    def test_ctrl_c_ends_it_with_nothing_left_behind(self):
        process = subprocess.Popen(
            [self.binary, "replay", self.capture, "--target", self.target.url("bench"), "--speed", "0.01"],
            stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.PIPE,
            env=scry_e2e.clean_environment(), cwd=self.workspace, start_new_session=True)
        ours = "select count(*) from pg_stat_activity where datname = 'bench' and pid <> pg_backend_pid()"
        try:
            scry_e2e.wait_until(lambda: int(self.target.sql(ours)) > 1, "the replay to connect")
            process.send_signal(signal.SIGINT)
            out, err = process.communicate(timeout=scry_e2e.PATIENCE_S)
        finally:
            if process.poll() is None:
                process.kill()
                process.communicate()
        self.assertEqual(process.returncode, 130, err)
        self.assertEqual(out, b"")
        scry_e2e.wait_until(lambda: int(self.target.sql(ours)) == 0, "its connections to end")


if __name__ == "__main__":
    scry_e2e.main()
