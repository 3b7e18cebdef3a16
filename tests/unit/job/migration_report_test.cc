#include "job/migration_report.h"

#include "support/catch.h"

namespace scry::job {
namespace {

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

}  // namespace
}  // namespace scry::job
