#include "replay/identity_map.h"

#include <string>

#include "support/catch.h"

namespace scry::replay {
namespace {

TEST_CASE("values go there and back, each in its own domain", "[replay]") {
  IdentityMap map(100);
  CHECK(map.empty());
  CHECK(map.Learn(1, "5", "7"));
  CHECK(map.Learn(1, "7", "5"));  // Two that changed places.
  CHECK_FALSE(map.Learn(1, "5", "7"));
  CHECK(map.ToLane(1, "5").value == "7");
  CHECK(map.ToLane(1, "7").value == "5");
  CHECK(map.ToCaptured(1, "7").value == "5");
  CHECK_FALSE(map.ToLane(2, "5").known);
  CHECK(map.Has(1));
  CHECK_FALSE(map.Has(2));
  CHECK_FALSE(map.Has(0));
}

TEST_CASE("equal values need no entry", "[replay]") {
  IdentityMap map(100);
  CHECK_FALSE(map.Learn(1, "5", "5"));
  CHECK(map.empty());
  CHECK_FALSE(map.ToLane(1, "5").known);
}

TEST_CASE("one that stands for several is left alone", "[replay]") {
  IdentityMap map(100);
  map.Learn(1, "5", "7");
  map.Learn(1, "5", "8");
  CHECK(map.ToLane(1, "5").ambiguous);
  CHECK_FALSE(map.ToLane(1, "5").known);
  CHECK(map.ToCaptured(1, "7").known);

  map.Learn(2, "5", "7");
  map.Learn(2, "6", "7");
  CHECK(map.ToCaptured(2, "7").ambiguous);
  CHECK_FALSE(map.ToLane(2, "6").known);

  // Drawn anew from the beginning, and now equal.
  map.Learn(3, "5", "7");
  map.Learn(3, "5", "5");
  CHECK(map.ToLane(3, "5").ambiguous);
}

TEST_CASE("of what many rows have, the last that was said holds", "[replay]") {
  IdentityMap map(2);
  CHECK_FALSE(map.Put(1, "5", "5"));
  CHECK(map.empty());
  CHECK(map.Put(1, "5", "7"));
  CHECK(map.Put(1, "6", "7"));
  CHECK(map.ToLane(1, "5").value == "7");
  CHECK(map.ToLane(1, "6").value == "7");
  CHECK_FALSE(map.ToCaptured(1, "7").known);
  CHECK_FALSE(map.Put(1, "5", "8"));
  CHECK(map.ToLane(1, "5").value == "8");
  CHECK_FALSE(map.Put(1, "5", "5"));
  CHECK_FALSE(map.ToLane(1, "5").known);
  CHECK_FALSE(map.ToLane(1, "5").ambiguous);
  map.Put(2, "9", "10");
  CHECK(map.forgotten() == 1);
  CHECK_FALSE(map.ToLane(1, "6").known);
  CHECK(map.Put(1, "6", "11"));
  CHECK(map.ToLane(1, "6").value == "11");
}

TEST_CASE("past the limit, what was not used for longest is forgotten", "[replay]") {
  IdentityMap map(3);
  for (const char* value : {"1", "2", "3"}) map.Learn(1, value, std::string("l") + value);
  CHECK(map.ToLane(1, "1").known);
  map.Learn(2, "4", "l4");
  CHECK(map.size() == 3);
  CHECK(map.forgotten() == 1);
  CHECK(map.ToLane(1, "1").known);
  CHECK_FALSE(map.ToLane(1, "2").known);
  CHECK_FALSE(map.ToCaptured(1, "l2").known);
  for (int i = 0; i < 3; ++i) map.Learn(2, "x" + std::to_string(i), "y" + std::to_string(i));
  CHECK_FALSE(map.Has(1));
}

}  // namespace
}  // namespace scry::replay
