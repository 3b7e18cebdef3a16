"""A migration that breaks, changes or slows what the application does: exit status 5, by name."""

import subprocess
import unittest

import gate_support
import scry_e2e
import scry_wire

try:
    import psycopg
except ImportError:
    psycopg = None

PEOPLE = """
create table people (id int primary key, email text not null, city text not null, score int not null);
insert into people select i, 'p' || i || '@example.com', 'city ' || i % 1000, i % 97
  from generate_series(1, 200000) i;
create index people_email on people (email);
vacuum analyze people;
grant select on people to app;
"""
LOOKUP = """
\\set id random(1, 200000)
select id, city from people where email = 'p' || :id || '@example.com';
"""


class RegressionTest(gate_support.GateTest):
    def prepare(self):
        self.server.sql(gate_support.SHOP + PEOPLE)
        self.config_of()
        self.create_shadow()
        lookup = self.sql_file("lookup.sql", LOOKUP)

        def traffic(url):
            gate_support.shop_traffic(self, url, sessions=2, rounds=8)
            subprocess.run([scry_e2e.program("pgbench"), "-n", "-c", "2", "-t", "40", "-M",
                            "extended", "-f", lookup, url], check=True, capture_output=True,
                           env=scry_e2e.clean_environment())
        type(self).traffic = self.capture(self.path("traffic"), traffic, user="app")

    def broken(self, sql, sqlstate, *words):
        """The migration breaks statements with this SQLSTATE; their patterns hold the words."""
        done, report = self.migrate_sql(sql, code=5)
        found = self.findings(report, "broken")
        states = {one["sqlstate"] for one in found}
        self.assertIn(sqlstate, states, report["findings"])
        patterns = [one["pattern"] for one in found if one["sqlstate"] == sqlstate]
        for word in words:
            self.assertTrue(any(word in pattern for pattern in patterns), patterns)
        self.assertIn("BROKEN", done.out)
        self.assertIn(sqlstate, done.out)
        return report

    def test_a_dropped_index_names_the_query_that_gets_slower(self):
        done, report = self.migrate_sql("drop index people_email", code=5)
        [slower] = self.findings(report)
        self.assertEqual(slower["type"], "slower")
        self.assertIn("people", slower["pattern"])
        self.assertIn("email", slower["pattern"])
        self.assertGreaterEqual(slower["latency"]["factor"], 5)
        self.assertTrue(slower["latency"]["confirmed"])
        self.assertIn("Seq Scan", slower["plan"]["sentence"] + " ".join(slower["plan"]["candidate"]))
        self.assertIn("SLOWER", done.out)

    def test_a_renamed_column_breaks_the_queries_that_name_it(self):
        self.broken("alter table people rename column city to town", "42703", "people")

    def test_a_dropped_table_breaks_the_queries_that_read_it(self):
        self.broken("drop table events", "42P01", "events")

    def test_a_new_column_without_default_breaks_inserts(self):
        self.broken("alter table orders add column region text; update orders set region = 'eu'; "
                    "alter table orders alter column region set not null", "23502", "insert into orders")

    def test_a_revoked_right_breaks_the_role_that_needs_it(self):
        self.broken("revoke update on orders from app", "42501", "update orders")

    def test_changed_data_is_a_different_result(self):
        done, report = self.migrate_sql("update people set city = upper(city)", code=5)
        [different] = self.findings(report)
        self.assertEqual((different["type"], different["difference"]), ("different", "values"))
        self.assertIn("people", different["pattern"])
        self.assertIn("DIFFERENT", done.out)

    def test_a_view_with_another_meaning_is_a_different_result(self):
        _, report = self.migrate_sql(
            "create or replace view open_orders as select id, customer_id, total from orders "
            "where status = 'lost'", code=5)
        [different] = self.findings(report)
        self.assertEqual((different["type"], different["difference"]), ("different", "rows"))
        self.assertIn("open_orders", different["pattern"])

    def test_a_function_with_another_body_is_a_different_result(self):
        _, report = self.migrate_sql(
            "create or replace function order_total(bigint) returns numeric language sql stable as "
            "'select coalesce(sum(quantity * 2.6), 0) from order_items where order_id = $1'", code=5)
        [different] = self.findings(report)
        self.assertEqual((different["type"], different["difference"]), ("different", "values"))
        self.assertIn("order_total", different["pattern"])

    def test_a_report_shows_no_values_unless_asked(self):
        script = self.sql_file("sorrow.sql", "update people set city = 'sorrow' || city")
        done, report = self.migrate("psql", "-Xq", "-f", script, code=5)
        [different] = self.findings(report)
        for secret in ("sorrow ", "sorrowcity", "city 1", "@example"):
            self.assertNotIn(secret, str(different) + done.out.split("NOT JUDGED")[0])
        _, report = self.migrate("psql", "-Xq", "-f", script, code=5, flags=("--show-values",))
        [different] = self.findings(report)
        self.assertIn("@example.com", different["example"])

    def test_what_the_policy_does_not_gate_is_told_and_passes(self):
        with open(self.workspace + "/scry.yaml", encoding="utf-8") as file:
            path = self.config(file.read() + "policy:\n  gate: [error]\n", "lenient.yaml")
        _, report = self.migrate_sql("update people set city = upper(city)", code=0,
                                     flags=("--config", path))
        [different] = self.findings(report, "different", gates=False)
        self.assertEqual(different["type"], "different")


