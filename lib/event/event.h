// What happened on the wire, as plain values: the language that capture, the log, replay and
// compare share. All strings own their bytes, but for texts of statements, which share them. Times
// are microseconds; "since start" means since the capture's start, whose wall time stands in the
// capture's manifest.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <variant>
#include <vector>

#include "base/clock.h"
#include "base/shared_text.h"

namespace scry::event {

using base::Micros;

// One client connection, numbered from 1 in the order of acceptance. Zero: none.
enum class SessionId : uint64_t { kNone = 0 };

using Settings = std::vector<std::pair<std::string, std::string>>;

// The session reached its first ReadyForQuery.
struct SessionStart {
  SessionId session = SessionId::kNone;
  Micros at_us = 0;             // Since start.
  uint32_t protocol = 0x30000;  // Major in the high 16 bits.
  Settings parameters;          // Of the StartupMessage, in its order: user, database, options ...
  Settings settings;            // ParameterStatus before the first ReadyForQuery.
  std::string client;           // "127.0.0.1:53412", "unix".
  uint32_t backend_pid = 0;
};

// One frontend message. Its payload (what follows the length word) is head + values + tail. The
// split puts what a prepared statement repeats byte for byte into head and tail, which the log
// interns.
//   Bind:     head up to and with the parameter count, values = the parameters, tail = result
//   formats. CopyData: all in values.  Everything else: all in head.
struct FrontendMessage {
  uint8_t type = 0;
  std::string head;
  std::string values;
  std::string tail;

