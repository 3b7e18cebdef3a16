// Columns that a clock fills: lanes differ in them by the moment alone, but not by hours. Called by
// difference.cc. Pure; any thread.
#pragma once

#include <optional>

#include "base/clock.h"
#include "compare/result_rows.h"
#include "compare/row_grid.h"
#include "event/lane_pair.h"

namespace scry::compare {

// Of `suspects` (bits as of DifferingColumnBits), those of a date or time in which the control
// keeps within `tolerance_us` of the baseline, whichever row belongs to which, and the candidate
// does not: as instants, or as they are written, where a time zone is. Columns of which that cannot
// be told are left out: rows not kept whole, other styles than ISO, "infinity". REQUIRES: three
// lanes, equal row counts.
ColumnBits ShiftedClockColumns(const event::StatementPair& pair, ColumnBits suspects,
                               base::Micros tolerance_us);

// date, timestamp, timestamptz.
bool HoldsMoments(uint32_t type_oid);

// The instant that a cell of a date or time column holds, in microseconds since 2000. nullopt: of
// another type, NULL, or written in a way that is not read.
std::optional<base::Micros> MomentOf(const event::Column& column, const Cell& cell);

// Without a control: of `suspects`, those of a date or time.
struct RunClocks {
  // Whatever differs there, both lanes wrote during the run, within the tolerance of each other.
  ColumnBits explained = 0;
  // Nobody can tell: rows not kept whole, lanes whose clock is not known ...
  ColumnBits unsure = 0;
};
// REQUIRES: two lanes, equal row counts.
RunClocks ClocksOfRun(const event::StatementPair& pair, ColumnBits suspects,
                      base::Micros tolerance_us);

}  // namespace scry::compare
