#include "compare/row_sample.h"

#include "compare/pattern_table.h"
#include "compare/verdict.h"
#include "support/catch.h"
#include "unit/compare/pairs.h"

namespace scry::compare {
namespace {

const std::vector<event::Column> kPrices = {Col("id", 23, 1), Col("price", 1700, 2),
                                            Col("note", 25, 3)};

TEST_CASE("a sample lines rows up by their key and shows what differs", "[compare]") {
  const RowSample sample = SampleRows(
      Kept(kPrices,
           {{"1", "1.50", "a"}, {"2", "2.00", kNull}, {"3", "3.00", "c"}, {"4", "4", "d"}}),
      Kept(kPrices, {{"4", "4.0", "d"}, {"2", "2.50", "b"}, {"1", "1.75", "a"}, {"9", "9", "z"}}),
      false);
  CHECK(sample.key == std::vector<std::string>{"id"});
  REQUIRE(sample.columns.size() == 2);
  CHECK(sample.columns[0].name == "price");
  CHECK(sample.columns[0].type == "numeric");
  CHECK(sample.columns[0].rows == 2);
  CHECK(sample.columns[1].rows == 1);
  REQUIRE(sample.rows.size() == 4);
  CHECK(sample.rows[0].key == std::vector<std::string>{"1"});
  CHECK(sample.rows[0].before == 1);
  CHECK(sample.rows[0].after == 3);
  CHECK(sample.rows[0].cells[0].before == "1.50");
  CHECK(sample.rows[0].cells[0].after == "1.75");
  CHECK_FALSE(sample.rows[0].cells[1].differs);
  CHECK(sample.rows[1].cells[1].null_before);
  CHECK(sample.rows[1].cells[1].after == "b");
  CHECK(sample.rows[2].change == RowChange::kGone);
  CHECK(sample.rows[3].change == RowChange::kAdded);
  CHECK(DescribeSample(sample) ==
        "price differs in 2 of 4 rows, note in 1; 1 row gone; 1 row added");
}

TEST_CASE("equal results, and those that were not kept, have no sample", "[compare]") {
  const auto lane = Kept(kPrices, {{"1", "1.50", "a"}});
  CHECK(SampleRows(lane, lane, true).empty());
  CHECK(SampleRows(lane, Answer(kPrices, {{"1", "2", "b"}}), true).rows_after == 0);
  event::LaneOutcome torn = lane;
  torn.rows.pop_back();
  CHECK(SampleRows(lane, torn, true).empty());
  CHECK(SampleRows({}, {}, false).empty());
  CHECK(DescribeSample({}).empty());
}

TEST_CASE("columns in which the control lane differs too are left out of a sample", "[compare]") {
  PatternTable table;
  event::StatementPair pair =
      PairOf(Kept(kPrices, {{"1", "1.50", "10:01"}}), Kept(kPrices, {{"1", "2.50", "10:02"}}));
  pair.lanes.push_back(Kept(kPrices, {{"1", "1.50", "10:03"}}));
  table.Put(pair, Facts());
  const RowSample& sample = table.Find(1)->differences.at(DifferenceKind::kValues).example.rows;
  REQUIRE(sample.columns.size() == 1);
  CHECK(sample.columns[0].name == "price");
}

TEST_CASE("a sample is bounded, whatever the rows", "[compare]") {
  std::vector<event::Column> wide;
  Row before;
  Row after;
  for (int i = 0; i < 100; ++i) {
    wide.push_back(Col("column_" + std::to_string(i) + std::string(1000, 'x'), 25));
    before.push_back(std::string(400, 'b') + std::to_string(i));
    after.push_back(std::string(400, 'a') + std::to_string(i));
  }
  const RowSample sample =
      SampleRows(Kept(wide, Rows(20, before)), Kept(wide, Rows(20, after)), true);
  CHECK(sample.rows.size() == kSampleRowsMax);
  CHECK(sample.columns.size() == kSampleColumnsMax);
  CHECK(sample.columns_more == 100 - kSampleColumnsMax);
  CHECK(sample.size_bytes() < 20'000);
}

TEST_CASE("the example of a difference that weighs holds its rows", "[compare]") {
  PatternTable table;
  table.Put(PairOf(Kept(kPrices, {{"1", "1.50", "a"}}), Kept(kPrices, {{"1", "2.50", "a"}})),
            Facts());
  const Verdict verdict = Judge(table, {}, {});
  REQUIRE(verdict.findings.size() == 1);
  CHECK(verdict.findings[0].example.rows.rows.size() == 1);
  CHECK(verdict.findings[0].reasons ==
        std::vector<std::string>{"other values in equally many rows, in 1 of 1 call",
                                 "in one of them price differs in 1 of 1 row"});
}

TEST_CASE("a table without room for texts keeps no rows", "[compare]") {
  PatternTableLimits limits;
  limits.text_bytes = 0;
  PatternTable table(limits);
  table.Put(PairOf(Kept(kPrices, {{"1", "1.50", "a"}}), Kept(kPrices, {{"1", "2.50", "a"}})),
            Facts());
  CHECK(table.Find(1)->differences.at(DifferenceKind::kValues).example.rows.empty());
}

}  // namespace
}  // namespace scry::compare
