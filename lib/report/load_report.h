// What a load replay on one server has to say: how much, how fast, how late, what failed, and how
// long each pattern took in the capture and in the replay. No verdict. Filled by the job and
// LoadTable; rendered by load_text and load_json (SCHEMA.md). Plain values.
#pragma once

#include <cstdint>
#include <map>
#include <string>
#include <vector>

#include "base/clock.h"
#include "base/histogram.h"
#include "base/result.h"
#include "report/report.h"

namespace scry::report {

// How the traffic was chosen and paced.
struct LoadSettings {
  double speed = 1;           // 0: as fast as the order allows.
  double connect_speed = -1;  // Of the start of sessions; below 0: like `speed`.
  std::string sync;           // "commit", "time", "none".
  uint64_t multiply = 1;
  uint64_t pipeline = 1;  // Exchanges of a session at the server at once.
  bool reads_only = false;
  std::vector<std::string> filters;  // "--user app", as given.
  friend bool operator==(const LoadSettings&, const LoadSettings&) = default;
};

struct LoadTotals {
  uint64_t sessions = 0;
  uint64_t sessions_excluded = 0;
  uint64_t sessions_filtered = 0;
  uint64_t exchanges = 0;
  uint64_t exchanges_excluded = 0;
  uint64_t exchanges_filtered = 0;
  uint64_t exchanges_refused = 0;  // Of those, not known to only read.
  uint64_t statements = 0;
  uint64_t gaps = 0;
  uint64_t gap_exchanges = 0;
  uint64_t stalls_released = 0;
  uint64_t cancelled = 0;
  uint64_t races_withdrawn = 0;
  Micros duration_us = 0;
  // Waits, added up over exchanges: for the order, for scry itself, and what the server took longer
  // than in the capture.
  Micros order_wait_us = 0;
  Micros tool_wait_us = 0;
  Micros server_wait_us = 0;
  base::Histogram lag;  // Behind schedule at the start of each exchange; empty unless paced.
  friend bool operator==(const LoadTotals&, const LoadTotals&) = default;
};

// Statements that failed, and how that compares with the capture.
struct LoadErrors {
  uint64_t expected = 0;  // As in the capture, by SQLSTATE.
  uint64_t fresh = 0;     // Not in the capture, or with another SQLSTATE.
  friend bool operator==(const LoadErrors&, const LoadErrors&) = default;
};

struct LoadPattern {
  std::string fingerprint;  // 16 hex digits; empty: all further patterns together.
  std::string pattern;
  uint64_t calls = 0;
  LoadErrors errors;
  uint64_t errors_gone = 0;  // Failed in the capture only.
  uint64_t lost = 0;         // Not run: skipped behind an error, or the connection ended.
  // Of the statements that succeeded, on either side for itself.
  base::Histogram captured;
  base::Histogram replayed;
  friend bool operator==(const LoadPattern&, const LoadPattern&) = default;
};

struct LoadReport {
  std::string tool_version;
  Micros created_us = 0;            // Wall time.
  std::string target;               // "shop on db.example:5432 as app".
  std::string server_version;       // "15.7".
  std::vector<std::string> shards;  // "1/3"; empty: the whole.
  LoadSettings settings;
  std::vector<CaptureFacts> captures;  // Of the whole captures.
  LoadTotals totals;
  std::map<std::string, LoadErrors> errors;  // By SQLSTATE.
  std::vector<LoadPattern> patterns;         // By time in the replay.
  std::map<std::string, uint64_t> excluded;  // Sessions, by the reason they were left out for.
  std::vector<std::string> notes;
  friend bool operator==(const LoadReport&, const LoadReport&) = default;
};

// Puts together what is told of one pattern in two places.
void AddPattern(const LoadPattern& from, LoadPattern& to);
void AddErrors(const LoadErrors& from, LoadErrors& to);
// Statements a second.
double LoadRate(const LoadTotals& totals);
void SortByTime(std::vector<LoadPattern>& patterns);

// One report of the reports of shards, or of several machines that replayed at the same time:
// counts and histograms add up, the duration is the longest. kUsage where they do not belong
// together: other captures, another pace, the same shard twice. REQUIRES: at least one.
base::Result<LoadReport> MergeLoadReports(const std::vector<LoadReport>& reports);

}  // namespace scry::report
