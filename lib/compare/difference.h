// Judges one statement that ran on all lanes: what went differently on the candidate, and whether
// that may gate. Called by PatternTable. Pure; any thread.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>

#include "base/clock.h"
#include "compare/result_rows.h"
#include "event/lane_pair.h"
#include "event/statement_facts.h"

namespace scry::compare {

enum class DifferenceKind : uint8_t {
  kNone,
  kError,  // The baseline ran it, the candidate answers an error.
  kFixed,  // The baseline answers an error, the candidate runs it. See Difference::introduced.
  kErrorChanged,    // Both answer an error, with another SQLSTATE.
  kColumnsChanged,  // Columns are gone, moved or of another type.
  kRows,            // Number of rows, returned or affected.
  kValues,
  kOrder,          // The same rows in another order, against an ORDER BY.
  kTag,            // Another command tag.
  kColumnsAdded,   // `SELECT *` over a table that grew.
  kNotComparable,  // No statement about the candidate can be made; see Difference::excuse.
};
inline constexpr size_t kDifferenceKinds = 11;

// How much a difference weighs before policy: a run may still choose not to gate on results.
enum class Weight : uint8_t {
  kNone,
  kNote,
  kWarning,
  kGateIfMost,  // Gates only when more than half of the pattern's pairs differ.
  kGate,
};

// Why a difference does not weigh what its kind would.
enum class Excuse : uint8_t {
  kNone,
  kVolatile,        // The query calls now(), random(), nextval() ...
  kCatalog,         // It reads the system catalogs, which a migration is meant to change.
  kTiesAtLimit,     // Rows with equal sort keys at the edge of LIMIT or OFFSET, or of a fetch; or
                    // tied where the query chooses among them: DISTINCT ON, row_number() ...
  kLimitUnordered,  // LIMIT without ORDER BY; the same fetched in part.
  kHiddenSortKey,   // ORDER BY something that is not in the output.
  kRowOrderSums,    // Floating point sums and array_agg() depend on the order rows are read in.
  kRace,            // 40001, 40P01, 55P03, 57014: who came first; SKIP LOCKED too.
  kInfrastructure,  // Class 08, 53, 57P; connection lost.
  kCascade,         // Follows from an earlier error: 25P02, not run.
  kCounterfactual,  // The client would not have sent it.
  kOrderBroken,     // The order of the capture could not be kept.
  kNoise,           // Baseline and control disagree as well.
  kEqualByValue,    // The same numbers in another scale, or rounded otherwise.
  kTooLarge,        // Too many values to compare column by column.
  kNoLanes,         // Fewer than two lanes answered.
};
inline constexpr size_t kExcuses = 16;

struct Difference {
  DifferenceKind kind = DifferenceKind::kNone;
  Weight weight = Weight::kNone;
  Excuse excuse = Excuse::kNone;
  // kFixed: the change under test introduces what the statement needs (a column, a table ...).
  bool introduced = false;
  // Excused as kRace, and of a kind that chance would not make in nearly every call.
  bool by_locks = false;
  // kGateIfMost for no other reason than that clocks or chance may have made it: how often they do,
  // the control lane tells.
  bool by_clock = false;
  // Only the replay's doubts keep it from weighing: kOrderBroken or kCounterfactual, on a candidate
  // from which the control does not differ likewise.
  bool doubted = false;
  // How the control lane differs from the baseline on this pair.
  DifferenceKind control = DifferenceKind::kNone;
  bool control_alike = false;  // It fails as the candidate does.
  // kValues: the columns that differ, on the candidate and on the control lane. 0: not known.
  ColumnBits columns = 0;
  ColumnBits control_columns = 0;

  // Of those of both: columns of a clock, in which the candidate differs by more than the moment.
  ColumnBits shifted_columns = 0;

  // What the control's difference explains.
  ColumnBits noisy_columns() const { return control_columns & ~shifted_columns; }
  // Columns in which only the candidate differs.
  ColumnBits own_columns() const { return columns & ~noisy_columns(); }
  std::string detail;  // For people, one line, no values: "column email is gone". May be empty.
};

// `clock_slack_us`: so much later than on another lane a statement may have been on one, at most.
Difference JudgePair(const event::StatementPair& pair, const event::StatementFacts& facts,
                     base::Micros clock_slack_us = 0);

// The statement did what it was asked: done, empty or suspended.
bool Succeeded(const event::Outcome& outcome);
bool IsErrorKind(DifferenceKind kind);   // kError, kErrorChanged.
bool IsResultKind(DifferenceKind kind);  // kColumnsChanged, kRows, kValues, kOrder, kTag.
bool IsRaceState(std::string_view sqlstate);
// Which of two rows came first may decide which constraint is hurt: 23503, 23505, 23P01.
bool MayBeRaced(std::string_view sqlstate);
bool IsInfrastructureState(std::string_view sqlstate);
// Class 53: memory, disk, temp_file_limit.
bool IsResourceState(std::string_view sqlstate);
// SQLSTATEs of "there is no such thing (yet)": what a statement of the next release gets from a
// database that has not been migrated.
bool IsIntroducedState(std::string_view sqlstate, bool captured_ok);
// The query's result depends on when or where it runs: clocks, random numbers, sequences, pids.
bool IsVolatile(const event::StatementFacts& facts);

// An error message as a report may show it: names stay, values go. Messages of data errors quote
// the data ('invalid input syntax for type integer: "..."').
std::string MessageWithoutValues(std::string_view sqlstate, std::string_view message);

const char* Name(DifferenceKind kind);  // "error", "rows" ...
const char* Name(Excuse excuse);        // "race", "ties at limit" ...

}  // namespace scry::compare
