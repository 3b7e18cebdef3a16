#include "compare/same_work.h"

#include "support/catch.h"
#include "unit/compare/pairs.h"

namespace scry::compare {
namespace {

event::StatementPair Ran(const std::string& captured, const std::string& again) {
  event::StatementPair pair = PairOf(Command(again), Command(again));
  pair.captured = Command(captured).outcome;
  return pair;
}

event::StatementFacts Kind(event::StatementKind kind, uint64_t fingerprint = 1) {
  event::StatementFacts facts;
  facts.kind = kind;
  facts.fingerprint = fingerprint;
  return facts;
}

TEST_CASE("a write that meets other rows than when captured is not measured again", "[compare]") {
  SameWork same;
  const auto update = Kind(event::StatementKind::kUpdate);
  for (int i = 0; i < 20; ++i) CHECK(same.Keeps(Ran("UPDATE 1", "UPDATE 1"), update));
  CHECK_FALSE(same.Keeps(Ran("UPDATE 1", "UPDATE 0"), update));
  CHECK(same.Keeps(Ran("UPDATE 1", "UPDATE 1"), update));
}

TEST_CASE("a pattern whose rows are gone is not judged by those that never had any", "[compare]") {
  SameWork same;
  const auto remove = Kind(event::StatementKind::kDelete);
  CHECK_FALSE(same.Keeps(Ran("DELETE 1", "DELETE 0"), remove));
  CHECK_FALSE(same.Keeps(Ran("DELETE 0", "DELETE 0"), remove));
  CHECK(same.Keeps(Ran("DELETE 0", "DELETE 0"), Kind(event::StatementKind::kDelete, 2)));
}

TEST_CASE("reading may find what the replay left", "[compare]") {
  SameWork same;
  CHECK(same.Keeps(Ran("SELECT 1", "SELECT 2"), Kind(event::StatementKind::kSelect)));
}

}  // namespace
}  // namespace scry::compare
