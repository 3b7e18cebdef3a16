"""What a capture knows of its source beside the traffic: snapshot.json, and how much of the commits
went through it. Nothing of that writes to the source, and nothing of it can make a capture fail."""

import json
import os
import stat

import gate_support
import scry_e2e

SCHEMA = r'''
create schema "odd one";
create type mood as enum ('sad', 'fine');
create type "odd one"."Pair" as (a int, b text);
create table people (id serial primary key, gone int, "full ""name""" text, mood mood);
alter table people drop column gone;
create table parted (i int) partition by range (i);
create table no_columns ();
create view "odd one".seen as select id, mood from people;
create materialized view counted as select count(*) as n from people;
create sequence "odd one"."Down" increment -3 cache 20 start -7;
create sequence unused start 40;
create sequence set_back;
select setval('set_back', 42, false);
insert into people ("full ""name""") select 'p' || i from generate_series(1, 12) i;
select nextval('"odd one"."Down"');
create table news (id serial, mood mood);
create role poor login;
create database other;
'''


class SnapshotTest(gate_support.GateTest):
    def prepare(self):
        self.server.sql(SCHEMA)

    # --- Verbs.

    def captured(self, sql="select 1", user=None):
        """A capture of psql that runs `sql`, which must not write; the Done of scry."""
        directory = self.path("cap")
        done = self.scry("capture", "--upstream", self.server.url(user=user), "-o", directory, "--",
                         scry_e2e.program("psql"), "-X", "-c", sql)
        return directory, self.must(done)

    def snapshot(self, directory):
        with open(os.path.join(directory, "snapshot.json"), encoding="utf-8") as file:
            return json.load(file)

    def commits(self):
        return int(self.server.sql("select xact_commit from pg_stat_database "
                                   "where datname = 'postgres'"))

    # --- The snapshot.

    def test_the_snapshot_holds_what_replay_asks_for(self):
        directory, done = self.captured()
        self.assertNotIn("snapshot", done.err)
        path = os.path.join(directory, "snapshot.json")
        self.assertEqual(stat.S_IMODE(os.stat(path).st_mode), 0o600)
        self.assertEqual(sorted(os.listdir(directory)),
                         ["000001.scryseg", "manifest.json", "snapshot.json"])
        told = self.snapshot(directory)
        self.assertEqual((told["complete"], told["notes"]), (True, []))
        self.assertEqual(told["database"], "postgres")
        self.assertEqual(str(told["server_version"]),
                         self.server.sql("show server_version_num"))
        self.assertRegex(told["wal_lsn"], "^[0-9A-F]+/[0-9A-F]+$")
        settings = dict(told["settings"])
        for name in ("TimeZone", "DateStyle", "search_path", "server_encoding", "lc_collate",
                     "default_transaction_isolation", "extra_float_digits"):
            self.assertIn(name, settings)
        self.assertEqual(settings["server_encoding"], self.server.sql("show server_encoding"))
        self.assertIn("plpgsql", dict(told["extensions"]))

        sequences = {(one["schema"], one["name"]): one for one in told["sequences"]}
        self.assertEqual(sequences["public", "people_id_seq"], {
            "schema": "public", "name": "people_id_seq", "last_value": 12, "is_called": True,
            "increment": 1, "cache": 1})
        self.assertEqual(sequences["odd one", "Down"], {
            "schema": "odd one", "name": "Down", "last_value": -64, "is_called": True,
            "increment": -3, "cache": 20})
        for name, value in (("unused", 40), ("set_back", 42)):
            one = sequences["public", name]
            self.assertEqual((one["last_value"], one["is_called"]), (value, False))

        types = {(one["schema"], one["name"]): one for one in told["types"]}
        mood = types["public", "mood"]
        self.assertEqual(mood["typtype"], "e")
        array = types["public", "_mood"]
        self.assertEqual((array["typelem"], array["oid"]), (mood["oid"], mood["typarray"]))
        self.assertEqual(types["odd one", "Pair"]["typtype"], "c")
        self.assertNotIn("pg_catalog", {schema for schema, _ in types})

        relations = {(one["schema"], one["name"]): one for one in told["relations"]}
        people = relations["public", "people"]
        self.assertEqual((people["kind"], people["columns"]),
                         ("r", ["id", "", 'full "name"', "mood"]))
        self.assertEqual(str(people["oid"]), self.server.sql("select 'people'::regclass::oid"))
        self.assertEqual({relations[key]["kind"] for key in (
            ("public", "parted"), ("public", "counted"), ("odd one", "seen"))}, {"p", "m", "v"})
        self.assertEqual(relations["public", "no_columns"]["columns"], [])

    def test_a_role_that_may_read_little_gives_a_poorer_snapshot_and_a_whole_capture(self):
        directory, done = self.captured(user="poor")
        self.assertIn("the snapshot of the source lacks sequences: 5 could not be read", done.err)
        told = self.snapshot(directory)
        self.assertEqual({one.get("last_value") for one in told["sequences"]}, {None})
        self.assertIn("people", {one["name"] for one in told["relations"]})
        self.assertEqual(self.log_info(directory)["exchanges"], 1)
        self.assert_sound(directory)

    def test_a_capture_needs_no_role_of_its_own(self):
        directory = self.path("cap")
        done = self.scry("capture", "--upstream", self.server.url(user="nobody_here"), "-o",
                         directory, "--", scry_e2e.program("psql"), "-X", "-U", "poor",
                         "-c", "select 1")
        self.must(done)
        self.assertIn("cannot ask the server what it is", done.err)
        self.assertNotIn("snapshot.json", os.listdir(directory))
        info = self.log_info(directory)
        self.assertEqual((info["exchanges"], info["coverage"]), (1, None))
        self.assert_sound(directory)

    def test_a_snapshot_that_is_damaged_or_gone_spoils_nothing_else(self):
        directory, _ = self.captured()
        path = os.path.join(directory, "snapshot.json")
        with open(path, "w", encoding="utf-8") as file:
            file.write('{"format": "scry-source-snapshot", "format_version": 1, "types": 7}')
        info = self.log_info(directory)
        self.assertEqual((info["exchanges"], info["coverage"]), (1, None))
        done = self.run_scry("log", "verify", directory)
        self.assertNotEqual(done.code, 0)
        self.assertIn("snapshot.json", done.out)
        os.remove(path)
        self.assertIsNone(self.log_info(directory)["coverage"])
        self.assert_sound(directory)

    # --- Coverage.

    def test_commits_that_went_around_the_capture_are_told(self):
        directory = self.path("cap")
        capture = self.start_capture(directory)
        self.must(self.psql(capture.url(), "select 1;" * 30))
        # Of another database: no commit of this one.
        self.must(self.psql(capture.url("other"), "select 1;" * 50))
        before = self.commits()
        self.must(self.psql(self.server.url(), "select 1;\n" * 300))
        # The server counts what a session did at its end, and in its own time.
        scry_e2e.wait_until(lambda: self.commits() >= before + 300, "the server to count")
        self.must(capture.stop())
        coverage = self.log_info(directory)["coverage"]
        self.assertEqual((coverage["database"], coverage["commits_seen"]), ("postgres", 30))
        self.assertGreaterEqual(coverage["commits_server"], 300)
        self.assertLess(coverage["share"], 0.11)
        told = self.run_scry("log", "info", directory).out
        self.assertRegex(told, r"coverage +\d+\.\d % of the commits of postgres passed through")
        self.assertIn("went around it", told)
        part = self.scry_json("log", "info", "--from", "1s", directory)[0]
        self.assertIsNone(part["coverage"])

    # --- What a server says unasked.

    def test_notices_parameters_notifications_and_new_ids_are_recorded(self):
        directory = self.path("cap")
        capture = self.start_capture(directory)
        self.must(self.psql(
            capture.url(),
            "listen news;\n"
            "drop table if exists never_there;\n"
            "set timezone to 'Asia/Tokyo';\n"
            "notify news, 'extra';\n"
            "insert into news (mood) values ('fine') returning id;\n"
            "delete from news where mood = 'fine' returning *;\n"
            "select id from people order by id;\n"))
        self.must(capture.stop())
        events = self.log_cat(directory)
        [told] = [event for event in events if event["event"] == "notification"]
        self.assertEqual((told["channel"], told["payload"], told["payload_bytes"]),
                         ("news", "extra", 5))
        exchanges = {event["statements"][0]["text"].split()[0].lower(): event
                     for event in events if event["event"] == "exchange"}
        self.assertEqual(exchanges["drop"]["notices"], ["00000"])
        self.assertEqual(exchanges["set"]["parameter_changes"],
                         [{"name": "TimeZone", "value": "Asia/Tokyo"}])
        self.assertIn("kept_bytes", exchanges["insert"]["statements"][0])
        self.assertIn("kept_bytes", exchanges["delete"]["statements"][0])
        self.assertNotIn("kept_bytes", exchanges["select"]["statements"][0])
        info = self.log_info(directory)
        self.assertEqual((info["notifications"], info["notices"]), (1, 1))
        self.assertIn(" notification on news from ", self.run_scry("log", "cat", directory).out)
        self.assert_sound(directory)


if __name__ == "__main__":
    scry_e2e.main()
