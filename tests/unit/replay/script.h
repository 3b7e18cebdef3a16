// Captures written by hand: what sessions sent, in the order of completion, with a clock that moves
// 1 ms for each event. For the tests of replay.
#pragma once

#include <algorithm>
#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <variant>
#include <vector>

#include "base/bytes.h"
#include "base/random.h"
#include "event/event.h"
#include "event/event_source.h"
#include "event/lane_pair.h"
#include "support/catch.h"
#include "wire/frontend.h"

namespace scry::replay {

// Messages out of their bytes.
inline std::vector<event::FrontendMessage> MessagesOf(const std::string& bytes) {
  std::vector<event::FrontendMessage> messages;
  for (size_t at = 0; at + 5 <= bytes.size();) {
    base::ByteReader in(std::string_view(bytes).substr(at + 1, 4));
    const size_t length = in.BigU32();
    const std::string payload = bytes.substr(at + 5, length - 4);
    event::FrontendMessage message;
    message.type = static_cast<uint8_t>(bytes[at]);
    const wire::FrontendParts parts = wire::SplitFrontend(message.type, base::AsBytes(payload));
    message.head = parts.head;
    message.values = parts.values;
    message.tail = parts.tail;
    messages.push_back(std::move(message));
    at += 1 + length;
  }
  return messages;
}

// Parse, Bind, Describe, Execute, Sync on the unnamed statement.
inline std::string Extended(std::string_view sql,
                            std::vector<std::optional<std::string_view>> values,
                            bool binary_result = false) {
  wire::Parse parse;
  parse.text = sql;
  wire::Bind bind;
  bind.parameters = std::move(values);
  if (binary_result) bind.result_formats = {1};
  return wire::EncodeParse(parse) + wire::EncodeBind(bind) +
         wire::EncodeDescribe(wire::Target::kPortal, "") + wire::EncodeExecute("") +
         wire::EncodeSync();
}

// Up to its end; what fails, fails the test.
inline std::vector<event::Event> All(event::EventSource& source) {
  std::vector<event::Event> events;
  for (;;) {
    auto next = source.Next();
    REQUIRE(next.ok());
    if (!next->has_value()) return events;
    events.push_back(std::move(**next));
  }
}

class Script final : public event::EventSource {
 public:
  explicit Script(std::string user = "postgres") : user_(std::move(user)) {}

  void Start(uint64_t session, const std::string& user = {}, const std::string& database = {}) {
    event::SessionStart start;
    start.session = event::SessionId{session};
    start.at_us = Now();
    start.parameters = {{"user", user.empty() ? user_ : user}};
    if (!database.empty()) start.parameters.emplace_back("database", database);
    events.push_back(start);
  }
  void End(uint64_t session) {
    event::SessionEnd end;
    end.session = event::SessionId{session};
    end.at_us = Now();
    events.push_back(end);
  }
  // `texts`: of its statements.
  event::Exchange& Send(uint64_t session, const std::string& bytes,
                        const std::vector<std::string>& texts, char status = 'I') {
    event::Exchange exchange;
    exchange.session = event::SessionId{session};
    exchange.index = index_[session]++;
    exchange.forwarded_us = Now();
    exchange.completed_us = Now();
    exchange.status = static_cast<uint8_t>(status);
    exchange.messages = MessagesOf(bytes);
    for (const std::string& text : texts) {
      event::Statement statement;
      statement.text = text;
      statement.outcome.status = event::OutcomeStatus::kDone;
      exchange.statements.push_back(std::move(statement));
    }
    events.push_back(std::move(exchange));
    return std::get<event::Exchange>(events.back());
  }
  event::Exchange& Query(uint64_t session, const std::string& sql, char status = 'I') {
    return Send(session, wire::EncodeQuery(sql), {sql}, status);
  }
  void Shuffle(uint64_t seed) {
    base::Random random(seed);
    std::vector<size_t> places(events.size());
    for (size_t i = 0; i < places.size(); ++i) places[i] = i;
    for (size_t i = places.size(); i > 1; --i) std::swap(places[i - 1], places[random.Below(i)]);
    std::vector<event::Event> shuffled;
    for (const size_t place : places) shuffled.push_back(events[place]);
    events = std::move(shuffled);
  }
  uint64_t exchanges() const {
    return static_cast<uint64_t>(std::count_if(events.begin(), events.end(), [](const auto& event) {
      return std::holds_alternative<event::Exchange>(event);
    }));
  }

  base::Result<bool> Read(event::Event& event) override {
    if (at_ == events.size()) return false;
    event = events[at_++];
    return true;
  }

  std::vector<event::Event> events;

 private:
  base::Micros Now() { return now_us_ += 1000; }

  const std::string user_;
  base::Micros now_us_ = 0;
  std::map<uint64_t, uint64_t> index_;
  size_t at_ = 0;
};

class PairList final : public event::PairSink {
 public:
  void Put(const event::StatementPair& pair) override { pairs.push_back(pair); }
  std::vector<event::StatementPair> pairs;
};

}  // namespace scry::replay
