"""How much memory scry takes for a capture of many statements by many sessions, while it captures,
replays as load, and compares three lanes: the peak of its own process, not of the servers'."""

import contextlib
import json
import threading
import time

import scry_e2e
from bench_replay import SHADOW, Lanes
from bench_support import Broken, Capture, Table, count, folder_bytes, say

SESSIONS, SESSIONS_QUICK = 1000, 100
STATEMENTS, STATEMENTS_QUICK = 10_000_000, 200_000
DIFFERENT = 40       # Statements that each session prepares,
TEXT_BYTES = 1500    # as long as those of a mapper of objects.
LIMIT_MIB = 256      # What is promised.
BACKEND_MIB = 6      # Of a server's process that has prepared them: on a small machine too much of three lanes.


class Peak:
    """The most memory that one process has held; looked at until it ends."""

    def __init__(self, pid):
        self.mib = 0.0
        self._path = f"/proc/{pid}/status"
        self._over = threading.Event()
        self._thread = threading.Thread(target=self._watch, daemon=True)
        self._thread.start()

    def _watch(self):
        while not self._over.wait(0.1):
            with contextlib.suppress(OSError), open(self._path, encoding="ascii") as file:
                for line in file:
                    if line.startswith("VmHWM:"):
                        self.mib = max(self.mib, int(line.split()[1]) / 1024)

    def stop(self):
        self._over.set()
        self._thread.join()
        return self.mib


def _script(bench):
    """One transaction: each statement once."""
    path = bench.path("memory.sql")
    with open(path, "w", encoding="utf-8") as file:
        # In one go: a server with a thousand processes on few cores does little else than change between them.
        file.write("\\set aid random(1, 100000)\n\\startpipeline\n")
        for number in range(DIFFERENT):
            # Long, and cheap to plan and to run: what is measured is scry.
            padding = f"statement {number} ".ljust(TEXT_BYTES, "x")
            file.write(f"SELECT abalance AS balance_{number} FROM pgbench_accounts "
                       f"WHERE aid = :aid AND '{padding}' <> '';\n")
        file.write("\\endpipeline\n")
    return path


def _capture(bench, server, sessions, transactions):
    capture = Capture(bench, server, bench.path("memory.cap"))
    peak = Peak(capture.process.pid)
    bench.run([scry_e2e.program("pgbench"), "-n", "-j", "2", "-h", capture.host, "-p", str(capture.port),
               "-U", "postgres", "-M", "prepared", "-f", _script(bench), "-c", str(sessions), "-t",
               str(transactions), "postgres"])
    mib = peak.mib
    summary, _ = capture.stop()
    if summary["exchanges_lost"]:
        raise Broken(f"{summary['exchanges_lost']} exchanges are not in the capture")
    return capture.directory, max(mib, peak.stop())


def _watched(bench, *args, codes=(0,)):
    """(JSON of stdout, seconds, peak in MiB)"""
    began = time.monotonic()
    out = bench.path("memory.json")
    with open(out, "wb") as stdout, open(bench.path("memory.err"), "wb") as stderr:
        # Not where the shadow's scry.yaml lies, which protects the source.
        process = bench.start([bench.binary, *args, "--json"], stdout=stdout, stderr=stderr, cwd="/")
        peak = Peak(process.pid)
        process.wait()
        bench.forget(process)
    if process.returncode not in codes:
        with open(bench.path("memory.err"), encoding="utf-8", errors="replace") as file:
            raise Broken(f"scry {' '.join(args)}: exit status {process.returncode}\n{file.read()[-2000:]}")
    with open(out, encoding="utf-8") as file:
        return json.load(file), time.monotonic() - began, peak.stop()


def run(bench):
    """(text, data)"""
    sessions = SESSIONS_QUICK if bench.quick else SESSIONS
    wanted = STATEMENTS_QUICK if bench.quick else STATEMENTS
    server = bench.start_server(1, max_connections=sessions + 50)
    lanes = Lanes(bench, server)
    rows = []

    say("memory: capture")
    began = time.monotonic()
    directory, mib = _capture(bench, server, sessions, wanted // sessions // DIFFERENT)
    statements = json.loads(bench.scry("log", "info", directory, "--json").out)[0]["statements"]
    rows.append(("capture", statements, time.monotonic() - began, mib))

    say("memory: replay as load")
    report, seconds, mib = _watched(bench, "replay", directory, "--target", server.url(), "--speed", "max",
                                    "--sync", "none", "--reads-only")
    rows.append(("replay as load", report["totals"]["statements"], seconds, mib))

    if sessions * 3 * BACKEND_MIB > _available_mib():
        lanes.remove()
        server.remove()
        return _told(rows, sessions, statements, directory, "three lanes: the servers' own processes would take "
                     f"{sessions * 3 * BACKEND_MIB / 1024:.0f} GiB, which are not free here\n")
    say("memory: compare three lanes")
    report, seconds, mib = _watched(bench, "ci", "test-migration", SHADOW, "--capture", directory,
                                    "--config", lanes.config, "--state-dir", lanes.state, codes=(0, 5, 6))
    rows.append(("compare three lanes", report["tested"]["statements"], seconds, mib))
    lanes.remove()
    server.remove()
    return _told(rows, sessions, statements, directory)


def _available_mib():
    with open("/proc/meminfo", encoding="ascii") as file:
        for line in file:
            if line.startswith("MemAvailable:"):
                return int(line.split()[1]) / 1024
    return 0


def _told(rows, sessions, statements, directory, left_out=""):
    table = Table([("", "", ""), ("", "statements", ""), ("", "", "s"), ("peak", "", "MiB")])
    for name, done, seconds, mib in rows:
        table.add(name, count(done), f"{seconds:.0f}", f"{mib:.0f}")
    text = (f"memory: {count(statements)} statements of {count(sessions)} sessions, each of which prepares "
            f"{DIFFERENT} statements of {TEXT_BYTES} bytes;\nscry's own process, at its peak "
            f"(promised: {LIMIT_MIB} MiB)\n\n" + table.text() + left_out)
    data = {"sessions": sessions, "statements": statements, "capture_bytes": folder_bytes(directory),
            "rows": [dict(zip(("what", "statements", "seconds", "peak_mib"), row)) for row in rows]}
    return text, data