  size_t size() const { return head.size() + values.size() + tail.size(); }
  std::string Payload() const { return head + values + tail; }
  friend bool operator==(const FrontendMessage&, const FrontendMessage&) = default;
};

enum class OutcomeStatus : uint8_t {
  kDone = 0,       // CommandComplete.
  kEmpty = 1,      // EmptyQueryResponse.
  kSuspended = 2,  // PortalSuspended: the Execute's row limit was reached.
  kError = 3,      // ErrorResponse.
  kSkipped = 4,    // Not run: an earlier error in the exchange.
  kLost = 5,       // The connection ended first.
};

// What one statement did. Digests cover the DataRow payloads as sent (or CopyData of COPY OUT), so
// the text and binary forms of one value differ. No rows: both digests are 0.
struct Outcome {
  OutcomeStatus status = OutcomeStatus::kLost;
  std::string tag;                // Of CommandComplete: "SELECT 5".
  uint64_t rows = 0;              // DataRow or CopyData messages received.
  uint64_t row_bytes = 0;         // Their payloads.
  uint64_t digest_ordered = 0;    // Depends on the order of rows.
  uint64_t digest_unordered = 0;  // A sum over rows: duplicates count, order does not.
  std::string row_description;    // Payload of RowDescription, if one came for this statement.
  std::string sqlstate;           // Of ErrorResponse.
  std::string message;            // Its primary message.
  // The rows themselves, as a RowList, where later statements may carry values that this one made:
  // of INSERT, UPDATE, DELETE and MERGE with RETURNING, of one short row of one value (nextval,
  // lastval), with xmin, and where the server named a portal. Empty: not kept, or too large.
  std::string values;
  Micros elapsed_us = 0;  // From the end of the statement before (or the forwarding of the
                          // exchange) to this one's end. The last statement's end is the
                          // exchange's: commit work is part of it.
  friend bool operator==(const Outcome&, const Outcome&) = default;
};

// A RowList is rows one behind the other: a 4-byte big-endian size and a DataRow payload each.

// One SQL command inside an exchange, in the order of execution.
struct Statement {
  // The whole query string it came in, often the same for many. Empty: prepared before the capture.
  base::SharedText text;
  uint32_t ordinal = 0;  // Which statement of `text`: 0 for all but multi-statement Query messages.
  uint32_t message = 0;  // Index in Exchange::messages of the message that ran it.
  Outcome outcome;
  friend bool operator==(const Statement&, const Statement&) = default;
};

// What a client sends up to the next ReadyForQuery, with what came back. In a log, exchanges stand
// in the order of completion; that order is the clock of replay.
struct Exchange {
  SessionId session = SessionId::kNone;
  uint64_t index = 0;          // In the session, from 0, gaps counted.
  Micros forwarded_us = 0;     // First byte sent on to the server. Since start.
  Micros first_answer_us = 0;  // First byte of the answer forwarded. Since start.
  Micros completed_us = 0;     // ReadyForQuery forwarded. Since start.
  uint64_t commits_seen = 0;   // Commits acknowledged by the proxy when it was forwarded.
  uint64_t commits_done = 0;   // The same at its completion, its own included.
  uint8_t status = 0;          // Of ReadyForQuery: 'I', 'T' or 'E'. 0: the connection ended first.
  std::vector<FrontendMessage> messages;
  std::vector<Statement> statements;
  // What came unasked since the end of the exchange before, as far as exchange::AnswerOptions
  // allows.
  std::vector<std::string> notices;  // SQLSTATEs of NoticeResponse, in order.
  Settings parameter_changes;        // ParameterStatus, in order.
  uint64_t unasked_dropped = 0;      // Of both, those over a limit.
};

enum class EndReason : uint8_t {
  kTerminate = 0,     // Terminate message.
  kClientClosed = 1,  // Without one.
  kServerClosed = 2,
  kCaptureEnded = 3,  // Still open when the capture ended.
};

struct SessionEnd {
  SessionId session = SessionId::kNone;
  Micros at_us = 0;
  EndReason reason = EndReason::kTerminate;
  uint64_t exchanges = 0;  // Seen in all: recorded ones and those in gaps.
};

enum class GapReason : uint8_t {
  kQueueFull = 0,      // The writer was too slow.
  kWriteFailed = 1,    // Disk full or failing.
  kTooLarge = 2,       // One exchange over the limit.
  kNotUnderstood = 3,  // Wire bytes outside of what PROTOCOL.md covers; the rest of the session.
  kCorrupt = 4,        // A block of the log that does not read back (made by the reader).
  kTorn = 5,           // The writer died: the tail of the log is missing (made by the reader).
};

// Traffic known to be missing. Recorded exchanges plus those in gaps are all there were, except
// after kCorrupt and kTorn, whose counts nobody knows.
struct Gap {
  SessionId session = SessionId::kNone;  // kNone: any session.
  Micros from_us = 0;
  Micros to_us = 0;
  GapReason reason = GapReason::kQueueFull;
  uint64_t exchanges = 0;
  uint64_t bytes = 0;  // Frontend bytes of those exchanges, or bytes of log not readable.
};

// A client asked to cancel what `session` was running. kNone: a session that is not captured.
struct Cancel {
  SessionId session = SessionId::kNone;
  Micros at_us = 0;
};

// A NotificationResponse reached the client of `session`, which listens on `channel`.
struct Notification {
  SessionId session = SessionId::kNone;
  Micros at_us = 0;
  std::string channel;
  std::string payload;          // Its front, if it is long.
  uint64_t payload_bytes = 0;   // Of the whole.
  uint64_t payload_digest = 0;  // Of the whole, by DigestOf.
  uint32_t pid = 0;             // Of the backend that sent it.
  friend bool operator==(const Notification&, const Notification&) = default;
};

using Event = std::variant<SessionStart, Exchange, SessionEnd, Gap, Cancel, Notification>;

// Memory an event holds, roughly: the weight in bounded queues. A text that the statement before
// shares counts once.
size_t WeightBytes(const Event& event);
// When it happened (of an exchange: its completion). Since start.
Micros TimeOf(const Event& event);
SessionId SessionOf(const Event& event);

const char* Name(OutcomeStatus status);  // "done", "error" ...
const char* Name(EndReason reason);      // "terminate" ...
const char* Name(GapReason reason);      // "queue full" ...

// XXH64. It is stored in captures: its definition is fixed.
uint64_t DigestOf(std::string_view bytes);

// The count at the end of a command tag: 5 for "SELECT 5", 3 for "INSERT 0 3"; nullopt for "BEGIN".
std::optional<uint64_t> TagCount(const std::string& tag);
// Rows that came, or else that the tag counts: those changed.
uint64_t RowsOf(const Outcome& outcome);

}  // namespace scry::event
