#include "compare/row_sample.h"

#include <fmt/format.h>

#include <algorithm>

#include "base/units.h"
#include "compare/row_values.h"
#include "compare/value_form.h"

namespace scry::compare {
namespace {

using base::FormatCount;
using event::Column;
using event::LaneOutcome;

constexpr size_t kValueColumnsMax = 60;
constexpr size_t kToldColumnsMax = 4;
constexpr size_t kNameColumnsMax = 40;

std::string Rows(uint64_t count) { return FormatCount(count) + (count == 1 ? " row" : " rows"); }

class Sampler {
 public:
  Sampler(const LaneOutcome& baseline, const LaneOutcome& candidate, const ColumnMatch& match,
          const RowValues& values, const RowDiff& diff)
      : baseline_(baseline), candidate_(candidate), match_(match), values_(values), diff_(diff) {}

  RowSample Run() {
    sample_.rows_before = values_.baseline.rows();
    sample_.rows_after = values_.candidate.rows();
    sample_.changed = diff_.changed;
    sample_.gone = diff_.gone;
    sample_.added = diff_.added;
    sample_.moved = diff_.moved;
    sample_.partial = diff_.partial;
    for (const size_t place : diff_.key) sample_.key.push_back(NameOf(place));
    ChooseColumns();
    for (const RowDelta& delta : diff_.deltas) {
      if (sample_.rows.size() >= kSampleRowsMax) break;
      sample_.rows.push_back(RowOf(delta));
    }
    return std::move(sample_);
  }

 private:
  std::string NameOf(size_t place) const {
    const size_t column = match_.common[place].first;
    if (column >= baseline_.columns.size()) return fmt::format("#{}", column + 1);
    return base::Printable(baseline_.columns[column].name, kNameColumnsMax);
  }

  void ChooseColumns() {
    for (size_t place = 0; place < diff_.changed_in.size(); ++place) {
      if (diff_.changed_in[place] > 0) places_.push_back(place);
    }
    std::stable_sort(places_.begin(), places_.end(),
                     [&](size_t a, size_t b) { return diff_.changed_in[a] > diff_.changed_in[b]; });
    if (places_.size() > kSampleColumnsMax) {
      sample_.columns_more = places_.size() - kSampleColumnsMax;
      places_.resize(kSampleColumnsMax);
    }
    for (const size_t place : places_) {
      const size_t column = match_.common[place].first;
      SampleColumn chosen;
      chosen.name = NameOf(place);
      if (column < baseline_.columns.size()) {
        chosen.type = TypeName(baseline_.columns[column].type_oid);
      }
      chosen.rows = diff_.changed_in[place];
      sample_.columns.push_back(std::move(chosen));
    }
  }

  static std::string Show(const LaneOutcome& lane, const RowGrid& grid, size_t row, size_t column) {
    static const Column kUnknown;
    const Column& described = column < lane.columns.size() ? lane.columns[column] : kUnknown;
    return DisplayValue(described, grid.At(row, column), kValueColumnsMax);
  }

  SampleRow RowOf(const RowDelta& delta) const {
    SampleRow row;
    row.change = delta.change;
    const bool has_before = delta.change != RowChange::kAdded;
    const bool has_after = delta.change != RowChange::kGone;
    row.before = has_before ? delta.before + 1 : 0;
    row.after = has_after ? delta.after + 1 : 0;
    for (const size_t place : diff_.key) {
      const auto& [from, to] = match_.common[place];
      row.key.push_back(has_before ? Show(baseline_, values_.baseline, delta.before, from)
                                   : Show(candidate_, values_.candidate, delta.after, to));
    }
    if (delta.change != RowChange::kChanged) return row;
    for (const size_t place : places_) row.cells.push_back(CellOf(delta, place));
    return row;
  }

  SampleCell CellOf(const RowDelta& delta, size_t place) const {
    SampleCell cell;
    if (values_.before.At(delta.before, place) == values_.after.At(delta.after, place)) return cell;
    const auto& [from, to] = match_.common[place];
    cell.differs = true;
    cell.null_before = values_.baseline.At(delta.before, from).null;
    cell.null_after = values_.candidate.At(delta.after, to).null;
    cell.before = Show(baseline_, values_.baseline, delta.before, from);
    cell.after = Show(candidate_, values_.candidate, delta.after, to);
    return cell;
  }

  const LaneOutcome& baseline_;
  const LaneOutcome& candidate_;
  const ColumnMatch& match_;
  const RowValues& values_;
  const RowDiff& diff_;
  std::vector<size_t> places_;  // Of match.common: the columns shown.
  RowSample sample_;
};

std::vector<size_t> KeyByLooks(const LaneOutcome& baseline, const ColumnMatch& match) {
  std::vector<size_t> places;
  for (size_t place = 0; place < match.common.size(); ++place) {
    const size_t column = match.common[place].first;
    if (column < baseline.columns.size() && LooksLikeId(baseline.columns[column])) {
      places.push_back(place);
    }
  }
  return places;
}

}  // namespace

size_t RowSample::size_bytes() const {
  size_t bytes = 0;
  for (const std::string& name : key) bytes += name.size();
  for (const SampleColumn& column : columns) bytes += column.name.size() + column.type.size();
  for (const SampleRow& row : rows) {
    for (const std::string& value : row.key) bytes += value.size();
    for (const SampleCell& cell : row.cells) bytes += cell.before.size() + cell.after.size();
  }
  return bytes;
}

RowSample SampleRows(const LaneOutcome& baseline, const LaneOutcome& candidate, bool ordered,
                     ColumnBits leave_out) {
  ColumnMatch match = MatchColumns(baseline.columns, candidate.columns);
  match.common = ByValue(match);
  std::erase_if(match.common, [&](const auto& columns) {
    return (leave_out >> std::min(columns.first, kColumnBits - 1) & 1U) != 0;
  });
  if (match.common.empty()) return {};
  const auto values = ReadRowValues(baseline, candidate, match);
  if (!values) return {};
  RowDiffOptions options;
  options.key_first = KeyByLooks(baseline, match);
  options.ordered = ordered;
  const RowDiff diff = DiffRows(values->before, values->after, options);
  return Sampler(baseline, candidate, match, *values, diff).Run();
}

std::string DescribeSample(const RowSample& sample) {
  std::vector<std::string> parts;
  if (sample.changed > 0) {
    std::string part;
    for (size_t i = 0; i < sample.columns.size() && i < kToldColumnsMax; ++i) {
      const SampleColumn& column = sample.columns[i];
      part += i == 0 ? fmt::format("{} differs in {} of {}", column.name, FormatCount(column.rows),
                                   Rows(sample.rows_before))
                     : fmt::format(", {} in {}", column.name, FormatCount(column.rows));
    }
    const uint64_t more = sample.columns.size() + sample.columns_more -
                          std::min(sample.columns.size(), kToldColumnsMax);
    if (more > 0) part += fmt::format(" and {} more columns", FormatCount(more));
    parts.push_back(std::move(part));
  }
  if (sample.gone > 0) parts.push_back(Rows(sample.gone) + " gone");
  if (sample.added > 0) parts.push_back(Rows(sample.added) + " added");
  if (sample.moved > 0) parts.push_back(Rows(sample.moved) + " moved");
  std::string text;
  for (const std::string& part : parts) text += (text.empty() ? "" : "; ") + part;
  if (sample.partial && !text.empty()) text += ", of the rows that were kept";
  return text;
}

}  // namespace scry::compare
