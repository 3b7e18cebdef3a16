// Sessions that wait for their turn, sorted so that the next one is found without asking the
// others: a loop over a thousand idle sessions for every answer would cost more than the replay
// itself. Pure; one thread. Each session is inside at most once, with the ticket of its next
// exchange.
#pragma once

#include <cstdint>
#include <deque>
#include <map>
#include <optional>
#include <set>
#include <utility>

#include "base/clock.h"
#include "replay/commit_order.h"

namespace scry::replay {

class Agenda {
 public:
  explicit Agenda(const CommitOrder& order) : order_(order) {}

  // REQUIRES: not inside. `due_us`: it must not start before.
  void Put(uint64_t session, const CommitOrder::Ticket& ticket, base::Micros due_us);
  // A session that is due and may start, and is now out.
  std::optional<uint64_t> Take(base::Micros now_us);
  // Takes it out whether it may start or not. The same ticket and time as put.
  void Remove(uint64_t session, const CommitOrder::Ticket& ticket, base::Micros due_us);

  bool empty() const {
    return due_.empty() && free_.empty() && writers_.empty() && readers_.empty();
  }
  // Of the sessions not yet due, the next.
  std::optional<base::Micros> next_due_us() const;

 private:
  void File(uint64_t session, const CommitOrder::Ticket& ticket);

  const CommitOrder& order_;
  std::map<std::pair<base::Micros, uint64_t>, CommitOrder::Ticket> due_;
  std::deque<uint64_t> free_;
  // By place: whoever is first has the fewest to wait for.
  std::map<uint64_t, std::pair<uint64_t, CommitOrder::Ticket>> writers_;
  std::map<std::pair<uint64_t, uint64_t>, CommitOrder::Ticket> readers_;  // By epoch and session.
};

}  // namespace scry::replay
