// The first rows in which the results of two lanes differ, small enough to stand in a report. Made
// by PatternTable for the example of a difference. Pure. Holds values: a report shows them only
// where the user asked for them.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "compare/result_rows.h"
#include "compare/row_diff.h"
#include "event/lane_pair.h"

namespace scry::compare {

inline constexpr size_t kSampleRowsMax = 5;
inline constexpr size_t kSampleColumnsMax = 6;

struct SampleCell {
  bool differs = false;
  bool null_before = false;
  bool null_after = false;
  std::string before;  // For people; empty where the side has no such row.
  std::string after;
};

struct SampleColumn {
  std::string name;
  std::string type;
  uint64_t rows = 0;  // Changed rows in which it differs.
};

struct SampleRow {
  RowChange change = RowChange::kChanged;
  uint64_t before = 0;  // Place in the baseline's result, from 1; 0: not there.
  uint64_t after = 0;
  std::vector<std::string> key;  // Values of RowSample::key.
  // Of kChanged, per RowSample::columns; an equal cell is empty.
  std::vector<SampleCell> cells;
};

struct RowSample {
  std::vector<std::string> key;       // Names of the columns that identify a row; empty: none do.
  std::vector<SampleColumn> columns;  // That differ in changed rows, the most rows first.
  uint64_t columns_more = 0;          // Further ones.
  uint64_t rows_before = 0;           // Looked at: all, or the first ones where `partial`.
  uint64_t rows_after = 0;
  uint64_t changed = 0;
  uint64_t gone = 0;
  uint64_t added = 0;
  uint64_t moved = 0;
  bool partial = false;
  std::vector<SampleRow> rows;  // The first, at most kSampleRowsMax.

  bool empty() const { return rows.empty(); }
  size_t size_bytes() const;
};

// Empty where the rows of a lane were not kept, do not parse or share no column. `ordered`: the
// order of rows counts. `leave_out`: columns not looked at, as the control lane differs there too.
RowSample SampleRows(const event::LaneOutcome& baseline, const event::LaneOutcome& candidate,
                     bool ordered, ColumnBits leave_out = 0);

// "price differs in 3 of 20 rows, note in 1; 2 rows gone". No values.
std::string DescribeSample(const RowSample& sample);

}  // namespace scry::compare
