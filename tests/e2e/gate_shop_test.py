"""A migration that changes nothing for the application is safe to ship: exit status 0, no findings."""

import gate_support
import scry_e2e


class ShopTest(gate_support.GateTest):
    """What applications do: errors, COPY, cursors, ids from sequences, several statements at once."""

    def prepare(self):
        self.server.sql(gate_support.SHOP)
        self.config_of()
        self.create_shadow()

        def traffic(url):
            gate_support.run_all(lambda: gate_support.shop_traffic(self, url),
                                 lambda: gate_support.psycopg_traffic(url))
        type(self).traffic = self.capture(self.path("traffic"), traffic, user="app")

    def test_no_migration_at_all_has_no_finding_time_after_time(self):
        for round_ in range(5):
            with self.subTest(round=round_):
                _, report = self.migrate(code=0)
                self.assert_safe(report)
                self.assertEqual(report["tested"]["statements"],
                                 report["captures"][0]["statements"])
                # What now() gave in production, no copy gives again.
                self.assertGreater(report["tested"]["fidelity"], 0.95, report["tested"])

    def test_a_migration_that_only_comments_is_safe(self):
        _, report = self.migrate_sql("comment on table orders is 'what customers bought'", code=0)
        self.assert_safe(report)

    def test_an_added_nullable_column_is_told_and_does_not_gate(self):
        done, report = self.migrate_sql("alter table orders add column shipped date", code=0)
        self.assertEqual(self.findings(report), [])
        self.assertTrue(any("shipped" in note for note in report["notes"]), report["notes"])
        self.assertIn("SAFE", done.out)

    def test_what_needs_its_session_is_seen_again_before_it_gates(self):
        _, report = self.migrate_sql(
            "create function audit() returns trigger language plpgsql as "
            "'begin perform pg_sleep(0.002); return null; end';"
            "create trigger audit after insert on order_items execute function audit()", code=5)
        # It reads a temporary table: by itself it does not run.
        slower = [finding for finding in self.findings(report) if "from cart" in finding["pattern"]]
        self.assertEqual([finding["type"] for finding in slower], ["slower"], report["findings"])
        self.assertTrue(slower[0]["gates"])
        self.assertTrue(slower[0]["latency"]["confirmed"], slower[0])


if __name__ == "__main__":
    scry_e2e.main()
