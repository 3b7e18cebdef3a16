#include "replay/lane_connection.h"

#include <algorithm>
#include <array>
#include <span>
#include <string_view>
#include <utility>

#include "base/check.h"
#include "wire/backend.h"
#include "wire/frontend.h"

namespace scry::replay {
namespace {

constexpr size_t kReadSize = 64 * 1024;
// A buffer that grew past this is given back after the exchange: one large COPY must not cost every
// lane its size for the rest of the session.
constexpr size_t kOutKeepMax = 256 * 1024;

// In one read, or in one exchange.
constexpr uint32_t kNotificationsMax = 64 * 1024;

bool IsCopyMessage(uint8_t type) {
  return type == wire::frontend::kCopyData || type == wire::frontend::kCopyDone ||
         type == wire::frontend::kCopyFail;
}

exchange::AnswerOptions AnswerOptionsOf(const ReplayOptions& replay) {
  exchange::AnswerOptions options;
  options.cells_max = replay.cells_max;
  options.row_bytes_kept = replay.row_bytes_kept;
  // Digests will do; and what comes between two looks is taken at once.
  options.notifications_max = kNotificationsMax;
  options.notification_bytes_max = 0;
  return options;
}

}  // namespace

// Hands frames to the reader of the exchange that runs, with the time of the read they came in.
class LaneConnection::Frames final : public wire::FrameSink {
 public:
  Frames(LaneConnection& lane, base::Micros now_us) : lane_(lane), now_us_(now_us) {}
  void OnFrame(uint8_t type, base::Bytes payload) override {
    if (type == wire::backend::kReadyForQuery && lane_.awake_unanswered_ > 0) {
      --lane_.awake_unanswered_;
      return;
    }
    // Between exchanges only asynchronous messages come.
    if (!Answers() && !(lane_.state_ == State::kIdle && wire::IsAsynchronous(type))) return;
    if (type == wire::backend::kCopyInResponse) ++lane_.copies_begun_;
    lane_.answers_.OnBackend(type, payload, now_us_);
    if (!lane_.answers_.done()) return;
    if (lane_.state_ == State::kRunning) {
      lane_.Finish(lane_.answers_.Take());
    } else {
      lane_.ahead_[lane_.ahead_over_++].answers = lane_.answers_.Take();
    }
  }
  void OnPiece(uint8_t type, uint32_t length, uint32_t offset, base::Bytes piece) override {
    if (Answers()) lane_.answers_.OnBackendPiece(type, length, offset, piece, now_us_);
  }

 private:
  // Is anything in flight that frames may answer?
  bool Answers() const {
    return lane_.state_ == State::kRunning ||
           (lane_.state_ == State::kIdle && lane_.ahead_unanswered() > 0);
  }

