"""What the tests of shadows and of `scry ci test-migration` share: a source, its shadow, captures of
its traffic, and the checks that hold after every command.

After each command that must not write to the source, `scry()` proves that it did not: no transaction
there got a number, and no counter of written rows moved.
"""

import contextlib
import glob
import json
import os
import re
import shutil
import signal
import subprocess
import tempfile
import threading
import time

import scry_e2e

COLUMNS_MAX = 100

# SCHEMA.md, member by member. A type in a tuple: any of them; a trailing "?": may be absent.
NUMBER = (int, float)
SCHEMA = {
    "schema": str, "tool_version": str, "created": str, "created_us": int, "shadow": str,
    "verdict": str, "sentence": str, "exit_status": int, "findings": list, "causes?": list, "fixes?": list,
    "not_judged": list, "unfaithful": list, "patterns": list, "ignore_rules": list, "notes": list, "tested": dict,
    "budget?": dict, "captures": list, "migration?": dict, "during?": dict, "lanes": list,
    "next_steps": list}
FINDING = {
    "id": str, "type": str, "gates": bool, "fingerprint": str, "pattern": str, "reasons": list,
    "calls": int, "affected": int, "share": NUMBER, "advice?": list, "difference?": str, "sqlstate?": str,
    "message?": str, "rows_before?": int, "rows_after?": int, "latency?": dict,
    "work?": dict, "moment?": str, "plan?": dict, "ignored?": dict, "rows?": dict, "example?": str}
CAUSE = {"object": str, "mechanism": str, "sentence": str, "statement?": str, "statement_index?": int, "findings": list}
FIX = {
    "kind": str, "sql": list, "sentence": str, "findings": list, "us_before": NUMBER, "us_after": NUMBER,
    "us_fixed": NUMBER, "blocks_before": NUMBER, "blocks_after": NUMBER, "blocks_fixed": NUMBER,
    "size_bytes": int, "build_us": int, "writes": list, "advice": list, "latencies?": list, "waits?": dict}
LATENCY = {"before": dict, "after": dict, "factor": NUMBER, "factor_low": NUMBER,
           "factor_high": NUMBER, "p": NUMBER, "confirmed": bool, "again_pairs": int, "part": str}
PATTERN = {"fingerprint": str, "pattern": str, "type": str, "calls": int, "pairs": int, "share": NUMBER,
           "median_us": NUMBER, "median_after_us": NUMBER, "detectable": NUMBER, "why?": str, "finding?": str, "work?": dict, "latencies?": list}
CLASSES = ("broken", "different", "slower", "more-work", "blocked", "faster", "unchanged", "new", "cannot-evaluate",
           "ignored")
TESTED = {
    "sessions": int, "sessions_excluded": int, "statements": int, "compared": int, "patterns": int,
    "unchanged": int, "classes": dict, "self_test": dict, "confirmation": dict, "fidelity": NUMBER, "fidelity_floor": NUMBER, "fidelity_lost": dict, "order_broken": int, "held_up": int,
    "stalls_released": int, "races_withdrawn": int, "cancelled": int, "order_wait_us": int,
    "tool_wait_us": int, "lag_us_max": int, "work_patterns": int,
    "work_samples": int, "first_patterns": int, "duration_us": int}
CAPTURE = {"name": str, "sessions": int, "statements": int, "started_us": int, "duration_us": int,
           "gaps": int, "gap_exchanges": int}
LANE = {"name": str, "made": str, "server_version": str, "ready_us": int, "busy_us": int}
VERDICTS = {0: "safe", 5: "regressions", 6: "inconclusive", 7: "migration failed"}


