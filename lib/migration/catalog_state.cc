#include "migration/catalog_state.h"

#include <charconv>
#include <optional>
#include <string_view>
#include <utility>

namespace scry::migration {
namespace {

// Lists are joined by a character that no name of this century holds.
constexpr const char* kRelationsSql = R"(
SELECT c.oid,
       CASE n.nspname WHEN 'public' THEN '' ELSE n.nspname || '.' END || c.relname,
       c.relkind, coalesce(i.indrelid, 0), coalesce(pg_catalog.pg_relation_filenode(c.oid), 0),
       CASE WHEN c.relkind IN ('r', 'm', 'p') THEN pg_catalog.pg_total_relation_size(c.oid)
            ELSE 0 END,
       c.relpages, c.relallvisible, coalesce(i.indisvalid, true),
       (SELECT pg_catalog.string_agg(g.privilege || ' to ' ||
                 CASE g.grantee WHEN 0 THEN 'PUBLIC'
                                ELSE pg_catalog.pg_get_userbyid(g.grantee) END, E'\x1f')
          FROM (SELECT a.privilege_type, a.grantee FROM pg_catalog.aclexplode(c.relacl) a
                UNION ALL
                SELECT a.privilege_type || ' (' || t.attname || ')', a.grantee
                  FROM pg_catalog.pg_attribute t, pg_catalog.aclexplode(t.attacl) a
                 WHERE t.attrelid = c.oid AND NOT t.attisdropped) g (privilege, grantee)
         WHERE g.grantee <> c.relowner),
       (SELECT pg_catalog.string_agg(a.attname, E'\x1f')
          FROM pg_catalog.pg_statistic s
          JOIN pg_catalog.pg_attribute a ON a.attrelid = s.starelid AND a.attnum = s.staattnum
         WHERE s.starelid = c.oid AND NOT a.attisdropped),
       (SELECT pg_catalog.string_agg('extended ' || e.stxname, E'\x1f')
          FROM pg_catalog.pg_statistic_ext e
          JOIN pg_catalog.pg_statistic_ext_data d ON d.stxoid = e.oid
         WHERE e.stxrelid = c.oid
           AND (d.stxdndistinct IS NOT NULL OR d.stxddependencies IS NOT NULL
                OR d.stxdmcv IS NOT NULL)),
       (SELECT pg_catalog.string_agg(a.attname, E'\x1f') FROM pg_catalog.pg_attribute a
         WHERE a.attrelid = c.oid AND a.attnum > 0 AND NOT a.attisdropped),
       coalesce(s.n_tup_ins, 0) + coalesce(s.n_tup_upd, 0) + coalesce(s.n_tup_del, 0)
  FROM pg_catalog.pg_class c
  JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace
  LEFT JOIN pg_catalog.pg_index i ON i.indexrelid = c.oid
  LEFT JOIN pg_catalog.pg_stat_all_tables s ON s.relid = c.oid
 WHERE c.relkind IN ('r', 'p', 'm', 'i', 'I', 'S', 'v', 'f')
   AND n.nspname NOT LIKE 'pg\_%' AND n.nspname <> 'information_schema')";

constexpr const char* kFunctionsSql = R"(
SELECT pg_catalog.lower(p.proname),
       pg_catalog.string_agg(pg_catalog.left(p.prosrc, 20000), E'\n')
  FROM pg_catalog.pg_proc p
  JOIN pg_catalog.pg_namespace n ON n.oid = p.pronamespace
 WHERE n.nspname NOT LIKE 'pg\_%' AND n.nspname <> 'information_schema'
 GROUP BY 1)";

