"""The steps of .github/actions/test-migration in a simulated runner: event, outputs, summary, and an API on
a local port. The gate itself is played by a script that leaves a report and exits as it is told; what
converts that report is the real binary. The workflows are read as the runner reads them."""

import glob
import http.server
import json
import os
import re
import shutil
import signal
import subprocess
import sys
import threading
import time

import scry_e2e

ROOT = os.path.realpath(os.path.join(os.path.dirname(__file__), "..", ".."))
ACTION = os.path.join(ROOT, ".github", "actions", "test-migration")
REPORTS = {0: "safe", 5: "regressions", 6: "unfaithful"}
BOT = {"login": "github-actions[bot]", "type": "Bot"}
PLAYED = """#!{python}
import os, shutil, signal, sys, time
arguments = sys.argv[1:]
if arguments[:2] != ["ci", "test-migration"]:
    os.execv({binary!r}, [{binary!r}, *arguments])
with open({log!r}, "a") as file:
    file.write(repr((arguments, sorted(os.environ))) + "\\n")
code = int(os.environ.get("PLAY_EXIT", "0"))
print("::error::the migration said so")
print(os.environ.get("PLAY_STDERR", ""), file=sys.stderr, flush=True)
if os.environ.get("PLAY_WAITS"):
    def stop(number, frame):
        time.sleep(0.5)  # Cleaning up.
        open({log!r} + ".cleaned", "w").close()
        sys.exit(130)
    signal.signal(signal.SIGINT, stop)
    open({log!r} + ".waits", "w").close()
    time.sleep(60)
golden = os.environ.get("PLAY_REPORT")
if golden:
    folder = arguments[arguments.index("--report") + 1]
    os.makedirs(folder, exist_ok=True)
    shutil.copy(golden, folder + "/report.json")
sys.exit(code)
"""


class Api(http.server.BaseHTTPRequestHandler):
    comments = {}  # By number: {"user", "body"}.
    refuse = False
    user = None  # Of the token; an app's may not ask.
    requests = []

    def answer(self, value, code=200):
        data = json.dumps(value).encode()
        self.send_response(code)
        self.send_header("Content-Length", str(len(data)))
        self.end_headers()
        self.wfile.write(data)

    def body(self):
        return json.loads(self.rfile.read(int(self.headers["Content-Length"])))["body"]

    def note(self):
        type(self).requests.append((self.command, self.path, self.headers["Authorization"]))
        if self.refuse == "hang up":
            self.wfile.write(b"no HTTP at all\r\n\r\n")
        elif self.refuse:
            self.answer({"message": "Resource not accessible by integration"}, 403)
        return self.refuse

    def do_GET(self):  # pylint: disable=invalid-name
        if self.note():
            return
        if self.path == "/user":
            self.answer(self.user or {}, 200 if self.user else 403)
            return
        page = int(re.search(r"[?&]page=(\d+)", self.path).group(1))
        found = [{"id": number, **comment} for number, comment in sorted(self.comments.items())]
        self.answer(found[(page - 1) * 100:page * 100])

    def do_POST(self):  # pylint: disable=invalid-name
        text = self.body()
        if not self.note():
            self.comments[len(self.comments) + 1] = {"user": self.user or BOT, "body": text}
            self.answer({"id": len(self.comments)}, 201)

    def do_PATCH(self):  # pylint: disable=invalid-name
        text = self.body()
        if not self.note():
            self.comments[int(self.path.rsplit("/", 1)[1])]["body"] = text
            self.answer({})

    def log_message(self, *_):  # pylint: disable=arguments-differ
        pass


class ActionFixture(scry_e2e.TestCase):
    """A repository with a change, an event, an API, and a scry that plays what it is told."""

    def setUp(self):
        super().setUp()
        if shutil.which("git") is None:
            self.skipTest("git is not installed")
        Api.comments, Api.refuse, Api.user, Api.requests = {}, False, None, []
        self.folder = os.path.join(self.workspace, self.id().rsplit(".", maxsplit=1)[-1])
        self.repository = os.path.join(self.folder, "repository")
        self.report = os.path.join(self.repository, "scry-report")
        os.makedirs(os.path.join(self.folder, "bin"))
        os.makedirs(os.path.join(self.folder, "temp"))
        os.makedirs(os.path.join(self.repository, "migrations"))
        self.log = os.path.join(self.folder, "played")
        self.write("bin/scry", PLAYED.format(python=sys.executable, binary=self.binary, log=self.log))
        os.chmod(os.path.join(self.folder, "bin", "scry"), 0o755)
        self.git("init", "-q", "-b", "main")
        self.write("repository/README", "a")
        self.commit()
        self.git("update-ref", "refs/remotes/origin/main", "main")
        self.write("repository/migrations/7.sql", "ALTER TABLE orders ADD COLUMN region text;\n")
        self.commit()
        self.server_ = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Api)
        threading.Thread(target=self.server_.serve_forever, daemon=True).start()
        self.addCleanup(self.server_.server_close)
        self.addCleanup(self.server_.shutdown)
        self.pull_request()

    def write(self, path, text):
        with open(os.path.join(self.folder, path), "w", encoding="utf-8") as file:
            file.write(text)

    def git(self, *arguments):
        environment = scry_e2e.clean_environment(
            GIT_CONFIG_GLOBAL="/dev/null", GIT_CONFIG_SYSTEM="/dev/null", GIT_AUTHOR_NAME="a", GIT_AUTHOR_EMAIL="a@b",
            GIT_COMMITTER_NAME="a", GIT_COMMITTER_EMAIL="a@b")
        done = subprocess.run(["git", "-C", self.repository, *arguments], check=True, env=environment,
                              capture_output=True, text=True)
        return done.stdout.strip()

    def commit(self):
        self.git("add", "-A")
        self.git("commit", "-q", "-m", "x")

    def event(self, **told):
        self.write("event.json", json.dumps(told))

    def pull_request(self, source="shop/shop"):
        self.event(pull_request={
            "number": 7, "changed_files": 1, "head": {"repo": source and {"full_name": source}, "sha": "0123456789abcdef"},
            "base": {"repo": {"full_name": "shop/shop"}}})

    def environment(self, **inputs):
        for file in ("output", "summary"):
            with open(os.path.join(self.folder, file), "a", encoding="utf-8"):
                pass
        told = {
            "PATH": os.path.join(self.folder, "bin") + os.pathsep + os.environ["PATH"],
            "GITHUB_EVENT_PATH": os.path.join(self.folder, "event.json"),
            "GITHUB_OUTPUT": os.path.join(self.folder, "output"),
            "GITHUB_STEP_SUMMARY": os.path.join(self.folder, "summary"), "GITHUB_BASE_REF": "main",
            "GITHUB_API_URL": f"http://127.0.0.1:{self.server_.server_address[1]}", "GITHUB_REPOSITORY": "shop/shop",
            "GITHUB_SERVER_URL": "https://github.com", "GITHUB_RUN_ID": "1234", "GITHUB_TOKEN": "t0ken",
            "GITHUB_EVENT_NAME": "pull_request", "GITHUB_JOB": "test", "GITHUB_RUN_ATTEMPT": "2",
            "RUNNER_TEMP": os.path.join(self.folder, "temp"),
            "SCRY_SHADOW": "shop/ci", "SCRY_COMMAND": "true", "SCRY_COMMENT": "true", "SCRY_TOKEN": "t0ken",
            "SCRY_REPORT": "scry-report", "SCRY_LOGIN": BOT["login"], **inputs}
        return scry_e2e.clean_environment(**told)

    def step(self, name, code=0, **inputs):
        """What the step printed, its outputs (and those before it) and the summary so far."""
        done = subprocess.run([sys.executable, os.path.join(ACTION, "gate.py"), name], cwd=self.repository,
                              env=self.environment(**inputs), capture_output=True, text=True, check=False)
        self.assertEqual(done.returncode, code, done)
        self.assertNotIn("t0ken", done.stdout + done.stderr)
        return done.stdout, self.outputs(), self.read("summary")

    def read(self, path):
        with open(os.path.join(self.folder, path), encoding="utf-8") as file:
            return file.read()

    def bodies(self):
        return [comment["body"] for _, comment in sorted(Api.comments.items())]

    def outputs(self):
        return dict(line.split("=", 1) for line in self.read("output").splitlines())

    def played(self):
        """Arguments and variables of each gate."""
        return [eval(line) for line in self.read("played").splitlines()]  # pylint: disable=eval-used


