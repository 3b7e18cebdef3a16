#include "replay/relation_catalog.h"

#include <set>
#include <string>

#include "support/catch.h"
#include "support/pg_server.h"

namespace scry::replay {
namespace {

TEST_CASE("calls in a function's source are found", "[replay]") {
  CHECK(CalledNames("begin new.no := billing.Next_No (new.id); return new; end") ==
        std::set<std::string>{"next_no"});
  CHECK(CalledNames("select \"Odd\"(1) + lower(x)") == std::set<std::string>{"lower", "odd"});
  CHECK(CalledNames("new.a := 1 * (2 + b)").empty());
}

// One server, and a new catalog of it.
class Database {
 public:
  RelationCatalog Catalog(const std::string& schema) {
    server_.Exec("DROP SCHEMA IF EXISTS public CASCADE; CREATE SCHEMA public; " + schema);
    auto session = pg::AdminSession::Connect(server_.Info());
    REQUIRE(session.ok());
    RelationCatalog catalog;
    const base::Status added = catalog.Add(*session);
    INFO((added.ok() ? "" : added.error().message));
    REQUIRE(added.ok());
    return catalog;
  }
  bool TakesStandardBodies() {
    return std::stoi(server_.Exec("SHOW server_version_num")) >= 140000;
  }

 private:
  test::PgServer server_;
};

const RelationFacts& One(const RelationCatalog& catalog, const std::string& name) {
  const RelationCatalog::Found found = catalog.Find("public", name);
  REQUIRE(found.relations.size() == 1);
  return *found.relations.front();
}

TEST_CASE("what a database says of itself", "[replay][server]") {
  Database database;
  {  // A function is as harmless as whatever it calls.
    const RelationCatalog catalog = database.Catalog(R"(
      CREATE TABLE numbers (n int); CREATE TABLE other (a int);
      CREATE FUNCTION next_no() RETURNS int LANGUAGE sql AS
        $$ UPDATE numbers SET n = n + 1 RETURNING n $$;
      CREATE FUNCTION by_way() RETURNS int LANGUAGE plpgsql AS
        $$ BEGIN RETURN next_no() + 1; END $$;
      CREATE FUNCTION far() RETURNS int LANGUAGE plpgsql AS $$ BEGIN RETURN by_way (); END $$;
      CREATE FUNCTION looks() RETURNS bigint STABLE LANGUAGE sql AS
        $$ SELECT count(*) FROM numbers $$;
      CREATE FUNCTION looks_too() RETURNS bigint LANGUAGE plpgsql AS
        $$ BEGIN RETURN looks(); END $$;
      CREATE FUNCTION tenant() RETURNS text LANGUAGE sql AS
        $$ SELECT current_setting('app.tenant', true) $$;
      CREATE FUNCTION sum_of(a int, b int) RETURNS int LANGUAGE plpgsql AS
        $$ BEGIN RETURN greatest(a, b) + abs(a); END $$;
      CREATE FUNCTION stamp() RETURNS trigger LANGUAGE plpgsql AS
        $$ BEGIN NEW.a := sum_of(NEW.a, 1); RETURN NEW; END $$;
      CREATE FUNCTION number() RETURNS trigger LANGUAGE plpgsql AS
        $$ BEGIN NEW.a := far(); RETURN NEW; END $$;
      CREATE FUNCTION weigh() RETURNS trigger LANGUAGE plpgsql AS
        $$ BEGIN NEW.a := looks_too(); RETURN NEW; END $$;
      CREATE TABLE stamped (a int); CREATE TABLE numbered (a int); CREATE TABLE weighed (a int);
      CREATE TRIGGER t BEFORE INSERT ON stamped FOR EACH ROW EXECUTE FUNCTION stamp();
      CREATE TRIGGER t BEFORE INSERT ON numbered FOR EACH ROW EXECUTE FUNCTION number();
      CREATE TRIGGER t BEFORE INSERT ON weighed FOR EACH ROW EXECUTE FUNCTION weigh();
      CREATE TABLE by_default (a int DEFAULT by_way());
      CREATE TABLE quiet_default (a int DEFAULT sum_of(1, 2));
    )");
    CHECK(catalog.ClassOf("next_no") == FunctionClass::kWrites);
    CHECK(catalog.ClassOf("by_way") == FunctionClass::kWrites);
    CHECK(catalog.ClassOf("far") == FunctionClass::kWrites);
    CHECK(catalog.ClassOf("looks") == FunctionClass::kReads);
    CHECK(catalog.ClassOf("looks_too") == FunctionClass::kReads);
    CHECK(catalog.ClassOf("sum_of") == FunctionClass::kHarmless);
    CHECK(catalog.ClassOf("tenant") == FunctionClass::kHarmless);
    CHECK(catalog.ClassOf("pg_sleep") == FunctionClass::kHarmless);
    CHECK(catalog.ClassOf("nextval") == FunctionClass::kWrites);
    CHECK_FALSE(One(catalog, "stamped").writing_unknown);
    CHECK(One(catalog, "numbered").writing_unknown);
    CHECK(One(catalog, "weighed").writing_reads);
    CHECK_FALSE(One(catalog, "weighed").writing_unknown);
    CHECK(One(catalog, "by_default").writing_unknown);
    CHECK_FALSE(One(catalog, "quiet_default").writing_unknown);
  }
  if (database.TakesStandardBodies()) {  // They are not kept as text.
    const RelationCatalog catalog = database.Catalog(R"(
      CREATE TABLE numbers (n int);
      CREATE FUNCTION writes() RETURNS int LANGUAGE sql
        BEGIN ATOMIC UPDATE numbers SET n = n + 1 RETURNING n; END;
      CREATE FUNCTION by_way() RETURNS int LANGUAGE sql RETURN writes() + 1;
      CREATE FUNCTION sum_of(a int, b int) RETURNS int LANGUAGE sql RETURN a + b;
      CREATE TABLE by_default (a int DEFAULT by_way());
    )");
    CHECK(catalog.ClassOf("writes") == FunctionClass::kWrites);
    CHECK(catalog.ClassOf("by_way") == FunctionClass::kWrites);
    CHECK(catalog.ClassOf("sum_of") == FunctionClass::kHarmless);
    CHECK(One(catalog, "by_default").writing_unknown);
  }
  {  // What is stored is read as a table, and made of others.
    const RelationCatalog catalog = database.Catalog(R"(
      CREATE TABLE a (x int); CREATE TABLE b (x int);
      CREATE VIEW v AS SELECT x FROM b;
      CREATE MATERIALIZED VIEW m AS SELECT a.x FROM a JOIN v ON a.x = v.x;
    )");
    const RelationFacts& stored = One(catalog, "m");
    CHECK(stored.reads == std::vector<ObjectId>{stored.object});
    CHECK(std::set<ObjectId>(stored.made_of.begin(), stored.made_of.end()) ==
          std::set<ObjectId>{One(catalog, "a").object, One(catalog, "b").object});
    CHECK_FALSE(stored.writing_reads);
    CHECK(One(catalog, "v").reads == std::vector<ObjectId>{One(catalog, "b").object});
  }
  {  // What may be checked at the end of a transaction.
    const RelationCatalog plain = database.Catalog("CREATE TABLE a (id int PRIMARY KEY)");
    CHECK_FALSE(plain.puts_off());
    CHECK(One(plain, "a").put_off.empty());
    const RelationCatalog catalog = database.Catalog(R"(
      CREATE TABLE a (id int PRIMARY KEY);
      CREATE TABLE b (id int PRIMARY KEY, a int REFERENCES a DEFERRABLE);
      CREATE TABLE c (x int UNIQUE DEFERRABLE INITIALLY DEFERRED, b int REFERENCES b);
      CREATE FUNCTION look() RETURNS trigger LANGUAGE plpgsql STABLE AS
        $$ BEGIN PERFORM count(*) FROM a; RETURN NULL; END $$;
      CREATE CONSTRAINT TRIGGER t AFTER INSERT ON c DEFERRABLE FOR EACH ROW
        EXECUTE FUNCTION look();
    )");
    const ObjectId a = One(catalog, "a").object;
    const ObjectId b = One(catalog, "b").object;
    CHECK(catalog.puts_off());
    CHECK(One(catalog, "b").put_off == std::vector<ObjectId>{a});
    CHECK(One(catalog, "a").put_off == std::vector<ObjectId>{b});
    CHECK(One(catalog, "c").put_off == std::vector<ObjectId>{One(catalog, "c").object});
    CHECK(One(catalog, "c").put_off_calls == FunctionClass::kReads);
  }
  {  // Parts of a tree are written by way of its root.
    const RelationCatalog catalog = database.Catalog(R"(
      CREATE TABLE parent (id int PRIMARY KEY);
      CREATE TABLE log (a int);
      CREATE FUNCTION note() RETURNS trigger LANGUAGE plpgsql AS
        $$ BEGIN INSERT INTO log VALUES (1); RETURN NEW; END $$;
      CREATE TABLE tree (a int, p int, x int) PARTITION BY RANGE (a);
      CREATE TABLE middle PARTITION OF tree FOR VALUES FROM (0) TO (10) PARTITION BY RANGE (a);
      CREATE TABLE leaf PARTITION OF middle FOR VALUES FROM (0) TO (5);
      CREATE SEQUENCE s;
      ALTER TABLE leaf ADD UNIQUE (x), ALTER x SET DEFAULT nextval('s'),
        ADD FOREIGN KEY (p) REFERENCES parent;
      CREATE TABLE other (a int) PARTITION BY RANGE (a);
      CREATE TABLE other_leaf PARTITION OF other FOR VALUES FROM (0) TO (5);
      CREATE TRIGGER t AFTER INSERT ON other_leaf FOR EACH ROW EXECUTE FUNCTION note();
    )");
    const RelationFacts& tree = One(catalog, "tree");
    CHECK(tree.unique);
    CHECK(tree.guarded.contains("x"));
    CHECK(tree.parents == std::vector<ObjectId>{One(catalog, "parent").object});
    CHECK(tree.draws.contains("x"));
    CHECK_FALSE(tree.writing_unknown);
    CHECK(One(catalog, "other").writing_unknown);
    CHECK(One(catalog, "other").object == One(catalog, "other_leaf").object);
  }
}

}  // namespace
}  // namespace scry::replay
