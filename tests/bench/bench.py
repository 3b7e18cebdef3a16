"""The command line of scripts/bench."""

import argparse
import json
import os
import signal
import sys
import unittest

# The benchmarks measure on the throw-away servers of the tests.
sys.path.insert(0, os.path.join(os.path.dirname(os.path.realpath(__file__)), "..", "support"))

# pylint: disable=wrong-import-position
import bench_capture  # noqa: E402
import bench_demo  # noqa: E402
import bench_gate  # noqa: E402
import bench_log  # noqa: E402
import bench_memory  # noqa: E402
import bench_replay  # noqa: E402
import bench_verdict  # noqa: E402
import bench_zoo  # noqa: E402
from bench_support import Bench, Broken, machine_facts, machine_text, say  # noqa: E402

SUBJECTS = {"capture": bench_capture, "replay": bench_replay, "log": bench_log, "demo": bench_demo,
            "zoo": bench_zoo, "gate": bench_gate, "verdict": bench_verdict, "memory": bench_memory}
# What takes long runs only where it is named.
NAMED_ONLY = ("verdict", "memory")

PEERS = ("pgbouncer", "pgreplay", "sysbench")


def parse(argv):
    parser = argparse.ArgumentParser(
        prog="scripts/bench", formatter_class=argparse.RawDescriptionHelpFormatter,
        description="Measures scry next to a peer, on private servers, in interleaved rounds.",
        epilog="subjects:\n"
               "  capture   pgbench direct, through scry capture, through PgBouncer\n"
               "  replay    scry replay next to pgbench and pgreplay; scry ci test-migration on equal\n"
               "            lanes next to pgbench\n"
               "  log       size of a capture and speed of reading, next to the server's own log\n"
               "  demo      scry demo, next to a bare initdb\n"
               "  zoo       a catalogue of migrations: what is seen of the dangerous, and false alarms\n"
               "  gate      where the time of scry ci test-migration goes, next to its migration and replays\n"
               "  verdict   false alarms on migrations that change nothing, and slowdowns that are found;\n"
               "            takes an hour, so only where it is named\n"
               "  memory    ten million statements of a thousand sessions: captured, replayed, compared;\n"
               "            takes half an hour, so only where it is named\n\n"
               "exit status: 0 measured, however slow; 1 something does not work; 64 wrong usage\n"
               "SCRY_BINARY names a binary to measure instead of building one.")
    parser.add_argument("subjects", nargs="*", metavar="SUBJECT", help="default: all")
    parser.add_argument("--quick", action="store_true", help="2 rounds of 1 s: does it work at all")
    parser.add_argument("--rounds", type=int, metavar="N", help="default: 5")
    parser.add_argument("--seconds", type=int, metavar="N", help="of one run of pgbench; default: 3")
    parser.add_argument("--runs", type=int, metavar="N",
                        help="of verdict: migrations that change nothing; default: 100. Of zoo: times "
                             "that each case is tried; default: 1")
    parser.add_argument("--live", action="store_true",
                        help="of zoo: only the cases that show while the migration runs")
    parser.add_argument("--json", metavar="FILE", help="write every figure there as well")
    parser.add_argument("--binary", help=argparse.SUPPRESS)
    for peer in PEERS:
        parser.add_argument("--" + peer, default="", help=argparse.SUPPRESS)
    try:
        options = parser.parse_args(argv)
    except SystemExit as end:
        sys.exit(64 if end.code else 0)
    unknown = [name for name in options.subjects if name not in SUBJECTS]
    if unknown or min(options.rounds or 1, options.seconds or 1, options.runs or 1) < 1:
        parser.print_usage(sys.stderr)
        what = f"no subject {unknown[0]}" if unknown else "rounds, seconds and runs start at 1"
        print(f"scripts/bench: {what}", file=sys.stderr)
        sys.exit(64)
    return options


def measure(options):
    bench = Bench(os.path.abspath(options.binary), options.quick,
                  options.rounds or (2 if options.quick else 5),
                  options.seconds or (1 if options.quick else 3),
                  {peer: getattr(options, peer) or None for peer in PEERS}, options.runs, options.live)
    with bench:
        facts = machine_facts(bench)
        print(machine_text(facts), flush=True)
        result = {"schema": 1, "machine": facts, "results": {}}
        for name in options.subjects or [one for one in SUBJECTS if one not in NAMED_ONLY]:
            text, data = SUBJECTS[name].run(bench)
            say("")
            print(text, flush=True)
            result["results"][name] = data
            # After each: what is measured is kept, whatever becomes of the rest.
            if options.json:
                with open(options.json, "w", encoding="utf-8") as file:
                    json.dump(result, file, indent=2)
                    file.write("\n")
        wrong = [data["broken"] for data in result["results"].values() if "broken" in data]
        if wrong:
            raise Broken("; ".join(wrong))


def on_signal(number, _frame):
    sys.exit(128 + number)  # The workspace is left on the way out.


def main():
    options = parse(sys.argv[1:])
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, on_signal)
    try:
        measure(options)
    except Broken as broken:
        sys.exit(f"scripts/bench: {broken}")
    except (AssertionError, unittest.SkipTest, OSError) as error:
        sys.exit(f"scripts/bench: {error}")


if __name__ == "__main__":
    main()
