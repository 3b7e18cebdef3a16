#include "cause/evidence.h"

#include <algorithm>
#include <cctype>

#include "base/letter_case.h"

namespace scry::cause {
namespace {

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

bool HasIndexOn(const Catalog& catalog, const std::string& table,
                const std::vector<std::string>& columns) {
  if (columns.empty()) return true;
  const auto indexes = catalog.Of("index", table);
  return std::any_of(indexes.begin(), indexes.end(), [&](const CatalogObject* index) {
    if (index->Fact("valid") != "yes" || !index->Fact("predicate").empty()) return false;
    std::string rest = Bare(index->Fact("columns"));
    std::set<std::string> wanted;
    for (const std::string& column : columns) wanted.insert(Bare(column));
    while (!wanted.empty() && !rest.empty()) {
      const size_t comma = rest.find(", ");
      if (wanted.erase(rest.substr(0, comma)) == 0) return false;
      rest = comma == std::string::npos ? "" : rest.substr(comma + 2);
    }
    return wanted.empty();
  });
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
    UncoveredKey key{&object, {}};
    std::string rest = object.Fact("columns");
    while (!rest.empty()) {
      const size_t comma = rest.find(", ");
      key.columns.push_back(rest.substr(0, comma));
      rest = comma == std::string::npos ? "" : rest.substr(comma + 2);
    }
    if (!HasIndexOn(*one.e().after, object.table, key.columns)) keys.push_back(std::move(key));
  }
  return keys;
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
