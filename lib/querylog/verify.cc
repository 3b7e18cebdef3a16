#include "querylog/verify.h"

#include <algorithm>
#include <utility>
#include <variant>

#include "base/units.h"
#include "querylog/log_reader.h"

namespace scry::querylog {
namespace {

using event::Gap;
using event::GapReason;

std::string At(const Gap& gap) {
  return " at " + base::FormatDuration(gap.from_us) + " after the start";
}

// A gap that the reader made.
void AddDamage(const Gap& gap, VerifyReport& report) {
  if (gap.reason == GapReason::kCorrupt) {
    report.problems.push_back("damaged: " + std::to_string(gap.bytes) +
                              " bytes do not read back, or a segment is missing," + At(gap));
    return;
  }
  std::string line = "torn: a segment was not sealed, " + std::to_string(gap.bytes) +
                     " bytes at its end are unreadable," + At(gap);
  // Without a clean end this is how a capture looks, and all of its whole blocks were read.
  (report.manifest.sealed ? report.problems : report.notes).push_back(std::move(line));
}

// A gap that was recorded.
void AddLoss(const Gap& gap, VerifyReport& report) {
  report.notes.push_back("gap: " + base::FormatCount(gap.exchanges) + " exchanges not recorded (" +
                         event::Name(gap.reason) + ")," + At(gap));
}

void CompareTotal(const char* what, uint64_t counted, uint64_t stated, VerifyReport& report) {
  if (counted == stated) return;
  report.problems.push_back(std::string(what) + ": " + base::FormatCount(counted) +
                            " found, the manifest says " + base::FormatCount(stated));
}

}  // namespace

base::Result<VerifyReport> VerifyCapture(const std::string& directory, os::FileSystem* files) {
  ReadOptions options;
  options.files = files;
  SCRY_TRY_ASSIGN(LogReader reader, LogReader::Open(directory, options));
  VerifyReport report;
  report.manifest = reader.manifest();
  const auto snapshot = reader.Snapshot();
  if (!snapshot.ok()) report.problems.push_back(snapshot.error().message);
  base::Micros last_us = 0;
  uint64_t recorded = 0;
  for (;;) {
    SCRY_TRY_ASSIGN(const auto event, reader.Next());
    if (!event) break;
    const auto* gap = std::get_if<Gap>(&*event);
    // The reader counts recorded events only, so its own gaps are those it does not count.
    const uint64_t before = std::exchange(recorded, reader.stats().events);
    if (recorded == before) {
      if (gap != nullptr) AddDamage(*gap, report);
      continue;
    }
    if (gap != nullptr) AddLoss(*gap, report);
    const base::Micros moment = MomentsOf(*event).second;
    last_us = before == 0 ? moment : std::max(last_us, moment);
  }
  report.stats = reader.stats();
  report.stored_bytes = reader.stored_bytes();
  if (!report.manifest.sealed) {
    report.notes.insert(report.notes.begin(),
                        "open: the capture is still being written, or it had no clean end");
    return report;
  }
  const CaptureTotals& totals = report.manifest.totals;
  CompareTotal("segments", report.stats.segments, totals.segments, report);
  CompareTotal("events", report.stats.events, totals.events, report);
  CompareTotal("exchanges", report.stats.exchanges, totals.exchanges, report);
  CompareTotal("gaps", report.stats.gaps, totals.gaps, report);
  CompareTotal("exchanges lost", report.stats.exchanges_lost, totals.exchanges_lost, report);
  CompareTotal("bytes", report.stored_bytes, totals.stored_bytes, report);
  if (last_us != totals.last_us) {
    report.problems.push_back("last moment: " + std::to_string(last_us) +
                              " us, the manifest says " + std::to_string(totals.last_us));
  }
  return report;
}

}  // namespace scry::querylog
