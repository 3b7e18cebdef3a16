#include "report/report_diff.h"

#include <algorithm>
#include <map>
#include <set>
#include <string_view>

#include "base/units.h"
#include "report/wording.h"

namespace scry::report {
namespace {

using base::FormatCount;

// A report may hold an id twice where a pattern is slower in two parts: the first of each match.
std::multimap<std::string_view, const Finding*> ById(const Report& report) {
  std::multimap<std::string_view, const Finding*> found;
  for (const Finding& finding : report.findings) found.emplace(finding.id, &finding);
  return found;
}

std::string PostgresVersions(const Report& report) {
  std::set<std::string> versions;
  for (const LaneFacts& lane : report.lanes) versions.insert(lane.server_version);
  std::string text;
  for (const std::string& version : versions) text += (text.empty() ? "" : ", ") + version;
  return text;
}

std::string Traffic(const Report& report) {
  std::string text;
  for (const CaptureFacts& capture : report.captures) {
    text += (text.empty() ? "" : ", ") + capture.name;
  }
  return text;
}

std::string Speed(const Report& report) {
  return report.migration.ran ? base::FormatDuration(report.migration.duration_us) : "";
}

std::string Waited(const Report& report) {
  if (!report.during.ran) return {};
  return Count(report.during.blocked, "query", "queries");
}

void DiffFacts(const Report& before, const Report& after, std::vector<FactChange>& facts) {
  const auto fact = [&](std::string_view name, const std::string& old, const std::string& now) {
    if (old != now) facts.push_back({std::string(name), old, now});
  };
  const auto count = [&](std::string_view name, uint64_t TestedFacts::*member) {
    fact(name, FormatCount(before.tested.*member), FormatCount(after.tested.*member));
  };
  fact("command", before.migration.command, after.migration.command);
  fact("shadow", before.shadow, after.shadow);
  fact("traffic", Traffic(before), Traffic(after));
  fact("PostgreSQL", PostgresVersions(before), PostgresVersions(after));
  fact("fidelity", FidelityText(before.tested.fidelity), FidelityText(after.tested.fidelity));
  count("sessions", &TestedFacts::sessions);
  count("left out", &TestedFacts::sessions_excluded);
  count("compared", &TestedFacts::compared);
  count("patterns", &TestedFacts::patterns);
  fact("not judged", FormatCount(before.not_judged.size()), FormatCount(after.not_judged.size()));
  fact("migration", Speed(before), Speed(after));
  fact("waited", Waited(before), Waited(after));
  fact("rules", FormatCount(before.ignore_rules.size()), FormatCount(after.ignore_rules.size()));
}

void DiffPatterns(const Report& before, const Report& after, ReportDiff& diff) {
  std::map<std::string_view, const PatternLine*> old;
  for (const PatternLine& line : before.patterns) old.emplace(line.fingerprint, &line);
  // A finding that came or went tells of its pattern.
  std::set<std::string_view> told;
  for (const Finding* finding : diff.fresh) told.insert(finding->fingerprint);
  for (const Finding* finding : diff.gone) told.insert(finding->fingerprint);
  for (const Finding* finding : diff.not_judged) told.insert(finding->fingerprint);
  for (const PatternLine& line : after.patterns) {
    const auto known = old.find(line.fingerprint);
    if (known == old.end()) {
      diff.met_only_after.push_back(&line);
      continue;
    }
    const PatternLine& was = *known->second;
    if (was.type != line.type && !told.contains(line.fingerprint)) {
      diff.moved.push_back({line.fingerprint, line.pattern, was.type, line.type});
    }
    old.erase(known);
  }
  for (const PatternLine& line : before.patterns) {
    if (old.contains(line.fingerprint)) diff.met_only_before.push_back(&line);
  }
}

}  // namespace

uint64_t ReportDiff::fresh_gating() const {
  const auto gates = [](const Finding* finding) { return finding->gates; };
  const auto began = [](const FindingPair& pair) {
    return pair.after->gates && !pair.before->gates;
  };
  return static_cast<uint64_t>(std::count_if(fresh.begin(), fresh.end(), gates) +
                               std::count_if(still.begin(), still.end(), began));
}

ReportDiff DiffReports(const Report& before, const Report& after) {
  ReportDiff diff;
  diff.before = &before;
  diff.after = &after;
  auto old = ById(before);
  for (const Finding& finding : after.findings) {
    const auto known = old.find(finding.id);
    if (known == old.end()) {
      diff.fresh.push_back(&finding);
      continue;
    }
    diff.still.push_back({known->second, &finding});
    old.erase(known);
  }
  std::set<const Finding*> left;
  for (const auto& [id, finding] : old) left.insert(finding);
  std::vector<const Finding*>& missing = IsJudged(after) ? diff.gone : diff.not_judged;
  for (const Finding& finding : before.findings) {
    if (left.contains(&finding)) missing.push_back(&finding);
  }
  DiffPatterns(before, after, diff);
  DiffFacts(before, after, diff.facts);
  return diff;
}

}  // namespace scry::report
