// A load report as JSON and back, in the form of SCHEMA.md. Called by `scry replay --json`,
// `scry report merge` and `scry report show`. The same report gives the same bytes.
#pragma once

#include <string>
#include <string_view>

#include "base/result.h"
#include "report/load_report.h"

namespace scry::report {

inline constexpr std::string_view kLoadSchema = "scry.load/1";

std::string WriteLoadJson(const LoadReport& report);
// As ReadJson: kCorrupt for what is no load report, kUnsupported for another version.
base::Result<LoadReport> ReadLoadJson(std::string_view text);
// Does the text call itself a load report, of whatever version? A cheap look, no promise.
bool IsLoadJson(std::string_view text);

}  // namespace scry::report
