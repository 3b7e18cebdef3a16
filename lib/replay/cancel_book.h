// Cancel requests of a capture, held until the exchange that they hit is read: a log has them in
// the order of happening, so each stands before the completion of its victim. Pure; one thread.
#pragma once

#include <cstddef>
#include <cstdint>
#include <unordered_map>
#include <vector>

#include "base/clock.h"
#include "event/event.h"

namespace scry::replay {

class CancelBook {
 public:
  void Add(const event::Cancel& cancel);
  // How long the exchange had run at each request that hit it, in their order. To be told every
  // exchange of a session, in the order of the log.
  std::vector<base::Micros> Take(const event::Exchange& exchange);
  // The session is over: what is left of its requests hit nothing.
  void End(event::SessionId session);
  // Requests that hit nothing: an idle session, one that is not in the capture, or past a limit.
  uint64_t missed() const { return missed_; }

 private:
  struct Session {
    std::vector<base::Micros> requests;
    base::Micros free_us = 0;  // Its last exchange had ended, or it had begun.
  };

  std::unordered_map<uint64_t, Session> sessions_;  // Those with requests, or an exchange.
  size_t held_ = 0;
  uint64_t missed_ = 0;
};

}  // namespace scry::replay
