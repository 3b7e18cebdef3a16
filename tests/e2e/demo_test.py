"""The demo's scenarios come true, each with its own figures, on any terminal, and leave nothing behind."""

import contextlib
import fcntl
import glob
import json
import os
import pty
import pwd
import re
import select
import shutil
import signal
import struct
import subprocess
import termios
import time
import unittest

import scry_e2e

COLUMNS = 80
PATIENCE_S = 300  # A whole scenario, on a machine that is busy with much else.


def folders():
    return set(glob.glob("/tmp/scry-demo-*"))


def _take_terminal():
    # So that what is typed there, as Ctrl-C, reaches the process.
    fcntl.ioctl(0, termios.TIOCSCTTY, 0)


class DemoTest(scry_e2e.TestCase):
    def setUp(self):
        scry_e2e.program("initdb")
        self.before = folders()
        self.addCleanup(self.assert_no_folder_left)

    def assert_no_folder_left(self):
        self.assertEqual(folders() - self.before, set())

    def start(self, *args, terminal=None):
        """`scry demo`; with `terminal` (a file descriptor of one) as its input and output."""
        stream = subprocess.PIPE if terminal is None else terminal
        process = subprocess.Popen(
            [self.binary, "demo", *args], stdout=stream, stderr=stream,
            stdin=subprocess.DEVNULL if terminal is None else terminal, cwd=self.workspace,
            env=scry_e2e.clean_environment(TERM="xterm"), start_new_session=True,
            preexec_fn=None if terminal is None else _take_terminal)

        def end():
            if process.poll() is None:
                process.kill()
            process.wait()
            for pipe in (process.stdout, process.stderr):
                if pipe:
                    pipe.close()
        self.addCleanup(end)
        return process

    def on_terminal(self, *args, answer=()):
        """Runs it on a terminal of 80 columns: (exit status, what it showed). Whenever the text of
        answer's first element is shown, its second is typed."""
        master, slave = pty.openpty()
        fcntl.ioctl(slave, termios.TIOCSWINSZ, struct.pack("HHHH", 24, COLUMNS, 0, 0))
        process = self.start(*args, terminal=slave)
        os.close(slave)
        shown = b""
        answered = 0
        end = time.monotonic() + PATIENCE_S
        while time.monotonic() < end:
            if not select.select([master], [], [], 1)[0]:
                continue
            try:
                chunk = os.read(master, 1 << 16)
            except OSError:  # Nobody has it open any more.
                break
            shown += chunk
            if answer and shown.count(answer[0]) > answered:
                answered += 1
                os.write(master, answer[1])
        os.close(master)
        return process.wait(PATIENCE_S), shown.decode()


class ScenarioTest(DemoTest):
    def test_missing_index_is_found_and_scrys_own_fix_is_safe(self):
        done = self.run_scry("demo", timeout=PATIENCE_S)
        self.assertEqual(done.code, 0, done)
        self.assertIn("4 queries are new and slow", done.out)
        self.assertIn("because no index covers (region", done.out)
        self.assertEqual(re.findall(r"exit status (\d+)", done.out), ["5", "0", "0"])
        # One line for each step, and no bar, where nobody watches.
        for line in done.err.splitlines():
            self.assertRegex(line, r"^✓ \S.* (\d[\d.]* (ms|s)|\d+ min)")
        self.assertNotIn("\x1b", done.out + done.err)

    def test_index_drop_in_guided_mode_fits_eighty_columns(self):
        code, shown = self.on_terminal("index-drop", "--step", answer=(b"press Enter", b"\n"))
        self.assertEqual(code, 0, shown)
        text = re.sub(r"\x1b\[[0-9;]*[mK]", "", shown)
        self.assertEqual(text.count("press Enter to go on"), 3)
        self.assertRegex(text, r"orders_status_updated_idx +0\r\n")
        self.assertRegex(" ".join(text.split()),
                         r"because index orders_status_updated_idx \(status, updated_at\) was dropped")
        self.assertEqual(re.findall(r"exit status (\d+)", text), ["5", "0"])
        self.assertIn("━", text)
        for line in text.replace("\r\n", "\n").split("\n"):
            # What a bar was drawn over stands before the last carriage return. SQL to paste stays whole.
            for drawn in line.split("\r"):
                if not drawn.strip().startswith("CREATE INDEX"):
                    self.assertLessEqual(len(drawn), COLUMNS, drawn)

    def test_table_locking_shows_who_waits_second_by_second_and_batches_are_safe(self):
        reports = self.path("reports")
        done = self.run_scry("demo", "table-locking", "--json", "--report", reports,
                             timeout=PATIENCE_S)
        self.assertEqual(done.code, 0, done)
        told = json.loads(done.out)
        self.assertEqual(list(told), ["scenario", "migration", "batched"])
        bad, mended = told["migration"], told["batched"]
        self.assertEqual((bad["exit_status"], mended["exit_status"]), (5, 0))
        self.assertEqual({finding["type"] for finding in bad["findings"] if finding["gates"]},
                         {"blocked"})
        during = bad["during"]
        steps = during["timeline"]["steps"]
        self.assertGreaterEqual(during["timeline"]["step_us"] * len(steps), during["duration_us"])
        self.assertEqual(max(step["wait_us_max"] for step in steps), during["wait_us_max"])
        # A query waits in one second, or in several.
        self.assertGreaterEqual(sum(step["blocked"] for step in steps), during["blocked"])
        self.assertGreater(during["blocked"], mended["during"]["blocked"])
        for run in ("migration", "batched"):
            self.assertEqual(sorted(os.listdir(os.path.join(reports, run))),
                             ["report.html", "report.json", "report.md", "report.txt"])
        with open(os.path.join(reports, "migration", "report.txt"), encoding="utf-8") as file:
            self.assertRegex(file.read(), r"second  migration  blocked  longest wait\n")


