// Reads reports back from disk. Used by `scry report`.
#pragma once

#include <string>
#include <variant>
#include <vector>

#include "base/result.h"
#include "report/load_report.h"
#include "report/report.h"

namespace scry::job {

using AnyReport = std::variant<report::Report, report::LoadReport>;

// `path`: report.json, or the folder it is in. kNotFound where there is none.
base::Result<AnyReport> ReadAnyReport(const std::string& path);

// The same of a report with a verdict. kUsage for a load report, of which `command` makes nothing.
base::Result<report::Report> ReadVerdictReport(const std::string& path, const std::string& command);

// Load reports of shards as one. kUsage where they do not belong together.
base::Result<report::LoadReport> MergeReportFiles(const std::vector<std::string>& paths);
base::Status WriteLoadReport(const report::LoadReport& report, const std::string& file);

}  // namespace scry::job
