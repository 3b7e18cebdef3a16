#include "replay/answer_alignment.h"

#include <string>
#include <vector>

#include "support/catch.h"

namespace scry::replay {
namespace {

// Those that begin with "!" failed.
std::vector<event::Statement> Statements(const std::vector<std::string>& texts) {
  std::vector<event::Statement> statements;
  for (const std::string& text : texts) {
    event::Statement& statement = statements.emplace_back();
    statement.text = text;
    if (text.starts_with('!')) statement.outcome.status = event::OutcomeStatus::kError;
  }
  return statements;
}

std::vector<std::string> Aligned(const std::vector<std::string>& captured,
                                 const std::vector<std::string>& answered) {
  exchange::Answers answers;
  answers.statements = Statements(answered);
  for (const std::string& text : answered) answers.lanes.emplace_back().rows = text;
  AlignAnswers(Statements(captured), answers);
  std::vector<std::string> texts;
  REQUIRE(answers.lanes.size() == answers.statements.size());
  for (size_t i = 0; i < answers.statements.size(); ++i) {
    CHECK(answers.lanes[i].rows == answers.statements[i].text);
    texts.push_back(answers.statements[i].text);
  }
  return texts;
}

TEST_CASE("what a lane alone refused comes behind what was captured", "[replay]") {
  using Texts = std::vector<std::string>;
  CHECK(Aligned({"run"}, {"!parse", "run"}) == Texts{"run", "!parse"});
  CHECK(Aligned({"a", "b"}, {"a", "!parse", "b"}) == Texts{"a", "b", "!parse"});
  CHECK(Aligned({"a", "a"}, {"!x", "a", "!y", "a"}) == Texts{"a", "a", "!x", "!y"});
  CHECK(Aligned({"a", "b"}, {"a", "b", "!parse"}) == Texts{"a", "b", "!parse"});
}

TEST_CASE("answers to what was captured stay where they are, whatever they are called",
          "[replay]") {
  using Texts = std::vector<std::string>;
  CHECK(Aligned({"a", "b"}, {"x", "y"}) == Texts{"x", "y"});
  CHECK(Aligned({"a", "b"}, {"b"}) == Texts{"b"});
  // With values of the lane's own in it, and further than production got.
  CHECK(Aligned({"id = 1", "!b"}, {"id = 7", "b", "c"}) == Texts{"id = 7", "b", "c"});
  CHECK(Aligned({"!a"}, {"!a", "b"}) == Texts{"!a", "b"});
  CHECK(Aligned({}, {"x"}) == Texts{"x"});
}

}  // namespace
}  // namespace scry::replay
