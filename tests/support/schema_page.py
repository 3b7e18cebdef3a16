"""lib/report/SCHEMA.md: what it says of the members of a document."""

import os
import re

PAGE = os.path.join(os.path.dirname(__file__), "..", "..", "lib", "report", "SCHEMA.md")


def assert_described(test, document):
    """All members, in the order of the table, and those of objects in its lists."""
    with open(PAGE, encoding="utf-8") as file:
        parts = re.split(r"^# (.*)\n", file.read(), flags=re.MULTILINE)
    section = dict(zip(parts[1::2], parts[2::2]))[document["schema"]]
    test.assertEqual(list(document), re.findall(r"^\| `(\w+)` \|", section, flags=re.MULTILINE))
    for name, value in document.items():
        for one in value if isinstance(value, list) else []:
            [told] = re.findall(rf"^`{name}\[\]`:((?:.+\n)+)", section, flags=re.MULTILINE)
            test.assertLessEqual({f"`{member}`" for member in one}, set(re.findall(r"`\w+`", told)))
