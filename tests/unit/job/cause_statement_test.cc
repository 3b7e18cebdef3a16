#include "job/cause_statement.h"

#include <string>
#include <vector>

#include "support/catch.h"

namespace scry::job {
namespace {

migration::StatementProfile Ran(const std::string& text, const std::string& locked = {}) {
  migration::StatementProfile statement;
  statement.text = statement.pattern = text;
  if (!locked.empty()) {
    statement.locks.push_back({1, locked, migration::LockMode::kAccessExclusive, 0, false});
  }
  return statement;
}

// The index of the statement that the cause is tied to, or -1.
int TiedTo(const std::vector<migration::StatementProfile>& statements, const std::string& object,
           const std::string& mechanism, const std::string& sentence = {}) {
  migration::MigrationProfile profile;
  profile.statements = statements;
  report::Report report;
  for (const auto& statement : statements) {
    report.migration.statements.emplace_back().text = statement.pattern;
  }
  report.causes.push_back({object, mechanism, sentence, "", {"slower-1"}, std::nullopt});
  TieCauses(profile, report);
  const report::Cause& cause = report.causes[0];
  if (!cause.statement_index) return -1;
  CHECK(cause.statement == report.migration.statements[*cause.statement_index].text);
  return static_cast<int>(*cause.statement_index);
}

TEST_CASE("a cause is of the statement that does it to its object", "[job]") {
  const std::vector<migration::StatementProfile> statements = {
      Ran("CREATE INDEX orders_region ON orders (region)"),
      Ran("DROP INDEX public.orders_region", "orders"),
      Ran("ALTER TABLE users RENAME COLUMN name TO full_name", "users"),
      Ran("ALTER TABLE invoices ALTER COLUMN total TYPE bigint", "invoices"),
      Ran("ALTER TABLE orders ALTER COLUMN total TYPE bigint", "orders"),
      Ran("REVOKE SELECT ON orders FROM app"),
      Ran("UPDATE orders SET note = ''"),
      Ran("DO $$ BEGIN EXECUTE 'drop table carts'; END $$", "carts")};
  CHECK(TiedTo(statements, "index orders_region", "index dropped") == 1);
  CHECK(TiedTo(statements, "index orders_region", "index added") == 0);
  CHECK(TiedTo(statements, "column users.name", "column renamed") == 2);
  CHECK(TiedTo(statements, "column orders.total", "type change") == 4);
  CHECK(TiedTo(statements, "table orders", "revoked") == 5);
  CHECK(TiedTo(statements, "relation orders", "rows written") == 6);
  CHECK(TiedTo(statements, "table carts", "relation dropped") == 7);
}

TEST_CASE("a function is found whatever its arguments are called", "[job]") {
  const std::vector<migration::StatementProfile> statements = {
      Ran("DROP FUNCTION app.price(a integer, \"b (c\" text)"), Ran("DROP FUNCTION tax(x int)")};
  CHECK(TiedTo(statements, "function app.price(a integer, \"b (c\" text)", "function dropped") ==
        0);
  CHECK(TiedTo(statements, "function tax(x integer)", "function dropped") == 1);
  CHECK(TiedTo({Ran("DROP TABLE \"odd (name\"")}, "table \"odd (name\"", "relation dropped") == 0);
}

TEST_CASE("what CASCADE took along is of the statement that was seen to", "[job]") {
  auto drop = Ran("DROP TABLE invoices CASCADE", "invoices");
  drop.dropped = {"view public.open_invoices"};
  CHECK(TiedTo({Ran("DROP TABLE carts"), drop}, "view open_invoices", "relation dropped") == 1);
}

TEST_CASE("an object that no text names is of the only statement that can have done it", "[job]") {
  const auto drop = Ran("ALTER TABLE orders DROP COLUMN region", "orders");
  const std::string sentence = "Seq Scan on orders because index orders_region was dropped";
  CHECK(TiedTo({Ran("ALTER TABLE carts ADD x int", "carts"), drop}, "index orders_region",
               "index dropped", sentence) == 1);
  CHECK(TiedTo({drop, Ran("ALTER TABLE orders DROP COLUMN note", "orders")}, "index orders_region",
               "index dropped", sentence) == -1);
}

TEST_CASE("no statement is blamed without evidence", "[job]") {
  const std::vector<migration::StatementProfile> one = {
      Ran("ALTER TABLE orders DROP COLUMN region", "orders")};
  CHECK(TiedTo(one, "missing index on orders (customer_id)", "no index", "Seq Scan on orders") ==
        -1);
  CHECK(TiedTo(one, "", "differs", "no rule names the cause; orders") == -1);
  CHECK(TiedTo(one, "column users.region", "column dropped", "column users.region was dropped") ==
        -1);
  auto failed = one;
  failed[0].sqlstate = "55P03";
  CHECK(TiedTo(failed, "column orders.region", "column dropped") == -1);
  CHECK(TiedTo({}, "column orders.region", "column dropped") == -1);
}

}  // namespace
}  // namespace scry::job
