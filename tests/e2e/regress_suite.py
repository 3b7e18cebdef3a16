"""PostgreSQL's own regression suite through the proxy, replayed on equal lanes. Not a test of the
default run: it takes minutes, and the suite is not ours.

    SCRY_BINARY=build/scry PYTHONPATH=tests/support python3 tests/e2e/regress_suite.py [TEST...]

The suite's sources come from SCRY_PG_SOURCE (an unpacked source tree of the server's version), or
from the distribution (`apt-get source`, into a temporary folder). Tests run one after the other, in
the order of its parallel_schedule, in one database. Says how many statements each lane ran as
production did, and by category what did not match. Fails if anything gates: lanes are equal.
"""

import collections
import glob
import json
import os
import re
import subprocess
import sys

import gate_support
import scry_e2e

CHOSEN = [argument for argument in sys.argv[1:] if not argument.startswith("-")]
# They change what all databases share in ways that outlive them, or ask for other clusters.
LEFT_OUT = {"stats"}


def apt_source(folder):
    """Unpacks the server's source package there; answers the tree. Skips where that fails."""
    version = subprocess.run(["dpkg-query", "-W", "-f", "${source:Version}",
                              "postgresql-" + re.search(r"/(\d+)/bin", scry_e2e.bin_folder()).group(1)],
                             capture_output=True, text=True, check=True).stdout
    major = version.split(".")[0]
    lists = os.path.join(folder, "lists")
    os.makedirs(os.path.join(lists, "partial"))
    release = subprocess.run(["sh", "-c", ". /etc/os-release; echo $VERSION_CODENAME"],
                             capture_output=True, text=True, check=True).stdout.strip()
    sources = os.path.join(folder, "sources.list")
    with open(sources, "w", encoding="utf-8") as file:
        for suite in (f"debian {release}", f"debian-security {release}-security"):
            file.write("deb-src [signed-by=/usr/share/keyrings/debian-archive-keyring.gpg] "
                       f"http://deb.debian.org/{suite} main\n")
    options = ["-o", f"Dir::Etc::sourcelist={sources}", "-o", "Dir::Etc::sourceparts=-",
               "-o", f"Dir::State::lists={lists}", "-o", f"Dir::Cache={folder}"]
    for command in (["update", "-qq"],
                    ["source", "--download-only", "-qq", f"postgresql-{major}={version}"]):
        done = subprocess.run(["apt-get", *options, *command], cwd=folder, capture_output=True,
                              text=True)
        if done.returncode != 0:
            scry_e2e.skip_all("no source package: " + done.stderr[-300:])
    [archive] = glob.glob(os.path.join(folder, "*.orig.tar.*"))
    subprocess.run(["tar", "xf", archive, "-C", folder, "--wildcards", "*/src/test/regress/*"],
                   check=True)
    [tree] = glob.glob(os.path.join(folder, "*", "src"))
    return os.path.dirname(tree)


class RegressionSuite(gate_support.GateTest):
    def prepare(self):
        tree = os.environ.get("SCRY_PG_SOURCE") or apt_source(self.path("source"))
        self.regress = os.path.join(tree, "src", "test", "regress")
        self.results = self.path("results")
        os.makedirs(self.results, exist_ok=True)
        for folder in (self.workspace, os.path.dirname(self.results), self.results):
            os.chmod(folder, 0o777)
        self.server.sql("create database regression template template0 locale 'C'")
        for setting in ("lc_messages to 'C'", "lc_monetary to 'C'", "lc_numeric to 'C'",
                        "lc_time to 'C'", "bytea_output to 'hex'",
                        "timezone_abbreviations to 'Default'"):
            self.server.sql(f"alter database regression set {setting}")
        self.config_of("regression")
        self.create_shadow()
        capture = self.start_capture(self.path("traffic"))
        for test in self.schedule():
            self.run_test(test, capture.url("regression"))
        self.must(capture.stop())
        type(self).traffic = capture.directory

    def schedule(self):
        with open(os.path.join(self.regress, "parallel_schedule"), encoding="utf-8") as file:
            lines = [line.split(":", 1)[1].split() for line in file if line.startswith("test:")]
        tests = [test for line in lines for test in line if test not in LEFT_OUT]
        return [test for test in tests if not CHOSEN or test in CHOSEN]

    def run_test(self, test, url):
        environment = scry_e2e.clean_environment(
            PGTZ="PST8PDT", PGDATESTYLE="Postgres, MDY", PGOPTIONS="-c intervalstyle=postgres_verbose",
            PG_ABS_SRCDIR=self.regress, PG_ABS_BUILDDIR=os.path.dirname(self.results),
            PG_LIBDIR=subprocess.run([scry_e2e.program("pg_config"), "--pkglibdir"],
                                     capture_output=True, text=True, check=True).stdout.strip(),
            PG_DLSUFFIX=".so")
        with open(os.path.join(self.regress, "sql", test + ".sql"), "rb") as script:
            subprocess.run(
                [scry_e2e.program("psql"), "-X", "-a", "-q", "-v", "HIDE_TABLEAM=on",
                 "-v", "HIDE_TOAST_COMPRESSION=on", "-d", url],
                stdin=script, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, env=environment,
                cwd=self.workspace, timeout=600)

    def test_equal_lanes_do_what_production_did(self):
        folder = self.path("report")
        done = self.scry("ci", "test-migration", "db/main", "--report", folder, "--capture",
                         self.traffic, "-v", timeout=1500)
        with open(os.path.join(folder, "report.json"), encoding="utf-8") as file:
            report = json.load(file)
        kinds = collections.Counter(
            (one["type"], "gates" if one["gates"] else "told", one.get("difference", "latency"))
            for one in report["findings"])
        tested = report["tested"]
        print(done.out, file=sys.stderr)
        print(f"exit {done.code}; {tested['statements']} of "
              f"{sum(one['statements'] for one in report['captures'])} statements, fidelity "
              f"{tested['fidelity']:.4f}", file=sys.stderr)
        for kind, count in sorted(kinds.items()):
            print(f"  {count:6} {' '.join(kind)}", file=sys.stderr)
        for one in report["findings"]:
            if "latency" not in one:
                print(f"  {one['type']}: {one['pattern'][:100]}: {one['reasons']}", file=sys.stderr)
        self.assertIn(done.code, (0, 6))


if __name__ == "__main__":
    sys.argv[1:] = []
    scry_e2e.main()
