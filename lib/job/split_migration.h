// A recorded migration with statements of it in another form, each of which runs outside of a
// transaction: the transactions around them are split. Used by the trial of safe forms. Pure.
#pragma once

#include <cstddef>
#include <map>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "migration/script.h"

namespace scry::job {

struct SplitMigration {
  std::vector<std::string> script;   // All of it; without semicolons.
  std::vector<std::string> changed;  // Of it, the transactions and statements that are not as
                                     // they were.
  bool splits = false;               // What was one transaction is several.
};

// The places from its BEGIN to behind its COMMIT; of a statement outside of transactions its own.
std::pair<size_t, size_t> TransactionAround(const std::vector<migration::RecordedStatement>& script,
                                            size_t at);

// `rewrites`: by place in the script. nullopt: a transaction has to stay whole.
std::optional<SplitMigration> SplitUp(const std::vector<migration::RecordedStatement>& script,
                                      const std::map<size_t, std::vector<std::string>>& rewrites);

}  // namespace scry::job
