// Aligned columns of text within a width. Used by the text report and by commands that print lists.
// A plain value; one thread.
#pragma once

#include <cstddef>
#include <string>
#include <string_view>
#include <vector>

namespace scry::report {

enum class Align : unsigned char { kLeft, kRight };

struct TableColumn {
  std::string title;
  Align align = Align::kLeft;
  // The column that is cut with "…" when the row does not fit. At most one should be.
  bool shrinks = false;
};

class Table {
 public:
  explicit Table(std::vector<TableColumn> columns, size_t indent = 0)
      : columns_(std::move(columns)), indent_(indent) {}

  // Cells are made printable. Missing ones are empty.
  void AddRow(std::vector<std::string> cells);
  bool empty() const { return rows_.empty(); }

  // The title line first, if any column has a title; no line ends in blanks or is wider than
  // `columns_max`, as long as the columns that do not shrink leave room. 0: no limit.
  std::vector<std::string> Lines(size_t columns_max) const;

 private:
  std::vector<TableColumn> columns_;
  size_t indent_;
  std::vector<std::vector<std::string>> rows_;
};

// Columns of a terminal, as base::TerminalWidth counts them.
size_t DisplayWidth(std::string_view text);
// Cut to `columns_max` columns, the last being "…" where something was cut.
std::string Shorten(std::string_view text, size_t columns_max);
// Broken at blanks into lines of at most `columns_max`; a longer word stays whole.
std::vector<std::string> Wrap(std::string_view text, size_t columns_max);

}  // namespace scry::report
