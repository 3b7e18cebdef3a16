#include "replay/commit_order.h"

#include <algorithm>
#include <set>
#include <vector>

#include "base/random.h"
#include "support/catch.h"

namespace scry::replay {
namespace {

constexpr ObjectId kTable = kFirstRelation;
constexpr ObjectId kOther = kFirstRelation + 1;

Footprint Touches(std::vector<Access> accesses) { return {std::move(accesses), {}, false}; }
Footprint Releases(std::vector<Access> accesses) { return {{}, std::move(accesses), false}; }
Footprint Alone(Access access) { return {{access}, {access}, false}; }  // A transaction by itself.

// May the second start before the first is done?
bool Waits(const Footprint& first, const Footprint& second) {
  CommitOrder order;
  const auto before = order.Admit(first);
  const auto after = order.Admit(second);
  CHECK(order.MayStart(before));
  const bool waits = !order.MayStart(after);
  order.Done(before);
  CHECK(order.MayStart(after));
  return waits;
}

TEST_CASE("a reader waits for the commits before it on what it reads", "[replay]") {
  const auto commit = Releases({{kTable, 0, Mode::kUpdate}});
  CHECK(Waits(commit, Touches({{kTable, 0, Mode::kRead}})));
  CHECK(Waits(commit, Touches({{kTable, 7, Mode::kRead}})));
  CHECK(Waits(commit, Touches({{kEverything, 0, Mode::kRead}})));
  CHECK_FALSE(Waits(commit, Touches({{kOther, 0, Mode::kRead}})));
  CHECK_FALSE(Waits(Touches({{kTable, 0, Mode::kUpdate}}), Touches({{kTable, 0, Mode::kRead}})));
}

TEST_CASE("a commit waits for the readers before it", "[replay]") {
  const auto commit = Releases({{kTable, 7, Mode::kUpdate}});
  CHECK(Waits(Touches({{kTable, 7, Mode::kRead}}), commit));
  CHECK(Waits(Touches({{kTable, 0, Mode::kRead}}), commit));
  CHECK(Waits(Touches({{kEverything, 0, Mode::kRead}}), commit));
  CHECK_FALSE(Waits(Touches({{kTable, 8, Mode::kRead}}), commit));
  CHECK_FALSE(Waits(Touches({{kOther, 0, Mode::kRead}}), commit));
}

TEST_CASE("writers of the same rows keep their order, others run side by side", "[replay]") {
  const auto update = [](uint64_t key) { return Touches({{kTable, key, Mode::kUpdate}}); };
  CHECK(Waits(update(7), update(7)));
  CHECK(Waits(update(7), update(0)));
  CHECK(Waits(update(0), update(7)));
  CHECK_FALSE(Waits(update(7), update(8)));
  CHECK(Waits(update(7), Touches({{kEverything, 0, Mode::kUpdate}})));
  CHECK(Waits(Touches({{kEverything, 0, Mode::kUpdate}}), update(7)));
}

TEST_CASE("rows appended without a key never wait for each other", "[replay]") {
  const Access append{kTable, 0, Mode::kAppend};
  CHECK_FALSE(Waits(Alone(append), Alone(append)));
  CHECK(Waits(Alone(append), Touches({{kTable, 0, Mode::kRead}})));
  const Access insert{kTable, 0, Mode::kInsert};
  CHECK(Waits(Alone(insert), Alone(insert)));
  CHECK_FALSE(Waits(Touches({insert}), Touches({{kTable, 7, Mode::kUpdate}})));
  CHECK(Waits(Touches({insert}), Touches({{kTable, 0, Mode::kUpdate}})));
}

TEST_CASE("a foreign key's lock keeps deletes out and nothing else", "[replay]") {
  const auto share = Touches({{kTable, 0, Mode::kKeyShare}});
  CHECK_FALSE(Waits(share, share));
  CHECK_FALSE(Waits(share, Touches({{kTable, 7, Mode::kUpdate}})));
  CHECK(Waits(share, Touches({{kTable, 7, Mode::kDelete}})));
  CHECK(Waits(Releases({{kTable, 0, Mode::kKeyShare}}), Touches({{kTable, 7, Mode::kDelete}})));
  CHECK_FALSE(Waits(Releases({{kTable, 0, Mode::kKeyShare}}), share));
}

TEST_CASE("what takes a whole relation is alone on it, and only there", "[replay]") {
  const Access lock{kTable, 0, Mode::kTable};
  for (const Mode mode : {Mode::kRead, Mode::kAppend, Mode::kInsert, Mode::kKeyShare, Mode::kUpdate,
                          Mode::kDelete, Mode::kTable}) {
    const Access row{kTable, mode == Mode::kAppend ? 0u : 7u, mode};
    CHECK(Waits(Touches({lock}), Touches({row})));
    CHECK(Waits(Touches({row}), Touches({lock})));
    CHECK(Waits(Releases({lock}), Touches({row})));
    if (mode != Mode::kRead) CHECK(Waits(Releases({row}), Touches({lock})));
    CHECK_FALSE(Waits(Alone(lock), Touches({{kOther, row.key, mode}})));
  }
}

TEST_CASE("a barrier is alone", "[replay]") {
  Footprint barrier;
  barrier.barrier = true;
  const auto read = Touches({{kTable, 7, Mode::kRead}});
  CHECK(Waits(read, barrier));
  CHECK(Waits(barrier, read));
  CHECK(Waits(barrier, barrier));
}

TEST_CASE("what touches nothing waits for nothing", "[replay]") {
  CommitOrder order;
  CHECK(order.Admit({}) == 0);
  CHECK(order.MayStart(0));
  order.Done(0);
}

TEST_CASE("what is done twice counts once, and in any order", "[replay]") {
  CommitOrder order;
  const auto update = Touches({{kTable, 7, Mode::kUpdate}});
  const auto first = order.Admit(update);
  const auto second = order.Admit(update);
  const auto third = order.Admit(update);
  order.Done(second);
  order.Done(second);
  CHECK_FALSE(order.MayStart(third));
  order.Done(first);
  CHECK(order.MayStart(third));
  CHECK(order.TakeFreed() == std::vector<CommitOrder::Ticket>{third});
  CHECK(order.TakeFreed().empty());
}

// --- The order against its definition, pair by pair.

bool Overlap(const Access& a, const Access& b) {
  if (a.object == kEverything || b.object == kEverything) return true;
  return a.object == b.object && (a.key == 0 || b.key == 0 || a.key == b.key);
}
bool Changes(Mode mode) { return mode == Mode::kUpdate || mode == Mode::kDelete; }
bool Reads(Mode mode) {
  return mode == Mode::kRead || mode == Mode::kKeyShare || mode == Mode::kTable || Changes(mode);
}
bool Shows(Mode mode) { return mode == Mode::kAppend || mode == Mode::kInsert || Changes(mode); }

// New rows keep their order whatever their keys are.
Footprint InOneLine(Footprint footprint) {
  for (Access& access : footprint.touches) {
    if (access.mode == Mode::kInsert) access.key = 0;
  }
  return footprint;
}

bool Conflict(const Footprint& sooner, const Footprint& then) {
  if (sooner.barrier || then.barrier) return true;
  const Footprint earlier = InOneLine(sooner);
  const Footprint later = InOneLine(then);
  const auto table = [](const Access& x, const Access& y) {
    return x.mode == Mode::kTable || y.mode == Mode::kTable;
  };
  for (const Access& y : later.touches) {
    for (const Access& x : earlier.releases) {
      if (!Overlap(x, y)) continue;
      if (table(x, y)) return true;
      if (Reads(y.mode) && Shows(x.mode)) return true;
      if (y.mode == Mode::kInsert && (Changes(x.mode) || x.mode == Mode::kInsert)) return true;
      if (y.mode == Mode::kDelete && x.mode == Mode::kKeyShare) return true;
    }
    for (const Access& x : earlier.touches) {
      if (!Overlap(x, y)) continue;
      if (table(x, y)) return true;
      if (Changes(x.mode) && Changes(y.mode)) return true;
      if (x.mode == Mode::kInsert && y.mode == Mode::kInsert) return true;
      if (x.mode == Mode::kInsert && Changes(y.mode) && y.key == 0) return true;
      if (Changes(x.mode) && x.key == 0 && y.mode == Mode::kInsert) return true;
      if (x.mode == Mode::kKeyShare && y.mode == Mode::kDelete) return true;
      if (x.mode == Mode::kDelete && y.mode == Mode::kKeyShare) return true;
    }
  }
  for (const Access& y : later.releases) {
    if (y.mode == Mode::kRead) continue;
    for (const Access& x : earlier.touches) {
      if (Overlap(x, y) && Reads(x.mode)) return true;
    }
  }
  return false;
}

Access RandomAccess(base::Random& random) {
  Access access;
  access.mode = static_cast<Mode>(random.Below(kModes));
  const uint64_t where = random.Below(10);
  if (where == 0) return access;
  access.object = where < 6 ? kTable : kOther;
  const bool keyed = access.mode != Mode::kAppend;
  access.key = keyed && random.Below(4) != 0 ? 1 + random.Below(4) : 0;
  return access;
}

bool OnlyReads(const Footprint& footprint) {
  return footprint.releases.empty() && !footprint.barrier &&
         std::all_of(footprint.touches.begin(), footprint.touches.end(),
                     [](const Access& access) { return access.mode == Mode::kRead; });
}

TEST_CASE("an exchange may start exactly when all it conflicts with is done", "[replay]") {
  for (uint64_t seed = 1; seed <= 300; ++seed) {
    INFO("seed " << seed);
    base::Random random(seed);
    const uint64_t sessions_max = 1 + random.Below(8);
    CommitOrder order;
    std::vector<Footprint> footprints;
    std::vector<CommitOrder::Ticket> tickets;
    std::vector<uint64_t> sessions;  // 0: it comes from none that others come from.
    std::set<size_t> open;
    // Sessions go in their order: nobody asks for what is not at the head of its own.
    const auto leads = [&](size_t i) {
      return sessions[i] == 0 || std::none_of(open.begin(), open.end(), [&](size_t j) {
               return j < i && sessions[j] == sessions[i];
             });
    };
    const auto may_start = [&](size_t i) {
      return std::none_of(open.begin(), open.end(), [&](size_t j) {
        return j < i && Conflict(footprints[j], footprints[i]);
      });
    };
    while (footprints.size() < 60 || !open.empty()) {
      if (footprints.size() < 60 && random.Below(2) == 0) {
        Footprint footprint;
        for (uint64_t n = random.Below(3); n > 0; --n) {
          footprint.touches.push_back(RandomAccess(random));
        }
        for (uint64_t n = random.Below(3); n > 0; --n) {
          footprint.releases.push_back(RandomAccess(random));
        }
        footprint.barrier = random.Below(20) == 0;
        if (footprint.empty()) continue;
        open.insert(footprints.size());
        CommitOrder::Origin origin;
        origin.session = random.Below(sessions_max);
        origin.sent_us = static_cast<base::Micros>(random.Below(1000));
        if (OnlyReads(footprint)) {
          origin.answered_us = static_cast<base::Micros>(random.Below(1000));
        }
        sessions.push_back(origin.session);
        tickets.push_back(order.Admit(footprint, origin));
        footprints.push_back(std::move(footprint));
      }
      std::vector<size_t> ready;
      for (const size_t i : open) {
        if (!leads(i)) continue;
        REQUIRE(order.MayStart(tickets[i]) == may_start(i));
        if (order.MayStart(tickets[i])) ready.push_back(i);
      }
      if (ready.empty()) continue;
      const size_t done = ready[random.Below(ready.size())];
      open.erase(done);
      order.Done(tickets[done]);
    }
    CHECK(order.open() == 0);
  }
}

// --- Reads that turn out to have seen a commit.

const Access kRow{kTable, 7, Mode::kUpdate};
const Access kRows{kTable, 0, Mode::kRead};

TEST_CASE("a read moves behind the commit that it had seen, with all that comes after it",
          "[replay]") {
  CommitOrder order;
  const auto early = order.Admit(Touches({kRows}), {4, 70, 90});
  const auto read = order.Admit(Touches({kRows}), {1, 100, 120});
  const auto next =
      order.Admit(Touches({kRows}), {1, 130, 140});  // Of its session: it saw no less.
  const auto commit = order.Admit(Releases({kRow}), {2, 90});
  const auto later = order.Admit(Releases({kRow}), {3, 200});
  CHECK_FALSE(order.MoveBehind(early));  // Answered before any was sent.
  order.Done(early);
  REQUIRE(order.MoveBehind(read));
  CHECK(order.MayStart(commit));
  CHECK(order.TakeFreed() == std::vector<CommitOrder::Ticket>{commit});
  CHECK_FALSE(order.MayStart(read));
  CHECK_FALSE(order.MayStart(later));
  order.Done(commit);
  CHECK(order.TakeFreed() == std::vector<CommitOrder::Ticket>{read});
  CHECK_FALSE(order.MoveBehind(read));  // There is no other.
  order.Done(read);
  order.Done(next);
  CHECK(order.MayStart(later));
}

TEST_CASE("a commit that a read lets pass waits for all else that it waited for", "[replay]") {
  CommitOrder order;
  SECTION("of the session of what comes after the read") {
    const auto before = order.Admit(Touches({kRows}), {2, 80});
    const auto read = order.Admit(Touches({{kOther, 0, Mode::kRead}, kRows}), {1, 100, 120});
    order.Admit(Releases({{kOther, 1, Mode::kUpdate}}), {3, 125});
    order.Admit(Touches({{kOther, 1, Mode::kRead}, kRows}), {2, 110});
    const auto commit = order.Admit(Releases({kRow}), {4, 90});
    REQUIRE(order.MoveBehind(read));
    CHECK_FALSE(order.MayStart(commit));
    order.Done(before);
    CHECK(order.MayStart(commit));
  }
  SECTION("of changes for which one stands that comes after the read") {
    const auto before = order.Admit(Touches({kRow}), {2, 80});
    const auto read = order.Admit(Touches({{kOther, 0, Mode::kRead}, kRows}), {1, 100, 120});
    order.Admit(Releases({{kOther, 1, Mode::kUpdate}}), {3, 125});
    order.Admit(Touches({{kOther, 1, Mode::kRead}, kRow}), {5, 110});
    const auto commit = order.Admit(Releases({kRow}), {4, 90});
    REQUIRE(order.MoveBehind(read));
    CHECK_FALSE(order.MayStart(commit));
    order.Done(before);
    CHECK(order.MayStart(commit));
  }
}

TEST_CASE("a read does not move behind what needs what comes after it", "[replay]") {
  CommitOrder order;
  const auto read = order.Admit(Touches({kRows}), {1, 100, 120});
  SECTION("the commit waited for a lock that its session got later") {
    order.Admit(Touches({kRow}), {1, 130});
    order.Admit({{kRow}, {kRow}, false}, {2, 90});
  }
  SECTION("the commit's session had something to do that comes after it") {
    order.Admit(Releases({{kOther, 1, Mode::kUpdate}, kRow}), {3, 140});
    order.Admit(Touches({{kOther, 0, Mode::kRead}}), {2, 150});
    order.Admit(Releases({{kOther, 2, Mode::kUpdate}, kRow}), {2, 90});
  }
  SECTION("it waits for a barrier") { order.Admit({{}, {}, true}, {3, 95}); }
  CHECK_FALSE(order.MoveBehind(read));
  CHECK(order.MayStart(read));
}

TEST_CASE("who waits for whom is known by whatever way", "[replay]") {
  CommitOrder order;
  const auto first = order.Admit(Touches({kRow}), {1, 100});
  const auto second = order.Admit(Touches({kRow}), {2, 110});  // For the first.
  const auto third = order.Admit(Touches({{kOther, 1, Mode::kUpdate}}), {2, 120});  // Its session.
  const auto other = order.Admit(Touches({{kOther, 2, Mode::kUpdate}}), {3, 130});
  CHECK(order.WaitsFor(second, first, {}));
  CHECK(order.WaitsFor(third, first, {}));
  CHECK_FALSE(order.WaitsFor(first, second, {}));
  CHECK_FALSE(order.WaitsFor(other, first, {}));
  CHECK(order.WaitsFor(other, first, {{third, other}}));
  order.Done(first);
  CHECK_FALSE(order.IsOpen(first));
  CHECK_FALSE(order.WaitsFor(second, first, {}));
}

TEST_CASE("whatever moves, everything ends", "[replay]") {
  size_t moves = 0;
  for (uint64_t seed = 1; seed <= 500; ++seed) {
    INFO("seed " << seed);
    base::Random random(seed);
    CommitOrder order;
    constexpr size_t kSessions = 6;
    std::vector<std::vector<CommitOrder::Ticket>> left(kSessions);
    std::set<CommitOrder::Ticket> reads;
    size_t count = 0;
    while (count < 80 || order.open() > 0) {
      if (count < 80 && random.Below(2) == 0) {
        Footprint footprint;
        const bool reader = random.Below(2) == 0;
        for (uint64_t n = 1 + random.Below(2); n > 0; --n) {
          Access access = RandomAccess(random);
          if (reader) access.mode = Mode::kRead;
          (reader || random.Below(2) == 0 ? footprint.touches : footprint.releases)
              .push_back(access);
        }
        const uint64_t session = random.Below(kSessions);
        const auto sent_us = static_cast<base::Micros>(random.Below(100) + count * 10);
        const auto answered_us = static_cast<base::Micros>(reader ? random.Below(2000) : 0);
        const auto ticket = order.Admit(footprint, {session + 1, sent_us, answered_us});
        left[session].push_back(ticket);
        if (reader) reads.insert(ticket);
        ++count;
        continue;
      }
      std::vector<size_t> ready;
      for (size_t i = 0; i < kSessions; ++i) {
        if (!left[i].empty() && order.MayStart(left[i].front())) ready.push_back(i);
      }
      const bool waits =
          std::any_of(left.begin(), left.end(), [](const auto& l) { return !l.empty(); });
      if (waits) REQUIRE_FALSE(ready.empty());
      if (ready.empty()) continue;
      auto& session = left[ready[random.Below(ready.size())]];
      const auto ticket = session.front();
      if (reads.contains(ticket) && random.Below(3) != 0 && order.MoveBehind(ticket)) {
        ++moves;
        REQUIRE_FALSE(order.MayStart(ticket));
        continue;
      }
      session.erase(session.begin());
      order.Done(ticket);
    }
  }
  CHECK(moves > 1000);
}

TEST_CASE("memory is that of what is open, however much went before", "[replay]") {
  CommitOrder order;
  for (uint64_t i = 1; i <= 20000; ++i) {
    const auto ticket = order.Admit(Alone({kTable, i, Mode::kUpdate}));
    order.Done(ticket);
  }
  CHECK(order.open() == 0);
  CHECK(order.entries() < 2000);
}

TEST_CASE("who waits for whom takes the room of sessions, not of what is open", "[replay]") {
  constexpr uint64_t kSessions = 8;
  constexpr uint64_t kOpen = 20000;
  CommitOrder order;
  const std::vector<Footprint> loop = {
      Touches({kRow}), Touches({{kOther, 0, Mode::kInsert}}), Touches({kRows}),
      Releases({kRow, {kOther, 0, Mode::kInsert}}), Alone({kEverything, 0, Mode::kUpdate})};
  base::Micros now_us = 0;
  for (uint64_t i = 0; i < kOpen; ++i) {
    const Footprint& footprint = loop[i / kSessions % loop.size()];
    const base::Micros answered_us = OnlyReads(footprint) ? now_us + 10 : 0;
    order.Admit(footprint, {1 + i % kSessions, now_us, answered_us});
    ++now_us;
  }
  CHECK(order.open() == kOpen);
  CHECK(order.edges() < kOpen * 8 * kSessions);
}

}  // namespace
}  // namespace scry::replay
