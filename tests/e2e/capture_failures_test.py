"""When something breaks, clients are told the truth and the capture keeps what it had."""

import os
import signal
import socket
import subprocess

import scry_e2e


class FailuresTest(scry_e2e.TestCase):
    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        cls.server = cls.start_server()

    def setUp(self):
        if self.server.process is None:
            self.server.start()

    def start_pgbench(self, url, script, *flags):
        path = self.path("script.sql")
        with open(path, "w", encoding="utf-8") as file:
            file.write(script)
        process = subprocess.Popen(
            [scry_e2e.program("pgbench"), "-n", "-c", "4", "-f", path, *flags, url],
            stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
            env=scry_e2e.clean_environment(), cwd=self.workspace)

        def end():
            if process.poll() is None:
                process.kill()
            process.communicate()
        self.addCleanup(end)
        return process

    # --- Ends of a capture.

    def test_ctrl_c_and_sigterm_end_a_capture_well(self):
        for number in (signal.SIGINT, signal.SIGTERM):
            with self.subTest(signal=number):
                directory = self.path(f"cap{number}")
                capture = self.start_capture(directory)
                with scry_e2e.WireClient(capture.host, capture.port) as client:
                    client.startup()
                    client.until()
                    client.query("select 1")
                    client.until()
                    ended = capture.stop(number)  # With the session open.
                    self.assertEqual(client.rest(), b"")
                self.assertEqual(ended.code, 0, ended)
                self.assertIn("captured 1 exchanges of 1 sessions", ended.out)
                info = self.log_info(directory)
                self.assertTrue(info["sealed"])
                self.assertEqual((info["exchanges"], info["gaps"]), (1, 0))
                [end] = [event for event in self.log_cat(directory)
                         if event["event"] == "session end"]
                self.assertEqual(end["reason"], "capture ended")
                self.assert_sound(directory)

    def test_for_ends_a_capture_well(self):
        directory = self.path("cap")
        done = self.run_scry("capture", "--upstream", self.server.url(), "-o", directory, "--for",
                             "200ms")
        self.assertEqual(done.code, 0, done)
        self.assertTrue(self.log_info(directory)["sealed"])

    def test_ctrl_c_before_the_command_ended_is_130_and_ends_the_command(self):
        directory = self.path("cap")
        process = subprocess.Popen(
            [self.binary, "capture", "--upstream", self.server.url(), "-o", directory, "--", "psql",
             "-Xc", "select pg_sleep(600)"], stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
            stderr=subprocess.PIPE, env=scry_e2e.clean_environment(), start_new_session=True)
        self.addCleanup(process.kill)
        scry_e2e.wait_until(lambda: self.server.sql(
            "select 1 from pg_stat_activity where wait_event = 'PgSleep'"), "the sleep")
        process.send_signal(signal.SIGINT)
        out, err = process.communicate(timeout=scry_e2e.PATIENCE_S)
        self.assertEqual(process.returncode, 130, (out, err))
        self.assertIn(b"interrupted before 'psql' ended", err)
        info = self.log_info(directory)
        self.assertTrue(info["sealed"])
        self.assertEqual(info["cut_off"], 1)

    def test_a_capture_killed_in_full_flow_is_read_up_to_its_last_block(self):
        directory = self.path("cap")
        capture = self.start_capture(directory)
        pgbench = self.start_pgbench(capture.url(), "select 1, :client_id, random();\n", "-T", "600")

        def written():
            paths = [os.path.join(directory, name) for name in os.listdir(directory)]
            return sum(os.path.getsize(path) for path in paths if ".open" in path)
        scry_e2e.wait_until(lambda: written() > 20_000, "blocks on disk")
        capture.process.kill()
        capture.process.wait()
        pgbench.communicate(timeout=scry_e2e.PATIENCE_S)
        self.assertNotEqual(pgbench.returncode, 0)

        info = self.log_info(directory)
        self.assertFalse(info["sealed"])
        self.assertGreater(info["exchanges"], 100)
        self.assertEqual(len(self.exchanges(directory)), info["exchanges"])
        self.assertEqual(self.log_top(directory)["statements"], info["statements"])
        told = self.run_scry("log", "info", directory)
        self.assertEqual(told.code, 0, told)
        self.assertIn("not sealed: still being written, or cut short", told.out)
        self.assertRegex(told.out, r"missing +(what came after the last block|.* in \d+ gaps)")
        self.assertNotIn("nothing", told.out)
        # An end that was cut is no damage: every block that is there reads back.
        verified = self.run_scry("log", "verify", directory)
        self.assertEqual(verified.code, 0, verified)
        self.assertIn("note:", verified.out)

    def test_a_capture_can_be_read_while_it_is_written(self):
        directory = self.path("cap")
        capture = self.start_capture(directory)
        self.psql(capture.url(), "select 1;")
        scry_e2e.wait_until(lambda: self.log_info(directory)["exchanges"] == 1, "the flush")
        self.assertFalse(self.log_info(directory)["sealed"])
        self.assertEqual(capture.stop().code, 0)
        self.assertTrue(self.log_info(directory)["sealed"])

    # --- The server.

    def test_a_server_that_is_away_at_the_start_is_1_and_leaves_no_capture(self):
        with socket.socket() as probe:
            probe.bind(("127.0.0.1", 0))
            port = probe.getsockname()[1]
        directory = self.path("cap")
        done = self.run_scry("capture", "--upstream",
                             f"postgresql://me:hunter2@127.0.0.1:{port}/db", "-o", directory)
        self.assertEqual(done.code, 1, done)
        self.assertEqual(done.out, "")
        self.assertRegex(
            done.err,
            rf"\Ascry: no server answers at db on 127.0.0.1:{port} as me; check --upstream "
            r"\(connection [^\n]*Connection refused[^\n]*\)\n\Z")
        self.assertNotIn("hunter2", done.err)
        marked = self.run_scry("shadow", "mark", "--target", f"postgresql://me:hunter2@127.0.0.1:{port}/db")
        self.assertEqual((marked.code, marked.err.count("connect to ")), (1, 1), marked)
        self.assertFalse(os.path.exists(directory))

    def test_a_command_that_does_not_come_by_the_proxy_is_told(self):
        done = self.run_scry("capture", "--upstream", self.server.url(), "-o", self.path("cap"), "--", "true")
        self.assertEqual(done.code, 0, done)
        self.assertEqual(done.out.splitlines()[1:], ["true never connected to the proxy; does it read DATABASE_URL or PG*?"])
        done = self.run_scry("capture", "--upstream", self.server.url(), "-o", self.path("cap2"), "--",
                             scry_e2e.program("psql"), "-Xqc", "select 1")
        self.assertIn("next: scry log top", done.out)

    def test_a_server_that_goes_away_is_told_to_clients_as_08006(self):
        directory = self.path("cap")
        capture = self.start_capture(directory)
        self.server.stop()
        for _ in range(2):
            with scry_e2e.WireClient(capture.host, capture.port) as client:
                client.startup()
                self.assertEqual(scry_e2e.sqlstate(client.message()), "08006")
                self.assertIsNone(client.message())
        told = self.psql(capture.url(), "select 1;")
        self.assertEqual(told.code, 2)
        self.assertIn(b"scry cannot reach the server", told.err)
        self.server.start()
        back = self.psql(capture.url(), "select 'back';", "-At")
        self.assertEqual(back.out, b"back\n", back)
        self.assertEqual(capture.stop().code, 0)
        self.assertEqual(self.log_info(directory)["sessions"], 1)

    def test_a_server_killed_in_full_flow_ends_its_sessions_and_nothing_else(self):
        directory = self.path("cap")
        capture = self.start_capture(directory)
        commits = "select sum(xact_commit) from pg_stat_database"
        before = int(self.server.sql(commits))
        pgbench = self.start_pgbench(capture.url(), "select 1;\n", "-T", "600")
        idle = scry_e2e.WireClient(capture.host, capture.port)
        self.addCleanup(idle.socket.close)
        idle.startup()
        idle.until()
        scry_e2e.wait_until(lambda: int(self.server.sql(commits)) > before + 1000, "traffic")
        self.server.stop("immediate")
        # The server's last words: a notice, of a code that differs among its versions.
        self.assertIn(scry_e2e.sqlstate(idle.message()), ("57P01", "57P02"))
        self.assertIsNone(idle.message())
        out, _ = pgbench.communicate(timeout=scry_e2e.PATIENCE_S)
        self.assertNotEqual(pgbench.returncode, 0, out)
        self.assertTrue(capture.alive())
        ended = capture.stop()
        self.assertEqual(ended.code, 0, ended)
        self.assert_sound(directory)
        info = self.log_info(directory)
        self.assertGreater(info["exchanges"], 0)
        self.assertEqual(info["exchanges_lost"], 0)
        ends = [event for event in self.log_cat(directory) if event["event"] == "session end"]
        self.assertEqual(len(ends), info["sessions"])
        self.assertTrue({"server closed"} <= {end["reason"] for end in ends})

    # --- Wrong usage.

    def test_wrong_usage_is_64_and_says_what_is_wrong(self):
        url = self.server.url()
        directory = self.path("cap")
        for args, told in (
                ((), "--upstream"),
                (("--upstream", url), "--output"),
                (("--upstream", url, "-o", directory, "--nonsense"), "--nonsense"),
                (("--upstream", url, "-o", directory, "--for", "soon"), "soon"),
                (("--upstream", url, "-o", directory, "--queue", "many"), "many"),
                (("--upstream", url, "-o", directory, "--listen", "here"), "here"),
                (("--upstream", "nonsense=1", "-o", directory), "connection string")):
            with self.subTest(args=args):
                done = self.run_scry("capture", *args)
                self.assertEqual(done.code, 64, done)
                self.assertEqual(done.out, "")
                self.assertRegex(done.err, r"\Ascry: [^\n]+\n\Z")
                self.assertIn(told, done.err)
                self.assertFalse(os.path.exists(directory))

    def test_a_folder_that_holds_a_capture_is_refused_and_unharmed(self):
        directory = self.path("cap")
        first = self.run_scry("capture", "--upstream", self.server.url(), "-o", directory, "--",
                              "psql", "-Xc", "select 1")
        self.assertEqual(first.code, 0, first)
        again = self.run_scry("capture", "--upstream", self.server.url(), "-o", directory, "--",
                              "psql", "-Xc", "select 2")
        self.assertEqual(again.code, 64, again)
        self.assertEqual(again.err, f"scry: {directory} already holds a capture: choose another "
                                    "directory or remove it first\n")
        self.assertEqual(self.log_info(directory)["exchanges"], 1)
        self.assert_sound(directory)

    def test_a_capture_that_could_not_start_can_be_started_again(self):
        directory = self.path("cap")
        with socket.socket() as taken:
            taken.bind(("127.0.0.1", 0))
            taken.listen()
            done = self.run_scry("capture", "--upstream", self.server.url(), "-o", directory,
                                 "--listen", f"127.0.0.1:{taken.getsockname()[1]}")
            self.assertEqual(done.code, 1, done)
            self.assertIn("Address already in use", done.err)
        missing = self.run_scry("capture", "--upstream", self.server.url(), "-o", directory, "--",
                                "no-such-program")
        self.assertEqual(missing.code, 1, missing)
        self.assertIn("no-such-program", missing.err)
        done = self.run_scry("capture", "--upstream", self.server.url(), "-o", directory, "--",
                             "psql", "-Xc", "select 1")
        self.assertEqual(done.code, 0, done)

    def test_a_folder_that_cannot_be_made_is_1(self):
        blocker = self.path("file")
        with open(blocker, "w", encoding="utf-8"):
            pass
        done = self.run_scry("capture", "--upstream", self.server.url(), "-o", blocker + "/cap")
        self.assertEqual(done.code, 1, done)
        self.assertRegex(done.err, r"\Ascry: [^\n]+\n\Z")
        self.assertIn(blocker, done.err)

    def test_a_capture_that_is_not_there_is_3(self):
        for verb in ("info", "top", "cat", "verify"):
            for directory in (self.path("nowhere"), self.path()):
                with self.subTest(verb=verb, directory=directory):
                    done = self.run_scry("log", verb, directory)
                    self.assertEqual(done.code, 3, done)
                    self.assertEqual(done.out, "")
                    self.assertRegex(done.err, r"\Ascry: [^\n]+\n\Z")

    # --- Damage.

    def test_verify_finds_a_flipped_byte_and_the_rest_is_read(self):
        directory = self.path("cap")
        capture = self.start_capture(directory)
        pgbench = self.start_pgbench(capture.url(), "select :client_id, random();\n", "-t", "300")
        out, _ = pgbench.communicate(timeout=scry_e2e.PATIENCE_S)
        self.assertEqual(pgbench.returncode, 0, out)
        self.assertEqual(capture.stop().code, 0)
        self.assert_sound(directory)
        [segment] = [name for name in os.listdir(directory) if not name.endswith(".json")]
        with open(os.path.join(directory, segment), "r+b") as file:
            size = file.seek(0, 2)
            file.seek(size // 3)
            byte = file.read(1)
            file.seek(size // 3)
            file.write(bytes([byte[0] ^ 1]))
        verified = self.run_scry("log", "verify", directory)
        self.assertEqual(verified.code, 1, verified)
        self.assertIn("DAMAGED", verified.out)
        self.assertIn("problem:", verified.out)
        info = self.run_scry("log", "info", directory)
        self.assertEqual(info.code, 0, info)
        self.assertIn("gaps", info.out)


if __name__ == "__main__":
    scry_e2e.main()
