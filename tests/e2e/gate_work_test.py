"""What a migration makes statements do more of is found by counting it, where no clock can tell."""

import importlib.util
import json

import gate_support
import scry_e2e

PSYCOPG = importlib.util.find_spec("psycopg") is not None

# Few calls of each: too few for the clock.
LEDGER = """
create table accounts (id int primary key, owner text not null, balance int not null default 0);
insert into accounts select i, 'owner ' || i, i % 500 from generate_series(1, 30000) i;
create index accounts_owner on accounts (owner);
create table entries (id bigserial primary key, account int not null references accounts on delete cascade,
                      amount int not null, note text);
insert into entries (account, amount, note) select 1 + i % 15000, i % 97, 'note ' || i
  from generate_series(1, 30000) i;
create index entries_account on entries (account);
vacuum analyze accounts, entries;
grant select, insert, update, delete on all tables in schema public to app;
grant usage on all sequences in schema public to app;
"""

TRAFFIC = """
set search_path = public, pg_temp;
select id, balance from accounts where owner = 'owner 17';
select id, balance from accounts where owner = 'owner 29111';
select id, balance from accounts where owner = 'nobody';
select amount from entries where account = 4711 order by id;
insert into entries (account, amount) values (12, 5);
update entries set amount = amount + 1 where account = 77;
begin;
delete from accounts where id = 29000;
rollback;
select note from entries order by note limit 5 offset 20000;
select nextval('entries_id_seq');
copy (select 1) to stdout;
"""

BOUND = [("select owner from accounts where id = %s", range(1, 20001, 2500)),
         ("select sum(amount) from entries where account = %s", range(1, 20))]


class WorkTest(gate_support.GateTest):
    def prepare(self):
        self.server.sql("create role app login;" + LEDGER)
        self.config_of()
        self.create_shadow()

        def traffic(url):
            for _ in range(2):
                self.must(self.psql(url, TRAFFIC, "-q"))
            for sql, parameters in BOUND:
                self.bound(url, sql, parameters)
        type(self).traffic = self.capture(self.path("traffic"), traffic, user="app")

    @staticmethod
    def bound(url, sql, parameters):
        """Through the extended protocol, prepared, in text and in binary; without psycopg: not."""
        if not PSYCOPG:
            return
        import psycopg  # pylint: disable=import-outside-toplevel
        with psycopg.connect(url, autocommit=True) as connection:
            for one in parameters:
                connection.execute(sql, (one,), prepare=True, binary=True)

    def more_work(self, report, pattern, gates=True):
        found = [one for one in self.findings(report, "more-work", gates=gates)
                 if pattern in one["pattern"]]
        self.assertEqual(len(found), 1, report["findings"])
        self.assertGreater(found[0]["work"]["samples"], 0)
        return found[0]

    def test_no_change_does_no_more_work_and_leaves_no_trace(self):
        _, report = self.migrate_sql("comment on table entries is 'money'", code=0)
        self.assertEqual([one for one in report["findings"] if "work" in one], [])
        self.assertGreaterEqual(report["tested"]["work_patterns"], 6, report)
        self.assertGreater(report["tested"]["work_samples"], report["tested"]["work_patterns"])
        [note] = [note for note in report["notes"] if note.startswith("Work ")]
        self.assertIn("1 without a plan", note)
        self.assertIn("1 with effects", note)

    def test_counting_work_changes_nothing_on_a_lane(self):
        self.must(self.scry("ci", "test-migration", "db/main", "--keep", "--capture", self.traffic,
                            "--report", self.path("kept"), "--", "true"))
        with open(self.path("kept/report.json"), encoding="utf-8") as file:
            tested = json.load(file)["tested"]
        self.assertGreater(tested["work_samples"], 0)
        # What the lanes held before work was counted on them: what the source held after the same
        # traffic. Numbers that sequences gave out are gone, as a rollback leaves them.
        source = self.source_contents()
        lanes = self.kept_lanes()
        self.assertEqual([lane for lane, _ in lanes], ["baseline", "candidate", "control"])
        for lane, data in lanes:
            with self.kept_lane(data) as sql:
                self.assertEqual(self.contents_of(sql), source, lane)
        self.forget_runs()

    def test_an_added_index_does_not_gate(self):
        _, report = self.migrate_sql("create index on entries (note)", code=0)
        self.assertEqual(self.findings(report), [])

    def test_what_a_foreign_key_reads_is_counted_with_the_statement_that_fires_it(self):
        _, report = self.migrate_sql("drop index entries_account", code=5)
        deleted = self.more_work(report, "delete from accounts")
        self.more_work(report, "update entries set amount")
        self.assertTrue(any("triggers" in reason for reason in deleted["reasons"]), deleted)
        if PSYCOPG:
            # Enough calls for the clock, too: then one finding says both. Run 19 times by name:
            # like the session, by a plan that knows no parameters.
            [found] = [one for one in report["findings"] if "sum(amount)" in one["pattern"]]
            self.assertTrue(found["gates"])
            self.assertTrue(any("generic plan" in reason for reason in found["reasons"]), found)

    def test_a_sort_that_begins_to_spill_is_found(self):
        done, report = self.migrate_sql("alter role app set work_mem = '64kB'", code=5)
        found = self.more_work(report, "order by note")
        self.assertEqual(found["work"]["before"]["spilled_blocks"], 0)
        self.assertGreater(found["work"]["after"]["spilled_blocks"], 0)
        self.assertIn("to disk instead of nothing", done.out)

    def test_what_the_policy_does_not_gate_is_told_and_passes(self):
        with open(self.workspace + "/scry.yaml", encoding="utf-8") as file:
            text = file.read()
        path = self.config(text + "policy:\n  gate: [error, result, latency]\n", "lenient.yaml")
        _, report = self.migrate_sql("drop index accounts_owner", code=0,
                                     flags=("--config", path))
        self.more_work(report, "from accounts where owner", gates=False)

    def test_a_dropped_index_is_found_by_its_blocks(self):
        done, report = self.migrate_sql("drop index accounts_owner", code=5)
        found = self.more_work(report, "from accounts where owner")
        self.assertGreater(found["work"]["after"]["blocks"],
                           100 + found["work"]["before"]["blocks"])
        self.assertGreater(found["work"]["other_plan"], 0)
        self.assertIn("Seq Scan", found["plan"]["sentence"])
        self.assertRegex(done.out, r"reads [\d,]+ blocks instead of [\d.,]+ \(\d+x\)")
        self.assertIn("MORE WORK", done.out)


if __name__ == "__main__":
    scry_e2e.main()
