"""psql cannot tell the proxy from the server: every byte it prints is the same."""

import os
import random

import scry_e2e

# Every kind of statement that psql sends, with what is different from run to run left out.
MANY_KINDS = r'''
\set VERBOSITY verbose
\set SHOW_CONTEXT always
drop table if exists t;
create table t (id int primary key, v text);
\echo -- several statements in one message, with an error among them
select 1 as a\; select 2 as b\; select 'three' as c;
insert into t values (1, 'one')\; insert into t values (1, 'again')\; select 'never run';
select count(*) from t;
\echo -- errors of all sorts
select 1/0;
select nothing;
selec;
;
select '\x00'::bytea, e'\u00e9\u4e16', null, '', true, 1.5::numeric, 'NaN'::float8;
\echo -- COPY in both directions
copy t from stdin;
2	two
3	\N
4	tab\tand\\backslash
\.
copy t (id, v) from stdin with (format csv, header);
id,v
5,"quoted, ""twice"""
6,
\.
copy t from stdin;
7	seven	too many
\.
copy t from stdin;
2	duplicate
\.
copy t to stdout;
copy (select id, v from t order by id) to stdout with (format csv, header, force_quote *);
copy nowhere to stdout;
\copy t to pstdout
\echo -- transactions and savepoints
begin;
insert into t values (10, 'ten');
savepoint a;
insert into t values (10, 'ten');
select 'in a failed transaction';
rollback to a;
insert into t values (11, 'eleven');
release a;
commit;
begin isolation level serializable read only;
insert into t values (12, 'twelve');
rollback;
commit;
begin\; select 1\; commit;
\echo -- cursors
begin;
declare c scroll cursor with hold for select id, v from t order by id;
fetch 3 from c;
fetch backward 1 from c;
move 2 in c;
commit;
fetch all from c;
close c;
close c;
\set FETCH_COUNT 7
select i, repeat('x', i) from generate_series(1, 40) i;
select 1/(20 - i) from generate_series(1, 40) i;
\unset FETCH_COUNT
\echo -- notices
set client_min_messages = debug1;
do $$ begin raise notice 'a notice'; raise warning 'a warning %', repeat('w', 3000);
  raise exception 'an error' using errcode = 'ZZ999', detail = 'd', hint = 'h'; end $$;
reset client_min_messages;
\echo -- prepared by SQL
prepare p (int, text) as select $1 + 1, $2 || '!';
execute p (1, 'x');
execute p (2);
deallocate p;
execute p (1, 'x');
\echo -- settings, meta-commands, describing
set application_name = 'other name';
show application_name;
set datestyle = 'German';
select date '2026-02-03';
select 1 as x, 'text' as y \gdesc
select format('select %s as made', i) from generate_series(1, 3) i \gexec
\d t
\lo_list
create temp table of_this_session as select 1;
explain (costs off) select * from t where id = 1;
notify nobody;
select lo_from_bytea(424242, '\x0102');
select lo_get(424242), lo_unlink(424242);
select repeat('wide ', 40000);
select;
table t;
vacuum t;
drop table t;
'''


