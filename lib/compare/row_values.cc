#include "compare/row_values.h"

#include <string>

#include "compare/value_form.h"
#include "event/event.h"

namespace scry::compare {
namespace {

constexpr uint64_t kNullHash = 0x6e756c6c68617368ULL;

// Columns that were not described are bytes.
const event::Column& ColumnAt(const event::LaneOutcome& lane, size_t index) {
  static const event::Column kUnknown;
  return index < lane.columns.size() ? lane.columns[index] : kUnknown;
}

void LearnAll(const event::LaneOutcome& lane, const RowGrid& grid, size_t column,
              ValueForms& forms) {
  for (size_t row = 0; row < grid.rows(); ++row) {
    forms.Learn(ColumnAt(lane, column), grid.At(row, column));
  }
}

void HashColumn(const event::LaneOutcome& lane, const RowGrid& grid, size_t column, size_t place,
                const ValueForms& forms, HashGrid& hashes) {
  const event::Column& described = ColumnAt(lane, column);
  for (size_t row = 0; row < grid.rows(); ++row) {
    const Cell& cell = grid.At(row, column);
    uint64_t hash = kNullHash;
    if (!cell.null) hash = event::DigestOf(forms.Form(described, cell));
    hashes.cells[row * hashes.width + place] = hash;
  }
}

HashGrid Empty(const RowGrid& grid, size_t width) {
  HashGrid hashes;
  hashes.width = width;
  hashes.cells.resize(grid.rows() * width);
  hashes.complete = grid.complete();
  return hashes;
}

}  // namespace

std::optional<RowValues> ReadRowValues(const event::LaneOutcome& baseline,
                                       const event::LaneOutcome& candidate,
                                       const ColumnMatch& match) {
  auto left = RowGrid::Parse(baseline);
  auto right = RowGrid::Parse(candidate);
  if (!left || !right) return std::nullopt;
  RowValues values{std::move(*left), std::move(*right), {}, {}};
  values.before = Empty(values.baseline, match.common.size());
  values.after = Empty(values.candidate, match.common.size());
  for (size_t place = 0; place < match.common.size(); ++place) {
    const auto& [from, to] = match.common[place];
    // An empty result has no width to go by when its columns were not described.
    const bool fits = (values.baseline.rows() == 0 || from < values.baseline.width()) &&
                      (values.candidate.rows() == 0 || to < values.candidate.width());
    if (!fits) return std::nullopt;
    // Per column: numbers of one column are alike, those of two are not to be chained together.
    ValueForms forms(ColumnAt(baseline, from), ColumnAt(candidate, to));
    LearnAll(baseline, values.baseline, from, forms);
    LearnAll(candidate, values.candidate, to, forms);
    forms.Seal();
    HashColumn(baseline, values.baseline, from, place, forms, values.before);
    HashColumn(candidate, values.candidate, to, place, forms, values.after);
  }
  return values;
}

}  // namespace scry::compare
