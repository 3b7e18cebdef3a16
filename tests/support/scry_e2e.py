"""Support for end-to-end tests of scry: a throw-away PostgreSQL server and the real binary.

Python 3.11 or newer, standard library only. A test file looks like this:

    import scry_e2e

    class LogTest(scry_e2e.TestCase):
        @classmethod
        def setUpClass(cls):
            super().setUpClass()
            cls.server = cls.start_server()

        def test_what_the_product_promises(self):
            done = self.run_scry("capture", "--upstream", self.server.url(), "-o", self.path("cap"),
                                 "--", "psql", "-c", "select 1")
            self.assertEqual(done.code, 0, done)

    if __name__ == "__main__":
        scry_e2e.main()

What there is:
- `Server`: initdb in a temporary folder, Unix socket and a free TCP port on 127.0.0.1. Under root it
  runs as user `postgres`, since initdb refuses root. It dies with the test, whatever ends the test.
- `TestCase`: `path()` inside a workspace that vanishes, `run_scry()`, `start_capture()`, `psql()`,
  `log_info()`, `log_top()`, `log_cat()`, and at the end of each class the check that nothing is left
  behind: no process that we or scry started, no socket folder of scry's private servers.
- `main()`: exits 77 (ctest: skipped) if every test was skipped.

Environment: SCRY_BINARY is the binary under test; SCRY_PG_BIN chooses PostgreSQL's programs, else
the newest of /usr/lib/postgresql/*/bin, then `pg_config --bindir`, then PATH.
Nothing here asserts how long something takes; timeouts only end a test that hangs.
"""

import atexit
import collections
import contextlib
import glob
import hashlib
import json
import os
import re
import shutil
import signal
import socket
import struct
import subprocess
import sys
import tempfile
import time
import unittest
import urllib.parse
import uuid

RUN_ID = uuid.uuid4().hex  # In the environment of everything we start: how we find what is left.
PATIENCE_S = 120  # Until something that should happen counts as hanging.

Done = collections.namedtuple("Done", "code out err")


# --- PostgreSQL's programs.

def _version_key(path):
    return [int(part) if part.isdigit() else 0 for part in path.split("/")[-2].split(".")]


def bin_folder():
    """The folder of initdb and postgres, or None."""
    candidates = [os.environ.get("SCRY_PG_BIN", "")]
    candidates += sorted(glob.glob("/usr/lib/postgresql/*/bin"), key=_version_key, reverse=True)
    if shutil.which("pg_config"):
        told = subprocess.run(["pg_config", "--bindir"], capture_output=True, text=True)
        candidates.append(told.stdout.strip())
    if shutil.which("initdb"):
        candidates.append(os.path.dirname(os.path.realpath(shutil.which("initdb"))))
    for folder in candidates:
        if folder and os.access(os.path.join(folder, "initdb"), os.X_OK):
            return folder
    return None


def program(name):
    """The path of one of PostgreSQL's programs. Skips the test where it is not installed."""
    folder = bin_folder()
    path = os.path.join(folder, name) if folder else ""
    if not os.access(path, os.X_OK):
        path = shutil.which(name)
    if not path:
        raise unittest.SkipTest(f"{name} of PostgreSQL is not installed")
    return path


def clean_environment(**more):
    """Ours without PG*, scry's own and locale variables, and with the mark of this run."""
    kept = {name: value for name, value in os.environ.items()
            if not name.startswith(("PG", "LC_", "SCRY_")) and name not in ("DATABASE_URL", "LANG")}
    kept.update({"LC_ALL": "C.UTF-8", "SCRY_E2E_RUN": RUN_ID, "PYTHONDONTWRITEBYTECODE": "1"})
    folder = bin_folder()
    if folder:
        kept["PATH"] = folder + ":" + kept.get("PATH", "/usr/bin:/bin")
    kept.update(more)
    return {name: value for name, value in kept.items() if value is not None}


def wait_until(condition, what, timeout=PATIENCE_S):
    """The first true value of condition(); fails if none comes."""
    end = time.monotonic() + timeout
    while True:
        value = condition()
        if value:
            return value
        if time.monotonic() > end:
            raise AssertionError(f"waited {timeout} s for {what}")
        time.sleep(0.02)


# --- The server.

