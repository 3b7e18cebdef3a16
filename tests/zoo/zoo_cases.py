"""The zoo's case files: a header of `-- key: value` lines, then sections, all of it plain SQL.

    -- title: ADD COLUMN serial
    -- catalogue: 7
    -- visible: before-after
    -- exit: 5
    -- finding: broken 42501 /insert into items/
    -- why: the application has no right on the new sequence

    -- section: migration
    alter table items add column code serial;

    -- section: traffic role=app protocol=extended calls=20
    insert into items ...;

Keys (`finding`, `cause`, `blocking`, `deadlock`, `fix` and `also` may come several times):
- visible: `before-after`, `during` (shows only while the migration runs) or `not`.
- live: of `during`: `reader` or `writer`, the long transaction of live.sql that it meets; `none`: it meets none, and
  what it does itself takes long enough. Without the key, the case is not run yet.
- exit: the exit status of `scry ci test-migration`.
- finding: CLASS [SQLSTATE] [/culprit/]. CLASS is the type of a finding in report.json ("a|b": either
  will do), or `migration-failed` (SQLSTATE: in the command's output), `blocked`, `none`. The culprit is
  a regular expression over the finding's pattern, without regard to case. Findings that gate are
  expected, but of class `warning`.
- cause: /pattern/: a regular expression over "object: sentence" of the causes in report.json, without
  regard to case; one of them must match.
- blocking: MODE RELATION /culprit/: of `live`: a statement that blocks, by the lock that others wait for (`rows` in the
  place of both: rows that it wrote).
- deadlock: /pattern/: of `live`: the migration deadlocks with a query like that, and one of them is told as the victim.
- fix: /pattern/: the same over the SQL of a fix that scry proposes and has proven.
- textbook: the SQL that a textbook would answer with. scry's own fix must leave the culprit of the first finding no
  more to read: each of the two is given to the gate with --fix, and replayed.
- also: /culprit/ of findings that gate as well, and rightly so.
- quick: yes: part of the fast subset.
- needs: the PostgreSQL major version from which on the migration exists.
- known: what scry does not do yet, and why: `miss: ...` or `false alarm: ...`. It is counted as such.
- why: for people. Of `during` and `not`: why a replay before and after does not show it.

A traffic section is a script of pgbench, or with client=psql of psql: role, database user;
protocol, simple, extended or prepared (pgbench alone); calls, times; clients, sessions at once.
"""

import collections
import glob
import os
import re

FOLDER = os.path.dirname(os.path.realpath(__file__))
VISIBLE = ("before-after", "during", "not")
CLASSES = ("broken", "different", "slower", "more-work", "warning", "migration-failed", "blocked", "none")
REPEATED = ("finding", "cause", "blocking", "deadlock", "fix", "also")
LIVE = ("none", "reader", "writer")
KEYS = ("title", "catalogue", "visible", "live", "exit", "quick", "needs", "known", "textbook", "why", *REPEATED)

Traffic = collections.namedtuple("Traffic", "role protocol calls clients client script")


class Malformed(Exception):
    """A case file that says something nobody understands."""


class Expected:
    """One `finding:` line."""

    def __init__(self, text):
        found = re.fullmatch(r"([a-z|-]+)(?: ([0-9A-Z]{5}))?(?: /(.+)/)?", text)
        if not found or any(name not in CLASSES for name in found.group(1).split("|")):
            raise Malformed(f"finding: {text}")
        self.classes = found.group(1).split("|")
        self.sqlstate = found.group(2)
        self.culprit = re.compile(found.group(3) or "", re.IGNORECASE)

    def name(self):
        return "|".join(self.classes)

    def matches(self, finding):
        """Of report.json's findings."""
        gates = "warning" not in self.classes
        return (finding["type"] in self.classes and finding["gates"] == gates
                and self.sqlstate in (None, finding.get("sqlstate"))
                and self.culprit.search(finding["pattern"]) is not None)


class Blocking:
    """One `blocking:` line."""

    def __init__(self, text):
        found = re.fullmatch(r"(?:rows|([A-Z]\w+) (\w+)) /(.+)/", text)
        if not found:
            raise Malformed(f"blocking: {text}")
        self.text = text
        self.mode, self.relation = found.group(1) or "", found.group(2) or ""
        self.culprit = re.compile(found.group(3), re.IGNORECASE)

    def matches(self, statement):
        """Of report.json's during.blocking."""
        return ((statement["mode"], statement["relation"]) == (self.mode, self.relation)
                and self.culprit.search(statement["text"]) is not None
                and (statement["blocked"] > 0 or statement["failed"] > 0))