class ActionTest(ActionFixture):
    """Step by step."""

    def begin(self):
        self.step("admit")
        self.step("start")
        _, outputs, _ = self.step("look")
        self.assertEqual(outputs["run"], "true")
        return outputs

    def run_gate(self, exit_code, report, **inputs):
        golden = os.path.join(ROOT, "tests", "golden", "report", f"{report}.json") if report else ""
        inputs = {"SCRY_COMMAND": "alembic -x 'a b' upgrade head", "PLAY_EXIT": str(exit_code), "PLAY_REPORT": golden,
                  **inputs}
        out, outputs, _ = self.step("run", **inputs)
        return out, outputs

    def finish(self, code, outputs, **inputs):
        return self.step("finish", code=code, SCRY_RUN="true", SCRY_EXIT=outputs.get("exit-code", ""),
                         SCRY_SAID=outputs.get("said", ""), **inputs)

    def whole(self, exit_code, **inputs):
        """All steps of a run that ends so."""
        migrations = self.begin()["migrations"]
        _, outputs = self.run_gate(exit_code, REPORTS.get(exit_code, ""), SCRY_CAPTURE="cap one\ncap two\n",
                                   SCRY_ARGUMENTS="--timeout 10m", SCRY_MIGRATIONS=migrations, **inputs)
        self.assertEqual(outputs["exit-code"], str(exit_code))
        return self.finish(exit_code, outputs)

    def test_a_safe_migration_passes_and_leaves_one_comment(self):
        out, outputs, summary = self.whole(0)
        self.assertEqual((outputs["verdict"], outputs["exit-code"], outputs["report"]),
                         ("safe", "0", os.path.join(self.report, "report.json")))
        self.assertIn("::notice title=scry%3A safe::", out)
        self.assertIn("### ✅ scry: safe", summary)
        [comment] = self.bodies()
        self.assertTrue(comment.startswith("<!-- scry report v1 shop/ci -->\n<!-- run 1234.2 -->\n### ✅"))
        [(arguments, _)] = self.played()
        self.assertEqual(arguments[arguments.index("--timeout"):], [
            "--timeout", "10m", "--capture", "cap one", "--capture", "cap two", "--migrations", "migrations/7.sql", "--",
            "alembic", "-x", "a b", "upgrade", "head"])

    def test_the_comment_names_commit_run_and_artefact(self):
        outputs = self.begin()
        _, outputs = self.run_gate(5, "regressions")
        self.finish(5, outputs, SCRY_ARTIFACT_URL="https://github.com/a/1")
        [comment] = self.bodies()
        self.assertIn("Commit 0123456789ab · [run](https://github.com/shop/shop/actions/runs/1234) · "
                      "[report as an artefact](https://github.com/a/1)", comment)
        self.assertNotIn("Before this push", comment)
        self.whole(0)
        [comment] = self.bodies()
        self.assertIn("Before this push: ❌ scry: regressions", comment)

    def test_the_migration_gets_nothing_that_speaks_for_the_job(self):
        files = {name: os.path.join(self.folder, "output") for name in ("GITHUB_ENV", "GITHUB_PATH", "GITHUB_STATE")}
        _, outputs = self.run_gate(0, "safe", GH_TOKEN="t0ken", ACTIONS_RUNTIME_TOKEN="t0ken", ACTIONS_CACHE_URL="x",
                                   ACTIONS_ID_TOKEN_REQUEST_TOKEN="t0ken", APP="kept", **files)
        self.assertEqual(outputs["exit-code"], "0")
        [(_, names)] = self.played()
        self.assertIn("APP", names)
        self.assertEqual([name for name in names if "TOKEN" in name or name.startswith("ACTIONS_") or name in (
            *files, "GITHUB_OUTPUT", "GITHUB_STEP_SUMMARY")], [])

    def test_what_the_migration_prints_is_no_command(self):
        out, _ = self.run_gate(0, "safe", PLAY_STDERR="::add-mask::safe")
        token = re.match(r"::stop-commands::([0-9a-f]{32})\n", out).group(1)
        for text in ("::error::the migration said so", "::add-mask::safe"):
            self.assertLess(0, out.index(text))
            self.assertLess(out.index(text), out.index(f"\n::{token}::\n"))

    def test_a_path_is_no_command(self):
        os.makedirs(os.path.join(self.repository, "::error title=x::"))
        self.write("repository/::error title=x::/8.sql", "ALTER TABLE orders ADD COLUMN note text;\n")
        self.commit()
        out, _, _ = self.step("look")
        self.assertNotIn("\n::error", out)
        self.assertIn("- ::error title=x::/8.sql", out)
        self.assertTrue(out.startswith("::stop-commands::"))

    def test_the_comment_is_edited_and_keeps_the_last_verdict_while_it_runs(self):
        Api.comments = {number: {"user": BOT, "body": f"other {number}"} for number in range(1, 151)}
        self.whole(5)
        self.assertEqual(len(Api.comments), 151)
        self.assertIn("### ❌ scry: regressions", self.bodies()[-1])
        for name in ("start", "look", "start"):
            self.step(name)
            self.assertEqual(len(Api.comments), 151)
            self.assertIn("⏳ scry is testing the migration: https://github.com/shop/shop/actions/runs/1234",
                          self.bodies()[-1])
            self.assertIn("Before this push: ❌ scry: regressions", self.bodies()[-1])
        self.whole(0)
        self.assertIn("### ✅ scry: safe", self.bodies()[-1])

    def test_an_older_run_leaves_the_comment_of_a_later_one_alone(self):
        self.step("look", GITHUB_RUN_ID="2000", GITHUB_RUN_ATTEMPT="1")
        later = self.bodies()
        self.assertIn("<!-- run 2000.1 -->", later[0])
        out, outputs, summary = self.whole(5)
        self.assertEqual((self.bodies(), outputs["verdict"]), (later, "regressions"))
        self.assertIn("::notice title=scry::the comment on the pull request is of a later run", out)
        self.assertIn("### ❌ scry: regressions", summary)
        # By number, not by letter, and attempts of one run too.
        self.step("look", GITHUB_RUN_ID="10000", GITHUB_RUN_ATTEMPT="1")
        self.assertNotEqual(self.bodies(), later)
        self.step("look", GITHUB_RUN_ID="10000", GITHUB_RUN_ATTEMPT="2")
        again = self.bodies()
        self.assertIn("<!-- run 10000.2 -->", again[0])
        self.step("look", GITHUB_RUN_ID="10000", GITHUB_RUN_ATTEMPT="1")
        self.assertEqual(self.bodies(), again)

    def test_a_verdict_of_an_earlier_push_does_not_outlive_a_failed_installation(self):
        self.whole(0)
        self.step("start")
        self.assertNotIn("### ✅", self.bodies()[0])
        # Neither `look` nor `run` came to be.
        _, outputs, _ = self.step("finish", code=1, SCRY_RUN="", SCRY_EXIT="", SCRY_STATUS="skipped failure")
        self.assertEqual(outputs["verdict"], "failed")
        [comment] = self.bodies()
        self.assertIn("### ⚠️ scry: no verdict (exit status 1)", comment)
        self.assertIn("Before this push: ✅ scry: safe", comment)

    def test_a_failed_installation_makes_no_comment_where_there_was_none(self):
        self.step("start")
        self.step("finish", code=1, SCRY_RUN="", SCRY_EXIT="", SCRY_STATUS="skipped failure")
        self.assertEqual(self.bodies(), [])

    def test_a_comment_of_somebody_else_is_neither_edited_nor_believed(self):
        fake = "<!-- scry report v1 shop/ci -->\n### ✅ scry: safe, says a stranger"
        for login in (BOT["login"], ""):
            Api.comments = {1: {"user": {"login": "mallory", "type": "User"}, "body": fake},
                            2: {"user": {"login": "x", "type": "User"}, "body": None}, 3: {"user": None, "body": fake}}
            self.step("look", SCRY_LOGIN=login)
            self.assertEqual(self.bodies()[0], fake)
            self.assertEqual(len(Api.comments), 4)
            self.assertNotIn("stranger", self.bodies()[3])
        # The token of a person: asked for whose it is.
        Api.user = {"login": "deploy", "type": "User"}
        Api.comments = {1: {"user": BOT, "body": fake}, 2: {"user": Api.user, "body": fake}}
        self.step("look", SCRY_LOGIN="")
        self.assertEqual([fake in body for body in self.bodies()], [True, False])

    def test_regressions_fail_the_job_and_say_why(self):
        out, outputs, summary = self.whole(5)
        self.assertEqual(outputs["verdict"], "regressions")
        self.assertIn("::error title=scry%3A broken::", out)
        self.assertIn("regressions (exit status 5)", out)
        self.assertIn("#### Broken (1)", summary)
        self.assertEqual(self.whole(6)[1]["verdict"], "inconclusive")

    def test_a_failure_that_is_no_verdict_says_so(self):
        for code in (1, 2, 3, 64):
            out, outputs, _ = self.whole(code, PLAY_STDERR="scry: no such shadow: `shop/ci`\nnoise of the migration")
            self.assertEqual(outputs["verdict"], "failed")
            self.assertIn("says nothing about the migration", out)
            self.assertIn(f"no verdict (exit status {code})", self.bodies()[-1])
            self.assertIn("```text\nno such shadow: `shop/ci`\n```", self.bodies()[-1])
            self.assertIn(f"::error title=scry::failed (exit status {code}): no such shadow: `shop/ci` (", out)

    def wrong_usage(self, why, **inputs):
        """Told before anything is built, and nothing is run."""
        self.step("start", code=1, **inputs)
        for name in ("start", "run"):
            _, outputs, _ = self.step(name, code=int(name == "start"), **inputs)
            self.assertEqual(outputs["exit-code"], "64")
            self.assertFalse(os.path.exists(self.log), inputs)
            out, outputs, summary = self.finish(64, outputs)
            self.assertEqual(outputs["verdict"], "failed")
            self.assertIn("::error title=scry::failed (exit status 64): the input ", out)
            self.assertIn(why, out)
            self.assertIn(why, summary)
        os.remove(os.path.join(self.folder, "output"))

    def test_no_command_and_no_shadow_are_wrong_usage_and_never_safe(self):
        for command in ("", "  ", "\n", "''", "' '"):
            self.wrong_usage("the input command is empty", SCRY_COMMAND=command)
        for shadow in ("", " "):
            self.wrong_usage("the input shadow is empty", SCRY_SHADOW=shadow)
        self.wrong_usage("the input report is empty", SCRY_REPORT="")
        self.wrong_usage("the input arguments has -- in it", SCRY_ARGUMENTS="--budget 10m -- true")

    def test_what_only_a_shell_understands_is_wrong_usage(self):
        for command, word in (("npm ci && npm run migrate", "&&"), ("a || true", "||"), ("a ; b", ";"), ("a; b", "a;"),
                              ("a | tee log", "|"), ("a > log", ">"), ("a >log", ">log"), ("a 2>&1", "2>&1"),
                              ("psql < a.sql", "<"), ("a&&b", "a&&b"), ("a &", "&"), ("'a b' && c", "&&")):
            self.wrong_usage(f"the input command has {word} in it, and no shell runs it: put sh -c '...' around",
                             SCRY_COMMAND=command)
        for command in ("npm ci\nnpm run migrate\n", "alembic \\\n upgrade head", "a\r\nb"):
            self.wrong_usage("has several lines, and no shell runs it: put sh -c '...' around", SCRY_COMMAND=command)
        self.wrong_usage("the input command cannot be split into words: No closing quotation", SCRY_COMMAND="sh -c 'a && b")
        self.wrong_usage("the input arguments cannot be split into words", SCRY_ARGUMENTS="'")

    def test_what_a_shell_would_put_in_is_wrong_usage(self):
        for command, word in (('psql "$DATABASE_URL" -f a.sql', "$DATABASE_URL"), ("psql $DATABASE_URL", "$DATABASE_URL"),
                              ("psql ${DATABASE_URL}", "${"), ("alembic -x $(cat a) upgrade", "$("),
                              ("alembic -x `cat a`", "`"), ('a "it\'s $X"', "$X"), ("FOO=1 alembic upgrade head", "FOO=..."),
                              ("FOO='a b' alembic", "FOO=..."), ("sh -c $X", "$X")):
            self.wrong_usage(f"the input command has {word} in", SCRY_COMMAND=command)
        self.wrong_usage("put sh -c '...' around the command", SCRY_COMMAND="psql $DATABASE_URL")
        self.wrong_usage("put sh -c '...' around the command", SCRY_COMMAND="FOO=1 alembic")

    def test_what_is_quoted_is_nobodys_but_the_migrations(self):
        for command, words in (
                ("sh -c 'npm ci && npm run migrate'", ["sh", "-c", "npm ci && npm run migrate"]),
                ("sh -c '\n  a\n  b > c\n'\n", ["sh", "-c", "\n  a\n  b > c\n"]),
                ('sh -c "a \\"b\\" | c"', ["sh", "-c", 'a "b" | c']),
                ("find . -exec psql -f {} \\;", ["find", ".", "-exec", "psql", "-f", "{}", ";"]),
                ("sh -c 'FOO=1 psql \"$DATABASE_URL\"'", ["sh", "-c", 'FOO=1 psql "$DATABASE_URL"']),
                ('bash -ec "psql $DATABASE_URL"', ["bash", "-ec", "psql $DATABASE_URL"]),
                ('docker compose run app sh -e -c "flask db upgrade && echo $X"',
                 ["docker", "compose", "run", "app", "sh", "-e", "-c", "flask db upgrade && echo $X"]),
                ('psql -c "DO $a$ BEGIN END $a$"', ["psql", "-c", "DO $a$ BEGIN END $a$"]),
                ('a --only "^b$" \\$X \'$X\'', ["a", "--only", "^b$", "$X", "$X"]),
                ("env FOO=1 alembic", ["env", "FOO=1", "alembic"]),
                ("psql postgresql://h/d?a=1&b=2 -c ';'", ["psql", "postgresql://h/d?a=1&b=2", "-c", ";"]),
                ("alembic upgrade head\n", ["alembic", "upgrade", "head"])):
            self.step("start", SCRY_COMMAND=command)
            self.run_gate(0, "safe", SCRY_COMMAND=command)
            arguments = self.played()[-1][0]
            self.assertEqual(arguments[arguments.index("--") + 1:], words)

    def test_a_report_of_an_earlier_run_is_not_this_ones(self):
        self.run_gate(0, "safe")
        for code, verdict in ((0, "failed"), (5, "regressions"), (6, "inconclusive")):
            _, outputs = self.run_gate(code, "", PLAY_STDERR="scry: the captures are too thin")
            self.assertFalse(os.path.exists(os.path.join(self.report, "report.json")))
            out, outputs, summary = self.finish(code or 1, outputs)
            self.assertEqual(outputs["verdict"], verdict)
            self.assertNotIn("::notice", out)
            if code:
                self.assertIn("the captures are too thin", summary)
        self.assertIn("left no report that can be read", summary)

    def test_a_report_that_says_something_else_than_the_exit_status_is_not_believed(self):
        _, outputs = self.run_gate(0, "regressions")
        self.assertNotIn("report", outputs)
        _, outputs, _ = self.finish(1, outputs)
        self.assertEqual((outputs["verdict"], outputs["exit-code"]), ("failed", "1"))

    def test_other_files_in_the_folder_of_the_report_stay(self):
        os.makedirs(self.report)
        self.write("repository/scry-report/mine.txt", "x")
        self.run_gate(0, "safe")
        self.assertEqual(sorted(os.listdir(self.report)), ["mine.txt", "report.json", "report.sarif"])

    def test_an_absolute_folder_is_where_it_says(self):
        folder = os.path.join(self.folder, "elsewhere")
        _, outputs = self.run_gate(0, "safe", SCRY_REPORT=folder)
        self.assertEqual((outputs["folder"], outputs["report"]), (folder, os.path.join(folder, "report.json")))

    def test_names_of_artefacts_tell_gates_apart(self):
        def named(**inputs):
            return self.run_gate(0, "safe", **inputs)[1]["artifact"]
        self.assertEqual(named(), "scry-report-test-shop-ci-2")
        self.assertEqual(named(), "scry-report-test-shop-ci-2-2")
        self.assertEqual(named(SCRY_SHADOW="billing/ci"), "scry-report-test-billing-ci-2")
        self.assertEqual([named(SCRY_LEGS="2", SCRY_LEG=leg) for leg in "01"],
                         ["scry-report-test-shop-ci-0-2", "scry-report-test-shop-ci-1-2"])

    def test_a_report_that_cannot_be_kept_changes_no_verdict_and_is_told(self):
        _, outputs = self.run_gate(0, "safe")
        out, outputs, _ = self.finish(0, outputs, SCRY_KEPT="failure")
        self.assertEqual(outputs["verdict"], "safe")
        self.assertIn("::warning title=scry::the report could not be kept", out)
        self.assertNotIn("code scanning", out)

    def test_findings_that_code_scanning_did_not_get_are_told_with_what_it_needs(self):
        _, outputs = self.run_gate(0, "safe")
        out, outputs, _ = self.finish(0, outputs, SCRY_SCANNED="failure")
        self.assertEqual(outputs["verdict"], "safe")
        self.assertRegex(
            out, "::warning title=scry::the findings could not be uploaded.*security-events: write.*actions: read")

    def test_a_cancelled_job_lets_scry_clean_up(self):
        for number in (signal.SIGINT, signal.SIGTERM):
            for suffix in ("", ".waits", ".cleaned"):
                if os.path.exists(self.log + suffix):
                    os.remove(self.log + suffix)
            with subprocess.Popen([sys.executable, os.path.join(ACTION, "gate.py"), "run"], cwd=self.repository,
                                  env=self.environment(SCRY_COMMAND="true", PLAY_WAITS="yes"),
                                  stdout=subprocess.DEVNULL) as gate:
                end = time.monotonic() + 20
                while not os.path.exists(self.log + ".waits") and time.monotonic() < end:
                    time.sleep(0.05)
                gate.send_signal(number)
                self.assertEqual(gate.wait(20), 0)
            if number == signal.SIGINT:
                self.assertTrue(os.path.exists(self.log + ".cleaned"))
            outputs = self.outputs()
            self.assertEqual(outputs["exit-code"], "130")
            out, outputs, _ = self.finish(130, outputs)
            self.assertEqual(outputs["verdict"], "cancelled")
            self.assertIn("the run was cancelled", out)
        # Killed before it could say so.
        _, outputs, _ = self.step("finish", code=130, SCRY_RUN="true", SCRY_EXIT="", SCRY_STATUS="cancelled cancelled")
        self.assertEqual(outputs["verdict"], "cancelled")
        _, outputs, _ = self.step("finish", code=1, SCRY_RUN="true", SCRY_EXIT="", SCRY_STATUS="failure failure")
        self.assertEqual(outputs["verdict"], "failed")

    def without_migration(self):
        self.git("update-ref", "refs/remotes/origin/main", "HEAD")
        self.write("repository/README", "b")
        self.commit()

    def test_a_change_without_migration_is_skipped(self):
        self.without_migration()
        out, outputs, summary = self.step("look")
        self.assertEqual((outputs["run"], outputs["verdict"], outputs["exit-code"]), ("false", "skipped", "0"))
        self.assertIn("no migration among 1 changed files", out)
        self.assertIn("skipped", summary)
        self.assertEqual(Api.comments, {})
        self.assertEqual(self.step("look", SCRY_DETECT="never")[1]["run"], "true")

    def test_a_checkout_of_the_base_is_no_change_without_migration(self):
        for head in ("HEAD", "HEAD~1"):
            self.git("update-ref", "refs/remotes/origin/main", "HEAD")
            self.git("checkout", "-q", head)
            _, outputs, _ = self.step("look", code=1)
            self.assertEqual((outputs["exit-code"], outputs.get("run")), ("64", None))
            out, outputs, summary = self.finish(64, outputs)
            self.assertEqual(outputs["verdict"], "failed")
            self.assertIn("the checkout is the base, not the change", out)
            self.assertIn("the checkout is the base, not the change", summary)
            os.remove(os.path.join(self.folder, "output"))
        self.git("checkout", "-q", "main")
        # What the base has by now as well: nothing is left, but the checkout is of the change.
        self.git("commit", "-q", "--allow-empty", "-m", "x")
        self.assertEqual(self.step("look")[1]["verdict"], "skipped")

    def test_findings_without_a_line_stand_on_the_migration(self):
        def places(**inputs):
            _, outputs = self.run_gate(5, "regressions", **inputs)
            with open(outputs["sarif"], encoding="utf-8") as file:
                results = json.load(file)["runs"][0]["results"]
            return {one["locations"][0]["physicalLocation"]["artifactLocation"]["uri"] for one in results}
        self.git("rm", "-q", "migrations/7.sql")
        os.makedirs(os.path.join(self.repository, "versions"))
        self.write("repository/versions/7.py", "from alembic import op\n")
        self.commit()
        _, outputs, _ = self.step("look")
        self.assertEqual(outputs["file"], "versions/7.py")
        self.assertIn("versions/7.py", places(SCRY_FILE=outputs["file"]))
        self.assertIn("scry.yaml", places())  # Nothing else is known.
        os.makedirs(os.path.join(self.repository, "ci"))
        self.write("repository/ci/scry.yaml", "version: 1\n")
        for argument in ("--config ci/scry.yaml", "--config=ci/scry.yaml"):
            self.assertIn("ci/scry.yaml", places(SCRY_ARGUMENTS=argument))

    def test_what_is_to_be_ignored_is_skipped(self):
        self.assertEqual(self.step("look", SCRY_IGNORE="migrations/*\n")[1]["run"], "false")

    def test_a_push_is_compared_with_what_it_was_pushed_onto(self):
        self.git("update-ref", "refs/remotes/origin/main", "HEAD")
        before = self.git("rev-parse", "HEAD~1")
        push = {"GITHUB_EVENT_NAME": "push", "GITHUB_BASE_REF": "", "GITHUB_REF": "refs/heads/main"}
        self.event(before=before, repository={"default_branch": "main"})
        self.assertEqual(self.step("look", **push)[1]["run"], "true")
        self.event(before=self.git("rev-parse", "HEAD"), repository={"default_branch": "main"})
        self.assertEqual(self.step("look", **push)[1]["run"], "false")
        # A new branch, and one whose other pushes were tested: all of it is compared with the default branch.
        self.event(before="0" * 40, repository={"default_branch": "main"})
        self.assertEqual(self.step("look", **push)[1]["run"], "true")
        self.event(before=before, repository={"default_branch": "main"})
        self.assertEqual(self.step("look", **{**push, "GITHUB_REF": "refs/heads/x"})[1]["run"], "false")
        # Whatever other branches the clone has.
        self.git("update-ref", "refs/remotes/origin/trunk", before)
        elsewhere = {**push, "GITHUB_REF": "refs/heads/x"}
        self.event(before=before, repository={"default_branch": "trunk"})
        self.assertEqual(self.step("look", **elsewhere)[1]["run"], "true")
        self.event(before=before, repository={"default_branch": "nowhere"})
        self.assertIn("could not look for migrations, so the gate runs", self.step("look", **elsewhere)[0])
        self.event(merge_group={"base_sha": before})
        self.assertEqual(self.step("look", **{**push, "GITHUB_EVENT_NAME": "merge_group"})[1]["run"], "true")
        self.event()
        self.assertEqual(self.step("look", **{**push, "GITHUB_EVENT_NAME": "schedule"})[1]["run"], "true")

    def refused(self, **inputs):
        out, outputs, summary = self.step("admit", code=1, **inputs)
        self.assertEqual((outputs["verdict"], outputs["exit-code"], outputs["admitted"]), ("refused", "64", "false"))
        self.assertIn("refused", summary)
        return out

    def test_a_fork_is_refused_unless_allowed(self):
        for source in ("stranger/shop", None):
            self.pull_request(source)
            self.assertIn("::error title=scry::this pull request comes from a fork", self.refused())
            self.assertEqual(self.step("admit", SCRY_ALLOW_FORKS="true")[1]["admitted"], "true")
        self.event(repository={"full_name": "shop/shop"})
        self.assertEqual(self.step("admit", GITHUB_EVENT_NAME="push")[1]["admitted"], "true")

    def test_what_does_not_say_whose_code_it_is_is_refused(self):
        os.remove(os.path.join(self.folder, "event.json"))
        self.assertIn("cannot be read", self.refused())
        self.write("event.json", "[1]")
        self.assertIn("cannot be read", self.refused(GITHUB_EVENT_NAME="push"))
        self.event()
        self.refused(GITHUB_EVENT_NAME="pull_request_target")
        self.event(issue={"number": 7, "pull_request": {"url": "x"}}, comment={"body": "/test"})
        self.refused(GITHUB_EVENT_NAME="issue_comment")
        for happened in ("check_suite", "deployment", "deployment_status"):
            self.refused(GITHUB_EVENT_NAME=happened)
        here = {"full_name": "shop/shop"}
        for head in ({"full_name": "stranger/shop"}, None):
            self.event(workflow_run={"head_repository": head}, repository=here)
            self.refused(GITHUB_EVENT_NAME="workflow_run")
        self.event(workflow_run={"head_repository": here}, repository=here)
        self.step("admit", GITHUB_EVENT_NAME="workflow_run")

    def test_a_dispatch_for_a_pull_request_of_a_fork_is_refused(self):
        def dispatched(**payload):
            self.event(repository={"full_name": "shop/shop"}, client_payload=payload)
            return {"GITHUB_EVENT_NAME": "repository_dispatch"}

        def pull(source):
            return {"number": 7, "head": {"repo": source and {"full_name": source}},
                    "base": {"repo": {"full_name": "shop/shop"}}}
        comment = {"payload": {"issue": {"pull_request": {"url": "x"}}}}
        for payload in ({"pull_request": pull("stranger/shop")}, {"pull_request": pull(None)}, {"github": comment},
                        {"pull_request": 7},
                        {"jobs": [{"pull_request": pull("stranger/shop")}, {"pull_request": pull("shop/shop")}]}):
            self.assertIn("this dispatch is about a pull request", self.refused(**dispatched(**payload)))
        for payload in ({}, {"ref": "main"}, {"pull_request": pull("shop/shop"), "github": comment}):
            self.assertEqual(self.step("admit", **dispatched(**payload))[1]["admitted"], "true")

    def test_a_comment_that_cannot_be_written_fails_nothing(self):
        for refuse in (True, "hang up"):
            Api.refuse = refuse
            out, outputs, summary = self.whole(0)
            self.assertEqual(outputs["verdict"], "safe")
            self.assertIn("::warning title=scry::the comment could not be written", out)
            self.assertIn("### ✅ scry: safe", summary)

    def test_a_base_that_is_unknown_is_tested(self):
        out, outputs, _ = self.step("look", SCRY_BASE="nowhere")
        self.assertEqual(outputs["run"], "true")
        self.assertIn("could not look for migrations, so the gate runs", out)


