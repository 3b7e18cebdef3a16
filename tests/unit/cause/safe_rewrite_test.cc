#include "cause/safe_rewrite.h"

#include "cause/alter_steps.h"
#include "support/catch.h"

namespace scry::cause {
namespace {

using Sql = std::vector<std::string>;

void AddRelation(Catalog& catalog, const std::string& name, const std::string& kind) {
  CatalogObject relation{"relation", name, name, "", "", {}, {}};
  relation.facts = {{"name", name}, {"schema", "public"}, {"kind", kind}};
  catalog.Add(relation);
}
void AddColumn(Catalog& catalog, const std::string& table, const std::string& name, bool not_null) {
  CatalogObject column{"column", table + "." + name, name, table, "", {}, {}};
  column.facts = {{"name", name}, {"not_null", not_null ? "yes" : "no"}};
  catalog.Add(column);
}
void AddIndex(Catalog& catalog, const std::string& table, const std::string& name, bool unique) {
  CatalogObject index{"index", name, name, table, "", {}, {}};
  index.facts = {{"name", name}, {"unique", unique ? "yes" : "no"}};
  catalog.Add(index);
}

Catalog Shop() {
  Catalog catalog;
  for (const char* name : {"t", "u", "Odd"}) AddRelation(catalog, name, "r");
  AddRelation(catalog, "parts", "p");
  AddRelation(catalog, "v", "m");
  AddRelation(catalog, "w", "m");
  AddColumn(catalog, "t", "id", true);
  AddColumn(catalog, "t", "a", false);
  AddIndex(catalog, "t", "t_a", false);
  AddIndex(catalog, "t", "t_b", false);
  AddIndex(catalog, "t", "t_a_new", false);
  AddIndex(catalog, "parts", "parts_a", false);
  AddIndex(catalog, "v", "v_id", true);
  return catalog;
}

Sql Of(const std::string& sql) {
  const Catalog catalog = Shop();
  return SafeRewrite(sql, catalog, catalog);
}

TEST_CASE("what has a CONCURRENTLY gets it", "[cause]") {
  CHECK(Of("create unique index if not exists a on t (b) where c > 5") ==
        Sql{"create unique index CONCURRENTLY if not exists a on t (b) where c > 5"});
  CHECK(Of("CREATE INDEX ON public.t (b)") == Sql{"CREATE INDEX CONCURRENTLY ON public.t (b)"});
  CHECK(Of("REINDEX TABLE t") == Sql{"REINDEX TABLE CONCURRENTLY t"});
  CHECK(Of("REINDEX INDEX t_a") == Sql{"REINDEX INDEX CONCURRENTLY t_a"});
  CHECK(
      Of("DROP INDEX IF EXISTS t_a, public.t_b") ==
      Sql{"DROP INDEX CONCURRENTLY IF EXISTS t_a", "DROP INDEX CONCURRENTLY IF EXISTS public.t_b"});
  CHECK(Of("REFRESH MATERIALIZED VIEW v") == Sql{"REFRESH MATERIALIZED VIEW CONCURRENTLY v"});
}

TEST_CASE("no CONCURRENTLY where the server refuses it, or has it already", "[cause]") {
  for (const char* sql :
       {"CREATE INDEX CONCURRENTLY a ON t (b)", "CREATE INDEX a ON parts (b)",
        "CREATE INDEX a ON unknown (b)", "REINDEX (VERBOSE) TABLE t", "REINDEX SCHEMA public",
        "DROP INDEX t_a CASCADE", "DROP INDEX CONCURRENTLY t_a", "DROP INDEX parts_a",
        "DROP INDEX t_a, unknown", "DROP TABLE t", "REFRESH MATERIALIZED VIEW w",
        "REFRESH MATERIALIZED VIEW v WITH NO DATA", "SELECT 1", "CREATE INDEX", "",
        "CREATE INDEX a ON t (b); CREATE INDEX c ON t (d)"}) {
    CAPTURE(sql);
    CHECK(Of(sql).empty());
  }
}

TEST_CASE("a constraint is added first and validated in a statement of its own", "[cause]") {
  CHECK(Of("ALTER TABLE t ADD CONSTRAINT c CHECK (a > 0)") ==
        Sql{"ALTER TABLE t ADD CONSTRAINT c CHECK (a > 0) NOT VALID",
            "ALTER TABLE t VALIDATE CONSTRAINT c"});
  CHECK(Of("alter table only public.t add constraint \"Big One\" foreign key (a) references u "
           "on delete cascade") ==
        Sql{"alter table only public.t add constraint \"Big One\" foreign key (a) references u on "
            "delete cascade NOT VALID",
            "alter table only public.t VALIDATE CONSTRAINT \"Big One\""});
}

TEST_CASE("SET NOT NULL is proven by a constraint that goes away again", "[cause]") {
  CHECK(Of("ALTER TABLE t ALTER a SET NOT NULL") ==
        Sql{"ALTER TABLE t ADD CONSTRAINT a_not_null_check CHECK (a IS NOT NULL) NOT VALID",
            "ALTER TABLE t VALIDATE CONSTRAINT a_not_null_check",
            "ALTER TABLE t ALTER a SET NOT NULL",
            "ALTER TABLE t DROP CONSTRAINT a_not_null_check"});
  CHECK(Of("ALTER TABLE \"Odd\" ALTER \"order\" SET NOT NULL").at(2) ==
        "ALTER TABLE \"Odd\" ALTER \"order\" SET NOT NULL");
  CHECK(Of("ALTER TABLE t ALTER id SET NOT NULL").empty());
}

TEST_CASE("a key takes over an index that was built beside the traffic", "[cause]") {
  CHECK(Of("ALTER TABLE t ADD CONSTRAINT k UNIQUE NULLS NOT DISTINCT (a, \"b c\") INCLUDE (d) "
           "DEFERRABLE INITIALLY DEFERRED") ==
        Sql{"CREATE UNIQUE INDEX CONCURRENTLY k ON t (a, \"b c\") INCLUDE (d) NULLS NOT DISTINCT",
            "ALTER TABLE t ADD CONSTRAINT k UNIQUE USING INDEX k DEFERRABLE INITIALLY DEFERRED"});
  CHECK(Of("ALTER TABLE t ADD CONSTRAINT k PRIMARY KEY (id)") ==
        Sql{"CREATE UNIQUE INDEX CONCURRENTLY k ON t (id)",
            "ALTER TABLE t ADD CONSTRAINT k PRIMARY KEY USING INDEX k"});
  const Sql nullable = Of("ALTER TABLE t ADD CONSTRAINT k PRIMARY KEY (id, a)");
  REQUIRE(nullable.size() == 6);
  CHECK(nullable[2] == "ALTER TABLE t ALTER COLUMN a SET NOT NULL");
  CHECK(nullable[4] == "CREATE UNIQUE INDEX CONCURRENTLY k ON t (id, a)");
}

TEST_CASE("a key that is replaced is there until the new one takes its place", "[cause]") {
  CHECK(Of("ALTER TABLE t DROP CONSTRAINT k, ADD CONSTRAINT k PRIMARY KEY (id)") ==
        Sql{"CREATE UNIQUE INDEX CONCURRENTLY k_new ON t (id)",
            "ALTER TABLE t DROP CONSTRAINT k, ADD CONSTRAINT k PRIMARY KEY USING INDEX k_new"});
  CHECK(Of("ALTER TABLE t ADD CONSTRAINT t_a UNIQUE (a), DROP CONSTRAINT t_a CASCADE, ADD x int") ==
        Sql{"ALTER TABLE t ADD x int", "CREATE UNIQUE INDEX CONCURRENTLY t_a_new2 ON t (a)",
            "ALTER TABLE t DROP CONSTRAINT t_a CASCADE, ADD CONSTRAINT t_a UNIQUE USING INDEX "
            "t_a_new2"});
  CHECK(Of("ALTER TABLE t DROP CONSTRAINT old, ADD CONSTRAINT k UNIQUE (a)") ==
        Sql{"CREATE UNIQUE INDEX CONCURRENTLY k ON t (a)",
            "ALTER TABLE t DROP CONSTRAINT old, ADD CONSTRAINT k UNIQUE USING INDEX k"});
  CHECK(Of("ALTER TABLE t DROP CONSTRAINT k, alter b drop not null, ADD CONSTRAINT k UNIQUE (a), "
           "drop column c") ==
        Sql{"CREATE UNIQUE INDEX CONCURRENTLY k_new ON t (a)",
            "ALTER TABLE t DROP CONSTRAINT k, alter b drop not null, drop column c, ADD CONSTRAINT "
            "k UNIQUE USING INDEX k_new"});
  CHECK(Of("ALTER TABLE t DROP CONSTRAINT c, ADD CONSTRAINT c CHECK (a > 0)") ==
        Sql{"ALTER TABLE t DROP CONSTRAINT c, ADD CONSTRAINT c CHECK (a > 0) NOT VALID",
            "ALTER TABLE t VALIDATE CONSTRAINT c"});
  CHECK(Of("ALTER TABLE t DROP CONSTRAINT c, ADD CONSTRAINT c CHECK (a > 0), ADD CONSTRAINT k "
           "UNIQUE (a)")
            .empty());
}

TEST_CASE("several actions keep their order, and their commas", "[cause]") {
  CHECK(Of("ALTER TABLE t ADD COLUMN n numeric(10, 2) DEFAULT 0, ADD CONSTRAINT c CHECK (f(a, ',') "
           "> 0), ALTER a SET NOT NULL, ADD CONSTRAINT k UNIQUE (n)") ==
        Sql{"ALTER TABLE t ADD COLUMN n numeric(10, 2) DEFAULT 0, ADD CONSTRAINT c CHECK (f(a, "
            "',') > 0) NOT VALID, ADD CONSTRAINT a_not_null_check CHECK (a IS NOT NULL) NOT VALID",
            "ALTER TABLE t VALIDATE CONSTRAINT c",
            "ALTER TABLE t VALIDATE CONSTRAINT a_not_null_check",
            "ALTER TABLE t ALTER a SET NOT NULL", "ALTER TABLE t DROP CONSTRAINT a_not_null_check",
            "CREATE UNIQUE INDEX CONCURRENTLY k ON t (n)",
            "ALTER TABLE t ADD CONSTRAINT k UNIQUE USING INDEX k"});
}

TEST_CASE("what is not understood stays as it is", "[cause]") {
  for (const char* sql :
       {"ALTER TABLE t ADD CHECK (a > 0)", "ALTER TABLE t ADD UNIQUE (a)",
        "ALTER TABLE t ADD FOREIGN KEY (a) REFERENCES u", "ALTER TABLE t ADD COLUMN x int",
        "ALTER TABLE parts ADD CONSTRAINT c CHECK (a > 0)",
        "ALTER TABLE t ADD CONSTRAINT c FOREIGN KEY (a) REFERENCES parts",
        "ALTER TABLE t ADD CONSTRAINT c CHECK (a > 0) NOT VALID",
        "ALTER TABLE t ADD CONSTRAINT c UNIQUE USING INDEX i",
        "ALTER TABLE t ADD CONSTRAINT c UNIQUE (a) WITH (fillfactor = 70)",
        "ALTER TABLE t ADD CONSTRAINT c EXCLUDE USING gist (a WITH =)",
        "ALTER TABLE t ADD CONSTRAINT c CHECK (a > 0), ALTER a TYPE bigint",
        "ALTER TABLE IF EXISTS t ADD CONSTRAINT c UNIQUE (a)", "ALTER INDEX t_a RENAME TO t_c"}) {
    CAPTURE(sql);
    CHECK(Of(sql).empty());
  }
}

TEST_CASE("names are quoted where they need it", "[cause]") {
  CHECK(Identifier("orders_2") == "orders_2");
  CHECK(Identifier("order") == "\"order\"");
  CHECK(Identifier("Order") == "\"Order\"");
  CHECK(Identifier("a\"b") == "\"a\"\"b\"");
  CHECK(Identifier("left") == "\"left\"");
}

}  // namespace
}  // namespace scry::cause
