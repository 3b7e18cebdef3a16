// Events between the log and the order of replay: held for as long as one that belongs before them
// may still be read, then given out by key. Pure; one thread.
//
// The key of an event is its completion, with three exceptions.
//   * What only reads took its snapshot soon after it was sent: a report of a minute has not seen
//     the commits of that minute.
//   * A server lets a transaction's locks go before it acknowledges the COMMIT, so a writer that
//     waited for them may have been answered first: a bare COMMIT comes before what was answered
//     while it ran and needed its locks.
//   * A REPEATABLE READ transaction that changed a row had seen the last commit of that row, else
//   it
//     had failed: its snapshot stands behind that commit if both were under way at once.
// Events of one session never change places.
#pragma once

#include <cstddef>
#include <cstdint>
#include <map>
#include <optional>
#include <unordered_map>
#include <utility>
#include <vector>

#include "base/clock.h"
#include "event/event.h"
#include "replay/footprint.h"

namespace scry::replay {

struct ReadEvent {
  event::Event event;
  Footprint footprint;
  bool only_reads = false;
  bool only_ends = false;       // A bare COMMIT or ROLLBACK.
  bool takes_snapshot = false;  // The first statement of a REPEATABLE READ transaction.
  bool lost_race = false;       // See lost_race.h.
  bool listens = false;         // Of a session's end: it had listened.
  // Of an exchange: how long it had run when its client asked to cancel it.
  std::vector<base::Micros> cancels_us;
  size_t weight = 0;
  uint64_t fingerprint = 0;  // Of an exchange's first statement.
};

class ReadingOrder {
 public:
  // Holds at most `weight_max` back.
  explicit ReadingOrder(size_t weight_max) : weight_max_(weight_max) {}

  void Add(ReadEvent event);
  // The source is at its end: nothing has to be held back any more.
  void End() { ended_ = true; }
  std::optional<ReadEvent> Next();

  size_t weight() const { return weight_; }

 private:
  using Key = std::pair<base::Micros, uint64_t>;  // Moment, and place in the log.

  base::Micros MomentOf(const ReadEvent& event, base::Micros completed_us) const;
  void MoveSnapshot(uint64_t session, const ReadEvent& change);
  void MoveBehind(uint64_t session, Key from, Key place);

  const size_t weight_max_;
  std::map<Key, ReadEvent> held_;
  std::unordered_map<uint64_t, base::Micros> last_us_;  // Moments of open sessions.
  std::unordered_map<uint64_t, Key> snapshots_;  // Of open transactions, by session, while held.
  uint64_t events_ = 0;
  base::Micros read_us_ = 0;  // Latest completion read.
  size_t weight_ = 0;
  bool ended_ = false;
};

}  // namespace scry::replay
