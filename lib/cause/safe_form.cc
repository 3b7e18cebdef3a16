#include "cause/safe_form.h"

#include <fmt/format.h>

#include <algorithm>
#include <optional>
#include <string_view>

#include "base/letter_case.h"
#include "cause/alter_steps.h"

namespace scry::cause {
namespace {

// The statement as it stands, for rules to look at.
struct Sql {
  explicit Sql(const BlockingForm& statement)
      : s(statement), upper(base::UpperAscii(statement.sql)), work(statement.work) {}
  bool Begins(std::string_view words) const { return upper.starts_with(words); }
  bool Has(std::string_view words) const { return upper.find(words) != std::string::npos; }
  // With `word` behind the first `after`. nullopt: literals are missing, so it cannot be pasted.
  std::optional<std::string> With(std::string_view after, std::string_view word) const {
    const size_t at = upper.find(after);
    if (at == std::string::npos || !OnlyStatement(s.sql)) return std::nullopt;
    // "?" and "$1" stand for literals; in a text that has its own they may be operators and names.
    if (s.sql.find_first_of("?$") != std::string::npos) return std::nullopt;
    std::string sql = s.sql;
    return sql.insert(at + after.size(), fmt::format(" {}", word)) + ";";
  }
  const BlockingForm& s;
  const std::string upper;
  const event::TableWork& work;
};

struct Rule {
  bool (*fits)(const Sql&);
  std::string_view after;  // For With(); empty: no SQL.
  std::string_view word;
  std::string_view advice;
};

bool Alters(const Sql& sql) { return sql.Begins("ALTER TABLE"); }
bool BuildsIndex(const Sql& sql) {
  return (sql.Begins("CREATE INDEX") || sql.Begins("CREATE UNIQUE INDEX")) &&
         !sql.Has(" INDEX CONCURRENTLY ");
}
bool DropsIndex(const Sql& sql) {
  return sql.Begins("DROP INDEX") && !sql.Begins("DROP INDEX CONCURRENTLY ");
}

// In the order in which they are tried.
const std::vector<Rule>& Rules() {
  static const std::vector<Rule> kRules = {
      {[](const Sql& sql) { return BuildsIndex(sql) && sql.s.partitioned; },
       {},
       {},
       "PostgreSQL refuses CONCURRENTLY on a partitioned table: CREATE INDEX ON ONLY the table, "
       "then CREATE INDEX CONCURRENTLY on each partition, and ALTER INDEX ... ATTACH PARTITION"},
      {BuildsIndex, "INDEX", "CONCURRENTLY",
       "build it CONCURRENTLY, outside of a transaction: writes go on meanwhile"},
      {[](const Sql& sql) { return DropsIndex(sql) && sql.s.partitioned; },
       {},
       {},
       "PostgreSQL drops no index of a partitioned table CONCURRENTLY: drop it with a short "
       "lock_timeout, and try again"},
      {[](const Sql& sql) { return DropsIndex(sql) && sql.work.drops_more; },
       {},
       {},
       "drop each CONCURRENTLY in a statement of its own, without CASCADE, outside of a "
       "transaction"},
      {DropsIndex, "INDEX", "CONCURRENTLY", "drop it CONCURRENTLY, outside of a transaction"},
      {[](const Sql& sql) { return sql.Begins("REINDEX") && !sql.Has("CONCURRENTLY"); },
       {},
       {},
       "REINDEX ... CONCURRENTLY, outside of a transaction: reads and writes go on meanwhile"},
      {[](const Sql& sql) {
         return sql.Begins("REFRESH MATERIALIZED VIEW") && !sql.work.without_data &&
                !sql.Begins("REFRESH MATERIALIZED VIEW CONCURRENTLY ");
       },
       {},
       {},
       "REFRESH MATERIALIZED VIEW CONCURRENTLY: reads go on meanwhile; it needs a unique index "
       "over "
       "columns, without WHERE, and a view that was filled before"},
      {[](const Sql& sql) { return sql.Begins("VACUUM") || sql.Begins("CLUSTER"); },
       {},
       {},
       "a plain VACUUM frees space for reuse without stopping anybody; to shrink the table, "
       "pg_repack or pg_squeeze lock it only for a moment"},
      {[](const Sql& sql) { return sql.work.detaches && !sql.upper.ends_with(" CONCURRENTLY"); },
       {},
       {},
       "DETACH PARTITION ... CONCURRENTLY, outside of a transaction: PostgreSQL 14 and later, and "
       "no default partition may be there"},
      {[](const Sql& sql) { return sql.work.attaches; },
       {},
       {},
       "give the new partition a CHECK of its bounds first (NOT VALID, then VALIDATE CONSTRAINT), "
       "and the default partition one that excludes them: attaching then scans nothing"},
      {[](const Sql& sql) {
         return (sql.work.builds_primary_key || sql.work.builds_unique) && sql.s.partitioned;
       },
       {},
       {},
       "build a unique index CONCURRENTLY on each partition first: the one of the partitioned "
       "table "
       "takes them over instead of building its own"},
      {[](const Sql& sql) { return sql.work.builds_primary_key; },
       {},
       {},
       "CREATE UNIQUE INDEX CONCURRENTLY first; where the columns may be NULL add CHECK (... IS "
       "NOT "
       "NULL) NOT VALID, VALIDATE CONSTRAINT and SET NOT NULL, as the key scans the table for "
       "NULLs "
       "otherwise; then ADD PRIMARY KEY USING INDEX: the lock is held for a moment"},
      {[](const Sql& sql) { return sql.work.builds_unique; },
       {},
       {},
       "CREATE UNIQUE INDEX CONCURRENTLY first, then ADD CONSTRAINT ... USING INDEX: the lock is "
       "held for a moment"},
      {[](const Sql& sql) { return sql.work.checks_rows; },
       {},
       {},
       "add the constraint NOT VALID (a foreign key of a partitioned table only in PostgreSQL 18 "
       "and "
       "later), then VALIDATE CONSTRAINT in a transaction of its own: the scan then stops nobody"},
      {[](const Sql& sql) { return sql.work.sets_not_null; },
       {},
       {},
       "add CHECK (... IS NOT NULL) NOT VALID, VALIDATE CONSTRAINT, then SET NOT NULL, which needs "
       "no scan any more, and drop the CHECK"},
      {[](const Sql& sql) { return Alters(sql) && sql.s.rewrites && sql.work.adds_generated; },
       {},
       {},
       "a column that is generated, or an identity, writes the whole table anew: add a plain "
       "column that a trigger or a sequence's DEFAULT fills for new rows, and fill the old ones in "
       "batches"},
      {[](const Sql& sql) { return Alters(sql) && sql.s.rewrites && sql.work.adds_column; },
       {},
       {},
       "add the column without the default, SET DEFAULT for new rows, and fill the old ones in "
       "batches"},
      {[](const Sql& sql) { return Alters(sql) && sql.s.rewrites; },
       {},
       {},
       "it writes the whole table anew under its lock: add a new column, keep it in step by a "
       "trigger, fill it in batches, and swap the two at the end"},
      {[](const Sql& sql) { return sql.s.writes; },
       {},
       {},
       "write in batches of some thousand rows by key, each in a transaction of its own: row locks "
       "are then held for a moment each"},
  };
  return kRules;
}

}  // namespace

std::vector<std::string> SafeForms(const BlockingForm& statement) {
  const Sql sql(statement);
  std::vector<std::string> advice;
  const auto& rules = Rules();
  const auto rule =
      std::find_if(rules.begin(), rules.end(), [&](const Rule& one) { return one.fits(sql); });
  if (rule != rules.end()) {
    advice.emplace_back(rule->advice);
    if (!rule->after.empty()) {
      if (const auto rewritten = sql.With(rule->after, rule->word)) advice.push_back(*rewritten);
    }
  }
  // A timeout would end CONCURRENTLY's waits as well, and leave an invalid index behind.
  const bool concurrent = rule != rules.end() && rule->word == "CONCURRENTLY";
  if (statement.waited && !concurrent) {
    advice.emplace_back(
        "SET lock_timeout = '200ms' before it, and try again when it fails: whoever comes after it "
        "then waits no longer than that");
  }
  return advice;
}

}  // namespace scry::cause
