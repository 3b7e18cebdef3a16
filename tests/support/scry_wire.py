"""A client that speaks PostgreSQL's protocol 3 message by message, for tests of what drivers seldom do.

    with scry_wire.Client(host, port) as client:
        client.do(parse("select $1::int"), bind([b"7"]), execute(), SYNC)
        answers = client.do(query("select 1"))    # Everything up to ReadyForQuery.

Builders give the bytes of one message; `do` sends what it is given in one write.
"""

import socket
import struct

import scry_e2e


def message(kind, payload=b""):
    return kind + struct.pack("!I", len(payload) + 4) + payload


def _text(value):
    return (value if isinstance(value, bytes) else value.encode()) + b"\0"


def query(sql):
    return message(b"Q", _text(sql))


def parse(sql, name="", types=()):
    return message(b"P", _text(name) + _text(sql) + struct.pack(f"!H{len(types)}I", len(types), *types))


def _values(values):
    parts = [struct.pack("!H", len(values))]
    for value in values:
        parts.append(struct.pack("!i", -1) if value is None else struct.pack("!i", len(value)) + value)
    return b"".join(parts)


def _formats(formats):
    return struct.pack(f"!H{len(formats)}H", len(formats), *formats)


def bind(values=(), statement="", portal="", formats=(), result_formats=()):
    return message(b"B", _text(portal) + _text(statement) + _formats(formats) + _values(values) +
                   _formats(result_formats))


def describe(name="", kind=b"P"):
    return message(b"D", kind + _text(name))


def execute(portal="", rows=0):
    return message(b"E", _text(portal) + struct.pack("!I", rows))


def close(name="", kind=b"P"):
    return message(b"C", kind + _text(name))


def function_call(oid, values=(), formats=(1,), result_format=1):
    return message(b"F", struct.pack("!I", oid) + _formats(formats) + _values(values) +
                   struct.pack("!H", result_format))


def copy_data(data):
    return message(b"d", data)


def copy_fail(why):
    return message(b"f", _text(why))


SYNC = message(b"S")
FLUSH = message(b"H")
COPY_DONE = message(b"c")
TERMINATE = message(b"X")


def int4(value):
    return struct.pack("!i", value)


def int8(value):
    return struct.pack("!q", value)


class Client(scry_e2e.WireClient):
    """Connected, authenticated by trust. Attributes: pid, key, notifications (channel, payload)."""

    def __init__(self, host, port, user="postgres", dbname="postgres", **parameters):
        super().__init__(host, port, user, dbname)
        self.address = (host, port)
        self.notifications = []
        pairs = {"user": user, "database": dbname, **parameters}
        payload = b"".join(_text(name) + _text(value) for name, value in pairs.items()) + b"\0"
        self.send(struct.pack("!II", len(payload) + 8, 196608) + payload)
        for kind, payload in self.until():
            if kind == b"K":
                self.pid, self.key = struct.unpack("!Ii", payload)

    def __exit__(self, *_):
        self.end()

    def end(self):
        try:
            self.send(TERMINATE)
            self.rest()
        except OSError:
            pass
        self.socket.close()

    def message(self):
        got = super().message()
        if got is not None and got[0] == b"A":
            _, channel, payload = got[1][:4], *got[1][4:].split(b"\0")[:2]
            self.notifications.append((channel.decode(), payload.decode()))
        return got

    def do(self, *messages):
        """Sends them and answers what came back, up to one ReadyForQuery."""
        self.send(b"".join(messages))
        return self.until()

    def sql(self, text):
        """One simple query; its rows as lists of bytes. An error fails the test."""
        answers = self.do(query(text))
        errors = [answer for answer in answers if answer[0] == b"E"]
        if errors:
            raise AssertionError(f"{text}: {errors}")
        return rows_of(answers)

    def wait_for_notifications(self, count):
        while len(self.notifications) < count:
            if self.message() is None:
                raise AssertionError("the connection ended")

    def cancel(self):
        """A cancel request for this connection, over another one."""
        with socket.create_connection(self.address, timeout=scry_e2e.PATIENCE_S) as other:
            other.sendall(struct.pack("!IIIi", 16, 80877102, self.pid, self.key))
            while other.recv(64):
                pass


def rows_of(answers):
    rows = []
    for kind, payload in answers:
        if kind != b"D":
            continue
        row, at = [], 2
        for _ in range(struct.unpack("!H", payload[:2])[0]):
            size = struct.unpack("!i", payload[at:at + 4])[0]
            at += 4
            row.append(None if size < 0 else payload[at:at + size])
            at += max(size, 0)
        rows.append(row)
    return rows


def states(answers):
    """SQLSTATEs of the errors among them."""
    return [scry_e2e.sqlstate(answer) for answer in answers if answer[0] == b"E"]


def kinds(answers):
    return b"".join(kind for kind, _ in answers)
