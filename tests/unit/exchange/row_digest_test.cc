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

}  // namespace

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

}  // namespace scry::exchange
