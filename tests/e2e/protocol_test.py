"""Everything the protocol carries is captured and replayed: equal lanes do what production did.

Each scenario is one session or a few of a raw client; all of them are one capture, and a gate without
a migration must find nothing. SCRY_PROTOCOL_ONLY=name[,name] restricts it to those scenarios.
"""

import os
import struct
import threading
import time

import gate_support
import scry_e2e
import scry_wire
from scry_wire import (COPY_DONE, FLUSH, SYNC, bind, close, copy_data, copy_fail, describe, execute,
                       function_call, int4, int8, kinds, parse, query, rows_of, states)

SCHEMA = """
create table t (id int primary key, v int not null, note text);
insert into t select i, i * 10, 'note ' || i from generate_series(1, 200) i;
create table sink (id int, what text);
create table binary_sink (id int, what text);
create table seats (id int primary key, taken_by int);
insert into seats select i, null from generate_series(1, 10) i;
create table big (id serial primary key, body text);
create table jobs (id serial primary key, what text);
create role clerk;
grant select, insert, update on all tables in schema public to clerk;
grant usage on all sequences in schema public to clerk;
create function two_cursors() returns setof refcursor language plpgsql as $$
  declare a refcursor; b refcursor;
  begin
    open a for select id from t order by id limit 5; return next a;
    open b for select v from t order by id limit 7; return next b;
  end $$;
create function one_cursor() returns refcursor language plpgsql as $$
  declare c refcursor;
  begin open c for select id, note from t order by id limit 20; return c; end $$;
create function close_cursor(c refcursor) returns int language plpgsql as $$
  begin close c; return 1; end $$;
create function told() returns trigger language plpgsql as $$
  begin
    raise notice 'job %', new.id;
    perform pg_notify('jobs', new.what);
    return new;
  end $$;
create trigger told after insert on jobs for each row execute function told();
"""

SCENARIOS = []


def scenario(function):
    SCENARIOS.append(function)
    return function


# --- The extended protocol.

@scenario
def row_limits_and_suspended_portals(connect):
    with connect() as client:
        client.do(query("begin"))
        answers = client.do(
            parse("select id, v from t order by id"), bind(portal="p"), describe("p"),
            execute("p", 7), execute("p", 7), SYNC)
        assert kinds(answers).count(b"s") == 2, kinds(answers)
        client.do(execute("p", 50), FLUSH, execute("p", 3), SYNC)
        client.do(execute("p"), SYNC)
        client.do(close("p"), SYNC)
        assert states(client.do(execute("p"), SYNC)) == ["34000"]
        client.do(query("rollback"))


@scenario
def statements_named_again(connect):
    with connect() as client:
        for table in ("t", "seats"):
            client.do(parse(f"select count(*) from {table} where id < $1", "s", [23]), SYNC)
            client.do(bind([b"5"], "s"), describe(), execute(), SYNC)
            client.do(close("s", b"S"), SYNC)
        client.do(parse("select 1", "twice"), SYNC)
        assert states(client.do(parse("select 2", "twice"), SYNC)) == ["42P05"]
        assert states(client.do(bind([], "never made"), execute(), SYNC)) == ["26000"]
        client.do(query("prepare by_sql (int) as select note from t where id = $1"))
        client.do(bind([b"3"], "by_sql"), describe(), execute(), SYNC)
        client.sql("execute by_sql(4)")
        client.sql("deallocate by_sql")
        client.sql("discard all")
        assert states(client.do(bind([], "twice"), execute(), SYNC)) == ["26000"]


@scenario
def binary_and_text(connect):
    with connect() as client:
        for formats in ((), (0,), (1,), (0, 1, 0)):
            client.do(parse("select id, v, note from t where id between $1 and $2 order by id", "",
                            [23, 23]),
                      bind([int4(3), b"9"], formats=(1, 0), result_formats=formats), describe(),
                      execute(), SYNC)
        client.do(parse("update t set v = v + $1 where id = $2 returning id, v"),
                  bind([int4(5), int4(17)], formats=(1,), result_formats=(1,)), execute(), SYNC)
        client.do(parse("select $1::int[], $2::numeric, $3::timestamptz, $4::bytea, $5::jsonb"),
                  bind([b"{1,2,null}", b"1.500", b"2026-01-01 10:00+01", b"\\x00ff", None],
                       result_formats=(1,)), execute(), SYNC)


