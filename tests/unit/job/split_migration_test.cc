#include "job/split_migration.h"

#include "support/catch.h"

namespace scry::job {
namespace {

using Sql = std::vector<std::string>;

std::vector<migration::RecordedStatement> Script(const Sql& statements) {
  std::vector<migration::RecordedStatement> script;
  for (const std::string& sql : statements) {
    const auto facts = event::AnalyzeQuery(sql);
    script.push_back({sql, facts.front().fingerprint, facts.front().kind});
  }
  return script;
}

TEST_CASE("statements of no transaction are replaced where they stand", "[job]") {
  const auto split = SplitUp(Script({"SELECT 1", "CREATE INDEX a ON t (b)", "SELECT 2"}),
                             {{1, {"CREATE INDEX CONCURRENTLY a ON t (b)"}}});
  REQUIRE(split);
  CHECK(split->script == Sql{"SELECT 1", "CREATE INDEX CONCURRENTLY a ON t (b)", "SELECT 2"});
  CHECK(split->changed == Sql{"CREATE INDEX CONCURRENTLY a ON t (b)"});
  CHECK_FALSE(split->splits);
}

TEST_CASE("a transaction is committed before and begun anew behind", "[job]") {
  const auto script = Script({"BEGIN", "UPDATE t SET a = 1", "COMMIT", "begin work", "X",
                              "ALTER TABLE t A", "Y", "COMMIT"});
  const auto split = SplitUp(script, {{5, {"A1", "A2"}}});
  REQUIRE(split);
  CHECK(split->changed ==
        Sql{"begin work", "X", "COMMIT", "A1", "A2", "begin work", "Y", "COMMIT"});
  CHECK(split->script.size() == split->changed.size() + 3);
  CHECK(split->splits);
}

TEST_CASE("settings of a transaction hold for its parts, where that can be", "[job]") {
  const std::string local = "SET LOCAL lock_timeout = '1s'";
  const auto script = Script({"BEGIN", local, "ALTER TABLE t A", "Y", "COMMIT"});
  const auto split = SplitUp(script, {{2, {"DROP INDEX CONCURRENTLY i", "A2"}}});
  REQUIRE(split);
  CHECK(split->changed == Sql{"DROP INDEX CONCURRENTLY i", "BEGIN", local, "A2", "COMMIT", "BEGIN",
                              local, "Y", "COMMIT"});
}

TEST_CASE("a transaction that is left with nothing is gone", "[job]") {
  const auto script = Script({"BEGIN", "SET LOCAL lock_timeout = '1s'", "X", "COMMIT"});
  const auto split = SplitUp(script, {{2, {"DROP INDEX CONCURRENTLY i"}}});
  REQUIRE(split);
  CHECK(split->script == Sql{"DROP INDEX CONCURRENTLY i"});
  CHECK_FALSE(split->splits);
}

TEST_CASE("what holds its transaction together is not torn apart", "[job]") {
  for (const char* sql :
       {"LOCK TABLE t", "SET CONSTRAINTS ALL DEFERRED",
        "CREATE TEMP TABLE x ON COMMIT DROP AS SELECT 1", "SELECT pg_advisory_xact_lock(1)"}) {
    CAPTURE(sql);
    CHECK_FALSE(SplitUp(Script({"BEGIN", sql, "ALTER TABLE t A", "COMMIT"}), {{2, {"A"}}}));
    CHECK(SplitUp(Script({"BEGIN", sql, "COMMIT", "ALTER TABLE t A"}), {{3, {"A"}}}));
  }
}

}  // namespace
}  // namespace scry::job
