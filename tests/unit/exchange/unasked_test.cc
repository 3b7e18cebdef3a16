// Notices, parameter changes and notifications: what a server says without being asked.
#include <string>
#include <vector>

#include "support/catch.h"
#include "unit/exchange/transcript.h"

namespace scry::exchange {
namespace {

using namespace std::string_literals;
using Texts = std::vector<std::string>;

std::string Notice(std::string_view sqlstate) { return ErrorPayload("NOTICE", sqlstate, "hm"); }
std::string Parameter(std::string_view name, std::string_view value) {
  return CText(name) + CText(value);
}
std::string Told(uint32_t pid, std::string_view channel, std::string_view payload) {
  base::ByteWriter out;
  out.BigU32(pid);
  out.CString(channel);
  out.CString(payload);
  return out.Release();
}

}  // namespace

TEST_CASE("notices and parameter changes are recorded with the exchange they came in",
          "[exchange]") {
  Session session;
  session.Query("set timezone to 'UTC'; drop table if exists t");
  session.Server('N', Notice("00000"));
  session.Done("SET");
  session.Server('S', Parameter("TimeZone", "UTC"));
  session.Server('N', Notice("01000"));
  session.Done("DROP TABLE");
  session.Ready('I');
  session.Query("select 1");
  session.Done("SELECT 0");
  session.Ready('I');
  const auto exchanges = session.Exchanges();
  REQUIRE(exchanges.size() == 2);
  CHECK(exchanges[0].notices == Texts{"00000", "01000"});
  CHECK(exchanges[0].parameter_changes == event::Settings{{"TimeZone", "UTC"}});
  CHECK(exchanges[0].unasked_dropped == 0);
  CHECK(exchanges[1].notices.empty());
  CHECK(exchanges[1].parameter_changes.empty());
}

TEST_CASE("what came unasked between two exchanges counts to the second", "[exchange]") {
  Session session;
  session.Server('S', Parameter("TimeZone", "UTC"));
  session.Server('N', Notice("01000"));
  session.Query("select 1");
  session.Done("SELECT 0");
  session.Ready('I');
  REQUIRE(session.Exchanges().size() == 1);
  CHECK(session.Exchanges()[0].notices == Texts{"01000"});
  CHECK(session.Exchanges()[0].parameter_changes == event::Settings{{"TimeZone", "UTC"}});
}

TEST_CASE("what came unasked in the middle of rows changes nothing of the result", "[exchange]") {
  const auto outcome = [](bool unasked) {
    Session session;
    session.Query("select 1");
    session.Row({"1", "2"});
    if (unasked) {
      session.Server('N', Notice("01000"));
      session.Server('S', Parameter("TimeZone", "UTC"));
      session.Server('A', Told(7, "ch", "x"));
    }
    session.Row({"3", "4"});
    session.Done("SELECT 2");
    session.Ready('I');
    REQUIRE(session.Exchanges().size() == 1);
    event::Outcome only = session.Exchanges()[0].statements.at(0).outcome;
    only.elapsed_us = 0;
    return only;
  };
  CHECK(outcome(true) == outcome(false));
}

TEST_CASE("notices and parameter changes over the limit are counted", "[exchange]") {
  Session session;
  session.Query("do $$ a loop $$");
  for (int i = 0; i < 70; ++i) session.Server('N', Notice("01000"));
  for (int i = 0; i < 70; ++i) session.Server('S', Parameter("n", std::to_string(i)));
  session.Server('S', Parameter("search_path", std::string(5000, 'x')));
  session.Server('S', "no zero byte"s);
  session.Done("DO");
  session.Ready('I');
  REQUIRE(session.Exchanges().size() == 1);
  const event::Exchange exchange = session.Exchanges()[0];
  CHECK(exchange.notices.size() == 64);
  CHECK(exchange.parameter_changes.size() == 64);
  CHECK(exchange.parameter_changes.back().second == "63");
  CHECK(exchange.unasked_dropped == 6 + 6 + 2);
}

TEST_CASE("a notice in pieces is known by its front", "[exchange]") {
  Session session;
  session.Query("raise notice");
  const std::string notice = ErrorPayload("WARNING", "01004", std::string(100, 'w'));
  const auto size = static_cast<uint32_t>(notice.size());
  for (uint32_t at = 0; at < size; at += 7) {
    session.tracker.OnBackendPiece(
        'N', size, at, base::AsBytes(std::string_view(notice).substr(at, 7)), session.Tick());
  }
  const std::string parameter = Parameter("x", "y");
  session.tracker.OnBackendPiece('S', static_cast<uint32_t>(parameter.size()), 0,
                                 base::AsBytes(parameter), session.Tick());
  session.Done("DO");
  session.Ready('I');
  REQUIRE(session.Exchanges().size() == 1);
  CHECK(session.Exchanges()[0].notices == Texts{"01004"});
  CHECK(session.Exchanges()[0].unasked_dropped == 1);  // No parameter is that long.
}

TEST_CASE("a notification is recorded when it reaches the client", "[exchange]") {
  Session session;
  session.Server('A', Told(4711, "orders", "17"));  // The client only listens.
  const base::Micros first_us = session.now_us;
  session.Query("notify orders, '18'");
  session.Done("NOTIFY");
  session.Server('A', Told(4712, "orders", ""));
  session.Ready('I');
  const auto told = session.list.All<event::Notification>();
  REQUIRE(told.size() == 2);
  CHECK(told[0].session == event::SessionId{1});
  CHECK(told[0].at_us == first_us);
  CHECK(told[0].channel == "orders");
  CHECK(told[0].payload == "17");
  CHECK(told[0].payload_bytes == 2);
  CHECK(told[0].payload_digest == event::DigestOf("17"));
  CHECK(told[0].pid == 4711);
  CHECK(told[1].payload.empty());
  CHECK(session.Gaps().empty());
}

TEST_CASE("a long payload of a notification is kept in part, its digest is of all", "[exchange]") {
  Session session;
  const std::string payload = std::string(1024, 'a') + std::string(6000, 'b');
  session.Server('A', Told(1, "c", payload));
  session.Server('A', "no notification"s);
  const auto told = session.list.All<event::Notification>();
  REQUIRE(told.size() == 1);
  CHECK(told[0].payload == std::string(1024, 'a'));
  CHECK(told[0].payload_bytes == 7024);
  CHECK(told[0].payload_digest == event::DigestOf(payload));
}

TEST_CASE("a lane gets with its answers what came unasked", "[exchange]") {
  AnswerOptions options;
  options.cells_max = 10;
  options.notifications_max = 2;
  AnswerReader reader(options);
  reader.OnBackend('A', base::AsBytes(Told(1, "a", "between")), 5);
  reader.Begin({{'Q', CText("select 1"), "", ""}}, 10);
  reader.OnBackend('N', base::AsBytes(Notice("01000")), 20);
  reader.OnBackend('A', base::AsBytes(Told(1, "b", "within")), 30);
  reader.OnBackend('A', base::AsBytes(Told(1, "c", "over the limit")), 35);
  reader.OnBackend('S', base::AsBytes(Parameter("x", "y")), 40);
  reader.OnBackend('C', base::AsBytes(CText("SELECT 0")), 50);
  reader.OnBackend('Z', base::AsBytes(std::string_view("I")), 60);
  const Answers answers = reader.Take();
  CHECK(answers.unasked.notices == Texts{"01000"});
  CHECK(answers.unasked.parameter_changes == event::Settings{{"x", "y"}});
  REQUIRE(answers.unasked.notifications.size() == 2);
  CHECK(answers.unasked.notifications[0].channel == "a");
  CHECK(answers.unasked.notifications[0].at_us == 5);
  CHECK(answers.unasked.notifications[1].channel == "b");
  CHECK(answers.unasked.dropped == 1);
  reader.OnBackend('A', base::AsBytes(Told(1, "d", "afterwards")), 70);
  CHECK(reader.TakeUnasked().notifications.size() == 1);
  CHECK(reader.TakeUnasked().notifications.empty());
}

}  // namespace scry::exchange
