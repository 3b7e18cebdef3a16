"""The fast part of the zoo: a few dangerous and a few harmless migrations, and that all case files
can be read. The whole zoo is run by `scripts/bench zoo`.
"""

import unittest

import scry_e2e
import zoo
import zoo_cases

HEADER = "-- title: t\n-- catalogue: 1\n-- visible: before-after\n-- exit: 5\n-- finding: broken\n-- why: w\n"
MIGRATION = "-- section: migration\nselect 1;\n"


class CaseFileTest(unittest.TestCase):
    def test_every_case_of_the_catalogue_has_a_file(self):
        numbers = {case.catalogue for case in zoo_cases.read_all()}
        self.assertEqual(numbers, {str(i) for i in range(1, 71)} | {f"S{i}" for i in range(1, 23)})

    def test_a_case_file_is_read_as_written(self):
        case = zoo_cases.Case("01_x", HEADER + MIGRATION
                              + "\n-- section: traffic role=readonly protocol=prepared calls=3\nselect 2;\n")
        self.assertEqual((case.exit, case.migration), (5, "select 1;\n"))
        self.assertEqual(case.traffic, [zoo_cases.Traffic("readonly", "prepared", 3, 1, "pgbench", "select 2;\n")])

    def test_what_blocks_and_deadlocks_is_told_apart(self):
        live = HEADER.replace("before-after", "during")
        proofs = "-- live: none\n-- blocking: Share orders /index/\n-- blocking: rows /update/\n-- deadlock: /orders/\n"
        case = zoo_cases.Case("01_x", live + proofs + MIGRATION)
        index = {"mode": "Share", "relation": "orders", "text": "create INDEX a", "blocked": 1, "failed": 0}
        self.assertEqual([one.matches(index) for one in case.blocking], [True, False])
        self.assertFalse(case.blocking[0].matches({**index, "relation": "items"}))
        self.assertFalse(case.blocking[0].matches({**index, "blocked": 0}))
        self.assertTrue(case.blocking[1].matches({**index, "mode": "", "relation": "", "text": "update a"}))
        for victim, others, seen in (("migration", ["update orders"], True), ("update orders", ["migration"], True),
                                     ("update orders", ["update items"], False), ("", ["migration"], False)):
            self.assertEqual(zoo.is_deadlock({"victim": victim, "others": others}, case.deadlocks[0]), seen)
        for text in (live + proofs.replace("-- live: none\n", ""), live + proofs.replace("rows /", "rows orders /")):
            with self.assertRaises(zoo_cases.Malformed, msg=text):
                zoo_cases.Case("01_x", text + MIGRATION)

    def test_what_nobody_understands_is_refused(self):
        for text in (HEADER,  # No migration.
                     HEADER + "-- exot: 5\n" + MIGRATION,
                     HEADER + "-- finding: borken\n" + MIGRATION,
                     HEADER.replace("-- exit: 5\n", "") + MIGRATION,
                     HEADER + "select 1;\n" + MIGRATION,
                     HEADER + MIGRATION + "-- section: fixture\n"):
            with self.assertRaises(zoo_cases.Malformed, msg=text):
                zoo_cases.Case("01_x", text)


class ZooTest(zoo.Zoo):
    def check(self, case):
        result = self.attempt(case)
        self.assertNotIn(result.outcome, (zoo.MISSED, zoo.ALARM, zoo.NOISY), result.words)


def _add_tests():
    for case in zoo.chosen(quick=True):
        def test(self, case=case):
            self.check(case)
        setattr(ZooTest, f"test_{case.id}", test)


_add_tests()

if __name__ == "__main__":
    scry_e2e.main()
