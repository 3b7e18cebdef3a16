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
  CHECK(PartingOf({done, done, deadlock}, false) == Parting::kOther);
  CHECK(PartingOf({deadlock, done, done}, false) == Parting::kOther);
  CHECK(PartingOf({done, deadlock, done}, false) == Parting::kCandidate);
  CHECK(PartingOf({deadlock, done, deadlock}, false) == Parting::kCandidate);
  CHECK(PartingOf({done, deadlock}, false) == Parting::kCandidate);
  CHECK(PartingOf({deadlock, done}, false) == Parting::kOther);
  CHECK(PartingOf({deadlock, deadlock, deadlock}, false) == Parting::kNone);
  CHECK(PartingOf({done, Answer("", "42703"), done}, false) == Parting::kNone);
}

TEST_CASE("what may differ by chance is judged by equal lanes", "[replay]") {
  const auto one = Answer("UPDATE 1");
  const auto none = Answer("UPDATE 0");
  CHECK(PartingOf({one, one, none}, true) == Parting::kOther);
  CHECK(PartingOf({one, one, none}, false) == Parting::kNone);
  CHECK(PartingOf({one, none, one}, true) == Parting::kNone);  // The change's doing.
  CHECK(PartingOf({one, none}, true) == Parting::kOther);      // Nobody can tell.
  const std::vector<exchange::Answers> rows = {Answer("SELECT 1", "", 5),
                                               Answer("SELECT 1", "", 6)};
  CHECK(PartingOf(rows, true) == Parting::kOther);
  CHECK(PartingOf(rows, false) == Parting::kNone);
}

TEST_CASE("what touches a relation in doubt is in doubt", "[replay]") {
  Doubt doubt;
  CHECK_FALSE(doubt.Touches({kTable, kEverything}, 0));
  doubt.Add({kTable}, Parting::kOther, 0);
  CHECK(doubt.Touches({kTable}, 0));
  CHECK(doubt.Touches({kEverything}, 0));
  CHECK_FALSE(doubt.Touches({kOther}, 0));
  CHECK_FALSE(doubt.Touches({}, 0));
}

TEST_CASE("who touches nobody knows what is in doubt for as long as equal lanes do not tell",
          "[replay]") {
  Doubt doubt;
  doubt.Add({kTable}, Parting::kOther, 1000);
  CHECK(doubt.Touches({kEverything}, 1000 + Doubt::kEverythingUs));
  CHECK_FALSE(doubt.Touches({kEverything}, 1001 + Doubt::kEverythingUs));
  CHECK(doubt.Touches({kEverything, kTable}, 1001 + Doubt::kEverythingUs));
  doubt.Add({kTable}, Parting::kCandidate, 1000);
  CHECK(doubt.Touches({kEverything}, 1001 + Doubt::kEverythingUs));
}

TEST_CASE("everything is in doubt for a while, and never for good", "[replay]") {
  Doubt doubt;
  doubt.Add({kEverything}, Parting::kOther, 1000);
  CHECK(doubt.Touches({kOther}, 1000));
  CHECK_FALSE(doubt.Touches({}, 1000));
  CHECK(doubt.Touches({kOther}, 1000 + Doubt::kEverythingUs));
  CHECK_FALSE(doubt.Touches({kOther}, 1001 + Doubt::kEverythingUs));
  for (int i = 0; i < 1000; ++i) doubt.Begin(2, {kEverything, kTable});
  doubt.End(2, 5'000'000);
  CHECK(doubt.Touches({kOther}, 5'000'000));
  CHECK_FALSE(doubt.Touches({kOther}, 5'000'001));
  CHECK(doubt.Touches({kTable}, 5'000'001));
}

TEST_CASE("races that the candidate alone loses again and again leave nothing in doubt",
          "[replay]") {
  Doubt doubt;
  doubt.Add({kTable}, Parting::kCandidate, 0);
  doubt.Add({kOther}, Parting::kOther, 0);
  for (int i = 0; i < 7; ++i) doubt.Count(Parting::kCandidate);
  CHECK(doubt.Touches({kTable}, 0));
  doubt.Count(Parting::kCandidate);
  CHECK_FALSE(doubt.Touches({kTable}, 0));
  CHECK(doubt.Touches({kOther}, 0));
  doubt.Add({kEverything}, Parting::kCandidate, 100);
  CHECK_FALSE(doubt.Touches({kTable}, 100));
  // Where other lanes lose some too, it is chance after all.
  doubt.Count(Parting::kOther);
  doubt.Count(Parting::kOther);
  CHECK(doubt.Touches({kTable}, 0));
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
