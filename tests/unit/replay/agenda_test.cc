#include "replay/agenda.h"

#include <algorithm>
#include <cstddef>
#include <set>
#include <vector>

#include "base/random.h"
#include "support/catch.h"

namespace scry::replay {
namespace {

Footprint Write(uint64_t key) {
  const Access access{kFirstRelation, key, Mode::kUpdate};
  return {{access}, {access}, false};
}

std::optional<uint64_t> Next(Agenda& agenda, base::Micros now_us) {
  const auto turn = agenda.Take(now_us);
  return turn ? std::optional(turn->session) : std::nullopt;
}

TEST_CASE("the agenda gives out what is due and no earlier", "[replay]") {
  CommitOrder order;
  Agenda agenda(order);
  agenda.Put(1, 0, 500, 0);
  CHECK(agenda.next_due_us() == 500);
  CHECK_FALSE(agenda.Take(499).has_value());
  CHECK(Next(agenda, 500) == uint64_t{1});
  CHECK(agenda.empty());
}

TEST_CASE("waiting for the order and waiting for this program are told apart", "[replay]") {
  CommitOrder order;
  Agenda agenda(order);
  const auto first = order.Admit(Write(1));
  const auto second = order.Admit(Write(1));
  agenda.Put(2, second, 0, 10);
  CHECK(agenda.Waits(second));
  order.Done(first);
  const auto turn = agenda.Take(30);
  REQUIRE(turn);
  CHECK(turn->since_us == 10);
  CHECK(turn->freed_us == 30);
  agenda.Put(3, 0, 50, 40);
  const auto late = agenda.Take(70);
  REQUIRE(late);
  CHECK(late->freed_us == 50);
}

TEST_CASE("what was removed never comes out", "[replay]") {
  CommitOrder order;
  Agenda agenda(order);
  const auto blocker = order.Admit(Write(1));
  for (const base::Micros due_us : {0, 100}) {
    const auto ticket = order.Admit(Write(1));
    agenda.Put(7, ticket, due_us, 0);
    agenda.Remove(7, ticket);
    CHECK(agenda.empty());
    order.Done(ticket);
  }
  order.Done(blocker);
  CHECK_FALSE(agenda.Take(1000).has_value());
}

// Sessions with queues of random work: the agenda finds exactly those that a look at all of them
// would find, and everything is played.
TEST_CASE("the agenda finds the same sessions as a look at all of them", "[replay]") {
  constexpr size_t kSessions = 6;
  for (uint64_t seed = 1; seed <= 200; ++seed) {
    INFO("seed " << seed);
    base::Random random(seed);
    CommitOrder order;
    Agenda agenda(order);
    std::vector<std::vector<CommitOrder::Ticket>> queues(kSessions);
    for (int i = 0; i < 60; ++i) {
      const uint64_t key = random.Below(3);
      queues[random.Below(kSessions)].push_back(key == 0 ? 0 : order.Admit(Write(key)));
    }
    std::set<size_t> inside;
    const auto put = [&](size_t session) {
      if (queues[session].empty()) return;
      agenda.Put(session, queues[session].front(), 0, 0);
      inside.insert(session);
    };
    for (size_t session = 0; session < kSessions; ++session) put(session);
    while (!inside.empty()) {
      const bool any = std::any_of(inside.begin(), inside.end(), [&](size_t session) {
        return order.MayStart(queues[session].front());
      });
      const auto session = Next(agenda, 0);
      REQUIRE(session.has_value() == any);
      REQUIRE(session.has_value());  // The first admitted of all can always start.
      inside.erase(*session);
      order.Done(queues[*session].front());
      queues[*session].erase(queues[*session].begin());
      put(*session);
    }
    CHECK(agenda.empty());
  }
}

}  // namespace
}  // namespace scry::replay
