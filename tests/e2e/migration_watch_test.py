"""What a migration did is told statement by statement, whatever runs it, and nothing of the watching
can be seen by the command itself.
"""

import os
import shutil

import gate_support
import scry_e2e

SHOP = """
create role app login;
create table customers (id int primary key, name text not null);
create table orders (id int primary key, customer int not null, status varchar(10) not null,
                     total int not null, note text);
create index orders_status on orders (status);
insert into customers select i, 'c' || i from generate_series(1, 2000) i;
insert into orders select i, 1 + i % 2000, 'new', i % 100, repeat('x', 50)
  from generate_series(1, 20000) i;
create view open_orders as select id, total from orders where status = 'new';
create table tags (id int primary key, label text);
grant select, insert, update, delete on orders, customers, tags to app;
create table notes (id int primary key, body text);
grant update (body) on notes to app;
create schema "Pay roll";
grant usage on schema "Pay roll" to app;
create function "Pay roll".wage(int) returns int language sql as 'select $1';
revoke all on function "Pay roll".wage from public;
grant execute on function "Pay roll".wage to app;
create type weather as enum ('ok');
grant usage on type weather to app;
vacuum analyze;
"""


class MigrationWatchTest(gate_support.GateTest):
    def prepare(self):
        tables = "".join(f"create table t{i} (id int primary key);" for i in range(10))
        self.server.sql(SHOP + tables + "grant select on all tables in schema public to app;")
        # Any snapshot on the server keeps VACUUM from knowing that everybody sees these rows.
        scry_e2e.wait_until(
            lambda: self.server.sql("vacuum analyze; select relallvisible > 0 from pg_class "
                                    "where relname = 'orders'") == "t", "pages that all see")
        self.config_of()
        self.create_shadow()
        type(self).traffic = self.capture(
            self.path("traffic"),
            lambda url: self.must(self.psql(url, "select total from orders where id = 5;\n" * 20, "-q")),
            user="app")

    def watch(self, sql, **options):
        """The report's migration after SQL that psql runs from a file."""
        path = self.sql_file("migration.sql", sql)
        _, report = self.migrate("psql", "-Xq", "-v", "ON_ERROR_STOP=1", "-f", path, **options)
        return report["migration"]

    @staticmethod
    def locks(statement):
        return {one["relation"]: one["mode"] for one in statement["locks"]}

    def test_all_of_100_instant_alters_have_their_locks_seen(self):
        sql = "".join(f"alter table t{i % 10} add column c{i} int;\n" for i in range(100))
        migration = self.watch(sql, code=0)
        self.assertEqual(len(migration["statements"]), 100)
        seen = [self.locks(one) for one in migration["statements"]]
        self.assertEqual(seen, [{f"t{i % 10}": "AccessExclusive"} for i in range(100)])
        for one in migration["statements"]:
            self.assertEqual((one["sqlstate"], one["calls"]), ("", 1))
            self.assertGreater(one["wal_bytes"], 0)

    def test_a_lock_is_held_to_the_end_of_its_transaction(self):
        migration = self.watch("begin; alter table orders add column vip bool;\n"
                               "update orders set note = 'y';\nselect pg_sleep(0.3);\ncommit;\n")
        alter = migration["statements"][1]
        self.assertEqual(self.locks(alter), {"orders": "AccessExclusive"})
        self.assertGreater(alter["locks"][0]["held_us"], 300000)
        self.assertLess(alter["duration_us"], 300000)
        update = migration["statements"][2]
        self.assertEqual((update["rows"], update["locks"]), (20000, []))
        self.assertIn({"relation": "orders", "rows": 20000}, migration["rows_written"])
        self.assertGreater(update["wal_bytes"], 1 << 20)

    def test_each_statement_has_its_own_disk_and_temporary_files(self):
        migration = self.watch("create table more as select g, md5(g::text) from generate_series(1, 200000) g;\n"
                               "set work_mem = '1MB';\ncreate index on more (md5);\n"
                               "select count(*) from (select md5 from more order by md5 || 'x') s;\n"
                               "drop table more;\nalter table tags add column a int;\n")
        made, _, index, spills, drop, alter = migration["statements"]
        self.assertGreater(made["disk_bytes"], 10 << 20)
        self.assertGreater(index["disk_bytes"], 5 << 20)
        self.assertEqual(alter["disk_bytes"], 0)
        self.assertLess(drop["disk_bytes"], -15 << 20)
        self.assertAlmostEqual(sum(one["disk_bytes"] for one in migration["statements"]),
                               migration["disk_bytes"], delta=4 << 20)
        self.assertGreater(spills["temp_bytes"], 5 << 20)
        self.assertEqual([drop["temp_bytes"], alter["temp_bytes"]], [0, 0])

    def test_a_quick_drop_has_the_space_that_it_frees(self):
        migration = self.watch("create table small as select g, repeat('x', 90) from generate_series(1, 4000) g;\n"
                               "select pg_sleep(0.05);\ndrop table small;\nselect pg_sleep(0.05);\n"
                               "begin;\ncreate table small as select g, repeat('x', 90) "
                               "from generate_series(1, 4000) g;\n"
                               "rollback;\nselect pg_sleep(0.05);\n")
        _, before, drop, after, _, _, rollback, last = migration["statements"]
        for one in (drop, rollback):
            self.assertLess(one["disk_bytes"], -200 << 10, one["text"])
        for one in (before, after, last):
            self.assertLess(abs(one["disk_bytes"]), 100 << 10, one["text"])

    def test_temporary_files_of_parallel_workers_are_the_statements(self):
        migration = self.watch("create table more as select md5(g::text) from generate_series(1, 200000) g;\n"
                               "set work_mem = '1MB';\nset parallel_leader_participation = off;\n"
                               "set max_parallel_workers_per_gather = 2;\nset parallel_setup_cost = 0;\n"
                               "set parallel_tuple_cost = 0;\nset min_parallel_table_scan_size = 0;\n"
                               "select count(*) from (select md5 from more order by md5 || 'x') s;\n")
        self.assertGreater(migration["statements"][-1]["temp_bytes"], 5 << 20)

    # CHECK constraints that take 0.1 s a row.
    SLOW = "check (pg_sleep(0.1)::text = '')"

    def test_ddl_sent_along_with_row_work_has_its_own_locks_and_time(self):
        _, report = self.migrate("psql", "-Xq", "-c",
                                 "insert into tags select g, 'x' from generate_series(1, 20) g; "
                                 f"alter table tags add constraint slow {self.SLOW}", code=0)
        insert, alter = report["migration"]["statements"]
        self.assertNotIn("AccessExclusive", self.locks(insert).values())
        self.assertLess(insert["duration_us"], 1000000)
        self.assertEqual(self.locks(alter)["tags"], "AccessExclusive")
        self.assertGreater(alter["duration_us"], 1000000)
        self.assertGreater(alter["locks"][0]["held_us"], 1000000)

    def test_begin_sent_along_with_ddl_has_nothing_of_it(self):
        _, report = self.migrate("psql", "-Xq", "-c",
                                 "begin; insert into tags select g, 'x' from generate_series(1, 20) g; "
                                 f"set lock_timeout = '5s'; alter table tags add constraint slow {self.SLOW}; commit",
                                 code=0)
        begin, _, setting, alter, _ = report["migration"]["statements"]
        for one in (begin, setting):
            self.assertEqual((one["locks"], one["duration_us"]), ([], 0), one["text"])
        self.assertGreater(alter["locks"][0]["held_us"], 1000000)

    def test_an_index_built_concurrently_locks_its_own_table_alone(self):
        migration = self.watch("create schema tenant;\ncreate table tenant.orders (id int, total int);\n"
                               "set search_path = tenant;\n"
                               "create index concurrently orders_total on orders (total);\n")
        self.assertEqual(self.locks(migration["statements"][-1]).get("orders"), None)

    def test_statements_of_one_message_are_told_apart(self):
        _, report = self.migrate("psql", "-Xq", "-c",
                                 "alter table tags add column a int; select pg_sleep(0.2); "
                                 "alter table customers add column b int", code=0)
        statements = report["migration"]["statements"]
        self.assertEqual([self.locks(one) for one in statements],
                         [{"tags": "AccessExclusive"}, {}, {"customers": "AccessExclusive"}])
        self.assertGreater(statements[0]["locks"][0]["held_us"], 200000, "one transaction")
        self.assertLess(statements[2]["locks"][0]["held_us"], 200000)

    def test_what_is_lost_is_named(self):
        migration = self.watch(
            "alter table orders alter column status type varchar(20);\n"
            "alter table orders alter column total type bigint;\n", code=None)
        self.assertEqual(migration["exit_status"], 3, "the view depends on total")
        self.assertEqual([one["sqlstate"] for one in migration["statements"]], ["0A000"])
        migration = self.watch(
            "drop view open_orders;\nalter table orders alter column total type bigint;\n"
            "alter table orders alter column status type varchar(20);\n"
            "create view open_orders as select id, total from orders where status = 'new';\n")
        self.assertEqual([one["relation"] for one in migration["rewritten"]], ["orders"])
        self.assertEqual(migration["statements"][1]["rewrote"], ["orders"])
        self.assertEqual(migration["statements"][2]["rewrote"], [])
        self.assertEqual(sorted(migration["statistics_lost"]), ["orders.status", "orders.total"])
        self.assertEqual(migration["visibility_lost"], ["orders"])

        migration = self.watch("drop table orders cascade;\n"
                               "create table orders (id int primary key);\n")
        self.assertEqual(migration["statements"][0]["dropped"], ["view public.open_orders"])
        self.assertEqual(migration["grants_lost"],
                         [f"{verb} on orders to app" for verb in ("DELETE", "INSERT", "SELECT", "UPDATE")])

        migration = self.watch("drop table notes;\n"
                               "create table notes (id int primary key, body text);\n")
        self.assertEqual(migration["grants_lost"],
                         ["SELECT on notes to app", "UPDATE (body) on notes to app"])

        # Whom everybody's rights cover has lost nothing.
        migration = self.watch(
            'drop schema "Pay roll" cascade;\ncreate schema "Pay roll";\n'
            """create function "Pay roll".wage(int) returns int language sql as 'select $1';\n"""
            'revoke all on function "Pay roll".wage from public;\n'
            "drop type weather;\ncreate type weather as enum ('ok', 'wet');\n")
        self.assertEqual(migration["grants_lost"], ["EXECUTE on function Pay roll.wage(integer) to app",
                                                    "USAGE on schema Pay roll to app"])

    def test_what_no_event_trigger_tells_is_found_all_the_same(self):
        migration = self.watch("vacuum full tags;\ntruncate customers;\n"
                               "cluster orders using orders_status;\n")
        self.assertEqual([one["rewrote"] for one in migration["statements"]],
                         [["tags"], ["customers"], ["orders"]])
        for one, table in zip(migration["statements"], ("tags", "customers", "orders")):
            self.assertEqual(self.locks(one).get(table), "AccessExclusive", one)

    def test_what_code_and_reindex_hold_for_a_moment_is_found(self):
        migration = self.watch(
            "select count(*) from tags;\n"
            "do $$ begin truncate t1; end $$;\n"
            "create function empty_it() returns void language sql as 'truncate t2';\n"
            "select empty_it();\n"
            "reindex index t3_pkey;\n"
            "vacuum analyze t4;\nvacuum full t4;\n"
            "alter table t5 add foreign key (id) references t6;\ntruncate t6 cascade;\n")
        statements = {one["text"].lower(): one for one in migration["statements"]}
        rewrote = {text: one["rewrote"] for text, one in statements.items() if one["rewrote"]}
        self.assertEqual(rewrote, {"do ?": ["t1"], "select empty_it()": ["t2"],
                                   "vacuum full t4": ["t4"], "truncate t6 cascade": ["t5", "t6"]})
        for text, tables in rewrote.items():
            locks = self.locks(statements[text])
            self.assertEqual([locks[table] for table in tables], ["AccessExclusive"] * len(tables), text)
        self.assertEqual(self.locks(statements["reindex index t3_pkey"]),
                         {"t3_pkey": "AccessExclusive", "t3": "Share"})
        self.assertEqual(self.locks(statements["select count(*) from tags"]), {})

    def test_a_table_swapped_in_is_locked_like_any_other(self):
        migration = self.watch(
            "create table orders_new (like orders);\n"
            "create index on orders_new (total);\n"
            "begin;\nalter table orders rename to orders_old;\n"
            "alter table orders_new rename to orders;\ncommit;\n"
            "create index on orders (customer);\n")
        locks = [self.locks(one) for one in migration["statements"]]
        self.assertEqual(locks[-1], {"orders": "Share"})
        self.assertEqual(locks[3:5], [{"orders": "AccessExclusive"}] * 2)

    def test_what_cascade_takes_along_is_told(self):
        migration = self.watch(
            "create function tenant() returns int language sql as 'select 1';\n"
            "alter table tags add owner int default tenant();\n"
            "create policy own on tags using (owner = tenant());\n"
            "drop function tenant() cascade;\n"
            "create type mood as enum ('good', 'bad');\ncreate domain felt as mood;\n"
            "alter table t1 add m mood default 'good'::mood;\ndrop type mood cascade;\n"
            "create table gone (id serial primary key);\n"
            "create view over_gone as select * from gone;\n"
            "create rule no_delete as on delete to gone do instead nothing;\n"
            "create policy all_of_it on gone using (id > 0);\ndrop table gone cascade;\n")
        dropped = {one["text"].lower(): sorted(one["dropped"])
                   for one in migration["statements"] if one["dropped"]}
        self.assertEqual(dropped, {
            "drop function tenant() cascade":
                ["default value for public.tags.owner", "policy own on public.tags"],
            "drop type mood cascade": ["table column public.t1.m", "type public.felt"],
            "drop table gone cascade": ["view public.over_gone"]})

    def test_an_index_left_invalid_is_named(self):
        migration = self.watch("create unique index concurrently orders_once on orders (status);\n")
        self.assertEqual(migration["indexes_invalid"], ["orders_once"])
        self.assertEqual(migration["statements"][0]["sqlstate"], "23505")

    def test_values_and_passwords_stay_out(self):
        sql = ("create role fresh login password 'opensesame';\n"
               "insert into tags values (1, 'private label');\n"
               "do $$ begin execute 'alter role fresh password ''opensesame'''; end $$;\n")
        for flags in ((), ("--show-values",)):
            done, report = self.migrate("psql", "-Xq", "-f", self.sql_file("secret.sql", sql),
                                        flags=flags)
            text = done.out + str(report)
            self.assertNotIn("opensesame", text)
            self.assertEqual("private label" in text, bool(flags))

    def test_the_command_sees_nothing_of_the_watching(self):
        """Dumps and catalogs read by the command, against the same from a plain server."""
        queries = """
select count(*), 'event triggers by a dump''s rule' from pg_event_trigger e where not exists
  (select from pg_depend d where d.classid = 'pg_event_trigger'::regclass and d.objid = e.oid and d.deptype = 'e');
select n.nspname, p.proname from pg_proc p join pg_namespace n on n.oid = pronamespace
  where n.nspname not in ('pg_catalog', 'information_schema') order by 1, 2;
select nspname from pg_namespace where nspname !~ '^pg_' order by 1;
select extname, extversion from pg_extension order by 1;
select table_schema, table_name, table_type from information_schema.tables
  where table_schema not in ('pg_catalog', 'information_schema') order by 1, 2;
select trigger_name from information_schema.triggers order by 1;
select routine_name from information_schema.routines where specific_schema <> 'pg_catalog'
  and specific_schema <> 'information_schema' order by 1;
select indexname, indexdef from pg_indexes where schemaname = 'public' order by 1;
show search_path; show client_min_messages;
select count(*) from pg_stat_user_functions;
"""
        path = self.sql_file("reads.sql", queries)
        script = self.sql_file("dump.sh", (
            "set -e\n"
            f"{scry_e2e.program('pg_dump')} --schema-only \"$DATABASE_URL\" > $1/schema.sql\n"
            f"{scry_e2e.program('pg_dump')} \"$DATABASE_URL\" > $1/whole.sql\n"
            f"{scry_e2e.program('psql')} -XqAt -f {path} \"$DATABASE_URL\" > $1/reads.txt 2>&1\n"
            "PGOPTIONS='-c client_min_messages=log' "
            f"{scry_e2e.program('psql')} -XqAt -c 'comment on table tags is null' \"$DATABASE_URL\" "
            "> $1/chatter.txt 2>&1\n"))
        seen, plain = self.path("seen"), self.path("plain")
        os.mkdir(seen)
        os.mkdir(plain)
        self.migrate("bash", script, seen, code=0)
        env = scry_e2e.clean_environment(DATABASE_URL=self.server.url())
        import subprocess  # pylint: disable=import-outside-toplevel
        subprocess.run(["bash", script, plain], check=True, env=env)
        for name in ("schema.sql", "whole.sql", "reads.txt", "chatter.txt"):
            texts = []
            for folder in (seen, plain):
                with open(os.path.join(folder, name), encoding="utf-8") as file:
                    texts.append([line for line in file if not line.startswith(("\\restrict", "\\unrestrict"))])
            self.assertEqual(texts[0], texts[1], name)
            self.assertFalse(any("scry" in line for line in texts[0]), name)
        shutil.rmtree(seen)
        shutil.rmtree(plain)


if __name__ == "__main__":
    scry_e2e.main()
