#include "replay/agenda.h"

#include <algorithm>

namespace scry::replay {

void Agenda::Put(uint64_t session, CommitOrder::Ticket ticket, base::Micros due_us,
                 base::Micros now_us) {
  if (due_us > now_us) {
    due_.emplace(std::pair(due_us, session), ticket);
  } else {
    File(session, ticket, now_us, now_us);
  }
}

void Agenda::File(uint64_t session, CommitOrder::Ticket ticket, base::Micros since_us,
                  base::Micros now_us) {
  if (order_.MayStart(ticket)) {
    free_.push_back({session, since_us, now_us});
  } else {
    waiting_.emplace(ticket, Turn{session, since_us, 0});
  }
}

std::optional<Agenda::Turn> Agenda::Take(base::Micros now_us) {
  while (!due_.empty() && due_.begin()->first.first <= now_us) {
    const auto first = due_.begin();
    // While it was due and nobody looked, this program was late, not the order.
    File(first->first.second, first->second, now_us, first->first.first);
    due_.erase(first);
  }
  for (const CommitOrder::Ticket ticket : order_.TakeFreed()) {
    const auto waiting = waiting_.find(ticket);
    if (waiting == waiting_.end()) continue;  // Its session is not there yet.
    waiting->second.freed_us = now_us;
    free_.push_back(waiting->second);
    waiting_.erase(waiting);
  }
  if (free_.empty()) return std::nullopt;
  const Turn turn = free_.front();
  free_.pop_front();
  return turn;
}

void Agenda::Remove(uint64_t session, CommitOrder::Ticket ticket) {
  std::erase_if(due_, [&](const auto& due) { return due.first.second == session; });
  std::erase_if(free_, [&](const Turn& turn) { return turn.session == session; });
  waiting_.erase(ticket);
}

std::optional<base::Micros> Agenda::next_due_us() const {
  if (due_.empty()) return std::nullopt;
  return due_.begin()->first.first;
}

}  // namespace scry::replay
