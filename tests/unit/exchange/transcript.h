// A session as a readable transcript: what the client sends and what the server answers, as verbs,
// with a clock that moves 10 us per message. For the tests of exchange.
#pragma once

#include <string>
#include <string_view>
#include <utility>
#include <variant>
#include <vector>

#include "base/bytes.h"
#include "event/event.h"
#include "event/event_sink.h"
#include "exchange/exchange_tracker.h"
#include "wire/frontend.h"

namespace scry::exchange {

// Payload of a whole encoded message.
inline std::string PayloadOf(const std::string& message) { return message.substr(5); }

// Payloads of answers.
inline std::string CText(std::string_view text) { return std::string(text) + '\0'; }
inline std::string ErrorPayload(std::string_view severity, std::string_view sqlstate,
                                std::string_view message) {
  return "S" + CText(severity) + "V" + CText(severity) + "C" + CText(sqlstate) + "M" +
         CText(message) + '\0';
}
inline std::string RowPayload(const std::vector<std::string>& values) {
  base::ByteWriter out;
  out.BigU16(static_cast<uint16_t>(values.size()));
  for (const auto& value : values) {
    out.BigU32(static_cast<uint32_t>(value.size()));
    out.Text(value);
  }
  return out.Release();
}
inline std::string ColumnsPayload(const std::vector<std::string>& names) {
  base::ByteWriter out;
  out.BigU16(static_cast<uint16_t>(names.size()));
  for (const auto& name : names) {
    out.CString(name);
    out.BigU32(0);
    out.BigU16(0);
    out.BigU32(25);
    out.BigU16(0xffff);
    out.BigU32(0xffffffff);
    out.BigU16(0);
  }
  return out.Release();
}

// One column of a table.
inline std::string ColumnPayload(std::string_view name, uint32_t table_oid, int16_t number,
                                 uint32_t type_oid) {
  base::ByteWriter out;
  out.BigU16(1);
  out.CString(name);
  out.BigU32(table_oid);
  out.BigU16(static_cast<uint16_t>(number));
  out.BigU32(type_oid);
  out.BigU16(4);
  out.BigU32(0xffffffff);
  out.BigU16(0);
  return out.Release();
}

class EventList : public event::EventSink {
 public:
  void Put(event::Event event) override { events.push_back(std::move(event)); }
  template <typename T>
  std::vector<T> All() const {
    std::vector<T> found;
    for (const auto& event : events) {
      if (const auto* one = std::get_if<T>(&event)) found.push_back(*one);
    }
    return found;
  }
  std::vector<event::Event> events;
};

class Transcript {
 public:
  explicit Transcript(TrackerLimits limits = {}, event::Settings parameters = {{"user", "ann"}})
      : tracker(Facts(std::move(parameters)), clock, list, limits) {}

  // --- The client. Each takes one message.
  void Client(uint8_t type, std::string_view payload = {}) {
    tracker.OnFrontend(type, base::AsBytes(payload), Tick());
  }
  void Query(std::string_view text) { Client('Q', CText(text)); }
  void Parse(std::string_view name, std::string_view text) {
    Client('P', PayloadOf(wire::EncodeParse({name, text, {}})));
  }
  void Bind(std::string_view portal, std::string_view statement) {
    wire::Bind bind;
    bind.portal = portal;
    bind.statement = statement;
    bind.parameters = {"1"};
    Client('B', PayloadOf(wire::EncodeBind(bind)));
  }
  void DescribePortal(std::string_view name) { Client('D', "P" + CText(name)); }
  void DescribeStatement(std::string_view name) { Client('D', "S" + CText(name)); }
  void CloseStatement(std::string_view name) { Client('C', "S" + CText(name)); }
  void Execute(std::string_view portal, uint32_t limit = 0) {
    Client('E', PayloadOf(wire::EncodeExecute(portal, limit)));
  }
  void Sync() { Client('S'); }
  void Flush() { Client('H'); }
  void CopyData(std::string_view data) { Client('d', data); }
  void CopyDone() { Client('c'); }
  void CopyFail() { Client('f', CText("client gave up")); }
  void Terminate() { Client('X'); }
  // Parse, Bind, Execute of the unnamed statement: the usual batch.
  void Run(std::string_view text) {
    Parse("", text);
    Bind("", "");
    Execute("");
  }

