// Takes events, in the order of their completion. Implemented by querylog (a capture on disk) and
// by tests (a vector).
#pragma once

#include "event/event.h"

namespace scry::event {

class EventSink {
 public:
  virtual ~EventSink() = default;
  // Never blocks on a disk and never fails towards the caller: what cannot be kept becomes a Gap
  // that the sink counts and records when it can. Called by one thread.
  virtual void Put(Event event) = 0;
};

}  // namespace scry::event
