// Where the statements of a migration stand: in SQL files that were named or that its command was
// given, so that reviews show findings on their lines. What a tool builds in Python or JavaScript
// has no line, and none is made up. Used by the gate and by `scry report convert`.
#pragma once

#include <string>
#include <vector>

#include "base/result.h"
#include "report/report.h"

namespace scry::job {

// Arguments of a command that are SQL files: "up.sql", "-fup.sql", "--file=up.sql".
std::vector<std::string> SqlFilesOf(const std::vector<std::string>& argv);

// Fills file and line of the statements that have none and stand in `paths`: SQL files, or folders
// of them with all below but for what takes migrations back (down). kUsage for a path that is not
// there, and for too many files.
base::Status PlaceStatements(const std::vector<std::string>& paths, report::MigrationFacts& facts);

}  // namespace scry::job
