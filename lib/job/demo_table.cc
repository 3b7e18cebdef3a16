#include "job/demo_table.h"

#include <fmt/format.h>

#include <algorithm>

#include "base/units.h"
#include "report/table.h"

namespace scry::job {
namespace {

using base::FormatDuration;
using report::Align;
using report::Report;

constexpr size_t kRowsMax = 8;

const report::PatternLine* LineOf(const Report& report, const std::string& fingerprint) {
  for (const report::PatternLine& line : report.patterns) {
    if (line.fingerprint == fingerprint && line.pairs > 0) return &line;
  }
  return nullptr;
}

// What a query takes with the migration of a run; queries that are new are findings, others may not
// be.
std::string MedianAfter(const Report& report, const std::string& fingerprint) {
  for (const report::Finding& finding : report.findings) {
    if (finding.fingerprint == fingerprint && finding.has_latency) {
      return FormatDuration(finding.after.p50_us);
    }
  }
  const report::PatternLine* line = LineOf(report, fingerprint);
  return line == nullptr ? "-" : FormatDuration(line->median_after_us);
}

struct Waiter {
  std::string fingerprint;
  std::string pattern;
  base::Micros wait_us_max = 0;
};

// By what they waited for the migration, each query once.
std::vector<Waiter> Waiters(const Report& report) {
  std::vector<Waiter> waiters;
  for (const report::BlockingStatement& statement : report.during.statements_blocking) {
    for (const report::BlockedPattern& blocked : statement.patterns) {
      const auto known = std::find_if(waiters.begin(), waiters.end(), [&](const Waiter& one) {
        return one.fingerprint == blocked.fingerprint;
      });
      Waiter& waiter = known == waiters.end() ? waiters.emplace_back() : *known;
      waiter.fingerprint = blocked.fingerprint;
      waiter.pattern = blocked.pattern;
      waiter.wait_us_max = std::max(waiter.wait_us_max, blocked.wait_us_max);
    }
  }
  std::stable_sort(waiters.begin(), waiters.end(),
                   [](const Waiter& a, const Waiter& b) { return a.wait_us_max > b.wait_us_max; });
  return waiters;
}

std::string WaitOf(const Report& report, const std::string& fingerprint) {
  for (const Waiter& waiter : Waiters(report)) {
    if (waiter.fingerprint == fingerprint) return FormatDuration(waiter.wait_us_max);
  }
  return "none";
}

report::Table EmptyTable(const DemoScenario& scenario, bool factor) {
  std::vector<report::TableColumn> columns = {{scenario.before_label, Align::kRight},
                                              {"migration.sql", Align::kRight}};
  if (factor) columns.push_back({"factor", Align::kRight});
  for (const DemoAttempt& attempt : scenario.attempts) {
    columns.push_back({attempt.label, Align::kRight});
  }
  columns.push_back({"query", Align::kLeft, true});
  return report::Table(std::move(columns), 2);
}

}  // namespace

std::vector<std::string> DemoTable(const DemoScenario& scenario,
                                   const std::vector<const Report*>& runs, size_t columns) {
  report::Table table = EmptyTable(scenario, !scenario.during);
  const Report& bad = *runs.front();
  if (scenario.during) {
    std::vector<Waiter> waiters = Waiters(bad);
    if (waiters.size() > kRowsMax) waiters.resize(kRowsMax);
    for (const Waiter& waiter : waiters) {
      const report::PatternLine* line = LineOf(bad, waiter.fingerprint);
      std::vector<std::string> cells = {line == nullptr ? "-" : FormatDuration(line->median_us),
                                        FormatDuration(waiter.wait_us_max)};
      for (size_t i = 1; i < runs.size(); ++i) {
        cells.push_back(WaitOf(*runs[i], waiter.fingerprint));
      }
      cells.push_back(waiter.pattern);
      table.AddRow(std::move(cells));
    }
    return table.Lines(columns);
  }
  for (const report::Finding& slow : bad.findings) {
    if (!slow.gates || !slow.has_latency) continue;
    std::vector<std::string> cells = {FormatDuration(slow.before.p50_us),
                                      FormatDuration(slow.after.p50_us),
                                      fmt::format("{:.0f}x", slow.factor)};
    for (size_t i = 1; i < runs.size(); ++i) {
      cells.push_back(MedianAfter(*runs[i], slow.fingerprint));
    }
    cells.push_back(slow.pattern);
    table.AddRow(std::move(cells));
  }
  return table.Lines(columns);
}

}  // namespace scry::job