class Case:
    """One case file. Attributes are the keys; id, migration, traffic."""

    def __init__(self, name, text):
        self.id = name
        header, sections = split(text)
        self.title = header["title"]
        self.catalogue = header["catalogue"]
        self.visible = header["visible"]
        self.exit = int(header.get("exit", "-1"))
        self.findings = [Expected(one) for one in header["finding"]]
        self.fixes = [re.compile(one.strip("/"), re.IGNORECASE) for one in header["fix"]]
        self.causes = [re.compile(one.strip("/"), re.IGNORECASE) for one in header["cause"]]
        self.also = [re.compile(one.strip("/"), re.IGNORECASE) for one in header["also"]]
        self.blocking = [Blocking(one) for one in header["blocking"]]
        self.deadlocks = [re.compile(one.strip("/"), re.IGNORECASE) for one in header["deadlock"]]
        self.live = header.get("live", "")
        self.quick = header.get("quick") == "yes"
        self.needs = int(header.get("needs", "0"))
        self.known = header.get("known", "")
        self.textbook = header.get("textbook", "")
        self.why = header["why"]
        self.traffic = [one for kind, one in sections if kind == "traffic"]
        migrations = [one for kind, one in sections if kind == "migration"]
        if self.visible not in VISIBLE or not self.findings or len(migrations) != 1:
            raise Malformed("needs visible, finding and one migration")
        if self.live and (self.live not in LIVE or self.visible != "during"):
            raise Malformed(f"live: {self.live}")
        if (self.blocking or self.deadlocks) and not self.live:
            raise Malformed("blocking and deadlock need live")
        if self.textbook and not self.fixes:
            raise Malformed("textbook needs fix")
        if (self.visible == "before-after" or self.live) and self.exit not in (0, 5, 7):
            raise Malformed("needs an exit status")
        self.migration = migrations[0]

    @property
    def name(self):
        """Of the class of finding it belongs to."""
        return self.findings[0].name()

    @property
    def safe(self):
        return self.name == "none"


def split(text):
    """(header as dict, [(kind, migration's SQL or Traffic)])."""
    header = {key: [] for key in REPEATED}
    sections = []
    for line in text.splitlines():
        section = re.fullmatch(r"-- section: (\w+)((?: \w+=\w+)*)", line)
        if section:
            sections.append((section.group(1), section.group(2).split(), []))
        elif sections:
            sections[-1][2].append(line)
        elif line.startswith("-- ") and ": " in line:
            key, value = line[3:].split(": ", 1)
            if key not in KEYS:
                raise Malformed(line)
            if key in REPEATED:
                header[key].append(value.strip())
            else:
                header[key] = value.strip()
        elif line.strip() and not line.startswith("--"):
            raise Malformed(f"before the first section: {line}")
    return header, [_section(*one) for one in sections]


def _section(kind, words, lines):
    script = "\n".join(lines).strip() + "\n"
    if kind == "migration":
        return kind, script
    if kind not in ("traffic", *LIVE):
        raise Malformed(f"section {kind}")
    options = {"role": "app", "protocol": "simple", "calls": "20", "clients": "1", "client": "pgbench"}
    options.update(word.split("=", 1) for word in words)
    return kind, Traffic(options["role"], options["protocol"], int(options["calls"]),
                         int(options["clients"]), options["client"], script)


def read(path):
    with open(path, encoding="utf-8") as file:
        text = file.read()
    try:
        return Case(os.path.basename(path).removesuffix(".sql"), text)
    except (Malformed, KeyError, ValueError, TypeError, re.error) as error:
        raise Malformed(f"{path}: {error!r}") from error


def read_all():
    """Every case, in the catalogue's order."""
    return [read(path) for path in sorted(glob.glob(os.path.join(FOLDER, "cases", "*.sql")))]


def _sections_of(name):
    with open(os.path.join(FOLDER, name), encoding="utf-8") as file:
        text = file.read()
    # Its comment is no header.
    return split(text[text.index("-- section:"):])[1]


def everyday():
    return [one for _, one in _sections_of("everyday.sql")]


def live(transaction):
    """The shop at its pace, with that long transaction, or none."""
    return [one for kind, one in _sections_of("live.sql") if kind in ("traffic", transaction)]
