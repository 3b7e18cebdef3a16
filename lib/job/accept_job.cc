#include "job/accept_job.h"

#include <fmt/format.h>
#include <sys/stat.h>

#include <algorithm>
#include <chrono>
#include <map>
#include <optional>

#include "base/units.h"
#include "compare/ignore_rules.h"
#include "config/ignore_editor.h"
#include "config/yaml_node.h"
#include "job/report_job.h"
#include "os/file.h"

namespace scry::job {
namespace {

using base::Fail;
using base::Printable;
using base::Result;

constexpr size_t kIdsListedMax = 10;
constexpr const char* kUsualReports[] = {"report.json", "report/report.json"};

bool Exists(const std::string& path) {
  struct stat info {};
  return stat(path.c_str(), &info) == 0;
}

std::string ReportOf(const AcceptRequest& request) {
  if (!request.report.empty()) return request.report;
  for (const char* usual : kUsualReports) {
    if (Exists(usual)) return usual;
  }
  return {};
}

Result<std::chrono::year_month_day> LastDay(const AcceptRequest& request, base::Micros now_us) {
  const auto until = compare::ParseDate(request.until);
  if (!until) {
    return Fail(base::ErrorCode::kUsage, fmt::format("--until '{}' is no date; write 2027-01-31",
                                                     Printable(request.until, 40)));
  }
  const auto today = compare::DateOf(now_us);
  if (*until < today) {
    return Fail(base::ErrorCode::kUsage,
                fmt::format("--until {} is past (today is {} in UTC): the rule would never count",
                            request.until, compare::FormatDate(today)));
  }
  return *until;
}

base::Error NoSuchFinding(const report::Report& report, const std::string& file,
                          const std::string& id) {
  std::string known;
  size_t count = 0;
  for (const report::Finding& finding : report.findings) {
    if (++count > kIdsListedMax) continue;
    known += (known.empty() ? "; it has " : ", ") + Printable(finding.id, 80);
  }
  if (count > kIdsListedMax) known += fmt::format(" and {} more", count - kIdsListedMax);
  return Fail(base::ErrorCode::kNotFound,
              fmt::format("{} has no finding '{}'{}", Printable(file), Printable(id, 80),
                          count == 0 ? "; it has none" : known));
}

// What the rules are for, with the pattern of the statement.
Result<std::map<std::string, std::string>> FindingsOf(const AcceptRequest& request) {
  std::map<std::string, std::string> ids;
  const std::string file = ReportOf(request);
  if (file.empty()) {
    if (!compare::IsFindingId(request.finding)) {
      return Fail(base::ErrorCode::kUsage,
                  fmt::format("'{}' is no id of a finding; reports show them, as in "
                              "slower-00f3a9c0d1e2f3a4",
                              Printable(request.finding, 80)));
    }
    ids[request.finding];
    return ids;
  }
  SCRY_TRY_ASSIGN(const AnyReport any, ReadAnyReport(file));
  const auto* report = std::get_if<report::Report>(&any);
  if (report == nullptr) {
    return Fail(base::ErrorCode::kUsage, Printable(file) + " is of a load and has no findings");
  }
  const auto found =
      std::find_if(report->findings.begin(), report->findings.end(),
                   [&](const report::Finding& one) { return one.id == request.finding; });
  // Its id goes into a file: the report may come from anywhere.
  if (found == report->findings.end() || !compare::IsFindingId(found->id)) {
    return NoSuchFinding(*report, file, request.finding);
  }
  ids[found->id] = found->pattern;
  constexpr std::string_view kSlower = "slower-";
  if (found->has_work && found->id.starts_with(kSlower)) {
    ids["more-work-" + found->id.substr(kSlower.size())] = found->pattern;
  }
  return ids;
}

}  // namespace

Result<Accepted> AcceptFinding(const AcceptRequest& request, base::Micros now_us) {
  compare::IgnoreRule rule;
  SCRY_TRY_ASSIGN(rule.until, LastDay(request, now_us));
  SCRY_TRY_ASSIGN(const auto ids, FindingsOf(request));
  rule.reason = request.reason;
  Accepted accepted;
  accepted.config = request.config;
  accepted.checked = !ReportOf(request).empty();
  accepted.until = compare::FormatDate(*rule.until);
  accepted.made = !Exists(request.config);
  std::string text;
  if (!accepted.made) {
    SCRY_TRY_ASSIGN(text,
                    os::ReadWholeFile(os::RealFileSystem(), request.config, config::kFileBytesMax));
    // A file of nothing is not ours to fill.
    if (text.empty()) text = "\n";
  }
  std::optional<base::Error> refused;
  for (const auto& [id, pattern] : ids) {
    rule.finding = id;
    auto edited = config::AddIgnoreRule(text, request.config, rule, pattern);
    if (!edited.ok()) {
      refused = edited.error();
      if (id == request.finding) break;
      continue;  // Of two, one may be there.
    }
    text = *std::move(edited);
    accepted.findings.push_back(id);
  }
  const bool all = std::find(accepted.findings.begin(), accepted.findings.end(), request.finding) !=
                   accepted.findings.end();
  if (!all) return *refused;
  SCRY_TRY(os::ReplaceUserFile(request.config, text));
  return accepted;
}

}  // namespace scry::job