// Without an entry of its own, an object has the rights that its kind begins with.
constexpr const char* kGrantedSql = R"(
SELECT o.name, o.oid,
       (SELECT pg_catalog.string_agg(a.privilege_type || ' to ' ||
                 CASE a.grantee WHEN 0 THEN 'PUBLIC'
                                ELSE pg_catalog.pg_get_userbyid(a.grantee) END, E'\x1f')
          FROM pg_catalog.aclexplode(coalesce(o.acl, pg_catalog.acldefault(o.kind, o.owner))) a
         WHERE a.grantee <> o.owner)
  FROM (SELECT 'function ' || CASE n.nspname WHEN 'public' THEN '' ELSE n.nspname || '.' END ||
                 p.proname || '(' || pg_catalog.pg_get_function_identity_arguments(p.oid) || ')',
               p.oid, 'f'::"char", p.proowner, p.proacl, n.nspname
          FROM pg_catalog.pg_proc p JOIN pg_catalog.pg_namespace n ON n.oid = p.pronamespace
        UNION ALL
        SELECT 'type ' || CASE n.nspname WHEN 'public' THEN '' ELSE n.nspname || '.' END || t.typname,
               t.oid, 'T'::"char", t.typowner, t.typacl, n.nspname
          FROM pg_catalog.pg_type t JOIN pg_catalog.pg_namespace n ON n.oid = t.typnamespace
          LEFT JOIN pg_catalog.pg_class c ON c.oid = t.typrelid
         WHERE t.typtype IN ('d', 'e', 'r') OR c.relkind = 'c'
        UNION ALL
        SELECT 'schema ' || n.nspname, n.oid, 'n'::"char", n.nspowner, n.nspacl, n.nspname
          FROM pg_catalog.pg_namespace n) o (name, oid, kind, owner, acl, schema)
 WHERE o.schema NOT LIKE 'pg\_%' AND o.schema <> 'information_schema')";

constexpr const char* kTotalsSql = R"(
SELECT pg_catalog.pg_current_wal_insert_lsn() - '0/0'::pg_catalog.pg_lsn,
       pg_catalog.pg_database_size(pg_catalog.current_database()),
       (SELECT temp_bytes FROM pg_catalog.pg_stat_database
         WHERE datname = pg_catalog.current_database()))";

using Value = std::optional<std::string>;

template <typename T>
T Number(const Value& value) {
  T number = 0;
  if (value) std::from_chars(value->data(), value->data() + value->size(), number);
  return number;
}

void Split(const Value& value, std::set<std::string>& parts) {
  if (!value) return;
  for (size_t begin = 0; begin <= value->size();) {
    const size_t end = std::min(value->find('\x1f', begin), value->size());
    parts.insert(value->substr(begin, end - begin));
    begin = end + 1;
  }
}

bool HasRows(char kind) { return kind == 'r' || kind == 'm'; }

bool SameFile(const CatalogState& before, const CatalogState& after, uint32_t relation) {
  const auto was = before.relations.find(relation);
  const auto is = after.relations.find(relation);
  return was != before.relations.end() && is != after.relations.end() &&
         was->second.filenode == is->second.filenode;
}

void CompareStatistics(const RelationState& was, const RelationState& is, CatalogChange& change) {
  constexpr std::string_view kExtended = "extended ";
  for (const std::string& name : was.statistics) {
    if (is.statistics.contains(name)) continue;
    const bool extended = name.starts_with(kExtended);
    if (!extended && !is.columns.contains(name)) continue;  // Its column is gone.
    change.statistics_lost.push_back(extended ? name.substr(kExtended.size()) + " (extended) of " +
                                                    was.name
                                              : was.name + "." + name);
  }
}

// "SELECT to app" of "SELECT (total) to app".
std::string OnWholeRelation(const std::string& grant) {
  const size_t begin = grant.find(" (");
  const size_t end = grant.find(") to ");
  if (begin == std::string::npos || end == std::string::npos) return grant;
  return grant.substr(0, begin) + grant.substr(end + 1);
}

// `name`: of what was made anew.
void CompareGrants(const std::string& name, const std::set<std::string>& was,
                   const std::set<std::string>& is, CatalogChange& change) {
  for (const std::string& grant : was) {
    if (is.contains(grant) || is.contains(OnWholeRelation(grant))) continue;
    const size_t to = grant.find(" to ");
    if (is.contains(grant.substr(0, to) + " to PUBLIC")) continue;
    change.grants_lost.push_back(grant.substr(0, to) + " on " + name + grant.substr(to));
  }
}

}  // namespace

