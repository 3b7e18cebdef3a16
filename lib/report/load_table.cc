#include "report/load_table.h"

#include "base/units.h"

namespace scry::report {
namespace {

using event::OutcomeStatus;

constexpr size_t kPatternColumnsMax = 2000;

bool Succeeded(const event::Outcome& outcome) {
  return outcome.status == OutcomeStatus::kDone || outcome.status == OutcomeStatus::kEmpty ||
         outcome.status == OutcomeStatus::kSuspended;
}

}  // namespace

LoadPattern& LoadTable::Open(const event::StatementPair& pair) {
  uint64_t fingerprint = 0;
  std::string text = "(prepared before the capture)";
  if (!pair.text.empty()) {
    const event::StatementFacts& facts = facts_.Get(pair.text, pair.ordinal);
    fingerprint = facts.fingerprint;
    const auto known = patterns_.find(fingerprint);
    if (known != patterns_.end()) return known->second;
    text = base::Printable(facts.pattern, kPatternColumnsMax);
  }
  if (patterns_.size() >= patterns_max_ && !patterns_.contains(fingerprint)) return others_;
  LoadPattern& pattern = patterns_[fingerprint];
  if (pattern.pattern.empty()) {
    pattern.fingerprint = event::FingerprintText(fingerprint);
    pattern.pattern = std::move(text);
  }
  return pattern;
}

LoadErrors& LoadTable::ErrorsOf(const std::string& sqlstate) {
  const auto known = errors_.find(sqlstate);
  if (known != errors_.end()) return known->second;
  return errors_[errors_.size() < kSqlStatesMax ? base::Printable(sqlstate, 5) : "other"];
}

void LoadTable::CountError(const std::string& sqlstate, bool expected, LoadPattern& pattern) {
  LoadErrors& errors = ErrorsOf(sqlstate);
  if (expected) {
    ++errors.expected;
    ++pattern.errors.expected;
    return;
  }
  ++errors.fresh;
  ++pattern.errors.fresh;
  ++errors_fresh_;
}

void LoadTable::Put(const event::StatementPair& pair) {
  if (pair.lanes.empty()) return;
  ++statements_;
  const event::Outcome& captured = pair.captured;
  const event::Outcome& replayed = pair.lanes.front().outcome;
  LoadPattern& pattern = Open(pair);
  ++pattern.calls;
  if (Succeeded(captured)) pattern.captured.Add(captured.elapsed_us);
  const bool failed_before = captured.status == OutcomeStatus::kError;
  if (Succeeded(replayed)) {
    pattern.replayed.Add(replayed.elapsed_us);
    if (failed_before) ++pattern.errors_gone;
  } else if (replayed.status == OutcomeStatus::kError) {
    CountError(replayed.sqlstate, failed_before && captured.sqlstate == replayed.sqlstate, pattern);
  } else {
    ++pattern.lost;
  }
}

void LoadTable::Add(const LoadTable& other) {
  for (const auto& [fingerprint, pattern] : other.patterns_) {
    const bool has_room = patterns_.size() < patterns_max_ || patterns_.contains(fingerprint);
    AddPattern(pattern, has_room ? patterns_[fingerprint] : others_);
  }
  AddPattern(other.others_, others_);
  others_.fingerprint.clear();
  for (const auto& [sqlstate, errors] : other.errors_) AddErrors(errors, ErrorsOf(sqlstate));
  statements_ += other.statements_;
  errors_fresh_ += other.errors_fresh_;
}

void LoadTable::Fill(LoadReport& report) const {
  report.errors = errors_;
  report.patterns.clear();
  for (const auto& [fingerprint, pattern] : patterns_) report.patterns.push_back(pattern);
  if (others_.calls > 0) {
    report.patterns.push_back(others_);
    report.patterns.back().pattern = "(further patterns)";
  }
  SortByTime(report.patterns);
}

}  // namespace scry::report
