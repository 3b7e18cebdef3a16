// Which statements of a migration to show where there is no room for all of them. Tools look around
// a lot (versions, catalogs, settings): what a reader asks for is what locks, rewrites and writes.
// Used by the writers. Pure.
#pragma once

#include <cstddef>
#include <vector>

#include "report/report.h"

namespace scry::report {

// Positions of at most `count_max` statements, in the order they ran.
std::vector<size_t> TellingStatements(const MigrationFacts& migration, size_t count_max);

}  // namespace scry::report
