#include "compare/difference.h"

#include <algorithm>
#include <string>

#include "base/random.h"
#include "compare/row_sample.h"
#include "support/catch.h"
#include "unit/compare/pairs.h"

namespace scry::compare {
namespace {

using event::LaneOutcome;
using event::OutcomeStatus;

Difference Of(LaneOutcome baseline, LaneOutcome candidate,
              const event::StatementFacts& facts = Facts()) {
  return JudgePair(PairOf(std::move(baseline), std::move(candidate)), facts);
}

const std::vector<event::Column> kIdName = {Col("id", 23, 1), Col("name", 25, 2)};

TEST_CASE("equal outcomes are no difference, whatever they are", "[compare]") {
  CHECK(Of(Answer(kIdName, {{"1", "a"}}), Answer(kIdName, {{"1", "a"}})).kind ==
        DifferenceKind::kNone);
  CHECK(Of(Answer(kIdName, {}), Answer(kIdName, {})).kind == DifferenceKind::kNone);
  CHECK(Of(Command("UPDATE 3"), Command("UPDATE 3")).kind == DifferenceKind::kNone);
  for (const char* state : {"42703", "23505", "40001", "25P02", "53300"}) {
    CHECK(Of(Failure(state), Failure(state)).kind == DifferenceKind::kNone);
  }
}

TEST_CASE("an error on the candidate alone gates", "[compare]") {
  const Difference broken =
      Of(Answer(kIdName, {{"1", "a"}}), Failure("42703", "column \"name\" does not exist"));
  CHECK(broken.kind == DifferenceKind::kError);
  CHECK(broken.weight == Weight::kGate);
  CHECK(broken.detail == "42703 column \"name\" does not exist");
}

TEST_CASE("races, lost connections and cascades never gate, on any lane", "[compare]") {
  for (const char* state :
       {"40001", "40P01", "55P03", "57014", "08006", "53300", "57P01", "25P02"}) {
    CAPTURE(state);
    for (const Difference& difference :
         {Of(Command("UPDATE 1"), Failure(state)), Of(Failure(state), Command("UPDATE 1")),
          Of(Failure("23505"), Failure(state)), Of(Failure(state), Failure("23505"))}) {
      CHECK(difference.kind == DifferenceKind::kNotComparable);
      CHECK(difference.weight == Weight::kNone);
      CHECK(difference.excuse != Excuse::kNone);
    }
  }
  LaneOutcome lost = Command("");
  lost.outcome.status = OutcomeStatus::kLost;
  CHECK(Of(Command("UPDATE 1"), lost).excuse == Excuse::kInfrastructure);
  LaneOutcome skipped = Command("");
  skipped.outcome.status = OutcomeStatus::kSkipped;
  CHECK(Of(Command("UPDATE 1"), skipped).excuse == Excuse::kCascade);
  CHECK(Of(Command("COMMIT"), Command("ROLLBACK")).excuse == Excuse::kCascade);
}

TEST_CASE("the name of a cursor is no value", "[compare]") {
  const std::vector<event::Column> columns = {Col("id", 23, 1), Col("c", 1790, 2)};
  const LaneOutcome baseline = Answer(columns, {{"1", "<unnamed portal 1>"}});
  CHECK(Of(baseline, Answer(columns, {{"1", "<unnamed portal 2>"}})).kind == DifferenceKind::kNone);
  CHECK(Of(baseline, Answer(columns, {{"2", "<unnamed portal 2>"}})).kind ==
        DifferenceKind::kValues);
}

TEST_CASE("what a server fills for itself is no value, in no format", "[compare]") {
  constexpr auto kXmin = static_cast<uint16_t>(-2);
  event::Column binary = Col("xmin", 28, kXmin);
  binary.format = 1;
  event::Column computed = Col("txid", 5069);
  computed.table_oid = 0;
  const event::Column price = Col("price", 1700);
  for (const event::Column& own : {Col("xmin", 28, kXmin), binary, Col("cmax", 29, 65531), computed,
                                   Col("ctid", 27, 65535), Col("lsn", 3220), Col("x", 1011)}) {
    CAPTURE(own.name);
    const std::vector<event::Column> columns = {Col("id", 23, 1), own, price};
    const LaneOutcome baseline = Kept(columns, {{"1", "740", "1.0"}, {"2", "741", "2.0"}});
    CHECK(Of(baseline, Kept(columns, {{"1", "745", "1.0"}, {"2", "746", "2.0"}})).kind ==
          DifferenceKind::kNone);
    // Nor does it keep others from being compared, by their values or in their order.
    CHECK(Of(baseline, Kept(columns, {{"1", "745", "1.00"}, {"2", "746", "2.00"}})).excuse ==
          Excuse::kEqualByValue);
    CHECK(Of(baseline, Kept(columns, {{"1", "745", "1.0"}, {"2", "746", "2.5"}})).weight ==
          Weight::kGate);
    CHECK(Of(baseline, Kept(columns, {{"2", "745", "2.0"}, {"1", "746", "1.0"}}), Ordered({"id"}))
              .kind == DifferenceKind::kOrder);
  }
  // One alone; and a table's own number means the same on every lane.
  CHECK(Of(Answer({binary}, {{"1"}}), Answer({binary}, {{"2"}})).kind == DifferenceKind::kNone);
  const event::Column tableoid = Col("tableoid", 26, static_cast<uint16_t>(-6));
  CHECK(Of(Answer({tableoid}, {{"1"}}), Answer({tableoid}, {{"2"}})).weight == Weight::kGate);
}

TEST_CASE("what goes round locks never gates by its result, but by its errors", "[compare]") {
  event::StatementFacts facts = Facts();
  facts.skips_locked = true;
  const auto one = Answer(kIdName, {{"1", "a"}});
  for (const LaneOutcome& other : {Answer(kIdName, {{"2", "b"}}), Answer(kIdName, {})}) {
    CHECK(Of(one, other).weight > Weight::kNote);
    const Difference difference = Of(one, other, facts);
    CHECK(difference.kind != DifferenceKind::kNone);
    CHECK(difference.weight == Weight::kNote);
    CHECK(difference.excuse == Excuse::kRace);
  }
  CHECK(Of(one, Failure("42703"), facts).weight == Weight::kGate);
  // What no drift of a queue makes is kept in mind.
  CHECK(Of(one, Answer(kIdName, {}), facts).by_locks);
  CHECK_FALSE(Of(one, Answer(kIdName, {{"2", "b"}}), facts).by_locks);
  const std::vector<event::Column> got = {Col("pg_try_advisory_lock", 16, 0)};
  event::StatementFacts asks = Facts();
  asks.functions = {"pg_try_advisory_lock"};
  CHECK(Of(Answer(got, {{"t"}}), Answer(got, {{"f"}}), asks).by_locks);
}

TEST_CASE("another error than before is a warning", "[compare]") {
  const Difference changed = Of(Failure("23505"), Failure("23503"));
  CHECK(changed.kind == DifferenceKind::kErrorChanged);
  CHECK(changed.weight == Weight::kWarning);
}

TEST_CASE("a statement that needs the change is introduced by it", "[compare]") {
  for (const char* state : {"42703", "42P01", "42883", "42P10"}) {
    const Difference fixed = Of(Failure(state), Answer(kIdName, {{"1", "a"}}));
    CHECK(fixed.kind == DifferenceKind::kFixed);
    CHECK(fixed.introduced);
    CHECK(fixed.weight == Weight::kNote);
  }
  CHECK_FALSE(Of(Failure("23505"), Command("INSERT 0 1")).introduced);

  event::StatementPair longer = PairOf(Failure("22001"), Command("INSERT 0 1"));
  CHECK_FALSE(JudgePair(longer, Facts()).introduced);
  longer.captured = Command("INSERT 0 1").outcome;
  CHECK(JudgePair(longer, Facts()).introduced);
}

TEST_CASE("row counts differ whether returned or affected", "[compare]") {
  const Difference returned =
      Of(Answer(kIdName, {{"1", "a"}, {"2", "b"}}), Answer(kIdName, {{"1", "a"}}));
  CHECK(returned.kind == DifferenceKind::kRows);
  CHECK(returned.weight == Weight::kGate);
  CHECK(returned.detail == "1 rows returned instead of 2");
  CHECK(Of(Command("UPDATE 3"), Command("UPDATE 4")).kind == DifferenceKind::kRows);
  CHECK(Of(Command("INSERT 0 1"), Command("UPDATE 1")).kind == DifferenceKind::kTag);
}

TEST_CASE("without ORDER BY the order of rows says nothing", "[compare]") {
  base::Random random(7);
  for (int round = 0; round < 200; ++round) {
    Rows rows;
    for (uint64_t i = 0; i < 1 + random.Below(12); ++i) {
      rows.push_back({std::to_string(random.Below(5)), std::to_string(random.Below(3))});
    }
    Rows shuffled = rows;
    for (size_t i = shuffled.size(); i > 1; --i)
      std::swap(shuffled[i - 1], shuffled[random.Below(i)]);
    CHECK(Of(Answer(kIdName, rows), Answer(kIdName, shuffled)).kind == DifferenceKind::kNone);
    // The same with a column more on the candidate, where digests cannot tell.
    std::vector<event::Column> wide = {Col("extra"), kIdName[0], kIdName[1]};
    Rows widened;
    for (const Row& row : shuffled) widened.push_back({"x", row[0], row[1]});
    CHECK(Of(Answer(kIdName, rows), Answer(wide, widened)).kind == DifferenceKind::kColumnsAdded);

    shuffled[random.Below(shuffled.size())][1] = "other";
    CHECK(Of(Answer(kIdName, rows), Answer(kIdName, shuffled)).kind == DifferenceKind::kValues);
    widened[random.Below(widened.size())][2] = "other";
    CHECK(Of(Answer(kIdName, rows), Answer(wide, widened)).kind == DifferenceKind::kValues);
  }
}

TEST_CASE("duplicates count: a multiset is no set", "[compare]") {
  CHECK(Of(Answer(kIdName, {{"1", "a"}, {"1", "a"}, {"2", "b"}}),
           Answer(kIdName, {{"1", "a"}, {"2", "b"}, {"2", "b"}}))
            .kind == DifferenceKind::kValues);
}

TEST_CASE("ORDER BY binds the order of sort keys and nothing else", "[compare]") {
  const auto facts = Ordered({"name"});
  const Rows rows = {{"1", "a"}, {"2", "b"}, {"3", "b"}, {"4", "c"}};
  CHECK(Of(Answer(kIdName, rows), Answer(kIdName, {{"1", "a"}, {"3", "b"}, {"2", "b"}, {"4", "c"}}),
           facts)
            .kind == DifferenceKind::kNone);
  const Difference swapped =
      Of(Answer(kIdName, rows), Answer(kIdName, {{"2", "b"}, {"1", "a"}, {"3", "b"}, {"4", "c"}}),
         facts);
  CHECK(swapped.kind == DifferenceKind::kOrder);
  CHECK(swapped.weight == Weight::kGate);
  CHECK(Of(Answer(kIdName, rows), Answer(kIdName, {{"1", "a"}, {"2", "b"}, {"9", "b"}, {"4", "c"}}),
           facts)
            .weight == Weight::kGate);
  CHECK(Of(Answer(kIdName, rows), Answer(kIdName, {{"1", "a"}, {"3", "b"}, {"2", "b"}, {"4", "c"}}),
           Ordered({"#2"}))
            .kind == DifferenceKind::kNone);
}

TEST_CASE("rows tied at the limit may differ, rows before it may not", "[compare]") {
  const auto facts = Ordered({"name"}, true);
  const Rows rows = {{"1", "a"}, {"2", "b"}, {"3", "b"}};
  const Difference tied =
      Of(Answer(kIdName, rows), Answer(kIdName, {{"1", "a"}, {"2", "b"}, {"7", "b"}}), facts);
  CHECK(tied.excuse == Excuse::kTiesAtLimit);
  CHECK(tied.weight == Weight::kNote);
  CHECK(Of(Answer(kIdName, rows), Answer(kIdName, {{"8", "a"}, {"2", "b"}, {"3", "b"}}), facts)
            .weight == Weight::kGate);
  // Behind an OFFSET the first group is cut as well.
  auto offset = facts;
  offset.skips = true;
  CHECK(Of(Answer(kIdName, rows), Answer(kIdName, {{"8", "a"}, {"2", "b"}, {"3", "b"}}), offset)
            .excuse == Excuse::kTiesAtLimit);
}

event::Column Of5001(std::string name) {
  event::Column column = Col(std::move(name), 25, 2);
  column.table_oid = 5001;
  return column;
}

TEST_CASE("a wrong value under ORDER BY id LIMIT 1 is no tie", "[compare]") {
  auto facts = Ordered({"id"}, true);
  facts.one_table = true;
  const Difference wrong = Of(Answer(kIdName, {{"1", "a"}}), Answer(kIdName, {{"1", "z"}}), facts);
  CHECK(wrong.kind == DifferenceKind::kValues);
  CHECK(wrong.weight == Weight::kGate);
  // Of a join, the id of one table may stand in many rows.
  facts.one_table = false;
  const std::vector<event::Column> joined = {kIdName[0], Of5001("name")};
  CHECK(Of(Answer(joined, {{"1", "a"}}), Answer(joined, {{"1", "z"}}), facts).excuse ==
        Excuse::kTiesAtLimit);
  // The first column of a table is not its key for being first.
  auto by_time = Ordered({"ts"}, true);
  by_time.one_table = true;
  by_time.relations = {"readings"};
  const std::vector<event::Column> readings = {Col("ts", 1114, 1), Col("value", 701, 2)};
  CHECK(Of(Answer(readings, {{"t", "1"}}), Answer(readings, {{"t", "2"}}), by_time).excuse ==
        Excuse::kTiesAtLimit);
}

TEST_CASE("a sort key outside the output turns order into a note", "[compare]") {
  const Rows rows = {{"1", "a"}, {"2", "b"}};
  const Difference order =
      Of(Answer(kIdName, rows), Answer(kIdName, {{"2", "b"}, {"1", "a"}}), Ordered({""}));
  CHECK(order.excuse == Excuse::kHiddenSortKey);
  CHECK(order.weight == Weight::kNote);
  const Rows other = {{"2", "b"}, {"3", "c"}};
  CHECK(Of(Answer(kIdName, rows), Answer(kIdName, other), Ordered({""})).weight == Weight::kGate);
  CHECK(Of(Answer(kIdName, rows), Answer(kIdName, other), Ordered({""}, true)).weight ==
        Weight::kGateIfMost);
}

TEST_CASE("another value in a row of the same id is no tie", "[compare]") {
  const std::vector<event::Column> columns = {Col("id", 23, 1), Col("status", 25, 2),
                                              Col("created_at", 1114, 3)};
  event::StatementFacts facts = Ordered({"created_at"}, true);
  facts.relations = {"orders"};
  facts.one_table = true;
  const LaneOutcome baseline = Answer(columns, {{"7", "paid", "t"}});
  SECTION("by a visible key") {}
  SECTION("by a hidden one") { facts.sort_keys = {"updated_at"}; }
  SECTION("by none") { facts.ordered = false; }
  const Difference other = Of(baseline, Answer(columns, {{"7", "open", "t"}}), facts);
  CHECK(other.kind == DifferenceKind::kValues);
  CHECK(other.weight == Weight::kGateIfMost);
  // Another row among the tied is one.
  const bool hidden = facts.ordered && facts.sort_keys[0] == "updated_at";
  const Weight excused = hidden ? Weight::kGateIfMost : Weight::kNote;
  CHECK(Of(baseline, Answer(columns, {{"8", "open", "t"}}), facts).weight == excused);
  // The id of one table tells what its own columns hold, and is no key of what is joined with it.
  facts.one_table = false;
  facts.relations = {"items", "orders"};
  CHECK(Of(baseline, Answer(columns, {{"7", "open", "t"}}), facts).weight == Weight::kGateIfMost);
  const std::vector<event::Column> joined = {columns[0], Of5001("status"), columns[2]};
  const auto weight = [&] {
    return Of(Answer(joined, {{"7", "paid", "t"}}), Answer(joined, {{"7", "open", "t"}}), facts)
        .weight;
  };
  CHECK(weight() == excused);
  // Joined with itself, nothing says whose column a column is.
  facts.repeats = true;
  CHECK(Of(baseline, Answer(columns, {{"7", "open", "t"}}), facts).weight == excused);
}

TEST_CASE("a key of a table is named after it, and holds each value once", "[compare]") {
  const std::vector<event::Column> columns = {Col("order_id", 23, 1), Col("status", 25, 2)};
  event::StatementFacts facts = Ordered({"status"}, true);
  facts.sort_keys = {"hidden"};
  facts.ordered = false;
  facts.one_table = true;
  const auto weight = [&](const Rows& before, const Rows& after) {
    return Of(Answer(columns, before), Answer(columns, after), facts).weight;
  };
  facts.relations = {"public.orders"};
  CHECK(weight({{"1", "a"}}, {{"1", "b"}}) == Weight::kGateIfMost);
  CHECK(weight({{"1", "a"}, {"1", "c"}}, {{"1", "b"}, {"1", "d"}}) == Weight::kNote);
  // A tenant, a customer, what another table is about: many rows have the same.
  for (const char* other : {"invoices", "order_items", "ordersheets"}) {
    facts.relations = {other};
    CHECK(weight({{"1", "a"}}, {{"1", "b"}}) == Weight::kNote);
  }
}

TEST_CASE("LIMIT without ORDER BY compares row counts only", "[compare]") {
  auto facts = Facts();
  facts.limited = true;
  CHECK(Of(Answer(kIdName, {{"1", "a"}}), Answer(kIdName, {{"2", "b"}}), facts).weight ==
        Weight::kNote);
  CHECK(Of(Answer(kIdName, {{"1", "a"}}), Answer(kIdName, {}), facts).weight == Weight::kGate);
}

TEST_CASE("a LIMIT that cut nothing excuses nothing", "[compare]") {
  auto facts = Facts();
  facts.limited = true;
  facts.limit = 1000;
  const LaneOutcome one = Answer({Col("price")}, {{"1"}, {"2"}});
  CHECK(Of(one, Answer({Col("price")}, {{"1"}, {"3"}}), facts).weight == Weight::kGate);
  facts.limit = 2;
  CHECK(Of(one, Answer({Col("price")}, {{"1"}, {"3"}}), facts).weight == Weight::kNote);
  // ORDER BY status LIMIT 10, and one row.
  auto ordered = Ordered({"name"}, true);
  ordered.limit = 10;
  CHECK(Of(Answer({Col("sku"), kIdName[1]}, {{"1", "a"}}),
           Answer({Col("sku"), kIdName[1]}, {{"2", "a"}}), ordered)
            .weight == Weight::kGate);
  facts.limit = 1;
  facts.one_row = true;
  CHECK(Of(Answer({Col("sum")}, {{"1"}}), Answer({Col("sum")}, {{"2"}}), facts).weight ==
        Weight::kGate);
}

TEST_CASE("what a choice among tied rows may explain is told and does not gate", "[compare]") {
  event::Column rank = Col("n", 20);
  rank.table_oid = rank.column_number = 0;
  const std::vector<event::Column> columns = {Col("id", 23, 1), Col("status", 25, 2), rank};
  const Rows rows = {{"1", "paid", "1"}, {"2", "paid", "2"}};
  const auto of = [&](const Rows& after, const event::StatementFacts& facts) {
    return Of(Answer(columns, rows), Answer(columns, after), facts);
  };
  SECTION("row_number() of tied rows") {
    auto facts = Facts();
    facts.ranks = true;
    facts.one_table = true;
    const Difference tied = of({{"1", "paid", "2"}, {"2", "paid", "1"}}, facts);
    CHECK(tied.kind == DifferenceKind::kValues);
    CHECK(tied.weight == Weight::kWarning);
    CHECK(tied.excuse == Excuse::kTiesAtLimit);
    CHECK(of({{"1", "open", "1"}, {"2", "paid", "2"}}, facts).weight == Weight::kGate);
  }
  SECTION("DISTINCT ON, IN (SELECT .. LIMIT)") {
    auto facts = Facts();
    facts.picks = true;
    facts.one_table = true;
    CHECK(of({{"1", "paid", "1"}, {"3", "paid", "2"}}, facts).weight == Weight::kWarning);
    CHECK(of({{"1", "paid", "9"}, {"3", "paid", "2"}}, facts).weight == Weight::kWarning);
    CHECK(of({{"1", "open", "1"}, {"2", "paid", "2"}}, facts).weight == Weight::kGate);
  }
  SECTION("a scale beside it is no difference") {
    auto facts = Facts();
    facts.ranks = true;
    const std::vector<event::Column> priced = {Col("price", 1700), rank};
    CHECK(Of(Kept(priced, {{"1.0", "1"}, {"2.0", "2"}}),
             Kept(priced, {{"1.00", "2"}, {"2.00", "1"}}), facts)
              .weight == Weight::kWarning);
  }
}

TEST_CASE("a choice excuses the columns that it makes alone", "[compare]") {
  const auto computed = [](const char* name, uint32_t type) {
    event::Column column = Col(name, type);
    column.table_oid = column.column_number = 0;
    return column;
  };
  const std::vector<event::Column> columns = {Col("k", 23, 1), computed("sum", 1700),
                                              computed("n", 20)};
  const Rows rows = {{"1", "10", "12"}, {"2", "10", "34"}};
  Rows tied = {{"1", "10", "34"}, {"2", "10", "12"}};
  const Rows other = {{"1", "11", "12"}, {"2", "10", "34"}};
  auto facts = Facts();
  SECTION("that ranks") { facts.ranks = true; }
  SECTION("that gathers") {
    facts.gathers = true;
    tied = {{"1", "10", "21"}, {"2", "10", "43"}};
  }
  for (const char* key : {"#3", "n"}) {
    CAPTURE(key);
    facts.chosen = {{key}};
    CHECK(Of(Answer(columns, rows), Answer(columns, tied), facts).weight == Weight::kWarning);
    CHECK(Of(Answer(columns, rows), Answer(columns, other), facts).weight == Weight::kGate);
    CHECK(Of(Kept(columns, rows), Kept(columns, tied), facts).weight == Weight::kWarning);
    CHECK(Of(Kept(columns, rows), Kept(columns, other), facts).weight == Weight::kGate);
  }
  // Sums in another order of rows, of which not all were kept.
  const std::vector<event::Column> floats = {columns[0], computed("sum", 701), columns[2]};
  CHECK(Of(Answer(floats, rows), Answer(floats, other), facts).weight == Weight::kWarning);
  facts.chosen.reset();
  CHECK(Of(Answer(columns, rows), Answer(columns, other), facts).weight == Weight::kWarning);
}

TEST_CASE("of too many values nobody can tell whether a choice explains them", "[compare]") {
  const auto large = [](const Rows& rows) {
    LaneOutcome lane = Answer(kIdName, rows);
    lane.cells.clear();
    lane.cells_complete = false;
    return lane;
  };
  auto facts = Facts();
  SECTION("ranks") { facts.ranks = true; }
  SECTION("picks") { facts.picks = true; }
  CHECK(Of(large({{"1", "a"}}), large({{"1", "b"}}), facts).weight == Weight::kGateIfMost);
}

TEST_CASE("aggregates without an order of their own excuse themselves alone", "[compare]") {
  auto facts = Facts();
  facts.gathers = true;
  event::Column list = Col("list", 25);
  list.table_oid = 0;
  const std::vector<event::Column> columns = {Col("name", 25), list};
  const Difference order =
      Of(Answer(columns, {{"a", "1,2"}}), Answer(columns, {{"a", "2,1"}}), facts);
  CHECK(order.weight == Weight::kWarning);
  CHECK(order.excuse == Excuse::kRowOrderSums);
  CHECK(Of(Answer(columns, {{"a", "1,2"}}), Answer(columns, {{"b", "1,2"}}), facts).weight ==
        Weight::kGate);
}

TEST_CASE("an order of elements explains no other elements", "[compare]") {
  auto facts = Facts();
  facts.gathers = true;
  facts.chosen = {{"#2"}};
  event::Column list = Col("list", 114);
  list.table_oid = 0;
  const auto of = [&](const Rows& before, const Rows& after) {
    return Of(Kept({Col("id"), list}, before), Kept({Col("id"), list}, after), facts).weight;
  };
  CHECK(of({{"1", "[1,2]"}, {"2", "[3]"}}, {{"1", "[2,1]"}, {"2", "[3]"}}) == Weight::kWarning);
  CHECK(of({{"1", "[1,2]"}, {"2", "[3]"}}, {{"2", "[3]"}, {"1", "[2,1]"}}) == Weight::kWarning);
  CHECK(of({{"1", "[1,2]"}, {"2", "[3]"}}, {{"1", "[1,7]"}, {"2", "[3]"}}) == Weight::kGateIfMost);
  CHECK(of({{"1", "[1,2]"}, {"2", "[3]"}}, {{"1", "[1,3]"}, {"2", "[2]"}}) == Weight::kGateIfMost);
  CHECK(of({{"1", "[1,2]"}}, {{"1", "[1]"}}) == Weight::kGateIfMost);
  CHECK(of({{"1", "[1]"}}, {{"1", kNull}}) == Weight::kGateIfMost);
  // What a new column adds to whole rows is no more than it adds to a SELECT *.
  CHECK(of({{"1", "[{\"a\":1}]"}}, {{"1", "[{\"a\":1,\"b\":2}]"}}) == Weight::kWarning);
  list.type_oid = 1007;
  CHECK(of({{"1", "{1}"}}, {{"1", "{1,2}"}}) == Weight::kGateIfMost);
  CHECK(of({{"1", "{1,2}"}}, {{"1", "{2,1}"}}) == Weight::kWarning);
}

TEST_CASE("an order of too many values is told, and does not gate", "[compare]") {
  const auto large = [](const Rows& rows) {
    LaneOutcome lane = Answer(kIdName, rows);
    lane.cells.clear();
    lane.cells_complete = false;
    return lane;
  };
  const LaneOutcome baseline = large({{"1", "a"}, {"2", "b"}});
  const LaneOutcome turned = large({{"2", "b"}, {"1", "a"}});
  const Difference unsure = Of(baseline, turned, Ordered({"name"}));
  CHECK(unsure.kind == DifferenceKind::kOrder);
  CHECK(unsure.weight == Weight::kWarning);
  CHECK(unsure.excuse == Excuse::kNone);
  CHECK(Of(baseline, turned, Ordered({"updated_at"})).excuse == Excuse::kHiddenSortKey);
  // `SELECT customer_id AS id .. ORDER BY id`: nothing tells whether rows are tied in it.
  auto by_key = Ordered({"id"});
  by_key.one_table = true;
  CHECK(Of(baseline, turned, by_key).weight == Weight::kWarning);
}

TEST_CASE("columns are matched by name", "[compare]") {
  const Rows rows = {{"1", "a"}};
  const Difference renamed =
      Of(Answer(kIdName, rows), Answer({Col("id", 23, 1), Col("title", 25)}, rows));
  CHECK(renamed.kind == DifferenceKind::kColumnsChanged);
  CHECK(renamed.weight == Weight::kGate);
  CHECK(renamed.detail == "column name is gone; new: title");
  const Difference retyped =
      Of(Answer(kIdName, rows), Answer({Col("id", 20, 1), Col("name", 25)}, rows));
  CHECK(retyped.kind == DifferenceKind::kColumnsChanged);
  CHECK(retyped.weight == Weight::kWarning);
  const Difference moved =
      Of(Answer(kIdName, rows), Answer({Col("name", 25), Col("id", 23, 1)}, {{"a", "1"}}));
  CHECK(moved.kind == DifferenceKind::kColumnsChanged);
  CHECK(moved.weight == Weight::kWarning);
  // Two columns of one name are told apart by their order.
  const std::vector<event::Column> twice = {Col("id"), Col("id")};
  CHECK(Of(Answer(twice, {{"1", "2"}}), Answer(twice, {{"1", "2"}})).kind == DifferenceKind::kNone);
  CHECK(Of(Answer(twice, {{"1", "2"}}), Answer(twice, {{"2", "1"}})).kind ==
        DifferenceKind::kValues);
}

TEST_CASE("columns of another type are compared as text where texts should be equal", "[compare]") {
  const auto of = [](uint32_t before, uint32_t after, const Rows& a, const Rows& b) {
    return Of(Answer({Col("v", before)}, a), Answer({Col("v", after)}, b));
  };
  // int to bigint, varchar to text: another type, the same values.
  CHECK(of(23, 20, {{"1"}}, {{"1"}}).weight == Weight::kWarning);
  CHECK(of(1043, 25, {{"a"}}, {{"a"}}).weight == Weight::kWarning);
  // timestamp to timestamptz in another zone.
  const Difference moved = of(1114, 1184, {{"2026-01-01 00:00:00"}}, {{"2025-12-31 23:00:00+00"}});
  CHECK(moved.kind == DifferenceKind::kValues);
  CHECK(moved.weight == Weight::kGate);
  // Numbers and JSON read otherwise though they say the same.
  CHECK(of(23, 1700, {{"5"}}, {{"5.00"}}).weight == Weight::kWarning);
  CHECK(of(114, 3802, {{"{\"a\":1}"}}, {{"{\"a\": 1}"}}).weight == Weight::kWarning);
  // Binary forms of two types are for comparing where equal values have the same.
  const auto binary = [](uint32_t before, uint32_t after, const char* a, const char* b) {
    event::Column left = Col("v", before);
    event::Column right = Col("v", after);
    left.format = right.format = 1;
    return Of(Answer({left}, {{a}}), Answer({right}, {{b}})).weight;
  };
  CHECK(binary(1114, 1184, "1", "1") == Weight::kWarning);
  CHECK(binary(1114, 1184, "1", "2") == Weight::kGate);
  CHECK(binary(25, 1043, "abcdef", "abc") == Weight::kGate);
  CHECK(binary(2950, 25, "1", "2") == Weight::kWarning);
}

TEST_CASE("an enum made text sorts otherwise", "[compare]") {
  const Rows rows = {{"new"}, {"late"}};
  const Difference order =
      Of(Answer({Col("status", 90001)}, rows), Answer({Col("status", 25)}, {{"late"}, {"new"}}),
         Ordered({"status"}));
  CHECK(order.kind == DifferenceKind::kOrder);
  CHECK(order.weight == Weight::kGate);
}

TEST_CASE("more values than the limit are not compared column by column", "[compare]") {
  LaneOutcome wide = Answer({kIdName[0], kIdName[1], Col("extra")}, {{"1", "a", "x"}});
  wide.cells.clear();
  wide.cells_complete = false;
  const Difference unknown = Of(Answer(kIdName, {{"1", "a"}}), wide);
  CHECK(unknown.kind == DifferenceKind::kNotComparable);
  CHECK(unknown.excuse == Excuse::kTooLarge);
}

TEST_CASE("clocks and random numbers excuse values, not errors and counts", "[compare]") {
  auto facts = Facts();
  facts.functions = {"now"};
  const Rows one = {{"1", "a"}};
  CHECK(Of(Answer(kIdName, one), Answer(kIdName, {{"1", "z"}}), facts).excuse == Excuse::kVolatile);
  CHECK(Of(Answer(kIdName, one), Failure("42703"), facts).weight == Weight::kGate);
  CHECK(Of(Answer(kIdName, one), Answer(kIdName, {}), facts).weight == Weight::kGateIfMost);
  // And what a server says of itself: another version, other sizes.
  for (const char* name : {"version", "pg_indexes_size", "uuidv7"}) {
    facts.functions = {name};
    CHECK(Of(Answer(kIdName, one), Answer(kIdName, {{"1", "z"}}), facts).excuse ==
          Excuse::kVolatile);
  }
  facts.functions = {};
  facts.pattern = "SHOW server_version";
  CHECK(Of(Answer(kIdName, one), Answer(kIdName, {{"1", "z"}}), facts).excuse == Excuse::kVolatile);
  facts.pattern = {};
  facts.functions = {"random"};
  CHECK(Of(Answer(kIdName, one), Answer(kIdName, {}), facts).weight == Weight::kNote);
}

TEST_CASE("what clocks and chance do not do on the control lane is not theirs", "[compare]") {
  auto facts = Ordered({"name"});
  facts.functions = {"now"};
  const auto of = [&](const Rows& before, const Rows& after, const Rows& control) {
    event::StatementPair pair = PairOf(Answer(kIdName, before), Answer(kIdName, after));
    pair.lanes.push_back(Answer(kIdName, control));
    return JudgePair(pair, facts).weight;
  };
  const Rows rows = {{"1", "a"}, {"2", "b"}};
  const Rows turned = {{"2", "b"}, {"1", "a"}};
  CHECK(of(rows, turned, rows) == Weight::kGateIfMost);
  CHECK(of(rows, turned, turned) == Weight::kNote);
  const auto large = [](const Rows& all) {
    LaneOutcome lane = Answer(kIdName, all);
    lane.cells.clear();
    lane.cells_complete = false;
    return lane;
  };
  event::StatementPair pair = PairOf(large(rows), large({{"1", "a"}, {"2", "c"}}));
  pair.lanes.push_back(large(rows));
  facts.ordered = false;
  CHECK(JudgePair(pair, facts).weight == Weight::kGateIfMost);
  facts.functions = {"gen_random_uuid"};
  CHECK(of(rows, {}, rows) == Weight::kGateIfMost);
  CHECK(of(rows, {}, {}) == Weight::kNote);
}

TEST_CASE("a plan with other lines is no other result", "[compare]") {
  auto facts = Facts(1, "EXPLAIN SELECT x FROM t WHERE x = $1");
  const auto plan = [](const Rows& lines) { return Answer({Col("QUERY PLAN", 25, 0)}, lines); };
  CHECK(Of(plan({{"Seq Scan"}, {"Filter"}}), plan({{"Index Scan"}}), facts).weight ==
        Weight::kNote);
}

TEST_CASE("a table of the application may begin with pg_", "[compare]") {
  auto facts = Facts();
  const auto of = [&](const char* relation) {
    facts.relations = {relation};
    return Of(Answer(kIdName, {{"1", "a"}}), Answer(kIdName, {}), facts).weight;
  };
  CHECK(of("pg_search_documents") == Weight::kGate);
  CHECK(of("public.pg_class") == Weight::kGate);
  for (const char* name : {"pg_class", "pg_catalog.pg_type", "pg_stat_activity",
                           "information_schema.columns", "pg_views"}) {
    CAPTURE(name);
    CHECK(of(name) == Weight::kNote);
  }
}

TEST_CASE("an error is noise where the control lane has the same one", "[compare]") {
  const auto of = [](const char* candidate, const char* control) {
    event::StatementPair pair = PairOf(Command("INSERT 0 1"), Failure(candidate));
    pair.lanes.push_back(Failure(control));
    return JudgePair(pair, Facts()).weight;
  };
  CHECK(of("23505", "23505") == Weight::kNote);
  CHECK(of("23505", "23503") == Weight::kNote);
  CHECK(of("42703", "23505") == Weight::kGate);
  CHECK(of("23502", "23505") == Weight::kGate);
}

TEST_CASE("LIMIT 1 leaves out nothing where an id is given", "[compare]") {
  auto facts = Facts();
  facts.limited = true;
  facts.one_key = true;
  const std::vector<event::Column> mail = {Col("email", 25)};
  CHECK(Of(Answer(mail, {{"a"}}), Answer(mail, {{"b"}}), facts).weight == Weight::kGateIfMost);
  CHECK(Of(Answer(mail, {{"a"}}), Answer(mail, {{"a"}}), facts).kind == DifferenceKind::kNone);
}

TEST_CASE("float sums depend on the order rows are read in", "[compare]") {
  auto facts = Facts();
  facts.functions = {"sum"};
  const std::vector<event::Column> columns = {Col("id"), Col("sum", 701)};
  CHECK(Of(Answer(columns, {{"1", "0.3"}}), Answer(columns, {{"1", "0.30000000000000004"}}), facts)
            .excuse == Excuse::kRowOrderSums);
  CHECK(Of(Answer(columns, {{"1", "0.3"}}), Answer(columns, {{"2", "0.3"}}), facts).weight ==
        Weight::kGate);
}

TEST_CASE("numbers are compared by value, and told where they are written otherwise", "[compare]") {
  const std::vector<event::Column> columns = {Col("id", 23, 1), Col("price", 1700, 2)};
  const Rows rows = {{"1", "1.0"}, {"2", "2.5"}};
  const Difference scale = Of(Kept(columns, rows), Kept(columns, {{"2", "2.500"}, {"1", "1.000"}}));
  CHECK(scale.kind == DifferenceKind::kValues);
  CHECK(scale.excuse == Excuse::kEqualByValue);
  CHECK(scale.weight == Weight::kNote);
  CHECK(Of(Kept(columns, rows), Kept(columns, {{"1", "1.0"}, {"2", "2.51"}})).weight ==
        Weight::kGate);
  // Only the first rows were kept: the rest may differ.
  CHECK(Of(Kept(columns, rows, 1), Kept(columns, {{"1", "1.00"}, {"2", "2.5"}}, 1)).weight ==
        Weight::kGate);
}

// As a lane that cannot keep so many rows: what it keeps in their place is by value.
LaneOutcome Large(const std::vector<event::Column>& columns, const Rows& rows, const Rows& values,
                  bool cells) {
  LaneOutcome lane = Kept(columns, rows, 1);
  const LaneOutcome by_value = Answer(columns, values);
  lane.cells = cells ? by_value.cells : std::vector<uint64_t>();
  lane.cells_complete = cells;
  Rows exact;
  for (const Row& row : values) {
    exact.emplace_back();
    for (size_t i = 0; i < row.size(); ++i) {
      if (columns[i].type_oid != 701) exact.back().push_back(row[i]);
    }
  }
  const LaneOutcome told = Answer(columns, exact);
  lane.values = {true, told.outcome.digest_ordered, told.outcome.digest_unordered};
  return lane;
}

TEST_CASE("rows too many to keep are compared by value as well", "[compare]") {
  const std::vector<event::Column> columns = {Col("id", 23, 1), Col("price", 1700, 2)};
  const Rows rows = {{"1", "1.0"}, {"2", "1.0"}, {"3", "2.0"}};
  const Rows value = {{"1", "1"}, {"2", "1"}, {"3", "2"}};
  for (const bool cells : {true, false}) {
    CAPTURE(cells);
    const LaneOutcome baseline = Large(columns, rows, value, cells);
    const auto judge = [&](const Rows& other, const Rows& other_value,
                           const event::StatementFacts& facts = Facts()) {
      return Of(baseline, Large(columns, other, other_value, cells), facts);
    };
    const Rows scaled = {{"1", "1.00"}, {"2", "1.00"}, {"3", "2.00"}};
    CHECK(judge(scaled, value).excuse == Excuse::kEqualByValue);
    CHECK(judge(scaled, value, Ordered({"price"})).excuse == Excuse::kEqualByValue);
    const Rows swapped = {{"2", "1.00"}, {"1", "1.00"}, {"3", "2.00"}};
    CHECK(judge(swapped, {{"2", "1"}, {"1", "1"}, {"3", "2"}}).weight == Weight::kNote);
    CHECK(judge(swapped, {{"2", "1"}, {"1", "1"}, {"3", "2"}}, Ordered({"price"})).weight ==
          (cells ? Weight::kNote : Weight::kWarning));
    const Rows other = {{"1", "1.00"}, {"2", "1.50"}, {"3", "2.00"}};
    CHECK(judge(other, {{"1", "1"}, {"2", "1.5"}, {"3", "2"}}).weight == Weight::kGate);
  }
}

TEST_CASE("of rows too many to keep, floating point numbers are left aside", "[compare]") {
  const std::vector<event::Column> columns = {Col("id", 23, 1), Col("score", 701, 2)};
  const Rows rows = {{"1", "0.3"}, {"2", "0.5"}};
  for (const bool cells : {true, false}) {
    CAPTURE(cells);
    const LaneOutcome baseline = Large(columns, rows, rows, cells);
    const auto judge = [&](const Rows& other) {
      return Of(baseline, Large(columns, other, other, cells));
    };
    CHECK(judge({{"1", "0.3"}, {"2", "0.7"}}).weight == Weight::kWarning);
    CHECK(judge({{"1", "0.30000000000000004"}, {"2", "0.5"}}).weight == Weight::kWarning);
    // Those that were kept tell more than rounding.
    CHECK(judge({{"1", "0.4"}, {"2", "0.5"}}).weight == Weight::kGate);
    CHECK(judge({{"1", "0.3"}, {"9", "0.5"}}).weight == Weight::kGate);
  }
}

TEST_CASE("a number of another type is to be the same number", "[compare]") {
  const auto columns = [](uint32_t type) {
    return std::vector<event::Column>{Col("id", 23, 1), Col("price", type, 2)};
  };
  const Rows rows = {{"1", "19.99"}, {"2", "5.00"}};
  const Difference rounded =
      Of(Kept(columns(1700), rows), Kept(columns(23), {{"1", "20"}, {"2", "5"}}));
  CHECK(rounded.kind == DifferenceKind::kValues);
  CHECK(rounded.weight == Weight::kGate);
  CHECK(rounded.detail == "column price has another type and holds other numbers");
  CHECK(rounded.columns == 0b10U);
  CHECK_FALSE(
      SampleRows(Kept(columns(1700), rows), Kept(columns(23), {{"1", "20"}, {"2", "5"}}), false)
          .empty());
  // The same ones are a change of type alone, in whatever order they come.
  const Rows whole = {{"1", "19.00"}, {"2", "5.00"}};
  const Difference same =
      Of(Kept(columns(1700), whole), Kept(columns(23), {{"2", "5"}, {"1", "19"}}));
  CHECK(same.kind == DifferenceKind::kColumnsChanged);
  CHECK(same.weight == Weight::kWarning);
  CHECK(Of(Kept(columns(1700), whole), Kept(columns(23), {{"1", "19"}, {"2", "5"}}),
           Ordered({"price"}))
            .kind == DifferenceKind::kColumnsChanged);
  // ORDER BY it, and a row tied at the limit.
  CHECK(Of(Kept(columns(1700), {{"1", "5.0"}}), Kept(columns(23), {{"2", "5"}}),
           Ordered({"price"}, true))
            .kind == DifferenceKind::kColumnsChanged);
  // Rows that were not kept cannot be told.
  CHECK(Of(Kept(columns(1700), rows, 1), Kept(columns(23), {{"1", "20"}, {"2", "5"}}, 1)).weight ==
        Weight::kWarning);
  // Whole numbers read as text are compared however many there are.
  CHECK(Of(Answer(columns(20), {{"1", "7"}}), Answer(columns(23), {{"1", "8"}})).kind ==
        DifferenceKind::kValues);
  // What varies in another column does not excuse it.
  event::StatementPair pair =
      PairOf(Kept(columns(1700), rows), Kept(columns(23), {{"1", "20"}, {"2", "5"}}));
  pair.lanes.push_back(Kept(columns(1700), {{"7", "19.99"}, {"2", "5.00"}}));
  CHECK(JudgePair(pair, Facts()).weight == Weight::kGate);
}

TEST_CASE("by value as by bytes, ORDER BY binds its sort keys", "[compare]") {
  const std::vector<event::Column> columns = {Col("id", 23, 1), Col("price", 1700, 2)};
  const Rows rows = {{"1", "1.0"}, {"2", "1.0"}, {"3", "2.0"}};
  for (const char* key : {"price", "#2"}) {
    CAPTURE(key);
    CHECK(Of(Kept(columns, rows), Kept(columns, {{"2", "1.00"}, {"1", "1.00"}, {"3", "2.00"}}),
             Ordered({key}))
              .excuse == Excuse::kEqualByValue);
    CHECK(Of(Kept(columns, rows), Kept(columns, {{"3", "2.00"}, {"1", "1.00"}, {"2", "1.00"}}),
             Ordered({key}))
              .kind == DifferenceKind::kOrder);
  }
  // A tie at the limit, with another scale on top.
  CHECK(Of(Kept(columns, rows), Kept(columns, {{"1", "1.00"}, {"2", "1.00"}, {"9", "2.00"}}),
           Ordered({"price"}, true))
            .excuse == Excuse::kTiesAtLimit);
}

TEST_CASE("sort keys may be tied though they are written otherwise", "[compare]") {
  event::Column citext = Col("name", 16500);
  const event::Column an_enum = citext;
  citext.loose = true;
  event::Column blanks = Col("name", 1042);
  const event::Column padded = blanks;
  blanks.table_oid = 0;
  const Rows rows = {{"1", "Bob"}, {"2", "bob"}, {"3", "carol"}};
  const Rows swapped = {{"2", "bob"}, {"1", "Bob"}, {"3", "carol"}};
  const auto judge = [&](const event::Column& key, const Rows& other, bool limited) {
    const std::vector<event::Column> columns = {Col("id", 23, 1), key};
    return Of(Kept(columns, rows), Kept(columns, other), Ordered({"name"}, limited));
  };
  for (const event::Column& key : {citext, Col("name", 1186), Col("name", 3802), blanks}) {
    CAPTURE(key.type_oid);
    CHECK(judge(key, swapped, false).kind == DifferenceKind::kOrder);
    CHECK(judge(key, swapped, false).weight == Weight::kWarning);
    // Another row may be tied at the limit, but not in most calls.
    CHECK(judge(key, {{"1", "Bob"}, {"2", "bob"}, {"4", "Carol"}}, true).weight ==
          Weight::kGateIfMost);
    CHECK(judge(key, {{"1", "Bob"}, {"2", "bob"}, {"4", "Carol"}}, false).weight == Weight::kGate);
  }
  for (const event::Column& key : {Col("name", 25), an_enum, padded}) {
    CAPTURE(key.type_oid);
    CHECK(judge(key, swapped, false).weight == Weight::kGate);
  }
}

TEST_CASE("a sum that is off by more than rounding gates if most calls are", "[compare]") {
  auto facts = Facts();
  facts.functions = {"sum"};
  const std::vector<event::Column> columns = {Col("sum", 701)};
  CHECK(Of(Kept(columns, {{"0.3"}}), Kept(columns, {{"0.30000000000000004"}}), facts).excuse ==
        Excuse::kEqualByValue);
  CHECK(Of(Kept(columns, {{"0.3"}}), Kept(columns, {{"0.4"}}), facts).weight ==
        Weight::kGateIfMost);
}

TEST_CASE("the same outcome on all lanes is no difference, whatever its bytes", "[compare]") {
  base::Random random(21);
  for (int round = 0; round < 1000; ++round) {
    LaneOutcome lane;
    lane.outcome.status = static_cast<OutcomeStatus>(random.Below(5));
    lane.outcome.rows = random.Below(4);
    lane.outcome.row_bytes = random.Below(100);
    lane.outcome.digest_ordered = random.Below(3);
    lane.outcome.tag = random.Below(2) == 0 ? "SELECT 2" : "UPDATE 7";
    lane.rows_complete = random.Below(2) == 0;
    lane.cells_complete = random.Below(2) == 0;
    for (uint64_t i = random.Below(4); i > 0; --i) lane.columns.push_back(Col("c", 1700));
    for (uint64_t i = random.Below(60); i > 0; --i) {
      lane.rows.push_back(static_cast<char>(random.Below(4)));
    }
    for (uint64_t i = random.Below(9); i > 0; --i) lane.cells.push_back(random.Below(9));
    event::StatementPair pair = PairOf(lane, lane);
    pair.lanes.push_back(lane);
    auto facts = random.Below(2) == 0 ? Facts() : Ordered({"c", "#1"}, random.Below(2) == 0);
    const Difference difference = JudgePair(pair, facts);
    const bool none =
        difference.kind == DifferenceKind::kNone || difference.excuse == Excuse::kCascade;
    CHECK(none);
    CHECK(difference.weight == Weight::kNone);
    CHECK(SampleRows(lane, lane, facts.ordered).empty());
  }
}

TEST_CASE("reading the catalogs shows the migration itself", "[compare]") {
  auto facts = Facts();
  facts.relations = {"information_schema.columns"};
  CHECK(Of(Answer(kIdName, {{"1", "a"}}), Answer(kIdName, {}), facts).excuse == Excuse::kCatalog);
  // By a number that each lane gives itself.
  const auto asked = event::AnalyzeQuery("select pg_catalog.pg_get_partkeydef('16400'::oid)")[0];
  CHECK(Of(Answer(kIdName, {{"1", "a"}}), Answer(kIdName, {{"1", ""}}), asked).excuse ==
        Excuse::kCatalog);
}

TEST_CASE("what the control lane does as well is noise", "[compare]") {
  event::StatementPair pair = PairOf(Answer(kIdName, {{"1", "a"}}), Answer(kIdName, {{"1", "b"}}));
  pair.lanes.push_back(Answer(kIdName, {{"1", "c"}}));
  const Difference noise = JudgePair(pair, Facts());
  CHECK(noise.control == DifferenceKind::kValues);
  CHECK(noise.excuse == Excuse::kNoise);
  CHECK(noise.weight == Weight::kNote);
  pair.lanes[2] = pair.lanes[0];
  CHECK(JudgePair(pair, Facts()).weight == Weight::kGate);
  // A column that was added is told, whatever varies beside it.
  event::StatementPair grown =
      PairOf(Answer(kIdName, {{"1", "a"}}),
             Answer({kIdName[0], kIdName[1], Col("extra", 25, 3)}, {{"1", "b", "x"}}));
  grown.lanes.push_back(Answer(kIdName, {{"1", "c"}}));
  const Difference added = JudgePair(grown, Facts());
  CHECK(added.kind == DifferenceKind::kColumnsAdded);
  CHECK(added.weight == Weight::kNote);
  CHECK(added.detail == "also returns column extra");
  // Rows that vary do not excuse an error.
  pair.lanes[1] = Failure("42703");
  pair.lanes[2] = Answer(kIdName, {{"1", "c"}});
  CHECK(JudgePair(pair, Facts()).weight == Weight::kGate);
}

// A pair of three lanes with one row each.
event::StatementPair Three(const std::vector<event::Column>& columns, const Row& baseline,
                           const Row& candidate, const Row& control) {
  event::StatementPair pair = PairOf(Answer(columns, {baseline}), Answer(columns, {candidate}));
  pair.lanes.push_back(Answer(columns, {control}));
  return pair;
}

const std::vector<event::Column> kStamped = {Col("id", 23, 1), Col("name", 25, 2),
                                             Col("updated_at", 1114, 3)};

TEST_CASE("noise in one column does not excuse a difference in another", "[compare]") {
  const Row row = {"1", "a", "10:01"};
  const Difference same_column =
      JudgePair(Three(kStamped, row, {"1", "a", "10:02"}, {"1", "a", "10:03"}), Facts());
  CHECK(same_column.excuse == Excuse::kNoise);
  const Difference other_column =
      JudgePair(Three(kStamped, row, {"1", "b", "10:02"}, {"1", "a", "10:03"}), Facts());
  CHECK(other_column.weight == Weight::kGate);
  CHECK(other_column.columns == 0b110U);
  CHECK(other_column.own_columns() == 0b010U);
}

TEST_CASE("noise in values does not excuse rows that are missing", "[compare]") {
  auto pair = Three(kStamped, {"1", "a", "10:01"}, {"1", "a", "10:02"}, {"1", "a", "10:03"});
  pair.lanes[1] = Answer(kStamped, {});
  CHECK(JudgePair(pair, Facts()).weight == Weight::kGate);
  pair.lanes[2] = Answer(kStamped, {{"1", "a", "10:01"}, {"2", "b", "10:01"}});
  CHECK(JudgePair(pair, Facts()).excuse == Excuse::kNoise);
  // Nor can values be held against a control lane that returned other rows.
  pair.lanes[1] = Answer(kStamped, {{"1", "b", "10:01"}});
  CHECK(JudgePair(pair, Facts()).excuse == Excuse::kNoise);
}

TEST_CASE("beside a clock the other columns of a query are still compared", "[compare]") {
  auto facts = Facts();
  facts.functions = {"now"};
  const Row row = {"1", "a", "10:01"};
  const auto judge = [&](const Row& candidate) {
    return JudgePair(Three(kStamped, row, candidate, {"1", "a", "10:03"}), facts);
  };
  CHECK(judge({"1", "a", "10:02"}).excuse == Excuse::kVolatile);
  CHECK(judge({"1", "b", "10:02"}).weight == Weight::kGateIfMost);
  facts.functions = {"nextval", "now"};  // Ids may drift, whatever the control lane says.
  CHECK(judge({"1", "b", "10:02"}).excuse == Excuse::kVolatile);
}

TEST_CASE("beside numbers of a sequence the other columns are still compared", "[compare]") {
  auto facts = Facts();
  facts.kind = event::StatementKind::kInsert;
  facts.functions = {"nextval"};
  facts.drawn = std::vector<std::string>{"id"};
  const Row row = {"1", "a", "10:01"};
  const auto of = [&](const Row& candidate, const Row& control) {
    return JudgePair(Three(kStamped, row, candidate, control), facts);
  };
  CHECK(of({"2", "a", "10:01"}, row).excuse == Excuse::kVolatile);
  const Difference broken = of({"1", "b", "10:01"}, row);
  CHECK(broken.weight == Weight::kGateIfMost);
  CHECK(broken.columns == 0b10U);
  CHECK(of({"2", "b", "10:01"}, {"3", "a", "10:01"}).weight == Weight::kGateIfMost);
  // The sequence stands elsewhere on the candidate alone: the name may be made of its number.
  const Difference moved = of({"2", "b", "10:01"}, row);
  CHECK(moved.weight == Weight::kWarning);
  CHECK(moved.columns == 0b10U);
  // A default asks a clock that the text does not name: the control lane tells.
  CHECK(of({"1", "a", "10:02"}, {"1", "a", "10:03"}).weight == Weight::kNote);
  CHECK(of({"1", "b", "10:02"}, {"1", "a", "10:03"}).weight == Weight::kGateIfMost);
  const auto alone = [&] {
    return Of(Answer(kStamped, {row}), Answer(kStamped, {{"1", "a", "t"}}), facts);
  };
  CHECK(alone().excuse == Excuse::kVolatile);
  // And beside a clock of its own.
  facts.functions = {"nextval", "now"};
  CHECK(alone().excuse == Excuse::kVolatile);
  CHECK(of({"2", "a", "10:02"}, {"3", "a", "10:03"}).excuse == Excuse::kVolatile);
  CHECK(of({"2", "b", "10:02"}, {"3", "a", "10:03"}).weight == Weight::kGateIfMost);
  facts.functions = {"nextval"};
  facts.drawn.emplace();  // RETURNING what it drew nothing for.
  CHECK(of({"1", "b", "10:01"}, row).weight == Weight::kGateIfMost);
  facts.drawn.reset();
  CHECK(of({"1", "b", "10:01"}, row).excuse == Excuse::kVolatile);
}

TEST_CASE("replayed out of order or against the client's will, results do not gate", "[compare]") {
  event::StatementPair pair = PairOf(Answer(kIdName, {{"1", "a"}}), Answer(kIdName, {}));
  pair.order_broken = true;
  CHECK(JudgePair(pair, Facts()).excuse == Excuse::kOrderBroken);
  pair.counterfactual = true;
  CHECK(JudgePair(pair, Facts()).excuse == Excuse::kCounterfactual);
  CHECK(JudgePair(pair, Facts()).weight == Weight::kNote);
  pair.lanes[1] = Failure("42P01");
  CHECK(JudgePair(pair, Facts()).weight == Weight::kNote);
  SECTION("but no order of statements takes a column away") {
    pair.lanes[1] = Failure("42703");
    CHECK(JudgePair(pair, Facts()).weight == Weight::kGate);
  }
}

TEST_CASE("a pair with fewer than two lanes is not comparable", "[compare]") {
  event::StatementPair pair;
  CHECK(JudgePair(pair, Facts()).excuse == Excuse::kNoLanes);
}

TEST_CASE("messages keep names and lose values", "[compare]") {
  CHECK(MessageWithoutValues("42703", "column \"legacy_2\" does not exist") ==
        "column \"legacy_2\" does not exist");
  CHECK(MessageWithoutValues("22P02", "invalid input syntax for type integer: \"secret 12\"") ==
        "invalid input syntax for type integer: \"…\"");
  CHECK(MessageWithoutValues("P0001", "customer 4711 is blocked") == "customer ? is blocked");
  CHECK(MessageWithoutValues("22P02", "open \"quote") == "open \"…");
  CHECK(MessageWithoutValues("", "x 1") == "x ?");
}

}  // namespace
}  // namespace scry::compare
