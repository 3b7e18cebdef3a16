"""The safe form of a migration that blocks traffic is tried beside the traffic, and shown if it keeps to
the policy and ends in the same schema.
"""

import gate_support
import scry_e2e

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
        return out, report, [one for one in report.get("fixes", []) if one["kind"] == "split migration"]

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
        self.assertLess(waits["wait_us_fixed"], 300000)
        self.assertGreater(waits["blocked_before"], waits["blocked_fixed"])
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


if __name__ == "__main__":
    scry_e2e.main()
