#!/usr/bin/env python3
"""The steps of the action: admit, start, look, run, finish. Everything comes in through the environment
that GitHub sets and the SCRY_ variables of action.yml; nothing from outside is given to a shell.

What a step prints comes before what it posts: a comment that cannot be written loses nothing.
"""

import contextlib
import hashlib
import http.client
import json
import os
import re
import secrets
import shlex
import signal
import subprocess
import sys
import threading
import urllib.error
import urllib.request

MARKER = "<!-- scry report v1"
COMMENT_BYTES_MAX = 65536
SUMMARY_BYTES_MAX = 1024 * 1024
# Of one argument list Linux takes 2 MB, and of one variable 128 KB.
PATHS_BYTES_MAX = 60000
TAIL_BYTES = 16 * 1024
WORDS = {0: "safe", 5: "regressions", 6: "inconclusive", 7: "migration failed"}
CANCELLED = 130
MEANING = {
    1: "scry or a server failed; this says nothing about the migration",
    2: "the time limit ran out; this says nothing about the migration",
    3: "no such shadow or capture; this says nothing about the migration",
    5: "the migration makes queries break, return something else or get slower",
    6: "nothing can be said for sure: see the report for what was too thin, noisy or unfaithful",
    7: "the migration command itself failed on the fork",
    64: "wrong usage or configuration; this says nothing about the migration",
    CANCELLED: "the run was cancelled; this says nothing about the migration",
}
REPORT_FILES = ("report.json", "report.txt", "report.md", "report.html", "report.sarif")
# What speaks for the job: files that change its later steps, and tokens. A migration needs none of it.
JOB_VARIABLES = ("SCRY_TOKEN", "GITHUB_TOKEN", "GH_TOKEN", "GH_ENTERPRISE_TOKEN", "GITHUB_ENTERPRISE_TOKEN",
                 "GITHUB_ENV", "GITHUB_PATH", "GITHUB_OUTPUT", "GITHUB_STATE", "GITHUB_STEP_SUMMARY")
# Their events do not say whose code a job of them checks out.
UNTOLD_EVENTS = ("check_run", "check_suite", "deployment", "deployment_status", "status")
# Nothing has changed since some other commit: they are asked for.
BASELESS_EVENTS = ("schedule", "workflow_dispatch", "repository_dispatch")
# What a shell takes as it stands, and words that it would not hand to a program.
QUOTED = re.compile(r"""'[^']*'|"(?:\\[\s\S]|[^"\\])*"|\\.""")
OF_A_SHELL = re.compile(r"(?:[|&;]|\d*[<>]).*|.*(?:&&|\|\|).*|.*;")
# What it would put something else in the place of, also between double quotes; and a variable of a command.
REPLACED = re.compile(r"\$(?:\w+|[{(])|`")
ASSIGNED = re.compile(r"[A-Za-z_]\w*=")
SHELL = re.compile(r"(?:.*/)?(?:ba|da|k|z)?sh")


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


@contextlib.contextmanager
def inert_output():
    """What others print in here is no command to the runner, whatever it looks like."""
    token = secrets.token_hex(16)
    print(f"::stop-commands::{token}", flush=True)
    try:
        yield
    finally:
        sys.stdout.flush()
        print(f"\n::{token}::", flush=True)


def summary(text):
    data = text.encode()
    # One byte too many, and GitHub drops all of it.
    if len(data) > SUMMARY_BYTES_MAX:
        text = data[:SUMMARY_BYTES_MAX - 4].decode(errors="ignore")
    append("GITHUB_STEP_SUMMARY", text + "\n")


def part(value, *names):
    """A member of a member; {} where there is none, or one of another form."""
    for one in names:
        value = value.get(one) if isinstance(value, dict) else None
    return value if value is not None else {}


def event():
    """None: it cannot be read."""
    try:
        with open(env("GITHUB_EVENT_PATH"), encoding="utf-8") as file:
            told = json.load(file)
    except (OSError, ValueError):
        return None
    return told if isinstance(told, dict) else None


def fenced(text):
    """As it stands: nothing in it is markup, and nothing closes the fence."""
    longest = max((len(run) for run in re.findall("`+", text)), default=0)
    fence = "`" * max(3, longest + 1)
    return f"{fence}text\n{text}\n{fence}\n"


def scry(*arguments):
    try:
        return subprocess.run(["scry", *arguments], capture_output=True, text=True, errors="replace", check=False)
    except OSError as error:
        return subprocess.CompletedProcess(arguments, 127, "", str(error))


