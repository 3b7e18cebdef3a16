#include "report/ci_writers.h"

#include <fmt/format.h>

#include <algorithm>
#include <map>
#include <nlohmann/json.hpp>
#include <optional>
#include <string_view>
#include <utility>

#include "base/units.h"
#include "report/finding_origin.h"
#include "report/markup.h"
#include "report/table.h"
#include "report/wording.h"

namespace scry::report {
namespace {

using base::FormatCount;
using base::OneLine;
using base::Printable;

constexpr size_t kErrorsMax = 9;
constexpr size_t kWarningsMax = 10;
constexpr size_t kPatternColumns = 200;

// https://docs.github.com/actions: how workflow commands escape their data and properties.
std::string CommandData(std::string_view text, bool property) {
  std::string out;
  for (const char c : text) {
    if (c == '%') {
      out += "%25";
    } else if (c == '\r') {
      out += "%0D";
    } else if (c == '\n') {
      out += "%0A";
    } else if (property && c == ':') {
      out += "%3A";
    } else if (property && c == ',') {
      out += "%2C";
    } else {
      out += c;
    }
  }
  return out;
}

// `statement`: the one on whose line it is shown; nullptr: none.
std::string Command(std::string_view level, std::string_view title, std::string_view text,
                    const MigrationStatement* statement = nullptr) {
  std::string where;
  if (const std::optional<CodePlace> place = PlaceOf(statement)) {
    where = fmt::format("file={},line={},", CommandData(Printable(place->path), true), place->line);
  }
  return fmt::format("::{} {}title={}::{}\n", level, where, CommandData(title, true),
                     CommandData(text, false));
}

std::string LabelValue(std::string_view text) {
  std::string out;
  for (const char c : Printable(OneLine(text))) {
    if (c == '\\' || c == '"') out += '\\';
    out += c;
  }
  return out;
}

// For attributes and text. XML 1.0 knows no control characters, however they are written.
std::string Xml(std::string_view text) {
  std::string out;
  for (const char c : text) {
    const std::string_view entity = EntityOf(c);
    if (!entity.empty()) {
      out += entity;
    } else if (c == '"') {
      out += "&quot;";
    } else if (c == '\n') {
      out += "&#10;";
    } else {
      out += c;
    }
  }
  return out;
}

std::map<std::string_view, base::Micros> LongestLocks(const MigrationFacts& migration) {
  std::map<std::string_view, base::Micros> longest;
  for (const MigrationStatement& statement : migration.statements) {
    for (const MigrationLock& lock : statement.locks) {
      base::Micros& held_us = longest[lock.mode];
      held_us = std::max(held_us, lock.held_us);
    }
  }
  return longest;
}

class Metrics {
 public:
  void Family(std::string_view name, std::string_view help, std::string_view unit = {}) {
    name_ = name;
    out_ += fmt::format("# TYPE {} gauge\n", name);
    if (!unit.empty()) out_ += fmt::format("# UNIT {} {}\n", name, unit);
    out_ += fmt::format("# HELP {} {}\n", name, help);
  }
  void Value(double value,
             const std::vector<std::pair<std::string_view, std::string>>& labels = {}) {
    std::string text;
    for (const auto& [key, label] : labels) {
      text += fmt::format("{}{}=\"{}\"", text.empty() ? "{" : ",", key, LabelValue(label));
    }
    if (!text.empty()) text += "}";
    out_ += fmt::format("{}{} {:.10g}\n", name_, text, value);
  }
  std::string Done() { return out_ + "# EOF\n"; }

