// What a statement does to the schema, roughly, and which names it does it to: enough to tell which
// statement of a migration dropped an index or altered a column. Used to tie causes to statements.
// Pure. Without libpg_query nothing is known.
#pragma once

#include <cstdint>
#include <set>
#include <string>
#include <string_view>
#include <vector>

namespace scry::event {

struct SchemaAct {
  bool known = false;  // False: it did not parse, or what it runs is not in its text (DO, CALL).
  bool creates = false;
  bool drops = false;
  bool renames = false;  // Or moves to another schema.
  bool alters = false;
  bool grants = false;          // Or revokes.
  bool writes = false;          // Rows.
  std::set<std::string> names;  // Of relations, columns, functions ..., as the parser folds them.
};

// Of statement `ordinal` of a query string.
SchemaAct ActOf(std::string_view text, uint32_t ordinal);

}  // namespace scry::event