class Runner:
    """Enough of GitHub's runner for one composite action: contexts, conditions, outputs. Actions that it uses
    are noted, and do nothing."""

    def __init__(self, document, folder, environment, contexts, action=ACTION):
        self.document = document
        self.folder = folder
        self.environment = dict(environment)
        self.contexts = contexts
        self.action = action
        self.steps = {}
        self.ran = []
        self.used = []
        self.printed = ""
        self.failed = False

    def value(self, name):
        value = {**self.contexts, "steps": self.steps, "job": {"status": "failure" if self.failed else "success"}}
        for part in name.split("."):
            value = value.get(part, "") if isinstance(value, dict) else ""
        return value

    def evaluate(self, expression):
        words = {"||": " or ", "&&": " and ", "==": "==", "!=": "!=", "always()": "True"}
        tokens = re.findall(r"'[^']*'|\|\||&&|==|!=|always\(\)|[a-z_]+(?:\.[\w-]+)+", expression)
        assert "".join(tokens) == re.sub(r"\s", "", expression), expression
        text = "".join(words.get(token) or (token if token.startswith("'") else repr(self.value(token))) for token in tokens)
        return eval(text)  # pylint: disable=eval-used

    def expand(self, text):
        return re.sub(r"\$\{\{(.*?)\}\}", lambda found: str(self.evaluate(found.group(1))), str(text))

    def run(self, fails="", answers=None):
        """`fails`: of an action that is used. `answers`: outputs by its name."""
        for step in self.document["runs"]["steps"]:
            condition = step.get("if", "")
            if (self.failed and "always()" not in condition) or (condition and not self.evaluate(condition)):
                outcome, outputs = "skipped", {}
            elif "uses" in step:
                used = step["uses"].split("@")[0]
                self.used.append((used, {key: self.expand(one) for key, one in step["with"].items()}))
                outcome = "failure" if used == fails else "success"
                outputs = (answers or {}).get(used, {}) if outcome == "success" else {}
            else:
                outcome, outputs = self.shell(step)
            if outcome == "failure" and not step.get("continue-on-error"):
                self.failed = True
            if "id" in step:
                self.steps[step["id"]] = {"outputs": outputs, "outcome": outcome}
        return {name: self.expand(one["value"]) for name, one in self.document["outputs"].items()}

    def shell(self, step):
        told, path = os.path.join(self.folder, "step-output"), os.path.join(self.folder, "step-path")
        for file in (told, path):
            with open(file, "w", encoding="utf-8"):
                pass
        environment = {**self.environment, "GITHUB_OUTPUT": told, "GITHUB_PATH": path, "GITHUB_ACTION_PATH": self.action,
                       **{key: self.expand(one) for key, one in step.get("env", {}).items()}}
        done = subprocess.run(["bash", "--noprofile", "--norc", "-eo", "pipefail", "-c", step["run"]],
                              env=environment, capture_output=True, text=True, check=False,
                              cwd=os.path.join(self.contexts["github"]["workspace"],
                                               self.expand(step.get("working-directory", "."))))
        self.ran.append(step["name"])
        self.printed += done.stdout + done.stderr
        with open(told, encoding="utf-8") as file:
            outputs = dict(line.rstrip("\n").split("=", 1) for line in file)
        with open(path, encoding="utf-8") as file:
            for line in file:
                self.environment["PATH"] = line.rstrip("\n") + os.pathsep + self.environment["PATH"]
        return "success" if done.returncode == 0 else "failure", outputs


