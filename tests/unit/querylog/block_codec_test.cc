#include "querylog/block_codec.h"

#include <string>
#include <utility>
#include <variant>

#include "querylog/format.h"
#include "querylog/frame.h"
#include "querylog/segment_writer.h"
#include "support/catch.h"
#include "unit/querylog/events.h"

namespace scry::querylog {
namespace {

using test::Dump;
using test::Events;

std::string Encode(const Events& events) {
  BlockEncoder encoder;
  for (const auto& event : events) encoder.Add(event);
  CHECK(encoder.events() == events.size());
  const size_t bound = encoder.raw_bytes();
  std::string raw = encoder.Finish();
  CHECK(raw.size() <= bound);
  CHECK(encoder.empty());
  return raw;
}

// What can be decoded, and whether that was all.
std::pair<Events, bool> Decode(std::string raw, uint64_t count, uint32_t version = kFormatVersion) {
  Events events;
  auto decoder = BlockDecoder::Open(std::move(raw), count, version);
  if (!decoder.ok()) return {events, false};
  for (;;) {
    auto next = (*decoder)->Next();
    if (!next.ok()) return {events, false};
    if (!next->has_value()) return {events, true};
    events.push_back(std::move(**next));
  }
}

TEST_CASE("every field of random hostile events comes back from a block", "[querylog]") {
  for (uint64_t seed = 1; seed <= 300; ++seed) {
    const Events events = test::RandomEvents(seed, 1 + seed % 60);
    const auto [decoded, complete] = Decode(Encode(events), events.size());
    INFO("seed " << seed);
    REQUIRE(complete);
    REQUIRE(Dump(decoded) == Dump(events));
  }
}

TEST_CASE("an encoder that has finished a block starts the next one from nothing", "[querylog]") {
  BlockEncoder encoder;
  for (uint64_t seed = 1; seed <= 5; ++seed) {
    const Events events = test::RandomEvents(seed, 20);
    for (const auto& event : events) encoder.Add(event);
    const auto [decoded, complete] = Decode(encoder.Finish(), events.size());
    REQUIRE(complete);
    REQUIRE(Dump(decoded) == Dump(events));
  }
}

TEST_CASE("a huge parameter and a huge text come back", "[querylog]") {
  event::Exchange exchange;
  const std::string huge(20 << 20, 'v');
  exchange.messages.push_back({'d', "", huge, ""});
  exchange.messages.push_back({'Q', huge + std::string(1, '\0'), "", ""});
  event::Statement statement;
  statement.text = huge;
  statement.message = 1;
  exchange.statements.push_back(statement);
  const auto [decoded, complete] = Decode(Encode({exchange}), 1);
  REQUIRE(complete);
  REQUIRE(decoded.size() == 1);
  CHECK(std::get<event::Exchange>(decoded[0]).messages == exchange.messages);
  CHECK(std::get<event::Exchange>(decoded[0]).statements == exchange.statements);
}

TEST_CASE("a summary counts events per session and spans all moments", "[querylog]") {
  BlockEncoder encoder;
  encoder.Add(test::SmallExchange(7, 0, 500));
  encoder.Add(test::SmallExchange(3, 0, 400));
  encoder.Add(test::SmallExchange(7, 1, 600));
  encoder.Add(event::Gap{event::SessionId::kNone, 900, 100, event::GapReason::kQueueFull, 1, 2});
  const BlockSummary summary = encoder.Summary();
  CHECK(summary.events == 4);
  CHECK(summary.first_us == 100);
  CHECK(summary.last_us == 900);
  CHECK(summary.sessions == std::vector<std::pair<uint64_t, uint64_t>>{{0, 1}, {3, 1}, {7, 2}});
}

TEST_CASE("a prepared statement repeated costs at most 25 bytes an exchange, compressed",
          "[querylog]") {
  for (const bool distinct : {true, false}) {
    const Events events = test::PreparedStream(20000, 8, distinct);
    const std::string raw = Encode(events);
    for (const int level : {1, 3}) {
      const std::string stored = Compressor(level).Compress(raw);
      const double bytes = static_cast<double>(stored.size()) / static_cast<double>(events.size());
      INFO("prepared select, " << (distinct ? "all rows distinct" : "one row over and over")
                               << ", zstd -" << level << ": " << bytes << " bytes an exchange, raw "
                               << raw.size() / events.size());
      CHECK(bytes <= 25.0);
    }
  }
}

// --- Error paths
// -----------------------------------------------------------------------------------

TEST_CASE("a block cut at any byte is refused, not misread", "[querylog]") {
  const Events events = test::RandomEvents(4, 5);
  const std::string raw = Encode(events);
  for (size_t size = 0; size < raw.size(); ++size) {
    const auto [decoded, complete] = Decode(raw.substr(0, size), events.size());
    REQUIRE_FALSE(complete);
  }
}

TEST_CASE("a wrong number of events is noticed", "[querylog]") {
  const Events events = test::RandomEvents(5, 12);
  const std::string raw = Encode(events);
  CHECK_FALSE(Decode(raw, events.size() + 1).second);
  CHECK_FALSE(Decode(raw, events.size() - 1).second);
}

TEST_CASE("a block with any byte changed ends in an error or in events, never elsewhere",
          "[querylog]") {
  const Events events = test::RandomEvents(6, 12);
  const std::string raw = Encode(events);
  base::Random random(6);
  // A long text in the block is as good as a short one: some thousand places are enough.
  for (size_t at = 0; at < raw.size(); at += 1 + raw.size() / 4000) {
    std::string bad = raw;
    bad[at] = static_cast<char>(bad[at] ^ static_cast<char>(1 + random.Below(255)));
    const auto [decoded, complete] = Decode(std::move(bad), events.size());
    REQUIRE(decoded.size() <= events.size());
  }
}

TEST_CASE("a small block that would expand without limit is refused", "[querylog]") {
  // One text of 1 MiB, used by 100 messages of one exchange: 100 MiB, over what one event may take.
  event::Exchange exchange;
  for (int i = 0; i < 100; ++i)
    exchange.messages.push_back({'Q', std::string(1 << 20, 't'), "", ""});
  CHECK(EventBytes(exchange) > kEventBytesMax);
  BlockEncoder encoder;
  encoder.Add(exchange);
  const auto [decoded, complete] = Decode(encoder.Finish(), 1);
  CHECK_FALSE(complete);
  CHECK(decoded.empty());
}

TEST_CASE("the statements of one Query hold its text once", "[querylog]") {
  event::Exchange exchange;
  exchange.messages.emplace_back().type = 'Q';
  const base::SharedText text(std::string(100U << 10, 's'));
  exchange.messages[0].head = text.str() + '\0';
  for (uint32_t i = 0; i < 1000; ++i) {
    event::Statement& statement = exchange.statements.emplace_back();
    statement.text = text;
    statement.ordinal = i;
  }
  CHECK(EventBytes(exchange) < (1U << 20));
  event::Exchange other = exchange;  // Said by a message that is not kept.
  other.messages.clear();
  const Events events = {exchange, other};
  const auto [decoded, complete] = Decode(Encode(events), events.size());
  REQUIRE(complete);
  REQUIRE(decoded.size() == 2);
  for (const event::Event& one : decoded) {
    const auto& statements = std::get<event::Exchange>(one).statements;
    REQUIRE(statements.size() == 1000);
    CHECK(statements.front().text == text);
    CHECK(statements.back().text.SharesWith(statements.front().text));
    CHECK(event::WeightBytes(one) < (1U << 20));
  }
}

TEST_CASE("a text that too many statements share is refused", "[querylog]") {
  event::Exchange exchange;
  const base::SharedText text(std::string(1U << 20, 's'));
  for (uint32_t i = 0; i < 257; ++i) exchange.statements.emplace_back().text = text;
  CHECK(EventBytes(exchange) < kEventBytesMax);
  CHECK(TextReads(exchange) > kTextReadsMax);
  CHECK_FALSE(BlockPacker::Fits(exchange));
  CHECK_FALSE(Decode(Encode({exchange}), 1).second);
  exchange.statements.pop_back();
  CHECK(BlockPacker::Fits(exchange));
  CHECK(Decode(Encode({exchange}), 1).second);
}

TEST_CASE("equal texts are held once, whichever way a block tells them", "[querylog]") {
  event::Exchange exchange;
  const std::string text(1U << 20, 's');
  for (uint32_t i = 0; i < 20; ++i) {
    exchange.messages.emplace_back().type = i % 2 == 0 ? 'Q' : 'E';
    event::Statement& statement = exchange.statements.emplace_back();
    statement.message = i;
    statement.text = text;
  }
  exchange.messages[0].head = text + '\0';
  const auto [decoded, complete] = Decode(Encode({exchange}), 1);
  REQUIRE(complete);
  CHECK(event::WeightBytes(decoded[0]) < 3 * text.size());
  CHECK(Dump(decoded) == Dump(Events{exchange}));
}

TEST_CASE("kept rows, notices and parameter changes count against what an event may take",
          "[querylog]") {
  event::Exchange plain = std::get<event::Exchange>(test::SmallExchange(1, 0, 10));
  const uint64_t before = EventBytes(plain);
  plain.statements[0].outcome.values = std::string(1000, 'v');
  plain.notices = {"01000", "00000"};
  plain.parameter_changes = {{"TimeZone", "UTC"}};
  CHECK(EventBytes(plain) == before + 1000 + 2 * (kNoticeWeight + 5) + kSettingWeight + 11);
  event::Notification told;
  told.channel = "orders";
  told.payload = "17";
  CHECK(EventBytes(told) == 8);
}

TEST_CASE("a small block whose notices would expand without limit is refused", "[querylog]") {
  event::Exchange exchange;
  exchange.notices.assign(100, std::string(1 << 20, 'n'));
  CHECK(EventBytes(exchange) > kEventBytesMax);
  BlockEncoder encoder;
  encoder.Add(exchange);
  CHECK_FALSE(Decode(encoder.Finish(), 1).second);
}

TEST_CASE("a block of this version is no block of version 1, and the reverse", "[querylog]") {
  const Events events = test::RandomEvents(7, 12);
  CHECK_FALSE(Decode(Encode(events), events.size(), 1).second);
  // Without the streams of version 2 there is nothing to read them from.
  const std::string raw = Encode({test::SmallExchange(1, 0, 10)});
  constexpr size_t kNewStreams = kStreamCount - kStreamCountVersion1;
  // Of these, two have one byte: the size of rows and that nothing was unasked.
  const std::string cut = raw.substr(0, raw.size() - kNewStreams - 2);
  CHECK(Decode(cut, 1, 1).second);
  CHECK_FALSE(Decode(cut, 1, 2).second);
}

TEST_CASE("version 1 knows no notifications", "[querylog]") {
  const std::string raw = Encode({event::Cancel{event::SessionId{1}, 5}});
  std::string cut = raw.substr(0, raw.size() - (kStreamCount - kStreamCountVersion1));
  REQUIRE(Decode(cut, 1, 1).second);
  REQUIRE(cut.substr(0, 2) == std::string("\1\4", 2));  // The stream of kinds.
  cut[1] = 5;
  CHECK_FALSE(Decode(cut, 1, 1).second);
}

}  // namespace
}  // namespace scry::querylog
