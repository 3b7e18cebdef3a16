"""The zoo: every migration of a catalogue of dangerous and of harmless ones, through the real binary.

    SCRY_BINARY=build/test/scry PYTHONPATH=tests/support python3 tests/zoo/zoo.py [--quick] [--live] [--runs N]
        [--no-fix] [--json FILE] [CASE...]

--live takes only the cases that show while the migration runs; what they depend on is a race between
the migration, a long transaction and the traffic, so --runs tries each several times and tells how
often it was seen. `scripts/bench zoo` does the same on a release build. Case files: zoo_cases.py. One source server, one
shadow of it; each case's traffic is captured on a fresh copy of the shop, together with what happens
on every day (everyday.sql), and replayed by `scry ci test-migration ... -- psql -f migration.sql`.

Exit status: 0, all as the case files say, known misses included; 1, not so; 64, wrong usage.
"""

import argparse
import collections
import hashlib
import json
import os
import signal
import subprocess
import sys
import time
import unittest

HERE = os.path.dirname(os.path.realpath(__file__))
sys.path[:0] = [os.path.join(HERE, "..", part) for part in ("support", "e2e", "bench")] + [HERE]

# pylint: disable=wrong-import-position
import bench_support  # noqa: E402
import gate_support  # noqa: E402
import scry_e2e  # noqa: E402
import zoo_cases  # noqa: E402

# What came of a case. The order is that of the table of cases that did not go as they should.
FOUND, SAFE, MISSED, ALARM, NOISY, KNOWN, SKIPPED = (
    "found", "safe", "MISSED", "FALSE ALARM", "TOO NOISY", "known", "not run")

# `fixed`: what came of the migration with scry's own fix and with the textbook's, as two Cost.
Result = collections.namedtuple("Result", "case outcome named alarms words seconds report fixed", defaults=([],))

# Of the culprit after the migration: blocks that one execution touches (None: not measured), its median.
Cost = collections.namedtuple("Cost", "exit_status blocks median_us")


class Zoo(gate_support.GateTest):
    """The server, the shadow and the captures; attempt() tries one case."""

    fix = True  # Are fixes and safe forms tried, and what cases say of them looked at?

    @classmethod
    def setUpClass(cls):
        cls.captures = {}  # By digest of their traffic.
        super().setUpClass()

    def prepare(self):
        self.server.sql("create database shop")
        with open(os.path.join(HERE, "shop.sql"), encoding="utf-8") as file:
            self.server.sql(file.read(), "shop")
        self.config_of("shop")
        self.create_shadow()
        self.server.sql("create database golden template shop")
        type(self).version = int(self.server.sql("show server_version_num")) // 10000

    def captured(self, traffic):
        """The directory of a capture of this traffic."""
        key = hashlib.sha256(repr(traffic).encode()).hexdigest()[:12]
        if key not in self.captures:
            # Lanes begin with the shop as it was copied; so does the traffic.
            self.server.sql("drop database shop with (force)")
            self.server.sql("create database shop template golden")
            directory = os.path.join(self.workspace, f"capture-{key}")
            capture = self.start_capture(directory, dbname="shop")
            gate_support.run_all(*[lambda one=one: self.play(capture, one) for one in traffic])
            self.must(capture.stop())
            self.assert_sound(directory)
            self.captures[key] = directory
        return self.captures[key]

    def play(self, capture, traffic):
        url = capture.url("shop", user=traffic.role)
        if traffic.client == "psql":
            self.must(self.psql(url, traffic.script * traffic.calls, "-q"))
            return
        digest = hashlib.sha256(repr(traffic).encode()).hexdigest()[:12]
        script = os.path.join(self.workspace, f"traffic-{digest}.sql")
        with open(script, "w", encoding="utf-8") as file:
            file.write(traffic.script)
        done = subprocess.run(
            [scry_e2e.program("pgbench"), "-n", "--random-seed=7", "-c", str(traffic.clients), "-t",
             str(traffic.calls), "-M", traffic.protocol, "-f", script, url],
            capture_output=True, text=True, env=scry_e2e.clean_environment())
        if done.returncode != 0 or " aborted" in done.stderr:
            raise AssertionError(f"{traffic.script}{done.stderr}")

    def attempt(self, case):
        """Answers Result."""
        if case.visible != "before-after" and not case.live:
            return Result(case, SKIPPED, False, [], case.why, 0, None)
        if case.needs > self.version:
            return Result(case, SKIPPED, False, [], f"needs PostgreSQL {case.needs}", 0, None)
        capture = self.captured((zoo_cases.live(case.live) if case.live else zoo_cases.everyday()) + case.traffic)
        flags = ("--during", "always", "--blocker", "none") if case.live else ("--during", "never")
        if not self.fix:
            flags += ("--no-fix",)
        began = time.monotonic()
        report = self.gate(case, capture, flags)
        result = judge(case, report, time.monotonic() - began, case.fixes if self.fix else [])
        if not (case.textbook and self.fix) or result.outcome != FOUND:
            return result
        own = "\n".join(sql for fix in result.report["fixes"] for sql in fix["sql"])
        fixed = [self.fixed(case, capture, flags, sql) for sql in (own, case.textbook)]
        result = result._replace(seconds=time.monotonic() - began, fixed=fixed)
        if is_as_good(*fixed):
            return result
        return result._replace(outcome=MISSED, words=f"with its own fix {fixed[0]}, with the textbook's {fixed[1]}")

    def gate(self, case, capture, flags):
        """The report of the case's migration."""
        done, report = self.migrate(
            scry_e2e.program("psql"), "-Xq", "-v", "ON_ERROR_STOP=1", "-v", "VERBOSITY=verbose", "-f",
            self.file(f"{case.id}.sql", case.migration), capture=capture, flags=flags)
        if report is None:
            raise AssertionError(f"{case.id}: exit status {done.code}: {done.err}")
        return report

    def fixed(self, case, capture, flags, sql):
        """What comes of the migration with this after it. Where the clock alone gates, or is too noisy to judge by, it
        is asked once more: the fix adds its share to each call, which a busy machine stretches beyond the floor."""
        for _ in range(2):
            report = self.gate(case, capture, (*flags, "--fix", self.file(f"{case.id}.fix.sql", sql)))
            clock = {one["type"] for one in report["findings"] if one["gates"]} == {"slower"}
            if not clock and report["exit_status"] != 6:
                break
        return cost(case, report)

    def file(self, name, text):
        path = os.path.join(self.workspace, name)
        with open(path, "w", encoding="utf-8") as file:
            file.write(text)
        return path