# --- The comment.

class Comments:
    """The one comment of this gate on the pull request; without one, everything here does nothing."""

    def __init__(self):
        self.number = part(event(), "pull_request", "number")
        self.api = env("GITHUB_API_URL", "https://api.github.com")
        self.repository = f"{self.api}/repos/{env('GITHUB_REPOSITORY')}"
        self.enabled = env("SCRY_COMMENT") == "true" and bool(self.number) and bool(env("SCRY_TOKEN"))
        self.marker = f"{MARKER} {name()} -->"
        self.login = env("SCRY_LOGIN")

    def request(self, method, url, body=None):
        request = urllib.request.Request(
            url, method=method, data=None if body is None else json.dumps(body).encode(),
            headers={"Authorization": f"Bearer {env('SCRY_TOKEN')}", "Accept": "application/vnd.github+json",
                     "Content-Type": "application/json", "X-GitHub-Api-Version": "2022-11-28"})
        with urllib.request.urlopen(request, timeout=30) as answer:
            return json.load(answer)

    def own_login(self):
        """Whose the token is, where that can be asked; the token of an app may not ask."""
        if not self.login:
            try:
                self.login = part(self.request("GET", f"{self.api}/user"), "login") or None
            except urllib.error.HTTPError:
                self.login = None
        return self.login

    def is_own(self, comment):
        """Anyone can write a comment with the marker; only ours is edited, and believed."""
        if not isinstance(comment, dict) or not (comment.get("body") or "").startswith(self.marker):
            return False
        author = part(comment, "user")
        if self.own_login():
            return part(author, "login") == self.login
        return part(author, "type") == "Bot"

    def find(self):
        for page in range(1, 101):
            found = self.request("GET", f"{self.repository}/issues/{self.number}/comments?per_page=100&page={page}")
            for comment in found:
                if self.is_own(comment):
                    return comment
            if len(found) < 100:
                return None
        return None

    def put(self, make, only_if_there=False):
        """`make`: the text under the marker, from what the comment said before (empty: there was none). What a
        later run wrote stays: runs of two pushes may end in either order."""
        if not self.enabled:
            return
        try:
            old = self.find()
            if old is None and only_if_there:
                return
            if old and run_of(old["body"]) > this_run():
                command("notice", "the comment on the pull request is of a later run, and stays as it is")
                return
            text = f"{self.marker}\n{RUN.format(*this_run())}\n{make(old['body'] if old else '')}"
            text = text.encode()[:COMMENT_BYTES_MAX - 1].decode(errors="ignore")
            if old:
                self.request("PATCH", f"{self.repository}/issues/comments/{old['id']}", {"body": text})
            else:
                self.request("POST", f"{self.repository}/issues/{self.number}/comments", {"body": text})
        except (OSError, ValueError, KeyError, TypeError, http.client.HTTPException) as error:
            command("warning", f"the comment could not be written ({error}); the job summary has the same report. "
                               "It needs the permission pull-requests: write")


def name():
    text = env("SCRY_NAME") or env("SCRY_SHADOW")
    return "".join("_" if char in "-<>" or not char.isprintable() else char for char in text)[:100]


RUN = "<!-- run {}.{} -->"


def this_run():
    """Grows from run to run of a repository, and by attempts of one."""
    return tuple(int(text) if text.isdecimal() else 0 for text in (env("GITHUB_RUN_ID"), env("GITHUB_RUN_ATTEMPT")))


def run_of(body):
    """Of a comment, behind its marker."""
    found = re.match(r"[^\n]*\n<!-- run (\d{1,18})\.(\d{1,9}) -->", body)
    return (int(found.group(1)), int(found.group(2))) if found else (0, 0)


BEFORE = "Before this push: "


def last_verdict(body):
    """The headline of an earlier comment. While a run goes on there is none, but that of the one before."""
    for line in body.splitlines():
        if line.startswith("### "):
            return line[4:]
        if line.startswith(BEFORE):
            return line[len(BEFORE):]
    return ""


def before(body):
    line = last_verdict(body)
    return f"\n{BEFORE}{line}\n" if line else ""


def run_url():
    return f"{env('GITHUB_SERVER_URL')}/{env('GITHUB_REPOSITORY')}/actions/runs/{env('GITHUB_RUN_ID')}"