class PsqlTest(scry_e2e.TestCase):
    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        cls.server = cls.start_server()

    def both(self, script, *flags):
        """What psql does directly, and through a capture; the capture's folder."""
        direct = self.psql(self.server.url(), script, *flags)
        directory = self.path("cap")
        capture = self.start_capture(directory)
        proxied = self.psql(capture.url(), script, *flags)
        ended = capture.stop()
        self.assertEqual(ended.code, 0, ended)
        self.assert_sound(directory)
        return direct, proxied, directory

    def test_every_kind_of_statement_prints_the_same_bytes(self):
        direct, proxied, directory = self.both(MANY_KINDS, "-a", "-e")
        self.assertIn(b"eleven", direct.out)
        self.assertIn(b"division by zero", direct.err)
        self.assertEqual(proxied.err.decode(), direct.err.decode())
        self.assertEqual(proxied.out.decode(), direct.out.decode())
        self.assertEqual(proxied.code, direct.code)
        info = self.log_info(directory)
        self.assertEqual((info["gaps"], info["exchanges_lost"], info["cut_off"]), (0, 0, 0))
        # A Query of many statements is shown once.
        shown = self.run_scry("log", "cat", directory).out
        self.assertEqual(shown.count("select 'three' as c"), 1)
        self.assertIn("(statement 3 of that Query)", shown)
        # Every error that psql printed is an error of the capture. (Of FETCH_COUNT's own CLOSE it
        # says nothing.)
        unseen = [one for exchange in self.exchanges(directory) for one in exchange["statements"]
                  if one["status"] == "error" and one["text"] == "CLOSE _psql_cursor"]
        self.assertEqual(info["errors"] - len(unseen), direct.err.count(b"ERROR:  "))

    def test_outcomes_of_the_capture_are_those_of_the_server(self):
        script = ("create table o (i int); insert into o select generate_series(1, 30);"
                  "update o set i = i + 1 where i > 10; delete from o where i = 2; select * from o;"
                  "select 1/0; drop table o;")
        directory = self.path("cap")
        capture = self.start_capture(directory)
        self.psql(capture.url(), script)
        self.assertEqual(capture.stop().code, 0)
        outcomes = [(one["status"], one.get("tag", one.get("sqlstate")), one.get("rows", 0))
                    for exchange in self.exchanges(directory) for one in exchange["statements"]]
        self.assertEqual(outcomes, [
            ("done", "CREATE TABLE", 0), ("done", "INSERT 0 30", 0), ("done", "UPDATE 20", 0),
            ("done", "DELETE 1", 0), ("done", "SELECT 29", 29), ("error", "22012", 0),
            ("done", "DROP TABLE", 0)])

    def test_fifty_megabytes_of_result_arrive_whole(self):
        script = "select i, repeat(md5(i::text), 32) from generate_series(1, 50000) i;"
        direct, proxied, directory = self.both(script, "-At")
        self.assertGreater(len(direct.out), 50_000_000)
        self.assertEqual(scry_e2e.digest(proxied.out), scry_e2e.digest(direct.out))
        [exchange] = self.exchanges(directory)
        self.assertEqual(exchange["statements"][0]["rows"], 50000)

    def test_a_copy_over_the_limit_is_a_counted_gap_and_arrives_whole(self):
        seeded = random.Random(7)
        data = self.path("data")
        with open(data, "w", encoding="ascii") as file:
            for i in range(20000):
                file.write(f"{i}\t{seeded.randbytes(600).hex()}\n")
        self.assertGreater(os.path.getsize(data), 16 * 1024 * 1024)
        script = (f"drop table if exists big; create table big (i int, v text);\n\\copy big from '{data}'\n"
                  "select count(*), md5(string_agg(v, '' order by i)) from big;\n"
                  "drop table big;\n")
        direct, proxied, directory = self.both(script, "-At")
        self.assertIn(b"COPY 20000\n20000|", direct.out)
        self.assertEqual(proxied.out, direct.out)
        info = self.log_info(directory)
        self.assertEqual((info["gaps"], info["exchanges_lost"]), (1, 1))
        self.assertEqual(info["exchanges"], 4)
        [gap] = [event for event in self.log_cat(directory) if event["event"] == "gap"]
        self.assertEqual(gap["reason"], "exchange too large")
        self.assertGreaterEqual(gap["bytes"], os.path.getsize(data))
        told = self.run_scry("log", "info", directory).out
        self.assertIn("1 exchanges in 1 gaps", told)
        self.assertIn("exchange too large: 1", told)

    def test_statement_texts_are_recorded_byte_for_byte(self):
        texts = ["select 'it''s', \"a b\".x from (select 1 as x) \"a b\"",
                 "select e'\\n\\t\\\\', '\u00e9\u4e16\U0001f600' -- a comment\n  as \"n\u00e4me\"",
                 "select   1  ,\n\n2 /* two */"]
        directory = self.path("cap")
        capture = self.start_capture(directory)
        for text in texts:
            done = self.psql(capture.url(), b"", "-c", text)
            self.assertEqual(done.code, 0, done)
        self.assertEqual(capture.stop().code, 0)
        recorded = [one["text"] for exchange in self.exchanges(directory)
                    for one in exchange["statements"]]
        self.assertEqual([" ".join(text.split()) for text in recorded],
                         [" ".join(text.split()) for text in texts])


if __name__ == "__main__":
    scry_e2e.main()
