// Which files of a change are migrations: asks git what changed since a base and looks at each.
// Used by `scry ci detect-migrations`. Blocks.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "base/result.h"
#include "migration/detect.h"

namespace scry::job {

struct DetectRequest {
  std::string repository = ".";
  // A commit, branch or tag. Empty: what the CI system says, else the remote's default branch.
  std::string base;
  migration::DetectRules rules;
};

struct DetectReport {
  std::string base;                             // As asked for or found.
  uint64_t files = 0;                           // Changed in all.
  std::vector<migration::Detected> migrations;  // By path.
};

// kUsage: no git repository, or no such base in it.
base::Result<DetectReport> DetectMigrations(const DetectRequest& request);

std::string DetectJson(const DetectReport& report);
// A table and a sentence.
std::string DetectText(const DetectReport& report, size_t columns);

}  // namespace scry::job
