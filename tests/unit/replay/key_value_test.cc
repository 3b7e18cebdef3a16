#include "replay/key_value.h"

#include <string>

#include "support/catch.h"

namespace scry::replay {
namespace {

using namespace std::string_literals;

TEST_CASE("one integer key is one number in every form", "[replay]") {
  const auto five = HashKey(KeyType::kInteger, "5", false);
  REQUIRE(five);
  CHECK(HashKey(KeyType::kInteger, " +05 ", false) == five);
  CHECK(HashKey(KeyType::kInteger, "\0\5"s, true) == five);
  CHECK(HashKey(KeyType::kInteger, "\0\0\0\5"s, true) == five);
  CHECK(HashKey(KeyType::kInteger, "\0\0\0\0\0\0\0\5"s, true) == five);
  CHECK(HashKey(KeyType::kInteger, "-5", false) != five);
  CHECK(HashKey(KeyType::kInteger, "-5", false) ==
        HashKey(KeyType::kInteger, "\xff\xff\xff\xfb"s, true));
}

TEST_CASE("a form that a server may read in another way is no key", "[replay]") {
  for (const char* value : {"", "5.0", "5e1", "0x5", "1_000", "abc", "99999999999999999999"}) {
    INFO(value);
    CHECK_FALSE(HashKey(KeyType::kInteger, value, false));
  }
  CHECK_FALSE(HashKey(KeyType::kInteger, "\0\0\5"s, true));
  CHECK_FALSE(HashKey(KeyType::kUuid, "not-a-uuid", false));
  CHECK_FALSE(HashKey(KeyType::kUuid, "short"s, true));
}

TEST_CASE("one uuid is one number in every form", "[replay]") {
  const auto uuid = HashKey(KeyType::kUuid, "a0eebc99-9c0b-4ef8-bb6d-6bb9bd380a11", false);
  REQUIRE(uuid);
  CHECK(HashKey(KeyType::kUuid, "{A0EEBC999C0B4EF8BB6D6BB9BD380A11}", false) == uuid);
  CHECK(HashKey(KeyType::kUuid, "\xa0\xee\xbc\x99\x9c\x0b\x4e\xf8\xbb\x6d\x6b\xb9\xbd\x38\x0a\x11"s,
                true) == uuid);
}

TEST_CASE("a text key is its bytes", "[replay]") {
  CHECK(HashKey(KeyType::kText, "a", false) == HashKey(KeyType::kText, "a", true));
  CHECK(HashKey(KeyType::kText, "a", false) != HashKey(KeyType::kText, "a ", false));
}

}  // namespace
}  // namespace scry::replay
