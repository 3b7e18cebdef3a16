// A report as one HTML file that needs no network: verdict, findings with charts, plans and rows, a
// table of all queries that sorts and filters. Called by `scry report convert`. Pure.
#pragma once

#include <string>

#include "report/report.h"

namespace scry::report {

std::string WriteHtml(const Report& report);

}  // namespace scry::report
