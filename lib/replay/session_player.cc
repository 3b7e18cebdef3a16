#include "replay/session_player.h"

#include <algorithm>
#include <cstdint>
#include <utility>

#include "base/check.h"
#include "os/affinity.h"
#include "pg/startup.h"
#include "replay/answer_alignment.h"
#include "replay/lost_race.h"
#include "replay/portal_part.h"
#include "replay/signals.h"
#include "wire/frontend.h"

namespace scry::replay {

using event::OutcomeStatus;

namespace {

namespace frontend = wire::frontend;

// What is known to take long is given so many times as long, within reason.
constexpr base::Micros kKnownFactor = 3;
constexpr size_t kWorksCounted = 64;
constexpr base::Micros kStuckMaxUs = 3600LL * 1000 * 1000;

// Stamps of a damaged capture must not overflow sums.
base::Micros Sane(base::Micros time_us) {
  return std::clamp<base::Micros>(time_us, 0, INT64_MAX / 4);
}

// Will a server answer these messages with ReadyForQuery? A damaged capture may hold others, and
// nothing would ever end them.
bool Answerable(const event::Exchange& exchange) {
  if (exchange.status == 0 || exchange.messages.empty()) return false;
  if (exchange.messages.back().type == frontend::kSync) return true;
  return std::any_of(exchange.messages.begin(), exchange.messages.end(), [](const auto& message) {
    return message.type == frontend::kQuery || message.type == frontend::kFunctionCall;
  });
}

// Whatever a server makes of it, it asks for nothing beside these messages: an error in others than
// a Query skips what comes up to a Sync.
bool IsPlain(const event::Exchange& exchange) {
  constexpr size_t kBytesMax = 64 * 1024;
  if (exchange.messages.size() > 1 && exchange.messages.back().type != frontend::kSync) {
    return false;
  }
  size_t bytes = 0;
  for (const event::FrontendMessage& message : exchange.messages) {
    if (message.type == frontend::kCopyData || message.type == frontend::kCopyDone ||
        message.type == frontend::kCopyFail) {
      return false;
    }
    bytes += message.size();
  }
  // A COPY that failed has no tag.
  return bytes <= kBytesMax &&
         std::all_of(exchange.statements.begin(), exchange.statements.end(),
                     [](const event::Statement& statement) {
                       return statement.outcome.status == OutcomeStatus::kDone &&
                              !statement.outcome.tag.starts_with("COPY");
                     });
}

constexpr const char* kEndedBetween = "the connection to a lane ended between exchanges";

}  // namespace

SessionPlayer::SessionPlayer(Shared& shared, event::SessionStart start, uint64_t first_token)
    : shared_(shared),
      start_(std::move(start)),
      first_token_(first_token),
      weight_(sizeof(SessionPlayer) + event::WeightBytes(start_)),
      started_us_(Sane(start_.at_us)),
      captured_end_us_(started_us_) {
  shared_.census.window += weight_;
}

SessionPlayer::~SessionPlayer() {
  Become(State::kEnded);
  for (const Work& work : work_) shared_.census.window -= work.weight;
  shared_.census.works -= CountedWorks();
  shared_.census.window -= weight_;
  shared_.census.impatient -= static_cast<size_t>(idle_limit_us_ > 0);
}

// The one place where the state changes, so that the census is right.
void SessionPlayer::Become(State next) {
  Census& census = shared_.census;
  const auto open = [](State state) { return state != State::kNew && state != State::kEnded; };
  census.connecting -= static_cast<size_t>(state_ == State::kConnecting);
  census.running -= static_cast<size_t>(state_ == State::kRunning);
  census.leaving -= static_cast<size_t>(state_ == State::kLeaving);
  census.open -= static_cast<size_t>(open(state_));
  census.cancellable -= static_cast<size_t>(Cancellable());
  state_ = next;
  census.connecting += static_cast<size_t>(state_ == State::kConnecting);
  census.running += static_cast<size_t>(state_ == State::kRunning);
  census.leaving += static_cast<size_t>(state_ == State::kLeaving);
  census.open += static_cast<size_t>(open(state_));
  census.cancellable += static_cast<size_t>(Cancellable());
  if (state_ != State::kNew && state_ != State::kConnecting) {
    shared_.order.Done(std::exchange(connect_ticket, 0));
  }
}

bool SessionPlayer::Cancellable() const {
  return state_ == State::kRunning && !work_.empty() && !work_.front().cancels_us.empty();
}

void SessionPlayer::Connect(const std::vector<pg::ConnInfo>& lanes, base::Micros now_us) {
  SCRY_CHECK(state_ == State::kNew);
  Become(State::kConnecting);
  since_us_ = now_us;
  portals_.resize(lanes.size());
  const std::string first = lanes.front().Get("dbname");
  followed_ = first.empty() || first == pg::DatabaseOf(lanes.front(), start_.parameters);
  refusals_.resize(lanes.size());
  for (size_t lane = 0; lane < lanes.size(); ++lane) {
    lanes_.push_back(std::make_unique<LaneConnection>(shared_.poller, first_token_ + lane,
                                                      shared_.options, shared_.texts));
    if (followed_) lanes_[lane]->SetRowMapper(shared_.identity.MapperFor(lane));
    pg::StartupPlan plan = pg::PlanStartup(lanes[lane], start_.parameters);
    // What the session asks for itself comes later and wins.
    plan.info.Set("options", shared_.lane_options[lane] + plan.info.Get("options"));
    NoteRefusal(lane, lanes_[lane]->Start(plan.info));
  }
  OnReady(lanes_.size(), false, false, now_us);
}

size_t SessionPlayer::CountedWorks() const { return std::min(work_.size(), kWorksCounted); }

void SessionPlayer::Add(Work&& work) {
  if (work.idle_limit_us > 0) {
    shared_.census.impatient += static_cast<size_t>(idle_limit_us_ == 0);
    idle_limit_us_ = work.idle_limit_us;
  }
  shared_.census.window += work.weight;
  shared_.census.works -= CountedWorks();
  work_.push_back(std::move(work));
  shared_.census.works += CountedWorks();
}

bool SessionPlayer::AllLanes(LaneConnection::State state) const {
  return std::all_of(lanes_.begin(), lanes_.end(),
                     [&](const auto& lane) { return lane->state() == state; });
}

bool SessionPlayer::AnyLane(LaneConnection::State state) const {
  return std::any_of(lanes_.begin(), lanes_.end(),
                     [&](const auto& lane) { return lane->state() == state; });
}

base::Micros SessionPlayer::captured_us() const {
  if (work_.empty()) return 0;
  const Work& next = work_.front();
  if (next.exchange) return Sane(next.exchange->forwarded_us);
  const bool in_transaction = std::any_of(lanes_.begin(), lanes_.end(), [](const auto& lane) {
    return lane->transaction_status() == 'T' || lane->transaction_status() == 'E';
  });
  return in_transaction ? Sane(next.ends_us) : 0;
}

base::Micros SessionPlayer::think_us() const {
  return std::max<base::Micros>(0, captured_us() - captured_end_us_);
}

void SessionPlayer::StartNext(size_t rotation, bool warm_up, bool forced, base::Micros now_us) {
  SCRY_CHECK(!work_.empty() && (state_ == State::kWaiting || state_ == State::kEnded));
  if (!work_.front().exchange) return Leave(now_us);
  if (state_ == State::kWaiting && AnyLane(LaneConnection::State::kDead)) Exclude(kEndedBetween);
  if (state_ == State::kEnded || !Answerable(*work_.front().exchange)) {
    if (state_ == State::kEnded && !work_.front().own) CountExcluded(ended_why_);
    if (!work_.front().own) ++shared_.stats.exchanges_excluded;
    EndWork();
    return;
  }
  lane_order_.clear();
  for (size_t i = 0; i < lanes_.size(); ++i) lane_order_.push_back((rotation + i) % lanes_.size());
  // Every second round backwards: rotation alone would let one lane of three follow another twice
  // as often as it goes ahead of it.
  if (rotation / lanes_.size() % 2 == 1) std::reverse(lane_order_.begin(), lane_order_.end());
  detail_ = NeedsResults(*work_.front().exchange) ? exchange::AnswerDetail::kFull
                                                  : exchange::AnswerDetail::kCounts;
  lanes_started_ = 0;
  cancels_fired_.assign(lanes_.size(), 0);
  held_up_ = let_go_ = false;
  cancelled_ = false;
  slowest_us_ = 0;
  warm_up_ = warm_up;
  exchange_started_us_ = now_us;
  order_broken_ |= forced;
  if (forced) {
    std::vector<ObjectId> objects = work_.front().touched;
    objects.insert(objects.end(), work_.front().released.begin(), work_.front().released.end());
    shared_.doubt.Begin(static_cast<uint64_t>(start_.session), objects);
  }
  since_us_ = now_us;
  Become(State::kRunning);
  StartLane(lane_order_[lanes_started_++], now_us);
  if (shared_.options.pipeline > 1) SendAhead();
  FinishIfDone();
}

// Open transactions are rolled back by the servers, and the place of the connection is free when
// its process is gone: both are waited for.
void SessionPlayer::Leave(base::Micros now_us) {
  end_seen_ = true;
  since_us_ = now_us;
  for (size_t lane = 0; lane < lanes_.size(); ++lane) {
    PutNotifications(lane, lanes_[lane]->TakeNotifications());
    lanes_[lane]->Leave(now_us);
  }
  Become(State::kLeaving);
  FinishLeaving();
}

void SessionPlayer::FinishLeaving() {
  if (!AllLanes(LaneConnection::State::kDead)) return;
  Become(State::kEnded);
  EndWork();
}

void SessionPlayer::LeaveAnyhow(base::Micros now_us) {
  constexpr base::Micros kLeaveUs = 2 * 1000 * 1000;
  if (state_ != State::kLeaving || now_us - since_us_ < kLeaveUs) return;
  for (const auto& lane : lanes_) lane->Close();
  FinishLeaving();
}

// In batches, or each would cost a call of its own.
void SessionPlayer::SendAhead() {
  if (lanes_.size() != 1) return;
  LaneConnection& lane = *lanes_[0];
  const size_t depth = shared_.options.pipeline - 1;  // Beside the one that runs.
  if (lane.ahead_unanswered() > depth / 2) return;
  const base::Micros now_us = shared_.Now();
  // Those sent ahead let others follow, or they would not have been.
  size_t next = lane.ahead() + 1;
  if (next == 1 && !MayPipeline(work_.front())) return;
  for (; next < work_.size() && lane.ahead_unanswered() < depth; ++next) {
    if (!MayPipeline(work_[next])) break;
    lane.SendAhead(work_[next].exchange->messages, now_us);
  }
  lane.Flush(now_us);
}

// Neither does it depend on answers, nor does what follows it.
bool SessionPlayer::MayPipeline(const Work& work) const {
  if (!work.exchange || work.own || work.signals || !work.cancels_us.empty()) return false;
  const event::Exchange& exchange = *work.exchange;
  return Answerable(exchange) && IsPlain(exchange) && portals_[0].empty() &&
         !NeedsResults(exchange) &&
         !(followed_ && shared_.identity.Changes(exchange, 0, identity_));
}

void SessionPlayer::StartLane(size_t lane, base::Micros now_us) {
  const event::Exchange& captured = *work_.front().exchange;
  sent_.resize(lanes_.size());
  sent_[lane].reset();
  if (lanes_[lane]->ahead() > 0) {  // As it was captured: see MayPipeline().
    last_started_us_ = now_us;
    lanes_[lane]->Run(captured, captured.messages, detail_, now_us);
    return;
  }
  if (followed_) sent_[lane] = shared_.identity.ForLane(captured, lane, identity_);
  if (!portals_[lane].empty()) {
    if (!sent_[lane]) sent_[lane] = captured.messages;
    portals_[lane].Rewrite(*sent_[lane]);
  }
  if (work_.front().signals) {
    if (!sent_[lane]) sent_[lane] = captured.messages;
    MapSignals(
        captured, [&](uint32_t backend) { return shared_.backend(lane, backend); }, *sent_[lane]);
  }
  if (sent_[lane]) now_us = shared_.Now();  // What that cost is no part of the lane's latency.
  last_started_us_ = now_us;
  lanes_[lane]->Run(captured, sent_[lane] ? *sent_[lane] : captured.messages, detail_, now_us);
}

// Beside those to be judged: results that tell how a lane names what production named otherwise.
bool SessionPlayer::NeedsResults(const event::Exchange& exchange) const {
  return shared_.options.compare || (followed_ && shared_.identity.LearnsFrom(exchange)) ||
         std::any_of(exchange.statements.begin(), exchange.statements.end(),
                     [](const event::Statement& statement) {
                       return PortalNames::AreIn(statement.outcome.values);
                     });
}

void SessionPlayer::OnReady(size_t lane, bool readable, bool writable, base::Micros now_us) {
  if (state_ == State::kEnded) return;
  if (state_ == State::kLeaving) {  // Its client hears nothing any more.
    if (lane < lanes_.size()) (void)lanes_[lane]->OnReady(readable, writable, now_us);
    return FinishLeaving();
  }
  if (lane < lanes_.size()) {
    const bool alive = lanes_[lane]->state() != LaneConnection::State::kDead;
    const bool ran = lanes_[lane]->state() == LaneConnection::State::kRunning;
    const base::Status status =
        lanes_[lane]->OnReady(readable, writable, std::max(now_us, lanes_[lane]->started_us()));
    PutNotifications(lane, lanes_[lane]->TakeNotifications());
    const bool dead = lanes_[lane]->state() == LaneConnection::State::kDead;
    if (alive && dead) shared_.suspects[lane] = true;
    if (ran && !dead && !cancelled_ && !RunsOn(lane)) slowest_us_ = now_us - exchange_started_us_;
    NoteRefusal(lane, status);
    // What ended it may be an exchange of another session, which has yet to run on other lanes and
    // is to find there what it found here.
    if (dead && state_ == State::kWaiting && AllLanes(LaneConnection::State::kDead)) {
      Exclude(kEndedBetween);
      return;
    }
  }
  if (state_ == State::kConnecting) FinishConnecting(now_us);
  if (state_ == State::kRunning) FinishIfDone();
}

void SessionPlayer::NoteRefusal(size_t lane, const base::Status& status) {
  if (status.ok()) return;
  shared_.suspects[lane] = true;
  if (!refusals_[lane]) refusals_[lane] = status.error();
}

// One lane's refusal ends the session, but only once it is known what the others say.
void SessionPlayer::FinishConnecting(base::Micros now_us) {
  if (AnyLane(LaneConnection::State::kConnecting)) return;
  PutConnect();
  const auto refused = std::find_if(refusals_.begin(), refusals_.end(),
                                    [](const auto& refusal) { return refusal.has_value(); });
  if (refused != refusals_.end()) {
    Exclude((*refused)->message);
    return;
  }
  if (!AllLanes(LaneConnection::State::kIdle)) {  // One ended while others were still connecting.
    Exclude("the connection to a lane ended before its first exchange");
    return;
  }
  Become(State::kWaiting);
  free_since_us_ = now_us;
  ++shared_.stats.sessions;
  Pin();
  CompareStarts();
  for (const auto& lane : lanes_) lane->Settle(now_us);
}

void SessionPlayer::PutConnect() {
  event::ConnectPair pair;
  pair.session = start_.session;
  for (const auto& [name, value] : start_.parameters) {
    if (name == "user") pair.role = value;
  }
  for (size_t lane = 0; lane < lanes_.size(); ++lane) {
    event::LaneConnect& connect = pair.lanes.emplace_back();
    connect.connected =
        !refusals_[lane] && lanes_[lane]->state() != LaneConnection::State::kConnecting;
    if (!refusals_[lane]) continue;
    connect.sqlstate = refusals_[lane]->sqlstate;
    connect.message = refusals_[lane]->message;
  }
  shared_.sink.PutConnect(pair);
}

void SessionPlayer::FinishIfDone() {
  for (;;) {
    for (size_t i = 0; i < lanes_started_; ++i) {
      if (lanes_[lane_order_[i]]->state() == LaneConnection::State::kRunning) return;
    }
    if (lanes_started_ == lanes_.size()) break;
    StartLane(lane_order_[lanes_started_++], shared_.Now());
  }
  Yield();
}

void SessionPlayer::CheckHoldUp(base::Micros now_us) {
  if (state_ != State::kRunning) return;
  if (now_us - last_started_us_ < shared_.options.hold_up_us) return;
  if (lanes_started_ < lanes_.size()) {
    if (!held_up_) ++shared_.stats.held_up;
    held_up_ = true;
    StartLane(lane_order_[lanes_started_++], now_us);
    FinishIfDone();
  }
}

bool SessionPlayer::HoldsUpCommits(base::Micros now_us) const {
  // Well past the time that parsing and planning take.
  constexpr base::Micros kHoldUps = 4;
  return state_ == State::kRunning && lanes_started_ == lanes_.size() && !let_go_ &&
         work_.front().reads_one_snapshot &&
         now_us - last_started_us_ >= kHoldUps * shared_.options.hold_up_us;
}

void SessionPlayer::LetCommitsGoOn() {
  let_go_ = true;
  shared_.order.Done(work_.front().ticket);
}

void SessionPlayer::FireCancels(base::Micros now_us) {
  if (!Cancellable()) return;
  const std::vector<base::Micros>& due = work_.front().cancels_us;
  for (size_t lane = 0; lane < lanes_.size(); ++lane) {
    LaneConnection& connection = *lanes_[lane];
    size_t& fired = cancels_fired_[lane];
    if (connection.state() != LaneConnection::State::kRunning) continue;
    bool fires = false;
    for (; fired < due.size() && now_us - connection.started_us() >= due[fired]; ++fired) {
      fires = true;
    }
    if (fires && !connection.Cancel().ok()) shared_.suspects[lane] = true;
  }
}

void SessionPlayer::StayAwake(base::Micros now_us) {
  constexpr base::Micros kParts = 4;
  if (idle_limit_us_ == 0 || (state_ != State::kWaiting && state_ != State::kRunning)) return;
  for (const auto& lane : lanes_) lane->StayAwake(idle_limit_us_ / kParts, now_us);
}

bool SessionPlayer::WaitsInVain(base::Micros now_us) const {
  constexpr base::Micros kGraceUs = 1000 * 1000;
  if (state_ != State::kRunning || !GaveUpWaiting(*work_.front().exchange)) return false;
  return now_us - last_started_us_ < CapturedUs() * 2 + kGraceUs;
}

// What took long in the capture, or on another lane, may take long here.
base::Micros SessionPlayer::StuckLimit() const {
  if (state_ != State::kRunning) return shared_.options.stuck_us;
  const base::Micros known_us = std::max(CapturedUs(), slowest_us_);
  return std::max(shared_.options.stuck_us, std::min(known_us * kKnownFactor, kStuckMaxUs));
}

// How long the exchange that runs took in the capture, within reason.
base::Micros SessionPlayer::CapturedUs() const {
  const event::Exchange& exchange = *work_.front().exchange;
  const base::Micros from = std::clamp<base::Micros>(exchange.forwarded_us, 0, INT64_MAX / 2);
  const base::Micros to = std::clamp<base::Micros>(exchange.completed_us, from, INT64_MAX / 2);
  return std::min((to - from), kStuckMaxUs / kKnownFactor);
}

CommitOrder::Ticket SessionPlayer::first_ticket() const {
  for (const Work& work : work_) {
    if (shared_.order.IsOpen(work.ticket)) return work.ticket;
  }
  return 0;
}

bool SessionPlayer::RunsLong(base::Micros now_us, base::Micros patience_us) const {
  return state_ == State::kRunning &&
         now_us - exchange_started_us_ > std::max(patience_us, CapturedUs());
}

void SessionPlayer::CancelStuck(base::Micros now_us) {
  if (state_ != State::kRunning && state_ != State::kConnecting) return;
  // A cancelled one had its time.
  const base::Micros limit = cancelled_ ? shared_.options.stuck_us : StuckLimit();
  if (now_us - since_us_ < limit) return;
  if (state_ == State::kConnecting) {
    PutConnect();
    Exclude("a lane took no connection in time");
    return;
  }
  since_us_ = now_us;
  if (!cancelled_) ++shared_.stats.cancelled;
  for (size_t lane = 0; lane < lanes_.size(); ++lane) {
    if (!RunsOn(lane)) continue;
    if (cancelled_) {
      lanes_[lane]->Abort(now_us);
    } else if (!lanes_[lane]->Cancel().ok()) {
      shared_.suspects[lane] = true;
    }
  }
  cancelled_ = true;
  order_broken_ = true;
  FinishIfDone();
}

bool SessionPlayer::FailedOnCandidate(const std::vector<exchange::Answers>& answers,
                                      size_t statement) {
  constexpr auto kCandidate = static_cast<size_t>(event::LaneRole::kCandidate);
  if (answers.size() <= kCandidate) return false;
  const auto& statements = answers[kCandidate].statements;
  return statement < statements.size() &&
         statements[statement].outcome.status == OutcomeStatus::kError;
}

// All lanes have answered: their outcomes become pairs.
void SessionPlayer::Yield() {
  const event::Exchange& exchange = *work_.front().exchange;
  std::vector<exchange::Answers>& answers = answers_;
  answers.clear();
  size_t statements = exchange.statements.size();
  for (const auto& lane : lanes_) {
    answers.push_back(lane->TakeAnswers());
    AlignAnswers(exchange.statements, answers.back());
    statements = std::max(statements, answers.back().statements.size());
  }
  if (followed_) shared_.identity.OnAnswers(exchange, answers, identity_);
  if (ReadAgain(answers)) return;
  PutUnasked(answers);
  LearnPortals(answers);
  NoteDoubt(answers);
  const bool gives_pairs = !work_.front().withdrawn && !work_.front().own;
  for (size_t i = 0; i < statements && gives_pairs; ++i) {
    // A Parse that only a lane without the change refused is told by the statement's executions.
    const bool captured = i < exchange.statements.size();
    if (captured || FailedOnCandidate(answers, i)) PutPair(i, answers);
  }
  if (!work_.front().own) ++shared_.stats.exchanges;
  if (gives_pairs) shared_.stats.statements += statements;
  MarkDivergence();
  const bool dead = AnyLane(LaneConnection::State::kDead);
  std::string reason = "the connection to a lane ended";
  for (size_t lane = 0; dead && lane < lanes_.size(); ++lane) {
    if (lanes_[lane]->state() != LaneConnection::State::kDead) continue;
    shared_.suspects[lane] = true;
    if (!lanes_[lane]->reason().empty()) reason += ": " + lanes_[lane]->reason();
  }
  captured_end_us_ = std::max(captured_end_us_, Sane(exchange.completed_us));
  free_since_us_ = shared_.Now();
  CountServerWait(free_since_us_ - since_us_);
  Become(State::kWaiting);
  EndWork();
  if (dead) Exclude(reason);
}

// The baseline read otherwise than production did, which may have seen a commit that was under way:
// then what was answered counts for nothing, and the read waits for that commit. See reread.h.
bool SessionPlayer::ReadAgain(const std::vector<exchange::Answers>& answers) {
  constexpr uint32_t kRereadsMax = 16;
  constexpr base::Micros kHoldUps = 4;
  Work& work = work_.front();
  if (!work.rereadable) return false;
  const event::Exchange& exchange = *work.exchange;
  const bool otherwise = ReadOtherwise(exchange, answers);
  // What takes long is not worth it.
  const bool again = otherwise && !order_broken_ && !diverged_ && work.rereads < kRereadsMax &&
                     shared_.Now() - since_us_ < kHoldUps * shared_.options.hold_up_us &&
                     shared_.rereads.Worthwhile(work.fingerprint) &&
                     shared_.order.MoveBehind(work.ticket);
  if (!again) {
    if (work.rereads > 0) shared_.rereads.Note(work.fingerprint, !otherwise);
    return false;
  }
  ++work.rereads;
  ++shared_.stats.rereads;
  for (size_t lane = 0; lane < answers.size(); ++lane) {
    PutNotifications(lane, answers[lane].unasked.notifications);
  }
  Become(State::kWaiting);
  return true;
}

void SessionPlayer::CountServerWait(base::Micros took_us) {
  const double speed = shared_.options.speed > 0 ? shared_.options.speed : 1;
  const auto due_us = static_cast<base::Micros>(static_cast<double>(CapturedUs()) / speed);
  shared_.stats.server_wait_us += std::max<base::Micros>(took_us - due_us, 0);
}

void SessionPlayer::PutPair(size_t statement, std::vector<exchange::Answers>& answers) {
  event::Exchange& exchange = *work_.front().exchange;  // Played: nobody reads its texts again.
  event::StatementPair pair;
  pair.session = exchange.session;
  pair.exchange = exchange.index;
  pair.completed_us = exchange.completed_us;
  pair.captured.status = OutcomeStatus::kSkipped;
  if (statement < exchange.statements.size()) {
    event::Statement& captured = exchange.statements[statement];
    pair.text = std::move(captured.text);
    pair.ordinal = captured.ordinal;
    pair.captured = std::move(captured.outcome);
    pair.portal = PortalPartOf(exchange, captured.message);
  }
  pair.lanes = std::move(outcomes_);  // For its memory.
  pair.lanes.clear();
  for (size_t lane = 0; lane < lanes_.size(); ++lane) {
    event::LaneOutcome& outcome = pair.lanes.emplace_back();
    outcome.outcome.status = OutcomeStatus::kSkipped;
    if (statement < answers[lane].statements.size()) {
      event::Statement& answer = answers[lane].statements[statement];
      if (pair.text.empty()) {
        pair.text = answer.text;
        pair.ordinal = answer.ordinal;
      }
      std::vector<event::LaneOutcome>& results = answers[lane].lanes;
      if (statement < results.size()) outcome = std::move(results[statement]);
      outcome.outcome = std::move(answer.outcome);
    }
    outcome.transaction_status = lanes_[lane]->transaction_status();
    outcome.backend_pid = lanes_[lane]->backend_pid();
  }
  pair.started_us = shared_.epoch_us + exchange_started_us_;
  pair.held_up = held_up_;
  pair.stuck = cancelled_;
  pair.cancel_requested = !work_.front().cancels_us.empty();
  pair.order_broken =
      order_broken_ || shared_.doubt.Touches(work_.front().touched, exchange_started_us_);
  pair.counterfactual = diverged_;
  pair.warm_up = warm_up_;
  shared_.sink.Put(pair);
  outcomes_ = std::move(pair.lanes);
}

void SessionPlayer::LearnPortals(const std::vector<exchange::Answers>& answers) {
  const std::vector<event::Statement>& captured = work_.front().exchange->statements;
  for (size_t lane = 0; lane < lanes_.size(); ++lane) {
    const auto& outcomes = answers[lane].lanes;
    for (size_t i = 0; i < std::min(captured.size(), outcomes.size()); ++i) {
      portals_[lane].Learn(captured[i].outcome.values, outcomes[i].rows);
    }
    if (answers[lane].status == 'I') portals_[lane].Clear();
  }
}

void SessionPlayer::PutUnasked(std::vector<exchange::Answers>& answers) {
  bool any = false;
  for (size_t lane = 0; lane < answers.size(); ++lane) {
    const exchange::Unasked& unasked = answers[lane].unasked;
    PutNotifications(lane, unasked.notifications);
    any = any || !unasked.notices.empty() || !unasked.parameter_changes.empty() ||
          unasked.dropped > 0;
  }
  if (!any || work_.front().own || work_.front().withdrawn) return;
  event::UnaskedPair pair;
  for (exchange::Answers& one : answers) {
    exchange::Unasked& unasked = one.unasked;
    pair.lanes.push_back(
        {std::move(unasked.notices), std::move(unasked.parameter_changes), unasked.dropped});
  }
  const event::Exchange& exchange = *work_.front().exchange;
  pair.session = exchange.session;
  pair.exchange = exchange.index;
  if (!exchange.statements.empty()) {
    pair.text = exchange.statements.front().text;
    pair.ordinal = exchange.statements.front().ordinal;
  }
  pair.unsure = order_broken_ || diverged_ || !work_.front().cancels_us.empty();
  shared_.sink.PutUnasked(pair);
}

void SessionPlayer::PutNotifications(size_t lane,
                                     const std::vector<event::Notification>& notifications) {
  for (const event::Notification& notification : notifications) {
    shared_.sink.PutNotification(notification, lane);
  }
}

// A migration may change what sessions begin with: ALTER DATABASE ... SET, ALTER ROLE ... SET.
void SessionPlayer::Pin() const {
  if (shared_.cpus.empty()) return;
  const int cpu = shared_.cpus[(shared_.stats.sessions - 1) % shared_.cpus.size()];
  // One that is not let is left to the scheduler.
  for (const auto& lane : lanes_) (void)os::PinToCpu(lane->backend_pid(), cpu);
}

void SessionPlayer::CompareStarts() {
  event::UnaskedPair pair;
  pair.session = start_.session;
  bool differ = false;
  for (const auto& lane : lanes_) {
    event::LaneUnasked& unasked = pair.lanes.emplace_back();
    for (const auto& [name, value] : start_.settings) {
      unasked.parameter_changes.emplace_back(name, lane->StartSetting(name));
    }
    differ |= unasked.parameter_changes != pair.lanes.front().parameter_changes;
  }
  if (differ) shared_.sink.PutUnasked(pair);
}

// From here to the end of the transaction a client of the lane that went another way would not have
// sent what was captured.
// Before the pairs of this exchange: they too may be chance.
void SessionPlayer::NoteDoubt(const std::vector<exchange::Answers>& answers) {
  constexpr size_t kChangedMax = 256;  // Of more, everything is in doubt.
  const Work& work = work_.front();
  changed_.insert(changed_.end(), work.changed.begin(), work.changed.end());
  if (changed_.size() > kChangedMax) changed_ = {kEverything};
  const Parting parting = PartingOf(answers, order_broken_ || work.passes_locks);
  shared_.doubt.Count(parting);
  parting_ = std::max(parting_, parting);
  shared_.doubt.Add(changed_, parting_, shared_.Now());
  shared_.doubt.End(static_cast<uint64_t>(start_.session), shared_.Now());
}

void SessionPlayer::MarkDivergence() {
  diverged_ |= parting_ != Parting::kNone;
  const uint8_t first = lanes_[0]->transaction_status();
  bool idle = first == 'I';
  for (const auto& lane : lanes_) {
    if (lane->transaction_status() != first) diverged_ = true;
    idle &= lane->transaction_status() == 'I';
  }
  if (idle) {
    diverged_ = false;
    parting_ = Parting::kNone;
    changed_.clear();
    order_broken_ = false;
  }
}

void SessionPlayer::CloseLanes() {
  for (size_t lane = 0; lane < lanes_.size(); ++lane) {
    PutNotifications(lane, lanes_[lane]->TakeNotifications());
    lanes_[lane]->Close();
  }
}

void SessionPlayer::EndWork() {
  shared_.order.Done(work_.front().ticket);
  shared_.census.window -= work_.front().weight;
  shared_.census.works -= CountedWorks();
  work_.pop_front();
  shared_.census.works += CountedWorks();
}

void SessionPlayer::CountExcluded(const std::string& reason) {
  if (std::exchange(excluded_, true)) return;
  ++shared_.stats.sessions_excluded;
  ++shared_.stats.exclusion_reasons[reason.empty() ? "it goes on after its end" : reason];
}

void SessionPlayer::Exclude(const std::string& reason) {
  if (state_ == State::kEnded) return;
  // A session that ended its connection with the last it did was replayed whole: one that was open
  // is counted when the first exchange of the rest is dropped.
  if (state_ == State::kNew || state_ == State::kConnecting) CountExcluded(reason);
  ended_why_ = reason;
  CloseLanes();
  Become(State::kEnded);
}

}  // namespace scry::replay
