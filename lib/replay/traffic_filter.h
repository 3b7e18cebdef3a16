// A capture seen through a filter: some of its sessions, some of its statements, a part of its
// time, or several times over. Stands between a source and Replay(). Pure; one thread. Memory: what
// is held back is bounded; besides, a few hundred bytes for each session that is open in the
// capture.
//
// Sessions are let through or not as a whole. Of exchanges that are not wanted, what the session
// needs for those that are stays: settings, prepared statements, and transaction control around
// something that stayed. What had run before the window is gone; a transaction that was open when
// it began goes on without its first part.
#pragma once

#include <cstdint>
#include <deque>
#include <functional>
#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/clock.h"
#include "base/result.h"
#include "event/event.h"
#include "event/event_source.h"
#include "event/statement_facts.h"
#include "replay/read_guard.h"

namespace scry::replay {

struct TrafficFilterOptions {
  // Of the startup packet, as wildcards (base/wildcard.h); none: any. One that matches is enough.
  std::vector<std::string> users;
  std::vector<std::string> databases;
  std::vector<std::string> applications;
  // Patterns of statements as wildcards, or fingerprints as 16 hex digits; none: any.
  std::vector<std::string> statements;
  // Exchanges sent at or after `from_us` and before `to_us`, since the capture's start.
  std::optional<base::Micros> from_us;
  std::optional<base::Micros> to_us;
  bool reads_only = false;  // Only what ReadGuard lets through.
  uint64_t multiply = 1;    // So many copies of every session.
  // Of `shards` parts by session the one numbered `shard`, from 1. The parts do not overlap and
  // make up the whole.
  uint64_t shard = 1;
  uint64_t shards = 1;
  // Of what all that lets through every `parts`-th session, from the one numbered `part`, from 1:
  // for replays side by side in one process. What is counted of the rest is counted by part 1.
  uint64_t part = 1;
  uint64_t parts = 1;
  // Numbers of sessions in ascending order; nullptr: any. Outlives the filter.
  const std::vector<uint64_t>* sessions = nullptr;

  // Some exchanges of a session may be left out.
  bool Thins() const { return !statements.empty() || reads_only || from_us || to_us; }
  bool All() const {
    return !Thins() && users.empty() && databases.empty() && applications.empty() &&
           multiply == 1 && shards == 1 && parts == 1 && sessions == nullptr;
  }
};

inline constexpr uint64_t kMultiplyMax = 1000;
inline constexpr uint64_t kShardsMax = 10'000;

struct TrafficFilterStats {
  uint64_t sessions = 0;             // Let through, before they are multiplied.
  uint64_t sessions_filtered = 0;    // Left out.
  uint64_t exchanges = 0;            // Let through whole, before they are multiplied.
  uint64_t exchanges_for_state = 0;  // Let through, whole or in part, because the session needs it.
  uint64_t exchanges_filtered = 0;   // Left out of sessions that were let through.
  uint64_t exchanges_refused = 0;    // Of those, the ones not known to only read.

  // Of captures one after the other.
  void Add(const TrafficFilterStats& other);
};

// That a session goes to: the user's name where it named none.
std::string_view DatabaseOf(const event::SessionStart& start);

class TrafficFilter final : public event::EventSource {
 public:
  // `guard` may be null unless `options.reads_only`. All outlive it.
  TrafficFilter(event::EventSource& source, const TrafficFilterOptions& options,
                event::FactsCache& facts, ReadGuard* guard);
  base::Result<bool> Read(event::Event& event) override;
  double ShareRead() const override { return source_.ShareRead(); }

  // Complete at the end.
  const TrafficFilterStats& stats() const { return stats_; }

 private:
  struct Session {
    uint64_t first_id = 0;  // Of its copies, which follow one another.
    bool failed = false;    // In the capture it is in a transaction that failed ...
    bool open = false;      // ... or in any ...
    bool opened = false;    // ... which is also open in what was let through.
    // What opened the transaction, and its savepoints, until something needs them.
    std::vector<event::Exchange> held;
    // Before the window: its start and what it needs, until the window opens.
    bool waits = false;
    std::vector<event::Event> early;
    size_t early_weight = 0;
  };
  struct Outgoing {
    event::Event event;
    uint64_t first_id = 0;
    uint64_t copies = 1;
  };

  // Nearly everything goes on as it is: true, and nothing is to be done for it. Else what goes on
  // in its place is in `out_`.
  bool Take(event::Event& event);
  void Start(event::SessionStart start);
  void End(const event::SessionEnd& end);
  bool TakeExchange(event::Exchange& exchange);
  void TakeGap(event::Gap gap);
  bool Passes(const event::SessionStart& start) const;
  bool InWindow(base::Micros at_us) const;
  bool IsWanted(const event::Exchange& exchange);
  bool MatchesStatement(const event::Exchange& exchange);
  void KeepState(event::Exchange exchange, Session& session, bool refused);
  bool PassWhole(event::Exchange& exchange, Session& session);
  void OpenWindow();
  void Release(Session& session);
  void Emit(event::Event event, Session& session);
  void EmitHeld(const event::Exchange& before, Session& session);
  bool KeepPreparation(event::Exchange& exchange, Session& session);
  std::optional<event::Exchange> TakePreparation(event::Exchange& exchange);
  void Hold(event::Exchange exchange, Session& session);

  event::EventSource& source_;
  const TrafficFilterOptions options_;
  event::FactsCache& facts_;
  ReadGuard* const guard_;
  std::map<uint64_t, Session> sessions_;  // Let through, and open in the capture.
  uint64_t next_id_ = 1;
  uint64_t passed_ = 0;  // Sessions of all parts.
  bool window_open_;
  size_t early_weight_ = 0;
  std::deque<Outgoing> out_;
  uint64_t copy_ = 0;  // Of the first in `out_`, the next.
  TrafficFilterStats stats_;
};

}  // namespace scry::replay