class GateTest(scry_e2e.TestCase):
    """A subclass overrides prepare(), which runs once, and has: server, config()."""

    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        cls.server = cls.start_server(config={"autovacuum": "off", "max_connections": "60"})
        cls.state_dir = os.path.join(cls.workspace, "state")
        fixture = cls()
        try:
            fixture.prepare()
        finally:
            fixture.doCleanups()

    def runTest(self):
        """So that prepare() has an instance to run on."""

    def prepare(self):
        pass

    # --- Verbs.

    def config(self, text, name="scry.yaml"):
        path = os.path.join(self.workspace, name)
        with open(path, "w", encoding="utf-8") as file:
            file.write(text)
        return path

    def config_of(self, database="postgres", provider="physical"):
        return self.config(
            "version: 1\n"
            "databases:\n"
            "  db:\n"
            f"    source: {self.server.url(database)}\n"
            "    shadows:\n"
            "      main:\n"
            f"        provider: {provider}\n")

    def scry(self, *args, env=None, source_changes=False, **options):
        before = None if source_changes else self.source_state()
        done = self.run_scry(*args, env={"SCRY_STATE_DIR": self.state_dir, **(env or {})}, **options)
        if before is not None:
            self.assertEqual(self.source_state(), before, f"{args} wrote to the source: {done}")
        return done

    def start_scry(self, *args, env=None):
        """Not waited for. In a group of its own, as a job of a shell."""
        process = subprocess.Popen(
            [self.binary, *args], stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
            stderr=subprocess.PIPE, cwd=self.workspace, start_new_session=True,
            env=scry_e2e.clean_environment(SCRY_STATE_DIR=self.state_dir, **(env or {})))

        def end():
            if process.poll() is None:
                process.kill()
                process.communicate()
        self.addCleanup(end)
        return process

    def finish(self, process):
        try:
            out, err = process.communicate(timeout=scry_e2e.PATIENCE_S)
        except subprocess.TimeoutExpired:
            with contextlib.suppress(ProcessLookupError):
                os.killpg(process.pid, signal.SIGKILL)
            out, err = process.communicate()
            self.fail(f"scry did not end: {out!r} {err!r}")
        return scry_e2e.Done(process.returncode, out.decode(), err.decode())

    def must(self, done, code=0):
        self.assertEqual(done.code, code, f"\n{done.out}\n{done.err}")
        return done

    def init_pgbench(self, scale):
        subprocess.run([scry_e2e.program("pgbench"), "-i", "-s", str(scale), "-q", self.server.url()],
                       check=True, capture_output=True, env=scry_e2e.clean_environment())

    def create_shadow(self, name="db/main"):
        return self.must(self.scry("shadow", "create", name))

    def capture(self, directory, *command, code=0, user="postgres", database="postgres"):
        """Captures the command's traffic, or that of a function which gets a URL."""
        if callable(command[0]):
            capture = self.start_capture(directory)
            command[0](capture.url(database, user=user))
            self.must(capture.stop(), code)
        else:
            self.must(self.run_scry("capture", "--upstream", self.server.url(database, user=user),
                                    "-o", directory, "--", *command), code)
        self.assert_sound(directory)
        info = self.log_info(directory)
        self.assertEqual((info["gaps"], info["exchanges_lost"]), (0, 0))
        return directory

    def sql_file(self, name, text):
        path = self.path(name)
        with open(path, "w", encoding="utf-8") as file:
            file.write(text)
        return path

    def migrate(self, *command, shadow="db/main", capture=None, code=None, flags=(), env=None):
        """test-migration with a report; answers (done, report as JSON). With `code`: that status."""
        folder = self.path(f"report-{len(glob.glob(self.path('report-*')))}")
        arguments = ["ci", "test-migration", shadow, "--report", folder, *flags]
        for directory in ([capture] if isinstance(capture, str) else capture or [self.traffic]):
            arguments += ["--capture", directory]
        if command:
            arguments += ["--", *command]
        done = self.scry(*arguments, env=env)
        if code is not None:
            self.must(done, code)
        report = self.check_report(folder, done) if done.code in VERDICTS else None
        self.assert_no_runs()
        return done, report

    def migrate_sql(self, sql, **options):
        return self.migrate("psql", "-Xq", "-v", "ON_ERROR_STOP=1", "-c", sql, **options)

    # --- What must hold.

    def source_state(self):
        """Differs after any write to the source, as each takes a transaction's number (counters of rows come
        late); None while it does not run."""
        if self.server.process is None:
            return None
        return self.server.sql("select pg_snapshot_xmax(pg_current_snapshot())")

    def source_contents(self, database="postgres"):
        """One digest per table of users."""
        return self.contents_of(self.server.sql, database)

    @staticmethod
    def contents_of(sql, database="postgres"):
        names = sql(
            "select c.oid::regclass from pg_class c join pg_namespace n on n.oid = relnamespace "
            "where relkind = 'r' and nspname not in ('pg_catalog', 'information_schema', "
            "'pg_toast') order by 1", database).splitlines()
        return {name: sql(
            f"select count(*), md5(string_agg(t::text, ',' order by t::text)) from {name} t",
            database) for name in names}

    def assert_no_runs(self):
        self.assertEqual(os.listdir(os.path.join(self.state_dir, "runs")), [])

    def assert_one_line(self, done):
        """stderr ends with exactly one line of ours, and stdout holds nothing."""
        lines = [line for line in done.err.splitlines() if line.startswith("scry: ")]
        self.assertEqual(len(lines), 1, done.err)
        self.assertEqual(done.err.splitlines()[-1], lines[0])
        self.assertEqual(done.out, "")
        return lines[0]

    def assert_members(self, value, schema, where):
        known = {name.rstrip("?"): kind for name, kind in schema.items()}
        self.assertLessEqual(set(value), set(known), where)
        for name in schema:
            if not name.endswith("?"):
                self.assertIn(name, value, where)
        self.assertEqual(list(value), [name for name in known if name in value], f"order in {where}")
        for name, member in value.items():
            kinds = known[name] if isinstance(known[name], tuple) else (known[name],)
            self.assertIn(type(member), kinds, f"{where}.{name}")

    def assert_schema(self, report):
        self.assert_members(report, SCHEMA, "report")
        self.assertEqual(report["schema"], "scry.report/1")
        self.assertEqual(report["verdict"], VERDICTS[report["exit_status"]])
        for finding in report["findings"]:
            self.assert_members(finding, FINDING, finding)
            self.assertIn(finding["type"], ("broken", "different", "blocked", "slower", "new-slow", "over-budget",
                                            "more-work", "transient", "warning", "new", "faster", "ignored"))
            self.assertRegex(finding["fingerprint"], "^[0-9a-f]{16}$")
            if "latency" in finding:
                self.assert_members(finding["latency"], LATENCY, finding)
        ids = {finding["id"] for finding in report["findings"]}
        for kind, schema in (("causes", CAUSE), ("fixes", FIX)):
            for one in report.get(kind, []):
                self.assert_members(one, schema, one)
                self.assertLessEqual(set(one["findings"]), ids, one)
        gating = [finding["gates"] for finding in report["findings"]]
        self.assertEqual(gating, sorted(gating, reverse=True), "the gating ones first")
        self.assertEqual(report["exit_status"] == 5, any(gating), report["sentence"])
        self.assert_members(report["tested"], TESTED, "tested")
        self.assert_classes(report)
        for one in report["captures"]:
            self.assert_members(one, CAPTURE, "captures")
        for one in report["lanes"]:
            self.assert_members(one, LANE, "lanes")

    def assert_classes(self, report):
        """Every pattern ends in exactly one class."""
        counts = {}
        for line in report["patterns"]:
            self.assert_members(line, PATTERN, line)
            self.assertIn(line["type"], CLASSES)
            counts[line["type"]] = counts.get(line["type"], 0) + 1
        self.assertEqual(report["tested"]["classes"], counts)
        self.assertEqual(report["tested"]["patterns"], len(report["patterns"]))
        self.assertEqual(report["tested"]["unchanged"], counts.get("unchanged", 0))
        ids = {finding["id"] for finding in report["findings"]}
        self.assertLessEqual({line["finding"] for line in report["patterns"] if "finding" in line}, ids)

    def check_report(self, folder, done):
        """The files of a report and what was printed belong together."""
        self.assertEqual(sorted(os.listdir(folder)),
                         ["report.html", "report.json", "report.md", "report.txt"])
        for name, form in (("report.html", "html"), ("report.md", "markdown")):
            with open(os.path.join(folder, name), encoding="utf-8") as file:
                self.assertEqual(self.run_scry("report", "convert", "--to", form, folder).out,
                                 file.read())
        with open(os.path.join(folder, "report.json"), encoding="utf-8") as file:
            text = file.read()
        report = json.loads(text)
        self.assert_schema(report)
        self.assertEqual(report["exit_status"], done.code)
        if done.out.startswith("{"):
            self.assertEqual(done.out, text)
        else:
            shown = self.run_scry("report", "show", folder)
            self.assertEqual((shown.code, shown.out, shown.err), (0, done.out, ""))
        with open(os.path.join(folder, "report.txt"), encoding="utf-8") as file:
            written = file.read()
        shown = self.run_scry("report", "show", os.path.join(folder, "report.json"), "--plans")
        self.assertEqual((shown.code, shown.out, shown.err), (0, written, ""))
        # A command is for copying and never cut; nor is a single word, such as a long path.
        uncut = {step["command"] for step in report["next_steps"]}
        uncut |= {sql for fix in report.get("fixes", []) for text in fix["sql"] for sql in text.splitlines()}
        for line in written.splitlines():
            short = len(line) <= COLUMNS_MAX or " " not in line.strip() or line.strip() in uncut
            self.assertTrue(short, line)
        self.assertNotRegex(written, "\x1b")
        return report

    def findings(self, report, type_=None, gates=True):
        return [one for one in report["findings"]
                if one["gates"] == gates and type_ in (None, one["type"])]

    def assert_safe(self, report, **tested):
        # The clock of a busy machine may be told of, but never gates. Nor does a short wait for a lock
        # that the migration does take.
        told = [one for one in report["findings"]
                if one["gates"] or "difference" in one or ("latency" not in one and one["type"] != "blocked")]
        self.assertEqual(told, [], report)
        self.assertEqual(report["tested"]["stalls_released"], 0, report["tested"])
        self.assertEqual(report["tested"]["sessions_excluded"], 0, report["notes"])
        for name, value in tested.items():
            self.assertEqual(report["tested"][name], value, name)

    # --- Lanes of a running test-migration.

    def lane_server(self, lane):
        """(pid of the postmaster, socket folder) of the one run there is; None: not up yet."""
        for path in glob.glob(os.path.join(self.state_dir, "runs", "*", lane, "data",
                                           "postmaster.pid")):
            with contextlib.suppress(OSError):
                with open(path, encoding="utf-8") as file:
                    lines = file.read().splitlines()
                if len(lines) >= 8 and lines[7].strip() == "ready":
                    return int(lines[0]), lines[4]
        return None

    def lane_sql(self, lane, sql, database="postgres"):
        """Empty where the lane is not there (yet)."""
        found = self.lane_server(lane)
        if found is None:
            return ""
        argv = [scry_e2e.program("psql"), "-XqAt", "-h", found[1], "-p", "5432", "-U",
                self.server.superuser, "-d", database, "-c", sql]
        done = subprocess.run(argv, capture_output=True, text=True,
                              env=scry_e2e.clean_environment())
        return done.stdout.strip()

    @contextlib.contextmanager
    def kept_lane(self, data, database="postgres"):
        """A lane that was kept (--keep), its server started once more: a function that asks it."""
        folder = tempfile.mkdtemp(prefix="scry-e2e-lane-", dir="/tmp")
        os.chmod(folder, 0o777)
        # pylint: disable=protected-access
        argv = self.server._as_server_user(
            scry_e2e.program("postgres"), "-D", data, "-k", folder, "-p", "5432", "-c",
            "listen_addresses=", dies_with_us=True)
        process = subprocess.Popen(argv, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL,
                                   stderr=subprocess.DEVNULL, env=scry_e2e.clean_environment())

        def sql(text, _database=database):
            return subprocess.run(
                [scry_e2e.program("psql"), "-XqAt", "-h", folder, "-U", self.server.superuser, "-d",
                 _database, "-c", text], check=True, capture_output=True, text=True,
                env=scry_e2e.clean_environment()).stdout.rstrip("\n")
        try:
            ready = [scry_e2e.program("pg_isready"), "-q", "-h", folder, "-p", "5432"]
            scry_e2e.wait_until(lambda: subprocess.run(ready, check=False).returncode == 0, "the lane")
            yield sql
        finally:
            process.terminate()
            process.wait()
            shutil.rmtree(folder, ignore_errors=True)

    def kept_lanes(self):
        """(lane, folder of its data) of all runs that were kept."""
        folders = sorted(glob.glob(os.path.join(self.state_dir, "runs", "*", "*", "data")))
        return [(os.path.basename(os.path.dirname(one)), one) for one in folders]

    def forget_runs(self):
        self.must(self.run_scry("shadow", "gc", "--kept", env={"SCRY_STATE_DIR": self.state_dir}))

    def wait_for_file(self, path):
        scry_e2e.wait_until(lambda: os.path.exists(path), path)


