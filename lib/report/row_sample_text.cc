#include "report/row_sample_text.h"

#include <algorithm>
#include <utility>

#include "base/units.h"
#include "report/table.h"

namespace scry::report {
namespace {

constexpr size_t kColumnsShownMax = 3;
constexpr size_t kValueColumns = 24;

std::string Side(bool null, const std::string& value) {
  if (null) return "NULL";
  return value.empty() ? "''" : Shorten(value, kValueColumns);
}

std::string CellText(const SampleCell& cell, bool values) {
  if (values) {
    return Side(cell.null_before, cell.before) + " -> " + Side(cell.null_after, cell.after);
  }
  if (cell.null_before) return "NULL -> value";
  return cell.null_after ? "value -> NULL" : "differs";
}

std::string PlaceOf(const SampleRow& row) {
  if (row.before == 0) return base::FormatCount(row.after);
  if (row.after == 0 || row.before == row.after) return base::FormatCount(row.before);
  return base::FormatCount(row.before) + " -> " + base::FormatCount(row.after);
}

// Cells stand in the order of columns, of which two may have one name; older reports do not tell
// those apart.
std::vector<std::string> CellTexts(const RowSample& sample, const SampleRow& row, size_t shown) {
  std::vector<std::string> texts(shown);
  size_t next = 0;
  for (size_t i = 0; i < shown && next < row.cells.size(); ++i) {
    const SampleCell& cell = row.cells[next];
    if (cell.at ? *cell.at != i : cell.column != sample.columns[i].name) continue;
    texts[i] = CellText(row.cells[next++], sample.values);
  }
  return texts;
}

}  // namespace

std::vector<std::string> RowSampleLines(const RowSample& sample, size_t columns_max) {
  const bool keyed = sample.values && !sample.key.empty();
  std::vector<TableColumn> titles = {{"row", Align::kRight, false}};
  for (size_t i = 0; keyed && i < sample.key.size(); ++i) {
    titles.push_back({Shorten(sample.key[i], kValueColumns), Align::kLeft, false});
  }
  titles.push_back({"", Align::kLeft, false});
  const size_t shown = std::min(sample.columns.size(), kColumnsShownMax);
  for (size_t i = 0; i < shown; ++i) {
    titles.push_back(
        {Shorten(sample.columns[i].name, kValueColumns), Align::kLeft, i + 1 == shown});
  }
  Table table(std::move(titles));
  for (const SampleRow& row : sample.rows) {
    std::vector<std::string> cells = {PlaceOf(row)};
    for (size_t i = 0; keyed && i < sample.key.size(); ++i) {
      cells.push_back(i < row.key.size() ? Shorten(row.key[i], kValueColumns) : "");
    }
    cells.push_back(row.change);
    for (std::string& text : CellTexts(sample, row, shown)) cells.push_back(std::move(text));
    table.AddRow(std::move(cells));
  }
  std::vector<std::string> lines = table.Lines(columns_max);
  for (std::string& line : lines) line = Shorten(line, columns_max);
  return lines;
}

}  // namespace scry::report
