// What a migration did, statement by statement: put together from what the relay saw, what the
// watch's event triggers logged, locks read at statement boundaries, and the catalogs before and
// after. Plain values; building is pure. Made by MigrationWatch, shown by the report.
#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <vector>

#include "base/clock.h"
#include "event/event.h"
#include "event/table_work.h"
#include "migration/bound_values.h"
#include "migration/catalog_state.h"
#include "migration/lock_mode.h"
#include "migration/script.h"
#include "migration/server_log.h"

namespace scry::migration {

// A lock on a relation that other sessions could see, in the statement that took it: not on one
// that its own transaction made.
struct TakenLock {
  uint32_t relation = 0;
  std::string name;
  LockMode mode = LockMode::kNone;
  Micros held_us = 0;        // From the statement's begin to the end of its transaction: at most.
  bool implied = false;      // Not seen: what the statement did to the relation needs it.
  bool partitioned = false;  // The relation is a table, or an index, in partitions.
  bool made = false;         // The migration made the relation ...
  bool apart = false;  // ... and neither under the name of one that was there, nor as an index
                       // of one: what was captured before cannot know it.
};

inline bool StopsTraffic(const TakenLock& lock) { return StopsTraffic(lock.mode) && !lock.apart; }

// What the watch may have missed, so that silence is not taken for peace.
struct WatchGaps {
  uint64_t looks_failed = 0;  // At locks and the WAL, beside the statements.
  uint64_t log_dropped = 0;   // Events of the server's log, over a limit.
  bool log_cut = false;       // The log was too long to be read to its end.
  bool events_lost = false;   // DDL ran, and none of the triggers' lines came.
  bool any() const { return looks_failed > 0 || log_dropped > 0 || log_cut || events_lost; }
};

struct StatementProfile {
  uint32_t pid = 0;
  std::string text;      // With its literals: the whole query string ...
  uint32_t ordinal = 0;  // ... and which statement of it.
  std::string pattern;   // Without literals.
  uint64_t fingerprint = 0;
  event::TableWork work;               // These two of the text: not every pattern parses.
  std::vector<std::string> relations;  // That it names, as StatementFacts does.
  Micros begin_us = 0;                 // Of the clock's monotonic time.
  Micros end_us = 0;
  Micros transaction_end_us = 0;  // Locks are let go.
  uint64_t calls = 1;    // Equal ones of a transaction, one after the other, are one entry.
  Micros busy_us = 0;    // Of all of them.
  std::string tag;       // "ALTER TABLE"; of calls: the last one's.
  std::string sqlstate;  // Empty: it succeeded.
  std::string message;   // Of the error.
  uint64_t rows = 0;     // That it wrote, as its tags say.
  uint64_t wal_bytes = 0;
  uint64_t temp_bytes = 0;  // In files of kSpillLoggedBytes or more.
  // The database grew by, from its begin to its end. None: not known.
  std::optional<int64_t> disk_bytes = 0;
  std::vector<TakenLock>
      locks;  // That no earlier statement of the transaction held; strongest first.
  std::vector<std::string> rewrote;
  std::vector<std::string> dropped;  // "view public.v": taken along by CASCADE.
};

struct MigrationProfile {
  std::vector<StatementProfile> statements;  // By begin.
  uint64_t statements_more = 0;              // Not kept.
  uint64_t wal_bytes = 0;                    // Written meanwhile, by whomever.
  uint64_t temp_bytes = 0;
  int64_t disk_bytes = 0;                       // The database grew by.
  uint64_t database_bytes = 0;                  // Before it.
  std::map<std::string, uint64_t> table_bytes;  // The same, with indexes and TOAST; by name.
  CatalogChange change;
  bool spills_known = false;  // The temporary files of each statement are.
  bool triggers = false;      // The event triggers could be installed: every DDL's locks are known.
  // Lock waits and deadlocks, where the server logs them; their times are monotonic ones here.
  std::vector<LockWaitEvent> waits;
  std::vector<DeadlockEvent> deadlocks;
  WatchGaps gaps;
  std::vector<RecordedStatement> script;  // Empty: see the next one (script.h).
  std::string why_no_script;              // In words that end a sentence.

  // The strongest lock that the migration took on a relation; kNone: none.
  LockMode Strongest(uint32_t relation) const;
};

// Rows that count as written: INSERT, UPDATE, DELETE, MERGE, COPY, SELECT INTO by its tag.
uint64_t RowsWritten(const std::string& tag);

// What the relay and the side connection saw, for BuildProfile.
struct SeenStatement {
  uint32_t pid = 0;
  uint64_t exchange = 0;  // Same number: one exchange.
  event::Statement statement;
  Micros begin_us = 0;
  Micros end_us = 0;
  bool open_after = false;                        // The transaction goes on after its exchange.
  std::optional<Literals> values = std::nullopt;  // Of its parameters, where they are known as SQL.
};
// Held at some moment from `asked_us` to `at_us`, which differ where the backend ran on meanwhile.
struct SeenLocks {
  uint32_t pid = 0;
  Micros asked_us = 0;
  Micros at_us = 0;
  std::vector<OidLock> locks;
};
struct SeenSizes {
  uint32_t pid = 0;
  Micros at_us = 0;
  std::optional<uint64_t> lsn = std::nullopt;  // None: the look failed.
  // None: it was not looked at, as hardly anything can have changed ...
  std::optional<uint64_t> database_bytes = std::nullopt;
  bool missed = false;  // ... or though something can have.
};
struct Seen {
  std::vector<SeenStatement> statements;  // In the order of completion.
  uint64_t statements_more = 0;
  std::vector<SeenLocks> locks;
  std::vector<SeenSizes> sizes;
  Micros wall_offset_us = 0;  // Wall time - monotonic time.
};

MigrationProfile BuildProfile(Seen seen, ServerLog log, const CatalogState& before,
                              const CatalogState& after);

}  // namespace scry::migration
