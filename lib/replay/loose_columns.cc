#include "replay/loose_columns.h"

#include <charconv>
#include <optional>
#include <string>

namespace scry::replay {
namespace {

// Types that somebody wrote functions for, ranges and arrays of those. Enums compare by their
// labels, and a domain is sent as what it is made of.
constexpr const char* kTypes = R"(
SELECT t.oid FROM pg_catalog.pg_type t
LEFT JOIN pg_catalog.pg_type e ON e.oid = t.typelem AND t.typcategory = 'A'
WHERE t.oid >= 16384 AND t.typtype IN ('b', 'r', 'm')
  AND (e.oid IS NULL OR e.oid >= 16384 AND e.typtype IN ('b', 'r', 'm')))";

constexpr const char* kCollations = R"(
SELECT 1 FROM pg_catalog.pg_collation WHERE NOT collisdeterministic LIMIT 1)";

constexpr const char* kColumns = R"(
SELECT a.attrelid, a.attnum FROM pg_catalog.pg_attribute a
JOIN pg_catalog.pg_collation c ON c.oid = a.attcollation
WHERE NOT c.collisdeterministic AND a.attnum > 0)";

uint32_t Number(const std::optional<std::string>& text) {
  uint32_t number = 0;
  if (text) std::from_chars(text->data(), text->data() + text->size(), number);
  return number;
}

bool IsText(uint32_t type_oid) {
  // pg_type.dat: text, varchar, bpchar.
  return type_oid == 25 || type_oid == 1043 || type_oid == 1042;
}

}  // namespace

base::Result<LooseColumns> LooseColumns::Read(pg::AdminSession& lane) {
  LooseColumns loose;
  SCRY_TRY_ASSIGN(const pg::Rows types, lane.Exec(kTypes));
  for (const auto& row : types.rows) loose.types_.insert(Number(row.at(0)));
  SCRY_TRY_ASSIGN(const pg::Rows collations, lane.Exec(kCollations));
  loose.collations_ = !collations.rows.empty();
  if (!loose.collations_) return loose;
  SCRY_TRY_ASSIGN(const pg::Rows columns, lane.Exec(kColumns));
  for (const auto& row : columns.rows) {
    loose.columns_.emplace(Number(row.at(0)), static_cast<uint16_t>(Number(row.at(1))));
  }
  return loose;
}

bool LooseColumns::Has(const event::Column& column) const {
  if (types_.contains(column.type_oid)) return true;
  if (!collations_ || !IsText(column.type_oid)) return false;
  return column.table_oid == 0 || columns_.contains({column.table_oid, column.column_number});
}

}  // namespace scry::replay
