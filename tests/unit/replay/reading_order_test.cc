#include "replay/reading_order.h"

#include <algorithm>
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

TEST_CASE("the victim of a deadlock comes before whoever got its locks", "[replay]") {
  for (const bool lost : {false, true}) {
    ReadingOrder order(1 << 20);
    order.Add(Write(1, 50, 150, 7));
    ReadEvent victim = Commit(2, 40, 200, 7);
    victim.only_ends = false;
    victim.lost_race = lost;
    order.Add(std::move(victim));
    order.End();
    CHECK(Drain(order).front().session == (lost ? 2U : 1U));
  }
}

TEST_CASE("the victim of a deadlock held its locks to the end though others got what it asked for",
          "[replay]") {
  ReadingOrder order(1 << 20);
  order.Add(Write(1, 50, 150, 8));
  ReadEvent victim = Commit(2, 40, 200, 7);
  victim.footprint.releases.push_back({kFirstRelation, 8, Mode::kUpdate});
  victim.footprint.touches = {{kFirstRelation, 8, Mode::kUpdate}};
  victim.only_ends = false;
  victim.lost_race = true;
  order.Add(std::move(victim));
  order.End();
  CHECK(Drain(order).front().session == 1);
}

TEST_CASE("what failed comes before whoever got what its transaction had held", "[replay]") {
  for (const uint64_t held : {7U, 8U}) {
    ReadingOrder order(1 << 20);
    order.Add(Write(1, 50, 150, 7));
    ReadEvent failed = Commit(2, 40, 200, held);
    failed.only_ends = false;
    std::get<event::Exchange>(failed.event).status = 'E';
    // What it asked for itself it may have waited for.
    failed.footprint.touches = {{kFirstRelation, 8, Mode::kUpdate}};
    order.Add(std::move(failed));
    order.End();
    CHECK(Drain(order).front().session == (held == 7 ? 2U : 1U));
  }
}

TEST_CASE("a commit comes before an INSERT that met a row while it ran", "[replay]") {
  for (const char* state : {"23505", ""}) {
    ReadingOrder order(1 << 20);
    ReadEvent insert = ExchangeAt(1, 50, 150);
    insert.footprint.touches = {{kFirstRelation, 0, Mode::kInsert}};
    event::Statement& statement = std::get<event::Exchange>(insert.event).statements.emplace_back();
    statement.outcome.status = event::OutcomeStatus::kError;
    statement.outcome.sqlstate = state;
    order.Add(std::move(insert));
    ReadEvent commit = Commit(2, 100, 200, 7);
    commit.footprint.releases = {{kFirstRelation, 0, Mode::kInsert}};
    order.Add(std::move(commit));
    order.End();
    CHECK(Drain(order).front().session == (*state == '2' ? 2U : 1U));
  }
}

TEST_CASE("a commit comes before an INSERT of a key that it let go, and of no other", "[replay]") {
  for (const bool met : {true, false}) {
    for (const uint64_t key : {7U, 8U}) {
      ReadingOrder order(1 << 20);
      ReadEvent insert = ExchangeAt(1, 50, 150);
      insert.footprint.touches = {{kFirstRelation, key, Mode::kInsert}};
      event::Statement& statement =
          std::get<event::Exchange>(insert.event).statements.emplace_back();
      statement.outcome.status = met ? event::OutcomeStatus::kError : event::OutcomeStatus::kDone;
      if (met) statement.outcome.sqlstate = "23505";
      order.Add(std::move(insert));
      ReadEvent commit = Commit(2, 100, 200, 9);
      commit.footprint.releases = {{kFirstRelation, 7, met ? Mode::kInsert : Mode::kDelete}};
      order.Add(std::move(commit));
      order.End();
      CHECK(Drain(order).front().session == (key == 7 ? 2U : 1U));
    }
  }
}

