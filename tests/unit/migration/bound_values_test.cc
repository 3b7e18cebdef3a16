#include "migration/bound_values.h"

#include <string>
#include <utility>
#include <vector>

#include "support/catch.h"

namespace scry::migration {
namespace {

using Value = std::optional<std::string_view>;

event::FrontendMessage Message(const std::string& encoded) {
  event::FrontendMessage message;
  message.type = static_cast<uint8_t>(encoded.front());
  message.head = encoded.substr(5);
  return message;
}

event::Exchange Parsed(const std::string& name, std::vector<uint32_t> types) {
  event::Exchange exchange;
  exchange.messages.push_back(Message(wire::EncodeParse({name, "sql", std::move(types)})));
  return exchange;
}

void Run(event::Exchange& exchange, const std::string& name, std::vector<Value> values,
         std::vector<uint16_t> formats = {}) {
  wire::Bind bind;
  bind.statement = name;
  bind.formats = std::move(formats);
  bind.parameters = std::move(values);
  exchange.messages.push_back(Message(wire::EncodeBind(bind)));
  exchange.messages.push_back(Message(wire::EncodeExecute("")));
  event::Statement& statement = exchange.statements.emplace_back();
  statement.message = static_cast<uint32_t>(exchange.messages.size() - 1);
}

TEST_CASE("bound values are literals that mean the same", "[migration]") {
  BoundValues values;
  event::Exchange exchange = Parsed("", {});
  Run(exchange, "", {"it's", "back\\slash", std::nullopt, ""});
  CHECK(values.Take(exchange) == std::vector<std::optional<Literals>>{
                                     Literals{"'it''s'", "E'back\\\\slash'", "NULL", "''"}});
  // Prepared once, executed later.
  CHECK(values.Take(Parsed("a", {23, 0, 1043})).empty());
  exchange = {};
  Run(exchange, "a", {"5", "x", "y"});
  Run(exchange, "a", {std::string_view("\xff\xff\xff\xfe", 4), "x", "y"}, {1, 0, 1});
  CHECK(values.Take(exchange) ==
        std::vector<std::optional<Literals>>{Literals{"('5'::integer)", "'x'", "('y'::varchar)"},
                                             Literals{"('-2'::integer)", "'x'", "('y'::varchar)"}});
}

TEST_CASE("values whose meaning is not known are no literals", "[migration]") {
  BoundValues values;
  event::Exchange unknown;
  Run(unknown, "never seen", {"5"});
  CHECK(values.Take(unknown) == std::vector<std::optional<Literals>>{std::nullopt});
  // A type of the user's own; a date in its binary form; binary of who knows what.
  for (const auto& [type, format] : {std::pair<uint32_t, uint16_t>{99999, 0}, {1082, 1}, {0, 1}}) {
    event::Exchange exchange = Parsed("", {type});
    Run(exchange, "", {"abcd"}, {format});
    CHECK(values.Take(exchange) == std::vector<std::optional<Literals>>{std::nullopt});
  }
}

}  // namespace
}  // namespace scry::migration