@scenario
def pipelines_with_an_error_inside(connect):
    with connect() as client:
        good = parse("insert into sink values ($1, 'piped')") + bind([b"1"]) + execute()
        bad = parse("insert into sink values ($1 / 0, 'never')") + bind([b"1"]) + execute()
        answers = client.do(good, bad, good, SYNC)
        assert states(answers) == ["22012"], answers
        # Several Syncs under way at once.
        client.send(good + SYNC + bad + good + SYNC + good + SYNC)
        found = [states(client.until()) for _ in range(3)]
        assert found == [[], ["22012"], []], found
        client.do(parse("select nonsense"), bind(), describe(), execute(), SYNC)
        client.do(good, query("select count(*) from sink where what = 'piped'"))
        client.do(SYNC)
        client.do(parse("select count(*) from sink where what = 'piped'"), bind(), execute(), SYNC)


@scenario
def several_statements_in_one_query(connect):
    with connect() as client:
        client.do(query("select 1; select 2, 3; ; update t set v = v where id = 1"))
        client.do(query(""))
        client.do(query("begin; insert into sink values (9, 'undone'); select 1/0; commit"))
        client.do(query("rollback"))
        client.do(query("savepoint nowhere"))
        client.do(query("commit"))


# --- Cursors and portals.

@scenario
def cursors(connect):
    with connect() as client:
        client.sql("begin")
        client.sql("declare c scroll cursor for select id, note from t order by id")
        for move in ("fetch 5 from c", "fetch backward 2 from c", "fetch absolute 100 from c",
                     "move 10 in c", "fetch relative -3 from c", "fetch all from c"):
            client.sql(move)
        client.sql("declare h cursor with hold for select v from t where id <= 50 order by id")
        client.sql("fetch 3 from h")
        client.sql("commit")
        client.sql("fetch 10 from h")
        client.do(parse("fetch 5 from h"), bind(result_formats=(1,)), describe(), execute(), SYNC)
        client.sql("close h")
        client.sql("begin")
        client.sql("declare u cursor for select id from t order by id for update")
        client.sql("fetch 2 from u")
        client.sql("update t set note = 'current' where current of u")
        client.sql("commit")


@scenario
def portals_named_by_the_server(connect):
    with connect() as client:
        client.sql("begin")
        [[name]] = client.sql("select one_cursor()")
        client.sql(f'fetch 3 in "{name.decode()}"')
        client.do(parse(f'fetch all in "{name.decode()}"'), bind(), describe(), execute(), SYNC)
        client.do(parse("select close_cursor($1)"), bind([name]), execute(), SYNC)
        names = [row[0].decode() for row in client.sql("select two_cursors()")]
        for one in names:
            client.sql(f'fetch all in "{one}"')
        client.do(describe(names[0]), execute(names[0], 2), close(names[1]), SYNC)
        client.sql("commit")


# --- COPY.

@scenario
def copy_in(connect):
    with connect() as client:
        client.send(query("copy sink from stdin"))
        assert client.until(b"G")[-1][0] == b"G"
        client.do(copy_data(b"1\tone\n2\tt"), copy_data(b"wo\n"), copy_data(b""), COPY_DONE)
        client.send(query("copy sink from stdin"))
        client.until(b"G")
        assert states(client.do(copy_data(b"3\tthree\n"), copy_fail("changed my mind"))) == ["57014"]
        client.send(query("copy sink from stdin"))
        client.until(b"G")
        assert states(client.do(copy_data(b"no number\tx\n"), COPY_DONE)) == ["22P02"]
        # In the extended protocol, as libpq does it: a Sync before the data that is ignored.
        client.send(parse("copy sink from stdin") + bind() + execute() + SYNC)
        client.until(b"G")
        client.do(copy_data(b"4\tfour\n"), COPY_DONE, SYNC)
        client.send(query("copy sink from stdin; select 5; copy sink from stdin"))
        client.until(b"G")
        client.send(copy_data(b"5\tfive\n") + COPY_DONE)
        client.until(b"G")
        client.do(copy_data(b"6\tsix\n"), COPY_DONE)
        assert states(client.do(query("copy nowhere from stdin"))) == ["42P01"]
        client.sql("select id, what from sink where id between 1 and 6 order by id, what")


