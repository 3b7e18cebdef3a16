"""The shell steps of examples/github and the action's own, against real servers and the real gate. What passes
between the steps of the action is tests/ci."""

import os
import signal
import subprocess
import sys
import time

import gate_support
import scry_e2e

ROOT = os.path.realpath(os.path.join(os.path.dirname(__file__), "..", ".."))
GATE = os.path.join(ROOT, ".github", "actions", "test-migration", "gate.py")


class WorkflowsTest(gate_support.GateTest):
    def prepare(self):
        try:
            import yaml  # pylint: disable=import-outside-toplevel
        except ImportError:
            self.skipTest("python3-yaml is not installed")
        type(self).load = staticmethod(yaml.safe_load)
        self.server.sql("create role app login; create role owner login")
        self.server.sql("create database shop")
        self.server.sql("create table orders (id int primary key, note text); alter table orders owner to owner;"
                        "insert into orders select i, 'n' || i from generate_series(1, 300) i;"
                        "grant select on orders to app", "shop")
        type(self).job = self.start_server()  # Of the job on a hosted runner.
        os.mkdir(os.path.join(self.workspace, "bin"))
        os.symlink(self.binary, os.path.join(self.workspace, "bin", "scry"))
        self.run_step("nightly-dump.yml", "Dump the replica", PROD_REPLICA_URL=self.server.url("shop"))
        reads = "".join(f"select note from orders where id = {i};\n" for i in range(1, 200))
        self.capture(os.path.join(self.workspace, "dump", "capture"), scry_e2e.program("psql"), "-Xq", "-o", "/dev/null",
                     "-f", self.sql_file("reads.sql", reads), user="app", database="shop")
        self.config("version: 1\ndatabases:\n  shop:\n    source: ${SHOP_DATABASE_URL}\n    shadows:\n"
                    "      ci: { provider: dump }\n")
        self.run_step("dump-shadow.yml", "Restore it", SERVER_URL=self.job.url(), SHOP_DATABASE_URL=self.job.url("shop"))
        self.must(self.scry("shadow", "create", "shop/ci", env={"SHOP_DATABASE_URL": self.job.url("shop")}))

    def variables(self, **more):
        path = [os.path.join(self.workspace, "bin"), os.path.dirname(scry_e2e.program("pg_dumpall")), os.environ["PATH"]]
        return scry_e2e.clean_environment(PATH=os.pathsep.join(path), SCRY_STATE_DIR=self.state_dir, **more)

    def run_step(self, workflow, name, **variables):
        with open(os.path.join(ROOT, "examples", "github", workflow), encoding="utf-8") as file:
            document = self.load(file)
        [text] = [step["run"] for job in document["jobs"].values() for step in job["steps"] if step.get("name") == name]
        done = subprocess.run(["bash", "-eo", "pipefail", "-c", text], cwd=self.workspace, capture_output=True, text=True,
                              env=self.variables(**variables), check=False)
        self.assertEqual(done.returncode, 0, (name, done))

    def start_gate(self, command):
        process = subprocess.Popen(
            [sys.executable, GATE, "run"], cwd=self.workspace, stdout=subprocess.PIPE, text=True,
            env=self.variables(GITHUB_OUTPUT=self.path("output"), RUNNER_TEMP=self.workspace, SCRY_SHADOW="shop/ci",
                               SCRY_CAPTURE="dump/capture", SCRY_REPORT=self.path("report"), SCRY_COMMAND=command))
        self.addCleanup(lambda: process.poll() is None and process.kill())
        return process

    def outputs(self):
        with open(self.path("output"), encoding="utf-8") as file:
            return dict(line.rstrip("\n").split("=", 1) for line in file)

    def test_a_dump_and_its_capture_come_to_a_verdict(self):
        for command, code in (("true", "0"), ("psql -c 'alter table orders drop column note'", "5")):
            with self.subTest(command=command):
                process = self.start_gate(command)
                printed = process.communicate()[0]
                outputs = self.outputs()
                self.assertEqual((process.returncode, outputs["exit-code"]), (0, code), printed)
                self.assertEqual(outputs["report"], os.path.join(self.path("report"), "report.json"))
        self.assert_no_runs()

    def test_a_cancelled_gate_leaves_nothing_behind(self):
        mark = self.path("mark")
        process = self.start_gate(f"sh -c 'touch {mark}; sleep 60'")
        scry_e2e.wait_until(lambda: os.path.exists(mark), "the migration")
        begin = time.monotonic()
        process.send_signal(signal.SIGINT)
        printed = process.communicate()[0]
        # GitHub kills what has not ended 10 seconds later.
        self.assertLess(time.monotonic() - begin, 7)
        self.assertEqual(self.outputs()["exit-code"], "130", printed)
        self.assert_no_runs()


if __name__ == "__main__":
    scry_e2e.main()
