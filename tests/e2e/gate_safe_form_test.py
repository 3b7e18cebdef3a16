"""The safe form of a migration that blocks traffic is tried beside the traffic, and shown if it keeps to
the policy and ends in the same schema.
"""

import unittest

import gate_support
import scry_e2e

try:
    import psycopg
except ImportError:
    psycopg = None

SHOP = """
create role app login;
create table orders (id int primary key, customer int not null, total int);
insert into orders select i, 1 + i % 500, i % 100 from generate_series(1, 5000) i;
create table customers (id int primary key);
insert into customers select i from generate_series(1, 500) i;
create materialized view volume as select customer, count(*) from orders group by customer;
create unique index on volume (customer);
grant select, insert, update, delete on orders, customers to app;
-- What the source sets for its roles hides no wait of theirs.
alter role app set deadlock_timeout = '1min';
alter role app in database postgres set log_lock_waits = off;
alter database postgres set log_min_messages = panic;
alter role all set lc_messages = 'C';
"""

SHOPPING = """
\\set id random(1, 5000)
\\sleep 20 ms
select total from orders where id = :id;
\\sleep 20 ms
update orders set total = total where id = :id;
"""


class SafeFormTest(gate_support.PlayedShop):
    shop = SHOP
    shopping = SHOPPING

    def run_migration(self, sql, flags=(), blocker="none"):
        out, report = self.play_beside(sql, 5, "--blocker", blocker, *flags)
        return out, report, self.splits(report)

    def splits(self, report):
        return [one for one in report.get("fixes", []) if one["kind"] == "split migration"]

    def run_tool(self, *command, flags=()):
        _, report = self.migrate(*command, capture=self.traffic, code=5, flags=("--blocker", "none", *flags))
        return report, self.splits(report)

    def run_script(self, name, body, flags=()):
        """A tool in Python, given the address to migrate."""
        path = self.sql_file(name, "import os, psycopg\naddress = os.environ['DATABASE_URL']\n" + body)
        return self.run_tool("/usr/bin/python3", path, flags=flags)

    def test_a_transaction_is_split_and_its_statements_are_replaced(self):
        out, report, [fix] = self.run_migration(
            "begin;\nset local statement_timeout = '1min';\ncreate index orders_total on orders (total);\n"
            "refresh materialized view volume;\nalter table orders alter total set not null; -- rows are there\n"
            "alter table orders add constraint known foreign key (customer) references customers;\n"
            "select pg_sleep(0.6);\ncommit;\n", flags=("--show-values",))
        local = ["begin;", "set local statement_timeout = '1min';"]
        in_its_place = [
            "alter table orders ADD CONSTRAINT total_not_null_check CHECK (total IS NOT NULL) NOT VALID;",
            "alter table orders VALIDATE CONSTRAINT total_not_null_check;",
            "alter table orders alter total set not null;",
            "alter table orders DROP CONSTRAINT total_not_null_check;",
            "alter table orders add constraint known foreign key (customer) references customers NOT VALID;",
            "alter table orders VALIDATE CONSTRAINT known;", "select pg_sleep(0.6);"]
        meanwhile = ["SET statement_timeout = '1min';", "RESET statement_timeout;"]
        self.assertEqual(fix["sql"], [meanwhile[0], "create index CONCURRENTLY orders_total on orders (total);",
                                      *reversed(meanwhile),
                                      "refresh materialized view CONCURRENTLY volume;", meanwhile[1]] +
                         [line for sql in in_its_place for line in (*local, sql, "commit;")])
        waits = fix["waits"]
        self.assertGreater(waits["wait_us_before"], 300000)
        self.assertLess(waits["wait_us_fixed"], waits["wait_us_before"])
        self.assertGreater(waits["took_us_fixed"], 600000)
        blocked = self.findings(report, "blocked", gates=True)
        self.assertLessEqual(set(fix["findings"]), {one["id"] for one in blocked})
        self.assertFalse([one for one in blocked if one["id"] in fix["findings"] and one.get("advice")])
        self.assertIn("longest wait", out.out)
        self.assertIn("VALIDATE CONSTRAINT known;", out.out)

    def test_what_has_no_safe_form_keeps_its_advice(self):
        _, report, fixes = self.run_migration(
            "begin;\nalter table orders alter total type bigint;\nselect pg_sleep(0.6);\ncommit;\n")
        self.assertEqual(fixes, [])
        [finding] = self.findings(report, "blocked", gates=True)
        self.assertTrue(any("new column" in one for one in finding["advice"]), finding)
        self.assertFalse([note for note in report["notes"] if "safe form" in note])

    def test_a_form_that_blocks_all_the_same_is_no_fix_and_that_is_said(self):
        # NOT VALID spares the scan, and waits behind a transaction of others all the same.
        _, report, fixes = self.run_migration("alter table orders add constraint known check (total >= 0);\n",
                                              blocker="1s")
        self.assertEqual(fixes, [])
        [note] = [note for note in report["notes"] if "safe form" in note]
        self.assertIn("is no fix: ", note)
        [finding] = self.findings(report, "blocked", gates=True)
        self.assertIn("NOT VALID", finding["advice"][0], "whatever literals it holds")

    def test_a_migration_of_alembic_is_tried_in_its_safe_form(self):
        if not gate_support.has_alembic():
            self.skipTest("alembic with psycopg2 is not installed")
        ini = gate_support.alembic_project(
            self.path("alembic"), "op.create_check_constraint('known', 'orders', 'total >= 0')\n"
            "    op.execute('select pg_sleep(0.6)')")
        _, [fix] = self.run_tool("/usr/bin/python3", "-m", "alembic", "-c", ini, "upgrade", "head",
                                 flags=("--show-values",))
        for sql in ("ALTER TABLE orders ADD CONSTRAINT known CHECK (total >= 0) NOT VALID;",
                    "ALTER TABLE orders VALIDATE CONSTRAINT known;",
                    "INSERT INTO alembic_version (version_num) VALUES ('one');"):
            self.assertTrue(any(one.startswith(sql[:-1]) for one in fix["sql"]), fix["sql"])
        self.assertFalse([one for one in fix["sql"] if "pg_catalog" in one], "what it only reads")

    @unittest.skipIf(psycopg is None, "python3-psycopg is not installed")
    def test_bind_parameters_savepoints_and_further_connections_are_no_hindrance(self):
        # As Rails and Flyway do: a lock and a history with bind parameters on one connection, what was tried and
        # rolled back, and the migration on another one.
        _, [fix] = self.run_script(
            "rails.py",
            "with psycopg.connect(address, autocommit=True) as own:\n"
            "    own.execute('create table history (version text, at int)')\n"
            "    own.execute('select pg_try_advisory_lock(%s)', [42])\n"
            "    with psycopg.connect(address) as work:\n"
            "        work.execute('create table probe (id int)')\n"
            "        work.rollback()\n"
            "        with work.transaction():\n"
            "            with work.transaction():\n"
            "                work.execute('create index orders_total on orders (total)')\n"
            "            work.execute('select pg_sleep(0.6)')\n"
            "    own.execute('insert into history values (%s, %s)', [\"it's 1\", 7])\n", flags=("--show-values",))
        self.assertEqual(fix["sql"], ["create index CONCURRENTLY orders_total on orders (total);", "BEGIN;",
                                      "select pg_sleep(0.6);", "COMMIT;"])

    @unittest.skipIf(psycopg is None, "python3-psycopg is not installed")
    def test_why_no_safe_form_was_tried_is_said(self):
        report, fixes = self.run_script(
            "copies.py", "with psycopg.connect(address) as work:\n"
            "    work.execute('create index orders_total on orders (total)')\n"
            "    work.execute('create table copied (id int)')\n"
            "    with work.cursor().copy('copy copied from stdin') as copy:\n"
            "        copy.write_row([1])\n"
            "    work.execute('select pg_sleep(0.6)')\n")
        self.assertEqual(fixes, [])
        [note] = [note for note in report["notes"] if "safe form" in note]
        self.assertEqual(note, "No safe form of what blocks traffic could be tried: it brings data with COPY.")


if __name__ == "__main__":
    scry_e2e.main()