@scenario
def copy_binary_both_ways(connect):
    with connect() as client:
        head = b"PGCOPY\n\xff\r\n\0" + struct.pack("!II", 0, 0)
        rows = b"".join(struct.pack("!hi", 2, 4) + int4(i) + struct.pack("!i", 5) + b"row %d" % i
                        for i in range(5))
        client.send(query("copy binary_sink from stdin (format binary)"))
        client.until(b"G")
        answers = client.do(copy_data(head), copy_data(rows), copy_data(struct.pack("!h", -1)),
                            COPY_DONE)
        assert states(answers) == [], answers
        client.do(query("copy (select id, what from binary_sink order by id) to stdout (format binary)"))
        client.do(query("copy t to stdout"))
        client.do(parse("copy (select id from t where id < 20 order by id) to stdout (format csv)"),
                  bind(), execute(), SYNC)
        assert states(client.do(query("copy (select 1 / (id - 5) from t order by id) to stdout"))) == [
            "22012"]


# --- Functions, large objects, sessions.

@scenario
def function_calls_and_large_objects(connect):
    with connect() as client:
        oids = {name.decode(): int(oid) for name, oid in client.sql(
            "select proname, oid from pg_proc where proname in "
            "('lo_creat', 'lo_open', 'lowrite', 'loread', 'lo_lseek', 'lo_close') "
            "and pronamespace = 'pg_catalog'::regnamespace")}
        client.sql("select lo_create(4242)")
        client.sql("begin")
        answers = client.do(function_call(oids["lo_open"], [int4(4242), int4(0x60000)]))
        handle = next(payload for kind, payload in answers if kind == b"V")[4:]
        client.do(function_call(oids["lowrite"], [handle, b"large object" * 100]))
        client.do(function_call(oids["lo_lseek"], [handle, int4(0), int4(0)]))
        client.do(function_call(oids["loread"], [handle, int4(500)]))
        client.do(function_call(oids["lo_close"], [handle]))
        client.sql("commit")
        client.sql("select length(lo_get(4242)), lo_get(4242, 0, 12)")
        client.sql("select lo_put(4242, 3, 'XXX')")
        client.sql("select lo_get(4242, 0, 12)")
        client.sql("select lo_unlink(4242)")
        assert states(client.do(function_call(oids["lo_open"], [int4(4242), int4(0x40000)]))) == [
            "42704"]


@scenario
def large_objects_that_the_server_numbers(connect):
    with connect() as client:
        def number():
            answers = client.do(function_call(957, [int4(0x60000)]))  # lo_creat
            return next(payload for kind, payload in answers if kind == b"V")[4:]
        # Numbers that production alone gives: this client goes away before its Sync.
        other = connect()
        other.send(parse("create temp table gone (i int)") + bind() + execute() + FLUSH)
        other.until(b"C")
        other.socket.close()
        client.sql("begin")
        one, two = number(), number()
        client.do(parse("insert into sink select $1::oid::int8::int4 - $2::oid::int8::int4, 'lo'"),
                  bind([two, one], formats=(1,)), execute(), SYNC)
        client.do(function_call(952, [two, int4(0x60000)], formats=(1, 1)))  # lo_open
        client.sql("commit")
        for kept in (one, two):
            client.sql(f"select length(lo_get({struct.unpack('!I', kept)[0]}))")
            client.do(function_call(964, [kept]))  # lo_unlink


