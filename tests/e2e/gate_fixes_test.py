"""Fixes are made on the candidate, measured there and taken away again: what only helps together, what
harms others, tables in partitions, and what there was no room for."""

import json
import subprocess

import gate_support
import scry_e2e

STORE = """
create table readings (id int primary key, a int not null, b int not null, note text not null);
insert into readings select i, i * 17 % 1013 % 50, i * 31 % 1009 % 50, repeat('x', 60) from generate_series(1, 100000) i;
create index readings_a on readings (a);
create index readings_b on readings (b);
create table parcels (id int not null, code text not null, weight int not null) partition by range (id);
create table parcels_a partition of parcels for values from (0) to (20000);
create table parcels_b partition of parcels for values from (20000) to (40000);
insert into parcels select i, 'code ' || i, i % 100 from generate_series(0, 39999) i;
create index parcels_code_idx on parcels (code);
create table counters (id int primary key, hits int not null, pad text not null) with (fillfactor = 70);
insert into counters select i, i * 7919 % 5000, repeat('x', 50) from generate_series(1, 150000) i;
create table slow (id int primary key, x int not null, pad text not null);
create function built_slowly(int) returns int language plpgsql immutable as $$
  begin
    if current_query() ilike 'create index scry%' then perform pg_sleep(0.05); end if;
    return $1 + 1;
  end $$;
create index slow_x on slow (built_slowly(x));
insert into slow select i, i, repeat('x', 900) from generate_series(1, 3000) i;
create table wide (id int primary key, c1 int, c2 int, c3 int, c4 int, c5 int, c6 int, c7 int);
insert into wide select i, i, i, i, i, i, i, i from generate_series(1, 30000) i;
create table points (id int primary key, grp int not null, v int not null, pad text not null);
insert into points select i, i * 17 % 1013 % 100, i, repeat('x', 100) from generate_series(1, 60000) i;
create table tickets (id int primary key, state text not null check (state in ('open', 'shut')), opened int not null,
                      pad text not null);
insert into tickets select i, case when i % 97 = 0 then 'open' else 'shut' end, i * 7919 % 50000, repeat('x', 100)
                      from generate_series(1, 60000) i;
create table letters (id int primary key, state int not null, at int not null, pad text not null);
insert into letters select i, case i * 7919 % 10007 % 100 when 0 then 0 when 1 then 1 else 2 + i % 4 end, i,
                      repeat('x', 60) from generate_series(1, 80000) i;
create index letters_at on letters (at);
""" + "".join(f"create index wide_c{i} on wide (c{i});\n" for i in range(1, 8)) + """
create role app login;
grant select, insert, update, delete on all tables in schema public to app;
"""
OLD = """
select count(*) from readings where a = 17 and b = 31;
select weight from parcels where code = 'code 31111';
select id from slow where built_slowly(x) = 1000 + :n;
update counters set hits = hits + 1 where id = 100 + :n;
update counters set hits = hits + 1 where id = 30000 + :n;
""" + "".join(f"select id from wide where c{i} = 1000 + :n;\n" for i in range(1, 8))
MARKED = """
select sum(v) from points where grp = 7 and mark is null;
select id, pad from tickets where state = 'open' and mark is null order by opened limit 20;
"""
RANKED = "select id, v from points where grp < 95 and mark is null order by v, id limit 5;\n"
PAIRS = ("select count(*) from points p, tickets t where p.grp = 7 and p.v < 3000 and p.mark is null and t.mark is null "
         "and t.opened < 50 and p.v % 10 = t.opened % 10;\n")
# Of a rare state, which a generic plan knows nothing of.
PREPARED = """
\\set k random(0, 7)
\\set s random(0, 1)
select count(*) from letters where kind = :k and state = :s;
select id, at from letters where kind = :k and state = :s order by at desc limit 20;
"""
NEW = "select id from counters where hits = 77 and flag is null;\n"


