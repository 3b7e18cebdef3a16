#include "cause/safe_form.h"

#include "support/catch.h"

namespace scry::cause {
namespace {

std::vector<std::string> Of(const std::string& pattern) {
  BlockingForm form;
  form.pattern = pattern;
  return SafeForms(form);
}
std::vector<std::string> OfPartitioned(const std::string& pattern) {
  BlockingForm form;
  form.pattern = pattern;
  form.partitioned = true;
  return SafeForms(form);
}
bool Says(const std::vector<std::string>& advice, const std::string& words) {
  return !advice.empty() && advice.front().find(words) != std::string::npos;
}

TEST_CASE("a statement that stops traffic has a form that does not", "[cause]") {
  const auto index = Of("create unique index a on t (b)");
  REQUIRE(index.size() == 2);
  CHECK(index[1] == "create unique index CONCURRENTLY a on t (b);");
  CHECK(Of("DROP INDEX a").at(1) == "DROP INDEX CONCURRENTLY a;");
  CHECK(Says(Of("REFRESH MATERIALIZED VIEW v"), "unique index"));
  CHECK(Says(Of("REINDEX TABLE t"), "CONCURRENTLY"));
  CHECK(Says(Of("VACUUM FULL t"), "pg_repack"));
  CHECK(Says(Of("ALTER TABLE t DETACH PARTITION p"), "CONCURRENTLY"));
  CHECK(Says(Of("ALTER TABLE t ATTACH PARTITION p DEFAULT"), "CHECK"));
  CHECK(Says(Of("ALTER TABLE t ADD PRIMARY KEY (a)"), "UNIQUE INDEX CONCURRENTLY"));
  CHECK(Says(Of("ALTER TABLE t ADD CONSTRAINT c CHECK (a > $1)"), "NOT VALID"));
  CHECK(Says(Of("ALTER TABLE t ADD FOREIGN KEY (a) REFERENCES u"), "NOT VALID"));
  CHECK(Says(Of("ALTER TABLE t ALTER a SET NOT NULL"), "IS NOT NULL"));
  CHECK(Says(SafeForms({"ALTER TABLE t ADD a uuid DEFAULT f()", true, false, false, false}),
             "SET DEFAULT"));
  CHECK(Says(SafeForms({"ALTER TABLE t ALTER a TYPE bigint", true, false, false, false}),
             "new column"));
  CHECK(Says(SafeForms({"UPDATE t SET a = $1", false, true, false, false}), "batches"));
}

TEST_CASE("what has no better form gets none, and lock_timeout where it waited", "[cause]") {
  CHECK(Of("ALTER TABLE t ADD COLUMN a int").empty());
  CHECK(Of("CREATE INDEX CONCURRENTLY a ON t (b)").empty());
  CHECK(Of("ALTER TABLE t ADD CHECK (a > $1) NOT VALID").empty());
  const auto waited = SafeForms({"ALTER TABLE t ADD COLUMN a int", false, false, true, false});
  REQUIRE(waited.size() == 1);
  CHECK(Says(waited, "lock_timeout"));
}

TEST_CASE("names that contain words of clauses get no advice for the clauses", "[cause]") {
  CHECK(Of("ALTER TABLE t ADD COLUMN checked_at date").empty());
  CHECK(Of("ALTER TABLE t ADD COLUMN unique_visitors int").empty());
  CHECK(Of("ALTER TABLE t ADD COLUMN \" CHECK \" int").empty());
  CHECK(Says(Of("CREATE INDEX concurrently_run ON t (a)"), "CONCURRENTLY"));
}

TEST_CASE("no SQL is offered that the server refuses", "[cause]") {
  for (const char* sql : {"CREATE INDEX a ON t (b)", "DROP INDEX a"}) {
    CHECK(Of(sql).size() == 2);
    CHECK(OfPartitioned(sql).size() == 1);
    CHECK(Says(OfPartitioned(sql), "partitioned table"));
  }
  CHECK(Of("DROP INDEX a, b").size() == 1);
  CHECK(Of("DROP INDEX a CASCADE").size() == 1);
  CHECK(Of("REFRESH MATERIALIZED VIEW v WITH NO DATA").empty());
  CHECK(Of("REFRESH MATERIALIZED VIEW v").size() == 1);
  CHECK(Says(Of("ALTER TABLE t DETACH PARTITION p"), "14 and later"));
  CHECK(Of("ALTER TABLE t DETACH PARTITION p CONCURRENTLY").empty());
  CHECK(Says(Of("ALTER TABLE t ADD PRIMARY KEY (a)"), "SET NOT NULL"));
  CHECK(Says(OfPartitioned("ALTER TABLE t ADD UNIQUE (a)"), "each partition"));
  CHECK(Of("ALTER TABLE t ADD EXCLUDE (a WITH =)").empty());
}

TEST_CASE("SQL whose literals are not known is not given to paste", "[cause]") {
  CHECK(Of("CREATE INDEX a ON t (b) WHERE c = $1").size() == 1);
}

}  // namespace
}  // namespace scry::cause
