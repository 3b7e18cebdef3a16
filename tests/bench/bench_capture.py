"""What standing in the middle costs: pgbench direct, through scry capture, through PgBouncer."""

import os
import shutil
import socket

import scry_e2e
from bench_support import (Broken, Capture, Table, count, cpu_s, end_process, folder_bytes, median,
                           ratio, rotated, say)

CLIENTS = (8, 32)
MODES = ("simple", "extended", "prepared")
SCALE = 10


class PgBouncer:
    """In front of the server, with session pooling: what is closest to a proxy that only forwards."""

    def __init__(self, bench, server):
        folder = bench.path("pgbouncer")
        os.mkdir(folder)
        # The account it runs as may not reach the folder of the build.
        program = shutil.copy(bench.pgbouncer, os.path.join(folder, "pgbouncer"))
        with socket.socket() as probe:
            probe.bind((server.host, 0))
            self.port = probe.getsockname()[1]
        self.host = server.host
        users = os.path.join(folder, "users.txt")
        with open(users, "w", encoding="utf-8") as file:
            file.write('"postgres" ""\n')
        settings = os.path.join(folder, "pgbouncer.ini")
        with open(settings, "w", encoding="utf-8") as file:
            file.write(
                f"[databases]\npostgres = host={server.host} port={server.port}\n"
                f"[pgbouncer]\nlisten_addr = {self.host}\nlisten_port = {self.port}\n"
                f"unix_socket_dir =\nauth_type = trust\nauth_file = {users}\n"
                "pool_mode = session\ndefault_pool_size = 100\nmax_client_conn = 200\n"
                "log_connections = 0\nlog_disconnections = 0\nlog_stats = 0\n")
        # pylint: disable=protected-access
        argv = scry_e2e.Server._as_server_user(program, settings, dies_with_us=True)
        log = os.path.join(folder, "log")
        with open(log, "wb") as file:
            self.process = bench.start(argv, stdout=file, stderr=file, cwd="/")

        def listens():
            if self.process.poll() is not None:
                with open(log, encoding="utf-8", errors="replace") as text:
                    raise Broken("pgbouncer ended: " + text.read())
            with socket.socket() as probe:
                return probe.connect_ex((self.host, self.port)) == 0
        scry_e2e.wait_until(listens, "pgbouncer to listen")

    def stop(self, bench):
        end_process(self.process)
        bench.forget(self.process)


def _measure(bench, server, bouncer, mode, clients):
    """All rounds of one row. A capture of its own, so that its size and losses are of this row."""
    capture = Capture(bench, server, bench.path(f"{mode}-{clients}.cap"))
    targets = {"direct": server, "scry": capture}
    if bouncer:
        targets["pgbouncer"] = bouncer
    flags = ("-S", "-M", mode, "-c", str(clients))
    transactions = dict.fromkeys(targets, 0)
    rates = {name: [] for name in targets}
    # Connections, caches and prepared plans of the server are warm before anything counts.
    for target in targets.values():
        bench.pgbench(target.host, target.port, *flags, "-t", "100")
    transactions["scry"] += 100 * clients
    bouncer_before_s = cpu_s(bouncer.process.pid) if bouncer else 0
    for number in range(bench.rounds):
        for name in rotated(list(targets), number):
            say(f"{mode}, {clients} clients, round {number + 1} of {bench.rounds}: {name}")
            run = bench.pgbench(targets[name].host, targets[name].port, *flags, "-T",
                                str(bench.seconds))
            rates[name].append(run.tps)
            transactions[name] += run.transactions
    bouncer_cpu_s = cpu_s(bouncer.process.pid) - bouncer_before_s if bouncer else 0
    summary, scry_cpu_s = capture.stop()
    stored = folder_bytes(capture.directory)
    shutil.rmtree(capture.directory)
    recorded, lost = summary["exchanges"], summary["exchanges_lost"]
    if recorded + lost < transactions["scry"]:
        raise Broken(f"{transactions['scry']} transactions went through scry, but only {recorded} "
                     f"are recorded and {lost} told as lost")
    row = {"mode": mode, "clients": clients, "tps_rounds": rates,
           "tps": {name: median(values) for name, values in rates.items()},
           # Pairs of one round were measured under the same weather; their ratios vary less.
           "ratio": {name: median(map(ratio, values, rates["direct"]))
                     for name, values in rates.items() if name != "direct"},
           "cpu_us_per_query": {"scry": scry_cpu_s * 1e6 / transactions["scry"]},
           "exchanges": recorded, "exchanges_lost": lost, "stored_bytes": stored,
           "stored_bytes_per_exchange": ratio(stored, recorded)}
    if bouncer:
        row["cpu_us_per_query"]["pgbouncer"] = bouncer_cpu_s * 1e6 / transactions["pgbouncer"]
    return row


def _table(rows):
    table = Table([("", "mode", ""), ("", "clients", ""), ("direct", "", "tps"),
                   ("scry capture", "", "tps"), ("scry capture", "", "of direct"),
                   ("PgBouncer", "", "tps"), ("PgBouncer", "", "of direct"),
                   ("CPU us per query", "", "scry"), ("CPU us per query", "", "PgBouncer"),
                   ("on disk", "", "B/stmt"), ("", "", "lost")])
    for row in rows:
        bounced = row["tps"].get("pgbouncer")
        table.add(row["mode"], row["clients"], count(row["tps"]["direct"]),
                  count(row["tps"]["scry"]), f"{row['ratio']['scry']:.2f}",
                  count(bounced) if bounced else "-",
                  f"{row['ratio']['pgbouncer']:.2f}" if bounced else "-",
                  f"{row['cpu_us_per_query']['scry']:.1f}",
                  f"{row['cpu_us_per_query']['pgbouncer']:.1f}" if bounced else "-",
                  f"{row['stored_bytes_per_exchange']:.1f}", count(row["exchanges_lost"]))
    return table.text()


def run(bench):
    """(text, data)"""
    server = bench.start_server(SCALE)
    bouncer = PgBouncer(bench, server) if bench.pgbouncer else None
    rows = [_measure(bench, server, bouncer, mode, clients)
            for mode in MODES for clients in CLIENTS]
    if bouncer:
        bouncer.stop(bench)
    server.remove()
    lost = sum(row["exchanges_lost"] for row in rows)
    seen = sum(row["exchanges"] for row in rows)
    text = (f"capture: select-only pgbench over TCP, scale {SCALE}; medians of {bench.rounds} "
            f"interleaved rounds of {bench.seconds} s\n\n" + _table(rows) + "\n")
    if lost:
        text += (f"LOST: {count(lost)} of {count(seen + lost)} exchanges were not recorded, and the "
                 "capture says so; the writer could not keep up\n")
    else:
        text += f"lost: none of {count(seen)} exchanges\n"
    text += ("of direct: median of the rounds' own ratios. pgbench, proxy and server share the "
             "cores.\n")
    if not bouncer:
        text += "PgBouncer: not measured, it is not installed and could not be fetched\n"
    return text, {"scale": SCALE, "rounds": bench.rounds, "seconds": bench.seconds, "rows": rows}
