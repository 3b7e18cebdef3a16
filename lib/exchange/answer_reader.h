// Walks through what a client asked as the server does, and turns the server's answers into
// statements with outcomes. The one place that knows which answer belongs to which question: used
// by ExchangeTracker (capture) and by the lanes of replay. Pure, not thread-safe; one per
// connection, as prepared statements and portals live across exchanges. wire/PROTOCOL.md, section
// "Who answers what".
#pragma once

#include <cstddef>
#include <cstdint>
#include <deque>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <unordered_map>
#include <utility>
#include <vector>

#include "base/bytes.h"
#include "base/clock.h"
#include "base/shared_text.h"
#include "base/text_pool.h"
#include "event/event.h"
#include "event/lane_pair.h"
#include "exchange/row_digest.h"
#include "wire/frontend.h"

namespace scry::exchange {

using base::Micros;

struct AnswerOptions {
  // Values hashed per statement. Over 0, Answers::lanes is filled, with columns and cells.
  uint64_t cells_max = 0;
  // Of a statement's rows, kept as they came: in LaneOutcome::rows, and without lanes in
  // Outcome::values, as far as its comment says.
  uint64_t row_bytes_kept = 0;
  // The same, of what says RETURNING: a batch of new rows.
  uint64_t returned_bytes_kept = 0;
  // Both of all statements of an exchange; of further ones only the digests tell.
  uint64_t held_bytes_max = 4u << 20;
  uint32_t statements_max = 65536;  // Per exchange.
  // Texts and descriptions of all statements of an exchange; what several share counts once.
  uint64_t text_bytes_max = 16u << 20;
  // The same, counted for each: who looks at every statement reads so much. As kTextReadsMax of
  // querylog.
  uint64_t text_reads_max = 256u << 20;
  uint32_t registered_max = 65536;            // Prepared statements, and portals.
  uint64_t registered_bytes_max = 64u << 20;  // Their texts; further ones are kept without.
  // Outcome::values of all statements of an exchange; further ones are not kept.
  uint64_t values_bytes_max = 1u << 20;
  // What comes unasked, per exchange; further ones are counted in Unasked::dropped.
  uint32_t notices_max = 64;
  uint32_t parameter_changes_max = 64;
  uint64_t parameter_bytes_max = 4096;  // Name and value of one.
  uint32_t notifications_max = 256;
  uint64_t notification_bytes_max = 1024;  // Of a payload; the rest is in its digest only.
};

// How closely answers are looked at.
enum class AnswerDetail : uint8_t {
  kFull,
  // For load alone: status, tag, SQLSTATE, counts and times. No digests, values, descriptions,
  // texts of what ran, and no Answers::lanes.
  kCounts,
};

// What a server sends without being asked, in the order of each kind.
struct Unasked {
  std::vector<std::string> notices;                // Their SQLSTATEs.
  event::Settings parameter_changes;               // As ParameterStatus told them.
  std::vector<event::Notification> notifications;  // Without a session.
  uint64_t dropped = 0;
};

// What came back for one exchange.
struct Answers {
  size_t messages = 0;  // How many of the messages asked, from the front, made up the exchange.
  uint8_t status = 0;   // Of ReadyForQuery: 'I', 'T', 'E'. 0: the connection ended first.
  Micros first_answer_us = 0;  // Completion, if nothing came before.
  Micros completed_us = 0;
  bool failed = false;  // An ErrorResponse was among the answers.
  // Work became visible to others: it said COMMIT, or ended idle without an error or a ROLLBACK.
  bool committed = false;
  bool too_large = false;  // Over a limit of AnswerOptions: the lists below are empty.
  std::vector<event::Statement> statements;
  // One per statement if cells_max is over 0, else empty. Of `outcome` they hold the status alone:
  // `statements` has it.
  std::vector<event::LaneOutcome> lanes;
  Unasked unasked;  // Since the exchange before ended.
};

// Changes rows before they are digested and hashed: values that mean the same on every lane though
// they are written otherwise. Rows are kept as they came. Implemented by replay. Rows that come in
// pieces are not asked about.
class RowMapper {
 public:
  virtual ~RowMapper() = default;
  // Is there anything to change at all? Asked before the first row of a statement.
  virtual bool active() const = 0;
  // The rows of a statement begin. False: they stay as they are.
  virtual bool Begin(const std::vector<event::Column>& columns) = 0;
  // The row itself, or what stands in its place until the next call.
  virtual base::Bytes Map(base::Bytes data_row) = 0;
};

class AnswerReader {
 public:
  // `texts` is that of others of the same thread.
  explicit AnswerReader(AnswerOptions options = {}, base::TextPool texts = {});
  AnswerReader(const AnswerReader&) = delete;  // Registered texts count into a member.
  AnswerReader& operator=(const AnswerReader&) = delete;

