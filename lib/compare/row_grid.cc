#include "compare/row_grid.h"

#include "base/bytes.h"

namespace scry::compare {
namespace {

// Appends the cells of one DataRow; false where it is malformed or not `width` cells wide.
bool AppendRow(std::string_view payload, size_t width, std::vector<Cell>& cells) {
  base::ByteReader row(payload);
  if (row.BigU16() != width) return false;
  for (size_t i = 0; i < width; ++i) {
    const int32_t length = row.BigI32();
    if (length < -1) return false;
    Cell cell;
    cell.null = length < 0;
    if (!cell.null) cell.bytes = row.TakeText(static_cast<size_t>(length));
    cells.push_back(cell);
  }
  return row.AtEnd();
}

}  // namespace

std::optional<RowGrid> RowGrid::Parse(const event::LaneOutcome& lane) {
  RowGrid grid;
  grid.width_ = lane.columns.size();
  base::ByteReader list(lane.rows);
  uint64_t rows = 0;
  while (list.left() > 0) {
    const std::string_view payload = list.TakeText(list.BigU32());
    if (!list.ok()) return std::nullopt;
    if (rows == 0 && grid.width_ == 0) grid.width_ = base::ByteReader(payload).BigU16();
    // Rows without columns (SELECT FROM t) hold nothing to look at.
    if (grid.width_ == 0 || !AppendRow(payload, grid.width_, grid.cells_)) return std::nullopt;
    ++rows;
  }
  if (!list.ok() || rows > lane.outcome.rows) return std::nullopt;
  grid.complete_ = lane.rows_complete && rows == lane.outcome.rows;
  return grid;
}

}  // namespace scry::compare
