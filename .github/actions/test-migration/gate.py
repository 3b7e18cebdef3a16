#!/usr/bin/env python3
"""The steps of the action: admit, begin, run, finish. Everything comes in through the environment that
GitHub sets and the SCRY_ variables of action.yml; nothing from outside is given to a shell.

What a step prints comes before what it posts: a comment that cannot be written loses nothing.
"""

import json
import os
import shlex
import subprocess
import sys
import urllib.error
import urllib.request

MARKER = "<!-- scry report v1"
COMMENT_BYTES_MAX = 65536
SUMMARY_BYTES_MAX = 1024 * 1024
WORDS = {0: "safe", 5: "regressions", 6: "inconclusive", 7: "migration failed"}
MEANING = {
    1: "scry or a server failed; this says nothing about the migration",
    2: "the time limit ran out; this says nothing about the migration",
    3: "no such shadow or capture; this says nothing about the migration",
    5: "the migration makes queries break, return something else or get slower",
    6: "nothing can be said for sure: see the report for what was too thin, noisy or unfaithful",
    7: "the migration command itself failed on the fork",
    64: "wrong usage or configuration; this says nothing about the migration",
    130: "interrupted",
}


def env(name, default=""):
    return os.environ.get(name, default)


def lines(name):
    return [line.strip() for line in env(name).splitlines() if line.strip()]


def append(variable, text):
    if env(variable):
        with open(env(variable), "a", encoding="utf-8") as file:
            file.write(text)


def output(name, value):
    value = str(value)
    # A value of several lines could set other outputs.
    append("GITHUB_OUTPUT", f"{name}={value.splitlines()[0] if value else ''}\n")


def command(level, text):
    escaped = text.replace("%", "%25").replace("\r", "%0D").replace("\n", "%0A")
    print(f"::{level} title=scry::{escaped}", flush=True)


def summary(text):
    data = text.encode()
    # One byte too many, and GitHub drops all of it.
    if len(data) > SUMMARY_BYTES_MAX:
        text = data[:SUMMARY_BYTES_MAX - 4].decode(errors="ignore")
    append("GITHUB_STEP_SUMMARY", text + "\n")


def event():
    try:
        with open(env("GITHUB_EVENT_PATH"), encoding="utf-8") as file:
            return json.load(file)
    except (OSError, ValueError):
        return {}


def scry(*arguments):
    return subprocess.run(["scry", *arguments], capture_output=True, text=True, check=False)


# --- The comment.

class Comments:
    """The one comment of this gate on the pull request; without one, everything here does nothing."""

    def __init__(self):
        self.number = event().get("pull_request", {}).get("number")
        self.api = f"{env('GITHUB_API_URL', 'https://api.github.com')}/repos/{env('GITHUB_REPOSITORY')}"
        self.enabled = env("SCRY_COMMENT") == "true" and bool(self.number) and bool(env("SCRY_TOKEN"))
        self.marker = f"{MARKER} {name()} -->"

    def request(self, method, url, body=None):
        request = urllib.request.Request(
            url, method=method, data=None if body is None else json.dumps(body).encode(),
            headers={"Authorization": f"Bearer {env('SCRY_TOKEN')}", "Accept": "application/vnd.github+json",
                     "Content-Type": "application/json", "X-GitHub-Api-Version": "2022-11-28"})
        with urllib.request.urlopen(request, timeout=30) as answer:
            return json.load(answer)

    def find(self):
        for page in range(1, 101):
            found = self.request("GET", f"{self.api}/issues/{self.number}/comments?per_page=100&page={page}")
            for comment in found:
                if comment.get("body", "").startswith(self.marker):
                    return comment
            if len(found) < 100:
                return None
        return None

    def put(self, make, only_if_there=False):
        """`make`: the text, from what the comment said before (empty: there was none)."""
        if not self.enabled:
            return
        try:
            old = self.find()
            if old is None and only_if_there:
                return
            text = make(old["body"] if old else "")
            text = text.encode()[:COMMENT_BYTES_MAX - 1].decode(errors="ignore")
            if old:
                self.request("PATCH", f"{self.api}/issues/comments/{old['id']}", {"body": text})
            else:
                self.request("POST", f"{self.api}/issues/{self.number}/comments", {"body": text})
        except (urllib.error.URLError, OSError, ValueError, KeyError) as error:
            command("warning", f"the comment could not be written ({error}); the job summary has the same report. "
                               "It needs the permission pull-requests: write")


def name():
    text = env("SCRY_NAME") or env("SCRY_SHADOW")
    return "".join("_" if char in "-<>" else char for char in text)[:100]


def last_verdict(body):
    """The headline of an earlier comment, without its sign."""
    for line in body.splitlines():
        if line.startswith("### "):
            return line[4:]
        if line.startswith("Before this push: "):
            return line[len("Before this push: "):]
    return ""


def before(body):
    line = last_verdict(body)
    return f"\nBefore this push: {line}\n" if line else ""


# --- The steps.

