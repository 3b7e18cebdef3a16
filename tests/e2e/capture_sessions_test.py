"""Sessions of every shape pass: passwords, cancels, TLS requests, strange names, slow clients."""

import glob
import os
import socket
import struct

import scry_e2e

# With characters that URLs, shells and connection strings each treat in their own way.
PASSWORD = "p%40 w'\"\\:/@&" + scry_e2e.RUN_ID
STRANGE = "we ird'na\"me-\u00e9\u4e16"
LONG = "n" * 63


def identifier(name):
    return '"' + name.replace('"', '""') + '"'


class PasswordTest(scry_e2e.TestCase):
    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        cls.server = cls.start_server(auth="scram-sha-256", password=PASSWORD)

    def test_scram_works_and_no_secret_is_recorded_or_shown(self):
        directory = self.path("cap")
        shown = self.path("cmdlines")
        capture = self.start_capture(directory, env={"PGPASSWORD": PASSWORD})
        quoted = PASSWORD.replace("'", "''")
        right = self.psql(
            capture.url(), f"select 'let in';\nset log_statement = none;\n"
            f"create role other password '{quoted}';\n\\! cat /proc/[0-9]*/cmdline >'{shown}' 2>/dev/null\n",
            "-At", env={"PGPASSWORD": PASSWORD})
        self.assertEqual((right.code, right.out), (0, b"let in\nSET\nCREATE ROLE\n"), right)
        wrong = self.psql(capture.url(), "select 1;", env={"PGPASSWORD": "wrong"})
        self.assertEqual(wrong.code, 2)
        self.assertIn(b'password authentication failed for user "postgres"', wrong.err)
        ended = capture.stop()
        self.assertEqual(ended.code, 0, ended)
        self.assertEqual(self.log_info(directory)["sessions"], 1)

        told = self.run_scry("log", "cat", "--json", directory).out.encode()
        self.assertIn(b"let in", told)
        self.assertIn(b"create role other password NULL", told)
        held = {"log cat": told, "capture": (ended.out + ended.err).encode()}
        for path in glob.glob(os.path.join(directory, "*")) + [shown]:
            with open(path, "rb") as file:
                held[path] = file.read()
        self.assertIn(b"capture", held[shown])
        for where, content in held.items():
            for secret in (PASSWORD.encode(), scry_e2e.json.dumps(PASSWORD)[1:-1].encode(),
                           scry_e2e.RUN_ID.encode(), b"SCRAM-SHA-256", b"n,,n=", b",r=", b"c=biws"):
                with self.subTest(where=where, secret=secret):
                    if where == shown and secret != PASSWORD.encode():
                        continue  # Other people's processes.
                    self.assertNotIn(secret, content)

    def test_files_of_a_capture_are_for_their_owner_alone(self):
        directory = self.path("cap")
        capture = self.start_capture(directory, env={"PGPASSWORD": PASSWORD})
        self.psql(capture.url(), "select 1;", env={"PGPASSWORD": PASSWORD})
        self.assertEqual(capture.stop().code, 0)
        modes = {os.path.basename(path): oct(os.stat(path).st_mode & 0o077)
                 for path in glob.glob(os.path.join(directory, "*"))}
        self.assertGreaterEqual(len(modes), 2)
        self.assertEqual(set(modes.values()), {"0o0"}, modes)


