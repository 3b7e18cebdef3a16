// Keeps an order between exchanges of different sessions that gives every lane the same results.
// Pure: told what is admitted and what is done, it answers what may start. One thread.
//
// Exchanges are admitted in the order of the capture (see ReadingOrder). Y, admitted later, waits
// for X to be done
//   * if Y reads, locks or changes what X made visible or let go (X ended a transaction): the
//     commits that Y had seen when captured;
//   * if X reads what Y makes visible: X had not seen it;
//   * if both lock or change the same rows, or could not both insert there: locks are taken in the
//     captured order, so replay does not deadlock where the capture did not;
//   * if one of them takes the whole relation (LOCK TABLE, REFRESH).
// Only what overlaps counts: the same key, or any key against the whole relation, or anything
// against what is not known. Overlapping pairs that the capture leaves open get the same order on
// all lanes; otherwise lanes would differ by chance. Of a read that ran, its answer may tell later
// that it had seen a commit: see MoveBehind.
//
// Exchanges of one session are done in the order of their admission. So of what Y waits for, only
// the last of each session counts, and of changes of the same rows only the last of all: what an
// exchange costs depends on how many sessions there are, not on how far ahead was read.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <set>
#include <unordered_map>
#include <unordered_set>
#include <vector>

#include "base/clock.h"
#include "replay/footprint.h"
#include "replay/ticket_table.h"

namespace scry::replay {

class CommitOrder {
 public:
  // Of one exchange; from 1 in the order of admission. 0: waits for nothing, holds up nobody.
  using Ticket = uint64_t;

  // Where an exchange comes from.
  struct Origin {
    uint64_t session = 0;      // 0: it comes from none that others come from.
    base::Micros sent_us = 0;  // In the capture's time.
    // Of a read that MoveBehind may be asked for: when it was answered. 0: it stays where it is.
    base::Micros answered_us = 0;
  };

  // An empty footprint gets ticket 0.
  Ticket Admit(const Footprint& footprint, const Origin& origin);
  Ticket Admit(const Footprint& footprint) { return Admit(footprint, Origin()); }
  bool MayStart(Ticket ticket) const;
  // The exchange ended, or no longer holds others back (it runs on all lanes). Counts once. Where a
  // stall was broken, others go on waiting for what it waits for. REQUIRES: those of its session
  // before it are done.
  void Done(Ticket ticket);
  // `read` ran and is to run again behind the first of the commits that wait for it and were sent
  // before it was answered. Whatever comes after `read` comes after that commit too, even where the
  // commit was to wait for it. False: there is none, or the commit needs what comes after `read`.
  bool MoveBehind(Ticket read);
  // What an exchange waits for besides the order, say the lock of another: earlier to later.
  using OtherWaits = std::unordered_multimap<Ticket, Ticket>;
  // `later` waits for `earlier`, by whatever lies between. False where that is too much.
  bool WaitsFor(Ticket later, Ticket earlier, const OtherWaits& others) const;
  // Tickets that may start since the last call.
  std::vector<Ticket> TakeFreed();

  bool IsOpen(Ticket ticket) const { return nodes_.Contains(ticket); }
  size_t open() const { return nodes_.size(); }  // Admitted and not done.
  // For tests and for bounding memory: entries held for objects and keys, and who waits for whom.
  size_t entries() const;
  size_t edges() const { return edges_; }

 private:
  struct Session {
    Ticket last = 0;
    size_t open = 0;
    uint64_t looked_at = 0;  // The last look at a list that met one of its tickets.
  };
  struct Node {
    uint32_t waits = 0;  // For so many others.
    std::vector<Ticket> dependents;
    Session* session = nullptr;  // nullptr: it has none.
    Ticket previous = 0;         // Of the same session. 0: none.
    Ticket next = 0;             // Of the same session. 0: none yet.
    base::Micros sent_us = 0;
    base::Micros answered_us = 0;  // Of a read that may move. 0: it may not.
    bool barrier = false;
    bool only_reads = false;
    bool only_releases = false;
    bool done = false;  // Before what it waits for.
    Ticket behind = 0;  // See MoveBehind. 0: it did not move.
  };
  // Where an access is filed: by mode while its statement runs, and again by mode when its
  // transaction ends.
  static constexpr size_t kSlots = 2 * kModes;
  using SlotMask = uint32_t;
  static constexpr SlotMask Touch(Mode mode) { return SlotMask{1} << static_cast<size_t>(mode); }
  static constexpr SlotMask Release(Mode mode) {
    return SlotMask{1} << (kModes + static_cast<size_t>(mode));
  }
  struct Waits {
    SlotMask below = 0;  // Of whatever lies in the object, and of what holds it as a whole.
    SlotMask whole = 0;  // Only of what touched the object (or what holds it) as a whole.
  };
  struct Trace {
    struct Slot {
      std::vector<Ticket> tickets;
      size_t swept = 0;  // Its size after the last sweep.
    };
    std::array<Slot, kSlots> slots;
    bool Empty() const;
  };
  struct Level {
    Trace all;    // By anything in it.
    Trace whole;  // By accesses to it as a whole.
  };
  struct Object {
    Level level;
    std::unordered_map<uint64_t, Trace> keys;
    size_t keys_swept = 0;
  };

  static Waits WaitsOf(const Access& access, bool releases);
  void File(Ticket ticket, const Access& access, bool releases);
  void WaitForAll(Ticket ticket);
  void WaitFor(Ticket ticket, Trace& trace, SlotMask slots);
  void WaitFor(Ticket ticket, Ticket earlier);
  void Link(Ticket ticket, uint64_t session);
  bool IsLastOfSession(const Node& node) const;
  void Unlink(Ticket ticket, Ticket earlier);
  void WaitForRestOf(Ticket commit, Ticket holder, const std::unordered_set<Ticket>& behind);
  void Close(Ticket ticket);
  void ForgetMove(Ticket commit);
  std::optional<bool> Reaches(Ticket earlier, Ticket later, const OtherWaits& others) const;
  bool FindHolders(Ticket commit, Ticket read, std::vector<Ticket>& holders,
                   std::unordered_set<Ticket>& behind) const;
  void Put(Ticket ticket, Trace& trace, size_t slot, SlotMask waited_for);
  void Sweep(Trace::Slot& slot);
  void SweepKeys(Object& object);
  void Forget(Level& level, Mode mode);

  TicketTable<Node> nodes_;
  Ticket last_ = 0;
  Ticket barrier_ = 0;                              // The last one admitted.
  std::unordered_map<uint64_t, Session> sessions_;  // Nodes point into it.
  size_t sessions_swept_ = 0;                       // Its size after the last sweep.
  uint64_t looks_ = 0;
  size_t edges_ = 0;
  std::multiset<Ticket> moved_to_;  // Commits that reads wait for, having moved.
  Level everything_;
  std::unordered_map<ObjectId, Object> objects_;
  std::vector<Ticket> freed_;
};

}  // namespace scry::replay
