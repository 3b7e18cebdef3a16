"""What scripts rely on: the migration's environment, JSON on stdout, two runs at the same time."""

import json
import os
import subprocess

import gate_support
import scry_e2e


class InterfaceTest(gate_support.GateTest):
    def prepare(self):
        self.server.sql("create table t (id int primary key, v text); create role owner login;"
                        "insert into t select i, 'v' || i from generate_series(1, 300) i;"
                        # Never analyzed, so that the capture does not know its size.
                        "create table wide (a int, b text); insert into wide "
                        "select i, repeat('x', 500) from generate_series(1, 20000) i;"
                        "grant create on schema public to owner; alter table t owner to owner;"
                        "alter table wide owner to owner")
        self.config(
            "version: 1\ndatabases:\n  db:\n    source: ${PROD_DATABASE_URL}\n"
            "    captures: [listed]\n    shadows:\n      main: { provider: physical }\n")
        type(self).secret = self.server.url(user="owner", password="opensesame")
        self.must(self.scry("shadow", "create", "db/main",
                            env={"PROD_DATABASE_URL": self.server.url()}))
        reads = "".join(f"select v from t where id = {i};\n" for i in range(1, 200))
        type(self).traffic = self.capture(
            os.path.join(self.workspace, "listed"), scry_e2e.program("psql"), "-Xq", "-o",
            "/dev/null", "-f", self.sql_file("reads.sql", reads))

    def scry(self, *args, env=None, **options):
        return super().scry(*args, env={"PROD_DATABASE_URL": self.secret, **(env or {})}, **options)

    def test_the_migration_sees_the_candidate_and_no_trace_of_the_source(self):
        path = self.path("environment")
        hidden = {"PGPASSWORD": "opensesame", "PGSERVICE": "prod", "PGHOST": "prod.example.com",
                  "PGPASSFILE": "/root/.pgpass", "DATABASE_URL": self.secret, "OTHER": self.secret,
                  "SECRET_KEY": "opensesame", "APP_MODE": "kept"}
        self.migrate("sh", "-c", f"env > {path}; psql -XAtc 'show scry.shadow' > {path}.marker; "
                     f"psql -XAt \"$DATABASE_URL\" -c 'show scry.shadow' >> {path}.marker", env=hidden,
                     code=0)
        with open(path, encoding="utf-8") as file:
            seen = dict(line.rstrip("\n").split("=", 1) for line in file if "=" in line)
        self.assertNotIn("opensesame", " ".join(seen.values()))
        self.assertNotIn("prod.example.com", " ".join(seen.values()))
        for name in ("PGSERVICE", "PGPASSFILE", "PROD_DATABASE_URL", "OTHER", "SECRET_KEY"):
            self.assertNotIn(name, seen)
        self.assertEqual(seen["APP_MODE"], "kept")
        self.assertEqual((seen["PGUSER"], seen["PGDATABASE"]), ("owner", "postgres"))
        self.assertTrue(seen["DATABASE_URL"].startswith("postgres"))
        with open(path + ".marker", encoding="utf-8") as file:
            first, second = file.read().splitlines()
        self.assertRegex(first, "^[0-9a-f]{32}$")
        self.assertEqual(first, second)

    def test_a_source_whose_variable_is_not_set_is_told_and_stops_nothing(self):
        done, report = self.migrate("true", code=0, env={"PROD_DATABASE_URL": ""})
        [note] = [note for note in report["notes"] if "The source is not known here" in note]
        self.assertIn("PROD_DATABASE_URL is empty", note)
        self.assertEqual(self.scry("shadow", "create", "db/main", env={"PROD_DATABASE_URL": ""}).code, 64)

    def test_a_command_that_migrates_nothing_is_told_so_in_the_verdict(self):
        told = "nothing was migrated: the command sent no statement to the fork; "
        for number, (command, note) in enumerate((("true", "never connected to the fork; does it read DATABASE_URL or PG*?"),
                ("exec psql -Xqc '\\q'", "connected to the fork and sent no statement"))):
            with self.subTest(command=command):
                done, report = self.migrate("sh", "-c", command, code=0)
                self.assertEqual(report["sentence"][:len(told)], told)
                self.assertRegex(done.out, r"\ASAFE  nothing was migrated: ")
                self.assertEqual([note in one for one in report["notes"]].count(True), 1, report["notes"])
                for name in ("report.md", "report.html"):
                    with open(os.path.join(self.path(f"report-{number}"), name), encoding="utf-8") as file:
                        self.assertIn(told, file.read())
        _, report = self.migrate_sql("select 1", code=0)
        self.assertNotIn("nothing was migrated", report["sentence"])

    def test_two_dashes_with_nothing_behind_them_are_wrong_usage(self):
        for command in ((), ("",)):
            with self.subTest(command=command):
                done = self.must(self.scry("ci", "test-migration", "db/main", "--", *command), 64)
                self.assertIn("nothing stands behind --", self.assert_one_line(done))
        self.migrate("sh", "-c", "psql -XqAtc 'select 1'", "--", code=0)

    def test_the_source_of_a_single_shadow_is_hidden_too(self):
        path = self.path("hidden")
        config = self.config(
            "version: 1\ndatabases:\n  db:\n    source: ${PROD_DATABASE_URL}\n    captures: [listed]\n    shadows:\n"
            "      main: { provider: physical, source: 'host=replica user=owner password=${REPLICA_PASSWORD}' }\n"
            "  other:\n    source: host=elsewhere password=openbarley\n    shadows: { main: { provider: dump } }\n",
            "own.yaml")
        self.migrate("sh", "-c", f"env > {path}", code=0, flags=("--config", config), env={
            "REPLICA_PASSWORD": "openrice", "REPLICA": "replica:5432", "BARLEY": "openbarley", "APP_MODE": "kept"})
        with open(path, encoding="utf-8") as file:
            seen = file.read()
        self.assertIn("APP_MODE", seen)
        self.assertIn("PGUSER=owner", seen)
        for hidden in ("openrice", "REPLICA", "openbarley", "opensesame"):
            self.assertNotIn(hidden, seen)

    def test_what_the_migration_makes_belongs_to_the_role_of_the_source(self):
        path = self.path("owner")
        self.migrate("sh", "-c", "psql -Xqc 'create table made (i int)'; psql -XAtc \"select "
                     f"tableowner from pg_tables where tablename = 'made'\" > {path}", code=0)
        with open(path, encoding="utf-8") as file:
            self.assertEqual(file.read(), "owner\n")

    def test_what_rewrites_a_table_is_estimated_for_a_larger_production(self):
        config = self.config(
            "version: 1\ndatabases:\n  db:\n    source: ${PROD_DATABASE_URL}\n"
            "    production_size: 500GB\n"
            "    captures: [listed]\n    shadows:\n      main: { provider: physical }\n", "large.yaml")
        done, report = self.migrate_sql("alter table wide alter a type bigint", code=0,
                                        flags=("--config", config, "--during", "never"))
        migration = report["migration"]
        [table] = migration["rewritten"]
        self.assertGreater(table["bytes_before"], 8 << 20)
        self.assertGreater(table["bytes_estimated"], 100 * table["bytes_after"])
        [statement] = [one for one in migration["statements"] if one["rewrote"]]
        estimate = statement["estimate"]
        self.assertEqual(estimate["growth"], "linear")
        self.assertGreater(estimate["factor"], 100)
        self.assertGreater(estimate["duration_us"], 10 * statement["duration_us"])
        self.assertGreater(statement["held_us_estimated"], statement["locks"][0]["held_us"])
        self.assertGreater(migration["estimate"]["duration_us"], migration["duration_us"])
        self.assertIn("500", migration["estimate"]["basis"])
        self.assertIn("est.", done.out)
        # Nobody waits for long here; whoever reads the report is to know that it is otherwise there.
        _, report = self.migrate_sql("alter table wide alter a type bigint", code=0,
                                     flags=("--config", config, "--during", "always", "--blocker", "none"))
        [finding] = self.findings(report, "blocked", gates=False)
        self.assertIn("alter a type", finding["pattern"].lower())
        self.assertTrue(any("on production" in reason for reason in finding["reasons"]), finding)

    def test_the_password_of_the_source_is_never_shown(self):
        texts = []
        for arguments in (("shadow", "show", "db/main"), ("shadow", "list"), ("-v", "shadow", "list"),
                          ("ci", "test-migration", "db/main", "-v", "--", "false"),
                          ("ci", "test-migration", "db/main", "--json")):
            done = self.scry(*arguments)
            texts += [done.out, done.err]
        self.assertNotIn("opensesame", "".join(texts))

    def test_json_is_one_document_and_nothing_else(self):
        noisy = ("sh", "-c", "echo on stdout; echo on stderr >&2")
        for command, code in (((), 0), (noisy, 0), (("sh", "-c", "echo on stdout; exit 9"), 7),
                              (("psql", "-Xqc", "alter table t rename to gone"), 5)):
            with self.subTest(command=command):
                done, report = self.migrate(*command, code=code, flags=("--json",))
                self.assertEqual(json.loads(done.out), report)
        for arguments in (("shadow", "list"), ("shadow", "show", "db/main"), ("shadow", "gc"),
                          ("shadow", "url", "db/main"), ("log", "info", self.traffic),
                          ("log", "top", self.traffic)):
            with self.subTest(arguments=arguments):
                done = self.must(self.scry(*arguments, "--json"))
                json.loads(done.out)
                self.assertEqual(done.err, "")

    def test_stdout_holds_the_report_and_stderr_the_progress(self):
        done, _ = self.migrate("sh", "-c", "echo of the migration", code=0)
        self.assertTrue(done.out.startswith("SAFE"))
        self.assertNotIn("of the migration\n", done.out)
        self.assertIn("of the migration\n", done.err)
        quiet, _ = self.migrate("sh", "-c", "echo of the migration", code=0, flags=("-q",))
        self.assertEqual(quiet.err, "")

    def test_two_runs_on_one_shadow_at_the_same_time_both_work(self):
        def start(number):
            return self.start_scry(
                "ci", "test-migration", "db/main", "--report", self.path(f"report{number}"), "--",
                "sh", "-c", f"psql -Xqc 'create table of_{number} (i int)'; sleep 1",
                env={"PROD_DATABASE_URL": self.secret})
        running = [start(1), start(2)]
        for number, process in enumerate(running, 1):
            done = self.must(self.finish(process))
            self.check_report(self.path(f"report{number}"), done)
        self.assert_no_runs()

    def test_a_run_while_somebody_looks_into_the_shadow_says_who_has_to_leave(self):
        url = self.must(self.scry("shadow", "url", "db/main")).out.strip()
        client = subprocess.Popen(
            [scry_e2e.program("psql"), "-XAt", "-d", url], stdin=subprocess.PIPE,
            stdout=subprocess.PIPE, env=scry_e2e.clean_environment())
        try:
            client.stdin.write(b"select 'here';\n")
            client.stdin.flush()
            self.assertEqual(client.stdout.readline(), b"here\n")
            done = self.must(self.scry("ci", "test-migration", "db/main"), 1)
            self.assertIn("disconnect them first", self.assert_one_line(done))
            self.assert_one_line(self.must(self.scry("shadow", "destroy", "db/main"), 1))
        finally:
            client.communicate()
        self.migrate(code=0)

    def test_alembic_upgrades_the_candidate(self):
        if not gate_support.has_alembic():
            self.skipTest("alembic with psycopg2 is not installed")
        ini = gate_support.alembic_project(self.path("alembic"), "op.execute('create table by_alembic (id int)')")
        _, report = self.migrate("/usr/bin/python3", "-m", "alembic", "-c", ini, "upgrade", "head", code=0)
        self.assertEqual(report["migration"]["exit_status"], 0)


if __name__ == "__main__":
    scry_e2e.main()
