#include "unit/querylog/events.h"

#include <algorithm>
#include <limits>
#include <utility>
#include <variant>

#include "base/bytes.h"

namespace scry::querylog::test {
namespace {

using base::Random;
using event::Event;
using event::SessionId;

uint64_t RandomNumber(Random& random) {
  switch (random.Below(6)) {
    case 0:
      return 0;
    case 1:
      return random.Below(3);
    case 2:
      return random.Below(1000);
    case 3:
      return std::numeric_limits<uint64_t>::max() - random.Below(3);
    case 4:
      return uint64_t{1} << random.Below(64);
    default:
      return random.Next();
  }
}

base::Micros RandomTime(Random& random) { return static_cast<base::Micros>(RandomNumber(random)); }

std::string RandomText(Random& random) {
  static const std::vector<std::string> kHostile = {
      "",
      std::string(1, '\0'),
      std::string("a\0b\0", 4),
      "select 1",
      "SELECT 1",
      "SBLK",
      "SIDX",
      "SCRYSEG\n",
      "\xff\xfe\x80",
      "'; drop table users; --",
      "{\"json\":\"\\u0000\"}",
      std::string(300, 'x'),
      "\r\n\t\x1b[31m",
  };
  if (random.Below(40) == 0) return std::string(50000 + random.Below(50000), 'h');
  if (random.Below(2) == 0) return kHostile[random.Below(kHostile.size())];
  std::string text;
  for (uint64_t left = random.Below(20); left > 0; --left) {
    text.push_back(static_cast<char>(random.Below(256)));
  }
  return text;
}

SessionId RandomSession(Random& random) {
  return SessionId{random.Below(8) == 0 ? RandomNumber(random) : random.Below(5)};
}

event::Settings RandomSettings(Random& random) {
  event::Settings settings;
  for (uint64_t left = random.Below(5); left > 0; --left) {
    std::string name = RandomText(random);
    settings.emplace_back(std::move(name), RandomText(random));
  }
  return settings;
}

std::string RandomParameters(Random& random) {
  base::ByteWriter out;
  for (uint64_t left = random.Below(5); left > 0; --left) {
    if (random.Below(4) == 0) {
      out.BigU32(0xffffffff);
    } else {
      const std::string value = RandomText(random);
      out.BigU32(static_cast<uint32_t>(value.size()));
      out.Text(value);
    }
  }
  // Now and then something that only looks like parameters.
  if (random.Below(6) == 0) out.BigU32(static_cast<uint32_t>(random.Next()));
  return out.Release();
}

event::FrontendMessage RandomMessage(Random& random) {
  static constexpr std::string_view kTypes = "QPBEDSHCdcfXF?";
  event::FrontendMessage message;
  message.type = static_cast<uint8_t>(kTypes[random.Below(kTypes.size())]);
  if (random.Below(10) == 0) message.type = static_cast<uint8_t>(random.Below(256));
  message.head = RandomText(random);
  if (message.type == 'Q' && random.Below(4) != 0) message.head.push_back('\0');
  message.tail = random.Below(2) == 0 ? std::string() : RandomText(random);
  message.values = random.Below(2) == 0 ? RandomParameters(random) : RandomText(random);
  return message;
}

event::Outcome RandomOutcome(Random& random) {
  event::Outcome outcome;
  outcome.status = event::OutcomeStatus{static_cast<uint8_t>(random.Below(6))};
  outcome.tag = RandomText(random);
  outcome.rows = RandomNumber(random);
  outcome.row_bytes = RandomNumber(random);
  outcome.digest_ordered = RandomNumber(random);
  outcome.digest_unordered = RandomNumber(random);
  outcome.row_description = RandomText(random);
  outcome.sqlstate = RandomText(random);
  outcome.message = RandomText(random);
  outcome.elapsed_us = RandomTime(random);
  if (random.Below(3) == 0) outcome.values = RandomText(random);
  return outcome;
}

event::Exchange RandomExchange(Random& random) {
  event::Exchange exchange;
  exchange.session = RandomSession(random);
  exchange.index = RandomNumber(random);
  exchange.forwarded_us = RandomTime(random);
  exchange.first_answer_us = RandomTime(random);
  exchange.completed_us = RandomTime(random);
  exchange.commits_seen = RandomNumber(random);
  exchange.commits_done = RandomNumber(random);
  exchange.status = static_cast<uint8_t>(random.Below(256));
  for (uint64_t left = random.Below(5); left > 0; --left) {
    exchange.messages.push_back(RandomMessage(random));
  }
  for (uint64_t left = random.Below(4); left > 0; --left) {
    event::Statement statement;
    statement.text = RandomText(random);
    statement.ordinal = static_cast<uint32_t>(RandomNumber(random));
    statement.message = static_cast<uint32_t>(RandomNumber(random));
    if (!exchange.messages.empty() && random.Below(2) == 0) {
      statement.message = static_cast<uint32_t>(random.Below(exchange.messages.size()));
      const std::string& head = exchange.messages[statement.message].head;
      statement.text = head.substr(0, head.size() - std::min<size_t>(1, head.size()));
    }
    statement.outcome = RandomOutcome(random);
    exchange.statements.push_back(std::move(statement));
  }
  if (random.Below(2) == 0) return exchange;
  for (uint64_t left = random.Below(4); left > 0; --left) {
    exchange.notices.push_back(RandomText(random));
  }
  exchange.parameter_changes = RandomSettings(random);
  exchange.unasked_dropped = RandomNumber(random);
  return exchange;
}

event::Notification RandomNotification(Random& random) {
  event::Notification notification;
  notification.session = RandomSession(random);
  notification.at_us = RandomTime(random);
  notification.channel = RandomText(random);
  notification.payload = RandomText(random);
  notification.payload_bytes = RandomNumber(random);
  notification.payload_digest = RandomNumber(random);
  notification.pid = static_cast<uint32_t>(RandomNumber(random));
  return notification;
}

std::string Quoted(std::string_view text) {
  std::string out = "\"";
  for (const char c : text) {
    const auto byte = static_cast<unsigned char>(c);
    if (byte >= 0x20 && byte < 0x7f && c != '"' && c != '\\') {
      out.push_back(c);
    } else {
      out += "\\x";
      out += "0123456789abcdef"[byte >> 4];
      out += "0123456789abcdef"[byte & 15];
    }
  }
  return out + "\"";
}

std::string Field(const char* name, uint64_t value) {
  return std::string(" ") + name + "=" + std::to_string(value);
}
std::string Field(const char* name, base::Micros value) {
  return std::string(" ") + name + "=" + std::to_string(value);
}
std::string Field(const char* name, const std::string& value) {
  return std::string(" ") + name + "=" + Quoted(value);
}
std::string Number(SessionId id) { return std::to_string(static_cast<uint64_t>(id)); }

std::string Body(const event::SessionStart& start) {
  std::string out = "start session=" + Number(start.session) + Field("at", start.at_us) +
                    Field("protocol", uint64_t{start.protocol}) + " parameters={";
  for (const auto& [name, value] : start.parameters)
    out += Quoted(name) + ":" + Quoted(value) + " ";
  out += "} settings={";
  for (const auto& [name, value] : start.settings) out += Quoted(name) + ":" + Quoted(value) + " ";
  return out + "}" + Field("client", start.client) + Field("pid", uint64_t{start.backend_pid});
}

std::string Body(const event::Exchange& exchange) {
  std::string out =
      "exchange session=" + Number(exchange.session) + Field("index", exchange.index) +
      Field("forwarded", exchange.forwarded_us) + Field("answer", exchange.first_answer_us) +
      Field("completed", exchange.completed_us) + Field("seen", exchange.commits_seen) +
      Field("done", exchange.commits_done) + Field("status", uint64_t{exchange.status});
  for (const auto& message : exchange.messages) {
    out += "\n  message" + Field("type", uint64_t{message.type}) + Field("head", message.head) +
           Field("values", message.values) + Field("tail", message.tail);
  }
  for (const auto& statement : exchange.statements) {
    const auto& outcome = statement.outcome;
    out += "\n  statement" + Field("text", statement.text) +
           Field("ordinal", uint64_t{statement.ordinal}) +
           Field("message", uint64_t{statement.message}) +
           " status=" + event::Name(outcome.status) + Field("tag", outcome.tag) +
           Field("rows", outcome.rows) + Field("row_bytes", outcome.row_bytes) +
           Field("ordered", outcome.digest_ordered) + Field("unordered", outcome.digest_unordered) +
           Field("description", outcome.row_description) + Field("sqlstate", outcome.sqlstate) +
           Field("error", outcome.message) + Field("elapsed", outcome.elapsed_us);
    // What version 1 did not have is shown only where there is some.
    if (!outcome.values.empty()) out += Field("values", outcome.values);
  }
  for (const auto& sqlstate : exchange.notices) out += "\n  notice" + Field("sqlstate", sqlstate);
  for (const auto& [name, value] : exchange.parameter_changes) {
    out += "\n  parameter" + Field("name", name) + Field("value", value);
  }
  if (exchange.unasked_dropped > 0) out += "\n " + Field("dropped", exchange.unasked_dropped);
  return out;
}

std::string Body(const event::SessionEnd& end) {
  return "end session=" + Number(end.session) + Field("at", end.at_us) +
         " reason=" + Quoted(event::Name(end.reason)) + Field("exchanges", end.exchanges);
}

std::string Body(const event::Gap& gap) {
  return "gap session=" + Number(gap.session) + Field("from", gap.from_us) +
         Field("to", gap.to_us) + " reason=" + Quoted(event::Name(gap.reason)) +
         Field("exchanges", gap.exchanges) + Field("bytes", gap.bytes);
}

std::string Body(const event::Cancel& cancel) {
  return "cancel session=" + Number(cancel.session) + Field("at", cancel.at_us);
}

std::string Body(const event::Notification& notification) {
  return "notification session=" + Number(notification.session) + Field("at", notification.at_us) +
         Field("channel", notification.channel) + Field("payload", notification.payload) +
         Field("bytes", notification.payload_bytes) + Field("digest", notification.payload_digest) +
         Field("pid", uint64_t{notification.pid});
}

}  // namespace

Event RandomEvent(Random& random) {
  switch (random.Below(8)) {
    case 0: {
      event::SessionStart start;
      start.session = RandomSession(random);
      start.at_us = RandomTime(random);
      start.protocol = static_cast<uint32_t>(RandomNumber(random));
      start.parameters = RandomSettings(random);
      start.settings = RandomSettings(random);
      start.client = RandomText(random);
      start.backend_pid = static_cast<uint32_t>(RandomNumber(random));
      return start;
    }
    case 1:
      return event::SessionEnd{RandomSession(random), RandomTime(random),
                               event::EndReason{static_cast<uint8_t>(random.Below(4))},
                               RandomNumber(random)};
    case 2:
      return event::Gap{
          RandomSession(random), RandomTime(random),
          RandomTime(random),    event::GapReason{static_cast<uint8_t>(random.Below(6))},
          RandomNumber(random),  RandomNumber(random)};
    case 3:
      if (random.Below(2) == 0) return RandomNotification(random);
      return event::Cancel{RandomSession(random), RandomTime(random)};
    default:
      return RandomExchange(random);
  }
}

Events RandomEvents(uint64_t seed, size_t count) {
  Random random(seed);
  Events events;
  while (events.size() < count) events.push_back(RandomEvent(random));
  return events;
}

Event SmallExchange(uint64_t session, uint64_t index, base::Micros at_us) {
  event::Exchange exchange;
  exchange.session = SessionId{session};
  exchange.index = index;
  exchange.forwarded_us = at_us - 7;
  exchange.first_answer_us = at_us - 2;
  exchange.completed_us = at_us;
  exchange.status = 'I';
  const std::string text = "select " + std::to_string(index);
  exchange.messages.push_back({'Q', text + std::string(1, '\0'), "", ""});
  event::Statement statement;
  statement.text = text;
  statement.outcome.status = event::OutcomeStatus::kDone;
  statement.outcome.tag = "SELECT 1";
  statement.outcome.rows = 1;
  statement.outcome.row_bytes = 11;
  statement.outcome.digest_ordered = index * 3;
  statement.outcome.digest_unordered = index * 5;
  statement.outcome.elapsed_us = 7;
  exchange.statements.push_back(std::move(statement));
  return exchange;
}

Events PreparedStream(size_t count, uint64_t clients, bool distinct_results) {
  Random random(1);
  Events events;
  std::vector<uint64_t> indexes(clients);
  base::Micros now = 1'000'000;
  uint64_t commits = 0;
  const std::string name("P0_1\0", 5);
  const std::string text = "SELECT abalance FROM pgbench_accounts WHERE aid = $1;";
  for (size_t i = 0; i < count; ++i) {
    const uint64_t client = random.Below(clients);
    now += static_cast<base::Micros>(5 + random.Below(60));
    const auto latency = static_cast<base::Micros>(90 + random.Below(120) + random.Below(120));
    event::Exchange exchange;
    exchange.session = SessionId{client + 1};
    exchange.index = indexes[client]++;
    exchange.forwarded_us = now - latency;
    exchange.first_answer_us = now - static_cast<base::Micros>(random.Below(3));
    exchange.completed_us = now;
    exchange.commits_done = ++commits;
    exchange.commits_seen = commits - 1 - std::min<uint64_t>(commits - 1, random.Below(clients));
    exchange.status = 'I';
    const std::string aid = std::to_string(1 + random.Below(1'000'000));
    base::ByteWriter head;
    base::ByteWriter values;
    base::ByteWriter tail;
    head.CString("");
    head.Text(name);
    head.BigU16(0);
    head.BigU16(1);
    values.BigU32(static_cast<uint32_t>(aid.size()));
    values.Text(aid);
    tail.BigU16(1);
    tail.BigU16(0);
    exchange.messages.push_back({'B', head.Release(), values.Release(), tail.Release()});
    exchange.messages.push_back({'D', std::string("P\0", 2), "", ""});
    exchange.messages.push_back({'E', std::string("\0\0\0\0\0", 5), "", ""});
    exchange.messages.push_back({'S', "", "", ""});
    event::Statement statement;
    statement.text = text;
    statement.message = 2;
    statement.outcome.status = event::OutcomeStatus::kDone;
    statement.outcome.tag = "SELECT 1";
    statement.outcome.rows = 1;
    statement.outcome.row_bytes = distinct_results ? 8 + random.Below(4) : 7;
    statement.outcome.digest_ordered = distinct_results ? random.Next() : 0x1122334455667788;
    statement.outcome.digest_unordered = distinct_results ? random.Next() : 0x99aabbccddeeff00;
    base::ByteWriter description;
    description.BigU16(1);
    description.CString("abalance");
    description.BigU32(16394);
    description.BigU16(3);
    description.BigU32(23);
    description.BigU16(4);
    description.BigU32(0xffffffff);
    description.BigU16(0);
    statement.outcome.row_description = description.Release();
    statement.outcome.elapsed_us = latency;
    exchange.statements.push_back(std::move(statement));
    events.emplace_back(std::move(exchange));
  }
  return events;
}

event::SourceSnapshot SmallSnapshot() {
  event::SourceSnapshot snapshot;
  snapshot.server_version = 150014;
  snapshot.database = "shop";
  snapshot.wal_lsn = "0/16B3748";
  snapshot.settings = {{"TimeZone", "UTC"}, {"search_path", "\"$user\", public"}};
  snapshot.extensions = {{"plpgsql", "1.0"}};
  snapshot.sequences = {{"public", "orders_id_seq", -9223372036854775807 - 1, true, -2, 32},
                        {"public", "hidden_seq", std::nullopt, false, 1, 1}};
  snapshot.types = {{16390, "public", "mood", 'e', 0, 16389},
                    {16389, "public", "_mood", 'b', 16390, 0}};
  snapshot.relations = {{4294967295, "public", "orders", 'r', {"id", "", "näme \"q\""}, {}},
                        {16400, "public", "nothing", 'v', {}, {}}};
  snapshot.commits_at_start = 18446744073709551615U;
  snapshot.commits_at_end = 0;
  snapshot.rollbacks_at_start = 1;
  snapshot.complete = false;
  snapshot.notes = {"sequences: permission denied"};
  return snapshot;
}

std::string Dump(const Event& event) {
  return std::visit([](const auto& body) { return Body(body); }, event);
}

std::string Dump(const Events& events) {
  std::string out;
  for (const auto& event : events) out += Dump(event) + "\n";
  return out;
}

}  // namespace scry::querylog::test