def where():
    """Which commit a comment speaks of, and where more is to be found."""
    commit = part(event(), "pull_request", "head", "sha") or env("GITHUB_SHA")
    told = [f"Commit {commit[:12]}"] if isinstance(commit, str) and commit else []
    told.append(f"[run]({run_url()})")
    if env("SCRY_ARTIFACT_URL"):
        told.append(f"[report as an artefact]({env('SCRY_ARTIFACT_URL')})")
    return "\n" + " · ".join(told) + "\n"


# --- admit: whose code is it?

def members(value, key):
    """What `key` names, however deep it lies."""
    if isinstance(value, list):
        for one in value:
            yield from members(one, key)
    elif isinstance(value, dict):
        if key in value:
            yield value[key]
        for one in value.values():
            yield from members(one, key)


def dispatched_for_stranger(told, here):
    """Whether a repository_dispatch is about a pull request that is not known to be this repository's own. Bots
    that turn a comment like /test into a dispatch hand the pull request on in client_payload."""
    pulls = list(members(part(told, "client_payload"), "pull_request"))
    heads = [pull["head"] for pull in pulls if isinstance(pull, dict) and "head" in pull]
    return bool(pulls) and (not heads or any(part(head, "repo", "full_name") != here for head in heads))


def stranger():
    """Why the code may be a stranger's; empty: it is this repository's own."""
    told = event()
    if told is None:
        return "the event of this run cannot be read, so nobody knows whose code it is"
    happened = env("GITHUB_EVENT_NAME")
    here = part(told, "repository", "full_name") or env("GITHUB_REPOSITORY")
    pull = told.get("pull_request")
    if pull or happened.startswith("pull_request"):
        source = part(pull, "head", "repo", "full_name")
        if not source or source != part(pull, "base", "repo", "full_name"):
            return "this pull request comes from a fork"
    run_of = told.get("workflow_run")
    if run_of and part(run_of, "head_repository", "full_name") != here:
        return "the workflow that began this run was one of a fork"
    if dispatched_for_stranger(told, here):
        return "this dispatch is about a pull request that comes from a fork, or does not say where that comes from"
    if part(told, "issue", "pull_request"):
        return "a comment on a pull request does not say whose code that is"
    if happened in UNTOLD_EVENTS:
        return f"the event {happened} does not say whose code it is about"
    return ""


def admit():
    why = stranger()
    if not why or env("SCRY_ALLOW_FORKS") == "true":
        output("admitted", "true")
        return 0
    text = (f"{why}: its migration command is a stranger's program and would run beside your data. It was not run. "
            "Test it from a branch of this repository, or set allow-forks: true on a runner that holds nothing")
    command("error", text)
    summary(f"### ⛔ scry: refused\n\n{text[0].upper()}{text[1:]}.\n")
    output("admitted", "false")
    output("verdict", "refused")
    output("exit-code", 64)
    return 1


# --- start: from here on, an older verdict is not this push's.

def running(old):
    return f"⏳ scry is testing the migration: {run_url()}\n{before(old)}"


def start():
    """What is told wrong is said here, before anything is built and also where no migration is found."""
    Comments().put(running, only_if_there=True)
    try:
        gate_command()
    except ValueError as error:
        refuse_usage(error)
        return 1
    return 0


# --- look: is there a migration?

def base():
    """With what the change is compared; None: there is nothing to compare with; empty: scry knows."""
    told = event()
    if env("SCRY_BASE"):
        return env("SCRY_BASE")
    if env("GITHUB_EVENT_NAME") in BASELESS_EVENTS:
        return None
    if part(told, "merge_group", "base_sha"):
        return part(told, "merge_group", "base_sha")
    if env("GITHUB_EVENT_NAME") == "push":
        # There the default branch is what was pushed; a push elsewhere is compared with it.
        default = part(told, "repository", "default_branch")
        if default and env("GITHUB_REF") == f"refs/heads/{default}":
            pushed_onto = part(told, "before")
            return pushed_onto if pushed_onto and pushed_onto.strip("0") else None
        # A clone may hold another branch by one of the names that scry would try.
        return f"origin/{default}" if default else ""
    return ""


def detect():
    """What scry found; None: that cannot be known, and what cannot be known is tested."""
    against = base()
    if against is None:
        print("nothing to compare with: the gate runs")
        return None
    arguments = ["ci", "detect-migrations", "--json"]
    if against:
        arguments.append("--base=" + against)
    arguments += ["--path=" + path for path in lines("SCRY_PATHS")]
    arguments += ["--ignore=" + path for path in lines("SCRY_IGNORE")]
    done = scry(*arguments)
    if done.returncode != 0:
        command("warning", f"could not look for migrations, so the gate runs: {done.stderr.strip()}")
        return None
    return json.loads(done.stdout)


