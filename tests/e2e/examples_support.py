"""The pages under examples/: their commands, and a place to run them in."""

import os
import re
import shutil
import subprocess
import sys

import scry_e2e

EXAMPLES = os.path.realpath(os.path.join(os.path.dirname(__file__), "..", "..", "examples"))
# More than one command may need: npm fetches packages.
PATIENCE_S = 300


class Block:
    """One ```sh block of a page. `status`: what the page says it ends with; 0 where it says nothing.
    `shown`: what the page says of its output."""

    def __init__(self, script, prose):
        self.script = script
        said = re.search(r"[Ee]xit status \*\*(\d+)\*\*", prose)
        self.status = int(said.group(1)) if said else 0
        self.is_gate = "ci test-migration" in script
        self.shown = "".join(re.findall(r"^    (.*\n)", prose, flags=re.MULTILINE))


def blocks(page):
    with open(page, encoding="utf-8") as file:
        parts = re.split(r"^```sh\n(.*?)^```$", file.read(), flags=re.MULTILINE | re.DOTALL)
    return [Block(script, prose) for script, prose in zip(parts[1::2], parts[2::2])]


def skeleton(output):
    """What stays the same from run to run and build to build: no figures, and nothing that is read
    off statements, as there is not always a parser."""
    without_places = re.sub(r"^ +in \S+:\d+\n", "", output, flags=re.MULTILINE)
    return re.sub(r"[\d,.]*\d", "N", re.sub(r": .*", ":", without_places))


class Place:
    """A copy of examples/ where `scry` is the binary under test and `python3` is ours, which
    Debian's modules are installed for."""

    def __init__(self, test, folder, **environment):
        self.folder = os.path.join(folder, "examples")
        shutil.copytree(EXAMPLES, self.folder)
        programs = os.path.join(folder, "bin")
        os.mkdir(programs)
        os.symlink(test.binary, os.path.join(programs, "scry"))
        os.symlink(sys.executable, os.path.join(programs, "python3"))
        self.environment = scry_e2e.clean_environment(
            npm_config_cache=os.path.join(folder, "npm"), npm_config_update_notifier="false",
            **environment)
        self.environment["PATH"] = programs + ":" + self.environment["PATH"]

    def run(self, script, example=""):
        done = subprocess.run(
            ["bash", "-euo", "pipefail", "-c", script], cwd=os.path.join(self.folder, example),
            env=self.environment, stdin=subprocess.DEVNULL, capture_output=True, text=True,
            timeout=PATIENCE_S)
        return scry_e2e.Done(done.returncode, done.stdout, done.stderr)
