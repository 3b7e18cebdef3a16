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

constexpr std::array<std::string_view, 3> kOpaque = {"DoStmt", "CallStmt", "ExecuteStmt"};

// Row security that comes on hides rows until its policies are there.
uint32_t TakenByAlter(const json& command) {
  constexpr std::array<std::string_view, 7> kWords = {"AT_Drop",       "AT_Disable", "AT_Enable",
                                                      "AT_NoForce",    "AT_Force",   "AT_Detach",
                                                      "AT_ChangeOwner"};
  const std::string subtype = tree::Text(command, "subtype");
  if (subtype == "AT_ColumnDefault") {
    return tree::Find(command, "def") == nullptr ? kDefaults : 0;
  }
  return StartsWithAny(subtype, kWords) ? kObjects : 0;
}

uint32_t PutBackByAlter(const json& command) {
  constexpr std::array<std::string_view, 7> kNever = {"AT_Drop",         "AT_Disable",
                                                      "AT_NoForce",      "AT_Detach",
                                                      "AT_SetNotNull",   "AT_ValidateConstraint",
                                                      "AT_SetStatistics"};
  const std::string subtype = tree::Text(command, "subtype");
  if (subtype == "AT_ColumnDefault") {
    return tree::Find(command, "def") == nullptr ? 0 : kDefaults;
  }
  return StartsWithAny(subtype, kNever) ? 0 : kObjects;
}

template <typename Of>
uint32_t OfCommands(const json& alter, Of of) {
  uint32_t found = 0;
  for (const json& one : tree::List(alter, "cmds")) {
    const json* command = tree::Find(one, "AlterTableCmd");
    found |= command == nullptr ? kAll : of(*command);
  }
  return found;
}

bool IsRevoke(const std::string& type, const json& node) {
  return (type == "GrantStmt" || type == "GrantRoleStmt") &&
         tree::Find(node, "is_grant") == nullptr;
}

uint32_t TakenBy(const std::string& type, const json& node) {
  constexpr std::array<std::string_view, 5> kTaking = {"Drop", "Rename", "AlterObjectSchema",
                                                       "AlterOwner", "Reassign"};
  if (StartsWithAny(type, kOpaque)) return kAll;
  if (StartsWithAny(type, kTaking) || IsRevoke(type, node)) return kObjects;
  if (type == "TruncateStmt") return kRows;
  // All rows: they are to come anew.
  if (type == "DeleteStmt") return tree::Find(node, "whereClause") == nullptr ? kRows : 0;
  return type == "AlterTableStmt" ? OfCommands(node, TakenByAlter) : 0;
}

uint32_t PutBackBy(const std::string& type, const json& node) {
  // Also the bookkeeping of tools at the end of each transaction.
  constexpr std::array<std::string_view, 13> kNever = {
      "SelectStmt",       "UpdateStmt",  "DeleteStmt",  "TransactionStmt", "VariableSetStmt",
      "VariableShowStmt", "CommentStmt", "VacuumStmt",  "ExplainStmt",     "LockStmt",
      "NotifyStmt",       "Drop",        "TruncateStmt"};
  if (StartsWithAny(type, kOpaque)) return kAll;
  if (type == "InsertStmt" || type == "CopyStmt") return kRows;
  if (StartsWithAny(type, kNever) || IsRevoke(type, node)) return 0;
  return type == "AlterTableStmt" ? OfCommands(node, PutBackByAlter) : kObjects;
}

template <typename Of>
uint32_t OfStatements(const std::string& sql, Of of) {
  const std::optional<json> parsed = tree::Parse(sql);
  if (!parsed) return kAll;
  uint32_t found = 0;
  for (const json& one : tree::List(*parsed, "stmts")) {
    const json* statement = tree::Find(one, "stmt");
    if (statement == nullptr || statement->size() != 1) return kAll;
    found |= of(statement->begin().key(), statement->begin().value());
  }
  return found;
}

}  // namespace

uint32_t TakesAway(const std::string& sql) { return OfStatements(sql, TakenBy); }

uint32_t PutsBack(const std::string& sql) { return OfStatements(sql, PutBackBy); }

}  // namespace scry::event