class Server:
    """A PostgreSQL server of our own. Attributes: host, port, socket_folder, data, superuser,
    password (None with trust), has_statements (pg_stat_statements is loaded).

    auth: "trust" or "scram-sha-256" (for TCP; the Unix socket always trusts, so that the test can
    look in). config: settings appended to postgresql.conf.
    """

    def __init__(self, auth="trust", config=None, password=None):
        self.auth = auth
        self.config = config or {}
        self.password = password if password else ("secret" if auth != "trust" else None)
        self.superuser = "postgres"
        self.host = "127.0.0.1"
        self.port = 0
        self.process = None
        self.folder = None
        self.has_statements = bool(glob.glob(os.path.join(
            self._share_folder(), "extension", "pg_stat_statements.control")))

    @staticmethod
    def _share_folder():
        told = subprocess.run([program("pg_config"), "--sharedir"], capture_output=True, text=True)
        return told.stdout.strip()

    @staticmethod
    def _as_server_user(*argv, dies_with_us=False):
        argv = list(argv)
        flags = []
        if os.geteuid() == 0:
            flags += ["--reuid=postgres", "--regid=postgres", "--init-groups"]
        if dies_with_us:
            flags += ["--pdeathsig", "QUIT"]
        return ["setpriv", *flags, "--", *argv] if flags else argv

    def start(self):
        if self.folder is None:
            self._create()
        log = open(os.path.join(self.folder, "server.log"), "ab")
        with log:
            self.process = subprocess.Popen(
                self._as_server_user(program("postgres"), "-D", self.data, dies_with_us=True),
                stdin=subprocess.DEVNULL, stdout=log, stderr=log, env=clean_environment(),
                cwd=self.folder, start_new_session=True)
        wait_until(self._answers, "the server to start")
        return self

    def _create(self):
        self.folder = tempfile.mkdtemp(prefix="scry-e2e-pg-", dir="/tmp")
        os.chmod(self.folder, 0o755)
        self.data = os.path.join(self.folder, "data")
        self.socket_folder = self.folder
        password_file = os.path.join(self.folder, "pw")
        with open(password_file, "w", encoding="utf-8") as file:
            file.write((self.password or "unused") + "\n")
        if os.geteuid() == 0:
            for path in (self.folder, password_file):
                shutil.chown(path, "postgres", "postgres")
        subprocess.run(
            self._as_server_user(
                program("initdb"), "-D", self.data, "-U", self.superuser, "-N", "-E", "UTF8",
                "--locale=C.UTF-8", "--auth-local=trust", f"--auth-host={self.auth}",
                f"--pwfile={password_file}"),
            check=True, stdout=subprocess.DEVNULL, env=clean_environment(), cwd=self.folder)
        with socket.socket() as probe:
            probe.bind((self.host, 0))
            self.port = probe.getsockname()[1]
        settings = {"listen_addresses": self.host, "port": self.port, "fsync": "off",
                    "synchronous_commit": "off", "full_page_writes": "off",
                    "shared_buffers": "64MB", "max_wal_size": "256MB",
                    "unix_socket_directories": self.socket_folder, "log_min_messages": "fatal"}
        if self.has_statements:
            settings["shared_preload_libraries"] = "pg_stat_statements"
        settings.update(self.config)
        with open(os.path.join(self.data, "postgresql.conf"), "a", encoding="utf-8") as file:
            for name, value in settings.items():
                quoted = str(value).replace("'", "''")
                file.write(f"{name} = '{quoted}'\n")

    def _answers(self):
        if self.process.poll() is not None:
            with open(os.path.join(self.folder, "server.log"), encoding="utf-8") as log:
                raise AssertionError("the server did not start: " + log.read())
        return subprocess.run([program("pg_isready"), "-q", "-h", self.socket_folder, "-p",
                               str(self.port)], env=clean_environment()).returncode == 0

    def stop(self, how="fast"):
        """how: "fast" or "immediate". Does nothing if it does not run."""
        if self.process is None:
            return
        for number, patience in ((signal.SIGINT, 15), (signal.SIGQUIT, 10), (signal.SIGKILL, 10)):
            if how == "immediate" and number == signal.SIGINT:
                continue
            with contextlib.suppress(ProcessLookupError):
                self.process.send_signal(number)
            with contextlib.suppress(subprocess.TimeoutExpired):
                self.process.wait(patience)
                break
        self.process = None

    def remove(self):
        self.stop("immediate")
        if self.folder:
            shutil.rmtree(self.folder, ignore_errors=True)
            self.folder = None

    def url(self, dbname="postgres", user=None, password=None, port=None, **parameters):
        """A URL over TCP, with no password unless one is given."""
        quote = urllib.parse.quote
        who = quote(user or self.superuser, safe="")
        if password:
            who += ":" + quote(password, safe="")
        query = "?" + urllib.parse.urlencode(parameters) if parameters else ""
        return f"postgresql://{who}@{self.host}:{port or self.port}/{quote(dbname, safe='')}{query}"

    def sql(self, text, dbname="postgres"):
        """Runs it over the Unix socket, past everything under test; what it printed, unaligned."""
        done = subprocess.run(
            [program("psql"), "-XqAt", "-v", "ON_ERROR_STOP=1", "-h", self.socket_folder, "-p",
             str(self.port), "-U", self.superuser, "-d", dbname],
            input=text, capture_output=True, text=True, env=clean_environment())
        if done.returncode != 0:
            raise AssertionError(f"{text}: {done.stderr}")
        return done.stdout.rstrip("\n")


