"""The pages under examples/: their commands as they stand there, with the tools that people use, each
with a good and a bad migration, in transactions and outside of them.

A tool that is not installed is a failure here: scripts/packages.sh lists them all.
"""

import os

import examples_support
import gate_support
import scry_e2e

BY_EMAIL = "SELECT id, name FROM customers"
OF_CUSTOMER = "SELECT id, status, total FROM orders"


class ExamplesTest(gate_support.GateTest):
    def prepare(self):
        cls = type(self)
        cls.place = examples_support.Place(
            self, self.path("place"), SCRY_STATE_DIR=self.state_dir,
            SERVER_URL=self.server.url("").rstrip("/"), SHOP_DATABASE_URL=self.server.url("shop"))
        [set_up] = examples_support.blocks(os.path.join(self.place.folder, "README.md"))
        self.must(self.place.run(set_up.script))

    # --- Pages.

    def run_page(self, example):
        """Every command of a page; answers the reports of its gates."""
        reports = []
        for block in examples_support.blocks(os.path.join(self.place.folder, example, "README.md")):
            before = self.source_state()
            done = self.must(self.place.run(block.script, example), block.status)
            self.assertEqual(self.source_state(), before, block.script)
            self.assertIn(examples_support.skeleton(block.shown), examples_support.skeleton(done.out))
            if block.is_gate:
                reports.append(self.check_report(
                    os.path.join(self.place.folder, example, "report"), done))
                self.assert_no_runs()
        return reports

    def run_good_and_bad(self, example):
        good, bad = self.run_page(example)
        self.assertEqual(good["exit_status"], 0)
        self.assertEqual(bad["exit_status"], 5)
        return good, bad

    # --- What their reports hold.

    def statement(self, report, words):
        """The one statement that begins like this, whatever its case and quotes."""
        def plain(text):
            return text.lower().replace('"', "")
        found = [one for one in report["migration"]["statements"]
                 if plain(one["text"]).startswith(words)]
        self.assertEqual(len(found), 1, [words, report["migration"]["statements"]])
        self.assertEqual(found[0]["sqlstate"], "", found[0])
        return found[0]

    def assert_locks(self, report, words, **locks):
        statement = self.statement(report, words)
        taken = {one["relation"]: one["mode"] for one in statement["locks"]}
        self.assertEqual({name: taken.get(name) for name in locks}, locks, statement)

    def assert_gating(self, report, **members):
        """{member that says why: how the pattern begins}: these findings gate, and no others."""
        gating = self.findings(report)
        self.assertEqual(len(gating), len(members), gating)
        for member, pattern in members.items():
            found = [one for one in gating if member in one and one["pattern"].startswith(pattern)]
            self.assertEqual(len(found), 1, gating)

    def assert_both_migrations(self, good, bad):
        """What all tools do to the shop, in their own words."""
        self.assertEqual(self.findings(good), [])
        self.assert_locks(good, "alter table orders add", orders="AccessExclusive")
        self.assert_locks(good, "create index concurrently orders_created_at_idx",
                          orders="ShareUpdateExclusive")
        # The clock may call the second slower; what gates it is the work that was counted.
        self.assert_gating(bad, sqlstate=BY_EMAIL, work=OF_CUSTOMER)
        [broken] = self.findings(bad, "broken")
        self.assertEqual(broken["sqlstate"], "42703")
        self.assert_locks(bad, "alter table customers rename", customers="AccessExclusive")
        self.assert_locks(bad, "drop index concurrently", orders="ShareUpdateExclusive")
        causes = {one["object"] for one in bad["causes"]}
        self.assertLessEqual({"column customers.name", "index orders_customer_id_idx"}, causes)

    # --- Tools.

    def test_psql(self):
        self.assert_both_migrations(*self.run_good_and_bad("psql"))

    def test_alembic(self):
        good, bad = self.run_good_and_bad("alembic")
        self.assert_both_migrations(good, bad)
        self.statement(good, "create table alembic_version")

    def test_django(self):
        good, bad = self.run_good_and_bad("django")
        self.assert_both_migrations(good, bad)
        self.statement(good, "create table django_migrations")

    def test_node_pg_migrate(self):
        good, bad = self.run_good_and_bad("node-pg-migrate")
        self.assert_both_migrations(good, bad)
        self.statement(good, "create table public.pgmigrations")

    def test_knex(self):
        good, bad = self.run_good_and_bad("knex")
        self.assert_both_migrations(good, bad)
        self.statement(good, "create table knex_migrations (")

    def test_backfill_over_several_connections(self):
        good, bad = self.run_good_and_bad("backfill")
        self.assert_locks(good, "alter table orders add", orders="AccessExclusive")
        self.assert_gating(bad, difference=OF_CUSTOMER)
        for report in (good, bad):
            updates = [one for one in report["migration"]["statements"]
                       if one["text"].startswith("UPDATE orders")]
            self.assertEqual(sum(one["calls"] for one in updates), 20, updates)
            self.assertEqual(sum(one["rows"] for one in updates), 10000, updates)
            self.assertEqual(report["migration"]["rows_written"],
                             [{"relation": "orders", "rows": 10000}])

    # --- What tools read of a schema.

    def test_schemas_that_tools_write_down_know_nothing_of_scry(self):
        """structure.sql, Django's models of a database, what Alembic finds: under the gate and without."""
        autogenerate = self.sql_file("autogenerate.py", """
import os
from alembic.autogenerate import produce_migrations, render_python_code
from alembic.migration import MigrationContext
from sqlalchemy import MetaData, create_engine
with create_engine(os.environ["DATABASE_URL"]).connect() as connection:
    found = produce_migrations(MigrationContext.configure(connection), MetaData())
    print(render_python_code(found.downgrade_ops))
""")
        written = self.sql_file("write_down.sh", f"""
mkdir "$1"
pg_dump --schema-only "$DATABASE_URL" | grep -v restrict > "$1/structure.sql"
(cd django && python3 manage.py inspectdb) > "$1/models.py"
PYTHONHASHSEED=0 python3 {autogenerate} > "$1/revision.py"
""")
        watched, plain = self.path("watched"), self.path("plain")
        self.must(self.place.run(
            f"scry ci test-migration shop/ci --during never -- bash -euo pipefail {written} {watched}"))
        self.server.sql("create database copy template shop")
        self.must(self.place.run(
            "export PGHOST=127.0.0.1 PGUSER=postgres PGDATABASE=copy "
            f"PGPORT={self.server.port} DATABASE_URL={self.server.url('copy')}\n"
            f"bash -euo pipefail {written} {plain}"))
        for name in ("structure.sql", "models.py", "revision.py"):
            texts = []
            for folder in (watched, plain):
                with open(os.path.join(folder, name), encoding="utf-8") as file:
                    texts.append(file.read())
            self.assertEqual(*texts, name)
            self.assertIn("orders", texts[0])
            self.assertNotIn("scry", texts[0])


if __name__ == "__main__":
    scry_e2e.main()
