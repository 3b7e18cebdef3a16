#include "replay/answer_alignment.h"

#include <string>
#include <vector>

#include "support/catch.h"

namespace scry::replay {
namespace {

std::vector<event::Statement> Statements(const std::vector<std::string>& texts) {
  std::vector<event::Statement> statements;
  for (const std::string& text : texts) statements.emplace_back().text = text;
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

TEST_CASE("what a lane alone answered comes behind what was captured", "[replay]") {
  using Texts = std::vector<std::string>;
  CHECK(Aligned({"run"}, {"refused", "run"}) == Texts{"run", "refused"});
  CHECK(Aligned({"a", "b"}, {"a", "refused", "b"}) == Texts{"a", "b", "refused"});
  CHECK(Aligned({"a", "a"}, {"x", "a", "y", "a"}) == Texts{"a", "a", "x", "y"});
  CHECK(Aligned({"a", "b"}, {"a", "b", "refused"}) == Texts{"a", "b", "refused"});
}

TEST_CASE("answers to what was captured stay where they are, whatever they are called",
          "[replay]") {
  using Texts = std::vector<std::string>;
  CHECK(Aligned({"a", "b"}, {"x", "y"}) == Texts{"x", "y"});
  CHECK(Aligned({"a", "b"}, {"b"}) == Texts{"b"});
  CHECK(Aligned({"a", "b"}, {"x", "y", "z"}) == Texts{"y", "z", "x"});
  CHECK(Aligned({}, {"x"}) == Texts{"x"});
}

}  // namespace
}  // namespace scry::replay
