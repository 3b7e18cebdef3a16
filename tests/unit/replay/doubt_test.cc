#include "replay/doubt.h"

#include <string>
#include <vector>

#include "support/catch.h"

namespace scry::replay {
namespace {

constexpr ObjectId kTable = kFirstRelation;
constexpr ObjectId kOther = kFirstRelation + 1;

exchange::Answers Answer(const std::string& tag, const std::string& sqlstate = "",
                         uint64_t digest = 0) {
  event::Statement statement;
  statement.outcome.status =
      sqlstate.empty() ? event::OutcomeStatus::kDone : event::OutcomeStatus::kError;
  statement.outcome.tag = tag;
  statement.outcome.sqlstate = sqlstate;
  statement.outcome.digest_unordered = digest;
  exchange::Answers answers;
  answers.status = sqlstate.empty() ? 'T' : 'E';
  answers.statements.push_back(std::move(statement));
  return answers;
}

TEST_CASE("lanes go apart by chance where some lost a race", "[replay]") {
  const auto done = Answer("UPDATE 1");
  const auto deadlock = Answer("", "40P01");
  CHECK(WentApart({done, done, deadlock}, false));
  CHECK(WentApart({done, deadlock}, false));
  CHECK_FALSE(WentApart({deadlock, deadlock, deadlock}, false));
  CHECK_FALSE(WentApart({done, Answer("", "42703"), done}, false));
}

TEST_CASE("what may differ by chance is judged by equal lanes", "[replay]") {
  const auto one = Answer("UPDATE 1");
  const auto none = Answer("UPDATE 0");
  CHECK(WentApart({one, one, none}, true));
  CHECK_FALSE(WentApart({one, one, none}, false));
  CHECK_FALSE(WentApart({one, none, one}, true));  // The change's doing.
  CHECK(WentApart({one, none}, true));             // Nobody can tell.
  const std::vector<exchange::Answers> rows = {Answer("SELECT 1", "", 5),
                                               Answer("SELECT 1", "", 6)};
  CHECK(WentApart(rows, true));
  CHECK_FALSE(WentApart(rows, false));
}

TEST_CASE("what touches a relation in doubt is in doubt", "[replay]") {
  Doubt doubt;
  CHECK_FALSE(doubt.Touches({kTable, kEverything}, 0));
  doubt.Add({kTable});
  CHECK(doubt.Touches({kTable}, 0));
  CHECK(doubt.Touches({kEverything}, 0));
  CHECK_FALSE(doubt.Touches({kOther}, 0));
  CHECK_FALSE(doubt.Touches({}, 0));
  doubt.Add({kEverything});
  CHECK(doubt.Touches({kOther}, 0));
  CHECK_FALSE(doubt.Touches({}, 0));
}

TEST_CASE("what runs beside an exchange out of order is in doubt", "[replay]") {
  Doubt doubt;
  doubt.Begin(1, {kTable});
  CHECK(doubt.Touches({kTable}, 50));
  CHECK_FALSE(doubt.Touches({kOther}, 50));
  doubt.End(1, 100);
  CHECK(doubt.Touches({kTable}, 50));
  CHECK_FALSE(doubt.Touches({kTable}, 101));
  for (int i = 0; i < 1000; ++i) doubt.Begin(2, {kTable});
  CHECK(doubt.Touches({kTable}, 101));
}

TEST_CASE("a snapshot alone touches nothing, a read changes nothing", "[replay]") {
  ExchangeFacts facts;
  facts.takes_snapshot = true;
  facts.footprint.touches = {{kTable, 0, Mode::kRead},
                             {kEverything, 0, Mode::kRead},
                             {kSequences, 9, Mode::kUpdate},
                             {kOther, 5, Mode::kUpdate},
                             {kOther, 6, Mode::kUpdate}};
  CHECK(ObjectsTouched(facts) == std::vector<ObjectId>{kTable, kSequences, kOther});
  CHECK(ObjectsChanged(facts) == std::vector<ObjectId>{kSequences, kOther});
}

}  // namespace
}  // namespace scry::replay
