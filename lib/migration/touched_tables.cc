#include "migration/touched_tables.h"

#include <map>
#include <utility>

namespace scry::migration {
namespace {

// Everything of a table that a migration can change, as one text. pg_class.xmin alone would miss
// rows written, statistics alone would miss an instant ALTER.
constexpr const char* kStateSql = R"(
SELECT n.nspname, c.relname,
       concat_ws(' ', c.relfilenode, c.relnatts, c.xmin,
                 (SELECT count(*) || ' ' || coalesce(sum(i.indexrelid::bigint), 0)
                    FROM pg_catalog.pg_index i WHERE i.indrelid = c.oid),
                 coalesce(s.n_tup_ins, 0) + coalesce(s.n_tup_upd, 0) + coalesce(s.n_tup_del, 0))
  FROM pg_catalog.pg_class c
  JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace
  LEFT JOIN pg_catalog.pg_stat_all_tables s ON s.relid = c.oid
 WHERE c.relkind IN ('r', 'm')
   AND n.nspname NOT LIKE 'pg\_%' AND n.nspname <> 'information_schema')";

using TableStates = std::map<std::pair<std::string, std::string>, std::string>;

base::Result<TableStates> States(pg::AdminSession& session) {
  SCRY_TRY_ASSIGN(const pg::Rows rows, session.Exec(kStateSql));
  TableStates states;
  for (const auto& row : rows.rows) {
    states[{row[0].value_or(""), row[1].value_or("")}] = row[2].value_or("");
  }
  return states;
}

}  // namespace

base::Result<std::vector<TableName>> TouchedTables(pg::AdminSession& baseline,
                                                   pg::AdminSession& candidate) {
  SCRY_TRY_ASSIGN(const TableStates before, States(baseline));
  SCRY_TRY_ASSIGN(const TableStates after, States(candidate));
  std::vector<TableName> touched;
  for (const auto& [name, state] : after) {
    const auto found = before.find(name);
    if (found == before.end() || found->second != state) {
      touched.push_back(TableName{name.first, name.second});
    }
  }
  return touched;
}

base::Status SettleTables(pg::AdminSession& lane, const std::vector<TableName>& tables) {
  for (const TableName& table : tables) {
    const auto done = lane.Exec("VACUUM (ANALYZE) " + lane.QuoteName(table.schema) + "." +
                                lane.QuoteName(table.table));
    // 42P01: the table is new on the other lane, or dropped on this one.
    if (!done.ok() && done.error().sqlstate != "42P01" && done.error().sqlstate != "3F000") {
      return done.error();
    }
  }
  return {};
}

}  // namespace scry::migration
