// One statement as it went on every lane: what replay yields and compare judges. Plain values.
#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "base/shared_text.h"
#include "event/event.h"

namespace scry::event {

struct Column {
  std::string name;
  uint32_t table_oid = 0;      // 0: no table column.
  uint16_t column_number = 0;  // In that table.
  uint32_t type_oid = 0;
  uint16_t format = 0;  // 0 text, 1 binary.
  // What replay knows of it from the catalogue; of the baseline alone.
  bool loose = false;      // Values that sort as one may differ in their bytes: citext ...
  bool by_chance = false;  // Its table fills it by gen_random_uuid() or its like.
  friend bool operator==(const Column&, const Column&) = default;
};

// Lanes of a run, by their place in StatementPair::lanes.
enum class LaneRole : uint8_t { kBaseline = 0, kCandidate = 1, kControl = 2 };

// Of rows some of whose values may be equal though their bytes differ (value_equality.h): numerics
// by what they say, without what is equal within a tolerance and what the server fills for itself.
struct ValueDigest {
  bool known = false;  // False where there are no such columns, too.
  uint64_t ordered = 0;
  uint64_t unordered = 0;
};

struct LaneOutcome {
  Outcome outcome;
  std::vector<Column>
      columns;  // As last described for this statement; may be empty (not described).
  // One hash per value, row by row, so that results can be compared without some columns or in
  // another order. NULL and the empty string differ; numerics of another scale do not. Empty unless
  // cells_complete.
  std::vector<uint64_t> cells;
  bool cells_complete = false;     // False: more values than the limit; only the digests tell.
  std::string rows;                // A RowList (event.h), from the first row on, up to the limit.
  bool rows_complete = false;      // It holds all of them.
  ValueDigest values;              // However many rows there are.
  Micros run_began_us = 0;         // By the lane's clock, since 2000-01-01. 0: not known.
  uint8_t transaction_status = 0;  // After the exchange: 'I', 'T', 'E'; 0: connection lost.
  uint32_t backend_pid = 0;        // Whose log lines are about it.
};

// A part of a portal's rows, as an Execute asks for it.
struct PortalPart {
  std::string name;       // Empty: the unnamed portal.
  uint32_t rows_max = 0;  // 0: all that are left.
  bool first = false;     // The portal was bound in this exchange, and not executed since.
};

struct StatementPair {
  SessionId session = SessionId::kNone;
  uint64_t exchange = 0;    // Index in the session.
  Micros completed_us = 0;  // Of its exchange, when captured. Since start.
  base::SharedText text;    // See Statement.
  uint32_t ordinal = 0;
  Micros started_us = 0;  // Its exchange, on the first lane: monotonic time of the clock.
  Outcome captured;       // What production did.
  // Of an Execute whose portal may give its rows in several parts. None: it gives all, in one.
  std::optional<PortalPart> portal;
  std::vector<LaneOutcome> lanes;  // Baseline, candidate and, where there is one, control.
  // Lanes ran at the same time, as one did not answer within the hold-up limit.
  bool held_up = false;
  // Its client asked to cancel it, and so did replay on every lane: who is hit is a race.
  bool cancel_requested = false;
  // A lane ran it for so long without an end that replay cancelled it there, or gave up.
  bool stuck = false;
  // The order of the capture could not be kept (a stall was broken): differences may be races.
  bool order_broken = false;
  // An earlier statement of the transaction (or session state) already went differently on a lane:
  // a real client would not have sent this one.
  bool counterfactual = false;
  // First run of its pattern on the lanes: cold caches; not for latency.
  bool warm_up = false;
};

// What a server sent unasked since the exchange before, and during this one. Notifications go a way
// of their own: they come whenever they like.
struct LaneUnasked {
  std::vector<std::string> notices;  // SQLSTATEs, in order.
  Settings parameter_changes;        // As told by ParameterStatus, in order.
  uint64_t dropped = 0;              // Past a limit; notifications too.
};

// The same of one exchange on all lanes. Only where at least one lane was told something.
struct UnaskedPair {
  SessionId session = SessionId::kNone;
  uint64_t exchange = 0;  // Index in the session.
  base::SharedText text;  // Of its first statement, see Statement. Empty: of the session's start.
  uint32_t ordinal = 0;
  std::vector<LaneUnasked> lanes;
  bool unsure = false;  // Its order was broken, or lanes had gone apart before.
};

// How a session's connections to all lanes went.
struct LaneConnect {
  bool connected = false;
  std::string sqlstate;  // Of the refusal; empty: the server gave none in time.
  std::string message;   // One line.
};
struct ConnectPair {
  SessionId session = SessionId::kNone;
  std::string role;
  std::vector<LaneConnect> lanes;  // By LaneRole.
};

class PairSink {
 public:
  virtual ~PairSink() = default;
  virtual void Put(const StatementPair& pair) = 0;
  // What is no part of any statement; nobody has to care.
  virtual void PutUnasked(const UnaskedPair&) {}
  virtual void PutConnect(const ConnectPair&) {}
  // `lane`: where it came; none: it stands in the capture.
  virtual void PutNotification(const Notification&, std::optional<size_t> /*lane*/) {}
};

}  // namespace scry::event
