#include "explain/plan.h"

#include <string>

#include "support/catch.h"

namespace scry::explain {
namespace {

// EXPLAIN (ANALYZE, BUFFERS, FORMAT JSON) of PostgreSQL 15, without the members that nobody reads.
const char kJoin[] = R"json([{"Plan": {
  "Node Type": "Hash Join", "Join Type": "Inner", "Total Cost": 512.5, "Plan Rows": 10,
  "Actual Total Time": 20.5, "Actual Rows": 5123, "Actual Loops": 1,
  "Hash Cond": "(o.customer_id = c.id)", "Shared Hit Blocks": 200, "Shared Read Blocks": 7,
  "Plans": [
    {"Node Type": "Seq Scan", "Parent Relationship": "Outer", "Relation Name": "orders",
     "Alias": "o", "Total Cost": 450.0, "Plan Rows": 5000, "Actual Total Time": 15.0,
     "Actual Rows": 5123, "Actual Loops": 1, "Rows Removed by Filter": 19877,
     "Filter": "((status = 'it''s paid'::text) AND (\"Total2\" > 10.5))"},
    {"Node Type": "Hash", "Total Cost": 30.0, "Plan Rows": 100, "Actual Total Time": 1.0,
     "Actual Rows": 100, "Actual Loops": 1, "Temp Written Blocks": 4, "Plans": [
       {"Node Type": "Index Scan", "Relation Name": "customers", "Alias": "c",
        "Index Name": "customers_pkey", "Total Cost": 20.0, "Plan Rows": 100,
        "Actual Total Time": 0.25, "Actual Rows": 50, "Actual Loops": 2,
        "Index Cond": "(id = $1)"}]}]},
  "Planning Time": 0.2, "Triggers": [], "Execution Time": 20.9}])json";

Plan Parsed(const std::string& text) {
  auto plan = ParsePlan(text);
  REQUIRE(plan.ok());
  return std::move(plan).value();
}

TEST_CASE("the node with the most time of its own is named, not its parent", "[explain]") {
  const Plan plan = Parsed(kJoin);
  CHECK(plan.analyzed());
  CHECK(*plan.execution_ms == Approx(20.9));
  CHECK(Costliest(plan).type == "Seq Scan");
  CHECK(Costliest(plan).own_ms == Approx(15.0));
  CHECK(plan.root.own_ms == Approx(4.5));
  CHECK(plan.root.blocks == Approx(207));
  CHECK(DescribeNode(Costliest(plan)) == "Seq Scan on orders o reads 25,000 rows to keep 5,123");
  CHECK(DescribePlan(plan) == "Seq Scan on orders o reads 25,000 rows to keep 5,123 (15.0 ms)");
}

TEST_CASE("a plan is rendered line by line, without values", "[explain]") {
  const auto lines = RenderPlan(Parsed(kJoin));
  REQUIRE(lines.size() == 4);
  CHECK(lines[0] == "Hash Join  5,123 rows (planned 10), 4.50 ms  (o.customer_id = c.id)");
  CHECK(lines[1] ==
        "  Seq Scan on orders o  5,123 rows, 15.0 ms, 19,877 removed  "
        "((status = ?::text) AND (\"Total2\" > ?))");
  CHECK(lines[2] == "  Hash  100 rows, 0.500 ms, spills to disk");
  CHECK(lines[3] ==
        "    Index Scan using customers_pkey on customers c  50 rows x 2, 0.500 ms  (id = $1)");
}

TEST_CASE("without ANALYZE the planner's cost decides", "[explain]") {
  const Plan plan = Parsed(R"json([{"Plan": {"Node Type": "Limit", "Total Cost": 90,
    "Plan Rows": 10, "Plans": [{"Node Type": "Seq Scan", "Relation Name": "t", "Alias": "t",
    "Total Cost": 1234.5, "Plan Rows": 25000}]}}])json");
  CHECK_FALSE(plan.analyzed());
  CHECK(Costliest(plan).type == "Seq Scan");
  CHECK(plan.root.own_cost == 0);
  CHECK(DescribePlan(plan) == "Seq Scan on t is planned for 25,000 rows");
  CHECK(RenderPlan(plan)[1] == "  Seq Scan on t  about 25,000 rows, cost 1,235");
}

TEST_CASE("loops multiply, and a node that never ran says so", "[explain]") {
  const Plan plan = Parsed(R"json([{"Plan": {"Node Type": "Nested Loop", "Actual Total Time": 100,
    "Actual Rows": 10, "Actual Loops": 1, "Plans": [
    {"Node Type": "Seq Scan", "Relation Name": "b", "Alias": "b", "Actual Total Time": 0.9,
     "Actual Rows": 1, "Actual Loops": 100, "Rows Removed by Filter": 999},
    {"Node Type": "Materialize", "Actual Total Time": 0, "Actual Rows": 0,
     "Actual Loops": 0}]}}])json");
  CHECK(DescribeNode(Costliest(plan)) ==
        "Seq Scan on b reads 100,000 rows to keep 100 in 100 loops");
  CHECK(RenderPlan(plan)[2] == "  Materialize  never executed");
}