# --- A running capture.

class Capture:
    """`scry capture` without a command: started, listening, to be ended by stop()."""

    def __init__(self, test, directory, server, *flags, dbname="postgres", env=None, prefix=()):
        self.test = test
        self.server = server
        self.directory = directory
        self.errors = os.path.join(test.workspace, f"capture-{uuid.uuid4().hex}.stderr")
        argv = [*prefix, test.binary, "capture", "--upstream", server.url(dbname), "-o", directory,
                *flags]
        with open(self.errors, "wb") as stderr:
            self.process = subprocess.Popen(
                argv, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=stderr,
                env=clean_environment(**(env or {})), start_new_session=True)
        test.addCleanup(self.kill)
        self.host = server.host
        self.port = int(wait_until(self._port, "scry capture to listen"))

    def error_text(self):
        with open(self.errors, encoding="utf-8", errors="replace") as file:
            return file.read()

    def _port(self):
        text = self.error_text()
        found = re.search(r"listening on \S+?:(\d+) ", text)
        if found:
            return found.group(1)
        if self.process.poll() is not None:
            raise AssertionError("scry capture ended: " + text)
        return None

    def url(self, dbname="postgres", **parameters):
        return self.server.url(dbname, port=self.port, **parameters)

    def alive(self):
        return self.process.poll() is None

    def stop(self, number=signal.SIGINT):
        """Ends it as Ctrl-C does. Answers a Done."""
        with contextlib.suppress(ProcessLookupError):
            self.process.send_signal(number)
        out, _ = self.process.communicate(timeout=PATIENCE_S)
        return Done(self.process.returncode, out.decode(), self.error_text())

    def kill(self):
        if self.alive():
            self.process.kill()
        self.process.wait()
        self.process.stdout.close()


# --- A client that speaks the protocol itself.

class WireClient:
    """A socket that speaks just enough of protocol 3 to do what libpq never would."""

    def __init__(self, host, port, user="postgres", dbname="postgres"):
        self.user = user
        self.dbname = dbname
        self.socket = socket.create_connection((host, port), timeout=PATIENCE_S)
        self.buffer = b""

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.socket.close()

    def send(self, data):
        self.socket.sendall(data)

    def startup(self):
        pairs = f"user\0{self.user}\0database\0{self.dbname}\0\0".encode()
        self.send(struct.pack("!II", len(pairs) + 8, 196608) + pairs)

    def query(self, sql):
        payload = sql.encode() + b"\0"
        self.send(b"Q" + struct.pack("!I", len(payload) + 4) + payload)

    def _take(self, size):
        while len(self.buffer) < size:
            chunk = self.socket.recv(1 << 16)
            if not chunk:
                return None
            self.buffer += chunk
        taken, self.buffer = self.buffer[:size], self.buffer[size:]
        return taken

    def message(self):
        """(type, payload), or None at the end of the stream."""
        head = self._take(5)
        if head is None:
            return None
        return head[:1], self._take(struct.unpack("!I", head[1:])[0] - 4)

    def until(self, wanted=b"Z"):
        """All messages up to the one of this type, which is the last; fewer at the end."""
        messages = []
        while not messages or messages[-1][0] != wanted:
            message = self.message()
            if message is None:
                break
            messages.append(message)
        return messages

    def rest(self):
        """Everything up to the end of the stream, or b"" where it was cut."""
        data = self.buffer
        self.buffer = b""
        with contextlib.suppress(ConnectionError):
            while chunk := self.socket.recv(1 << 16):
                data += chunk
        return data


