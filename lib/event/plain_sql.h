// The statements of a query string by themselves, each to be run again as it stands: for a script
// of what a migration sent. Pure. Without libpg_query no text has any.
#pragma once

#include <optional>
#include <string>
#include <vector>

namespace scry::event {

struct PlainStatement {
  std::string sql;          // On one line, without comments and semicolon.
  bool parameters = false;  // It has $1: values that came beside it.
};

// In order, as AnalyzeQuery has them. Nothing for text that is not parsed, and where a statement
// would mean something else by itself.
std::vector<PlainStatement> PlainStatementsOf(const std::string& text);

// One statement with literals in place of its $1, $2 ... nullopt: not all of them are there.
std::optional<std::string> WithLiterals(const std::string& sql,
                                        const std::vector<std::string>& literals);

}  // namespace scry::event
