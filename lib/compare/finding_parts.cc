#include "compare/finding_parts.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <utility>

#include "base/units.h"

namespace scry::compare {

using base::FormatCount;

bool NoChance(uint64_t candidate, uint64_t usual, uint64_t calls) {
  constexpr uint64_t kAlwaysMin = 2;
  if (usual == 0 && candidate >= calls && calls >= kAlwaysMin) return true;
  return FisherGreater(candidate, calls, usual, calls) <= kNoiseFisherP;
}

bool NearlyAlways(uint64_t candidate, uint64_t usual, uint64_t calls) {
  constexpr uint64_t kCallsMin = 10;
  return calls >= kCallsMin && candidate * 10 >= calls * 9 && usual * 10 <= calls;
}

double AsDouble(uint64_t value) { return static_cast<double>(value); }

std::string Percent(double share) { return fmt::format("{:.4g} %", std::floor(share * 1000) / 10); }
std::string Calls(uint64_t count) { return FormatCount(count) + (count == 1 ? " call" : " calls"); }
std::string Statements(uint64_t count) {
  return FormatCount(count) + (count == 1 ? " statement" : " statements");
}
std::string PatternCount(uint64_t count) {
  return FormatCount(count) + (count == 1 ? " pattern" : " patterns");
}
std::string OfCalls(uint64_t affected, uint64_t calls) {
  return fmt::format("in {} of {}", FormatCount(affected), Calls(calls));
}

double ShareOf(const PatternStats& stats, const TableTotals& totals) {
  const uint64_t all = totals.time_us[0] + totals.time_us[1];
  return all == 0 ? 0 : AsDouble(stats.time_us[0] + stats.time_us[1]) / AsDouble(all);
}

LatencyNumbers NumbersOf(std::vector<double> values) {
  std::sort(values.begin(), values.end());
  return {Percentile(values, 0.50), Percentile(values, 0.95), Percentile(values, 0.99)};
}

Finding OpenFinding(FindingClass type, const PatternStats& stats, const TableTotals& totals) {
  Finding finding;
  finding.type = type;
  finding.id = fmt::format("{}-{:016x}", Name(type), stats.fingerprint);
  finding.fingerprint = stats.fingerprint;
  finding.pattern = stats.pattern;
  finding.calls = stats.calls;
  finding.share = ShareOf(stats, totals);
  return finding;
}

void SetDifference(Finding& finding, DifferenceKind kind, const KindStats& stats) {
  finding.difference = kind;
  finding.sqlstate = stats.example.sqlstate;
  finding.message = stats.example.message;
  finding.example = stats.example;
}

Unjudged UnjudgedOf(const PatternStats& stats, const TableTotals& totals, std::string why) {
  return {stats.fingerprint, stats.pattern,       std::move(why),
          stats.calls,       stats.latency_pairs, ShareOf(stats, totals)};
}

}  // namespace scry::compare
