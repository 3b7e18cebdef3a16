// What a migration's statements would cost on production, where the shadow is smaller: an estimate
// from what was measured, for statements whose cost grows with the table. Pure. Used by the
// report of a migration.
//
// Rewrites, scans and row work grow with the bytes of the tables they work through; an index build
// sorts, and grows with n log n. Whatever only changes catalogues takes as long there as here, and
// so does what the migration brings along (INSERT of values, COPY) and what it waits for locks, as
// far as the server logged that. What is too short to be told from that is not extrapolated, nor
// what works through tables of less than 8 MB here: what they cost says little of large ones.
#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <vector>

#include "base/clock.h"
#include "migration/profile.h"

namespace scry::migration {

// As far as it is known. That of the database counts for tables whose own size is not known.
struct ProductionSize {
  uint64_t database_bytes = 0;                  // 0: unknown.
  std::map<std::string, uint64_t> table_bytes;  // With indexes and TOAST; named as TakenLock is.
};

enum class Growth : uint8_t { kNone, kLinear, kSorting };

struct Estimate {
  double factor = 1;  // Production's bytes to the shadow's, of the tables it works through.
  Growth growth = Growth::kLinear;
  base::Micros duration_us = 0;
  uint64_t rows = 0;
  uint64_t wal_bytes = 0;
};

struct Extrapolation {
  // By statement of the profile; nullopt: as measured.
  std::vector<std::optional<Estimate>> statements;
  // How long the locks are held that it takes: to the end of its transaction. By statement; 0: as
  // measured.
  std::vector<base::Micros> held_us;
  base::Micros added_us = 0;  // To the duration of all.
  // Statements that grow, on tables that are larger there, and were too short or worked through too
  // little here.
  uint64_t too_small = 0;

  bool empty() const { return added_us == 0; }
};

// How a statement's cost grows with the table; kNone where it changes catalogues alone.
Growth GrowthOf(const StatementProfile& statement);

// How many times larger production's table is; 1 where it is not, or unknown.
// At most a million.
double SizeFactor(const MigrationProfile& profile, const ProductionSize& production,
                  const std::vector<std::string>& tables);

// A count there, of one here; as large as is sane.
uint64_t Times(uint64_t value, double factor);

Extrapolation Extrapolate(const MigrationProfile& profile, const ProductionSize& production);

}  // namespace scry::migration
