"""What `scry ci test-migration` sees of a catalogue of migrations: recall and false alarms by class; or, of those that
show only while the migration runs, how often each is seen."""

import os
import sys

from bench_support import say

sys.path.insert(0, os.path.join(os.path.dirname(os.path.realpath(__file__)), "..", "zoo"))


def run(bench):
    """(text, data)"""
    os.environ["SCRY_BINARY"] = bench.binary
    import zoo  # pylint: disable=import-outside-toplevel  # It looks for the binary.
    cases = zoo.chosen(quick=bench.quick, live=bench.live)
    results = zoo.visit(cases, lambda line: say(f"zoo: {line.strip()[:60]}"), runs=bench.runs or 1)
    ran = [one for one in results if one.outcome != zoo.SKIPPED]
    when = "while its traffic runs" if bench.live else "with its traffic, before and after"
    text = (f"zoo: {len(ran)} migrations run, {len(results) - len(ran)} not; each {when}\n\n"
            + (zoo.live_table if bench.live else zoo.class_table)(results))
    textbook = zoo.textbook_table(results)
    if textbook:
        text += "\n" + textbook
    odd = [one for one in results if one.outcome in (zoo.MISSED, zoo.ALARM, zoo.NOISY, zoo.KNOWN)]
    if odd:
        text += "\n" + "\n".join(zoo.case_lines(odd)) + "\n"
    data = {"cases": zoo.as_json(results)}
    wrong = zoo.wrong(results)
    if wrong:
        data["broken"] = "zoo: " + ", ".join(f"{one.case.id} ({one.outcome})" for one in wrong)
    return text, data
