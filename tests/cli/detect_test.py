"""`scry ci detect-migrations` on real git repositories."""

import json
import os
import shutil
import subprocess

import schema_page
import scry_e2e


class DetectTest(scry_e2e.TestCase):
    def setUp(self):
        super().setUp()
        if shutil.which("git") is None:
            self.skipTest("git is not installed")
        self.repository = os.path.join(self.workspace, self.id().rsplit(".", maxsplit=1)[-1])
        os.mkdir(self.repository)
        self.git("init", "-q", "-b", "main")
        self.write("README.md", "a shop\n")
        self.write("migrations/0001_orders.sql", "CREATE TABLE orders (id int);\n")
        self.commit()
        self.git("checkout", "-q", "-b", "feature")

    def git(self, *arguments):
        environment = scry_e2e.clean_environment(
            GIT_CONFIG_GLOBAL="/dev/null", GIT_CONFIG_SYSTEM="/dev/null", GIT_AUTHOR_NAME="a",
            GIT_AUTHOR_EMAIL="a@example.com", GIT_COMMITTER_NAME="a", GIT_COMMITTER_EMAIL="a@example.com")
        subprocess.run(["git", "-C", self.repository, *arguments], check=True, env=environment,
                       stdout=subprocess.DEVNULL)

    def write(self, path, text):
        path = os.path.join(self.repository, path)
        os.makedirs(os.path.dirname(path), exist_ok=True)
        with open(path, "w", encoding="utf-8") as file:
            file.write(text)

    def commit(self):
        self.git("add", "-A")
        self.git("commit", "-q", "-m", "x")

    def detect(self, *flags, code=0):
        done = self.run_scry("ci", "detect-migrations", "--json", "--repository", self.repository, *flags)
        self.assertEqual(done.code, code, done)
        report = json.loads(done.out)
        schema_page.assert_described(self, report)
        return report

    def test_only_what_the_branch_added_counts(self):
        self.write("src/app.py", "print('x')\n")
        self.commit()
        self.git("checkout", "-q", "main")
        self.write("migrations/0002_of_somebody_else.sql", "DROP TABLE orders;\n")
        self.commit()
        self.git("checkout", "-q", "feature")
        self.assertEqual(self.detect("--base", "main")["migrations"], [])
        self.detect("--base", "main", "--exit-code", code=3)
        self.write("migrations/0002 region ünïcode.sql", "ALTER TABLE orders ADD COLUMN region text;\n")
        self.commit()
        report = self.detect("--base", "main", "--exit-code")
        self.assertEqual(report["files"], 2)
        self.assertEqual(report["migrations"], [
            {"path": "migrations/0002 region ünïcode.sql", "tool": "sql", "confidence": "high",
             "evidence": "ALTER TABLE orders ADD COLUMN region text"}])

    def test_a_line_that_was_there_before_is_no_evidence(self):
        self.write("migrations/0001_orders.sql", "CREATE TABLE orders (id int);\n-- a comment\n")
        self.commit()
        [one] = self.detect("--base", "main")["migrations"]
        self.assertEqual((one["confidence"], one["evidence"]), ("medium", "by its path"))

    def test_a_changed_migration_is_known_by_what_did_not_change(self):
        head = {"src/001.xml": "<databaseChangeLog>\n<changeSet id='1'>\n",
                "history/9b1c.py": "from alembic import op\n\n", "src/7.ts": "class A implements MigrationInterface {\n"}
        self.git("checkout", "-q", "main")
        for path, text in head.items():
            self.write(path, text + "one\n")
        self.write("schema/orders.sql", "CREATE TABLE orders (\n  id int,\n  kind kinds\n);\n")
        self.write("queries/top.sql", "SELECT a\nFROM b\nWHERE c;\n")
        self.write("src/gone.ts", "pgm.sql('x')\n")
        self.commit()
        self.git("checkout", "-q", "-B", "feature")
        for path, text in head.items():
            self.write(path, text + "another\n")
        self.write("schema/orders.sql", "CREATE TABLE orders (\n  id int,\n  kind kinds[3] COLLATE\n \"C\"\n);\n")
        self.write("queries/top.sql", "SELECT a\nFROM b\nWHERE d;\n")
        self.write("src/gone.ts", "other()\n")
        self.commit()
        self.assertEqual([(one["path"], one["tool"]) for one in self.detect("--base", "main")["migrations"]], [
            ("history/9b1c.py", "alembic"), ("schema/orders.sql", "sql"), ("src/001.xml", "liquibase"),
            ("src/7.ts", "typeorm")])

    def test_sql_that_is_too_large_to_look_at_is_found(self):
        self.write("db/changes/7.sql", "-- " + "x" * 80 + "\n" * 2 + ("INSERT INTO a VALUES (1, 'some text');\n" * 150000))
        self.write("db/data.csv", "1,some text\n" * 500000)
        self.commit()
        self.assertEqual([(one["path"], one["evidence"]) for one in self.detect("--base", "main")["migrations"]],
                         [("db/changes/7.sql", "too large to look at")])

    def test_what_lies_anywhere_is_known_by_its_words(self):
        self.write("db/orders.xml", "<databaseChangeLog>\n</databaseChangeLog>\n")
        self.write("pay/schema/initial.py", "x = 1\nclass Migration(migrations.Migration):\n    pass\n")
        self.write("engines/pay/add.rb", "class Add < ActiveRecord::Migration[7.1]\nend\n")
        self.write("src/app.py", "print('x')\n")
        self.write("src/[odd] name.ts", "export const up = (pgm: M) => pgm.sql('SELECT 1')\n")
        self.commit()
        self.assertEqual([(one["path"], one["tool"], one["confidence"], one["evidence"])
                          for one in self.detect("--base", "main")["migrations"]], [
            ("db/orders.xml", "liquibase", "medium", "<databaseChangeLog>"),
            ("engines/pay/add.rb", "rails", "medium", "class Add < ActiveRecord::Migration[7.1]"),
            ("pay/schema/initial.py", "django", "medium", "class Migration(migrations.Migration):"),
            ("src/[odd] name.ts", "node-pg-migrate", "medium", "export const up = (pgm: M) => pgm.sql('SELECT 1')")])
        # Taken out again, a word is no evidence.
        self.git("checkout", "-q", "-b", "next")
        self.write("pay/schema/initial.py", "x = 1\n")
        self.commit()
        self.assertEqual(self.detect("--base", "feature")["migrations"], [])

    def test_the_configuration_of_the_repository_adds_rules(self):
        self.write("db/now.txt", "anything\n")
        self.write("legacy/migrations/1.sql", "DROP TABLE orders;\n")
        self.commit()
        self.assertEqual([one["path"] for one in self.detect("--base", "main")["migrations"]], ["legacy/migrations/1.sql"])
        self.write("scry.yaml", "version: 1\nmigrations: { paths: [db/*.txt], ignore: ['legacy/*'] }\n")
        self.assertEqual([(one["path"], one["tool"]) for one in self.detect("--base", "main")["migrations"]],
                         [("db/now.txt", "path")])
        self.assertEqual(self.detect("--base", "main", "--ignore", "db/*")["migrations"], [])
        self.write("scry.yaml", "version: 1\nmigrations: { path: [x] }\n")
        done = self.run_scry("ci", "detect-migrations", "--repository", self.repository)
        self.assertEqual(done.code, 64)
        self.assertIn("scry.yaml:2:15: unknown key 'path'; did you mean 'paths'?", done.err)

    def test_a_push_to_the_default_branch_is_compared_with_what_was_there(self):
        self.write("migrations/0002_region.sql", "ALTER TABLE orders ADD COLUMN region text;\n")
        self.commit()
        self.git("update-ref", "refs/remotes/origin/main", "HEAD")
        before = subprocess.run(["git", "-C", self.repository, "rev-parse", "HEAD~1"], check=True, capture_output=True,
                                text=True).stdout.strip()
        for branch, found in (("main", 1), ("feature", 0)):
            done = self.run_scry("ci", "detect-migrations", "--json", "--repository", self.repository,
                                 env={"CI_COMMIT_BRANCH": branch, "CI_DEFAULT_BRANCH": "main",
                                      "CI_COMMIT_BEFORE_SHA": before})
            self.assertEqual(len(json.loads(done.out)["migrations"]), found, done)

    def test_the_base_is_what_the_ci_system_says(self):
        self.git("update-ref", "refs/remotes/origin/release", "main")
        done = self.run_scry("ci", "detect-migrations", "--repository", self.repository,
                             env={"GITHUB_BASE_REF": "release"})
        self.assertEqual(done, (0, "0 of 0 changed files since origin/release are migrations\n", ""))

    def test_a_base_that_the_ci_system_names_and_nobody_fetched_is_refused(self):
        self.git("update-ref", "refs/remotes/origin/main", "HEAD")
        self.write("migrations/0002_region.sql", "ALTER TABLE orders ADD COLUMN region text;\n")
        self.commit()
        gone = "1" * 40
        for environment, named in (
                ({"GITHUB_BASE_REF": "release"}, "origin/release, which GITHUB_BASE_REF names"),
                ({"CI_MERGE_REQUEST_DIFF_BASE_SHA": gone}, f"{gone}, which CI_MERGE_REQUEST_DIFF_BASE_SHA names"),
                ({"CI_COMMIT_BRANCH": "main", "CI_DEFAULT_BRANCH": "main", "CI_COMMIT_BEFORE_SHA": gone},
                 f"{gone}, which CI_COMMIT_BEFORE_SHA names")):
            with self.subTest(environment=environment):
                done = self.run_scry("ci", "detect-migrations", "--repository", self.repository, env=environment)
                self.assertEqual((done.code, done.out, done.err.count("\n")), (64, "", 1), done)
                self.assertIn(f"git knows no commit {named}; fetch it first", done.err)
        # One of two is enough, and a new branch has no commit before it.
        for environment in ({"CI_MERGE_REQUEST_DIFF_BASE_SHA": gone, "CI_MERGE_REQUEST_TARGET_BRANCH_NAME": "main"},
                            {"CI_COMMIT_BRANCH": "main", "CI_DEFAULT_BRANCH": "main", "CI_COMMIT_BEFORE_SHA": "0" * 40}):
            done = self.run_scry("ci", "detect-migrations", "--repository", self.repository, env=environment)
            self.assertEqual((done.code, done.out.splitlines()[-1]),
                             (0, "1 of 1 changed file since origin/main is a migration"), done)

    def test_what_cannot_be_compared_is_refused_in_one_line(self):
        for flag, value, word in (("--base", "nowhere", "fetch-depth: 0"),
                                  ("--base", "--output=x", "git knows no commit"),
                                  ("--repository", self.workspace + "/none", "is no git repository")):
            flags = {"--repository": self.repository, flag: value}
            done = self.run_scry("ci", "detect-migrations", *[f"{name}={text}" for name, text in flags.items()])
            self.assertEqual((done.code, done.out), (64, ""))
            self.assertIn(word, done.err)
            self.assertEqual(done.err.count("\n"), 1)
        self.assertFalse(os.path.exists(os.path.join(self.repository, "x")))


if __name__ == "__main__":
    scry_e2e.main()
