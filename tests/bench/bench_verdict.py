"""How often the verdict of `scry ci test-migration` is wrong: on migrations that change nothing, and on
slowdowns of a known size.

Equal lanes: pgbench, sysbench and a shop, a part of the runs beside other work on the same cores.
Slowdowns: real ones, and a function that sleeps longer by a known factor.
"""

import json
import os
import shutil
import subprocess
import sys

import scry_e2e
from bench_replay import INCONCLUSIVE, REGRESSIONS, SAFE
from bench_support import Broken, Capture, Table, say

sys.path.insert(0, os.path.join(os.path.dirname(os.path.realpath(__file__)), "..", "e2e"))
import gate_support  # noqa: E402  pylint: disable=wrong-import-position

RUNS, QUICK_RUNS = 100, 6
SHADOW = "bench/verdict"
LOADED_EACH = 3  # One run in so many has others at work beside it.
SLEEP_MS = 4
TABLES = """
create view bench_accounts as select aid, abalance from pgbench_accounts;
create table bench_rare (id int primary key, pad char(84) not null default '');
insert into bench_rare select i from generate_series(1, 10000) i;
create table bench_log (id int not null, at timestamptz not null default now());
create function bench_note() returns trigger language plpgsql as 'begin return new; end';
create trigger bench_note before insert on bench_log for each row execute function bench_note();
create function bench_step() returns void language sql volatile as 'select pg_sleep({sleep})';
vacuum analyze;
"""
SQL = {
    "by key": "\\set id random(1, 100000)\nselect abalance from pgbench_accounts where aid = :id;\n",
    "by view": "\\set id random(1, 100000)\nselect abalance from bench_accounts where aid = :id;\n",
    "rare": "\\set id random(1, 10000)\nselect pad from bench_rare where id = :id;\n",
    "log": "\\set id random(1, 100000)\ninsert into bench_log (id) values (:id);\n",
    "step": "select bench_step();\n",
}
# Migration, the statements of its traffic, what of the pattern tells it, and kinds that show it.
SLOWDOWNS = (
    ("index dropped", "alter table pgbench_accounts drop constraint pgbench_accounts_pkey cascade",
     "by key", "from pgbench_accounts where", ("slower",)),
    ("predicate not sargable",
     "create or replace view bench_accounts as select aid::text::int as aid, abalance from pgbench_accounts",
     "by view", "from bench_accounts where", ("slower",)),
    ("sleep in a trigger",
     "create or replace function bench_note() returns trigger language plpgsql as "
     "'begin perform pg_sleep(0.002); return new; end'",
     "log", "into bench_log", ("slower",)),
    ("index dropped, 1 % of the volume", "alter table bench_rare drop constraint bench_rare_pkey",
     "rare", "from bench_rare where", ("more-work", "slower")),
)
FACTORS = (1.2, 1.5, 2.0)


# --- Numbers.

def binomial_at_most(hits, trials, chance):
    """P(X <= hits)."""
    term = (1 - chance) ** trials
    total = term
    for k in range(hits):
        if chance < 1:
            term *= (trials - k) / (k + 1) * chance / (1 - chance)
        total += term
    return total


def upper_bound(hits, trials, confidence=0.95):
    """Clopper and Pearson, one-sided: the largest rate that could well show so few."""
    if trials == 0 or hits >= trials:
        return 1.0
    low, high = hits / trials, 1.0
    for _ in range(60):
        middle = (low + high) / 2
        if binomial_at_most(hits, trials, middle) > 1 - confidence:
            low = middle
        else:
            high = middle
    return high


def lower_bound(hits, trials, confidence=0.95):
    return 1 - upper_bound(trials - hits, trials, confidence)


# --- Traffic, each through a relay at (host, port).

def pgbench_mix(bench, host, port, length=None):
    """`length`: flags of pgbench; else some hundred transactions."""
    bench.pgbench(host, port, "-b", "tpcb-like@1", "-b", "select-only@4", "-M", "prepared", "-c", "4",
                  *(length or ("-t", "150" if bench.quick else "400")))


def sysbench_mix(bench, host, port):
    bench.run(_sysbench(bench, host, port) + ["--events=150" if bench.quick else "--events=400",
                                              "--time=0", "run"])


def shop(bench, host, port):
    url = f"postgresql://app@{host}:{port}/postgres"
    rounds = 10 if bench.quick else 25
    scripts = [gate_support.shop_session(number, rounds) for number in range(3)]
    clients = [subprocess.Popen([scry_e2e.program("psql"), "-X", "-q", url], stdin=subprocess.PIPE,
                                stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, text=True,
                                env=scry_e2e.clean_environment()) for _ in scripts]
    for client, script in zip(clients, scripts):
        client.stdin.write(script)
        client.stdin.close()
    if any(client.wait() not in (0, 3) for client in clients):
        raise Broken("psql did not end well")


