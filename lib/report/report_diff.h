// What one push changed: two reports of the same migration test held against each other, findings
// matched by their ids, which hold no numbers. Called by `scry report diff`. Pure; what is handed
// out points into the reports.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "report/report.h"

namespace scry::report {

struct FindingPair {
  const Finding* before = nullptr;
  const Finding* after = nullptr;
  bool gate_changed() const { return before->gates != after->gates; }
};

// Of what both reports know: a pattern that is now in a worse or a better class, or a fact.
struct PatternMove {
  std::string fingerprint;
  std::string pattern;
  std::string before;  // Classes.
  std::string after;
};
struct FactChange {
  std::string name;  // "fidelity", "statements", "PostgreSQL".
  std::string before;
  std::string after;
};

struct ReportDiff {
  const Report* before = nullptr;
  const Report* after = nullptr;
  std::vector<const Finding*> fresh;  // In the order of their report.
  std::vector<const Finding*> gone;
  std::vector<const Finding*> not_judged;  // Instead of gone, where the newer run judged nothing.
  std::vector<FindingPair> still;
  std::vector<PatternMove> moved;  // Those without a finding that says it already.
  // Of the queries: those that only one of the two met. What was not met is no longer known.
  std::vector<const PatternLine*> met_only_before;
  std::vector<const PatternLine*> met_only_after;
  std::vector<FactChange> facts;

  bool verdict_changed() const { return before->verdict != after->verdict; }
  uint64_t fresh_gating() const;  // Also those that were told before, and gate now.
};

ReportDiff DiffReports(const Report& before, const Report& after);

struct DiffTextOptions {
  bool color = false;
  size_t columns = 100;
};
std::string WriteDiffText(const ReportDiff& diff, const DiffTextOptions& options);
// "scry.diff/1", as SCHEMA.md has it.
std::string WriteDiffJson(const ReportDiff& diff);

}  // namespace scry::report
