// Events between the log and the order of replay: held for as long as one that belongs before them
// may still be read, then given out by key. Pure; one thread.
//
// The key of an event is its completion. Where events overlapped, what the capture tells of their
// true order counts more:
//   * What only reads took its snapshot soon after it was sent: a report of a minute has not seen
//     the commits of that minute. What can be read again comes first of all: see reread.h.
//   * A server lets a transaction's locks go before it acknowledges the COMMIT, so a writer that
//     waited for them may have been answered first: a bare COMMIT (or pg_advisory_unlock) comes
//     before what was answered while it ran and needed its locks. What passes locks needed none.
//     So does whatever failed, the victim of a deadlock say, before whoever got the locks that its
//     transaction had held; and a commit before an INSERT that met a row. That INSERT in turn comes
//     before changes of the row that were not committed yet: it did not wait for them. What found
//     no row, or met one, stands behind a statement that committed itself, was acknowledged just
//     after it and changed that row: it did nothing that anybody else can have seen.
//   * A REPEATABLE READ transaction that changed a row had seen the last commit of that row, else
//     it had failed: its snapshot stands behind that commit if both were under way at once. The
//     same goes for two SERIALIZABLE ones of which each read what the other changed. One that did
//     fail, with nothing else to explain it, had not seen the commit.
//   * Of two that took rows from a queue (SKIP LOCKED), the one who came first took the row that
//     comes first. In which direction a queue runs is learned from those that did not overlap.
// A write that found its row replaced by a commit that it waited for is marked as a lost race, and
// so is a lock that was not to be had though its place is now behind the commit that let it go.
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

struct ReadEvent : ExchangeFacts {
  event::Event event;
  bool lost_race = false;  // See lost_race.h. ReadingOrder adds to it.
  bool listens = false;    // Of a session's end: it had listened.
  // Of an exchange: how long it had run when its client asked to cancel it.
  std::vector<base::Micros> cancels_us;
  size_t weight = 0;
  // Filled by ReadingOrder.
  std::vector<Access> had_read;  // By the SERIALIZABLE transaction that it commits.
  std::vector<KeyedRow> taken;   // From a queue; known once its transaction went on.
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

  // Events that are held and may stand elsewhere.
  using ByCompletion = std::multimap<base::Micros, Key>;

  // What is known of the open transaction of a session.
  struct Transaction {
    std::optional<Key> snapshot;  // Its event that took it, while held.
    std::vector<Access> reads;    // With that snapshot.
    std::vector<Access> changes;
    std::optional<Key> take;  // Its last event that took from a queue, while held.
  };
  // Rows taken from a queue, one after the other, had larger keys than the ones before, or smaller.
  struct Queue {
    uint32_t ascending = 0;
    uint32_t descending = 0;
    int64_t last = 0;
    base::Micros last_us = -1;    // Of its taking.
    ByCompletion takes;           // Events that took from it, as far as it is known what.
    base::Micros longest_us = 0;  // That any of them took.
  };

  base::Micros MomentOf(const ReadEvent& event, base::Micros completed_us) const;
  base::Micros MetBefore(const ReadEvent& insert, base::Micros completed_us) const;
  void NoteLostRows(ReadEvent& event);
  void NoteLostLocks(const ReadEvent& event, base::Micros moment_us);
  void PutLosersBehind(Key winner);
  void Learn(uint64_t session, ReadEvent& event);
  void MoveSnapshot(uint64_t session, const ReadEvent& event);
  void SnapshotMissed(uint64_t session, const ReadEvent& failure);
  void Took(uint64_t session, const KeyedRow& row);
  void OrderTakes(uint64_t session, const KeyedRow& row, const Queue& queue);
  void File(const ReadEvent& event, Key key);
  void Unfile(const ReadEvent& event, Key key);
  void MoveBefore(uint64_t session, Key from, Key place);
  void MoveBehind(uint64_t session, Key from, Key place);
  void Rekey(uint64_t session, Key from, base::Micros moment_us);

  const size_t weight_max_;
  std::map<Key, ReadEvent> held_;
  ByCompletion early_;   // Of held_: ends of transactions that stand before it.
  ByCompletion losers_;  // Of held_: what may have lost to whoever was acknowledged after it.
  std::unordered_map<uint64_t, base::Micros> last_us_;      // Moments of open sessions.
  std::unordered_map<uint64_t, Transaction> transactions_;  // By session.
  std::unordered_map<ObjectId, Queue> queues_;
  uint64_t events_ = 0;
  base::Micros read_us_ = 0;  // Latest completion read.
  size_t weight_ = 0;
  bool ended_ = false;
};

}  // namespace scry::replay
