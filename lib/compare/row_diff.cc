#include "compare/row_diff.h"

#include <algorithm>
#include <array>
#include <numeric>
#include <optional>
#include <unordered_map>

#include "base/check.h"

namespace scry::compare {
namespace {

constexpr size_t kPairColumnsMax = 6;    // Columns tried two by two as a key.
constexpr size_t kLikenessRowsMax = 64;  // Rows without a key that are paired by likeness.

uint64_t Mix(uint64_t z) {
  z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9ULL;
  z = (z ^ (z >> 27)) * 0x94d049bb133111ebULL;
  return z ^ (z >> 31);
}

using Columns = std::vector<size_t>;

std::vector<uint64_t> RowHashes(const HashGrid& grid, const Columns& columns) {
  std::vector<uint64_t> hashes(grid.rows(), 0x9e3779b97f4a7c15ULL);
  for (size_t row = 0; row < hashes.size(); ++row) {
    for (const size_t column : columns) hashes[row] = Mix(hashes[row] * 31 + grid.At(row, column));
  }
  return hashes;
}

Columns AllColumns(const HashGrid& grid) {
  Columns all(grid.width);
  std::iota(all.begin(), all.end(), size_t{0});
  return all;
}

using RowOf = std::unordered_map<uint64_t, size_t>;

// Row by key; nullopt where two rows have the same.
std::optional<RowOf> Unique(const std::vector<uint64_t>& keys) {
  RowOf rows;
  rows.reserve(keys.size());
  for (size_t i = 0; i < keys.size(); ++i) {
    if (!rows.emplace(keys[i], i).second) return std::nullopt;
  }
  return rows;
}

struct Key {
  Columns columns;
  std::vector<uint64_t> before;
  RowOf after;
  size_t shared = 0;
};

// A key identifies rows on both sides, and at least half of the rows of the shorter side are on the
// other: a column in which all values changed lines nothing up.
std::optional<Key> TryKey(const HashGrid& before, const HashGrid& after, Columns columns) {
  Key key;
  key.before = RowHashes(before, columns);
  auto rows = Unique(RowHashes(after, columns));
  if (!rows || !Unique(key.before)) return std::nullopt;
  key.after = std::move(*rows);
  for (const uint64_t hash : key.before) key.shared += key.after.count(hash);
  if (key.shared * 2 < std::min(before.rows(), after.rows())) return std::nullopt;
  key.columns = std::move(columns);
  return key;
}

std::optional<Key> FindKey(const HashGrid& before, const HashGrid& after,
                           const RowDiffOptions& options) {
  // Lining up single rows by a key that happens to be equal says no more than their only order.
  if (before.rows() == 0 || after.rows() == 0) return std::nullopt;
  for (const size_t column : options.key_first) {
    if (column >= before.width) continue;
    if (auto key = TryKey(before, after, {column})) return key;
  }
  std::optional<Key> best;
  for (size_t column = 0; column < before.width; ++column) {
    auto key = TryKey(before, after, {column});
    if (key && (!best || key->shared > best->shared)) best = std::move(key);
  }
  if (best) return best;
  const size_t tried = std::min(before.width, kPairColumnsMax);
  for (size_t first = 0; first < tried; ++first) {
    for (size_t second = first + 1; second < tried; ++second) {
      if (auto key = TryKey(before, after, {first, second})) return key;
    }
  }
  return std::nullopt;
}

class Differ {
 public:
  Differ(const HashGrid& before, const HashGrid& after, const RowDiffOptions& options)
      : before_(before), after_(after), options_(options) {
    diff_.changed_in.assign(before.width, 0);
    diff_.partial = !before.complete || !after.complete;
  }

  RowDiff Run() {
    pair_of_.assign(before_.rows(), std::nullopt);
    taken_.assign(after_.rows(), false);
    if (const auto key = FindKey(before_, after_, options_)) {
      diff_.key = key->columns;
      for (size_t row = 0; row < pair_of_.size(); ++row) {
        const auto found = key->after.find(key->before[row]);
        if (found != key->after.end()) Pair(row, found->second);
      }
    } else {
      PairEqual();
      PairAlike();
    }
    Tell();
    return std::move(diff_);
  }

 private:
  void Pair(size_t before, size_t after) {
    pair_of_[before] = after;
    taken_[after] = true;
  }

  // Equal rows, the nth of its kind with the nth.
  void PairEqual() {
    const Columns all = AllColumns(before_);
    const auto left = RowHashes(before_, all);
    const auto right = RowHashes(after_, all);
    std::unordered_map<uint64_t, std::vector<size_t>> open;
    for (size_t row = right.size(); row > 0; --row) open[right[row - 1]].push_back(row - 1);
    for (size_t row = 0; row < left.size(); ++row) {
      const auto found = open.find(left[row]);
      if (found == open.end() || found->second.empty()) continue;
      Pair(row, found->second.back());
      found->second.pop_back();
    }
  }

