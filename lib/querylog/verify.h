// Reads a whole capture, every checksum of it, and says what is missing. Used by `scry log verify`.
#pragma once

#include <string>
#include <vector>

#include "base/result.h"
#include "os/file.h"
#include "querylog/manifest.h"
#include "querylog/segment_reader.h"

namespace scry::querylog {

struct VerifyReport {
  Manifest manifest;
  ReadStats stats;
  uint64_t stored_bytes = 0;  // Size of all segments.
  std::vector<std::string>
      problems;                    // One line each: bytes that do not read back, sums that differ.
  std::vector<std::string> notes;  // One line each: an open capture, traffic known to be missing.

  bool ok() const { return problems.empty(); }
};

// Fails as LogReader::Open and Next do; damage is not a failure but a problem in the report.
base::Result<VerifyReport> VerifyCapture(const std::string& directory,
                                         os::FileSystem* files = nullptr);

}  // namespace scry::querylog
