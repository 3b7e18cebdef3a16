#include "event/event.h"

#include <string>

#include "support/catch.h"

namespace scry::event {
namespace {

Exchange MakeExchange(size_t values_bytes) {
  Exchange exchange;
  exchange.session = SessionId{7};
  exchange.completed_us = 30;
  exchange.messages.push_back({'B', "head", std::string(values_bytes, 'v'), "tail"});
  exchange.statements.emplace_back().text = "select 1";
  return exchange;
}

TEST_CASE("the count of a command tag is its last number", "[event]") {
  CHECK(TagCount("SELECT 5") == 5);
  CHECK(TagCount("INSERT 0 3") == 3);
  CHECK(TagCount("UPDATE 0") == 0);
  CHECK(TagCount("COPY 18446744073709551615") == UINT64_MAX);
}

TEST_CASE("a tag without a plain number at its end has no count", "[event]") {
  for (const char* tag :
       {"", " ", "BEGIN", "CREATE TABLE", "SELECT", "SELECT ", "SELECT -1", "SELECT 5x",
        "SELECT 5 ", "SELECT +5", "SELECT 18446744073709551616", "5"}) {
    INFO(tag);
    CHECK_FALSE(TagCount(tag).has_value());
  }
}

TEST_CASE("an event weighs at least the bytes it owns", "[event]") {
  for (const size_t bytes : {size_t{0}, size_t{1}, size_t{1000}, size_t{1} << 20}) {
    const size_t weight = WeightBytes(MakeExchange(bytes));
    CHECK(weight >= bytes + sizeof(Exchange));
    CHECK(weight <= bytes + 4096);
  }
  SessionStart start;
  start.parameters = {{"user", std::string(5000, 'u')}};
  start.settings = {{"TimeZone", "UTC"}};
  CHECK(WeightBytes(start) >= 5000);
  CHECK(WeightBytes(SessionEnd{}) > 0);
  CHECK(WeightBytes(Gap{}) > 0);
  CHECK(WeightBytes(Cancel{}) > 0);
}

TEST_CASE("the weight grows with every text a statement brings", "[event]") {
  Exchange exchange = MakeExchange(10);
  size_t before = WeightBytes(exchange);
  const auto grown = [&] {
    const size_t now = WeightBytes(exchange);
    const bool grew = now >= before + 1000;
    before = now;
    return grew;
  };
  exchange.statements[0].text = std::string(1000, 't') + exchange.statements[0].text.str();
  CHECK(grown());
  // Its copies are the same text: a thousand statements of one Query hold it once.
  exchange.statements.push_back(exchange.statements[0]);
  CHECK_FALSE(grown());
  exchange.statements[0].outcome.row_description += std::string(1000, 'd');
  CHECK(grown());
  exchange.statements[0].outcome.message += std::string(1000, 'm');
  CHECK(grown());
}

TEST_CASE("each kind of event has its time and session", "[event]") {
  const SessionId session{7};
  SessionStart start;
  start.session = session;
  start.at_us = 10;
  CHECK(TimeOf(start) == 10);
  CHECK(SessionOf(start) == session);
  CHECK(TimeOf(MakeExchange(1)) == 30);
  CHECK(SessionOf(MakeExchange(1)) == session);
  Gap gap;
  gap.from_us = 1;
  gap.to_us = 40;
  CHECK(TimeOf(gap) == 40);
  CHECK(SessionOf(gap) == SessionId::kNone);
  CHECK(TimeOf(Cancel{session, 50}) == 50);
  CHECK(SessionOf(Cancel{session, 50}) == session);
  SessionEnd end;
  end.session = session;
  end.at_us = 60;
  CHECK(TimeOf(end) == 60);
  CHECK(SessionOf(end) == session);
}

TEST_CASE("every enumerator has a name, and what is none is called unknown", "[event]") {
  for (uint8_t i = 0; i <= 5; ++i) {
    CHECK(std::string(Name(OutcomeStatus{i})) != "unknown");
    CHECK(std::string(Name(GapReason{i})) != "unknown");
  }
  for (uint8_t i = 0; i <= 3; ++i) CHECK(std::string(Name(EndReason{i})) != "unknown");
  CHECK(std::string(Name(OutcomeStatus{6})) == "unknown");
  CHECK(std::string(Name(GapReason{6})) == "unknown");
  CHECK(std::string(Name(EndReason{4})) == "unknown");
}

TEST_CASE("a message's payload is its three parts in order", "[event]") {
  const FrontendMessage message{'B', "ab", "cd", "ef"};
  CHECK(message.Payload() == "abcdef");
  CHECK(message.size() == 6);
}

}  // namespace
}  // namespace scry::event
