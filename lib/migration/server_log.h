// Reads what a fork's server logs while a migration runs: who waited for which lock, behind whom
// and for how long, deadlocks, temporary files, and the lines of the watch's own event triggers.
// Bytes in, values out, in any chunks; hostile bytes give fewer values, never a failure. Used by
// MigrationWatch and the during act. One thread.
//
// The server must run with LogSettings(); where only the watch's own lines are wanted, with
// kLogLinePrefix.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "base/clock.h"
#include "migration/lock_mode.h"

namespace scry::migration {

using base::Micros;

// When, by whom and for which leader of parallel workers (nothing before PostgreSQL 14), SQLSTATE.
inline constexpr const char* kLogLinePrefix = "%n [%p,%P] %e ";
// For a fork whose log is read: names and values of postgresql.conf. Waits shorter than
// `deadlock_timeout` are not logged.
inline constexpr Micros kLockWaitLoggedUs = 10 * 1000;
std::vector<std::pair<std::string, std::string>> LogSettings();

struct OidLock {
  uint32_t relation = 0;
  LockMode mode = LockMode::kNone;
  friend bool operator==(const OidLock&, const OidLock&) = default;
};

struct DroppedObject {
  std::string type;       // "view".
  std::string identity;   // "public.v".
  bool original = false;  // Named by the command, or of its own accord with what was named.
};

// An event trigger of the watch fired: at the end of a DDL command, at a rewrite, at a drop.
struct DdlEvent {
  enum class Kind : uint8_t { kCommandEnd, kRewrite, kDrop };
  Kind kind = Kind::kCommandEnd;
  uint32_t pid = 0;
  Micros wall_us = 0;
  std::string tag;             // "ALTER TABLE".
  std::vector<OidLock> locks;  // All that the backend holds.
  uint32_t rewritten = 0;      // kRewrite: the table.
  std::vector<DroppedObject> dropped;
};

// One wait for a lock that took longer than kLockWaitLoggedUs.
struct LockWaitEvent {
  enum class End : uint8_t { kOpen, kGranted, kFailed };  // kOpen: the log ends before it does.
  uint32_t pid = 0;
  LockMode mode = LockMode::kNone;
  uint32_t relation = 0;  // 0: not a relation's, nor of a row of one.
  std::string name;       // Of the relation, where BuildProfile knows it.
  std::string target;     // "relation 16384 of database 5", "transaction 742".
  std::string row_of;     // The table, without its schema, one of whose rows it is for; if told.
  Micros begin_wall_us = 0;
  Micros end_wall_us = 0;  // Of kOpen: when it was last heard of.
  End end = End::kOpen;
  std::string sqlstate;           // Of kFailed: 55P03, 40P01, 57014 ...
  std::vector<uint32_t> holders;  // When it was first logged.
  std::vector<uint32_t> queue;    // The same: all that wait, the first in line first, with itself.
  // Not for a row, a page or the end of the file ("extension of relation 16384 of database 5").
  bool ForTable() const { return relation != 0 && target.starts_with("relation "); }
};

struct DeadlockEvent {
  uint32_t victim = 0;
  Micros wall_us = 0;
  std::vector<uint32_t> pids;  // Of the cycle, as the server lists them; the victim first.
  // What each of them ran, cut by track_activity_query_size; empty where the log does not tell.
  std::vector<std::string> queries;
};

// A temporary file that a session is done with. Only of some size: see spill_log.h.
struct SpillEvent {
  uint32_t pid = 0;  // Of a parallel worker's: its leader's.
  Micros wall_us = 0;
  uint64_t bytes = 0;
};

struct ServerLog {
  std::vector<DdlEvent> ddl;
  std::vector<LockWaitEvent> waits;  // In the order of their begin being logged.
  std::vector<DeadlockEvent> deadlocks;
  std::vector<SpillEvent> spills;
  uint64_t dropped = 0;  // Events over a limit, or lines too long to read.
};

class ServerLogReader {
 public:
  // `mark`: what begins the watch's own lines, after "LOG:  ".
  explicit ServerLogReader(std::string mark) : mark_(std::move(mark)) {}
  void Feed(std::string_view bytes);
  // What was read so far; waits without an end are kOpen. A last line without its end is read.
  ServerLog Finish();

  static constexpr size_t kLineBytesMax = 1 << 20;
  static constexpr size_t kEventsMax = 200 * 1000;    // Of each kind.
  static constexpr size_t kQueryBytesMax = 16 << 20;  // Of all deadlocks.

 private:
  struct Head {
    Micros wall_us = 0;
    uint32_t pid = 0;
    uint32_t leader = 0;  // 0: it is no parallel worker.
    std::string_view sqlstate;
    std::string_view severity;
    std::string_view text;
  };
  static bool ParseHead(std::string_view line, Head& head);
  void Line(std::string_view line);
  void OnWatch(const Head& head, std::string_view text);
  void OnWait(const Head& head);
  void OnError(const Head& head);
  bool OnSpill(const Head& head);
  void OnDetail(const Head& head);
  void OnContext(const Head& head);
  void OnContinuation(std::string_view line);
  bool OnDeadlockQuery(DeadlockEvent& deadlock, std::string_view line);
  void AddToQuery(std::string_view text);
  LockWaitEvent* OpenWaitOf(uint32_t pid);

  const std::string mark_;
  std::string line_;
  bool too_long_ = false;
  ServerLog log_;
  // What a DETAIL line, and lines that continue it, belong to.
  enum class Last : uint8_t { kNone, kWait, kDeadlock };
  Last last_ = Last::kNone;
  uint32_t last_pid_ = 0;
  bool in_detail_ = false;
  size_t query_bytes_ = 0;
  std::string* query_ = nullptr;  // Of a deadlock, that further lines of the detail go on with.
};

}  // namespace scry::migration
