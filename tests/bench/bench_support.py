"""What all benchmarks share: a workspace that vanishes, servers, timed programs, medians, the table.

Python 3.11 or newer, standard library only. Servers come from tests/support/scry_e2e.py, so the
benchmarks measure on the same kind of throw-away server that the tests use.
"""

import contextlib
import json
import os
import platform
import re
import shutil
import signal
import statistics
import subprocess
import sys
import tempfile
import time

import scry_e2e

TICKS_PER_S = os.sysconf("SC_CLK_TCK")
PATIENCE_S = 600  # Until something that should end counts as hanging; no measured value.


class Broken(Exception):
    """Something does not work: the only reason for an exit status other than 0. Slowness is none."""


# --- The bench: what one run of scripts/bench owns.

class Bench:
    """Owns the workspace and every process of a run. Used as a context manager, by one thread."""

    def __init__(self, binary, quick, rounds, seconds, peers, runs=None, live=False):
        self.binary = binary
        self.quick = quick
        self.rounds = rounds
        self.seconds = seconds
        self.runs = runs  # None: as many as the subject thinks right.
        self.live = live  # Of zoo: only what shows while the migration runs.
        # Paths of other programs, or None.
        self.pgbouncer = peers.get("pgbouncer")
        self.pgreplay = peers.get("pgreplay")
        self.sysbench = peers.get("sysbench")
        self.servers = []
        self.processes = []
        self.workspace = None

    def __enter__(self):
        self.workspace = tempfile.mkdtemp(prefix="scry-bench-", dir="/tmp")
        # As root, servers run as another user and must be able to pass.
        os.chmod(self.workspace, 0o755)
        return self

    def __exit__(self, *_):
        # A second Ctrl-C must not leave half of it behind.
        for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
            signal.signal(number, signal.SIG_IGN)
        say("clean up")
        for process in reversed(self.processes):
            end_process(process)
        for server in self.servers:
            server.remove()
        for pid in scry_e2e.left_processes(self.workspace):
            with contextlib.suppress(OSError):
                os.kill(pid, signal.SIGKILL)
        shutil.rmtree(self.workspace, ignore_errors=True)
        say("")

    def path(self, *parts):
        return os.path.join(self.workspace, *parts)

    def start_server(self, scale, **config):
        """A server with pgbench's tables in its database postgres."""
        say("start a server")
        settings = {"shared_buffers": "256MB", "max_connections": 200, "max_wal_size": "2GB",
                    # Its checkpoints and autovacuum would hit one contender and not the others.
                    "checkpoint_timeout": "1h", "autovacuum": "off"}
        server = scry_e2e.Server(config={**settings, **config})
        self.servers.append(server)
        server.has_statements = False  # Nobody asks for it, and it would cost all alike.
        server.start()
        say(f"fill it (pgbench scale {scale})")
        self.run([scry_e2e.program("pgbench"), "-i", "-q", "-s", str(scale), "-h", server.host,
                  "-p", str(server.port), "-U", server.superuser, "postgres"])
        server.sql("vacuum analyze; checkpoint")
        return server

    def start(self, argv, stdout=subprocess.PIPE, stderr=subprocess.PIPE, cwd=None):
        """In a session of its own: Ctrl-C is ours, and __exit__ ends what is left."""
        process = subprocess.Popen(
            argv, stdin=subprocess.DEVNULL, stdout=stdout, stderr=stderr,
            env=scry_e2e.clean_environment(), cwd=cwd or self.workspace, start_new_session=True)
        self.processes.append(process)
        return process

    def run(self, argv, codes=(0,), cwd=None):
        """Runs it to its end. Answers Finished; raises Broken for an exit status not in codes."""
        with tempfile.TemporaryFile(dir=self.workspace) as out, \
                tempfile.TemporaryFile(dir=self.workspace) as err:
            began = time.monotonic()
            process = self.start(argv, stdout=out, stderr=err, cwd=cwd)
            cpu_s = cpu_until_end(process.pid)
            wall_s = time.monotonic() - began
            self.forget(process)
            texts = []
            for file in (out, err):
                file.seek(0)
                texts.append(file.read().decode(errors="replace"))
        finished = Finished(process.returncode, texts[0], texts[1], wall_s, cpu_s)
        if finished.code not in codes:
            raise Broken(f"{' '.join(argv)}: exit status {finished.code}\n{texts[1][-2000:].strip()}")
        return finished

    def forget(self, process):
        process.wait(PATIENCE_S)
        self.processes.remove(process)

    def scry(self, *args, codes=(0,), cwd=None):
        return self.run([self.binary, *args], codes=codes, cwd=cwd)

    def pgbench(self, url_host, port, *flags):
        """One run of pgbench. Answers PgbenchRun."""
        threads = str(min(2, os.cpu_count() or 1))
        done = self.run([scry_e2e.program("pgbench"), "-n", "-j", threads, "-h", url_host, "-p",
                         str(port), "-U", "postgres", *flags, "postgres"])
        tps = re.search(r"tps = ([\d.]+) \(without initial", done.out)
        processed = re.search(r"actually processed: (\d+)", done.out)
        failed = re.search(r"failed transactions: (\d+)", done.out)
        if not tps or not processed or (failed and int(failed.group(1)) > 0):
            raise Broken("pgbench did not do its work:\n" + done.out + done.err)
        return PgbenchRun(float(tps.group(1)), int(processed.group(1)), done.cpu_s)


