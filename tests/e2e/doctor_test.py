"""`scry doctor` against real sources with more and with less rights."""

import json
import os

import schema_page
import scry_e2e


class DoctorTest(scry_e2e.TestCase):
    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        cls.server = cls.start_server()
        cls.server.sql("create role weak login; create role strong login superuser;"
                       "create table orders (id serial primary key)")

    def doctor(self, *flags, role=None, provider="physical", more="", code=0):
        """`more`: what stands below the shadow of scry.yaml; code None: any."""
        config = os.path.join(self.workspace, "scry.yaml")
        with open(config, "w", encoding="utf-8") as file:
            file.write("version: 1\ndatabases:\n  shop:\n    source: ${SHOP}\n    shadows:\n      ci:\n"
                       f"        provider: {provider}\n{more}")
        environment = {"SCRY_STATE_DIR": os.path.join(self.workspace, "state")}
        if role:
            environment["SHOP"] = self.server.url("postgres", user=role)
        done = self.run_scry("--config", config, "doctor", *flags, env=environment)
        if code is not None:
            self.assertEqual(done.code, code, done)
        return done

    def checks(self, **options):
        report = json.loads(self.doctor("--json", **options).out)
        self.assertEqual(report["schema"], "scry.doctor/1")
        schema_page.assert_described(self, report)
        return report["checks"]

    def check(self, name, **options):
        [found] = [one for one in self.checks(**options) if one["name"] == name]
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

    def test_a_source_that_a_shadow_has_of_its_own_is_asked_too(self):
        own = "      {}:\n        provider: physical\n        source: {}\n"
        checks = self.checks(role="strong", code=1, more=(
            own.format("same", self.server.url("postgres", user="strong"))
            + own.format("weak", self.server.url("postgres", user="weak"))
            + own.format("unset", "${NEVER_SET}")))
        sources = {check["name"]: check for check in checks if check["name"].startswith("source ")}
        self.assertEqual({name: check["health"] for name, check in sources.items()}, {
            "source shop": "good", "source shop/weak": "broken", "source shop/unset": "poor"})
        self.assertIn("weak may not replicate", sources["source shop/weak"]["detail"])
        self.assertIn("NEVER_SET", sources["source shop/unset"]["detail"])

    def test_a_source_that_refuses_replication_connections_is_told(self):
        rules = os.path.join(self.server.data, "pg_hba.conf")
        with open(rules, encoding="utf-8") as file:
            before = file.read()

        def set_rules(text):
            with open(rules, "w", encoding="utf-8") as file:
                file.write(text)
            self.server.sql("select pg_reload_conf()")
        self.addCleanup(set_rules, before)
        set_rules("".join(line for line in before.splitlines(True) if "replication" not in line))
        # A reload takes its time.
        found = scry_e2e.wait_until(lambda: self._broken("source shop"), "a refused connection")
        self.assertIn("no replication connection", found["detail"])
        self.assertIn("pg_hba.conf", found["remedy"])
        self.assertEqual(self.check("source shop", role="strong", provider="dump")["health"], "good")

    def _broken(self, name):
        found = self.check(name, role="strong", code=None)
        return found if found["health"] == "broken" else None

    def test_limits_of_the_kernel_are_told(self):
        checks = {check["name"]: check for check in self.checks(role="strong")}
        self.assertRegex(checks["processes"]["detail"], r"^(up to [\d,]+|no limit)$")
        self.assertRegex(checks["memory segments"]["detail"], r"^[\d,]+ of [\d,]+ in use$")

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
