"""The HTML report in a real browser, driven over the WebDriver protocol: it loads without an error or a request,
sorts, filters, opens a finding by its link, and what a database holds stays text."""

import glob
import json
import os
import re
import shutil
import subprocess
import tempfile
import time
import unittest
import urllib.error
import urllib.request

import scry_e2e

ROOT = os.path.realpath(os.path.join(os.path.dirname(__file__), "..", ".."))
GOLDEN = os.path.join(ROOT, "tests", "golden", "report")
EVIL = "</script><script>window.owned = 1</script><img src=x onerror='window.owned=1'>\u2028--> ]]> ünïcode"


class Browser:
    def __init__(self, folder):
        self.process = subprocess.Popen(["chromedriver", "--port=0", f"--log-path={folder}/driver.log"],
                                        stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True)
        port = None
        for line in self.process.stdout:
            found = re.search(r"successfully on port (\d+)", line)
            if found:
                port = found.group(1)
                break
        self.base = f"http://127.0.0.1:{port}/session"
        options = {"args": ["--headless=new", "--no-sandbox", "--disable-gpu", "--disable-dev-shm-usage",
                            f"--user-data-dir={folder}/profile", "--window-size=1200,900"]}
        session = self.call("POST", "", {"capabilities": {"alwaysMatch": {
            "goog:chromeOptions": options, "goog:loggingPrefs": {"browser": "ALL"}}}})
        self.base += "/" + session["sessionId"]

    def call(self, method, path, body=None):
        request = urllib.request.Request(self.base + path, method=method,
                                         data=None if body is None else json.dumps(body).encode())
        with urllib.request.urlopen(request, timeout=120) as answer:
            return json.load(answer)["value"]

    def open(self, path, fragment=""):
        self.call("POST", "/url", {"url": "about:blank"})
        self.call("POST", "/url", {"url": "file://" + path + fragment})

    def run(self, script, *arguments):
        return self.call("POST", "/execute/sync", {"script": script, "args": list(arguments)})

    def problems(self):
        return [entry["message"] for entry in self.call("POST", "/se/log", {"type": "browser"})]

    def size(self, width, height):
        self.call("POST", "/goog/cdp/execute", {"cmd": "Emulation.setDeviceMetricsOverride", "params": {
            "width": width, "height": height, "deviceScaleFactor": 1, "mobile": width < 600}})

    def close(self):
        try:
            self.call("DELETE", "")
        except (urllib.error.URLError, OSError):
            pass
        self.process.terminate()
        self.process.wait(30)
        self.process.stdout.close()