class Finished:
    def __init__(self, code, out, err, wall_s, cpu_s):
        self.code = code
        self.out = out
        self.err = err
        self.wall_s = wall_s
        self.cpu_s = cpu_s  # Of the process alone, without what it started.


class PgbenchRun:
    def __init__(self, tps, transactions, cpu_s):
        self.tps = tps  # Without the time to connect.
        self.transactions = transactions
        self.cpu_s = cpu_s


class Capture:
    """A running `scry capture`; stop() answers its own summary and the CPU it took."""

    def __init__(self, bench, server, directory):
        self.bench = bench
        self.directory = directory
        self.host = "127.0.0.1"
        errors = directory + ".stderr"
        with open(errors, "wb") as stderr:
            self.process = bench.start(
                ["setpriv", "--pdeathsig", "INT", "--", bench.binary, "capture", "--json",
                 "--upstream", server.url(), "-o", directory], stderr=stderr)

        def port():
            with open(errors, encoding="utf-8", errors="replace") as file:
                text = file.read()
            found = re.search(r"listening on \S+?:(\d+) ", text)
            if not found and self.process.poll() is not None:
                raise Broken("scry capture ended: " + text)
            return int(found.group(1)) if found else None
        self.port = scry_e2e.wait_until(port, "scry capture to listen")
        self._cpu_before_s = cpu_s(self.process.pid)

    def stop(self):
        """(summary, CPU seconds since it listened: the writer's last work is part of it)."""
        self.process.send_signal(signal.SIGINT)
        used = cpu_until_end(self.process.pid) - self._cpu_before_s
        out = self.process.stdout.read().decode()
        self.process.stdout.close()
        self.bench.forget(self.process)
        if self.process.returncode != 0:
            raise Broken(f"scry capture: exit status {self.process.returncode}, {out}")
        return json.loads(out), used


# --- Processes.

def cpu_s(pid):
    """User and system time of all its threads, dead ones too; not of its children."""
    with open(f"/proc/{pid}/stat", "rb") as file:
        text = file.read()
    fields = text[text.rfind(b")") + 2:].split()
    return (int(fields[11]) + int(fields[12])) / TICKS_PER_S


def cpu_until_end(pid):
    """Waits for its end; the dead process keeps its figures until it is reaped, which is not done."""
    os.waitid(os.P_PID, pid, os.WEXITED | os.WNOWAIT)
    return cpu_s(pid)


def end_process(process):
    """Asks, so that scry removes its own private servers, then insists."""
    for number, patience_s in ((signal.SIGINT, 20), (signal.SIGTERM, 5), (signal.SIGKILL, 5)):
        if process.poll() is not None:
            break
        with contextlib.suppress(ProcessLookupError):
            process.send_signal(number)
        with contextlib.suppress(subprocess.TimeoutExpired):
            process.wait(patience_s)
    if process.stdout:
        process.stdout.close()


# --- Figures.

median = statistics.median


def ratio(value, base):
    return value / base if base else 0.0


def rotated(items, by):
    """Who goes first changes from round to round: nobody always has the cold or the busy moment."""
    by %= len(items)
    return items[by:] + items[:by]


def folder_bytes(folder):
    return sum(entry.stat().st_size for entry in os.scandir(folder) if entry.is_file())


