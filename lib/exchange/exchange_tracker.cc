#include "exchange/exchange_tracker.h"

#include <algorithm>
#include <optional>
#include <utility>

#include "event/secret_text.h"
#include "wire/backend.h"
#include "wire/frontend.h"
#include "wire/startup.h"

namespace scry::exchange {
namespace {

namespace backend = wire::backend;
namespace frontend = wire::frontend;
using base::Micros;

// What is kept of a message too large to keep: enough for the names at its front.
constexpr size_t kPrefixBytesMax = 4096;

bool IsCopyMessage(uint8_t type) {
  return type == frontend::kCopyData || type == frontend::kCopyDone || type == frontend::kCopyFail;
}

// What most likely ends an exchange, or the copy data of one. Only limits depend on this guess;
// where an exchange really ends is up to its ReadyForQuery.
bool EndsPart(uint8_t type) {
  return type == frontend::kSync || type == frontend::kQuery || type == frontend::kFunctionCall ||
         type == frontend::kCopyDone || type == frontend::kCopyFail;
}

// The payload of a Query or a Parse without the passwords in its text; nullopt: as it is.
std::optional<std::string> WithoutSecrets(uint8_t type, base::Bytes payload) {
  if (type != frontend::kQuery && type != frontend::kParse) return std::nullopt;
  const std::string_view text = base::AsText(payload);
  const size_t begin =
      type == frontend::kQuery ? 0 : std::min(text.find('\0'), text.size() - 1) + 1;
  const size_t end = std::min(text.find('\0', begin), text.size());
  const auto hidden = event::WithoutSecrets(text.substr(begin, end - begin));
  if (!hidden) return std::nullopt;
  return std::string(text.substr(0, begin)) + *hidden + std::string(text.substr(end));
}

AnswerOptions ReaderOptions(const TrackerLimits& limits) {
  AnswerOptions options;
  options.statements_max = limits.statements_max;
  options.text_bytes_max = limits.exchange_bytes_max;
  options.row_bytes_kept = limits.row_bytes_kept;
  options.returned_bytes_kept = limits.returned_bytes_kept;
  options.notifications_max = 1;  // Each is put at once.
  return options;
}

}  // namespace

ExchangeTracker::ExchangeTracker(event::SessionStart facts, CaptureCommon& common,
                                 event::EventSink& sink, TrackerLimits limits)
    : facts_(std::move(facts)),
      common_(common),
      sink_(sink),
      limits_(limits),
      reader_(ReaderOptions(limits), common.texts) {}

// --- Frontend.

// False: the message is no question, or nobody listens any more.
bool ExchangeTracker::SeeFrontend(uint8_t type, uint64_t bytes, Micros now_us) {
  if (phase_ == Phase::kClosed || phase_ == Phase::kRefused || terminated_) return false;
  if (type == frontend::kTerminate) {
    terminated_ = true;
    return false;
  }
  if (phase_ == Phase::kQuiet) {
    quiet_bytes_ += bytes;
    quiet_open_ = true;
    return false;
  }
  if (type == frontend::kPassword) {
    if (phase_ != Phase::kAuthenticating) {
      GoQuiet("a password message after authentication", event::GapReason::kNotUnderstood, now_us);
    }
    return false;
  }
  if (!wire::IsFrontendType(type)) {
    GoQuiet("unknown message type " + std::to_string(type), event::GapReason::kNotUnderstood,
            now_us);
    quiet_bytes_ += bytes;
    quiet_open_ = true;
    return false;
  }
  // Left over from a COPY that failed: the server ignores it in its main loop, so it asks nothing.
  return !(kept_.empty() && IsCopyMessage(type));
}

bool ExchangeTracker::HasRoom(uint64_t bytes) const {
  const uint64_t weight = bytes + sizeof(Kept);
  return !part_dropped_ && part_weight_ + weight <= limits_.exchange_bytes_max &&
         kept_weight_ + weight <= limits_.in_flight_bytes_max;
}

void ExchangeTracker::OnFrontend(uint8_t type, base::Bytes payload, Micros now_us) {
  if (!SeeFrontend(type, payload.size(), now_us)) return;
  const bool dropped = !HasRoom(payload.size());
  Keep(type, payload, payload.size(), {now_us, common_.acknowledged}, dropped);
}

void ExchangeTracker::OnFrontendPiece(uint8_t type, uint32_t payload_length, uint32_t offset,
                                      base::Bytes piece, Micros now_us) {
  if (type == frontend::kPassword && phase_ == Phase::kAuthenticating) return;
  const bool last = uint64_t{offset} + piece.size() >= payload_length;
  if (phase_ == Phase::kQuiet || phase_ == Phase::kRefused || phase_ == Phase::kClosed) {
    SeeFrontend(type, piece.size(), now_us);
    return;
  }
  if (offset == 0) {
    partial_.clear();
    partial_stamp_ = {now_us, common_.acknowledged};
    partial_dropped_ = !HasRoom(payload_length);
  }
  const size_t size_max = partial_dropped_ ? kPrefixBytesMax : payload_length;
  const size_t room = size_max - std::min(size_max, partial_.size());
  partial_.append(base::AsText(piece.first(std::min(room, piece.size()))));
  if (!last) return;
  const std::string whole = std::exchange(partial_, std::string());
  if (!SeeFrontend(type, payload_length, now_us)) return;
  Keep(type, base::AsBytes(whole), payload_length, partial_stamp_, partial_dropped_);
}

void ExchangeTracker::Keep(uint8_t type, base::Bytes payload, uint64_t bytes, Stamp stamp,
                           bool dropped) {
  const auto hidden = WithoutSecrets(type, payload);
  if (hidden) payload = base::AsBytes(*hidden);
  const bool ends_part = EndsPart(type);
  if (dropped && !ends_part) part_dropped_ = true;
  const bool silent = type == frontend::kCopyData || type == frontend::kFlush;
  if (dropped && silent && !kept_.empty() && kept_.back().dropped &&
      (kept_.back().message.type == frontend::kCopyData ||
       kept_.back().message.type == frontend::kFlush)) {
    // A COPY of gigabytes would else cost an entry per row.
    kept_.back().bytes += bytes;
    return;
  }
  Kept kept;
  kept.message.type = type;
  kept.at_us = stamp.at_us;
  kept.commits_seen = stamp.commits_seen;
  kept.bytes = bytes;
  kept.dropped = dropped;
  kept.weight = sizeof(Kept);
  if (dropped) {
    payload = payload.first(std::min(payload.size(), kPrefixBytesMax));
  } else {
    const wire::FrontendParts parts = wire::SplitFrontend(type, payload);
    kept.message.head = parts.head;
    kept.message.values = parts.values;
    kept.message.tail = parts.tail;
    kept.weight += bytes;
  }
  part_weight_ += kept.weight;
  kept_weight_ += kept.weight;
  kept_.push_back(std::move(kept));
  reader_.Add(type, payload, stamp.at_us);
  if (ends_part) EndPart();
  if (kept_.size() > limits_.messages_max) {
    GoQuiet("too many messages in flight", event::GapReason::kTooLarge, stamp.at_us);
  }
}

// --- Backend.

void ExchangeTracker::OnBackend(uint8_t type, base::Bytes payload, Micros now_us) {
  switch (phase_) {
    case Phase::kReady:
      reader_.OnBackend(type, payload, now_us);
      if (type == backend::kNotificationResponse) PutNotifications();
      if (type != backend::kDataRow || reader_.broken() || head_dropped_) AfterBackend(now_us);
      break;
    case Phase::kAuthenticating:
    case Phase::kStarting:
      OnStarting(type, payload, now_us);
      break;
    case Phase::kQuiet:
      if (type != backend::kReadyForQuery) break;
      ++quiet_exchanges_;
      ++index_;
      quiet_open_ = false;
      // Whatever it was, others may have seen its work.
      if (wire::ParseReadyForQuery(payload) == 'I') ++common_.acknowledged;
      break;
    case Phase::kRefused:
    case Phase::kClosed:
      break;
  }
}

void ExchangeTracker::OnBackendPiece(uint8_t type, uint32_t payload_length, uint32_t offset,
                                     base::Bytes piece, Micros now_us) {
  if (phase_ == Phase::kReady) {
    reader_.OnBackendPiece(type, payload_length, offset, piece, now_us);
    AfterBackend(now_us);
  } else if (phase_ == Phase::kAuthenticating || phase_ == Phase::kStarting) {
    // Notices of a login trigger may be long; nothing else in this phase is.
    if (!wire::IsAsynchronous(type)) {
      GoQuiet("a long message before ReadyForQuery", event::GapReason::kNotUnderstood, now_us);
    }
  }
}

void ExchangeTracker::AfterBackend(Micros now_us) {
  if (reader_.broken()) {
    return GoQuiet(reader_.reason(), event::GapReason::kNotUnderstood, now_us);
  }
  if (reader_.done()) return Finish(reader_.Take(), now_us);
  // The message before the cursor is of the exchange in flight: if it was dropped, all of that is.
  const size_t answered = reader_.answered();
  if (answered > 0 && kept_[answered - 1].dropped) head_dropped_ = true;
  if (head_dropped_ || reader_.too_large()) DropAnswered();
}

void ExchangeTracker::OnStarting(uint8_t type, base::Bytes payload, Micros now_us) {
  switch (type) {
    case backend::kAuthentication:
      if (wire::ParseAuthentication(payload) == wire::AuthenticationKind::kOk) {
        phase_ = Phase::kStarting;
      }
      break;
    case backend::kParameterStatus:
      if (const auto status = wire::ParseParameterStatus(payload)) {
        facts_.settings.emplace_back(status->name, status->value);
      }
      break;
    case backend::kBackendKeyData:
      if (const auto key = wire::ParseBackendKeyData(payload)) facts_.backend_pid = key->pid;
      break;
    case backend::kErrorResponse:
      phase_ = Phase::kRefused;
      break;
    case backend::kReadyForQuery:
      if (phase_ == Phase::kStarting) {
        SetReady(now_us);
      } else {
        GoQuiet("ReadyForQuery before AuthenticationOk", event::GapReason::kNotUnderstood, now_us);
      }
      break;
    case backend::kNegotiateProtocolVersion:
    case backend::kNoticeResponse:
    case backend::kNotificationResponse:
      break;
    default:
      GoQuiet("message type " + std::to_string(type) + " before ReadyForQuery",
              event::GapReason::kNotUnderstood, now_us);
      break;
  }
}

void ExchangeTracker::SetReady(Micros now_us) {
  facts_.at_us = now_us;
  phase_ = Phase::kReady;
  started_ = true;
  const bool replication = wire::AsksForReplication(facts_.parameters);
  sink_.Put(facts_);
  if (replication) GoQuiet("a replication session", event::GapReason::kNotUnderstood, now_us);
}

// --- Exchanges.

void ExchangeTracker::PopKept() {
  kept_weight_ -= kept_.front().weight;
  kept_.pop_front();
}

void ExchangeTracker::Finish(Answers answers, Micros now_us) {
  event::Exchange exchange;
  if (!kept_.empty() && head_bytes_ == 0 && !head_dropped_) {
    head_stamp_ = {kept_.front().at_us, kept_.front().commits_seen};
  }
  bool dropped = head_dropped_ || answers.too_large;
  uint64_t bytes = head_bytes_;
  exchange.messages.reserve(answers.messages);
  for (size_t i = 0; i < answers.messages && !kept_.empty(); ++i) {
    Kept& kept = kept_.front();
    dropped = dropped || kept.dropped;
    bytes += kept.bytes;
    if (!dropped) exchange.messages.push_back(std::move(kept.message));
    PopKept();
  }
  if (answers.committed) ++common_.acknowledged;
  if (dropped) {
    event::Gap gap;
    gap.session = facts_.session;
    gap.from_us = head_stamp_.at_us;
    gap.to_us = now_us;
    gap.reason = event::GapReason::kTooLarge;
    gap.exchanges = 1;
    gap.bytes = bytes;
    sink_.Put(gap);
  } else {
    exchange.session = facts_.session;
    exchange.index = index_;
    exchange.forwarded_us = head_stamp_.at_us;
    exchange.first_answer_us = answers.first_answer_us;
    exchange.completed_us = answers.completed_us;
    exchange.commits_seen = head_stamp_.commits_seen;
    exchange.commits_done = common_.acknowledged;
    exchange.status = answers.status;
    exchange.statements = std::move(answers.statements);
    exchange.notices = std::move(answers.unasked.notices);
    exchange.parameter_changes = std::move(answers.unasked.parameter_changes);
    exchange.unasked_dropped = answers.unasked.dropped;
    sink_.Put(std::move(exchange));
  }
  ++index_;
  head_dropped_ = false;
  head_bytes_ = 0;
  DropStrays();
  // Copy data is a part that no ReadyForQuery request ends: it must not count against, or drop, the
  // exchange after it.
  if (kept_.empty()) EndPart();
}

void ExchangeTracker::PutNotifications() {
  for (event::Notification& notification : reader_.TakeNotifications()) {
    notification.session = facts_.session;
    sink_.Put(std::move(notification));
  }
}

void ExchangeTracker::EndPart() {
  part_weight_ = 0;
  part_dropped_ = false;
}

// Copy data that no COPY took in and after which nothing was asked: the server ignores it.
void ExchangeTracker::DropStrays() {
  if (kept_.empty() || !IsCopyMessage(kept_.front().message.type)) return;
  const auto is_copy = [](const Kept& kept) { return IsCopyMessage(kept.message.type); };
  if (!std::all_of(kept_.begin(), kept_.end(), is_copy)) return;
  while (!kept_.empty()) PopKept();
  reader_.DropAll();
  EndPart();
}

void ExchangeTracker::DropAnswered() {
  if (!head_dropped_) {
    head_dropped_ = true;
    if (head_bytes_ == 0 && !kept_.empty()) {
      head_stamp_ = {kept_.front().at_us, kept_.front().commits_seen};
    }
  }
  for (size_t left = reader_.DropAnswered(); left > 0; --left) {
    head_bytes_ += kept_.front().bytes;
    PopKept();
  }
}

// --- Ends.

void ExchangeTracker::GoQuiet(std::string reason, event::GapReason gap_reason, Micros now_us) {
  if (phase_ == Phase::kQuiet || phase_ == Phase::kClosed) return;
  event::Gap gap;
  gap.session = facts_.session;
  gap.from_us = kept_.empty() ? now_us : kept_.front().at_us;
  gap.to_us = now_us;
  gap.reason = gap_reason;
  // What is in flight is counted when its ReadyForQuery comes.
  gap.bytes = head_bytes_;
  for (const Kept& kept : kept_) gap.bytes += kept.bytes;
  quiet_open_ = !kept_.empty() || head_bytes_ > 0;
  kept_ = {};
  kept_weight_ = 0;
  partial_ = {};
  reader_.DropAll();
  reason_ = std::move(reason);
  quiet_since_us_ = now_us;
  phase_ = Phase::kQuiet;
  sink_.Put(gap);
}

void ExchangeTracker::PutQuietGap(Micros now_us) {
  if (quiet_open_) {
    ++quiet_exchanges_;
    ++index_;
  }
  if (quiet_exchanges_ == 0 && quiet_bytes_ == 0) return;
  event::Gap gap;
  gap.session = facts_.session;
  gap.from_us = quiet_since_us_;
  gap.to_us = now_us;
  gap.reason = event::GapReason::kNotUnderstood;
  gap.exchanges = quiet_exchanges_;
  gap.bytes = quiet_bytes_;
  sink_.Put(gap);
}

void ExchangeTracker::OnBroken(std::string reason, Micros now_us) {
  if (phase_ == Phase::kRefused) return;
  GoQuiet(std::move(reason), event::GapReason::kNotUnderstood, now_us);
}

void ExchangeTracker::OnClosed(event::EndReason reason, Micros now_us) {
  if (phase_ == Phase::kClosed) return;
  if (phase_ == Phase::kQuiet) PutQuietGap(now_us);
  if (phase_ == Phase::kReady) {
    DropStrays();
    while (reader_.asked() > 0 && !kept_.empty()) Finish(reader_.Lose(now_us), now_us);
    // All that was asked of it is answered and forgotten, but its Sync never came.
    if (head_dropped_) Finish(Answers(), now_us);
  }
  phase_ = Phase::kClosed;
  if (!started_) return;
  event::SessionEnd end;
  end.session = facts_.session;
  end.at_us = now_us;
  end.reason = terminated_ && reason != event::EndReason::kCaptureEnded
                   ? event::EndReason::kTerminate
                   : reason;
  end.exchanges = index_;
  sink_.Put(end);
}

}  // namespace scry::exchange
