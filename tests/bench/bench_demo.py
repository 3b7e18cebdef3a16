"""How long the whole story takes: scry demo, next to a bare initdb as a yardstick of the machine."""

import scry_e2e
from bench_support import Table, median, rotated, say


def _initdb(bench):
    # The account of the server must be able to make its folder.
    bench.run(_as_server("mkdir", "-m", "700", bench.path("yard", "data")))
    done = bench.run(_as_server(scry_e2e.program("initdb"), "-D", bench.path("yard", "data"), "-N",
                                "-U", "postgres", "--auth=trust"))
    bench.run(_as_server("rm", "-rf", bench.path("yard", "data")))
    return done


def _as_server(*argv):
    return scry_e2e.Server._as_server_user(*argv)  # pylint: disable=protected-access


def run(bench):
    """(text, data)"""
    bench.run(["mkdir", "-m", "1777", bench.path("yard")])
    contenders = {"demo": lambda: bench.scry("demo"), "initdb": lambda: _initdb(bench)}
    done = {name: [] for name in contenders}
    for number in range(bench.rounds):
        for name in rotated(list(contenders), number):
            say(f"demo, round {number + 1} of {bench.rounds}: {name}")
            done[name].append(contenders[name]())
    table = Table([("", "what", ""), ("wall time", "median", "s"), ("wall time", "best", "s"),
                   ("wall time", "worst", "s"), ("CPU of scry", "median", "s")])
    data = {"rounds": bench.rounds}
    for name, label in (("demo", "scry demo"), ("initdb", "initdb, for comparison")):
        walls = [finished.wall_s for finished in done[name]]
        cpu = [finished.cpu_s for finished in done[name]]
        table.add(label, f"{median(walls):.1f}", f"{min(walls):.1f}", f"{max(walls):.1f}",
                  f"{median(cpu):.1f}" if name == "demo" else "-")
        data[name] = {"wall_s_rounds": walls, "wall_s": median(walls)}
    data["demo"]["cpu_s"] = median(finished.cpu_s for finished in done["demo"])
    text = (f"demo: the whole story on private servers; {bench.rounds} interleaved rounds\n\n"
            + table.text())
    return text, data
