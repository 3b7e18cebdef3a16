#include "compare/result_rows.h"

#include <algorithm>
#include <array>
#include <charconv>
#include <map>
#include <optional>
#include <string_view>
#include <utility>

#include "compare/row_values.h"
#include "compare/value_form.h"
#include "event/value_equality.h"

namespace scry::compare {
namespace {

using event::Column;
using event::LaneOutcome;
using Hashes = std::vector<uint64_t>;

constexpr size_t kUniqueGroupsMin = 5;  // Groups of one row that make a sort key look unique.
constexpr uint32_t kFloat4Oid = 700;
constexpr uint32_t kFloat8Oid = 701;

constexpr uint32_t kMoneyOid = 790;
constexpr uint32_t kJsonOid = 114;
constexpr uint32_t kJsonbOid = 3802;

bool IsNumeric(const Column& column) {
  return event::EqualityOf(column) == event::ValueEquality::kNumeric;
}

bool IsJson(uint32_t type_oid) { return type_oid == kJsonOid || type_oid == kJsonbOid; }

// Of two types whose binary forms are alike where their values are: text, name, char(n), varchar;
// timestamp and timestamptz.
bool SameBinaryForm(uint32_t a, uint32_t b) {
  static constexpr std::array<uint32_t, 4> kText = {19, 25, 1042, 1043};
  static constexpr std::array<uint32_t, 2> kMoment = {1114, 1184};
  const auto both = [&](const auto& types) {
    return std::find(types.begin(), types.end(), a) != types.end() &&
           std::find(types.begin(), types.end(), b) != types.end();
  };
  return both(kText) || both(kMoment);
}

// Of columns of two types: what a client reads as text should be the same all the same. But equal
// values of some read otherwise: 5 and 5.00 and $5.00, {"a":1} and {"a": 1}. And hashes of numerics
// are none of their text.
bool EqualAsText(const Column& a, const Column& b) {
  if (a.format == 1 && b.format == 1) return SameBinaryForm(a.type_oid, b.type_oid);
  if (a.format != 0 || b.format != 0 || IsNumeric(a) || IsNumeric(b)) return false;
  const auto both = [&](auto is) { return is(a.type_oid) && is(b.type_oid); };
  if (both(IsWholeNumber)) return true;
  return !both([](uint32_t oid) { return IsNumber(oid) || oid == kMoneyOid; }) && !both(IsJson);
}

// Of columns of two types: values say whether they are the same number, or read the same.
bool EqualAsValues(const Column& a, const Column& b) {
  if (IsNumber(a.type_oid) && IsNumber(b.type_oid)) return true;
  const bool text = a.format == 0 && b.format == 0;
  return text && (IsNumeric(a) || IsNumeric(b)) && a.type_oid != kMoneyOid &&
         b.type_oid != kMoneyOid;
}

bool IsServers(const Column& column) {
  return event::EqualityOf(column) == event::ValueEquality::kServer;
}

uint64_t Mix(uint64_t z) {
  z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9ULL;
  z = (z ^ (z >> 27)) * 0x94d049bb133111ebULL;
  return z ^ (z >> 31);
}

bool HasCells(const LaneOutcome& lane) {
  return lane.cells_complete && !lane.columns.empty() &&
         lane.cells.size() == lane.columns.size() * lane.outcome.rows;
}

// One hash per row over some of its columns; the order of columns counts.
Hashes RowHashes(const LaneOutcome& lane, const std::vector<size_t>& columns) {
  Hashes hashes(lane.outcome.rows, 0x9e3779b97f4a7c15ULL);
  const size_t width = lane.columns.size();
  for (size_t row = 0; row < hashes.size(); ++row) {
    for (const size_t column : columns) {
      hashes[row] = Mix(hashes[row] * 31 + lane.cells[row * width + column]);
    }
  }
  return hashes;
}

bool SameSet(Hashes a, Hashes b) {
  std::sort(a.begin(), a.end());
  std::sort(b.begin(), b.end());
  return a == b;
}

std::vector<size_t> Side(const ColumnMatch& match, bool baseline) {
  std::vector<size_t> columns;
  for (const auto& [left, right] : match.common) columns.push_back(baseline ? left : right);
  return columns;
}

std::optional<size_t> PositionFrom(std::string_view key) {
  if (key.size() < 2 || key.front() != '#') return std::nullopt;
  size_t position = 0;
  const auto [end, error] = std::from_chars(key.data() + 1, key.data() + key.size(), position);
  if (error != std::errc() || end != key.data() + key.size() || position == 0) return std::nullopt;
  return position - 1;
}

// Places of the sort keys in `match.common`; nullopt where one is not visible in both outputs.
std::optional<std::vector<size_t>> VisibleKeys(const LaneOutcome& baseline,
                                               const ColumnMatch& match,
                                               const event::StatementFacts& facts) {
  if (facts.sort_keys.empty()) return std::nullopt;
  std::vector<size_t> places;
  for (const std::string& key : facts.sort_keys) {
    std::optional<size_t> found;
    for (size_t i = 0; i < match.common.size(); ++i) {
      if (!NamesColumn(key, baseline.columns, match.common[i].first)) continue;
      if (found) return std::nullopt;  // Two columns of that name: nobody knows which one sorts.
      found = i;
    }
    if (!found) return std::nullopt;
    places.push_back(*found);
  }
  return places;
}

// "orders" has its key in "order_id", "categories" in "category_id".
bool NamedAfter(std::string_view column, std::string_view relation) {
  constexpr std::string_view kEnd = "_id";
  relation = relation.substr(relation.rfind('.') + 1);
  if (!column.ends_with(kEnd) || column.size() == kEnd.size()) return false;
  const std::string stem(column.substr(0, column.size() - kEnd.size()));
  if (relation == stem || relation == stem + "s" || relation == stem + "es") return true;
  return stem.ends_with('y') && relation == stem.substr(0, stem.size() - 1) + "ies";
}

// Places in `match.common` of what tells the rows of their table apart. Of a join it does not tell
// the rows of the result apart; and of a table that is joined with itself, nothing tells whose
// columns the others are.
std::vector<size_t> KeyPlaces(const LaneOutcome& baseline, const ColumnMatch& match,
                              const event::StatementFacts& facts) {
  std::vector<size_t> places;
  if (baseline.columns.empty() || (facts.repeats && !facts.one_table)) return places;
  const bool alone = facts.one_table && facts.relations.size() == 1;
  for (size_t i = 0; i < match.common.size(); ++i) {
    const Column& column = baseline.columns[match.common[i].first];
    if (column.table_oid == 0) continue;
    const bool named = column.name == "id" || column.name == "uuid";
    const bool first = alone && column.column_number == 1;
    if (named || (first && NamedAfter(column.name, facts.relations.front()))) places.push_back(i);
  }
  return places;
}

// Does a row of the table come back with the same key and other values?
bool SameKeyOtherValues(const LaneOutcome& baseline, const LaneOutcome& candidate,
                        const ColumnMatch& match, const event::StatementFacts& facts, size_t key) {
  // Of one table alone, what is computed is computed of its row.
  const bool computed = facts.one_table && !facts.picks && !facts.ranks;
  const uint32_t table = baseline.columns[match.common[key].first].table_oid;
  ColumnMatch own;
  for (const auto& columns : match.common) {
    const uint32_t oid = baseline.columns[columns.first].table_oid;
    if (oid == table || (oid == 0 && computed)) own.common.push_back(columns);
  }
  const Hashes left_keys = RowHashes(baseline, {match.common[key].first});
  const Hashes right_keys = RowHashes(candidate, {match.common[key].second});
  const Hashes left = RowHashes(baseline, Side(own, true));
  const Hashes right = RowHashes(candidate, Side(own, false));
  std::map<uint64_t, uint64_t> rows;
  for (size_t i = 0; i < left.size(); ++i) {
    const auto [row, is_new] = rows.emplace(left_keys[i], left[i]);
    if (!is_new && (facts.one_table || row->second != left[i])) return false;  // No key after all.
  }
  std::map<uint64_t, uint64_t> seen;
  bool other = false;
  for (size_t i = 0; i < right.size(); ++i) {
    const auto [row, is_new] = seen.emplace(right_keys[i], right[i]);
    if (!is_new && (facts.one_table || row->second != right[i])) return false;
    const auto found = rows.find(right_keys[i]);
    other = other || (found != rows.end() && found->second != right[i]);
  }
  return other;
}

// No tie explains that.
bool AnyKeyOtherValues(const LaneOutcome& baseline, const LaneOutcome& candidate,
                       const ColumnMatch& match, const event::StatementFacts& facts) {
  if (!HasCells(baseline) || !HasCells(candidate)) return false;
  const std::vector<size_t> keys = KeyPlaces(baseline, match, facts);
  return std::any_of(keys.begin(), keys.end(), [&](size_t key) {
    return SameKeyOtherValues(baseline, candidate, match, facts, key);
  });
}

struct Sorted {
  Hashes keys;
  Hashes rows;
};

// Rows in runs of equal keys. Both sides have the same keys in the same order.
RowsVerdict CompareGroups(const Sorted& a, const Sorted& b, bool keys_are_id,
                          const event::StatementFacts& facts) {
  const size_t count = a.keys.size();
  const bool limited = event::LeavesOut(facts, count);
  const bool skips = limited && facts.skips;
  bool edge_differs = false;
  bool all_single = true;
  size_t groups = 0;
  for (size_t begin = 0, end = 0; begin < count; begin = end, ++groups) {
    while (end < count && a.keys[end] == a.keys[begin]) ++end;
    all_single = all_single && end - begin == 1;
    const auto slice = [&](const Hashes& hashes) {
      return Hashes(hashes.begin() + static_cast<std::ptrdiff_t>(begin),
                    hashes.begin() + static_cast<std::ptrdiff_t>(end));
    };
    if (SameSet(slice(a.rows), slice(b.rows))) continue;
    const bool edge = limited && (end == count || (skips && begin == 0));
    if (!edge) return RowsVerdict::kValues;
    edge_differs = true;
  }
  if (!edge_differs) return RowsVerdict::kEqual;
  // `ORDER BY id LIMIT 1` has one group of one row, too: without this a wrong value there would
  // always pass for a tie.
  if (all_single && keys_are_id) return RowsVerdict::kValues;
  if (all_single && groups >= kUniqueGroupsMin) return RowsVerdict::kMaybeTies;
  return RowsVerdict::kTiesAtLimit;
}

// Rows that the server takes for tied may show other keys.
bool IsLooseKey(const Column& column) {
  if (column.loose) return true;
  // pg_type.dat: interval ('1 day' is '24:00:00'), jsonb and numrange (scales of numbers), record.
  static constexpr std::array<uint32_t, 5> kLoose = {1186, 2249, 3802, 3906, 4532};
  constexpr uint32_t kBpchar = 1042;
  // Of a table it has its blanks, all of them.
  if (column.type_oid == kBpchar) return column.table_oid == 0;
  return std::find(kLoose.begin(), kLoose.end(), column.type_oid) != kLoose.end();
}

RowsVerdict CompareByKeys(const LaneOutcome& baseline, const LaneOutcome& candidate,
                          const ColumnMatch& match, const event::StatementFacts& facts,
                          bool same_set) {
  const bool limited = event::LeavesOut(facts, baseline.outcome.rows);
  const bool described = !baseline.columns.empty() && !candidate.columns.empty();
  const auto keys = described ? VisibleKeys(baseline, match, facts) : std::nullopt;
  if (!keys && same_set) return RowsVerdict::kHiddenOrder;
  if (!keys || !HasCells(baseline) || !HasCells(candidate)) {
    // A key tells nothing here: a column that is called "id" may hold each value many times.
    if (same_set) return RowsVerdict::kMaybeOrder;
    return limited ? RowsVerdict::kValuesHiddenLimit : RowsVerdict::kValues;
  }
  const std::vector<size_t> table_keys =
      facts.one_table ? KeyPlaces(baseline, match, facts) : std::vector<size_t>();
  const bool is_id = std::any_of(keys->begin(), keys->end(), [&](size_t place) {
    return std::find(table_keys.begin(), table_keys.end(), place) != table_keys.end();
  });
  std::vector<size_t> left;
  std::vector<size_t> right;
  for (const size_t place : *keys) {
    left.push_back(match.common[place].first);
    right.push_back(match.common[place].second);
  }
  const Sorted a{RowHashes(baseline, left), RowHashes(baseline, Side(match, true))};
  const Sorted b{RowHashes(candidate, right), RowHashes(candidate, Side(match, false))};
  const bool loose = std::any_of(left.begin(), left.end(), [&](size_t column) {
    return IsLooseKey(baseline.columns[column]);
  });
  RowsVerdict verdict = RowsVerdict::kValues;
  if (a.keys == b.keys) {
    verdict = CompareGroups(a, b, is_id, facts);
  } else if (same_set) {
    verdict = loose ? RowsVerdict::kMaybeTied : RowsVerdict::kOrder;
  }
  // Groups may be larger than they look, and more rows tied at the limit.
  const bool maybe_ties = loose && limited && verdict == RowsVerdict::kValues;
  return maybe_ties ? RowsVerdict::kValuesHiddenLimit : verdict;
}

RowsVerdict CompareOrdered(const LaneOutcome& baseline, const LaneOutcome& candidate,
                           const ColumnMatch& match, const event::StatementFacts& facts,
                           bool same_set) {
  const RowsVerdict verdict = CompareByKeys(baseline, candidate, match, facts, same_set);
  const bool tie = verdict == RowsVerdict::kTiesAtLimit || verdict == RowsVerdict::kMaybeTies ||
                   verdict == RowsVerdict::kValuesHiddenLimit;
  return tie && AnyKeyOtherValues(baseline, candidate, match, facts) ? RowsVerdict::kOtherValues
                                                                     : verdict;
}

RowsVerdict CompareUnordered(const LaneOutcome& baseline, const LaneOutcome& candidate,
                             const ColumnMatch& match, const event::StatementFacts& facts,
                             bool same_set) {
  if (same_set) return RowsVerdict::kEqual;
  return event::LeavesOut(facts, baseline.outcome.rows) &&
                 AnyKeyOtherValues(baseline, candidate, match, facts)
             ? RowsVerdict::kOtherValues
             : RowsVerdict::kValues;
}

// A sort key given by its place, by its place among the columns that both sides have.
std::string KeyAmong(const std::string& key, const ColumnMatch& match) {
  const auto position = PositionFrom(key);
  if (!position) return key;
  for (size_t i = 0; i < match.common.size(); ++i) {
    if (match.common[i].first == *position) return "#" + std::to_string(i + 1);
  }
  return {};
}

event::StatementFacts FactsAmong(event::StatementFacts facts, const ColumnMatch& match) {
  for (std::string& key : facts.sort_keys) key = KeyAmong(key, match);
  if (facts.chosen) {
    for (std::string& key : *facts.chosen) key = KeyAmong(key, match);
  }
  return facts;
}

bool AnyIs(event::ValueEquality equality, const LaneOutcome& baseline, const LaneOutcome& candidate,
           const ColumnMatch& match) {
  if (baseline.columns.empty() || candidate.columns.empty()) return false;
  return std::any_of(match.common.begin(), match.common.end(), [&](const auto& columns) {
    return event::EqualityOf(baseline.columns[columns.first]) == equality ||
           event::EqualityOf(candidate.columns[columns.second]) == equality;
  });
}

// Of rows in their order, as far as they were kept. Where others differ they do not line up.
bool FloatsDifferInFront(const LaneOutcome& baseline, const LaneOutcome& candidate,
                         const ColumnMatch& match) {
  const auto values = ReadRowValues(baseline, candidate, match);
  if (!values) return false;
  const size_t rows = std::min(values->before.rows(), values->after.rows());
  bool differ = false;
  for (size_t row = 0; row < rows; ++row) {
    for (size_t place = 0; place < match.common.size(); ++place) {
      if (values->before.At(row, place) == values->after.At(row, place)) continue;
      const Column& column = baseline.columns[match.common[place].first];
      if (event::EqualityOf(column) != event::ValueEquality::kRounded) return false;
      differ = true;
    }
  }
  return differ;
}

// There are floating point numbers, and else the rows are equal.
RowsVerdict MaybeRounding(const LaneOutcome& baseline, const LaneOutcome& candidate,
                          const ColumnMatch& match) {
  return FloatsDifferInFront(baseline, candidate, match) ? RowsVerdict::kValues
                                                         : RowsVerdict::kMaybeRounding;
}

RowsVerdict CompareValueDigests(const LaneOutcome& baseline, const LaneOutcome& candidate,
                                const ColumnMatch& match, const event::StatementFacts& facts) {
  const event::ValueDigest& a = baseline.values;
  const event::ValueDigest& b = candidate.values;
  if (!a.known || !b.known || !match.alike()) return RowsVerdict::kTooLarge;
  if (a.unordered != b.unordered) {
    const bool limited = facts.ordered && event::LeavesOut(facts, baseline.outcome.rows);
    return limited ? RowsVerdict::kValuesHiddenLimit : RowsVerdict::kValues;
  }
  if (facts.ordered && a.ordered != b.ordered) return RowsVerdict::kMaybeOrder;
  return AnyIs(event::ValueEquality::kRounded, baseline, candidate, match)
             ? MaybeRounding(baseline, candidate, match)
             : RowsVerdict::kEqual;
}

// By cells or what else there is: digests of bytes cannot tell, or are not to.
RowsVerdict CompareCells(const LaneOutcome& baseline, const LaneOutcome& candidate,
                         const ColumnMatch& match, const event::StatementFacts& facts) {
  if (match.common.empty()) return RowsVerdict::kEqual;
  if (!HasCells(baseline) || !HasCells(candidate)) {
    return CompareValueDigests(baseline, candidate, match, facts);
  }
  const Hashes left = RowHashes(baseline, Side(match, true));
  const Hashes right = RowHashes(candidate, Side(match, false));
  if (left == right) return RowsVerdict::kEqual;
  const bool same_set = SameSet(left, right);
  if (facts.ordered) return CompareOrdered(baseline, candidate, match, facts, same_set);
  return CompareUnordered(baseline, candidate, match, facts, same_set);
}

// A lane with the columns that both sides have, and hashes of what their values say.
LaneOutcome WithCells(const LaneOutcome& lane, HashGrid hashes, std::vector<size_t> columns) {
  LaneOutcome by_value;
  by_value.outcome.rows = hashes.rows();
  for (const size_t column : columns) by_value.columns.push_back(lane.columns[column]);
  by_value.cells = std::move(hashes.cells);
  by_value.cells_complete = true;
  return by_value;
}

struct LanesByValue {
  LaneOutcome baseline;
  LaneOutcome candidate;
  ColumnMatch same;  // Of these two: each column with itself.
  ColumnMatch wide;  // Of the lanes as they were.
};

// nullopt where no column can be equal with other bytes, or where the rows were not kept whole.
std::optional<LanesByValue> ReadByValue(const LaneOutcome& baseline, const LaneOutcome& candidate,
                                        const ColumnMatch& match) {
  const bool may_differ =
      !match.numbers.empty() ||
      (!baseline.columns.empty() && !candidate.columns.empty() &&
       std::any_of(match.common.begin(), match.common.end(), [&](const auto& columns) {
         return HasValueForm(baseline.columns[columns.first].type_oid);
       }));
  if (!may_differ) return std::nullopt;
  LanesByValue lanes;
  lanes.wide.common = ByValue(match);
  auto values = ReadRowValues(baseline, candidate, lanes.wide);
  if (!values || !values->before.complete || !values->after.complete) return std::nullopt;
  const size_t width = lanes.wide.common.size();
  for (size_t i = 0; i < width; ++i) lanes.same.common.emplace_back(i, i);
  lanes.baseline = WithCells(baseline, std::move(values->before), Side(lanes.wide, true));
  lanes.candidate = WithCells(candidate, std::move(values->after), Side(lanes.wide, false));
  return lanes;
}

}  // namespace

ColumnMatch MatchColumns(const std::vector<Column>& baseline,
                         const std::vector<Column>& candidate) {
  ColumnMatch match;
  if (baseline.empty() || candidate.empty()) {
    const size_t width = std::max(baseline.size(), candidate.size());
    for (size_t i = 0; i < width; ++i) match.common.emplace_back(i, i);
    return match;
  }
  std::multimap<std::string_view, size_t> open;  // Equal keys keep the order of insertion.
  for (size_t i = 0; i < candidate.size(); ++i) open.emplace(candidate[i].name, i);
  std::optional<size_t> last;
  for (size_t i = 0; i < baseline.size(); ++i) {
    const auto found = open.find(baseline[i].name);
    // find() may give any of several equal keys.
    const auto first = found == open.end() ? found : open.lower_bound(baseline[i].name);
    if (first == open.end()) {
      match.gone.push_back(baseline[i].name);
      continue;
    }
    const size_t at = first->second;
    open.erase(first);
    if (last && at < *last) match.moved = true;
    last = at;
    const bool retyped = baseline[i].type_oid != candidate[at].type_oid;
    if (retyped) match.retyped.push_back(baseline[i].name);
    if (IsServers(baseline[i]) || IsServers(candidate[at])) {
      match.left_out = true;
    } else if (!retyped || EqualAsText(baseline[i], candidate[at])) {
      match.common.emplace_back(i, at);
    } else if (EqualAsValues(baseline[i], candidate[at])) {
      match.numbers.emplace_back(i, at);
    }
  }
  std::vector<size_t> left_over;
  for (const auto& [name, at] : open) left_over.push_back(at);
  std::sort(left_over.begin(), left_over.end());
  for (const size_t at : left_over) match.added.push_back(candidate[at].name);
  return match;
}

bool NamesColumn(const std::string& key, const std::vector<Column>& columns, size_t index) {
  const auto position = PositionFrom(key);
  return position ? index == *position : columns[index].name == key;
}

std::vector<std::pair<size_t, size_t>> ByValue(const ColumnMatch& match) {
  std::vector<std::pair<size_t, size_t>> columns = match.common;
  columns.insert(columns.end(), match.numbers.begin(), match.numbers.end());
  std::sort(columns.begin(), columns.end());
  return columns;
}

RowsVerdict CompareRows(const LaneOutcome& baseline, const LaneOutcome& candidate,
                        const ColumnMatch& match, const event::StatementFacts& facts) {
  const auto& a = baseline.outcome;
  const auto& b = candidate.outcome;
  if (a.rows == 0) return RowsVerdict::kEqual;
  const bool equal = a.digest_ordered == b.digest_ordered && a.row_bytes == b.row_bytes;
  if (equal && match.alike()) return RowsVerdict::kEqual;
  if (!match.same()) return CompareCells(baseline, candidate, match, facts);
  const bool same_set = a.digest_unordered == b.digest_unordered && a.row_bytes == b.row_bytes;
  if (facts.ordered) return CompareOrdered(baseline, candidate, match, facts, same_set);
  return CompareUnordered(baseline, candidate, match, facts, same_set);
}

std::optional<RowsVerdict> CompareRowsByValue(const LaneOutcome& baseline,
                                              const LaneOutcome& candidate,
                                              const ColumnMatch& match,
                                              const event::StatementFacts& facts) {
  if (const auto lanes = ReadByValue(baseline, candidate, match)) {
    return CompareCells(lanes->baseline, lanes->candidate, lanes->same,
                        FactsAmong(facts, lanes->wide));
  }
  const bool rounded = AnyIs(event::ValueEquality::kRounded, baseline, candidate, match);
  if (!rounded && !AnyIs(event::ValueEquality::kNumeric, baseline, candidate, match)) {
    return std::nullopt;
  }
  const RowsVerdict verdict = CompareCells(baseline, candidate, match, facts);
  const bool rounding =
      rounded && verdict == RowsVerdict::kValues && EqualWithoutFloats(baseline, candidate, match);
  return rounding ? MaybeRounding(baseline, candidate, match) : verdict;
}

namespace {

// Chance may have made its values: it ranks or gathers, or may be the one that does.
bool LeftToChance(const LaneOutcome& baseline, size_t column, const event::StatementFacts& facts) {
  if (baseline.columns[column].table_oid != 0) return false;
  if (!facts.chosen) return true;
  return std::any_of(facts.chosen->begin(), facts.chosen->end(), [&](const std::string& key) {
    return NamesColumn(key, baseline.columns, column);
  });
}

// A sum of floating point numbers is to be the same by value, not by its bytes.
bool IsComputedFloat(const Column& column) {
  return column.table_oid == 0 && (column.type_oid == kFloat4Oid || column.type_oid == kFloat8Oid);
}

std::optional<bool> BeyondChoice(const LaneOutcome& baseline, const LaneOutcome& candidate,
                                 const ColumnMatch& match, const event::StatementFacts& facts,
                                 bool by_value) {
  if (!HasCells(baseline) || !HasCells(candidate)) return std::nullopt;
  if (facts.picks) return AnyKeyOtherValues(baseline, candidate, match, facts);
  ColumnMatch sure;
  for (const auto& columns : match.common) {
    if (LeftToChance(baseline, columns.first, facts)) continue;
    if (!by_value && IsComputedFloat(baseline.columns[columns.first])) continue;
    sure.common.push_back(columns);
  }
  return !SameSet(RowHashes(baseline, Side(sure, true)), RowHashes(candidate, Side(sure, false)));
}

}  // namespace

std::optional<bool> DiffersBeyondChoice(const LaneOutcome& baseline, const LaneOutcome& candidate,
                                        const ColumnMatch& match,
                                        const event::StatementFacts& facts) {
  const auto lanes = ReadByValue(baseline, candidate, match);
  return lanes ? BeyondChoice(lanes->baseline, lanes->candidate, lanes->same,
                              FactsAmong(facts, lanes->wide), /*by_value=*/true)
               : BeyondChoice(baseline, candidate, match, facts, /*by_value=*/false);
}

namespace {

// How often each byte stands in a value, or in several; the last one counts NULLs.
using Bytes = std::array<int64_t, 257>;

void Count(const Cell& cell, int64_t by, Bytes& bytes) {
  if (cell.null) bytes.back() += by;
  for (const char c : cell.bytes) bytes[static_cast<unsigned char>(c)] += by;
}

bool MayBeJson(const Column& column, const Cell& cell) {
  return IsJson(column.type_oid) || cell.bytes.starts_with('[') || cell.bytes.starts_with("{\"");
}

// Rows by the hashes of some of their columns.
using Groups = std::vector<std::pair<uint64_t, size_t>>;

Groups Grouped(const HashGrid& grid, const std::vector<size_t>& places) {
  Groups rows;
  for (size_t row = 0; row < grid.rows(); ++row) {
    uint64_t hash = 0;
    for (const size_t place : places) hash = Mix(hash * 31 + grid.At(row, place));
    rows.emplace_back(hash, row);
  }
  std::sort(rows.begin(), rows.end());
  return rows;
}

// In rows that are equal but for what was gathered, in columns `from` and `to`. REQUIRES: equally
// many of each.
bool OtherContent(const RowValues& values, const Groups& left, const Groups& right, size_t from,
                  size_t to, const Column& column) {
  for (size_t begin = 0, end = 0; begin < left.size(); begin = end) {
    Bytes bytes{};
    bool json = true;
    for (; end < left.size() && left[end].first == left[begin].first; ++end) {
      const Cell& before = values.baseline.At(left[end].second, from);
      Count(before, -1, bytes);
      Count(values.candidate.At(right[end].second, to), 1, bytes);
      json = json && MayBeJson(column, before);
    }
    const bool other = std::any_of(bytes.begin(), bytes.end(),
                                   [&](int64_t more) { return json ? more < 0 : more != 0; });
    if (other) return true;
  }
  return false;
}

}  // namespace

std::optional<bool> GathersOtherContent(const LaneOutcome& baseline, const LaneOutcome& candidate,
                                        const ColumnMatch& match,
                                        const event::StatementFacts& facts) {
  if (!facts.chosen || facts.ranks || baseline.columns.empty()) return std::nullopt;
  const auto values = ReadRowValues(baseline, candidate, match);
  if (!values || !values->before.complete || !values->after.complete) return std::nullopt;
  std::vector<size_t> sure;
  std::vector<size_t> gathered;
  for (size_t place = 0; place < match.common.size(); ++place) {
    const size_t column = match.common[place].first;
    (LeftToChance(baseline, column, facts) ? gathered : sure).push_back(place);
  }
  const Groups left = Grouped(values->before, sure);
  const Groups right = Grouped(values->after, sure);
  const bool alike =
      std::equal(left.begin(), left.end(), right.begin(), right.end(),
                 [](const auto& one, const auto& other) { return one.first == other.first; });
  if (!alike) return std::nullopt;
  return std::any_of(gathered.begin(), gathered.end(), [&](size_t place) {
    const auto& [from, to] = match.common[place];
    return OtherContent(*values, left, right, from, to, baseline.columns[from]);
  });
}

bool LooksLikeId(const Column& column) {
  return column.name == "id" || column.name == "uuid" ||
         (column.table_oid != 0 && column.column_number == 1);
}

namespace {

HashGrid GridOf(const LaneOutcome& lane, const std::vector<size_t>& columns) {
  HashGrid grid;
  grid.width = columns.size();
  for (size_t row = 0; row < lane.outcome.rows; ++row) {
    for (const size_t column : columns) {
      grid.cells.push_back(lane.cells[row * lane.columns.size() + column]);
    }
  }
  return grid;
}

ColumnBits BitsOf(const HashGrid& before, const HashGrid& after,
                  const std::vector<std::pair<size_t, size_t>>& columns) {
  ColumnBits bits = 0;
  for (const size_t place : DifferingColumns(before, after)) {
    bits |= ColumnBits{1} << std::min(columns[place].first, kColumnBits - 1);
  }
  return bits;
}

}  // namespace

ColumnBits DifferingColumnBits(const LaneOutcome& baseline, const LaneOutcome& candidate,
                               const ColumnMatch& match) {
  const auto lanes = match.numbers.empty() ? std::nullopt : ReadByValue(baseline, candidate, match);
  if (lanes) {
    const std::vector<size_t> columns = Side(lanes->same, true);
    return BitsOf(GridOf(lanes->baseline, columns), GridOf(lanes->candidate, columns),
                  lanes->wide.common);
  }
  if (!HasCells(baseline) || !HasCells(candidate)) return 0;
  return BitsOf(GridOf(baseline, Side(match, true)), GridOf(candidate, Side(match, false)),
                match.common);
}

namespace {

bool IsRounded(const Column& column) {
  return event::EqualityOf(column) == event::ValueEquality::kRounded;
}

}  // namespace

// False where there is no such column, or where others cannot be compared by hashes.
bool EqualWithoutFloats(const LaneOutcome& baseline, const LaneOutcome& candidate,
                        const ColumnMatch& match) {
  if (!HasCells(baseline) || !HasCells(candidate)) return false;
  const auto aside = [&](const std::pair<size_t, size_t>& columns) {
    return IsRounded(baseline.columns[columns.first]) ||
           IsRounded(candidate.columns[columns.second]);
  };
  if (!std::all_of(match.numbers.begin(), match.numbers.end(), aside)) return false;
  std::vector<size_t> left;
  std::vector<size_t> right;
  for (const auto& columns : match.common) {
    if (aside(columns)) continue;
    left.push_back(columns.first);
    right.push_back(columns.second);
  }
  if (left.size() == match.common.size() + match.numbers.size()) return false;
  return SameSet(RowHashes(baseline, left), RowHashes(candidate, right));
}

}  // namespace scry::compare
