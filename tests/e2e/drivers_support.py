"""What the tests of real drivers share: a source, an exercise of the driver through the proxy, and a
gate without a migration that must find that equal lanes do exactly what production did."""

import os

import gate_support

DRIVERS = os.path.join(os.path.dirname(os.path.abspath(__file__)), "drivers")

SCHEMA = """
create type mood as enum ('sad', 'fine', 'happy');
create type pair as (a int, b text);
create table items (
  id bigserial primary key, name text not null unique, price numeric(12, 3), amount int,
  mood mood, tags text[], body jsonb, raw bytea, seen timestamptz, day date, span interval,
  ratio double precision, flag boolean, key uuid, twin pair, numbers int[], address inet);
insert into items (name, price, amount, mood, tags, body, raw, seen, day, span, ratio, flag, key, twin,
                   numbers, address)
  select 'item ' || i, i * 1.125, i, (array['sad', 'fine', 'happy'])[1 + i % 3]::mood,
         array['a' || i, null, 'c,"d'], jsonb_build_object('n', i, 'list', array[1, i]),
         decode(lpad(to_hex(i), 8, '0'), 'hex'), timestamptz '2026-01-01 12:00+00' + i * interval '1 h',
         date '2026-01-01' + i, i * interval '1 day 2 hours', i / 3.0, i % 2 = 0,
         ('00000000-0000-0000-0000-' || lpad(i::text, 12, '0'))::uuid, row(i, 'b' || i)::pair,
         array[i, i + 1], ('10.0.0.' || i % 250)::inet
  from generate_series(1, 500) i;
create table events (id bigserial primary key, item bigint references items, kind text, at int);
create function add_event(item bigint, kind text) returns bigint language sql as
  'insert into events (item, kind) values ($1, $2) returning id';
create procedure purge(kept int) language plpgsql as
  $$ begin delete from events where id < kept; commit; delete from events where id = kept; end $$;
create function open_items(how_many int) returns refcursor language plpgsql as $$
  declare c refcursor;
  begin open c for select id, name, price from items order by id limit how_many; return c; end $$;
"""


class DriverTest(gate_support.GateTest):
    """A subclass says in exercise() what its driver does, with the proxy's address."""

    def prepare(self):
        self.server.sql(SCHEMA)
        self.config_of()
        self.create_shadow()

    def check(self, *command, sessions=None):
        """Captures the command (or function of a URL) and replays it without a migration."""
        directory = self.capture(self.path("traffic"), *command)
        _, report = self.migrate(capture=directory, code=0)
        self.assertEqual([one for one in report["findings"] if "latency" not in one], [], report)
        self.assertEqual(report["tested"]["fidelity"], 1.0, report)
        self.assertEqual(report["tested"]["sessions_excluded"], 0, report["notes"])
        self.assertEqual(report["tested"]["stalls_released"], 0, report["notes"])
        if sessions is not None:
            self.assertEqual(report["tested"]["sessions"], sessions)
        # Nothing of the capture is left out.
        captured = sum(one["statements"] for one in report["captures"])
        self.assertEqual(report["tested"]["statements"], captured, report["notes"])
        return report