base::Result<CatalogState> ReadCatalogState(pg::AdminSession& session) {
  CatalogState state;
  SCRY_TRY_ASSIGN(const pg::Rows rows, session.Exec(kRelationsSql));
  for (const auto& row : rows.rows) {
    if (row.size() < 14) continue;
    RelationState& relation = state.relations[Number<uint32_t>(row[0])];
    relation.name = row[1].value_or("");
    relation.kind = row[2].value_or("?").front();
    relation.table = Number<uint32_t>(row[3]);
    relation.filenode = Number<uint32_t>(row[4]);
    relation.bytes = Number<uint64_t>(row[5]);
    relation.pages = Number<uint64_t>(row[6]);
    relation.all_visible = Number<uint64_t>(row[7]);
    relation.valid = row[8] == "t";
    Split(row[9], relation.grants);
    Split(row[10], relation.statistics);
    Split(row[11], relation.statistics);
    Split(row[12], relation.columns);
    relation.rows_written = Number<uint64_t>(row[13]);
  }
  SCRY_TRY_ASSIGN(const pg::Rows functions, session.Exec(kFunctionsSql));
  for (const auto& row : functions.rows) {
    if (row.size() == 2) state.functions[row[0].value_or("")] = row[1].value_or("");
  }
  SCRY_TRY_ASSIGN(const pg::Rows granted, session.Exec(kGrantedSql));
  for (const auto& row : granted.rows) {
    if (row.size() != 3) continue;
    GrantedObject& object = state.granted[row[0].value_or("")];
    object.oid = Number<uint32_t>(row[1]);
    Split(row[2], object.grants);
  }
  SCRY_TRY_ASSIGN(const pg::Rows totals, session.Exec(kTotalsSql));
  if (!totals.rows.empty() && totals.rows[0].size() == 3) {
    state.wal_lsn = Number<uint64_t>(totals.rows[0][0]);
    state.database_bytes = Number<uint64_t>(totals.rows[0][1]);
    state.temp_bytes = Number<uint64_t>(totals.rows[0][2]);
  }
  return state;
}

CatalogChange Compare(const CatalogState& before, const CatalogState& after) {
  CatalogChange change;
  std::map<std::string, uint32_t> names;
  for (const auto& [oid, relation] : after.relations) {
    names.emplace(relation.name, oid);
    const auto known = before.relations.find(oid);
    const bool was_valid = known == before.relations.end() || known->second.valid;
    if (!relation.valid && was_valid) change.indexes_invalid.push_back(relation.name);
  }
  for (const auto& [oid, was] : before.relations) {
    const auto found = after.relations.find(oid);
    if (found == after.relations.end()) {
      const auto anew = names.find(was.name);
      if (anew != names.end()) {
        CompareGrants(was.name, was.grants, after.relations.at(anew->second).grants, change);
      }
      continue;
    }
    const RelationState& is = found->second;
    CompareStatistics(was, is, change);
    const bool same_file = was.filenode == is.filenode;
    if (was.kind == 'i' && !same_file && SameFile(before, after, is.table)) {
      change.reindexed.push_back(oid);
    }
    if (!HasRows(was.kind)) continue;
    if (is.rows_written > was.rows_written) {
      change.rows_written[was.name] = is.rows_written - was.rows_written;
    }
    if (same_file) continue;
    change.rewritten.push_back({oid, was.name, was.bytes, is.bytes});
    if (was.all_visible > 0 && is.all_visible == 0 && is.pages > 0) {
      change.visibility_lost.push_back(was.name);
    }
  }
  for (const auto& [name, was] : before.granted) {
    const auto anew = after.granted.find(name);
    if (anew == after.granted.end() || anew->second.oid == was.oid) continue;
    CompareGrants(name, was.grants, anew->second.grants, change);
  }
  return change;
}

}  // namespace scry::migration