 private:
  std::string name_;
  std::string out_;
};

}  // namespace

std::string WriteGithubAnnotations(const Report& report) {
  std::string out;
  size_t errors = 0;
  size_t warnings = 0;
  size_t left_out = 0;
  const Origins origins(report);
  for (const Finding& finding : report.findings) {
    if (!IsProblem(finding)) continue;
    size_t& count = finding.gates ? errors : warnings;
    if (count == (finding.gates ? kErrorsMax : kWarningsMax)) {
      ++left_out;
      continue;
    }
    ++count;
    const FindingOrigin origin = origins.Of(finding);
    out += Command(finding.gates ? "error" : "warning", "scry: " + finding.type,
                   FindingMessage(finding, origin), origin.statement);
  }
  std::string text = Printable(OneLine(report.sentence));
  if (left_out > 0) {
    text +=
        fmt::format("\nand {}: see the report", Count(left_out, "more finding", "more findings"));
  }
  const bool failed = MigrationHasFailed(report);
  return out + Command(failed ? "error" : "notice", "scry: " + report.verdict, text,
                       FailedStatement(report));
}

std::string WriteGitlabCodeQuality(const Report& report, const std::string& path) {
  using nlohmann::ordered_json;
  static const std::map<std::string_view, const char*> kSeverities = {
      {"broken", "blocker"},  {"different", "critical"}, {"blocked", "critical"},
      {"slower", "major"},    {"new-slow", "major"},     {"over-budget", "major"},
      {"more-work", "major"}, {"transient", "minor"}};
  ordered_json issues = ordered_json::array();
  const auto add = [&](std::string_view check, const std::string& id, const char* severity,
                       const std::string& text, const MigrationStatement* statement) {
    const CodePlace place = PlaceOf(statement).value_or(CodePlace{path});
    issues.push_back({{"description", text},
                      {"check_name", fmt::format("scry/{}", check)},
                      {"fingerprint", id},
                      {"severity", severity},
                      {"location", {{"path", place.path}, {"lines", {{"begin", place.line}}}}}});
  };
  if (MigrationHasFailed(report)) {
    const MigrationFailure failure = FailureOf(report);
    add("migration-failed", failure.id, "blocker", failure.text, failure.statement);
  }
  const Origins origins(report);
  const std::vector<std::string> ids = UniqueIds(report);
  for (size_t i = 0; i < ids.size(); ++i) {
    const Finding& finding = report.findings[i];
    if (!IsProblem(finding)) continue;
    const FindingOrigin origin = origins.Of(finding);
    const auto severity = kSeverities.find(finding.type);
    add(finding.type, ids[i],
        finding.gates && severity != kSeverities.end() ? severity->second : "info",
        FindingMessage(finding, origin), origin.statement);
  }
  return issues.dump(2, ' ', false, ordered_json::error_handler_t::replace) + "\n";
}

std::string WriteJunit(const Report& report) {
  const Origins origins(report);
  std::map<std::string_view, std::vector<const Finding*>> gating;
  for (const Finding& finding : report.findings) {
    if (finding.gates) gating[finding.fingerprint].push_back(&finding);
  }
  std::string cases;
  uint64_t count = 0;
  uint64_t failures = 0;
  uint64_t skipped = 0;
  const auto open = [&](std::string_view name, std::string_view group) {
    ++count;
    cases += fmt::format("    <testcase classname=\"scry.{}\" name=\"{}\"", Xml(group), Xml(name));
  };
  const auto fail = [&](const std::vector<const Finding*>& findings) {
    ++failures;
    cases += ">\n";
    for (const Finding* finding : findings) {
      const std::string what =
          Printable(OneLine(finding->reasons.empty() ? finding->type : finding->reasons[0]));
      cases += fmt::format("      <failure type=\"{}\" message=\"{}\">{}</failure>\n",
                           Xml(Printable(finding->type)), Xml(what),
                           Xml(FindingMessage(*finding, origins.Of(*finding))));
    }
    cases += "    </testcase>\n";
  };
  for (const PatternLine& line : report.patterns) {
    const std::string name =
        fmt::format("{} {}", Printable(line.fingerprint),
                    Shorten(Printable(OneLine(line.pattern)), kPatternColumns));
    open(name, Printable(line.type));
    const auto found = gating.find(line.fingerprint);
    if (found != gating.end()) {
      fail(found->second);
      gating.erase(found);
    } else if (line.type == "cannot-evaluate") {
      ++skipped;
      cases += fmt::format(">\n      <skipped message=\"{}\"/>\n    </testcase>\n",
                           Xml(Printable(OneLine(line.why))));
    } else {
      cases += "/>\n";
    }
  }
  // What is about no pattern: a statement of the migration that blocks, a channel.
  for (const auto& [fingerprint, findings] : gating) {
    open(Shorten(Printable(OneLine(findings[0]->pattern)), kPatternColumns),
         Printable(findings[0]->type));
    fail(findings);
  }
  if (report.exit_status != 0 && failures == 0) {
    open("verdict", "verdict");
    ++failures;
    cases += fmt::format(
        ">\n      <failure type=\"{0}\" message=\"{1}\">{1}</failure>\n    </testcase>\n",
        Xml(Printable(report.verdict)), Xml(Printable(OneLine(report.sentence))));
  }
  return fmt::format(
      "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n<testsuites>\n  <testsuite name=\"scry\" "
      "tests=\"{}\" failures=\"{}\" skipped=\"{}\" time=\"{:.3f}\">\n{}  "
      "</testsuite>\n</testsuites>\n",
      count, failures, skipped, static_cast<double>(report.tested.duration_us) / 1e6, cases);
}

std::string WriteOpenMetrics(const Report& report) {
  Metrics metrics;
  metrics.Family("scry_exit_status", "0 safe, 5 regressions, 6 inconclusive, 7 migration failed");
  metrics.Value(report.exit_status);
  metrics.Family("scry_findings", "Findings by class");
  std::map<std::pair<std::string, bool>, uint64_t> counts;
  for (const Finding& finding : report.findings) ++counts[{finding.type, finding.gates}];
  for (const auto& [key, count] : counts) {
    metrics.Value(static_cast<double>(count),
                  {{"class", key.first}, {"gates", key.second ? "true" : "false"}});
  }
  metrics.Family("scry_statements", "Statements compared");
  metrics.Value(static_cast<double>(report.tested.compared));
  metrics.Family("scry_fidelity_ratio", "Statements that did as in production", "ratio");
  metrics.Value(report.tested.fidelity);
  if (report.migration.ran) {
    metrics.Family("scry_migration_seconds", "How long the migration ran", "seconds");
    metrics.Value(static_cast<double>(report.migration.duration_us) / 1e6);
    metrics.Family("scry_migration_wal_bytes", "WAL that the migration wrote", "bytes");
    metrics.Value(static_cast<double>(report.migration.wal_bytes));
    metrics.Family("scry_migration_lock_seconds", "Longest time that it held a lock of a mode",
                   "seconds");
    for (const auto& [mode, held_us] : LongestLocks(report.migration)) {
      metrics.Value(static_cast<double>(held_us) / 1e6, {{"mode", std::string(mode)}});
    }
  }
  if (report.during.ran) {
    metrics.Family("scry_during_blocked_queries", "Queries that waited for the migration");
    metrics.Value(static_cast<double>(report.during.blocked));
    metrics.Family("scry_during_failed_queries", "Queries that failed beside the migration");
    metrics.Value(static_cast<double>(report.during.failed));
    metrics.Family("scry_during_longest_wait_seconds", "Longest wait for the migration", "seconds");
    metrics.Value(static_cast<double>(report.during.wait_us_max) / 1e6);
    metrics.Family("scry_during_stall_seconds", "All waits for the migration, added up", "seconds");
    metrics.Value(static_cast<double>(report.during.stall_us) / 1e6);
  }
  metrics.Family("scry_lane_busy_seconds", "Statements of a lane, added up", "seconds");
  for (const LaneFacts& lane : report.lanes) {
    metrics.Value(static_cast<double>(lane.busy_us) / 1e6, {{"lane", lane.name}});
  }
  const std::vector<std::string> ids = UniqueIds(report);
  const auto pair = [&](size_t i, double before, double after) {
    // What the baseline cannot run is held against production.
    const std::string lane = report.findings[i].type == "new-slow" ? "captured" : "baseline";
    metrics.Value(before, {{"finding", ids[i]}, {"lane", lane}});
    metrics.Value(after, {{"finding", ids[i]}, {"lane", "candidate"}});
  };
  const auto latency = [&](std::string_view name, std::string_view help, double Latency::*part) {
    metrics.Family(name, help, "seconds");
    for (size_t i = 0; i < ids.size(); ++i) {
      const Finding& finding = report.findings[i];
      if (finding.has_latency) pair(i, finding.before.*part / 1e6, finding.after.*part / 1e6);
    }
  };
  latency("scry_finding_p50_seconds", "Median latency of a finding", &Latency::p50_us);
  latency("scry_finding_p99_seconds", "99th percentile of a finding", &Latency::p99_us);
  metrics.Family("scry_finding_blocks", "Blocks that one execution of a finding touches");
  for (size_t i = 0; i < ids.size(); ++i) {
    const Finding& finding = report.findings[i];
    if (finding.has_work) pair(i, finding.work_before.blocks, finding.work_after.blocks);
  }
  return metrics.Done();
}

}  // namespace scry::report
