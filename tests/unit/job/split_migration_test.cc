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
  const auto script = Script({"BEGIN", "UPDATE t SET a = 1", "COMMIT", "begin work", "SELECT 5",
                              "ALTER TABLE t ADD a int", "SELECT 6", "COMMIT"});
  const auto split = SplitUp(script, {{5, {"A1", "A2"}}});
  REQUIRE(split);
  CHECK(split->changed ==
        Sql{"begin work", "SELECT 5", "COMMIT", "A1", "A2", "begin work", "SELECT 6", "COMMIT"});
  CHECK(split->script.size() == split->changed.size() + 3);
  CHECK(split->splits);
}

TEST_CASE("settings of a transaction hold for its parts, where that can be", "[job]") {
  const std::string local = "SET LOCAL lock_timeout = '1s'";
  const auto script = Script({"BEGIN", local, "ALTER TABLE t ADD a int", "SELECT 6", "COMMIT"});
  const auto split = SplitUp(script, {{2, {"DROP INDEX CONCURRENTLY i", "A2"}}});
  REQUIRE(split);
  CHECK(split->changed == Sql{"DROP INDEX CONCURRENTLY i", "BEGIN", local, "A2", "COMMIT", "BEGIN",
                              local, "SELECT 6", "COMMIT"});
}

TEST_CASE("a transaction that is left with nothing is gone", "[job]") {
  const auto script = Script({"BEGIN", "SET LOCAL lock_timeout = '1s'", "SELECT 5", "COMMIT"});
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
    CHECK_FALSE(SplitUp(Script({"BEGIN", sql, "ALTER TABLE t ADD a int", "COMMIT"}), {{2, {"A"}}}));
    CHECK(SplitUp(Script({"BEGIN", sql, "COMMIT", "ALTER TABLE t ADD a int"}), {{3, {"A"}}}));
  }
}

TEST_CASE("what is taken away and put back stays in one transaction", "[job]") {
  const std::string alter = "ALTER TABLE t ADD CONSTRAINT c CHECK (a > 0)";
  const Sql validate = {"A1", "A2"};
  CHECK_FALSE(
      SplitUp(Script({"BEGIN", "DROP VIEW v", alter, "CREATE VIEW v AS SELECT 1", "COMMIT"}),
              {{2, validate}}));
  CHECK_FALSE(SplitUp(Script({"BEGIN", "ALTER TABLE t DISABLE TRIGGER ALL", alter,
                              "ALTER TABLE t ENABLE TRIGGER ALL", "COMMIT"}),
                      {{2, validate}}));
  // What is rewritten counts as well.
  CHECK_FALSE(SplitUp(
      Script({"BEGIN", "DROP INDEX u", "CREATE UNIQUE INDEX w ON t (a)", "COMMIT"}),
      {{1, {"DROP INDEX CONCURRENTLY u"}}, {2, {"CREATE UNIQUE INDEX CONCURRENTLY w ON t (a)"}}}));
  CHECK_FALSE(SplitUp(Script({"BEGIN", "no SQL", alter, "COMMIT"}), {{2, validate}}));
  CHECK(SplitUp(
      Script({"BEGIN", "CREATE UNIQUE INDEX w ON t (a)", "DROP INDEX u", "COMMIT"}),
      {{1, {"CREATE UNIQUE INDEX CONCURRENTLY w ON t (a)"}}, {2, {"DROP INDEX CONCURRENTLY u"}}}));
  CHECK(SplitUp(Script({"BEGIN", alter, "DROP VIEW v", "DROP VIEW w", "COMMIT"}), {{1, validate}}));
  CHECK(SplitUp(Script({"DROP VIEW v", alter, "CREATE VIEW v AS SELECT 1"}), {{1, validate}}));
  // Halves of a swap, and what tools write at the end of each transaction.
  CHECK_FALSE(SplitUp(Script({"BEGIN", "ALTER TABLE t RENAME TO old", alter,
                              "ALTER TABLE new RENAME TO t", "COMMIT"}),
                      {{2, validate}}));
  CHECK(SplitUp(Script({"BEGIN", alter, "DROP INDEX i", "SAVEPOINT a",
                        "UPDATE alembic_version SET version_num = 'b' WHERE version_num = 'a'",
                        "INSERT INTO schema_migrations VALUES ('1')", "COMMIT"}),
                {{1, validate}}));
  CHECK(SplitUp(Script({"BEGIN", "ALTER TABLE t ADD b int DEFAULT 0 NOT NULL",
                        "ALTER TABLE t ALTER b DROP DEFAULT", "CREATE INDEX i ON t (b)", "COMMIT"}),
                {{3, {"CREATE INDEX CONCURRENTLY i ON t (b)"}}}));
  CHECK_FALSE(SplitUp(Script({"BEGIN", "TRUNCATE t", alter, "INSERT INTO t VALUES (1)", "COMMIT"}),
                      {{2, validate}}));
}

TEST_CASE("what runs in no transaction has its settings for as long as it takes", "[job]") {
  const Sql begin = {"BEGIN",
                     "SET LOCAL lock_timeout = '1s'",
                     "set local statement_timeout = 0",
                     "SET LOCAL search_path = app, public",
                     "CREATE INDEX i ON t (a)",
                     "COMMIT"};
  const std::string build = "CREATE INDEX CONCURRENTLY i ON t (a)";
  const auto split = SplitUp(Script(begin), {{4, {build}}});
  REQUIRE(split);
  CHECK(split->script == Sql{"SET statement_timeout = 0", "SET search_path = app, public", build,
                             "RESET search_path", "RESET statement_timeout"});
  Sql set = begin;
  set.insert(set.begin(), "SET search_path = other");
  CHECK_FALSE(SplitUp(Script(set), {{5, {build}}}));
  set.front() = "SET work_mem = '1MB'";
  CHECK(SplitUp(Script(set), {{5, {build}}}));
}

}  // namespace
}  // namespace scry::job