class SessionsTest(scry_e2e.TestCase):
    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        cls.server = cls.start_server(config={"max_connections": 250})

    def wait_for_sleep(self):
        scry_e2e.wait_until(lambda: self.server.sql(
            "select 1 from pg_stat_activity where wait_event = 'PgSleep'"), "the sleep")

    # --- Cancels.

    def test_ctrl_c_in_psql_cancels_through_the_proxy(self):
        directory = self.path("cap")
        capture = self.start_capture(directory)
        psql = self.start_psql(capture.url(), "select pg_sleep(600)")
        self.wait_for_sleep()
        psql.send_signal(scry_e2e.signal.SIGINT)
        _, err = psql.communicate(timeout=scry_e2e.PATIENCE_S)
        self.assertIn(b"canceling statement due to user request", err)
        self.assertEqual(capture.stop().code, 0)
        events = self.log_cat(directory)
        [exchange] = [event for event in events if event["event"] == "exchange"]
        [cancel] = [event for event in events if event["event"] == "cancel"]
        self.assertEqual(exchange["statements"][0]["sqlstate"], "57014")
        self.assertEqual(cancel["session"], exchange["session"])
        self.assertEqual(self.log_info(directory)["cancels"], 1)

    def test_a_cancel_with_a_wrong_key_cancels_nothing(self):
        directory = self.path("cap")
        capture = self.start_capture(directory)
        with scry_e2e.WireClient(capture.host, capture.port) as client:
            client.startup()
            key = [payload for kind, payload in client.until() if kind == b"K"][0]
            pid, secret = struct.unpack("!II", key)
            client.query("select pg_sleep(0.3), 'undisturbed'")
            with socket.create_connection((capture.host, capture.port)) as other:
                other.sendall(struct.pack("!IIII", 16, 80877102, pid, secret ^ 1))
                self.assertEqual(other.recv(1), b"")
            kinds = b"".join(kind for kind, _ in client.until())
            self.assertEqual(kinds, b"TDCZ")
        self.assertEqual(capture.stop().code, 0)
        self.assert_sound(directory)

    # --- First packets.

    def test_tls_is_declined_and_prefer_works_and_require_fails_cleanly(self):
        capture = self.start_capture(self.path("cap"))
        for code in (80877103, 80877104):  # SSLRequest, GSSENCRequest.
            with scry_e2e.WireClient(capture.host, capture.port) as client:
                client.send(struct.pack("!II", 8, code))
                self.assertEqual(client.socket.recv(10), b"N")
                client.startup()
                self.assertEqual(client.until()[-1], (b"Z", b"I"))
        preferred = self.psql(capture.url(sslmode="prefer"), "select 'plain';", "-At")
        self.assertEqual((preferred.code, preferred.out), (0, b"plain\n"), preferred)
        required = self.psql(capture.url(sslmode="require"), "select 1;")
        self.assertEqual(required.code, 2)
        self.assertIn(b"server does not support SSL, but SSL was required", required.err)
        self.assertEqual(capture.stop().code, 0)

    def test_bytes_stuffed_behind_an_ssl_request_are_refused(self):
        capture = self.start_capture(self.path("cap"))
        with scry_e2e.WireClient(capture.host, capture.port) as client:
            client.send(struct.pack("!II", 8, 80877103) + b"smuggled")
            self.assertEqual(scry_e2e.sqlstate(client.message()), "08P01")
            self.assertIsNone(client.message())
        self.assertEqual(capture.stop().code, 0)

    def test_strangers_at_the_door_disturb_nobody(self):
        directory = self.path("cap")
        capture = self.start_capture(directory)
        with scry_e2e.WireClient(capture.host, capture.port) as client:
            client.startup()
            client.until()
            silent = socket.create_connection((capture.host, capture.port))
            self.addCleanup(silent.close)
            half = socket.create_connection((capture.host, capture.port))
            self.addCleanup(half.close)
            half.sendall(b"\0\0")
            for first in (b"GET / HTTP/1.1\r\nHost: x\r\n\r\n", b"\x16\x03\x01\x02\x00\x01" * 50,
                          b"\xff" * 100, b"\0" * 8, b"\0\0\0\x07abc", b"\0\0\0\x08\0\x02\0\0",
                          b"SSH-2.0-x\r\n", os.urandom(5000), b""):
                with socket.create_connection((capture.host, capture.port)) as stranger:
                    stranger.settimeout(scry_e2e.PATIENCE_S)
                    stranger.sendall(first)
                    stranger.shutdown(socket.SHUT_WR)
                    try:
                        while stranger.recv(4096):
                            pass
                    except ConnectionError:
                        pass
                client.query("select 1")
                self.assertEqual(b"".join(kind for kind, _ in client.until()), b"TDCZ")
        ended = capture.stop()
        self.assertEqual(ended.code, 0, ended)
        info = self.log_info(directory)
        self.assertEqual((info["sessions"], info["exchanges"], info["gaps"]), (1, 9, 0))

    # --- Slow, many and half.

    def test_a_client_that_does_not_read_holds_up_only_itself(self):
        directory = self.path("cap")
        capture = self.start_capture(directory)
        with scry_e2e.WireClient(capture.host, capture.port) as slow:
            slow.startup()
            slow.until()
            slow.query("select repeat(md5(i::text), 32) from generate_series(1, 30000) i")
            scry_e2e.wait_until(lambda: self.server.sql(
                "select 1 from pg_stat_activity where wait_event = 'ClientWrite'"),
                "the server to wait for the slow client")
            done = self.psql(capture.url(), "select 'served';", "-At")
            self.assertEqual(done.out, b"served\n")
            messages = slow.until()
            self.assertEqual(sum(kind == b"D" for kind, _ in messages), 30000)
            self.assertEqual(messages[-1], (b"Z", b"I"))
        self.assertEqual(capture.stop().code, 0)
        self.assertEqual(self.log_info(directory)["gaps"], 0)

    def test_a_client_that_vanishes_in_a_result_frees_the_server(self):
        directory = self.path("cap")
        capture = self.start_capture(directory)
        with scry_e2e.WireClient(capture.host, capture.port) as client:
            client.startup()
            client.until()
            client.query("select repeat('gone', 1000) from generate_series(1, 30000)")
            client.message()
        scry_e2e.wait_until(lambda: self.server.sql(
            "select count(*) from pg_stat_activity where query like '%gone%' "
            "and pid <> pg_backend_pid()") == "0", "the server's session to end")
        self.assertEqual(capture.stop().code, 0)
        [exchange] = self.exchanges(directory)
        self.assertEqual(exchange["statements"][0]["status"], "lost")
        self.assertEqual(self.log_info(directory)["cut_off"], 1)

    def test_a_half_closed_client_still_gets_its_answer(self):
        directory = self.path("cap")
        capture = self.start_capture(directory)
        with scry_e2e.WireClient(capture.host, capture.port) as client:
            client.startup()
            client.until()
            client.query("select repeat('x', 5000) from generate_series(1, 2000)")
            client.socket.shutdown(socket.SHUT_WR)
            kinds = b"".join(kind for kind, _ in client.until())
            self.assertEqual(kinds, b"T" + b"D" * 2000 + b"CZ")
            self.assertEqual(client.rest(), b"")
        self.assertEqual(capture.stop().code, 0)
        events = self.log_cat(directory)
        self.assertEqual([event["reason"] for event in events if event["event"] == "session end"],
                         ["client closed"])

    def test_two_hundred_connections_at_once_are_two_hundred_sessions(self):
        directory = self.path("cap")
        capture = self.start_capture(directory)
        clients = [scry_e2e.WireClient(capture.host, capture.port) for _ in range(200)]
        for client in clients:
            self.addCleanup(client.socket.close)
            client.startup()
        for client in clients:
            self.assertEqual(client.until()[-1], (b"Z", b"I"))
        for i, client in enumerate(clients):
            client.query(f"select {i} as which")
        for i, client in enumerate(clients):
            row = [payload for kind, payload in client.until() if kind == b"D"]
            self.assertTrue(row[0].endswith(str(i).encode()))
        for client in clients:
            client.socket.close()
        self.assertEqual(capture.stop().code, 0)
        self.assert_sound(directory)
        info = self.log_info(directory)
        self.assertEqual((info["sessions"], info["exchanges"], info["gaps"]), (200, 200, 0))

    # --- Names.

    def test_strange_names_of_databases_roles_and_statements_come_through(self):
        for name in (STRANGE, LONG):
            self.server.sql(f"create role {identifier(name)} superuser login;"
                            f"create database {identifier(name)}")
            with self.subTest(name=name):
                directory = self.path("cap " + name)
                done = self.run_scry(
                    "capture", "--upstream", self.server.url(name, user=name), "-o", directory,
                    "--", "psql", "-XAtc",
                    "select current_user || '|' || current_database()", "-c",
                    f"prepare {identifier(name)} as select 1; execute {identifier(name)}")
                self.assertEqual(done.code, 0, done)
                self.assertIn(f"{name}|{name}\n", done.out)
                self.assert_sound(directory)
                [start] = [event for event in self.log_cat(directory)
                           if event["event"] == "session start"]
                self.assertEqual(start["parameters"]["user"], name)
                self.assertEqual(start["parameters"]["database"], name)
                texts = [one["text"] for exchange in self.exchanges(directory)
                         for one in exchange["statements"]]
                self.assertTrue(any(identifier(name) in text for text in texts), texts)

    def test_a_capture_folder_may_have_any_name(self):
        for name in ("with space", "qu'ote\"s", "\u00e9\u4e16\U0001f600", "-dash", "$(touch x)`;&",
                     "new\nline", "deep/er/and/deeper", "trailing/"):
            with self.subTest(name=name):
                directory = self.path(name)
                done = self.run_scry("capture", "--json", "--upstream", self.server.url(), "-o",
                                     directory, "--", "psql", "-XAtc", "select 1", "-o",
                                     "/dev/null")
                self.assertEqual(done.code, 0, done)
                self.assertEqual(scry_e2e.json.loads(done.out)["capture"], directory)
                self.assert_sound(directory)
                info = self.log_info(directory)
                self.assertEqual((info["capture"], info["exchanges"]), (directory, 1))

    # --- The command.

    def test_the_command_sees_the_proxy_and_its_output_is_its_own(self):
        directory = self.path("cap")
        done = self.run_scry(
            "capture", "-q", "--upstream", self.server.url(), "-o", directory, "--", "sh", "-c",
            "psql -XAtc 'select 1' && psql -XAt \"$DATABASE_URL\" -c 'select 2' && "
            "echo $PGPORT $PGDATABASE $PGUSER; echo oops >&2")
        self.assertEqual(done.code, 0, done)
        one, two, target = done.out.splitlines()[:3]
        self.assertEqual((one, two), ("1", "2"))
        self.assertRegex(target, r"^\d+ postgres postgres$")
        self.assertNotEqual(target.split()[0], str(self.server.port))
        self.assertEqual(done.err, "oops\n")
        self.assertEqual(self.log_info(directory)["exchanges"], 2)

    def test_a_failing_command_is_an_exit_status_of_1_and_its_traffic_is_kept(self):
        directory = self.path("cap")
        done = self.run_scry("capture", "--upstream", self.server.url(), "-o", directory, "--",
                             "sh", "-c", "psql -XAtc 'select 1'; exit 7")
        self.assertEqual(done.code, 1, done)
        self.assertIn("the command 'sh' ended with exit status 7", done.err)
        self.assertEqual(self.log_info(directory)["exchanges"], 1)

    def test_a_connection_that_outlives_the_command_does_not_keep_the_capture(self):
        directory = self.path("cap")
        stay = self.path("stay.py")
        with open(stay, "w", encoding="utf-8") as file:
            file.write("import os, socket, time\n"
                       "s = socket.create_connection((os.environ['PGHOST'], "
                       "int(os.environ['PGPORT'])))\n"
                       "if os.fork() == 0:\n"
                       "    os.setsid()\n"
                       "    [os.close(i) for i in (0, 1, 2)]\n"
                       "    s.recv(1)\n")
        done = self.run_scry("capture", "--upstream", self.server.url(), "-o", directory, "--",
                             "/usr/bin/env", "python3", stay)
        self.assertEqual(done.code, 0, done)
        self.assertTrue(self.log_info(directory)["sealed"])

    def test_a_socket_folder_can_be_listened_in_again_and_again(self):
        folder = self.path("sockets")
        os.mkdir(folder)
        for round_ in range(2):
            directory = self.path(f"cap{round_}")
            done = self.run_scry("capture", "--upstream", self.server.url(), "--listen", folder,
                                 "-o", directory, "--", "psql", "-XAtc", "select 'by socket'")
            self.assertEqual(done.code, 0, done)
            self.assertIn("by socket\n", done.out)
            self.assertEqual(os.listdir(folder), [])

    def test_an_upstream_by_socket_folder_works(self):
        directory = self.path("cap")
        done = self.run_scry(
            "capture", "--upstream",
            f"host={self.server.socket_folder} port={self.server.port} user=postgres "
            "dbname=postgres", "-o", directory, "--", "psql", "-XAtc", "select 'by socket'")
        self.assertEqual(done.code, 0, done)
        self.assertIn("by socket\n", done.out)


if __name__ == "__main__":
    scry_e2e.main()
