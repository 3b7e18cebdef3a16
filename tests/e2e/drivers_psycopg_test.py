"""psycopg 3: binary formats, server-side and prepared statements, pipelines, cursors, COPY, two-phase
commit, notifications. Equal lanes do what production did."""

import datetime
import decimal
import unittest

import drivers_support
import scry_e2e

try:
    import psycopg
    from psycopg import sql
    from psycopg.types.json import Jsonb
except ImportError:
    psycopg = None


def types(connection):
    for binary in (False, True):
        cursor = connection.cursor(binary=binary)
        for name in ("item 1", "item 17", "item 250"):
            cursor.execute("select * from items where name = %s", (name,))
            cursor.fetchall()
        cursor.execute("select %s::int[], %s::numeric, %s::timestamptz, %s::bytea, %s::jsonb, %s::date",
                       ([1, None, 3], decimal.Decimal("1.50"),
                        datetime.datetime(2026, 1, 2, 3, 4, tzinfo=datetime.timezone.utc), b"\0\xff",
                        Jsonb({"a": [1, 2]}), datetime.date(2026, 5, 6)))
        cursor.fetchone()
        cursor.execute("select id, seen, span from items where seen > %b and amount = any(%b)",
                       (datetime.datetime(2026, 1, 3, tzinfo=datetime.timezone.utc), [50, 60, 70]))
        cursor.fetchall()


def prepared(connection):
    for i in range(12):
        connection.execute("select name, price from items where id = %s", (i,)).fetchone()
        connection.execute("update items set amount = amount + %s where id = %s", (i, i + 1))
    connection.execute("select count(*) from items where amount > %s", (20,), prepare=True)
    with connection.cursor() as cursor:
        cursor.executemany("insert into items (name, amount) values (%s, %s) returning id",
                           [(f"many {i}", i) for i in range(20)], returning=True)
        while cursor.nextset():
            pass
    for _ in range(6):
        connection.execute("select max(price) from items where amount < %s", (30,)).fetchone()
    connection.execute("discard all")  # Behind the driver's back.
    try:
        connection.execute("select max(price) from items where amount < %s", (30,)).fetchone()
    except psycopg.errors.InvalidSqlStatementName:
        pass


def transactions(connection):
    connection.autocommit = False
    with connection.transaction():
        connection.execute("insert into items (name) values ('outer')")
        try:
            with connection.transaction():
                connection.execute("insert into items (name) values ('outer')")
        except psycopg.errors.UniqueViolation:
            pass
        connection.execute("insert into events (item, kind) select id, 'made' from items "
                           "where name = 'outer'")
    try:
        with connection.transaction():
            connection.execute("insert into events (item) values (-1)")
    except psycopg.errors.ForeignKeyViolation:
        pass
    for statement in ("select nonsense", "select 1 / 0", "selec 1"):
        try:
            connection.execute(statement)
        except psycopg.Error:
            connection.rollback()
    connection.execute("select count(*) from items where name = 'outer'").fetchone()
    connection.commit()
    connection.isolation_level = psycopg.IsolationLevel.SERIALIZABLE
    connection.execute("select sum(amount) from items")
    connection.execute("update items set amount = 0 where id = 9")
    connection.commit()
    connection.isolation_level = None
    connection.read_only = True
    try:
        connection.execute("delete from events")
    except psycopg.errors.ReadOnlySqlTransaction:
        connection.rollback()
    connection.read_only = None
    connection.autocommit = True


