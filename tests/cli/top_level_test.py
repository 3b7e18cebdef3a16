"""What the command line promises before any server is asked: texts, streams, exit statuses."""

import os
import pty
import re
import subprocess

import scry_e2e

HERE = os.path.dirname(os.path.abspath(__file__))
# One line on stderr, which says how to go on, and nothing on stdout.
ONE_LINE = r"\Ascry: [^\n]+\n\Z"
USAGE_LINE = r"\Ascry: [^\n]+ \(try 'scry( [a-z-]+)* --help'\)\n\Z"


class TopLevelTest(scry_e2e.TestCase):
    def test_help_is_this_text_and_fits_a_screen(self):
        # After a wanted change: scry --help >tests/cli/help.txt
        with open(os.path.join(HERE, "help.txt"), encoding="utf-8") as file:
            expected = file.read()
        for flag in ("--help", "-h"):
            self.assertEqual(self.run_scry(flag), (0, expected, ""))
        lines = expected.splitlines()
        self.assertLessEqual(len(lines), 55)
        self.assertLessEqual(max(map(len, lines)), 100)

    def test_help_names_every_exit_status(self):
        told = self.run_scry("--help").out
        statuses = told[told.index("EXIT STATUS"):told.index("EXAMPLE")].split()
        for status in ("0", "1", "2", "3", "4", "5", "6", "7", "64", "130"):
            self.assertIn(status, statuses)

    def test_help_is_the_same_text_on_a_terminal(self):
        main, terminal = pty.openpty()
        process = subprocess.Popen([self.binary, "--help"], stdin=terminal, stdout=terminal,
                                   stderr=terminal, env=scry_e2e.clean_environment())
        os.close(terminal)
        shown = b""
        try:
            while chunk := os.read(main, 4096):
                shown += chunk
        except OSError:  # Linux says EIO at the end of a pty.
            pass
        os.close(main)
        self.assertEqual(process.wait(), 0)
        self.assertEqual(shown.decode().replace("\r\n", "\n"), self.run_scry("--help").out)

    def test_version_is_one_line_by_flag_and_by_command(self):
        expected = f"scry {os.environ.get('SCRY_VERSION', '0.1.0')}\n"
        self.assertEqual(self.run_scry("--version"), (0, expected, ""))
        self.assertEqual(self.run_scry("version"), (0, expected, ""))

    def test_every_command_has_help_with_exit_status_and_an_example(self):
        # The manual names every command.
        manual = self.run_scry("manual").out
        found = re.findall(r"^Usage: scry ((?:[a-z-]+ )+)", manual.replace("\\-", "-"), re.MULTILINE)
        commands = [command.split() for command in found]
        for known in (["capture"], ["log", "top"], ["shadow", "gc"], ["report", "merge"], ["version"]):
            self.assertIn(known, commands)
        commands += [[group] for group in sorted({command[0] for command in commands if len(command) > 1})]
        for command in commands:
            with self.subTest(command=command):
                done = self.run_scry(*command, "--help")
                self.assertEqual((done.code, done.err), (0, ""))
                self.assertIn("scry " + " ".join(command), done.out)
                end = done.out.rindex("\nEXIT STATUS\n")
                self.assertIn("\nEXAMPLE\n  ", done.out[end:])
                self.assertLessEqual(max(map(len, done.out[end:].splitlines())), 80)

    def test_wrong_usage_is_64_and_one_line(self):
        for args in ((), ("nonsense",), ("--nonsense",), ("log",), ("log", "nonsense"),
                     ("log", "top"), ("log", "top", "--limit", "many", "cap"),
                     ("log", "top", "--session", "-1", "cap"),
                     ("log", "top", "--session", "0", "cap"), ("log", "top", "--limit", "-1", "cap"),
                     ("--color", "sometimes", "version"), ("capture",),
                     ("capture", "--upstream", "x"), ("capture", "-o", "x"), ("version", "extra")):
            with self.subTest(args=args):
                done = self.run_scry(*args)
                self.assertEqual((done.code, done.out), (64, ""), done)
                self.assertRegex(done.err, USAGE_LINE)

    def test_wrong_usage_is_told_in_words_of_a_person(self):
        for args, told, command in (
                ((), "a command is missing: ", ""),
                (("nonsense",), "there is no command 'nonsense'", ""),
                (("--nonsense",), "scry has no option '--nonsense'", ""),
                (("log",), "a command is missing: info, top, cat, verify", " log"),
                (("log", "nonsense"), "there is no command 'log nonsense'; log has info, top, cat, verify", " log"),
                (("log", "top", "--limt", "3", "cap"), "scry log top has no option '--limt'", " log top"),
                (("log", "top"), "capture is required", " log top"),
                (("log", "top", "--limit", "many", "cap"), "--limit: 'many' is no whole number from 0 on", " log top"),
                (("log", "top", "--session", "0", "cap"), "--session: '0' is no whole number from 1 on", " log top"),
                (("replay", "cap", "--jobs", "9999999"), "--jobs: '9999999' is no whole number from 1 to ", " replay"),
                (("--color", "mauve", "version"), "--color: 'mauve' is none of auto, always, never", ""),
                (("report", "convert", "r", "--to", "pdf"), "--to: 'pdf' is none of text, json, ", " report convert"),
                (("demo", "nothing"), "scenario: 'nothing' is none of missing-index, ", " demo"),
                (("version", "extra"), "'extra' is a word too many", " version"),
                (("capture", "--upstrem", "x"), "scry capture has no option '--upstrem'", " capture"),
                (("ci", "test-migration", "a/b", "psql", "-c", "select 1"),
                 "scry ci test-migration has no option '-c'; if it is one of psql, write -- before that command: "
                 "-- psql -c ...", " ci test-migration")):
            with self.subTest(args=args):
                done = self.run_scry(*args)
                self.assertEqual((done.code, done.out), (64, ""), done)
                self.assertTrue(done.err.startswith("scry: " + told), done.err)
                self.assertTrue(done.err.endswith(f" (try 'scry{command} --help')\n"), done.err)
                self.assertLess(len(done.err), 300)

    def test_help_is_a_command_too(self):
        for words in ((), ("log",), ("log", "top"), ("ci", "test-migration")):
            self.assertEqual(self.run_scry("help", *words), self.run_scry(*words, "--help"))
        done = self.run_scry("help", "log", "nonsense")
        self.assertEqual((done.code, done.out, done.err),
                         (64, "", "scry: there is no command 'log nonsense' (try 'scry --help')\n"))

    def test_wrong_values_are_64_and_the_line_names_them(self):
        for args in (("--from", "soon"), ("--to", "-3s"), ("--from", "5parsecs")):
            with self.subTest(args=args):
                done = self.run_scry("log", "top", *args, "cap")
                self.assertEqual((done.code, done.out), (64, ""), done)
                self.assertRegex(done.err, ONE_LINE)
                self.assertIn(args[1], done.err)

    def test_a_capture_that_is_not_there_is_3_in_exactly_these_words(self):
        expected = ("scry: no capture in nowhere: it has no manifest.json; name the directory given "
                    "to scry capture -o\n")
        for verb in ("info", "top", "cat", "verify"):
            for flags in ((), ("--json",), ("-q",), ("-v",)):
                with self.subTest(verb=verb, flags=flags):
                    self.assertEqual(self.run_scry("log", verb, *flags, "nowhere"),
                                     (3, "", expected))

    def test_a_manifest_that_is_none_is_1(self):
        for content in ("", "{", "[]", "{}", '{"format_version": 999}', "\0\xff"):
            with self.subTest(content=content):
                directory = self.path("cap")
                os.makedirs(directory, exist_ok=True)
                with open(os.path.join(directory, "manifest.json"), "wb") as file:
                    file.write(content.encode("latin-1"))
                done = self.run_scry("log", "info", directory)
                self.assertEqual((done.code, done.out), (1, ""), done)
                self.assertRegex(done.err, ONE_LINE)
                self.assertIn(directory, done.err)


if __name__ == "__main__":
    scry_e2e.main()
