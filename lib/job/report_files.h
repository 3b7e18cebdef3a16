// A report on disk, for whoever reads it next. Used by the commands that make one.
#pragma once

#include <string>

#include "base/result.h"
#include "report/report.h"

namespace scry::job {

// report.json, report.txt, report.md and report.html in `directory`, which is made.
base::Status WriteReportFiles(const report::Report& report, const std::string& directory);

}  // namespace scry::job