def cursors(connection):
    with connection.transaction():
        with connection.cursor("named", scrollable=True) as cursor:
            cursor.execute("select id, name from items where id <= %s order by id", (80,))
            cursor.fetchmany(10)
            cursor.scroll(20)
            cursor.fetchone()
            cursor.scroll(5, mode="absolute")
            cursor.fetchall()
        with connection.cursor("binary", binary=True) as cursor:
            cursor.execute("select id, price, seen from items where id <= 40 order by id")
            cursor.itersize = 15
            list(cursor)
    with connection.cursor("held", withhold=True) as cursor:
        cursor.execute("select amount from items where id between 100 and 120 order by id")
        cursor.fetchmany(5)
        cursor.fetchall()
    with connection.transaction():
        [name] = connection.execute("select open_items(7)").fetchone()
        connection.execute(sql.SQL("fetch all in {}").format(sql.Identifier(name))).fetchall()
        connection.execute(sql.SQL("close {}").format(sql.Identifier(name)))
    cursor = connection.cursor()
    for _ in cursor.stream("select id from items where id <= 30 order by id"):
        pass


def copies(connection):
    with connection.cursor() as cursor:
        with cursor.copy("copy events (item, kind, at) from stdin") as copy:
            for i in range(1, 50):
                copy.write_row((i, "copied\twith\ntabs", i))
        with cursor.copy("copy events (item, at) from stdin (format binary)") as copy:
            copy.set_types(["int8", "int4"])
            for i in range(1, 20):
                copy.write_row((i, i * 2))
        for statement in ("copy (select id, kind, at from events order by id) to stdout",
                          "copy (select id, price from items where id <= 50 order by id) to stdout "
                          "(format binary)", "copy items (name) to stdout (format csv, header)"):
            with cursor.copy(statement) as copy:
                for _ in copy:
                    pass
        try:
            with cursor.copy("copy events (item) from stdin") as copy:
                copy.write_row((1,))
                raise KeyError("the application fails")
        except (KeyError, psycopg.errors.QueryCanceled):
            pass
        try:
            with cursor.copy("copy events (item) from stdin") as copy:
                copy.write_row(("no number",))
        except psycopg.errors.InvalidTextRepresentation:
            pass


def pipelines(connection):
    with connection.pipeline() as pipeline, connection.cursor() as cursor:
        for i in range(10):
            cursor.execute("insert into events (item, at) values (%s, %s) returning id", (i + 1, i))
        pipeline.sync()
        cursor.execute("select count(*) from events", binary=True)
        cursor.fetchone()
    try:
        with connection.pipeline() as pipeline, connection.cursor() as cursor:
            cursor.execute("insert into events (item) values (1)")
            cursor.execute("insert into events (item) values (-5)")
            cursor.execute("insert into events (item) values (2)")
            pipeline.sync()
    except psycopg.errors.ForeignKeyViolation:
        pass
    with connection.pipeline(), connection.transaction():
        connection.execute("update items set ratio = 1.5 where id = %s", (11,))
        connection.execute("select ratio from items where id = %s", (11,))
    connection.execute("select max(id), count(*) from events").fetchone()


def odds(connection):
    connection.execute("call purge(%s)", (5,))
    connection.execute("select add_event(%s, %s)", (7, "called")).fetchone()
    connection.execute("set timezone to 'America/New_York'")
    connection.execute("select seen from items where id = 4").fetchone()
    connection.execute("select 1; select 2; select 3")
    connection.execute("merge into items i using (values (1, 5), (9999, 6)) v (id, amount) "
                       "on i.id = v.id when matched then update set amount = v.amount "
                       "when not matched then insert (name, amount) values ('merged', v.amount)")


@unittest.skipIf(psycopg is None, "python3-psycopg is not installed")
class PsycopgTest(drivers_support.DriverTest):
    def exercise(self, url):
        with psycopg.connect(url, autocommit=True) as connection, \
                psycopg.connect(url, autocommit=True) as listener:
            listener.execute("listen chatter")
            for part in (types, prepared, transactions, cursors, copies, pipelines, odds):
                part(connection)
                connection.execute("select pg_notify('chatter', %s)", (part.__name__,))
            told = listener.notifies()
            for _ in range(7):
                next(told)
            told.close()
            listener.execute("select count(*), sum(amount) from items")

    def test_equal_lanes_do_what_production_did(self):
        report = self.check(self.exercise, sessions=2)
        self.assertEqual([note for note in report["notes"] if "hannel" in note], [])


if __name__ == "__main__":
    scry_e2e.main()
