#include "compare/pace.h"

#include <algorithm>
#include <utility>
#include <vector>

#include "compare/statistics.h"
#include "event/statement_facts.h"

namespace scry::compare {

double PaceFor(const PatternTable& table, const PatternStats& introduced,
               const NewPatternPolicy& policy) {
  std::vector<double> paces;
  for (const PatternStats* stats : table.Patterns()) {
    const auto found = stats->paces.find(introduced.new_in_capture);
    if (found == stats->paces.end() || event::IsDull(stats->kind)) continue;
    const PaceSums& sums = found->second;
    if (sums.pairs < policy.min_samples || sums.captured_us == 0) continue;
    paces.push_back(static_cast<double>(sums.replayed_us) / static_cast<double>(sums.captured_us));
  }
  return std::max(1.0, Median(std::move(paces)));
}

}  // namespace scry::compare
