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
    CHECK(MayTakeAway(sql));
  }
}

TEST_CASE("what only adds or changes takes nothing away", "[event]") {
  for (const char* sql :
       {"CREATE INDEX i ON t (a)", "ALTER TABLE t ADD a int", "ALTER TABLE t ALTER a SET DEFAULT 1",
        "ALTER TABLE t ALTER a SET NOT NULL", "GRANT SELECT ON t TO app", "GRANT a TO b",
        "UPDATE t SET a = 1", "DELETE FROM t WHERE a = 1", "SELECT 1", "CREATE VIEW v AS SELECT 1",
        "SET LOCAL lock_timeout = '1s'"}) {
    CAPTURE(sql);
    CHECK_FALSE(MayTakeAway(sql));
  }
}

}  // namespace
}  // namespace scry::event