class WholeActionTest(ActionFixture):
    """action.yml itself: what its steps hand on to each other."""

    def go(self, report="", exit_code=0, fails="", **inputs):
        try:
            import yaml  # pylint: disable=import-outside-toplevel
        except ImportError:
            self.skipTest("python3-yaml is not installed")
        with open(os.path.join(ACTION, "action.yml"), encoding="utf-8") as file:
            document = yaml.safe_load(file)
        given = {name: one.get("default", "") for name, one in document["inputs"].items()}
        given.update({"shadow": "shop/ci", "command": "alembic upgrade head", "token": "t0ken", **inputs})
        environment = self.environment(PLAY_EXIT=str(exit_code), PLAY_STDERR="scry: it was so",
                                       PLAY_REPORT=report and os.path.join(ROOT, "tests", "golden", "report", report + ".json"))
        for name in [name for name in environment if name.startswith("SCRY_")]:
            del environment[name]  # They come from action.yml or not at all.
        runner = Runner(document, self.folder, environment, {
            "inputs": given, "strategy": {"job-index": "0", "job-total": "1"}, "runner": {"os": "Linux", "arch": "X64"},
            "github": {"token": "t0ken", "repository": "shop/shop", "workspace": self.repository}})
        return runner, runner.run(fails, {"actions/upload-artifact": {"artifact-url": "https://github.com/artefact"}})

    def test_a_verdict_comes_out_at_the_end(self):
        runner, outputs = self.go("safe")
        self.assertFalse(runner.failed, runner.printed)
        self.assertEqual(outputs, {
            "verdict": "safe", "exit-code": "0", "report": os.path.join(self.report, "report.json"),
            "artifact": "scry-report-test-shop-ci-2", "artifact-url": "https://github.com/artefact"})
        self.assertEqual(runner.used, [("actions/upload-artifact", {
            "name": "scry-report-test-shop-ci-2", "path": os.path.join(self.report, "report.*")})])
        self.assertIn("[report as an artefact](https://github.com/artefact)", self.bodies()[0])
        [(arguments, _)] = self.played()
        self.assertEqual(arguments, ["ci", "test-migration", "shop/ci", "--report", "scry-report", "--migrations",
                                     "migrations/7.sql", "--", "alembic", "upgrade", "head"])
        runner, outputs = self.go("regressions", 5, **{"code-scanning": "true", "working-directory": "migrations"})
        self.assertTrue(runner.failed)
        self.assertEqual((outputs["verdict"], outputs["exit-code"]), ("regressions", "5"))
        self.assertEqual(runner.used[1], ("github/codeql-action/upload-sarif", {
            "sarif_file": os.path.join(self.repository, "migrations", "scry-report", "report.sarif"),
            "category": "scry-shop/ci"}))
        self.assertIn("7.sql", self.played()[1][0])

    def test_a_report_that_cannot_be_kept_is_told(self):
        runner, outputs = self.go("safe", fails="actions/upload-artifact")
        self.assertFalse(runner.failed)
        self.assertEqual((outputs["verdict"], outputs["artifact-url"]), ("safe", ""))
        self.assertIn("the report could not be kept", runner.printed)

    def test_findings_that_code_scanning_did_not_get_are_told(self):
        runner, outputs = self.go("safe", fails="github/codeql-action/upload-sarif", **{"code-scanning": "true"})
        self.assertFalse(runner.failed)
        self.assertEqual(outputs["verdict"], "safe")
        self.assertIn("the findings could not be uploaded to code scanning", runner.printed)

    def test_a_command_that_is_not_there_is_told_before_anything_is_installed(self):
        # `required` in action.yml is for people; the runner does not look.
        for inputs in ({"command": ""}, {"shadow": " "}, {"command": "a && b"}):
            runner, outputs = self.go("safe", **inputs)
            self.assertTrue(runner.failed)
            self.assertEqual((outputs["verdict"], outputs["exit-code"]), ("failed", "64"))
            self.assertEqual(runner.ran, ["Admit this change", "Say that it is tested", "Report"])
            self.assertIn("::error title=scry::failed (exit status 64): the input ", runner.printed)
        self.assertFalse(os.path.exists(self.log))

    def test_what_scry_said_last_is_told_where_it_left_no_report(self):
        runner, outputs = self.go("", 6)
        self.assertTrue(runner.failed)
        self.assertEqual((outputs["verdict"], outputs["report"]), ("inconclusive", ""))
        self.assertIn("it was so", self.bodies()[0])

    def test_what_fails_on_the_way_is_no_verdict_and_is_told(self):
        self.go("safe")
        runner, outputs = self.go("safe", version="no version")
        self.assertEqual((outputs["verdict"], outputs["exit-code"]), ("failed", "1"))
        self.assertEqual(runner.ran[-1], "Report")
        self.assertNotIn("Test the migration", runner.ran)
        self.assertIn("### ⚠️ scry: no verdict", self.bodies()[0])

    def test_what_is_refused_or_has_no_migration_goes_no_further(self):
        self.pull_request("stranger/shop")
        runner, outputs = self.go("safe")
        self.assertEqual((outputs["verdict"], runner.ran, runner.used), ("refused", ["Admit this change"], []))
        self.pull_request()
        runner, outputs = self.go("safe", ignore="migrations/*")
        self.assertFalse(runner.failed)
        self.assertEqual((outputs["verdict"], outputs["exit-code"]), ("skipped", "0"))
        self.assertEqual(runner.ran[-1], "Look for migrations")


    def test_a_checkout_of_the_base_is_told_by_the_last_step(self):
        self.git("update-ref", "refs/remotes/origin/main", "HEAD")
        runner, outputs = self.go("safe")
        self.assertTrue(runner.failed)
        self.assertEqual((outputs["verdict"], outputs["exit-code"]), ("failed", "64"))
        self.assertIn("::error title=scry::failed (exit status 64): the checkout is the base", runner.printed)
        self.assertFalse(os.path.exists(self.log))


