#include "replay/replayer.h"

#include <fmt/format.h>
#include <unistd.h>

#include <algorithm>
#include <deque>
#include <functional>
#include <memory>
#include <unordered_map>
#include <unordered_set>
#include <utility>

#include "os/affinity.h"
#include "os/poller.h"
#include "pg/connection.h"
#include "pg/startup.h"
#include "replay/agenda.h"
#include "replay/cancel_book.h"
#include "replay/commit_order.h"
#include "replay/doubt.h"
#include "replay/footprint_reader.h"
#include "replay/identity.h"
#include "replay/large_objects.h"
#include "replay/lost_race.h"
#include "replay/reading_order.h"
#include "replay/relation_catalog.h"
#include "replay/session_player.h"
#include "replay/signals.h"
#include "replay/stall.h"
#include "wire/frontend.h"

namespace scry::replay {
namespace {

using event::SessionId;
using State = SessionPlayer::State;

constexpr base::Micros kTickUs = 100 * 1000;
constexpr base::Micros kPollUs = 5 * 1000;
constexpr base::Micros kHoldUpCheckUs = 10 * 1000;
constexpr base::Micros kCancelCheckUs = 1000;
constexpr base::Micros kAwakeCheckUs = 20 * 1000;
// Asking whether a server still accepts connections costs it a process.
constexpr base::Micros kPingUs = 200 * 1000;
// The first look for lock waits comes early, further ones at longer and longer intervals: a stall
// that the order itself made should cost little, a slow statement should not be disturbed.
constexpr base::Micros kFirstStallUs = 5 * 1000;
constexpr uint64_t kTokensPerSession = 8;  // At most so many lanes.
// Events read before answers are looked at again: while an answer waits to be read its time runs
// on.
constexpr int kReadAtOnce = 64;
// Sessions that connect at the same time: servers refuse what their queue of connections cannot
// hold.
constexpr size_t kConnectingMax = 16;
constexpr size_t kFilesReserved = 64;
// Fingerprints whose calls are counted; past it, counting starts anew.
constexpr size_t kPatternsMax = 200 * 1000;
// Exchanges read ahead, of each session as many as it needs to go on. More gain nothing: whoever
// judges the pairs would have to parse statements again that the classifier knew (the cache of
// facts holds some thousand texts), what lies around for long has left the processor's cache when
// its turn comes, and the order of many costs more than that of few.
constexpr size_t kWorksPerSession = 32;
constexpr size_t kWorksMin = 256;
constexpr size_t kWorksMax = 2048;
// A session that did nothing in so many events is idle: nobody reads on to find work for it.
constexpr size_t kActiveReach = 4096;
// Whose catalogs are read; sessions of further ones touch all there is.
constexpr size_t kDatabasesMax = 64;
// Of small exchanges, so many more for each further window.
constexpr size_t kExtraWorks = 100 * 1000;
// To find out who lets go of a lock, so many windows are read at most.
constexpr size_t kExtraWindows = 3;

// What a replay runs on, made before it begins.
struct Ground {
  os::Poller poller;
  StallProbe probe;
  RelationCatalog catalog;
  Identity identity;
  std::vector<std::string> notes;
  std::vector<std::string> lane_options;
  size_t sessions_max = 0;  // Open at the same time.
};

class Run {
 public:
  Run(const std::vector<LaneTarget>& lanes, event::EventSource& source, event::PairSink& sink,
      event::FactsCache& facts, const ReplayOptions& options, const base::Clock& clock,
      const ReplayTick& tick, Ground ground)
      : lanes_(lanes),
        infos_(Infos(lanes)),
        source_(source),
        options_(options),
        tick_(tick),
        poller_(std::move(ground.poller)),
        facts_(facts),
        footprints_(facts, std::move(ground.catalog)),
        probe_(std::move(ground.probe)),
        identity_(std::move(ground.identity)),
        lane_options_(std::move(ground.lane_options)),
        sessions_max_(ground.sessions_max),
        reading_(options.window_bytes / 2),
        agenda_(order_),
        suspects_(lanes.size(), false),
        cpus_(options.pin_sessions ? os::UsableCpus() : std::vector<int>()),
        shared_{options,       poller_,  order_,
                sink,          stats_,   census_,
                suspects_,     clock,    clock.MonotonicUs(),
                identity_,     doubt_,   rereads_,
                lane_options_, backend_, texts_,
                cpus_} {
    stats_.notes = std::move(ground.notes);
    identity_.ShareSites(footprints_.sites());
  }

  base::Result<ReplayStats> Go();

  static std::vector<pg::ConnInfo> Infos(const std::vector<LaneTarget>& lanes) {
    std::vector<pg::ConnInfo> infos;
    for (const LaneTarget& lane : lanes) {
      pg::ConnInfo& info = infos.emplace_back(lane.info);
      // A network that swallows packets must end what waits for it: cancel requests, say.
      if (!info.Has("tcp_user_timeout")) info.Set("tcp_user_timeout", "30000");
      if (!info.Has("connect_timeout")) info.Set("connect_timeout", "10");
    }
    return infos;
  }