@scenario
def roles_and_settings(connect):
    with connect(application_name="first", options="-c statement_timeout=60000") as client:
        client.sql("set role clerk")
        client.sql("select current_user, session_user")
        assert states(client.do(query("drop table t"))) == ["42501"]
        client.sql("reset role")
        client.sql("set session authorization clerk")
        client.sql("select current_user, session_user")
        client.sql("reset session authorization")
        client.sql("set timezone to 'Asia/Tokyo'")
        client.sql("set datestyle to 'German'")
        client.sql("set application_name to 'second'")
        client.sql("select timestamptz '2026-01-01 00:00+00', date '2026-02-03'")
        client.sql("begin")
        client.sql("set local timezone to 'UTC'")
        client.sql("select timestamptz '2026-01-01 00:00+00'")
        client.sql("rollback")
        client.sql("show timezone")
        client.sql("set search_path to pg_catalog, public")
        client.sql("show search_path")
        client.sql("discard all")
        client.sql("show timezone")
        client.sql("select current_setting('statement_timeout')")


@scenario
def temporary_tables(connect):
    with connect() as client:
        client.sql("create temp table scratch (id int, what text) on commit preserve rows")
        client.sql("insert into scratch select i, 'x' || i from generate_series(1, 10) i")
        client.sql("begin; create temp table short on commit drop as select 1 as one; "
                   "select * from short; commit")
        assert states(client.do(query("select * from short"))) == ["42P01"]
        client.sql("select * from scratch order by id")
        client.sql("discard temp")
        assert states(client.do(query("select * from scratch"))) == ["42P01"]
        client.sql("create temp table t (other text)")  # Hides the real one.
        client.sql("select * from t")


@scenario
def advisory_locks(connect):
    with connect() as one, connect() as other:
        assert one.sql("select pg_try_advisory_lock(1, 2)") == [[b"t"]]
        assert other.sql("select pg_try_advisory_lock(1, 2)") == [[b"f"]]
        one.sql("select pg_advisory_unlock(1, 2)")
        assert other.sql("select pg_try_advisory_lock(1, 2)") == [[b"t"]]
        one.sql("begin")
        assert one.sql("select pg_try_advisory_xact_lock(1, 2)") == [[b"f"]]
        assert one.sql("select pg_try_advisory_xact_lock(3)") == [[b"t"]]
        assert other.sql("select pg_try_advisory_lock(3)") == [[b"f"]]
        one.sql("commit")
        assert other.sql("select pg_try_advisory_lock(3)") == [[b"t"]]
        other.sql("select pg_advisory_unlock_all()")


@scenario
def locks_that_are_not_to_be_had(connect):
    with connect() as holder, connect() as other:
        holder.sql("begin")
        holder.sql("update seats set taken_by = 1 where id = 1")
        assert states(other.do(query("select * from seats where id = 1 for update nowait"))) == [
            "55P03"]
        other.sql("select id from seats where id < 4 order by id for update skip locked")
        other.sql("set lock_timeout = '150ms'")
        assert states(other.do(query("update seats set taken_by = 2 where id = 1"))) == ["55P03"]
        other.sql("begin")
        assert states(other.do(query("lock table seats in exclusive mode nowait"))) == ["55P03"]
        other.sql("rollback")
        other.sql("begin")
        assert states(other.do(parse("select 1 from seats where id = $1 for update nowait"),
                               bind([b"1"]), execute(), SYNC)) == ["55P03"]
        assert states(other.do(query("select 1"))) == ["25P02"]
        other.sql("rollback")
        holder.sql("commit")
        other.sql("update seats set taken_by = 3 where id = 1")
        holder.sql("select * from seats order by id")


# --- What comes unasked.

