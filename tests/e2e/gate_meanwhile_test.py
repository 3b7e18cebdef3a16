"""Queries that fail only while the migration runs, as what they need is gone for a moment, are found."""

import gate_support
import scry_e2e

SHOP = """
create role app login;
create table orders (id int primary key, total int not null);
insert into orders select i, i % 100 from generate_series(1, 5000) i;
create table visits (page int not null, seen int not null);
create unique index visits_page on visits (page);
create view totals as select id, total from orders;
create function order_total(int) returns int language sql as 'select total from orders where id = $1';
grant select, insert, update, delete on orders, visits, totals to app;
"""

SHOPPING = """
\\set id random(1, 5000)
\\sleep 20 ms
select total from totals where id = :id;
\\sleep 20 ms
select order_total(:id);
\\sleep 20 ms
insert into visits values (:id % 50, 1) on conflict (page) do update set seen = visits.seen + 1;
"""


class MeanwhileTest(gate_support.PlayedShop):
    shop = SHOP
    shopping = SHOPPING
    seconds = 3

    def broken(self, sql, code):
        done, report = self.play_beside(sql, code, "--blocker", "none")
        return done, self.findings(report, "broken", gates=True)

    def test_a_view_that_is_gone_for_a_moment(self):
        view = "create view totals as select id, total from orders;\ngrant select on totals to app;\n"
        done, [finding] = self.broken("drop view totals;\nselect pg_sleep(0.6);\n" + view, code=5)
        self.assertIn("from totals", finding["pattern"].lower())
        self.assertEqual(finding["sqlstate"], "42P01")
        self.assertTrue(finding["id"].startswith("meanwhile-"), finding)
        self.assertTrue(any("drop view totals" in reason for reason in finding["reasons"]), finding)
        self.assertIn("while the migration runs", done.out)
        _, findings = self.broken("begin;\ndrop view totals;\n" + view + "commit;\n", code=0)
        self.assertEqual(findings, [])

    def test_what_takes_no_lock_on_a_table_is_played_beside_too(self):
        function = "create function order_total(int) returns int language sql as 'select total from orders where id = $1';"
        _, [finding] = self.broken(f"drop function order_total(int);\nselect pg_sleep(0.6);\n{function}\n", code=5)
        self.assertEqual(finding["sqlstate"], "42883")
        self.assertTrue(any("drop function" in reason for reason in finding["reasons"]), finding)
        _, findings = self.broken("revoke execute on function order_total(int) from public;\nselect pg_sleep(0.6);\n"
                                  "grant execute on function order_total(int) to public;\n", code=5)
        self.assertEqual([one["sqlstate"] for one in findings], ["42501"])

    def test_a_unique_index_that_is_gone_while_another_is_built(self):
        _, [finding] = self.broken("drop index visits_page;\nselect pg_sleep(0.6);\n"
                                   "create unique index concurrently visits_page on visits (page);\n", code=5)
        self.assertEqual(finding["sqlstate"], "42P10")
        self.assertTrue(any("drop index visits_page" in reason for reason in finding["reasons"]), finding)


if __name__ == "__main__":
    scry_e2e.main()
