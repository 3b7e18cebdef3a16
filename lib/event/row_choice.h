// Which rows of a query are left to chance: a LIMIT within it, DISTINCT ON, window functions and
// aggregates that follow the order in which rows are read. Read off the parse tree by
// statement_facts. Internal to lib/event. Pure.
#pragma once

#include <cstdint>
#include <nlohmann/json.hpp>
#include <optional>
#include <string>
#include <vector>

namespace scry::event {

struct RowChoice {
  bool picks = false;    // See StatementFacts.
  bool ranks = false;    // See StatementFacts.
  bool gathers = false;  // See StatementFacts.
  // StatementFacts::chosen; empty where nothing ranks or gathers.
  std::optional<std::vector<std::string>> outputs = std::vector<std::string>();
};

// `statement`: what a statement's node holds. `select`: it is a SelectStmt.
RowChoice ReadRowChoice(const nlohmann::json& statement, bool select);

// What a SelectStmt says of its own rows.
struct RowLimit {
  bool limited = false;
  bool skips = false;
  std::optional<uint64_t> rows;  // At most; nullopt: no constant says.
};
RowLimit ReadRowLimit(const nlohmann::json& select);
// Aggregates without GROUP BY: one row, whatever it reads.
bool GivesOneRow(const nlohmann::json& select);
// Its FROM names one table or view and nothing else.
bool ReadsOneTable(const nlohmann::json& select);

}  // namespace scry::event
