"""What is bad only until VACUUM (ANALYZE) is told apart from what stays, and from what comes with it."""

import time

import gate_support
import scry_e2e

ORDERS = """
create table "Orders" (id int primary key, status int not null, customer int not null, note text not null);
insert into "Orders" select i, i % 50, i * 7, repeat('x', 100) from generate_series(1, 60000) i;
create index orders_status on "Orders" (status);
create index orders_customer on "Orders" (customer);
create view busy as select * from "Orders" where status < 10;
create table other (id int primary key);
insert into other select generate_series(1, 1000);
grant select, insert, update, delete on all tables in schema public to app;
"""

TRAFFIC = """
select count(*) from "Orders" where status = 7;
select count(*) from busy where status = 3;
select id, note from "Orders" where customer = 4711;
select id, note from "Orders" where customer = 12;
update "Orders" set note = 'y' where id = 17;
select count(*) from other where id < 10;
"""


class MomentsTest(gate_support.GateTest):
    def prepare(self):
        self.server.sql("create role app login;" + ORDERS)
        # An autovacuum worker's snapshot may keep a VACUUM from seeing that all rows are visible.
        for _ in range(100):
            self.server.sql('vacuum analyze "Orders", other')
            if self.server.sql("select bool_and(relallvisible = relpages) from pg_class "
                               "where relname in ('Orders', 'other')") == "t":
                break
            time.sleep(0.1)
        self.server.sql('alter table "Orders" set (autovacuum_enabled = off)')
        self.config_of()
        self.create_shadow()

        def traffic(url):
            for _ in range(8):
                self.must(self.psql(url, TRAFFIC, "-q"))
        type(self).traffic = self.capture(self.path("traffic"), traffic, user="app")

    def finding(self, report, pattern):
        found = [one for one in report["findings"] if pattern in one["pattern"]]
        self.assertEqual(len(found), 1, report["findings"])
        return found[0]

    def test_an_emptied_visibility_map_is_transient(self):
        # How long the rewrite keeps traffic waiting is the machine's affair.
        done, report = self.migrate_sql("""alter table "Orders" add column token double precision default random()""",
                                        code=0, flags=("--during", "never"))
        for pattern in ('from "Orders" where status', "from busy where"):
            finding = self.finding(report, pattern)
            self.assertEqual((finding["type"], finding["moment"], finding["gates"]), ("transient", "first", False))
            self.assertGreater(finding["work"]["after"]["blocks"], 2 * finding["work"]["before"]["blocks"])
            self.assertIn('VACUUM (ANALYZE) public."Orders"', finding["reasons"][-1])
            # The plan of that moment: after VACUUM it would show nothing.
            self.assertIn("plan", finding)
        self.assertIn("TRANSIENT", done.out)
        # What the migration did not touch was not tried.
        self.assertEqual([one for one in report["findings"] if "other" in one["pattern"]], [])
        self.assertLessEqual(report["tested"]["first_patterns"], 4)
        self.assertGreaterEqual(report["tested"]["first_patterns"], 3)

    def test_what_stays_is_seen_in_both_moments(self):
        _, report = self.migrate_sql("drop index orders_customer", code=5)
        finding = self.finding(report, "customer")
        self.assertEqual((finding["moment"], finding["gates"]), ("both", True))

    def test_what_comes_with_the_new_statistics_is_said_to(self):
        _, report = self.migrate_sql(
            """alter table "Orders" alter column customer set (n_distinct = 1)""", code=5)
        finding = self.finding(report, "customer")
        self.assertEqual((finding["moment"], finding["gates"]), ("later", True))

    def test_no_change_has_no_first_moment(self):
        _, report = self.migrate_sql("comment on table other is 'unchanged'", code=0)
        self.assertEqual([one for one in report["findings"] if "moment" in one], [])


if __name__ == "__main__":
    scry_e2e.main()
