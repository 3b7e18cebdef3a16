#include "event/take_away.h"

#include "support/catch.h"

namespace scry::event {
namespace {

TEST_CASE("what others would miss meanwhile is seen", "[event]") {
  for (const char* sql : {"DROP VIEW v",
                          "DROP POLICY p ON t",
                          "DROP TRIGGER g ON t",
                          "DROP FUNCTION f(int)",
                          "DROP INDEX i",
                          "ALTER TABLE t RENAME TO u",
                          "ALTER TABLE t RENAME a TO b",
                          "ALTER TABLE t SET SCHEMA s",
                          "ALTER TABLE t DISABLE TRIGGER ALL",
                          "ALTER TABLE t ENABLE ROW LEVEL SECURITY",
                          "ALTER TABLE t ADD a int, DROP CONSTRAINT c",
                          "ALTER TABLE t ALTER a DROP DEFAULT",
                          "ALTER TABLE t DETACH PARTITION p",
                          "TRUNCATE t",
                          "DELETE FROM t",
                          "REVOKE SELECT ON t FROM app",
                          "REVOKE a FROM b",
                          "DO $$ BEGIN END $$",
                          "CALL p()",
                          "no SQL"}) {
    CAPTURE(sql);
    CHECK(TakesAway(sql) != 0);
  }
}

TEST_CASE("what only adds or changes takes nothing away", "[event]") {
  for (const char* sql :
       {"CREATE INDEX i ON t (a)", "ALTER TABLE t ADD a int", "ALTER TABLE t ALTER a SET DEFAULT 1",
        "ALTER TABLE t ALTER a SET NOT NULL", "GRANT SELECT ON t TO app", "GRANT a TO b",
        "UPDATE t SET a = 1", "DELETE FROM t WHERE a = 1", "SELECT 1", "CREATE VIEW v AS SELECT 1",
        "SET LOCAL lock_timeout = '1s'"}) {
    CAPTURE(sql);
    CHECK(TakesAway(sql) == 0);
  }
}

TEST_CASE("what may put back is told by what it can put back", "[event]") {
  for (const char* sql : {"CREATE VIEW v AS SELECT 1", "CREATE UNIQUE INDEX i ON t (a)",
                          "GRANT SELECT ON t TO app", "ALTER TABLE t RENAME TO u",
                          "ALTER TABLE t ENABLE TRIGGER ALL", "ALTER TABLE t ADD a int"}) {
    CAPTURE(sql);
    CHECK(PutsBack(sql) == kObjects);
  }
  CHECK(PutsBack("INSERT INTO t VALUES (1)") == kRows);
  CHECK(PutsBack("COPY t FROM STDIN") == kRows);
  CHECK(PutsBack("ALTER TABLE t ALTER a SET DEFAULT 1") == kDefaults);
  CHECK(TakesAway("ALTER TABLE t ALTER a DROP DEFAULT") == kDefaults);
  CHECK(PutsBack("DO $$ BEGIN END $$") == kAll);
  CHECK(PutsBack("no SQL") == kAll);
  for (const char* sql : {"UPDATE alembic_version SET version_num = 'b'", "SELECT 1", "SAVEPOINT a",
                          "RELEASE a", "DROP VIEW v", "REVOKE a FROM b",
                          "DELETE FROM t WHERE a = 1", "ALTER TABLE t ALTER a SET NOT NULL",
                          "ALTER TABLE t DROP CONSTRAINT c", "SET search_path = a"}) {
    CAPTURE(sql);
    CHECK(PutsBack(sql) == 0);
  }
}

}  // namespace
}  // namespace scry::event
