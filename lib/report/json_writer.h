// A report as JSON, in the form of SCHEMA.md. Called by `scry ci test-migration --report`, `--json`
// and `scry report convert`. The same report gives the same bytes.
#pragma once

#include <string>
#include <string_view>

#include "report/report.h"

namespace scry::report {

inline constexpr std::string_view kSchema = "scry.report/1";

// Indented, ends in a line break. Bytes that are no UTF-8 become U+FFFD.
std::string WriteJson(const Report& report);

}  // namespace scry::report
