"""What goes wrong is said in one clear line with its own exit status, and leaves nothing behind."""

import contextlib
import glob
import json
import os
import shutil
import signal
import subprocess

import gate_support
import scry_e2e

# On a lane, and only there, it waits: long enough for a test to do something in the middle.
WAITER = """
create table seen (id int primary key, v int);
insert into seen select i, i from generate_series(1, 500) i;
create function wait_on_a_lane() returns int language plpgsql as $$
begin
  if current_setting('scry.shadow', true) is not null then perform pg_sleep(300); end if;
  return 1;
end $$;
"""
WAITING = "select count(*) from pg_stat_activity where query like '%wait_on_a_lane%' and pid <> pg_backend_pid()"


class FailureTest(gate_support.GateTest):
    def prepare(self):
        self.server.sql(WAITER)
        self.config_of()
        self.create_shadow()
        reads = "".join(f"select v from seen where id = {i};\n" for i in range(1, 100))
        type(self).traffic = self.capture(
            self.path("traffic"), scry_e2e.program("psql"), "-Xq", "-o", "/dev/null", "-f",
            self.sql_file("reads.sql", reads))
        type(self).waiting = self.capture(
            self.path("waiting"), scry_e2e.program("psql"), "-Xq", "-o", "/dev/null", "-f",
            self.sql_file("waits.sql", "select 1;\nselect wait_on_a_lane();\nselect 2;\n"))

    def tearDown(self):
        self.assert_no_runs()

    def start_test(self, *command, capture=None, flags=()):
        arguments = ["ci", "test-migration", "db/main", "--capture", capture or self.traffic, *flags]
        return self.start_scry(*arguments, *(["--", *command] if command else []))

    def start_waiting_migration(self):
        """A test-migration whose command runs and has said so."""
        mark = self.path("running")
        process = self.start_test("sh", "-c", f"echo about to wait; touch {mark}; exec sleep 300")
        self.wait_for_file(mark)
        return process

    def start_waiting_replay(self, lane="candidate"):
        process = self.start_test(capture=self.waiting)
        scry_e2e.wait_until(lambda: self.lane_sql(lane, WAITING) == "1" or process.poll() is not None,
                            f"the {lane} to wait in the replay")
        return process

    # --- 7: the migration.

    def test_a_failing_migration_shows_its_last_words_and_exits_7(self):
        command = "for i in $(seq 1 50); do echo line $i; done; echo it is broken >&2; exit 3"
        done, report = self.migrate("sh", "-c", command, code=7)
        self.assertEqual(report["migration"]["exit_status"], 3)
        self.assertEqual(report["migration"]["output"], [], "it may hold values")
        self.assertNotIn("it is broken\n", done.out)
        self.assertIn("it is broken\n", done.err)
        done, report = self.migrate("sh", "-c", command, code=7, flags=("--show-values",))
        self.assertEqual(report["migration"]["output"][-2:], ["line 50", "it is broken"])
        self.assertLessEqual(len(report["migration"]["output"]), 20)
        self.assertIn("MIGRATION FAILED", done.out)
        self.assertIn("it is broken", done.out)
        self.assertEqual(report["tested"]["statements"], 0)

    def test_a_failing_statement_of_a_migration_is_quoted(self):
        done, report = self.migrate_sql("alter table nowhere add column a int", code=7)
        self.assertIn('relation "nowhere" does not exist', done.out)
        self.assertIn('relation "nowhere" does not exist', report["causes"][0]["sentence"])
        # The server quotes the value; only the terminal has it, as psql printed it.
        done, report = self.migrate_sql("select 'alice@example.com'::int", code=7)
        self.assertIn("alice@example.com", done.err)
        self.assertNotIn("alice@example.com", json.dumps(report["causes"] + [report["migration"]["output"]]))

    def test_a_migration_ended_by_a_signal_exits_7(self):
        _, report = self.migrate("sh", "-c", "kill -TERM $$", code=7)
        self.assertEqual(report["migration"]["exit_status"], 128 + signal.SIGTERM)

    def test_a_migration_that_is_no_program_exits_64_before_anything_is_forked(self):
        script = self.sql_file("not-executable.sh", "exit 0")
        for program, why in (("no-such-program", "no such program in PATH"),
                             (self.path("nowhere/migrate"), "No such file"), (script, "Permission denied"),
                             (self.workspace, "it is no file")):
            with self.subTest(program=program):
                done, _ = self.migrate(program, "--upgrade", code=64)
                line = self.assert_one_line(done)
                self.assertIn(f"run {program}: {why}", line)
                self.assertNotIn("fork", done.err)
        done, report = self.migrate("sh", "-c", "no-such-program", code=7)
        self.assertEqual(report["migration"]["exit_status"], 127)

    # --- 3 and 64: what was asked for.

    def test_missing_things_exit_3_and_are_named(self):
        for arguments, word in (
                (("ci", "test-migration", "db/main", "--capture", self.path("no-capture")),
                 "no-capture"),
                (("ci", "test-migration", "db/other", "--capture", self.traffic), "db/other"),
                (("ci", "test-migration", "nope/main"), "has no database 'nope'; known: db"),
                (("shadow", "show", "db/other"), "db/main"),
                (("shadow", "destroy", "db/other"), "db/other"),
                (("shadow", "url", "db/other"), "db/other"),
                (("shadow", "create", "db/unknown"), "unknown"),
                (("report", "show", self.path("no-report")), "no-report"),
                (("log", "info", self.path("no-capture")), "no-capture")):
            with self.subTest(arguments=arguments):
                done = self.must(self.scry(*arguments), 3)
                self.assertIn(word, self.assert_one_line(done))

    def test_wrong_usage_exits_64(self):
        for arguments in (
                ("ci", "test-migration"), ("ci", "test-migration", "db/main"), ("ci",), ("shadow",),
                ("ci", "test-migration", "db/main", "--no-such-flag"),
                ("ci", "test-migration", "no-slash", "--capture", self.traffic),
                ("ci", "test-migration", "../../etc", "--capture", self.traffic),
                ("ci", "test-migration", "db/main", "--capture", self.traffic, "--timeout", "soon"),
                ("ci", "test-migration", "db/main", "--capture", self.traffic, "--speed", "0"),
                ("ci", "test-migration", "db/main", "--capture", self.traffic, "--sync", "later"),
                ("ci", "test-migration", "db/main", "--capture", self.traffic, "--sync", "time"),
                ("ci", "test-migration", "db/main", "--capture", self.traffic, "--connect-speed",
                 "-1"),
                ("shadow", "create", "db/main", "--color", "mauve"),
                ("shadow", "create", "db/main"), ("nonsense",)):
            with self.subTest(arguments=arguments):
                self.assert_one_line(self.must(self.scry(*arguments), 64))

    def test_mistakes_in_the_configuration_exit_64_and_are_pointed_at(self):
        good = f"version: 1\ndatabases:\n  db:\n    source: {self.server.url()}\n    shadows:\n"
        for text, words in (
                (good + "      main:\n        providr: physical\n", (":7:9", "did you mean 'provider'")),
                (good + "      main:\n        provider: phisical\n", (":7:19", "'physical'")),
                (good + "      main:\n        provider: standby\n", (":7:19", "not built yet")),
                (good.replace(self.server.url(), "${NO_SUCH_URL}") +
                 "      other:\n        provider: physical\n", ("4:13", "NO_SUCH_URL")),
                (good + "      main: [\n", (":7:",)),
                ("databases: {}\n", ("version: 1",)),
                ("version: 2\n", ("newer",)),
                ("", ("version: 1",))):
            with self.subTest(text=text):
                path = self.config(text, "mistaken.yaml")
                done = self.must(self.scry("shadow", "create", "db/other", "--config", path), 64)
                line = self.assert_one_line(done)
                self.assertIn(path, line)
                for word in words:
                    self.assertIn(word, line)

    def test_a_capture_that_is_none_and_one_without_statements_are_told(self):
        empty = self.path("empty")
        os.makedirs(empty)
        done = self.scry("ci", "test-migration", "db/main", "--capture", empty)
        self.assertIn(done.code, (1, 3), done)
        self.assert_one_line(done)
        nothing = self.capture(self.path("nothing"), "true")
        done = self.must(self.scry("ci", "test-migration", "db/main", "--capture", nothing), 6)
        self.assertIn("no statements", self.assert_one_line(done))

    # --- 2 and 130: enough.

    def test_a_timeout_ends_a_slow_migration_with_2(self):
        mark = self.path("mark")
        done = self.must(self.scry("ci", "test-migration", "db/main", "--capture", self.traffic,
                                   "--timeout", "3s", "--", "sh", "-c", f"touch {mark}; sleep 300"), 2)
        self.assert_one_line(done)

    def test_a_timeout_is_told_as_it_was_given(self):
        done = self.must(self.scry("ci", "test-migration", "db/main", "--capture", self.traffic,
                                   "--timeout", "1ms", "--", "true"), 2)
        self.assertIn("the time limit of 1 ms ran out", self.assert_one_line(done).replace("1.00 ms", "1 ms"))

    def test_a_timeout_ends_a_slow_replay_with_2(self):
        done = self.must(self.scry("ci", "test-migration", "db/main", "--capture", self.waiting,
                                   "--timeout", "5s"), 2)
        self.assert_one_line(done)

    def test_interrupting_the_migration_exits_130(self):
        for whole_group in (False, True):
            with self.subTest(whole_group=whole_group):
                process = self.start_waiting_migration()
                (os.killpg if whole_group else os.kill)(process.pid, signal.SIGINT)
                done = self.finish(process)
                self.must(done, 130)
                self.assert_no_runs()
                os.unlink(self.path("running"))

    def test_interrupting_the_replay_exits_130(self):
        for number in (signal.SIGINT, signal.SIGTERM):
            with self.subTest(number=number):
                process = self.start_waiting_replay()
                os.killpg(process.pid, number)
                self.must(self.finish(process), 130)
                self.assert_no_runs()

    # --- 1: the machine.

    def assert_server_end_is_told(self, lane, process):
        done = self.must(self.finish(process), 1)
        self.assertIn(lane, self.assert_one_line(done))

    def test_a_server_killed_in_mid_replay_is_told_in_one_line(self):
        for lane in ("candidate", "baseline"):
            with self.subTest(lane=lane):
                process = self.start_waiting_replay(lane)
                os.kill(self.lane_server(lane)[0], signal.SIGKILL)
                self.assert_server_end_is_told(lane, process)
                self.assert_no_runs()

    def test_a_server_killed_in_mid_migration_is_told_in_one_line(self):
        for lane in ("candidate", "baseline"):
            with self.subTest(lane=lane):
                mark = self.path("mark" + lane)
                process = self.start_test("sh", "-c", f"touch {mark}.on; while ! test -e {mark}.go; "
                                          "do sleep 0.1; done; psql -c 'select 1'")
                self.wait_for_file(mark + ".on")
                os.kill(self.lane_server(lane)[0], signal.SIGKILL)
                with open(mark + ".go", "w", encoding="utf-8"):
                    pass
                self.assert_server_end_is_told(lane, process)
                self.assert_no_runs()

    def test_a_state_folder_that_cannot_be_is_told_in_one_line(self):
        for folder in ("/proc/no/where", "/dev/null/state"):
            with self.subTest(folder=folder):
                done = self.must(self.scry("shadow", "list", "--state-dir", folder), 1)
                self.assertIn(folder, self.assert_one_line(done))

    def test_a_report_folder_that_cannot_be_is_told_before_anything_is_forked(self):
        for folder in ("/dev/null/report", "/proc/no/where"):
            for command in (("ci", "test-migration", "db/main", "--capture", self.traffic),
                            ("replay", self.traffic, "--target", self.server.url())):
                with self.subTest(folder=folder, command=command):
                    done = self.must(self.scry(*command, "--report", folder), 1)
                    self.assertIn(f"cannot leave a report in {folder}: ", self.assert_one_line(done))
                    self.assertEqual(done.err.count("\n"), 1, done.err)

    def test_a_report_folder_that_is_gone_in_the_end_loses_no_verdict(self):
        folder = self.path("left")
        for command, code in (("true", 1), ("false", 7)):
            done = self.must(self.scry(
                "ci", "test-migration", "db/main", "--capture", self.traffic, "--report", folder, "--", "sh", "-c",
                f"rm -rf {folder}; touch {folder}; {command}"), code)
            self.assertIn({1: "SAFE", 7: "MIGRATION FAILED"}[code], done.out)
            self.assertIn(folder, done.err)
            os.unlink(folder)

    def test_a_file_that_cannot_be_written_is_1_and_named_as_it_was_given(self):
        _, _ = self.migrate(code=0)
        [folder] = glob.glob(self.path("report-*"))
        done = self.must(self.scry("report", "convert", folder, "--to", "html", "-o", "/nonexistent/x.html"), 1)
        self.assertRegex(self.assert_one_line(done), r"/nonexistent/x\.html: No such file")

    def test_forks_that_cannot_be_removed_lose_no_verdict(self):
        def immutable(path, flag):
            return subprocess.run(["chattr", flag, path], capture_output=True, check=False).returncode == 0
        probe = self.path("probe")
        with open(probe, "w", encoding="utf-8"):
            pass
        if shutil.which("chattr") is None or not immutable(probe, "+i"):
            self.skipTest("no file here can be made one that stays")
        immutable(probe, "-i")
        self.addCleanup(lambda: [immutable(path, "-i") for path in glob.glob(f"{self.state_dir}/runs/*/stuck")])
        for last, code in (("exit 1", 7), ("exit 0", 1)):
            with self.subTest(code=code):
                runs = os.path.join(self.state_dir, "runs")
                done = self.must(self.scry(
                    "ci", "test-migration", "db/main", "--capture", self.traffic, "--json", "--",
                    "sh", "-c", f"cd {runs}/*/ && touch stuck && chattr +i stuck; {last}"), code)
                for path in glob.glob(f"{runs}/*/stuck"):
                    immutable(path, "-i")
                if code == 7:
                    self.assertTrue([note for note in json.loads(done.out)["notes"]
                                     if note.startswith("The forks could not be removed")])
                self.must(self.scry("shadow", "gc"))
                self.assert_no_runs()

    def test_an_unreachable_source_is_told_in_one_line(self):
        self.addCleanup(self.config_of)
        for url, word in (
                (self.server.url(port=1), "refused"),
                (self.server.url("nowhere"), "nowhere"),
                (self.server.url(user="nobody_here", password="opensesame"), "nobody_here")):
            with self.subTest(url=url):
                path = self.config(f"version: 1\ndatabases:\n  db:\n    source: {url}\n    shadows:\n"
                                   "      lost: { provider: physical }\n"
                                   "      gone: { provider: dump }\n", "unreachable.yaml")
                for name in ("db/lost", "db/gone"):
                    done = self.must(self.scry("shadow", "create", name, "--config", path), 1)
                    line = self.assert_one_line(done)
                    self.assertIn(word, line)
                    self.assertNotIn("opensesame", line)
                folder = os.path.join(self.state_dir, "shadows", "db")
                self.assertEqual(os.listdir(folder), ["main"])

    # --- kill -9 of scry.

    def kill_in_the_middle(self):
        process = self.start_waiting_replay()
        sockets = [self.lane_server(lane)[1] for lane in ("baseline", "candidate")]
        pids = [self.lane_server(lane)[0] for lane in ("baseline", "candidate")]
        os.kill(process.pid, signal.SIGKILL)
        process.communicate()
        self.assertEqual(len(os.listdir(os.path.join(self.state_dir, "runs"))), 1)
        return sockets, pids

    def assert_gone(self, sockets, pids):
        self.assert_no_runs()
        for folder in sockets:
            self.assertFalse(os.path.exists(folder), folder)
        for pid in pids:
            scry_e2e.wait_until(lambda pid=pid: not os.path.exists(f"/proc/{pid}"), f"end of {pid}")

    def test_what_a_killed_run_left_is_removed_by_gc(self):
        left = self.kill_in_the_middle()
        done = self.must(self.scry("shadow", "gc"))
        self.assertIn("removed 1 run", done.out)
        self.assert_gone(*left)

    def test_what_a_killed_run_left_is_removed_by_the_next_run(self):
        left = self.kill_in_the_middle()
        self.migrate(code=0)
        self.assert_gone(*left)

    def test_what_a_killed_migration_left_is_removed_and_its_command_ends(self):
        process = self.start_waiting_migration()
        os.kill(process.pid, signal.SIGKILL)
        process.communicate()
        self.must(self.scry("shadow", "gc"))
        self.assert_no_runs()

    def test_kept_forks_stay_until_they_are_asked_to_go(self):
        done = self.must(self.scry("ci", "test-migration", "db/main", "--capture", self.traffic,
                                   "--keep"))
        self.assertIn("forks kept in ", done.err)
        self.must(self.scry("shadow", "gc"))
        [run] = os.listdir(os.path.join(self.state_dir, "runs"))
        self.assertTrue(glob.glob(os.path.join(self.state_dir, "runs", run, "candidate", "data", "*")))
        self.must(self.scry("shadow", "gc", "--kept"))


if __name__ == "__main__":
    scry_e2e.main()
