"""How faithful replay is, in figures: not a test of the suite, but what its limits are measured with.

    SCRY_BINARY=build/scry PYTHONPATH=tests/support tests/e2e/order_proof.py --runs 20 --seconds 6
    SCRY_BINARY=build/scry PYTHONPATH=tests/support tests/e2e/order_proof.py --runs 1 --gate 10

Each run makes a source and a shadow of it, captures traffic, replays that on equal lanes, and looks
whether every lane ended with the contents of the source. A table at the end sums up. With --gate each
capture is put through that many gates, of a migration that does nothing. Verdicts on latency are told
apart: on a busy machine they are noise.
"""

import argparse
import os
import shutil
import subprocess

import gate_support
import replay_order_test
import scry_e2e


class Tpcb(replay_order_test.TpcbTest):
    """pgbench, 32 clients, two branches."""

    tables = {"pgbench_accounts": "aid, bid, abalance", "pgbench_branches": "bid, bbalance",
              "pgbench_tellers": "tid, bid, tbalance",
              "pgbench_history": "tid, bid, aid, delta"}


class Nasty(replay_order_test.NastyTest):
    """Hot rows, queues, deadlocks, retries."""

    tables = replay_order_test.TABLES


class Sysbench(gate_support.GateTest):
    """sysbench oltp_read_write, 8 threads on two small tables."""

    tables = {"sbtest1": "id, k, c, pad", "sbtest2": "id, k, c, pad"}

    def prepare(self):
        sysbench = shutil.which("sysbench")
        if not sysbench:
            raise SystemExit("sysbench is not installed")

        def run(port, *more):
            argv = [sysbench, "oltp_read_write", "--db-driver=pgsql", "--pgsql-host=127.0.0.1",
                    f"--pgsql-port={port}", "--pgsql-user=postgres", "--pgsql-db=postgres",
                    "--tables=2", "--table-size=1000", "--threads=8",
                    f"--time={replay_order_test.SECONDS}", *more]
            done = subprocess.run(argv, capture_output=True, text=True, check=False)
            if done.returncode != 0:
                raise AssertionError(done.stdout + done.stderr)
        run(self.server.port, "prepare")
        self.config_of()
        self.create_shadow()
        type(self).traffic = self.capture(
            self.path("traffic"), lambda url: run(url.rsplit(":", 1)[1].split("/")[0], "run"))


WORKLOADS = {"tpcb": Tpcb, "nasty": Nasty, "sysbench": Sysbench}


def contents(sql, tables):
    return {table: sql(f"select {columns} from {table} order by {columns}").rstrip("\n")
            for table, columns in tables.items()}


def unequal(test):
    """Tables of lanes that ended otherwise than the source."""
    source = contents(test.server.sql, test.tables)
    found = []
    for lane, data in test.kept_lanes():
        with test.kept_lane(data) as sql:
            ended = contents(sql, test.tables)
        found += [f"{lane}.{table}" for table in source if ended[table] != source[table]]
    return found


def measure(test, number):
    """One gate of a migration that does nothing; a row of the table."""
    folder = test.path(f"report-{number}")
    done = test.scry("ci", "test-migration", "db/main", "--keep", "--capture", test.traffic, "--report",
                     folder, "--", "true")
    if done.code not in gate_support.VERDICTS:
        return {"exit": done.code, "told": done.err.strip().splitlines()[-1:]}
    report = test.check_report(folder, done)
    tested = report["tested"]
    told = [one for one in report["findings"] if "difference" in one]
    slow = [one for one in report["findings"] if "difference" not in one and one["gates"]]
    broken = [one for one in report["findings"] if one["type"] == "broken"]
    other = unequal(test)
    test.forget_runs()
    return {"statements": tested["statements"], "fidelity": tested["fidelity"],
            "different": sum(one["affected"] for one in told),
            "errors": sum(one["affected"] for one in broken) + tested["fidelity_lost"]["sqlstate"],
            "gating": sum(one["gates"] for one in told), "slower": len(slow),
            "stalls": tested["stalls_released"], "broken": tested["order_broken"],
            "exit": done.code, "told": other}


COLUMNS = ("statements", "fidelity", "different", "errors", "gating", "slower", "stalls", "broken",
           "exit")


def cells(values, width=10):
    return " ".join(f"{value:.5f}".rjust(width) if isinstance(value, float) else
                    str(value).rjust(width) for value in values)


def line(name, run, row):
    shown = cells(row.get(column, "-") for column in COLUMNS)
    return f"{name:9} {run:>5} {shown}   " + (", ".join(row["told"]) or "same contents")


SUMS = ("runs", "statements", "different", "new errors", "stalls", "min fidelity", "same contents",
        "exit 0")


def total(name, rows):
    """What all runs of a workload came to."""
    runs = len(rows)
    equal = sum(not row["told"] for row in rows)
    safe = sum(row["exit"] == 0 for row in rows)
    values = [runs] + [sum(row.get(column, 0) for row in rows)
                       for column in ("statements", "different", "errors", "stalls")]
    values += [min(float(row.get("fidelity", 0)) for row in rows), f"{equal} of {runs}",
               f"{safe} of {runs}"]
    return f"{name:9} " + cells(values, 13)


def keep(run, name, folder):
    to = os.path.join(folder, name)
    if not os.path.isdir(to):
        os.makedirs(to)
        for kept in (run.traffic, run.state_dir):  # With their owners.
            subprocess.run(["cp", "-a", kept, to], check=True)


def main():
    parser = argparse.ArgumentParser(description="Figures of replay's faithfulness.")
    parser.add_argument("workloads", nargs="*", default=sorted(WORKLOADS))
    parser.add_argument("--runs", type=int, default=3, help="captures of each workload")
    parser.add_argument("--seconds", default=replay_order_test.SECONDS, help="of traffic")
    parser.add_argument("--gate", type=int, default=1, help="gates of each capture")
    parser.add_argument("--keep", help="copies captures there whose replay was not perfect")
    flags = parser.parse_args()
    replay_order_test.SECONDS = flags.seconds
    scry_e2e.PATIENCE_S = 3600  # A minute of traffic is replayed for longer than a test may take.
    rows = {}
    print(f"{'workload':9} {'run':>5} " + cells(COLUMNS), flush=True)
    for name in flags.workloads:
        for run in range(flags.runs):
            class Run(WORKLOADS[name]):
                pass
            try:
                Run.setUpClass()
                for gate in range(flags.gate):
                    row = measure(Run(), gate)
                    rows.setdefault(name, []).append(row)
                    print(line(name, f"{run}.{gate}" if flags.gate > 1 else run, row), flush=True)
                    wrong = row["told"] or row.get("stalls") or row.get("different")
                    if flags.keep and (wrong or row.get("fidelity", 0) < 1):
                        keep(Run, f"{name}-{os.getpid()}-{run}", flags.keep)
            finally:
                Run.doClassCleanups()
    print(f"\n{'workload':9} " + cells(SUMS, 13))
    for name, found in rows.items():
        print(total(name, found), flush=True)


if __name__ == "__main__":
    main()
