// The queries of catalog.cc: each answers kind, name, label, table, identity, facts, state; the
// last two as JSON objects. `pg_temp` and the system's own schemas are left out. Internal to
// lib/cause.
#pragma once

namespace scry::cause {

// Names as SQL writes them, "public." left out.
#define SCRY_NAME(class_oid)                                                                    \
  "(SELECT CASE WHEN nn.nspname = 'public' THEN quote_ident(cc.relname) "                       \
  "ELSE quote_ident(nn.nspname) || '.' || quote_ident(cc.relname) END "                         \
  "FROM pg_class cc JOIN pg_namespace nn ON nn.oid = cc.relnamespace WHERE cc.oid = " class_oid \
  ")"
#define SCRY_OURS(schema) "(" schema " NOT LIKE 'pg\\_%' AND " schema " <> 'information_schema')"
#define SCRY_ACL(acl) \
  "coalesce((SELECT string_agg(x::text, ' ' ORDER BY x::text) FROM unnest(" acl ") x), '')"

inline constexpr const char* kCatalogSql[] = {
    // Relations. Visibility and numbers of rows are state.
    "SELECT 'relation', " SCRY_NAME("c.oid") ", " SCRY_NAME("c.oid") ", '', c.oid::text,"
    " json_build_object('name', c.relname, 'schema', n.nspname, 'kind', c.relkind::text,"
    "  'owner', pg_get_userbyid(c.relowner), 'acl', " SCRY_ACL("c.relacl") ","
    "  'row_security', c.relrowsecurity, 'forced', c.relforcerowsecurity,"
    "  'persistence', c.relpersistence::text, 'replica_identity', c.relreplident::text,"
    "  'options', coalesce(array_to_string(c.reloptions, ' '), ''),"
    "  'parent', coalesce((SELECT " SCRY_NAME("i.inhparent") " FROM pg_inherits i WHERE i.inhrelid = c.oid LIMIT 1), ''),"
    "  'definition', CASE WHEN c.relkind IN ('v', 'm') THEN pg_get_viewdef(c.oid) ELSE '' END),"
    " json_build_object('file', c.relfilenode, 'pages', c.relpages, 'visible', c.relallvisible,"
    "  'rows', c.reltuples,"
    "  'bytes', CASE WHEN c.relkind IN ('r', 'm') THEN pg_relation_size(c.oid) ELSE 0 END,"
    "  'inserted', coalesce(s.n_tup_ins, 0), 'updated', coalesce(s.n_tup_upd, 0),"
    "  'deleted', coalesce(s.n_tup_del, 0))"
    " FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace"
    " LEFT JOIN pg_stat_all_tables s ON s.relid = c.oid"
    " WHERE c.relkind IN ('r', 'p', 'v', 'm', 'f') AND " SCRY_OURS("n.nspname"),
    "SELECT 'column', " SCRY_NAME("c.oid") " || '.' || quote_ident(a.attname),"
    " quote_ident(c.relname) || '.' || quote_ident(a.attname), " SCRY_NAME("c.oid") ","
    " c.oid::text || '.' || a.attnum::text,"
    " json_build_object('name', a.attname, 'type', format_type(a.atttypid, a.atttypmod),"
    "  'base_type', t.typname, 'not_null', a.attnotnull,"
    "  'default', CASE WHEN a.attgenerated = '' THEN coalesce(pg_get_expr(d.adbin, d.adrelid), '') ELSE '' END,"
    "  'identity', a.attidentity::text, 'generated', a.attgenerated::text,"
    "  'expression', CASE WHEN a.attgenerated <> '' THEN coalesce(pg_get_expr(d.adbin, d.adrelid), '') ELSE '' END,"
    "  'collation', coalesce((SELECT l.collname::text FROM pg_collation l WHERE l.oid = a.attcollation), ''),"
    "  'acl', " SCRY_ACL("a.attacl") "),"
    " json_build_object('number', a.attnum, 'statistics', st.starelid IS NOT NULL,"
    "  'distinct', coalesce(st.stadistinct, 0), 'width', coalesce(st.stawidth, 0))"
    " FROM pg_attribute a JOIN pg_class c ON c.oid = a.attrelid"
    " JOIN pg_namespace n ON n.oid = c.relnamespace JOIN pg_type t ON t.oid = a.atttypid"
    " LEFT JOIN pg_attrdef d ON d.adrelid = a.attrelid AND d.adnum = a.attnum"
    " LEFT JOIN pg_statistic st ON st.starelid = a.attrelid AND st.staattnum = a.attnum AND NOT st.stainherit"
    " WHERE a.attnum > 0 AND NOT a.attisdropped AND c.relkind IN ('r', 'p', 'v', 'm', 'f') AND " SCRY_OURS("n.nspname"),
    "SELECT 'index', " SCRY_NAME("c.oid") ", quote_ident(c.relname), " SCRY_NAME("i.indrelid") ", c.oid::text,"
    " json_build_object('name', c.relname, 'definition', pg_get_indexdef(c.oid), 'valid', i.indisvalid,"
    "  'unique', i.indisunique, 'primary', i.indisprimary, 'method', am.amname,"
    "  'columns', (SELECT string_agg(pg_get_indexdef(i.indexrelid, k, true), ', ' ORDER BY k)"
    "    FROM generate_series(1, i.indnkeyatts) k),"
    "  'predicate', coalesce(pg_get_expr(i.indpred, i.indrelid), '')),"
    " json_build_object('bytes', CASE WHEN c.relkind = 'i' THEN pg_relation_size(c.oid) ELSE 0 END,"
    "  'parent', coalesce((SELECT " SCRY_NAME("h.inhparent") " FROM pg_inherits h WHERE h.inhrelid = c.oid LIMIT 1), ''))"
    " FROM pg_index i JOIN pg_class c ON c.oid = i.indexrelid JOIN pg_am am ON am.oid = c.relam"
    " JOIN pg_namespace n ON n.oid = c.relnamespace WHERE c.relkind IN ('i', 'I') AND " SCRY_OURS("n.nspname"),
    "SELECT 'constraint', " SCRY_NAME("k.conrelid") " || '.' || quote_ident(k.conname), quote_ident(k.conname),"
    " " SCRY_NAME("k.conrelid") ", k.oid::text,"
    " json_build_object('name', k.conname, 'type', k.contype::text, 'valid', k.convalidated,"
    "  'definition', pg_get_constraintdef(k.oid),"
    "  'references', coalesce(" SCRY_NAME("nullif(k.confrelid, 0)") ", ''),"
    "  'columns', coalesce((SELECT string_agg(quote_ident(a.attname), ', ' ORDER BY x.ord)"
    "    FROM unnest(k.conkey) WITH ORDINALITY x(num, ord)"
    "    JOIN pg_attribute a ON a.attrelid = k.conrelid AND a.attnum = x.num), ''),"
    "  'referenced_columns', coalesce((SELECT string_agg(quote_ident(a.attname), ', ' ORDER BY x.ord)"
    "    FROM unnest(k.confkey) WITH ORDINALITY x(num, ord)"
    "    JOIN pg_attribute a ON a.attrelid = k.confrelid AND a.attnum = x.num), '')),"
    " json_build_object()"
    " FROM pg_constraint k JOIN pg_namespace n ON n.oid = k.connamespace"
    " WHERE k.conrelid <> 0 AND k.contype IN ('c', 'f', 'p', 'u', 'x') AND " SCRY_OURS("n.nspname"),
    "SELECT 'policy', " SCRY_NAME("p.polrelid") " || '.' || quote_ident(p.polname), quote_ident(p.polname),"
    " " SCRY_NAME("p.polrelid") ", p.oid::text,"
    " json_build_object('name', p.polname, 'permissive', p.polpermissive, 'command', p.polcmd::text,"
    "  'roles', (SELECT string_agg(CASE WHEN r = 0 THEN 'public' ELSE pg_get_userbyid(r)::text END, ', ' ORDER BY r)"
    "    FROM unnest(p.polroles) r),"
    "  'definition', coalesce(pg_get_expr(p.polqual, p.polrelid), '') || ' / ' ||"
    "    coalesce(pg_get_expr(p.polwithcheck, p.polrelid), '')),"
    " json_build_object() FROM pg_policy p",
    "SELECT 'function', CASE WHEN n.nspname = 'public' THEN '' ELSE quote_ident(n.nspname) || '.' END ||"
    " quote_ident(p.proname) || '(' || pg_get_function_identity_arguments(p.oid) || ')',"
    " quote_ident(p.proname) || '(' || pg_get_function_identity_arguments(p.oid) || ')', '', p.oid::text,"
    " json_build_object('name', p.proname, 'body', md5(p.prosrc || coalesce(p.probin, '') ||"
    // A body in standard SQL is no text of its own.
    "   CASE WHEN p.prosrc = '' AND p.prokind IN ('f', 'p') THEN"
    "    coalesce(substring(pg_get_functiondef(p.oid), '\\n((?:BEGIN ATOMIC|RETURN ).*)$'), '')"
    "    ELSE '' END),"
    "  'volatility', p.provolatile::text, 'strict', p.proisstrict, 'definer', p.prosecdef,"
    "  'returns', coalesce(pg_get_function_result(p.oid), ''), 'owner', pg_get_userbyid(p.proowner),"
    "  'acl', " SCRY_ACL("p.proacl") ", 'settings', coalesce(array_to_string(p.proconfig, ' '), '')),"
    " json_build_object()"
    " FROM pg_proc p JOIN pg_namespace n ON n.oid = p.pronamespace"
    " WHERE " SCRY_OURS("n.nspname") " AND NOT EXISTS (SELECT 1 FROM pg_depend e"
    "   WHERE e.classid = 'pg_proc'::regclass AND e.objid = p.oid AND e.deptype = 'e')",
    "SELECT 'sequence', " SCRY_NAME("c.oid") ", quote_ident(c.relname),"
    " coalesce((SELECT " SCRY_NAME("d.refobjid") " FROM pg_depend d WHERE d.classid = 'pg_class'::regclass"
    "  AND d.objid = c.oid AND d.refclassid = 'pg_class'::regclass AND d.refobjsubid > 0"
    "  AND d.deptype IN ('a', 'i') LIMIT 1), ''), c.oid::text,"
    " json_build_object('name', c.relname, 'schema', n.nspname, 'owner', pg_get_userbyid(c.relowner),"
    "  'acl', " SCRY_ACL("c.relacl") ", 'type', format_type(q.seqtypid, NULL), 'increment', q.seqincrement,"
    "  'maximum', q.seqmax::text, 'cycle', q.seqcycle),"
    " json_build_object('last', coalesce(pg_sequence_last_value(c.oid), 0)::text)"
    " FROM pg_class c JOIN pg_sequence q ON q.seqrelid = c.oid JOIN pg_namespace n ON n.oid = c.relnamespace"
    " WHERE " SCRY_OURS("n.nspname"),
    "SELECT 'trigger', " SCRY_NAME("t.tgrelid") " || '.' || quote_ident(t.tgname), quote_ident(t.tgname),"
    " " SCRY_NAME("t.tgrelid") ", t.oid::text,"
    " json_build_object('name', t.tgname, 'definition', pg_get_triggerdef(t.oid), 'enabled', t.tgenabled::text,"
    "  'function', p.proname,"
    // The bits of pg_trigger.h.
    "  'timing', CASE WHEN t.tgtype & 64 <> 0 THEN 'INSTEAD OF' WHEN t.tgtype & 2 <> 0 THEN 'BEFORE' ELSE 'AFTER' END,"
    "  'events', concat_ws(', ', CASE WHEN t.tgtype & 4 <> 0 THEN 'INSERT' END, CASE WHEN t.tgtype & 16 <> 0 THEN 'UPDATE' END,"
    "    CASE WHEN t.tgtype & 8 <> 0 THEN 'DELETE' END, CASE WHEN t.tgtype & 32 <> 0 THEN 'TRUNCATE' END),"
    "  'columns', coalesce((SELECT string_agg(quote_ident(a.attname), ', ' ORDER BY a.attnum) FROM pg_attribute a"
    "    WHERE a.attrelid = t.tgrelid AND a.attnum = ANY (t.tgattr)), '')),"
    " json_build_object() FROM pg_trigger t JOIN pg_proc p ON p.oid = t.tgfoid WHERE NOT t.tgisinternal",
    // What turns writes into something else; that of a view is its definition.
    "SELECT 'rule', " SCRY_NAME("r.ev_class") " || '.' || quote_ident(r.rulename), quote_ident(r.rulename),"
    " " SCRY_NAME("r.ev_class") ", r.oid::text,"
    " json_build_object('name', r.rulename, 'definition', pg_get_ruledef(r.oid), 'enabled', r.ev_enabled::text,"
    "  'events', CASE r.ev_type WHEN '2' THEN 'UPDATE' WHEN '3' THEN 'INSERT' WHEN '4' THEN 'DELETE' ELSE 'SELECT' END),"
    " json_build_object() FROM pg_rewrite r JOIN pg_class c ON c.oid = r.ev_class"
    " JOIN pg_namespace n ON n.oid = c.relnamespace WHERE r.rulename <> '_RETURN' AND " SCRY_OURS("n.nspname"),
    "SELECT 'role', r.rolname::text, quote_ident(r.rolname), '', r.oid::text,"
    " json_build_object('name', r.rolname, 'passes_by', r.rolsuper OR r.rolbypassrls,"
    "  'member_of', coalesce((WITH RECURSIVE m(r) AS (SELECT a.roleid FROM pg_auth_members a WHERE a.member = r.oid"
    "    UNION SELECT a.roleid FROM pg_auth_members a JOIN m ON a.member = m.r)"
    "    SELECT string_agg(pg_get_userbyid(m.r)::text, ', ' ORDER BY m.r) FROM m), '')),"
    " json_build_object() FROM pg_roles r WHERE r.rolname NOT LIKE 'pg\\_%'",
    "SELECT 'type', format_type(t.oid, NULL), format_type(t.oid, NULL), '', t.oid::text,"
    " json_build_object('name', t.typname, 'labels', coalesce((SELECT string_agg(e.enumlabel, ', ' ORDER BY e.enumsortorder)"
    "   FROM pg_enum e WHERE e.enumtypid = t.oid), ''), 'checks', coalesce((SELECT string_agg(pg_get_constraintdef(k.oid), ' ')"
    "   FROM pg_constraint k WHERE k.contypid = t.oid), ''),"
    "  'domain', t.typtype = 'd', 'not_null', t.typnotnull, 'default', coalesce(t.typdefault, '')),"
    " json_build_object() FROM pg_type t JOIN pg_namespace n ON n.oid = t.typnamespace"
    " WHERE t.typtype IN ('e', 'd') AND " SCRY_OURS("n.nspname"),
    "SELECT 'statistics', CASE WHEN n.nspname = 'public' THEN '' ELSE quote_ident(n.nspname) || '.' END ||"
    " quote_ident(e.stxname), quote_ident(e.stxname), " SCRY_NAME("e.stxrelid") ", e.oid::text,"
    " json_build_object('name', e.stxname, 'definition', pg_get_statisticsobjdef(e.oid)),"
    " json_build_object('data', EXISTS (SELECT 1 FROM pg_statistic_ext_data x WHERE x.stxoid = e.oid"
    "   AND (x.stxdndistinct IS NOT NULL OR x.stxddependencies IS NOT NULL OR x.stxdmcv IS NOT NULL)))"
    " FROM pg_statistic_ext e JOIN pg_namespace n ON n.oid = e.stxnamespace",
    "SELECT 'schema', quote_ident(n.nspname), quote_ident(n.nspname), '', n.oid::text,"
    " json_build_object('name', n.nspname, 'owner', pg_get_userbyid(n.nspowner), 'acl', " SCRY_ACL("n.nspacl") "),"
    " json_build_object() FROM pg_namespace n WHERE " SCRY_OURS("n.nspname"),
    ("SELECT 'setting', split_part(x, '=', 1) || ' of ' || coalesce('role ' || quote_ident(r.rolname), 'every role'),"
    " split_part(x, '=', 1), '', s.setdatabase::text || '.' || s.setrole::text || '.' || split_part(x, '=', 1),"
    " json_build_object('name', split_part(x, '=', 1), 'role', coalesce(r.rolname, ''),"
    "   'value', substr(x, strpos(x, '=') + 1),"
    // Of a category with one of these: its name is in the server's language.
    "   'steers_plans', EXISTS (SELECT FROM pg_settings g JOIN pg_settings k ON k.category = g.category"
    "     WHERE g.name = split_part(x, '=', 1) AND k.name IN ('enable_seqscan', 'random_page_cost', 'geqo',"
    "      'default_statistics_target', 'work_mem', 'temp_file_limit', 'effective_io_concurrency',"
    "      'max_parallel_workers_per_gather'))), json_build_object()"
    " FROM pg_db_role_setting s CROSS JOIN unnest(s.setconfig) x LEFT JOIN pg_roles r ON r.oid = s.setrole"
    " WHERE s.setdatabase IN (0, (SELECT oid FROM pg_database WHERE datname = current_database()))"),
    ("SELECT 'extension', quote_ident(e.extname), quote_ident(e.extname), '', e.oid::text,"
    " json_build_object('name', e.extname, 'version', e.extversion), json_build_object() FROM pg_extension e")};

// over, below.
inline constexpr const char* kUsesSql =
    "SELECT DISTINCT " SCRY_NAME("r.ev_class") ", " SCRY_NAME("d.refobjid")
    " FROM pg_depend d JOIN pg_rewrite r ON r.oid = d.objid"
    " JOIN pg_class c ON c.oid = r.ev_class JOIN pg_namespace n ON n.oid = c.relnamespace"
    " WHERE d.classid = 'pg_rewrite'::regclass AND d.refclassid = 'pg_class'::regclass"
    " AND d.refobjid <> r.ev_class AND " SCRY_OURS("n.nspname")
    " UNION SELECT " SCRY_NAME("i.inhparent") ", " SCRY_NAME("i.inhrelid") " FROM pg_inherits i"
    " JOIN pg_class c ON c.oid = i.inhparent WHERE c.relkind IN ('r', 'p')"
    " UNION SELECT " SCRY_NAME("i.inhrelid") ", " SCRY_NAME("i.inhparent") " FROM pg_inherits i"
    " JOIN pg_class c ON c.oid = i.inhparent WHERE c.relkind IN ('r', 'p')";

#undef SCRY_NAME
#undef SCRY_OURS
#undef SCRY_ACL

}  // namespace scry::cause
