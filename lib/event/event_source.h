// Yields the events of a capture, in the order of their completion. Implemented by querylog and by
// tests (a vector).
#pragma once

#include <optional>

#include "base/result.h"
#include "event/event.h"

namespace scry::event {

class EventSource {
 public:
  virtual ~EventSource() = default;
  // The next event, or nullopt at the end. Called by one thread.
  virtual base::Result<std::optional<Event>> Next() = 0;
  // How much of it was read, in [0, 1], for progress; negative: unknown.
  virtual double ShareRead() const { return -1; }
};

}  // namespace scry::event
