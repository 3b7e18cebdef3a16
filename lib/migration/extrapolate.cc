#include "migration/extrapolate.h"

#include <algorithm>
#include <array>
#include <cmath>
#include <string_view>

namespace scry::migration {
namespace {

using base::Micros;

// Below it what is measured is parsing, planning and committing, which do not grow.
constexpr Micros kMeasurableUs = 5 * 1000;
// A copy is never of exactly the size of its source: indexes are packed anew, pages freed.
constexpr double kSameFactor = 1.1;
constexpr uint64_t kSameBytes = 1ULL << 20;
// For the logarithm of the number of rows, which hardly depends on it.
constexpr double kRowBytes = 100;

std::string Lower(std::string_view text) {
  std::string lower(text);
  std::transform(lower.begin(), lower.end(), lower.begin(),
                 [](char c) { return c >= 'A' && c <= 'Z' ? static_cast<char>(c + 32) : c; });
  return lower;
}

// The clauses of ALTER TABLE that read every row, or build an index.
Growth OfAlterTable(const std::string& sql) {
  const auto has = [&](std::string_view words) { return sql.find(words) != std::string::npos; };
  const bool adds = has(" add ");
  const bool indexed = has(" primary key") || has(" unique") || has(" exclude ");
  if (adds && indexed && !has(" using index")) return Growth::kSorting;
  const bool unchecked = has(" not valid") || has(" not enforced");
  const bool checks = has(" check ") || has(" check(") || has(" foreign key");
  if (adds && checks && !unchecked) return Growth::kLinear;
  if (has(" validate constraint") || has(" set not null") || has(" attach partition")) {
    return Growth::kLinear;
  }
  return Growth::kNone;
}

// Those that it works through: what it rewrote, else what it locked most strongly.
std::vector<std::string> TablesOf(const StatementProfile& statement) {
  if (!statement.rewrote.empty()) return statement.rewrote;
  std::vector<std::string> tables;
  for (const TakenLock& lock : statement.locks) {
    // Strongest first; what it only reads does not count beside what it writes.
    if (lock.mode != statement.locks.front().mode) break;
    tables.push_back(lock.name);
  }
  return tables;
}

double TimeFactor(Growth growth, double factor, uint64_t bytes) {
  if (growth != Growth::kSorting) return factor;
  const double rows = std::max(static_cast<double>(bytes) / kRowBytes, 2.0);
  return factor * std::log(rows * factor) / std::log(rows);
}

uint64_t BytesOf(const MigrationProfile& profile, const std::vector<std::string>& tables) {
  uint64_t bytes = 0;
  for (const std::string& table : tables) {
    const auto found = profile.table_bytes.find(table);
    if (found != profile.table_bytes.end()) bytes += found->second;
  }
  return bytes;
}

double FactorOf(uint64_t there, uint64_t here) {
  if (here == 0 || there < here + kSameBytes) return 1;
  const double factor = static_cast<double>(there) / static_cast<double>(here);
  return factor < kSameFactor ? 1 : factor;
}

}  // namespace

Growth GrowthOf(const StatementProfile& statement) {
  if (!statement.sqlstate.empty() || statement.tag == "TRUNCATE TABLE") return Growth::kNone;
  if (statement.tag == "CREATE INDEX" || statement.tag == "REINDEX") return Growth::kSorting;
  if (!statement.rewrote.empty() || statement.rows > 0) return Growth::kLinear;
  constexpr std::array<std::string_view, 3> kScans = {"VACUUM", "CLUSTER",
                                                      "REFRESH MATERIALIZED VIEW"};
  if (std::find(kScans.begin(), kScans.end(), statement.tag) != kScans.end()) {
    return Growth::kLinear;
  }
  return statement.tag == "ALTER TABLE" ? OfAlterTable(Lower(statement.pattern)) : Growth::kNone;
}

double SizeFactor(const MigrationProfile& profile, const ProductionSize& production,
                  const std::vector<std::string>& tables) {
  uint64_t there = 0;
  bool known = !tables.empty();
  for (const std::string& table : tables) {
    const auto found = production.table_bytes.find(table);
    known = known && found != production.table_bytes.end() && profile.table_bytes.contains(table);
    if (known) there += found->second;
  }
  if (known) return FactorOf(there, BytesOf(profile, tables));
  return FactorOf(production.database_bytes, profile.database_bytes);
}

Extrapolation Extrapolate(const MigrationProfile& profile, const ProductionSize& production) {
  Extrapolation result;
  const auto& statements = profile.statements;
  result.statements.resize(statements.size());
  result.held_us.resize(statements.size());
  for (size_t i = 0; i < statements.size(); ++i) {
    const StatementProfile& statement = statements[i];
    const Growth growth = GrowthOf(statement);
    if (growth == Growth::kNone || statement.busy_us < kMeasurableUs) continue;
    const std::vector<std::string> tables = TablesOf(statement);
    const double factor = SizeFactor(profile, production, tables);
    if (factor <= 1) continue;
    const auto times = [](auto value, double by) {
      return static_cast<decltype(value)>(static_cast<double>(value) * by);
    };
    Estimate& estimate = result.statements[i].emplace();
    estimate.factor = factor;
    estimate.growth = growth;
    estimate.duration_us =
        times(statement.busy_us, TimeFactor(growth, factor, BytesOf(profile, tables)));
    estimate.rows = times(statement.rows, factor);
    estimate.wal_bytes = times(statement.wal_bytes, factor);
    result.added_us += estimate.duration_us - statement.busy_us;
  }
  // What a later statement of the transaction takes longer, the locks of earlier ones are held.
  for (size_t i = 0; i < statements.size(); ++i) {
    Micros added_us = 0;
    for (size_t later = i; later < statements.size(); ++later) {
      const bool same = statements[later].pid == statements[i].pid &&
                        statements[later].transaction_end_us == statements[i].transaction_end_us;
      if (!same || !result.statements[later]) continue;
      added_us += result.statements[later]->duration_us - statements[later].busy_us;
    }
    if (added_us == 0 || statements[i].locks.empty()) continue;
    result.held_us[i] = statements[i].locks.front().held_us + added_us;
  }
  return result;
}

}  // namespace scry::migration
