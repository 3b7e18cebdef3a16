#include "migration/statement_places.h"

#include "support/catch.h"

namespace scry::migration {
namespace {

using event::StatementKind;

ScriptFile File(const std::string& path, const std::vector<uint64_t>& fingerprints) {
  ScriptFile file{path, {}};
  for (const uint64_t fingerprint : fingerprints) {
    file.statements.push_back({fingerprint, StatementKind::kDdl,
                               static_cast<uint32_t>(10 * (file.statements.size() + 1))});
  }
  return file;
}

TEST_CASE("a statement is of the file that ran to the largest part", "[migration]") {
  const auto places = FindPlaces({1, 2}, {File("V1.sql", {1, 7, 8}), File("V0.sql", {1, 2})});
  REQUIRE(places.size() == 2);
  CHECK(places[0] == StatementPlace{"V0.sql", 10});
  CHECK(places[1] == StatementPlace{"V0.sql", 20});
}

TEST_CASE("of two files that ran wholly the later by name counts", "[migration]") {
  CHECK(FindPlaces({1}, {File("V1.sql", {1}), File("V2.sql", {1})})[0]->file == "V2.sql");
}

TEST_CASE("equal statements of a file are told apart by their order", "[migration]") {
  const auto places = FindPlaces({1, 2, 1, 1}, {File("a.sql", {1, 2, 1})});
  CHECK(places[0]->line == 10);
  CHECK(places[2]->line == 30);
  CHECK(places[3]->line == 30);
}

TEST_CASE("what stands in no file has no place", "[migration]") {
  CHECK_FALSE(FindPlaces({9}, {File("a.sql", {1})})[0]);
  CHECK_FALSE(FindPlaces({9}, {})[0]);
  CHECK(FindPlaces({}, {File("a.sql", {1})}).empty());
}

TEST_CASE("what stands in every file says nothing of which one ran", "[migration]") {
  ScriptFile old = File("V1.sql", {5, 6});
  old.statements.push_back({99, StatementKind::kBegin, 1});
  ScriptFile now = File("V0.sql", {1});
  now.statements.push_back({99, StatementKind::kBegin, 1});
  CHECK(FindPlaces({99, 1}, {old, now})[0]->file == "V0.sql");
}

}  // namespace
}  // namespace scry::migration