def admit():
    told = event()
    pull = told.get("pull_request")
    if not pull:
        return 0
    source = (pull.get("head") or {}).get("repo") or {}
    target = (pull.get("base") or {}).get("repo") or {}
    from_fork = source.get("full_name") != target.get("full_name")
    if not from_fork or env("SCRY_ALLOW_FORKS") == "true":
        return 0
    text = ("this pull request comes from a fork: its migration command is a stranger's program and would run beside "
            "your data. It was not run. Test it from a branch of this repository, or set allow-forks: true on a runner "
            "that holds nothing")
    command("error", text)
    summary(f"### ⛔ scry: refused\n\n{text[0].upper()}{text[1:]}.\n")
    output("verdict", "refused")
    output("exit-code", 64)
    return 1


def begin():
    if env("SCRY_DETECT", "auto") != "never":
        arguments = ["ci", "detect-migrations", "--json"]
        if env("SCRY_BASE"):
            arguments.append("--base=" + env("SCRY_BASE"))
        arguments += ["--path=" + path for path in lines("SCRY_PATHS")]
        done = scry(*arguments)
        if done.returncode != 0:
            # What cannot be known is tested.
            command("warning", f"could not look for migrations, so the gate runs: {done.stderr.strip()}")
        else:
            found = json.loads(done.stdout)
            if not found["found"]:
                text = f"no migration among {found['files']} changed files since {found['base']}: nothing to test"
                print(text)
                summary(f"### ⚪ scry: skipped\n\n{text[0].upper()}{text[1:]}.\n")
                Comments().put(lambda old: f"{Comments().marker}\n### ⚪ scry: skipped\n\n{text}.\n{before(old)}",
                               only_if_there=True)
                output("run", "false")
                output("verdict", "skipped")
                output("exit-code", 0)
                return 0
            for one in found["migrations"]:
                print(f"{one['path']}  {one['tool']}, {one['confidence']}: {one['evidence']}")
    output("run", "true")
    comments = Comments()
    run = f"{env('GITHUB_SERVER_URL')}/{env('GITHUB_REPOSITORY')}/actions/runs/{env('GITHUB_RUN_ID')}"
    comments.put(lambda old: f"{comments.marker}\n⏳ scry is testing the migration: {run}\n{before(old)}")
    return 0


def run():
    try:
        migration = shlex.split(env("SCRY_COMMAND"))
        more = shlex.split(env("SCRY_ARGUMENTS"))
    except ValueError as error:
        command("error", f"command or arguments cannot be split: {error}")
        output("exit-code", 64)
        return 0
    argv = ["scry", "ci", "test-migration", env("SCRY_SHADOW"), "--report", env("SCRY_REPORT"), *more]
    for capture in lines("SCRY_CAPTURE"):
        argv += ["--capture", capture]
    # The token is for the comment alone; a migration has no use for it.
    clean = {key: value for key, value in os.environ.items()
             if key not in ("SCRY_TOKEN", "GITHUB_TOKEN", "ACTIONS_RUNTIME_TOKEN", "ACTIONS_ID_TOKEN_REQUEST_TOKEN")}
    try:
        code = subprocess.run([*argv, "--", *migration], env=clean, check=False).returncode
    except OSError as error:
        command("error", f"scry could not be started: {error}")
        code = 1
    output("exit-code", code if code >= 0 else 128 - code)
    if os.path.exists(os.path.join(env("SCRY_REPORT"), "report.json")):
        output("report", os.path.join(env("SCRY_REPORT"), "report.json"))
    return 0


def finish():
    try:
        code = int(env("SCRY_EXIT"))
    except ValueError:
        code = 1  # The step before did not come to its end.
    verdict = WORDS.get(code, "failed")
    folder = env("SCRY_REPORT")
    path = os.path.join(folder, "report.json")
    comments = Comments()
    text = ""
    if code in WORDS and os.path.exists(path):
        notes = scry("report", "convert", path, "--to", "github")
        print(notes.stdout, end="", flush=True)
        text = scry("report", "convert", path, "--to", "markdown", "--name", name()).stdout
        output("report", path)
    if not text:
        verdict = "failed" if code not in (0, *WORDS) else verdict
        text = (f"{comments.marker}\n### ⚠️ scry: no verdict (exit status {code})\n\n"
                f"{MEANING.get(code, 'scry ended in an unexpected way')}. The log of this job says more.\n")
    summary(text)
    comments.put(lambda old: text)
    output("verdict", verdict)
    output("exit-code", code)
    if code != 0:
        command("error", f"{verdict} (exit status {code}): {MEANING.get(code, 'scry ended in an unexpected way')}")
    return code


def main():
    steps = {"admit": admit, "begin": begin, "run": run, "finish": finish}
    if len(sys.argv) != 2 or sys.argv[1] not in steps:
        print(__doc__, file=sys.stderr)
        return 64
    return steps[sys.argv[1]]()


if __name__ == "__main__":
    sys.exit(main())
