#include "migration/extrapolate.h"

#include <algorithm>
#include <array>
#include <cmath>
#include <string_view>

#include "event/table_work.h"

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

// A table this small is mostly in caches, and what its first pages cost is not what many cost.
constexpr uint64_t kTableBytesMin = 8ULL << 20;
// Tools keep their version in one that is smaller, there as here.
constexpr uint64_t kOwnTableBytes = 64ULL << 10;
// Beyond them a figure says no more than "too long": a factor, and ten years.
constexpr double kFactorMax = 1e6;
constexpr Micros kDurationMaxUs = 315'360'000LL * 1'000'000;
constexpr double kCountMax = 1e18;

// The clauses of ALTER TABLE that read every row, or build an index.
Growth OfAlterTable(const event::TableWork& work) {
  if (work.builds_primary_key || work.builds_unique || work.builds_exclusion) {
    return Growth::kSorting;
  }
  const bool reads = work.checks_rows || work.validates || work.sets_not_null || work.attaches;
  return reads ? Growth::kLinear : Growth::kNone;
}

// INSERT of values and COPY write what the migration brings along, however large the table is.
bool RowsGrow(const StatementProfile& statement) {
  if (statement.rows == 0 || statement.tag == "COPY") return false;
  return statement.tag != "INSERT" || statement.work.reads_table;
}

// The tables that a statement names, of those that were there before.
std::vector<std::string> NamedTables(const StatementProfile& statement,
                                     const MigrationProfile& profile) {
  std::vector<std::string> tables;
  for (std::string name : statement.relations) {
    if (name.starts_with("public.")) name.erase(0, std::string_view("public.").size());
    if (profile.table_bytes.contains(name)) tables.push_back(std::move(name));
  }
  return tables;
}

// Those that it works through: what it rewrote, else what it locked most strongly; of an INSERT
// what it reads, where that is another one. Where a statement before it in its transaction took its
// locks: those it names.
std::vector<std::string> TablesOf(const StatementProfile& statement,
                                  const MigrationProfile& profile) {
  if (!statement.rewrote.empty()) return statement.rewrote;
  // Strongest first; what it only reads does not count beside what it writes.
  std::vector<TakenLock> locks = statement.locks;
  std::erase_if(locks, [](const TakenLock& lock) { return lock.apart; });
  if (locks.empty()) return NamedTables(statement, profile);
  const bool inserts = statement.tag == "INSERT";
  const LockMode mode = inserts ? locks.back().mode : locks.front().mode;
  std::vector<std::string> tables;
  for (const TakenLock& lock : locks) {
    if (lock.mode == mode) tables.push_back(lock.name);
  }
  return tables;
}

// What it did itself, as far as the server logged its waits for locks: these are not longer where a
// table is larger.
Micros WorkedUs(const StatementProfile& statement, const MigrationProfile& profile) {
  Micros waited_us = 0;
  for (const LockWaitEvent& wait : profile.waits) {
    if (wait.pid != statement.pid) continue;
    const Micros begin_us = std::max(wait.begin_wall_us, statement.begin_us);
    waited_us += std::max<Micros>(std::min(wait.end_wall_us, statement.end_us) - begin_us, 0);
  }
  return std::max<Micros>(statement.busy_us - waited_us, 0);
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
  return factor < kSameFactor ? 1 : std::min(factor, kFactorMax);
}

// Whatever their size here.
double Larger(const MigrationProfile& profile, const ProductionSize& production,
              const std::vector<std::string>& tables) {
  const uint64_t here = BytesOf(profile, tables);
  uint64_t there = 0;
  bool known = true;
  for (const std::string& table : tables) {
    const auto found = production.table_bytes.find(table);
    known = known && found != production.table_bytes.end() && profile.table_bytes.contains(table);
    if (known) there += found->second;
  }
  if (known) return FactorOf(there, here);
  return FactorOf(production.database_bytes, profile.database_bytes);
}

}  // namespace

Growth GrowthOf(const StatementProfile& statement) {
  if (!statement.sqlstate.empty() || statement.tag == "TRUNCATE TABLE") return Growth::kNone;
  if (statement.tag == "CREATE INDEX" || statement.tag == "REINDEX") return Growth::kSorting;
  if (!statement.rewrote.empty() || RowsGrow(statement)) return Growth::kLinear;
  constexpr std::array<std::string_view, 3> kScans = {"VACUUM", "CLUSTER",
                                                      "REFRESH MATERIALIZED VIEW"};
  if (std::find(kScans.begin(), kScans.end(), statement.tag) != kScans.end()) {
    return Growth::kLinear;
  }
  if (statement.tag != "ALTER TABLE") return Growth::kNone;
  return OfAlterTable(statement.work);
}

double SizeFactor(const MigrationProfile& profile, const ProductionSize& production,
                  const std::vector<std::string>& tables) {
  return BytesOf(profile, tables) < kTableBytesMin ? 1 : Larger(profile, production, tables);
}

uint64_t Times(uint64_t value, double factor) {
  return static_cast<uint64_t>(std::min(static_cast<double>(value) * factor, kCountMax));
}

Extrapolation Extrapolate(const MigrationProfile& profile, const ProductionSize& production) {
  Extrapolation result;
  const auto& statements = profile.statements;
  result.statements.resize(statements.size());
  result.held_us.resize(statements.size());
  for (size_t i = 0; i < statements.size(); ++i) {
    const StatementProfile& statement = statements[i];
    const Growth growth = GrowthOf(statement);
    const Micros worked_us = WorkedUs(statement, profile);
    if (growth == Growth::kNone) continue;
    const std::vector<std::string> tables = TablesOf(statement, profile);
    if (Larger(profile, production, tables) <= 1) continue;
    const double factor = SizeFactor(profile, production, tables);
    if (factor <= 1 || worked_us < kMeasurableUs) {
      const bool own = RowsGrow(statement) && BytesOf(profile, tables) < kOwnTableBytes;
      if (!own) ++result.too_small;
      continue;
    }
    Estimate& estimate = result.statements[i].emplace();
    estimate.factor = factor;
    estimate.growth = growth;
    const double by = TimeFactor(growth, factor, BytesOf(profile, tables));
    const Micros added_us = static_cast<Micros>(
        std::min(static_cast<double>(worked_us) * (by - 1), static_cast<double>(kDurationMaxUs)));
    estimate.duration_us = statement.busy_us + added_us;
    estimate.rows = Times(statement.rows, factor);
    estimate.wal_bytes = Times(statement.wal_bytes, factor);
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
