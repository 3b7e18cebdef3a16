// A report on disk, for whoever reads it next. Used by the commands that make one.
#pragma once

#include <string>

#include "base/result.h"
#include "report/report.h"

namespace scry::job {

// Makes it, and fails where nothing could be written there: before a long run rather than after it.
base::Status MakeReportFolder(const std::string& directory);

// report.json, report.txt, report.md and report.html in `directory`, which is made.
base::Status WriteReportFiles(const report::Report& report, const std::string& directory);

}  // namespace scry::job
