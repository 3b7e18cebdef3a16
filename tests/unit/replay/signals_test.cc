#include "replay/signals.h"

#include <string>

#include "script.h"
#include "support/catch.h"

namespace scry::replay {
namespace {

#ifdef SCRY_HAVE_PG_QUERY

Signals Of(const std::string& text) {
  Script script;
  event::FactsCache facts;
  return SignalsOf(script.Query(1, text), facts);
}

TEST_CASE("whom a statement ends is named, or chosen by a query", "[replay]") {
  for (const char* text :
       {"select pg_terminate_backend(12)", "SELECT pg_catalog.PG_CANCEL_BACKEND ( 12 )",
        "select pg_terminate_backend(pg_backend_pid())", "select pg_cancel_backend($1)",
        "select pg_terminate_backend(12::int, 100)"}) {
    INFO(text);
    CHECK(Of(text) == Signals::kNamed);
  }
  for (const char* text :
       {"select pg_terminate_backend(pid) from pg_stat_activity",
        "select Pg_Terminate_Backend(pid) from pg_stat_activity",
        "select pg_terminate_backend(12), pg_cancel_backend(pid) from pg_stat_activity",
        "select pg_cancel_backend(12 + 1)", "select pg_cancel_backend((select 1))"}) {
    INFO(text);
    CHECK(Of(text) == Signals::kChosen);
  }
  for (const char* text : {"select 'pg_terminate_backend(pid)'", "select 1"}) {
    CHECK(Of(text) == Signals::kNone);
  }
}

const BackendOnLane kLane = [](uint32_t captured) { return captured == 12 ? 3456u : 0u; };

TEST_CASE("captured backends become the lane's", "[replay]") {
  Script script;
  const auto query = [&](const std::string& text) {
    event::Exchange exchange = script.Query(1, text);
    MapSignals(exchange, kLane, exchange.messages);
    const std::string payload = exchange.messages[0].Payload();
    return std::string(*wire::ParseQuery(base::AsBytes(payload)));
  };
  CHECK(query("select pg_cancel_backend(12), pg_terminate_backend( 13 ), 12") ==
        "select pg_cancel_backend(3456), pg_terminate_backend( 0 ), 12");
  CHECK(query("select pg_terminate_backend(pg_backend_pid())") ==
        "select pg_terminate_backend(pg_backend_pid())");
  const std::string text = "select $1::int, pg_terminate_backend($2)";
  for (const std::string& value : {std::string("12"), std::string("\0\0\0\x0c", 4)}) {
    event::Exchange exchange = script.Send(1, Extended(text, {"12", value}), {text});
    exchange.statements[0].message = 3;
    MapSignals(exchange, kLane, exchange.messages);
    const std::string payload = exchange.messages[1].Payload();
    const auto bind = wire::ParseBind(base::AsBytes(payload));
    REQUIRE(bind);
    CHECK(*bind->parameters[0] == "12");
    CHECK(*bind->parameters[1] ==
          (value.size() == 2 ? std::string("3456") : std::string("\0\0\x0d\x80", 4)));
  }
  // Another statement of the exchange says nothing of backends.
  const std::string other = "insert into audit values ($1)";
  event::Exchange exchange =
      script.Send(1, Extended("select pg_cancel_backend($1)", {"12"}) + Extended(other, {"12"}),
                  {"select pg_cancel_backend($1)", other});
  exchange.statements[0].message = 3;
  exchange.statements[1].message = 8;
  MapSignals(exchange, kLane, exchange.messages);
  for (const auto& [message, number] : {std::pair(size_t{1}, "3456"), {size_t{6}, "12"}}) {
    const std::string payload = exchange.messages[message].Payload();
    const auto bind = wire::ParseBind(base::AsBytes(payload));
    REQUIRE(bind);
    CHECK(*bind->parameters[0] == number);
  }
}

#endif

}  // namespace
}  // namespace scry::replay
