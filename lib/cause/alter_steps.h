// An ALTER TABLE taken apart into its actions, each as its text writes it, with what a rule needs
// to write it in another way. Internal to the rewrites of lib/cause. Pure.
#pragma once

#include <cstdint>
#include <nlohmann/json.hpp>
#include <optional>
#include <string>
#include <vector>

namespace scry::cause {

struct TableRef {
  std::string schema;  // Empty: by the search path.
  std::string name;
  std::string Sql() const;
};
// Of a RangeVar. Nothing where it names another database.
std::optional<TableRef> TableOf(const nlohmann::json& range);

// A name as SQL writes it, in quotes where it needs them: keywords too.
std::string Identifier(const std::string& name);
// A statement that is alone in its text: the one member of its node, "IndexStmt". nullopt: it does
// not parse, or there are several.
std::optional<std::pair<std::string, nlohmann::json>> OnlyStatement(const std::string& sql);

enum class AlterStepKind : uint8_t {
  kInstant,  // It only changes catalogues.
  kSetNotNull,
  kChecks,     // Adds a CHECK or a foreign key with a name, and reads all rows for it.
  kAddUnique,  // The same of what builds an index.
  kAddPrimaryKey,
  kDropConstraint,  // Instant as well.
  kOther,
};

struct AlterStep {
  AlterStepKind kind = AlterStepKind::kOther;
  std::string sql;
  std::string name;  // Of the column or the constraint.
  std::optional<TableRef> references;
  // Of an index.
  std::vector<std::string> keys;
  std::vector<std::string> included;
  bool nulls_not_distinct = false;
  std::string timing;  // "DEFERRABLE INITIALLY DEFERRED".
};

struct AlteredTable {
  TableRef table;
  std::string prefix;  // "ALTER TABLE IF EXISTS ONLY t".
  bool missing_ok = false;
  std::vector<AlterStep> steps;
};

// `sql`: one statement on one line (event::OneLineSql). nullopt: it is no ALTER TABLE, or where its
// actions begin and end is not known for sure.
std::optional<AlteredTable> TakeApart(const std::string& sql);

}  // namespace scry::cause
