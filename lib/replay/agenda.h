// Sessions that wait for their turn: until it is time, and until the order lets them. Pure; one
// thread. Each session is inside at most once, with the ticket of its next exchange.
#pragma once

#include <cstdint>
#include <deque>
#include <map>
#include <optional>
#include <unordered_map>
#include <utility>

#include "base/clock.h"
#include "replay/commit_order.h"

namespace scry::replay {

class Agenda {
 public:
  // Takes what `order` frees: nobody else may ask it for that.
  explicit Agenda(CommitOrder& order) : order_(order) {}

  // REQUIRES: not inside. `due_us`: it must not start before.
  void Put(uint64_t session, CommitOrder::Ticket ticket, base::Micros due_us, base::Micros now_us);
  struct Turn {
    uint64_t session = 0;
    base::Micros since_us = 0;  // It was there and due.
    base::Micros freed_us = 0;  // ... and the order let it.
  };
  // A session that is due and may start, and is now out. The first come first.
  std::optional<Turn> Take(base::Micros now_us);
  // Takes it out whether it may start or not; asked seldom. The same ticket as put.
  void Remove(uint64_t session, CommitOrder::Ticket ticket);
  // It waits for the order alone.
  bool Waits(CommitOrder::Ticket ticket) const { return waiting_.contains(ticket); }

  bool empty() const { return due_.empty() && free_.empty() && waiting_.empty(); }
  // Of the sessions not yet due, the next.
  std::optional<base::Micros> next_due_us() const;

 private:
  void File(uint64_t session, CommitOrder::Ticket ticket, base::Micros since_us,
            base::Micros now_us);

  CommitOrder& order_;
  std::map<std::pair<base::Micros, uint64_t>, CommitOrder::Ticket> due_;
  std::deque<Turn> free_;
  std::unordered_map<CommitOrder::Ticket, Turn> waiting_;
};

}  // namespace scry::replay