class InstallTest(scry_e2e.TestCase):
    """install.sh of setup-scry in a source tree that builds in no time: the program is a script."""

    def setUp(self):
        super().setUp()
        self.folder = os.path.join(self.workspace, self.id().rsplit(".", maxsplit=1)[-1])
        self.root = os.path.join(self.folder, "source")
        self.cache = os.path.join(self.folder, "cache")
        self.script = os.path.join(self.root, ".github", "actions", "setup-scry", "install.sh")
        self.write("source/CMakeLists.txt", "project(scry VERSION 1.2.3 LANGUAGES CXX)\n")
        for folder in ("cmake", "lib", "apps", "examples"):
            self.write(f"source/{folder}/one", "1")
        self.write("source/scripts/packages.sh", "install_packages() { :; }\n")
        self.write("source/scripts/build.sh", f"""build_scry() {{
            mkdir -p "$1"; echo built >>{self.folder}/builds; printf '#!/bin/sh\\necho scry 1.2.3\\n' >"$1/scry"; }}""")
        self.write("source/.github/actions/setup-scry/install.sh", "")
        shutil.copy(os.path.join(ROOT, ".github", "actions", "setup-scry", "install.sh"), self.script)

    def write(self, path, text):
        path = os.path.join(self.folder, path)
        os.makedirs(os.path.dirname(path), exist_ok=True)
        with open(path, "w", encoding="utf-8") as file:
            file.write(text)

    def program(self, folder, version):
        self.write(f"{folder}/scry", f"#!/bin/sh\necho scry {version}\n")
        os.chmod(os.path.join(self.folder, folder, "scry"), 0o755)

    def builds(self):
        path = os.path.join(self.folder, "builds")
        if not os.path.exists(path):
            return 0
        with open(path, encoding="utf-8") as file:
            return len(file.readlines())

    def call(self, mode, code=0, **variables):
        """What was printed, and what was written for the runner."""
        path = os.path.join(self.folder, "path-of-the-machine")
        os.makedirs(path, exist_ok=True)
        told = os.path.join(self.folder, "told")
        with open(told, "w", encoding="utf-8"):
            pass
        environment = scry_e2e.clean_environment(
            PATH=path + os.pathsep + "/usr/bin" + os.pathsep + "/bin", SCRY_CACHE=self.cache, GITHUB_OUTPUT=told,
            GITHUB_PATH=told, SCRY_REPOSITORY="shop/scry", **variables)
        done = subprocess.run(["bash", self.script, mode], env=environment, capture_output=True, text=True, check=False)
        self.assertEqual(done.returncode, code, done)
        with open(told, encoding="utf-8") as file:
            return done.stdout, file.read()

    def which(self, **variables):
        return dict(line.split("=", 1) for line in self.call("which", **variables)[1].splitlines())

    def test_a_build_is_kept_as_long_as_its_source_is_the_same(self):
        folder = self.which()["folder"]
        out, path = self.call("install")
        self.assertEqual(path, f"{folder}/bin\n")
        self.assertIn(f"scry 1.2.3 is in {folder}", out)
        self.call("install")
        self.assertEqual(self.builds(), 1)
        self.write("source/lib/one", "2")
        self.assertNotEqual(self.which()["key"], os.path.basename(folder))
        self.call("install")
        self.assertEqual(self.builds(), 2)
        self.assertEqual([name for name in os.listdir(self.cache) if name.startswith("new-")], [])
        # The first one is of no use to anybody any more, a month later.
        self.assertEqual(len(os.listdir(self.cache)), 2)
        long_ago = time.time() - 40 * 86400
        for name in os.listdir(self.cache):
            os.utime(os.path.join(self.cache, name), (long_ago, long_ago))
        self.call("install")
        self.assertEqual((os.listdir(self.cache), self.builds()), ([self.which()["key"]], 2))

    def test_a_build_is_kept_as_soon_as_it_is_there_and_once(self):
        """Whatever the job comes to: at its end actions/cache keeps nothing if the gate did not say safe."""
        try:
            import yaml  # pylint: disable=import-outside-toplevel
        except ImportError:
            self.skipTest("python3-yaml is not installed")
        with open(os.path.join(ROOT, ".github", "actions", "setup-scry", "action.yml"), encoding="utf-8") as file:
            document = yaml.safe_load(file)
        restore, save = "actions/cache/restore", "actions/cache/save"
        for hit, uses in (("", [restore, save]), ("true", [restore])):
            environment = scry_e2e.clean_environment(PATH="/usr/bin:/bin", SCRY_CACHE=self.cache)
            runner = Runner(document, self.folder, environment, {
                "inputs": {"version": ""}, "github": {"repository": "shop/shop", "workspace": self.folder}},
                action=os.path.dirname(self.script))
            outputs = runner.run(answers={restore: {"cache-hit": hit}})
            self.assertEqual((outputs, runner.failed), ({"version": "1.2.3"}, False), runner.printed)
            self.assertEqual([used for used, _ in runner.used], uses)
            for _, given in runner.used:
                self.assertEqual(given, {"path": self.which()["folder"], "key": self.which()["key"]})
        self.program("bin", "1.2.3")
        environment["PATH"] = os.path.join(self.folder, "bin") + ":/usr/bin:/bin"
        runner = Runner(document, self.folder, environment, runner.contexts, action=os.path.dirname(self.script))
        runner.run()
        self.assertEqual(runner.used, [])

    def test_a_program_that_is_another_version_is_not_used(self):
        folder = os.path.relpath(self.which()["folder"], self.folder)
        self.program(f"{folder}/bin", "1.2.2")
        self.call("install")
        self.assertEqual(self.builds(), 1)
        self.write("source/scripts/build.sh", "build_scry() { mkdir -p $1; printf '#!/bin/sh\\necho scry 9\\n' >$1/scry; }")
        self.assertIn("calls itself '9', not 1.2.3", self.call("install", code=1)[0])

    def test_the_program_of_the_machine_is_used(self):
        self.program("path-of-the-machine", "1.2.3")
        self.assertNotIn("folder", self.which())
        out, path = self.call("install")
        self.assertEqual(path, "")
        self.assertNotIn("::warning", out)
        self.program("path-of-the-machine", "1.1.0")
        self.assertIn("::warning title=scry::the scry on the PATH is not the version", self.call("install")[0])
        self.assertNotIn("folder", self.which(SCRY_VERSION="v1.1.0"))
        self.assertIn("v1.0.0", self.which(SCRY_VERSION="v1.0.0")["folder"])
        self.assertEqual(self.builds(), 0)

    def test_a_release_is_checked_before_it_is_used(self):
        if shutil.which("curl") is None:
            self.skipTest("curl is not installed")
        releases = "releases/shop/scry/releases/download/v2.0.0"
        self.program("made/scry-2.0.0/bin", "2.0.0")
        os.makedirs(os.path.join(self.folder, releases))
        name = f"scry-2.0.0-Linux-{os.uname().machine}.tar.gz"
        subprocess.run(["tar", "-czf", os.path.join(self.folder, releases, name), "-C", os.path.join(self.folder, "made"),
                        "scry-2.0.0"], check=True)
        where = {"SCRY_VERSION": "2.0.0", "GITHUB_SERVER_URL": f"file://{self.folder}/releases"}
        self.assertIn(f"::error title=scry::no {name}.sha256", self.call("install", code=1, **where)[0])
        self.write(f"{releases}/{name}.sha256", f"{'0' * 64}  {name}\n")
        self.assertIn("is not what its sum says", self.call("install", code=1, **where)[0])
        done = subprocess.run(["sha256sum", name], cwd=os.path.join(self.folder, releases), check=True,
                              capture_output=True, text=True)
        self.write(f"{releases}/{name}.sha256", done.stdout)
        self.assertEqual(self.call("install", **where)[1], f"{self.which(**where)['folder']}/bin\n")
        self.assertEqual(self.builds(), 0)

    def test_what_is_no_version_is_refused(self):
        out, _ = self.call("which", code=1, SCRY_VERSION="main\n::set-env x")
        self.assertEqual(out, "::error title=scry::'main???set-env?x' is no version; for example 1.2.3\n")


