"""Every finding has a cause in words, and what got slower a fix that was tried and measured."""

import glob
import json
import os
import re

import gate_support
import scry_e2e

STORE = """
create table buyers (id int primary key, name text not null);
insert into buyers select i, 'buyer ' || i from generate_series(1, 3000) i;
create table orders (id bigint primary key, buyer int not null references buyers, status text not null,
                     total int not null, created date not null, note text, region text);
insert into orders
    select i, 1 + i * 7919 % 3000, (array['new', 'paid', 'shipped', 'returned'])[1 + i % 4], i % 1000,
           date '2026-01-01' + i % 300, 'note ' || i
      from generate_series(1, 40000) i;
create index orders_buyer on orders (buyer);
create index orders_note on orders (note) where total >= 0;
create view late as select id, buyer from orders where status = 'shipped';
create role app login;
grant select, insert, update, delete on all tables in schema public to app;
create schema fees;
create table fees.rates (id int primary key, rate int not null);
insert into fees.rates select i, i from generate_series(1, 100) i;
create view fees.today as select id, rate from fees.rates;
grant usage on schema fees to app;
grant select on all tables in schema fees to app;
"""
FILL = ("update orders set region = (array['north', 'south', 'east', 'west', 'middle', 'far', 'near', 'sea'])"
        "[1 + id * 31 % 8]")
NEW = "select id, total from orders where region = 'south' and status = 'paid' and created >= '2026-09-01'"
OLD = """
select id, total from orders where buyer = 17;
select id, total from orders where buyer = 2901;
select total from orders where note = 'note 31111' and total >= 0;
update orders set total = total + 1 where id = 77;
insert into orders (id, buyer, status, total, created) values (90000 + :n, 5, 'new', 1, '2026-10-01');
select count(*) from late where buyer = 12;
select rate from fees.today where id = 12;
"""