@scenario
def cancels(connect):
    with connect() as client:
        for text in ("select pg_sleep(60)", "select count(*) from t a, t b, t c, t d, t e"):
            threading.Timer(0.3, client.cancel).start()
            assert states(client.do(query(text))) == ["57014"]
        client.sql("begin")
        threading.Timer(0.3, client.cancel).start()
        assert states(client.do(parse("select pg_sleep($1)"), bind([b"60"]), execute(), SYNC)) == [
            "57014"]
        assert states(client.do(query("select 1"))) == ["25P02"]
        client.sql("rollback")
        client.cancel()  # Hits nothing.
        time.sleep(0.1)
        client.pid += 100000  # Nobody's.
        client.cancel()
        client.sql("select count(*) from t")


@scenario
def cancels_of_what_waits_for_a_lock(connect):
    with connect() as holder, connect() as other:
        holder.sql("begin")
        holder.sql("update seats set taken_by = 7 where id = 7")
        threading.Timer(0.5, other.cancel).start()
        assert states(other.do(query("update seats set taken_by = 8 where id = 7"))) == ["57014"]
        other.sql("set statement_timeout = '300ms'")
        assert states(other.do(query("update seats set taken_by = 8 where id = 7"))) == ["57014"]
        holder.sql("commit")
        other.sql("select * from seats where id = 7")


@scenario
def notifications(connect):
    with connect() as listener, connect() as idle, connect() as worker:
        listener.sql("listen jobs")
        listener.sql('listen "Odd channel"')
        idle.sql("listen jobs")
        for i in range(12):
            worker.sql(f"insert into jobs (what) values ('job {i}')")
        worker.sql("begin")
        worker.sql("notify \"Odd channel\", 'undone'")
        worker.sql("rollback")
        worker.sql("notify \"Odd channel\"")
        listener.wait_for_notifications(13)
        listener.sql("select count(*) from jobs")
        listener.sql("unlisten jobs")
        worker.sql("insert into jobs (what) values ('unheard')")
        worker.sql("listen jobs")
        worker.sql("insert into jobs (what) values ('to myself')")
        idle.wait_for_notifications(14)


@scenario
def notices(connect):
    with connect() as client:
        client.sql("drop table if exists nowhere")
        client.sql("do $$ begin raise warning 'w'; raise notice 'n'; end $$")
        client.sql("commit")


# --- Sizes.

@scenario
def statements_longer_than_a_buffer(connect):
    with connect() as client:
        body = "x" * (15 << 20)
        client.sql(f"insert into big (body) values ('{body}')")
        client.do(parse("insert into big (body) values ($1)"), bind([body.encode()]), execute(), SYNC)
        client.sql("select id, length(body), md5(body) from big order by id")
        client.send(query("copy big (body) from stdin"))
        client.until(b"G")
        client.do(copy_data(body[:9 << 20].encode()), copy_data(b"\n"), COPY_DONE)


@scenario
def results_larger_than_what_is_kept(connect):
    with connect() as client:
        client.do(query("select i, md5(i::text) from generate_series(1, 200000) i"))
        client.do(query("select repeat('y', 20000000)"))
        client.do(parse("select a.id, b.note from t a, t b order by a.id, b.id"),
                  bind(result_formats=(1,)), execute("", 30000), execute(), SYNC)


# --- Ends.

@scenario
def sessions_cut_short(connect):
    client = connect()
    client.sql("begin")
    client.sql("update t set note = 'cut' where id = 3")
    client.socket.close()  # Without Terminate: rolled back.
    client = connect()
    client.send(parse("update t set note = 'half' where id = 4") + bind() + execute())
    client.send(FLUSH)
    client.until(b"C")
    client.socket.close()  # Without Sync.
    client = connect()
    client.send(query("select pg_sleep(60)")[:-5])  # Half a message.
    client.socket.close()
    with connect() as last:
        last.sql("select id, note from t where id in (3, 4) order by id")


