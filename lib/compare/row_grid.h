// The rows that a lane kept (a RowList of DataRows), as a grid of cells. Used by value comparison
// and row samples. Pure; views point into the lane's bytes, which must outlive the grid.
#pragma once

#include <cstddef>
#include <optional>
#include <string_view>
#include <vector>

#include "event/lane_pair.h"

namespace scry::compare {

struct Cell {
  bool null = false;
  std::string_view bytes;  // In the format of its column. Empty for NULL.
  friend bool operator==(const Cell&, const Cell&) = default;
};

class RowGrid {
 public:
  // nullopt: malformed, or not one cell per described column. Columns not described: the first row
  // says how many there are.
  static std::optional<RowGrid> Parse(const event::LaneOutcome& lane);

  size_t rows() const { return width_ == 0 ? 0 : cells_.size() / width_; }
  size_t width() const { return width_; }
  bool complete() const { return complete_; }  // All rows of the statement, not only the first.
  // REQUIRES: row < rows(), column < width().
  const Cell& At(size_t row, size_t column) const { return cells_[row * width_ + column]; }

 private:
  size_t width_ = 0;
  bool complete_ = false;
  std::vector<Cell> cells_;
};

}  // namespace scry::compare
