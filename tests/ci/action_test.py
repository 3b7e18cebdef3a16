"""The steps of .github/actions/test-migration in a simulated runner: event, outputs, summary, and an API on
a local port. The gate itself is played by a script that leaves a report and exits as it is told; what
converts that report is the real binary."""

import glob
import http.server
import json
import os
import re
import shutil
import subprocess
import sys
import threading

import scry_e2e

ROOT = os.path.realpath(os.path.join(os.path.dirname(__file__), "..", ".."))
ACTION = os.path.join(ROOT, ".github", "actions", "test-migration")
REPORTS = {0: "safe", 5: "regressions", 6: "unfaithful"}
PLAYED = """#!{python}
import os, shutil, sys
arguments = sys.argv[1:]
if arguments[:2] != ["ci", "test-migration"]:
    os.execv({binary!r}, [{binary!r}, *arguments])
with open({log!r}, "a") as file:
    file.write(repr((arguments, sorted(name for name in os.environ if "TOKEN" in name))) + "\\n")
code = int(os.environ.get("PLAY_EXIT", "0"))
golden = os.environ.get("PLAY_REPORT")
if golden:
    folder = arguments[arguments.index("--report") + 1]
    os.makedirs(folder, exist_ok=True)
    shutil.copy(golden, folder + "/report.json")
sys.exit(code)
"""


class Api(http.server.BaseHTTPRequestHandler):
    comments = {}
    refuse = False
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
        if self.refuse:
            self.answer({"message": "Resource not accessible by integration"}, 403)
        return self.refuse

    def do_GET(self):  # pylint: disable=invalid-name
        if self.note():
            return
        page = int(re.search(r"[?&]page=(\d+)", self.path).group(1))
        found = [{"id": number, "body": text} for number, text in sorted(self.comments.items())]
        self.answer(found[(page - 1) * 100:page * 100])

    def do_POST(self):  # pylint: disable=invalid-name
        text = self.body()
        if not self.note():
            self.comments[len(self.comments) + 1] = text
            self.answer({"id": len(self.comments)}, 201)

    def do_PATCH(self):  # pylint: disable=invalid-name
        text = self.body()
        if not self.note():
            self.comments[int(self.path.rsplit("/", 1)[1])] = text
            self.answer({})

    def log_message(self, *_):  # pylint: disable=arguments-differ
        pass


