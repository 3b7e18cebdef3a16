"""Completions and the manual: they come from the parser, so they know what it knows."""

import os
import pty
import re
import select
import shutil
import subprocess
import time
import unittest

import scry_e2e


class CompletionTest(scry_e2e.TestCase):
    def complete(self, *words, compopt=":"):
        script = os.path.join(self.workspace, "scry.bash")
        with open(script, "w", encoding="utf-8") as file:
            file.write(self.run_scry("completion", "bash").out)
        done = subprocess.run(
            ["bash", "-c", 'source "$0"; COMP_WORDS=("$@"); COMP_CWORD=$(($# - 1)); compopt() { ' + compopt + '; }; _scry; '
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

    def completes_files(self, *words):
        return self.complete(*words, compopt="COMPREPLY+=(any-file)") == ["any-file"]

    def test_values_and_files_follow_what_takes_them(self):
        self.assertEqual(self.complete("scry", "report", "convert", "out", "--to", "mark"), ["markdown"])
        self.assertEqual(self.complete("scry", "ci", "test-migration", "--during", ""), ["auto", "always", "never"])
        for before in ((), ("log", "top")):
            self.assertEqual(self.complete("scry", *before, "--color", "n"), ["never"])
        self.assertEqual(self.complete("scry", "demo", "in"), ["index-drop"])
        self.assertEqual(self.complete("scry", "completion", ""), ["bash", "zsh", "fish"])
        for words in (("log", "top", ""), ("report", "show", "o"), ("report", "merge", "a", ""), ("replay", ""),
                      ("ci", "test-migration", "db/x", "--capture", ""), ("capture", "-o", "c"), ("--config", "")):
            self.assertTrue(self.completes_files("scry", *words), words)

    def test_what_is_hidden_is_not_completed(self):
        for words, hidden in ((("ci", "test-migration"), "--seed"), (("capture",), "--queue")):
            self.assertEqual(self.complete("scry", *words, hidden), [])
        self.assertNotIn("manual", self.complete("scry", ""))

    def test_every_flag_of_a_command_is_completed(self):
        for words in (("ci", "test-migration"), ("replay",), ("capture",)):
            told = set(re.findall(r"(?<![\w-])--[a-z][a-z-]+", self.run_scry(*words, "--help").out.split("EXIT STATUS")[0]))
            told = {flag for flag in told if re.search(r"^ +(-\w,)?" + flag + r"\b",
                                                       self.run_scry(*words, "--help").out, re.MULTILINE)}
            self.assertLessEqual(told, set(self.complete("scry", *words, "--")), words)

    def save(self, shell, name):
        folder = self.path("completions")
        os.makedirs(folder, exist_ok=True)
        with open(os.path.join(folder, name), "w", encoding="utf-8") as file:
            file.write(self.run_scry("completion", shell).out)
        return os.path.join(folder, name)

    @unittest.skipUnless(shutil.which("fish"), "no fish here")
    def test_fish_completes_as_bash_does(self):
        script = self.save("fish", "scry.fish")

        def complete(line):
            done = subprocess.run(
                ["fish", "--no-config", "-c", f"source {script}; complete -C '{line}'"],
                capture_output=True, text=True, check=False, cwd=self.path(),
                env=scry_e2e.clean_environment(HOME=self.path()))
            self.assertEqual((done.returncode, done.stderr), (0, ""))
            return [offered.split("\t")[0] for offered in done.stdout.splitlines()]
        self.assertEqual(complete("scry log t"), ["top"])
        self.assertEqual(complete("scry --json shadow cr"), ["create"])
        self.assertEqual(complete("scry ci test-migration --rep"), ["--report"])
        self.assertEqual(complete("scry log top --js"), ["--json"])
        self.assertNotIn("top", complete("scry log top to"))
        self.assertNotIn("--report", complete("scry ci test-migration db/x -- psql --"))

    @unittest.skipUnless(shutil.which("zsh"), "no zsh here")
    def test_zsh_completes_what_is_typed_whichever_way_it_is_loaded(self):
        folder = os.path.dirname(self.save("zsh", "_scry"))
        found_by_zsh = f"fpath=({folder} $fpath); autoload -Uz compinit; compinit -u -D"
        sourced = f"autoload -Uz compinit; compinit -u -D; source {folder}/_scry"
        for load in (found_by_zsh, sourced):
            typed = self.type_in_zsh(load, (
                "scry log t", "scry --json shadow cr", "scry ci test-migration --rep",
                "scry log top --js", "scry ci test-migration db/x -- psql --rep"))
            self.assertEqual(typed, [
                "scry log top ", "scry --json shadow create ", "scry ci test-migration --report ",
                "scry log top --json ", "scry ci test-migration db/x -- psql --rep"])

    def type_in_zsh(self, load, lines):
        """What stands on the command line after each of them and the tabulator."""
        master, slave = pty.openpty()
        process = subprocess.Popen(
            ["zsh", "-f", "-i"], stdin=slave, stdout=slave, stderr=slave, cwd=self.path(),
            start_new_session=True, env=scry_e2e.clean_environment(TERM="dumb", HOME=self.path()))
        os.close(slave)
        self.addCleanup(os.close, master)
        self.addCleanup(process.wait)
        self.addCleanup(process.kill)
        shown = b""

        def wait_for(pattern):
            nonlocal shown
            end = time.monotonic() + 30
            while not (found := re.search(pattern, shown)):
                self.assertLess(time.monotonic(), end, shown)
                if select.select([master], [], [], 1)[0]:
                    shown += os.read(master, 1 << 16)
            shown = shown[found.end():]
            return found
        # The widget leaves the line in a file, as a terminal's echo is for human eyes.
        answer = self.path("line")
        os.write(master, (f"{load}; tell() {{ print -rn -- \"$BUFFER\" >{answer}; BUFFER=; print -n 'to''ld' }}; "
                          "zle -N tell; bindkey '^X' tell; print 'read''y'\n").encode())
        wait_for(rb"ready")
        typed = []
        for line in lines:
            os.write(master, line.encode() + b"\t\x18")
            wait_for(rb"told")
            with open(answer, encoding="utf-8") as file:
                typed.append(file.read())
        return typed

    def test_other_shells_get_theirs_and_the_manual_holds_all_commands(self):
        self.assertTrue(self.run_scry("completion", "zsh").out.startswith("#compdef scry\n"))
        self.assertIn("complete -c scry", self.run_scry("completion", "fish").out)
        self.assertEqual(self.run_scry("completion", "tcsh").code, 64)
        manual = self.run_scry("manual").out
        for part in (".TH SCRY 1", '.SS "scry ci test\\-migration"', "EXIT STATUS"):
            self.assertIn(part.replace("\\-", "-") if part.startswith(".SS") else part, manual)


if __name__ == "__main__":
    scry_e2e.main()
