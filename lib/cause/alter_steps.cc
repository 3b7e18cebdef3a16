#include "cause/alter_steps.h"

#include <algorithm>
#include <utility>

#include "cause/evidence.h"
#include "event/parse_tree.h"

namespace scry::cause {
namespace {

using nlohmann::json;
namespace tree = event::tree;

bool IsTrue(const json& node, const char* key) {
  const json* value = tree::Find(node, key);
  return value != nullptr && value->is_boolean() && value->get<bool>();
}

std::vector<std::string> Names(const json& list) {
  std::vector<std::string> names;
  for (const json& one : list) names.push_back(tree::StringOf(one));
  return names;
}

// A new column whose constraints neither read rows that are there nor build an index.
bool IsInstantColumn(const json& column) {
  for (const json& one : tree::List(column, "constraints")) {
    const json* constraint = tree::Find(one, "Constraint");
    if (constraint == nullptr) return false;
    const std::string type = tree::Text(*constraint, "contype");
    if (type != "CONSTR_NULL" && type != "CONSTR_NOTNULL" && type != "CONSTR_DEFAULT") return false;
  }
  return true;
}

std::string TimingOf(const json& constraint) {
  if (!IsTrue(constraint, "deferrable")) return {};
  return IsTrue(constraint, "initdeferred") ? "DEFERRABLE INITIALLY DEFERRED" : "DEFERRABLE";
}

// Names that the server makes up are not known before it has done so.
AlterStep IndexStep(const json& constraint, bool primary) {
  AlterStep step;
  if (!tree::Text(constraint, "indexname").empty()) {
    step.kind = AlterStepKind::kInstant;
    return step;
  }
  step.name = tree::Text(constraint, "conname");
  const bool plain = !step.name.empty() && tree::List(constraint, "options").empty() &&
                     tree::Text(constraint, "indexspace").empty() &&
                     !IsTrue(constraint, "without_overlaps");
  if (!plain) return step;
  step.kind = primary ? AlterStepKind::kAddPrimaryKey : AlterStepKind::kAddUnique;
  step.keys = Names(tree::List(constraint, "keys"));
  step.included = Names(tree::List(constraint, "including"));
  step.nulls_not_distinct = IsTrue(constraint, "nulls_not_distinct");
  step.timing = TimingOf(constraint);
  return step;
}

AlterStep ConstraintStep(const json& constraint) {
  const std::string type = tree::Text(constraint, "contype");
  if (type == "CONSTR_PRIMARY" || type == "CONSTR_UNIQUE") {
    return IndexStep(constraint, type == "CONSTR_PRIMARY");
  }
  AlterStep step;
  if (type != "CONSTR_CHECK" && type != "CONSTR_FOREIGN") return step;
  step.name = tree::Text(constraint, "conname");
  if (IsTrue(constraint, "skip_validation")) {
    step.kind = AlterStepKind::kInstant;
  } else if (!step.name.empty()) {
    step.kind = AlterStepKind::kChecks;
  }
  if (const json* other = tree::Find(constraint, "pktable")) {
    step.references = TableOf(*other);
    if (!step.references) step.kind = AlterStepKind::kOther;
  }
  return step;
}

AlterStep StepOf(const json& command) {
  const std::string subtype = tree::Text(command, "subtype");
  const json* definition = tree::Find(command, "def");
  AlterStep step;
  if (subtype == "AT_AddConstraint" && definition != nullptr) {
    const json* constraint = tree::Find(*definition, "Constraint");
    return constraint == nullptr ? step : ConstraintStep(*constraint);
  }
  if (subtype == "AT_AddColumn" && definition != nullptr) {
    const json* column = tree::Find(*definition, "ColumnDef");
    if (column != nullptr && IsInstantColumn(*column)) step.kind = AlterStepKind::kInstant;
    return step;
  }
  if (subtype == "AT_SetNotNull") {
    step.kind = AlterStepKind::kSetNotNull;
    step.name = tree::Text(command, "name");
  }
  for (const char* instant : {"AT_ColumnDefault", "AT_DropNotNull", "AT_SetStatistics",
                              "AT_DropColumn", "AT_ChangeOwner"}) {
    if (subtype == instant) step.kind = AlterStepKind::kInstant;
  }
  if (subtype == "AT_DropConstraint") {
    step.kind = AlterStepKind::kDropConstraint;
    step.name = tree::Text(command, "name");
  }
  return step;
}

// Of an ALTER TABLE; nullptr: it is none, or does not parse.
std::optional<json> CommandsOf(const std::string& sql) {
  const auto statement = OnlyStatement(sql);
  if (!statement || statement->first != "AlterTableStmt") return std::nullopt;
  return tree::WithoutPlaces(tree::List(statement->second, "cmds"));
}

// Where the first action begins: what stands from there on is the same action for another table.
// The parser tells, as names can hold any words.
std::optional<size_t> FirstAction(const std::string& sql, const json& commands) {
  for (size_t at = sql.find(' '); at != std::string::npos; at = sql.find(' ', at + 1)) {
    const auto alone = CommandsOf("ALTER TABLE t " + sql.substr(at + 1));
    if (alone && *alone == commands) return at + 1;
  }
  return std::nullopt;
}

// Ends of the actions: a comma before which the text parses, with one action more.
std::vector<size_t> EndsOf(const std::string& sql, size_t from) {
  std::vector<size_t> ends;
  for (size_t at = sql.find(',', from); at != std::string::npos; at = sql.find(',', at + 1)) {
    const auto before = CommandsOf(sql.substr(0, at));
    if (before && before->size() == ends.size() + 1) ends.push_back(at);
  }
  ends.push_back(sql.size());
  return ends;
}

std::string Trimmed(std::string text) {
  while (text.starts_with(' ')) text.erase(0, 1);
  while (text.ends_with(' ')) text.pop_back();
  return text;
}

}  // namespace

std::string TableRef::Sql() const {
  return (schema.empty() ? "" : Identifier(schema) + ".") + Identifier(name);
}

std::optional<TableRef> TableOf(const json& range) {
  if (!tree::Text(range, "catalogname").empty()) return std::nullopt;
  return TableRef{tree::Text(range, "schemaname"), tree::Text(range, "relname")};
}

std::optional<std::pair<std::string, json>> OnlyStatement(const std::string& sql) {
  const std::optional<json> parsed = tree::Parse(sql);
  if (!parsed) return std::nullopt;
  const json& statements = tree::List(*parsed, "stmts");
  const json* statement = statements.size() == 1 ? tree::Find(statements[0], "stmt") : nullptr;
  if (statement == nullptr || statement->size() != 1) return std::nullopt;
  return std::pair(statement->begin().key(), statement->begin().value());
}

std::string Identifier(const std::string& name) {
  const std::string plain = SqlName(name);
  // As a column, a table and an index.
  if (OnlyStatement("CREATE INDEX " + plain + " ON " + plain + " (" + plain + ")")) return plain;
  return "\"" + name + "\"";
}

std::optional<AlteredTable> TakeApart(const std::string& sql) {
  const auto statement = OnlyStatement(sql);
  if (!statement || statement->first != "AlterTableStmt") return std::nullopt;
  const json& alter = statement->second;
  const json* range = tree::Find(alter, "relation");
  const auto table = range == nullptr ? std::nullopt : TableOf(*range);
  const auto commands = CommandsOf(sql);
  if (!table || !commands || tree::Text(alter, "objtype") != "OBJECT_TABLE") return std::nullopt;
  const auto first = FirstAction(sql, *commands);
  if (!first) return std::nullopt;
  const std::vector<size_t> ends = EndsOf(sql, *first);
  if (ends.size() != commands->size()) return std::nullopt;
  AlteredTable taken;
  taken.table = *table;
  taken.prefix = sql.substr(0, *first - 1);
  taken.missing_ok = IsTrue(alter, "missing_ok");
  size_t at = *first;
  for (size_t i = 0; i < ends.size(); ++i) {
    const json* command = tree::Find((*commands)[i], "AlterTableCmd");
    if (command == nullptr) return std::nullopt;
    AlterStep& step = taken.steps.emplace_back(StepOf(*command));
    step.sql = Trimmed(sql.substr(at, ends[i] - at));
    at = ends[i] + 1;
  }
  return taken;
}

}  // namespace scry::cause
