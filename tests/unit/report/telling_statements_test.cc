#include "report/telling_statements.h"

#include <string>

#include "support/catch.h"

namespace scry::report {
namespace {

MigrationFacts Chatty() {
  MigrationFacts migration;
  for (int i = 0; i < 10; ++i) {
    MigrationStatement& statement = migration.statements.emplace_back();
    statement.text = "select " + std::to_string(i);
    statement.duration_us = 100 - i;
  }
  return migration;
}

TEST_CASE("all statements are shown where there is room", "[report]") {
  CHECK(TellingStatements(Chatty(), 10).size() == 10);
  CHECK(TellingStatements({}, 10).empty());
}

TEST_CASE("what locks, writes or fails is shown before what looks around, in its order",
          "[report]") {
  MigrationFacts migration = Chatty();
  migration.statements[4].rows = 1;
  migration.statements[7].locks.push_back({"orders", "Share", 5, false});
  migration.statements[8].rewrote = {"orders"};
  migration.statements[9].sqlstate = "42703";
  CHECK(TellingStatements(migration, 2) == std::vector<size_t>{8, 9});
  CHECK(TellingStatements(migration, 5) == std::vector<size_t>{0, 4, 7, 8, 9});
}

}  // namespace
}  // namespace scry::report
