#include "migration/detect.h"

#include <string>
#include <tuple>

#include "support/catch.h"

namespace scry::migration {
namespace {

constexpr const char* kAlter = "ALTER TABLE orders ADD COLUMN region text;\n";

// "tool confidence", or "-".
std::string Told(const std::string& path, std::string_view added = "",
                 const DetectRules& rules = {}, ChangeKind kind = ChangeKind::kAdded) {
  const auto found = Detect({path, kind}, added, rules);
  return found ? found->tool + " " + Name(found->confidence) : "-";
}

TEST_CASE("the layouts of tools are known by their paths", "[migration]") {
  CHECK(Told("alembic/versions/9b1c_add_region.py") == "alembic medium");
  CHECK(Told("shop/migrations/0007_region.py") == "django medium");
  CHECK(Told("db/migrate/20261126_add_region.rb") == "rails medium");
  CHECK(Told("services/pay/db/migrate/20261126_add_region.rb") == "rails medium");
  CHECK(Told("src/main/resources/db/migration/V7__region.sql") == "flyway medium");
  CHECK(Told("sql/V7.1.2__region.sql") == "flyway medium");
  CHECK(Told("sql/R__views.sql") == "flyway medium");
  CHECK(Told("db/changelog-master.xml") == "liquibase medium");
  CHECK(Told("prisma/migrations/20261126_region/migration.sql") == "prisma medium");
  CHECK(Told("migrations/20261126000000_region.js", "exports.up = function (knex) {\n") ==
        "knex high");
  CHECK(Told("migrations/1795180625123_region.js", "exports.up = (pgm) => { pgm.addColumn(\n") ==
        "node-pg-migrate high");
  CHECK(Told("drizzle/0003_region.sql") == "drizzle medium");
  CHECK(Told("store/000012_region.up.sql") == "golang-migrate medium");
  CHECK(Told("deploy/region.sql", "-- Deploy shop:region to pg\n") == "sqitch high");
  CHECK(Told("migrations/region.sql") == "sql medium");
}

TEST_CASE("other files are none", "[migration]") {
  for (const char* path :
       {"README.md", "src/orders.py", "app/models/order.rb", "versions", "a/migrations/__init__.py",
        "versions.py", "shop/migrations/readme.txt", "queries/top.sql", "package.json", "", "/",
        "V__x.sql.txt", "changelog.md"}) {
    CAPTURE(path);
    CHECK(Told(path, "SELECT 1;\n") == "-");
  }
  CHECK(Told("seeds/users.sql", "INSERT INTO users VALUES (1);\n") == "-");
  // A word of SQL in code that is no migration's.
  CHECK(Told("src/store.go", "db.Exec(`ALTER TABLE t ADD c int`)\n") == "-");
}

TEST_CASE("folders of several databases and other extensions are known", "[migration]") {
  CHECK(Told("db/animals_migrate/20261126_add_region.rb") == "rails medium");
  CHECK(Told("migrations/20261126000000_region.cjs", "exports.up = knex => knex.schema\n") ==
        "knex high");
  CHECK(Told("migrations/1795180625123_region.cjs", "  pgm.addColumn('orders', {})\n") ==
        "node-pg-migrate high");
  CHECK(Told("shop/migrations/initial.py") == "django medium");
  CHECK(Told("shop/migrations/initial.py", "class Migration(migrations.Migration):\n") ==
        "django high");
}

TEST_CASE("wherever it lies, a file is known by the words of its tool", "[migration]") {
  for (const auto& [path, added, told] : {
           std::tuple{"db/orders.xml", "  <changeSet id=\"7\" author=\"a\">\n", "liquibase medium"},
           std::tuple{"db/orders.yaml", "- changeSet:\n    id: 7\n", "liquibase medium"},
           std::tuple{"db/orders.yml", "databaseChangeLog:\n", "liquibase medium"},
           std::tuple{"db/orders.json", "{\"databaseChangeLog\": []}\n", "liquibase medium"},
           std::tuple{"engines/pay/add.rb", "class A < ActiveRecord::Migration[7.1]\n",
                      "rails medium"},
           std::tuple{"db/history/9b1c.py", "from alembic import op\n", "alembic medium"},
           std::tuple{"pay/schema/initial.py", "class Migration(migrations.Migration):\n",
                      "django medium"},
           std::tuple{"schema/7.ts", "export const up = pgm => { pgm.sql('x') }\n",
                      "node-pg-migrate medium"},
           std::tuple{"schema/7.cjs", "exports.up = async (knex) => {}\n", "knex medium"},
           std::tuple{"spec/7.cjs", "exports.up = async (knex) => {}\n", "knex low"},
       }) {
    CAPTURE(path);
    CHECK(Told(path, added) == told);
    CHECK(MayTell({path, ChangeKind::kModified}, {}));
  }
  CHECK(Told("src/data.py", "migrations.MigrationExecutor(connection)\n") == "-");
  CHECK(Told("src/a.ts", "epgm.run(); // no word of its own\n") == "-");
  CHECK(Told("README.md", "from alembic import op\n") == "-");
  CHECK_FALSE(MayTell({"README.md", ChangeKind::kAdded}, {}));
  CHECK_FALSE(MayTell({"a.py", ChangeKind::kDeleted}, {}));
  DetectRules rules;
  rules.ignore = {"db/*"};
  CHECK_FALSE(MayTell({"db/orders.xml", ChangeKind::kAdded}, rules));
  CHECK(Told("db/orders.xml", "<changeSet ", rules) == "-");
  // For a search: every word is found by it as it stands.
  CHECK(TellingWordsPattern().find("ActiveRecord::Migration\\[") != std::string::npos);
}

TEST_CASE("what the added lines say makes it sure, and is the evidence", "[migration]") {
  const auto found = Detect({"migrations/7_region.sql", ChangeKind::kAdded}, kAlter, {});
  REQUIRE(found);
  CHECK(found->confidence == Confidence::kHigh);
  CHECK(found->evidence == "ALTER TABLE orders ADD COLUMN region text");
  CHECK(Told("alembic/versions/9b1c.py", "    op.add_column('orders', sa.Column('region'))\n") ==
        "alembic high");
  CHECK(Told("schema/orders.sql", kAlter) == "sql medium");
  CHECK(Told("tests/data/orders.sql", kAlter) == "sql low");
  CHECK(Told("tests/migrations/7_region.sql", kAlter) == "sql low");
  CHECK(Told("migrations/7_backfill.sql", "UPDATE orders SET region = 'eu';\n") == "sql high");
}

TEST_CASE("what does not parse hides no schema change beside it", "[migration]") {
  for (const char* added : {
           "\\set ON_ERROR_STOP on\nALTER TABLE orders ADD COLUMN region text;\n",
           "DO $$\nBEGIN\n  ALTER TABLE orders ADD COLUMN region text;\nEND $$;\n",
           "ALTER TABLE orders ADD COLUMN :name int;\n",
           "{{ config(materialized='x') }}\nCREATE INDEX CONCURRENTLY i ON orders (region);\n",
           "SELEC 1;\nCREATE  UNIQUE\n  INDEX i ON orders (region);\n",
           "  region text NOT NULL DEFAULT 'eu',\n",
           "  , CONSTRAINT positive CHECK (total > 0)\n",
           "  ADD COLUMN region text,\n",
           "it's no string;\nALTER TABLE orders ADD region text;\n",
           "COPY a FROM stdin;\nit's\n\\.\nDROP TABLE a;\n",
           "SELECT now();\nCREATE OR REPLACE FUNCTION f() RETURNS int :body;\n",
       }) {
    CAPTURE(added);
    CHECK(Told("db/changes/7.sql", added) == "sql medium");
  }
  const auto found = Detect({"db/changes/7.sql", ChangeKind::kAdded},
                            "SELEC 1; -- alter table a\nALTER TABLE orders ADD :name int;\n", {});
  REQUIRE(found);
  CHECK(found->evidence == "ALTER TABLE orders ADD :name int");
}

TEST_CASE("a schema change behind what is parsed at all is seen", "[migration]") {
  std::string added = "INSERT INTO a VALUES\n";
  while (added.size() < 2 * 1024 * 1024) added += "  (1, 'some text that is not short at all'),\n";
  CHECK(Told("db/changes/7.sql", added) == "-");
  CHECK(Told("db/changes/7.sql", added + "(1, '');\nDROP INDEX i;\n") == "sql medium");
}

TEST_CASE("queries that are pieces or templates are no schema change", "[migration]") {
  for (const char* added : {
           "  AND o.total > 3\n",
           "SELECT {{ column }} FROM orders\n",
           "  count(*) AS n,\n",
           "SELECT * FROM x WHERE :cond; -- never alter table a\n",
           "UPDATE orders SET total = :total;\n",
           "DO $$ BEGIN PERFORM refresh(); END $$;\n",
       }) {
    CAPTURE(added);
    CHECK(Told("queries/top.sql", added) == "-");
  }
}

TEST_CASE("a file in a folder of migrations is one, whatever its language", "[migration]") {
  for (const char* path :
       {"migrations/00002_region.go", "db/migration/V2__Region.kt", "priv/repo/migrations/2_r.exs",
        "database/migrations/2026_11_26_region.php", "src/Migrations/20261126_Region.cs",
        "migration/src/m20261126_region.rs", "db/Migrate/region.sh"}) {
    CAPTURE(path);
    CHECK(Told(path, "x\n") == "unknown medium");
    CHECK(NeedsContent({path, ChangeKind::kModified}, {}));
    const auto deleted = Detect({path, ChangeKind::kDeleted}, "", {});
    REQUIRE(deleted);
    CHECK(deleted->evidence == "deleted");
  }
  CHECK(Told("Migrations/2_region.sql") == "sql medium");
  CHECK(Told("migrations/2_region.go", "tx.Exec(`ALTER TABLE a ADD b int`)\n") == "unknown high");
  CHECK(Told("src/migration/1700-Add.ts", "  await queryRunner.query(sql)\n") == "unknown medium");
  CHECK(Told("src/migration/1700-Add.ts", "class A implements MigrationInterface {\n") ==
        "typeorm high");
  CHECK(Told("tests/migrations/helper.go", "x\n") == "unknown low");
  for (const char* path :
       {"migrations/README.md", "migrations/migration_lock.toml", "drizzle/migrations/meta/1.json",
        "migrations/x.snap", "migrations/Makefile", "migrations/.gitkeep", "lib/migration/a.cc",
        "a/migrations/__init__.py", "migrations/yarn.lock", "src/migrations.go",
        "src/migrations/index.ts"}) {
    CAPTURE(path);
    CHECK(Told(path, "x\n") == "-");
    CHECK_FALSE(NeedsContent({path, ChangeKind::kModified}, {}));
  }
}

TEST_CASE("a removed migration is one", "[migration]") {
  const auto found = Detect({"migrations/7_region.sql", ChangeKind::kDeleted}, "", {});
  REQUIRE(found);
  CHECK(found->evidence == "deleted");
  CHECK_FALSE(NeedsContent({"migrations/7_region.sql", ChangeKind::kDeleted}, {}));
}

TEST_CASE("rules of the user come first", "[migration]") {
  DetectRules rules;
  rules.paths = {"services/*/db/*.sql", "infra/change.txt"};
  rules.ignore = {"*/legacy/*", "migrations/*"};
  CHECK(Told("services/pay/db/now.sql", "", rules) == "path medium");
  CHECK(Told("infra/change.txt", "", rules) == "path medium");
  CHECK(Told("infra/change.txt", "ALTER TABLE a ADD b int\n", rules) == "path high");
  CHECK(Told("migrations/7_region.sql", kAlter, rules) == "-");
  CHECK(Told("services/legacy/db/now.sql", kAlter, rules) == "-");
  CHECK_FALSE(NeedsContent({"migrations/7.sql", ChangeKind::kAdded}, rules));
}

TEST_CASE("hostile names and texts end by themselves", "[migration]") {
  const std::string deep = std::string(2'000, '/') + std::string(2'000, '1') + "_" +
                           std::string(2'000, '_') + ".up.sqlx";
  CHECK(Told(deep) == "-");
  CHECK(Told("migrations/1_" + std::string(5'000, 'x') + ".sql") == "sql medium");
  std::string garbage = "migrations/\xff\x01_1.sql";
  const auto found = Detect({garbage, ChangeKind::kAdded}, std::string("\0'\"$$ CREATE", 12), {});
  REQUIRE(found);
  CHECK(found->tool == "sql");
  for (const char c : found->evidence) CHECK((c & 0xe0) != 0);  // No control character.
}

}  // namespace
}  // namespace scry::migration
