// Compares the rows of one statement on two lanes, by columns of the same name and with the order
// that its ORDER BY promises. Called by difference.cc. Pure; any thread.
#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "event/lane_pair.h"
#include "event/statement_facts.h"

namespace scry::compare {

// Columns of two lanes, matched by name; the nth of a name with the nth. Those that the server
// fills for itself (event::ValueEquality::kServer) are in neither list.
struct ColumnMatch {
  // Of the same type, or of two whose texts should be equal. Baseline's index, candidate's.
  std::vector<std::pair<size_t, size_t>> common;
  // Of two types of numbers: only what their values say can be compared, not hashes of them.
  std::vector<std::pair<size_t, size_t>> numbers;
  std::vector<std::string> added;
  std::vector<std::string> gone;
  std::vector<std::string> retyped;  // In `common` or `numbers` too, where that can be.
  bool moved = false;                // Common columns stand in another order.
  bool left_out = false;             // There are some that the server fills for itself.

  // Equal row payloads mean equal rows.
  bool alike() const { return added.empty() && gone.empty() && retyped.empty() && !moved; }
  // Other payloads mean other rows.
  bool same() const { return alike() && !left_out; }
};

// A lane whose columns are not described matches everything.
ColumnMatch MatchColumns(const std::vector<event::Column>& baseline,
                         const std::vector<event::Column>& candidate);
// What can be compared by values: `common` and `numbers` as one, in the baseline's order.
std::vector<std::pair<size_t, size_t>> ByValue(const ColumnMatch& match);

enum class RowsVerdict : uint8_t {
  kEqual,
  kOrder,        // Equal sets, but not in the order that the visible sort keys promise.
  kHiddenOrder,  // Equal sets in another order; a sort key is not in the output.
  kMaybeOrder,   // The same; too many values to tell whether only tied rows moved.
  kMaybeTied,    // The same; a sort key may be equal to another that is written otherwise.
  kTiesAtLimit,  // Only rows tied at the edge of the LIMIT differ.
  kMaybeTies,    // The same, but the keys look unique.
  kValues,
  kValuesHiddenLimit,  // Different rows under a LIMIT whose sort key is not in the output.
  kMaybeRounding,      // Equal but for floating point numbers; too many rows to tell by how much.
  kOtherValues,        // The same under a LIMIT, but rows of the same key hold other values.
  kTooLarge,           // Cells are needed and not there.
};

// REQUIRES: equal row counts on both lanes.
RowsVerdict CompareRows(const event::LaneOutcome& baseline, const event::LaneOutcome& candidate,
                        const ColumnMatch& match, const event::StatementFacts& facts);

// The same by what their values say: numbers of another scale or type are equal, and floating point
// numbers within a tolerance, as far as rows were kept whole. Of others hashes and digests tell.
// nullopt where no column can hold such values. REQUIRES: equal row counts.
std::optional<RowsVerdict> CompareRowsByValue(const event::LaneOutcome& baseline,
                                              const event::LaneOutcome& candidate,
                                              const ColumnMatch& match,
                                              const event::StatementFacts& facts);

// What a choice among tied rows below the top level does not explain: a row of the same key with
// other values of its table. Where only computed columns may follow from one (facts.picks is not
// set): other values in the columns that do not, see facts.chosen. nullopt where cells are needed
// and not there.
std::optional<bool> DiffersBeyondChoice(const event::LaneOutcome& baseline,
                                        const event::LaneOutcome& candidate,
                                        const ColumnMatch& match,
                                        const event::StatementFacts& facts);

// Does a column that array_agg() and its like made hold more than the same elements in another
// order? Of JSON, what is added to it is not told, as with columns. nullopt where rows were not
// kept whole, or where nobody knows which columns those are.
std::optional<bool> GathersOtherContent(const event::LaneOutcome& baseline,
                                        const event::LaneOutcome& candidate,
                                        const ColumnMatch& match,
                                        const event::StatementFacts& facts);

// Does a key of facts.sort_keys or facts.chosen name this column, by its place or by its name?
bool NamesColumn(const std::string& key, const std::vector<event::Column>& columns, size_t index);

// A primary key by its looks: the first column of its table, or the name everybody gives it.
bool LooksLikeId(const event::Column& column);

// Which columns differ between the lanes, as a set of bits: bit i is the baseline's column i, the
// last bit all further ones. All common columns where no fewer explain it; 0 where cells are needed
// and not there. REQUIRES: equal row counts, and that the rows differ.
using ColumnBits = uint64_t;
inline constexpr size_t kColumnBits = 64;
ColumnBits DifferingColumnBits(const event::LaneOutcome& baseline,
                               const event::LaneOutcome& candidate, const ColumnMatch& match);

// True where the rows are equal once columns of floating point type, on either lane, are left
// aside.
bool EqualWithoutFloats(const event::LaneOutcome& baseline, const event::LaneOutcome& candidate,
                        const ColumnMatch& match);

}  // namespace scry::compare
