"""pgjdbc: named statements and binary results from the fifth execution on, batches, row limits,
callable statements, COPY, large objects by function calls, notifications, query timeouts (cancels).
Skipped without a JDK or the driver (Debian: libpostgresql-jdbc-java)."""

import glob
import os
import shutil

import drivers_support
import scry_e2e

JARS = sorted(glob.glob("/usr/share/java/postgresql.jar"))


class JdbcTest(drivers_support.DriverTest):
    @classmethod
    def setUpClass(cls):
        if not shutil.which("java") or not shutil.which("javac") or not JARS:
            scry_e2e.skip_all("no JDK, or no libpostgresql-jdbc-java")
        super().setUpClass()

    def test_equal_lanes_do_what_production_did(self):
        source = os.path.join(drivers_support.DRIVERS, "JdbcExercise.java")
        report = self.check("sh", "-c", f'exec java -Xmx256m -cp "{JARS[0]}" "{source}" '
                            '"$PGHOST" "$PGPORT" "$PGDATABASE" "$PGUSER"')
        self.assertEqual([note for note in report["notes"] if "hannel" in note], [])


if __name__ == "__main__":
    scry_e2e.main()
