// Events between the log and the order of replay: held for as long as one that belongs before them
// may still be read, then given out by key. Pure; one thread.
//
// The key of an event is its completion. What counts from when it was sent: a bare COMMIT (the
// server frees a transaction's locks before it acknowledges the commit, so a writer that waited for
// them may have been answered first) and what only reads (its snapshot is taken at the start; a
// report of a minute has not seen the commits of that minute). Events of one session never change
// places.
#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <unordered_map>
#include <vector>

#include "base/clock.h"
#include "event/event.h"
#include "replay/footprint.h"

namespace scry::replay {

struct ReadEvent {
  event::Event event;
  Footprint footprint;
  bool only_reads = false;
  size_t weight = 0;
  uint64_t fingerprint = 0;  // Of an exchange's first statement.
  base::Micros key_us = 0;
  uint64_t sequence = 0;  // Place in the log: breaks ties.
  bool operator>(const ReadEvent& other) const {
    return key_us != other.key_us ? key_us > other.key_us : sequence > other.sequence;
  }
};

class ReadingOrder {
 public:
  // Holds at most `weight_max` back.
  explicit ReadingOrder(size_t weight_max) : weight_max_(weight_max) {}

  // `from_start`: it counts from when it was sent.
  void Add(ReadEvent event, bool from_start);
  // The source is at its end: nothing has to be held back any more.
  void End() { ended_ = true; }
  std::optional<ReadEvent> Next();

  size_t weight() const { return weight_; }

 private:
  const size_t weight_max_;
  std::vector<ReadEvent> heap_;                             // Smallest key first.
  std::unordered_map<uint64_t, base::Micros> last_key_us_;  // Of open sessions.
  uint64_t events_ = 0;
  base::Micros read_us_ = 0;  // Latest completion read.
  size_t weight_ = 0;
  bool ended_ = false;
};

}  // namespace scry::replay
