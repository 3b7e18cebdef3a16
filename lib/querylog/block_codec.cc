#include "querylog/block_codec.h"

#include <algorithm>
#include <climits>
#include <cstdint>
#include <tuple>
#include <variant>

#include "querylog/format.h"

namespace scry::querylog {
namespace {

using base::ByteReader;
using base::ByteWriter;
using base::Micros;
using event::Event;
using event::SessionId;

// The numbers are those of the table in FORMAT.md.
enum Stream : size_t {
  kKind = 0,
  kSession = 1,
  kSessionNew = 2,
  kTime = 3,
  kDuration = 4,
  kLastByte = 5,
  kIndex = 6,
  kCommitsDone = 7,
  kCommitsSeen = 8,
  kReady = 9,
  kMessageCount = 10,
  kMessageType = 11,
  kHead = 12,
  kTail = 13,
  kValuesForm = 14,
  kValuesSize = 15,
  kValuesRaw = 16,
  kParameterSize = 17,
  kParameterBytes = 18,
  kStatementCount = 19,
  kText = 20,
  kOrdinal = 21,
  kMessage = 22,
  kStatus = 23,
  kTag = 24,
  kRows = 25,
  kRowBytes = 26,
  kDigest = 27,
  kDigestOrdered = 28,
  kDigestUnordered = 29,
  kRowDescription = 30,
  kSqlstate = 31,
  kErrorText = 32,
  kElapsed = 33,
  kSettingsCount = 34,
  kSettings = 35,
  kSmall = 36,
  kTextSize = 37,
  kTextBytes = 38,
  kOtherBytes = 39,
  kRowsSize = 40,
  kRowsBytes = 41,
  kUnasked = 42,
  kUnaskedCount = 43,
  kUnaskedText = 44,
};
static_assert(kOtherBytes + 1 == kStreamCountVersion1);
static_assert(kUnaskedText + 1 == kStreamCount);

constexpr uint64_t kTextNew = 0;
constexpr uint64_t kTextEmpty = 1;
constexpr uint64_t kTextKnown = 2;
constexpr uint64_t kTextOfMessage = 0;
// A count in a damaged block may name more than the budget of an event has room for.
constexpr uint64_t kReservedMax = 64;
constexpr uint64_t kDigestNone = 0;
constexpr uint64_t kDigestNew = 1;
constexpr uint64_t kDigestKnown = 2;

// The longest varint of a stream's length.
constexpr size_t kStreamLengthBytes = 10;

// Numbers of kinds are the places of the types in event::Event; this one is searched for.
constexpr uint8_t kKindStart = 0;
static_assert(std::is_same_v<std::variant_alternative_t<kKindStart, Event>, event::SessionStart>);

// Differences wrap, so that any two values have one.
void Difference(ByteWriter& out, uint64_t value, uint64_t before) {
  out.SignedVarint(static_cast<int64_t>(value - before));
}
uint64_t Sum(ByteReader& in, uint64_t before) {
  return static_cast<uint64_t>(in.SignedVarint()) + before;
}
uint64_t Unsigned(Micros value) { return static_cast<uint64_t>(value); }
Micros Signed(uint64_t value) { return static_cast<Micros>(value); }

uint64_t SettingsBytes(const event::Settings& settings) {
  uint64_t bytes = 0;
  for (const auto& [name, value] : settings) bytes += kSettingWeight + name.size() + value.size();
  return bytes;
}

// The query string of a Query message, or nullopt.
std::optional<std::string_view> QueryOf(const event::FrontendMessage& message) {
  if (message.type != 'Q' || message.head.empty() || message.head.back() != '\0') {
    return std::nullopt;
  }
  return std::string_view(message.head).substr(0, message.head.size() - 1);
}

// How many parameters `values` holds, if it is exactly a sequence of them.
std::optional<uint64_t> CountParameters(std::string_view values) {
  ByteReader in(values);
  uint64_t count = 0;
  while (in.left() > 0) {
    const int32_t size = in.BigI32();
    if (size < -1) return std::nullopt;
    if (size > 0) in.Take(static_cast<size_t>(size));
    ++count;
  }
  if (!in.ok()) return std::nullopt;
  return count;
}

}  // namespace

uint64_t EventBytes(const Event& event) {
  uint64_t bytes = 0;
  if (const auto* exchange = std::get_if<event::Exchange>(&event)) {
    for (const auto& message : exchange->messages) bytes += kMessageWeight + message.size();
    const event::Statement* before = nullptr;
    for (const auto& statement : exchange->statements) {
      const auto& outcome = statement.outcome;
      const bool shared = before != nullptr && statement.text == before->text;
      bytes += kStatementWeight + (shared ? 0 : statement.text.size()) + outcome.tag.size() +
               outcome.row_description.size() + outcome.sqlstate.size() + outcome.message.size() +
               outcome.values.size();
      before = &statement;
    }
    for (const auto& sqlstate : exchange->notices) bytes += kNoticeWeight + sqlstate.size();
    bytes += SettingsBytes(exchange->parameter_changes);
  } else if (const auto* start = std::get_if<event::SessionStart>(&event)) {
    bytes =
        SettingsBytes(start->parameters) + SettingsBytes(start->settings) + start->client.size();
  } else if (const auto* notification = std::get_if<event::Notification>(&event)) {
    bytes = notification->channel.size() + notification->payload.size();
  }
  return bytes;
}

uint64_t TextReads(const Event& event) {
  uint64_t reads = 0;
  if (const auto* exchange = std::get_if<event::Exchange>(&event)) {
    for (const auto& statement : exchange->statements) reads += statement.text.size();
  }
  return reads;
}

std::pair<Micros, Micros> MomentsOf(const Event& event) {
  if (const auto* gap = std::get_if<event::Gap>(&event)) {
    return {std::min(gap->from_us, gap->to_us), std::max(gap->from_us, gap->to_us)};
  }
  return {event::TimeOf(event), event::TimeOf(event)};
}

// --- Encoder
// ---------------------------------------------------------------------------------------

void BlockEncoder::Clear() {
  for (auto& stream : streams_) stream.clear();
  raw_bytes_ = kStreamCount * kStreamLengthBytes;
  summary_ = {};
  sessions_.clear();
  texts_.clear();
  digests_.clear();
  last_new_session_ = 0;
  last_time_ = 0;
  last_commits_done_ = 0;
}

void BlockEncoder::Add(const Event& event) {
  const auto [first_us, last_us] = MomentsOf(event);
  summary_.first_us = empty() ? first_us : std::min(summary_.first_us, first_us);
  summary_.last_us = empty() ? last_us : std::max(summary_.last_us, last_us);
  ++summary_.events;
  streams_[kKind].U8(static_cast<uint8_t>(event.index()));
  ++AddSession(event::SessionOf(event)).events;
  const uint64_t time = Unsigned(event::TimeOf(event));
  Difference(streams_[kTime], time, last_time_);
  last_time_ = time;
  std::visit([this](const auto& body) { AddBody(body); }, event);
  raw_bytes_ = kStreamCount * kStreamLengthBytes;
  for (const auto& stream : streams_) raw_bytes_ += stream.size();
}

BlockEncoder::Session& BlockEncoder::AddSession(SessionId id) {
  const auto raw_id = static_cast<uint64_t>(id);
  const auto [it, is_new] = sessions_.try_emplace(raw_id);
  if (is_new) {
    it->second.number = sessions_.size();
    streams_[kSession].Varint(0);
    Difference(streams_[kSessionNew], raw_id, last_new_session_);
    last_new_session_ = raw_id;
  } else {
    streams_[kSession].Varint(it->second.number);
  }
  return it->second;
}

uint64_t BlockEncoder::TextReference(std::string_view text, size_t bytes_stream) {
  if (text.empty()) return kTextEmpty;
  const auto found = texts_.find(text);
  if (found != texts_.end()) return found->second + kTextKnown;
  texts_.emplace(std::string(text), texts_.size());
  streams_[kTextSize].Varint(text.size());
  streams_[bytes_stream].Text(text);
  return kTextNew;
}

void BlockEncoder::AddBody(const event::SessionStart& start) {
  streams_[kSettingsCount].Varint(start.parameters.size());
  streams_[kSettingsCount].Varint(start.settings.size());
  for (const auto* settings : {&start.parameters, &start.settings}) {
    for (const auto& [name, value] : *settings) {
      streams_[kSettings].Varint(TextReference(name, kOtherBytes));
      streams_[kSettings].Varint(TextReference(value, kOtherBytes));
    }
  }
  streams_[kSettings].Varint(TextReference(start.client, kOtherBytes));
  streams_[kSmall].Varint(start.protocol);
  streams_[kSmall].Varint(start.backend_pid);
}

void BlockEncoder::AddBody(const event::Exchange& exchange) {
  const uint64_t completed = Unsigned(exchange.completed_us);
  Difference(streams_[kDuration], completed, Unsigned(exchange.forwarded_us));
  Difference(streams_[kLastByte], completed, Unsigned(exchange.first_answer_us));
  Session& session = sessions_[static_cast<uint64_t>(exchange.session)];
  Difference(streams_[kIndex], exchange.index, session.next_index);
  session.next_index = exchange.index + 1;
  Difference(streams_[kCommitsDone], exchange.commits_done, last_commits_done_);
  last_commits_done_ = exchange.commits_done;
  Difference(streams_[kCommitsSeen], exchange.commits_done, exchange.commits_seen);
  streams_[kReady].U8(exchange.status);
  streams_[kMessageCount].Varint(exchange.messages.size());
  for (const auto& message : exchange.messages) AddMessage(message);
  AddStatements(exchange);
  AddUnasked(exchange);
}

void BlockEncoder::AddMessage(const event::FrontendMessage& message) {
  streams_[kMessageType].U8(message.type);
  streams_[kHead].Varint(TextReference(message.head, kTextBytes));
  streams_[kTail].Varint(TextReference(message.tail, kTextBytes));
  AddValues(message);
}

void BlockEncoder::AddValues(const event::FrontendMessage& message) {
  const auto parameters =
      message.type == 'B' ? CountParameters(message.values) : std::optional<uint64_t>();
  if (!parameters) {
    streams_[kValuesForm].Varint(0);
    streams_[kValuesSize].Varint(message.values.size());
    streams_[kValuesRaw].Text(message.values);
    return;
  }
  streams_[kValuesForm].Varint(*parameters + 1);
  ByteReader in(message.values);
  while (in.left() > 0) {
    const int32_t size = in.BigI32();
    streams_[kParameterSize].SignedVarint(size);
    if (size > 0) streams_[kParameterBytes].Text(in.TakeText(static_cast<size_t>(size)));
  }
}

void BlockEncoder::AddStatements(const event::Exchange& exchange) {
  streams_[kStatementCount].Varint(exchange.statements.size());
  uint64_t message_before = 0;
  uint64_t rest = Unsigned(exchange.completed_us) - Unsigned(exchange.forwarded_us);
  for (size_t i = 0; i < exchange.statements.size(); ++i) {
    const auto& statement = exchange.statements[i];
    const bool in_messages = statement.message < exchange.messages.size();
    if (in_messages && QueryOf(exchange.messages[statement.message]) == statement.text) {
      streams_[kText].Varint(kTextOfMessage);
    } else {
      streams_[kText].Varint(TextReference(statement.text, kTextBytes) + 1);
    }
    streams_[kOrdinal].Varint(statement.ordinal);
    Difference(streams_[kMessage], statement.message, message_before);
    message_before = statement.message;
    AddOutcome(statement.outcome);
    const uint64_t elapsed = Unsigned(statement.outcome.elapsed_us);
    const bool last = i + 1 == exchange.statements.size();
    Difference(streams_[kElapsed], elapsed, last ? rest : 0);
    rest -= elapsed;
  }
}

void BlockEncoder::AddOutcome(const event::Outcome& outcome) {
  streams_[kStatus].U8(static_cast<uint8_t>(outcome.status));
  streams_[kTag].Varint(TextReference(outcome.tag, kOtherBytes));
  streams_[kRows].Varint(outcome.rows);
  streams_[kRowBytes].Varint(outcome.row_bytes);
  const std::pair digest(outcome.digest_ordered, outcome.digest_unordered);
  if (digest == std::pair<uint64_t, uint64_t>(0, 0)) {
    streams_[kDigest].Varint(kDigestNone);
  } else {
    const auto [it, is_new] = digests_.try_emplace(digest, digests_.size());
    streams_[kDigest].Varint(is_new ? kDigestNew : it->second + kDigestKnown);
    if (is_new) {
      streams_[kDigestOrdered].LittleU64(digest.first);
      streams_[kDigestUnordered].LittleU64(digest.second);
    }
  }
  streams_[kRowDescription].Varint(TextReference(outcome.row_description, kOtherBytes));
  streams_[kSqlstate].Varint(TextReference(outcome.sqlstate, kOtherBytes));
  streams_[kErrorText].Varint(TextReference(outcome.message, kOtherBytes));
  streams_[kRowsSize].Varint(outcome.values.size());
  streams_[kRowsBytes].Text(outcome.values);
}

void BlockEncoder::AddUnasked(const event::Exchange& exchange) {
  const bool any = !exchange.notices.empty() || !exchange.parameter_changes.empty() ||
                   exchange.unasked_dropped > 0;
  streams_[kUnasked].U8(any ? 1 : 0);
  if (!any) return;
  streams_[kUnaskedCount].Varint(exchange.notices.size());
  streams_[kUnaskedCount].Varint(exchange.parameter_changes.size());
  streams_[kUnaskedCount].Varint(exchange.unasked_dropped);
  for (const std::string& sqlstate : exchange.notices) {
    streams_[kUnaskedText].Varint(TextReference(sqlstate, kOtherBytes));
  }
  for (const auto& [name, value] : exchange.parameter_changes) {
    streams_[kUnaskedText].Varint(TextReference(name, kOtherBytes));
    streams_[kUnaskedText].Varint(TextReference(value, kOtherBytes));
  }
}

void BlockEncoder::AddBody(const event::SessionEnd& end) {
  streams_[kSmall].Varint(static_cast<uint8_t>(end.reason));
  streams_[kSmall].Varint(end.exchanges);
}

void BlockEncoder::AddBody(const event::Gap& gap) {
  Difference(streams_[kDuration], Unsigned(gap.to_us), Unsigned(gap.from_us));
  streams_[kSmall].Varint(static_cast<uint8_t>(gap.reason));
  streams_[kSmall].Varint(gap.exchanges);
  streams_[kSmall].Varint(gap.bytes);
}

void BlockEncoder::AddBody(const event::Cancel&) {}

void BlockEncoder::AddBody(const event::Notification& notification) {
  streams_[kUnaskedText].Varint(TextReference(notification.channel, kOtherBytes));
  streams_[kUnaskedText].Varint(TextReference(notification.payload, kOtherBytes));
  streams_[kUnaskedText].LittleU64(notification.payload_digest);
  streams_[kSmall].Varint(notification.payload_bytes);
  streams_[kSmall].Varint(notification.pid);
}

BlockSummary BlockEncoder::Summary() const {
  BlockSummary summary = summary_;
  for (const auto& [id, session] : sessions_) summary.sessions.emplace_back(id, session.events);
  std::sort(summary.sessions.begin(), summary.sessions.end());
  return summary;
}

std::string BlockEncoder::Finish() {
  ByteWriter raw;
  raw.str().reserve(raw_bytes_);
  for (const auto& stream : streams_) raw.Sized(stream.str());
  Clear();
  return raw.Release();
}

// --- Decoder
// ---------------------------------------------------------------------------------------

base::Result<std::unique_ptr<BlockDecoder>> BlockDecoder::Open(std::string raw, uint64_t events,
                                                               uint32_t version) {
  SCRY_CHECK(version >= 1 && version <= kFormatVersion);
  std::unique_ptr<BlockDecoder> decoder(new BlockDecoder(std::move(raw), events, version));
  if (!decoder->SplitStreams()) {
    return base::Fail(base::ErrorCode::kCorrupt, "the columns do not fill the block");
  }
  return decoder;
}

BlockDecoder::BlockDecoder(std::string raw, uint64_t events, uint32_t version)
    : raw_(std::move(raw)), version_(version), events_left_(events) {}

bool BlockDecoder::SplitStreams() {
  ByteReader in(raw_);
  streams_.reserve(kStreamCount);
  const size_t present = version_ == 1 ? kStreamCountVersion1 : kStreamCount;
  for (size_t i = 0; i < present; ++i) {
    const uint64_t size = in.Varint();
    if (size > in.left()) return false;
    streams_.emplace_back(in.Take(static_cast<size_t>(size)));
  }
  while (streams_.size() < kStreamCount) streams_.emplace_back(std::string_view());
  return in.AtEnd();
}

bool BlockDecoder::StreamsOk() const {
  return std::all_of(streams_.begin(), streams_.end(), [](const auto& s) { return s.ok(); });
}
bool BlockDecoder::StreamsUsedUp() const {
  return std::all_of(streams_.begin(), streams_.end(), [](const auto& s) { return s.AtEnd(); });
}

bool BlockDecoder::Charge(uint64_t bytes) {
  if (bytes > budget_) ok_ = false;
  if (!ok_) return false;
  budget_ -= bytes;
  return true;
}

// Texts are numbered across the whole block, so what stands before a start has to be decoded too.
void BlockDecoder::StopAfterStarts() {
  ByteReader kinds = streams_[kKind];
  const std::string_view all = kinds.TakeRest();
  const size_t last = all.rfind(static_cast<char>(kKindStart));
  events_left_ = std::min<uint64_t>(events_left_, last == std::string_view::npos ? 0 : last + 1);
  stops_early_ = true;
}

base::Result<std::optional<Event>> BlockDecoder::Next() {
  std::optional<Event> event(std::in_place);
  SCRY_TRY_ASSIGN(const bool more, Read(*event));
  if (!more) event.reset();
  return event;
}

base::Result<bool> BlockDecoder::Read(Event& event) {
  if (ok_ && events_left_ == 0) {
    if (stops_early_ || StreamsUsedUp()) return false;
    ok_ = false;
  }
  if (ok_) {
    budget_ = kEventBytesMax;
    Decode(event);
    ok_ = ok_ && StreamsOk();
    --events_left_;
    if (ok_) return true;
  }
  return base::Fail(base::ErrorCode::kCorrupt, "the columns of the block do not make events");
}

void BlockDecoder::Decode(Event& event) {
  const uint8_t kind = streams_[kKind].U8();
  const uint64_t number = streams_[kSession].Varint();
  if (number == 0) {
    last_new_session_ = Sum(streams_[kSessionNew], last_new_session_);
    sessions_.push_back({last_new_session_, 0});
    session_ = sessions_.size() - 1;
  } else if (number <= sessions_.size()) {
    session_ = static_cast<size_t>(number - 1);
  } else {
    ok_ = false;
    return;
  }
  last_time_ = Sum(streams_[kTime], last_time_);
  switch (kind) {
    case kKindStart:
      event = DecodeStart();
      return;
    case 1:
      // In place: most events are exchanges, and large.
      DecodeExchange(event.emplace<event::Exchange>());
      return;
    case 2:
      event = DecodeEnd();
      return;
    case 3:
      event = DecodeGap();
      return;
    case 4:
      event = event::Cancel{SessionId{sessions_[session_].id}, Signed(last_time_)};
      return;
    case 5:
      if (version_ >= 2) {
        event = DecodeNotification();
        return;
      }
      break;
    default:
      break;
  }
  ok_ = false;
}

std::optional<size_t> BlockDecoder::DecodeReference(uint64_t reference, size_t bytes_stream) {
  if (reference == kTextEmpty) return std::nullopt;
  if (reference == kTextNew) {
    const uint64_t size = streams_[kTextSize].Varint();
    if (size == 0 || size > streams_[bytes_stream].left()) {  // Empty ones are kTextEmpty.
      ok_ = false;
      return std::nullopt;
    }
    texts_.push_back(streams_[bytes_stream].TakeText(static_cast<size_t>(size)));
    return texts_.size() - 1;
  }
  if (reference - kTextKnown >= texts_.size()) {
    ok_ = false;
    return std::nullopt;
  }
  return static_cast<size_t>(reference - kTextKnown);
}

std::string_view BlockDecoder::DecodeText(uint64_t reference, size_t bytes_stream) {
  const auto number = DecodeReference(reference, bytes_stream);
  const std::string_view text = number ? texts_[*number] : std::string_view();
  return Charge(text.size()) ? text : std::string_view();
}

base::SharedText BlockDecoder::DecodeShared(uint64_t reference) {
  const auto number = DecodeReference(reference, kTextBytes);
  if (!number) return {};
  base::SharedText& shared = shared_texts_[*number];
  if (shared.empty()) shared = texts_[*number];
  return shared;
}

std::string_view BlockDecoder::DecodeOther(size_t stream) {
  return DecodeText(streams_[stream].Varint(), kOtherBytes);
}

event::Settings BlockDecoder::DecodeSettings(uint64_t count, size_t stream) {
  event::Settings settings;
  for (; count > 0 && streams_[stream].left() > 0 && Charge(kSettingWeight); --count) {
    const std::string_view name = DecodeOther(stream);
    settings.emplace_back(name, DecodeOther(stream));
  }
  if (count > 0) ok_ = false;
  return settings;
}

event::SessionStart BlockDecoder::DecodeStart() {
  event::SessionStart start;
  start.session = SessionId{sessions_[session_].id};
  start.at_us = Signed(last_time_);
  const uint64_t parameters = streams_[kSettingsCount].Varint();
  const uint64_t settings = streams_[kSettingsCount].Varint();
  start.parameters = DecodeSettings(parameters, kSettings);
  start.settings = DecodeSettings(settings, kSettings);
  start.client = DecodeOther(kSettings);
  start.protocol = static_cast<uint32_t>(streams_[kSmall].Varint());
  start.backend_pid = static_cast<uint32_t>(streams_[kSmall].Varint());
  return start;
}

void BlockDecoder::DecodeExchange(event::Exchange& exchange) {
  Session& session = sessions_[session_];
  exchange.session = SessionId{session.id};
  exchange.completed_us = Signed(last_time_);
  exchange.forwarded_us = Signed(last_time_ - Sum(streams_[kDuration], 0));
  exchange.first_answer_us = Signed(last_time_ - Sum(streams_[kLastByte], 0));
  exchange.index = Sum(streams_[kIndex], session.next_index);
  session.next_index = exchange.index + 1;
  exchange.commits_done = last_commits_done_ = Sum(streams_[kCommitsDone], last_commits_done_);
  exchange.commits_seen = exchange.commits_done - Sum(streams_[kCommitsSeen], 0);
  exchange.status = streams_[kReady].U8();
  const uint64_t messages = streams_[kMessageCount].Varint();
  if (messages > streams_[kMessageType].left()) ok_ = false;
  if (ok_) exchange.messages.reserve(static_cast<size_t>(std::min(messages, kReservedMax)));
  for (uint64_t i = 0; i < messages && Charge(kMessageWeight); ++i) {
    DecodeMessage(exchange.messages.emplace_back());
  }
  if (ok_) DecodeStatements(exchange);
  if (ok_ && version_ >= 2) DecodeUnasked(exchange);
}

void BlockDecoder::DecodeMessage(event::FrontendMessage& message) {
  message.type = streams_[kMessageType].U8();
  message.head = DecodeText(streams_[kHead].Varint(), kTextBytes);
  message.tail = DecodeText(streams_[kTail].Varint(), kTextBytes);
  DecodeValues(streams_[kValuesForm].Varint(), message.values);
}

void BlockDecoder::DecodeValues(uint64_t form, std::string& values) {
  if (form == 0) {
    const uint64_t size = streams_[kValuesSize].Varint();
    if (size > streams_[kValuesRaw].left() || !Charge(size)) {
      ok_ = false;
      return;
    }
    values = streams_[kValuesRaw].TakeText(static_cast<size_t>(size));
    return;
  }
  if (form == 1) return;  // Most messages have none.
  ByteWriter writer;
  for (uint64_t i = 0; i + 1 < form && Charge(4); ++i) {
    const int64_t size = streams_[kParameterSize].SignedVarint();
    const size_t left = streams_[kParameterBytes].left();
    if (size < -1 || size > INT32_MAX || (size > 0 && static_cast<uint64_t>(size) > left) ||
        !streams_[kParameterSize].ok()) {
      ok_ = false;
      return;
    }
    writer.BigU32(static_cast<uint32_t>(size));
    if (size > 0 && Charge(static_cast<uint64_t>(size))) {
      writer.Text(streams_[kParameterBytes].TakeText(static_cast<size_t>(size)));
    }
  }
  values = writer.Release();
}

void BlockDecoder::DecodeStatements(event::Exchange& exchange) {
  const uint64_t count = streams_[kStatementCount].Varint();
  if (count > streams_[kStatus].left()) ok_ = false;
  if (ok_) exchange.statements.reserve(static_cast<size_t>(std::min(count, kReservedMax)));
  uint64_t message_before = 0;
  uint64_t reads = 0;
  uint64_t rest = Unsigned(exchange.completed_us) - Unsigned(exchange.forwarded_us);
  for (uint64_t i = 0; i < count && Charge(kStatementWeight); ++i) {
    event::Statement& statement = exchange.statements.emplace_back();
    const uint64_t text = streams_[kText].Varint();
    if (text != kTextOfMessage) statement.text = DecodeShared(text - 1);
    statement.ordinal = static_cast<uint32_t>(streams_[kOrdinal].Varint());
    message_before = Sum(streams_[kMessage], message_before);
    statement.message = static_cast<uint32_t>(message_before);
    const event::Statement* before = i > 0 ? &exchange.statements[i - 1] : nullptr;
    if (text == kTextOfMessage) {
      const auto query = message_before < exchange.messages.size()
                             ? QueryOf(exchange.messages[statement.message])
                             : std::nullopt;
      if (!query) {
        ok_ = false;
        return;
      }
      const bool same = before != nullptr && before->text == *query;  // Before it is copied.
      statement.text = same ? before->text : base::SharedText(*query);
    }
    reads += statement.text.size();
    if (reads > kTextReadsMax) ok_ = false;
    if (before != nullptr && statement.text == before->text) {  // As EventBytes() counts.
      statement.text = before->text;
    } else if (!Charge(statement.text.size())) {
      return;
    }
    DecodeOutcome(statement.outcome);
    const uint64_t elapsed = Sum(streams_[kElapsed], i + 1 == count ? rest : 0);
    statement.outcome.elapsed_us = Signed(elapsed);
    rest -= elapsed;
  }
}

void BlockDecoder::DecodeOutcome(event::Outcome& outcome) {
  const uint8_t status = streams_[kStatus].U8();
  if (status > static_cast<uint8_t>(event::OutcomeStatus::kLost)) ok_ = false;
  outcome.status = event::OutcomeStatus{status};
  outcome.tag = DecodeOther(kTag);
  outcome.rows = streams_[kRows].Varint();
  outcome.row_bytes = streams_[kRowBytes].Varint();
  const uint64_t digest = streams_[kDigest].Varint();
  if (digest == kDigestNew) {
    const uint64_t ordered = streams_[kDigestOrdered].LittleU64();
    digests_.emplace_back(ordered, streams_[kDigestUnordered].LittleU64());
    std::tie(outcome.digest_ordered, outcome.digest_unordered) = digests_.back();
  } else if (digest != kDigestNone) {
    if (digest - kDigestKnown < digests_.size()) {
      std::tie(outcome.digest_ordered, outcome.digest_unordered) =
          digests_[static_cast<size_t>(digest - kDigestKnown)];
    } else {
      ok_ = false;
    }
  }
  outcome.row_description = DecodeOther(kRowDescription);
  outcome.sqlstate = DecodeOther(kSqlstate);
  outcome.message = DecodeOther(kErrorText);
  if (version_ >= 2) outcome.values = DecodeRows();
}

std::string_view BlockDecoder::DecodeRows() {
  const uint64_t size = streams_[kRowsSize].Varint();
  if (size > streams_[kRowsBytes].left() || !Charge(size)) {
    ok_ = false;
    return {};
  }
  return streams_[kRowsBytes].TakeText(static_cast<size_t>(size));
}

void BlockDecoder::DecodeUnasked(event::Exchange& exchange) {
  const uint8_t any = streams_[kUnasked].U8();
  if (any == 0) return;
  const uint64_t notices = streams_[kUnaskedCount].Varint();
  const uint64_t changes = streams_[kUnaskedCount].Varint();
  exchange.unasked_dropped = streams_[kUnaskedCount].Varint();
  if (any != 1 || notices > streams_[kUnaskedText].left()) ok_ = false;
  for (uint64_t i = 0; i < notices && Charge(kNoticeWeight); ++i) {
    exchange.notices.emplace_back(DecodeOther(kUnaskedText));
  }
  if (ok_) exchange.parameter_changes = DecodeSettings(changes, kUnaskedText);
}

event::Notification BlockDecoder::DecodeNotification() {
  event::Notification notification;
  notification.session = SessionId{sessions_[session_].id};
  notification.at_us = Signed(last_time_);
  notification.channel = DecodeOther(kUnaskedText);
  notification.payload = DecodeOther(kUnaskedText);
  notification.payload_digest = streams_[kUnaskedText].LittleU64();
  notification.payload_bytes = streams_[kSmall].Varint();
  notification.pid = static_cast<uint32_t>(streams_[kSmall].Varint());
  return notification;
}

event::SessionEnd BlockDecoder::DecodeEnd() {
  event::SessionEnd end;
  end.session = SessionId{sessions_[session_].id};
  end.at_us = Signed(last_time_);
  const uint64_t reason = streams_[kSmall].Varint();
  if (reason > static_cast<uint8_t>(event::EndReason::kCaptureEnded)) ok_ = false;
  end.reason = event::EndReason{static_cast<uint8_t>(reason)};
  end.exchanges = streams_[kSmall].Varint();
  return end;
}

event::Gap BlockDecoder::DecodeGap() {
  event::Gap gap;
  gap.session = SessionId{sessions_[session_].id};
  gap.to_us = Signed(last_time_);
  gap.from_us = Signed(last_time_ - Sum(streams_[kDuration], 0));
  const uint64_t reason = streams_[kSmall].Varint();
  if (reason > static_cast<uint8_t>(event::GapReason::kTorn)) ok_ = false;
  gap.reason = event::GapReason{static_cast<uint8_t>(reason)};
  gap.exchanges = streams_[kSmall].Varint();
  gap.bytes = streams_[kSmall].Varint();
  return gap;
}

}  // namespace scry::querylog
