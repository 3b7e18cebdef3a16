#include "report/text_writer.h"

#include <sstream>
#include <string>

#include "report/table.h"
#include "support/catch.h"
#include "unit/report/samples.h"

namespace scry::report {
namespace {

std::string WithoutColor(const std::string& text) {
  std::string plain;
  for (size_t i = 0; i < text.size(); ++i) {
    if (text[i] == '\x1b') {
      i = text.find('m', i);
    } else {
      plain += text[i];
    }
  }
  return plain;
}

TEST_CASE("the text of a report is a contract", "[report]") {
  for (const auto& [name, report] :
       {std::pair{"regressions", Regressions()}, std::pair{"safe", Safe()},
        std::pair{"migration_failed", MigrationFailed()}, std::pair{"unfaithful", Unfaithfully()},
        std::pair{"ignored", Ignored()}}) {
    for (const size_t columns : {80U, 100U}) {
      for (const bool color : {false, true}) {
        TextOptions options;
        options.columns = columns;
        options.color = color;
        const std::string file =
            std::string(name) + "." + std::to_string(columns) + (color ? ".color.txt" : ".txt");
        const std::string text = WriteText(report, options);
        CAPTURE(file);
        CHECK(text == Golden(file, text));
      }
    }
  }
  TextOptions plans;
  plans.plans = true;
  const std::string text = WriteText(Regressions(), plans);
  CHECK(text == Golden("regressions.plans.txt", text));
  const std::string values = WriteText(RegressionsWithValues(), {});
  CHECK(values == Golden("regressions.values.txt", values));
  const std::string explained = WriteText(Explained(), {});
  CHECK(explained == Golden("explained.100.txt", explained));
}

TEST_CASE("patterns that lost fidelity are shown below the floor, or when asked", "[report]") {
  CHECK(WriteText(Safe(), {}).find("UNFAITHFUL") == std::string::npos);
  TextOptions options;
  options.fidelity = true;
  const std::string text = WriteText(Safe(), options);
  CHECK(text == Golden("safe.fidelity.txt", text));
  CHECK(WriteText(Unfaithfully(), {}).find("UNFAITHFUL") != std::string::npos);
}

TEST_CASE("what did not change is listed when asked, with what would have shown", "[report]") {
  CHECK(WriteText(Safe(), {}).find("UNCHANGED") == std::string::npos);
  TextOptions options;
  options.unchanged = true;
  const std::string text = WriteText(Safe(), options);
  CHECK(text == Golden("safe.unchanged.txt", text));
  CHECK(text.find("1.17x") != std::string::npos);
}

TEST_CASE("color changes no character", "[report]") {
  for (const Report& report :
       {Regressions(), Safe(), Unfaithfully(), MigrationFailed(), Ignored()}) {
    TextOptions options;
    const std::string plain = WriteText(report, options);
    CHECK(plain.find('\x1b') == std::string::npos);
    options.color = true;
    CHECK(WithoutColor(WriteText(report, options)) == plain);
  }
}

TEST_CASE("no line is wider than asked for or ends in a blank", "[report]") {
  Report report = RegressionsWithValues();
  report.next_steps.clear();  // Commands are never broken.
  for (const size_t columns : {60U, 80U, 100U, 140U}) {
    TextOptions options;
    options.columns = columns;
    options.plans = true;
    std::istringstream lines(WriteText(report, options));
    for (std::string line; std::getline(lines, line);) {
      CAPTURE(line);
      CHECK(DisplayWidth(line) <= columns);
      CHECK_FALSE(line.ends_with(' '));
    }
  }
}

TEST_CASE("the verdict comes first and a safe one says what was tested", "[report]") {
  const std::string text = WriteText(Safe(), {});
  CHECK(text.starts_with("SAFE  4,788 statements of 41 patterns compared"));
  for (const char* fact : {"alembic upgrade head", "captures/prod-db", "12 sessions", "99.6 %"}) {
    CHECK(text.find(fact) != std::string::npos);
  }
}

TEST_CASE("bars of factors grow by powers of ten, where a line has room", "[report]") {
  const auto bar = [](double factor, size_t columns) {
    Report report = Regressions();
    for (Finding& finding : report.findings) finding.factor = factor;
    TextOptions options;
    options.columns = columns;
    const std::string text = WriteText(report, options);
    const size_t line = text.find("\n", text.find("\nSLOWER") + 1) + 1;
    const std::string row = text.substr(line, text.find('\n', line) - line);
    std::string found;
    for (const char* block : {"█", "▉", "▊", "▋", "▌", "▍", "▎", "▏"}) {
      for (size_t at = row.find(block); at != std::string::npos; at = row.find(block, at + 1)) {
        found += block;
      }
    }
    return found;
  };
  CHECK(bar(1, 100).empty());
  CHECK(bar(1.001, 100) == "▏");
  CHECK(bar(10, 100) == "██▋");
  CHECK(bar(1000, 100) == "████████");
  CHECK(bar(1e300, 100) == "████████");
  CHECK(bar(0.1, 100) == "██▋");
  CHECK(bar(0, 100).empty());
  CHECK(bar(1.0 / 0.0, 100).empty());
  CHECK(bar(10, 89).empty());
}

TEST_CASE("text from outside cannot steer the terminal", "[report]") {
  Report report = Regressions();
  const std::string evil = "x\x1b]0;owned\x07\r\n\xc2\x9b";
  report.sentence += evil;
  report.verdict += evil;
  report.notes.push_back(evil);
  report.migration.exit_status = 1;
  report.migration.command += evil;
  report.migration.output = {evil};
  report.lanes[0].name = evil;
  report.captures[0].name = evil;
  report.ignore_rules = {{evil, evil, evil, evil, evil, false, 1, 0}};
  report.findings[0].type = "ignored";
  report.findings[0].ignored_type = evil;
  report.findings[0].ignored_by = evil;
  report.budget.budget_us = 1;
  report.budget.thin = {{evil, evil, 1, 2, 3}};
  report.next_steps[0].command += evil;
  for (Finding& finding : report.findings) {
    finding.pattern += evil;
    finding.reasons.push_back(evil);
    finding.example = evil;
    finding.plan.sentence = evil;
    finding.plan.candidate = {evil};
  }
  report.findings[1].id = "named";
  report.findings[1].type += evil;
  report.causes = {{evil, evil, evil, evil, {"named"}, std::nullopt}};
  TextOptions options;
  options.plans = true;
  const std::string text = WriteText(report, options);
  for (const char* bad : {"\x1b", "\x07", "\r", "\xc2\x9b"}) {
    CHECK(text.find(bad) == std::string::npos);
  }
}

TEST_CASE("a long section is cut and counted", "[report]") {
  Report report = Regressions();
  for (int i = 0; i < 100; ++i) report.findings.push_back(report.findings[0]);
  TextOptions options;
  options.findings_per_section_max = 3;
  CHECK(WriteText(report, options).find("and 98 more") != std::string::npos);
}

TEST_CASE("an empty report is written without harm", "[report]") {
  CHECK_FALSE(WriteText(Report{}, {}).empty());
}

}  // namespace
}  // namespace scry::report
