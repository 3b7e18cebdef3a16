#include "compare/row_diff.h"

#include <algorithm>
#include <numeric>

#include "base/random.h"
#include "support/catch.h"

namespace scry::compare {
namespace {

using Numbers = std::vector<std::vector<uint64_t>>;

HashGrid Grid(const Numbers& rows, bool complete = true) {
  HashGrid grid;
  grid.complete = complete;
  for (const auto& row : rows) {
    grid.width = row.size();
    grid.cells.insert(grid.cells.end(), row.begin(), row.end());
  }
  return grid;
}

RowDiff Diff(const Numbers& before, const Numbers& after, RowDiffOptions options = {}) {
  return DiffRows(Grid(before), Grid(after), options);
}

Numbers RandomRows(base::Random& random, size_t width) {
  Numbers rows(1 + random.Below(20));
  for (auto& row : rows) {
    for (size_t i = 0; i < width; ++i) row.push_back(random.Below(4));
  }
  return rows;
}

TEST_CASE("equal grids have no difference, in any order", "[compare]") {
  base::Random random(11);
  for (int round = 0; round < 300; ++round) {
    const Numbers rows = RandomRows(random, 1 + random.Below(4));
    Numbers shuffled = rows;
    for (size_t i = shuffled.size(); i > 1; --i) {
      std::swap(shuffled[i - 1], shuffled[random.Below(i)]);
    }
    const RowDiff diff = Diff(rows, shuffled);
    CHECK(diff.deltas.empty());
    CHECK(diff.equal == rows.size());
    CHECK(DifferingColumns(Grid(rows), Grid(shuffled)).empty());
    RowDiffOptions ordered;
    ordered.ordered = true;
    CHECK(Diff(rows, rows, ordered).deltas.empty());
  }
}

TEST_CASE("every row is told once, whatever the grids", "[compare]") {
  base::Random random(12);
  for (int round = 0; round < 500; ++round) {
    const size_t width = 1 + random.Below(4);
    const Numbers before = RandomRows(random, width);
    const Numbers after = RandomRows(random, width);
    RowDiffOptions options;
    options.ordered = random.Below(2) == 0;
    options.key_first = {random.Below(6)};
    const RowDiff diff = Diff(before, after, options);
    CHECK(diff.equal + diff.changed + diff.gone + diff.moved == before.size());
    CHECK(diff.equal + diff.changed + diff.added + diff.moved == after.size());
    CHECK(diff.deltas.size() == diff.changed + diff.gone + diff.added + diff.moved);
    CHECK(std::accumulate(diff.changed_in.begin(), diff.changed_in.end(), uint64_t{0}) >=
          diff.changed);
    for (const RowDelta& delta : diff.deltas) {
      CHECK(delta.before < before.size());
      CHECK(delta.after < after.size());
    }
  }
}

TEST_CASE("a key lines rows up wherever they stand", "[compare]") {
  const RowDiff diff =
      Diff({{1, 10, 5}, {2, 20, 5}, {3, 30, 5}}, {{3, 31, 5}, {1, 10, 5}, {4, 40, 5}});
  CHECK(diff.key == std::vector<size_t>{0});
  CHECK(diff.deltas == std::vector<RowDelta>{{RowChange::kGone, 1, 0},
                                             {RowChange::kChanged, 2, 0},
                                             {RowChange::kAdded, 0, 2}});
  CHECK(diff.changed_in == std::vector<uint64_t>{0, 1, 0});
  CHECK(diff.equal == 1);
}

TEST_CASE("the key that looks like one goes before others", "[compare]") {
  const Numbers rows = {{1, 7}, {2, 8}};
  RowDiffOptions options;
  options.key_first = {1};
  CHECK(Diff(rows, rows, options).key == std::vector<size_t>{1});
  CHECK(Diff(rows, rows).key == std::vector<size_t>{0});
}

TEST_CASE("a column in which all changed is no key", "[compare]") {
  const RowDiff diff = Diff({{100, 1}, {101, 2}}, {{200, 1}, {201, 2}});
  CHECK(diff.key == std::vector<size_t>{1});
  CHECK(diff.changed_in == std::vector<uint64_t>{2, 0});
}

TEST_CASE("two columns can be a key together", "[compare]") {
  const RowDiff diff = Diff({{1, 1, 5}, {1, 2, 5}, {2, 1, 5}, {2, 2, 5}},
                            {{1, 1, 5}, {1, 2, 6}, {2, 1, 5}, {2, 2, 5}});
  CHECK(diff.key == std::vector<size_t>{0, 1});
  CHECK(diff.changed == 1);
}

TEST_CASE("without a key the most alike rows are the same", "[compare]") {
  const RowDiff diff = Diff({{1, 1, 1}, {1, 1, 1}, {2, 2, 2}}, {{1, 1, 1}, {2, 2, 3}});
  CHECK(diff.key.empty());
  CHECK(diff.gone == 1);
  CHECK(diff.changed == 1);
  // A single value, such as a count, changed: it is not one row gone and one added.
  CHECK(Diff({{5}}, {{6}}).changed == 1);
}

TEST_CASE("rows that were not kept are neither gone nor added", "[compare]") {
  const RowDiff diff =
      DiffRows(Grid({{1, 1}, {2, 2}, {3, 3}}), Grid({{1, 1}, {2, 9}}, /*complete=*/false), {});
  CHECK(diff.partial);
  CHECK(diff.gone == 0);
  CHECK(diff.changed == 1);
}

TEST_CASE("where order counts, moved rows are told if nothing else is", "[compare]") {
  RowDiffOptions ordered;
  ordered.ordered = true;
  const RowDiff diff = Diff({{1, 1}, {2, 2}, {3, 3}}, {{2, 2}, {1, 1}, {3, 3}}, ordered);
  CHECK(diff.moved == 2);
  CHECK(diff.equal == 1);
  CHECK(Diff({{1, 1}, {2, 2}, {3, 3}}, {{2, 2}, {1, 1}, {3, 3}}).moved == 0);
}

TEST_CASE("columns that differ are found whatever the order of rows", "[compare]") {
  const Numbers rows = {{1, 10, 5}, {2, 20, 5}, {3, 30, 5}};
  CHECK(DifferingColumns(Grid(rows), Grid({{3, 31, 5}, {2, 20, 5}, {1, 10, 5}})) ==
        std::vector<size_t>{1});
  // The same values on other rows, which a key lines up.
  CHECK(DifferingColumns(Grid(rows), Grid({{1, 20, 5}, {2, 10, 5}, {3, 30, 5}})) ==
        std::vector<size_t>{1});
  // Without a key nobody knows which column it is.
  CHECK(DifferingColumns(Grid({{1, 1}, {1, 2}, {2, 1}, {2, 2}, {1, 1}}),
                         Grid({{1, 1}, {1, 1}, {2, 2}, {2, 2}, {1, 1}})) ==
        std::vector<size_t>{0, 1});
}

TEST_CASE("large grids are lined up in bounded time", "[compare]") {
  Numbers before(8000);
  Numbers after(8000);
  for (size_t i = 0; i < before.size(); ++i) {
    before[i] = {i % 3, i % 2, i % 5};
    after[i] = {i % 3, i % 2, i % 7};
  }
  const RowDiff diff = Diff(before, after);
  CHECK(diff.equal + diff.changed + diff.gone == before.size());
}

}  // namespace
}  // namespace scry::compare