def _sysbench(bench, host, port):
    argv = [bench.sysbench, "--db-driver=pgsql", f"--pgsql-host={host}", f"--pgsql-port={port}",
            "--pgsql-user=postgres", "--pgsql-db=postgres", "--tables=2", "--table-size=20000",
            "--threads=4", "--rand-seed=1"]
    # Where it is only unpacked, its scripts lie beside it.
    script = os.path.join(os.path.dirname(bench.sysbench), "..", "share", "sysbench", "oltp_read_write.lua")
    return argv + [os.path.normpath(script) if os.path.exists(script) else "oltp_read_write"]


def statements(name, count):
    """The statements of SQL[name] beside what else the application does, so that they are not all."""
    def traffic(bench, host, port):
        path = bench.path(name.replace(" ", "-") + ".sql")
        with open(path, "w", encoding="utf-8") as file:
            file.write(SQL[name])
        bench.pgbench(host, port, "-f", path, "-M", "prepared", "-c", "2", "-t", str(count))
        bench.pgbench(host, port, "-b", "select-only", "-M", "prepared", "-c", "2", "-t", "200")
    return traffic


# --- Runs.

class Gate:
    """A server with all tables and a shadow of it; captures are replayed on forks of that."""

    def __init__(self, bench):
        self.bench = bench
        self.server = bench.start_server(1)
        self.server.sql(gate_support.SHOP)
        self.server.sql(TABLES.format(sleep=SLEEP_MS / 1000))
        if bench.sysbench:
            say("verdict: fill sysbench's tables")
            bench.run(_sysbench(bench, self.server.host, self.server.port) + ["prepare"])
            self.server.sql("vacuum analyze")
        self.config, self.state = bench.path("verdict.yaml"), bench.path("verdict-state")
        with open(self.config, "w", encoding="utf-8") as file:
            file.write("version: 1\ndatabases:\n  bench:\n"
                       f"    source: {json.dumps(self.server.url())}\n"
                       "    shadows:\n      verdict:\n        provider: physical\n")
        self._scry("shadow", "create", SHADOW)

    def _scry(self, *args, codes=(0,)):
        # Before the migration's own command.
        return self.bench.scry(*args[:2], "--config", self.config, "--state-dir", self.state, *args[2:],
                               codes=codes)

    def capture(self, name, traffic):
        say(f"verdict: capture {name}")
        capture = Capture(self.bench, self.server, self.bench.path("verdict-" + name.replace(" ", "-")))
        traffic(self.bench, capture.host, capture.port)
        summary, _ = capture.stop()
        if summary["exchanges_lost"]:
            raise Broken(f"{summary['exchanges_lost']} exchanges are not in the capture of {name}")
        return capture.directory

    def test(self, directory, sql=None):
        command = ["psql", "-X", "-q", "-v", "ON_ERROR_STOP=1", "-c", sql] if sql else ["true"]
        done = self._scry("ci", "test-migration", SHADOW, "--capture", directory, "--json", "--",
                          *command, codes=(SAFE, REGRESSIONS, INCONCLUSIVE))
        return json.loads(done.out)

    def remove(self):
        self._scry("shadow", "destroy", SHADOW, "--force")
        shutil.rmtree(self.state, ignore_errors=True)
        self.server.remove()


class Load:
    """As many busy processes as there are cores, or none."""

    def __init__(self, bench, wanted):
        self.bench = bench
        self.count = len(os.sched_getaffinity(0)) if wanted else 0
        self.processes = []

    def __enter__(self):
        code = "import itertools, time\nfor i in itertools.count():\n    i * i\n    i % 50000 or time.sleep(.002)\n"
        self.processes = [self.bench.start([sys.executable, "-c", code], stdout=subprocess.DEVNULL,
                                           stderr=subprocess.DEVNULL) for _ in range(self.count)]

    def __exit__(self, *_):
        for process in self.processes:
            process.kill()
            self.bench.forget(process)


def _told(report):
    tested = report["tested"]
    return {"exit_status": report["exit_status"], "sentence": report["sentence"],
            "self_test": tested["self_test"], "confirmation": tested["confirmation"],
            "classes": tested["classes"],
            "detectable": sorted(line["detectable"] for line in report["patterns"]
                                 if line["type"] == "unchanged" and line["detectable"] > 0),
            "findings": [{key: finding.get(key)
                          for key in ("id", "type", "pattern", "gates", "reasons", "latency")}
                         for finding in report["findings"]]}


