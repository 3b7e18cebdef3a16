// Reads back what json_writer wrote. Called by `scry report`.
#pragma once

#include <string_view>

#include "base/result.h"
#include "report/report.h"

namespace scry::report {

// Fails with kCorrupt for what is no report and kUnsupported for another version of the schema.
// Unknown members are ignored and missing ones keep their defaults, as SCHEMA.md allows both.
base::Result<Report> ReadJson(std::string_view text);

}  // namespace scry::report
