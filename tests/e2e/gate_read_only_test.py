"""A source whose databases are read only to all but a few roles, and impatient, is tested as any other: what scry
itself does on its forks is not held up by settings that are meant for people and applications.
"""

import gate_support
import scry_e2e

SHOP = """
create table orders (id int generated always as identity primary key, customer int not null, note text not null);
insert into orders (customer, note) select i * 7919 % 10000, repeat('x', 80) from generate_series(1, 60000) i;
create index orders_customer on orders (customer);
create role app login;
create role deploy login superuser;
grant select, insert on orders to app;
alter database shop set default_transaction_read_only = on;
alter database shop set statement_timeout = '10s';
alter database shop set lock_timeout = '5s';
alter role app in database shop set default_transaction_read_only = off;
alter role deploy in database shop set default_transaction_read_only = off;
"""

SHOPPING = """
\\set customer random(1, 10000)
select id, note from orders where customer = :customer;
insert into orders (customer, note) values (:customer, 'new') returning id;
"""


class ReadOnlySourceTest(gate_support.GateTest):
    def prepare(self):
        self.server.sql("create database shop")
        self.server.sql(SHOP, "shop")
        self.config("version: 1\ndatabases:\n  db:\n"
                    f"    source: {self.server.url('shop', user='deploy')}\n"
                    "    shadows: { main: { provider: physical } }\n")
        self.create_shadow()
        type(self).traffic = self.capture(
            self.path("traffic"), scry_e2e.program("pgbench"), "-n", "-t", "100", "-c", "4", "-M", "prepared", "-f",
            self.sql_file("shopping.sql", SHOPPING), user="app", database="shop")

    def test_a_harmless_migration_is_safe_before_after_and_meanwhile(self):
        _, report = self.migrate_sql("alter table orders add paid bool", code=0,
                                     flags=("--during", "always", "--blocker", "none"))
        self.assertEqual(report["tested"]["fidelity"], 1)

    def test_a_lost_index_is_found_and_its_fix_is_proven(self):
        _, report = self.migrate_sql("drop index orders_customer", code=5, flags=("--during", "never"))
        self.assertIn("(customer)", report["fixes"][0]["sql"][0])


if __name__ == "__main__":
    scry_e2e.main()
