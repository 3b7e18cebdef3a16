"""Load replay on one server, next to pgbench itself and to pgreplay: the same traffic, the same server."""

import json
import os
import re

from bench_support import Broken, Capture, Table, count, median, ratio, rotated, say

CLIENTS = 8
TRANSACTIONS, TRANSACTIONS_QUICK = 20000, 1000  # Of each client.
FLAGS = ("-S", "-M", "prepared")
# What pgreplay asks of the log it reads: always, and while it is written.
LINE_PREFIX = "%m|%u|%d|%c|"
LOGGING = {"log_min_messages": "error", "log_connections": "on", "log_disconnections": "on",
           "log_statement": "all", "log_min_error_statement": "log"}


def _pgbench(bench, host, port, transactions):
    return bench.pgbench(host, port, *FLAGS, "-c", str(CLIENTS), "-t", str(transactions))


def _pgreplay_file(bench, server, transactions):
    """The traffic once more, written by the server itself; None without pgreplay."""
    if not bench.pgreplay:
        return None
    say("load: the server's own log, for pgreplay")
    for name, value in LOGGING.items():
        server.sql(f"alter system set {name} = '{value}'")
    server.sql("select pg_reload_conf()")
    # A session that started before the reload may still read it late: ask a fresh one.
    while server.sql("show log_statement") != "all":
        pass
    path = os.path.join(server.folder, "server.log")
    before = os.path.getsize(path)
    _pgbench(bench, server.host, server.port, transactions)
    server.sql("alter system reset all; select pg_reload_conf()")
    while server.sql("show log_statement") != "none":
        pass
    log, replay = bench.path("server.log"), bench.path("pgreplay.bin")
    with open(path, "rb") as source, open(log, "wb") as target:
        source.seek(before)
        target.write(source.read())
    bench.run([bench.pgreplay, "-f", "-o", replay, log])
    os.remove(log)
    return replay


def _by_pgbench(bench, server, work):
    done = _pgbench(bench, server.host, server.port, work["transactions"])
    return {"statements": done.transactions, "rate": done.tps, "cpu_s": done.cpu_s}


def _by_scry(bench, server, work, *flags):
    done = bench.scry("replay", work["capture"], "--target", server.url(), "--speed", "max",
                      "--sync", "none", "--reads-only", "--json", *flags)
    report = json.loads(done.out)
    totals = report["totals"]
    failed = sum(one["new"] for one in report["errors"].values())
    if totals["statements"] < work["transactions"] * CLIENTS or failed:
        raise Broken(f"scry replay did not do all of it: {totals}, {failed} new errors")
    return {"statements": totals["statements"], "cpu_s": done.cpu_s,
            "rate": ratio(totals["statements"], totals["duration_us"] / 1e6)}


def _by_pgreplay(bench, server, work):
    done = bench.run([bench.pgreplay, "-r", "-j", "-s", "1000000", "-h", server.host, "-p",
                      str(server.port), work["pgreplay"]])
    told = done.out + done.err
    executed = re.search(r"^SQL statements executed: (\d+)$", told, re.MULTILINE)
    time = re.search(r"^Total run time: (?:(\d+) minutes? )?([\d.]+) seconds$", told, re.MULTILINE)
    if not executed or not time:
        raise Broken("pgreplay did not say what it did:\n" + told[-2000:])
    statements = int(executed.group(1))
    return {"statements": statements, "cpu_s": done.cpu_s,
            "rate": ratio(statements, 60 * int(time.group(1) or 0) + float(time.group(2)))}


def run(bench, server):
    """(text, data) of one workload on a server that has pgbench's tables and LINE_PREFIX."""
    transactions = TRANSACTIONS_QUICK if bench.quick else TRANSACTIONS
    say("load: capture")
    capture = Capture(bench, server, bench.path("load.cap"))
    _pgbench(bench, capture.host, capture.port, transactions)
    summary, _ = capture.stop()
    if summary["exchanges_lost"]:
        raise Broken(f"{summary['exchanges_lost']} exchanges are not in the capture to replay")
    work = {"transactions": transactions, "capture": capture.directory,
            "pgreplay": _pgreplay_file(bench, server, transactions)}
    who = {"pgbench": _by_pgbench, "scry replay": _by_scry,
           "scry replay, --pipeline 1": lambda *args: _by_scry(*args, "--pipeline", "1")}
    if work["pgreplay"]:
        who["pgreplay"] = _by_pgreplay
    runs = {name: [] for name in who}
    for number in range(bench.rounds):
        for name in rotated(list(who), number):
            say(f"load: {name}, round {number + 1} of {bench.rounds}")
            runs[name].append(who[name](bench, server, work))
    return _text(bench, runs), {"clients": CLIENTS, "rounds": bench.rounds, "runs": runs}


def _text(bench, runs):
    table = Table([("", "", ""), ("", "statements", ""), ("", "", "stmt/s"), ("", "", "of pgbench"),
                   ("CPU", "", "us/stmt")])
    for name, rounds in runs.items():
        table.add(name, count(rounds[0]["statements"]), count(median(one["rate"] for one in rounds)),
                  f"{_ratio_to(runs['pgbench'], rounds, 'rate'):.2f}",
                  f"{median(_cpu_us(one) for one in rounds):.1f}")
    return (f"load: pgbench select-only, prepared, {CLIENTS} clients, played again as fast as it goes "
            f"on one server;\nmedians of {bench.rounds} interleaved rounds\n\n" + table.text() +
            ("" if bench.pgreplay else "pgreplay is not installed: no figures of it.\n"))


def _cpu_us(run_):
    return ratio(run_["cpu_s"] * 1e6, run_["statements"])


def _ratio_to(base, rounds, key):
    """Round by round: both had the machine of that moment."""
    return median(ratio(one[key], other[key]) for one, other in zip(rounds, base))
