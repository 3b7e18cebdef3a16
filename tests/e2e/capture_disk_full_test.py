"""A full disk costs records, never traffic."""

import os
import subprocess

import scry_e2e


def may_mount():
    done = subprocess.run(["unshare", "-rm", "mount", "-t", "tmpfs", "none", "/mnt"],
                          capture_output=True)
    return done.returncode == 0


class DiskFullTest(scry_e2e.TestCase):
    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        if not may_mount():
            raise scry_e2e.unittest.SkipTest("mounting a small disk is not permitted here")
        cls.server = cls.start_server()

    def statements(self, count):
        """Random texts, which do not compress: a small disk is soon full."""
        script = self.path("script.sql")
        with open(script, "w", encoding="ascii") as file:
            for _ in range(count):
                file.write(f"select '{os.urandom(2000).hex()}';\n")
        return script

    def run_on_small_disk(self, size, body):
        """Runs shell commands with a disk of its own at the answered path; then saves its capture."""
        disk = self.path("disk")
        os.mkdir(disk)
        saved = self.path("saved")
        done = subprocess.run(
            ["unshare", "-rm", "sh", "-c",
             f"mount -t tmpfs -o size={size} none '{disk}' && cd '{disk}' || exit 99\n{body}\n"
             f"cp -r cap '{saved}'"],
            capture_output=True, text=True, env=scry_e2e.clean_environment(), cwd=self.workspace,
            timeout=scry_e2e.PATIENCE_S)
        self.assertEqual(done.returncode, 0, done)
        return done, saved

    def assert_served(self, out, count):
        with open(out, encoding="ascii") as file:
            self.assertEqual([len(line) for line in file.read().splitlines()], [4000] * count)

    def test_traffic_goes_on_to_its_end_and_what_was_written_is_readable(self):
        out = self.path("out")
        done, saved = self.run_on_small_disk(
            "64k", f"'{self.binary}' capture --upstream '{self.server.url()}' -o cap -- "
            f"psql -XAt -o '{out}' -f '{self.statements(400)}'; echo code $?")
        self.assert_served(out, 400)
        self.assertIn("code 1\n", done.stdout)
        self.assertIn("No space left on device", done.stderr)
        self.assertRegex(done.stderr, r"is not complete, \d+ exchanges were lost")
        info = self.log_info(saved)
        self.assertFalse(info["sealed"])
        self.assertLess(info["exchanges"], 400)
        told = self.run_scry("log", "info", saved)
        self.assertIn("not sealed", told.out)
        self.assertNotRegex(told.out, r"missing +nothing")

    def test_a_disk_that_is_freed_again_leaves_a_counted_gap(self):
        # More than the disk, the queue and a block can hold.
        count = 2000
        out = self.path("out")
        summary = self.path("summary")
        inner = (f"psql -XAt -o '{out}' -f '{self.statements(count)}' && rm other && "
                 "psql -XAt -o /dev/null -c 'select 2'")
        _, saved = self.run_on_small_disk(
            "16m", "head -c 15M /dev/zero >other\n"
            f"'{self.binary}' capture --json --queue 256KiB --upstream '{self.server.url()}' "
            f"-o cap -- sh -c \"{inner}\" >'{summary}'")
        self.assert_served(out, count)
        with open(summary, encoding="utf-8") as file:
            told = scry_e2e.json.load(file)
        info = self.log_info(saved)
        self.assertEqual((info["exchanges"], info["exchanges_lost"]),
                         (told["exchanges"], told["exchanges_lost"]))
        self.assertEqual(info["exchanges"] + info["exchanges_lost"], count + 1)
        self.assertGreater(info["exchanges_lost"], 0)
        self.assertTrue(info["sealed"])
        self.assert_sound(saved)
        self.assertIn(f"{info['exchanges_lost']:,} exchanges in",
                      self.run_scry("log", "info", saved).out)


if __name__ == "__main__":
    scry_e2e.main()
