#include "replay/commit_order.h"

#include <vector>

#include "base/random.h"
#include "support/catch.h"

namespace scry::replay {
namespace {

using Ticket = CommitOrder::Ticket;

TEST_CASE("writers run one at a time in admission order", "[replay]") {
  CommitOrder order;
  Ticket first = order.Admit(OrderClass::kWriter);
  Ticket second = order.Admit(OrderClass::kWriter);
  CHECK(order.MayStart(first));
  CHECK_FALSE(order.MayStart(second));
  order.Done(first);
  CHECK(order.MayStart(second));
}

TEST_CASE("a reader waits for the commits before it and for no later one", "[replay]") {
  CommitOrder order;
  Ticket before = order.Admit(OrderClass::kReader);
  Ticket commit = order.Admit(OrderClass::kCommit);
  Ticket after = order.Admit(OrderClass::kReader);
  CHECK(order.MayStart(before));
  CHECK_FALSE(order.MayStart(after));
  CHECK_FALSE(order.MayStart(commit));
  order.Done(before);
  CHECK(order.MayStart(commit));
  order.Done(commit);
  CHECK(order.MayStart(after));
}

TEST_CASE("readers without commits between them never wait", "[replay]") {
  CommitOrder order;
  for (int i = 0; i < 100; ++i) CHECK(order.MayStart(order.Admit(OrderClass::kReader)));
}

TEST_CASE("what is done twice counts once", "[replay]") {
  CommitOrder order;
  Ticket first = order.Admit(OrderClass::kReader);
  Ticket second = order.Admit(OrderClass::kReader);
  Ticket commit = order.Admit(OrderClass::kCommit);
  order.Done(first);
  order.Done(first);
  CHECK_FALSE(order.MayStart(commit));
  order.Done(second);
  CHECK(order.MayStart(commit));
}

TEST_CASE("an edge released out of order lets the rest go on", "[replay]") {
  CommitOrder order;
  Ticket stuck = order.Admit(OrderClass::kWriter);
  Ticket blocked_by = order.Admit(OrderClass::kCommit);
  Ticket next = order.Admit(OrderClass::kWriter);
  order.Done(blocked_by);
  CHECK_FALSE(order.MayStart(next));
  order.Done(stuck);
  CHECK(order.MayStart(next));
}

// The oldest exchange that is not done may always start: no schedule can hang by itself.
TEST_CASE("whatever the mix, the oldest open exchange may start", "[replay]") {
  for (uint64_t seed = 1; seed <= 200; ++seed) {
    INFO("seed " << seed);
    base::Random random(seed);
    CommitOrder order;
    std::vector<Ticket> tickets;
    for (int i = 0; i < 60; ++i) {
      tickets.push_back(order.Admit(static_cast<OrderClass>(random.Below(4))));
    }
    size_t open = tickets.size();
    while (open > 0) {
      std::vector<size_t> startable;
      size_t oldest = tickets.size();
      for (size_t i = 0; i < tickets.size(); ++i) {
        if (tickets[i].done) continue;
        if (oldest == tickets.size()) oldest = i;
        if (order.MayStart(tickets[i])) startable.push_back(i);
      }
      REQUIRE_FALSE(startable.empty());
      REQUIRE(startable.front() == oldest);
      order.Done(tickets[startable[random.Below(startable.size())]]);
      --open;
    }
  }
}

}  // namespace
}  // namespace scry::replay
