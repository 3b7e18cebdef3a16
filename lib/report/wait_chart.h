// The chart of a migration under load: step by step how many queries it kept waiting, and for how
// long. Used by the writers for terminals and pull requests, and by the demo. Pure.
#pragma once

#include <cstddef>
#include <string>
#include <vector>

#include "report/report.h"

namespace scry::report {

// A title line and a line for each step from just before the migration, or the first wait, to just
// after both; empty where the report has no timeline. Lines are not wider than `columns_max`, as
// long as that leaves room for the numbers.
std::vector<std::string> WaitChart(const DuringFacts& during, size_t columns_max);

}  // namespace scry::report