TEST_CASE("an INSERT that met a row comes before a change of it that was not committed",
          "[replay]") {
  for (const bool committed : {false, true}) {
    ReadingOrder order(1 << 20);
    ReadEvent change = Write(1, 90, 120, 7);
    std::get<event::Exchange>(change.event).status = 'T';
    order.Add(std::move(change));
    if (committed) order.Add(Commit(1, 125, 130, 7, 1));
    ReadEvent insert = ExchangeAt(2, 80, 150);
    insert.footprint.touches = insert.footprint.releases = {{kFirstRelation, 7, Mode::kInsert}};
    auto& exchange = std::get<event::Exchange>(insert.event);
    exchange.status = 'E';
    event::Statement& statement = exchange.statements.emplace_back();
    statement.outcome.status = event::OutcomeStatus::kError;
    statement.outcome.sqlstate = "23505";
    order.Add(std::move(insert));
    order.End();
    CHECK(Drain(order).front().session == (committed ? 1U : 2U));
  }
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

// Of a transaction that deleted the row of `key` and inserted rows.
ReadEvent Replacement(uint64_t session, base::Micros forwarded_us, base::Micros completed_us,
                      uint64_t key) {
  ReadEvent read = Commit(session, forwarded_us, completed_us, key);
  read.footprint.releases = {{kFirstRelation, key, Mode::kDelete},
                             {kFirstRelation, 0, Mode::kInsert}};
  return read;
}
ReadEvent Tagged(ReadEvent read, const char* tag) {
  event::Statement& statement = std::get<event::Exchange>(read.event).statements.emplace_back();
  statement.outcome.status = event::OutcomeStatus::kDone;
  statement.outcome.tag = tag;
  return read;
}
bool LostItsRow(std::vector<ReadEvent> events) {
  ReadingOrder order(1 << 20);
  for (ReadEvent& event : events) order.Add(std::move(event));
  order.End();
  bool lost = false;
  while (const auto read = order.Next()) lost |= read->lost_race;
  return lost;
}

TEST_CASE("a write that found nothing lost its row to one who replaced it meanwhile", "[replay]") {
  for (const char* tag : {"UPDATE 0", "DELETE 0", "SELECT 0"}) {
    // Whoever is answered first.
    CHECK(LostItsRow({Replacement(2, 100, 140, 7), Tagged(Write(1, 50, 150, 7), tag)}));
    CHECK(LostItsRow({Tagged(Write(1, 50, 150, 7), tag), Replacement(2, 100, 200, 7)}));
  }
  CHECK_FALSE(LostItsRow({Replacement(2, 100, 140, 7), Tagged(Write(1, 50, 150, 7), "UPDATE 1")}));
  CHECK_FALSE(LostItsRow({Replacement(2, 100, 140, 8), Tagged(Write(1, 50, 150, 7), "UPDATE 0")}));
  // It may have done something else.
  ReadEvent both = Tagged(Write(1, 50, 150, 7), "UPDATE 0");
  both.footprint.touches.push_back({kFirstRelation + 1, 0, Mode::kInsert});
  CHECK_FALSE(LostItsRow({Replacement(2, 100, 140, 7), std::move(both)}));
  // Not at the same time.
  CHECK_FALSE(LostItsRow({Replacement(2, 10, 40, 7), Tagged(Write(1, 50, 150, 7), "UPDATE 0")}));
  CHECK_FALSE(LostItsRow({Tagged(Write(1, 50, 150, 7), "UPDATE 0"), Replacement(2, 160, 200, 7)}));
  // Only deleted: it finds nothing again.
  CHECK_FALSE(LostItsRow({Commit(2, 100, 140, 7), Tagged(Write(1, 50, 150, 7), "UPDATE 0")}));
}

TEST_CASE("a lock that was not to be had is lost where its commit comes before", "[replay]") {
  const auto loses = [](base::Micros answered_us, uint64_t key) {
    ReadEvent nowait = Tagged(Write(1, 50, answered_us, key), "");
    auto& outcome = std::get<event::Exchange>(nowait.event).statements.front().outcome;
    outcome.status = event::OutcomeStatus::kError;
    outcome.sqlstate = "55P03";
    nowait.passes_locks = true;
    ReadEvent commit = Commit(2, 100, 200, 7);
    commit.footprint.releases.push_back({kFirstRelation, 8, Mode::kUpdate});
    std::vector<ReadEvent> events;
    events.push_back(Write(3, 40, 150, 7));  // Had waited for the commit.
    events.push_back(std::move(nowait));
    events.push_back(std::move(commit));
    return LostItsRow(std::move(events));
  };
  CHECK(loses(160, 8));
  CHECK_FALSE(loses(160, 9));
  CHECK_FALSE(loses(140, 8));  // It stands before the commit.
}

TEST_CASE("a row is lost to a commit that others had needed before", "[replay]") {
  ReadEvent commit = Replacement(2, 20, 140, 7);
  commit.footprint.releases.push_back({kFirstRelation, 9, Mode::kUpdate});
  // Places the commit before the write was sent.
  CHECK(LostItsRow(
      {Write(3, 10, 30, 9), std::move(commit), Tagged(Write(1, 50, 150, 7), "UPDATE 0")}));
}

TEST_CASE("who lost to a statement that commits itself stands behind it though answered first",
          "[replay]") {
  // Sent at 100, answered at 20,200.
  const auto winner_first = [](ReadEvent loser, Mode mode = Mode::kUpdate) {
    ReadEvent winner = Tagged(ExchangeAt(2, 100, 20'200), "UPDATE 1");
    winner.footprint.touches = winner.footprint.releases = {{kFirstRelation, 7, mode}};
    ReadingOrder order(1 << 20);
    order.Add(std::move(loser));
    order.Add(std::move(winner));
    order.End();
    return Drain(order).front().session == 2;
  };
  for (const char* tag : {"UPDATE 0", "DELETE 0", "SELECT 0"}) {
    CHECK(winner_first(Tagged(Write(1, 50, 20'150, 7), tag)));
    CHECK_FALSE(winner_first(Tagged(Write(1, 50, 20'150, 8), tag)));
    CHECK_FALSE(winner_first(Tagged(Write(1, 50, 10'150, 7), tag)));  // Long before.
  }
  CHECK_FALSE(winner_first(Tagged(Write(1, 50, 20'150, 7), "UPDATE 1")));
  ReadEvent insert = Tagged(ExchangeAt(1, 50, 20'150), "INSERT 0 0");
  insert.footprint.touches = {{kFirstRelation, 7, Mode::kInsert}};
  CHECK(winner_first(insert, Mode::kInsert));
  CHECK_FALSE(winner_first(Tagged(insert, "INSERT 0 1"), Mode::kInsert));
  auto& outcome = std::get<event::Exchange>(insert.event).statements.front().outcome;
  outcome.status = event::OutcomeStatus::kError;
  outcome.tag.clear();
  outcome.sqlstate = "23505";
  CHECK(winner_first(insert, Mode::kInsert));
  outcome.sqlstate = "23502";
  CHECK_FALSE(winner_first(insert, Mode::kInsert));
}

TEST_CASE("nobody else changes places for one who lost", "[replay]") {
  for (const bool went_on : {false, true}) {
    ReadingOrder order(1 << 20);
    order.Add(Tagged(Write(1, 50, 150, 7), "UPDATE 0"));
    order.Add(Tagged(Write(3, 160, 180, 7), "SELECT 1"));  // Saw the row as it was before.
    if (went_on) order.Add(ExchangeAt(1, 160, 190, 1));
    ReadEvent winner = Tagged(Write(2, 100, 200, 7), "UPDATE 1");
    winner.footprint.releases = winner.footprint.touches;
    order.Add(std::move(winner));
    order.End();
    std::vector<uint64_t> sessions;
    for (const Place& place : Drain(order)) sessions.push_back(place.session);
    const auto expected =
        went_on ? std::vector<uint64_t>{1, 3, 1, 2} : std::vector<uint64_t>{3, 2, 1};
    CHECK(sessions == expected);
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

TEST_CASE("what can be read again comes before all that was under way", "[replay]") {
  ReadingOrder order(1 << 20);
  order.Add(Commit(1, 1000, 1100, 7));
  ReadEvent read = Report(2, 1050, 1200);
  read.rereadable = true;
  order.Add(std::move(read));
  order.End();
  CHECK(Drain(order).front().session == 2);
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

TEST_CASE("an unlock comes before whoever waited for it, not before who gave up", "[replay]") {
  for (const bool gave_up : {false, true}) {
    ReadingOrder order(1 << 20);
    ReadEvent lock = ExchangeAt(1, 50, 150);
    lock.footprint.touches = {{kAdvisoryLocks, 0, Mode::kUpdate}};
    lock.passes_locks = gave_up;
    order.Add(std::move(lock));
    ReadEvent unlock = ExchangeAt(2, 100, 200);
    unlock.footprint.touches = unlock.footprint.releases = {{kAdvisoryLocks, 0, Mode::kUpdate}};
    unlock.only_unlocks = true;
    order.Add(std::move(unlock));
    order.End();
    CHECK(Drain(order).front().session == (gave_up ? 1U : 2U));
  }
}

// A SERIALIZABLE transaction of three: it reads all, changes one row, commits.
ReadEvent Serializable(ReadEvent event, uint64_t index, char status) {
  event.serializable = true;
  auto& exchange = std::get<event::Exchange>(event.event);
  exchange.index = index;
  exchange.status = static_cast<uint8_t>(status);
  return event;
}
ReadEvent Snapshot(uint64_t session, base::Micros forwarded_us, base::Micros completed_us) {
  ReadEvent snapshot = Serializable(Report(session, forwarded_us, completed_us), 0, 'T');
  snapshot.takes_snapshot = true;
  return snapshot;
}
size_t PlaceOf(const std::vector<Place>& places, uint64_t session, uint64_t index) {
  return static_cast<size_t>(
      std::find_if(places.begin(), places.end(),
                   [&](const Place& one) { return one.session == session && one.index == index; }) -
      places.begin());
}

TEST_CASE("of two serializable transactions that crossed, one had seen the other", "[replay]") {
  for (const bool crossed : {true, false}) {
    ReadingOrder order(1 << 20);
    order.Add(Snapshot(2, 100, 200));
    order.Add(Serializable(Write(2, 300, 400, 7), 1, 'T'));
    order.Add(Snapshot(1, 1000, 1200));  // The commit of the first is under way.
    ReadEvent commit = Serializable(Commit(2, 900, 1300, 7), 2, 'I');
    commit.serializable = crossed;
    order.Add(std::move(commit));
    order.Add(Serializable(Write(1, 1400, 1500, 8), 1, 'T'));
    order.Add(Serializable(Commit(1, 1600, 1700, 8), 2, 'I'));
    order.End();
    const auto places = Drain(order);
    CHECK((PlaceOf(places, 1, 0) > PlaceOf(places, 2, 2)) == crossed);
    CHECK(PlaceOf(places, 1, 1) > PlaceOf(places, 1, 0));
  }
}

TEST_CASE("who failed to serialize had not seen the commit in its way", "[replay]") {
  for (const bool explained : {false, true}) {
    ReadingOrder order(1 << 20);
    order.Add(Commit(2, 1000, 1100, 7));
    order.Add(Snapshot(1, 1050, 1200));
    if (explained) order.Add(Commit(3, 1300, 1350, 7));
    ReadEvent failure = Serializable(Write(1, 1400, 1500, 7), 1, 'E');
    auto& statements = std::get<event::Exchange>(failure.event).statements;
    statements.resize(1);
    statements[0].outcome.sqlstate = "40001";
    order.Add(std::move(failure));
    order.End();
    const auto places = Drain(order);
    CHECK((PlaceOf(places, 1, 0) < PlaceOf(places, 2, 0)) == !explained);
  }
}

TEST_CASE("takers from a queue stand in the order of what they took", "[replay]") {
  for (const int64_t direction : {1, -1}) {
    ReadingOrder order(1 << 20);
    const auto take = [&](uint64_t session, base::Micros from_us, base::Micros to_us) {
      ReadEvent event = ExchangeAt(session, from_us, to_us);
      event.footprint.touches = {{kFirstRelation, 0, Mode::kDelete}};
      event.passes_locks = true;
      event.queues = {kFirstRelation};
      std::get<event::Exchange>(event.event).status = 'T';
      order.Add(std::move(event));
    };
    const auto took = [&](uint64_t session, base::Micros at_us, int64_t key) {
      ReadEvent event = ExchangeAt(session, at_us, at_us + 5, 1);
      event.rows = {{kFirstRelation, direction * key}};
      std::get<event::Exchange>(event.event).status = 'T';
      order.Add(std::move(event));
    };
    // Until the direction is known.
    for (uint64_t i = 0; i < 6; ++i) {
      const auto at_us = static_cast<base::Micros>(100 * i);
      take(10 + i, at_us, at_us + 10);
      took(10 + i, at_us + 20, static_cast<int64_t>(i));
    }
    take(1, 1010, 1100);  // The last of three, and answered first.
    take(2, 1000, 1110);
    take(3, 1005, 1120);
    took(1, 1200, 22);
    took(2, 1210, 20);
    took(3, 1220, 21);
    order.End();
    const auto places = Drain(order);
    CHECK(PlaceOf(places, 2, 0) < PlaceOf(places, 3, 0));
    CHECK(PlaceOf(places, 3, 0) < PlaceOf(places, 1, 0));
    CHECK(PlaceOf(places, 1, 0) < PlaceOf(places, 1, 1));
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
        const uint64_t bits =
            random.Below(3) == 0 ? random.Next() : random.Below(seed % 2 == 0 ? 1000000 : 10000);
        return static_cast<base::Micros>(bits);
      };
      const base::Micros forwarded_us = stamp();
      ReadEvent event = random.Below(4) == 0 ? Commit(session, forwarded_us, stamp(), 7)
                                             : Write(session, forwarded_us, stamp(), 7);
      std::get<event::Exchange>(event.event).index = added[session]++;
      event.only_reads = random.Below(4) == 0;
      event.takes_snapshot = random.Below(4) == 0;
      event.serializable = random.Below(2) == 0;
      if (random.Below(4) == 0) event.queues = {kFirstRelation};
      if (random.Below(2) == 0) {
        event.rows = {{kFirstRelation, static_cast<int64_t>(random.Below(100))}};
      }
      auto& exchange = std::get<event::Exchange>(event.event);
      exchange.status = static_cast<uint8_t>("TTTIE"[random.Below(5)]);
      if (exchange.status == 'E') {
        exchange.statements.resize(1);
        exchange.statements[0].outcome.sqlstate = "40001";
      } else if (!event.only_ends && random.Below(2) == 0) {
        const bool wins = exchange.status == 'I' && random.Below(2) == 0;
        if (wins) event.footprint.releases = event.footprint.touches;
        event = Tagged(std::move(event), wins ? "UPDATE 1" : "UPDATE 0");
      }
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