EQUALS = """
create role app login;
create extension citext;
create table stamps (id serial primary key, n int);
create table users (id int primary key, name citext not null);
insert into users values (1, 'Bob'), (2, 'bob'), (3, 'carol');
create table products (id int primary key, price numeric(10, 2) not null);
insert into products select i, i * 0.25 from generate_series(1, 5000) i;
create table readings (user_id int, amount float8);
insert into readings select i % 20000, i * 0.1 from generate_series(1, 60000) i;
vacuum analyze;
grant all on all tables in schema public to app;
grant all on all sequences in schema public to app;
"""
SAME_VALUES = """
insert into stamps (n) values (1) returning id, xmin;
update stamps set n = n + 1 returning id, xmin, ctid;
select id, name from users order by name;
select id, price from products;
select id, price from products order by price;
select user_id, sum(amount) from readings group by user_id;
"""


class EqualValuesTest(gate_support.GateTest):
    """Other bytes that say the same, however many rows there are."""

    def prepare(self):
        self.server.sql(EQUALS)
        self.config_of()
        self.create_shadow()
        type(self).traffic = self.capture(
            self.path("traffic"), scry_e2e.program("psql"), "-Xq", "-f", self.sql_file("same.sql", SAME_VALUES * 3),
            user="app")

    def test_numbers_of_transactions_scales_and_ties_do_not_gate(self):
        _, report = self.migrate_sql(
            "create table x (); alter table products alter column price type numeric(12, 4); "
            "update users set name = name where id = 1; "
            "create table again as select * from readings order by amount desc; truncate readings; "
            "insert into readings select * from again", code=0)
        self.assertEqual(report["tested"]["fidelity"], 1, report["unfaithful"])

    def test_one_other_number_of_thousands_gates(self):
        _, report = self.migrate_sql(
            "alter table products alter column price type numeric(12, 4); "
            "update products set price = price + 0.0001 where id = 4999", code=5)
        found = self.findings(report, "different")
        self.assertEqual({one["difference"] for one in found}, {"values"}, found)
        self.assertEqual(len(found), 2, found)


PARCELS = """
create table parcels (id int not null, owner text not null, weight int not null);
insert into parcels select i, 'owner ' || i % 50, i * 7919 % 1000 from generate_series(1, 5000) i;
analyze parcels;
grant select on parcels to app;
"""
# Rows lie in another order then: whoever asks for none gets it.
REORDER = "create index parcels_weight on parcels (weight); cluster parcels using parcels_weight; "


@unittest.skipIf(psycopg is None, "no psycopg")
class FetchedInPartsTest(gate_support.GateTest):
    """One result in parts: by a cursor of psycopg, by FETCH, and by Execute's limit of rows."""

    def prepare(self):
        self.server.sql("create role app login;" + PARCELS)
        self.config_of()
        self.create_shadow()
        type(self).whole = self.capture(
            self.path("whole"), lambda url: self.fetch(url, all_rows=True), user="app")
        type(self).half = self.capture(
            self.path("half"), lambda url: self.fetch(url, all_rows=False), user="app")

    def fetch(self, url, all_rows):
        with psycopg.connect(url) as connection:
            for i in range(3):
                with connection.cursor(name=f"cursor_{i}") as cursor:
                    cursor.itersize = 700
                    cursor.execute("select owner, weight from parcels where weight < 900")
                    rows = list(cursor) if all_rows else cursor.fetchmany(700)
                    self.assertEqual(len(rows) > 4000, all_rows)
                connection.execute("declare by_sql no scroll cursor for select owner from parcels")
                size = 999
                while size == 999:
                    size = len(connection.execute("fetch 999 from by_sql").fetchall())
                    if not all_rows:
                        break
                connection.commit()
            connection.execute("select count(*) from parcels")
        self.execute_in_parts(url, all_rows)

    @staticmethod
    def execute_in_parts(url, all_rows):
        at = psycopg.conninfo.conninfo_to_dict(url)
        with scry_wire.Client(at["host"], int(at["port"]), user="app", dbname="postgres") as client:
            for _ in range(3):
                client.do(scry_wire.query("begin"))
                answers = client.do(
                    scry_wire.parse("select weight, owner from parcels where id > 10"),
                    scry_wire.bind(portal="p"), scry_wire.describe("p"), scry_wire.execute("p", 800),
                    scry_wire.SYNC)
                while all_rows and b"s" in scry_wire.kinds(answers):
                    answers = client.do(scry_wire.execute("p", 800), scry_wire.SYNC)
                client.do(scry_wire.query("commit"))

    def test_other_parts_of_the_same_rows_are_no_difference(self):
        _, report = self.migrate_sql(REORDER, capture=self.whole, code=0)
        self.assert_safe(report)

    def test_another_row_is_found_in_whatever_part_it_lies(self):
        _, report = self.migrate_sql(
            "update parcels set owner = 'nobody' where id = 3777; " + REORDER, capture=self.whole, code=5)
        found = self.findings(report, "different")
        patterns = sorted(one["pattern"].lower() for one in found)
        self.assertEqual(len(found), 3, patterns)
        for one in found:
            self.assertEqual((one["difference"], one["affected"]), ("values", 3), one)
            self.assertIn("from parcels", one["pattern"].lower())

    def test_a_part_of_the_rows_is_as_under_a_limit(self):
        done, report = self.migrate_sql(REORDER, capture=self.half, code=0)
        self.assert_safe(report)
        self.assertIn("fetched in part, without ORDER BY", done.out + str(report["notes"]))


if __name__ == "__main__":
    scry_e2e.main()
