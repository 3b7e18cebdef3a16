#include "replay/large_objects.h"

#include <string>

#include "script.h"
#include "support/catch.h"
#include "wire/frontend.h"

namespace scry::replay {
namespace {

using namespace std::string_literals;

constexpr uint32_t kLoCreat = 957;
constexpr uint32_t kLoCreate = 715;

std::string Call(uint32_t function, const std::string& argument, uint16_t format) {
  wire::FunctionCall call;
  call.function_oid = function;
  call.formats = {format};
  call.arguments = {argument};
  call.result_format = format;
  return wire::EncodeFunctionCall(call);
}

event::Exchange Made(const std::string& bytes, const std::string& values) {
  Script script;
  event::Exchange exchange = script.Send(1, bytes, {"(function call 957)"});
  exchange.statements[0].outcome.values = values;
  return exchange;
}

TEST_CASE("a large object gets the number that production's had", "[replay]") {
  const std::string number = "\0\0\x40\x01"s;
  event::Exchange exchange =
      Made(Call(kLoCreat, "\0\6\0\0"s, 1), "\0\0\0\x0a\0\1\0\0\0\4"s + number);
  KeepObjectNumber(exchange);
  CHECK(exchange.messages == MessagesOf(Call(kLoCreate, number, 1)));
  exchange = Made(Call(kLoCreat, "393216", 0), "\0\0\0\x0b\0\1\0\0\0\5"s + "16385");
  KeepObjectNumber(exchange);
  CHECK(exchange.messages == MessagesOf(Call(kLoCreate, "16385", 0)));
}

TEST_CASE("a large object made by a SELECT gets it too", "[replay]") {
  const std::string values = "\0\0\0\x0b\0\1\0\0\0\5"s + "16385";
  const auto query = [&](const std::string& text) {
    event::Exchange exchange = Made(wire::EncodeQuery(text), values);
    exchange.statements[0].text = text;
    KeepObjectNumber(exchange);
    const std::string payload = exchange.messages[0].Payload();
    return std::string(*wire::ParseQuery(base::AsBytes(payload)));
  };
  CHECK(query("select lo_creat(-1)") == "select lo_create(16385)");
  CHECK(query("SELECT pg_catalog.LO_CREAT ( 393216 ) AS id") ==
        "SELECT pg_catalog.lo_create(16385) AS id");
  CHECK(query(" select lo_create( 0 )") == " select lo_create( 16385 )");
  CHECK(query("select lo_from_bytea(0, '\\x00')") == "select lo_from_bytea(16385, '\\x00')");
  for (const char* text :
       {"select lo_create(20000)", "select lo_open(0, 1)", "select max(id) from t",
        "select lo_creat", "select lo_creat(f(1))", "lo_creat(-1)"}) {
    CHECK(query(text) == text);
  }
  CHECK(query("select lo_creat($1)") == "select lo_creat($1)");
  event::Exchange bound = Made(Extended("select lo_create(0)", {}), values);
  bound.statements[0].text = "select lo_create(0)";
  KeepObjectNumber(bound);
  CHECK(bound.messages == MessagesOf(Extended("select lo_create(16385)", {})));
}

TEST_CASE("other calls, and what the capture does not tell, stay as they are", "[replay]") {
  const std::string values = "\0\0\0\x0a\0\1\0\0\0\4\0\0\x40\1"s;
  const std::string call = Call(kLoCreat, "\0\6\0\0"s, 1);
  event::Exchange other = Made(Call(952, "\0\6\0\0"s, 1), values);
  KeepObjectNumber(other);
  CHECK(other.messages == MessagesOf(Call(952, "\0\6\0\0"s, 1)));
  for (size_t size = 0; size < values.size(); ++size) {
    event::Exchange cut = Made(call, values.substr(0, size));
    KeepObjectNumber(cut);
    CHECK(cut.messages == MessagesOf(call));
  }
}

}  // namespace
}  // namespace scry::replay
