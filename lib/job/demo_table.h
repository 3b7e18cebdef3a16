// The last words of a demo: what its queries took before, with the migration as it is, and with
// each of what mends it. Used by the demo job. Pure.
#pragma once

#include <cstddef>
#include <string>
#include <vector>

#include "job/demo_scenario.h"
#include "report/report.h"

namespace scry::job {

// `runs`: that of the migration as it is, then those of the scenario's attempts.
std::vector<std::string> DemoTable(const DemoScenario& scenario,
                                   const std::vector<const report::Report*>& runs, size_t columns);

}  // namespace scry::job