# --- Traffic.

def run_all(*jobs):
    """Runs functions at the same time; the first failure is raised."""
    failures = []

    def guarded(job):
        try:
            job()
        except BaseException as failure:  # pylint: disable=broad-except
            failures.append(failure)
    threads = [threading.Thread(target=guarded, args=(job,)) for job in jobs]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    if failures:
        raise failures[0]


SHOP = """
create table customers (id bigserial primary key, email text not null unique, name text,
                        visits int not null default 0, joined date not null default '2026-01-01');
create table orders (id bigserial primary key, customer_id bigint not null references customers,
                     status text not null default 'new', total numeric(10, 2) not null, note text,
                     created timestamptz not null default now());
create index orders_customer on orders (customer_id);
create table order_items (order_id bigint not null references orders, line int not null,
                          product text not null, quantity int not null,
                          primary key (order_id, line));
create table events (id bigserial primary key, kind text not null, payload jsonb,
                     at timestamptz not null default clock_timestamp());
create view open_orders as select id, customer_id, total from orders where status <> 'paid';
create function order_total(bigint) returns numeric language sql stable as
  'select coalesce(sum(quantity * 2.5), 0) from order_items where order_id = $1';
insert into customers (email, name)
  select 'user' || i || '@example.com', 'Name ' || i from generate_series(1, 2000) i;
insert into orders (customer_id, status, total, note)
  select 1 + i % 2000, case i % 3 when 0 then 'paid' else 'new' end, i % 500, repeat('n', i % 40)
  from generate_series(1, 6000) i;
insert into order_items select i, 1, 'product ' || i % 50, 1 + i % 5 from generate_series(1, 6000) i;
create role app login;
grant select, insert, update, delete on all tables in schema public to app;
grant usage on all sequences in schema public to app;
create role stranger login;
analyze;
"""


