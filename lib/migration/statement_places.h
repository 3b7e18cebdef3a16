// Finds the statements that a migration ran in the files that it may have read. Used by the jobs.
// Pure: files come in as their statements.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "event/sql_script.h"

namespace scry::migration {

struct ScriptFile {
  std::string path;  // From the root of the repository, with slashes.
  std::vector<event::ScriptStatement> statements;
};

struct StatementPlace {
  std::string file;
  uint32_t line = 0;
  friend bool operator==(const StatementPlace&, const StatementPlace&) = default;
};

// One entry for each of `ran`, fingerprints in the order in which they ran. The same statement may
// stand in several files: it is of the one that ran to the largest part, of two such of the later
// by name, since migrations are numbered upwards. Where a file has it more than once, the times it
// ran are told apart by their order.
std::vector<std::optional<StatementPlace>> FindPlaces(const std::vector<uint64_t>& ran,
                                                      const std::vector<ScriptFile>& files);

}  // namespace scry::migration
