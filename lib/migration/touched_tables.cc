#include "migration/touched_tables.h"

#include <fmt/format.h>

#include <chrono>
#include <map>
#include <thread>
#include <utility>

namespace scry::migration {
namespace {

// Everything of a table that a migration can change, as one text. pg_class.xmin alone would miss
// rows written or an option of a column, statistics alone would miss an instant ALTER.
constexpr const char* kStateSql = R"(
SELECT n.nspname, c.relname,
       concat_ws(' ', c.relfilenode, c.relnatts, c.xmin,
                 (SELECT count(*) || ' ' || coalesce(sum(i.indexrelid::bigint), 0)
                    FROM pg_catalog.pg_index i WHERE i.indrelid = c.oid),
                 (SELECT sum(a.xmin::text::bigint)
                    FROM pg_catalog.pg_attribute a WHERE a.attrelid = c.oid),
                 (SELECT count(*) || ' ' || coalesce(sum(e.xmin::text::bigint), 0)
                    FROM pg_catalog.pg_statistic_ext e WHERE e.stxrelid = c.oid),
                 coalesce(s.n_tup_ins, 0) + coalesce(s.n_tup_upd, 0) + coalesce(s.n_tup_del, 0))
  FROM pg_catalog.pg_class c
  JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace
  LEFT JOIN pg_catalog.pg_stat_all_tables s ON s.relid = c.oid
 WHERE c.relkind IN ('r', 'm')
   AND n.nspname NOT LIKE 'pg\_%' AND n.nspname <> 'information_schema')";

// For fmt: the touched tables as a list of VALUES.
constexpr const char* kOverSql = R"(
WITH RECURSIVE touched (schema, name) AS (VALUES {}),
over_ (relation, touched) AS (
  SELECT c.oid, c.oid
    FROM touched t
    JOIN pg_catalog.pg_namespace n ON n.nspname = t.schema
    JOIN pg_catalog.pg_class c ON c.relnamespace = n.oid AND c.relname = t.name
  UNION
  SELECT up.relation, over_.touched
    FROM over_
    JOIN (SELECT inhrelid AS below, inhparent AS relation FROM pg_catalog.pg_inherits
          UNION
          SELECT d.refobjid, r.ev_class
            FROM pg_catalog.pg_depend d
            JOIN pg_catalog.pg_rewrite r ON r.oid = d.objid
           WHERE d.classid = 'pg_catalog.pg_rewrite'::pg_catalog.regclass
             AND d.refclassid = 'pg_catalog.pg_class'::pg_catalog.regclass
             AND d.refobjid <> r.ev_class) up ON up.below = over_.relation)
SELECT n.nspname, c.relname, pg_catalog.format('%I.%I', tn.nspname, tc.relname)
  FROM over_
  JOIN pg_catalog.pg_class c ON c.oid = over_.relation
  JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace
  JOIN pg_catalog.pg_class tc ON tc.oid = over_.touched
  JOIN pg_catalog.pg_namespace tn ON tn.oid = tc.relnamespace
 ORDER BY 1, 2, 3)";

using TableStates = std::map<std::pair<std::string, std::string>, std::string>;

base::Result<TableStates> States(pg::AdminSession& session) {
  SCRY_TRY_ASSIGN(const pg::Rows rows, session.Exec(kStateSql));
  TableStates states;
  for (const auto& row : rows.rows) {
    states[{row[0].value_or(""), row[1].value_or("")}] = row[2].value_or("");
  }
  return states;
}

// A snapshot that somebody holds keeps VACUUM from marking pages as all visible: then one lane
// would read the heap where another need not.
base::Status AwaitSnapshots(pg::AdminSession& lane) {
  constexpr int kTries = 250;
  constexpr auto kPause = std::chrono::milliseconds(20);
  for (int i = 0; i < kTries; ++i) {
    SCRY_TRY_ASSIGN(const pg::Rows others,
                    lane.Exec("SELECT 1 FROM pg_catalog.pg_stat_activity WHERE backend_xmin IS NOT "
                              "NULL AND pid <> pg_catalog.pg_backend_pid() LIMIT 1"));
    if (others.rows.empty()) return {};
    std::this_thread::sleep_for(kPause);
  }
  return {};  // Not worth failing for.
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

base::Result<std::vector<TouchedRelation>> RelationsOver(pg::AdminSession& lane,
                                                         const std::vector<TableName>& tables) {
  std::vector<TouchedRelation> over;
  if (tables.empty()) return over;
  std::string values;
  for (const TableName& table : tables) {
    values += fmt::format("{}({}, {})", values.empty() ? "" : ", ", lane.Quote(table.schema),
                          lane.Quote(table.table));
  }
  SCRY_TRY_ASSIGN(const pg::Rows rows, lane.Exec(fmt::format(kOverSql, values)));
  for (const auto& row : rows.rows) {
    over.push_back({row[0].value_or(""), row[1].value_or(""), row[2].value_or("")});
  }
  return over;
}

base::Status SettleTables(pg::AdminSession& lane, const std::vector<TableName>& tables) {
  SCRY_TRY(AwaitSnapshots(lane));
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
