// How a replay runs, and what it says of itself afterwards. Plain values.
#pragma once

#include <atomic>
#include <cstddef>
#include <cstdint>
#include <map>
#include <string>
#include <vector>

#include "base/clock.h"
#include "base/histogram.h"
#include "event/source_snapshot.h"

namespace scry::replay {

using base::Micros;

// What keeps exchanges of different sessions in order.
enum class SyncMode : uint8_t {
  kCommit,  // An exchange waits for what it had seen when captured, and for locks as then.
  kTime,    // Only the clock: each starts when it did, scaled by `speed`.
  kNone,    // Only the order inside each session.
};

inline constexpr Micros kLastAnswersUs = 2 * 1000 * 1000;

struct ReplayOptions {
  double speed = 0;  // 1: as captured, 2: twice as fast; 0: as fast as order allows.
  // The same for the start of sessions; below 0: like `speed`.
  double connect_speed = -1;
  SyncMode sync = SyncMode::kCommit;
  // Outcomes of lanes are judged. Without, pairs hold no results: only how statements ended, how
  // many rows they gave and how long they took.
  bool compare = true;
  // Of each session, so many exchanges are with the server at once where one lane is not compared,
  // without an order and a pace: the server never waits for this program, nor for the way to it.
  size_t pipeline = 1;
  // A lane that has not answered for so long no longer holds up the next lane, nor (a reader)
  // commits.
  Micros hold_up_us = 50 * 1000;
  // Without any progress for so long, lock waits between lanes' sessions are looked for and broken.
  Micros stall_us = 300 * 1000;
  // Without any progress for so long, what still runs is cancelled and counted.
  Micros stuck_us = 60 * 1000 * 1000;
  size_t window_bytes = 64 * 1024 * 1024;  // Exchanges read ahead.
  size_t cells_max = 32 * 1024;            // Values hashed one by one per statement and lane.
  size_t row_bytes_kept = 64 * 1024;       // Rows kept whole per statement and lane.
  uint64_t warm_up_calls = 1;              // First runs of a pattern that do not count for latency.
  // What the source was when the capture began; nullptr: not known. Outlives the replay.
  const event::SourceSnapshot* snapshot = nullptr;
  size_t identities_max = 250 * 1000;  // Values remembered per lane; about 250 bytes each.
  // The lanes are private servers on this machine: the backends that serve one session are kept on
  // one CPU, a different one from session to session. They take turns, so none of them loses by it;
  // left to the scheduler, one lane may share its CPU with others at work for a whole run.
  bool pin_sessions = false;
  // Open at the same time on each lane; 0: as many as the servers and this process take.
  size_t sessions_max = 0;
  bool set_sequences = true;  // The lanes' sequences begin where those of the snapshot stand.
  // True: the replay ends before its source does. Nothing further is sent, and what runs has
  // kLastAnswersUs to end. Outlives the replay; any thread may set it.
  const std::atomic<bool>* enough = nullptr;
};

// What the lanes named otherwise than production did. See identity.h.
struct IdentityStats {
  // Values that a lane made itself otherwise than production did, of all lanes.
  uint64_t values_learned = 0;
  uint64_t values_sent = 0;  // In the place of production's, in later statements.
  uint64_t values_ambiguous =
      0;  // Left as they were: one of production's may be several of a lane.
  uint64_t values_forgotten = 0;   // Over the limit of what is remembered.
  uint64_t functions_unknown = 0;  // Calls by OID of functions that are not the server's own.

  void Add(const IdentityStats& other);
  // For people; nothing for what is as it should be.
  std::vector<std::string> Notes() const;
};

struct ReplayStats {
  uint64_t sessions = 0;
  uint64_t sessions_excluded = 0;
  std::map<std::string, uint64_t> exclusion_reasons;  // Why, and how many sessions.
  uint64_t exchanges = 0;
  uint64_t exchanges_excluded = 0;  // Of excluded sessions, or after a connection was lost.
  uint64_t statements = 0;          // Run on every lane.
  uint64_t races_withdrawn = 0;  // Exchanges that had lost a race when captured: see lost_race.h.
  uint64_t rereads = 0;          // Reads run again: see reread.h.
  uint64_t held_up = 0;          // Exchanges in which lanes ran at the same time.
  uint64_t stalls_broken = 0;    // Order edges released.
  uint64_t cancelled = 0;        // Exchanges that had to be cancelled.
  uint64_t cancel_requests = 0;  // Of clients, for what ran: repeated on every lane.
  uint64_t cancels_missed = 0;   // Of clients, for what did not run or is not in the capture.
  // Statements that ended or cancelled sessions chosen by a query: see signals.h. Not run again.
  uint64_t signals_left_out = 0;
  uint64_t gaps = 0;  // Gap events in the capture.
  uint64_t gap_exchanges = 0;
  // Exchanges that had to wait though their session was ready and it was time: for the order, and
  // for this program, which reads and compares answers first. Sums.
  Micros order_wait_us = 0;
  Micros tool_wait_us = 0;
  // Paced replay: how far behind its time an exchange was started, at most. What is neither the
  // order's nor the tool's doing is the servers'.
  Micros lag_us_max = 0;
  base::Histogram lag;  // Of every exchange of a paced replay; those in time count as 0.
  // What the servers took longer for exchanges than in the capture, at the replay's speed. A sum.
  Micros server_wait_us = 0;
  Micros duration_us = 0;
  IdentityStats identity;
  std::vector<std::string> notes;  // For people, one sentence each.

  // Of replays one after the other.
  void Add(const ReplayStats& other);
  // Of replays at the same time.
  void AddBeside(const ReplayStats& other);
};

}  // namespace scry::replay
