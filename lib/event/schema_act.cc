#include "event/schema_act.h"

#include <algorithm>
#include <array>
#include <nlohmann/json.hpp>
#include <optional>

#include "event/parse_tree.h"

namespace scry::event {
namespace {

using nlohmann::json;
using tree::kDepthMax;

// Members that hold one name as a plain string.
bool HoldsName(std::string_view key) {
  static constexpr std::array<std::string_view, 16> kKeys = {
      "relname", "schemaname", "name",      "colname",   "idxname",  "conname",
      "subname", "newname",    "newschema", "indexname", "trigname", "policy_name",
      "rolname", "rolename",   "extname",   "parameter"};
  return std::find(kKeys.begin(), kKeys.end(), key) != kKeys.end();
}

void ActOfNode(std::string_view type, SchemaAct& act) {
  const auto starts = [&](std::initializer_list<std::string_view> words) {
    return std::any_of(words.begin(), words.end(),
                       [&](std::string_view word) { return type.starts_with(word); });
  };
  if (starts({"Drop", "Truncate"})) act.drops = true;
  if (starts({"Rename", "AlterObjectSchema"})) act.renames = true;
  if (starts({"Create", "Index", "View", "Define", "CompositeType", "Rule"})) act.creates = true;
  // CREATE OR REPLACE.
  if (starts({"Alter", "View", "CreateFunction", "Refresh", "Cluster", "Vacuum", "Reindex",
              "Comment", "VariableSet", "Reassign", "Rule"})) {
    act.alters = true;
  }
  if (starts({"Grant"})) act.grants = true;
  if (starts({"Insert", "Update", "Delete", "Merge", "Copy", "Truncate", "CreateTableAs"})) {
    act.writes = true;
  }
}

class Walk {
 public:
  explicit Walk(SchemaAct& act) : act_(act) {}

  void Into(const json& node, int depth = 0) {
    if (depth > kDepthMax) return;
    if (node.is_array()) {
      for (const json& item : node) Into(item, depth + 1);
      return;
    }
    if (!node.is_object()) return;
    const std::string text = tree::StringOf(node);
    if (!text.empty()) act_.names.insert(text);
    for (const auto& [key, value] : node.items()) {
      if (key == "A_Const") continue;  // Values are no names.
      if (value.is_string() && HoldsName(key)) act_.names.insert(value.get<std::string>());
      if (key == "AlterTableCmd") Subcommand(tree::Text(value, "subtype"));
      Into(value, depth + 1);
    }
  }

 private:
  void Subcommand(std::string_view subtype) {
    if (subtype.starts_with("AT_Drop") || subtype == "AT_DetachPartition") act_.drops = true;
    if (subtype.starts_with("AT_Add") || subtype == "AT_AttachPartition") act_.creates = true;
  }

  SchemaAct& act_;
};

}  // namespace

SchemaAct ActOf(std::string_view text, uint32_t ordinal) {
  SchemaAct act;
  const std::optional<json> parsed = tree::Parse(std::string(text));
  if (!parsed) return act;
  const json& statements = tree::List(*parsed, "stmts");
  if (statements.empty()) return act;
  const json& raw = statements[std::min<size_t>(ordinal, statements.size() - 1)];
  const json* statement = tree::Find(raw, "stmt");
  if (statement == nullptr || !statement->is_object() || statement->size() != 1) return act;
  const std::string& type = statement->begin().key();
  if (type == "DoStmt" || type == "CallStmt" || type == "SelectStmt" || type == "ExecuteStmt") {
    return act;
  }
  act.known = true;
  ActOfNode(type, act);
  Walk(act).Into(*statement);
  return act;
}

}  // namespace scry::event
