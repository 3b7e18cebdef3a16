// Reads what EXPLAIN (FORMAT JSON) printed and says in short lines where the time goes. Called by
// the test-migration job and `scry report`. Pure: text in, values out; no database.
#pragma once

#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"

namespace scry::explain {

// Costs, rows and times are as PostgreSQL prints them: per loop.
struct PlanNode {
  std::string type;          // "Seq Scan".
  std::string relation;      // Empty: the node reads none.
  std::string alias;         // Empty where it equals the relation.
  std::string schema;        // Only with VERBOSE.
  std::string relationship;  // To its parent: "Outer", "Inner", "SubPlan"; empty: the root.
  std::string index;
  // As printed, with their values: for the planner's eyes and no report.
  std::string filter;           // Rows are read first, then dropped.
  std::string index_condition;  // What the index was asked for.
  std::string join_condition;   // Of a hash, merge or nested loop join.
  std::vector<std::string> sort_keys;
  std::string condition;  // Filter, index, hash, merge or join condition; constants read "?".
  double rows_estimated = 0;
  double cost_total = 0;
  bool never_executed = false;
  // Only with ANALYZE.
  std::optional<double> rows_actual;
  std::optional<double> time_total_ms;
  double loops = 1;
  double rows_removed = 0;  // By filters and rechecks.
  double heap_fetches = 0;  // Of an index-only scan: rows it had to look up all the same.
  // Its children's included.
  double blocks = 0;       // Shared and local (of temporary tables), hit or read.
  double temp_blocks = 0;  // Spilled to disk.
  double wal_bytes = 0;    // Only with WAL.
  double wal_images = 0;   // Whole pages among them.
  double own_ms = 0;       // All loops, without the children.
  double own_cost = 0;
  std::vector<PlanNode> children;
};

struct Plan {
  PlanNode root;
  std::optional<double> planning_ms;
  std::optional<double> execution_ms;

  bool analyzed() const { return root.time_total_ms.has_value(); }
};

// Fails with kCorrupt for anything that is no plan.
base::Result<Plan> ParsePlan(std::string_view json);

// One line per node, children indented:
//   "Seq Scan on orders  25,000 rows, 12.4 ms, 24,988 removed by (customer_id = ?)".
std::vector<std::string> RenderPlan(const Plan& plan);

// The node that costs most by itself: time where measured, else the planner's cost. Points into
// `plan`.
const PlanNode& Costliest(const Plan& plan);

// "Seq Scan on orders reads 25,000 rows to keep 5,123".
std::string DescribeNode(const PlanNode& node);
std::string DescribePlan(const Plan& plan);

// Every node, the root first. They point into `plan`.
std::vector<const PlanNode*> AllNodes(const Plan& plan);

// "Seq Scan on orders o", "Index Scan using orders_pkey on orders".
std::string NodeTitle(const PlanNode& node);

// Constants become "?", names stay; cut to `columns_max` code points.
std::string WithoutConstants(std::string_view text, size_t columns_max);

// Node types, relations and indexes in order, nothing that varies from run to run: equal where two
// plans work the same way.
std::string PlanShape(const Plan& plan);

}  // namespace scry::explain
