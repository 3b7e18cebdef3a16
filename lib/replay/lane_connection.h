// One captured session's connection to one lane: opened by libpq as the captured role with the
// captured startup parameters, then driven with raw frames. Runs on the replayer's loop; never
// blocks.
#pragma once

#include <cstdint>
#include <deque>
#include <memory>
#include <optional>
#include <string>
#include <unordered_map>
#include <utility>
#include <vector>

#include "base/clock.h"
#include "base/result.h"
#include "base/text_pool.h"
#include "event/event.h"
#include "event/lane_pair.h"
#include "exchange/answer_reader.h"
#include "os/poller.h"
#include "pg/connection.h"
#include "replay/options.h"
#include "wire/frame.h"

namespace scry::replay {

class LaneConnection {
 public:
  enum class State : uint8_t { kConnecting, kIdle, kRunning, kDead };

  // `poller` outlives the connection and gives `token` back.
  LaneConnection(os::Poller& poller, uint64_t token, const ReplayOptions& options,
                 const base::TextPool& texts);
  LaneConnection(const LaneConnection&) = delete;
  LaneConnection& operator=(const LaneConnection&) = delete;
  ~LaneConnection();

  // REQUIRES: not yet started.
  void SetRowMapper(std::unique_ptr<exchange::RowMapper> mapper) {
    answers_.SetRowMapper(std::move(mapper));
  }
  base::Status Start(const pg::ConnInfo& info);
  // Goes on after readiness, connecting or running. An Error only while connecting.
  base::Status OnReady(bool readable, bool writable, base::Micros now_us);

  // Asks `messages`, those of the captured exchange or what stands for them on this lane. Of kDead,
  // the exchange is lost at once. Both stay valid until it is over. REQUIRES: kIdle or kDead.
  void Run(const event::Exchange& captured, const std::vector<event::FrontendMessage>& messages,
           exchange::AnswerDetail detail, base::Micros now_us);
  // Sends messages that Run() will be given next, or next after those sent ahead already, before it
  // is their turn: the server finds them when it has answered what came before. They go out with
  // Flush(), and stay valid until they are over. REQUIRES: kRunning, kIdle or kDead; of what is in
  // flight and of these, answers are only counted, and nothing begins a COPY.
  void SendAhead(const std::vector<event::FrontendMessage>& messages, base::Micros now_us);
  void Flush(base::Micros now_us);
  // If nothing was sent for so long, sends what the server answers with ReadyForQuery and nothing
  // else: its clock of idle time begins anew.
  void StayAwake(base::Micros idle_us, base::Micros now_us);
  size_t ahead() const { return ahead_.size(); }
  size_t ahead_unanswered() const { return ahead_.size() - ahead_over_; }
  // What the last exchange did, statement by statement. Once.
  exchange::Answers TakeAnswers() { return std::move(taken_); }
  // Notifications that came since; those that the last exchange's answers hold are not among them.
  std::vector<event::Notification> TakeNotifications() { return answers_.TakeNotifications(); }
  // As the server reported it when the session began; empty where it did not.
  std::string StartSetting(const std::string& name) const {
    return connection_ ? connection_->ParameterStatus(name) : std::string();
  }

  // Gives back the memory that connecting took; StartSetting() tells nothing any more.
  // REQUIRES: kIdle or kDead.
  void Settle(base::Micros now_us);

  // What was answered before the connection ended counts.
  State state() const { return state_ == State::kDead && ahead_over_ > 0 ? State::kIdle : state_; }
  base::Micros started_us() const { return started_us_; }
  uint8_t transaction_status() const { return state() == State::kDead ? 0 : status_; }
  uint32_t backend_pid() const { return connection_ ? connection_->backend_pid() : 0; }
  // Of a kDead connection: why, if what the server sent made no sense.
  const std::string& reason() const { return answers_.reason(); }
  // Asks the server to cancel what runs, and waits until it took the request: what comes next must
  // not be met by it.
  base::Status Cancel();
  // Asks the server to end the connection. It is kDead when the server has: then nothing is left of
  // the session there. What runs is lost at once.
  void Leave(base::Micros now_us);
  // Ends the connection; what runs is lost.
  void Abort(base::Micros now_us) { Die(now_us); }
  void Close();

 private:
  class Frames;
  base::Status Connect();
  void QueueRest();
  void Write(base::Micros now_us);
  void Read(base::Micros now_us);
  void ReadFrames(base::Micros now_us);
  void Feed(base::Micros now_us);
  void FeedCopy(base::Micros now_us);
  void EndSkipping(base::Micros now_us);
  void Add(uint8_t type, const std::string& payload, base::Micros now_us);
  void Finish(exchange::Answers answers);
  bool RunAhead();
  void ShareTime(size_t from);
  void BlameFailedParse(exchange::Answers& answers);
  bool Watch(bool read, bool write);
  void Die(base::Micros now_us);

  os::Poller& poller_;
  const uint64_t token_;
  State state_ = State::kConnecting;
  std::optional<pg::Connection> connection_;
  int watched_fd_ = -1;
  bool watch_read_ = false;
  bool watch_write_ = false;
  wire::FrameScanner scanner_;
  exchange::AnswerReader answers_;
  exchange::Answers taken_;
  // Prepared statements that this lane refused, by name: what it said.
  struct Refusal {
    std::string sqlstate;
    std::string message;
  };
  std::unordered_map<std::string, Refusal> refused_statements_;
  uint8_t status_ = 'I';
  struct Ahead {
    const std::vector<event::FrontendMessage>* messages = nullptr;
    exchange::Answers answers;  // Once it is over.
  };
  std::deque<Ahead> ahead_;  // In the order of their turns.
  size_t ahead_over_ = 0;    // Of them, from the front.
  // Of the exchange that runs: what production answered, and what this lane is asked.
  const std::vector<event::Statement>* captured_ = nullptr;
  const std::vector<event::FrontendMessage>* messages_ = nullptr;
  size_t queued_ = 0;        // Messages of the exchange put into out_.
  size_t copies_begun_ = 0;  // CopyInResponses.
  size_t copies_ended_ = 0;  // CopyDone and CopyFail put into out_.
  bool sync_added_ = false;  // One of ours is behind the captured messages.
  std::string out_;          // May outlive the exchange: copy data behind an early error.
  size_t out_at_ = 0;
  base::Micros started_us_ = 0;
  base::Micros awake_us_ = 0;    // When something was last sent to keep it awake.
  size_t awake_unanswered_ = 0;  // Answers to that still to come.
};

}  // namespace scry::replay
