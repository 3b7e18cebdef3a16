#include "config/ignore_editor.h"

#include <string>
#include <vector>

#include "base/random.h"
#include "config/config.h"
#include "support/catch.h"

namespace scry::config {
namespace {

constexpr const char* kId = "slower-00f3a9c0d1e2f3a4";

compare::IgnoreRule Rule(std::string reason = "it is \"fine\" # really: \\o/") {
  using namespace std::chrono;
  compare::IgnoreRule rule;
  rule.finding = kId;
  rule.reason = std::move(reason);
  rule.until = year{2027} / month{1} / day{31};
  return rule;
}

std::string Edited(const std::string& text, const compare::IgnoreRule& rule = Rule()) {
  const auto edited = AddIgnoreRule(text, "scry.yaml", rule, "SELECT * FROM orders # x");
  INFO(text);
  INFO((edited.ok() ? "" : edited.error().message));
  REQUIRE(edited.ok());
  return *edited;
}

std::string Refused(const std::string& text, const compare::IgnoreRule& rule = Rule()) {
  const auto edited = AddIgnoreRule(text, "scry.yaml", rule, "");
  if (edited.ok()) return "(taken)";
  CHECK(edited.error().code == base::ErrorCode::kUsage);
  return edited.error().message;
}

// Nothing of the old text went, and the new one has one rule more, as given.
void CheckEdit(const std::string& before, const std::string& after, const std::string& reason) {
  CAPTURE(before, after);
  size_t same = 0;
  while (same < before.size() && same < after.size() && before[same] == after[same]) ++same;
  const std::string rest = before.substr(same);
  CHECK(after.size() > before.size());
  CHECK(after.ends_with(rest));
  const auto old_config = Parse(before, "scry.yaml", {});
  const auto config = Parse(after, "scry.yaml", {});
  REQUIRE(config.ok());
  REQUIRE(old_config.ok());
  const auto& rules = config->policy().ignore;
  REQUIRE(rules.size() == old_config->policy().ignore.size() + 1);
  size_t found = 0;
  for (const compare::IgnoreRule& rule : rules) {
    if (rule.finding != kId) continue;
    ++found;
    CHECK(rule.reason == reason);
    CHECK(rule.until == Rule().until);
    CHECK(rule.pattern.empty());
  }
  CHECK(found == 1);
  CHECK(config->ShadowNames() == old_config->ShadowNames());
  CHECK(config->policy().fidelity_floor == old_config->policy().fidelity_floor);
  CHECK(config->policy().budgets.size() == old_config->policy().budgets.size());
}

const std::vector<std::string> kFiles = {
    "version: 1\n",
    "version: 1",
    "version: 1\r\npolicy:\r\n  gate: [error]\r\n",
    "---\n# ours\nversion: 1\n...\n",
    "%YAML 1.2\n---\nversion: 1\n",
    "  version: 1\n  policy:\n    fidelity_floor: 0.5\n",
    "{version: 1}\n",
    "{ version: 1, policy: {} }",
    "{version: 1, policy: {ignore: [ # none yet\n ]}}\n",
    "version: 1\npolicy: {}\n",
    "version: 1\npolicy: { gate: [error], fidelity_floor: 0.5 } # ours\n# the end\n",
    "version: 1\npolicy: {\n  gate: [error,\nlatency]}\n",
    "version: 1\npolicy:\n  ignore: []\n  gate: [error]\n",
    "version: 1\npolicy:\n  ignore: [{pattern: x, reason: y}]\n",
    "version: 1\npolicy:\n  ignore:\n  - pattern: x\n    reason: y\n  # last\n  gate: []\n",
    "version: 1\npolicy:\n    ignore:\n        -   pattern: x\n            reason: y\n\n\n# below\n"
    "databases: {}\n",
    "policy:\n  # what gates\n  gate: [error]   # only\n\n# the others\nversion: 1\n",
    "version: 1\npolicy:\n  ignore:\n    - reason: |\n        why\n        # not a comment\n      "
    "pattern: x\n",
    "version: 1\npolicy:\n  ignore:\n    - pattern: x\n      reason: |\n        why\n        # no "
    "comment\n",
    "version: 1\npolicy:\n  ignore:\n    - pattern: x\n      reason: >-\n        folded\n\n        "
    "more\n\n# end\n",
    "version: 1\npolicy:\n  ignore:\n    - { pattern: \"a\n      b\", reason: 'it''s ]' }\n",
    "version: 1\npolicy:\n  ignore:\n    -\n      pattern: '- finding: x'\n      reason: "
    "'#'\n    - pattern: \"policy:\\nignore:\"\n      reason: x\ndatabases: {}\n",
    "version: 1\npolicy:\n  budgets:\n    - table: policy\n      p99: 1s\n",
    "\"version\": 1\n'policy':\n  \"ignore\":\n    - pattern: x\n      reason: y\n",
    "version: 1\ndatabases:\n  policy:\n    source: ignore\n    shadows:\n      ignore:\n        "
    "provider: dump\n",
    "version: 1\n? policy\n: ignore:\n    - pattern: x\n      reason: y\n",
};

TEST_CASE("a rule goes into any layout, and nothing else of the file changes", "[config]") {
  for (const std::string& text : kFiles) CheckEdit(text, Edited(text), Rule().reason);
}

TEST_CASE("the rule is laid out as the file is", "[config]") {
  CHECK(Edited("version: 1\n\npolicy:\n  gate: [error]  # ours\n\n# databases\ndatabases: {}\n") ==
        "version: 1\n\npolicy:\n  gate: [error]  # ours\n"
        "  ignore:\n"
        "    - finding: slower-00f3a9c0d1e2f3a4  # SELECT * FROM orders # x\n"
        "      reason: \"it is \\\"fine\\\" # really: \\\\o/\"\n"
        "      until: 2027-01-31\n"
        "\n# databases\ndatabases: {}\n");
  CHECK(Edited("version: 1\npolicy:\n  ignore:\n  - pattern: x\n    reason: y\n\n", Rule("ok")) ==
        "version: 1\npolicy:\n  ignore:\n  - pattern: x\n    reason: y\n"
        "  - finding: slower-00f3a9c0d1e2f3a4  # SELECT * FROM orders # x\n"
        "    reason: \"ok\"\n"
        "    until: 2027-01-31\n\n");
  CHECK(Edited("", Rule("ok")) ==
        "version: 1\npolicy:\n  ignore:\n"
        "    - finding: slower-00f3a9c0d1e2f3a4  # SELECT * FROM orders # x\n"
        "      reason: \"ok\"\n"
        "      until: 2027-01-31\n");
  CHECK(Edited("version: 1\npolicy: {gate: [error]}\n", Rule("ok")) ==
        "version: 1\npolicy: {ignore: [{finding: slower-00f3a9c0d1e2f3a4, reason: \"ok\", until: "
        "2027-01-31}], gate: [error]}\n");
}

TEST_CASE("many rules, one after the other, in one file", "[config]") {
  for (std::string text : kFiles) {
    for (int i = 0; i < 5; ++i) {
      compare::IgnoreRule rule = Rule("number " + std::to_string(i));
      rule.finding.back() = static_cast<char>('0' + i);
      const auto edited = AddIgnoreRule(text, "scry.yaml", rule, "p");
      INFO(text);
      REQUIRE(edited.ok());
      text = *edited;
    }
    const auto config = Parse(text, "scry.yaml", {});
    REQUIRE(config.ok());
    CHECK(config->policy().ignore.size() >= 5);
  }
}

TEST_CASE("a damaged file is refused or edited truly, never changed otherwise", "[config]") {
  base::Random random(7);
  constexpr std::string_view kBytes = " \n#:-[]{}'\"|>,x?";
  int edited_files = 0;
  for (int round = 0; round < 4000; ++round) {
    std::string text = kFiles[random.Below(kFiles.size())];
    for (uint64_t i = 0; i <= random.Below(3); ++i) {
      const size_t at = random.Below(text.size());
      switch (random.Below(3)) {
        case 0:
          text[at] = kBytes[random.Below(kBytes.size())];
          break;
        case 1:
          text.erase(at, 1 + random.Below(3));
          break;
        default:
          text.insert(at, 1, kBytes[random.Below(kBytes.size())]);
      }
      if (text.empty()) text = "x";
    }
    const auto edited = AddIgnoreRule(text, "scry.yaml", Rule(), "p");
    if (!edited.ok()) continue;
    ++edited_files;
    CheckEdit(text, *edited, Rule().reason);
  }
  CHECK(edited_files > 200);
}

TEST_CASE("what cannot be accepted is refused with its reason", "[config]") {
  const std::string twice = Edited("version: 1\n");
  CHECK(Refused(twice) ==
        "scry.yaml:4 has a rule for slower-00f3a9c0d1e2f3a4 already, until 2027-01-31; change "
        "that one");
  CHECK(Refused("version: 1\npolcy: {}\n") ==
        "scry.yaml:2:1: unknown key 'polcy'; did you mean 'policy'?");
  CHECK(Refused("# nothing\n") == "scry.yaml:1:1: empty; it starts with version: 1");
  CHECK(Refused("version: 1\n", Rule("  ")) ==
        "a reason is needed, for those who read the rule later");
  for (const char* reason : {"two\nlines", "a\tb", "\x1b[2J", "\xff"}) {
    CHECK(Refused("version: 1\n", Rule(reason)) ==
          "the reason is no line of text of at most 1000 bytes");
  }
}

}  // namespace
}  // namespace scry::config