class ActionTest(scry_e2e.TestCase):
    def setUp(self):
        super().setUp()
        if shutil.which("git") is None:
            self.skipTest("git is not installed")
        Api.comments, Api.refuse, Api.requests = {}, False, []
        self.folder = os.path.join(self.workspace, self.id().rsplit(".", maxsplit=1)[-1])
        self.repository = os.path.join(self.folder, "repository")
        os.makedirs(os.path.join(self.folder, "bin"))
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
        subprocess.run(["git", "-C", self.repository, *arguments], check=True, env=environment)

    def commit(self):
        self.git("add", "-A")
        self.git("commit", "-q", "-m", "x")

    def pull_request(self, source="shop/shop"):
        self.write("event.json", json.dumps({"pull_request": {
            "number": 7, "head": {"repo": source and {"full_name": source}}, "base": {"repo": {"full_name": "shop/shop"}}}}))

    def step(self, name, code=0, **inputs):
        """What the step printed, its outputs and the summary so far."""
        for file in ("output", "summary"):
            with open(os.path.join(self.folder, file), "a", encoding="utf-8"):
                pass
        environment = scry_e2e.clean_environment(
            PATH=os.path.join(self.folder, "bin") + os.pathsep + os.environ["PATH"],
            GITHUB_EVENT_PATH=os.path.join(self.folder, "event.json"),
            GITHUB_OUTPUT=os.path.join(self.folder, "output"),
            GITHUB_STEP_SUMMARY=os.path.join(self.folder, "summary"), GITHUB_BASE_REF="main",
            GITHUB_API_URL=f"http://127.0.0.1:{self.server_.server_address[1]}", GITHUB_REPOSITORY="shop/shop",
            GITHUB_SERVER_URL="https://github.com", GITHUB_RUN_ID="1234", GITHUB_TOKEN="t0ken",
            SCRY_SHADOW="shop/ci", SCRY_COMMENT="true", SCRY_TOKEN="t0ken", SCRY_REPORT="scry-report", **inputs)
        done = subprocess.run([sys.executable, os.path.join(ACTION, "gate.py"), name], cwd=self.repository,
                              env=environment, capture_output=True, text=True, check=False)
        self.assertEqual(done.returncode, code, done)
        self.assertNotIn("t0ken", done.stdout + done.stderr)
        with open(os.path.join(self.folder, "output"), encoding="utf-8") as file:
            outputs = dict(line.rstrip("\n").split("=", 1) for line in file)
        with open(os.path.join(self.folder, "summary"), encoding="utf-8") as file:
            return done.stdout, outputs, file.read()

    def whole(self, exit_code, code=None):
        """All steps of a run that ends so."""
        self.step("admit")
        _, outputs, _ = self.step("begin")
        self.assertEqual(outputs["run"], "true")
        golden = os.path.join(ROOT, "tests", "golden", "report", REPORTS.get(exit_code, "none") + ".json")
        _, outputs, _ = self.step("run", SCRY_COMMAND="alembic -x 'a b' upgrade head", SCRY_CAPTURE="cap one\ncap two\n",
                                  SCRY_ARGUMENTS="--timeout 10m", PLAY_EXIT=str(exit_code),
                                  PLAY_REPORT=golden if exit_code in REPORTS else "")
        self.assertEqual(outputs["exit-code"], str(exit_code))
        return self.step("finish", code=exit_code if code is None else code, SCRY_EXIT=outputs["exit-code"])

    def test_a_safe_migration_passes_and_leaves_one_comment(self):
        out, outputs, summary = self.whole(0)
        self.assertEqual((outputs["verdict"], outputs["exit-code"], outputs["report"]),
                         ("safe", "0", "scry-report/report.json"))
        self.assertIn("::notice title=scry%3A safe::", out)
        self.assertIn("### ✅ scry: safe", summary)
        [comment] = Api.comments.values()
        self.assertTrue(comment.startswith("<!-- scry report v1 shop/ci -->\n### ✅"))
        with open(self.log, encoding="utf-8") as file:
            [played] = file.read().splitlines()
        self.assertIn("'--timeout', '10m', '--capture', 'cap one', '--capture', 'cap two', '--', 'alembic', '-x', 'a b', "
                      "'upgrade', 'head'], []", played)  # And no token.

    def test_the_comment_is_edited_and_keeps_the_last_verdict_while_it_runs(self):
        Api.comments = {number: f"other {number}" for number in range(1, 151)}
        self.whole(5)
        self.assertEqual(len(Api.comments), 151)
        self.assertIn("### ❌ scry: regressions", Api.comments[151])
        self.step("begin")
        self.assertEqual(len(Api.comments), 151)
        self.assertIn("⏳ scry is testing the migration: https://github.com/shop/shop/actions/runs/1234", Api.comments[151])
        self.assertIn("Before this push: ❌ scry: regressions", Api.comments[151])
        self.step("begin")
        self.assertIn("Before this push: ❌ scry: regressions", Api.comments[151])
        self.whole(0)
        self.assertIn("### ✅ scry: safe", Api.comments[151])

    def test_regressions_fail_the_job_and_say_why(self):
        out, outputs, summary = self.whole(5)
        self.assertEqual(outputs["verdict"], "regressions")
        self.assertIn("::error title=scry%3A broken::", out)
        self.assertIn("regressions (exit status 5)", out)
        self.assertIn("#### Broken (1)", summary)
        self.assertEqual(self.whole(6)[1]["verdict"], "inconclusive")

    def test_a_failure_that_is_no_verdict_says_so(self):
        for code in (1, 2, 3, 64):
            out, outputs, _ = self.whole(code)
            self.assertEqual(outputs["verdict"], "failed")
            self.assertIn("says nothing about the migration", out)
            self.assertIn(f"no verdict (exit status {code})", list(Api.comments.values())[-1])

    def test_a_change_without_migration_is_skipped(self):
        self.git("update-ref", "refs/remotes/origin/main", "HEAD")
        out, outputs, summary = self.step("begin")
        self.assertEqual((outputs["run"], outputs["verdict"], outputs["exit-code"]), ("false", "skipped", "0"))
        self.assertIn("no migration among 0 changed files", out)
        self.assertIn("skipped", summary)
        self.assertEqual(Api.comments, {})
        self.assertEqual(self.step("begin", SCRY_DETECT="never")[1]["run"], "true")

    def test_a_fork_is_refused_unless_allowed(self):
        for source in ("stranger/shop", None):
            self.pull_request(source)
            out, outputs, summary = self.step("admit", code=1)
            self.assertEqual((outputs["verdict"], outputs["exit-code"]), ("refused", "64"))
            self.assertIn("::error title=scry::this pull request comes from a fork", out)
            self.assertIn("refused", summary)
            self.step("admit", SCRY_ALLOW_FORKS="true")
        self.write("event.json", "{}")  # A push.
        self.step("admit")

    def test_a_comment_that_cannot_be_written_fails_nothing(self):
        Api.refuse = True
        out, outputs, summary = self.whole(0)
        self.assertEqual(outputs["verdict"], "safe")
        self.assertIn("::warning title=scry::the comment could not be written", out)
        self.assertIn("### ✅ scry: safe", summary)

    def test_a_base_that_is_unknown_is_tested(self):
        out, outputs, _ = self.step("begin", SCRY_BASE="nowhere")
        self.assertEqual(outputs["run"], "true")
        self.assertIn("could not look for migrations, so the gate runs", out)


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
                            self.assertIn(flag, helps[key], (path, line))
                        seen += 1
        self.assertGreater(seen, 5)

    def test_inputs_of_the_action_are_those_that_examples_give(self):
        documents = dict(self.documents())
        action = documents[".github/actions/test-migration/action.yml"]
        required = {name for name, one in action["inputs"].items() if one.get("required")}
        uses = 0
        for path, document in documents.items():
            for job in (document.get("jobs") or {}).values():
                for step in job["steps"]:
                    if "test-migration@" in step.get("uses", ""):
                        uses += 1
                        self.assertLessEqual(required, set(step["with"]), path)
                        self.assertLessEqual(set(step["with"]), set(action["inputs"]), path)
        self.assertEqual(uses, 3)


if __name__ == "__main__":
    scry_e2e.main()
