#include "replay/identity_value.h"

#include <cstdint>
#include <string>

#include "base/random.h"
#include "event/value_sites.h"
#include "support/catch.h"

namespace scry::replay {
namespace {

using namespace std::string_literals;

std::string Big(uint64_t number, size_t size) {
  std::string out;
  for (size_t i = size; i-- > 0;) out += static_cast<char>(number >> (8 * i));
  return out;
}
std::string Numeric(std::initializer_list<uint16_t> words) {
  std::string out;
  for (const uint16_t word : words) out += Big(word, 2);
  return out;
}
std::optional<std::string> Plus(const std::string& text, int64_t more) {
  return std::to_string(std::stoll(text) + more);
}

TEST_CASE("one integer is one text in every form", "[replay]") {
  for (const auto& [value, binary] : {std::pair("105"s, false),
                                      {" +0105 "s, false},
                                      {Big(105, 2), true},
                                      {Big(105, 4), true},
                                      {Big(105, 8), true},
                                      {Numeric({1, 0, 0, 0, 105}), true}}) {
    CHECK(ReadValue(ValueKind::kInteger, value, binary) == "105");
  }
  CHECK(ReadValue(ValueKind::kInteger, Numeric({2, 1, 0x4000, 2, 12, 34}), true) == "-120034");
  CHECK(ReadValue(ValueKind::kInteger, Numeric({1, 2, 0, 0, 7}), true) == "700000000");
}

TEST_CASE("what a server may read in another way is no integer", "[replay]") {
  for (const char* value : {"", "5.0", "5e1", "0x5", "1_000", "+-5", "99999999999999999999"}) {
    INFO(value);
    CHECK_FALSE(ReadValue(ValueKind::kInteger, value, false));
  }
  CHECK_FALSE(ReadValue(ValueKind::kInteger, "\0\0\5"s, true));
  CHECK_FALSE(ReadValue(ValueKind::kInteger, Numeric({1, 0xffff, 0, 2, 5000}), true));  // 0.5
  CHECK_FALSE(ReadValue(ValueKind::kInteger, Numeric({0, 0, 0xc000, 0, 1}), true));     // NaN
  CHECK_FALSE(
      ReadValue(ValueKind::kInteger, Numeric({5, 4, 0, 0, 9999, 9999, 9999, 9999, 9999}), true));
}

TEST_CASE("a value written in its own form is read back", "[replay]") {
  base::Random random(3);
  for (int i = 0; i < 2000; ++i) {
    const auto number = static_cast<int64_t>(random.Next() >> random.Below(64));
    const std::string text = std::to_string(random.Below(2) == 0 ? number : -number);
    const std::string likes[] = {"", Big(0, 8)};
    for (const std::string& like : likes) {
      const auto binary = WriteValue(ValueKind::kInteger, text, like, true);
      REQUIRE(binary);
      CHECK(ReadValue(ValueKind::kInteger, *binary, true) == text);
    }
    CHECK(WriteValue(ValueKind::kInteger, text, {}, false) == text);
    const std::string uuid = Big(random.Next(), 8) + Big(random.Next(), 8);
    const auto digits = ReadValue(ValueKind::kUuid, uuid, true);
    REQUIRE(digits);
    CHECK(WriteValue(ValueKind::kUuid, *digits, {}, true) == uuid);
    CHECK(ReadValue(ValueKind::kUuid, WriteValue(ValueKind::kUuid, *digits, {}, false).value(),
                    false) == digits);
  }
}

TEST_CASE("numbers of transactions have no sign, in whatever form", "[replay]") {
  CHECK(KindOf(28) == ValueKind::kXid);
  for (const auto& [value, binary, text] : {std::tuple("750"s, false, "750"),
                                            {"4294967295"s, false, "4294967295"},
                                            {Big(750, 4), true, "750"},
                                            {Big(0xffffffff, 4), true, "4294967295"},
                                            {Big(750, 2), true, "750"},
                                            {Big(0xffffffff, 8), true, "4294967295"}}) {
    CHECK(ReadValue(ValueKind::kXid, value, binary) == text);
    CHECK(WriteValue(ValueKind::kXid, text, value, binary) == value);
  }
  for (const char* value : {"", "-1", "-123", "4294967296", "five"}) {
    CHECK_FALSE(ReadValue(ValueKind::kXid, value, false));
  }
  CHECK_FALSE(ReadValue(ValueKind::kXid, Numeric({1, 0, 0, 0, 105}), true));
  CHECK_FALSE(ReadValue(ValueKind::kXid, Big(0x100000000, 8), true));
  CHECK_FALSE(ReadValue(ValueKind::kXid, Big(0xffff, 2), true));
  CHECK_FALSE(WriteValue(ValueKind::kXid, "32768", Big(1, 2), true));
  CHECK(WriteLiteral(ValueKind::kXid, "750") == "750");
}

TEST_CASE("a value that does not fit is not written", "[replay]") {
  CHECK_FALSE(WriteValue(ValueKind::kInteger, "32768", Big(1, 2), true));
  CHECK(WriteValue(ValueKind::kInteger, "-32768", Big(1, 2), true) == "\x80\0"s);
  CHECK_FALSE(WriteValue(ValueKind::kInteger, "2147483648", Big(1, 4), true));
  CHECK(WriteValue(ValueKind::kInteger, "-1", Big(1, 4), true) == "\xff\xff\xff\xff"s);
  CHECK_FALSE(WriteValue(ValueKind::kOpaque, "tabc", {}, true));
  CHECK(WriteValue(ValueKind::kOpaque, "tabc", {}, false) == "abc");
}

TEST_CASE("uuids go by their digits", "[replay]") {
  const std::string digits = "0123456789abcdef0123456789abcdef";
  CHECK(ReadValue(ValueKind::kUuid, "{01234567-89AB-CDEF-0123-456789ABCDEF}", false) == digits);
  CHECK(WriteValue(ValueKind::kUuid, digits, {}, false) == "01234567-89ab-cdef-0123-456789abcdef");
  CHECK_FALSE(ReadValue(ValueKind::kUuid, "0123", false));
  CHECK_FALSE(ReadValue(ValueKind::kUuid, "0123", true));
}

TEST_CASE("literals may stand where one stood, and mean what they say", "[replay]") {
  CHECK(WriteLiteral(ValueKind::kInteger, "5") == "5");
  CHECK(WriteLiteral(ValueKind::kInteger, "-5") == " -5");  // "id=-5" would be an operator =-.
  for (const char* text : {"plain", "it's", "back\\slash'", "", "\xc3\xa9"}) {
    INFO(text);
    const auto literal = WriteLiteral(ValueKind::kText, text);
    REQUIRE(literal);
    const size_t blanks = literal->find_first_not_of(' ');
    CHECK(event::LiteralValue(literal->substr(blanks)) == text);
  }
  CHECK_FALSE(WriteLiteral(ValueKind::kText, "zero\0byte"s));
}

TEST_CASE("arrays change element by element", "[replay]") {
  const MapText one = [](const std::string& text) -> std::optional<std::string> {
    if (text != "2") return std::nullopt;
    return "20";
  };
  const auto text = [&](const char* value) {
    return MapArray(ValueKind::kInteger, value, false, one);
  };
  CHECK(text("{1,2,3}") == "{1,20,3}");
  CHECK(text("{2}") == "{20}");
  CHECK(text("{ 2 ,NULL, \"2\"}") == "{20,NULL,20}");
  for (const char* value :
       {"{}", "{1}", "{1,", "{{1,2},{2,3}}", "[0:1]={1,2}", "{2,}", "2", "", "{\"2}", "{2\\"}) {
    INFO(value);
    CHECK_FALSE(text(value));
  }
  CHECK(MapArray(ValueKind::kText, "{a,\"b\\\"c\",null,\"null\"}", false,
                 [](const std::string& element) { return element + "\\!"; }) ==
        "{\"a\\\\!\",\"b\\\"c\\\\!\",null,\"null\\\\!\"}");

  const auto array = [](size_t size, std::initializer_list<uint64_t> elements, uint64_t type) {
    std::string out = Big(1, 4) + Big(0, 4) + Big(type, 4) + Big(elements.size(), 4) + Big(1, 4);
    for (const uint64_t element : elements) out += Big(size, 4) + Big(element, size);
    return out;
  };
  const std::string ints = array(4, {1, 2, 3}, 23);
  CHECK(MapArray(ValueKind::kInteger, ints, true, one) == array(4, {1, 20, 3}, 23));
  CHECK(WidenArray(ints, one) == array(8, {1, 20, 3}, 20));
  CHECK_FALSE(MapArray(ValueKind::kInteger, array(4, {1, 3}, 23), true, one));
  for (size_t size = 0; size < ints.size(); ++size) {
    CHECK_FALSE(MapArray(ValueKind::kInteger, ints.substr(0, size), true, one));
  }
  CHECK_FALSE(MapArray(ValueKind::kInteger, ints + "x", true, one));
}

TEST_CASE("what outgrows its type is told and widened", "[replay]") {
  CHECK(WiderType(21) == 20);
  CHECK(WiderType(1005) == 1016);
  CHECK(WiderType(20) == 0);
  CHECK(WiderType(25) == 0);
  CHECK(FitsType(21, "32767"));
  CHECK_FALSE(FitsType(21, "-32769"));
  CHECK(FitsType(1007, "32768"));
  CHECK_FALSE(FitsType(23, "2147483648"));
  CHECK(FitsType(0, "9223372036854775807"));
  CHECK(WidenValue(Big(5, 2), [](const std::string& text) { return Plus(text, 1000000); }) ==
        Big(1000005, 8));
}

TEST_CASE("nothing mapped changes nothing, whatever the bytes", "[replay]") {
  base::Random random(11);
  const MapText none = [](const std::string&) { return std::nullopt; };
  for (int i = 0; i < 3000; ++i) {
    std::string value(random.Below(40), '\0');
    for (char& c : value) c = static_cast<char>(random.Below(256));
    for (const auto kind :
         {ValueKind::kInteger, ValueKind::kUuid, ValueKind::kText, ValueKind::kOpaque}) {
      for (const bool binary : {false, true}) {
        CHECK_FALSE(MapValue(kind, value, binary, none));
        CHECK_FALSE(MapArray(kind, value, binary, none));
      }
    }
  }
}

}  // namespace
}  // namespace scry::replay
