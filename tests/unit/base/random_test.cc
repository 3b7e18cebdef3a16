#include "base/random.h"

#include <array>
#include <set>

#include "support/catch.h"

namespace scry::base {
namespace {

TEST_CASE("a seed gives the published numbers of splitmix64 on every machine", "[base]") {
  Random random(1234567);
  CHECK(random.Next() == 6457827717110365317ULL);
  CHECK(random.Next() == 3203168211198807973ULL);
  CHECK(random.Next() == 9817491932198370423ULL);
  CHECK(random.Next() == 4593380528125082431ULL);
  CHECK(random.Next() == 16408922859458223821ULL);
}

TEST_CASE("equal seeds agree and neighbouring seeds do not", "[base]") {
  std::set<uint64_t> firsts;
  for (uint64_t seed = 0; seed < 1000; ++seed) {
    Random one(seed);
    Random same(seed);
    const uint64_t first = one.Next();
    CHECK(first == same.Next());
    firsts.insert(first);
  }
  CHECK(firsts.size() == 1000);
}

TEST_CASE("Below stays below and reaches every number evenly", "[base]") {
  Random random(1);
  CHECK(random.Below(1) == 0);
  std::array<int, 7> seen{};
  for (int i = 0; i < 70000; ++i) ++seen.at(random.Below(7));
  for (const int count : seen) {
    CHECK(count > 9500);
    CHECK(count < 10500);
  }
}

TEST_CASE("Unit is in [0, 1) with its mean in the middle", "[base]") {
  Random random(2);
  double sum = 0;
  for (int i = 0; i < 100000; ++i) {
    const double unit = random.Unit();
    REQUIRE(unit >= 0);
    REQUIRE(unit < 1);
    sum += unit;
  }
  CHECK(sum / 100000 == Approx(0.5).margin(0.01));
}

}  // namespace
}  // namespace scry::base
