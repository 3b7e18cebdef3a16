"""`scry doctor` against real sources with more and with less rights."""

import json
import os

import scry_e2e


class DoctorTest(scry_e2e.TestCase):
    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        cls.server = cls.start_server()
        cls.server.sql("create role weak login; create role strong login superuser;"
                       "create table orders (id serial primary key)")

    def doctor(self, *flags, role=None, provider="physical", code=0):
        config = os.path.join(self.workspace, "scry.yaml")
        with open(config, "w", encoding="utf-8") as file:
            file.write("version: 1\ndatabases:\n  shop:\n    source: ${SHOP}\n    shadows:\n      ci:\n"
                       f"        provider: {provider}\n")
        environment = {"SCRY_STATE_DIR": os.path.join(self.workspace, "state")}
        if role:
            environment["SHOP"] = self.server.url("postgres", user=role)
        done = self.run_scry("--config", config, "doctor", *flags, env=environment)
        self.assertEqual(done.code, code, done)
        return done

    def check(self, name, **options):
        report = json.loads(self.doctor("--json", **options).out)
        self.assertEqual(report["schema"], "scry.doctor/1")
        [found] = [one for one in report["checks"] if one["name"] == name]
        return found

    def test_a_superuser_lacks_nothing(self):
        for provider in ("physical", "dump"):
            found = self.check("source shop", role="strong", provider=provider)
            self.assertEqual((found["health"], found["remedy"]), ("good", ""))
            self.assertIn("as strong, superuser", found["detail"])

    def test_what_a_role_may_not_do_has_its_remedy(self):
        found = self.check("source shop", role="weak", code=1)
        self.assertEqual(found["health"], "broken")
        self.assertIn("weak may not replicate", found["detail"])
        self.assertIn("ALTER ROLE ... REPLICATION", found["remedy"])
        self.assertIn("may not read 1 sequences", found["detail"])
        found = self.check("source shop", role="weak", provider="dump", code=1)
        self.assertIn("weak may not read 1 tables", found["detail"])

    def test_a_variable_that_is_not_set_is_no_failure(self):
        found = self.check("source shop")
        self.assertEqual(found["health"], "poor")
        self.assertIn("SHOP", found["detail"])

    def test_a_private_server_really_starts_and_nothing_is_left(self):
        before = set(os.listdir("/tmp"))
        out = self.doctor(role="strong").out
        self.assertRegex(out, r"✓ private server +made, started and stopped in ")
        left = {name for name in set(os.listdir("/tmp")) - before if name.startswith("scry-demo")}
        self.assertEqual(left, set())
        self.assertEqual([name for name in os.listdir(os.path.join(self.workspace, "state")) if "doctor" in name], [])


if __name__ == "__main__":
    scry_e2e.main()
