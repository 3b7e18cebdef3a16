#include "compare/row_grid.h"

#include "support/catch.h"
#include "unit/compare/pairs.h"

namespace scry::compare {
namespace {

const std::vector<event::Column> kIdName = {Col("id", 23, 1), Col("name", 25, 2)};

TEST_CASE("kept rows read back cell by cell", "[compare]") {
  const auto lane = Kept(kIdName, {{"1", "a"}, {"2", kNull}, {"3", ""}});
  const auto grid = RowGrid::Parse(lane);
  REQUIRE(grid);
  CHECK(grid->rows() == 3);
  CHECK(grid->width() == 2);
  CHECK(grid->complete());
  CHECK(grid->At(0, 1) == Cell{false, "a"});
  CHECK(grid->At(1, 1) == Cell{true, ""});
  CHECK(grid->At(2, 1) == Cell{false, ""});
}

TEST_CASE("the first rows of more are not complete", "[compare]") {
  const auto lane = Kept(kIdName, {{"1", "a"}, {"2", "b"}}, 1);
  const auto grid = RowGrid::Parse(lane);
  REQUIRE(grid);
  CHECK(grid->rows() == 1);
  CHECK_FALSE(grid->complete());
}

TEST_CASE("rows of columns that nobody described have a width all the same", "[compare]") {
  auto lane = Kept(kIdName, {{"1", "a"}});
  lane.columns.clear();
  const auto grid = RowGrid::Parse(lane);
  REQUIRE(grid);
  CHECK(grid->width() == 2);
}

TEST_CASE("rows cut anywhere or of another width are refused", "[compare]") {
  const auto whole = Kept(kIdName, {{"1", "a"}, {"2", kNull}});
  const size_t first_row = 4 + 2 + 5 + 5;
  for (size_t length = 1; length < whole.rows.size(); ++length) {
    auto cut = whole;
    cut.rows.resize(length);
    CAPTURE(length);
    CHECK(RowGrid::Parse(cut).has_value() == (length == first_row));
  }
  auto narrow = whole;
  narrow.columns.pop_back();
  CHECK_FALSE(RowGrid::Parse(narrow));
  auto more = whole;
  more.outcome.rows = 1;
  CHECK_FALSE(RowGrid::Parse(more));
}

}  // namespace
}  // namespace scry::compare
