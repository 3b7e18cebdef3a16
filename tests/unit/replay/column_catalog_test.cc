#include "replay/column_catalog.h"

#include <set>
#include <string>
#include <vector>

#include "event/value_equality.h"
#include "support/catch.h"
#include "support/pg_server.h"

namespace scry::replay {
namespace {

event::ValueSite Site(std::string relation, std::string column,
                      std::vector<std::string> candidates = {}) {
  event::ValueSite site;
  site.relation = std::move(relation);
  site.column = std::move(column);
  site.candidates = std::move(candidates);
  return site;
}

struct Catalogs {
  Catalogs() {
    server.Exec("CREATE DATABASE a");
    server.Exec(R"sql(
      CREATE SCHEMA "S.p""ace";
      CREATE SEQUENCE "S.p""ace"."Se q";
      CREATE TABLE people (id bigserial PRIMARY KEY, name text DEFAULT 'nobody', at timestamptz
        DEFAULT now(), token uuid DEFAULT gen_random_uuid(), code text
        DEFAULT 'C' || nextval('"S.p""ace"."Se q"'), boss bigint REFERENCES people);
      CREATE TABLE users (id bigint PRIMARY KEY REFERENCES people, n int);
      CREATE TABLE logins (user_id bigint REFERENCES users, at date, no int
        GENERATED ALWAYS AS IDENTITY) PARTITION BY RANGE (at);
      CREATE TABLE logins_1 PARTITION OF logins FOR VALUES FROM ('2026-01-01') TO ('2027-01-01');
      CREATE TABLE "S.p""ace"."T.able" ("i.d" serial, "other" int);
      CREATE TABLE "S.p""ace".people (id int, name text);
      CREATE DOMAIN key AS int;
      CREATE TABLE circle (a int PRIMARY KEY, b int UNIQUE REFERENCES circle (a));
      ALTER TABLE circle ADD FOREIGN KEY (a) REFERENCES circle (b);
      CREATE TABLE typed (k key DEFAULT (random() * 1000000)::int);
    )sql",
                "a");
  }
  void Add(const char* database) {
    auto session = pg::AdminSession::Connect(server.Info(database));
    REQUIRE(session.ok());
    REQUIRE(catalog.AddLane(*session).ok());
  }
  DomainId Domain(const event::ValueSite& site) const {
    const auto found = catalog.Find(site);
    return found.column == nullptr || found.ambiguous ? 0 : found.column->domain;
  }
  test::PgServer server;
  ColumnCatalog catalog;
};

TEST_CASE("columns that make their values, and those that refer to them", "[replay]") {
  Catalogs catalogs;
  catalogs.Add("a");
  const DomainId id = catalogs.Domain(Site("public.people", "id"));
  REQUIRE(id != 0);
  const auto* column = catalogs.catalog.Find(Site("public.people", "id")).column;
  CHECK(column->own);
  CHECK(column->drawn);
  CHECK(column->kind == ValueKind::kInteger);
  CHECK(catalogs.Domain(Site("public.people", "boss")) == id);
  CHECK(catalogs.Domain(Site("users", "id")) == id);
  CHECK_FALSE(catalogs.catalog.Find(Site("users", "id")).column->own);
  CHECK(catalogs.Domain(Site("logins", "user_id")) == id);
  CHECK(catalogs.Domain(Site("logins_1", "user_id")) == id);
  CHECK(catalogs.Domain(Site("logins_1", "no")) == catalogs.Domain(Site("logins", "no")));

  const auto* token = catalogs.catalog.Find(Site("public.people", "token")).column;
  REQUIRE(token != nullptr);
  CHECK(token->kind == ValueKind::kUuid);
  CHECK_FALSE(token->drawn);
  const auto* code = catalogs.catalog.Find(Site("public.people", "code")).column;
  REQUIRE(code != nullptr);
  CHECK(code->drawn);
  CHECK(code->kind == ValueKind::kText);
  CHECK(catalogs.Domain(Site("public.people", "name")) == 0);
  CHECK(catalogs.Domain(Site("public.people", "at")) == 0);  // The same all through a transaction.
  CHECK(catalogs.Domain(Site("circle", "a")) == 0);
  CHECK(catalogs.catalog.Find(Site("typed", "k")).column->kind == ValueKind::kInteger);
}

TEST_CASE("names are found as texts write them", "[replay]") {
  Catalogs catalogs;
  catalogs.Add("a");
  const DomainId id = catalogs.Domain(Site("public.people", "id"));
  CHECK(catalogs.Domain(Site("people", "id")) == 0);
  CHECK(catalogs.catalog.Find(Site("people", "id")).ambiguous);
  CHECK(catalogs.Domain(Site("S.p\"ace.people", "id")) == 0);
  CHECK(catalogs.Domain(Site("S.p\"ace.T.able", "i.d")) != 0);
  CHECK(catalogs.Domain(Site("T.able", "#1")) == catalogs.Domain(Site("T.able", "i.d")));
  CHECK(catalogs.Domain(Site("T.able", "#2")) == 0);
  CHECK(catalogs.Domain(Site("T.able", "#3")) == 0);
  CHECK(catalogs.Domain(Site("", "user_id", {"logins", "T.able"})) == id);
  CHECK(catalogs.Domain(Site("", "n", {"users", "logins"})) == 0);

  const MappedColumn* sequence = catalogs.catalog.FindSequence("people_id_seq");
  REQUIRE(sequence != nullptr);
  CHECK(sequence->domain == id);
  CHECK(catalogs.catalog.FindSequence("PUBLIC.people_id_seq") == sequence);
  CHECK(catalogs.catalog.FindSequence("\"S.p\"\"ace\".\"Se q\"")->domain ==
        catalogs.Domain(Site("public.people", "code")));
  CHECK(catalogs.catalog.FindSequence("nothing") == nullptr);
  CHECK(catalogs.catalog.DrawnBy("T.able")->domain == catalogs.Domain(Site("T.able", "i.d")));
  CHECK(catalogs.catalog.DrawnBy("public.people") == nullptr);  // Two sequences.
}

TEST_CASE("every table has its xmin, and it is none of its columns", "[replay]") {
  Catalogs catalogs;
  catalogs.Add("a");
  const MappedColumn* users = catalogs.catalog.Find(Site("users", "xmin")).column;
  REQUIRE(users != nullptr);
  CHECK(users->xmin);
  CHECK(users->own);
  CHECK_FALSE(users->drawn);
  CHECK(users->kind == ValueKind::kXid);
  std::set<DomainId> domains;
  for (const char* relation : {"users", "logins", "logins_1", "T.able", "circle"}) {
    domains.insert(catalogs.Domain(Site(relation, "xmin")));
  }
  CHECK(domains.size() == 5);
  CHECK_FALSE(domains.contains(0));
  CHECK(catalogs.Domain(Site("", "xmin", {"users"})) == users->domain);
  CHECK(catalogs.Domain(Site("users", "xmax")) == 0);
  CHECK(catalogs.catalog.DrawnBy("users") == nullptr);
  CHECK(catalogs.catalog.FindCopied("users", {}).size() == 2);

  const auto oid = [&](const char* relation) {
    return static_cast<uint32_t>(std::stoul(
        catalogs.server.Exec("SELECT '" + std::string(relation) + "'::regclass::oid", "a")));
  };
  const MappedColumn* described = catalogs.catalog.Find(0, oid("users"), event::kXminNumber);
  REQUIRE(described != nullptr);
  CHECK(described->domain == users->domain);
  REQUIRE(catalogs.catalog.KeyOf(oid("users")).size() == 1);
  CHECK(catalogs.catalog.KeyOf(oid("users"))[0].number == 1);
  REQUIRE(catalogs.catalog.Find(Site("users", "xmin")).key != nullptr);
  CHECK(catalogs.catalog.Find(Site("users", "xmin")).key->at(0).name == "id");
  CHECK(catalogs.catalog.KeyOf(oid("logins")).empty());
}

TEST_CASE("every lane has its own OIDs and the baseline's names", "[replay]") {
  Catalogs catalogs;
  catalogs.server.Exec("CREATE DATABASE b TEMPLATE a");
  catalogs.server.Exec(R"sql(
    CREATE TABLE anew (LIKE users INCLUDING ALL);
    DROP TABLE logins; DROP TABLE users;
    ALTER TABLE anew RENAME TO users;
    ALTER TABLE users ADD serial_here bigserial)sql",
                       "b");
  catalogs.Add("a");
  catalogs.Add("b");
  const auto oid = [&](const char* database) {
    return static_cast<uint32_t>(
        std::stoul(catalogs.server.Exec("SELECT 'users'::regclass::oid", database)));
  };
  REQUIRE(oid("a") != oid("b"));
  const MappedColumn* a = catalogs.catalog.Find(0, oid("a"), 1);
  const MappedColumn* b = catalogs.catalog.Find(1, oid("b"), 1);
  REQUIRE(a != nullptr);
  REQUIRE(b != nullptr);
  CHECK(a->domain == b->domain);
  CHECK(catalogs.catalog.Find(0, oid("a"), 2) == nullptr);
  CHECK(catalogs.catalog.Find(1, oid("b"), 3) == nullptr);  // Unknown to production.
  CHECK(catalogs.catalog.Find(1, oid("a"), 1) == nullptr);
  CHECK(catalogs.catalog.Find(7, oid("a"), 1) == nullptr);
}

}  // namespace
}  // namespace scry::replay
