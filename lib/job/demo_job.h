// `scry demo`: a shop, its traffic, a migration that looks harmless, and what mends it, as a
// scenario has it (demo_scenario.h). Every figure is measured in the run. Needs PostgreSQL's
// programs and nothing else; leaves nothing behind but what was asked for.
#pragma once

#include <functional>
#include <string>
#include <vector>

#include "base/result.h"
#include "job/demo_scenario.h"
#include "job/progress.h"
#include "report/report.h"

namespace scry::job {

struct DemoRequest {
  const DemoScenario* scenario = nullptr;
  bool keep = false;       // Leave captures, shadow and reports for a look.
  std::string report_dir;  // Where reports are left, a folder for each run; empty: nowhere.
  bool color = false;
  size_t columns = 100;
  int stop_fd = -1;
  // Guided: explains each step, then waits for the reader. Null: neither.
  std::function<void()> wait;
};

struct DemoRun {
  std::string name;  // "migration", "proposal", "fix", "batched".
  report::Report report;
};

struct DemoOutcome {
  std::vector<DemoRun> runs;         // The migration as it is first; the others mend it.
  std::vector<std::string> reports;  // HTML files that were left.
  std::string kept_in;               // With DemoRequest::keep.
};

// Tells the story through `print` (stdout) and `progress` (stderr). An Error also where the
// verdicts are not 5 and then always 0: the story would not be true.
base::Result<DemoOutcome> RunDemo(const DemoRequest& request, Progress& progress,
                                  const std::function<void(const std::string&)>& print,
                                  const std::function<bool()>& should_stop);

}  // namespace scry::job
