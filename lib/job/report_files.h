// A report on disk, for whoever reads it next. Used by the commands that make one.
#pragma once

#include <string>

#include "base/result.h"
#include "report/report.h"

namespace scry::job {

// report.json and report.txt in `directory`, which is made.
base::Status WriteReportFiles(const report::Report& report, const std::string& directory);

}  // namespace scry::job
