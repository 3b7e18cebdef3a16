// Yields the events of a capture, in the order of their completion. Implemented by querylog and by
// tests (a vector).
#pragma once

#include <optional>
#include <utility>

#include "base/result.h"
#include "event/event.h"

namespace scry::event {

class EventSource {
 public:
  virtual ~EventSource() = default;
  // Puts the next event into `event`; false at the end. What stood there is gone either way. Called
  // by one thread.
  virtual base::Result<bool> Read(Event& event) = 0;
  // False: whether anything follows is not known yet; Read() had better be called later. Cheap.
  virtual bool Ready() const { return true; }
  // The same as a value, where moving it does not matter; nullopt at the end.
  base::Result<std::optional<Event>> Next();
  // How much of it was read, in [0, 1], for progress; negative: unknown.
  virtual double ShareRead() const { return -1; }
};

inline base::Result<std::optional<Event>> EventSource::Next() {
  std::optional<Event> event(std::in_place);
  SCRY_TRY_ASSIGN(const bool more, Read(*event));
  if (!more) event.reset();
  return event;
}

}  // namespace scry::event
