"""node-postgres: Parse, Bind, Describe, Execute and Sync in one write, named statements, binary
results, pools, notifications. Fetched from the npm registry into a temporary folder; skipped where
there is no node, no npm or no registry."""

import os
import shutil
import subprocess

import drivers_support
import scry_e2e

VERSION = "8.13.1"


class NodeTest(drivers_support.DriverTest):
    @classmethod
    def setUpClass(cls):
        if not shutil.which("node") or not shutil.which("npm"):
            scry_e2e.skip_all("node or npm is not installed")
        super().setUpClass()

    def prepare(self):
        folder = self.path("node")
        os.makedirs(folder, exist_ok=True)
        try:
            done = subprocess.run(
                ["npm", "install", "--no-audit", "--no-fund", "--no-save", "--ignore-scripts",
                 f"pg@{VERSION}"], cwd=folder, capture_output=True, text=True, timeout=60,
                env=scry_e2e.clean_environment(npm_config_cache=os.path.join(folder, "cache")))
            why = done.stderr
        except subprocess.TimeoutExpired:
            done, why = None, "npm did not end"
        if done is None or done.returncode != 0:
            self.skipTest(f"pg is not to be had from the npm registry: {why[-300:]}")
        type(self).modules = os.path.join(folder, "node_modules")
        super().prepare()

    def test_equal_lanes_do_what_production_did(self):
        report = self.check("env", f"NODE_PATH={self.modules}", "node",
                            os.path.join(drivers_support.DRIVERS, "node_exercise.js"))
        self.assertEqual([note for note in report["notes"] if "hannel" in note], [])


if __name__ == "__main__":
    scry_e2e.main()