def sqlstate(message):
    """Of an ErrorResponse or NoticeResponse as WireClient.message() gives it, or None."""
    kind, payload = message
    if kind not in (b"E", b"N"):
        return None
    fields = {part[:1]: part[1:].decode() for part in payload.split(b"\0") if part}
    return fields[b"C"]


# --- What may be left behind.

def _processes():
    for entry in os.listdir("/proc"):
        if entry.isdigit():
            yield int(entry)


def _read(path):
    try:
        with open(path, "rb") as file:
            return file.read()
    except OSError:
        return b""


def _state(pid):
    text = _read(f"/proc/{pid}/stat")
    return text[text.rfind(b")") + 2:][:1] if text else b""


def _parent(pid):
    text = _read(f"/proc/{pid}/stat")
    return int(text[text.rfind(b")") + 2:].split()[1]) if text else 0


def left_processes(workspace):
    """{pid: command} of what this test started, itself or through scry, and still lives."""
    marks = (f"SCRY_E2E_RUN={RUN_ID}".encode(), workspace.encode() + b"/")
    left = {}
    for pid in _processes():
        if pid == os.getpid() or _state(pid) in (b"Z", b""):
            continue
        command = _read(f"/proc/{pid}/cmdline")
        if marks[0] in _read(f"/proc/{pid}/environ") or marks[1] in command:
            left[pid] = command.replace(b"\0", b" ").decode(errors="replace").strip()
    return left


def _socket_folders():
    """Folders of private servers' sockets, whoever made them, that nobody listens in."""
    folders = {path for path in glob.glob("/tmp/scry-*")
               if re.fullmatch(r"/tmp/scry-[0-9a-f]{12}", path)}
    listening = _read("/proc/net/unix").decode(errors="replace")
    return {path for path in folders if path + "/" not in listening}


# --- The base class.

