"""Nothing is ever written to a source, whatever a clumsy or hostile user does to the state folder."""

import json
import os
import shutil

import gate_support
import scry_e2e


class GuardTest(gate_support.GateTest):
    def prepare(self):
        cls = type(self)
        cls.server.sql("create table t (id int primary key, v text);"
                       "insert into t select i, 'v' || i from generate_series(1, 200) i")
        self.config_of()
        self.create_shadow()
        cls.folder = os.path.join(cls.state_dir, "shadows", "db", "main")
        statements = "".join(f"insert into t values ({1000 + i}, 'new');\n"
                             f"select v from t where id = {i};\n" for i in range(1, 30))
        cls.traffic = self.capture(cls.workspace + "/traffic", scry_e2e.program("psql"), "-Xq",
                                   "-o", "/dev/null", "-f", self.sql_file("t.sql", statements))
        cls.server.sql("delete from t where id >= 1000")
        cls.contents = self.source_contents()

    def setUp(self):
        self.saved = self.path("saved")
        shutil.copytree(self.folder, self.saved, symlinks=True)

    def tearDown(self):
        self.assertEqual(self.source_contents(), self.contents)
        self.assertEqual(self.server.sql("select count(*) from pg_stat_activity where "
                                         "application_name like 'scry%'"), "0")
        self.assert_no_runs()
        self.scry("shadow", "destroy", "db/main", "--force")  # Its server may run.
        if os.path.islink(self.folder):
            os.unlink(self.folder)
        shutil.rmtree(self.folder, ignore_errors=True)
        shutil.copytree(self.saved, self.folder, symlinks=True)
        if os.geteuid() == 0:
            for path, _, names in os.walk(os.path.join(self.folder, "data")):
                for name in [path] + [os.path.join(path, name) for name in names]:
                    shutil.chown(name, "postgres", "postgres")

    def edit(self, **changes):
        path = os.path.join(self.folder, "shadow.json")
        with open(path, encoding="utf-8") as file:
            info = json.load(file)
        info.update(changes)
        with open(path, "w", encoding="utf-8") as file:
            json.dump(info, file)

    def refused(self, *arguments, codes=(1, 3, 64)):
        """By one line on stderr, without touching the source (scry() checks that)."""
        done = self.scry(*arguments)
        self.assertIn(done.code, codes, done)
        return self.assert_one_line(done)

    def request(self, *command):
        return ("ci", "test-migration", "db/main", "--capture", self.traffic,
                *(("--",) + command if command else ()))

    WRITE = ("psql", "-Xq", "-c", "insert into t values (5000, 'by the migration')")

    def test_a_run_writes_to_its_forks_alone(self):
        done = self.must(self.scry(*self.request(*self.WRITE)))
        self.assertIn("SAFE", done.out)
        # Not even to the shadow.
        url = self.must(self.scry("shadow", "url", "db/main")).out.strip()
        self.assertEqual(self.psql(url, "select count(*) from t", "-At").out, b"200\n")

    def test_settings_that_point_elsewhere_are_not_followed(self):
        self.edit(settings=[["data_directory", self.server.data], ["listen_addresses", "*"],
                            ["unix_socket_directories", self.server.socket_folder],
                            ["hba_file", "/dev/null"], ["archive_mode", "on"],
                            ["archive_command", "touch " + self.path("archived")],
                            ["primary_conninfo", self.server.url()], ["work_mem", "3MB"]])
        self.must(self.scry(*self.request(*self.WRITE)))
        self.assertFalse(os.path.exists(self.path("archived")))

    def test_a_data_folder_that_is_a_link_to_the_source_is_never_started(self):
        data = os.path.join(self.folder, "data")
        shutil.rmtree(data)
        os.symlink(self.server.data, data)
        for arguments in (self.request(*self.WRITE), ("shadow", "url", "db/main")):
            with self.subTest(arguments=arguments):
                self.assertIn("no folder of its own", self.refused(*arguments, codes=(1,)))
        self.must(self.scry("shadow", "gc"))
        self.must(self.scry("shadow", "destroy", "db/main", "--force"))
        self.assertTrue(os.path.isfile(os.path.join(self.server.data, "PG_VERSION")))

    def test_links_inside_the_data_folder_do_not_lead_to_the_source(self):
        base = os.path.join(self.folder, "data", "base")
        shutil.rmtree(base)
        os.symlink(os.path.join(self.server.data, "base"), base)
        for arguments in (self.request(*self.WRITE), ("shadow", "url", "db/main")):
            self.assertIn("symbolic link", self.refused(*arguments, codes=(1,)))

    def test_destroying_a_shadow_that_is_a_link_leaves_what_it_points_to(self):
        shutil.rmtree(self.folder)
        os.symlink(self.server.folder, self.folder)
        self.refused("shadow", "destroy", "db/main", "--force", codes=(3,))
        self.assertTrue(os.path.isfile(os.path.join(self.server.data, "PG_VERSION")))
        self.assertEqual(self.server.sql("select count(*) from t"), "200")

    def test_a_list_of_sockets_that_names_other_folders_removes_nothing(self):
        precious = self.path("precious")
        os.makedirs(precious)
        with open(os.path.join(self.folder, "sockets"), "w", encoding="utf-8") as file:
            file.write(f"{precious}\n{self.server.socket_folder}\n/tmp\n/\n/tmp/scry-../../etc\n")
        self.must(self.scry("shadow", "gc"))
        self.must(self.scry("shadow", "url", "db/main"))
        self.assertTrue(os.path.isdir(precious))
        self.assertTrue(os.path.isdir(self.server.socket_folder))
        self.must(self.scry("shadow", "destroy", "db/main"))

    def test_a_damaged_description_is_told_and_can_be_destroyed(self):
        path = os.path.join(self.folder, "shadow.json")
        for text in ("", "{", "[]", "{}", '{"format": 99}', "\0\xff"):
            with self.subTest(text=text):
                with open(path, "w", encoding="latin-1") as file:
                    file.write(text)
                self.assertIn("shadow.json", self.refused(*self.request()))
                self.refused("shadow", "show", "db/main")
                self.assertIn("shadow.json", self.must(self.scry("shadow", "list")).err)
        self.must(self.scry("shadow", "destroy", "db/main"))

    def test_a_running_data_folder_is_refused_by_the_directory_provider(self):
        path = self.config(
            "version: 1\ndatabases:\n  db:\n    shadows:\n      copy:\n        provider: directory\n"
            f"        directory: {self.server.data}\n", "directory.yaml")
        line = self.refused("shadow", "create", "db/copy", "--config", path, codes=(64,))
        self.assertIn("stop it first, or use provider physical", line)
        link = self.path("link")
        os.symlink(self.server.data, link)
        path = self.config(
            "version: 1\ndatabases:\n  db:\n    shadows:\n      copy:\n        provider: directory\n"
            f"        directory: {link}\n", "directory.yaml")
        self.refused("shadow", "create", "db/copy", "--config", path)

    def test_a_migration_that_attacks_the_marker_is_not_replayed_against(self):
        """A server without this run's own marker is refused, even under the candidate's address."""
        done = self.scry(*self.request(
            "psql", "-Xq", "-c", "alter system set scry.shadow = 'mine'", "-c",
            "select pg_reload_conf()", "-c", "select pg_sleep(0.5)"))
        self.assertIn(done.code, (0, 1), done)
        if done.code == 1:
            self.assertIn("not a scry shadow of this run", self.assert_one_line(done))


if __name__ == "__main__":
    scry_e2e.main()
