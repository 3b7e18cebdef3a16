"""What is installed works where it is put: the program, and scry's library in programs that embed it.

SCRY_BUILT is a build folder of the same source; its objects are taken, so that this is quick."""

import os
import shutil
import subprocess
import unittest

import scry_e2e

SOURCE = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
BUILT = os.environ.get("SCRY_BUILT", "")
EMBED = os.path.join(SOURCE, "examples", "embed")
PATIENCE_S = 600

# Asks twice, as two folders of a project may; tells what it found.
ASKING = """cmake_minimum_required(VERSION 3.25)
project(asking LANGUAGES CXX)
find_package(scry QUIET)
find_package(scry QUIET)
message(STATUS "found=${scry_FOUND}; ${scry_NOT_FOUND_MESSAGE}")
"""


class InstallTest(scry_e2e.TestCase):
    """A subclass has SHARED."""
    SHARED = None

    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        if cls.SHARED is None:
            raise unittest.SkipTest("of its subclasses")
        cls.build = os.path.join(cls.workspace, "build")
        cls.run_tool("cmake", "-S", SOURCE, "-B", cls.build, "-G", "Ninja", "-DSCRY_TESTS=OFF",
                     f"-DBUILD_SHARED_LIBS={cls.SHARED}", "-DCMAKE_INSTALL_INCLUDEDIR=include/deep",
                     "-DCMAKE_CXX_COMPILER_LAUNCHER="
                     + os.path.join(SOURCE, "tests", "install", "reuse_object.sh"))
        cls.run_tool("cmake", "--build", cls.build)
        made = os.path.join(cls.workspace, "made")
        cls.run_tool("cmake", "--install", cls.build, "--prefix", made)
        # Whoever unpacks an archive puts it elsewhere.
        cls.prefix = os.path.join(cls.workspace, "moved")
        os.rename(made, cls.prefix)

    @classmethod
    def run_tool(cls, *command, cwd=None, env=None):
        done = subprocess.run(
            command, capture_output=True, text=True, errors="replace", check=False, cwd=cwd,
            timeout=PATIENCE_S, env=scry_e2e.clean_environment(SCRY_BUILT=BUILT, **(env or {})))
        if done.returncode != 0:
            raise AssertionError(f"{command}: {done.stdout[-3000:]}{done.stderr[-3000:]}")
        return done.stdout + done.stderr

    def configure(self, source, *options, env=None):
        folder = self.path("build")
        return folder, self.run_tool("cmake", "-S", source, "-B", folder, "-G", "Ninja",
                                     f"-DCMAKE_PREFIX_PATH={self.prefix}", *options, env=env)

    def ask(self, *options, env=None):
        source = self.path("asking")
        os.makedirs(source)
        with open(os.path.join(source, "CMakeLists.txt"), "w", encoding="utf-8") as file:
            file.write(ASKING)
        return self.configure(source, *options, env=env)[1]

    def test_the_program_starts_and_has_its_pages(self):
        told = self.run_tool(os.path.join(self.prefix, "bin", "scry"), "--version")
        self.assertEqual(told, self.run_scry("--version").out)
        for file in ("man/man1/scry.1", "bash-completion/completions/scry",
                     "zsh/site-functions/_scry", "fish/vendor_completions.d/scry.fish",
                     "doc/scry/examples/embed/slowest.cc"):
            self.assertTrue(os.path.isfile(os.path.join(self.prefix, "share", file)), file)
        self.assertFalse(os.path.exists(os.path.join(self.prefix, "share/zsh/vendor-completions")))

    def test_a_program_that_embeds_the_library_reads_a_capture(self):
        # The parser of command lines is the program's own affair.
        folder, _ = self.configure(EMBED, "-DCMAKE_DISABLE_FIND_PACKAGE_CLI11=ON")
        self.run_tool("cmake", "--build", folder)
        told = self.run_tool(os.path.join(folder, "slowest"),
                             os.path.join(SOURCE, "tests", "golden", "querylog", "version-2"))
        self.assertRegex(told, r"^\d+\.\d+ ms  \S")

    def test_it_may_be_asked_for_twice(self):
        self.assertIn("found=1; \n", self.ask())

    def test_what_it_needs_and_misses_is_told_and_not_fatal(self):
        self.assertRegex(self.ask("-DCMAKE_DISABLE_FIND_PACKAGE_fmt=ON"), r"found=(0|False); .*\bfmt\b")

    def test_a_missing_library_of_pkg_config_is_told_and_not_fatal(self):
        self.assertRegex(self.ask(env={"PKG_CONFIG_LIBDIR": "/nowhere"}),
                         r"found=(0|FALSE); .*libpqxx")

    @unittest.skipUnless(shutil.which("dpkg-shlibdeps") and shutil.which("file"),
                         "cpack needs dpkg-dev and file for a .deb")
    def test_a_deb_holds_all_that_the_program_starts_with(self):
        out = self.path("packages")
        self.run_tool("cpack", "-G", "DEB", "-B", out, cwd=self.build)
        [package] = [name for name in os.listdir(out) if name.endswith(".deb")]
        package = os.path.join(out, package)
        unpacked = self.path("unpacked")
        self.run_tool("dpkg-deb", "-x", package, unpacked)
        self.run_tool(os.path.join(unpacked, "usr/bin/scry"), "--version")
        self.assertTrue(os.path.isfile(os.path.join(unpacked, "usr/share/zsh/vendor-completions/_scry")))
        fields = self.run_tool("dpkg-deb", "-f", package)
        self.assertRegex(fields, r"(?m)^Maintainer: .+ <.+@.+>$")
        self.assertRegex(fields, r"(?m)^Recommends: .*\bpostgresql\b")
        self.assertNotRegex(fields, r"(?m)^Depends: .*\bpostgresql\b")
        self.assertRegex(fields, r"(?m)^Depends: .*\blibpq5\b")


class ArchiveTest(InstallTest):
    SHARED = "OFF"


class SharedTest(InstallTest):
    SHARED = "ON"


if __name__ == "__main__":
    scry_e2e.main()
