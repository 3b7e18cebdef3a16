#include "replay/agenda.h"

#include <algorithm>

namespace scry::replay {

void Agenda::Put(uint64_t session, const CommitOrder::Ticket& ticket, base::Micros due_us) {
  if (due_us > 0) {
    due_.emplace(std::pair(due_us, session), ticket);
  } else {
    File(session, ticket);
  }
}

void Agenda::File(uint64_t session, const CommitOrder::Ticket& ticket) {
  switch (ticket.order_class) {
    case OrderClass::kFree:
      free_.push_back(session);
      break;
    case OrderClass::kReader:
      readers_.emplace(std::pair(ticket.epoch, session), ticket);
      break;
    case OrderClass::kWriter:
    case OrderClass::kCommit:
      writers_.emplace(ticket.writer, std::pair(session, ticket));
      break;
  }
}

std::optional<uint64_t> Agenda::Take(base::Micros now_us) {
  while (!due_.empty() && due_.begin()->first.first <= now_us) {
    const auto first = due_.begin();
    File(first->first.second, first->second);
    due_.erase(first);
  }
  if (!free_.empty()) {
    const uint64_t session = free_.front();
    free_.pop_front();
    return session;
  }
  // Among writers the first in place, among readers the first in epoch: if it may not start, none
  // may.
  if (!writers_.empty() && order_.MayStart(writers_.begin()->second.second)) {
    const uint64_t session = writers_.begin()->second.first;
    writers_.erase(writers_.begin());
    return session;
  }
  if (!readers_.empty() && order_.MayStart(readers_.begin()->second)) {
    const uint64_t session = readers_.begin()->first.second;
    readers_.erase(readers_.begin());
    return session;
  }
  return std::nullopt;
}

void Agenda::Remove(uint64_t session, const CommitOrder::Ticket& ticket, base::Micros due_us) {
  if (due_us > 0) due_.erase(std::pair(due_us, session));
  free_.erase(std::remove(free_.begin(), free_.end(), session), free_.end());
  if (ticket.order_class == OrderClass::kReader) readers_.erase(std::pair(ticket.epoch, session));
  if (ticket.writer != 0) writers_.erase(ticket.writer);
}

std::optional<base::Micros> Agenda::next_due_us() const {
  if (due_.empty()) return std::nullopt;
  return due_.begin()->first.first;
}

}  // namespace scry::replay
