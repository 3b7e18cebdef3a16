#include "exchange/row_digest.h"

#include <algorithm>
#include <string>
#include <vector>

#include "base/random.h"
#include "support/catch.h"
#include "unit/exchange/transcript.h"

namespace scry::exchange {
namespace {

RowDigest DigestOf(const std::vector<std::string>& rows) {
  RowDigest digest;
  for (const auto& row : rows) digest.Add(base::AsBytes(row));
  return digest;
}

std::vector<uint64_t> CellsOf(std::string_view row) {
  CellHashes cells(100);
  cells.AddRow(base::AsBytes(row));
  return cells.Take();
}

TEST_CASE("no rows: both digests are zero", "[exchange]") {
  CHECK(RowDigest().ordered() == 0);
  CHECK(RowDigest().unordered() == 0);
}

TEST_CASE("a row in pieces gives the digest of the whole row", "[exchange]") {
  for (uint64_t seed = 0; seed < 100; ++seed) {
    base::Random random(seed);
    std::string row(random.Below(3000), '\0');
    for (char& c : row) c = static_cast<char>(random.Below(256));
    RowDigest streamed;
    streamed.Add(base::AsBytes("first"));
    streamed.Begin();
    for (size_t at = 0; at < row.size();) {
      const size_t count = std::min<size_t>(1 + random.Below(700), row.size() - at);
      streamed.Piece(base::AsBytes(row).subspan(at, count));
      at += count;
    }
    streamed.End();
    const RowDigest whole = DigestOf({"first", row});
    REQUIRE(streamed.ordered() == whole.ordered());
    REQUIRE(streamed.unordered() == whole.unordered());
  }
}

TEST_CASE("order shows in one digest only, duplicates in both", "[exchange]") {
  CHECK(DigestOf({"a", "b"}).ordered() != DigestOf({"b", "a"}).ordered());
  CHECK(DigestOf({"a", "b"}).unordered() == DigestOf({"b", "a"}).unordered());
  CHECK(DigestOf({"a", "a"}).unordered() != DigestOf({}).unordered());
  CHECK(DigestOf({"a", "a", "b"}).unordered() != DigestOf({"b"}).unordered());
  CHECK(DigestOf({"a"}).unordered() != DigestOf({"a", "a"}).unordered());
  CHECK(DigestOf({""}).ordered() != 0);
}

TEST_CASE("digests are what captures hold: their definition is fixed", "[exchange]") {
  const RowDigest digest = DigestOf({"a", "b"});
  CHECK(digest.ordered() == 0xb5909726022d5fdcULL);
  CHECK(digest.unordered() == 0xd38e4a3af170af23ULL);
}

TEST_CASE("NULL and the empty value hash apart", "[exchange]") {
  const auto empty = CellsOf(RowPayload({""}));
  const auto null = CellsOf(std::string_view("\0\1\xff\xff\xff\xff", 6));
  REQUIRE(empty.size() == 1);
  REQUIRE(null.size() == 1);
  CHECK(empty != null);
  CHECK(CellsOf(RowPayload({"a", "b", "a"}))[0] == CellsOf(RowPayload({"a", "b", "a"}))[2]);
}

CellHashes Described(uint32_t type_oid, bool binary, const std::vector<std::string>& values,
                     uint64_t cells_max = 100) {
  CellHashes cells(cells_max);
  event::Column id;
  id.type_oid = 23;
  event::Column column;
  column.type_oid = type_oid;
  column.format = binary ? 1 : 0;
  cells.Describe({id, column});
  for (const std::string& value : values) cells.AddRow(base::AsBytes(RowPayload({"7", value})));
  return cells;
}

TEST_CASE("numerics of another scale are the same value", "[exchange]") {
  constexpr uint32_t kNumeric = 1700;
  const auto cell = [](uint32_t type_oid, bool binary, const std::string& value) {
    return Described(type_oid, binary, {value}).Take().at(1);
  };
  const auto text = [&](const std::string& value) { return cell(kNumeric, false, value); };
  CHECK(text("1.50") == text("1.5"));
  CHECK(text("-100.00") == text("-100"));
  CHECK(text("0.00") == text("0"));
  CHECK(text("-0.0") == text("0"));
  CHECK(text("100") != text("1"));
  CHECK(text("1.05") != text("1.5"));
  CHECK(text("-1.5") != text("1.5"));
  CHECK(cell(25, false, "1.50") != cell(25, false, "1.5"));
  // Digits, weight, sign, scale, and 1.5000.
  const std::string digits("\0\1\x13\x88", 4);
  const auto binary = [&](char scale, const std::string& rest) {
    return cell(kNumeric, true, std::string("\0\2\0\0\0\0\0", 7) + scale + rest);
  };
  CHECK(binary(1, digits) == binary(4, digits));
  CHECK(binary(1, digits) != binary(1, std::string("\0\1\x13\x89", 4)));
  for (const char* odd : {"", "x", ".", "NaN"}) CHECK(cell(kNumeric, true, odd) != text("1"));
}

TEST_CASE("the digest by value goes on where hashes end", "[exchange]") {
  constexpr uint32_t kNumeric = 1700;
  constexpr uint32_t kFloat8 = 701;
  constexpr uint32_t kXid = 28;
  const auto values = [](uint32_t type_oid, const std::vector<std::string>& of) {
    return Described(type_oid, false, of, 2).values();
  };
  const auto price = values(kNumeric, {"1.0", "2.0"});
  CHECK(price.known);
  CHECK(price.ordered == values(kNumeric, {"1.00", "2.00"}).ordered);
  CHECK(price.ordered != values(kNumeric, {"2.00", "1.00"}).ordered);
  CHECK(price.unordered == values(kNumeric, {"2.00", "1.00"}).unordered);
  CHECK(price.unordered != values(kNumeric, {"1.00", "2.01"}).unordered);
  for (const uint32_t left_out : {kFloat8, kXid}) {
    CHECK(values(left_out, {"1", "2"}).ordered == values(left_out, {"3", "4"}).ordered);
    CHECK(values(left_out, {"1", "2"}).unordered != values(left_out, {"1"}).unordered);
  }
  CHECK_FALSE(values(25, {"1", "2"}).known);
  CellHashes torn = Described(kNumeric, false, {"1.0"});
  torn.GiveUp();
  CHECK_FALSE(torn.values().known);
}

TEST_CASE("over the limit, or torn, cells say that they are incomplete", "[exchange]") {
  CellHashes cells(3);
  cells.AddRow(base::AsBytes(RowPayload({"a", "b"})));
  CHECK(cells.complete());
  cells.AddRow(base::AsBytes(RowPayload({"a", "b"})));
  CHECK(!cells.complete());
  CHECK(cells.Take().empty());
  cells.Clear();
  cells.AddRow(base::AsBytes(RowPayload({"a", "b"})).first(5));
  CHECK(!cells.complete());
}

}  // namespace
}  // namespace scry::exchange