def shop_session(number, rounds):
    """A psql script: what one worker of an application does, errors of every day included."""
    script = [
        f"set application_name = 'worker {number}';",
        "set timezone = 'Europe/Berlin'; set statement_timeout = '60s';",
        "create temp table cart (line int, product text);",
        "listen orders;",
        "prepare by_email (text) as select id, name from customers where email = $1;"]
    for i in range(rounds):
        customer = 1 + (number * 37 + i * 101) % 2000
        script.append(f"""
begin;
insert into cart values (1, 'product {i}'), (2, 'product {i + 1}');
insert into orders (customer_id, total, note) values ({customer}, {i}.50, null) returning id as order_id \\gset
insert into order_items select :order_id, line, product, 2 from cart;
update customers set visits = visits + 1 where id = {customer};
savepoint before_event;
insert into events (kind, payload) values ('order', jsonb_build_object('order', :order_id));
release before_event;
truncate cart;
notify orders, 'new order';
commit;
execute by_email('user{customer}@example.com');
select * from orders where id = :order_id;
select order_total(:order_id);
select count(*) from orders where customer_id = {customer} and status = 'new'\\; select max(id) > 0 from orders;
update orders set status = 'paid' where id = :order_id returning status, total;
insert into customers (email, name) values ('user{customer}@example.com', 'taken');
select c.name, o.total from customers c join orders o on o.customer_id = c.id where c.id = {customer} order by o.total desc, o.id limit 5;
""")
        if i % 5 == 0:
            script.append(f"""
copy events (kind, payload) from stdin;
seen\t{{"worker": {number}, "round": {i}}}
left\t\\N
\\.
copy (select id, status, total from orders where customer_id = {customer} and id <= 6000 order by id) to stdout;
begin;
declare c cursor for select id, email from customers where id > {customer} order by id;
fetch 10 from c;
move 5 in c;
fetch 3 from c;
close c;
commit;
begin;
update customers set name = 'undone' where id = {customer};
select nonsense from customers;
select 1;
rollback;
select id, total from open_orders where customer_id = {customer} and id <= 6000 order by id;
delete from order_items where order_id = :order_id and line = 2;
select status, count(*) from orders where id <= 6000 and id % 3 = 0 group by status order by status;
""")
    script.append("unlisten *; drop table cart; deallocate by_email;")
    return "\n".join(script)


