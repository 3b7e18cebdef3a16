#include "job/migration_report.h"

#include <algorithm>
#include <string_view>

#include "base/units.h"
#include "event/statement_facts.h"

namespace scry::job {
namespace {

constexpr size_t kStatementsMax = 1000;
constexpr size_t kTextColumnsMax = 2000;
constexpr size_t kListMax = 200;
constexpr size_t kLocksMax = 100;

std::vector<std::string> Front(const std::vector<std::string>& names) {
  return {names.begin(), names.begin() + static_cast<ptrdiff_t>(std::min(names.size(), kListMax))};
}

bool SetsPassword(std::string_view pattern) {
  std::string upper(pattern.substr(0, 64));
  std::transform(upper.begin(), upper.end(), upper.begin(),
                 [](char c) { return c >= 'a' && c <= 'z' ? static_cast<char>(c - 32) : c; });
  return upper.find(" ROLE") != std::string::npos || upper.find(" USER") != std::string::npos ||
         upper.find(" SUBSCRIPTION") != std::string::npos ||
         upper.find(" SERVER") != std::string::npos || upper.find(" GROUP") != std::string::npos ||
         upper.starts_with("DO");
}

}  // namespace

std::string TextOf(const migration::StatementProfile& statement, bool show_values) {
  const bool whole = show_values && statement.ordinal == 0 && !SetsPassword(statement.pattern);
  return base::Printable(base::OneLine(whole ? statement.text : statement.pattern),
                         kTextColumnsMax);
}

std::vector<report::MigrationStatement> StatementsOf(const migration::MigrationProfile& profile,
                                                     base::Micros started_us, bool show_values) {
  std::vector<report::MigrationStatement> statements;
  for (const migration::StatementProfile& from : profile.statements) {
    if (statements.size() >= kStatementsMax) break;
    report::MigrationStatement& to = statements.emplace_back();
    to.text = TextOf(from, show_values);
    to.fingerprint = event::FingerprintText(from.fingerprint);
    to.started_us = std::max<base::Micros>(from.begin_us - started_us, 0);
    to.duration_us = from.busy_us;
    to.calls = from.calls;
    to.sqlstate = from.sqlstate;
    to.rows = from.rows;
    to.wal_bytes = from.wal_bytes;
    for (const migration::TakenLock& lock : from.locks) {
      // Reading and writing rows takes these; they stop nobody's rows.
      if (lock.mode <= migration::LockMode::kRowExclusive || to.locks.size() >= kLocksMax) continue;
      to.locks.push_back({lock.name, Name(lock.mode), lock.held_us, lock.implied});
    }
    to.rewrote = Front(from.rewrote);
    to.dropped = Front(from.dropped);
  }
  return statements;
}

void FillMigration(const migration::MigrationProfile& profile, base::Micros started_us,
                   bool show_values, report::MigrationFacts& facts) {
  facts.statements = StatementsOf(profile, started_us, show_values);
  facts.statements_more =
      profile.statements_more + profile.statements.size() - facts.statements.size();
  facts.wal_bytes = profile.wal_bytes;
  facts.temp_bytes = profile.temp_bytes;
  facts.disk_bytes = profile.disk_bytes;
  for (const migration::Rewritten& table : profile.change.rewritten) {
    if (facts.rewritten.size() >= kListMax) break;
    facts.rewritten.push_back({table.name, table.bytes_before, table.bytes_after});
  }
  for (const auto& [relation, rows] : profile.change.rows_written) {
    if (facts.rows_written.size() >= kListMax) break;
    facts.rows_written.push_back({relation, rows});
  }
  facts.statistics_lost = Front(profile.change.statistics_lost);
  facts.visibility_lost = Front(profile.change.visibility_lost);
  facts.indexes_invalid = Front(profile.change.indexes_invalid);
  facts.grants_lost = Front(profile.change.grants_lost);
}

}  // namespace scry::job
