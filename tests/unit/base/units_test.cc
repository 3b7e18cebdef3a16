#include "base/units.h"

#include <string>
#include <utility>
#include <vector>

#include "base/random.h"
#include "support/catch.h"

namespace scry::base {
namespace {

using namespace std::string_literals;

TEST_CASE("durations read as people write them", "[base]") {
  const std::vector<std::pair<const char*, Micros>> cases = {
      {"250us", 250},     {"500ms", 500000},    {"0.2ms", 200},     {"5s", 5000000},
      {"10m", 600000000}, {"10min", 600000000}, {"2h", 7200000000}, {"7d", 604800000000},
      {"0s", 0},          {"1.5s", 1500000},    {"1e3ms", 1000000}};
  for (const auto& [text, micros] : cases) {
    INFO(text);
    REQUIRE(ParseDuration(text).ok());
    CHECK(*ParseDuration(text) == micros);
  }
}

TEST_CASE("what is no duration is refused with the text and an example", "[base]") {
  for (const char* text : {"", "5", "s", "-5s", "5 s", "5S", "5sec", "5s ", " 5s", "nan", "nans",
                           "infs", "1e300d", "5s5s", "0x5s", "+5s"}) {
    INFO(text);
    const auto parsed = ParseDuration(text);
    REQUIRE_FALSE(parsed.ok());
    CHECK(parsed.error().code == ErrorCode::kUsage);
    CHECK(parsed.error().message ==
          "'"s + text + "' is no duration; write 500ms, 5s, 10m, 2h or 7d");
  }
  CHECK(ParseDuration("\x1b[2J").error().message.find('\x1b') == std::string::npos);
}

TEST_CASE("sizes know thousands and binary thousands", "[base]") {
  const std::vector<std::pair<const char*, uint64_t>> cases = {{"0", 0},
                                                               {"512", 512},
                                                               {"512B", 512},
                                                               {"1kB", 1000},
                                                               {"1KB", 1000},
                                                               {"1KiB", 1024},
                                                               {"256MB", 256000000},
                                                               {"2GiB", 2147483648},
                                                               {"1.5GB", 1500000000},
                                                               {"3TiB", 3298534883328}};
  for (const auto& [text, bytes] : cases) {
    INFO(text);
    REQUIRE(ParseSize(text).ok());
    CHECK(*ParseSize(text) == bytes);
  }
  for (const char* text : {"", "MB", "-1", "1mb", "1 MB", "1e30TB", "nan", "1MBB"}) {
    INFO(text);
    CHECK_FALSE(ParseSize(text).ok());
  }
}

TEST_CASE("shares are a percentage or a fraction, up to the whole", "[base]") {
  CHECK(*ParseShare("1%") == Approx(0.01));
  CHECK(*ParseShare("0.01") == Approx(0.01));
  CHECK(*ParseShare("100%") == 1);
  CHECK(*ParseShare("0") == 0);
  for (const char* text : {"", "%", "101%", "1.01", "-1%", "1 %", "x", "nan", "1%%"}) {
    INFO(text);
    CHECK_FALSE(ParseShare(text).ok());
  }
}

TEST_CASE("durations show three figures and the unit that fits", "[base]") {
  CHECK(FormatDuration(Micros{0}) == "0.000 ms");
  CHECK(FormatDuration(Micros{42}) == "0.042 ms");
  CHECK(FormatDuration(Micros{3410}) == "3.41 ms");
  CHECK(FormatDuration(Micros{12900}) == "12.9 ms");
  CHECK(FormatDuration(Micros{129000}) == "129 ms");
  CHECK(FormatDuration(Micros{12900000}) == "12.9 s");
  CHECK(FormatDuration(Micros{125000000}) == "2 min 05 s");
  CHECK(FormatDuration(Micros{3600000000}) == "1 h 00 min");
  CHECK(FormatDuration(Micros{-3410}) == "-3.41 ms");
}

TEST_CASE("sizes and counts are grouped for reading", "[base]") {
  CHECK(FormatSize(0) == "0 B");
  CHECK(FormatSize(999) == "999 B");
  CHECK(FormatSize(17300000) == "17.3 MB");
  CHECK(FormatSize(2500000000) == "2.50 GB");
  CHECK(FormatCount(0) == "0");
  CHECK(FormatCount(999) == "999");
  CHECK(FormatCount(1000) == "1,000");
  CHECK(FormatCount(1234567) == "1,234,567");
  CHECK(FormatCount(UINT64_MAX) == "18,446,744,073,709,551,615");
}

TEST_CASE("printable text is one line without a byte that moves a terminal", "[base]") {
  CHECK(Printable("plain text") == "plain text");
  CHECK(Printable("a\nb\tc") == "a\\nb\\tc");
  CHECK(Printable("\x1b[2J\x07\x7f") == "\\x1b[2J\\x07\\x7f");
  CHECK(Printable(std::string("a\0b", 3)) == "a\\x00b");
  CHECK(Printable("\r") == "\\x0d");
}

TEST_CASE("printable text is read in the order it has", "[base]") {
  CHECK(Printable("drop \xe2\x80\xae table") == "drop \\u202e table");
  CHECK(Printable("\xe2\x80\xaa\xe2\x81\xa6\xe2\x81\xa9") == "\\u202a\\u2066\\u2069");
  // Their neighbours: U+2029, U+202F, U+2065 is none, U+206A.
  CHECK(Printable("\xe2\x80\xaf\xe2\x81\xaa") == "\xe2\x80\xaf\xe2\x81\xaa");
  CHECK(Printable("עברית") == "עברית");
}

TEST_CASE("good UTF-8 stays and broken UTF-8 is shown byte by byte", "[base]") {
  CHECK(Printable("äöü€😀") == "äöü€😀");
  CHECK(Printable("\xff") == "\\xff");
  CHECK(Printable("\x80") == "\\x80");           // A continuation alone.
  CHECK(Printable("\xc3") == "\\xc3");           // Cut short.
  CHECK(Printable("\xe2\x82") == "\\xe2\\x82");  // Cut short.
  CHECK(Printable("\xc0\xaf") == "\\xc0\\xaf");  // '/' in two bytes.
  CHECK(Printable("\xc3(") == "\\xc3(");         // No continuation.
  CHECK(Printable("\xc2\x9b") == "\\xc2\\x9b");  // A C1 control: CSI in one character.
  CHECK(Printable("\xf5\x80\x80\x80") == "\\xf5\\x80\\x80\\x80");
  CHECK(Printable("\xe0\x80\xaf") == "\\xe0\\x80\\xaf");           // '/' in three bytes.
  CHECK(Printable("\xf0\x80\x80\xaf") == "\\xf0\\x80\\x80\\xaf");  // In four.
  CHECK(Printable("\xed\xa0\x80") == "\\xed\\xa0\\x80");           // A surrogate.
  CHECK(Printable("\xf4\x90\x80\x80") == "\\xf4\\x90\\x80\\x80");  // Past the last.
  CHECK(Printable("\xef\xbf\xbe\xef\xbf\xbf") == "\\xef\\xbf\\xbe\\xef\\xbf\\xbf");
  CHECK(Printable("\xed\x9f\xbf\xef\xbf\xbd") == "\xed\x9f\xbf\xef\xbf\xbd");  // U+D7FF, U+FFFD.
}

TEST_CASE("printable text is cut at characters, with an ellipsis", "[base]") {
  CHECK(Printable("abcdef", 6).size() <= 8);
  CHECK(Printable("abcdef", 10) == "abcdef");
  CHECK(Printable("abcdefghij", 4) == "abc…");
  CHECK(Printable("äöüäöü", 4) == "äöü…");
  CHECK(Printable("", 4).empty());
}

TEST_CASE("no bytes make printable text anything but printable", "[base]") {
  Random random(4);
  for (int round = 0; round < 5000; ++round) {
    std::string text;
    for (uint64_t i = random.Below(40); i > 0; --i) {
      text.push_back(static_cast<char>(random.Below(256)));
    }
    const std::string shown = Printable(text);
    for (const char c : shown) {
      CHECK(static_cast<unsigned char>(c) >= 0x20);
      CHECK(c != 0x7f);
    }
    CHECK(Printable(shown) == shown);  // Nothing is left to escape.
    const std::string cut = Printable(text, 10);
    CHECK(cut.size() <= 10 * 4 + 3);
  }
}

TEST_CASE("one line folds all white space and trims both ends", "[base]") {
  CHECK(OneLine("  select\n\t *\r\n from t  ") == "select * from t");
  CHECK(OneLine("\n\n").empty());
  CHECK(OneLine("a") == "a");
}

}  // namespace
}  // namespace scry::base
