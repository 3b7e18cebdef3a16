"""Everything pgbench does through the proxy is in the capture: no statement more, none less."""

import re
import subprocess

import scry_e2e

CLIENTS = 4
TRANSACTIONS = 30  # Of each client.
STATEMENTS = {"tpcb-like": 7, "select-only": 1}


def plain(query):
    """One spelling for pg_stat_statements' query texts and scry's patterns."""
    query = re.sub(r"\$\d+", "?", query.lower())
    return re.sub(r"\s+", "", query).rstrip(";")


class PgbenchTest(scry_e2e.TestCase):
    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        cls.server = cls.start_server()
        cls.pgbench = scry_e2e.program("pgbench")
        subprocess.run([cls.pgbench, "-i", "-q", "-s", "1", cls.server.url()], check=True,
                       capture_output=True, env=scry_e2e.clean_environment())
        if cls.server.has_statements:
            cls.server.sql("create extension pg_stat_statements")

    def server_statements(self):
        """What the server counted: {query: (calls, rows)}, our own looking left out."""
        counted = {}
        for line in self.server.sql(
                "select json_build_array(query, calls, rows) from pg_stat_statements "
                "where query not like '%pg_stat_statements%'").splitlines():
            query, calls, rows = scry_e2e.json.loads(line)
            before = counted.get(plain(query), (0, 0))
            counted[plain(query)] = (before[0] + calls, before[1] + rows)
        return counted

    def start_counting(self):
        """Learns what scry itself asks the source for its snapshot, and forgets what was counted."""
        self.server.sql("select pg_stat_statements_reset()")
        done = self.run_scry("capture", "--upstream", self.server.url(), "-o", self.path("none"),
                             "--", "true")
        self.assertEqual(done.code, 0, done)
        self.own = set(self.server_statements())
        self.server.sql("select pg_stat_statements_reset()")

    def traffic_statements(self):
        return {query: counts for query, counts in self.server_statements().items()
                if query not in self.own}

    def check(self, script, mode):
        if not self.server.has_statements:
            self.skipTest("pg_stat_statements is not installed")
        directory = self.path("cap")
        self.start_counting()
        done = self.run_scry(
            "capture", "--upstream", self.server.url(), "-o", directory, "--", self.pgbench, "-n",
            "-c", str(CLIENTS), "-j", "2", "-t", str(TRANSACTIONS), "-M", mode, "-b", script)
        self.assertEqual(done.code, 0, done)
        transactions = CLIENTS * TRANSACTIONS
        self.assertIn(f"number of transactions actually processed: {transactions}/{transactions}",
                      done.out)
        counted = self.traffic_statements()
        if mode == "prepared":
            # The extension counts only the first run of a cached utility statement (it clears the
            # query id in the cached plan).
            for query in counted.keys() & {"begin", "end"}:
                counted[query] = (transactions, 0)
        self.assert_sound(directory)

        top = self.log_top(directory)
        recorded = {plain(one["pattern"]): (one["calls"], one["rows"]) for one in top["patterns"]}
        self.assertEqual({query: calls for query, (calls, _) in recorded.items()},
                         {query: calls for query, (calls, _) in counted.items()})
        for query, (calls, rows) in counted.items():
            with self.subTest(query=query):
                self.assertEqual(recorded[query], (calls, rows))
        self.assertEqual(sum(one["errors"] for one in top["patterns"]), 0)

        of_script = [one for one in top["patterns"] if one["calls"] == transactions]
        self.assertEqual(len(of_script), STATEMENTS[script])
        self.assertEqual(sum(one["calls"] for one in of_script),
                         transactions * STATEMENTS[script])
        info = self.log_info(directory)
        self.assertEqual(info["statements"], top["statements"])
        self.assertEqual((info["errors"], info["exchanges_lost"], info["gaps"], info["cut_off"]),
                         (0, 0, 0, 0))
        # One more asks for the scale before the clients start.
        self.assertEqual(info["sessions"], CLIENTS + 1)
        self.assertTrue(info["sealed"])

    def test_a_full_queue_leaves_gaps_that_add_up(self):
        if not self.server.has_statements:
            self.skipTest("pg_stat_statements is not installed")
        directory = self.path("cap")
        self.start_counting()
        done = self.run_scry(
            "capture", "--json", "--queue", "1B", "--upstream", self.server.url(), "-o",
            directory, "--", "sh", "-c",
            f"{self.pgbench} -n -c 8 -j 2 -t 200 -M simple -b tpcb-like >/dev/null")
        self.assertEqual(done.code, 0, done)
        summary = scry_e2e.json.loads(done.out)
        # In simple mode an exchange is a statement.
        asked = sum(calls for calls, _ in self.traffic_statements().values())
        self.assertGreaterEqual(asked, 8 * 200 * 7)
        # How much is lost is up to the machine; that it adds up is not.
        self.assertEqual(summary["exchanges"] + summary["exchanges_lost"], asked)
        info = self.log_info(directory)
        self.assertEqual(info["exchanges"], summary["exchanges"])
        self.assertEqual(info["exchanges_lost"], summary["exchanges_lost"])
        self.assert_sound(directory)


def promise(script, mode):
    def test(self):
        self.check(script, mode)
    return test


for _script in STATEMENTS:
    for _mode in ("simple", "extended", "prepared"):
        _name = f"test_{_script}_in_{_mode}_mode_is_recorded_statement_by_statement"
        setattr(PgbenchTest, _name.replace("-", "_"), promise(_script, _mode))

if __name__ == "__main__":
    scry_e2e.main()
