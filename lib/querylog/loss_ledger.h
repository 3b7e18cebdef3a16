// Events that could not be taken, folded into one Gap per session. Used by log_writer.
// Not thread-safe. Starts and ends of sessions are kept as they are, up to a limit: without its
// start a session's later exchanges could not be replayed, and the two are small.
#pragma once

#include <cstddef>
#include <cstdint>
#include <map>
#include <optional>
#include <vector>

#include "event/event.h"

namespace scry::querylog {

class LossLedger {
 public:
  void Add(event::Event event, event::GapReason reason);
  bool empty() const { return losses_.empty(); }
  // Exchanges in the gaps that Take() would give.
  uint64_t exchanges() const { return exchanges_; }
  // In an order in which they can stand in a log: per session its start, its gap, its end. The
  // ledger is empty after it.
  std::vector<event::Event> Take();

 private:
  struct Loss {
    std::optional<event::SessionStart> start;
    std::optional<event::Gap> gap;
    std::optional<event::SessionEnd> end;
  };

  std::map<event::SessionId, Loss> losses_;
  uint64_t exchanges_ = 0;
  size_t kept_bytes_ = 0;
};

}  // namespace scry::querylog
