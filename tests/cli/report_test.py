"""`scry report convert --to sarif` and `scry report diff` on reports that are there."""

import copy
import json
import os

import scry_e2e

ROOT = os.path.realpath(os.path.join(os.path.dirname(__file__), "..", ".."))
GOLDEN = os.path.join(ROOT, "tests", "golden", "report")


class ReportTest(scry_e2e.TestCase):
    def golden(self, name):
        with open(os.path.join(GOLDEN, name + ".json"), encoding="utf-8") as file:
            return json.load(file)

    def write(self, name, content):
        path = os.path.join(self.workspace, name)
        os.makedirs(os.path.dirname(path), exist_ok=True)
        with open(path, "w", encoding="utf-8") as file:
            file.write(content if isinstance(content, str) else json.dumps(content))
        return path

    def report(self, *arguments, code=0):
        done = self.run_scry("report", *arguments)
        self.assertEqual(done.code, code, done)
        return done

    def test_sarif_says_how_many_results_have_no_line(self):
        done = self.report("convert", os.path.join(GOLDEN, "explained.json"), "--to", "sarif")
        results = json.loads(done.out)["runs"][0]["results"]
        places = [one["locations"][0]["physicalLocation"] for one in results]
        without = sum(one["artifactLocation"]["uri"] == "scry.yaml" for one in places)
        self.assertGreater(without, 0)
        self.assertEqual(done.err.count("\n"), 1)
        self.assertIn(f"{without} of {len(results)} results have no line", done.err)

    def test_lines_are_looked_up_in_files_that_are_named(self):
        folder = os.path.join(self.workspace, "repository")
        os.makedirs(os.path.join(folder, ".git"), exist_ok=True)
        self.write("repository/db/7.sql", "-- seven\nBEGIN;\nALTER TABLE users DROP COLUMN legacy_name;\nCOMMIT;\n")
        report = self.golden("explained")
        report["migration"]["statements"].append({
            "text": "ALTER TABLE users DROP COLUMN legacy_name", "started_us": 1, "duration_us": 1, "calls": 1,
            "sqlstate": "", "rows": 0, "wal_bytes": 0, "locks": [], "rewrote": [], "dropped": []})
        report["causes"][0]["statement_index"] = len(report["migration"]["statements"]) - 1
        path = self.write("explained.json", report)
        for named in (folder, os.path.join(folder, "db"), os.path.join(folder, "db", "7.sql")):
            done = self.report("convert", path, "--to", "sarif", "--migrations", named)
            broken = [one for one in json.loads(done.out)["runs"][0]["results"] if one["ruleId"] == "broken"][0]
            place = broken["locations"][0]["physicalLocation"]
            self.assertEqual(place["artifactLocation"], {"uri": "db/7.sql", "uriBaseId": "SRCROOT"})
            self.assertEqual(place["region"], {"startLine": 3})
        done = self.report("convert", path, "--to", "github", "--migrations", folder)
        self.assertIn("::error file=db/7.sql,line=3,title=scry%3A broken::column users.legacy_name was dropped", done.out)
        done = self.report("convert", path, "--to", "gitlab", "--migrations", folder)
        self.assertIn({"path": "db/7.sql", "lines": {"begin": 3}}, [one["location"] for one in json.loads(done.out)])
        done = self.report("convert", path, "--to", "sarif", "--migrations", os.path.join(folder, "none"), code=64)
        self.assertIn("--migrations: no such file or folder", done.err)
        for outside in ("../scry.yaml", "/tmp/scry.yaml"):
            done = self.report("convert", path, "--to", "sarif", "--file", outside, code=64)
            self.assertIn("is not in the repository", done.err)

    def test_diff_says_what_changed_and_exits_as_asked(self):
        old = self.write("old.json", self.golden("safe"))
        new = os.path.join(GOLDEN, "regressions.json")
        done = self.report("diff", old, new)
        self.assertTrue(done.out.startswith("SAFE -> REGRESSIONS\n"), done.out)
        self.report("diff", old, new, "--exit-code", code=5)
        self.report("diff", new, old, "--exit-code")
        self.report("diff", new, new, "--exit-code")
        for verdict, code in (("inconclusive", 6), ("migration failed", 7)):
            judged_nothing = dict(self.golden("safe"), verdict=verdict, exit_status=code)
            done = self.report("diff", new, self.write("nothing.json", judged_nothing), "--exit-code", code=code)
            self.assertIn("the newer run judged nothing", done.out)
        diff = json.loads(self.report("diff", old, new, "--json").out)
        self.assertEqual(diff["schema"], "scry.diff/1")
        self.assertEqual(diff["new_gating"], sum(one["gates"] for one in diff["new"]))

    def test_what_cannot_be_held_against_each_other_is_refused(self):
        good = os.path.join(GOLDEN, "safe.json")
        later = copy.deepcopy(self.golden("safe"))
        later["schema"] = "scry.report/2"
        later = self.write("later.json", later)
        for pair in ((good, later), (later, good)):
            done = self.report("diff", *pair, code=1)
            self.assertEqual(done.out, "")
            self.assertRegex(done.err, r"later\.json: .*scry\.report/2")
        done = self.report("diff", good, os.path.join(GOLDEN, "load.json"), code=64)
        self.assertIn("is a load report, which has no verdict", done.err)
        self.report("diff", good, os.path.join(self.workspace, "none.json"), code=3)


if __name__ == "__main__":
    scry_e2e.main()
