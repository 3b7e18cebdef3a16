// The exit statuses of scry, and the one place that turns an error or a verdict into a number.
#pragma once

#include "base/result.h"

namespace scry::app {

enum class ExitStatus : int {
  kSafe = 0,          // Safe to ship, or done.
  kFailed = 1,        // scry or its environment failed.
  kTimeout = 2,       // A limit that the user set ran out.
  kNotFound = 3,      // A named database, shadow, capture or report does not exist.
  kNoCheckpoint = 4,  // Reserved for a named checkpoint that does not exist: there are none yet.
  kRegressions = 5,   // At least one gating finding.
  kInconclusive = 6,  // Cannot be judged; never 0 and never 5.
  kMigration = 7,     // The migration command itself failed.
  kUsage = 64,        // Wrong usage or configuration.
  kInterrupted = 130,
};

inline ExitStatus StatusOf(const base::Error& error) {
  switch (error.code) {
    case base::ErrorCode::kTimeout:
      return ExitStatus::kTimeout;
    case base::ErrorCode::kNotFound:
      return ExitStatus::kNotFound;
    case base::ErrorCode::kNoCheckpoint:
      return ExitStatus::kNoCheckpoint;
    case base::ErrorCode::kInconclusive:
      return ExitStatus::kInconclusive;
    case base::ErrorCode::kMigration:
      return ExitStatus::kMigration;
    case base::ErrorCode::kUsage:
      return ExitStatus::kUsage;
    case base::ErrorCode::kInterrupted:
      return ExitStatus::kInterrupted;
    case base::ErrorCode::kFailed:
    case base::ErrorCode::kCorrupt:
    case base::ErrorCode::kUnsupported:
      return ExitStatus::kFailed;
  }
  return ExitStatus::kFailed;
}

}  // namespace scry::app
