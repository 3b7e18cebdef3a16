// Kept rows of two lanes as hashes of what their values say: equal numbers have equal hashes,
// however they are written. Used by result_rows.cc and row_sample.cc. Pure.
#pragma once

#include <optional>

#include "compare/result_rows.h"
#include "compare/row_diff.h"
#include "compare/row_grid.h"
#include "event/lane_pair.h"

namespace scry::compare {

struct RowValues {
  RowGrid baseline;
  RowGrid candidate;
  // Width: match.common.
  HashGrid before;
  HashGrid after;
};

// nullopt where the rows of a lane were not kept or do not parse.
std::optional<RowValues> ReadRowValues(const event::LaneOutcome& baseline,
                                       const event::LaneOutcome& candidate,
                                       const ColumnMatch& match);

}  // namespace scry::compare
