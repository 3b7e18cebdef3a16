// What an exchange touches, as far as the order of replay has to know: objects, keys and modes.
// Made by FootprintReader from statements, read by CommitOrder. Plain values.
#pragma once

#include <cstdint>
#include <tuple>
#include <vector>

#include "base/clock.h"

namespace scry::replay {

// A relation, a sequence, or one of the things below; numbered by RelationCatalog.
using ObjectId = uint32_t;
inline constexpr ObjectId kEverything = 0;     // Whatever there is: what is not known.
inline constexpr ObjectId kAdvisoryLocks = 1;  // All of them.
inline constexpr ObjectId kNotifications = 2;
inline constexpr ObjectId kLargeObjects = 3;
inline constexpr ObjectId kSequences = 4;  // Keys: single sequences.
inline constexpr ObjectId kLogins = 5;     // Who may connect, and what sessions begin with.
inline constexpr ObjectId kFirstRelation = 16;

// How a statement touches an object, as PostgreSQL's row locks and snapshots tell ways apart.
enum class Mode : uint8_t {
  kRead,      // Of what is committed.
  kAppend,    // New rows where no unique index and no sequence can tell who came first.
  kInsert,    // New rows. A key: where no other unique index can make them meet others.
  kKeyShare,  // Locks rows as a foreign key does; reads them too.
  kUpdate,    // Changes rows but not their keys, or locks them; reads them too.
  kDelete,    // Deletes rows, changes their keys or locks them FOR UPDATE; reads them too.
  kTable,     // Locks the whole relation, or makes it anew: LOCK TABLE, REFRESH.
};
inline constexpr size_t kModes = 7;

struct Access {
  ObjectId object = kEverything;
  uint64_t key = 0;  // Hash of the one key whose rows it touches; 0: any.
  Mode mode = Mode::kRead;

  friend bool operator==(const Access&, const Access&) = default;
  friend auto operator<=>(const Access& a, const Access& b) {
    return std::tie(a.object, a.key, a.mode) <=> std::tie(b.object, b.key, b.mode);
  }
};

struct Footprint {
  // By its own statements.
  std::vector<Access> touches;
  // What the transaction that it ends had changed or locked: from now on others see it, or get it.
  std::vector<Access> releases;
  // Alone: after all before it, before all after it (DDL, two-phase commit).
  bool barrier = false;

  bool empty() const { return touches.empty() && releases.empty() && !barrier; }
};

// A row that was locked or changed, of a relation whose key is an integer.
struct KeyedRow {
  ObjectId object = kEverything;
  int64_t key = 0;
};

// What the order of replay has to know of one exchange.
struct ExchangeFacts {
  Footprint footprint;
  bool only_ends = false;     // A bare COMMIT or ROLLBACK.
  bool only_unlocks = false;  // Lets go of advisory locks and does nothing else.
  bool only_reads = false;
  bool one_snapshot = false;  // All that it reads it sees by one snapshot.
  // One query of its own snapshot that only reads, and could be asked once more.
  bool rereadable = false;
  bool takes_snapshot = false;  // Of a REPEATABLE READ or SERIALIZABLE transaction.
  bool serializable = false;    // Of a SERIALIZABLE one.
  // Did not wait for the locks that were in its way, but went round them or gave up.
  bool passes_locks = false;
  // The shortest time that its session lets itself be idle; 0: any.
  base::Micros idle_limit_us = 0;
  // Relations whose rows it took from a queue (SKIP LOCKED), whichever were free.
  std::vector<ObjectId> queues;
  std::vector<KeyedRow> rows;
  uint64_t fingerprint = 0;  // Of its first statement; 0: none.
};

}  // namespace scry::replay
