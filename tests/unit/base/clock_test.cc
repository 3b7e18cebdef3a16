#include "base/clock.h"

#include "support/catch.h"

namespace scry::base {
namespace {

TEST_CASE("a moment is read as it is written", "[base]") {
  for (const Micros us : {Micros{0}, Micros{1795666754123456}, Micros{951782400000000}}) {
    CHECK(ParseWall(FormatWall(us)) == us);
  }
  CHECK(ParseWall("1970-01-02") == 86'400'000'000);
  CHECK(ParseWall("1970-01-01T00:01") == 60'000'000);
  CHECK(ParseWall("1970-01-01 02:00:00.25+02:00") == 250'000);
  CHECK(ParseWall("1970-01-01T00:00:00-0130") == 5'400'000'000);
  CHECK(ParseWall("1970-01-01T00:00:00.123456789Z") == 123'456);
}

TEST_CASE("what is no moment is refused", "[base]") {
  for (const char* text :
       {"", "10m", "noon", "2026", "2026-13-01", "2026-02-30", "2026-01-01T", "2026-01-01T25:00",
        "2026-01-01T10:00:00.", "2026-01-01T10:00:00+", "2026-01-01T10:00:00Zx", "2026-01-01x",
        "20-01-01", "2026-1-1", "-026-01-01"}) {
    CAPTURE(text);
    CHECK_FALSE(ParseWall(text).has_value());
  }
}

}  // namespace
}  // namespace scry::base