# --- Verdicts.

def cost(case, report):
    """Of the first finding's culprit."""
    found = [one for one in report["patterns"] if case.findings[0].culprit.search(one["pattern"])]
    if len(found) != 1:
        raise AssertionError(f"{case.id}: {len(found)} patterns are its culprit")
    work = found[0].get("work")
    return Cost(report["exit_status"], work and work["after"]["blocks"], found[0]["median_after_us"])


def is_as_good(own, textbook):
    """By the verdict and by blocks, which do not hang on the machine; a page more of the index is no matter."""
    if own.exit_status != 0 or own.blocks is None:
        return False
    return textbook.exit_status != 0 or textbook.blocks is None or own.blocks <= textbook.blocks * 1.05 + 1


def judge(case, report, seconds, wanted_fixes):
    missing = [one.name() for one in case.findings if not is_there(one, report)]
    gating = [one for one in report["findings"] if one["gates"]]
    if case.live:  # What shows before and after has cases of its own.
        gating = [one for one in gating if one["type"] == "blocked"]
    alarms = [one for one in gating
              if not any(expected.matches(one) for expected in case.findings)
              and not any(culprit.search(one["pattern"]) for culprit in case.also)]
    words = []
    if report["exit_status"] != case.exit:
        words.append(f"exit status {report['exit_status']} instead of {case.exit}: {report['sentence']}")
        if report["exit_status"] == 7 and "migration" in report:
            words += [one["sentence"] for one in report.get("causes", [])]
    words += [f"no finding {name}" for name in missing]
    during = report.get("during", {"blocking": [], "deadlocks": []})
    unproven = [f"nothing blocks as {one.text}: {brief(during['blocking'])}" for one in case.blocking
                if not any(one.matches(statement) for statement in during["blocking"])]
    unproven += [f"no deadlock with /{pattern.pattern}/ among {during['deadlocks']}" for pattern in case.deadlocks
                 if not any(is_deadlock(one, pattern) for one in during["deadlocks"])]
    words += unproven
    told = [f"{one['object']}: {one['sentence']}" for one in report.get("causes", [])]
    unexplained = [one.pattern for one in case.causes if not any(one.search(text) for text in told)]
    words += [f"no cause /{pattern}/ among {told}" for pattern in unexplained]
    fixes = [sql for one in report.get("fixes", []) for sql in one["sql"]]
    unmended = [one.pattern for one in wanted_fixes if not any(one.search(sql) for sql in fixes)]
    words += [f"no fix /{pattern}/ among {fixes}" for pattern in unmended]
    words += [describe(one) for one in alarms]
    wrong_exit = report["exit_status"] != case.exit
    if case.safe:
        outcome = ALARM if alarms or wrong_exit else SAFE
    else:
        outcome = MISSED if missing or wrong_exit or unexplained or unmended or unproven else ALARM if alarms else FOUND
    if case.live and report["exit_status"] == 6 and not alarms:
        outcome = NOISY  # What happened while it ran is proven; that nothing did needs a quiet machine.
    if outcome in (MISSED, ALARM) and case.known:
        outcome = KNOWN
        words = [case.known]
    elif case.known:
        words = ["the file says that it is not seen; it is: " + case.known]
    return Result(case, outcome, not missing, alarms, "; ".join(words), seconds, report)


