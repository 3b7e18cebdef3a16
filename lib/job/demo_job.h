// `scry demo`: a shop, its traffic, a migration that looks harmless on staging, and its fix,
// once as scry proposes it and once as an engineer would write it. Every
// figure is measured in the run. Needs PostgreSQL's programs and nothing else; leaves nothing
// behind.
#pragma once

#include <functional>
#include <string>

#include "base/result.h"
#include "job/progress.h"
#include "report/report.h"

namespace scry::job {

struct DemoRequest {
  bool keep = false;  // Leave servers' folders, captures and reports for a look.
  bool color = false;
  size_t columns = 100;
  int stop_fd = -1;
  // Waits for the reader between steps; null: does not.
  std::function<void()> wait;
};

struct DemoOutcome {
  report::Report bad;
  report::Report proposed;  // With the fixes that `bad` proposes.
  report::Report fixed;     // With those that somebody wrote by hand.
  std::string kept_in;      // With DemoRequest::keep.
};

// Tells the story through `print` (stdout) and `progress` (stderr). An Error also where the
// verdicts are not 5 and then 0 and 0: the story would not be true.
base::Result<DemoOutcome> RunMissingIndexDemo(const DemoRequest& request, Progress& progress,
                                              const std::function<void(const std::string&)>& print,
                                              const std::function<bool()>& should_stop);

}  // namespace scry::job
