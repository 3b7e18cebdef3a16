"""What `scry ci test-migration` costs beside what it is for: its whole time against that of the migration's
runs and of the replays, and where the rest goes, step by step.
"""

import json
import re
import time

from bench_replay import INCONCLUSIVE, REGRESSIONS, SAFE
from bench_support import Table, say
from bench_verdict import Gate, pgbench_mix, shop

ROUNDS, QUICK_ROUNDS = 3, 1
TARGET = 0.10  # The rest may cost so much of the parts, where these are what a pull request waits for.
MINUTE_S = 60
MIGRATION = ("alter table pgbench_accounts alter column filler type text; "
             "create index on pgbench_accounts (bid, abalance);")
# "✓ fork bench/verdict for the baseline      1.2 s  58 MB copied"
STEP = re.compile(r"^\S+ (?P<step>\S.*?) +(?P<number>[\d.,]+) (?P<unit>us|µs|ms|s|min|h)(?:  .*)?$")
# Steps that play captured queries on the lanes, but one pattern at a time: before autovacuum, for the work they
# do, and again where they seemed slower.
BY_THEMSELVES = ("try what touches them", "count the work of", "look again at")
SECONDS = {"us": 1e-6, "µs": 1e-6, "ms": 1e-3, "s": 1, "min": 60, "h": 3600}


def short(bench, host, port):
    """A capture of a moment, as in a demo or a test."""
    pgbench_mix(bench, host, port)
    shop(bench, host, port)


def minute(bench, host, port):
    """A minute of an application that keeps a server half busy."""
    pgbench_mix(bench, host, port, ("-T", str(MINUTE_S), "-R", "1500"))
    shop(bench, host, port)


def captures(bench):
    """[(name, traffic, runs)]"""
    if bench.quick:
        return [("a moment of traffic", short, QUICK_ROUNDS)]
    return [("a moment of traffic", short, bench.runs or ROUNDS),
            ("a minute of traffic", minute, bench.runs or ROUNDS)]


def steps_of(stderr):
    """[(step, seconds)] of what the run told of itself."""
    steps = []
    for line in stderr.splitlines():
        found = STEP.match(line.strip())
        if found:
            seconds = float(found["number"].replace(",", "")) * SECONDS[found["unit"]]
            steps.append((found["step"], seconds))
    return steps


def once(gate, directory):
    began = time.monotonic()
    done = gate.run(directory, MIGRATION)
    seconds = time.monotonic() - began
    report = json.loads(done.out)
    during = report.get("during", {})
    steps = steps_of(done.err)
    parts = {"migration": report["migration"]["duration_us"] / 1e6,
             "replay": report["tested"]["duration_us"] / 1e6,
             "replay of patterns by themselves": sum(took for step, took in steps if step.startswith(BY_THEMSELVES)),
             "traffic beside the migration": during.get("duration_us", 0) / 1e6}
    return {"seconds": seconds, "parts": parts, "steps": steps}


class TimedGate(Gate):
    def run(self, directory, sql):
        """The outcome, with what it told on the way."""
        return self._scry("ci", "test-migration", "bench/verdict", "--capture", directory, "--json", "--",
                          "psql", "-Xq", "-v", "ON_ERROR_STOP=1", "-c", sql,
                          codes=(SAFE, REGRESSIONS, INCONCLUSIVE))


def run(bench):
    """(text, data)"""
    gate = TimedGate(bench)
    texts, data = [], {}
    try:
        for name, traffic, rounds in captures(bench):
            directory = gate.capture(name, traffic)
            runs = []
            for number in range(rounds):
                say(f"gate: {name}, run {number + 1} of {rounds}")
                runs.append(once(gate, directory))
            # The one in the middle: its figures belong together.
            middle = sorted(runs, key=lambda one: one["seconds"])[len(runs) // 2]
            texts.append(tell(name, middle, len(runs)))
            data[name] = runs
    finally:
        gate.remove()
    return "\n".join(texts), data


def tell(name, one, runs):
    parts = sum(one["parts"].values())
    rest = one["seconds"] - parts
    table = Table([("", "part", ""), ("", "", "s"), ("", "", "of all")])

    def add(part, seconds):
        table.add(part, f"{seconds:.2f}", f"{100 * seconds / one['seconds']:.0f} %")
    for part, seconds in one["parts"].items():
        add(part, seconds)
    add("the rest", rest)
    add("all", one["seconds"])
    steps = Table([("", "step", ""), ("", "", "s")])
    for step, seconds in sorted(one["steps"], key=lambda step: -step[1]):
        steps.add(step, f"{seconds:.2f}")
    return (f"gate: {name}, the one in the middle of {runs}; the rest is {100 * rest / parts:.0f} % of what it is for "
            f"(target: {100 * TARGET:.0f} %)\n\n{table.text()}\nits steps, which hold those parts\n\n{steps.text()}")