class HtmlTest(scry_e2e.TestCase):
    @classmethod
    def setUpClass(cls):
        if shutil.which("chromedriver") is None:
            raise unittest.SkipTest("chromedriver is not installed")
        super().setUpClass()
        cls.browser = Browser(tempfile.mkdtemp(dir=cls.workspace))
        cls.addClassCleanup(cls.browser.close)

    def page(self, report, name="report"):
        """Written by the binary from this report (a dict, or the name of a golden one)."""
        source = os.path.join(self.workspace, name + ".json")
        if isinstance(report, str):
            source = os.path.join(GOLDEN, report + ".json")
        else:
            with open(source, "w", encoding="utf-8") as file:
                json.dump(report, file)
        path = os.path.join(self.workspace, f"{name}-{time.monotonic_ns()}.html")
        done = self.run_scry("report", "convert", source, "--to", "html", "-o", path)
        self.assertEqual(done.code, 0, done)
        return path

    def golden(self, name="regressions"):
        with open(os.path.join(GOLDEN, name + ".json"), encoding="utf-8") as file:
            return json.load(file)

    def test_every_report_loads_without_errors_and_shows_its_verdict(self):
        for source in glob.glob(os.path.join(GOLDEN, "*.json")):
            name = os.path.basename(source)[:-len(".json")]
            report = self.golden(name)
            if not isinstance(report, dict) or report.get("schema") != "scry.report/1":
                continue
            self.browser.open(self.page(name, name))
            self.assertEqual(self.browser.problems(), [], name)
            self.assertFalse(self.browser.run("return document.body.hasAttribute('data-loading')"), name)
            head = self.browser.run("return document.querySelector('h1').textContent")
            self.assertEqual(head, f"{report['verdict'].upper()} {report['sentence']}")
            cards = self.browser.run("return [...document.querySelectorAll('article[id]')].map((one) => one.id)")
            self.assertEqual(sorted(cards), sorted(one["id"] for one in report["findings"]))
            self.assertEqual(self.browser.run("return performance.getEntriesByType('resource').length"), 0)

    def test_a_link_opens_its_finding(self):
        report = self.golden()
        target = report["findings"][-1]["id"]
        self.browser.open(self.page(report), "#" + target)
        top = self.browser.run("return document.getElementById(arguments[0]).getBoundingClientRect().top", target)
        self.assertLess(abs(top), 900)
        self.assertGreater(self.browser.run("return window.scrollY"), 0)

    def test_tables_sort_and_filter(self):
        report = self.golden()
        report["patterns"] = [
            {"fingerprint": f"{i:016x}", "pattern": f"SELECT {i}", "type": "unchanged" if i % 2 else "slower", "why": "",
             "finding": "", "calls": 100 - i, "pairs": 9, "share": i / 1000, "median_us": 10.0 * i, "detectable": 1.5}
            for i in range(40)]
        # As a file of its own, for versions of the schema whose reader does not know patterns.
        page = self.page(report)
        with open(page, encoding="utf-8") as file:
            text = file.read()
        head, rest = text.split('id="report">\n', 1)
        data, tail = rest.split("</script>", 1)
        data = {**json.loads(data), "patterns": report["patterns"]}
        with open(page, "w", encoding="utf-8") as file:
            file.write(head + 'id="report">\n' + json.dumps(data) + "</script>" + tail)
        self.browser.open(page)
        self.assertEqual(self.browser.problems(), [])
        rows = "return [...document.querySelectorAll('[aria-labelledby=patterns] tbody tr')]" \
               ".map((row) => row.querySelector('.sql').textContent)"
        by_share = self.browser.run(rows)
        self.assertEqual(by_share[0], "SELECT 39")
        press = "[...document.querySelectorAll('[aria-labelledby=patterns] th button')]" \
                ".find((one) => one.textContent === arguments[0]).click();"
        self.browser.run(press, "calls")
        self.assertEqual(self.browser.run(rows)[0], "SELECT 0")
        self.assertEqual(self.browser.run("return document.querySelector('[aria-sort]').getAttribute('aria-sort')"),
                         "descending")
        self.browser.run(press, "calls")
        self.assertEqual(self.browser.run(rows)[0], "SELECT 39")
        self.browser.run("const box = document.querySelector('[aria-labelledby=patterns] input'); box.value = 'select 3';"
                         "box.dispatchEvent(new Event('input'));")
        self.assertEqual(len(self.browser.run(rows)), 11)
        self.browser.run("const box = document.querySelector('select'); box.value = 'slower';"
                         "box.dispatchEvent(new Event('change'));")
        left = self.browser.run(rows)
        self.assertEqual(sorted(left), sorted(f"SELECT {i}" for i in (30, 32, 34, 36, 38)))
        self.assertEqual(self.browser.run("return document.querySelector('[aria-labelledby=patterns] [role=status]').textContent"),
                         "5 of 40 patterns")

    def test_findings_are_found_by_a_word(self):
        report = self.golden()
        self.browser.open(self.page(report))
        shown = "return [...document.querySelectorAll('article[data-type]')].filter((one) => one.offsetParent).map((one) => one.id)"
        ids = [one["id"] for one in report["findings"]]
        self.assertEqual(sorted(self.browser.run(shown)), sorted(ids))
        look = "const box = document.querySelector('[aria-label=\"filter findings\"]'); box.value = arguments[0];" \
               "box.dispatchEvent(new Event('input')); return box.parentNode.querySelector('[role=status]').textContent"
        self.assertEqual(self.browser.run(look, ids[0].upper()), f"1 of {len(ids)} findings")
        self.assertEqual(self.browser.run(shown), ids[:1])
        self.browser.run(look, "no such word")
        self.assertEqual(self.browser.run(shown), [])
        self.browser.run(look, "")
        self.assertEqual(sorted(self.browser.run(shown)), sorted(ids))

    def test_paper_shows_what_is_folded_and_a_damaged_link_does_no_harm(self):
        self.browser.open(self.page("explained"), "#%E0%A4%A")
        self.assertEqual(self.browser.problems(), [])
        closed = "return document.querySelectorAll('details:not([open])').length"
        before = self.browser.run(closed)
        self.assertGreater(before, 0)
        self.assertEqual(self.browser.run("window.dispatchEvent(new Event('beforeprint'));" + closed), 0)
        self.assertEqual(self.browser.run("window.dispatchEvent(new Event('afterprint'));" + closed), before)

    def test_it_reads_well_in_the_dark_and_goes_by_keyboard(self):
        def contrast():
            return self.browser.run("""
                const light = (color) => { const part = color.match(/[\\d.]+/g).slice(0, 3).map((one) => {
                  const v = one / 255; return v <= 0.03928 ? v / 12.92 : ((v + 0.055) / 1.055) ** 2.4; });
                  return 0.2126 * part[0] + 0.7152 * part[1] + 0.0722 * part[2]; };
                const style = getComputedStyle(document.body);
                const [a, b] = [light(style.color), light(style.backgroundColor)].sort((x, y) => y - x);
                return [(a + 0.05) / (b + 0.05), light(style.backgroundColor)]""")
        self.browser.open(self.page("regressions"))
        for scheme, is_dark in (("dark", True), ("light", False)):
            self.browser.call("POST", "/goog/cdp/execute", {"cmd": "Emulation.setEmulatedMedia", "params": {
                "features": [{"name": "prefers-color-scheme", "value": scheme}]}})
            ratio, background = contrast()
            self.assertGreater(ratio, 7, scheme)
            self.assertEqual(background < 0.2, is_dark, scheme)
        # Whatever can be pressed or scrolled is reached by Tab.
        unreached = self.browser.run(
            "return [...document.querySelectorAll('a[href],button,input,select,summary,.tablewrap,pre')]"
            ".filter((one) => one.tabIndex < 0).map((one) => one.outerHTML.slice(0, 80))")
        self.assertEqual(unreached, [])

    def spread(self):
        """A report with a finding whose latencies are known on each lane, and a fix for it."""
        report = self.golden("explained")
        finding = next(one for one in report["findings"] if one["type"] == "slower" and one["gates"])
        finding["id"] = "slower-0000000000000021"
        finding["fingerprint"] = "0000000000000021"
        report["fixes"][0]["findings"] = [finding["id"]]
        finding["plan"]["candidate"] = ["Limit  12 rows", "  Seq Scan on orders  12 rows"]
        finding["plan"]["candidate_costliest"] = 1
        return report, finding["id"]

    def test_latencies_are_drawn_for_each_lane_and_told_in_words(self):
        report, finding = self.spread()
        self.browser.open(self.page(report))
        self.assertEqual(self.browser.problems(), [])
        card = "const card = document.getElementById(arguments[0]);"
        label = self.browser.run(card + "return card.querySelector('svg.spread').getAttribute('aria-label')", finding)
        for lane in ("before: half within", "after: half within", "with the fix: half within"):
            self.assertIn(lane, label)
        self.assertIn("of 899", label)  # All that the buckets of the baseline hold.
        drawn = self.browser.run(card + "return [...card.querySelectorAll('svg.spread > g')].map("
                                 "(lane) => [lane.getAttribute('class'), lane.querySelectorAll('rect').length])", finding)
        self.assertEqual(drawn, [["before", 4], ["after", 4], ["fixed", 2]])
        inside = self.browser.run(card + "const box = card.querySelector('svg.spread').viewBox.baseVal;"
                                  "return [...card.querySelectorAll('svg.spread rect')].every((bar) => bar.x.baseVal.value"
                                  " >= 0 && bar.x.baseVal.value + bar.width.baseVal.value <= box.width)", finding)
        self.assertTrue(inside)
        rows = self.browser.run(card + "return [...card.querySelectorAll('.numbers tbody tr')].map("
                                "(row) => [row.children[0].textContent, row.children[4].textContent])", finding)
        self.assertEqual(rows, [["before", "899"], ["after", "899"], ["with the fix", "500"]])
        sparks = self.browser.run("return document.querySelectorAll('[aria-labelledby=patterns] svg.spark').length")
        self.assertEqual(sparks, 1)

    def test_the_costliest_node_of_a_plan_is_marked_in_words_too(self):
        report, finding = self.spread()
        self.browser.open(self.page(report))
        marked = self.browser.run("return [...document.getElementById(arguments[0]).querySelectorAll('.costliest')].map("
                                  "(line) => line.textContent.trim())", finding)
        self.assertEqual(len(marked), 2)
        self.assertTrue(all("◀ costs most" in line for line in marked), marked)
        self.assertTrue(marked[1].startswith("Seq Scan on orders"))

    def test_what_waited_is_drawn_over_the_time_of_the_migration(self):
        report = self.golden("regressions")
        self.browser.open(self.page(report))
        chart = "document.querySelector('[aria-labelledby=during] svg.time')"
        self.assertIn("at most 11 queries waited at once", self.browser.run(f"return {chart}.getAttribute('aria-label')"))
        self.assertEqual(self.browser.run(f"return {chart}.querySelectorAll('path.waiting').length"), 1)
        self.assertEqual(self.browser.run("return document.querySelectorAll('[aria-labelledby=during] .waits tbody tr')"
                                          ".length"), len(report["during"]["waiting"]))
        # Each bar has a number, under which its statement stands in words.
        self.assertEqual(self.browser.run(f"return [...{chart}.querySelectorAll('text.no')].map((one) => one.textContent)"),
                         [str(i + 1) for i in range(len(report["during"]["migration_statements"]))])
        rows = self.browser.run("return [...document.querySelectorAll('[aria-labelledby=during] .bars tbody tr')].map("
                                "(row) => [...row.children].map((cell) => cell.textContent))")
        self.assertEqual(rows, [["1", report["during"]["migration_statements"][0]["text"], "300 ms", "4.1 s",
                                 "AccessExclusive on orders", "4.2 s"]])

    def test_values_stand_under_their_column_whatever_its_name(self):
        report = self.golden("regressions.values")
        rows = next(one for one in report["findings"] if one.get("rows"))["rows"]
        rows["columns"] = [{"name": name, "type": "int", "rows": 1} for name in ("id", "total", "id")]

        def cell(name, after, **more):
            return {"column": name, "null_before": False, "null_after": False, "before": "1", "after": after, **more}
        rows["sample"] = [{"change": "changed", "before": 3, "after": 3, "key": ["7"], "cells": cells} for cells in (
            [cell("id", "2", at=0), cell("id", "3", at=2)], [cell("id", "4", at=2)],
            [cell("id", "5"), cell("total", "6"), cell("id", "7")])]
        self.browser.open(self.page(report))
        self.assertEqual(self.browser.problems(), [])
        shown = self.browser.run("return [...document.querySelectorAll('article[data-type=different] .tablewrap tbody tr')]"
                                 ".map((row) => [...row.children].slice(3).map((cell) => cell.textContent))")
        self.assertEqual(shown, [["1 → 2", "", "1 → 3"], ["", "", "1 → 4"], ["1 → 5", "1 → 6", "1 → 7"]])

    def test_paper_cuts_nothing_off(self):
        report = self.spread()[0]
        for finding in report["findings"]:
            if finding.get("plan"):
                finding["plan"]["candidate"].append("  Filter: (" + "total_cents > 17 AND " * 40 + ")")
        report["migration"]["statements"][0]["text"] += " x" + "y" * 300
        self.browser.open(self.page(report))
        self.browser.size(700, 900)
        self.addCleanup(self.browser.size, 1200, 900)
        self.addCleanup(self.media, "")
        cut = """return [...document.querySelectorAll('pre,.tablewrap')].filter((one) => one.offsetParent &&
                 one.scrollWidth > one.clientWidth + 1).map((one) => one.outerHTML.slice(0, 200))"""
        self.assertNotEqual(self.browser.run(cut), [])
        self.media("print")
        self.assertEqual(self.browser.run(cut), [])
        self.assertLessEqual(self.browser.run("return document.documentElement.scrollWidth"), 700)

    def media(self, name):
        self.browser.call("POST", "/goog/cdp/execute", {"cmd": "Emulation.setEmulatedMedia", "params": {"media": name}})

    def test_what_was_left_out_is_listed(self):
        self.browser.open(self.page("regressions"))
        text = self.browser.run("return document.querySelector('[aria-labelledby=excluded]').textContent")
        for said in ("gaps in the capture", "sessions left out", "patterns not judged"):
            self.assertIn(said, text)

    def test_what_a_database_holds_stays_text(self):
        report = self.golden()
        report["sentence"] += EVIL
        report["notes"].append(EVIL)
        report["migration"]["command"] += EVIL
        for finding in report["findings"]:
            finding["pattern"] += EVIL
            finding["reasons"].append(EVIL)
            finding["plan"] = {"sentence": EVIL, "baseline": [EVIL], "candidate": ["x" + EVIL]}
        self.browser.open(self.page(report))
        self.assertEqual(self.browser.problems(), [])
        self.assertIsNone(self.browser.run("return window.owned ?? null"))
        self.assertEqual(self.browser.run("return document.images.length"), 0)
        self.assertTrue(self.browser.run("return document.body.textContent.includes('window.owned = 1')"))

    def test_it_can_be_read_on_a_phone_and_by_a_screen_reader(self):
        self.browser.size(390, 800)
        self.addCleanup(self.browser.size, 1200, 900)
        self.browser.open(self.page("regressions"))
        self.assertLessEqual(self.browser.run("return document.documentElement.scrollWidth"), 390)
        report = self.golden("regressions")
        word = "x" * 300
        report["sentence"] += word
        report["shadow"] += word
        report["migration"]["command"] += word
        report["notes"].append(word)
        report["lanes"][0]["made"] += word
        report["captures"][0]["name"] += word
        for finding in report["findings"]:
            finding["reasons"].append(word)
        self.browser.open(self.page(report))
        self.assertLessEqual(self.browser.run("return document.documentElement.scrollWidth"), 390)
        # Breaking words is for prose: tables whose columns are many scroll as they are.
        self.assertGreater(self.browser.run(
            "return document.querySelector('[aria-labelledby=tested] th').getBoundingClientRect().width"), 50)
        self.browser.open(self.page("regressions"))
        # Each picture says in words what it shows, each region has its name, headings go down step by step.
        unnamed = self.browser.run(
            "return [...document.querySelectorAll('svg[role=img]')].filter((one) => !one.getAttribute('aria-label')).length"
            " + [...document.querySelectorAll('section')].filter("
            "(one) => !document.getElementById(one.getAttribute('aria-labelledby'))).length")
        self.assertEqual(unnamed, 0)
        levels = self.browser.run("return [...document.querySelectorAll('h1,h2,h3,h4')].map((one) => +one.tagName[1])")
        self.assertEqual(levels[0], 1)
        self.assertTrue(all(after - before <= 1 for before, after in zip(levels, levels[1:])), levels)


if __name__ == "__main__":
    scry_e2e.main()