  // What is left: as many on both sides are the same rows with other values, in their order; else
  // the most alike. Of a front of the rows the rest may be anywhere.
  void PairAlike() {
    std::vector<size_t> left;
    std::vector<size_t> right;
    for (size_t row = 0; row < pair_of_.size(); ++row) {
      if (!pair_of_[row]) left.push_back(row);
    }
    for (size_t row = 0; row < taken_.size(); ++row) {
      if (!taken_[row]) right.push_back(row);
    }
    if (left.size() == right.size() && before_.rows() == after_.rows()) {
      const bool same_places = left == right;
      if (same_places || left.size() > kLikenessRowsMax || left.size() == 1) {
        for (size_t i = 0; i < left.size(); ++i) Pair(left[i], right[i]);
        return;
      }
    }
    if (left.size() > kLikenessRowsMax) left.resize(kLikenessRowsMax);
    if (right.size() > kLikenessRowsMax) right.resize(kLikenessRowsMax);
    for (const size_t row : left) PairWithMostAlike(row, right);
  }

  void PairWithMostAlike(size_t row, const std::vector<size_t>& candidates) {
    std::optional<size_t> best;
    size_t best_equal = 0;
    for (const size_t candidate : candidates) {
      if (taken_[candidate]) continue;
      size_t equal = 0;
      for (size_t column = 0; column < before_.width; ++column) {
        equal += before_.At(row, column) == after_.At(candidate, column) ? 1U : 0U;
      }
      if (equal <= best_equal) continue;
      best = candidate;
      best_equal = equal;
    }
    if (best && best_equal * 2 >= before_.width) Pair(row, *best);
  }

  bool CountChanged(size_t before, size_t after) {
    bool differs = false;
    for (size_t column = 0; column < before_.width; ++column) {
      if (before_.At(before, column) == after_.At(after, column)) continue;
      ++diff_.changed_in[column];
      differs = true;
    }
    return differs;
  }

  // A row that one side lacks may be among those that were not kept of it.
  void Tell() {
    for (size_t row = 0; row < pair_of_.size(); ++row) {
      const auto& other = pair_of_[row];
      if (!other) {
        if (!after_.complete) continue;
        ++diff_.gone;
        diff_.deltas.push_back({RowChange::kGone, row, 0});
      } else if (CountChanged(row, *other)) {
        ++diff_.changed;
        diff_.deltas.push_back({RowChange::kChanged, row, *other});
      } else {
        ++diff_.equal;
      }
    }
    for (size_t row = 0; row < taken_.size() && before_.complete; ++row) {
      if (taken_[row]) continue;
      ++diff_.added;
      diff_.deltas.push_back({RowChange::kAdded, 0, row});
    }
    if (options_.ordered && diff_.deltas.empty()) TellMoved();
  }

  void TellMoved() {
    for (size_t row = 0; row < pair_of_.size(); ++row) {
      if (!pair_of_[row] || *pair_of_[row] == row) continue;
      ++diff_.moved;
      --diff_.equal;
      diff_.deltas.push_back({RowChange::kMoved, row, *pair_of_[row]});
    }
  }

  const HashGrid& before_;
  const HashGrid& after_;
  const RowDiffOptions& options_;
  RowDiff diff_;
  std::vector<std::optional<size_t>> pair_of_;  // Per row of `before_`: its row in `after_`.
  std::vector<bool> taken_;                     // Per row of `after_`.
};

bool SameSet(std::vector<uint64_t> a, std::vector<uint64_t> b) {
  std::sort(a.begin(), a.end());
  std::sort(b.begin(), b.end());
  return a == b;
}

}  // namespace

RowDiff DiffRows(const HashGrid& before, const HashGrid& after, const RowDiffOptions& options) {
  SCRY_CHECK(before.width == after.width);
  return Differ(before, after, options).Run();
}

std::vector<size_t> DifferingColumns(const HashGrid& before, const HashGrid& after) {
  SCRY_CHECK(before.width == after.width && before.rows() == after.rows());
  const Columns all = AllColumns(before);
  if (SameSet(RowHashes(before, all), RowHashes(after, all))) return {};
  Columns same;
  Columns differing;
  for (const size_t column : all) {
    const bool equal = SameSet(RowHashes(before, {column}), RowHashes(after, {column}));
    (equal ? same : differing).push_back(column);
  }
  if (!differing.empty() && SameSet(RowHashes(before, same), RowHashes(after, same))) {
    return differing;
  }
  // The same values on other rows: which column holds them is seen only where rows line up.
  RowDiffOptions options;
  const RowDiff diff = DiffRows(before, after, options);
  if (diff.key.empty() || diff.gone + diff.added > 0) return all;
  differing.clear();
  for (const size_t column : all) {
    if (diff.changed_in[column] > 0) differing.push_back(column);
  }
  return differing.empty() ? all : differing;
}

const char* Name(RowChange change) {
  static constexpr std::array<const char*, 4> kNames = {"changed", "gone", "added", "moved"};
  return kNames[static_cast<size_t>(change)];
}

}  // namespace scry::compare
