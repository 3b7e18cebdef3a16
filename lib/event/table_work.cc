#include "event/table_work.h"

#include <nlohmann/json.hpp>
#include <optional>
#include <set>
#include <string_view>

#include "event/parse_tree.h"

namespace scry::event {
namespace {

using nlohmann::json;

bool IsTrue(const json& node, const char* key) {
  const json* value = tree::Find(node, key);
  return value != nullptr && value->is_boolean() && value->get<bool>();
}

// `filled`: rows that are there have a value in the column; without one no foreign key is looked
// up.
void TakeConstraint(const json& constraint, bool filled, TableWork& work) {
  const std::string type = tree::Text(constraint, "contype");
  const bool indexed = !tree::Text(constraint, "indexname").empty();
  const bool unchecked = IsTrue(constraint, "skip_validation");
  if (type == "CONSTR_PRIMARY" && !indexed) work.builds_primary_key = true;
  if (type == "CONSTR_UNIQUE" && !indexed) work.builds_unique = true;
  if (type == "CONSTR_EXCLUSION") work.builds_exclusion = true;
  if (type == "CONSTR_CHECK" && !unchecked) work.checks_rows = true;
  if (type == "CONSTR_FOREIGN" && !unchecked && filled) work.checks_rows = true;
}

void TakeColumn(const json& column, TableWork& work) {
  work.adds_column = true;
  const json& constraints = tree::List(column, "constraints");
  bool filled = false;
  for (const json& one : constraints) {
    const json* constraint = tree::Find(one, "Constraint");
    if (constraint == nullptr) continue;
    const std::string type = tree::Text(*constraint, "contype");
    const bool generated = type == "CONSTR_GENERATED" || type == "CONSTR_IDENTITY";
    work.adds_generated = work.adds_generated || generated;
    filled = filled || type == "CONSTR_DEFAULT" || generated;
  }
  for (const json& one : constraints) {
    const json* constraint = tree::Find(one, "Constraint");
    if (constraint != nullptr) TakeConstraint(*constraint, filled, work);
  }
}

void TakeCommand(const json& command, TableWork& work) {
  const std::string subtype = tree::Text(command, "subtype");
  if (subtype == "AT_ValidateConstraint") work.validates = true;
  if (subtype == "AT_SetNotNull") work.sets_not_null = true;
  if (subtype == "AT_AttachPartition") work.attaches = true;
  if (subtype == "AT_DetachPartition") work.detaches = true;
  if (subtype == "AT_SetTableSpace") work.swaps_files = true;
  const json* definition = tree::Find(command, "def");
  if (definition == nullptr) return;
  if (const json* constraint = tree::Find(*definition, "Constraint")) {
    TakeConstraint(*constraint, /*filled=*/true, work);
  }
  const json* column = tree::Find(*definition, "ColumnDef");
  if (column != nullptr && subtype == "AT_AddColumn") TakeColumn(*column, work);
}

// An option of VACUUM or REINDEX, as the server reads its value.
bool HasOption(const json& statement, const char* list, const char* name) {
  for (const json& one : tree::List(statement, list)) {
    const json* option = tree::Find(one, "DefElem");
    if (option == nullptr || tree::Text(*option, "defname") != name) continue;
    return tree::IsOn(*option);
  }
  return false;
}

void TakeFiles(const json& statement, TableWork& work) {
  if (const json* truncate = tree::Find(statement, "TruncateStmt")) {
    work.swaps_files = true;
    work.truncates_more = tree::Text(*truncate, "behavior") == "DROP_CASCADE";
  }
  if (tree::Find(statement, "ClusterStmt") != nullptr) work.swaps_files = true;
  if (const json* vacuum = tree::Find(statement, "VacuumStmt")) {
    work.swaps_files = HasOption(*vacuum, "options", "full");
  }
  if (const json* refresh = tree::Find(statement, "RefreshMatViewStmt")) {
    work.without_data = IsTrue(*refresh, "skipData");
    work.swaps_files = !IsTrue(*refresh, "concurrent");
  }
  if (const json* reindex = tree::Find(statement, "ReindexStmt")) {
    work.reindexes = !HasOption(*reindex, "params", "concurrently");
  }
  if (const json* index = tree::Find(statement, "IndexStmt")) {
    work.builds_concurrently = IsTrue(*index, "concurrent");
  }
}

// Names of the relations that a query reads, and those that its WITH defines.
void CollectNames(const json& node, int depth, std::set<std::string>& read,
                  std::set<std::string>& defined) {
  if (depth > tree::kDepthMax || !node.is_structured()) return;
  if (const json* relation = tree::Find(node, "RangeVar")) {
    read.insert(tree::Text(*relation, "relname"));
  }
  if (const json* with = tree::Find(node, "CommonTableExpr")) {
    defined.insert(tree::Text(*with, "ctename"));
  }
  for (const json& inner : node) CollectNames(inner, depth + 1, read, defined);
}

bool ReadsTable(const json& insert) {
  std::set<std::string> read;
  std::set<std::string> defined;
  for (const char* part : {"selectStmt", "withClause"}) {
    if (const json* query = tree::Find(insert, part)) CollectNames(*query, 0, read, defined);
  }
  for (const std::string& name : defined) read.erase(name);
  return !read.empty();
}

TableWork WorkOf(const json& statement) {
  TableWork work;
  if (const json* alter = tree::Find(statement, "AlterTableStmt")) {
    for (const json& one : tree::List(*alter, "cmds")) {
      if (const json* command = tree::Find(one, "AlterTableCmd")) TakeCommand(*command, work);
    }
  }
  if (const json* insert = tree::Find(statement, "InsertStmt")) {
    work.reads_table = ReadsTable(*insert);
  }
  if (const json* drop = tree::Find(statement, "DropStmt")) {
    work.drops_more =
        tree::List(*drop, "objects").size() > 1 || tree::Text(*drop, "behavior") == "DROP_CASCADE";
  }
  TakeFiles(statement, work);
  return work;
}

}  // namespace

std::vector<TableWork> TableWorksOf(const std::string& text) {
  std::vector<TableWork> works;
  const std::optional<json> parsed = tree::Parse(text);
  if (!parsed) return works;
  for (const json& one : tree::List(*parsed, "stmts")) {
    const json* statement = tree::Find(one, "stmt");
    works.push_back(statement == nullptr ? TableWork() : WorkOf(*statement));
  }
  return works;
}

TableWork TableWorkOf(const std::string& text, uint32_t ordinal) {
  const std::vector<TableWork> works = TableWorksOf(text);
  return ordinal < works.size() ? works[ordinal] : TableWork();
}

}  // namespace scry::event
