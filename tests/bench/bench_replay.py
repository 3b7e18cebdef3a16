"""How fast a capture is replayed: as load on one server, next to pgbench and pgreplay, and on the equal
lanes of a gate, next to pgbench's own rate on the same server."""

import json
import shutil

import bench_load
from bench_support import Broken, Capture, Table, count, median, ratio, rotated, say

SCALE = 5  # Small: what the copies of the forks cost must not drown what a statement costs.
CLIENTS = 8
SHADOW = "bench/lanes"
WORKLOADS = (
    # name, flags of pgbench, transactions of each client: usual and quick, statements in each
    ("select-only, prepared", ("-S", "-M", "prepared"), 5000, 500, 1),
    ("TPC-B, prepared", ("-M", "prepared"), 500, 100, 7),
)
SAFE, REGRESSIONS, INCONCLUSIVE = 0, 5, 6
# On equal lanes a bug of scry; a latency that seems to differ may be the machine.
WRONG = ("broken", "different")


def _capture(bench, server, name, flags, transactions):
    capture = Capture(bench, server, bench.path(name))
    bench.pgbench(capture.host, capture.port, *flags, "-c", str(CLIENTS), "-t", str(transactions))
    summary, _ = capture.stop()
    if summary["exchanges_lost"]:
        raise Broken(f"{summary['exchanges_lost']} exchanges are not in the capture to replay")
    return capture.directory


class Lanes:
    """A shadow of the server as it is now; test() replays a capture on three forks of it."""

    def __init__(self, bench, server):
        self.bench = bench
        self.config = bench.path("scry.yaml")
        self.state = bench.path("state")
        with open(self.config, "w", encoding="utf-8") as file:
            file.write("version: 1\ndatabases:\n  bench:\n"
                       f"    source: {json.dumps(server.url())}\n"
                       "    shadows:\n      lanes:\n        provider: physical\n")
        say("replay: make a shadow")
        self._scry("shadow", "create", SHADOW)

    def _scry(self, *args, codes=(0,)):
        return self.bench.scry(*args, "--config", self.config, "--state-dir", self.state,
                               codes=codes)

    def test(self, directory):
        """(report, Finished)"""
        done = self._scry("ci", "test-migration", SHADOW, "--capture", directory, "--json",
                          codes=(SAFE, REGRESSIONS, INCONCLUSIVE))
        return json.loads(done.out), done

    def remove(self):
        self._scry("shadow", "destroy", SHADOW, "--force")
        shutil.rmtree(self.state, ignore_errors=True)


def _round(lanes, work):
    """A replay of the capture, and one of almost nothing, whose CPU is what forks and servers cost."""
    report, done = lanes.test(work["directory"])
    _, nothing = lanes.test(work["nothing"])
    tested = report["tested"]
    return {"statements": tested["statements"],
            "statements_per_s": ratio(tested["statements"], tested["duration_us"] / 1e6),
            "cpu_s": done.cpu_s, "cpu_s_of_nothing": nothing.cpu_s, "wall_s": done.wall_s,
            "fidelity": tested["fidelity"],
            # What statements waited for scry itself, beside what they took on the lanes.
            "tool_share": ratio(tested["tool_wait_us"],
                                sum(lane["busy_us"] for lane in report["lanes"])),
            "findings": [{key: finding.get(key) for key in
                          ("type", "gates", "pattern", "reasons", "difference")}
                         for finding in report["findings"]],
            "verdict": report["verdict"], "exit_status": done.code,
            "stalls_released": tested["stalls_released"],
            "order_broken": tested["order_broken"], "sessions": tested["sessions"]}


def _pgbench_rate(bench, server, work):
    """Statements per second, not transactions."""
    run = bench.pgbench(server.host, server.port, *work["flags"], "-c", str(CLIENTS), "-t",
                        str(work["transactions"]))
    return run.tps * work["statements_each"]


def _prepare(bench, server, number):
    name, flags, usual, quick, statements = WORKLOADS[number]
    transactions = quick if bench.quick else usual
    say(f"replay: capture {name}")
    return {"workload": name, "flags": flags, "transactions": transactions,
            "statements_each": statements, "pgbench": [], "replay": [],
            "directory": _capture(bench, server, f"replay-{number}.cap", flags, transactions),
            "nothing": _capture(bench, server, f"nothing-{number}.cap", flags, 1)}


