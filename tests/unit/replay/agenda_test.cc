#include "replay/agenda.h"

#include <algorithm>
#include <cstddef>
#include <vector>

#include "base/random.h"
#include "support/catch.h"

namespace scry::replay {
namespace {

TEST_CASE("the agenda gives out what is due and no earlier", "[replay]") {
  CommitOrder order;
  Agenda agenda(order);
  agenda.Put(1, order.Admit(OrderClass::kFree), 500);
  CHECK(agenda.next_due_us() == 500);
  CHECK_FALSE(agenda.Take(499).has_value());
  CHECK(agenda.Take(500) == uint64_t{1});
  CHECK(agenda.empty());
}

TEST_CASE("what was removed never comes out", "[replay]") {
  CommitOrder order;
  Agenda agenda(order);
  for (const OrderClass order_class :
       {OrderClass::kFree, OrderClass::kReader, OrderClass::kWriter, OrderClass::kCommit}) {
    for (const base::Micros due_us : {0, 100}) {
      auto ticket = order.Admit(order_class);
      agenda.Put(7, ticket, due_us);
      agenda.Remove(7, ticket, due_us);
      CHECK_FALSE(agenda.Take(1000).has_value());
      CHECK(agenda.empty());
      order.Done(ticket);
    }
  }
}

// Sessions with queues of random work: the agenda finds exactly those that a look at all of them
// would find, and everything is played.
TEST_CASE("the agenda finds the same sessions as a look at all of them", "[replay]") {
  for (uint64_t seed = 1; seed <= 200; ++seed) {
    INFO("seed " << seed);
    base::Random random(seed);
    CommitOrder order;
    Agenda agenda(order);
    std::vector<std::vector<CommitOrder::Ticket>> queues(6);
    for (int i = 0; i < 60; ++i) {
      queues[random.Below(6)].push_back(order.Admit(static_cast<OrderClass>(random.Below(4))));
    }
    std::vector<size_t> heads(6, 0);
    std::vector<size_t> running;
    for (size_t i = 0; i < 6; ++i) {
      if (!queues[i].empty()) agenda.Put(i, queues[i][0], 0);
    }
    size_t played = 0;
    for (;;) {
      while (const auto taken = agenda.Take(0)) {
        REQUIRE(order.MayStart(queues[*taken][heads[*taken]]));
        running.push_back(*taken);
      }
      for (size_t i = 0; i < 6; ++i) {
        if (heads[i] == queues[i].size()) continue;
        if (std::find(running.begin(), running.end(), i) != running.end()) continue;
        REQUIRE_FALSE(order.MayStart(queues[i][heads[i]]));
      }
      if (running.empty()) break;
      const size_t place = random.Below(running.size());
      const size_t session = running[place];
      running.erase(running.begin() + static_cast<std::ptrdiff_t>(place));
      order.Done(queues[session][heads[session]++]);
      ++played;
      if (heads[session] < queues[session].size()) {
        agenda.Put(session, queues[session][heads[session]], 0);
      }
    }
    CHECK(played == 60);
    CHECK(agenda.empty());
  }
}

}  // namespace
}  // namespace scry::replay
