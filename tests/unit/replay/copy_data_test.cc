#include "replay/copy_data.h"

#include <cstdint>
#include <string>
#include <vector>

#include "base/bytes.h"
#include "base/random.h"
#include "support/catch.h"

namespace scry::replay {
namespace {

using namespace std::string_literals;
using Format = event::CopyShape::Format;

event::CopyShape Csv() {
  event::CopyShape shape;
  shape.format = Format::kCsv;
  shape.delimiter = ',';
  return shape;
}

// 5 of the second column is 70 here.
std::optional<std::string> Fives(size_t column, std::string_view value) {
  return column == 1 && value == "5" ? std::optional("70"s) : std::nullopt;
}

std::string Rewritten(const event::CopyShape& shape, const std::string& data) {
  return RewriteCopyData(shape, data, &Fives).value_or(data);
}

TEST_CASE("a cell of text data is changed in its column alone", "[copy]") {
  const event::CopyShape text;
  CHECK(Rewritten(text, "5\t5\t5\n1\t5\n") == "5\t70\t5\n1\t70\n");
  CHECK(Rewritten(text, "a\t5\r\nb\t5\r\n") == "a\t70\r\nb\t70\r\n");
  CHECK(Rewritten(text, "x\t5") == "x\t70");  // The last line may lack its end.
  CHECK(Rewritten(text, "a\\\tb\t5\na\\\nb\t5\n\\\\\t5\n") == "a\\\tb\t70\na\\\nb\t70\n\\\\\t70\n");
  for (const char* same : {"", "5\n", "\\N\t\\N\n", "1\t55\n", "1\t\\x35\n", "\\.\n", "1\t5\\"}) {
    CHECK_FALSE(RewriteCopyData(text, same, &Fives));
  }
  event::CopyShape bars;
  bars.delimiter = '|';
  CHECK(Rewritten(bars, "5|5|5\t5\n") == "5|70|5\t5\n");
  bars.header = true;
  CHECK(Rewritten(bars, "5|5\n5|5\n") == "5|5\n5|70\n");
}

TEST_CASE("a cell of CSV data is found whatever is quoted before it", "[copy]") {
  CHECK(Rewritten(Csv(), "a,5\n\"b,\n\"\"c\",5\n\"d\",\"5\"\n") ==
        "a,70\n\"b,\n\"\"c\",70\n\"d\",\"70\"\n");
  CHECK(Rewritten(Csv(), "a\\,5\n") == "a\\,70\n");  // No escape here.
  event::CopyShape odd = Csv();
  odd.escape = '\\';
  CHECK(Rewritten(odd, "\"a\\\",5\",5\n") == "\"a\\\",5\",70\n");
  for (const char* same : {"a,5\"\"\n", "a,\"5\"5\n", "a,\"\"\n", "\"a,5\n", "a,\"5"}) {
    CHECK_FALSE(RewriteCopyData(Csv(), same, &Fives));
  }
}

TEST_CASE("what would need quotes stays as it was", "[copy]") {
  const MapCopied map = [](size_t, std::string_view) { return std::optional("a,\tb"s); };
  CHECK_FALSE(RewriteCopyData(Csv(), "x\n", map));
  CHECK_FALSE(RewriteCopyData(event::CopyShape(), "x\n", map));
}

std::string Binary(const std::vector<std::vector<std::string>>& rows) {
  base::ByteWriter out;
  out.Text("PGCOPY\n\377\r\n\0"s);
  out.BigU32(0);
  out.BigU32(3);
  out.Text("ext");
  for (const auto& row : rows) {
    out.BigU16(static_cast<uint16_t>(row.size()));
    for (const std::string& value : row) {
      out.BigU32(value == "null" ? UINT32_MAX : static_cast<uint32_t>(value.size()));
      if (value != "null") out.Text(value);
    }
  }
  out.BigU16(UINT16_MAX);
  return out.Release();
}

TEST_CASE("a value of binary data is changed with its length", "[copy]") {
  event::CopyShape shape;
  shape.format = Format::kBinary;
  CHECK(Rewritten(shape, Binary({{"5", "5"}, {"null", "5", ""}, {}, {"5", "null"}})) ==
        Binary({{"5", "70"}, {"null", "70", ""}, {}, {"5", "null"}}));
  CHECK_FALSE(RewriteCopyData(shape, Binary({{"5", "6"}}), &Fives));
  // Cut inside of a row, it is not what it seems.
  const std::string whole = Binary({{"5", "5"}, {"5", "5"}});
  const size_t row = 2 + 2 * 5;
  for (size_t size = 0; size < whole.size() - 2; ++size) {
    const bool between = (whole.size() - 2 - size) % row == 0;
    const auto other = RewriteCopyData(shape, whole.substr(0, size), &Fives);
    INFO(size);
    CHECK((!other || between));
  }
}

TEST_CASE("any data comes back when its values are put back", "[copy]") {
  const std::string letters = "5\t,\n\r\"\\N.x|";
  const auto swap = [](const event::CopyShape& shape, const std::string& data,
                       const std::string& from, const std::string& to) {
    const MapCopied map = [&](size_t, std::string_view value) {
      return value == from ? std::optional(to) : std::nullopt;
    };
    return RewriteCopyData(shape, data, map).value_or(data);
  };
  base::Random random(11);
  int changed = 0;
  for (int i = 0; i < 20000; ++i) {
    event::CopyShape shape = random.Below(2) == 0 ? Csv() : event::CopyShape();
    shape.header = random.Below(2) == 0;
    if (random.Below(3) == 0) shape.escape = '\\';
    std::string data;
    for (uint64_t size = random.Below(24); data.size() < size;) {
      data += letters[random.Below(letters.size())];
    }
    INFO(data);
    const std::string there = swap(shape, data, "5", "70");
    changed += there == data ? 0 : 1;
    REQUIRE(swap(shape, there, "70", "5") == data);
  }
  CHECK(changed > 1000);
}

}  // namespace
}  // namespace scry::replay
