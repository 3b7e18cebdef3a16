// Which columns a statement names anywhere in it. For proposals of indexes that hold all that a
// query reads. Pure syntax: no catalog. Pure.
#pragma once

#include <string>
#include <vector>

namespace scry::event {

struct NamedColumn {
  std::string qualifier;  // "o" of o.region; empty: none.
  std::string column;
  friend bool operator==(const NamedColumn&, const NamedColumn&) = default;
};

struct ColumnUse {
  // "*", whole rows, NATURAL JOIN, or text that does not parse: it may read any column.
  bool any = false;
  std::vector<NamedColumn> columns;  // Each once, in the order of the text's tree.
};

// Of a query string with one statement.
ColumnUse ReadColumnUse(const std::string& text);

}  // namespace scry::event
