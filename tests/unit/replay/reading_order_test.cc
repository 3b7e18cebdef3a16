#include "replay/reading_order.h"

#include <map>
#include <vector>

#include "base/random.h"
#include "support/catch.h"

namespace scry::replay {
namespace {

ReadEvent ExchangeAt(uint64_t session, base::Micros forwarded_us, base::Micros completed_us,
                     uint64_t index = 0) {
  event::Exchange exchange;
  exchange.session = event::SessionId{session};
  exchange.index = index;
  exchange.forwarded_us = forwarded_us;
  exchange.completed_us = completed_us;
  ReadEvent read;
  read.event = std::move(exchange);
  read.weight = 100;
  return read;
}
ReadEvent Write(uint64_t session, base::Micros forwarded_us, base::Micros completed_us,
                uint64_t key) {
  ReadEvent read = ExchangeAt(session, forwarded_us, completed_us);
  read.footprint.touches = {{kFirstRelation, key, Mode::kUpdate}};
  return read;
}
ReadEvent Commit(uint64_t session, base::Micros forwarded_us, base::Micros completed_us,
                 uint64_t key, uint64_t index = 0) {
  ReadEvent read = ExchangeAt(session, forwarded_us, completed_us, index);
  read.footprint.releases = {{kFirstRelation, key, Mode::kUpdate}};
  read.only_ends = true;
  return read;
}
ReadEvent Report(uint64_t session, base::Micros forwarded_us, base::Micros completed_us) {
  ReadEvent read = ExchangeAt(session, forwarded_us, completed_us);
  read.footprint.touches = {{kFirstRelation, 0, Mode::kRead}};
  read.only_reads = true;
  return read;
}

struct Place {
  uint64_t session;
  uint64_t index;
};
std::vector<Place> Drain(ReadingOrder& order) {
  std::vector<Place> places;
  while (auto read = order.Next()) {
    const auto& exchange = std::get<event::Exchange>(read->event);
    places.push_back({static_cast<uint64_t>(exchange.session), exchange.index});
  }
  return places;
}

TEST_CASE("a bare commit comes before a writer that was answered while it ran", "[replay]") {
  ReadingOrder order(1 << 20);
  order.Add(Write(1, 50, 150, 7));    // A writer that waited for session 2's lock.
  order.Add(Commit(2, 100, 200, 7));  // The commit that let it go.
  order.End();
  CHECK(Drain(order).front().session == 2);
}

TEST_CASE("a writer that gave up waiting did so before the commit it waited for", "[replay]") {
  for (const char* state : {"55P03", "57014"}) {
    ReadingOrder order(1 << 20);
    ReadEvent write = Write(1, 50, 150, 7);
    event::Statement& statement = std::get<event::Exchange>(write.event).statements.emplace_back();
    statement.outcome.status = event::OutcomeStatus::kError;
    statement.outcome.sqlstate = state;
    order.Add(std::move(write));
    order.Add(Commit(2, 100, 200, 7));
    order.End();
    CHECK(Drain(order).front().session == 1);
  }
}

TEST_CASE("a commit that nobody needed stands where it was acknowledged", "[replay]") {
  ReadingOrder order(1 << 20);
  order.Add(Write(1, 50, 150, 8));
  order.Add(Report(3, 120, 160));
  order.Add(Commit(2, 100, 200, 7));
  order.End();
  CHECK(Drain(order).back().session == 2);
}

TEST_CASE("a long report stands where it began, a short query where it ended", "[replay]") {
  ReadingOrder order(1 << 20);
  order.Add(Commit(1, 100000, 100100, 7));
  order.Add(Report(2, 100050, 100200));
  order.Add(Report(3, 1000, 900000));
  order.End();
  const auto places = Drain(order);
  REQUIRE(places.size() == 3);
  CHECK(places[0].session == 3);
  CHECK(places[1].session == 1);
}

TEST_CASE("a snapshot stands behind the commit of a row that its transaction changed", "[replay]") {
  for (const uint64_t changed : {7U, 8U}) {
    ReadingOrder order(1 << 20);
    ReadEvent snapshot = Report(1, 1000, 1200);
    snapshot.takes_snapshot = true;
    order.Add(std::move(snapshot));
    order.Add(Commit(2, 1100, 1300, 7));
    ReadEvent change = Write(1, 1400, 1500, changed);
    std::get<event::Exchange>(change.event).status = 'T';
    std::get<event::Exchange>(change.event).index = 1;
    order.Add(std::move(change));
    order.End();
    const auto places = Drain(order);
    REQUIRE(places.size() == 3);
    CHECK(places[0].session == (changed == 7 ? 2U : 1U));
    CHECK(places[2].index == 1);
  }
}

TEST_CASE("a pipelined commit stays behind what it commits", "[replay]") {
  ReadingOrder order(1 << 20);
  order.Add(Write(1, 10, 100, 7));
  order.Add(Commit(1, 11, 101, 7, 1));  // Sent before the first was done.
  order.End();
  const auto places = Drain(order);
  REQUIRE(places.size() == 2);
  CHECK(places[0].index == 0);
  CHECK(places[1].index == 1);
}

TEST_CASE("no more is held back than allowed", "[replay]") {
  ReadingOrder order(1000);
  size_t out = 0;
  for (uint64_t i = 0; i < 100; ++i) {  // All at the same time: none is settled.
    order.Add(ExchangeAt(i + 1, 5, 5));
    out += Drain(order).size();
    CHECK(order.weight() <= 1000);
  }
  CHECK(out == 90);
  order.End();
  CHECK(Drain(order).size() == 10);
  CHECK(order.weight() == 0);
}

TEST_CASE("whatever the stamps, all comes out and sessions keep their order", "[replay]") {
  for (uint64_t seed = 1; seed <= 200; ++seed) {
    INFO("seed " << seed);
    base::Random random(seed);
    ReadingOrder order(4000);
    std::map<uint64_t, uint64_t> added;
    std::map<uint64_t, uint64_t> seen;
    size_t out = 0;
    const auto check = [&] {
      for (const Place& place : Drain(order)) {
        REQUIRE(seen[place.session]++ == place.index);
        ++out;
      }
    };
    for (int i = 0; i < 200; ++i) {
      const uint64_t session = 1 + random.Below(5);
      const auto stamp = [&] {
        const uint64_t bits = random.Below(3) == 0 ? random.Next() : random.Below(1000000);
        return static_cast<base::Micros>(bits);
      };
      const base::Micros forwarded_us = stamp();
      ReadEvent event = random.Below(4) == 0 ? Commit(session, forwarded_us, stamp(), 7)
                                             : Write(session, forwarded_us, stamp(), 7);
      std::get<event::Exchange>(event.event).index = added[session]++;
      event.only_reads = random.Below(4) == 0;
      event.takes_snapshot = random.Below(4) == 0;
      order.Add(std::move(event));
      check();
    }
    order.End();
    check();
    CHECK(out == 200);
    CHECK(order.weight() == 0);
  }
}

}  // namespace
}  // namespace scry::replay
