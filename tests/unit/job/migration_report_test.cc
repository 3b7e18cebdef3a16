#include "job/migration_report.h"

#include <string>
#include <vector>

#include "support/catch.h"

namespace scry::job {
namespace {

migration::StatementProfile Ran(const std::string& text, const std::string& sqlstate = {}) {
  migration::StatementProfile statement;
  statement.text = statement.pattern = text;
  statement.sqlstate = sqlstate;
  return statement;
}

// The index of the statement that a failed command is told to have failed on, or -1.
int FailedOn(const std::vector<migration::StatementProfile>& statements) {
  migration::MigrationProfile profile;
  profile.statements = statements;
  std::vector<report::Cause> causes;
  FillFailure(profile, true, causes);
  if (causes.empty()) return -1;
  REQUIRE(causes.size() == 1);
  REQUIRE(causes[0].statement_index);
  return static_cast<int>(*causes[0].statement_index);
}

TEST_CASE("a command failed on its last error, whatever follows in the lost transaction", "[job]") {
  CHECK(FailedOn({}) == -1);
  CHECK(FailedOn({Ran("ALTER TABLE a ADD x int"), Ran("BEGIN")}) == -1);
  CHECK(FailedOn({Ran("SELECT v FROM versions", "42P01"), Ran("CREATE TABLE versions (v int)"),
                  Ran("ALTER TABLE a ADD x int", "42701"), Ran("ALTER TABLE b ADD y int", "25P02"),
                  Ran("ROLLBACK")}) == 2);
}

TEST_CASE("an error that the command recovered from is not why it failed", "[job]") {
  CHECK(FailedOn({Ran("SELECT v FROM versions", "42P01"), Ran("ROLLBACK"),
                  Ran("CREATE TABLE versions (v int)")}) == -1);
  CHECK(FailedOn({Ran("SELECT v FROM versions", "42P01"), Ran("UPDATE orders SET a = 1")}) == -1);
}

TEST_CASE("a tool that tidies up after it failed has not recovered", "[job]") {
  CHECK(FailedOn({Ran("UPDATE migrations_lock SET locked = 1"),
                  Ran("CREATE INDEX i ON orders (a)", "42703"), Ran("ROLLBACK"),
                  Ran("UPDATE migrations_lock SET locked = 0"),
                  Ran("SELECT pg_advisory_unlock(7)")}) == 1);
}

}  // namespace
}  // namespace scry::job