class WorkflowTest(scry_e2e.TestCase):
    """Workflows are read as the runner reads them: each shell step parses, each flag of scry exists."""

    def documents(self):
        try:
            import yaml  # pylint: disable=import-outside-toplevel
        except ImportError:
            self.skipTest("python3-yaml is not installed")
        for pattern in (".github/workflows/*.yml", ".github/actions/*/action.yml", "examples/github/*.yml",
                        "examples/gitlab/.gitlab-ci.yml"):
            for path in glob.glob(os.path.join(ROOT, pattern)):
                with open(path, encoding="utf-8") as file:
                    yield os.path.relpath(path, ROOT), yaml.safe_load(file)

    def shell(self, path, document):
        if "gitlab" in path:
            for job in document.values():
                yield from [*job.get("script", []), *job.get("after_script", [])]
            return
        jobs = [document["runs"]] if "runs" in document else document["jobs"].values()
        for job in jobs:
            for step in job["steps"]:
                self.assertTrue(("run" in step) != ("uses" in step), (path, step))
                if "run" in step:
                    yield re.sub(r"\$\{\{.*?\}\}", "x", step["run"])

    def test_shell_steps_parse_and_interpolate_nothing_from_outside(self):
        count = 0
        for path, document in self.documents():
            for text in self.shell(path, document):
                count += 1
                done = subprocess.run(["bash", "-n"], input=text, capture_output=True, text=True, check=False)
                self.assertEqual((done.returncode, done.stderr), (0, ""), (path, text))
        self.assertGreater(count, 15)
        for path, document in self.documents():
            if path.endswith("action.yml"):
                # An expression in a script is an injection; inputs come in through the environment.
                for step in document["runs"]["steps"]:
                    self.assertNotIn("${{", step.get("run", ""), path)

    def test_commands_and_flags_of_scry_exist(self):
        helps = {}
        common = self.run_scry("--help").out.partition("OPTIONS (for every command)")[2]
        seen = 0
        for path, document in self.documents():
            for text in self.shell(path, document):
                for line in text.splitlines():
                    for found in re.finditer(r"(?:^|\s|-\s)scry ((?:[a-z-]+ ?)+)((?:(?! -- |\|\||&&).)*)", line):
                        words = [word for word in found.group(1).split() if not word.startswith("-")][:2]
                        if words[0] in ("capture", "demo", "replay"):
                            words = words[:1]
                        key = tuple(words)
                        if key not in helps:
                            done = self.run_scry(*words, "--help")
                            self.assertEqual(done.code, 0, (path, line))
                            self.assertIn("Usage: scry " + " ".join(words), done.out, (path, line))
                            helps[key] = done.out
                        for flag in re.findall(r"(?<=\s)--?[a-z][a-z-]*", found.group(0)):
                            self.assertIn(flag, helps[key] + common, (path, line))
                        seen += 1
        self.assertGreater(seen, 5)

    def test_nothing_is_used_before_it_is_installed(self):
        """A hosted runner has neither scry nor what a repository depends on."""
        seen = {"scry": 0, "npm": 0, "alembic": 0}
        for path, document in self.documents():
            if not path.startswith("examples/github"):
                continue
            for name, job in document["jobs"].items():
                installed = set()
                for step in job["steps"]:
                    shell = step.get("run", "")
                    uses = step.get("uses", "")
                    if re.search(r"/actions/(setup-scry|test-migration)@", uses):
                        installed.add("scry")
                    if re.search(r"(?m)^npm ci$", shell):
                        installed.add("npm")
                    if re.search(r"pip\S* install .*-r requirements.txt", shell):
                        installed.add("alembic")
                    if uses.startswith("actions/checkout@") and "npm" in installed:
                        installed.discard("npm")  # Of another commit.
                    for used in re.findall(r"(?m)(?:^|\s)(scry|npx|npm|alembic) (?!ci$)",
                                           shell + "\n" + step.get("with", {}).get("command", "")):
                        program = "npm" if used == "npx" else used
                        seen[program] += 1
                        self.assertIn(program, installed, (path, name, step))
        self.assertTrue(all(seen.values()), seen)

    def test_artefacts_that_a_workflow_fetches_are_left_by_another(self):
        documents = dict(self.documents())
        left = {}
        for path, document in documents.items():
            for job in (document.get("jobs") or {}).values():
                for step in job["steps"]:
                    if step.get("uses", "").startswith("actions/upload-artifact@"):
                        left.setdefault(os.path.basename(path), set()).add(step["with"]["name"])
        found = 0
        for path, document in documents.items():
            for text in self.shell(path, document):
                workflow = re.search(r"--workflow (\S+)", text)
                if workflow:
                    found += 1
                    self.assertIn(re.search(r"gh run download .*--name (\S+)", text).group(1), left[workflow.group(1)])
        self.assertEqual(found, 1)

    def test_both_actions_install_in_the_same_way(self):
        documents = dict(self.documents())
        told = []
        for action in ("setup-scry", "test-migration"):
            steps = documents[f".github/actions/{action}/action.yml"]["runs"]["steps"]
            names = [step["name"] for step in steps]
            first = names.index("Which scry")
            self.assertEqual(names[first:first + 4],
                             ["Which scry", "Find a build of it", "Install scry", "Keep the build"])
            told.append([{key: one for key, one in step.items() if key != "run"} for step in steps[first:first + 4]])
        self.assertEqual(*told)

    def test_the_job_leaves_no_token_where_a_migration_runs(self):
        found = 0
        for path, document in self.documents():
            if not path.startswith("examples/github"):
                continue
            for step in [step for job in document["jobs"].values() for step in job["steps"]]:
                if step.get("uses", "").startswith("actions/checkout@"):
                    found += 1
                    self.assertIs(step["with"]["persist-credentials"], False, path)
        self.assertEqual(found, 5)

    def released(self, tag, tags, has_major):
        """What the step of release.yml that moves the tag of the major version asks of GitHub."""
        document = dict(self.documents())[".github/workflows/release.yml"]
        [text] = [step["run"] for step in document["jobs"]["packages"]["steps"]
                  if step.get("name", "").startswith("Move")]
        folder = os.path.join(self.workspace, "release")
        shutil.rmtree(folder, ignore_errors=True)
        os.makedirs(folder)
        for name, script in (
                ("git", "echo 0123abc"),
                ("gh", f'echo "$*" >>{folder}/asked\ncase "$*" in *matching-refs*) printf "%s" "{tags}" ;; '
                       f'*PATCH*) exit {0 if has_major else 1} ;; esac')):
            with open(os.path.join(folder, name), "w", encoding="utf-8") as file:
                file.write("#!/bin/sh\n" + script + "\n")
            os.chmod(os.path.join(folder, name), 0o755)
        subprocess.run(["bash", "-e", "-c", text], check=True, capture_output=True, env=scry_e2e.clean_environment(
            PATH=folder + ":/usr/bin:/bin", GITHUB_REPOSITORY="scry-db/scry", GITHUB_REF_NAME=tag))
        with open(os.path.join(folder, "asked"), encoding="utf-8") as file:
            return file.read().splitlines()

    def test_a_release_moves_the_tag_of_its_major_version(self):
        tags = "refs/tags/v0.9.0\nrefs/tags/v0.10.0\nrefs/tags/v0.11.0-rc1\n"
        asked, *moved = self.released("v0.10.0", tags, True)
        self.assertEqual(asked, "api --paginate repos/scry-db/scry/git/matching-refs/tags/v0. --jq .[].ref")
        self.assertEqual(moved, [
            "api --silent --method PATCH repos/scry-db/scry/git/refs/tags/v0 -f sha=0123abc -F force=true"])
        self.assertEqual(self.released("v0.10.0", tags, False)[2:], [
            "api --silent --method POST repos/scry-db/scry/git/refs -f ref=refs/tags/v0 -f sha=0123abc"])
        # A mended older version is not what others asked for.
        self.assertEqual(len(self.released("v0.9.0", tags, True)), 1)

    def test_only_whole_versions_are_released_and_examples_name_the_major_one(self):
        [pattern] = dict(self.documents())[".github/workflows/release.yml"][True]["push"]["tags"]  # True: YAML's `on`.
        as_regex = re.compile(pattern.replace(".", r"\."))
        self.assertTrue(as_regex.fullmatch("v0.1.0") and as_regex.fullmatch("v12.34.56"))
        self.assertFalse(any(as_regex.fullmatch(tag) for tag in ("v0", "v0.1", "v0.1.0-rc1", "vNext")))
        with open(os.path.join(ROOT, "CMakeLists.txt"), encoding="utf-8") as file:
            major = re.search(r"project\(scry VERSION (\d+)\.", file.read()).group(1)
        for path in glob.glob(os.path.join(ROOT, "examples", "github", "*.yml")):
            with open(path, encoding="utf-8") as file:
                self.assertLessEqual(set(re.findall(r"scry-db/scry/\S+@(\S+)", file.read())), {"v" + major}, path)

    def test_steps_of_the_action_name_steps_before_them(self):
        for path, document in self.documents():
            if not path.endswith("action.yml"):
                continue
            known = set()
            for step in document["runs"]["steps"]:
                for used in re.findall(r"steps\.(\w+)\.", json.dumps(step)):
                    self.assertIn(used, known, (path, step))
                known.add(step.get("id"))
            for one in document["outputs"].values():
                self.assertLessEqual(set(re.findall(r"steps\.(\w+)\.", one["value"])), known, path)

    def test_inputs_of_the_action_are_those_that_examples_give(self):
        documents = dict(self.documents())
        uses = 0
        for path, document in documents.items():
            for job in (document.get("jobs") or {}).values():
                for step in job["steps"]:
                    called = re.fullmatch(r"scry-db/scry/(\.github/actions/[\w-]+)@v0", step.get("uses", ""))
                    if called:
                        uses += 1
                        inputs = documents[called.group(1) + "/action.yml"]["inputs"]
                        required = {name for name, one in inputs.items() if one.get("required")}
                        self.assertLessEqual(required, set(step.get("with", {})), path)
                        self.assertLessEqual(set(step.get("with", {})), set(inputs), path)
        self.assertEqual(uses, 8)


if __name__ == "__main__":
    scry_e2e.main()
