#include "report/sarif_writer.h"

#include <fmt/format.h>

#include <map>
#include <nlohmann/json.hpp>
#include <optional>
#include <string_view>
#include <utility>

#include "base/units.h"
#include "report/finding_origin.h"

namespace scry::report {
namespace {

using base::OneLine;
using base::Printable;
using nlohmann::ordered_json;

// GitHub takes 25,000 results of a run and shows 5,000.
constexpr uint64_t kResultsMax = 5000;
constexpr const char* kMigrationFailed = "migration-failed";

struct Rule {
  const char* id;
  const char* name;
  const char* says;
};
// Kinds of findings. Their place is a result's ruleIndex.
constexpr Rule kRules[] = {
    {"broken", "Broken", "A captured query ran before the change and fails after it."},
    {"different", "DifferentResults", "A captured query returns something else than before."},
    {"blocked", "Blocked", "Captured queries waited for a statement of the migration, or failed."},
    {"slower", "Slower", "A captured query is slower than before."},
    {"new-slow", "NewAndSlow", "A query that the change introduces is slow."},
    {"over-budget", "OverBudget", "A query is slower than the policy allows."},
    {"more-work", "MoreWork", "A captured query has more work to do for the same parameters."},
    {"transient", "UntilVacuum", "A query is worse until VACUUM (ANALYZE) has run."},
    {"warning", "Warning", "Something of a captured query changed that need not be wrong."},
    {kMigrationFailed, "MigrationFailed", "The migration command failed."},
};

ordered_json Message(std::string_view text) { return {{"text", text}}; }

// RFC 3986: a relative reference whose segments hold what they like.
std::string Uri(std::string_view path) {
  std::string uri;
  for (const char c : path) {
    const bool plain = (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') ||
                       c == '/' || c == '-' || c == '.' || c == '_' || c == '~';
    uri += plain ? std::string(1, c) : fmt::format("%{:02X}", static_cast<unsigned char>(c));
  }
  return uri;
}

ordered_json Rules() {
  ordered_json rules = ordered_json::array();
  for (const Rule& rule : kRules) {
    rules.push_back(
        {{"id", rule.id}, {"name", rule.name}, {"shortDescription", Message(rule.says)}});
  }
  return rules;
}

class Writer {
 public:
  Writer(const Report& report, std::string path)
      : report_(report), path_(std::move(path)), origins_(report) {
    for (size_t i = 0; i < std::size(kRules); ++i) rules_[kRules[i].id] = i;
  }

  Sarif Run() {
    if (MigrationHasFailed(report_)) {
      const MigrationFailure failure = FailureOf(report_);
      Add(kMigrationFailed, true, failure.text, failure.statement, failure.id);
    }
    const std::vector<std::string> ids = UniqueIds(report_);
    for (size_t i = 0; i < ids.size(); ++i) {
      const Finding& finding = report_.findings[i];
      if (!IsProblem(finding)) continue;
      const FindingOrigin origin = origins_.Of(finding);
      Add(finding.type, finding.gates, FindingMessage(finding, origin), origin.statement, ids[i]);
    }
    ordered_json driver = {{"name", "scry"}, {"version", report_.tool_version}, {"rules", Rules()}};
    ordered_json run = {{"tool", {{"driver", std::move(driver)}}},
                        {"invocations", ordered_json::array({Invocation()})},
                        {"originalUriBaseIds",
                         {{"SRCROOT", {{"description", Message("The root of the repository")}}}}},
                        {"columnKind", "unicodeCodePoints"},
                        {"results", std::move(results_)}};
    const ordered_json document = {{"$schema", "https://json.schemastore.org/sarif-2.1.0.json"},
                                   {"version", "2.1.0"},
                                   {"runs", ordered_json::array({std::move(run)})}};
    sarif_.text = document.dump(2, ' ', false, ordered_json::error_handler_t::replace) + "\n";
    return std::move(sarif_);
  }

 private:
  // Results say what is wrong with the change; that it could not be judged is no result.
  ordered_json Invocation() const {
    const bool judged = IsJudged(report_);
    ordered_json json = {{"executionSuccessful", judged}, {"exitCode", report_.exit_status}};
    json["toolExecutionNotifications"] = ordered_json::array(
        {{{"level", judged ? "note" : "error"},
          {"message", Message(Printable(OneLine(report_.verdict + ": " + report_.sentence)))}}});
    return json;
  }

  void Add(const std::string& rule, bool gates, const std::string& text,
           const MigrationStatement* statement, const std::string& id) {
    if (sarif_.results == kResultsMax) {
      ++sarif_.left_out;
      return;
    }
    ++sarif_.results;
    ordered_json result = {{"ruleId", rule}};
    const auto known = rules_.find(rule);
    if (known != rules_.end()) result["ruleIndex"] = known->second;
    result["level"] = gates ? "error" : "warning";
    result["message"] = Message(text);
    const std::optional<CodePlace> known_place = PlaceOf(statement);
    if (!known_place) ++sarif_.without_place;
    const CodePlace place = known_place.value_or(CodePlace{path_});
    const ordered_json physical = {
        {"artifactLocation", {{"uri", Uri(place.path)}, {"uriBaseId", "SRCROOT"}}},
        {"region", {{"startLine", place.line}}}};
    result["locations"] = ordered_json::array({{{"physicalLocation", physical}}});
    // The first is the standard's way; the second is the only one that GitHub reads, so that a
    // finding whose line moves stays the same alert.
    result["partialFingerprints"] = {{"scryFinding/v1", id}, {"primaryLocationLineHash", id}};
    results_.push_back(std::move(result));
  }

  const Report& report_;
  const std::string path_;
  const Origins origins_;
  std::map<std::string_view, size_t> rules_;
  ordered_json results_ = ordered_json::array();
  Sarif sarif_;
};

}  // namespace

Sarif WriteSarif(const Report& report, const std::string& path) {
  return Writer(report, path).Run();
}

}  // namespace scry::report
