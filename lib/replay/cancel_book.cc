#include "replay/cancel_book.h"

#include <algorithm>
#include <utility>

#include "replay/lost_race.h"

namespace scry::replay {
namespace {

// Requests held at the same time. Clients wait for what they cancelled before they cancel again.
constexpr size_t kHeldMax = 64 * 1024;
// A request passes on over a connection of its own, and may meet what its client sent later.
constexpr base::Micros kLateUs = 1000 * 1000;

}  // namespace

void CancelBook::Add(const event::Cancel& cancel) {
  if (cancel.session == event::SessionId::kNone || held_ >= kHeldMax) {
    ++missed_;
    return;
  }
  ++held_;
  sessions_[static_cast<uint64_t>(cancel.session)].requests.push_back(cancel.at_us);
}

std::vector<base::Micros> CancelBook::Take(const event::Exchange& exchange) {
  Session& session = sessions_[static_cast<uint64_t>(exchange.session)];
  // The server begins with what a client pipelines when it is done with what came before.
  const base::Micros began_us = std::max(exchange.forwarded_us, session.free_us);
  session.free_us = std::max(session.free_us, exchange.completed_us);
  std::vector<base::Micros> after_us;
  for (const base::Micros at_us : session.requests) {
    const bool late = at_us < began_us && began_us - at_us <= kLateUs && WasCancelled(exchange);
    if (at_us >= began_us || late) {
      after_us.push_back(std::max<base::Micros>(at_us - began_us, 0));
    } else {
      ++missed_;
    }
  }
  held_ -= session.requests.size();
  session.requests.clear();
  return after_us;
}

void CancelBook::End(event::SessionId session) {
  const auto found = sessions_.find(static_cast<uint64_t>(session));
  if (found == sessions_.end()) return;
  missed_ += found->second.requests.size();
  held_ -= found->second.requests.size();
  sessions_.erase(found);
}

}  // namespace scry::replay