def is_there(expected, report):
    if expected.name() == "none":
        return True
    if expected.name() == "migration-failed":
        failed = [one["sqlstate"] for one in report.get("migration", {}).get("statements", [])]
        return report["exit_status"] == 7 and (not expected.sqlstate or expected.sqlstate in failed)
    return any(expected.matches(one) for one in report["findings"])


def is_deadlock(deadlock, pattern):
    """Between the migration and a query like that; who was the victim is told."""
    parties = [deadlock["victim"], *deadlock["others"]]
    return bool(deadlock["victim"]) and "migration" in parties and any(pattern.search(one) for one in parties)


def brief(blocking):
    return [(one["mode"], one["relation"], " ".join(one["text"].split())[:60]) for one in blocking]


def describe(finding):
    what = finding.get("sqlstate") or finding.get("difference") or ""
    why = "; ".join(finding["reasons"])[:160]
    if "latency" in finding:
        speed = finding["latency"]
        why += (f"median {speed['before']['p50_us'] / 1000:.2f} ms to {speed['after']['p50_us'] / 1000:.2f} ms"
                f"{', seen twice' if speed['confirmed'] else ''}")
    pattern = " ".join(finding["pattern"].split())[:100]
    return f"{' '.join((finding['type'], what)).strip()}: {pattern} [{why}]"


# --- What is told.

def class_table(results):
    """Recall and false alarms per class."""
    table = bench_support.Table([
        ("", "class", ""), ("", "", "cases"), ("", "", "seen"), ("", "", "recall"),
        ("", "", "false alarms"), ("", "", "only while it runs"), ("", "", "never seen")])
    classes = {}
    for one in results:
        classes.setdefault("safe" if one.case.safe else one.case.name, []).append(one)
    for name in sorted(classes, key=lambda name: (name == "safe", name)):
        members = classes[name]
        ran = [one for one in members if one.outcome != SKIPPED]
        seen = [one for one in ran if one.outcome in (FOUND, SAFE) or (one.named and one.outcome == ALARM)]
        alarms = sum(1 for one in ran if one.alarms or (one.case.safe and one.outcome != SAFE))
        of = {kind: sum(one.case.visible == kind for one in members) for kind in zoo_cases.VISIBLE}
        recall = "-" if not ran or name == "safe" else f"{100 * len(seen) / len(ran):.0f} %"
        table.add(name, len(ran), len(seen) if name != "safe" else "-", recall, alarms,
                  of["during"] or "-", of["not"] or "-")
    return table.text()


def live_table(results):
    """Of cases that ran several times: how often each went as it should."""
    table = bench_support.Table([
        ("", "case", ""), ("", "", "runs"), ("", "", "exit as told"), ("", "", "statement named"),
        ("", "", "false alarms"), ("", "", "too noisy"), ("", "", "right")])
    runs = {}
    for one in results:
        if one.outcome != SKIPPED:
            runs.setdefault(one.case.id, []).append(one)
    for name, members in runs.items():
        safe = members[0].case.safe
        table.add(name, len(members),
                  sum(one.report["exit_status"] == one.case.exit for one in members),
                  "-" if safe else sum(one.named for one in members),
                  sum(bool(one.alarms) for one in members),
                  sum(one.outcome == NOISY for one in members),
                  sum(one.outcome in (FOUND, SAFE) for one in members))
    return table.text()