def git(*arguments):
    try:
        return subprocess.run(["git", *arguments], capture_output=True, text=True, errors="replace", check=False)
    except OSError as error:
        return subprocess.CompletedProcess(arguments, 127, "", str(error))


def top_folder():
    """Of the repository."""
    return git("rev-parse", "--show-toplevel").stdout.rstrip("\n")


def sql_files(found):
    """Those of a change, from where the gate runs. Lines of findings are looked up in them."""
    top = top_folder()
    files = []
    for one in found["migrations"]:
        path = os.path.relpath(os.path.join(top, one["path"]))
        if path.lower().endswith(".sql") and os.path.isfile(path):
            files.append(path)
    while len(json.dumps(files)) > PATHS_BYTES_MAX:
        files.pop()
    return files


def first_file(found):
    """The first migration that is there, from the top of the repository: findings without a line stand on it."""
    top = top_folder()
    for one in found["migrations"]:
        if one["path"].isprintable() and os.path.isfile(os.path.join(top, one["path"])):
            return one["path"]
    return ""


def is_base(found):
    """The checkout is what the pull request is compared with, so that every change would be "no migration"."""
    return (found["files"] == 0 and bool(part(event(), "pull_request", "changed_files"))
            and git("merge-base", "--is-ancestor", "HEAD", found["base"]).returncode == 0)


def skip(found):
    text = f"no migration among {found['files']} changed files since {found['base']}: nothing to test"
    with inert_output():
        print(text)
    summary(f"### ⚪ scry: skipped\n\n{fenced(text)}")
    Comments().put(lambda old: f"### ⚪ scry: skipped\n\n{fenced(text)}{where()}{before(old)}", only_if_there=True)
    output("run", "false")
    output("verdict", "skipped")
    output("exit-code", 0)
    return 0


def look():
    found = detect() if env("SCRY_DETECT", "auto") != "never" else None
    if found and is_base(found):
        refuse_usage(f"the checkout is the base, not the change: it holds nothing that {found['base']} does not, but the "
                     "pull request changes files. With `on: pull_request`, actions/checkout takes the change by itself")
        return 1
    if found and not found["found"]:
        return skip(found)
    if found:
        with inert_output():
            for one in found["migrations"]:
                print(f"- {one['path']}  {one['tool']}, {one['confidence']}: {one['evidence']}")
        output("migrations", json.dumps(sql_files(found)))
        output("file", first_file(found))
    output("run", "true")
    Comments().put(running)
    return 0


# --- run: the gate itself.

class Gate:
    """One run of scry. What a cancelled job is sent goes on to it, and it is waited for, so that it cleans up.
    All that it and the migration print goes through here, to one pipe: the runner reads stdout and stderr
    apart, so only there is "until now" a place; and what the migration left behind prints nothing later."""

    def __init__(self, argv, environment):
        self.child = None
        self.cancelled = False
        self.ended = False
        self.tail = b""
        self.lock = threading.Lock()
        for number in (signal.SIGINT, signal.SIGTERM):
            signal.signal(number, self.forward)
        self.child = subprocess.Popen(argv, env=environment, stdout=subprocess.PIPE, stderr=subprocess.PIPE)
        if self.cancelled:
            self.child.send_signal(signal.SIGINT)

    def forward(self, number, _frame):
        self.cancelled = True
        if self.child is not None:
            self.child.send_signal(number)

    def pump(self, stream):
        while data := os.read(stream.fileno(), 65536):
            with self.lock:
                if self.ended:
                    return
                sys.stdout.buffer.write(data)
                sys.stdout.buffer.flush()
                if stream is self.child.stderr:
                    self.tail = (self.tail + data)[-TAIL_BYTES:]

    def wait(self):
        pumps = [threading.Thread(target=self.pump, args=(stream,), daemon=True)
                 for stream in (self.child.stdout, self.child.stderr)]
        for pump in pumps:
            pump.start()
        code = self.child.wait()
        for pump in pumps:
            pump.join(timeout=5)  # Not for ever: something left behind may hold its end open.
        with self.lock:
            self.ended = True
        return code if code >= 0 else 128 - code

    def last_words(self):
        """The last line that scry said itself; the migration's own are beside it."""
        said = [line for line in self.tail.decode(errors="replace").splitlines() if line.startswith("scry: ")]
        return said[-1][len("scry: "):][:1000] if said else ""


