// What several commands need to make of flags and scry.yaml.
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "base/result.h"
#include "config/config.h"
#include "job/migration_test_job.h"
#include "terminal.h"

namespace scry::app {

// --config, or the nearest scry.yaml. kUsage where there is none.
base::Result<config::Config> LoadConfig(const CommonOptions& common);
// The same, but no scry.yaml is no error unless --config names one. `directory`: from where it is
// looked for; empty: here.
base::Result<std::optional<config::Config>> LoadConfigIfAny(const CommonOptions& common,
                                                            const std::string& directory = "");

// The policy of scry.yaml, as of today.
void ApplyPolicy(const config::Config& config, compare::Policy& policy);
// All sources that scry.yaml names. No scry.yaml: none.
base::Result<std::vector<config::NamedSource>> SourcesOfConfig(const CommonOptions& common);

// "10m"; empty is 0: no budget.
base::Result<base::Micros> ParseBudget(const std::string& text);
// "max" is 0, "1", "2.5".
base::Result<double> ParseSpeed(const std::string& text);
// REQUIRES: "commit", "time" or "none". `speed`: time needs a pace.
base::Result<replay::SyncMode> ParseSyncMode(const std::string& text, double speed);

// Readable once Ctrl-C came; -1 if signals cannot be caught.
int InterruptFd();

}  // namespace scry::app