  void SetRowMapper(std::unique_ptr<RowMapper> mapper) { mapper_ = std::move(mapper); }

  // --- Questions.
  // Replay: one whole exchange is about to be sent. Forgets questions left over from the one before
  // (copy data that was never sent, since the COPY failed early).
  void Begin(const std::vector<event::FrontendMessage>& messages, Micros now_us,
             AnswerDetail detail = AnswerDetail::kFull);
  // The same for one more, sent behind those in flight without waiting for their answers. Of the
  // detail of that in flight.
  void Append(const std::vector<event::FrontendMessage>& messages, Micros now_us);
  // One more message. Capture calls this for each; a lane for what it sends beside the captured
  // messages (CopyFail and Sync, to end a COPY that production did not enter). Terminate and
  // password messages are no questions and are not to be added. Of a message too large to keep, a
  // prefix will do.
  void Add(uint8_t type, base::Bytes payload, Micros now_us);

  // --- Answers, in their order, and what comes unasked between them: notices, parameter changes
  // and notifications answer nothing and are collected apart.
  void OnBackend(uint8_t type, base::Bytes payload, Micros now_us);
  void OnBackendPiece(uint8_t type, uint32_t payload_length, uint32_t offset, base::Bytes piece,
                      Micros now_us);

  // ReadyForQuery of the first exchange came: Take() before the next answer is given.
  bool done() const { return done_; }
  Answers Take();
  // The connection ended: what the first exchange in flight came to. REQUIRES: asked() > 0.
  Answers Lose(Micros now_us);
  // What came since the last Answers: for a connection that asks no more.
  Unasked TakeUnasked() { return std::exchange(unasked_, Unasked()); }
  std::vector<event::Notification> TakeNotifications() {
    return std::exchange(unasked_.notifications, {});
  }

  // --- State.
  // Between CopyInResponse and the end of that COPY: CopyData is expected, Sync is ignored. If the
  // captured messages hold no (more) copy data, a lane sends CopyFail, and Sync after it unless the
  // COPY came in a Query.
  bool wants_copy_data() const { return mode_ == Mode::kCopyIn; }
  bool failed() const { return answers_.failed; }  // Of the exchange in flight.
  bool fatal() const { return fatal_; }  // FATAL or PANIC came: the server closes the connection.
  bool too_large() const { return answers_.too_large; }
  // Answers that fit no question; sticky. Nothing more is read.
  bool broken() const { return broken_; }
  const std::string& reason() const { return reason_; }
  size_t asked() const { return asked_.size(); }  // Messages not yet taken.
  // Of those, how many belong for certain to the exchange in flight.
  size_t answered() const { return cursor_; }
  // Forgets messages already answered of an exchange whose content is dropped anyway, to bound
  // memory. Returns how many; they do not count in Answers::messages any more.
  size_t DropAnswered();
  // Forgets all questions. REQUIRES: none of them will be answered.
  void DropAll();

 private:
  enum class Mode : uint8_t { kPlain, kCopyIn, kCopyOut, kSkipping };

  // A prepared statement. Shared: a portal outlives the name of the statement it was bound from.
  struct Prepared {
    Prepared(base::SharedText text_in, uint64_t* total_in);
    ~Prepared();
    Prepared(const Prepared&) = delete;
    Prepared& operator=(const Prepared&) = delete;
    base::SharedText text;
    base::SharedText description;  // Payload of the last RowDescription.
    uint64_t described_in = 0;  // Exchange in which it came and was not yet given to a statement.
    uint64_t* total;
  };
  struct Portal {
    void Clear();  // Keeps its memory.
    std::shared_ptr<Prepared> prepared;
    std::vector<uint16_t> result_formats;
    std::string description;
    uint64_t described_in = 0;
  };
  // What the walk has to know of a frontend message.
  struct Asked {
    uint8_t type = 0;
    wire::Target target = wire::Target::kPortal;
    Micros at_us = 0;
    // Parse, Bind: statement. Execute: portal. Describe, Close: of the target.
    std::string name;
    std::string portal;     // Bind.
    base::SharedText text;  // Parse, Query: SQL.
    std::vector<uint16_t> result_formats;
  };
  struct Failure {
    size_t index = 0;  // Of the message that failed.
    std::string sqlstate;
    std::string message;
    Micros elapsed_us = 0;
  };
  struct Walk;

  void AddParts(uint8_t type, base::Bytes head, base::Bytes tail, Micros now_us);
  bool Break(std::string reason);  // Always false.
  bool Start(uint8_t type, Micros now_us);
  Asked* Current();
  bool Runs(const Asked* asked) const;
  bool Expect(uint8_t type, uint8_t answer);
  bool AcceptRow(bool copy);
  void BeginRows();
  void AddRow(base::Bytes data_row);
  void Keep(base::Bytes data_row);
  void AddCopyData(base::Bytes data);