def shop_traffic(test, url, sessions=4, rounds=15):
    """Several workers at the same time, through psql."""
    def worker(number):
        done = test.psql(url, shop_session(number, rounds), "-q")
        if done.code != 0:
            raise AssertionError(done)
    run_all(*[lambda number=number: worker(number) for number in range(sessions)])


def psycopg_traffic(url, sessions=3, rounds=15):
    """The same trade as an application with server-side parameters. False without psycopg."""
    try:
        import psycopg  # pylint: disable=import-outside-toplevel
    except ImportError:
        return False

    def worker(number):
        with psycopg.connect(url, prepare_threshold=3) as connection:
            for i in range(rounds):
                customer = 1 + (number * 53 + i * 17) % 2000
                with connection.transaction():
                    [order] = connection.execute(
                        "insert into orders (customer_id, total) values (%s, %s) returning id",
                        (customer, i)).fetchone()
                    with connection.cursor() as cursor:
                        cursor.executemany("insert into order_items values (%s, %s, %s, %s)",
                                           [(order, line, "widget", line) for line in range(1, 4)])
                connection.execute("select * from customers where id = %s", (customer,), binary=True)
                try:
                    with connection.transaction():
                        connection.execute("insert into customers (email) values (%s)",
                                           (f"user{customer}@example.com",))
                except psycopg.errors.UniqueViolation:
                    pass
                with connection.cursor() as cursor, connection.pipeline():
                    cursor.execute("select line, quantity from order_items where order_id = %s "
                                   "order by line", (order,))
                    cursor.execute("update orders set note = %s where id = %s", ("piped", order))
                    cursor.execute("select note from orders where id = %s", (order,))
                with connection.cursor() as cursor:
                    with cursor.copy("copy events (kind) from stdin") as copy:
                        copy.write_row(("copied",))
                connection.commit()
    run_all(*[lambda number=number: worker(number) for number in range(sessions)])
    return True


