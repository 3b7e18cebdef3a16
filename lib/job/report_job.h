// Reads reports back from disk. Used by `scry report`.
#pragma once

#include <string>

#include "base/result.h"
#include "report/report.h"

namespace scry::job {

// `path`: report.json, or the folder it is in. kNotFound where there is none.
base::Result<report::Report> ReadReport(const std::string& path);

}  // namespace scry::job
