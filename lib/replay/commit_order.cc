#include "replay/commit_order.h"

namespace scry::replay {
namespace {

// Moves `done` over what was done ahead of it.
void Advance(uint64_t& done, std::set<uint64_t>& ahead, uint64_t place) {
  ahead.insert(place);
  while (!ahead.empty() && *ahead.begin() == done + 1) {
    ++done;
    ahead.erase(ahead.begin());
  }
}

}  // namespace

CommitOrder::Ticket CommitOrder::Admit(OrderClass order_class) {
  Ticket ticket;
  ticket.order_class = order_class;
  ticket.epoch = commits_admitted_;
  if (order_class == OrderClass::kReader) ++readers_open_[ticket.epoch];
  if (order_class == OrderClass::kWriter || order_class == OrderClass::kCommit) {
    ticket.writer = ++writers_admitted_;
  }
  if (order_class == OrderClass::kCommit) ++commits_admitted_;
  return ticket;
}

bool CommitOrder::MayStart(const Ticket& ticket) const {
  switch (ticket.order_class) {
    case OrderClass::kFree:
      return true;
    case OrderClass::kReader:
      return commits_done_ >= ticket.epoch;
    case OrderClass::kWriter:
      return writers_done_ + 1 >= ticket.writer;
    case OrderClass::kCommit:
      return writers_done_ + 1 >= ticket.writer &&
             (readers_open_.empty() || readers_open_.begin()->first > ticket.epoch);
  }
  return true;
}

void CommitOrder::Done(Ticket& ticket) {
  if (ticket.done) return;
  ticket.done = true;
  if (ticket.order_class == OrderClass::kReader) {
    const auto open = readers_open_.find(ticket.epoch);
    if (open != readers_open_.end() && --open->second == 0) readers_open_.erase(open);
  }
  if (ticket.writer != 0) Advance(writers_done_, writers_ahead_, ticket.writer);
  if (ticket.order_class == OrderClass::kCommit) {
    Advance(commits_done_, commits_ahead_, ticket.epoch + 1);
  }
}

}  // namespace scry::replay