class EndTest(DemoTest):
    # (scenario, what is done when it comes, what runs then)
    PHASES = (
        ("missing-index", None, "initdb"),
        ("missing-index", "load the shop", "the copy to a shadow"),
        ("table-locking", "copy it to a shadow", "the capture"),
        ("missing-index", "for the control", "the migration of the gate"),
        ("missing-index", "VACUUM (ANALYZE)", "the replay of the gate"),
        ("table-locking", "for the migration unde", "the migration under load"),
    )

    def start_until(self, scenario, done):
        """A demo that has just done this step; None: that has begun."""
        process = self.start(scenario)
        os.set_blocking(process.stderr.fileno(), False)
        seen = b""

        def is_done():
            nonlocal seen
            with contextlib.suppress(TypeError):
                seen += process.stderr.read()
            self.assertIsNone(process.poll(), seen)
            return done is None or done.encode() in seen
        scry_e2e.wait_until(is_done, done, PATIENCE_S)
        time.sleep(0.5)  # Into the next step, whose processes run by then.
        return process

    def test_ctrl_c_leaves_nothing_behind_whatever_runs(self):
        for scenario, done, running in self.PHASES:
            with self.subTest(running=running):
                process = self.start_until(scenario, done)
                os.killpg(process.pid, signal.SIGINT)
                self.assertEqual(process.wait(PATIENCE_S), 130)
                self.assert_no_folder_left()
                self.assert_nothing_left()

    def test_what_a_killed_demo_left_goes_with_the_next_start(self):
        process = self.start_until("missing-index", "for the control")
        os.killpg(process.pid, signal.SIGKILL)
        process.wait(PATIENCE_S)
        self.assertEqual(len(folders() - self.before), 1)
        # Any private server will do.
        done = self.run_scry("doctor", env={"SCRY_STATE_DIR": self.path("state")})
        self.assertEqual(done.code, 0, done)
        self.assert_no_folder_left()
        self.assert_nothing_left()

    @unittest.skipUnless(os.geteuid() == 0, "needs root, to be somebody else")
    def test_a_plain_user_needs_no_root(self):
        # Folders above the build's may be closed to others.
        binary = self.path("scry")
        shutil.copy(self.binary, binary)
        nobody = pwd.getpwnam("nobody")
        done = subprocess.run(
            [binary, "demo", "index-drop", "-q"], capture_output=True, text=True, check=False,
            cwd=self.workspace, timeout=PATIENCE_S, start_new_session=True, user=nobody.pw_uid,
            group=nobody.pw_gid, extra_groups=(), env=scry_e2e.clean_environment(HOME="/nonexistent"))
        self.assertEqual(done.returncode, 0, done)
        self.assertEqual(re.findall(r"exit status (\d+)", done.stdout), ["5", "0"])

    def test_ctrl_c_while_it_waits_for_enter_ends_it(self):
        code, shown = self.on_terminal("--step", answer=(b"press Enter", b"\x03"))
        self.assertEqual(code, 130, shown)

    def test_guided_mode_without_a_terminal_is_refused(self):
        done = self.run_scry("demo", "--step")
        self.assertEqual((done.code, done.out), (64, ""))
        self.assertRegex(done.err, r"^scry: --step waits for Enter, .* no terminal; .*\n$")

    def test_an_unknown_scenario_is_refused_with_the_known_ones(self):
        done = self.run_scry("demo", "index-drip")
        self.assertEqual(done.code, 64)
        for name in ("missing-index", "index-drop", "table-locking"):
            self.assertIn(name, done.err)


if __name__ == "__main__":
    scry_e2e.main()