  // --- The server.
  void Server(uint8_t type, std::string_view payload = {}) {
    if (type == 'Z') ++ready_seen;
    tracker.OnBackend(type, base::AsBytes(payload), Tick());
  }
  void ParseOk() { Server('1'); }
  void BindOk() { Server('2'); }
  void CloseOk() { Server('3'); }
  void Columns(const std::vector<std::string>& names) { Server('T', ColumnsPayload(names)); }
  void Row(const std::vector<std::string>& values) { Server('D', RowPayload(values)); }
  void Done(std::string_view tag) { Server('C', CText(tag)); }
  void Error(std::string_view sqlstate) {
    Server('E', ErrorPayload("ERROR", sqlstate, "it failed"));
  }
  void Fatal(std::string_view sqlstate) { Server('E', ErrorPayload("FATAL", sqlstate, "bye")); }
  void Suspended() { Server('s'); }
  void CopyIn() { Server('G', std::string_view("\0\0\0", 3)); }
  void CopyOut() { Server('H', std::string_view("\0\0\0", 3)); }
  void Ready(char status) { Server('Z', std::string_view(&status, 1)); }
  void RanOk(std::string_view tag) {
    ParseOk();
    BindOk();
    Done(tag);
  }
  void Started() {
    Server('R', std::string_view("\0\0\0\0", 4));
    Server('S', std::string_view("server_version\0"
                                 "15\0",
                                 18));
    Server('K', std::string_view("\0\0\0\7keyk", 8));
    Server('Z', "I");
    ready_seen = 0;
  }
  void Close(event::EndReason reason = event::EndReason::kClientClosed) {
    tracker.OnClosed(reason, Tick());
  }

  // --- What came of it.
  std::vector<event::Exchange> Exchanges() const { return list.All<event::Exchange>(); }
  std::vector<event::Gap> Gaps() const { return list.All<event::Gap>(); }
  // Recorded, and counted in gaps.
  uint64_t Accounted() const {
    uint64_t count = Exchanges().size();
    for (const auto& gap : Gaps()) count += gap.exchanges;
    return count;
  }
  // "PBES" for the messages, one line per exchange: "PBES I: select 1 -> done SELECT 1".
  std::vector<std::string> Lines() const {
    std::vector<std::string> lines;
    for (const auto& exchange : Exchanges()) lines.push_back(Line(exchange));
    return lines;
  }
  static std::string Line(const event::Exchange& exchange) {
    std::string line;
    for (const auto& message : exchange.messages) line += static_cast<char>(message.type);
    line += exchange.status == 0 ? std::string(" -")
                                 : std::string(" ") + static_cast<char>(exchange.status);
    for (const auto& statement : exchange.statements) line += "; " + Line(statement);
    return line;
  }
  static std::string Line(const event::Statement& statement) {
    const event::Outcome& outcome = statement.outcome;
    std::string line = statement.text.str() + "#" + std::to_string(statement.ordinal) + "@" +
                       std::to_string(statement.message) + " " + event::Name(outcome.status);
    if (!outcome.tag.empty()) line += " " + outcome.tag;
    if (!outcome.sqlstate.empty()) line += " " + outcome.sqlstate;
    return line;
  }
  base::Micros Tick() { return now_us += 10; }

  base::Micros now_us = 0;
  uint64_t ready_seen = 0;
  CaptureCommon clock;
  EventList list;
  ExchangeTracker tracker;

 private:
  static event::SessionStart Facts(event::Settings parameters) {
    event::SessionStart facts;
    facts.session = event::SessionId{1};
    facts.parameters = std::move(parameters);
    return facts;
  }
};

// A session past its first ReadyForQuery.
class Session : public Transcript {
 public:
  explicit Session(TrackerLimits limits = {}) : Transcript(limits) { Started(); }
};

using Lines = std::vector<std::string>;

}  // namespace scry::exchange