def _row(work):
    """What the rounds say together."""
    rounds = work["replay"]
    found = [finding for one in rounds for finding in one["findings"]]
    cpu_s = max(0.0, median(one["cpu_s"] for one in rounds) -
                median(one["cpu_s_of_nothing"] for one in rounds))
    return {"workload": work["workload"], "clients": CLIENTS,
            "statements": rounds[0]["statements"],
            "pgbench_statements_per_s": median(work["pgbench"]),
            "pgbench_statements_per_s_rounds": work["pgbench"],
            "statements_per_s": median(one["statements_per_s"] for one in rounds),
            "of_pgbench": median(ratio(one["statements_per_s"], rate)
                                 for one, rate in zip(rounds, work["pgbench"])),
            "cpu_us_per_statement": ratio(cpu_s * 1e6, rounds[0]["statements"]),
            "tool_share": median(one["tool_share"] for one in rounds),
            "wall_s": median(one["wall_s"] for one in rounds),
            "fidelity": min(one["fidelity"] for one in rounds),
            "findings": sum(bool(finding["gates"]) for finding in found),
            "warnings": sum(not finding["gates"] for finding in found),
            "verdicts": [one["verdict"] for one in rounds], "rounds": rounds}


def run(bench):
    """(text, data)"""
    server = bench.start_server(SCALE, log_line_prefix=bench_load.LINE_PREFIX)
    load_text, load = bench_load.run(bench, server)
    lanes = Lanes(bench, server)  # Before the captures: TPC-B replays on what it found.
    works = [_prepare(bench, server, number) for number in range(len(WORKLOADS))]
    for number in range(bench.rounds):
        for work in rotated(works, number):
            say(f"replay: {work['workload']}, round {number + 1} of {bench.rounds}")
            order = ["pgbench", "replay"]
            for who in rotated(order, number):
                if who == "pgbench":
                    work["pgbench"].append(_pgbench_rate(bench, server, work))
                else:
                    work["replay"].append(_round(lanes, work))
    lanes.remove()
    server.remove()
    rows = [_row(work) for work in works]
    table = Table([("", "workload", ""), ("", "statements", ""), ("pgbench", "", "stmt/s"),
                   ("replay, three lanes", "", "stmt/s"), ("replay, three lanes", "", "of pgbench"),
                   ("scry", "CPU", "us/stmt"), ("scry", "waits", "of lanes"), ("whole test", "", "s"), ("", "fidelity", ""),
                   ("", "findings", ""), ("", "warnings", "")])
    for row in rows:
        table.add(row["workload"], count(row["statements"]),
                  count(row["pgbench_statements_per_s"]), count(row["statements_per_s"]),
                  f"{row['of_pgbench']:.2f}", f"{row['cpu_us_per_statement']:.1f}",
                  f"{row['tool_share']:.0%}", f"{row['wall_s']:.1f}", f"{row['fidelity']:.2%}", row["findings"],
                  row["warnings"])
    text = (f"replay: captured pgbench of {CLIENTS} clients, replayed by scry ci test-migration on "
            f"three equal lanes; medians of {bench.rounds} interleaved rounds\n\n" + table.text() +
            "\nEach statement runs once on each lane, so the servers do three times the work that "
            "\"stmt/s\" counts.\nOver all rounds: findings (gating; on equal lanes there must be "
            "none), warnings (not gating),\nlowest fidelity. CPU: without that of forking. Waits: for scry, beside the time on the lanes.\n" +
            _told(rows))
    text = load_text + "\n" + text
    data = {"scale": SCALE, "rounds": bench.rounds, "load": load, "rows": rows}
    different = [finding for row in rows for one in row["rounds"] for finding in one["findings"]
                 if finding["gates"] and finding["type"] in WRONG]
    if different:
        data["broken"] = f"equal lanes answered differently: {different}"
    return text, data


def _told(rows):
    """What a reader must know of rounds that did not end clean."""
    text = ""
    for row in rows:
        for number, one in enumerate(row["rounds"]):
            where = f"{row['workload']}, round {number + 1}"
            if one["exit_status"] != SAFE:
                text += f"NOT CLEAN: {where}: {one['verdict']}, exit status {one['exit_status']}\n"
            for finding in one["findings"]:
                text += (f"{finding['type']}: {where}: {finding['pattern']}: "
                         f"{'; '.join(finding['reasons'])}\n")
    return text