# --- Words.

def say(text):
    """Progress, on a terminal only; the next one takes its place."""
    if sys.stderr.isatty():
        sys.stderr.write("\r\x1b[K" + (f"bench: {text} ..." if text else ""))
        sys.stderr.flush()


def count(value):
    return f"{value:,.0f}"


class Table:
    """columns: (group, name, unit); a group's name stands once, over its first column. The first
    `left` columns hold words, the others figures. "-" is a figure nobody has."""

    def __init__(self, columns, left=1):
        self.columns = columns
        self.left = left
        self.rows = []

    def add(self, *cells):
        self.rows.append([str(cell) for cell in cells])

    def text(self):
        # What has no unit stands where the units stand: just above the figures.
        names = [name if unit else "" for _, name, unit in self.columns]
        units = [unit or name for _, name, unit in self.columns]
        lines = ([names] if any(names) else []) + [units]
        widths = [max(len(row[i]) for row in lines + self.rows) for i in range(len(names))]
        self._fit_groups(widths)
        rendered = [self._groups(widths)] if any(column[0] for column in self.columns) else []
        rendered += [self._line(row, widths) for row in lines]
        rendered.append("-" * (sum(widths) + 2 * (len(widths) - 1)))
        rendered += [self._line(row, widths) for row in self.rows]
        return "\n".join(line.rstrip() for line in rendered) + "\n"

    def _spans(self):
        """(group, first column, one past the last)."""
        spans = []
        for i, (group, _, _) in enumerate(self.columns):
            if spans and group and spans[-1][0] == group:
                spans[-1][2] = i + 1
            else:
                spans.append([group, i, i + 1])
        return spans

    def _fit_groups(self, widths):
        for group, begin, end in self._spans():
            width = sum(widths[begin:end]) + 2 * (end - begin - 1)
            widths[begin] += max(0, len(group) - width)

    def _groups(self, widths):
        return "  ".join(group.rjust(sum(widths[begin:end]) + 2 * (end - begin - 1))
                         for group, begin, end in self._spans())

    def _line(self, cells, widths):
        return "  ".join(cell.ljust(width) if i < self.left else cell.rjust(width)
                         for i, (cell, width) in enumerate(zip(cells, widths)))


# --- The machine.

def _cpu_model():
    with contextlib.suppress(OSError):
        with open("/proc/cpuinfo", encoding="utf-8") as file:
            for line in file:
                if line.startswith("model name"):
                    return " ".join(line.split(":", 1)[1].split())
    return platform.machine()


def _memory_gib():
    return os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / 2**30


def _first_line(argv):
    with contextlib.suppress(OSError):
        told = subprocess.run(argv, capture_output=True, text=True).stdout.strip().splitlines()
        return told[0] if told else ""
    return ""


def machine_facts(bench):
    facts = {
        "cpu": _cpu_model(),
        "cores": len(os.sched_getaffinity(0)),
        "memory_gib": round(_memory_gib(), 1),
        "load_1min": round(os.getloadavg()[0], 2),
        "kernel": platform.release(),
        "postgresql": _first_line([scry_e2e.program("postgres"), "--version"]).split(")", 1)[-1]
                      .split("(")[0].strip(),
        "scry": _first_line([bench.binary, "--version"]).removeprefix("scry").strip(),
    }
    if bench.pgbouncer:
        facts["pgbouncer"] = _first_line([bench.pgbouncer, "--version"]).split()[-1]
    if bench.pgreplay:
        facts["pgreplay"] = _first_line([bench.pgreplay, "-v"]).split()[-1]
    return facts


def machine_text(facts):
    programs = f"scry {facts['scry']}, PostgreSQL {facts['postgresql']}"
    for key, name in (("pgbouncer", "PgBouncer"), ("pgreplay", "pgreplay")):
        if key in facts:
            programs += f", {name} {facts[key]}"
    lines = [f"machine   {facts['cpu']}, {facts['cores']} cores, {facts['memory_gib']:.0f} GiB, "
             f"Linux {facts['kernel']}",
             f"programs  {programs}",
             f"load      {facts['load_1min']:.1f} before the start"]
    if facts["load_1min"] > 0.5 * facts["cores"]:
        lines[-1] += ": others are at work here too, read ratios rather than rates"
    return "\n".join(lines) + "\n"
