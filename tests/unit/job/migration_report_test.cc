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

migration::StatementProfile Runs(const std::string& text, const std::string& pattern) {
  migration::StatementProfile statement;
  statement.text = text;
  statement.pattern = pattern;
  return statement;
}

bool Has(const std::string& text, const std::string& words) {
  return text.find(words) != std::string::npos;
}

TEST_CASE("a statement is told with its values where the user asked for them", "[job]") {
  const auto statement = Runs("UPDATE a SET b = 'x'", "UPDATE a SET b = $1");
  CHECK(TextOf(statement, true) == "UPDATE a SET b = 'x'");
  CHECK(TextOf(statement, false) == "UPDATE a SET b = $1");
}

TEST_CASE("no statement of a text that sets a password is told with its values", "[job]") {
  for (const char* second :
       {"ALTER ROLE app PASSWORD 'opensesame'", "CREATE USER app ENCRYPTED PASSWORD 'opensesame'",
        "CREATE SUBSCRIPTION s CONNECTION 'postgres://a:opensesame@h' PUBLICATION p",
        "DO 'BEGIN EXECUTE ''opensesame''; END'", "SELECT 'opensesame"}) {
    INFO(second);
    const auto first = Runs(std::string("UPDATE a SET b = 'x'; ") + second, "UPDATE a SET b = $1");
    CHECK_FALSE(Has(TextOf(first, true), "opensesame"));
  }
}

TEST_CASE("why a migration failed is told without values, unless the user asked for them",
          "[job]") {
  migration::MigrationProfile profile;
  auto& failed =
      profile.statements.emplace_back(Runs("ALTER TABLE a ALTER b TYPE int USING b::int",
                                           "ALTER TABLE a ALTER b TYPE int USING b::int"));
  failed.sqlstate = "22P02";
  failed.message = "invalid input syntax for type integer: \"alice@example.com\"";
  for (const bool show_values : {false, true}) {
    std::vector<report::Cause> causes;
    FillFailure(profile, show_values, causes);
    REQUIRE(causes.size() == 1);
    CHECK(causes[0].mechanism == "values cannot be converted");
    CHECK(Has(causes[0].sentence, "invalid input syntax for type integer"));
    CHECK(Has(causes[0].sentence, "alice") == show_values);
  }
}

TEST_CASE("a table has the largest size that a capture knows", "[job]") {
  migration::ProductionSize size;
  for (const uint64_t bytes : {10U, 30U, 20U}) {
    event::SourceSnapshot snapshot;
    event::SourceRelation& relation = snapshot.relations.emplace_back();
    relation.schema = "public";
    relation.name = "orders";
    relation.bytes = bytes;
    AddTableSizes(snapshot, size);
  }
  CHECK(size.table_bytes.at("orders") == 30);
}

TEST_CASE("what a watch may have missed is told, and nothing where it saw all", "[job]") {
  CHECK(GapNotes({}, "Meanwhile").empty());
  migration::WatchGaps gaps;
  gaps.looks_failed = 3;
  gaps.log_cut = true;
  const auto notes = GapNotes(gaps, "Meanwhile");
  REQUIRE(notes.size() == 2);
  CHECK(notes[0] == "Meanwhile, 3 of the looks at its locks failed: locks may be missing.");
  CHECK(notes[1].find("logged more than is read:") != std::string::npos);
  gaps.log_dropped = 7;
  CHECK(GapNotes(gaps, "Meanwhile")[1].find("(7 events)") != std::string::npos);
  gaps.events_lost = true;
  CHECK(GapNotes(gaps, "Meanwhile").back().find("event triggers") != std::string::npos);
}

}  // namespace
}  // namespace scry::job
