"""Harm that results alone do not show: who cannot connect, what lacks room or time, clocks that are hours off."""

import gate_support
import scry_e2e

SCHEMA = """
create role app login;
create role other login;
create table items (id int primary key, kind int not null, note text not null);
insert into items select i, i % 10, repeat('note ', 20) from generate_series(1, 20000) i;
create table events (id int primary key, at timestamptz not null default now());
vacuum analyze items;
grant select on items to app, other;
grant select, insert on events to app;
"""
READS = "".join(f"select kind from items where id = {i};\n" for i in range(1, 30))


class UnseenTest(gate_support.GateTest):
    def prepare(self):
        self.server.sql(SCHEMA)
        self.config_of()
        self.create_shadow()
        reads = self.sql_file("reads.sql", READS)

        def traffic(url):
            for _ in range(4):
                self.must(self.psql(url, READS, "-q"))
        sorts = "select id from items order by note, id;\n" * 2
        type(self).sorts = self.capture(
            self.path("sorts"), lambda url: self.must(self.psql(url, READS + sorts, "-q")), user="app")
        events = "".join(f"insert into events (id) values ({i}); select id, at from events where id = {i};\n"
                         for i in range(1, 20))
        type(self).events = self.capture(
            self.path("events"), lambda url: self.must(self.psql(url, events, "-q")), user="app")
        one = self.capture(self.path("one"), traffic, user="app")
        other = self.capture(self.path("other"), scry_e2e.program("psql"), "-Xq", "-o", "/dev/null",
                             "-f", reads, user="other")
        type(self).traffic = other
        type(self).both = [one, other]

    def assert_refused(self, report, state, sessions=4):
        (finding,) = self.findings(report)
        self.assertEqual((finding["type"], finding["pattern"]), ("broken", "connect as app"))
        self.assertEqual(finding["sqlstate"], state)
        self.assertEqual(finding["affected"], sessions)
        self.assertIn("1 role cannot connect", report["sentence"])

    def test_a_role_that_cannot_connect_any_more_gates(self):
        for sql, state in (("alter role app nologin", "28000"),
                           ("revoke connect on database postgres from public; "
                            "grant connect on database postgres to other", "42501")):
            with self.subTest(sql):
                _, report = self.migrate_sql(sql, capture=self.both, code=5)
                self.assert_refused(report, state)
                self.assertIn("4 sessions could not be replayed", " ".join(report["notes"]))

    def test_it_gates_where_nothing_else_was_captured(self):
        _, report = self.migrate_sql("alter role app connection limit 0", capture=self.both[:1], code=5)
        self.assert_refused(report, "53300")

    def test_what_runs_out_of_temporary_files_gates(self):
        _, report = self.migrate_sql(
            "alter role app set work_mem = '64kB'; alter role app set temp_file_limit = '64kB'",
            capture=self.sorts, code=5)
        broken = self.findings(report, "broken")
        self.assertEqual([one["sqlstate"] for one in broken], ["53400"])
        self.assertIn("lacks resources in 2 of 2 calls", broken[0]["reasons"][0])

    def test_a_rare_query_that_always_runs_into_its_timeout_gates(self):
        _, report = self.migrate_sql("alter role app set statement_timeout = '1ms'",
                                     capture=self.sorts, code=5)
        broken = self.findings(report, "broken")
        self.assertIn("57014", [one["sqlstate"] for one in broken])

    def test_a_clock_that_is_hours_off_gates(self):
        for sql in ("alter table events alter at set default now() + interval '5 hours'",
                    "alter role app set timezone = 'Asia/Karachi'"):
            with self.subTest(sql):
                _, report = self.migrate_sql(sql, capture=self.events, code=5)
                (finding,) = self.findings(report)
                self.assertEqual((finding["type"], finding["difference"]), ("different", "values"))
                self.assertIn("column at differs by more than the lanes' clocks", finding["reasons"][0])
        _, report = self.migrate_sql("comment on table events is 'x'", capture=self.events, code=0)
        self.assert_safe(report)

    def test_what_lets_everybody_in_is_safe(self):
        _, report = self.migrate_sql("alter role app connection limit 50", capture=self.both, code=0)
        self.assert_safe(report)


if __name__ == "__main__":
    scry_e2e.main()