class CausesTest(gate_support.GateTest):
    def prepare(self):
        self.server.sql(STORE)
        self.config_of()

        def traffic(url):
            for i in range(12):
                self.must(self.psql(url, OLD.replace(":n", str(i)), "-q"))

        def feature(url):
            self.must(self.psql(url, (NEW + ";\n") * 12, "-q"))
        # The next release runs where its column is there already, and few rows are.
        self.server.sql("create table kept as table orders; delete from orders where id > 100; " + FILL)
        self.server.sql("analyze orders")
        type(self).feature = self.capture(self.path("feature"), feature, user="app")
        self.server.sql("truncate orders; insert into orders table kept; drop table kept; "
                        "alter table orders drop column region cascade")
        self.server.sql("vacuum (analyze)")
        self.create_shadow()
        type(self).traffic = self.capture(self.path("traffic"), traffic, user="app")
        self.server.sql("delete from orders where id >= 90000")

    def cause_of(self, report, pattern):
        """The one of the finding whose pattern has this in it."""
        ids = [one["id"] for one in report["findings"] if one["gates"] and pattern in one["pattern"]]
        self.assertEqual(len(ids), 1, report["findings"])
        found = [one for one in report["causes"] if ids[0] in one["findings"]]
        self.assertEqual(len(found), 1, report["causes"])
        return found[0]

    def fix_sql(self, report):
        return [sql for fix in report.get("fixes", []) for sql in fix["sql"]]

    def blocks(self, sql, index):
        """What the query reads on a migrated copy with this index."""
        self.server.sql("create database trial template postgres")
        try:
            self.server.sql("alter table orders add column region text", "trial")
            self.server.sql(FILL, "trial")
            self.server.sql("vacuum (full, analyze) orders", "trial")
            self.server.sql(index.replace("CONCURRENTLY ", ""), "trial")
            plan = self.server.sql(f"explain (analyze, buffers, timing off, summary off) {sql}", "trial")
            return sum(int(number) for number in
                       re.findall(r"(?:hit|read)=(\d+)", plan.split("Planning:")[0].splitlines()[1]))
        finally:
            self.server.sql("drop database trial")

    def test_findings_are_on_the_line_of_the_file_that_psql_ran(self):
        os.makedirs(self.path("repository/.git"), exist_ok=True)
        os.makedirs(self.path("repository/db"), exist_ok=True)
        file = self.sql_file("repository/db/007.sql", "\\set ON_ERROR_STOP on\n-- not needed any more\nBEGIN;\n"
                             "ALTER TABLE buyers ADD COLUMN note text;\n\nDROP INDEX orders_note;\nCOMMIT;\n")
        _, report = self.migrate("psql", "-Xq", "-f", file, flags=["--during", "never", "--no-fix"], code=5)
        cause = self.cause_of(report, "where note =")
        statement = report["migration"]["statements"][cause["statement_index"]]
        self.assertEqual(statement["text"], cause["statement"])
        self.assertEqual((statement["file"], statement["line"]), ("db/007.sql", 6))
        pattern = [one for one in report["patterns"] if "where note =" in one["pattern"]][0]
        lanes = {one["lane"]: sum(n for _, n in one["buckets"]) for one in pattern["latencies"]}
        self.assertEqual(set(lanes), {"baseline", "candidate", "control"})
        self.assertEqual(len(set(lanes.values())), 1, lanes)  # Pairs: each lane has as many.
        folder = sorted(glob.glob(self.path("report-*")))[-1]
        done = self.run_scry("report", "convert", folder, "--to", "sarif")
        self.must(done)
        places = [one["locations"][0]["physicalLocation"] for one in json.loads(done.out)["runs"][0]["results"]
                  if "locations" in one]
        self.assertIn({"artifactLocation": {"uri": "db/007.sql", "uriBaseId": "SRCROOT"}, "region": {"startLine": 6}},
                      places)

    def test_a_dropped_index_is_named_and_created_again_as_it_was(self):
        done, report = self.migrate_sql("drop index orders_note", code=5)
        cause = self.cause_of(report, "where note =")
        self.assertEqual((cause["object"], cause["mechanism"]), ("index orders_note", "index dropped"))
        self.assertRegex(cause["sentence"], r"reads 40,0\d\d rows to keep 1 because index orders_note")
        self.assertIn("CAUSES", done.out)
        self.assertEqual(self.fix_sql(report), [
            "CREATE INDEX CONCURRENTLY orders_note ON public.orders USING btree (note) WHERE (total >= 0);"])
        fix = report["fixes"][0]
        self.assertEqual(fix["kind"], "index kept")
        self.assertLess(fix["blocks_fixed"], fix["blocks_after"] / 10)
        self.assertLessEqual(fix["blocks_fixed"], fix["blocks_before"] * 1.5)
        self.assertGreater(fix["size_bytes"], 0)
        self.assertTrue(any(cost["pattern"].startswith("update orders") for cost in fix["writes"]), fix)

        # And the whole way with it.
        file = self.sql_file("fix.sql", "\n".join(self.fix_sql(report)))
        _, report = self.migrate_sql("drop index orders_note", code=0, flags=("--fix", file))
        self.assertNotIn("fixes", report)
        self.assertTrue(any(file in note for note in report["notes"]), report["notes"])

    def test_an_index_for_a_new_query_is_as_good_as_the_textbook_s(self):
        script = self.sql_file("region.sql", f"alter table orders add column region text; {FILL};")
        _, report = self.migrate("psql", "-Xq", "-v", "ON_ERROR_STOP=1", "-f", script, code=5,
                                 capture=[self.traffic, self.feature])
        cause = self.cause_of(report, "where region =")
        self.assertEqual(cause["object"], "missing index on orders (region, status, created)")
        indexes = [sql for sql in self.fix_sql(report) if "INDEX" in sql]
        self.assertEqual(len(indexes), 1, report["fixes"])
        textbook = "create index on orders (region, status, created)"
        self.assertLessEqual(self.blocks(NEW, indexes[0]), self.blocks(NEW, textbook), indexes)
        for fix in (indexes[0], textbook):
            file = self.sql_file("fix.sql", fix)
            self.migrate("psql", "-Xq", "-v", "ON_ERROR_STOP=1", "-f", script, code=0,
                         capture=[self.traffic, self.feature], flags=("--fix", file))

    def test_a_lost_right_is_told_with_its_cause(self):
        _, report = self.migrate_sql("revoke select on late from app", code=5)
        self.assertEqual(self.cause_of(report, "from late")["sentence"],
                         "rights on view late were taken from app")
        _, report = self.migrate_sql(
            "drop view late; create view late as select id, buyer from orders where status = 'shipped'", code=5)
        self.assertEqual(self.cause_of(report, "from late")["sentence"],
                         "view late was dropped and created again, and its grants to app were not")

    def test_a_search_path_of_the_database_changes_no_view(self):
        _, report = self.migrate_sql("alter database postgres set search_path = fees, public; "
                                     "update fees.rates set rate = rate + 1", code=5)
        self.assertEqual(self.cause_of(report, "from fees.today")["mechanism"], "rows written")

    def test_patterns_of_one_cause_stand_together(self):
        _, report = self.migrate_sql("alter table orders rename column total to amount", code=5)
        renamed = [one for one in report["causes"] if one["mechanism"] == "column renamed"]
        self.assertEqual([one["sentence"] for one in renamed],
                         ["column orders.total was renamed to orders.amount"])
        self.assertGreater(len(renamed[0]["findings"]), 2)

    def test_nobody_looks_for_fixes_unasked(self):
        _, report = self.migrate_sql("drop index orders_note", code=5, flags=("--no-fix",))
        self.assertNotIn("fixes", report)
        self.cause_of(report, "where note =")

    def test_a_fix_that_does_not_run_is_an_error(self):
        file = self.sql_file("fix.sql", "create index on nowhere (id)")
        done, _ = self.migrate_sql("drop index orders_note", code=1, flags=("--fix", file))
        self.assertIn("does not run after the migration", self.assert_one_line(done))
        self.migrate_sql("drop index orders_note", code=64, flags=("--fix", self.path("missing.sql")))

    def test_what_is_safe_has_no_cause(self):
        _, report = self.migrate_sql("comment on table orders is 'bought'", code=0)
        self.assertNotIn("fixes", report)


if __name__ == "__main__":
    scry_e2e.main()