 private:
  using Sessions = std::unordered_map<uint64_t, std::unique_ptr<SessionPlayer>>;

  base::Micros Now() const { return shared_.Now(); }
  uint64_t Progress() const { return stats_.exchanges + stats_.exchanges_excluded; }
  size_t WorksMax() const {
    // By the clock, what begins soon may be written far behind: it is written when it ends.
    if (options_.speed > 0) return kWorksMax + extra_works_;
    return std::clamp(kWorksPerSession * active_.size(), kWorksMin, kWorksMax) + extra_works_;
  }
  // Each session goes on as soon as it was answered.
  bool Unhindered() const { return options_.sync == SyncMode::kNone && options_.speed <= 0; }
  // Not for a few exchanges: the code that reads them would have to be fetched each time.
  bool ShouldRead() const {
    return MayRead() && (!Unhindered() || census_.running == 0 || census_.works <= WorksMax() / 2);
  }
  bool MayRead() const {
    return !source_ended_ && source_.Ready() && census_.works < WorksMax() &&
           census_.window + reading_.weight() < options_.window_bytes + extra_window_;
  }

  base::Status Fill();
  void Read(event::Event&& event);
  void NoteActive(uint64_t session, bool ends);
  void LearnDatabase(const std::string& database);
  uint64_t FingerprintOf(const event::Exchange& exchange);
  void Admit(ReadEvent&& read);
  void Open(event::SessionStart start);
  void AddWork(SessionId session, Work&& work, const Footprint& footprint);
  void HoldForStarts();
  void AddDelivery(const event::SessionEnd& end);
  void EndAll();
  void ConnectSome();
  void Enlist(uint64_t id, SessionPlayer& player,
              std::optional<base::Micros> ready_us = std::nullopt);
  static base::Micros Scaled(base::Micros captured_us, double speed) {
    return static_cast<base::Micros>(static_cast<double>(captured_us) / speed);
  }
  base::Micros ConnectUs(const SessionPlayer& player);
  base::Micros DueUs(const SessionPlayer& player) const;
  base::Micros ScheduledUs(const SessionPlayer& player) const;
  void StartWhatMay();
  void Start(uint64_t id, SessionPlayer& player, bool forced, base::Micros now_us);
  base::Status Wait();
  base::Status Tick(base::Micros now);
  base::Status CheckServers(bool at_end);
  void FireCancels();
  void CheckHoldUps(base::Micros now);
  void StayAwake(base::Micros now);
  void LetCommitsGoOn();
  base::Status CheckStall(base::Micros now);
  base::Status CheckSlow(base::Micros now);
  base::Result<std::vector<LockWait>> LookForLockWaits();
  SessionPlayer* PlayerOf(size_t lane, uint32_t backend);
  std::vector<LockWait> Deadlocked(const std::vector<LockWait>& waits);
  void CancelStuck(base::Micros now);
  bool BreakLockWaits(const std::vector<LockWait>& waits);
  void FreeBlocker(uint64_t id);
  void MakeRoom();

  const std::vector<LaneTarget>& lanes_;
  const std::vector<pg::ConnInfo> infos_;
  event::EventSource& source_;
  const ReplayOptions& options_;
  const ReplayTick& tick_;
  os::Poller poller_;
  event::FactsCache& facts_;
  FootprintReader footprints_;
  StallProbe probe_;
  Identity identity_;
  const std::vector<std::string> lane_options_;
  const size_t sessions_max_;

  // Reading.
  ReadingOrder reading_;
  std::unordered_map<uint64_t, SessionTrail> trails_;  // As read, by session number.
  CancelBook cancels_;
  std::unordered_set<uint64_t> listeners_;       // Open sessions that were notified.
  std::unordered_map<uint64_t, size_t> active_;  // Sessions by their share of those read last:
  std::deque<uint64_t> read_last_;               // whose events they were.
  base::Micros last_read_us_ = 0;                // In the capture's time.
  bool source_ended_ = false;
  std::optional<base::Micros> enough_since_us_;
  // Read past the window, to get out of a stall.
  size_t extra_window_ = 0;
  size_t extra_works_ = 0;

  // Playing.
  CommitOrder order_;
  Agenda agenda_;
  ReplayStats stats_;
  SessionPlayer::Census census_;
  std::vector<bool> suspects_;  // Lanes whose server may be gone.
  Doubt doubt_;
  RereadBook rereads_;
  const std::vector<int> cpus_;
  SessionPlayer::Shared shared_;
  CommitOrder::Ticket logins_changed_ = 0;           // The last that did; 0: none.
  std::optional<base::Micros> first_start_us_;       // In the capture's time.
  Sessions sessions_;                                // By session number.
  const base::TextPool texts_;                       // That sessions prepare.
  std::unordered_map<uint32_t, uint64_t> backends_;  // Captured ones: whose they were last.
  const std::function<uint32_t(size_t, uint32_t)> backend_ = [this](size_t lane,
                                                                    uint32_t captured) {
    const auto backend = backends_.find(captured);
    const auto session =
        backend == backends_.end() ? sessions_.end() : sessions_.find(backend->second);
    return session == sessions_.end() ? 0 : session->second->backend_pid(lane);
  };
  std::deque<uint64_t> to_connect_;               // In the order of their starts.
  std::unordered_map<uint64_t, uint64_t> calls_;  // By fingerprint: rotation and warm-up.

