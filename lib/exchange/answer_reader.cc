#include "exchange/answer_reader.h"

#include <algorithm>
#include <utility>

#include "base/letter_case.h"
#include "event/value_equality.h"
#include "wire/backend.h"

namespace scry::exchange {
namespace {

namespace backend = wire::backend;
namespace frontend = wire::frontend;
using event::OutcomeStatus;

// As AddParts names a call of lo_creat, and what its result may take.
constexpr std::string_view kLoCreat = "(function call 957)";
constexpr size_t kObjectNumberBytes = 32;
// An error message of a hostile or odd server must not fill the log.
constexpr size_t kErrorMessageBytesMax = 8192;
// Descriptions and errors over the scanner's gather limit are joined up to here.
constexpr size_t kPiecesBytesMax = 16u << 20;
// Of a notice in pieces: its SQLSTATE stands at its front.
constexpr size_t kNoticeFrontBytes = 4096;

// Messages that the server takes in without an answer when no COPY is going on.
bool IsSilent(uint8_t type) {
  return type == frontend::kFlush || type == frontend::kCopyData || type == frontend::kCopyDone ||
         type == frontend::kCopyFail;
}

std::string TypeName(uint8_t type) {
  if (type > ' ' && type < 0x7f) return std::string(1, static_cast<char>(type));
  return std::to_string(type);
}

void ApplyFormats(const std::vector<uint16_t>& formats, std::vector<event::Column>& columns) {
  for (size_t i = 0; i < columns.size(); ++i) {
    if (formats.size() == 1) columns[i].format = formats[0];
    if (formats.size() > 1 && i < formats.size()) columns[i].format = formats[i];
    if (formats.empty()) columns[i].format = 0;
  }
}

std::vector<event::Column> ToColumns(std::string_view description) {
  std::vector<event::Column> columns;
  const auto fields = wire::ParseRowDescription(base::AsBytes(description));
  if (!fields) return columns;
  columns.reserve(fields->size());
  for (const auto& field : *fields) {
    event::Column column;
    column.name = field.name;
    column.table_oid = field.table_oid;
    column.column_number = field.column_number;
    column.type_oid = field.type_oid;
    column.format = field.format;
    columns.push_back(std::move(column));
  }
  return columns;
}

// Of a RowDescription: a column is the xmin of a table.
bool ShowsXmin(std::string_view description) {
  constexpr size_t kTypeAndFormat = 12;
  base::ByteReader in(description);
  for (uint16_t left = in.BigU16(); left > 0 && in.ok(); --left) {
    in.CString();
    const uint32_t table_oid = in.BigU32();
    const uint16_t number = in.BigU16();
    in.Take(kTypeAndFormat);
    if (in.ok() && table_oid != 0 && number == event::kXminNumber) return true;
  }
  return false;
}

}  // namespace

AnswerReader::Prepared::Prepared(base::SharedText text_in, uint64_t* total_in)
    : text(std::move(text_in)), total(total_in) {
  *total += text.size();
}
AnswerReader::Prepared::~Prepared() { *total -= text.size(); }

AnswerReader::AnswerReader(AnswerOptions options, base::TextPool texts)
    : options_(options),
      texts_(std::move(texts)),
      cells_(options.cells_max),
      kept_(options.row_bytes_kept) {}

// --- Questions.

void AnswerReader::Begin(const std::vector<event::FrontendMessage>& messages, Micros now_us,
                         AnswerDetail detail) {
  DropAll();
  detail_ = detail;
  Append(messages, now_us);
}

void AnswerReader::Append(const std::vector<event::FrontendMessage>& messages, Micros now_us) {
  for (const auto& message : messages) {
    AddParts(message.type, base::AsBytes(message.head), base::AsBytes(message.tail), now_us);
  }
}

void AnswerReader::Add(uint8_t type, base::Bytes payload, Micros now_us) {
  if (type == frontend::kBind && options_.cells_max > 0) {
    const wire::FrontendParts parts = wire::SplitFrontend(type, payload);
    return AddParts(type, base::AsBytes(parts.head), base::AsBytes(parts.tail), now_us);
  }
  AddParts(type, payload, {}, now_us);
}

// Lenient: what the server refuses it answers with an error, and a prefix of a large message is
// enough.
void AnswerReader::AddParts(uint8_t type, base::Bytes head, base::Bytes tail, Micros now_us) {
  Asked& asked = asked_.emplace_back();
  asked.type = type;
  asked.at_us = now_us;
  base::ByteReader in(head);
  switch (type) {
    case frontend::kParse:
      asked.name = in.CString();
      asked.text = in.CString();
      break;
    case frontend::kBind:
      asked.portal = in.CString();
      asked.name = in.CString();
      break;
    case frontend::kDescribe:
    case frontend::kClose:
      asked.target = in.U8() == 'S' ? wire::Target::kStatement : wire::Target::kPortal;
      asked.name = in.CString();
      break;
    case frontend::kExecute:
      asked.name = in.CString();
      break;
    case frontend::kQuery:
      asked.text = in.CString();
      break;
    case frontend::kFunctionCall:
      // No SQL text exists; reports need something to call it by.
      asked.text = "(function call " + std::to_string(in.BigU32()) + ")";
      break;
    default:
      break;
  }
  if (type == frontend::kBind && options_.cells_max > 0) {
    base::ByteReader formats(tail);
    for (uint16_t left = formats.BigU16(); left > 0 && formats.ok(); --left) {
      asked.result_formats.push_back(formats.BigU16());
    }
  }
}

void AnswerReader::DropAll() {
  if (asked_.empty() && !started_) return;  // As Take() leaves it.
  asked_.clear();
  answers_ = Answers();
  Take();
}

size_t AnswerReader::DropAnswered() {
  if (mode_ == Mode::kSkipping || failure_ || done_) return 0;
  const size_t count = cursor_;
  asked_.erase(asked_.begin(), asked_.begin() + static_cast<std::ptrdiff_t>(count));
  cursor_ = 0;
  copy_end_ -= std::min(copy_end_, count);
  return count;
}

// --- Answers.

bool AnswerReader::Break(std::string reason) {
  if (!broken_) reason_ = std::move(reason);
  broken_ = true;
  return false;
}

bool AnswerReader::Start(uint8_t type, Micros now_us) {
  if (broken_) return false;
  if (done_ || asked_.empty()) {
    // A server that shuts down says so to an idle session.
    if (type != backend::kErrorResponse)
      Break("answer '" + TypeName(type) + "' without a question");
    return false;
  }
  if (!started_) {
    started_ = true;
    answers_.first_answer_us = now_us;
    lap_us_ = std::max(asked_.front().at_us, last_completed_us_);
  }
  return true;
}

void AnswerReader::OnBackend(uint8_t type, base::Bytes payload, Micros now_us) {
  if (wire::IsAsynchronous(type)) return OnUnasked(type, payload, now_us);
  if (type == backend::kErrorResponse && wire::ParseErrorFields(payload).fatal()) fatal_ = true;
  if (!Start(type, now_us)) return;
  if (type == backend::kDataRow || type == backend::kCopyData) {
    if (!AcceptRow(type == backend::kCopyData)) return;
    return type == backend::kDataRow ? AddRow(payload) : AddCopyData(payload);
  }
  OnAnswer(type, payload, now_us);
}

// A server sends the header of the binary format with the first row, and which one that is says
// nothing.
void AnswerReader::AddCopyData(base::Bytes data) {
  const size_t header = rows_ == 0 ? CopyHeaderBytes(data) : 0;
  ++rows_;
  row_bytes_ += data.size();
  if (counts_only()) return;
  if (header > 0) digest_.Add(data.first(header));
  if (header == 0 || data.size() > header) digest_.Add(data.subspan(header));
}

void AnswerReader::BeginRows() {
  if (options_.cells_max > 0 || mapper_) columns_ = ColumnsOf(*Current());
  if (mapper_) mapping_ = mapper_->active() && mapper_->Begin(columns_);
  if (options_.cells_max == 0) return;
  cells_.Describe(columns_);
  if (held_bytes_ < options_.held_bytes_max) return;
  cells_.Drop();
  kept_.GiveUp();
}

void AnswerReader::AddRow(base::Bytes data_row) {
  if (counts_only()) {
    ++rows_;
    row_bytes_ += data_row.size();
    return;
  }
  if (rows_ == 0) BeginRows();
  if (options_.row_bytes_kept > 0) Keep(data_row);
  if (mapping_) data_row = mapper_->Map(data_row);
  ++rows_;
  row_bytes_ += data_row.size();
  digest_.Add(data_row);
  if (options_.cells_max > 0) cells_.AddRow(data_row);
}

void AnswerReader::Keep(base::Bytes data_row) {
  // Most results are small, and few texts need to be looked at.
  if (!kept_.HasRoom(data_row.size()) && options_.returned_bytes_kept > options_.row_bytes_kept) {
    const std::string_view text = TextOf(*Current());
    if (base::ContainsInAnyCase(text, "returning") || base::ContainsInAnyCase(text, "xmin")) {
      kept_.Widen(options_.returned_bytes_kept);
    }
  }
  kept_.Add(data_row);
}

void AnswerReader::OnBackendPiece(uint8_t type, uint32_t payload_length, uint32_t offset,
                                  base::Bytes piece, Micros now_us) {
  const bool last = uint64_t{offset} + piece.size() >= payload_length;  // Before any cut of it.
  if (wire::IsAsynchronous(type)) return OnUnaskedPiece(type, offset == 0, last, piece, now_us);
  if (!Start(type, now_us)) return;
  if (type == backend::kDataRow || type == backend::kCopyData) {
    if (offset == 0) {
      if (!AcceptRow(type == backend::kCopyData)) return;
      // A header that is cut itself is not found: pieces are cut where reads end.
      const bool copy = type == backend::kCopyData && rows_ == 0;
      const size_t header = copy ? CopyHeaderBytes(piece) : 0;
      if (header > 0 && !counts_only()) digest_.Add(piece.first(header));
      piece = piece.subspan(header);
      if (!counts_only()) digest_.Begin();
      cells_.GiveUp();
      kept_.GiveUp();
    }
    if (!counts_only()) digest_.Piece(piece);
    if (!last) return;
    if (!counts_only()) digest_.End();
    ++rows_;
    row_bytes_ += payload_length;
    return;
  }
  if (offset == 0) pieces_.clear();
  const size_t room = kPiecesBytesMax - pieces_.size();
  pieces_.append(base::AsText(piece.first(std::min(room, piece.size()))));
  if (!last) return;
  const std::string whole = std::exchange(pieces_, std::string());
  if (payload_length > kPiecesBytesMax && type != backend::kErrorResponse) {
    Break("answer '" + TypeName(type) + "' of " + std::to_string(payload_length) + " bytes");
    return;
  }
  OnBackend(type, base::AsBytes(whole), now_us);
}

// --- What comes unasked. A server that reloads its configuration, or one whose session listens,
// speaks between exchanges too: that counts to the next one.

void AnswerReader::OnUnasked(uint8_t type, base::Bytes payload, Micros now_us) {
  if (broken_) return;
  if (type == backend::kNoticeResponse) return OnNotice(payload);
  if (type == backend::kParameterStatus) return OnParameterStatus(payload);
  OnNotification(payload, now_us);
}

// Over the scanner's gather limit: nothing that PostgreSQL sends but a long notice.
void AnswerReader::OnUnaskedPiece(uint8_t type, bool first, bool last, base::Bytes piece,
                                  Micros now_us) {
  if (first) pieces_.clear();
  const size_t room = kNoticeFrontBytes - std::min(kNoticeFrontBytes, pieces_.size());
  pieces_.append(base::AsText(piece.first(std::min(room, piece.size()))));
  if (!last) return;
  const std::string front = std::exchange(pieces_, std::string());
  if (type == backend::kNoticeResponse) return OnUnasked(type, base::AsBytes(front), now_us);
  ++unasked_.dropped;
}

void AnswerReader::OnNotice(base::Bytes payload) {
  if (unasked_.notices.size() >= options_.notices_max) {
    ++unasked_.dropped;
    return;
  }
  unasked_.notices.emplace_back(wire::ParseErrorFields(payload).sqlstate.substr(0, 5));
}

void AnswerReader::OnParameterStatus(base::Bytes payload) {
  const auto status = wire::ParseParameterStatus(payload);
  if (!status || unasked_.parameter_changes.size() >= options_.parameter_changes_max ||
      status->name.size() + status->value.size() > options_.parameter_bytes_max) {
    ++unasked_.dropped;
    return;
  }
  unasked_.parameter_changes.emplace_back(status->name, status->value);
}

void AnswerReader::OnNotification(base::Bytes payload, Micros now_us) {
  const auto told = wire::ParseNotification(payload);
  if (!told || unasked_.notifications.size() >= options_.notifications_max) {
    ++unasked_.dropped;
    return;
  }
  event::Notification notification;
  notification.at_us = now_us;
  notification.channel = told->channel;
  notification.payload = told->payload.substr(0, options_.notification_bytes_max);
  notification.payload_bytes = told->payload.size();
  notification.payload_digest = event::DigestOf(told->payload);
  notification.pid = told->pid;
  unasked_.notifications.push_back(std::move(notification));
}

AnswerReader::Asked* AnswerReader::Current() {
  while (cursor_ < asked_.size() && IsSilent(asked_[cursor_].type)) ++cursor_;
  return cursor_ < asked_.size() ? &asked_[cursor_] : nullptr;
}

// Commands that are being run: an Execute, or a Query that has not failed.
bool AnswerReader::Runs(const Asked* asked) const {
  if (asked == nullptr || mode_ == Mode::kSkipping) return false;
  if (asked->type == frontend::kExecute) return true;
  return asked->type == frontend::kQuery && !failure_;
}

bool AnswerReader::AcceptRow(bool copy) {
  const bool fits = copy ? mode_ == Mode::kCopyOut : mode_ == Mode::kPlain && Runs(Current());
  if (!fits) return Break(copy ? "CopyData outside of a COPY" : "DataRow without a command");
  open_ = true;
  return true;
}

bool AnswerReader::Expect(uint8_t type, uint8_t answer) {
  const Asked* asked = Current();
  if (mode_ == Mode::kPlain && asked != nullptr && asked->type == type) return true;
  return Break("answer '" + TypeName(answer) + "' to '" +
               (asked == nullptr ? std::string("nothing") : TypeName(asked->type)) + "'");
}

void AnswerReader::OnAnswer(uint8_t type, base::Bytes payload, Micros now_us) {
  switch (type) {
    case backend::kParseComplete:
      if (Expect(frontend::kParse, type)) OnParseComplete();
      break;
    case backend::kBindComplete:
      if (Expect(frontend::kBind, type)) OnBindComplete();
      break;
    case backend::kCloseComplete:
      if (Expect(frontend::kClose, type)) OnCloseComplete();
      break;
    case backend::kParameterDescription:
      Expect(frontend::kDescribe, type);
      break;
    case backend::kNoData:
      if (Expect(frontend::kDescribe, type)) Describe({});
      break;
    case backend::kRowDescription:
      OnRowDescription(payload);
      break;
    case backend::kCopyInResponse:
    case backend::kCopyOutResponse:
      OnCopyResponse(type);
      break;
    case backend::kCopyDone:
      if (mode_ != Mode::kCopyOut) Break("CopyDone outside of a COPY");
      break;
    case backend::kCommandComplete:
    case backend::kEmptyQueryResponse:
    case backend::kPortalSuspended:
      OnCommandEnd(type, payload, now_us);
      break;
    case backend::kFunctionCallResponse:
      OnFunctionResult(payload, now_us);
      break;
    case backend::kErrorResponse:
      OnError(payload, now_us);
      break;
    case backend::kReadyForQuery:
      OnReady(payload, now_us);
      break;
    case backend::kCopyBothResponse:
      Break("COPY BOTH (replication)");
      break;
    default:
      Break("unknown answer '" + TypeName(type) + "'");
      break;
  }
}

void AnswerReader::OnParseComplete() {
  Asked& asked = asked_[cursor_++];
  const bool room = registered_bytes_ + asked.text.size() <= options_.registered_bytes_max;
  // The unnamed one is gone before others would find it.
  base::SharedText text = asked.name.empty() ? std::move(asked.text) : texts_.Share(asked.text);
  if (!room) text.clear();
  Register(asked.name, std::make_shared<Prepared>(std::move(text), &registered_bytes_));
}

void AnswerReader::Register(const std::string& name, std::shared_ptr<Prepared> prepared) {
  if (prepared_.size() >= options_.registered_max && !prepared_.contains(name)) return;
  prepared_[name] = std::move(prepared);
}

// A name that was never seen in a Parse: made by SQL PREPARE, or before the capture. Its
// description is worth remembering all the same.
std::shared_ptr<AnswerReader::Prepared> AnswerReader::FindPrepared(const std::string& name) {
  const auto found = prepared_.find(name);
  if (found != prepared_.end()) return found->second;
  auto prepared = std::make_shared<Prepared>(base::SharedText(), &registered_bytes_);
  Register(name, prepared);
  return prepared;
}

void AnswerReader::OnBindComplete() {
  Asked& asked = asked_[cursor_++];
  if (portals_.size() >= options_.registered_max && !portals_.contains(asked.portal)) return;
  Portal& portal = portals_[asked.portal];
  portal.Clear();
  portal.prepared = FindPrepared(asked.name);
  portal.result_formats = std::move(asked.result_formats);
}

void AnswerReader::Portal::Clear() {
  prepared.reset();
  result_formats.clear();
  description.clear();
  described_in = 0;
}

// Most sessions have the unnamed one alone, and use it in every exchange: an empty one is as none.
void AnswerReader::ClosePortals() {
  if (portals_.size() == 1 && portals_.begin()->first.empty()) {
    portals_.begin()->second.Clear();
  } else {
    portals_.clear();
  }
}

void AnswerReader::OnCloseComplete() {
  const Asked& asked = asked_[cursor_++];
  if (asked.target == wire::Target::kStatement) {
    prepared_.erase(asked.name);
  } else {
    portals_.erase(asked.name);
  }
}

// REQUIRES: the current message is a Describe. An empty description: NoData.
void AnswerReader::Describe(base::Bytes payload) {
  const Asked& asked = asked_[cursor_++];
  const uint64_t described_in = payload.empty() ? 0 : serial_;
  if (asked.target == wire::Target::kStatement) {
    const auto prepared = FindPrepared(asked.name);
    prepared->description = texts_.Share(base::AsText(payload));
    prepared->described_in = described_in;
    return;
  }
  if (portals_.size() >= options_.registered_max && !portals_.contains(asked.name)) return;
  Portal& portal = portals_[asked.name];
  portal.description = base::AsText(payload);
  portal.described_in = described_in;
}

void AnswerReader::OnRowDescription(base::Bytes payload) {
  const Asked* asked = Current();
  if (mode_ == Mode::kPlain && asked != nullptr && asked->type == frontend::kDescribe) {
    return Describe(payload);
  }
  if (mode_ != Mode::kPlain || !Runs(asked) || asked->type != frontend::kQuery) {
    Break("RowDescription without a question");
    return;
  }
  open_ = true;
  description_ = base::AsText(payload);
}

void AnswerReader::OnCopyResponse(uint8_t type) {
  if (mode_ != Mode::kPlain || !Runs(Current())) {
    Break("a COPY that nobody asked for");
    return;
  }
  open_ = true;
  mode_ = type == backend::kCopyInResponse ? Mode::kCopyIn : Mode::kCopyOut;
  cells_.GiveUp();
  kept_.GiveUp();
}

void AnswerReader::OnCommandEnd(uint8_t type, base::Bytes payload, Micros now_us) {
  const Asked* asked = Current();
  const bool execute = asked != nullptr && asked->type == frontend::kExecute;
  if (!Runs(asked) || (type == backend::kPortalSuspended && !execute)) {
    Break("answer '" + TypeName(type) + "' without a command");
    return;
  }
  if (mode_ == Mode::kCopyIn && !ConsumeCopy(true)) {
    Break("COPY ended before CopyDone");
    return;
  }
  std::string_view tag;
  OutcomeStatus status = OutcomeStatus::kSuspended;
  if (type == backend::kEmptyQueryResponse) status = OutcomeStatus::kEmpty;
  if (type == backend::kCommandComplete) {
    status = OutcomeStatus::kDone;
    tag = wire::ParseCommandComplete(payload).value_or(std::string_view());
    // COMMIT of a failed transaction answers ROLLBACK: the tag tells what happened.
    saw_commit_ = saw_commit_ || tag == "COMMIT";
    saw_rollback_ = tag == "ROLLBACK";
  }
  EndStatement(status, tag, now_us);
  if (execute) {
    cursor_ = mode_ == Mode::kCopyIn ? copy_end_ : cursor_ + 1;
  } else {
    ++ordinal_;
  }
  mode_ = Mode::kPlain;
}

void AnswerReader::OnFunctionResult(base::Bytes payload, Micros now_us) {
  if (!Expect(frontend::kFunctionCall, backend::kFunctionCallResponse)) return;
  if (ordinal_ > 0 || failure_) {
    Break("a second answer to FunctionCall");
    return;
  }
  rows_ = 1;
  row_bytes_ = payload.size();
  digest_.Add(payload);
  cells_.GiveUp();
  const bool numbers = options_.cells_max == 0 && asked_[cursor_].text == kLoCreat;
  if (numbers && payload.size() <= kObjectNumberBytes) {
    // A large object, by which later calls and rows go: a row of one value.
    kept_.Add(base::AsBytes(std::string("\0\1", 2).append(base::AsText(payload))));
  } else {
    kept_.GiveUp();
  }
  EndStatement(OutcomeStatus::kDone, {}, now_us);
  ++ordinal_;
}

void AnswerReader::OnError(base::Bytes payload, Micros now_us) {
  const Asked* asked = Current();
  // A FATAL error may follow the one that failed the exchange; the first one counts.
  if (mode_ == Mode::kSkipping || failure_ || asked == nullptr) return;
  const wire::ErrorFields fields = wire::ParseErrorFields(payload);
  failure_ = Failure();
  failure_->index = cursor_;
  failure_->sqlstate = fields.sqlstate.substr(0, 5);
  failure_->message = fields.message.substr(0, kErrorMessageBytesMax);
  answers_.failed = true;
  const bool copy = mode_ == Mode::kCopyIn;
  switch (asked->type) {
    case frontend::kQuery:
    case frontend::kFunctionCall:
      // The server is back in its main loop, where copy data still under way is ignored.
      if (copy) ConsumeCopy(false);
      EndStatement(OutcomeStatus::kError, {}, now_us);
      mode_ = Mode::kPlain;
      break;
    case frontend::kSync:
      FailCommit(now_us);
      break;
    case frontend::kExecute:
      if (copy) ConsumeCopy(true);
      skip_from_ = copy ? copy_end_ : cursor_ + 1;
      EndStatement(OutcomeStatus::kError, {}, now_us);
      mode_ = Mode::kSkipping;
      break;
    default:
      // Its statement is found when all messages up to Sync are known.
      failure_->elapsed_us = Lap(now_us);
      failure_open_ = true;
      skip_from_ = cursor_;
      mode_ = Mode::kSkipping;
      break;
  }
}

// Sync commits an implicit transaction; a deferred constraint fails here, after CommandComplete.
void AnswerReader::FailCommit(Micros now_us) {
  if (!last_run_) return EndStatement(OutcomeStatus::kError, {}, now_us);
  const auto fail = [&](event::Outcome& outcome) {
    outcome.status = OutcomeStatus::kError;
    outcome.sqlstate = failure_->sqlstate;
    outcome.message = failure_->message;
    outcome.values.clear();
  };
  if (answers_.too_large) return;
  fail(answers_.statements[*last_run_].outcome);
  if (!answers_.lanes.empty()) answers_.lanes[*last_run_].outcome.status = OutcomeStatus::kError;
}

void AnswerReader::OnReady(base::Bytes payload, Micros now_us) {
  const auto status = wire::ParseReadyForQuery(payload);
  if (!status || mode_ == Mode::kCopyIn || mode_ == Mode::kCopyOut) {
    Break("ReadyForQuery is malformed or inside a COPY");
    return;
  }
  if (mode_ == Mode::kSkipping) {
    size_t sync = skip_from_;
    while (sync < asked_.size() && asked_[sync].type != frontend::kSync) ++sync;
    if (sync == asked_.size()) {
      Break("ReadyForQuery after an error, without Sync");
      return;
    }
    Complete(*status, WalkUnanswered(skip_from_, true), now_us);
    return;
  }
  const Asked* asked = Current();
  const uint8_t type = asked == nullptr ? uint8_t{0} : asked->type;
  if (type != frontend::kSync && type != frontend::kQuery && type != frontend::kFunctionCall) {
    Break("ReadyForQuery to '" + TypeName(type) + "'");
    return;
  }
  Complete(*status, std::max(cursor_ + 1, copy_end_), now_us);
}

// While in copy-in the server takes CopyData, and ignores Flush and Sync, until CopyDone or
// CopyFail (CopyGetData). libpq sends Sync right after Execute and again after CopyDone: the first
// of them falls in here. True: the end of the copy data was found.
bool AnswerReader::ConsumeCopy(bool take_sync) {
  size_t i = std::max(cursor_ + 1, copy_end_);
  for (; i < asked_.size(); ++i) {
    const uint8_t type = asked_[i].type;
    if (type == frontend::kCopyDone || type == frontend::kCopyFail) {
      copy_end_ = i + 1;
      return true;
    }
    const bool taken = type == frontend::kCopyData || type == frontend::kFlush ||
                       (take_sync && type == frontend::kSync);
    if (!taken) break;
  }
  copy_end_ = i;
  return false;
}

// --- Messages without an answer of their own.

// Statement texts as the skipped messages would have left them, and whether they stem from the
// message that failed. Names are views into asked_.
struct AnswerReader::Walk {
  struct Name {
    base::SharedText text;
    bool of_failure = false;
  };
  struct Found {
    size_t index = 0;
    OutcomeStatus status = OutcomeStatus::kSkipped;
    base::SharedText text;
    bool is_failure = false;
  };
  std::unordered_map<std::string_view, Name> statements;
  std::unordered_map<std::string_view, Name> portals;
  std::vector<Found> found;
};

base::SharedText AnswerReader::PreparedText(const std::string& name) const {
  const auto found = prepared_.find(name);
  return found == prepared_.end() ? base::SharedText() : found->second->text;
}

base::SharedText AnswerReader::PortalText(const std::string& name) const {
  const auto found = portals_.find(name);
  if (found == portals_.end() || !found->second.prepared) return {};
  return found->second.prepared->text;
}

void AnswerReader::WalkMessage(size_t index, bool skipping, Walk& walk) const {
  const Asked& asked = asked_[index];
  const bool fails = skipping && failure_open_ && failure_->index == index;
  const auto look = [](const auto& names, const std::string& name, base::SharedText otherwise) {
    const auto found = names.find(name);
    return found == names.end() ? Walk::Name{std::move(otherwise), false} : found->second;
  };
  const OutcomeStatus status = skipping ? OutcomeStatus::kSkipped : OutcomeStatus::kLost;
  switch (asked.type) {
    case frontend::kParse:
      walk.statements[asked.name] = {asked.text, fails};
      break;
    case frontend::kBind: {
      Walk::Name name = look(walk.statements, asked.name, PreparedText(asked.name));
      name.of_failure = name.of_failure || fails;
      walk.portals[asked.portal] = std::move(name);
      break;
    }
    case frontend::kDescribe:
      if (!fails) break;
      if (asked.target == wire::Target::kStatement) {
        walk.statements[asked.name] = {PreparedText(asked.name), true};
      } else {
        walk.portals[asked.name] = {PortalText(asked.name), true};
      }
      break;
    case frontend::kExecute: {
      const Walk::Name name = look(walk.portals, asked.name, PortalText(asked.name));
      walk.found.push_back({index, status, name.text, name.of_failure});
      break;
    }
    case frontend::kQuery:
    case frontend::kFunctionCall:
      walk.found.push_back({index, status, asked.text, false});
      break;
    default:
      break;
  }
}

base::SharedText AnswerReader::TextOf(const Asked& asked) const {
  return asked.type == frontend::kExecute ? PortalText(asked.name) : asked.text;
}

base::SharedText AnswerReader::FailedText() const {
  const Asked& asked = asked_[failure_->index];
  switch (asked.type) {
    case frontend::kParse:
      return asked.text;
    case frontend::kBind:
      return PreparedText(asked.name);
    case frontend::kDescribe:
      return asked.target == wire::Target::kStatement ? PreparedText(asked.name)
                                                      : PortalText(asked.name);
    default:
      return {};
  }
}

// Statements of the messages from `from` to the end of the exchange, which is returned. `skipping`:
// an error came, and only Sync ends it; else the connection was lost.
size_t AnswerReader::WalkUnanswered(size_t from, bool skipping) {
  Walk walk;
  size_t i = from;
  for (bool ended = false; i < asked_.size() && !ended; ++i) {
    const uint8_t type = asked_[i].type;
    WalkMessage(i, skipping, walk);
    ended = type == frontend::kSync ||
            (!skipping && (type == frontend::kQuery || type == frontend::kFunctionCall));
  }
  auto& found = walk.found;
  if (skipping && failure_open_) {
    const auto of_failure = [](const auto& entry) { return entry.is_failure; };
    const auto first = std::find_if(found.begin(), found.end(), of_failure);
    if (first == found.end()) {
      // No Execute of it follows: an entry of its own.
      found.insert(found.begin(), {failure_->index, OutcomeStatus::kError, FailedText(), true});
    } else {
      first->status = OutcomeStatus::kError;
    }
    failure_open_ = false;
  }
  for (const auto& entry : found) {
    event::Statement statement;
    statement.text = entry.text;
    statement.message = static_cast<uint32_t>(entry.index);
    statement.outcome.status = entry.status;
    const bool error = entry.status == OutcomeStatus::kError;
    if (error) {
      statement.outcome.sqlstate = failure_->sqlstate;
      statement.outcome.message = failure_->message;
      statement.outcome.elapsed_us = failure_->elapsed_us;
    }
    Append(std::move(statement), {}, error);
    if (answers_.too_large) break;
  }
  return i;
}

Answers AnswerReader::Lose(Micros now_us) {
  if (done_ || asked_.empty()) return Take();
  if (!started_) {
    started_ = true;
    answers_.first_answer_us = now_us;
    lap_us_ = std::max(asked_.front().at_us, last_completed_us_);
  }
  size_t from = cursor_;
  const Asked* asked = mode_ == Mode::kSkipping ? nullptr : Current();
  if (mode_ == Mode::kSkipping) {
    Complete(0, WalkUnanswered(skip_from_, true), now_us);
    return Take();
  }
  const uint8_t type = asked == nullptr ? uint8_t{0} : asked->type;
  const bool whole = type == frontend::kQuery || type == frontend::kFunctionCall;
  // A Query whose commands all answered, as far as anybody knows, lost nothing but its
  // ReadyForQuery.
  const bool lost = type == frontend::kExecute || (whole && !failure_ && (open_ || ordinal_ == 0));
  if (mode_ == Mode::kCopyIn) ConsumeCopy(!whole);
  if (lost) EndStatement(OutcomeStatus::kLost, {}, now_us);
  if (whole || type == frontend::kExecute) from = std::max(cursor_ + 1, copy_end_);
  Complete(0, whole ? from : WalkUnanswered(from, false), now_us);
  return Take();
}

// --- Statements.

Micros AnswerReader::Lap(Micros now_us) {
  const Micros elapsed = std::max<Micros>(0, now_us - lap_us_);
  lap_us_ = std::max(lap_us_, now_us);
  return elapsed;
}

std::string AnswerReader::TakeDescription(const Asked& asked) {
  const auto found = portals_.find(asked.name);
  if (found == portals_.end()) return {};
  Portal& portal = found->second;
  if (portal.described_in == serial_) {
    portal.described_in = 0;
    return portal.description;
  }
  if (portal.prepared && portal.prepared->described_in == serial_) {
    portal.prepared->described_in = 0;
    return portal.prepared->description;
  }
  return {};
}

AnswerReader::Description AnswerReader::DescriptionOf(const Asked& asked) const {
  if (asked.type != frontend::kExecute) return {description_, nullptr};
  const auto found = portals_.find(asked.name);
  if (found == portals_.end()) return {};
  const Portal& portal = found->second;
  if (!portal.description.empty() || !portal.prepared) return {portal.description, nullptr};
  return {portal.prepared->description, &portal.result_formats};
}

std::vector<event::Column> AnswerReader::ColumnsOf(const Asked& asked) const {
  const Description description = DescriptionOf(asked);
  auto columns = ToColumns(description.text);
  if (description.formats != nullptr) ApplyFormats(*description.formats, columns);
  return columns;
}

void AnswerReader::EndStatement(OutcomeStatus status, std::string_view tag, Micros now_us) {
  const Asked& asked = asked_[cursor_];
  const bool execute = asked.type == frontend::kExecute;
  event::Statement statement;
  event::Outcome& outcome = statement.outcome;
  outcome.status = status;
  outcome.elapsed_us = Lap(now_us);
  if (!answers_.too_large && counts_only()) {
    statement.ordinal = ordinal_;
    statement.message = static_cast<uint32_t>(cursor_);
    outcome.tag = tag;
    outcome.rows = rows_;
    outcome.row_bytes = row_bytes_;
    if (status == OutcomeStatus::kError) {
      outcome.sqlstate = failure_->sqlstate;
      outcome.message = failure_->message;
    }
    Append(std::move(statement), {}, true);
  } else if (!answers_.too_large) {
    statement.text = TextOf(asked);
    statement.ordinal = ordinal_;
    statement.message = static_cast<uint32_t>(cursor_);
    outcome.tag = tag;
    outcome.rows = rows_;
    outcome.row_bytes = row_bytes_;
    outcome.digest_ordered = digest_.ordered();
    outcome.digest_unordered = digest_.unordered();
    if (status == OutcomeStatus::kError) {
      outcome.sqlstate = failure_->sqlstate;
      outcome.message = failure_->message;
    }
    std::vector<event::Column> columns;
    if (options_.cells_max > 0) {
      columns = columns_.empty() ? ColumnsOf(asked) : std::move(columns_);
    } else {
      // A statement that failed made nothing that a later one could quote.
      const bool failed = status == OutcomeStatus::kError || status == OutcomeStatus::kLost;
      if (!failed) outcome.values = TakeValues(asked, tag);
      values_bytes_ += outcome.values.size();
    }
    outcome.row_description = execute ? TakeDescription(asked) : std::move(description_);
    Append(std::move(statement), std::move(columns), true);
  }
  ClearRows();
}

void AnswerReader::ClearRows() {
  open_ = mapping_ = false;
  rows_ = row_bytes_ = 0;
  description_.clear();
  columns_.clear();
  digest_.Clear();
  cells_.Clear();
  kept_.Clear();
}

// See event::Outcome::values.
std::string AnswerReader::TakeValues(const Asked& asked, std::string_view tag) {
  constexpr size_t kShortRow = 128;
  constexpr size_t kPortalsBytes = 4096;
  constexpr std::string_view kServerMadePortal = "<unnamed portal ";
  if (!kept_.complete() || rows_ == 0) return {};
  if (values_bytes_ + kept_.size_bytes() > options_.values_bytes_max) return {};
  const bool changes = tag.starts_with("INSERT ") || tag.starts_with("UPDATE ") ||
                       tag.starts_with("DELETE ") || tag.starts_with("MERGE ");
  if (changes || ShowsXmin(DescriptionOf(asked).text)) return kept_.Take();
  if (kept_.size_bytes() > kPortalsBytes) return {};
  std::string rows = kept_.Take();
  if (rows.find(kServerMadePortal) != std::string::npos) return rows;
  constexpr std::string_view kOneValue("\0\1", 2);
  const bool one =
      rows_ == 1 && rows.size() <= kShortRow && rows.size() > 6 && rows.substr(4, 2) == kOneValue;
  return one ? rows : std::string();
}

void AnswerReader::Append(event::Statement statement, std::vector<event::Column> columns,
                          bool ran) {
  if (answers_.too_large) return;
  const bool shared =
      !answers_.statements.empty() && statement.text.SharesWith(answers_.statements.back().text);
  text_bytes_ += (shared ? 0 : statement.text.size()) + statement.outcome.row_description.size();
  text_reads_ += statement.text.size();
  if (answers_.statements.size() >= options_.statements_max ||
      text_bytes_ > options_.text_bytes_max || text_reads_ > options_.text_reads_max) {
    answers_.too_large = true;
    answers_.statements = {};
    answers_.lanes = {};
    return;
  }
  if (ran) last_run_ = answers_.statements.size();
  if (options_.cells_max > 0 && !counts_only()) {
    event::LaneOutcome lane;
    lane.outcome.status = statement.outcome.status;
    lane.columns = std::move(columns);
    held_bytes_ += cells_.size_bytes() + kept_.size_bytes();
    lane.values = cells_.values();
    lane.cells_complete = cells_.complete();
    lane.cells = cells_.Take();
    lane.rows_complete = kept_.complete();
    lane.rows = kept_.Take();
    answers_.lanes.push_back(std::move(lane));
  }
  answers_.statements.push_back(std::move(statement));
}

void AnswerReader::Complete(uint8_t status, size_t messages, Micros now_us) {
  answers_.status = status;
  answers_.messages = messages;
  answers_.completed_us = now_us;
  answers_.committed =
      status != 0 && (saw_commit_ || (status == 'I' && !answers_.failed && !saw_rollback_));
  const Micros rest = Lap(now_us);
  if (last_run_ && !answers_.too_large) answers_.statements[*last_run_].outcome.elapsed_us += rest;
  for (auto& lane : answers_.lanes) lane.transaction_status = status;
  answers_.unasked = TakeUnasked();
  done_ = true;
}

Answers AnswerReader::Take() {
  Answers taken = std::move(answers_);
  taken.messages = std::min(taken.messages, asked_.size());
  const auto end = asked_.begin() + static_cast<std::ptrdiff_t>(taken.messages);
  // A Query replaces the unnamed statement and portal; the end of a transaction closes all portals.
  const bool query = std::any_of(asked_.begin(), end,
                                 [](const Asked& asked) { return asked.type == frontend::kQuery; });
  if (query && taken.status != 0) prepared_.erase(std::string());
  if (taken.status == 'I') ClosePortals();
  if (end == asked_.end()) {
    asked_.clear();
  } else {
    asked_.erase(asked_.begin(), end);
  }
  last_completed_us_ = std::max(last_completed_us_, taken.completed_us);
  answers_ = Answers();
  started_ = done_ = failure_open_ = saw_commit_ = saw_rollback_ = false;
  mode_ = Mode::kPlain;
  cursor_ = copy_end_ = skip_from_ = 0;
  ordinal_ = 0;
  failure_.reset();
  text_bytes_ = text_reads_ = values_bytes_ = held_bytes_ = 0;
  last_run_.reset();
  ClearRows();
  ++serial_;
  return taken;
}

}  // namespace scry::exchange