def equal_lanes(bench, gate, runs):
    works = [("pgbench", pgbench_mix), ("shop", shop)]
    if bench.sysbench:
        works.insert(1, ("sysbench", sysbench_mix))
    captures = {name: gate.capture(name, traffic) for name, traffic in works}
    rows = []
    for number in range(runs):
        name = works[number % len(works)][0]
        # So that each workload has its share of them.
        loaded = number // len(works) % LOADED_EACH == LOADED_EACH - 1
        say(f"verdict: equal lanes, run {number + 1} of {runs}")
        with Load(bench, loaded):
            rows.append({"workload": name, "loaded": loaded, **_told(gate.test(captures[name]))})
    return rows


def _sees(report, part, kinds):
    """(found, its finding): that it gates, by these kinds, and nothing else does."""
    gating = [finding for finding in report["findings"] if finding["gates"]]
    for finding in gating:
        if finding["type"] in kinds and part in finding["pattern"].lower():
            return report["exit_status"] == REGRESSIONS
    return False


def slowdowns(gate, runs):
    rows = []
    for name, sql, traffic, part, kinds in SLOWDOWNS:
        directory = gate.capture(name, statements(traffic, 60))
        found, ran = 0, []
        for number in range(runs):
            say(f"verdict: {name}, run {number + 1} of {runs}")
            report = gate.test(directory, sql)
            found += _sees(report, part, kinds)
            ran.append(_told(report))
        rows.append({"slowdown": name, "runs": runs, "found": found, "expected": None, "ran": ran})
    directory = gate.capture("steps", statements("step", 60))
    for factor in FACTORS:
        sql = ("create or replace function bench_step() returns void language sql volatile as "
               f"'select pg_sleep({SLEEP_MS * factor / 1000:.6f})'")
        found, ran = 0, []
        for number in range(runs):
            say(f"verdict: sleeps {factor} times as long, run {number + 1} of {runs}")
            report = gate.test(directory, sql)
            found += _sees(report, "bench_step", ("slower",))
            ran.append(_told(report))
        rows.append({"slowdown": f"sleeps {factor:g} times as long", "runs": runs, "found": found,
                     "expected": None, "ran": ran})
    # What equal lanes say that they would have seen of it.
    report = gate.test(directory)
    least = [line["detectable"] for line in report["patterns"] if "bench_step" in line["pattern"]]
    return rows, least[0] if least else 0


def run(bench):
    """(text, data)"""
    runs = bench.runs or (QUICK_RUNS if bench.quick else RUNS)
    power_runs = max(1, runs // 10)
    gate = Gate(bench)
    # First: what TPC-B replays on must be what it was captured on, near enough.
    equal = equal_lanes(bench, gate, runs)
    slow, least = slowdowns(gate, power_runs)
    gate.remove()

    table = Table([("", "no-op migration", ""), ("", "runs", ""), ("", "under load", ""), ("exit", "0", ""),
                   ("exit", "5", ""), ("exit", "6", ""), ("", "looked slower", ""), ("", "seen again", "")])
    names = list(dict.fromkeys(row["workload"] for row in equal))
    for name in names + ["all"]:
        rows = [row for row in equal if name in (row["workload"], "all")]
        table.add(name, len(rows), sum(row["loaded"] for row in rows),
                  *(sum(row["exit_status"] == code for row in rows)
                    for code in (SAFE, REGRESSIONS, INCONCLUSIVE)),
                  sum(row["confirmation"]["asked"] for row in rows),
                  sum(row["confirmation"]["confirmed"] for row in rows))
    alarms = sum(row["exit_status"] == REGRESSIONS for row in equal)
    bound = upper_bound(alarms, len(equal))
    text = (f"verdict: {runs} runs of migrations that change nothing\n\n" + table.text() +
            f"\nFalse alarms: {alarms} of {len(equal)}; with 95 % confidence below {bound:.1%} of runs.\n")
    if not bench.sysbench:
        text += "Without sysbench: the package would bring it.\n"
    table = Table([("", "slowdown", ""), ("", "runs", ""), ("", "found", ""), ("", "at least", "95 %")])
    for row in slow:
        table.add(row["slowdown"], row["runs"], row["found"], f"{lower_bound(row['found'], row['runs']):.0%}")
    text += "\n" + table.text()
    text += (f"\nThe sleeping statement on equal lanes: {least:.2f}x would show with a chance of 80 %.\n"
             if least else "")
    data = {"runs": runs, "false_alarms": alarms, "false_alarms_below": bound, "equal": equal,
            "slow": slow, "least": least}
    wrong = [f"{row['workload']}: {row['sentence']}" for row in equal if row["exit_status"] == REGRESSIONS]
    wrong += [f"{row['slowdown']}: {row['found']} of {row['runs']}" for row in slow
              if row["found"] < 0.95 * row["runs"] and "1.2 times" not in row["slowdown"]]
    if wrong:
        data["broken"] = "verdict: " + "; ".join(wrong)
    return text, data
