// Keeps an order between exchanges of different sessions that gives every lane the same results.
// Pure: told what is admitted and what is done, it answers what may start. One thread.
//
// Exchanges are admitted in the order in which the capture saw them complete. That order is the
// clock:
//   * a writer waits for every writer before it;
//   * a reader waits for every commit before it, which covers the commits it had seen when
//   captured;
//   * a commit waits for every writer and every reader before it;
//   * anything else (BEGIN, SAVEPOINT, a rollback of reads) waits for nothing.
// A writer that had to wait for a lock in the capture completed after the holder's commit, so in
// this order it finds the lock free: replay takes locks in the captured order and does not deadlock
// where the capture did not. Overlapping pairs, which the capture leaves open, get the same order
// on all lanes; otherwise lanes would differ by chance. The price is that writers run one at a
// time.
#pragma once

#include <cstdint>
#include <map>
#include <set>

namespace scry::replay {

enum class OrderClass : uint8_t { kFree, kReader, kWriter, kCommit };

class CommitOrder {
 public:
  struct Ticket {
    OrderClass order_class = OrderClass::kFree;
    uint64_t writer = 0;  // Place among writers and commits, from 1.
    uint64_t epoch = 0;   // Commits admitted before.
    bool done = false;
  };

  Ticket Admit(OrderClass order_class);
  bool MayStart(const Ticket& ticket) const;
  // The exchange ended, or no longer holds others back (it runs on all lanes, or a stall was
  // broken). Counts once.
  void Done(Ticket& ticket);

 private:
  uint64_t writers_admitted_ = 0;
  uint64_t commits_admitted_ = 0;
  // All writers up to here are done; those beyond, done out of order, stand in writers_ahead_.
  uint64_t writers_done_ = 0;
  std::set<uint64_t> writers_ahead_;
  uint64_t commits_done_ = 0;
  std::set<uint64_t> commits_ahead_;
  std::map<uint64_t, uint64_t> readers_open_;  // Epoch to readers not done.
};

}  // namespace scry::replay
