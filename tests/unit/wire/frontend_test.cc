#include "wire/frontend.h"

#include <string>
#include <vector>

#include "base/random.h"
#include "support/catch.h"

namespace scry::wire {
namespace {

// A payload, without type byte and length.
std::string PayloadOf(const std::string& message) {
  REQUIRE(message.size() >= 5);
  return message.substr(5);
}

std::string Word(base::Random& random) {
  std::string word(random.Below(9), 'a');
  for (char& c : word) c = static_cast<char>('a' + random.Below(26));
  return word;
}

std::vector<uint16_t> Formats(base::Random& random) {
  std::vector<uint16_t> formats(random.Below(4));
  for (auto& format : formats) format = static_cast<uint16_t>(random.Below(2));
  return formats;
}

struct RandomBind {
  explicit RandomBind(base::Random& random) : portal(Word(random)), statement(Word(random)) {
    for (uint64_t i = random.Below(6); i > 0; --i) {
      values.push_back(Word(random) + std::string(random.Below(2), '\0'));
    }
    bind.portal = portal;
    bind.statement = statement;
    bind.formats = Formats(random);
    bind.result_formats = Formats(random);
    for (const auto& value : values) {
      bind.parameters.emplace_back();
      if (random.Below(4) != 0) bind.parameters.back() = value;
    }
  }
  std::string portal;
  std::string statement;
  std::vector<std::string> values;
  Bind bind;
};

void CheckSplit(uint8_t type, const std::string& payload) {
  const FrontendParts parts = SplitFrontend(type, base::AsBytes(payload));
  REQUIRE(std::string(parts.head) + std::string(parts.values) + std::string(parts.tail) == payload);
}

}  // namespace

TEST_CASE("Bind encodes to what it was read from, and splits where it says", "[wire]") {
  for (uint64_t seed = 0; seed < 500; ++seed) {
    base::Random random(seed);
    const RandomBind made(random);
    const std::string payload = PayloadOf(EncodeBind(made.bind));
    const auto read = ParseBind(base::AsBytes(payload));
    REQUIRE(read);
    REQUIRE(read->portal == made.portal);
    REQUIRE(read->parameters == made.bind.parameters);
    REQUIRE(PayloadOf(EncodeBind(*read)) == payload);
    CheckSplit('B', payload);
    // Head and tail depend on everything but the values.
    Bind other = made.bind;
    for (auto& parameter : other.parameters) parameter = "something else";
    const std::string other_payload = PayloadOf(EncodeBind(other));
    const FrontendParts a = SplitFrontend('B', base::AsBytes(payload));
    const FrontendParts b = SplitFrontend('B', base::AsBytes(other_payload));
    REQUIRE(a.head == b.head);
    REQUIRE(a.tail == b.tail);
  }
}

TEST_CASE("a truncated or longer Bind is malformed and kept whole in head", "[wire]") {
  base::Random random(7);
  const RandomBind made(random);
  const std::string payload = PayloadOf(EncodeBind(made.bind));
  for (size_t size = 0; size < payload.size(); ++size) {
    const std::string cut = payload.substr(0, size);
    REQUIRE(!ParseBind(base::AsBytes(cut)));
    REQUIRE(SplitFrontend('B', base::AsBytes(cut)).head == cut);
  }
  const std::string longer = payload + "x";
  CHECK(!ParseBind(base::AsBytes(longer)));
  CHECK(SplitFrontend('B', base::AsBytes(longer)).head == longer);
}

TEST_CASE("the parts of any payload of any type join to the payload", "[wire]") {
  for (uint64_t seed = 0; seed < 3000; ++seed) {
    base::Random random(seed);
    std::string payload(random.Below(40), '\0');
    for (char& c : payload) c = static_cast<char>(random.Below(5));
    CheckSplit(random.Below(2) == 0 ? uint8_t{'B'} : static_cast<uint8_t>(random.Below(256)),
               payload);
  }
}

TEST_CASE("the other messages encode to what they were read from", "[wire]") {
  const Parse parse = {"s1", "select $1", {23, 0}};
  const std::string parse_payload = PayloadOf(EncodeParse(parse));
  const auto read = ParseParse(base::AsBytes(parse_payload));
  REQUIRE(read);
  CHECK(read->name == "s1");
  CHECK(read->text == "select $1");
  CHECK(read->parameter_types == std::vector<uint32_t>{23, 0});
  CHECK(PayloadOf(EncodeParse(*read)) == parse_payload);

  const std::string execute = PayloadOf(EncodeExecute("c", 100));
  CHECK(ParseExecute(base::AsBytes(execute))->portal == "c");
  CHECK(ParseExecute(base::AsBytes(execute))->row_limit == 100);
  const std::string describe = PayloadOf(EncodeDescribe(Target::kStatement, "s1"));
  CHECK(ParseDescribeOrClose(base::AsBytes(describe))->target == Target::kStatement);
  const std::string close = PayloadOf(EncodeClose(Target::kPortal, ""));
  CHECK(ParseDescribeOrClose(base::AsBytes(close))->target == Target::kPortal);
  CHECK(ParseQuery(base::AsBytes(PayloadOf(EncodeQuery("")))) == std::string_view());
  CHECK(EncodeSync() == std::string("S\0\0\0\4", 5));
  CHECK(PayloadOf(EncodeCopyFail("no")) == std::string("no\0", 3));

  FunctionCall call;
  call.function_oid = 952;
  call.arguments = {std::nullopt, std::string_view("x")};
  call.result_format = 1;
  const std::string call_payload = PayloadOf(EncodeFunctionCall(call));
  const auto call_read = ParseFunctionCall(base::AsBytes(call_payload));
  REQUIRE(call_read);
  CHECK(PayloadOf(EncodeFunctionCall(*call_read)) == call_payload);
}

TEST_CASE("truncation at every byte is malformed", "[wire]") {
  const std::string parse = PayloadOf(EncodeParse({"s", "select", {1, 2}}));
  for (size_t i = 0; i < parse.size(); ++i) REQUIRE(!ParseParse(base::AsBytes(parse).first(i)));
  const std::string execute = PayloadOf(EncodeExecute("portal", 1));
  for (size_t i = 0; i < execute.size(); ++i)
    REQUIRE(!ParseExecute(base::AsBytes(execute).first(i)));
  const std::string query = PayloadOf(EncodeQuery("select"));
  for (size_t i = 0; i < query.size(); ++i) REQUIRE(!ParseQuery(base::AsBytes(query).first(i)));
  CHECK(!ParseDescribeOrClose(base::AsBytes(std::string_view("Xname\0", 6))));
}

}  // namespace scry::wire
