#include "report/load_report.h"

#include <fmt/format.h>

#include <algorithm>
#include <iterator>
#include <set>
#include <utility>

namespace scry::report {
namespace {

void AddTotals(const LoadTotals& from, LoadTotals& to) {
  to.sessions += from.sessions;
  to.sessions_excluded += from.sessions_excluded;
  to.sessions_filtered += from.sessions_filtered;
  to.exchanges += from.exchanges;
  to.exchanges_excluded += from.exchanges_excluded;
  to.exchanges_filtered += from.exchanges_filtered;
  to.exchanges_refused += from.exchanges_refused;
  to.statements += from.statements;
  to.gaps += from.gaps;
  to.gap_exchanges += from.gap_exchanges;
  to.stalls_released += from.stalls_released;
  to.cancelled += from.cancelled;
  to.races_withdrawn += from.races_withdrawn;
  to.duration_us = std::max(to.duration_us, from.duration_us);
  to.order_wait_us += from.order_wait_us;
  to.tool_wait_us += from.tool_wait_us;
  to.server_wait_us += from.server_wait_us;
  to.lag.Merge(from.lag);
}

// Machines may keep the same capture in other places.
std::vector<CaptureFacts> WithoutNames(std::vector<CaptureFacts> captures) {
  for (CaptureFacts& capture : captures) capture.name.clear();
  return captures;
}

std::string PartsOf(const std::string& shard) {
  const size_t slash = shard.find('/');
  return slash == std::string::npos ? std::string() : shard.substr(slash + 1);
}

// A copy, or the file itself given twice: no two replays end in the same microsecond with the same
// totals.
bool AreOne(const LoadReport& a, const LoadReport& b) {
  return a.created_us == b.created_us && a.target == b.target &&
         a.totals.duration_us == b.totals.duration_us &&
         a.totals.statements == b.totals.statements && a.totals.sessions == b.totals.sessions;
}

base::Status CheckTogether(const std::vector<LoadReport>& reports) {
  const LoadReport& first = reports.front();
  std::set<std::string> shards;
  for (const LoadReport& report : reports) {
    if (WithoutNames(report.captures) != WithoutNames(first.captures)) {
      return base::Fail(base::ErrorCode::kUsage,
                        "the reports are of different captures; merge those of one capture");
    }
    if (report.settings != first.settings) {
      return base::Fail(base::ErrorCode::kUsage,
                        "the reports were made with different options; replay all shards alike");
    }
    if (report.shards.empty() != first.shards.empty()) {
      return base::Fail(base::ErrorCode::kUsage, "some reports are of shards and some are not");
    }
    for (const std::string& shard : report.shards) {
      if (!shards.insert(shard).second) {
        return base::Fail(base::ErrorCode::kUsage,
                          fmt::format("shard {} is in two of the reports", shard));
      }
      if (PartsOf(shard) != PartsOf(first.shards.front())) {
        return base::Fail(base::ErrorCode::kUsage,
                          fmt::format("shards {} and {} are parts of different divisions",
                                      first.shards.front(), shard));
      }
    }
  }
  if (!first.shards.empty()) return {};  // Those tell themselves apart.
  for (auto one = reports.begin(); one != reports.end(); ++one) {
    if (std::any_of(std::next(one), reports.end(),
                    [&](const auto& b) { return AreOne(*one, b); })) {
      return base::Fail(base::ErrorCode::kUsage,
                        "a report is given twice: it would be added to itself");
    }
  }
  return {};
}

void AddUnique(const std::vector<std::string>& from, std::vector<std::string>& to) {
  for (const std::string& text : from) {
    if (std::find(to.begin(), to.end(), text) == to.end()) to.push_back(text);
  }
}

}  // namespace

void AddErrors(const LoadErrors& from, LoadErrors& to) {
  to.expected += from.expected;
  to.fresh += from.fresh;
}

void AddPattern(const LoadPattern& from, LoadPattern& to) {
  to.fingerprint = from.fingerprint;
  to.pattern = from.pattern;
  to.calls += from.calls;
  AddErrors(from.errors, to.errors);
  to.errors_gone += from.errors_gone;
  to.lost += from.lost;
  to.captured.Merge(from.captured);
  to.replayed.Merge(from.replayed);
}

double LoadRate(const LoadTotals& totals) {
  return static_cast<double>(totals.statements) * 1e6 /
         static_cast<double>(std::max<Micros>(totals.duration_us, 1));
}

void SortByTime(std::vector<LoadPattern>& patterns) {
  std::sort(patterns.begin(), patterns.end(), [](const LoadPattern& a, const LoadPattern& b) {
    if (a.replayed.total() != b.replayed.total()) return a.replayed.total() > b.replayed.total();
    return a.fingerprint < b.fingerprint;
  });
}

base::Result<LoadReport> MergeLoadReports(const std::vector<LoadReport>& reports) {
  SCRY_TRY(CheckTogether(reports));
  LoadReport merged = reports.front();
  merged.shards.clear();
  merged.errors.clear();
  merged.excluded.clear();
  merged.notes.clear();
  merged.totals = LoadTotals();
  merged.patterns.clear();
  std::map<std::string, LoadPattern> patterns;
  std::vector<std::string> targets;
  for (const LoadReport& report : reports) {
    AddUnique({report.target}, targets);
    AddUnique(report.shards, merged.shards);
    AddUnique(report.notes, merged.notes);
    merged.created_us = std::max(merged.created_us, report.created_us);
    AddTotals(report.totals, merged.totals);
    for (const auto& [state, errors] : report.errors) AddErrors(errors, merged.errors[state]);
    for (const auto& [reason, count] : report.excluded) merged.excluded[reason] += count;
    for (const LoadPattern& one : report.patterns) AddPattern(one, patterns[one.fingerprint]);
  }
  merged.target = fmt::format("{}", fmt::join(targets, "; "));
  for (auto& [fingerprint, pattern] : patterns) merged.patterns.push_back(std::move(pattern));
  SortByTime(merged.patterns);
  return merged;
}

}  // namespace scry::report