  // Watching.
  base::Micros ticked_us_ = 0;
  base::Micros pinged_us_ = -kPingUs;
  base::Micros hold_up_checked_us_ = 0;
  base::Micros awake_checked_us_ = 0;
  base::Micros progressed_us_ = 0;
  base::Micros stall_checked_us_ = 0;
  base::Micros stall_wait_us_ = kFirstStallUs;
  base::Micros slow_checked_us_ = 0;
  uint64_t progress_seen_ = 0;
};

base::Result<ReplayStats> Run::Go() {
  for (;;) {
    if (options_.enough != nullptr && *options_.enough) {
      enough_since_us_ = enough_since_us_.value_or(Now());
      if (census_.running == 0 || Now() - *enough_since_us_ > kLastAnswersUs) break;
    } else {
      SCRY_TRY(Fill());
      ConnectSome();
      StartWhatMay();
    }
    if (source_ended_ && sessions_.empty()) break;
    SCRY_TRY(Wait());
    const base::Micros now = Now();
    SCRY_TRY(Tick(now));
    SCRY_TRY(CheckServers(false));
    FireCancels();
    CheckHoldUps(now);
    StayAwake(now);
    SCRY_TRY(CheckStall(now));
    SCRY_TRY(CheckSlow(now));
  }
  SCRY_TRY(CheckServers(true));
  stats_.duration_us = Now();
  stats_.identity = identity_.stats();
  stats_.cancels_missed = cancels_.missed();
  for (std::string& note : stats_.identity.Notes()) stats_.notes.push_back(std::move(note));
  if (stats_.signals_left_out > 0) {
    stats_.notes.push_back(
        fmt::format("{} statement{} that ended or cancelled sessions chosen by a query {} not "
                    "replayed: on a lane it would choose others.",
                    stats_.signals_left_out, stats_.signals_left_out == 1 ? "" : "s",
                    stats_.signals_left_out == 1 ? "was" : "were"));
  }
  (void)tick_(stats_);
  return stats_;
}

base::Status Run::Fill() {
  if (!ShouldRead()) return {};
  event::Event event;
  for (int i = 0; MayRead() && (i < kReadAtOnce || census_.running == 0); ++i) {
    SCRY_TRY_ASSIGN(const bool more, source_.Read(event));
    if (more) {
      Read(std::move(event));
    } else {
      source_ended_ = true;
      reading_.End();
    }
    while (std::optional<ReadEvent> read = reading_.Next()) Admit(std::move(*read));
    if (source_ended_) EndAll();
  }
  return {};
}

void Run::Read(event::Event&& event) {
  ReadEvent read;
  if (const auto* cancel = std::get_if<event::Cancel>(&event)) {
    cancels_.Add(*cancel);
    return;
  }
  if (const auto* notification = std::get_if<event::Notification>(&event)) {
    listeners_.insert(static_cast<uint64_t>(notification->session));
    shared_.sink.PutNotification(*notification, std::nullopt);
    return;
  }
  const auto session = static_cast<uint64_t>(event::SessionOf(event));
  if (const auto* exchange = std::get_if<event::Exchange>(&event)) {
    read.cancels_us = cancels_.Take(*exchange);
    if (read.cancels_us.empty() && WasCancelledBySql(*exchange)) {
      read.cancels_us.push_back(
          std::max<base::Micros>(exchange->completed_us - exchange->forwarded_us, 0));
    }
    read.lost_race = WasTerminated(*exchange);
  } else if (std::holds_alternative<event::SessionEnd>(event)) {
    cancels_.End(event::SessionId{session});
    read.listens = listeners_.erase(session) > 0;
  }
  NoteActive(session, std::holds_alternative<event::SessionEnd>(event));
  last_read_us_ = std::max(last_read_us_, event::TimeOf(event));
  read.weight = event::WeightBytes(event);
  if (options_.sync != SyncMode::kCommit) {  // What touches what is nobody's question.
    const auto* exchange = std::get_if<event::Exchange>(&event);
    // Patterns count for who goes first, and for what is compared.
    if (exchange != nullptr && (options_.compare || lanes_.size() > 1)) {
      read.fingerprint = FingerprintOf(*exchange);
    }
    read.event = std::move(event);
    Admit(std::move(read));
    return;
  }
  if (const auto* exchange = std::get_if<event::Exchange>(&event)) {
    static_cast<ExchangeFacts&>(read) = footprints_.Read(*exchange, trails_[session]);
    read.lost_race = WasTerminated(*exchange) ||
                     (LostRace(*exchange, false) &&
                      LostRace(*exchange, HeldByOthers(session, read.footprint, trails_)));
    read.rereadable &= rereads_.Worthwhile(read.fingerprint);
  } else if (const auto* start = std::get_if<event::SessionStart>(&event)) {
    const std::string database = pg::DatabaseOf(infos_.front(), start->parameters);
    LearnDatabase(database);
    footprints_.Start(*start, trails_[static_cast<uint64_t>(start->session)], database);
  } else if (const auto* end = std::get_if<event::SessionEnd>(&event)) {
    const auto trail = trails_.find(static_cast<uint64_t>(end->session));
    if (trail != trails_.end()) {
      read.footprint = FootprintReader::End(trail->second);
      read.listens |= trail->second.listens;
      trails_.erase(trail);
    }
  }
  read.event = std::move(event);
  reading_.Add(std::move(read));
}

void Run::NoteActive(uint64_t session, bool ends) {
  if (ends) {
    active_.erase(session);
    return;
  }
  ++active_[session];
  read_last_.push_back(session);
  if (read_last_.size() <= kActiveReach) return;
  const auto share = active_.find(read_last_.front());
  read_last_.pop_front();
  if (share != active_.end() && --share->second == 0) active_.erase(share);
}

// Of a database that a lane does not let us into nothing is known, so its sessions touch all.
void Run::LearnDatabase(const std::string& database) {
  const std::string first = infos_.front().Get("dbname");
  if (first.empty() || database == first || footprints_.HasCatalog(database)) return;
  RelationCatalog catalog(footprints_.objects_end());
  for (pg::ConnInfo info : infos_) {
    if (footprints_.catalogs() >= kDatabasesMax) break;
    info.Set("dbname", database);
    auto session = pg::AdminSession::Connect(info);
    if (session.ok() && catalog.Add(*session).ok()) continue;
    catalog = RelationCatalog(footprints_.objects_end());
    break;
  }
  footprints_.AddCatalog(database, std::move(catalog));
}

uint64_t Run::FingerprintOf(const event::Exchange& exchange) {
  if (exchange.statements.empty() || exchange.statements.front().text.empty()) return 0;
  const event::Statement& first = exchange.statements.front();
  return facts_.Get(first.text, first.ordinal).fingerprint;
}

void Run::Admit(ReadEvent&& read) {
  if (auto* exchange = std::get_if<event::Exchange>(&read.event)) {
    const SessionId session = exchange->session;
    Work work;
    work.weight = read.weight;
    work.fingerprint = read.fingerprint;
    work.reads_one_snapshot = read.only_reads && read.one_snapshot;
    work.passes_locks = read.passes_locks;
    work.rereadable = read.rereadable;
    work.idle_limit_us = read.idle_limit_us;
    work.touched = ObjectsTouched(read);
    work.changed = ObjectsChanged(read);
    work.released = ObjectsReleased(read);
    work.exchange = std::move(*exchange);
    KeepObjectNumber(*work.exchange);
    work.cancels_us = std::move(read.cancels_us);
    stats_.cancel_requests += work.cancels_us.size();
    const Signals signals = SignalsOf(*work.exchange, facts_);
    work.signals = signals == Signals::kNamed;
    if (read.lost_race || signals == Signals::kChosen) {
      Withdraw(*work.exchange);
      work.withdrawn = true;
      ++(signals == Signals::kChosen ? stats_.signals_left_out : stats_.races_withdrawn);
    }
    AddWork(session, std::move(work), read.footprint);
  } else if (auto* start = std::get_if<event::SessionStart>(&read.event)) {
    Open(std::move(*start));
  } else if (const auto* end = std::get_if<event::SessionEnd>(&read.event)) {
    if (read.listens) AddDelivery(*end);
    Work work;
    work.ends_us = end->at_us;
    AddWork(end->session, std::move(work), read.footprint);
  } else if (const auto* gap = std::get_if<event::Gap>(&read.event)) {
    ++stats_.gaps;
    stats_.gap_exchanges += gap->exchanges;
  }
}

void Run::Open(event::SessionStart start) {
  const auto id = static_cast<uint64_t>(start.session);
  if (sessions_.contains(id)) {  // Its work may not be dropped: others wait for it.
    ++stats_.sessions_excluded;
    ++stats_.exclusion_reasons["the capture starts a session twice"];
    return;
  }
  if (start.backend_pid != 0) backends_[start.backend_pid] = id;
  auto player = std::make_unique<SessionPlayer>(shared_, std::move(start), id * kTokensPerSession);
  player->connects_after = logins_changed_;
  sessions_.emplace(id, std::move(player));
  to_connect_.push_back(id);
}

void Run::AddWork(SessionId session, Work&& work, const Footprint& footprint) {
  const auto found = sessions_.find(static_cast<uint64_t>(session));
  if (found == sessions_.end()) {  // Its start is not in this capture, or its end came before.
    if (work.exchange && !work.own) ++stats_.exchanges_excluded;
    return;
  }
  if (options_.sync == SyncMode::kCommit) {
    CommitOrder::Origin origin;
    origin.session = static_cast<uint64_t>(session);
    origin.sent_us = work.exchange ? work.exchange->forwarded_us : INT64_MAX;
    if (work.rereadable) origin.answered_us = AnsweredUs(*work.exchange);
    const bool changes_logins = FootprintReader::ChangesLogins(footprint);
    if (changes_logins) HoldForStarts();
    work.ticket = order_.Admit(footprint, origin);
    if (changes_logins) logins_changed_ = work.ticket;
  }
  found->second->Add(std::move(work));
  Enlist(found->first, *found->second);
}

// What is to come changes who may connect, and as whom: sessions that began before connect first.
void Run::HoldForStarts() {
  for (const auto& [id, player] : sessions_) {
    const bool starts = player->state() == State::kNew || player->state() == State::kConnecting;
    if (!starts || player->connect_ticket != 0) continue;
    player->connect_ticket = order_.Admit(FootprintReader::Connected());
  }
}

// An empty query of ours, before a session that listens ends: when it is answered, the servers have
// handed over the notifications of all that committed before.
void Run::AddDelivery(const event::SessionEnd& end) {
  Work work;
  work.own = true;
  work.weight = sizeof(Work);
  event::Exchange& exchange = work.exchange.emplace();
  exchange.session = end.session;
  exchange.forwarded_us = exchange.completed_us = end.at_us;
  exchange.status = 'I';
  event::FrontendMessage& message = exchange.messages.emplace_back();
  message.type = wire::frontend::kQuery;
  message.head = std::string(1, '\0');
  AddWork(end.session, std::move(work), FootprintReader::Notified());
}

// The capture is over; sessions it saw no end of end here, in a fixed order.
void Run::EndAll() {
  std::vector<uint64_t> ids;
  for (const auto& [id, player] : sessions_) ids.push_back(id);
  std::sort(ids.begin(), ids.end());
  for (const uint64_t id : ids) {
    if (trails_[id].listens || listeners_.contains(id)) {
      event::SessionEnd end;
      end.session = SessionId{id};
      end.at_us = last_read_us_;
      AddDelivery(end);
    }
    Work work;
    work.ends_us = last_read_us_;
    AddWork(SessionId{id}, std::move(work), FootprintReader::End(trails_[id]));
  }
}

// Sessions connect in the order of the capture, as long as there is room. Those that end make room
// for the next: a capture of many short sessions never had them open all at once.
void Run::ConnectSome() {
  while (!to_connect_.empty() && census_.open < sessions_max_ &&
         census_.connecting < kConnectingMax) {
    const auto found = sessions_.find(to_connect_.front());
    if (found != sessions_.end() && found->second->state() == State::kNew &&
        (ConnectUs(*found->second) > Now() || order_.IsOpen(found->second->connects_after))) {
      return;
    }
    to_connect_.pop_front();
    if (found == sessions_.end() || found->second->state() != State::kNew) continue;
    found->second->Connect(infos_, Now());
    Enlist(found->first, *found->second);
  }
}

// The capture's first session starts at once.
base::Micros Run::ConnectUs(const SessionPlayer& player) {
  const double speed = options_.connect_speed < 0 ? options_.speed : options_.connect_speed;
  const base::Micros first_us = first_start_us_.value_or(player.started_us());
  first_start_us_ = first_us;
  if (speed <= 0) return 0;
  return Scaled(player.started_us() - first_us, speed);
}

// Sessions keep their think time, and are late when the servers are; by the clock alone each
// exchange has its own moment.
base::Micros Run::DueUs(const SessionPlayer& player) const {
  if (options_.speed <= 0 || player.state() == State::kEnded) return 0;
  if (options_.sync == SyncMode::kTime) return ScheduledUs(player);
  return player.free_since_us() + Scaled(player.think_us(), options_.speed);
}

base::Micros Run::ScheduledUs(const SessionPlayer& player) const {
  return Scaled(player.captured_us() - first_start_us_.value_or(0), options_.speed);
}

// To be called after whatever may have made a session ready for its next work. `ready_us`: since
// then it is; else since now.
void Run::Enlist(uint64_t id, SessionPlayer& player, std::optional<base::Micros> ready_us) {
  const bool ready = player.state() == State::kWaiting || player.state() == State::kEnded;
  if (player.queued || !ready || !player.has_work()) return;
  player.queued = true;
  const base::Micros due_us = DueUs(player);
  base::Micros since_us = ready_us ? *ready_us : Now();
  // Read after its time: until now it waited for this program.
  const bool timed =
      player.state() == State::kWaiting && player.captured_us() > 0 && !player.next_work().own;
  if (options_.speed > 0 && timed) {
    since_us = std::min(since_us, std::max(due_us, player.free_since_us()));
  }
  agenda_.Put(id, player.next_work().ticket, due_us, since_us);
}

void Run::StartWhatMay() {
  for (;;) {
    const base::Micros now = Now();
    const std::optional<Agenda::Turn> turn = agenda_.Take(now);
    if (!turn) return;
    const auto found = sessions_.find(turn->session);
    stats_.order_wait_us += std::max<base::Micros>(turn->freed_us - turn->since_us, 0);
    stats_.tool_wait_us += std::max<base::Micros>(now - turn->freed_us, 0);
    const Work& next = found->second->next_work();
    if (options_.speed > 0 && next.exchange && !next.own) {
      const base::Micros lag = std::max<base::Micros>(now - ScheduledUs(*found->second), 0);
      stats_.lag_us_max = std::max(stats_.lag_us_max, lag);
      stats_.lag.Add(lag);
    }
    Start(found->first, *found->second, false, now);
    if (found->second->over()) sessions_.erase(found);
  }
}

// REQUIRES: it is not in the agenda.
void Run::Start(uint64_t id, SessionPlayer& player, bool forced, base::Micros now_us) {
  player.queued = false;
  uint64_t calls = 0;
  if (player.next_work().exchange) {
    if (calls_.size() > kPatternsMax) calls_.clear();
    calls = calls_[player.next_work().fingerprint]++;
  }
  player.StartNext(calls % (2 * lanes_.size()), calls < options_.warm_up_calls, forced, now_us);
  Enlist(id, player);
}

base::Status Run::Wait() {
  base::Micros timeout_us = kPollUs;
  if (census_.cancellable > 0) timeout_us = kCancelCheckUs;
  if (ShouldRead()) timeout_us = 0;
  if (const auto due_us = agenda_.next_due_us()) {
    timeout_us = std::clamp<base::Micros>(*due_us - Now(), 0, timeout_us);
  }
  SCRY_TRY_ASSIGN(const std::vector<os::Readiness>* ready, poller_.Wait(timeout_us));
  // One time for all: what the others of the batch cost is no part of an answer's latency.
  const base::Micros now = Now();
  for (const os::Readiness& one : *ready) {
    const auto found = sessions_.find(one.token / kTokensPerSession);
    if (found == sessions_.end()) continue;
    found->second->OnReady(one.token % kTokensPerSession, one.readable, one.writable, now);
    // From here on it waits for this program, which reads and compares the answer first.
    Enlist(found->first, *found->second, now);
    if (found->second->over()) sessions_.erase(found);
    // Before others of the batch are read, and before the capture is.
    if (!enough_since_us_) StartWhatMay();
  }
  return {};
}

base::Status Run::Tick(base::Micros now) {
  if (Progress() != progress_seen_) {
    progress_seen_ = Progress();
    progressed_us_ = now;
    stall_checked_us_ = now;
    stall_wait_us_ = kFirstStallUs;
    extra_window_ = extra_works_ = 0;
  }
  if (now - ticked_us_ < kTickUs) return {};
  ticked_us_ = now;
  if (census_.leaving > 0) {
    for (const auto& [id, player] : sessions_) {
      player->LeaveAnyhow(now);
      Enlist(id, *player);
    }
    std::erase_if(sessions_, [](const auto& session) { return session.second->over(); });
  }
  stats_.duration_us = now;
  if (!tick_(stats_)) return base::Fail(base::ErrorCode::kInterrupted, "replay was interrupted");
  return {};
}

// A connection that ends is either the capture's own doing (a backend terminated itself) or the end
// of a server, which nothing may be concluded from.
base::Status Run::CheckServers(bool at_end) {
  if (std::none_of(suspects_.begin(), suspects_.end(), [](bool suspect) { return suspect; })) {
    return {};
  }
  if (!at_end && Now() - pinged_us_ < kPingUs) return {};
  pinged_us_ = Now();
  for (size_t lane = 0; lane < lanes_.size(); ++lane) {
    if (!suspects_[lane]) continue;
    suspects_[lane] = false;
    if (pg::Ping(infos_[lane]) != pg::PingState::kAccepting) {
      return base::Fail(fmt::format("the {} server ended during the replay; its log tells why",
                                    lanes_[lane].name));
    }
  }
  return {};
}

void Run::FireCancels() {
  if (census_.cancellable == 0) return;
  const base::Micros now = Now();
  for (const auto& [id, player] : sessions_) player->FireCancels(now);
}

void Run::CheckHoldUps(base::Micros now) {
  if (census_.running == 0 || now - hold_up_checked_us_ < kHoldUpCheckUs) return;
  hold_up_checked_us_ = now;
  for (const auto& [id, player] : sessions_) {
    if (player->state() != State::kRunning) continue;
    player->CheckHoldUp(now);
    Enlist(id, *player);
  }
  LetCommitsGoOn();
}

void Run::StayAwake(base::Micros now) {
  if (census_.impatient == 0 || now - awake_checked_us_ < kAwakeCheckUs) return;
  awake_checked_us_ = now;
  for (const auto& [id, player] : sessions_) player->StayAwake(now);
}

// A server that has many processes to run may not have begun with what it was sent long ago.
void Run::LetCommitsGoOn() {
  std::vector<SessionPlayer*> readers;
  for (const auto& [id, player] : sessions_) {
    if (player->HoldsUpCommits(Now())) readers.push_back(player.get());
  }
  for (size_t lane = 0; lane < lanes_.size() && !readers.empty(); ++lane) {
    const auto holders = probe_.SnapshotHolders(lane);
    if (!holders.ok()) return;  // If its server ended, others find out.
    std::erase_if(readers, [&](const SessionPlayer* reader) {
      return !holders->contains(reader->backend_pid(lane)) && reader->RunsOn(lane);
    });
  }
  for (SessionPlayer* reader : readers) reader->LetCommitsGoOn();
}

base::Status Run::CheckStall(base::Micros now) {
  if (now - stall_checked_us_ < stall_wait_us_) return {};
  stall_checked_us_ = now;
  stall_wait_us_ = std::min(stall_wait_us_ * 2, options_.stall_us);
  if (census_.running == 0 && census_.connecting == 0) {
    if (census_.leaving > 0) return {};
    // Pacing: nothing is due. Otherwise nothing will ever happen again.
    const bool over = !agenda_.next_due_us() && !MayRead();
    if (over || now - progressed_us_ >= options_.stall_us) MakeRoom();
    return {};
  }
  SCRY_TRY_ASSIGN(const std::vector<LockWait> waits, LookForLockWaits());
  const bool broken = BreakLockWaits(waits);
  if (!broken && now - progressed_us_ >= options_.stuck_us) CancelStuck(now);
  return {};
}

// Two that wait for each other wait for ever, however well the others go on.
base::Status Run::CheckSlow(base::Micros now) {
  if (census_.running == 0 || now - slow_checked_us_ < options_.stall_us) return {};
  slow_checked_us_ = now;
  const bool slow = std::any_of(sessions_.begin(), sessions_.end(), [&](const auto& session) {
    return session.second->RunsLong(now, options_.stall_us);
  });
  if (!slow) return {};
  SCRY_TRY_ASSIGN(const std::vector<LockWait> waits, LookForLockWaits());
  if (!BreakLockWaits(Deadlocked(waits))) CancelStuck(now);
  return {};
}

base::Result<std::vector<LockWait>> Run::LookForLockWaits() {
  auto waits = probe_.LockWaits();
  if (waits.ok()) return waits;
  // Most likely for the reason that everything stands still.
  suspects_.assign(lanes_.size(), true);
  SCRY_TRY(CheckServers(true));
  return waits.error();
}

// Where a server can no longer be reached, each try takes long, and whether it is gone comes first.
void Run::CancelStuck(base::Micros now) {
  for (const auto& [id, player] : sessions_) {
    player->CancelStuck(now);
    Enlist(id, *player);
    if (std::find(suspects_.begin(), suspects_.end(), true) != suspects_.end()) return;
  }
}

SessionPlayer* Run::PlayerOf(size_t lane, uint32_t backend) {
  for (const auto& [id, player] : sessions_) {
    if (player->backend_pid(lane) == backend) return player.get();
  }
  return nullptr;
}

// Sessions that wait for each other, by the order and by locks: nothing else will end that. What
// waits for a lock of one that waits for a slow statement is no such pair.
std::vector<LockWait> Run::Deadlocked(const std::vector<LockWait>& waits) {
  CommitOrder::OtherWaits locks;
  std::vector<std::pair<CommitOrder::Ticket, CommitOrder::Ticket>> tickets;  // Waiter, blocker.
  for (const LockWait& wait : waits) {
    const SessionPlayer* waiter = PlayerOf(wait.lane, wait.waiter_pid);
    const SessionPlayer* blocker = PlayerOf(wait.lane, wait.blocker_pid);
    tickets.emplace_back(waiter == nullptr ? 0 : waiter->first_ticket(),
                         blocker == nullptr ? 0 : blocker->first_ticket());
    if (tickets.back().second != 0) locks.emplace(tickets.back().second, tickets.back().first);
  }
  std::vector<LockWait> deadlocked;
  for (size_t i = 0; i < waits.size(); ++i) {
    const auto [waiter, blocker] = tickets[i];
    const bool own = waiter == 0 || blocker == 0 || waiter == blocker;
    if (!own && order_.WaitsFor(blocker, waiter, locks)) deadlocked.push_back(waits[i]);
  }
  return deadlocked;
}

// A backend waits for a lock of a session whose next exchange is held back by the order alone: that
// edge is the weakest, since it only repeats what the capture happened to do.
bool Run::BreakLockWaits(const std::vector<LockWait>& waits) {
  bool broken = false;
  std::optional<uint64_t> idle;  // A session that holds a lock and has nothing to do.
  const base::Micros now = Now();
  for (const LockWait& wait : waits) {
    const SessionPlayer* waiter = PlayerOf(wait.lane, wait.waiter_pid);
    if (waiter != nullptr && waiter->WaitsInVain(now)) continue;
    for (const auto& [id, player] : sessions_) {
      if (player->state() != State::kWaiting ||
          player->backend_pid(wait.lane) != wait.blocker_pid) {
        continue;
      }
      if (!player->has_work()) {
        idle = std::min(id, idle.value_or(id));
        continue;
      }
      // A session that thinks with locks held did so in the capture.
      if (!agenda_.Waits(player->next_work().ticket)) continue;
      ++stats_.stalls_broken;
      agenda_.Remove(id, player->next_work().ticket);
      Start(id, *player, true, Now());
      broken = true;
    }
  }
  std::erase_if(sessions_, [](const auto& session) { return session.second->over(); });
  if (!broken && idle) FreeBlocker(*idle);
  return broken;
}

// What lets the lock go has not been read yet, or is missing from the capture.
void Run::FreeBlocker(uint64_t id) {
  if (MayRead() || source_ended_ || !source_.Ready()) return;
  if (extra_window_ < kExtraWindows * options_.window_bytes) {
    extra_window_ += options_.window_bytes;
    extra_works_ += kExtraWorks;
    return;
  }
  ++stats_.stalls_broken;
  sessions_[id]->Exclude("others waited for its locks, and its next exchange is too far away");
}

// Nothing runs and nothing comes: sessions that wait for room hold up those that have it. A capture
// from a server that took more connections than the lanes do.
void Run::MakeRoom() {
  if (census_.open < sessions_max_) return;
  Sessions::iterator oldest = sessions_.end();  // Of what others may wait for.
  const auto place = [](const Sessions::iterator& session) {
    const SessionPlayer& player = *session->second;
    return player.has_work() ? player.next_work().ticket : player.connect_ticket;
  };
  for (const uint64_t id : to_connect_) {
    const auto found = sessions_.find(id);
    if (found == sessions_.end() || found->second->state() != State::kNew) continue;
    const bool held_for = found->second->has_work() || found->second->connect_ticket != 0;
    if (!held_for || ConnectUs(*found->second) > Now()) continue;
    if (oldest == sessions_.end() || place(found) < place(oldest)) oldest = found;
  }
  if (oldest == sessions_.end()) return;
  oldest->second->Exclude("more sessions at once than the lanes take connections");
  Enlist(oldest->first, *oldest->second);
}

base::Result<Ground> MakeGround(const std::vector<pg::ConnInfo>& lanes,
                                const ReplayOptions& options) {
  SCRY_TRY_ASSIGN(os::Poller poller, os::Poller::Open());
  SCRY_TRY_ASSIGN(StallProbe probe, StallProbe::Open(lanes));
  std::vector<pg::AdminSession*> sessions;
  for (size_t lane = 0; lane < lanes.size(); ++lane) sessions.push_back(&probe.session(lane));
  std::vector<std::string> notes;
  SCRY_TRY_ASSIGN(Identity identity, Identity::Open(sessions, options, notes));
  RelationCatalog catalog;
  std::vector<std::string> lane_options;
  for (size_t lane = 0; lane < lanes.size(); ++lane) {
    // By the clock alone nobody asks it, and beside a migration under way it cannot always be read.
    if (options.sync == SyncMode::kCommit) SCRY_TRY(catalog.Add(probe.session(lane)));
    SCRY_TRY_ASSIGN(lane_options.emplace_back(), probe.PatientOptions(lane));
  }
  SCRY_TRY_ASSIGN(const size_t room, probe.RoomForSessions());
  const long files = sysconf(_SC_OPEN_MAX);
  size_t sessions_max = options.sessions_max > 0 ? options.sessions_max : room;
  if (files > 0) {
    const auto usable = std::max(static_cast<size_t>(files), kFilesReserved) - kFilesReserved;
    sessions_max = std::min(sessions_max, usable / lanes.size());
  }
  return Ground{std::move(poller),
                std::move(probe),
                std::move(catalog),
                std::move(identity),
                std::move(notes),
                std::move(lane_options),
                std::max<size_t>(sessions_max, 1)};
}

}  // namespace

base::Result<ReplayStats> Replay(const std::vector<LaneTarget>& lanes, event::EventSource& source,
                                 event::PairSink& sink, event::FactsCache& facts,
                                 const ReplayOptions& options, const base::Clock& clock,
                                 const ReplayTick& tick) {
  if (lanes.empty() || lanes.size() > kTokensPerSession) {
    return base::Fail(base::ErrorCode::kUsage, "a replay takes one to eight lanes");
  }
  SCRY_TRY_ASSIGN(Ground ground, MakeGround(Run::Infos(lanes), options));
  Run run(lanes, source, sink, facts, options, clock, tick, std::move(ground));
  return run.Go();
}

}  // namespace scry::replay