class TestCase(unittest.TestCase):
    maxDiff = 4000

    @classmethod
    def setUpClass(cls):
        cls.binary = os.environ.get("SCRY_BINARY", "")
        if not os.access(cls.binary, os.X_OK):
            raise AssertionError("SCRY_BINARY does not name the binary to test")
        cls.workspace = tempfile.mkdtemp(prefix="scry-e2e-", dir="/tmp")
        # As root, private servers run as another user and must be able to pass.
        os.chmod(cls.workspace, 0o755)
        cls._folders_before = _socket_folders()
        cls.servers = []
        _Cleanup.add(cls)
        cls.addClassCleanup(cls._end)

    @classmethod
    def _end(cls):
        for server in cls.servers:
            server.remove()
        try:
            cls.assert_nothing_left()
        finally:
            shutil.rmtree(cls.workspace, ignore_errors=True)

    @classmethod
    def _wipe(cls):
        """At the end of this process, whatever ended it."""
        for server in cls.servers:
            server.remove()
        for pid in left_processes(cls.workspace):
            with contextlib.suppress(OSError):
                os.kill(pid, signal.SIGKILL)
        shutil.rmtree(cls.workspace, ignore_errors=True)

    @classmethod
    def start_server(cls, **options):
        """A Server that ends with the class."""
        server = Server(**options)
        cls.servers.append(server)
        return server.start()

    @classmethod
    def assert_nothing_left(cls):
        """No process of ours or of scry's for us (known servers aside), no stale socket folder."""
        def leftovers():
            known = {server.process.pid for server in cls.servers if server.process is not None}
            processes = {pid: command for pid, command in left_processes(cls.workspace).items()
                         if pid not in known and _parent(pid) not in known}
            return processes, _socket_folders() - cls._folders_before
        end = time.monotonic() + 10  # A process may be on its way out.
        folders = None
        while True:
            processes, now = leftovers()
            # Others make theirs and remove them meanwhile: what is left behind stays.
            folders = now if folders is None else folders & now
            if not processes and not folders:
                return
            if time.monotonic() > end:
                raise AssertionError(f"left behind: processes {processes}, folders {folders}")
            time.sleep(0.1)

    # --- Verbs.

    def path(self, *parts):
        """A path in the workspace; the first part is made unique for this test."""
        test = re.sub(r"\W+", "_", self.id().split(".")[-1])[:60]
        folder = os.path.join(self.workspace, test)
        os.makedirs(folder, exist_ok=True)
        return os.path.join(folder, *parts)

    def run_scry(self, *args, env=None, timeout=None, stdin=None, cwd=None):
        """Runs it to its end. Answers Done(code, out, err); fails if it hangs."""
        process = subprocess.Popen(
            [self.binary, *args], stdin=subprocess.PIPE if stdin else subprocess.DEVNULL,
            stdout=subprocess.PIPE, stderr=subprocess.PIPE, env=clean_environment(**(env or {})),
            cwd=cwd or self.workspace, start_new_session=True)
        try:
            out, err = process.communicate(stdin, timeout=timeout or PATIENCE_S)
        except subprocess.TimeoutExpired:
            with contextlib.suppress(ProcessLookupError):
                os.killpg(process.pid, signal.SIGKILL)
            out, err = process.communicate()
            self.fail(f"scry {args} did not end: {out!r} {err!r}")
        return Done(process.returncode, out.decode(), err.decode())

    def start_capture(self, directory, *flags, server=None, **options):
        """A running Capture of `server` (default: self.server), killed if the test does not stop it."""
        return Capture(self, directory, server or self.server, *flags, **options)

    def psql(self, url, script, *flags, env=None, timeout=None):
        """Feeds the script to psql. Answers Done with bytes."""
        done = subprocess.run(
            [program("psql"), "-X", "-d", url, *flags],
            input=script if isinstance(script, bytes) else script.encode(), capture_output=True,
            env=clean_environment(**(env or {})), cwd=self.workspace, timeout=timeout or PATIENCE_S)
        return Done(done.returncode, done.stdout, done.stderr)

    def start_psql(self, url, sql, **options):
        process = subprocess.Popen(
            [program("psql"), "-XAt", "-d", url, "-c", sql], stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE, stderr=subprocess.PIPE, env=clean_environment(),
            cwd=self.workspace, **options)

        def end():
            if process.poll() is None:
                process.kill()
            process.communicate()
        self.addCleanup(end)
        return process

    # --- What a capture holds.

    def scry_json(self, *args, code=0):
        done = self.run_scry(*args, "--json")
        self.assertEqual(done.code, code, done)
        return json.loads(done.out)

    def log_info(self, directory):
        return self.scry_json("log", "info", directory)[0]

    def log_top(self, directory):
        return self.scry_json("log", "top", "--limit", "0", directory)

    def log_cat(self, directory):
        done = self.run_scry("log", "cat", "--json", directory)
        self.assertEqual(done.code, 0, done.err)
        return [json.loads(line) for line in done.out.splitlines()]

    def exchanges(self, directory):
        return [event for event in self.log_cat(directory) if event["event"] == "exchange"]

    def assert_sound(self, directory):
        done = self.run_scry("log", "verify", directory)
        self.assertEqual(done.code, 0, done)


def digest(data):
    """For comparing output too long to print when it differs."""
    return len(data), hashlib.sha256(data).hexdigest()


# --- Ends.

class _Cleanup:
    classes = []

    @classmethod
    def add(cls, test_class):
        cls.classes.append(test_class)

    @classmethod
    def run(cls):
        for test_class in cls.classes:
            test_class._wipe()
        cls.classes = []


def _on_signal(number, _frame):
    # Not sys.exit(): unittest would take it for the failure of one test and go on.
    print(f"ended by signal {number}", file=sys.stderr, flush=True)
    try:
        _Cleanup.run()
    finally:
        os._exit(128 + number)


def main():
    """Runs the tests of the calling file. Exit status 77 if none ran."""
    atexit.register(_Cleanup.run)
    for number in (signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, _on_signal)
    program_ = unittest.main(module="__main__", exit=False, verbosity=2)
    result = program_.result
    if not result.wasSuccessful():
        sys.exit(1)
    sys.exit(77 if result.skipped and len(result.skipped) >= result.testsRun else 0)


def skip_all(reason):
    """For a test file whose whole subject is missing here."""
    print(f"skipped: {reason}", file=sys.stderr)
    sys.exit(77)
