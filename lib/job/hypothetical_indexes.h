// Asks the planner of the candidate which proposed indexes it would use, before any is built: with
// the extension HypoPG, where the server has it. All of it is in a transaction that is rolled back,
// so the extension is never there for others. Used by the prover of fixes. Blocks.
#pragma once

#include <optional>
#include <set>
#include <string>
#include <vector>

#include "cause/remedy.h"
#include "pg/conninfo.h"
#include "replay/sample.h"

namespace scry::job {

// `pattern`: samples of one pattern, at least one. Of `remedies` those indexes, by Remedy::made,
// that the plan of the first sample uses neither by themselves nor together with all others. What
// was there before, what serves a foreign key and what HypoPG cannot stand in for is never among
// them. nullopt: HypoPG is not there, or does not work.
struct UnusedIndexes {
  size_t asked = 0;
  std::set<std::string> made;
};
std::optional<UnusedIndexes> FindUnusedIndexes(const pg::ConnInfo& candidate,
                                               const std::vector<replay::Sample>& pattern,
                                               const std::vector<cause::Remedy>& remedies);

}  // namespace scry::job
