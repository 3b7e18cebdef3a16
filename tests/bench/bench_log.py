"""What a capture weighs and how fast it is read, next to the server's own log of all statements."""

import json
import os
import zlib

from bench_support import Broken, Capture, Table, count, median, ratio, rotated, say

SCALE = 10
WORKLOADS = (
    # name, flags of pgbench, transactions of each of 8 clients: usual and quick, statements in each
    ("select-only, simple", ("-S", "-M", "simple"), 25000, 3000, 1),
    ("select-only, prepared", ("-S", "-M", "prepared"), 25000, 3000, 1),
    ("TPC-B, prepared", ("-M", "prepared"), 2500, 400, 7),
)
CLIENTS = 8
VERBS = ("top", "verify")


def _server_log(bench, server, flags, transactions):
    """(bytes, gzipped bytes) that log_min_duration_statement = 0 makes of the same work."""
    path = os.path.join(server.folder, "server.log")
    server.sql("alter system set log_min_duration_statement = 0; select pg_reload_conf()")
    # A session that started before the reload may still read it late: ask a fresh one.
    while server.sql("show log_min_duration_statement") != "0":
        pass
    before = os.path.getsize(path)
    bench.pgbench(server.host, server.port, *flags, "-c", str(CLIENTS), "-t", str(transactions))
    server.sql("alter system reset log_min_duration_statement; select pg_reload_conf()")
    while server.sql("show log_min_duration_statement") != "-1":
        pass
    packed = zlib.compressobj(6, zlib.DEFLATED, 31)
    plain_bytes = packed_bytes = 0
    with open(path, "rb") as file:
        file.seek(before)
        while chunk := file.read(1 << 20):
            plain_bytes += len(chunk)
            packed_bytes += len(packed.compress(chunk))
    return plain_bytes, packed_bytes + len(packed.flush())


def _record(bench, server, number):
    name, flags, usual, quick, statements = WORKLOADS[number]
    transactions = quick if bench.quick else usual
    say(f"log: record {name}")
    capture = Capture(bench, server, bench.path(f"log-{number}.cap"))
    done = bench.pgbench(capture.host, capture.port, *flags, "-c", str(CLIENTS), "-t",
                         str(transactions))
    summary, _ = capture.stop()
    if summary["exchanges"] + summary["exchanges_lost"] < done.transactions * statements:
        raise Broken(f"{done.transactions * statements} statements went through scry, but only "
                     f"{summary['exchanges']} are recorded and {summary['exchanges_lost']} lost")
    say(f"log: {name} in the server's own log")
    logged = transactions // 10
    plain, packed = _server_log(bench, server, flags, logged)
    info = json.loads(bench.scry("log", "info", "--json", capture.directory).out)[0]
    per_statement = 1 / (logged * CLIENTS * statements)
    return {"workload": name, "directory": capture.directory, "info": info,
            "exchanges": summary["exchanges"], "exchanges_lost": summary["exchanges_lost"],
            "stored_bytes": summary["bytes_written"],
            "stored_bytes_per_exchange": ratio(summary["bytes_written"], summary["exchanges"]),
            "server_log_bytes_per_statement": plain * per_statement,
            "server_log_gzip_bytes_per_statement": packed * per_statement}


def run(bench):
    """(text, data)"""
    server = bench.start_server(SCALE, log_min_messages="warning")
    rows = [_record(bench, server, number) for number in range(len(WORKLOADS))]
    server.remove()
    jobs = [(row, verb) for row in rows for verb in VERBS]
    walls = {(row["workload"], verb): [] for row, verb in jobs}
    for number in range(bench.rounds):
        for row, verb in rotated(jobs, number):
            say(f"log: {verb} of {row['workload']}, round {number + 1} of {bench.rounds}")
            done = bench.scry("log", verb, row["directory"])
            walls[row["workload"], verb].append(done.wall_s)
    table = Table([("", "workload", ""), ("", "exchanges", ""), ("capture", "on disk", "MB"),
                   ("capture", "", "B/exch."), ("server's own log", "plain", "B/stmt"),
                   ("server's own log", "gzip", "B/stmt"), ("log top", "", "MB/s"),
                   ("log top", "", "exch./s"), ("log verify", "", "MB/s"), ("", "", "lost")])
    for row in rows:
        mb = row["stored_bytes"] / 1e6
        for verb in VERBS:
            row[f"{verb}_wall_s_rounds"] = walls[row["workload"], verb]
            row[f"{verb}_wall_s"] = wall = median(walls[row["workload"], verb])
            row[f"{verb}_mb_per_s"] = ratio(mb, wall)
            row[f"{verb}_exchanges_per_s"] = ratio(row["exchanges"], wall)
        table.add(row["workload"], count(row["exchanges"]), f"{mb:.1f}",
                  f"{row['stored_bytes_per_exchange']:.1f}",
                  f"{row['server_log_bytes_per_statement']:.0f}",
                  f"{row['server_log_gzip_bytes_per_statement']:.1f}",
                  f"{row['top_mb_per_s']:.1f}", count(row["top_exchanges_per_s"]),
                  f"{row['verify_mb_per_s']:.1f}", count(row["exchanges_lost"]))
        del row["directory"]
    text = (f"log: pgbench with {CLIENTS} clients; medians of {bench.rounds} interleaved rounds\n\n"
            + table.text() +
            "\nMB: compressed, as on disk; times are of the whole command. The server's own log: "
            "log_min_duration_statement = 0.\n")
    return text, {"scale": SCALE, "rounds": bench.rounds, "rows": rows}
