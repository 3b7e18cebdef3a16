#include "exchange/row_digest.h"
#include "support/catch.h"

namespace scry::exchange {
namespace {

using namespace std::string_literals;

TEST_CASE("kept rows are a list of sizes and payloads", "[exchange]") {
  KeptRows rows(100);
  rows.Add(base::AsBytes("ab"s));
  rows.Add(base::AsBytes(""s));
  CHECK(rows.complete());
  CHECK(rows.Take() == "\0\0\0\2ab\0\0\0\0"s);
  rows.Clear();
  CHECK(rows.Take().empty());
}

TEST_CASE("kept rows end at the limit with whole rows and say so", "[exchange]") {
  KeptRows rows(13);
  rows.Add(base::AsBytes("12345"s));
  rows.Add(base::AsBytes("6"s));
  CHECK_FALSE(rows.complete());
  CHECK(rows.Take() == "\0\0\0\5"s + "12345");
  rows.Clear();
  CHECK(rows.complete());
}

}  // namespace
}  // namespace scry::exchange
