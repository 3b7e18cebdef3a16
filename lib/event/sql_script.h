// A file of SQL as its statements, with the lines they begin on: what a migration command read,
// to be found again by what the server was sent. psql's own commands and the data of COPY are
// passed over. Used for places in reports. Pure. Without libpg_query no file has statements.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "event/statement_facts.h"

namespace scry::event {

struct ScriptStatement {
  uint64_t fingerprint = 0;  // As StatementFacts has it.
  StatementKind kind = StatementKind::kOther;
  uint32_t line = 0;  // From 1: of its first word, not of the comments before it.
  friend bool operator==(const ScriptStatement&, const ScriptStatement&) = default;
};

struct ScriptPiece {
  std::string sql;    // From its first word on, without the semicolon; comments inside it stay.
  uint32_t line = 0;  // As in ScriptStatement.
};

// Statements as they stand, also those that do not parse: one spoils no other. Nothing for text
// that is no SQL at all (a string that does not end).
std::vector<ScriptPiece> SplitScript(std::string_view text);

// What the pieces are.
std::vector<ScriptStatement> ReadScript(std::string_view text);

}  // namespace scry::event