// What EXPLAIN (ANALYZE, BUFFERS, WAL, TIMING OFF, FORMAT JSON) prints at the top of a plan, by
// version: 13 and 14 without buffers of temporary files' timings, 15 with them, 17 with another
// name for those of blocks, 18 with fractional rows and full WAL buffers.
TEST_CASE("blocks, spills and WAL are read in the forms of PostgreSQL 13 to 18", "[explain]") {
  const std::string common = R"("Node Type": "ModifyTable", "Operation": "Update",
    "Shared Hit Blocks": 40, "Shared Read Blocks": 2, "Shared Dirtied Blocks": 9,
    "Shared Written Blocks": 1, "Local Hit Blocks": 5, "Local Read Blocks": 3,
    "Local Dirtied Blocks": 1, "Local Written Blocks": 0, "Temp Read Blocks": 16,
    "Temp Written Blocks": 17, "WAL Records": 12, "WAL FPI": 2, "WAL Bytes": 20480)";
  const std::string forms[] = {
      R"([{"Plan": {"Actual Rows": 3, "Actual Loops": 2, )" + common +
          R"(}, "Planning": {"Shared Hit Blocks": 900}, "Triggers": []}])",
      R"([{"Plan": {"Actual Rows": 3, "Actual Loops": 2, "I/O Read Time": 0.0, )"
      R"("Temp I/O Read Time": 0.1, )" +
          common + R"(}, "Triggers": [{"Trigger Name": "t", "Calls": 1}]}])",
      R"([{"Plan": {"Actual Rows": 3.00, "Actual Loops": 2, "Disabled": false, )"
      R"("Shared I/O Read Time": 0.0, "Local I/O Read Time": 0.0, "WAL Buffers Full": 0, )" +
          common + R"(}, "Planning": {"Shared Hit Blocks": 900, "Local I/O Write Time": 0.0}}])"};
  for (const std::string& form : forms) {
    CAPTURE(form);
    const Plan plan = Parsed(form);
    CHECK(plan.root.blocks == 50);
    CHECK(plan.root.temp_blocks == 17);
    CHECK(plan.root.wal_bytes == 20480);
    CHECK(plan.root.wal_images == 2);
    CHECK(*plan.root.rows_actual == 3);
    CHECK(plan.root.loops == 2);
    CHECK_FALSE(plan.analyzed());  // Its times are not there.
  }
}

TEST_CASE("plans of one shape differ only in numbers", "[explain]") {
  CHECK(PlanShape(Parsed(kJoin)) ==
        "Hash Join(Seq Scan:orders,Hash(Index Scan:customers/customers_pkey))");
  std::string other = kJoin;
  other.replace(other.find("19877"), 5, "11111");
  CHECK(PlanShape(Parsed(other)) == PlanShape(Parsed(kJoin)));
}

TEST_CASE("what is no plan is an error and no crash", "[explain]") {
  for (const char* text :
       {"", "{", "[]", "{}", "[1]", "null", "[{\"Plan\": 1}]", "[{\"Plan\": {}}]",
        "[{\"Plan\": {\"Node Type\": \"A\", \"Plans\": [1]}}]",
        "[{\"Plan\": {\"Node Type\": 5}}]"}) {
    CAPTURE(text);
    const auto plan = ParsePlan(text);
    REQUIRE_FALSE(plan.ok());
    CHECK(plan.error().code == base::ErrorCode::kCorrupt);
  }
  std::string deep;
  for (int i = 0; i < 5000; ++i) deep += R"({"Node Type":"A","Plans":[)";
  for (int i = 0; i < 5000; ++i) deep += "]}";
  CHECK_FALSE(ParsePlan(R"({"Plan":)" + deep + "}").ok());
}

TEST_CASE("a plan cut anywhere is an error", "[explain]") {
  const std::string whole = kJoin;
  for (size_t length = 0; length < whole.size(); ++length) {
    CHECK_FALSE(ParsePlan(whole.substr(0, length)).ok());
  }
}

TEST_CASE("odd numbers and names are rendered safely", "[explain]") {
  const Plan plan = Parsed(R"json({"Plan": {"Node Type": "Seq\u001b[31m Scan",
    "Relation Name": "a\nb", "Actual Rows": 1e300, "Actual Total Time": -5, "Actual Loops": 1,
    "Filter": "(x = 'unclosed"}})json");
  for (const std::string& line : RenderPlan(plan)) {
    CHECK(line.find('\x1b') == std::string::npos);
    CHECK(line.find('\n') == std::string::npos);
    CHECK(line.find("unclosed") == std::string::npos);
  }
  CHECK_FALSE(DescribePlan(plan).empty());
}

}  // namespace
}  // namespace scry::explain