class FixesTest(gate_support.GateTest):
    def prepare(self):
        self.server.sql(STORE)
        self.config_of()

        def traffic(url):
            for i in range(16):
                self.must(self.psql(url, OLD.replace(":n", str(i)), "-q"))

        def feature(url):
            self.must(self.psql(url, NEW * 12, "-q"))

        def pgbench(url):
            script = self.sql_file("prepared.pgbench", PREPARED)
            subprocess.run([scry_e2e.program("pgbench"), "-n", "-M", "prepared", "-t", "30", "--random-seed=1", "-f",
                            script, url], check=True, capture_output=True)
        # The next release runs where its column is there already, and few rows are.
        self.server.sql("create table kept as table counters; delete from counters where id > 100; "
                        "alter table counters add column flag int")
        self.server.sql("vacuum (full, analyze) counters")
        type(self).feature = self.capture(self.path("feature"), feature, user="app")
        self.server.sql("alter table counters drop column flag; truncate counters; "
                        "insert into counters table kept; drop table kept")
        self.server.sql("create table kept as table letters; delete from letters where id > 200; "
                        "alter table letters add column kind int")
        self.server.sql("vacuum (full, analyze) letters")
        type(self).prepared = self.capture(
            self.path("prepared"), pgbench, user="app")
        self.server.sql("alter table letters drop column kind; truncate letters; "
                        "insert into letters table kept; drop table kept")
        tables = ("points", "tickets")
        for table in tables:
            self.server.sql(f"create table kept as table {table}; delete from {table} where id > 200; "
                            f"alter table {table} add column mark int; alter table kept rename to kept_{table}")
            self.server.sql(f"vacuum (full, analyze) {table}")
        type(self).marked = self.capture(
            self.path("marked"), lambda url: self.must(self.psql(url, MARKED * 12, "-q")), user="app")
        type(self).ranked = self.capture(
            self.path("ranked"), lambda url: self.must(self.psql(url, RANKED * 12, "-q")), user="app")
        type(self).pairs = self.capture(
            self.path("pairs"), lambda url: self.must(self.psql(url, PAIRS * 12, "-q")), user="app")
        for table in tables:
            self.server.sql(f"alter table {table} drop column mark; truncate {table}; "
                            f"insert into {table} table kept_{table}; drop table kept_{table}")
        self.server.sql("vacuum (analyze)")
        self.create_shadow()
        type(self).traffic = self.capture(self.path("traffic"), traffic, user="app")

    def fix_sql(self, report):
        return [sql for fix in report.get("fixes", []) for sql in fix["sql"]]

    def test_indexes_that_only_help_together_are_one_fix(self):
        _, report = self.migrate_sql("drop index readings_a; drop index readings_b", code=5)
        self.assertEqual(len(report["fixes"]), 1, report["fixes"])
        fix = report["fixes"][0]
        self.assertEqual(fix["kind"], "index kept")
        self.assertEqual(fix["sql"], [
            "CREATE INDEX CONCURRENTLY readings_a ON public.readings USING btree (a);",
            "CREATE INDEX CONCURRENTLY readings_b ON public.readings USING btree (b);"])
        file = self.sql_file("fix.sql", "\n".join(fix["sql"]))
        self.migrate_sql("drop index readings_a; drop index readings_b", code=0, flags=("--fix", file))

    def test_a_new_query_may_need_an_index_on_each_of_its_tables(self):
        migration = "alter table points add column mark int; alter table tickets add column mark int"
        _, report = self.migrate_sql(migration, code=5, capture=self.pairs)
        self.assertEqual(len(report["fixes"]), 1, report["fixes"])
        sql = report["fixes"][0]["sql"]
        self.assertEqual(sorted(" ".join(one.split(" ON ")[1].split()[:1]) for one in sql), ["points", "tickets"], sql)
        self.assertLess(report["fixes"][0]["blocks_fixed"], report["fixes"][0]["blocks_after"] / 4)

    def test_a_fix_is_proven_by_the_plan_that_a_prepared_statement_gets(self):
        migration = "alter table letters add column kind int; update letters set kind = id % 8"
        quiet = ("--during", "never")  # Whom its locks hold up is another question.
        _, report = self.migrate_sql(migration, code=5, capture=self.prepared, flags=quiet)
        slow = [one["pattern"] for one in report["findings"] if one["type"] == "new-slow"]
        self.assertEqual(len(slow), 2, report["findings"])
        # With (kind, state) alone the generic plan of the second query goes on to search by time.
        self.assertIn("ON letters (kind, state, at", " ".join(self.fix_sql(report)))
        file = self.sql_file("fix.sql", "\n".join(self.fix_sql(report)))
        self.migrate_sql(migration, code=0, capture=self.prepared, flags=(*quiet, "--fix", file))
        # Nor would the run with the shorter index have been safe; its plan tells why.
        file = self.sql_file("short.sql", "create index on letters (kind, state)")
        _, report = self.migrate_sql(migration, code=5, capture=self.prepared, flags=(*quiet, "--fix", file))
        [found] = [one for one in report["findings"] if one["type"] == "new-slow"]
        self.assertIn("letters_at", found["plan"]["sentence"])

    def test_an_index_of_a_partitioned_table_comes_back_for_all_of_it(self):
        _, report = self.migrate_sql("drop index parcels_code_idx", code=5)
        self.assertEqual([(one["object"], one["mechanism"]) for one in report["causes"]],
                         [("index parcels_code_idx", "index dropped")], report["findings"])
        self.assertEqual(self.fix_sql(report), ["CREATE INDEX parcels_code_idx ON public.parcels USING btree (code);"])
        self.assertGreater(report["fixes"][0]["size_bytes"], 0)

    def test_no_fix_takes_heap_only_updates_away(self):
        migration = "alter table counters add column flag int"
        _, report = self.migrate_sql(migration, code=5, capture=[self.traffic, self.feature])
        self.assertEqual([one["type"] for one in report["findings"] if one["gates"]], ["new-slow"])
        self.assertNotIn("fixes", report)
        # Where nobody updates the rows it is one.
        _, report = self.migrate_sql(migration, code=5, capture=self.feature)
        self.assertIn("ON counters (hits)", " ".join(self.fix_sql(report)))
        # Nor would the run with it have been safe.
        file = self.sql_file("fix.sql", "create index on counters (hits)")
        _, report = self.migrate_sql(migration, code=5, capture=[self.traffic, self.feature], flags=("--fix", file))
        self.assertTrue(any("heap-only" in reason for one in report["findings"] for reason in one["reasons"]),
                        report["findings"])

    def test_an_index_carries_along_what_is_read_or_holds_only_what_is_asked_for(self):
        migration = "alter table points add column mark int; alter table tickets add column mark int"
        _, report = self.migrate_sql(migration, code=5, capture=self.marked)
        self.assertEqual(sorted(self.fix_sql(report)), [
            "CREATE INDEX CONCURRENTLY points_grp_covering_idx ON points (grp) INCLUDE (v, mark);",
            "CREATE INDEX CONCURRENTLY tickets_opened_idx ON tickets (opened) WHERE state = 'open';"], report["fixes"])
        file = self.sql_file("fix.sql", "\n".join(self.fix_sql(report)))
        self.migrate_sql(migration, code=0, capture=self.marked, flags=("--fix", file))

    def test_what_the_planner_would_not_use_is_not_built(self):
        if not self.server.sql("select 1 from pg_available_extensions where name = 'hypopg'"):
            self.skipTest("the server has no HypoPG (Debian: postgresql-15-hypopg)")
        self.addCleanup(self.forget_runs)
        self.must(self.scry("ci", "test-migration", "db/main", "--keep", "--during", "never", "--capture", self.ranked,
                            "--report", self.path("kept"), "--", "psql", "-Xq", "-c",
                            "alter table points add column mark int"), 5)
        with open(self.path("kept/report.json"), encoding="utf-8") as file:
            report = json.load(file)
        notes = [one for one in report["notes"] if "pruned by HypoPG" in one]
        self.assertEqual(len(notes), 1, report["notes"])
        self.assertRegex(notes[0], r"^Of \d+ indexes proposed as fixes, [1-9]\d* w\w+ pruned by HypoPG: ")
        self.assertIn("ON points (v, id", self.fix_sql(report)[0])
        [data] = [data for lane, data in self.kept_lanes() if lane == "candidate"]
        with self.kept_lane(data) as sql:
            self.assertEqual(sql("select extname from pg_extension where extname <> 'plpgsql' union all "
                                 "select nspname from pg_namespace where nspname like 'scry%' union all "
                                 "select relname from pg_class where relname like 'scry%'"), "")

    def test_an_index_that_there_is_no_time_for_is_told(self):
        _, report = self.migrate_sql("drop index slow_x", code=5, flags=("--during", "never"))
        self.assertNotIn("fixes", report)
        [note] = [one for one in report["notes"] if "did not finish within" in one]
        self.assertRegex(note, r"^As a fix, CREATE INDEX CONCURRENTLY slow_x .* did not finish within [0-9.]+ s\.$")

    def test_findings_that_no_fix_was_looked_for_are_counted(self):
        _, report = self.migrate_sql("; ".join(f"drop index wide_c{i}" for i in range(1, 8)), code=5)
        self.assertEqual(len(report["fixes"]), 5, report["fixes"])
        self.assertIn("2 more findings: no fix was looked for.", report["notes"])


if __name__ == "__main__":
    scry_e2e.main()