  void OnUnasked(uint8_t type, base::Bytes payload, Micros now_us);
  void OnUnaskedPiece(uint8_t type, bool first, bool last, base::Bytes piece, Micros now_us);
  void OnNotice(base::Bytes payload);
  void OnParameterStatus(base::Bytes payload);
  void OnNotification(base::Bytes payload, Micros now_us);

  void OnAnswer(uint8_t type, base::Bytes payload, Micros now_us);
  void OnParseComplete();
  void OnBindComplete();
  void OnCloseComplete();
  void Describe(base::Bytes payload);
  void OnRowDescription(base::Bytes payload);
  void OnCopyResponse(uint8_t type);
  void OnCommandEnd(uint8_t type, base::Bytes payload, Micros now_us);
  void OnFunctionResult(base::Bytes payload, Micros now_us);
  void OnError(base::Bytes payload, Micros now_us);
  void FailCommit(Micros now_us);
  void OnReady(base::Bytes payload, Micros now_us);

  bool ConsumeCopy(bool take_sync);
  void WalkMessage(size_t index, bool skipping, Walk& walk) const;
  size_t WalkUnanswered(size_t from, bool skipping);
  base::SharedText FailedText() const;
  base::SharedText PreparedText(const std::string& name) const;
  base::SharedText PortalText(const std::string& name) const;
  // What an Execute or a Query runs.
  base::SharedText TextOf(const Asked& asked) const;

  void ClosePortals();
  void Register(const std::string& name, std::shared_ptr<Prepared> prepared);
  std::shared_ptr<Prepared> FindPrepared(const std::string& name);
  std::string TakeDescription(const Asked& asked);
  // What was last said of the columns of that which it runs. Describe of a statement cannot know
  // the formats that Bind asks for: those.
  struct Description {
    std::string_view text;
    const std::vector<uint16_t>* formats = nullptr;
  };
  Description DescriptionOf(const Asked& asked) const;
  std::vector<event::Column> ColumnsOf(const Asked& asked) const;

  void ClearRows();
  Micros Lap(Micros now_us);
  void EndStatement(event::OutcomeStatus status, std::string_view tag, Micros now_us);
  std::string TakeValues(const Asked& asked, std::string_view tag);
  void Append(event::Statement statement, std::vector<event::Column> columns, bool ran);
  void Complete(uint8_t status, size_t messages, Micros now_us);

  bool counts_only() const { return detail_ == AnswerDetail::kCounts; }

  const AnswerOptions options_;
  base::TextPool texts_;
  AnswerDetail detail_ = AnswerDetail::kFull;  // Of the exchange in flight.
  std::unique_ptr<RowMapper> mapper_;          // Null: rows stay as they are.
  uint64_t registered_bytes_ = 0;  // Outlives the two maps, whose entries count into it.
  std::unordered_map<std::string, std::shared_ptr<Prepared>> prepared_;
  std::unordered_map<std::string, Portal> portals_;

  std::deque<Asked> asked_;
  bool broken_ = false;
  std::string reason_;
  bool fatal_ = false;
  uint64_t serial_ = 1;           // Of the exchange in flight.
  Micros last_completed_us_ = 0;  // Of the exchange before.

  // Of the exchange in flight.
  bool started_ = false;
  bool done_ = false;
  Mode mode_ = Mode::kPlain;
  size_t cursor_ = 0;          // The message being answered: all before it are.
  size_t copy_end_ = 0;        // Behind the last message that a COPY took in.
  size_t skip_from_ = 0;       // In kSkipping: the first message the server did not look at.
  uint32_t ordinal_ = 0;       // Statements of the current Query that ended.
  bool failure_open_ = false;  // `failure_` has no statement yet.
  std::optional<Failure> failure_;
  bool saw_commit_ = false;
  bool saw_rollback_ = false;  // Of the last command.
  Micros lap_us_ = 0;          // End of the statement before.
  uint64_t text_bytes_ = 0;
  uint64_t text_reads_ = 0;
  uint64_t values_bytes_ = 0;
  uint64_t held_bytes_ = 0;         // See AnswerOptions::held_bytes_max.
  std::optional<size_t> last_run_;  // Index of the last statement that ran.
  Answers answers_;

  // Of the statement being answered.
  bool open_ = false;
  bool mapping_ = false;  // Its rows go through mapper_.
  uint64_t rows_ = 0;
  uint64_t row_bytes_ = 0;
  std::string description_;
  std::vector<event::Column> columns_;  // From its first row on; not where that came in pieces.
  RowDigest digest_;
  CellHashes cells_;
  KeptRows kept_;

  std::string pieces_;  // A message in pieces that is no row.

  Unasked unasked_;  // Since the last Answers.
};

}  // namespace scry::exchange
