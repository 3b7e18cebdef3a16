// Lines up the rows of two results and says which rows and columns differ: by a key where one or
// two columns identify rows on both sides, else by likeness. Works on hashes of cells, so it holds
// no values. Used by row samples and by noise judged per column. Pure.
#pragma once

#include <cstddef>
#include <cstdint>
#include <vector>

namespace scry::compare {

// Hashes of the columns that both sides have, row by row.
struct HashGrid {
  size_t width = 0;
  std::vector<uint64_t> cells;
  bool complete = true;  // False: only the first rows are here.

  size_t rows() const { return width == 0 ? 0 : cells.size() / width; }
  uint64_t At(size_t row, size_t column) const { return cells[row * width + column]; }
};

enum class RowChange : uint8_t {
  kChanged,  // On both sides, with other values.
  kGone,
  kAdded,
  kMoved,  // The same row at another place; only where order counts and nothing else differs.
};

struct RowDelta {
  RowChange change = RowChange::kChanged;
  size_t before = 0;  // Row on the first side; of kAdded: nothing.
  size_t after = 0;   // Row on the second side; of kGone: nothing.
  friend bool operator==(const RowDelta&, const RowDelta&) = default;
};

struct RowDiff {
  std::vector<size_t> key;       // Columns that identify a row; empty: none do.
  std::vector<RowDelta> deltas;  // All that were found, in the order of the first side; added last.
  uint64_t equal = 0;
  uint64_t changed = 0;
  uint64_t gone = 0;
  uint64_t added = 0;
  uint64_t moved = 0;
  std::vector<uint64_t> changed_in;  // Per column: changed rows in which it differs.
  bool partial = false;              // Rows that were not kept may differ as well.
};

struct RowDiffOptions {
  std::vector<size_t> key_first;  // Columns to try as the key before others, by their looks.
  bool ordered = false;           // The order of rows counts.
};

// REQUIRES: equal widths.
RowDiff DiffRows(const HashGrid& before, const HashGrid& after, const RowDiffOptions& options);

// Columns to leave out so that both sides hold the same rows, whatever their order: what differs,
// without lining rows up. Empty: nothing differs. All columns: nothing less explains it.
// REQUIRES: equal widths and equal row counts, both complete.
std::vector<size_t> DifferingColumns(const HashGrid& before, const HashGrid& after);

const char* Name(RowChange change);  // "changed", "gone" ...

}  // namespace scry::compare
