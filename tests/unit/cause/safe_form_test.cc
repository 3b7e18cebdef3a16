#include "cause/safe_form.h"

#include "support/catch.h"

namespace scry::cause {
namespace {

std::vector<std::string> Of(const std::string& pattern) {
  return SafeForms({pattern, false, false, false});
}
bool Says(const std::vector<std::string>& advice, const std::string& words) {
  return !advice.empty() && advice.front().find(words) != std::string::npos;
}

TEST_CASE("a statement that stops traffic has a form that does not", "[cause]") {
  const auto index = Of("create unique index a on t (b)");
  REQUIRE(index.size() == 2);
  CHECK(index[1] == "create unique index CONCURRENTLY a on t (b);");
  CHECK(Of("DROP INDEX a").at(1) == "DROP INDEX CONCURRENTLY a;");
  CHECK(Of("REFRESH MATERIALIZED VIEW v").at(1) == "REFRESH MATERIALIZED VIEW CONCURRENTLY v;");
  CHECK(Says(Of("REINDEX TABLE t"), "CONCURRENTLY"));
  CHECK(Says(Of("VACUUM FULL t"), "pg_repack"));
  CHECK(Says(Of("ALTER TABLE t DETACH PARTITION p"), "CONCURRENTLY"));
  CHECK(Says(Of("ALTER TABLE t ATTACH PARTITION p DEFAULT"), "CHECK"));
  CHECK(Says(Of("ALTER TABLE t ADD PRIMARY KEY (a)"), "UNIQUE INDEX CONCURRENTLY"));
  CHECK(Says(Of("ALTER TABLE t ADD CONSTRAINT c CHECK (a > $1)"), "NOT VALID"));
  CHECK(Says(Of("ALTER TABLE t ADD FOREIGN KEY (a) REFERENCES u"), "NOT VALID"));
  CHECK(Says(Of("ALTER TABLE t ALTER a SET NOT NULL"), "IS NOT NULL"));
  CHECK(
      Says(SafeForms({"ALTER TABLE t ADD a uuid DEFAULT f()", true, false, false}), "SET DEFAULT"));
  CHECK(Says(SafeForms({"ALTER TABLE t ALTER a TYPE bigint", true, false, false}), "new column"));
  CHECK(Says(SafeForms({"UPDATE t SET a = $1", false, true, false}), "batches"));
}

TEST_CASE("what has no better form gets none, and lock_timeout where it waited", "[cause]") {
  CHECK(Of("ALTER TABLE t ADD COLUMN a int").empty());
  CHECK(Of("CREATE INDEX CONCURRENTLY a ON t (b)").empty());
  CHECK(Of("ALTER TABLE t ADD CHECK (a > $1) NOT VALID").empty());
  const auto waited = SafeForms({"ALTER TABLE t ADD COLUMN a int", false, false, true});
  REQUIRE(waited.size() == 1);
  CHECK(Says(waited, "lock_timeout"));
}

TEST_CASE("SQL whose literals are not known is not given to paste", "[cause]") {
  CHECK(Of("CREATE INDEX a ON t (b) WHERE c = $1").size() == 1);
}

}  // namespace
}  // namespace scry::cause
