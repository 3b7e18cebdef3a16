#include "cause/evidence.h"

#include <algorithm>
#include <cctype>

#include "base/letter_case.h"
#include "cause/applies.h"

namespace scry::cause {
namespace {

constexpr int kPartitionDepthMax = 16;  // Partitions of partitions.

std::vector<std::string> Quoted(const std::string& message) {
  std::vector<std::string> names;
  for (size_t at = message.find('"'); at != std::string::npos; at = message.find('"', at)) {
    const size_t end = message.find('"', at + 1);
    if (end == std::string::npos) break;
    names.push_back(message.substr(at + 1, end - at - 1));
    at = end + 1;
  }
  return names;
}

double OwnBlocks(const explain::PlanNode& node) {
  double blocks = node.blocks;
  for (const explain::PlanNode& child : node.children) blocks -= child.blocks;
  return std::max(blocks, 0.0);
}

const explain::PlanNode* HeaviestScan(const explain::Plan& plan,
                                      const std::vector<const explain::PlanNode*>& nodes) {
  const explain::PlanNode* best = nullptr;
  for (const explain::PlanNode* node : nodes) {
    if (node->relation.empty() || node->type == "ModifyTable") continue;
    if (best == nullptr || OwnBlocks(*node) > OwnBlocks(*best)) best = node;
  }
  return best != nullptr ? best : &explain::Costliest(plan);
}

void AddOnce(std::vector<std::string>& names, const std::string& name) {
  if (std::find(names.begin(), names.end(), name) == names.end()) names.push_back(name);
}

}  // namespace

Case::Case(const Evidence& evidence) : evidence_(evidence), quoted_(Quoted(evidence.message)) {
  for (const Catalog* catalog : {evidence.before, evidence.after}) {
    if (catalog == nullptr) continue;
    for (const std::string& relation : evidence.relations) {
      for (const CatalogObject* object : catalog->Named("relation", relation)) {
        named_.insert(object->name);
      }
    }
  }
  for (const Catalog* catalog : {evidence.before, evidence.after}) {
    if (catalog == nullptr) continue;
    const std::set<std::string> closure = catalog->Closure(named_);
    touched_.insert(closure.begin(), closure.end());
  }
  if (evidence.plan_before != nullptr) nodes_before_ = explain::AllNodes(*evidence.plan_before);
  if (evidence.plan_after != nullptr) {
    nodes_after_ = explain::AllNodes(*evidence.plan_after);
    matter_ = HeaviestScan(*evidence.plan_after, nodes_after_);
  }
}

const std::vector<Change>& Case::changes() const {
  static const std::vector<Change> kNone;
  return evidence_.changes == nullptr ? kNone : *evidence_.changes;
}

bool Case::Touches(const Change& change) const {
  for (const CatalogObject* object : {change.before, change.after}) {
    if (object == nullptr) continue;
    if (touched_.contains(object->kind == "relation" ? object->name : object->table)) return true;
  }
  return change.kind() == "function" && Calls(change);
}

bool Case::Calls(const Change& function) const {
  const std::string name = base::LowerAscii(function.object().Fact("name"));
  return std::find(evidence_.functions.begin(), evidence_.functions.end(), name) !=
         evidence_.functions.end();
}

std::string Case::NameInMessage() const {
  if (!quoted_.empty()) return quoted_.front();
  const std::string& message = evidence_.message;
  for (const std::string_view lead :
       {"column ", "permission denied for materialized view ", "permission denied for table ",
        "permission denied for view ", "permission denied for sequence ",
        "permission denied for function ", "permission denied for schema ",
        "permission denied for relation ", "must be owner of table ", "function "}) {
    const size_t at = message.find(lead);
    if (at == std::string::npos) continue;
    const size_t begin = at + lead.size();
    return message.substr(begin, message.find_first_of(" (", begin) - begin);
  }
  return {};
}

bool Case::Writes() const {
  return evidence_.kind == event::StatementKind::kInsert ||
         evidence_.kind == event::StatementKind::kUpdate ||
         evidence_.kind == event::StatementKind::kDelete ||
         evidence_.kind == event::StatementKind::kMerge ||
         evidence_.kind == event::StatementKind::kCopyIn;
}

std::string SqlName(std::string_view name) {
  const bool plain = !name.empty() && std::isdigit(static_cast<unsigned char>(name[0])) == 0 &&
                     std::all_of(name.begin(), name.end(), [](unsigned char c) {
                       return std::islower(c) != 0 || std::isdigit(c) != 0 || c == '_';
                     });
  if (plain) return std::string(name);
  std::string quoted = "\"";
  for (const char c : name) quoted += c == '"' ? "\"\"" : std::string(1, c);
  return quoted + "\"";
}

std::string Joined(const std::vector<std::string>& words) {
  std::string text;
  for (const std::string& word : words) text += (text.empty() ? "" : ", ") + word;
  return text;
}

namespace {

// Names that are keywords are quoted by the server, and read bare in a plan.
std::string Bare(std::string name) {
  std::erase(name, '"');
  return name;
}

}  // namespace

namespace {

// Whoever looks for values leaves out NULLs by himself.
bool HasAllValues(const CatalogObject& index, const std::set<std::string>& columns) {
  const std::string predicate = Bare(index.Fact("predicate"));
  return predicate.empty() ||
         std::any_of(columns.begin(), columns.end(), [&](const std::string& column) {
           return predicate == "(" + column + " IS NOT NULL)";
         });
}

bool BeginsWith(const CatalogObject& index, const std::vector<std::string>& columns) {
  const std::string method = index.Fact("method");
  if (index.Fact("valid") != "yes" || (method != "btree" && method != "hash")) return false;
  std::set<std::string> wanted;
  for (const std::string& column : columns) wanted.insert(Bare(column));
  if (!HasAllValues(index, wanted)) return false;
  for (const std::string& column : SplitList(index.Fact("columns"))) {
    if (wanted.empty()) break;
    if (wanted.erase(Bare(column)) == 0) return false;
  }
  return wanted.empty();
}

bool HasIndexOn(const Catalog& catalog, const std::string& table,
                const std::vector<std::string>& columns, int depth) {
  const auto indexes = catalog.Of("index", table);
  const bool own = std::any_of(indexes.begin(), indexes.end(), [&](const CatalogObject* index) {
    return BeginsWith(*index, columns);
  });
  const CatalogObject* relation = catalog.Find("relation", table);
  if (own || relation == nullptr || relation->Fact("kind") != "p" || depth > kPartitionDepthMax) {
    return own;
  }
  // Each partition may have its own, attached or not.
  bool some = false;
  for (const auto& [key, object] : catalog.objects()) {
    if (key.first != "relation" || object.Fact("parent") != table) continue;
    if (!HasIndexOn(catalog, object.name, columns, depth + 1)) return false;
    some = true;
  }
  return some;
}

// Is it what a partition has of its parent?
bool FollowsParent(const Catalog& catalog, const CatalogObject& key) {
  const CatalogObject* relation = catalog.Find("relation", key.table);
  if (relation == nullptr || relation->Fact("parent").empty()) return false;
  const auto keys = catalog.Of("constraint", relation->Fact("parent"));
  return std::any_of(keys.begin(), keys.end(), [&](const CatalogObject* other) {
    return other->Fact("type") == "f" && other->Fact("references") == key.Fact("references") &&
           other->Fact("columns") == key.Fact("columns");
  });
}

// Of a column of the key: what is stored there may follow from other columns that are set.
bool FollowsOthers(const Catalog& catalog, const std::string& table, const std::string& column) {
  const CatalogObject* object = catalog.Find("column", table + "." + column);
  if (object != nullptr && !object->Fact("generated").empty()) return true;
  const auto triggers = catalog.Of("trigger", table);
  return std::any_of(triggers.begin(), triggers.end(), [](const CatalogObject* trigger) {
    return trigger->Fact("timing") == "BEFORE" &&
           trigger->Fact("events").find("UPDATE") != std::string::npos;
  });
}

// PostgreSQL looks for nothing while the key stays as it was (RI_FKey_pk_upd_check_required).
bool ChangesKey(const Case& one, const CatalogObject& key) {
  if (one.e().kind == event::StatementKind::kDelete) return true;
  const std::string referenced = key.Fact("referenced_columns");
  if (SetsOneOf(one, referenced)) return true;
  if (one.e().triggers_after.value_or(0) <= one.e().triggers_before.value_or(0)) return false;
  const auto columns = SplitList(referenced);
  return std::any_of(columns.begin(), columns.end(), [&](const std::string& column) {
    return FollowsOthers(*one.e().after, key.Fact("references"), column);
  });
}

}  // namespace

bool HasIndexOn(const Catalog& catalog, const std::string& table,
                const std::vector<std::string>& columns) {
  return columns.empty() || HasIndexOn(catalog, table, columns, 0);
}

std::vector<UncoveredKey> UncoveredKeys(const Case& one) {
  std::vector<UncoveredKey> keys;
  if (one.e().kind != event::StatementKind::kDelete &&
      one.e().kind != event::StatementKind::kUpdate) {
    return keys;
  }
  for (const auto& [name, object] : one.e().after->objects()) {
    if (object.kind != "constraint" || object.Fact("type") != "f") continue;
    if (!one.named().contains(object.Fact("references"))) continue;
    if (FollowsParent(*one.e().after, object) || !ChangesKey(one, object)) continue;
    UncoveredKey key{&object, SplitList(object.Fact("columns"))};
    if (!HasIndexOn(*one.e().after, object.table, key.columns)) keys.push_back(std::move(key));
  }
  return keys;
}

const CatalogObject& DroppedWith(const Evidence& evidence, const CatalogObject& index) {
  const CatalogObject* top = &index;
  for (int depth = 0; depth < kPartitionDepthMax; ++depth) {
    const CatalogObject* parent = evidence.before->Find("index", top->State("parent"));
    if (parent == nullptr || evidence.after->Find("index", parent->name) != nullptr) break;
    top = parent;
  }
  return *top;
}

std::vector<std::string> SplitList(std::string_view list) {
  std::vector<std::string> items;
  std::string item;
  int depth = 0;
  char quote = 0;
  for (size_t i = 0; i < list.size(); ++i) {
    const char c = list[i];
    if (quote != 0) {
      if (c == quote) quote = 0;  // Two in a row open it again.
    } else if (c == '"' || c == '\'') {
      quote = c;
    } else if (c == '(') {
      ++depth;
    } else if (c == ')') {
      --depth;
    } else if (c == ',' && depth == 0) {
      items.push_back(std::move(item));
      item.clear();
      if (i + 1 < list.size() && list[i + 1] == ' ') ++i;
      continue;
    }
    item += c;
  }
  if (!item.empty()) items.push_back(std::move(item));
  return items;
}

std::vector<std::string> KeysOf(const CatalogObject& index) {
  const std::string definition = index.Fact("definition");
  const size_t method = definition.find(" USING ");
  const size_t open = method == std::string::npos ? method : definition.find('(', method);
  // What the server prints has directions and operator classes; the bare columns have not.
  if (open == std::string::npos) return SplitList(index.Fact("columns"));
  int depth = 1;
  char quote = 0;
  size_t end = open + 1;
  for (; end < definition.size() && depth > 0; ++end) {
    const char c = definition[end];
    if (quote != 0) {
      if (c == quote) quote = 0;
    } else if (c == '"' || c == '\'') {
      quote = c;
    } else if (c == '(' || c == ')') {
      depth += c == '(' ? 1 : -1;
    }
  }
  if (depth > 0) return SplitList(index.Fact("columns"));  // Cut.
  return SplitList(std::string_view(definition).substr(open + 1, end - open - 2));
}

std::string ColumnOf(const std::string& key) {
  if (!key.starts_with('"')) return key.substr(0, key.find(' '));
  size_t end = key.find('"', 1);
  while (end != std::string::npos && end + 1 < key.size() && key[end + 1] == '"') {
    end = key.find('"', end + 2);
  }
  return end == std::string::npos ? key : key.substr(0, end + 1);
}

WantedColumns WantedBy(const explain::PlanNode& node) {
  WantedColumns wanted;
  std::vector<std::string> ranges;
  for (const std::string& condition : {node.index_condition, node.filter}) {
    for (const event::PredicateTerm& term : event::ReadPredicate(condition)) {
      if (term.joins()) continue;
      if (term.kind == event::TermKind::kEqual || term.kind == event::TermKind::kIsNull) {
        AddOnce(wanted.equal, SqlName(term.column));
      } else if (term.kind == event::TermKind::kRange) {
        AddOnce(ranges, SqlName(term.column));
      }
    }
  }
  for (const std::string& column : ranges) {
    if (std::find(wanted.equal.begin(), wanted.equal.end(), column) == wanted.equal.end()) {
      wanted.range.push_back(column);
    }
  }
  return wanted;
}

}  // namespace scry::cause
