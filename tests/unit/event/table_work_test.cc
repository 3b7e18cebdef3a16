#include "event/table_work.h"

#include "support/catch.h"

namespace scry::event {
namespace {

TEST_CASE("clauses of ALTER TABLE are read as clauses, whatever names contain", "[event]") {
  const TableWork names = TableWorkOf(
      "ALTER TABLE t ADD COLUMN checked_at date, ADD unique_visitors int, ADD \" CHECK \" int");
  CHECK(names.adds_column);
  CHECK_FALSE(names.checks_rows);
  CHECK_FALSE(names.builds_unique);
  CHECK(TableWorkOf("ALTER TABLE t ADD CONSTRAINT c CHECK (a > $1)").checks_rows);
  CHECK_FALSE(TableWorkOf("ALTER TABLE t ADD CHECK (a > $1) NOT VALID").checks_rows);
  CHECK(TableWorkOf("ALTER TABLE t ADD FOREIGN KEY (a) REFERENCES u").checks_rows);
  CHECK_FALSE(TableWorkOf("ALTER TABLE t ADD a int REFERENCES u").checks_rows);
  CHECK(TableWorkOf("ALTER TABLE t ADD a int DEFAULT $1 REFERENCES u").checks_rows);
  CHECK(TableWorkOf("ALTER TABLE t ADD a int UNIQUE").builds_unique);
  CHECK(TableWorkOf("SELECT 1; ALTER TABLE t ADD a int UNIQUE", 1).builds_unique);
  CHECK_FALSE(TableWorkOf("SELECT 1; ALTER TABLE t ADD a int UNIQUE", 2).builds_unique);
  CHECK(TableWorkOf("ALTER TABLE t ADD a int GENERATED ALWAYS AS IDENTITY").adds_generated);
  CHECK(TableWorkOf("ALTER TABLE t ADD a int GENERATED ALWAYS AS (b) STORED").adds_generated);
  CHECK_FALSE(TableWorkOf("ALTER TABLE t ADD a int DEFAULT 5").adds_generated);
  CHECK(TableWorkOf("ALTER TABLE t ADD PRIMARY KEY (a)").builds_primary_key);
  CHECK_FALSE(TableWorkOf("ALTER TABLE t ADD PRIMARY KEY USING INDEX i").builds_primary_key);
  CHECK(TableWorkOf("ALTER TABLE t ADD EXCLUDE (a WITH =)").builds_exclusion);
  CHECK(TableWorkOf("ALTER TABLE t VALIDATE CONSTRAINT c").validates);
  CHECK(TableWorkOf("ALTER TABLE t ALTER a SET NOT NULL").sets_not_null);
  CHECK(TableWorkOf("ALTER TABLE t ATTACH PARTITION p DEFAULT").attaches);
  CHECK(TableWorkOf("ALTER TABLE t DETACH PARTITION p").detaches);
}

TEST_CASE("the statements of a text are looked at together", "[event]") {
  const std::vector<TableWork> works =
      TableWorksOf("SELECT 1; ALTER TABLE t ADD a int UNIQUE; DROP TABLE a, b");
  REQUIRE(works.size() == 3);
  CHECK_FALSE(works[0].builds_unique);
  CHECK(works[1].builds_unique);
  CHECK(works[2].drops_more);
  CHECK(TableWorksOf("no SQL").empty());
}

TEST_CASE("an INSERT says whether it takes its rows from a table", "[event]") {
  CHECK(TableWorkOf("INSERT INTO a SELECT b FROM c").reads_table);
  CHECK(TableWorkOf("WITH x AS (SELECT b FROM c) INSERT INTO a SELECT * FROM x").reads_table);
  CHECK_FALSE(TableWorkOf("INSERT INTO a VALUES ($1), ($2)").reads_table);
  CHECK_FALSE(TableWorkOf("INSERT INTO a SELECT i FROM generate_series($1, $2) i").reads_table);
  CHECK_FALSE(TableWorkOf("WITH x AS (SELECT $1) INSERT INTO a SELECT * FROM x").reads_table);
  CHECK_FALSE(TableWorkOf("no SQL").reads_table);
}

TEST_CASE("what CONCURRENTLY does not take is seen", "[event]") {
  CHECK(TableWorkOf("DROP INDEX a, b").drops_more);
  CHECK(TableWorkOf("DROP INDEX a CASCADE").drops_more);
  CHECK_FALSE(TableWorkOf("DROP INDEX a").drops_more);
  CHECK(TableWorkOf("REFRESH MATERIALIZED VIEW v WITH NO DATA").without_data);
  CHECK(TableWorkOf("CREATE INDEX CONCURRENTLY ON t (a)").builds_concurrently);
  CHECK_FALSE(TableWorkOf("CREATE INDEX concurrently ON t (a)").reindexes);
  CHECK_FALSE(TableWorkOf("CREATE INDEX ON t (a)").builds_concurrently);
}

TEST_CASE("what gives a table or an index another file is seen", "[event]") {
  for (const char* sql :
       {"TRUNCATE a, b CASCADE", "VACUUM FULL a", "VACUUM (VERBOSE, FULL on) a", "VACUUM (FULL 1)",
        "CLUSTER a USING i", "CLUSTER", "REFRESH MATERIALIZED VIEW a",
        "ALTER TABLE a SET TABLESPACE b", "ALTER TABLE a ADD c int, SET TABLESPACE b"}) {
    INFO(sql);
    CHECK(TableWorkOf(sql).swaps_files);
  }
  for (const char* sql :
       {"VACUUM a", "VACUUM (FULL off) a", "VACUUM (FULL 0) a", "VACUUM (ANALYZE) \"full\"",
        "REFRESH MATERIALIZED VIEW CONCURRENTLY a", "ALTER TABLE a ADD c int", "REINDEX TABLE a"}) {
    INFO(sql);
    CHECK_FALSE(TableWorkOf(sql).swaps_files);
  }
  CHECK(TableWorkOf("TRUNCATE a CASCADE").truncates_more);
  CHECK_FALSE(TableWorkOf("TRUNCATE a").truncates_more);
  CHECK(TableWorkOf("REINDEX TABLE a").reindexes);
  CHECK(TableWorkOf("REINDEX (CONCURRENTLY false) INDEX a").reindexes);
  CHECK_FALSE(TableWorkOf("REINDEX INDEX CONCURRENTLY a").reindexes);
  CHECK_FALSE(TableWorkOf("REINDEX (CONCURRENTLY) SCHEMA a").reindexes);
}

}  // namespace
}  // namespace scry::event
