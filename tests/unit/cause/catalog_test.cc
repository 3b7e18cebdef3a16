#include <algorithm>

#include "support/pg_server.h"
#include "unit/cause/scene.h"

namespace scry::cause {
namespace {

std::string Shown(const std::vector<CatalogObject>& before, const std::vector<CatalogObject>& after,
                  bool copies = true) {
  const Catalog old_catalog = CatalogOf(before);
  const Catalog new_catalog = CatalogOf(after);
  std::string text;
  for (const Change& change : DiffCatalogs(old_catalog, new_catalog, copies)) {
    text += (text.empty() ? "" : "; ") + Describe(change);
  }
  return text;
}

TEST_CASE("a catalogue does not differ from itself", "[cause]") {
  const std::vector<CatalogObject> all = {Thing("relation", "orders"),
                                          Thing("column", "id", "orders")};
  CHECK(Shown(all, all).empty());
}

TEST_CASE("what keeps its identity was renamed, and not dropped and added", "[cause]") {
  const std::vector<CatalogObject> before = {Thing("column", "total", "orders", {}, {}, "1.2")};
  const std::vector<CatalogObject> after = {Thing("column", "amount", "orders", {}, {}, "1.2")};
  CHECK(Shown(before, after) == "column orders.total was renamed to orders.amount");
  // On two servers identities are numbers that mean nothing.
  CHECK(Shown(before, after, false) ==
        "column orders.amount was added; column orders.total was dropped");
}

TEST_CASE("what moves along with its table is no change of its own", "[cause]") {
  CHECK(Shown({Thing("relation", "orders", {}, {}, {}, "1"),
               Thing("column", "id", "orders", {}, {}, "1.1")},
              {Thing("relation", "sales", {}, {}, {}, "1"),
               Thing("column", "id", "sales", {}, {}, "1.1")}) ==
        "relation orders was renamed to sales");
}

TEST_CASE("reading a view reads what it is made of", "[cause]") {
  Catalog catalog = CatalogOf({Thing("relation", "a"), Thing("relation", "b")});
  catalog.AddUse("a", "b");
  catalog.AddUse("b", "c");
  catalog.AddUse("c", "a");
  CHECK(catalog.Closure({"a"}) == std::set<std::string>{"a", "b", "c"});
  CHECK(catalog.Closure({"x"}) == std::set<std::string>{"x"});
}

TEST_CASE("relations are found by their bare name and with their schema", "[cause]") {
  const Catalog catalog =
      CatalogOf({Thing("relation", "orders", {}, {{"schema", "public"}}),
                 Thing("relation", "old.orders", {}, {{"schema", "old"}, {"name", "orders"}})});
  CHECK(catalog.Named("relation", "orders").size() == 2);
  REQUIRE(catalog.Named("relation", "old.orders").size() == 1);
  REQUIRE(catalog.Named("relation", "public.orders").size() == 1);
  CHECK(catalog.Named("relation", "public.orders")[0]->name == "orders");
  CHECK(catalog.Named("relation", "new.orders").empty());
}

TEST_CASE("an index covers columns that it begins with, in any order", "[cause]") {
  const Catalog catalog =
      CatalogOf({Thing("index", "i", "orders", {{"columns", "region, status, placed"}}),
                 Thing("index", "p", "orders", {{"columns", "note"}, {"predicate", "x"}}),
                 Thing("index", "v", "orders", {{"columns", "total"}, {"valid", "no"}}),
                 Thing("index", "b", "orders", {{"columns", "placed"}, {"method", "brin"}}),
                 Thing("index", "h", "orders", {{"columns", "code"}, {"method", "hash"}}),
                 Thing("index", "n", "orders",
                       {{"columns", "customer"}, {"predicate", "(customer IS NOT NULL)"}}),
                 Thing("index", "o", "orders",
                       {{"columns", "seller"}, {"predicate", "(customer IS NOT NULL)"}})});
  CHECK(HasIndexOn(catalog, "orders", {"status", "region"}));
  CHECK(HasIndexOn(catalog, "orders", {"region"}));
  CHECK_FALSE(HasIndexOn(catalog, "orders", {"status"}));
  CHECK_FALSE(HasIndexOn(catalog, "orders", {"region", "placed"}));
  CHECK_FALSE(HasIndexOn(catalog, "orders", {"note"}));
  CHECK_FALSE(HasIndexOn(catalog, "orders", {"total"}));
  CHECK_FALSE(HasIndexOn(catalog, "orders", {"placed"}));
  CHECK_FALSE(HasIndexOn(catalog, "orders", {"seller"}));
  CHECK(HasIndexOn(catalog, "orders", {"code"}));
  CHECK(HasIndexOn(catalog, "orders", {"customer"}));
  CHECK_FALSE(HasIndexOn(catalog, "items", {"region"}));
}

TEST_CASE("sentences are filled in, whatever stands in the words", "[cause]") {
  CHECK(FillIn("a {x} c{y}", {{"x", "{y}"}}) == "a {y} c");
  CHECK(FillIn("{", {}).empty());
  CHECK(FillIn("}{}{x", {{"x", "1"}}) == "}1");
}

Catalog ReadAfter(test::PgServer& server, const std::string& sql) {
  server.Exec(sql);
  auto session = pg::AdminSession::Connect(server.Info());
  REQUIRE(session.ok());
  auto catalog = ReadCatalog(*session);
  REQUIRE(catalog.ok());
  return std::move(*catalog);
}

TEST_CASE("another body of a function is a change, however it was written", "[cause][server]") {
  test::PgServer server;
  const auto read = [&](const std::string& sql) { return ReadAfter(server, sql); };
  const std::string head = "CREATE OR REPLACE FUNCTION f(a int) RETURNS int LANGUAGE ";
  std::vector<std::string> bodies = {"plpgsql AS $$ BEGIN RETURN a; END $$",
                                     "plpgsql AS $$ BEGIN RETURN a + 1; END $$"};
  if (std::stoi(server.Exec("SHOW server_version_num")) >= 140000) {
    bodies.insert(bodies.end(), {"sql RETURN a", "sql RETURN a + 1",
                                 "sql BEGIN ATOMIC SELECT a; SELECT a + 2; END"});
  }
  Catalog before = read(head + bodies[0]);
  for (size_t i = 1; i < bodies.size(); ++i) {
    INFO(bodies[i]);
    Catalog after = read(head + bodies[i]);
    const std::vector<Change> changes = DiffCatalogs(before, after, true);
    REQUIRE(changes.size() == 1);
    CHECK(changes[0].facts == std::set<std::string>{"body"});
    before = std::move(after);
  }
}

TEST_CASE("another expression of a generated column is a change of the column", "[cause][server]") {
  test::PgServer server;
  Catalog before =
      ReadAfter(server, "CREATE TABLE t (a int, b int GENERATED ALWAYS AS (a * 2) STORED)");
  const CatalogObject* column = before.Find("column", "t.b");
  REQUIRE(column != nullptr);
  CHECK(column->Fact("expression") == "(a * 2)");
  CHECK(column->Fact("default").empty());
  CHECK(before.Find("column", "t.a")->Fact("expression").empty());
  // Before PostgreSQL 17 no column takes another one: the new one has its name.
  const bool sets = std::stoi(server.Exec("SHOW server_version_num")) >= 170000;
  const Catalog after = ReadAfter(
      server, sets ? "ALTER TABLE t ALTER b SET EXPRESSION AS (a * 3)"
                   : "ALTER TABLE t DROP b, ADD b int GENERATED ALWAYS AS (a * 3) STORED");
  const std::vector<Change> changes = DiffCatalogs(before, after, !sets);
  const auto changed = std::find_if(changes.begin(), changes.end(),
                                    [](const Change& one) { return one.kind() == "column"; });
  REQUIRE(changed != changes.end());
  CHECK(changed->facts == std::set<std::string>{"expression"});
}

TEST_CASE("a foreign key tells the columns that it points at", "[cause][server]") {
  test::PgServer server;
  server.Exec("CREATE TABLE p (x int, \"Y\" int, id int PRIMARY KEY, UNIQUE (\"Y\", x))");
  const Catalog catalog = ReadAfter(server,
                                    "CREATE TABLE c (a int REFERENCES p, b int, d int, FOREIGN KEY "
                                    "(b, d) REFERENCES p (\"Y\", x))");
  const auto referenced = [&](const std::string& name) {
    const CatalogObject* key = catalog.Find("constraint", name);
    REQUIRE(key != nullptr);
    return key->Fact("referenced_columns");
  };
  CHECK(referenced("c.c_a_fkey") == "id");
  CHECK(referenced("c.c_b_d_fkey") == "\"Y\", x");
  CHECK(referenced("p.p_pkey").empty());
}

TEST_CASE("a catalogue tells when what hangs on a table has a say", "[cause][server]") {
  test::PgServer server;
  for (const char* sql :
       {"CREATE ROLE staff", "CREATE ROLE boss BYPASSRLS", "CREATE ROLE clerk IN ROLE staff",
        "CREATE TABLE t (a int, \"B\" int)",
        "CREATE FUNCTION f() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN RETURN NEW; END'",
        "CREATE TRIGGER one BEFORE INSERT OR UPDATE OF \"B\", a ON t FOR EACH ROW EXECUTE FUNCTION "
        "f()",
        "CREATE RULE keep AS ON DELETE TO t DO INSTEAD NOTHING",
        "CREATE DOMAIN email AS text DEFAULT 'x' NOT NULL", "CREATE VIEW v AS SELECT a FROM t",
        "ALTER ROLE staff SET work_mem = '1MB'"}) {
    server.Exec(sql);
  }
  const Catalog catalog = ReadAfter(server, "ALTER ROLE staff SET app.version = '4'");
  const auto fact = [&](const std::string& kind, const std::string& name, const std::string& key) {
    CAPTURE(kind, name, key);
    const CatalogObject* object = catalog.Find(kind, name);
    REQUIRE(object != nullptr);
    return object->Fact(key);
  };
  CHECK(fact("trigger", "t.one", "events") == "INSERT, UPDATE");
  CHECK(fact("trigger", "t.one", "timing") == "BEFORE");
  CHECK(fact("trigger", "t.one", "columns") == "a, \"B\"");
  CHECK(fact("rule", "t.keep", "events") == "DELETE");
  CHECK(catalog.Of("rule", "v").empty());
  CHECK(fact("type", "email", "not_null") == "yes");
  CHECK(fact("type", "email", "default") == "'x'::text");
  CHECK(fact("role", "clerk", "member_of") == "staff");
  CHECK(fact("role", "boss", "passes_by") == "yes");
  CHECK(fact("role", "clerk", "passes_by") == "no");
  CHECK(fact("setting", "work_mem of role staff", "steers_plans") == "yes");
  CHECK(fact("setting", "app.version of role staff", "steers_plans") == "no");
}

}  // namespace
}  // namespace scry::cause
