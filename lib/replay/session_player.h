// Plays one captured session on all lanes: the same exchange on each, one lane after the other in
// rotating order, then the next exchange. Owned by the Replayer, runs on its loop.
#pragma once

#include <cstdint>
#include <deque>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <variant>
#include <vector>

#include "base/clock.h"
#include "base/result.h"
#include "event/event.h"
#include "event/lane_pair.h"
#include "os/poller.h"
#include "pg/conninfo.h"
#include "replay/commit_order.h"
#include "replay/doubt.h"
#include "replay/identity.h"
#include "replay/lane_connection.h"
#include "replay/options.h"
#include "replay/portal_names.h"
#include "replay/reread.h"

namespace scry::replay {

// One thing to do, in the order of the session.
struct Work {
  std::optional<event::Exchange> exchange;  // Empty: the session ends ...
  base::Micros ends_us = 0;                 // ... then, in the capture's time; 0: not known.
  CommitOrder::Ticket ticket = 0;
  // It only reads, by one snapshot: once that is taken, no commit can change what it sees.
  bool reads_one_snapshot = false;
  bool passes_locks = false;  // See ExchangeFacts.
  bool rereadable = false;
  base::Micros idle_limit_us = 0;  // See ExchangeFacts.
  uint32_t rereads = 0;            // So often it was run again.
  std::vector<ObjectId> touched;
  std::vector<ObjectId> changed;
  std::vector<ObjectId> released;
  bool withdrawn = false;  // See lost_race.h: gives no pairs.
  bool signals = false;    // Ends or cancels backends that it names: see signals.h.
  bool own = false;        // Not in the capture: gives no pairs, and is not counted.
  // Its client asked to cancel it when it had run for so long.
  std::vector<base::Micros> cancels_us;
  size_t weight = 0;
  uint64_t fingerprint = 0;  // Of its first statement.
};

class SessionPlayer {
 public:
  // kLeaving: it asked its servers to end it. They let go of what it held a moment later.
  enum class State : uint8_t { kNew, kConnecting, kWaiting, kRunning, kLeaving, kEnded };

  // How many sessions are where; kept by the players.
  struct Census {
    size_t connecting = 0;
    size_t open = 0;  // With connections: neither new nor ended.
    size_t running = 0;
    size_t leaving = 0;
    size_t window = 0;  // Weight of the work that waits or runs.
    // Its number. Of each session, so much as it needs to go on: if one hangs, what others have to
    // do is read past its backlog.
    size_t works = 0;
    size_t cancellable = 0;  // Running, and their clients asked to cancel them.
    size_t impatient = 0;    // Have set themselves a limit of idle time.
  };
  // What every session of a run shares.
  struct Shared {
    const ReplayOptions& options;
    os::Poller& poller;
    CommitOrder& order;
    event::PairSink& sink;
    ReplayStats& stats;
    Census& census;
    std::vector<bool>& suspects;  // By lane: a connection ended or failed; its server may be gone.
    const base::Clock& clock;
    base::Micros epoch_us;  // When the replay began.
    Identity& identity;
    Doubt& doubt;
    RereadBook& rereads;
    const std::vector<std::string>& lane_options;  // By lane; see StallProbe::PatientOptions.
    // The backend of a lane that stands for a captured one; 0: none.
    const std::function<uint32_t(size_t lane, uint32_t captured)>& backend;
    const base::TextPool& texts;
    const std::vector<int>& cpus;  // To spread sessions over; empty: the scheduler does.
    base::Micros Now() const { return clock.MonotonicUs() - epoch_us; }
  };

  // Poller tokens: `first_token` + lane. `shared` outlives the player.
  SessionPlayer(Shared& shared, event::SessionStart start, uint64_t first_token);
  ~SessionPlayer();
  SessionPlayer(const SessionPlayer&) = delete;
  SessionPlayer& operator=(const SessionPlayer&) = delete;

  // REQUIRES: kNew.
  void Connect(const std::vector<pg::ConnInfo>& lanes, base::Micros now_us);
  void Add(Work&& work);

  // REQUIRES: kWaiting or kEnded, and work. `rotation`: the lane that goes first. `forced`: out of
  // order. What cannot be run any more is counted and dropped at once.
  void StartNext(size_t rotation, bool warm_up, bool forced, base::Micros now_us);
  // `now_us`: when the readiness was seen.
  void OnReady(size_t lane, bool readable, bool writable, base::Micros now_us);
  // Lanes that do not answer no longer hold up the others.
  void CheckHoldUp(base::Micros now_us);
  // It only reads, by one snapshot, and has run on every lane for long: where all have theirs,
  // commits need not wait for its end.
  bool HoldsUpCommits(base::Micros now_us) const;
  // All have. REQUIRES: HoldsUpCommits.
  void LetCommitsGoOn();
  // Repeats on each lane what its client asked: to cancel what runs.
  void FireCancels(base::Micros now_us);
  // A session that waits for others is not idle, whatever limit it has set itself: lanes that have
  // nothing to do are asked nothing, in time.
  void StayAwake(base::Micros now_us);
  // What runs failed in the capture for want of a lock or of time: a lane that waits for a lock may
  // be left to fail likewise.
  bool WaitsInVain(base::Micros now_us) const;
  // It has run for longer than `patience_us`, and than in the capture.
  bool RunsLong(base::Micros now_us, base::Micros patience_us) const;
  // What has run for too long is cancelled; after as long again, its
  // connections are closed. One that still connects is excluded.
  void CancelStuck(base::Micros now_us);
  // A server that takes too long to end the session is no longer waited for.
  void LeaveAnyhow(base::Micros now_us);
  // The rest of the session is not replayed. Not while it runs.
  void Exclude(const std::string& reason);

