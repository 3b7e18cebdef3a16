#include "report/table.h"

#include <string>

#include "base/random.h"
#include "support/catch.h"

namespace scry::report {
namespace {

TEST_CASE("numbers stand to the right, text to the left, blanks end no line", "[report]") {
  Table table(
      {{"pattern", Align::kLeft, true}, {"calls", Align::kRight, false}, {"", Align::kLeft}});
  table.AddRow({"select 1", "12", "x"});
  table.AddRow({"begin", "1,234", ""});
  const auto lines = table.Lines(80);
  REQUIRE(lines.size() == 3);
  CHECK(lines[0] == "pattern   calls");
  CHECK(lines[1] == "select 1     12  x");
  CHECK(lines[2] == "begin     1,234");
}

TEST_CASE("a table keeps to its width and its numbers whole", "[report]") {
  base::Random random(2);
  for (int round = 0; round < 200; ++round) {
    Table table({{"", Align::kLeft, true}, {"", Align::kRight, false}}, 2);
    for (int i = 0; i < 4; ++i) {
      std::string text;
      for (uint64_t n = random.Below(120); n > 0; --n)
        text += random.Below(4) == 0 ? "é" : random.Below(4) == 0 ? "注" : "a";
      table.AddRow({text, "12,345"});
    }
    for (const size_t width : {40U, 60U, 80U, 100U}) {
      for (const std::string& line : table.Lines(width)) {
        CHECK(DisplayWidth(line) <= width);
        CHECK(line.ends_with("  12,345"));
      }
    }
  }
}

TEST_CASE("cells cannot steer a terminal or add a line", "[report]") {
  Table table({{"", Align::kLeft}});
  table.AddRow({"a\x1b[31m\nb"});
  CHECK(table.Lines(0)[0].find('\x1b') == std::string::npos);
  CHECK(table.Lines(0)[0].find('\n') == std::string::npos);
}

TEST_CASE("text is cut between characters and says so", "[report]") {
  CHECK(Shorten("abcdef", 6) == "abcdef");
  CHECK(Shorten("abcdef", 5) == "abcd…");
  CHECK(Shorten("ééééé", 3) == "éé…");
  CHECK(Shorten("ab cdef", 4) == "ab…");
  CHECK(Shorten("abc", 0).empty());
  CHECK(Shorten("注文注文", 8) == "注文注文");
  CHECK(Shorten("注文注文", 6) == "注文…");
  CHECK(Shorten("注文注文", 2) == "…");
  CHECK(Shorten("e\u0301e\u0301e\u0301", 2) == "e\u0301…");
}

TEST_CASE("text is broken at blanks only", "[report]") {
  CHECK(Wrap("aa bb cc", 5) == std::vector<std::string>{"aa bb", "cc"});
  CHECK(Wrap("aaaaaaaa b", 5) == std::vector<std::string>{"aaaaaaaa", "b"});
  CHECK(Wrap("", 5).empty());
}

}  // namespace
}  // namespace scry::report
