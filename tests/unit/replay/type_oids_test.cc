#include "replay/type_oids.h"

#include <string>

#include "base/bytes.h"
#include "base/random.h"
#include "support/catch.h"

namespace scry::replay {
namespace {

using event::SourceType;

SourceType Type(uint32_t oid, std::string name, uint32_t array = 0) {
  SourceType type;
  type.oid = oid;
  type.schema = "public";
  type.name = std::move(name);
  type.typarray = array;
  return type;
}
SourceType ArrayOf(const SourceType& element, std::string name) {
  SourceType type = Type(element.typarray, std::move(name));
  type.typelem = element.oid;
  return type;
}

std::vector<SourceType> Source() {
  const SourceType mood = Type(20001, "mood", 20000);
  const SourceType pair = Type(20003, "Pair of \"things\"", 20002);
  return {mood, ArrayOf(mood, "_mood"), pair, ArrayOf(pair, "_pair"), Type(20009, "gone")};
}
std::vector<SourceType> Lane() {
  const SourceType mood = Type(16401, "mood", 16400);
  const SourceType pair = Type(20003, "Pair of \"things\"", 20002);
  // Somebody else has the name that the array would have had.
  return {mood, ArrayOf(mood, "__mood"), Type(16500, "_mood"), pair, ArrayOf(pair, "_pair")};
}

std::string Number(uint32_t value) {
  base::ByteWriter out;
  out.BigU32(value);
  return out.Release();
}
std::string Sized(const std::string& value) {
  return Number(static_cast<uint32_t>(value.size())) + value;
}
// One dimension.
std::string Array(uint32_t type, const std::vector<std::string>& elements) {
  std::string out = Number(1) + Number(0) + Number(type) +
                    Number(static_cast<uint32_t>(elements.size())) + Number(1);
  for (const std::string& element : elements) out += Sized(element);
  return out;
}
std::string Record(uint32_t type, const std::string& value) {
  return Number(2) + Number(23) + Sized(Number(7)) + Number(type) + Sized(value);
}

TEST_CASE("types go by their names, arrays by their elements", "[replay]") {
  const TypeOids oids(Source(), Lane());
  CHECK_FALSE(oids.empty());
  CHECK(oids.Map(20001) == 16401);
  CHECK(oids.Map(20000) == 16400);
  CHECK(oids.Map(20003) == 20003);
  CHECK(oids.Map(23) == 23);
  CHECK(oids.Map(20009) == 20009);
  CHECK(oids.missing() == 1);
}

TEST_CASE("of equal databases nothing has to be changed", "[replay]") {
  CHECK(TypeOids().empty());
  CHECK(TypeOids(Lane(), Lane()).empty());
  CHECK_FALSE(TypeOids(Lane(), Lane()).MapBinary(Array(16401, {"ok"})));
}

TEST_CASE("arrays and records name the lane's types, however deep", "[replay]") {
  const TypeOids oids(Source(), Lane());
  CHECK(oids.MapBinary(Array(20001, {"sad", "ok"})) == Array(16401, {"sad", "ok"}));
  CHECK(oids.MapBinary(Record(20001, "ok")) == Record(16401, "ok"));
  CHECK(oids.MapBinary(Array(20003, {Record(20001, "a"), Record(20001, "b")})) ==
        Array(20003, {Record(16401, "a"), Record(16401, "b")}));
  CHECK(oids.MapBinary(Record(20000, Array(20001, {}))) == Record(16400, Array(16401, {})));
  // NULLs, and no dimension at all.
  const std::string null = Number(1) + Number(1) + Number(20001) + Number(1) + Number(1);
  CHECK(oids.MapBinary(null + Number(UINT32_MAX)));
  CHECK(oids.MapBinary(Number(0) + Number(0) + Number(20001)) ==
        Number(0) + Number(0) + Number(16401));
}

TEST_CASE("there and back is where it began", "[replay]") {
  const TypeOids there(Source(), Lane());
  const TypeOids back(Lane(), Source());
  const std::string value = Array(20003, {Record(20001, "a")});
  CHECK(back.MapBinary(there.MapBinary(value).value()) == value);
}

TEST_CASE("what is no array or record to the byte is left alone", "[replay]") {
  const TypeOids oids(Source(), Lane());
  const std::string array = Array(20001, {"sad", "ok"});
  for (size_t size = 0; size < array.size(); ++size) {
    INFO(size);
    CHECK_FALSE(oids.MapBinary(array.substr(0, size)));
  }
  CHECK_FALSE(oids.MapBinary(array + "x"));
  CHECK_FALSE(oids.MapBinary(Array(23, {"sad"})));
  CHECK_FALSE(oids.MapBinary(Number(7) + Number(0) + Number(20001)));
  CHECK_FALSE(oids.MapBinary(Number(1) + Number(2) + Number(20001) + Number(0) + Number(1)));
  const std::string huge = Number(0xffffffff) + Number(1);
  CHECK_FALSE(oids.MapBinary(Number(6) + Number(0) + Number(20001) + huge + huge + huge));
}

TEST_CASE("nesting without end ends", "[replay]") {
  const TypeOids oids(Source(), Lane());
  std::string value = Array(20001, {"ok"});
  for (int i = 0; i < 100; ++i) value = Array(20003, {value});
  CHECK_FALSE(oids.MapBinary(value));
}

TEST_CASE("damaged values never change size", "[replay]") {
  const TypeOids oids(Source(), Lane());
  base::Random random(7);
  const std::string whole = Array(20003, {Record(20001, "a"), Record(20001, "b")});
  for (int i = 0; i < 5000; ++i) {
    std::string value = whole;
    for (int hits = 0; hits < 3; ++hits) {
      value[random.Below(value.size())] = static_cast<char>(random.Below(256));
    }
    const auto mapped = oids.MapBinary(value);
    if (mapped) CHECK(mapped->size() == value.size());
  }
}

TEST_CASE("types made during a replay go by the place where they come", "[replay]") {
  NewTypes types({Type(20001, "mood")}, {Type(16401, "mood")});
  CHECK(types.Map(30001, 40001) == 40001);
  CHECK(types.Map(30001, 40001) == 40001);
  CHECK(types.Map(30002, 40002) == 40002);
  // Each is one of the other lane's alone, in whatever order they come.
  CHECK(types.Map(30001, 40002) != 40002);
  CHECK(types.Map(30003, 40002) != 40002);
  // What was there before, and what means the same everywhere.
  CHECK(types.Map(20001, 40003) == 20001);
  CHECK(types.Map(30003, 16401) == 30003);
  CHECK(types.Map(25, 40003) == 25);
  CHECK(types.Map(30003, 25) == 30003);
}

}  // namespace
}  // namespace scry::replay