  State state() const { return state_; }
  bool has_work() const { return !work_.empty(); }
  const Work& next_work() const { return work_.front(); }
  // The first of what it runs and has to run that others may wait for; 0: none.
  CommitOrder::Ticket first_ticket() const;
  // Nothing is left to do, and nothing more will come.
  bool over() const { return state_ == State::kEnded && end_seen_ && work_.empty(); }
  uint32_t backend_pid(size_t lane) const {
    return lane < lanes_.size() ? lanes_[lane]->backend_pid() : 0;
  }
  bool RunsOn(size_t lane) const {
    return lanes_[lane]->state() == LaneConnection::State::kRunning;
  }
  // When it connected, or its last exchange ended, in the replay's time.
  base::Micros free_since_us() const { return free_since_us_; }
  // In the capture, from that moment to the sending of the next exchange. 0: no matter.
  base::Micros think_us() const;
  // When the next exchange was sent, in the capture's time, or a session ended whose transaction is
  // open: it keeps its locks until then. 0: no matter.
  base::Micros captured_us() const;
  base::Micros started_us() const { return started_us_; }  // In the capture's time.

  // Marks of the replayer. It connects behind the first; the second stands for its connecting, for
  // others to wait for. 0: none.
  CommitOrder::Ticket connects_after = 0;
  CommitOrder::Ticket connect_ticket = 0;
  // It waits for its turn.
  bool queued = false;

 private:
  void NoteRefusal(size_t lane, const base::Status& status);
  void FinishConnecting(base::Micros now_us);
  void Leave(base::Micros now_us);
  void FinishLeaving();
  void PutConnect();
  void StartLane(size_t lane, base::Micros now_us);
  void SendAhead();
  bool MayPipeline(const Work& work) const;
  bool NeedsResults(const event::Exchange& exchange) const;
  void FinishIfDone();
  void Yield();
  bool ReadAgain(const std::vector<exchange::Answers>& answers);
  static bool FailedOnCandidate(const std::vector<exchange::Answers>& answers, size_t statement);
  void NoteDoubt(const std::vector<exchange::Answers>& answers);
  void MarkDivergence();
  void PutPair(size_t statement, std::vector<exchange::Answers>& answers);
  void LearnPortals(const std::vector<exchange::Answers>& answers);
  void PutUnasked(std::vector<exchange::Answers>& answers);
  void PutNotifications(size_t lane, const std::vector<event::Notification>& notifications);
  void Pin() const;
  void CompareStarts();
  bool AllLanes(LaneConnection::State state) const;
  bool AnyLane(LaneConnection::State state) const;
  void CloseLanes();
  void EndWork();
  void Become(State next);
  void CountExcluded(const std::string& reason);
  base::Micros StuckLimit() const;
  base::Micros CapturedUs() const;
  bool Cancellable() const;
  size_t CountedWorks() const;
  void CountServerWait(base::Micros took_us);

  Shared& shared_;
  const event::SessionStart start_;
  const uint64_t first_token_;
  const size_t weight_;  // Of itself, in the window.
  State state_ = State::kNew;
  // Ids and types are followed in the first database alone: others have relations and types of
  // their own under the same numbers and names.
  bool followed_ = true;
  std::vector<std::unique_ptr<LaneConnection>> lanes_;  // From Connect on.
  std::vector<std::optional<base::Error>> refusals_;    // By lane: why it took no connection.
  std::vector<PortalNames> portals_;                    // By lane.
  std::deque<Work> work_;
  IdentitySession identity_;
  // Since when it connects, runs the exchange, waits for its cancellation, or leaves.
  base::Micros since_us_ = 0;

  base::Micros free_since_us_ = 0;
  base::Micros idle_limit_us_ = 0;  // The shortest that it has set, or is to set.
  const base::Micros started_us_;
  base::Micros captured_end_us_ = 0;  // Of the exchange before, in the capture's time.

  // Of the exchange that runs.
  exchange::AnswerDetail detail_ = exchange::AnswerDetail::kFull;
  std::vector<size_t> lane_order_;
  std::vector<std::optional<std::vector<event::FrontendMessage>>>
      sent_;                           // By lane, where it is not as captured.
  std::vector<size_t> cancels_fired_;  // By lane.
  size_t lanes_started_ = 0;
  base::Micros last_started_us_ = 0;
  bool held_up_ = false;
  bool warm_up_ = false;
  base::Micros exchange_started_us_ = 0;
  base::Micros slowest_us_ = 0;               // That a lane took which has answered.
  std::vector<exchange::Answers> answers_;    // Once all lanes have answered.
  std::vector<event::LaneOutcome> outcomes_;  // Of the pair before.
  bool let_go_ = false;                       // Others no longer wait for it.
  bool order_broken_ = false;                 // Also of the rest of its transaction.
  bool diverged_ = false;                     // Lanes went apart in the open transaction ...
  Parting parting_ = Parting::kNone;          // ... and not by the change under test.
  std::vector<ObjectId> changed_;             // By the open transaction.
  bool cancelled_ = false;

  bool end_seen_ = false;
  std::string ended_why_;  // Why it ended before its work did.
  bool excluded_ = false;  // And that it is counted.
};

}  // namespace scry::replay
