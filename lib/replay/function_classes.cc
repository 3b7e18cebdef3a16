#include "replay/function_classes.h"

#include <algorithm>
#include <cctype>
#include <charconv>
#include <optional>
#include <utility>

#include "base/letter_case.h"

namespace scry::replay {
namespace {

// One row per function: OID, name, class as far as its own text tells, and that text where what it
// calls counts too: of functions of users that seem harmless, or to read only.
//
// A source that has none of the words below has no way to another row but by what it calls: without
// FROM not even a SELECT has. Triggers that stamp a column are such. What is not written in
// plpgsql or SQL is not judged by its source; of known extensions, it is known what makes up values
// out of nothing. A body in standard SQL is kept as a tree alone. Volatile functions of the server
// that only tell or wait are harmless.
constexpr const char* kFunctions = R"(
SELECT f.oid, f.name, f.class, CASE WHEN f.judged AND f.class < 2 THEN f.source END
FROM (
  SELECT p.oid, pg_catalog.lower(p.proname) AS name, s.source, s.source IS NOT NULL AS judged,
    CASE WHEN p.provolatile = 'i' THEN 0
      WHEN s.source IS NOT NULL AND s.source !~* ('\m(insert|update|delete|merge|execute|call|'
        'copy|truncate|lock|listen|notify|pg_notify|with|table|from|into\s+strict|create|alter|'
        'drop|do|fetch|open|import|nextval|setval|lo_\w+|pg_advisory\w*|pg_try_advisory\w*|'
        'dblink\w*)\M') THEN 0
      WHEN n.nspname = 'pg_catalog' AND (p.provolatile = 's' OR p.proname ~
        ('^(random|random_normal|setseed|clock_timestamp|timeofday|pg_sleep|pg_sleep_for|'
        'pg_sleep_until|gen_random_uuid|uuidv4|uuidv7|currval|lastval|set_config|txid_.*|'
        'pg_stat_.*|pg_current_xact_id.*|pg_current_wal_.*|pg_.*_size|pg_size_.*|'
        'pg_relation_filepath|pg_backend_pid|pg_is_in_recovery|pg_ls_.*|pg_read_.*|'
        'pg_lock_status|pg_show_.*|version)$')) THEN 0
      WHEN l.lanname = 'c' AND p.proname ~ '^(uuid_generate_v\w+|gen_random_(bytes|uuid)|gen_salt)$'
        THEN 0
      WHEN p.provolatile = 's' THEN 1 ELSE 2 END AS class
  FROM pg_catalog.pg_proc p
  JOIN pg_catalog.pg_namespace n ON n.oid = p.pronamespace
  JOIN pg_catalog.pg_language l ON l.oid = p.prolang,
  LATERAL (SELECT CASE
    WHEN l.lanname NOT IN ('plpgsql', 'sql') OR p.provolatile = 'i'
      OR n.nspname = 'pg_catalog' THEN NULL
    WHEN p.prosrc = '' THEN coalesce(pg_catalog.substring(
      pg_catalog.pg_get_functiondef(p.oid), '\n((?:BEGIN ATOMIC|RETURN ).*)$'), '')
    ELSE p.prosrc END AS source) s) f)";

bool IsNameByte(char c) {
  return std::isalnum(static_cast<unsigned char>(c)) != 0 || c == '_' || c == '$' ||
         static_cast<unsigned char>(c) >= 0x80;
}

}  // namespace

std::set<std::string> CalledNames(std::string_view source) {
  std::set<std::string> names;
  for (size_t at = source.find('('); at != std::string_view::npos; at = source.find('(', at + 1)) {
    size_t end = at;
    while (end > 0 && std::isspace(static_cast<unsigned char>(source[end - 1])) != 0) --end;
    const bool quoted = end > 0 && source[end - 1] == '"';
    if (quoted) --end;
    size_t begin = end;
    while (begin > 0 && (quoted ? source[begin - 1] != '"' : IsNameByte(source[begin - 1]))) {
      --begin;
    }
    if (begin < end) names.insert(base::LowerAscii(source.substr(begin, end - begin)));
  }
  return names;
}

base::Result<FunctionClasses> FunctionClasses::Read(pg::AdminSession& lane) {
  SCRY_TRY_ASSIGN(const pg::Rows rows, lane.Exec(kFunctions));
  std::vector<Function> functions;
  for (const auto& row : rows.rows) {
    Function& function = functions.emplace_back();
    const std::string oid = row.at(0).value_or("");
    std::from_chars(oid.data(), oid.data() + oid.size(), function.oid);
    function.name = row.at(1).value_or("");
    const std::string digit = row.at(2).value_or("");
    function.known = digit == "0"   ? FunctionClass::kHarmless
                     : digit == "1" ? FunctionClass::kReads
                                    : FunctionClass::kWrites;
    if (row.at(3)) function.calls = CalledNames(*row[3]);
  }
  FunctionClasses classes;
  classes.Close(std::move(functions));
  return classes;
}

// Until nothing gets worse by what it calls.
void FunctionClasses::Close(std::vector<Function> functions) {
  for (const Function& function : functions) {
    FunctionClass& named = by_name_[function.name];
    named = std::max(named, function.known);
  }
  for (bool changed = true; changed;) {
    changed = false;
    for (Function& function : functions) {
      for (const std::string& call : function.calls) {
        const auto called = by_name_.find(call);
        if (called == by_name_.end() || called->second <= function.known) continue;
        function.known = called->second;
        FunctionClass& named = by_name_[function.name];
        named = std::max(named, function.known);
        changed = true;
      }
    }
  }
  for (const Function& function : functions) by_oid_[function.oid] = function.known;
}

FunctionClass FunctionClasses::ClassOf(uint32_t oid) const {
  const auto found = by_oid_.find(oid);
  return found == by_oid_.end() ? FunctionClass::kWrites : found->second;
}

}  // namespace scry::replay
