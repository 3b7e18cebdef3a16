#include <cmath>
#include <nlohmann/json.hpp>
#include <string_view>

#include "report/json_members.h"
#include "report/report_diff.h"

namespace scry::report {
namespace {

using nlohmann::ordered_json;

constexpr std::string_view kDiffSchema = "scry.diff/1";

// JSON has no infinity.
double Finite(double value) { return std::isfinite(value) ? value : 0; }

ordered_json SideOf(const Report& report) {
  return {{"tool_version", report.tool_version},
          {"created_us", report.created_us},
          {"verdict", report.verdict},
          {"sentence", report.sentence},
          {"exit_status", report.exit_status}};
}

ordered_json Brief(const Finding& finding) {
  ordered_json json = {{"id", finding.id},           {"type", finding.type},
                       {"gates", finding.gates},     {"fingerprint", finding.fingerprint},
                       {"pattern", finding.pattern}, {"reasons", finding.reasons}};
  if (finding.has_latency) json["factor"] = Finite(finding.factor);
  return json;
}

ordered_json Of(const Finding* finding) { return Brief(*finding); }

ordered_json Of(const FindingPair& pair) {
  const auto side = [](const Finding& finding) {
    ordered_json json = {{"gates", finding.gates}, {"affected", finding.affected}};
    if (finding.has_latency) {
      json["factor"] = Finite(finding.factor);
      json["p50_us"] = Finite(finding.after.p50_us);
    }
    if (finding.has_work) json["blocks"] = Finite(finding.work_after.blocks);
    return json;
  };
  return {{"id", pair.after->id},
          {"type", pair.after->type},
          {"fingerprint", pair.after->fingerprint},
          {"pattern", pair.after->pattern},
          {"before", side(*pair.before)},
          {"after", side(*pair.after)}};
}

ordered_json Of(const PatternMove& move) {
  return {{"fingerprint", move.fingerprint},
          {"pattern", move.pattern},
          {"before", move.before},
          {"after", move.after}};
}

ordered_json Of(const PatternLine* line) {
  return {{"fingerprint", line->fingerprint}, {"pattern", line->pattern}, {"type", line->type}};
}

ordered_json Of(const FactChange& fact) {
  return {{"name", fact.name}, {"before", fact.before}, {"after", fact.after}};
}

template <typename T>
ordered_json ListOf(const std::vector<T>& items) {
  ordered_json list = ordered_json::array();
  for (const T& item : items) list.push_back(Of(item));
  return list;
}

}  // namespace

std::string WriteDiffJson(const ReportDiff& diff) {
  ordered_json json = {{"schema", kDiffSchema},
                       {"before", SideOf(*diff.before)},
                       {"after", SideOf(*diff.after)},
                       {"verdict_changed", diff.verdict_changed()},
                       {"new_gating", diff.fresh_gating()},
                       {"new", ListOf(diff.fresh)},
                       {"gone", ListOf(diff.gone)},
                       {"not_judged", ListOf(diff.not_judged)},
                       {"still", ListOf(diff.still)},
                       {"moved", ListOf(diff.moved)},
                       {"met_only_before", ListOf(diff.met_only_before)},
                       {"met_only_after", ListOf(diff.met_only_after)},
                       {"facts", ListOf(diff.facts)}};
  return json.dump(2, ' ', false, ordered_json::error_handler_t::replace) + "\n";
}

}  // namespace scry::report