def clean_environment():
    return {key: value for key, value in os.environ.items()
            if key not in JOB_VARIABLES and not key.startswith("ACTIONS_")}


def split(name_of_input, text):
    try:
        return shlex.split(text)
    except ValueError as error:
        raise ValueError(f"the input {name_of_input} cannot be split into words: {error}") from None


def migration_command():
    """The words of the input `command`. ValueError: there are none, or they are for a shell."""
    text = env("SCRY_COMMAND").strip()
    words = split("command", text)
    if not words or not words[0].strip():
        raise ValueError("the input command is empty; it is the migration, for example: alembic upgrade head")
    bare = QUOTED.sub("_", text)
    if re.search(r"[\r\n]", bare):
        raise ValueError("the input command has several lines, and no shell runs it: put sh -c '...' around them")
    for word in bare.split():
        if OF_A_SHELL.fullmatch(word):
            raise ValueError(f"the input command has {word} in it, and no shell runs it: put sh -c '...' around the "
                             "command, or quotes around this word")
    assigned = ASSIGNED.match(bare)
    if assigned:
        raise ValueError(f"the input command has {assigned.group()}... in front of the program, and no shell runs it: "
                         "put sh -c '...' around the command")
    replaced = REPLACED.search(replaceable(text, words))
    if replaced:
        raise ValueError(f"the input command has {replaced.group()} in it, and no shell runs it: put sh -c '...' around "
                         "the command, or single quotes around this word")
    return words


def replaceable(text, words):
    """What a shell would look into for variables: all but what is in single quotes or behind a backslash. A shell
    that the command itself starts looks into its own words."""
    starts_shell = any(SHELL.fullmatch(word) and any(re.fullmatch(r"-\w*c", later) for later in words[i + 1:])
                       for i, word in enumerate(words))

    def inside(quoted):
        if quoted.group().startswith('"') and not starts_shell:
            # Quotes of SQL, $body$, are taken as such.
            return re.sub(r"\\[\s\S]|\$\w*\$", "_", quoted.group()[1:-1])
        return "_"
    return QUOTED.sub(inside, text)


def gate_command():
    """ValueError: an input is wrong."""
    for one in ("shadow", "report"):
        if not env(f"SCRY_{one.upper()}").strip():
            raise ValueError(f"the input {one} is empty")
    argv = ["scry", "ci", "test-migration", env("SCRY_SHADOW"), "--report", env("SCRY_REPORT")]
    more = split("arguments", env("SCRY_ARGUMENTS"))
    if "--" in more:
        raise ValueError("the input arguments has -- in it, behind which is the migration: that is the input command")
    argv += more
    for capture in lines("SCRY_CAPTURE"):
        argv += ["--capture", capture]
    for path in json.loads(env("SCRY_MIGRATIONS") or "[]"):
        argv += ["--migrations", path]
    return [*argv, "--", *migration_command()]


def refuse_usage(error):
    """The last step tells it."""
    with inert_output():
        print(error)
    output("exit-code", 64)
    output("said", error)


def artifact_name():
    """Unlike that of any other gate of the run: of another job, leg of a matrix, shadow or attempt."""
    words = ["scry-report", env("GITHUB_JOB"), name()]
    if env("SCRY_LEGS", "1") not in ("", "1"):
        words.append(env("SCRY_LEG"))
    words.append(env("GITHUB_RUN_ATTEMPT", "1"))
    text = re.sub(r"[^\w.-]+", "-", "-".join(words))[:200]
    # Two gates of one job on one shadow. The runner empties the folder before each job.
    taken = os.path.join(env("RUNNER_TEMP") or "/tmp", "scry-artifact-" + hashlib.sha256(text.encode()).hexdigest()[:16])
    for number in range(1, 1000):
        try:
            os.close(os.open(f"{taken}-{number}", os.O_CREAT | os.O_EXCL))
            return text if number == 1 else f"{text}-{number}"
        except FileExistsError:
            continue
        except OSError:
            break
    return text


def usable_report(code):
    """The path of this run's report.json, if there is one that says what the exit status says."""
    path = os.path.abspath(os.path.join(env("SCRY_REPORT"), "report.json"))
    try:
        with open(path, encoding="utf-8") as file:
            return path if json.load(file)["exit_status"] == code else ""
    except (OSError, ValueError, KeyError, TypeError):
        return ""