def textbook_table(results):
    """What the culprits cost after the migration, with scry's own fix, with a textbook's. Empty: no case has one."""
    told = [one for one in results if one.fixed]
    table = bench_support.Table([("", "case", "")] + [
        (group, *column) for group in ("migrated", "own fix", "textbook")
        for column in (("", "exit"), ("", "blocks"), ("median", "ms"))])
    for one in told:
        cells = []
        for this in (cost(one.case, one.report), *one.fixed):
            cells += [this.exit_status, "-" if this.blocks is None else f"{this.blocks:.0f}",
                      f"{this.median_us / 1000:.2f}"]
        table.add(one.case.id, *cells)
    return table.text() if told else ""


def case_lines(results):
    for one in results:
        line = f"{one.outcome:<12}{one.case.id:<34}{one.seconds:5.1f} s  {one.case.title}"
        yield line.rstrip()
        if one.words and one.outcome != SKIPPED:
            yield f"            {one.words}"


def as_json(results):
    return [{"case": one.case.id, "catalogue": one.case.catalogue, "title": one.case.title,
             "class": one.case.name, "visible": one.case.visible, "outcome": one.outcome,
             "words": one.words, "seconds": round(one.seconds, 2),
             "exit_status": one.report["exit_status"] if one.report else None,
             "findings": [{key: finding.get(key) for key in ("type", "gates", "sqlstate", "difference",
                                                             "pattern", "reasons", "latency")}
                          for finding in (one.report["findings"] if one.report else [])],
             "fixed": [this._asdict() for this in one.fixed],
             "causes": one.report.get("causes", []) if one.report else [],
             "fixes": one.report.get("fixes", []) if one.report else []}
            for one in results]


def wrong(results):
    """Those that went as no case file says."""
    return [one for one in results if one.outcome in (MISSED, ALARM, NOISY)]


def chosen(quick=False, names=(), live=False):
    cases = zoo_cases.read_all()
    for name in names:
        if not any(case.id.startswith(name) for case in cases):
            raise zoo_cases.Malformed(f"no case {name}")
    return [case for case in cases
            if (not quick or case.quick) and (not live or case.live) and (not names or any(case.id.startswith(n) for n in names))]


def visit(cases, tell=lambda line: None, runs=1, fix=True):
    """Runs the cases on a zoo of their own, all of them before any again. Answers [Result]."""
    results = []
    Zoo.setUpClass()
    zoo = Zoo()
    zoo.fix = fix
    try:
        for case in cases * runs:
            results.append(zoo.attempt(case))
            for line in case_lines(results[-1:]):
                tell(line)
    finally:
        zoo.doCleanups()
        Zoo.doClassCleanups()
    return results


def main():
    parser = argparse.ArgumentParser(description="Runs the zoo of migrations.")
    parser.add_argument("cases", nargs="*", metavar="CASE", help="beginning of a name; default: all")
    parser.add_argument("--quick", action="store_true", help="the fast subset")
    parser.add_argument("--live", action="store_true", help="only what shows while the migration runs")
    parser.add_argument("--runs", type=int, default=1, metavar="N", help="try every case so often; default: 1")
    parser.add_argument("--no-fix", action="store_true", help="try no fixes and no safe forms, which takes less time")
    parser.add_argument("--json", metavar="FILE", help="write every result there")
    try:
        options = parser.parse_args()
    except SystemExit as end:
        sys.exit(64 if end.code else 0)
    if options.runs < 1:
        parser.print_usage(sys.stderr)
        print("zoo: runs start at 1", file=sys.stderr)
        sys.exit(64)
    # Where a shell put us into the background, children would ignore the signal that ends a capture.
    signal.signal(signal.SIGINT, signal.default_int_handler)
    for number in (signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, scry_e2e._on_signal)
    try:
        results = visit(chosen(options.quick, options.cases, options.live),
                        lambda line: print(line, flush=True), options.runs, not options.no_fix)
    except (zoo_cases.Malformed, AssertionError, unittest.SkipTest, OSError,
            subprocess.SubprocessError) as error:
        scry_e2e._Cleanup.run()
        sys.exit(f"zoo: {error}")
    print("\n" + (live_table(results) if options.live or options.runs > 1 else class_table(results)))
    textbook = textbook_table(results)
    if textbook:
        print("\n" + textbook)
    if options.json:
        with open(options.json, "w", encoding="utf-8") as file:
            json.dump(as_json(results), file, indent=2)
            file.write("\n")
    sys.exit(1 if wrong(results) else 0)


if __name__ == "__main__":
    main()