def has_alembic():
    """With psycopg2, for the system's Python."""
    probe = ["/usr/bin/python3", "-c", "import alembic, sqlalchemy, psycopg2"]
    return subprocess.run(probe, capture_output=True, check=False).returncode == 0


def alembic_project(folder, upgrade):
    """A project with one revision, whose upgrade() has this body. Answers its alembic.ini."""
    os.makedirs(os.path.join(folder, "versions"))
    ini = os.path.join(folder, "alembic.ini")
    with open(ini, "w", encoding="utf-8") as file:
        file.write(f"[alembic]\nscript_location = {folder}\n")
    with open(os.path.join(folder, "env.py"), "w", encoding="utf-8") as file:
        file.write("import os\nfrom alembic import context\nfrom sqlalchemy import create_engine\n"
                   "engine = create_engine(os.environ['DATABASE_URL'])\n"
                   "with engine.connect() as connection:\n"
                   "    context.configure(connection=connection)\n"
                   "    with context.begin_transaction():\n"
                   "        context.run_migrations()\n")
    with open(os.path.join(folder, "versions", "one.py"), "w", encoding="utf-8") as file:
        file.write("from alembic import op\nrevision = 'one'\ndown_revision = None\n"
                   f"def upgrade():\n    {upgrade}\n")
    return ini


class PlayedShop(GateTest):
    """A subclass has the SQL of a shop, a script of pgbench that 8 clients of `app` play, and for how long."""
    shop = ""
    shopping = ""
    seconds = 2

    def prepare(self):
        self.server.sql(self.shop)
        self.server.sql("vacuum analyze")
        self.config_of()
        self.create_shadow()
        path = self.sql_file("shopping.pgbench", self.shopping)

        def play(url):
            subprocess.run([scry_e2e.program("pgbench"), "-n", "-c", "8", "-T", str(self.seconds), "-f", path, url],
                           check=True, capture_output=True, env=scry_e2e.clean_environment())
        type(self).traffic = self.capture(self.path("traffic"), play, user="app")

    def play_beside(self, sql, code, *flags):
        """Runs the script as a migration beside the traffic. Answers Done and the report."""
        path = self.sql_file("migration.sql", sql)
        return self.migrate("psql", "-Xq", "-v", "ON_ERROR_STOP=1", "-f", path, capture=self.traffic, code=code,
                            flags=flags)
