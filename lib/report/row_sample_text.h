// The first differing rows of a finding as a small table for people. Used by the text report. Pure.
#pragma once

#include <cstddef>
#include <string>
#include <vector>

#include "report/report.h"

namespace scry::report {

// No line is wider than `columns_max`. Without values a cell says only that it differs, or what is
// NULL.
std::vector<std::string> RowSampleLines(const RowSample& sample, size_t columns_max);

}  // namespace scry::report
