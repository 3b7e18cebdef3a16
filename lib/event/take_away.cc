#include "event/take_away.h"

#include <algorithm>
#include <array>
#include <nlohmann/json.hpp>
#include <optional>
#include <string_view>

#include "event/parse_tree.h"

namespace scry::event {
namespace {

using nlohmann::json;

bool StartsWithAny(std::string_view text, const auto& words) {
  return std::any_of(words.begin(), words.end(),
                     [&](std::string_view word) { return text.starts_with(word); });
}

// Of ALTER TABLE. Row security that comes on hides rows until its policies are there.
bool TakesAway(const json& command) {
  constexpr std::array<std::string_view, 7> kWords = {"AT_Drop",       "AT_Disable", "AT_Enable",
                                                      "AT_NoForce",    "AT_Force",   "AT_Detach",
                                                      "AT_ChangeOwner"};
  const std::string subtype = tree::Text(command, "subtype");
  const bool drops_default = subtype == "AT_ColumnDefault" && tree::Find(command, "def") == nullptr;
  return drops_default || StartsWithAny(subtype, kWords);
}

bool IsRevoke(const std::string& type, const json& node) {
  return (type == "GrantStmt" || type == "GrantRoleStmt") &&
         tree::Find(node, "is_grant") == nullptr;
}

}  // namespace

bool MayTakeAway(const std::string& sql) {
  constexpr std::array<std::string_view, 9> kTypes = {
      "Drop",     "Rename", "Truncate", "AlterObjectSchema", "AlterOwner",
      "Reassign", "DoStmt", "CallStmt", "ExecuteStmt"};
  const std::optional<json> parsed = tree::Parse(sql);
  if (!parsed) return true;
  const json& statements = tree::List(*parsed, "stmts");
  return std::any_of(statements.begin(), statements.end(), [&](const json& one) {
    const json* statement = tree::Find(one, "stmt");
    if (statement == nullptr || statement->size() != 1) return true;
    const std::string& type = statement->begin().key();
    const json& node = statement->begin().value();
    if (StartsWithAny(type, kTypes) || IsRevoke(type, node)) return true;
    // All rows: they are to come anew.
    if (type == "DeleteStmt") return tree::Find(node, "whereClause") == nullptr;
    const json& commands = tree::List(node, "cmds");
    return type == "AlterTableStmt" &&
           std::any_of(commands.begin(), commands.end(), [](const json& command) {
             const json* alter = tree::Find(command, "AlterTableCmd");
             return alter == nullptr || TakesAway(*alter);
           });
  });
}

}  // namespace scry::event
