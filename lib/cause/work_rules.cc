// Why statements take longer or do more: from what the plans of both lanes do, joined with what the
// migration took away from them.
#include <algorithm>
#include <cmath>

#include "base/units.h"
#include "cause/applies.h"
#include "cause/cause.h"

namespace scry::cause {
namespace {

using explain::PlanNode;
using Type = ChangeType;

constexpr double kMisestimate = 10;  // Actual rows against estimated ones.
constexpr double kRemovedMin = 100;  // Rows read for nothing that are worth an index.

std::string Rows(double rows) {
  return base::FormatCount(static_cast<uint64_t>(std::clamp(std::round(rows), 0.0, 9e18)));
}

Words Of(const Change& change) {
  const CatalogObject& object = change.object();
  return {{"object", object.kind + " " + object.label},
          {"name", object.label},
          {"table", object.table}};
}

std::optional<Words> If(const Change* change) {
  return change == nullptr ? std::nullopt : std::optional<Words>(Of(*change));
}

bool Uses(const std::vector<const PlanNode*>& nodes, const std::string& index) {
  return std::any_of(nodes.begin(), nodes.end(),
                     [&](const PlanNode* node) { return node->index == index; });
}

// The node of the new plan that reads `relation` the most.
const PlanNode* Reader(const Case& one, const std::string& relation) {
  const PlanNode* best = nullptr;
  for (const PlanNode* node : one.nodes_after()) {
    if (node->relation != relation || node->type == "ModifyTable") continue;
    if (best == nullptr || node->blocks > best->blocks) best = node;
  }
  return best;
}

std::string ReaderText(const Case& one, const std::string& relation) {
  const PlanNode* node = Reader(one, relation);
  if (node == nullptr) node = one.Matter();
  return node == nullptr ? "the plan changed" : explain::DescribeNode(*node);
}

// The relation of a plan's node that uses this index; of a Bitmap Index Scan, of the node above.
std::string RelationOf(const Case& one, const std::string& index, const std::string& otherwise) {
  for (const PlanNode* node : one.nodes_before()) {
    if (node->index == index && !node->relation.empty()) return node->relation;
  }
  return otherwise;
}

std::optional<Words> LostIndex(const Case& one, bool (*fits)(const Change&)) {
  for (const Change& change : one.changes()) {
    if (change.kind() != "index" || change.before == nullptr || !fits(change)) continue;
    const std::string index = change.before->Fact("name");
    if (!Uses(one.nodes_before(), index) || Uses(one.nodes_after(), index)) continue;
    // A plan names the index of a partition; the migration dropped that of the table.
    const bool whole = change.type == Type::kDropped && one.e().after != nullptr;
    const CatalogObject& lost = whole ? DroppedWith(one.e(), *change.before) : *change.before;
    Words words = {{"object", "index " + lost.label},
                   {"name", lost.label},
                   {"table", lost.table},
                   {"columns", lost.Fact("columns")}};
    const std::string& table = change.before->table;
    const CatalogObject* relation = one.e().before->Find("relation", table);
    words["node"] = ReaderText(
        one, RelationOf(one, index, relation == nullptr ? table : relation->Fact("name")));
    return words;
  }
  return std::nullopt;
}
std::optional<Words> IndexDropped(const Case& one) {
  return LostIndex(one, [](const Change& c) { return c.type == Type::kDropped; });
}
std::optional<Words> IndexInvalid(const Case& one) {
  return LostIndex(one, [](const Change& c) { return c.After("valid") == "no"; });
}
std::optional<Words> IndexPartial(const Case& one) {
  return LostIndex(
      one, [](const Change& c) { return c.Has("predicate") && !c.After("predicate").empty(); });
}
std::optional<Words> IndexOther(const Case& one) {
  return LostIndex(one, [](const Change& c) {
    return c.Has("method") || c.Has("columns") || c.Has("definition");
  });
}

// What did not come true of the planner's estimates, the worst first.
struct Misestimate {
  const PlanNode* node = nullptr;
  double ratio = 0;
};
Misestimate Worst(const Case& one) {
  Misestimate worst;
  for (const PlanNode* node : one.nodes_after()) {
    if (!node->rows_actual || node->never_executed) continue;
    const double actual = std::max(*node->rows_actual, 1.0);
    const double estimated = std::max(node->rows_estimated, 1.0);
    const double ratio = std::max(actual / estimated, estimated / actual);
    if (ratio > worst.ratio) worst = {node, ratio};
  }
  return worst;
}
void AddEstimate(const Misestimate& worst, Words& words) {
  words["estimate"] = Rows(worst.node->rows_estimated);
  words["rows"] = std::round(worst.node->rows_estimated) == 1 ? "row" : "rows";
  words["actual"] = Rows(worst.node->rows_actual.value_or(0));
}

std::optional<Words> ColumnStatistics(const Case& one) {
  if (one.e().settled) return std::nullopt;
  const Misestimate worst = Worst(one);
  if (worst.ratio < kMisestimate) return std::nullopt;
  const Change* change = one.FindTouched("column", [](const Change& c) {
    return c.type == Type::kChanged && c.before->State("statistics") == "yes" &&
           c.after->State("statistics") == "no";
  });
  if (change == nullptr) return std::nullopt;
  Words words = Of(*change);
  words["by"] = change->Has("type") ? "the type change" : "the migration";
  AddEstimate(worst, words);
  return words;
}
std::optional<Words> ExtendedStatistics(const Case& one) {
  const Misestimate worst = Worst(one);
  if (worst.ratio < kMisestimate) return std::nullopt;
  const Change* change = one.FindTouched("statistics", [&](const Change& c) {
    return c.type == Type::kDropped || c.recreated ||
           (!one.e().settled && c.type == Type::kChanged && c.before->State("data") == "yes" &&
            c.after->State("data") == "no");
  });
  if (change == nullptr) return std::nullopt;
  Words words = Of(*change);
  words["lost"] = change->type == Type::kDropped ? "was dropped" : "lost its data";
  AddEstimate(worst, words);
  return words;
}
std::optional<Words> StaleStatistics(const Case& one) {
  if (one.e().settled) return std::nullopt;
  const Misestimate worst = Worst(one);
  if (worst.ratio < kMisestimate) return std::nullopt;
  const Change* change = one.FindTouched("relation", [](const Change& c) {
    if (c.type == Type::kAdded) return c.after->Number("bytes") > 0;
    if (c.type != Type::kChanged) return false;
    double written = 0;
    for (const char* counter : {"inserted", "updated", "deleted"}) {
      written += c.after->Number(counter) - c.before->Number(counter);
    }
    return written * 10 >= std::max(c.before->Number("rows"), 1.0);
  });
  if (change == nullptr) return std::nullopt;
  Words words = Of(*change);
  AddEstimate(worst, words);
  return words;
}

double Written(const Change& change) {
  double written = 0;
  for (const char* counter : {"inserted", "updated", "deleted"}) {
    written += change.after->Number(counter) - change.before->Number(counter);
  }
  return written;
}
// The visibility map of the relation that `node` reads was emptied, or most of it.
const Change* VisibilityLost(const Case& one, const PlanNode& node) {
  return one.FindTouched("relation", [&](const Change& c) {
    if (c.type != Type::kChanged || c.after->Fact("name") != node.relation) return false;
    return c.state.contains("file") || Written(c) > 0 ||
           c.after->Number("visible") < c.before->Number("visible");
  });
}
std::optional<Words> HeapFetches(const Case& one) {
  if (one.e().settled) return std::nullopt;
  for (const PlanNode* before : one.nodes_before()) {
    if (before->type != "Index Only Scan") continue;
    const PlanNode* after = Reader(one, before->relation);
    if (after == nullptr) continue;
    const bool fetches = after->type == "Index Only Scan" &&
                         after->heap_fetches > std::max(before->heap_fetches * 2, 10.0);
    if (!fetches && after->type == "Index Only Scan") continue;
    const Change* change = VisibilityLost(one, *before);
    if (change == nullptr) continue;
    Words words = Of(*change);
    words["object"] = "visibility map of " + change->object().label;
    words["by"] = change->state.contains("file") ? "the rewrite" : "writing its rows";
    words["became"] = fetches ? Rows(after->heap_fetches) + " heap fetches" : after->type;
    return words;
  }
  return std::nullopt;
}

std::optional<Words> TypeStopsIndex(const Case& one) {
  for (const PlanNode* node : one.nodes_before()) {
    if (node->index.empty()) continue;
    for (const event::PredicateTerm& term : event::ReadPredicate(node->index_condition)) {
      if (Uses(one.nodes_after(), node->index)) continue;
      const Change* change = one.FindTouched("column", [&](const Change& c) {
        return c.type == Type::kChanged && c.object().Fact("name") == term.column &&
               (c.Has("type") || c.Has("collation"));
      });
      if (change == nullptr) continue;
      Words words = Of(*change);
      const char* fact = change->Has("type") ? "type" : "collation";
      words["from"] = change->Before(fact);
      words["to"] = change->After(fact);
      words["index"] = node->index;
      words["node"] = ReaderText(one, node->relation);
      return words;
    }
  }
  return std::nullopt;
}

// --- Writes.

// A foreign key that points at a relation which the statement writes, whose own columns no index
// covers.
std::optional<Words> ForeignKey(const Case& one, bool added) {
  if (one.e().after == nullptr || one.e().before == nullptr) return std::nullopt;
  // Of rows that the replay deleted already nothing can be counted any more.
  const double counted = one.e().triggers_before.value_or(0);
  if (counted > 0 && one.e().triggers_after.value_or(0) <= counted) return std::nullopt;
  for (const auto& [key, columns] : UncoveredKeys(one)) {
    const CatalogObject& object = *key;
    const bool is_new = one.e().before->Find("constraint", object.name) == nullptr;
    if (is_new != added) continue;
    if (!is_new && !HasIndexOn(*one.e().before, object.table, columns)) continue;
    return Words{{"object", "constraint " + object.label},
                 {"name", object.label},
                 {"table", object.table},
                 {"references", object.Fact("references")},
                 {"columns", Joined(columns)}};
  }
  return std::nullopt;
}
std::optional<Words> ForeignKeyAdded(const Case& one) { return ForeignKey(one, true); }
std::optional<Words> ForeignKeyIndexLost(const Case& one) {
  auto words = ForeignKey(one, false);
  if (!words) return words;
  const Change* index = one.FindChange("index", [&](const Change& c) {
    return c.type == Type::kDropped && c.before->table == (*words)["table"];
  });
  if (index == nullptr) return std::nullopt;
  (*words)["object"] = "index " + index->before->label;
  (*words)["index"] = index->before->label;
  return words;
}
std::optional<Words> TriggerAdded(const Case& one) {
  return If(one.FindTouched("trigger", [&](const Change& c) {
    return c.type != Type::kDropped && TriggerFires(one, c);
  }));
}
std::optional<Words> RuleAdded(const Case& one) {
  return If(one.FindTouched(
      "rule", [&](const Change& c) { return c.type != Type::kDropped && RuleApplies(one, c); }));
}
std::optional<Words> IndexAdded(const Case& one) {
  if (!one.Writes()) return std::nullopt;
  const auto added = [](const Change& c) {
    return c.type == Type::kAdded || c.recreated || c.Has("definition");
  };
  const Change* change = one.FindTouched("index", [&](const Change& c) {
    // That of a partition came with that of the table.
    const std::string parent = c.after == nullptr ? "" : c.after->State("parent");
    return added(c) && (parent.empty() || one.e().before->Find("index", parent) != nullptr);
  });
  auto words = If(change);
  if (words) (*words)["columns"] = change->After("columns");
  return words;
}

// --- What is asked for.

std::optional<Words> Policy(const Case& one) {
  const Change* change = one.FindTouched(
      "policy", [&](const Change& c) { return c.type != Type::kDropped && PolicyApplies(one, c); });
  auto words = If(change);
  if (words && one.Matter() != nullptr) (*words)["node"] = explain::DescribeNode(*one.Matter());
  return words;
}
std::optional<Words> ViewReplaced(const Case& one) {
  return If(one.FindTouched(
      "relation", [](const Change& c) { return c.type == Type::kChanged && c.Has("definition"); }));
}
std::optional<Words> FunctionReplaced(const Case& one) {
  return If(one.FindTouched("function", [](const Change& c) {
    return c.Has("body") || c.Has("volatility") || c.Has("settings") || c.Has("definer");
  }));
}
// Of a table that is read and has more bytes.
double Rose(const Change& table, const char* counter) {
  return table.after->Number(counter) - table.before->Number(counter);
}
// Rows that were there, and left their old versions behind.
double Outdated(const Change& table) { return Rose(table, "updated") + Rose(table, "deleted"); }
double MoreRows(const Change& table) { return Rose(table, "inserted") - Rose(table, "deleted"); }
// The same table in the same file: its counters tell what happened in it. Those of another table,
// or of rows that were written anew or truncated, do not.
bool IsSameFile(const Change& table) {
  return table.before->identity == table.after->identity && !table.state.contains("file");
}

std::optional<Words> TableGrew(const Case& one, bool (*why)(const Change&)) {
  if (one.nodes_after().empty() || one.nodes_before().empty()) return std::nullopt;
  if (one.nodes_after().front()->blocks <= one.nodes_before().front()->blocks) return std::nullopt;
  const Change* change = one.FindTouched("relation", [&](const Change& c) {
    return c.type == Type::kChanged && Reader(one, c.after->Fact("name")) != nullptr &&
           c.after->Number("bytes") >= c.before->Number("bytes") * 1.3 &&
           c.after->Number("bytes") > c.before->Number("bytes") + 100 * 8192 && why(c);
  });
  if (change == nullptr) return std::nullopt;
  Words words = Of(*change);
  words["from"] = base::FormatSize(static_cast<uint64_t>(change->before->Number("bytes")));
  words["to"] = base::FormatSize(static_cast<uint64_t>(change->after->Number("bytes")));
  words["more"] = Rows(MoreRows(*change));
  return words;
}
std::optional<Words> OldVersions(const Case& one) {
  return TableGrew(one, [](const Change& c) {
    return IsSameFile(c) && Outdated(c) > std::max(MoreRows(c), 0.0);
  });
}
std::optional<Words> RowsAdded(const Case& one) {
  return TableGrew(one, [](const Change& c) { return IsSameFile(c) && MoreRows(c) > 0; });
}
// Rows that were written anew leave nothing behind. How full their pages are made is an option.
std::optional<Words> WiderRows(const Case& one) {
  return TableGrew(one, [](const Change& c) {
    return c.before->identity == c.after->identity && c.state.contains("file") &&
           !c.Has("options") && Rose(c, "inserted") == 0 && Outdated(c) == 0;
  });
}
std::optional<Words> Grew(const Case& one) {
  return TableGrew(one, [](const Change&) { return true; });
}
std::optional<Words> Partitions(const Case& one) {
  return If(one.FindTouched("relation", [](const Change& c) {
    return (c.type == Type::kAdded && !c.After("parent").empty()) || c.Has("parent");
  }));
}

// --- No index.

bool ReadsForNothing(const PlanNode& node) {
  const double loops = std::max(node.loops, 1.0);
  const double removed = node.rows_removed * loops;
  return removed >= kRemovedMin && removed >= node.rows_actual.value_or(0) * loops;
}
std::optional<Words> NoIndex(const Case& one) {
  const PlanNode* worst = nullptr;
  for (const PlanNode* node : one.nodes_after()) {
    if (node->relation.empty() || !ReadsForNothing(*node)) continue;
    if (worst == nullptr || node->rows_removed * node->loops > worst->rows_removed * worst->loops) {
      worst = node;
    }
  }
  if (worst == nullptr || one.e().after == nullptr) return std::nullopt;
  const WantedColumns wanted = WantedBy(*worst);
  std::vector<std::string> columns = wanted.equal;
  columns.insert(columns.end(), wanted.range.begin(), wanted.range.end());
  if (columns.empty()) return std::nullopt;
  for (const CatalogObject* relation : one.e().after->Named("relation", worst->relation)) {
    if (!one.touched().contains(relation->name)) continue;
    if (HasIndexOn(*one.e().after, relation->name, columns)) continue;
    return Words{{"object", "missing index on " + relation->label + " (" + Joined(columns) + ")"},
                 {"node", explain::DescribeNode(*worst)},
                 {"columns", Joined(columns)}};
  }
  return std::nullopt;
}
std::optional<Words> NoOrder(const Case& one) {
  for (const PlanNode* node : one.nodes_after()) {
    const bool sorts = node->type == "Sort" || node->type == "Incremental Sort";
    if (!sorts || node->sort_keys.empty() || node->children.empty()) continue;
    const PlanNode& input = node->children.front();
    const double read = input.rows_actual.value_or(0) * std::max(input.loops, 1.0);
    const double kept = node->rows_actual.value_or(0) * std::max(node->loops, 1.0);
    if (read < kRemovedMin || read < kept * 2 || input.relation.empty()) continue;
    std::vector<std::string> keys;
    for (const std::string& key : node->sort_keys) {
      keys.push_back(explain::WithoutConstants(key, 60));
    }
    return Words{{"object", "missing index on " + input.relation + " (" + Joined(keys) + ")"},
                 {"relation", input.relation},
                 {"read", Rows(read)},
                 {"kept", Rows(kept)},
                 {"columns", Joined(keys)}};
  }
  return std::nullopt;
}
// A sequential scan that runs again for each row of something else. Workers of a parallel scan are
// loops as well, and no join.
const PlanNode* RepeatedScan(const PlanNode& node, bool repeated) {
  if (repeated && node.type == "Seq Scan" && node.loops >= 2) return &node;
  for (const PlanNode& child : node.children) {
    const bool again = child.relationship == "SubPlan" ||
                       (node.type == "Nested Loop" && child.relationship == "Inner");
    if (const PlanNode* found = RepeatedScan(child, repeated || again)) return found;
  }
  return nullptr;
}
std::optional<Words> JoinWithoutIndex(const Case& one) {
  if (one.e().plan_after == nullptr) return std::nullopt;
  const PlanNode* node = RepeatedScan(one.e().plan_after->root, false);
  if (node == nullptr) return std::nullopt;
  return Words{{"object", "relation " + node->relation},
               {"node", explain::DescribeNode(*node)},
               {"relation", node->relation}};
}
std::optional<Words> Spills(const Case& one) {
  if (one.nodes_after().empty()) return std::nullopt;
  const double before = one.nodes_before().empty() ? 0 : one.nodes_before().front()->temp_blocks;
  if (one.nodes_after().front()->temp_blocks <= before) return std::nullopt;
  const PlanNode* deepest = nullptr;
  for (const PlanNode* node : one.nodes_after()) {
    if (node->temp_blocks > 0) deepest = node;
  }
  if (deepest == nullptr) return std::nullopt;
  return Words{{"object", deepest->type}, {"node", explain::DescribeNode(*deepest)}};
}
std::optional<Words> Setting(const Case& one) {
  return If(one.FindChange(
      "setting", [&](const Change& c) { return SettingIsHeld(one, c) && SteersPlans(c); }));
}
std::optional<Words> TypeWidened(const Case& one) {
  const Change* change = one.FindTouched("column", [](const Change& c) { return c.Has("type"); });
  if (change == nullptr) return std::nullopt;
  Words words = Of(*change);
  words["from"] = change->Before("type");
  words["to"] = change->After("type");
  return words;
}
std::optional<Words> OtherPlan(const Case& one) {
  if (one.e().plan_before == nullptr || one.e().plan_after == nullptr) return std::nullopt;
  if (explain::PlanShape(*one.e().plan_before) == explain::PlanShape(*one.e().plan_after)) {
    return std::nullopt;
  }
  const Change* change = one.FindTouched("relation", [](const Change&) { return true; });
  if (change != nullptr) return std::nullopt;  // Then what differs says more.
  return Words{{"before", explain::DescribeNode(explain::Costliest(*one.e().plan_before))},
               {"after", explain::DescribeNode(explain::Costliest(*one.e().plan_after))}};
}

}  // namespace

const std::vector<Rule>& WorkRules() {
  static const std::vector<Rule> kRules = {
      {"index dropped", "work", "{node} because index {name} ({columns}) was dropped",
       IndexDropped},
      {"index invalid", "work", "{node} because index {name} is invalid: it was left half built",
       IndexInvalid},
      {"index made partial", "work",
       "{node} because index {name} was made partial, and the query does not say what its WHERE "
       "needs",
       IndexPartial},
      {"type change", "work",
       "{node} because column {name} changed from {from} to {to}, and index {index} does not serve "
       "the comparison any more",
       TypeStopsIndex},
      {"index replaced", "work",
       "{node} because index {name} was replaced by one that does not serve the query", IndexOther},
      {"visibility map", "work",
       "index-only scan of {name} became {became}: {by} emptied the visibility map; VACUUM "
       "restores "
       "it",
       HeapFetches},
      {"statistics deleted", "work",
       "statistics of column {name} were deleted by {by}: estimate {estimate} {rows}, actual "
       "{actual}; ANALYZE brings them back",
       ColumnStatistics},
      {"extended statistics", "work",
       "statistics object {name} on {table} {lost}: estimate {estimate} {rows}, actual {actual}",
       ExtendedStatistics},
      {"foreign key without index", "work",
       "foreign key {name} was added: each such write to {references} looks for its rows in "
       "{table}, "
       "and no index covers {table} ({columns})",
       ForeignKeyAdded},
      {"foreign key without index", "work",
       "index {index} was dropped: each such write to {references} looks for its rows in {table} "
       "by "
       "foreign key {name}, and no index covers {table} ({columns})",
       ForeignKeyIndexLost},
      {"trigger", "work", "trigger {name} on {table} runs with every such write", TriggerAdded},
      {"rule", "work", "rule {name} on {table} rewrites every such write", RuleAdded},
      {"policy", "work", "policy {name} on {table} adds its condition to every query of {table}",
       Policy},
      {"view replaced", "work", "view {name} has another definition", ViewReplaced},
      {"function replaced", "work", "{object} was replaced by another one", FunctionReplaced},
      {"index added", "work",
       "index {name} on {table} was added: every such write maintains it, and changes of "
       "({columns}) "
       "cannot stay within their page",
       IndexAdded},
      {"stale statistics", "work",
       "most rows of {name} were written without ANALYZE: estimate {estimate} {rows}, actual "
       "{actual}",
       StaleStatistics},
      {"no index", "work", "{node} because no index covers ({columns})", NoIndex},
      {"no index for the order", "work",
       "a sort reads {read} rows of {relation} to keep {kept} because no index has them in the "
       "order "
       "of ({columns})",
       NoOrder},
      {"no index for the join", "new-slow", "{node}: no index finds the rows of {relation} to join",
       JoinWithoutIndex},
      {"table grew", "work",
       "{name} grew from {from} to {to}: old versions of the rows that were rewritten still take "
       "their room",
       OldVersions},
      {"table grew", "work", "{name} grew from {from} to {to}: it has {more} rows more", RowsAdded},
      {"table grew", "work",
       "{name} grew from {from} to {to}: it was written anew, and its rows are wider", WiderRows},
      {"table grew", "work", "{name} grew from {from} to {to}", Grew},
      {"partitions", "work", "{name} joined or left the partitions that the query reads",
       Partitions},
      {"setting", "work", "setting {name} was changed for new sessions", Setting},
      {"type change", "work", "column {name} changed from {from} to {to}", TypeWidened},
      {"spills", "work", "{node}", Spills},
      {"another plan", "work", "the plan changed: before, {before}; now, {after}", OtherPlan},
  };
  return kRules;
}

}  // namespace scry::cause
