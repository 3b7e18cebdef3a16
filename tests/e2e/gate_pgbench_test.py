"""A migration that changes nothing for the application is safe to ship: exit status 0, no findings."""

import gate_support
import scry_e2e


class PgbenchTest(gate_support.GateTest):
    """TPC-B, prepared, eight clients that fight for the same rows."""

    def prepare(self):
        pgbench = scry_e2e.program("pgbench")
        self.init_pgbench(2)
        self.config_of()
        self.create_shadow()
        type(self).traffic = self.capture(self.path("traffic"), pgbench, "-n", "-c", "8", "-j", "2",
                                          "-t", "375", "-M", "prepared")

    def test_no_migration_at_all_is_safe(self):
        _, report = self.migrate(code=0)
        self.assert_safe(report, sessions=9)
        self.assertNotIn("migration", report)
        self.assertEqual(report["tested"]["statements"], report["captures"][0]["statements"])
        self.assertGreater(report["tested"]["fidelity"], 0.99)

    def test_a_migration_that_only_comments_is_safe(self):
        _, report = self.migrate_sql("comment on table pgbench_accounts is 'of customers'", code=0)
        self.assert_safe(report)
        self.assertEqual(report["migration"]["exit_status"], 0)

    def test_an_added_nullable_column_is_safe(self):
        _, report = self.migrate_sql("alter table pgbench_accounts add column note text", code=0)
        self.assertEqual(self.findings(report), [])


if __name__ == "__main__":
    scry_e2e.main()
