"""How faithful replay is, in figures: not a test of the suite, but what its limits are measured with.

    SCRY_BINARY=build/scry PYTHONPATH=tests/support tests/e2e/order_proof.py --runs 5 nasty tpcb sysbench

Each run makes a source and a shadow of it, captures traffic, replays that on equal lanes, and looks
whether every lane ended with the contents of the source. Verdicts on latency are told apart: on a
busy machine they are noise.
"""

import argparse
import os
import shutil
import subprocess
import tempfile

import gate_support
import replay_order_test
import scry_e2e

LANES = ("baseline", "candidate", "control")


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


def lane_contents(server, data, tables):
    """Of a fork that was kept: its server is started once more."""
    folder = tempfile.mkdtemp(prefix="scry-e2e-lane-", dir="/tmp")
    os.chmod(folder, 0o777)
    # pylint: disable=protected-access
    argv = server._as_server_user(
        scry_e2e.program("postgres"), "-D", data, "-k", folder, "-p", "5432", "-c",
        "listen_addresses=", dies_with_us=True)
    process = subprocess.Popen(argv, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL,
                               stderr=subprocess.DEVNULL, env=scry_e2e.clean_environment())

    def psql(text):
        return subprocess.run(
            [scry_e2e.program("psql"), "-XqAt", "-h", folder, "-U", server.superuser, "-d",
             "postgres", "-c", text], check=True, capture_output=True, text=True,
            env=scry_e2e.clean_environment()).stdout
    try:
        ready = [scry_e2e.program("pg_isready"), "-q", "-h", folder, "-p", "5432"]
        scry_e2e.wait_until(lambda: subprocess.run(ready, check=False).returncode == 0, "the lane")
        return contents(psql, tables)
    finally:
        process.terminate()
        process.wait()
        shutil.rmtree(folder, ignore_errors=True)


def measure(test):
    """One gate without a migration; a row of the table."""
    folder = test.path("report")
    done = test.scry("ci", "test-migration", "db/main", "--keep", "--capture", test.traffic, "--report",
                     folder)
    if done.code not in gate_support.VERDICTS:
        return {"exit": done.code, "told": done.err.strip().splitlines()[-1:]}
    report = test.check_report(folder, done)
    tested = report["tested"]
    told = [one for one in report["findings"] if "difference" in one]
    slow = [one for one in report["findings"] if "difference" not in one and one["gates"]]
    source = contents(test.server.sql, test.tables)
    other = []
    runs = os.path.join(test.state_dir, "runs")
    for run in sorted(os.listdir(runs)):
        for lane in LANES:
            data = os.path.join(runs, run, lane, "data")
            if not os.path.isdir(data):
                continue
            found = lane_contents(test.server, data, test.tables)
            other += [f"{lane}.{table}" for table in source if found[table] != source[table]]
    test.must(test.run_scry("shadow", "gc", "--kept", env={"SCRY_STATE_DIR": test.state_dir}))
    return {"statements": tested["statements"], "fidelity": tested["fidelity"],
            "different": sum(one["affected"] for one in told),
            "gating": sum(one["gates"] for one in told), "slower": len(slow),
            "stalls": tested["stalls_released"], "broken": tested["order_broken"],
            "exit": done.code, "told": other}


COLUMNS = ("statements", "fidelity", "different", "gating", "slower", "stalls", "broken", "exit")


def line(name, run, row):
    shown = []
    for column in COLUMNS:
        value = row.get(column, "-")
        shown.append(f"{value:.5f}" if isinstance(value, float) else str(value))
    return " ".join([f"{name:9}", f"{run:>3}", *(f"{cell:>10}" for cell in shown),
                     "  " + (", ".join(row["told"]) or "same contents")])


def main():
    parser = argparse.ArgumentParser(description="Figures of replay's faithfulness.")
    parser.add_argument("workloads", nargs="*", default=sorted(WORKLOADS))
    parser.add_argument("--runs", type=int, default=3)
    parser.add_argument("--keep", help="copies captures there whose replay was not perfect")
    flags = parser.parse_args()
    print(" ".join([f"{'workload':9}", "run", *(f"{name:>10}" for name in COLUMNS)]), flush=True)
    for name in flags.workloads:
        for run in range(flags.runs):
            class Run(WORKLOADS[name]):
                pass
            try:
                Run.setUpClass()
                row = measure(Run())
                print(line(name, run, row), flush=True)
                wrong = row["told"] or row.get("stalls") or row.get("different")
                if flags.keep and (wrong or row.get("fidelity", 0) < 1):
                    to = os.path.join(flags.keep, f"{name}-{os.getpid()}-{run}")
                    os.makedirs(to)
                    for kept in (Run.traffic, Run.state_dir):  # With their owners.
                        subprocess.run(["cp", "-a", kept, to], check=True)
            finally:
                Run.doClassCleanups()


if __name__ == "__main__":
    main()
