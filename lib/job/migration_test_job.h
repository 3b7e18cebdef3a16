// The gate, whole: forks a shadow, runs the migration on one fork, and has the forks compared by
// captured traffic (comparison.h). Used by `scry ci test-migration` and the demo. One thread; the
// forks live as long as the call.
#pragma once

#include <cstdint>
#include <functional>
#include <string>
#include <vector>

#include "base/clock.h"
#include "base/result.h"
#include "compare/policy.h"
#include "job/during_act.h"
#include "job/progress.h"
#include "job/replay_selection.h"
#include "replay/options.h"
#include "report/report.h"
#include "shadow/options.h"
#include "shadow/state_dir.h"

namespace scry::job {

struct MigrationTestRequest {
  shadow::ShadowName shadow;
  // CONNINFO of the source, if known: the command runs as its user. It is kept out of the command's
  // environment, and so are the others.
  std::string source;
  std::vector<std::string> other_sources;
  std::vector<std::string> captures;  // Directories. At least one.
  std::vector<std::string> command;   // What stood behind `--`. Empty: no migration.
  // Files and folders with its SQL, beside those that the command is given: for lines in reports.
  std::vector<std::string> migrations;
  ReplaySelection selection;      // Of the captures.
  base::Micros budget_us = 0;     // So much replay is chosen from that; 0: all of it.
  uint64_t seed = 1;              // Of the choice.
  uint64_t production_bytes = 0;  // Of the production database, where told; 0: not.
  compare::Policy policy;
  // See replay::ReplayOptions.
  replay::SyncMode sync = replay::SyncMode::kCommit;
  double speed = 0;
  double connect_speed = -1;
  DuringOptions during;
  base::Micros timeout_us = 0;  // Of the whole run; 0: none.
  bool keep = false;            // Leave the forks for a person to look at.
  bool show_values = false;
  bool prove_fixes = true;  // Look for fixes, and try them on the candidate.
  std::string fix_file;     // SQL to run after the command, by psql, as a part of it. Empty: none.
  std::string report_dir;   // Where the caller leaves the report; empty: nowhere.
  std::vector<std::string> notes;  // Sentences for the report, of what the caller could not honour.
  int stop_fd = -1;                // Readable: interrupted.
  int output_fd = 2;               // Where the command's output is shown; -1: nowhere.
};

// The report's exit_status is 0, 5, 6 or 7. An Error is everything else; then nothing is left
// behind, unless that is the error.
base::Result<report::Report> RunMigrationTest(const shadow::StateDir& state,
                                              const MigrationTestRequest& request,
                                              Progress& progress,
                                              const std::function<bool()>& should_stop);

}  // namespace scry::job
