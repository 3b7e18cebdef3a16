"""What production and a lane name otherwise is the same thing: ids, sequences, OIDs of types.

No migration (or one that only moves a sequence) must give no difference, and a fidelity of 1 says
that the lanes did what production did.
"""

import gate_support
import scry_e2e

try:
    import psycopg
    from psycopg.types.composite import CompositeInfo, register_composite
    from psycopg.types.enum import EnumInfo, register_enum
except ImportError:
    scry_e2e.skip_all("psycopg 3 is not installed")


class IdentityTest(gate_support.GateTest):
    def assert_same(self, report, **tested):
        self.assert_safe(report, **tested)
        self.assertEqual(report["tested"]["fidelity"], 1.0, report["tested"])


MOOD = '"Odd one"."Mood"'
TYPES = """
do $$ begin for i in 1..50 loop
  execute format('create type waste_%s as enum (''a'')', i);
  execute format('drop type waste_%s', i);
end loop; end $$;
create schema "Odd one";
create type "Odd one"."Mood" as enum ('sad', 'ok', 'happy');
create type public._weight as (unit text);
create type weight as (unit text, grams int);
create domain grams as int check (value > 0);
create table pets (id serial primary key, mood "Odd one"."Mood" not null,
                   moods "Odd one"."Mood"[], weight weight, weights weight[], food grams);
"""


class TypesTest(IdentityTest):
    """A shadow made by pg_dump gives out OIDs of its own."""

    def prepare(self):
        self.server.sql(TYPES)
        self.config_of(provider="dump")
        self.create_shadow()
        type(self).traffic = self.capture(self.path("traffic"), self.pets)

    def pets(self, url):
        with psycopg.connect(self.server.url()) as direct:
            mood = EnumInfo.fetch(direct, MOOD)
            weight = CompositeInfo.fetch(direct, "weight")
        with psycopg.connect(url, autocommit=True, prepare_threshold=1) as connection:
            register_enum(mood, connection)
            register_composite(weight, connection)
            moods = list(mood.enum)
            for i in range(12):
                values = (moods[i % 3], moods[:i % 4], weight.python_type("kg", i),
                          [weight.python_type("g", i), None], i + 1)
                connection.execute("insert into pets (mood, moods, weight, weights, food) "
                                   "values (%b, %b, %b, %b, %s)", values)
                connection.execute("select * from pets where mood = %b and moods @> %b order by id",
                                   (moods[i % 3], moods[:i % 4]), binary=True)
                connection.execute("select row(weight, moods, id), weights from pets "
                                   "where weight = %b order by id", (values[2],), binary=True)

    def test_types_go_by_their_names(self):
        _, report = self.migrate(code=0)
        self.assert_same(report)

    def test_this_tests_something(self):
        """The copy has other numbers than the source."""
        types = "select oid from pg_type where typname in ('Mood', 'weight') order by 1"
        file = self.path("types")
        self.migrate("psql", "-XAt", "-o", file, "-c", types, code=0)
        with open(file, encoding="utf-8") as lane:
            self.assertNotEqual(lane.read().split(), self.server.sql(types).split())

    def test_a_type_that_the_migration_makes_anew_is_the_same_type(self):
        _, report = self.migrate_sql(
            'alter type weight rename to old; create type weight as (unit text, grams int); '
            'alter table pets alter weight type weight using null, '
            'alter weights type weight[] using null; drop type old', code=0)
        self.assert_same(report)


if __name__ == "__main__":
    scry_e2e.main()
