#include "event/column_use.h"

#include <string>

#include "support/catch.h"

namespace scry::event {
namespace {

std::string Shown(const std::string& text) {
  const ColumnUse use = ReadColumnUse(text);
  if (use.any) return "any";
  std::string shown;
  for (const NamedColumn& one : use.columns) {
    shown += (shown.empty() ? "" : ", ") + (one.qualifier.empty() ? "" : one.qualifier + ".") +
             one.column;
  }
  return shown;
}

TEST_CASE("columns of a statement are found wherever they stand, each once", "[event]") {
  CHECK(Shown("SELECT count(*) FROM orders WHERE region = $1") == "region");
  CHECK(Shown("SELECT o.id, lower(o.note) FROM orders o WHERE o.id IN (SELECT order_id FROM items "
              "WHERE kind = $1)") == "o.id, o.note, order_id, kind");
  CHECK(Shown("SELECT a FROM x JOIN y USING (b) ORDER BY a") == "b, a");
  CHECK(Shown("SELECT 1").empty());
}

TEST_CASE("what may read any column is told", "[event]") {
  for (const char* text :
       {"SELECT * FROM orders", "SELECT o.* FROM orders o", "SELECT o FROM orders o",
        "SELECT row_to_json(orders) FROM orders", "SELECT a FROM x NATURAL JOIN y",
        "SELECT a; SELECT b", "SELECT (", ""}) {
    CAPTURE(text);
    CHECK(Shown(text) == "any");
  }
}

}  // namespace
}  // namespace scry::event
