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
TARGET = 0.10  # The rest may cost so much of the parts.
MIGRATION = ("alter table pgbench_accounts alter column filler type text; "
             "create index on pgbench_accounts (bid, abalance);")
# "✓ fork bench/verdict for the baseline      1.2 s  58 MB copied"
STEP = re.compile(r"^\S+ (?P<step>\S.*?) +(?P<number>[\d.,]+) (?P<unit>us|µs|ms|s|min|h)(?:  .*)?$")
SECONDS = {"us": 1e-6, "µs": 1e-6, "ms": 1e-3, "s": 1, "min": 60, "h": 3600}


def traffic(bench, host, port):
    pgbench_mix(bench, host, port)
    shop(bench, host, port)


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
    parts = {"migration": report["migration"]["duration_us"] / 1e6,
             "replay": report["tested"]["duration_us"] / 1e6,
             "traffic beside the migration": during.get("duration_us", 0) / 1e6}
    return {"seconds": seconds, "parts": parts, "steps": steps_of(done.err)}


class TimedGate(Gate):
    def run(self, directory, sql):
        """The outcome, with what it told on the way."""
        return self._scry("ci", "test-migration", "bench/verdict", "--capture", directory, "--json", "--",
                          "psql", "-Xq", "-v", "ON_ERROR_STOP=1", "-c", sql,
                          codes=(SAFE, REGRESSIONS, INCONCLUSIVE))


def run(bench):
    """(text, data)"""
    gate = TimedGate(bench)
    try:
        directory = gate.capture("gate", traffic)
        runs = []
        for number in range(QUICK_ROUNDS if bench.quick else bench.runs or ROUNDS):
            say(f"gate: run {number + 1}")
            runs.append(once(gate, directory))
    finally:
        gate.remove()
    # The one in the middle: its figures belong together.
    middle = sorted(runs, key=lambda one: one["seconds"])[len(runs) // 2]
    return tell(middle, len(runs)), {"runs": runs}


def tell(one, runs):
    parts = sum(one["parts"].values())
    rest = one["seconds"] - parts
    table = Table([("", "part", ""), ("", "", "s"), ("", "", "of all")])

    def add(name, seconds):
        table.add(name, f"{seconds:.2f}", f"{100 * seconds / one['seconds']:.0f} %")
    for name, seconds in one["parts"].items():
        add(name, seconds)
    add("the rest", rest)
    add("all", one["seconds"])
    steps = Table([("", "step", ""), ("", "", "s")])
    for name, seconds in sorted(one["steps"], key=lambda step: -step[1]):
        steps.add(name, f"{seconds:.2f}")
    return (f"gate: the one in the middle of {runs}; the rest is {100 * rest / parts:.0f} % of what it is for "
            f"(target: {100 * TARGET:.0f} %)\n\n{table.text()}\nits steps, which hold those parts\n\n{steps.text()}")
