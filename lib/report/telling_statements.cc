#include "report/telling_statements.h"

#include <algorithm>
#include <numeric>
#include <tuple>

namespace scry::report {
namespace {

// Greater: shown sooner.
auto Weight(const MigrationStatement& statement) {
  return std::make_tuple(
      !statement.sqlstate.empty(), !statement.rewrote.empty() || !statement.dropped.empty(),
      !statement.locks.empty(), statement.rows, statement.wal_bytes, statement.duration_us);
}

}  // namespace

std::vector<size_t> TellingStatements(const MigrationFacts& migration, size_t count_max) {
  const std::vector<MigrationStatement>& all = migration.statements;
  std::vector<size_t> places(all.size());
  std::iota(places.begin(), places.end(), size_t{0});
  if (places.size() <= count_max) return places;
  std::stable_sort(places.begin(), places.end(),
                   [&](size_t a, size_t b) { return Weight(all[a]) > Weight(all[b]); });
  places.resize(count_max);
  std::sort(places.begin(), places.end());
  return places;
}

}  // namespace scry::report
