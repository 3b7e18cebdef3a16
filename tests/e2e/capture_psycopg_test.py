"""psycopg gets the same values through the proxy, whatever part of the protocol it uses."""

import datetime
import decimal
import random
import threading
import uuid

import scry_e2e

try:
    import psycopg
except ImportError:
    scry_e2e.skip_all("psycopg 3 is not installed")


def prepared(connection):
    got = []
    for i in range(12):  # The sixth execution and on use a named statement.
        row = connection.execute("select %s::int + 1, %s::text", (i, f"v{i}"), prepare=i > 5)
        got.append(row.fetchone())
    connection.execute("deallocate all")
    return got


def binary(connection):
    seeded = random.Random(3)
    blob = seeded.randbytes(300_000)
    moment = datetime.datetime(2026, 2, 3, 4, 5, 6, 789, tzinfo=datetime.timezone.utc)
    values = (blob, 2**40, 1.25, decimal.Decimal("12.340"), uuid.UUID(int=5), moment, None, True,
              [1, 2, 3], "\u00e9\u4e16")
    with connection.cursor(binary=True) as cursor:
        cursor.execute(
            "select %b::bytea, %b::int8, %b::float8, %b::numeric, %b::uuid, %b::timestamptz, "
            "%b::text, %b::bool, %b::int4[], %b::text", values)
        row = cursor.fetchone()
        assert row[0] == blob
        return row, [column.type_code for column in cursor.description]


def pipeline(connection):
    got = []
    with connection.pipeline() as line:
        cursors = [connection.execute("select %s::int * 2", (i,)) for i in range(30)]
        line.sync()
        got += [cursor.fetchone() for cursor in cursors]
    try:
        with connection.pipeline():
            connection.execute("select 1")
            connection.execute("select 1/0")
            connection.execute("select 'skipped'")
    except psycopg.Error as error:
        got.append((type(error).__name__, error.sqlstate))
    return got


def copying(connection):
    got = []
    with connection.transaction():
        connection.execute("create temp table c (i int, v text) on commit drop")
        with connection.cursor().copy("copy c from stdin") as copy:
            for i in range(2000):
                copy.write_row((i, None if i % 7 == 0 else f"row {i}\t\\"))
        with connection.cursor().copy("copy c to stdout (format binary)") as copy:
            got.append(scry_e2e.digest(b"".join(bytes(part) for part in copy)))
        got.append(connection.execute("select count(*), count(v), sum(i) from c").fetchone())
    try:
        with connection.cursor().copy("copy nowhere from stdin") as copy:
            copy.write("1\n")
    except psycopg.Error as error:
        got.append(error.sqlstate)
    return got


def giving_up_a_copy(connection):
    try:
        with connection.transaction():
            connection.execute("create temp table g (i int)")
            with connection.cursor().copy("copy g from stdin") as copy:
                copy.write("1\n")
                raise RuntimeError("the client changed its mind")
    except (RuntimeError, psycopg.Error) as error:
        return type(error).__name__, connection.execute("select 1").fetchone()


def server_cursor(connection):
    with connection.transaction(), connection.cursor(name="na\u00efve \"cursor\"") as cursor:
        cursor.itersize = 7
        cursor.execute("select i, md5(i::text) from generate_series(1, 100) i")
        return list(cursor)


def streamed(connection):
    with connection.cursor() as cursor:
        return list(cursor.stream("select generate_series(1, 50)"))


def errors(connection):
    got = []
    for sql in ("select 1/0", "select nothing", "selec", "select 'x'::int", ""):
        try:
            got.append(connection.execute(sql).statusmessage)
        except psycopg.Error as error:
            got.append((type(error).__name__, error.sqlstate, str(error)))
    return got


def notified(connection):
    got = []
    connection.add_notify_handler(lambda message: got.append((message.channel, message.payload)))
    connection.execute("listen promise")
    connection.execute("notify promise, 'kept'")
    while not got:
        connection.execute("select 1")
    return got


PARTS = (prepared, binary, pipeline, copying, giving_up_a_copy, server_cursor, streamed, errors,
         notified)


def work(url):
    got = {}
    for part in PARTS:
        with psycopg.connect(url, autocommit=True) as connection:
            got[part.__name__] = part(connection)
    return got


class PsycopgTest(scry_e2e.TestCase):
    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        cls.server = cls.start_server()

    def test_values_through_the_proxy_are_those_of_the_server(self):
        direct = work(self.server.url())
        directory = self.path("cap")
        capture = self.start_capture(directory)
        proxied = work(capture.url())
        self.assertEqual(capture.stop().code, 0)
        for part in direct:
            with self.subTest(part=part):
                self.assertEqual(proxied[part], direct[part])
        self.assert_sound(directory)
        info = self.log_info(directory)
        self.assertEqual((info["sessions"], info["gaps"], info["cut_off"]), (len(PARTS), 0, 0))

    def test_a_pipeline_is_recorded_as_exchanges_with_all_their_statements(self):
        directory = self.path("cap")
        capture = self.start_capture(directory)
        with psycopg.connect(capture.url(), autocommit=True) as connection:
            with connection.pipeline() as line:
                for i in range(10):
                    connection.execute("select %s::int + 100", (i,))
                line.sync()
                for i in range(5):
                    connection.execute("select %s::int + 200", (i,))
        self.assertEqual(capture.stop().code, 0)
        counts = [len(exchange["statements"]) for exchange in self.exchanges(directory)]
        self.assertEqual(sum(counts), 15)
        self.assertIn(10, counts)
        self.assertTrue(all(one["status"] == "done" for exchange in self.exchanges(directory)
                            for one in exchange["statements"]))

    def test_pq_cancel_reaches_the_server_and_is_recorded(self):
        directory = self.path("cap")
        capture = self.start_capture(directory)
        with psycopg.connect(capture.url(), autocommit=True) as connection:
            states = []

            def sleep():
                try:
                    connection.execute("select pg_sleep(600)")
                except psycopg.Error as error:
                    states.append(error.sqlstate)
            sleeper = threading.Thread(target=sleep)
            sleeper.start()
            scry_e2e.wait_until(lambda: self.server.sql(
                "select 1 from pg_stat_activity where wait_event = 'PgSleep'"), "the sleep")
            connection.cancel()
            sleeper.join(scry_e2e.PATIENCE_S)
            self.assertEqual(states, ["57014"])
        self.assertEqual(capture.stop().code, 0)
        cancels = [event for event in self.log_cat(directory) if event["event"] == "cancel"]
        [exchange] = self.exchanges(directory)
        self.assertEqual([cancel["session"] for cancel in cancels], [exchange["session"]])
        self.assertEqual(exchange["statements"][0]["sqlstate"], "57014")


if __name__ == "__main__":
    scry_e2e.main()
