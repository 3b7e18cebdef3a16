#include "replay/hidden_writes.h"

#include <string>
#include <utility>

namespace scry::replay {
namespace {

constexpr const char* kFunctions =
    "SELECT DISTINCT lower(proname) FROM pg_catalog.pg_proc WHERE provolatile = 'v'";

constexpr const char* kOperators =
    "SELECT DISTINCT oprname FROM pg_catalog.pg_operator o "
    "JOIN pg_catalog.pg_proc p ON p.oid = o.oprcode WHERE p.provolatile = 'v'";

// Views and policies depend on the functions and operators they use, but for pinned ones (built
// in), which are not recorded: those are looked for in the text. A view also writes if it locks
// rows or reads from another such view.
constexpr const char* kRelations = R"(
WITH RECURSIVE
volatile AS (SELECT oid, proname FROM pg_catalog.pg_proc WHERE provolatile = 'v'),
uses AS (
  SELECT coalesce(r.ev_class, p.polrelid) AS relation, d.refclassid, d.refobjid
  FROM pg_catalog.pg_depend d
  LEFT JOIN pg_catalog.pg_rewrite r
    ON d.classid = 'pg_catalog.pg_rewrite'::regclass AND r.oid = d.objid AND r.ev_type = '1'
  LEFT JOIN pg_catalog.pg_policy p
    ON d.classid = 'pg_catalog.pg_policy'::regclass AND p.oid = d.objid
  WHERE coalesce(r.ev_class, p.polrelid) IS NOT NULL),
text AS (
  SELECT c.oid AS relation, pg_catalog.pg_get_viewdef(c.oid) AS body
  FROM pg_catalog.pg_class c JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace
  WHERE c.relkind = 'v' AND n.nspname NOT IN ('pg_catalog', 'information_schema')
  UNION ALL
  SELECT polrelid, pg_catalog.pg_get_expr(polqual, polrelid) FROM pg_catalog.pg_policy
  WHERE polqual IS NOT NULL),
words AS (
  SELECT relation, (pg_catalog.regexp_matches(pg_catalog.lower(body), '([a-z_0-9]+)\(', 'g'))[1] AS name
  FROM text),
writing AS (
  SELECT u.relation FROM uses u JOIN volatile v
    ON u.refclassid = 'pg_catalog.pg_proc'::regclass AND u.refobjid = v.oid
  UNION
  SELECT u.relation FROM uses u JOIN pg_catalog.pg_operator o
    ON u.refclassid = 'pg_catalog.pg_operator'::regclass AND u.refobjid = o.oid
    JOIN volatile v ON v.oid = o.oprcode
  UNION
  SELECT w.relation FROM words w WHERE w.name IN (SELECT pg_catalog.lower(proname) FROM volatile)
  UNION
  SELECT t.relation FROM text t WHERE t.body ~ '\sFOR (NO KEY UPDATE|UPDATE|KEY SHARE|SHARE)'),
reached AS (
  SELECT relation FROM writing
  UNION
  SELECT u.relation FROM uses u JOIN reached r
    ON u.refclassid = 'pg_catalog.pg_class'::regclass AND u.refobjid = r.relation)
SELECT DISTINCT c.relname FROM reached JOIN pg_catalog.pg_class c ON c.oid = reached.relation
WHERE c.relkind <> 'm')";

base::Result<std::set<std::string>> Names(pg::AdminSession& lane, const char* sql) {
  SCRY_TRY_ASSIGN(const pg::Rows rows, lane.Exec(sql));
  std::set<std::string> names;
  for (const auto& row : rows.rows) names.insert(row[0].value_or(""));
  return names;
}

}  // namespace

void HiddenWrites::Add(HiddenWrites other) {
  functions.merge(other.functions);
  relations.merge(other.relations);
  operators.merge(other.operators);
}

base::Result<HiddenWrites> FindHiddenWrites(pg::AdminSession& lane) {
  HiddenWrites hidden;
  SCRY_TRY_ASSIGN(hidden.functions, Names(lane, kFunctions));
  SCRY_TRY_ASSIGN(hidden.operators, Names(lane, kOperators));
  SCRY_TRY_ASSIGN(hidden.relations, Names(lane, kRelations));
  return hidden;
}

}  // namespace scry::replay
