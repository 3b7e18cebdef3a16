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
};

}  // namespace scry::event