  LaneConnection& lane_;
  const base::Micros now_us_;
};

LaneConnection::LaneConnection(os::Poller& poller, uint64_t token, const ReplayOptions& options,
                               const base::TextPool& texts)
    : poller_(poller), token_(token), answers_(AnswerOptionsOf(options), texts) {}

LaneConnection::~LaneConnection() { Close(); }

base::Status LaneConnection::Start(const pg::ConnInfo& info) {
  auto connection = pg::Connection::StartConnect(info);
  if (!connection.ok()) {
    state_ = State::kDead;
    return connection.error();
  }
  connection_.emplace(std::move(connection).value());
  return Connect();
}

base::Status LaneConnection::Connect() {
  const auto polled = connection_->Poll();
  if (!polled.ok()) {
    Close();
    return polled.error();
  }
  if (*polled != pg::ConnectState::kReady) {
    if (Watch(*polled == pg::ConnectState::kReading, *polled == pg::ConnectState::kWriting)) {
      return {};
    }
    Close();
    return base::Fail("connect: the socket cannot be watched");
  }
  const base::Status raw = connection_->BeginRaw();
  if (!raw.ok()) {
    Close();
    return raw;
  }
  state_ = State::kIdle;
  if (!Watch(true, false)) {
    Close();
    return base::Fail("connect: the socket cannot be watched");
  }
  return {};
}

void LaneConnection::Settle(base::Micros now_us) {
  if (state_ != State::kIdle || !connection_) return;
  if (watched_fd_ >= 0) poller_.Remove(std::exchange(watched_fd_, -1));
  connection_->DropLibpq();
  if (!Watch(true, watch_write_)) Die(now_us);
}

base::Status LaneConnection::OnReady(bool readable, bool writable, base::Micros now_us) {
  if (state_ == State::kConnecting) return Connect();
  if (state_ == State::kDead) return {};
  if (writable) Write(now_us);
  if (readable && state_ != State::kDead) Read(now_us);
  return {};
}

void LaneConnection::Run(const event::Exchange& captured,
                         const std::vector<event::FrontendMessage>& messages,
                         exchange::AnswerDetail detail, base::Micros now_us) {
  captured_ = &captured.statements;
  messages_ = &messages;
  queued_ = copies_begun_ = copies_ended_ = 0;
  sync_added_ = false;
  started_us_ = now_us;
  if (RunAhead()) return;
  answers_.Begin(messages, now_us, detail);
  if (state_ == State::kDead) {
    if (answers_.asked() > 0) taken_ = answers_.Lose(now_us);
    return;
  }
  state_ = State::kRunning;
  // What is left of the exchange before has to go out whole: a frame cut short would swallow the
  // next one.
  out_.erase(0, out_at_);
  out_at_ = 0;
  // COPY data waits for the server's CopyInResponse: where a lane refuses the COPY, a Sync behind
  // the data would be answered a second time.
  while (queued_ < messages.size() && !IsCopyMessage(messages[queued_].type)) {
    const event::FrontendMessage& message = messages[queued_++];
    wire::AppendMessage(out_, message.type, message.head, message.values, message.tail);
  }
  Write(now_us);
}

// Whether it was sent ahead, and may have been answered already.
bool LaneConnection::RunAhead() {
  if (ahead_.empty()) return false;
  SCRY_CHECK(ahead_.front().messages == messages_);
  Ahead ahead = std::move(ahead_.front());
  ahead_.pop_front();
  queued_ = messages_->size();
  if (ahead_over_ > 0) {
    --ahead_over_;
    Finish(std::move(ahead.answers));
    return true;
  }
  if (state_ == State::kDead) return false;  // It was lost with those before it.
  state_ = State::kRunning;
  return true;
}

void LaneConnection::SendAhead(const std::vector<event::FrontendMessage>& messages,
                               base::Micros now_us) {
  if (state_ == State::kDead) return;
  ahead_.push_back({&messages, {}});
  answers_.Append(messages, now_us);
  for (const event::FrontendMessage& message : messages) {
    wire::AppendMessage(out_, message.type, message.head, message.values, message.tail);
  }
}

void LaneConnection::StayAwake(base::Micros idle_us, base::Micros now_us) {
  const bool idle = state_ == State::kIdle && ahead_.empty() && out_at_ == out_.size();
  if (!idle || awake_unanswered_ > 0 || now_us - std::max(awake_us_, started_us_) < idle_us) return;
  awake_us_ = now_us;
  ++awake_unanswered_;
  wire::AppendMessage(out_, wire::frontend::kSync, std::string_view());
  Write(now_us);
}

void LaneConnection::Flush(base::Micros now_us) {
  if (state_ != State::kDead) Write(now_us);
}

void LaneConnection::QueueRest() {
  for (; queued_ < messages_->size(); ++queued_) {
    const event::FrontendMessage& message = (*messages_)[queued_];
    wire::AppendMessage(out_, message.type, message.head, message.values, message.tail);
    if (message.type == wire::frontend::kCopyDone || message.type == wire::frontend::kCopyFail) {
      ++copies_ended_;
    }
  }
}

void LaneConnection::Write(base::Micros now_us) {
  while (out_at_ < out_.size()) {
    const auto* data = reinterpret_cast<const uint8_t*>(out_.data());
    const auto written = connection_->WriteSome({data + out_at_, out_.size() - out_at_});
    if (!written.ok() || written->state == pg::IoState::kClosed) {
      // The server may have said why before it closed: that is the outcome to keep.
      ReadFrames(now_us);
      if (state_ != State::kDead) Die(now_us);
      return;
    }
    if (written->state == pg::IoState::kWouldBlock) break;
    out_at_ += written->bytes;
  }
  const bool all = out_at_ == out_.size();
  if (!all && out_at_ > kOutKeepMax) {  // What is sent ahead may never let it become empty.
    out_.erase(0, out_at_);
    out_at_ = 0;
  }
  if (all) {
    out_.clear();
    out_at_ = 0;
    if (out_.capacity() > kOutKeepMax) out_ = std::string();
  }
  if (!Watch(true, !all)) Die(now_us);
}

void LaneConnection::Read(base::Micros now_us) {
  ReadFrames(now_us);
  if (state_ == State::kRunning) Feed(now_us);
}

void LaneConnection::ReadFrames(base::Micros now_us) {
  std::array<uint8_t, kReadSize> buffer;  // NOLINT: filled by the read.
  Frames frames(*this, now_us);
  const size_t over_before = ahead_over_;
  // A lane with much to say must not starve the others: back to the loop after a few reads.
  for (int i = 0; i < 4; ++i) {
    const auto read = connection_->ReadSome(buffer);
    if (!read.ok() || read->state == pg::IoState::kClosed) {
      Die(now_us);
      return;
    }
    if (read->state == pg::IoState::kWouldBlock) break;
    scanner_.Feed({buffer.data(), read->bytes}, frames);
    if (scanner_.broken() || answers_.broken()) {
      Die(now_us);
      return;
    }
    if (read->bytes < buffer.size()) break;
  }
  ShareTime(over_before);
}

// Exchanges whose answers were read together: what they took together is known, and the first of
// them has it all.
void LaneConnection::ShareTime(size_t from) {
  const size_t over = ahead_over_ - from;
  if (over == 0) return;
  std::vector<event::Statement*> statements;
  const auto collect = [&](exchange::Answers& answers) {
    for (event::Statement& statement : answers.statements) statements.push_back(&statement);
  };
  if (from == 0 && state_ != State::kRunning) collect(taken_);
  for (size_t i = from; i < ahead_over_; ++i) collect(ahead_[i].answers);
  if (statements.empty()) return;
  base::Micros together = 0;
  for (const event::Statement* statement : statements) together += statement->outcome.elapsed_us;
  for (size_t left = statements.size(); left > 0; --left) {
    const base::Micros share = together / static_cast<base::Micros>(left);
    statements[left - 1]->outcome.elapsed_us = share;
    together -= share;
  }
}

// What the server waits for beyond the messages sent at once. Whatever the capture holds, an
// exchange must not leave both sides waiting.
void LaneConnection::Feed(base::Micros now_us) {
  if (answers_.wants_copy_data()) {
    FeedCopy(now_us);
  } else if (answers_.failed()) {
    EndSkipping(now_us);
  }
}

void LaneConnection::FeedCopy(base::Micros now_us) {
  const size_t before = out_.size();
  QueueRest();
  if (copies_ended_ < copies_begun_) {
    // Production did not get into this COPY, or not to its end, so nothing captured ends it: end it
    // as a client would.
    Add(wire::frontend::kCopyFail, std::string("no data was captured\0", 21), now_us);
    ++copies_ended_;
    const bool simple = messages_->front().type == wire::frontend::kQuery;
    // The server drops a Sync that comes inside of a COPY.
    if (!simple) {
      Add(wire::frontend::kSync, {}, now_us);
      sync_added_ = true;
    }
  }
  if (out_.size() != before) Write(now_us);
}

// After an error in the extended protocol the server takes nothing but Sync. One that stands behind
// copy data, or that production did not need, is not sent yet.
void LaneConnection::EndSkipping(base::Micros now_us) {
  const auto& messages = *messages_;
  const size_t failed = answers_.answered();
  if (sync_added_ || failed >= messages.size()) return;
  const uint8_t type = messages[failed].type;
  if (type == wire::frontend::kQuery || type == wire::frontend::kFunctionCall ||
      type == wire::frontend::kSync) {
    return;  // Ends with ReadyForQuery by itself.
  }
  const auto is_sync = [](const auto& message) { return message.type == wire::frontend::kSync; };
  auto from = messages.begin() + static_cast<std::ptrdiff_t>(failed);
  if (copies_begun_ > 0) {  // Syncs before the data were dropped.
    from = std::find_if(from, messages.end(),
                        [](const auto& message) { return IsCopyMessage(message.type); });
  } else if (std::find_if(from, messages.begin() + static_cast<std::ptrdiff_t>(queued_), is_sync) !=
             messages.begin() + static_cast<std::ptrdiff_t>(queued_)) {
    return;  // On its way.
  }
  const size_t before = out_.size();
  QueueRest();
  if (std::find_if(from, messages.end(), is_sync) == messages.end()) {
    Add(wire::frontend::kSync, {}, now_us);
    sync_added_ = true;
  }
  if (out_.size() != before) Write(now_us);
}

// A message beside the captured ones.
void LaneConnection::Add(uint8_t type, const std::string& payload, base::Micros now_us) {
  wire::AppendMessage(out_, type, payload);
  answers_.Add(type, base::AsBytes(payload), now_us);
}

void LaneConnection::Finish(exchange::Answers answers) {
  BlameFailedParse(answers);
  taken_ = std::move(answers);
  status_ = taken_.status;
  if (state_ != State::kDead) state_ = State::kIdle;
}

// A named statement that could not be prepared here fails again at each Bind, with 26000 "does not
// exist". That is the consequence; what the lane really lacks is what Parse said. Where
// production got the same answer there is nothing to explain.
void LaneConnection::BlameFailedParse(exchange::Answers& answers) {
  constexpr const char* kNoSuchStatement = "26000";
  constexpr size_t kRefusalsMax = 4096;
  const std::vector<event::Statement>& captured = *captured_;
  for (size_t index = 0; index < answers.statements.size(); ++index) {
    event::Statement& statement = answers.statements[index];
    if (statement.outcome.status != event::OutcomeStatus::kError) continue;
    const bool known =
        index < captured.size() && captured[index].outcome.sqlstate == statement.outcome.sqlstate;
    if (known) continue;
    const size_t last = std::min<size_t>(statement.message + 1, messages_->size());
    for (size_t i = last; i-- > 0;) {
      const event::FrontendMessage& message = (*messages_)[i];
      const std::string payload = message.Payload();
      if (message.type == wire::frontend::kParse) {
        const auto parse = wire::ParseParse(base::AsBytes(payload));
        if (parse && !parse->name.empty() && refused_statements_.size() < kRefusalsMax) {
          refused_statements_[std::string(parse->name)] = {statement.outcome.sqlstate,
                                                           statement.outcome.message};
        }
        break;
      }
      if (message.type != wire::frontend::kBind) continue;
      const auto bind = wire::ParseBind(base::AsBytes(payload));
      const auto refused = !bind ? refused_statements_.end()
                                 : refused_statements_.find(std::string(bind->statement));
      if (refused != refused_statements_.end() && statement.outcome.sqlstate == kNoSuchStatement) {
        statement.outcome.sqlstate = refused->second.sqlstate;
        statement.outcome.message = refused->second.message;
      }
      break;
    }
  }
}

// False: readiness would never be told.
bool LaneConnection::Watch(bool read, bool write) {
  const int fd = connection_->socket();
  bool watched = true;
  if (fd != watched_fd_) {
    if (watched_fd_ >= 0) poller_.Remove(watched_fd_);
    watched = poller_.Add(fd, token_, read, write).ok();
  } else if (read != watch_read_ || write != watch_write_ || state_ == State::kConnecting) {
    // libpq may have opened another socket under the same number while connecting; the poller
    // forgot the old one when it was closed.
    watched =
        poller_.Change(fd, token_, read, write).ok() || poller_.Add(fd, token_, read, write).ok();
  }
  watched_fd_ = watched ? fd : -1;
  watch_read_ = read;
  watch_write_ = write;
  return watched;
}

void LaneConnection::Die(base::Micros now_us) {
  if (answers_.asked() > 0) {
    if (state_ == State::kRunning) {
      taken_ = answers_.Lose(now_us);
    } else if (state_ == State::kIdle && ahead_unanswered() > 0) {
      ahead_[ahead_over_++].answers = answers_.Lose(now_us);
    }
  }
  Close();
}

base::Status LaneConnection::Cancel() {
  if (!connection_ || state_ != State::kRunning) return {};
  return connection_->Cancel();
}

void LaneConnection::Leave(base::Micros now_us) {
  if (state_ == State::kDead) return;
  if (state_ != State::kIdle) return Close();
  wire::AppendMessage(out_, wire::frontend::kTerminate, std::string_view());
  Write(now_us);
}

void LaneConnection::Close() {
  if (watched_fd_ >= 0) poller_.Remove(watched_fd_);
  watched_fd_ = -1;
  connection_.reset();
  state_ = State::kDead;
}

}  // namespace scry::replay
