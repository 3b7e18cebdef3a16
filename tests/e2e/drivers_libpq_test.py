"""libpq: pipelines, single rows, binary parameters and results, COPY, fast-path large objects,
notifications, cancels. SCRY_LIBPQ_EXERCISE is the program that CMake built of drivers/."""

import os
import unittest

import drivers_support
import scry_e2e

EXERCISE = os.environ.get("SCRY_LIBPQ_EXERCISE", "")


@unittest.skipUnless(os.access(EXERCISE, os.X_OK), "SCRY_LIBPQ_EXERCISE is not built")
class LibpqTest(drivers_support.DriverTest):
    def test_equal_lanes_do_what_production_did(self):
        report = self.check(EXERCISE, sessions=2)
        self.assertEqual([note for note in report["notes"] if "hannel" in note], [])


if __name__ == "__main__":
    scry_e2e.main()
