#include "explain/plan.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <cctype>
#include <cmath>
#include <nlohmann/json.hpp>

#include "base/units.h"

namespace scry::explain {
namespace {

using nlohmann::json;

constexpr int kDepthMax = 200;  // Deeper plans are no plans; recursion stays bounded.
constexpr size_t kConditionColumns = 80;

std::string Text(const json& node, const char* key) {
  const auto found = node.find(key);
  return found != node.end() && found->is_string() ? found->get<std::string>() : std::string();
}

std::optional<double> Number(const json& node, const char* key) {
  const auto found = node.find(key);
  if (found == node.end() || !found->is_number()) return std::nullopt;
  return found->get<double>();
}

bool IsWord(char c) { return std::isalnum(static_cast<unsigned char>(c)) != 0 || c == '_'; }

std::string ConditionOf(const json& node) {
  for (const char* key :
       {"Filter", "Recheck Cond", "Index Cond", "Hash Cond", "Merge Cond", "Join Filter"}) {
    const std::string text = Text(node, key);
    if (!text.empty()) return WithoutConstants(text, kConditionColumns);
  }
  return {};
}

base::Error NoPlan(std::string_view what) {
  return base::Fail(base::ErrorCode::kCorrupt,
                    fmt::format("this is no EXPLAIN (FORMAT JSON) output: {}", what));
}

base::Status ReadNode(const json& from, PlanNode& node, int depth) {
  if (depth > kDepthMax) return NoPlan("its nodes are nested too deep");
  if (!from.is_object()) return NoPlan("a node is no object");
  node.type = base::Printable(Text(from, "Node Type"), 60);
  if (node.type.empty()) return NoPlan("a node has no \"Node Type\"");
  node.relation = base::Printable(Text(from, "Relation Name"), 64);
  node.alias = base::Printable(Text(from, "Alias"), 64);
  if (node.alias == node.relation) node.alias.clear();
  node.index = base::Printable(Text(from, "Index Name"), 64);
  node.schema = Text(from, "Schema");
  node.relationship = Text(from, "Parent Relationship");
  node.filter = Text(from, "Filter");
  node.index_condition = Text(from, "Index Cond");
  for (const char* key : {"Hash Cond", "Merge Cond", "Join Filter"}) {
    const std::string text = Text(from, key);
    if (text.empty()) continue;
    node.join_condition =
        node.join_condition.empty() ? text : "(" + node.join_condition + " AND " + text + ")";
  }
  const auto sort = from.find("Sort Key");
  if (sort != from.end() && sort->is_array()) {
    for (const json& key : *sort) {
      if (key.is_string()) node.sort_keys.push_back(key.get<std::string>());
    }
  }
  node.heap_fetches = Number(from, "Heap Fetches").value_or(0);
  node.condition = ConditionOf(from);
  node.rows_estimated = Number(from, "Plan Rows").value_or(0);
  node.cost_total = Number(from, "Total Cost").value_or(0);
  node.rows_actual = Number(from, "Actual Rows");
  node.time_total_ms = Number(from, "Actual Total Time");
  node.loops = Number(from, "Actual Loops").value_or(1);
  node.never_executed = node.rows_actual && node.loops == 0;
  for (const char* key :
       {"Rows Removed by Filter", "Rows Removed by Index Recheck", "Rows Removed by Join Filter"}) {
    node.rows_removed += Number(from, key).value_or(0);
  }
  for (const char* key :
       {"Shared Hit Blocks", "Shared Read Blocks", "Local Hit Blocks", "Local Read Blocks"}) {
    node.blocks += Number(from, key).value_or(0);
  }
  node.temp_blocks = Number(from, "Temp Written Blocks").value_or(0);
  node.wal_bytes = Number(from, "WAL Bytes").value_or(0);
  node.wal_images = Number(from, "WAL FPI").value_or(0);
  const auto children = from.find("Plans");
  if (children != from.end() && children->is_array()) {
    for (const json& child : *children) {
      SCRY_TRY(ReadNode(child, node.children.emplace_back(), depth + 1));
    }
  }
  node.own_ms = node.time_total_ms.value_or(0) * node.loops;
  node.own_cost = node.cost_total;
  for (const PlanNode& child : node.children) {
    node.own_ms -= child.time_total_ms.value_or(0) * child.loops;
    node.own_cost -= child.cost_total;
  }
  // A LIMIT stops its child early, and workers overlap: less than nothing means "not here".
  node.own_ms = std::max(0.0, node.own_ms);
  node.own_cost = std::max(0.0, node.own_cost);
  return {};
}

std::string Rows(double rows) {
  const double whole = std::isfinite(rows) ? std::clamp(std::round(rows), 0.0, 9e18) : 0.0;
  return base::FormatCount(static_cast<uint64_t>(whole));
}

void Render(const PlanNode& node, size_t depth, bool analyzed, std::vector<std::string>& lines) {
  std::string line(depth * 2, ' ');
  line += NodeTitle(node) + "  ";
  if (node.never_executed) {
    line += "never executed";
  } else if (analyzed) {
    line += fmt::format("{} rows", Rows(node.rows_actual.value_or(0)));
    if (node.loops > 1) line += fmt::format(" x {}", Rows(node.loops));
    const double estimated = std::max(node.rows_estimated, 1.0);
    const double actual = std::max(node.rows_actual.value_or(0), 1.0);
    if (actual >= estimated * 10 || estimated >= actual * 10) {
      line += fmt::format(" (planned {})", Rows(node.rows_estimated));
    }
    line += ", " + base::FormatDuration(node.own_ms * 1000);
    if (node.rows_removed > 0) line += fmt::format(", {} removed", Rows(node.rows_removed));
    if (node.temp_blocks > 0) line += ", spills to disk";
  } else {
    line += fmt::format("about {} rows, cost {}", Rows(node.rows_estimated), Rows(node.cost_total));
  }
  if (!node.condition.empty()) line += "  " + node.condition;
  lines.push_back(std::move(line));
  for (const PlanNode& child : node.children) Render(child, depth + 1, analyzed, lines);
}

void FindCostliest(const PlanNode& node, bool analyzed, const PlanNode*& best) {
  const auto cost = [&](const PlanNode& n) { return analyzed ? n.own_ms : n.own_cost; };
  if (cost(node) > cost(*best)) best = &node;
  for (const PlanNode& child : node.children) FindCostliest(child, analyzed, best);
}

void AppendShape(const PlanNode& node, std::string& shape) {
  shape += node.type;
  if (!node.relation.empty()) shape += ":" + node.relation;
  if (!node.index.empty()) shape += "/" + node.index;
  if (node.children.empty()) return;
  shape += "(";
  for (size_t i = 0; i < node.children.size(); ++i) {
    if (i > 0) shape += ",";
    AppendShape(node.children[i], shape);
  }
  shape += ")";
}

void Collect(const PlanNode& node, std::vector<const PlanNode*>& nodes) {
  nodes.push_back(&node);
  for (const PlanNode& child : node.children) Collect(child, nodes);
}

}  // namespace

std::vector<const PlanNode*> AllNodes(const Plan& plan) {
  std::vector<const PlanNode*> nodes;
  Collect(plan.root, nodes);
  return nodes;
}

std::string NodeTitle(const PlanNode& node) {
  std::string title = node.type;
  if (!node.index.empty()) title += " using " + node.index;
  if (!node.relation.empty()) title += " on " + node.relation;
  if (!node.alias.empty()) title += " " + node.alias;
  return title;
}

std::string WithoutConstants(std::string_view text, size_t columns_max) {
  std::string out;
  for (size_t i = 0; i < text.size();) {
    const char c = text[i];
    if (c == '\'') {
      for (++i; i < text.size(); ++i) {
        if (text[i] != '\'') continue;
        if (i + 1 >= text.size() || text[i + 1] != '\'') break;
        ++i;  // Two quotes are one inside the constant.
      }
      ++i;
      out += '?';
    } else if (c == '"') {  // A name, and its digits stay.
      const size_t end = text.find('"', i + 1);
      const size_t length = end == std::string_view::npos ? text.size() - i : end + 1 - i;
      out += text.substr(i, length);
      i += length;
    } else if (IsWord(c) || (static_cast<unsigned char>(c) & 0x80) != 0) {
      const size_t begin = i;
      const bool number = std::isdigit(static_cast<unsigned char>(c)) != 0;
      while (i < text.size() &&
             (IsWord(text[i]) || (static_cast<unsigned char>(text[i]) & 0x80) != 0 ||
              (number && text[i] == '.'))) {
        ++i;
      }
      const bool parameter = begin > 0 && text[begin - 1] == '$';
      if (number && !parameter) {
        out += '?';
      } else {
        out += text.substr(begin, i - begin);
      }
    } else {
      out += c;
      ++i;
    }
  }
  return base::Printable(base::OneLine(out), columns_max);
}

base::Result<Plan> ParsePlan(std::string_view text) {
  const json parsed = json::parse(text, nullptr, false);
  if (parsed.is_discarded()) return NoPlan("it is not JSON");
  const json* top = &parsed;
  if (top->is_array()) {
    if (top->empty()) return NoPlan("it is empty");
    top = &top->front();
  }
  if (!top->is_object() || !top->contains("Plan")) return NoPlan("there is no \"Plan\"");
  Plan plan;
  SCRY_TRY(ReadNode((*top)["Plan"], plan.root, 0));
  plan.planning_ms = Number(*top, "Planning Time");
  plan.execution_ms = Number(*top, "Execution Time");
  return plan;
}

std::vector<std::string> RenderPlan(const Plan& plan) {
  std::vector<std::string> lines;
  Render(plan.root, 0, plan.analyzed(), lines);
  return lines;
}

const PlanNode& Costliest(const Plan& plan) {
  const PlanNode* best = &plan.root;
  FindCostliest(plan.root, plan.analyzed(), best);
  return *best;
}

std::string DescribeNode(const PlanNode& node) {
  const std::string title = NodeTitle(node);
  if (node.never_executed) return title + " is never executed";
  std::string text;
  if (!node.rows_actual) {
    text = fmt::format("{} is planned for {} rows", title, Rows(node.rows_estimated));
  } else {
    const double kept = *node.rows_actual;
    const double loops = std::max(node.loops, 1.0);
    if (node.rows_removed > 0) {
      text = fmt::format("{} reads {} rows to keep {}", title,
                         Rows((kept + node.rows_removed) * loops), Rows(kept * loops));
    } else {
      text = fmt::format("{} yields {} rows", title, Rows(kept * loops));
    }
    if (loops > 1) text += fmt::format(" in {} loops", Rows(loops));
  }
  if (node.temp_blocks > 0) text += " and spills to disk";
  return text;
}

std::string DescribePlan(const Plan& plan) {
  const PlanNode& node = Costliest(plan);
  if (!plan.analyzed()) return DescribeNode(node);
  return fmt::format("{} ({})", DescribeNode(node), base::FormatDuration(node.own_ms * 1000));
}

std::string PlanShape(const Plan& plan) {
  std::string shape;
  AppendShape(plan.root, shape);
  return shape;
}

}  // namespace scry::explain