def configuration():
    """The scry.yaml that scry uses, from the top of the repository; empty: there is none in it."""
    top = os.path.realpath(top_folder() or ".")
    words = split("arguments", env("SCRY_ARGUMENTS"))
    told = [word.partition("=")[2] or "".join(words[i + 1:i + 2])
            for i, word in enumerate(words) if re.fullmatch(r"--config(?:=.*)?", word, re.DOTALL)]
    folder = os.path.realpath(".")
    places = [os.path.realpath(told[-1])] if told else []
    while not told and os.path.commonpath([folder, top]) == top:
        places.append(os.path.join(folder, "scry.yaml"))
        if folder == top:
            break
        folder = os.path.dirname(folder)
    for place in places:
        if os.path.isfile(place) and os.path.commonpath([place, top]) == top:
            return os.path.relpath(place, top)
    return ""


def run():
    try:
        argv = gate_command()
    except ValueError as error:
        refuse_usage(error)
        return 0
    folder = os.path.abspath(env("SCRY_REPORT"))
    for file in REPORT_FILES:  # An earlier run's are not to be taken for this one's.
        with contextlib.suppress(FileNotFoundError):
            os.remove(os.path.join(folder, file))
    said = ""
    try:
        with inert_output():
            gate = Gate(argv, clean_environment())
            code = gate.wait()
            said = gate.last_words()
            if gate.cancelled:
                code = CANCELLED
    except OSError as error:
        said = f"scry could not be started: {error}"
        print(said)
        code = 1
    output("exit-code", code)
    output("said", said)
    path = usable_report(code)
    if path:
        output("report", path)
        output("folder", folder)
        output("artifact", artifact_name())
        sarif = os.path.join(folder, "report.sarif")
        file = env("SCRY_FILE") or configuration()
        if scry("report", "convert", path, "--to", "sarif", "-o", sarif, *(["--file", file] if file else [])).returncode == 0:
            output("sarif", sarif)
    return 0


# --- finish: the report goes to whoever reads it.

def ended():
    """The exit status of the gate. A step that did not come to its end is a failure, or was cancelled."""
    try:
        return int(env("SCRY_EXIT"))
    except ValueError:
        return CANCELLED if "cancelled" in env("SCRY_STATUS").split() else 1


def finish():
    code = ended()
    path = usable_report(code) if code in WORDS else ""
    said = env("SCRY_SAID")
    text = ""
    if path:
        text = scry("report", "convert", path, "--to", "markdown", "--name", name()).stdout
        # The marker is put on with the comment.
        text = text.partition("\n")[2]
    if text:
        print(scry("report", "convert", path, "--to", "github").stdout, end="", flush=True)
        output("report", path)
    elif code == 0:
        code = 1  # Nothing was proven.
        said = "scry ended with exit status 0 and left no report that can be read"
    verdict = "cancelled" if code == CANCELLED else WORDS.get(code, "failed")
    meaning = MEANING.get(code, "scry ended in an unexpected way")
    if not text:
        headline = f"{verdict}, without a report" if code in WORDS else "no verdict"
        text = (f"### ⚠️ scry: {headline} (exit status {code})\n\n{meaning[0].upper()}{meaning[1:]}. "
                f"The log of this job says more.\n" + (f"\n{fenced(said)}" if said else ""))
    summary(text + where())
    if env("SCRY_KEPT") == "failure":
        command("warning", "the report could not be kept as an artefact; the job summary has it")
    if env("SCRY_SCANNED") == "failure":
        command("warning", "the findings could not be uploaded to code scanning. That needs the permission "
                           "security-events: write, in a private repository actions: read as well, and code scanning "
                           "to be available there")
    # Before it is known whether there is a migration, a pull request that has no comment gets none.
    Comments().put(lambda old: text + where() + before(old), only_if_there=env("SCRY_RUN") != "true")
    output("verdict", verdict)
    output("exit-code", code)
    if code != 0:
        why = f"{said} ({meaning})" if said and not path else meaning
        command("error", f"{verdict} (exit status {code}): {why}")
    return code


def main():
    steps = {"admit": admit, "start": start, "look": look, "run": run, "finish": finish}
    if len(sys.argv) != 2 or sys.argv[1] not in steps:
        print(__doc__, file=sys.stderr)
        return 64
    return steps[sys.argv[1]]()


if __name__ == "__main__":
    sys.exit(main())
