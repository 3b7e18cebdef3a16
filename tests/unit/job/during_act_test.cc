#include "job/during_act.h"

#include <string>

#include "event/statement_facts.h"
#include "support/catch.h"

namespace scry::job {
namespace {

migration::MigrationProfile Wrote(const std::string& pattern, uint64_t rows) {
  migration::MigrationProfile profile;
  profile.table_bytes = {{"orders", 8192}, {"audit.log", 8192}};
  migration::StatementProfile& statement = profile.statements.emplace_back();
  statement.pattern = pattern;
  statement.relations = event::AnalyzeQuery(pattern).front().relations;
  statement.rows = rows;
  return profile;
}

TEST_CASE("rows written to a table that was there ask for the act, whatever statistics say",
          "[job]") {
  const auto wants = [](const std::string& pattern, uint64_t rows) {
    return WantsDuring(DuringMode::kAuto, Wrote(pattern, rows));
  };
  CHECK(wants("UPDATE orders SET total = $1", 5));
  CHECK(wants("DELETE FROM public.orders", 1));
  CHECK(wants("INSERT INTO audit.log SELECT $1", 1));
  CHECK_FALSE(wants("UPDATE orders SET total = $1", 0));
  CHECK_FALSE(wants("INSERT INTO fresh SELECT $1", 5));
  CHECK(WantsDuring(DuringMode::kAlways, {}));
  CHECK_FALSE(WantsDuring(DuringMode::kNever, Wrote("DELETE FROM orders", 5)));
  migration::MigrationProfile counted;
  counted.change.rows_written["orders"] = 1;
  CHECK(WantsDuring(DuringMode::kAuto, counted));
}

TEST_CASE("what is taken away asks for the act though no table is locked", "[job]") {
  const auto wants = [](const std::string& text, const std::string& sqlstate = {}) {
    migration::MigrationProfile profile;
    profile.statements.emplace_back().text = text;
    profile.statements.back().sqlstate = sqlstate;
    return WantsDuring(DuringMode::kAuto, profile);
  };
  CHECK(wants("DROP FUNCTION order_total(int)"));
  CHECK(wants("ALTER SCHEMA shop RENAME TO store"));
  CHECK(wants("REVOKE SELECT ON orders FROM app"));
  CHECK_FALSE(wants("GRANT SELECT ON orders TO app"));
  CHECK_FALSE(wants("CREATE TABLE fresh (id int)"));
  CHECK_FALSE(wants("DROP FUNCTION order_total(int)", "42883"));
}

}  // namespace
}  // namespace scry::job