@scenario
def protocol_errors(connect):
    with connect() as client:
        assert states(client.do(describe("nothing", b"S"), SYNC)) == ["26000"]
        assert states(client.do(execute("nothing"), SYNC)) == ["34000"]
        client.do(close("nothing"), SYNC)
        assert states(client.do(parse("select 1; select 2"), bind(), execute(), SYNC)) == ["42601"]
        assert states(client.do(parse("select $1::int"), bind([]), execute(), SYNC)) == ["08P01"]
        assert states(client.do(parse("select $1::int"), bind([b"x" * 3], formats=(1,)), execute(),
                                SYNC)) != []
        client.do(copy_data(b"stray"), COPY_DONE, query("select 1"))
        client.sql("select 2")


# What a migration may do to all that is no statement.
MIGRATION = """
create or replace function told() returns trigger language plpgsql as $$
  begin
    raise warning 'job %', new.id;
    if new.what <> 'job 7' then perform pg_notify('jobs', new.what); end if;
    return new;
  end $$;
create or replace function one_cursor() returns refcursor language plpgsql as $$
  declare a refcursor; c refcursor;
  begin
    open a for select 1;  -- Takes the name that the next one had.
    open c for select id, note from t order by id limit 20;
    return c;
  end $$;
alter database postgres set intervalstyle to 'iso_8601';
"""


class ProtocolTest(gate_support.GateTest):
    def prepare(self):
        self.server.sql(SCHEMA)
        self.config_of()
        self.create_shadow()
        only = [name for name in os.environ.get("SCRY_PROTOCOL_ONLY", "").split(",") if name]
        chosen = [one for one in SCENARIOS if not only or one.__name__ in only]
        capture = self.start_capture(self.path("traffic"))

        def connect(**parameters):
            return scry_wire.Client(capture.host, capture.port, **parameters)
        for one in chosen:
            try:
                one(connect)
            except AssertionError as failure:
                raise AssertionError(f"scenario {one.__name__}: {failure}") from failure
        self.must(capture.stop())
        type(self).traffic = capture.directory

    def test_equal_lanes_do_what_production_did(self):
        self.assert_sound(self.traffic)
        info = self.log_info(self.traffic)
        self.assertEqual((info["gaps"], info["exchanges_lost"]), (0, 0))
        _, report = self.migrate(code=0)
        self.assertEqual([one for one in report["findings"] if "latency" not in one], [])
        self.assertEqual(report["tested"]["fidelity"], 1.0, report)
        self.assertEqual(report["tested"]["stalls_released"], 0, report)
        self.assertIn("2 cancel requests of the capture hit nothing that is in it", report["notes"])
        self.assertEqual([note for note in report["notes"] if "notice" in note or "hannel" in note], [])

    def test_an_exchange_over_the_limit_is_a_gap_that_is_told(self):
        capture = self.start_capture(self.path("large"))
        with scry_wire.Client(capture.host, capture.port) as client:
            client.sql("select 1")
            client.sql("select length('" + "z" * (17 << 20) + "')")
            client.sql("select 2")
        self.must(capture.stop())
        info = self.log_info(capture.directory)
        self.assertEqual((info["gaps"], info["exchanges_lost"]), (1, 1))
        done, report = self.migrate(capture=capture.directory)
        self.assertIn(done.code, (0, 6), done)
        self.assertEqual(report["captures"][0]["gap_exchanges"], 1)
        self.assertEqual(report["tested"]["statements"], 2)

    def test_what_comes_unasked_is_told_apart(self):
        _, report = self.migrate_sql(MIGRATION, code=0)
        [finding] = [one for one in report["findings"] if "latency" not in one]
        self.assertEqual((finding["type"], finding["gates"], finding["pattern"]),
                         ("warning", False, "channel jobs"))
        # Two sessions listened.
        self.assertEqual(finding["reasons"], ["25 notifications instead of 27"])
        notes = "\n".join(report["notes"])
        self.assertIn("raises other notices in 14 exchanges: 01000 instead of 00000", notes)
        self.assertIn('reports IntervalStyle as "iso_8601" instead of "postgres"', notes)
        self.assertEqual(report["tested"]["fidelity"], 1.0, report)


if __name__ == "__main__":
    scry_e2e.main()
