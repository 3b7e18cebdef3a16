"""Every provider makes a copy that plans, answers and refuses as its source does, and leaves it alone."""

import json
import os
import urllib.parse

import gate_support
import scry_e2e

DATABASE = 'odd "db" name; \u00e9'
ROLE = "o'dd role"
ODD = """
create role "o'dd role" login;
create role powerless login;
create role "group" nologin;
grant "group" to "o'dd role";
alter role "o'dd role" set work_mem = '3MB';
create schema "S p a c e";
create table "S p a c e"."T""able" (id int primary key, "c""ol" text, "select" int);
insert into "S p a c e"."T""able" select i, 'v' || i, i % 7 from generate_series(1, 3000) i;
create index "in dex" on "S p a c e"."T""able" ("select");
create sequence "S p a c e"."seq";
grant usage on schema "S p a c e" to "group";
grant select, insert on "S p a c e"."T""able" to "group";
alter table "S p a c e"."T""able" enable row level security;
create policy low on "S p a c e"."T""able" using (id < 2000);
create unlogged table public.quick as select 1 as i;
create extension if not exists plpgsql;
vacuum analyze;
"""
TRAFFIC = """
select "c""ol" from "S p a c e"."T""able" where id = 17;
select count(*) from "S p a c e"."T""able";
select "select", count(*) from "S p a c e"."T""able" group by 1 order by 1;
insert into "S p a c e"."T""able" values (100000, 'refused by the policy', 1);
select current_setting('work_mem'), current_user, current_database();
set role powerless;
"""


class ProviderTest(gate_support.GateTest):
    def prepare(self):
        cls = type(self)
        cls.server.sql(f"create database \"{DATABASE.replace(chr(34), chr(34) * 2)}\"")
        cls.server.sql(ODD, DATABASE)
        for setting in ("random_page_cost = 1.17", "work_mem = '7MB'", "enable_hashjoin = off"):
            cls.server.sql("alter system set " + setting)
        with open(os.path.join(cls.server.data, "postgresql.conf"), "a", encoding="utf-8") as file:
            file.write("shop.tenant = 'it''s'\n")
        cls.server.sql("select pg_reload_conf()")
        cls.traffic = self.capture(
            self.path("traffic"), scry_e2e.program("psql"), "-Xq", "-f",
            self.sql_file("traffic.sql", TRAFFIC), user=ROLE, database=DATABASE)
        cls.contents = self.source_contents(DATABASE)

    def write_config(self, provider, extra=""):
        self.config(
            "version: 1\ndatabases:\n  db:\n"
            f"    source: {json.dumps(self.server.url(DATABASE), ensure_ascii=False)}\n"
            f"    shadows:\n      main:\n        provider: {provider}\n{extra}")

    def in_shadow(self, url, sql, user=None):
        if user:  # The last one in the URL wins.
            url += ("&" if "?" in url else "?") + "user=" + urllib.parse.quote(user)
        done = self.psql(url, sql, "-qAt")
        return done.out.decode().strip(), done.err.decode()

    def check_provider(self, provider):
        """create, list, show, url, test-migration, destroy."""
        self.addCleanup(lambda: self.scry("shadow", "destroy", "db/main", "--force"))
        made = self.must(self.scry("shadow", "create", "db/main"))
        self.assertIn("next: scry ci test-migration db/main", made.out)
        self.assert_one_line(self.must(self.scry("shadow", "create", "db/main"), 64))
        self.assertIn("db/main", self.must(self.scry("shadow", "list")).out)
        [listed] = self.document("shadow", "list")
        self.assertEqual((listed["database"], listed["shadow"], listed["provider"]),
                         ("db", "main", provider))
        shown = self.must(self.scry("shadow", "show", "db/main"))
        self.assertIn(provider, shown.out)
        self.assertNotIn("password", self.must(self.scry("shadow", "show", "db/main", "--json")).out)

        url = self.must(self.scry("shadow", "url", "db/main")).out.strip()
        self.assertEqual(self.document("shadow", "url", "db/main")["url"], url)
        self.check_copy(url)
        # What a person leaves running does not stand in the way.
        done, report = self.migrate(code=0)
        self.assert_safe(report, sessions=1)
        self.assertEqual(report["tested"]["fidelity"], 1)
        self.assertNotIn("\x1b", done.out)
        _, report = self.migrate_sql('revoke select on "S p a c e"."T""able" from "group"', code=5)
        self.assertIn("42501", {one.get("sqlstate") for one in self.findings(report, "broken")})

        self.must(self.scry("shadow", "destroy", "db/main"))
        self.assert_one_line(self.must(self.scry("shadow", "destroy", "db/main"), 3))
        self.assertEqual(self.document("shadow", "list"), [])
        self.assertEqual(os.listdir(os.path.join(self.state_dir, "shadows")), [])
        self.assert_no_runs()

    def document(self, *arguments):
        done = self.must(self.scry(*arguments, "--json"))
        return json.loads(done.out)

    def check_copy(self, url):
        self.assertEqual(self.in_shadow(url, "select current_database()")[0], DATABASE)
        settings = ("select current_setting(s) from unnest(array['random_page_cost', 'work_mem', "
                    "'enable_hashjoin', 'shop.tenant']) s")
        self.assertEqual(self.in_shadow(url, settings)[0].splitlines(),
                         ["1.17", "7MB", "off", "it's"])
        self.assertEqual(self.in_shadow(url, "show work_mem", ROLE)[0], "3MB")
        count = 'select count(*) from "S p a c e"."T""able"'
        self.assertEqual(self.in_shadow(url, count)[0], "3000")
        self.assertEqual(self.in_shadow(url, count, ROLE)[0], "1999")
        self.assertIn("permission denied", self.in_shadow(url, count, "powerless")[1])
        self.assertIn("permission denied", self.in_shadow(
            url, 'delete from "S p a c e"."T""able"', ROLE)[1])
        plan = 'explain (costs off) select * from "S p a c e"."T""able" where id = 5'
        self.assertIn("Index Scan", self.in_shadow(url, plan)[0])
        # It is no door to anywhere: a private folder, no TCP.
        self.assertEqual(self.in_shadow(url, "show listen_addresses")[0], "")

    def test_a_physical_copy_keeps_the_promises(self):
        self.write_config("physical")
        self.check_provider("physical")
        self.assertEqual(self.source_contents(DATABASE), self.contents)

    def test_a_dump_keeps_the_promises(self):
        self.write_config("dump")
        self.check_provider("dump")
        self.assertEqual(self.source_contents(DATABASE), self.contents)

    def test_a_directory_keeps_the_promises_once_its_server_is_stopped(self):
        self.write_config("directory", f"        directory: {self.server.data}\n"
                          f"        dbname: {json.dumps(DATABASE, ensure_ascii=False)}\n")
        refused = self.must(self.scry("shadow", "create", "db/main"), 64)
        self.assertIn("stop it first", self.assert_one_line(refused))
        self.server.stop()
        self.addCleanup(lambda: self.server.process or self.server.start())
        self.check_provider("directory")
        self.server.start()
        self.assertEqual(self.source_contents(DATABASE), self.contents)


if __name__ == "__main__":
    scry_e2e.main()
