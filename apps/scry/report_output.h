// Reports on stdout, as text or with --json as JSON. Used by the commands that make or read one.
#pragma once

#include <cstddef>

#include "report/load_report.h"
#include "report/report.h"
#include "terminal.h"

namespace scry::app {

// `plans`: whole ones, also with -v.
void PrintReport(const CommonOptions& common, const report::Report& report, bool plans);
// `top`: patterns shown; 0: all.
void PrintLoadReport(const CommonOptions& common, const report::LoadReport& report, size_t top);

}  // namespace scry::app
