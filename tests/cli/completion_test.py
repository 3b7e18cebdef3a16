"""Completions and the manual: they come from the parser, so they know what it knows."""

import os
import re
import subprocess

import scry_e2e


class CompletionTest(scry_e2e.TestCase):
    def complete(self, *words):
        script = os.path.join(self.workspace, "scry.bash")
        with open(script, "w", encoding="utf-8") as file:
            file.write(self.run_scry("completion", "bash").out)
        done = subprocess.run(
            ["bash", "-c", 'source "$0"; COMP_WORDS=("$@"); COMP_CWORD=$(($# - 1)); compopt() { :; }; _scry; '
             'printf "%s\\n" "${COMPREPLY[@]}"', script, *words], capture_output=True, text=True, check=False)
        self.assertEqual((done.returncode, done.stderr), (0, ""))
        return done.stdout.split()

    def test_every_command_of_the_help_is_completed(self):
        listed = re.findall(r"^  ([a-z]+) {4,}", self.run_scry("--help").out, re.MULTILINE)
        self.assertGreater(len(listed), 8)
        self.assertLessEqual(set(listed), set(self.complete("scry", "")))

    def test_words_follow_the_commands_before_them(self):
        self.assertEqual(self.complete("scry", "log", "t"), ["top"])
        self.assertEqual(self.complete("scry", "ci", "test-migration", "--rep"), ["--report"])
        self.assertEqual(self.complete("scry", "--json", "shadow", "cr"), ["create"])
        self.assertEqual(self.complete("scry", "ci", "test-migration", "db/x", "--", "psql", "--ver"), [])

    def test_every_flag_of_a_command_is_completed(self):
        for words in (("ci", "test-migration"), ("replay",), ("capture",)):
            told = set(re.findall(r"(?<![\w-])--[a-z][a-z-]+", self.run_scry(*words, "--help").out.split("EXIT STATUS")[0]))
            told = {flag for flag in told if re.search(r"^ +(-\w,)?" + flag + r"\b",
                                                       self.run_scry(*words, "--help").out, re.MULTILINE)}
            self.assertLessEqual(told, set(self.complete("scry", *words, "--")), words)

    def test_other_shells_get_theirs_and_the_manual_holds_all_commands(self):
        self.assertTrue(self.run_scry("completion", "zsh").out.startswith("#compdef scry\n"))
        self.assertIn("complete -c scry", self.run_scry("completion", "fish").out)
        self.assertEqual(self.run_scry("completion", "tcsh").code, 64)
        manual = self.run_scry("manual").out
        for part in (".TH SCRY 1", '.SS "scry ci test\\-migration"', "EXIT STATUS"):
            self.assertIn(part.replace("\\-", "-") if part.startswith(".SS") else part, manual)


if __name__ == "__main__":
    scry_e2e.main()
