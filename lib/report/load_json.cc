#include "report/load_json.h"

#include <cmath>
#include <limits>
#include <nlohmann/json.hpp>
#include <utility>

#include "base/units.h"
#include "report/json_members.h"
#include "report/json_writer.h"

namespace scry::report {
namespace {

using nlohmann::json;
using nlohmann::ordered_json;

ordered_json Of(const base::Histogram& histogram) {
  ordered_json buckets = ordered_json::array();
  for (const auto& [bucket, count] : histogram.buckets()) {
    buckets.push_back(ordered_json::array({bucket, count}));
  }
  return {{"count", histogram.count()},         {"total_us", histogram.total()},
          {"min_us", histogram.min()},          {"p50_us", histogram.Quantile(0.5)},
          {"p95_us", histogram.Quantile(0.95)}, {"p99_us", histogram.Quantile(0.99)},
          {"max_us", histogram.max()},          {"buckets", std::move(buckets)}};
}

ordered_json Of(const LoadErrors& errors) {
  return {{"expected", errors.expected}, {"new", errors.fresh}};
}

ordered_json Of(const LoadPattern& pattern) {
  return {{"fingerprint", pattern.fingerprint},
          {"pattern", pattern.pattern},
          {"calls", pattern.calls},
          {"errors", Of(pattern.errors)},
          {"errors_gone", pattern.errors_gone},
          {"lost", pattern.lost},
          {"captured", Of(pattern.captured)},
          {"replayed", Of(pattern.replayed)}};
}

ordered_json Of(const LoadSettings& settings) {
  return {{"speed", settings.speed},       {"connect_speed", settings.connect_speed},
          {"sync", settings.sync},         {"multiply", settings.multiply},
          {"pipeline", settings.pipeline}, {"reads_only", settings.reads_only},
          {"filters", settings.filters}};
}

ordered_json Of(const LoadTotals& totals) {
  return {{"sessions", totals.sessions},
          {"sessions_excluded", totals.sessions_excluded},
          {"sessions_filtered", totals.sessions_filtered},
          {"exchanges", totals.exchanges},
          {"exchanges_excluded", totals.exchanges_excluded},
          {"exchanges_filtered", totals.exchanges_filtered},
          {"exchanges_refused", totals.exchanges_refused},
          {"statements", totals.statements},
          {"statements_per_second", std::round(LoadRate(totals) * 10) / 10},
          {"gaps", totals.gaps},
          {"gap_exchanges", totals.gap_exchanges},
          {"stalls_released", totals.stalls_released},
          {"cancelled", totals.cancelled},
          {"races_withdrawn", totals.races_withdrawn},
          {"duration_us", totals.duration_us},
          {"order_wait_us", totals.order_wait_us},
          {"tool_wait_us", totals.tool_wait_us},
          {"server_wait_us", totals.server_wait_us},
          {"lag", Of(totals.lag)}};
}

class Reader : public JsonMembers<Reader> {
 public:
  using JsonMembers::Fill;
  void Fill(const json& from, LoadErrors& to) {
    Read(from, "expected", to.expected);
    Read(from, "new", to.fresh);
  }
  void ReadHistogram(const json& from, const char* key, base::Histogram& to) {
    const json* stored = Object(from, key);
    if (stored == nullptr) return;
    std::vector<std::pair<uint32_t, uint64_t>> pairs;
    Read(*stored, "buckets", pairs);
    const std::map<uint32_t, uint64_t> buckets(pairs.begin(), pairs.end());
    if (buckets.size() != pairs.size()) Complain("buckets");
    Micros total_us = 0;
    Micros min_us = 0;
    Micros max_us = 0;
    Read(*stored, "total_us", total_us);
    Read(*stored, "min_us", min_us);
    Read(*stored, "max_us", max_us);
    auto histogram = base::Histogram::FromParts(buckets, total_us, min_us, max_us);
    if (histogram.ok()) {
      to = std::move(*histogram);
    } else {
      Complain(key);
    }
  }
  void Fill(const json& from, LoadPattern& to) {
    Read(from, "fingerprint", to.fingerprint);
    Read(from, "pattern", to.pattern);
    Read(from, "calls", to.calls);
    if (const json* errors = Object(from, "errors")) Fill(*errors, to.errors);
    Read(from, "errors_gone", to.errors_gone);
    Read(from, "lost", to.lost);
    ReadHistogram(from, "captured", to.captured);
    ReadHistogram(from, "replayed", to.replayed);
  }
  void Fill(const json& from, LoadSettings& to) {
    Read(from, "speed", to.speed);
    Read(from, "connect_speed", to.connect_speed);
    Read(from, "sync", to.sync);
    Read(from, "multiply", to.multiply);
    Read(from, "pipeline", to.pipeline);
    Read(from, "reads_only", to.reads_only);
    Read(from, "filters", to.filters);
  }
  void Fill(const json& from, LoadTotals& to) {
    Read(from, "sessions", to.sessions);
    Read(from, "sessions_excluded", to.sessions_excluded);
    Read(from, "sessions_filtered", to.sessions_filtered);
    Read(from, "exchanges", to.exchanges);
    Read(from, "exchanges_excluded", to.exchanges_excluded);
    Read(from, "exchanges_filtered", to.exchanges_filtered);
    Read(from, "exchanges_refused", to.exchanges_refused);
    Read(from, "statements", to.statements);
    Read(from, "gaps", to.gaps);
    Read(from, "gap_exchanges", to.gap_exchanges);
    Read(from, "stalls_released", to.stalls_released);
    Read(from, "cancelled", to.cancelled);
    Read(from, "races_withdrawn", to.races_withdrawn);
    Read(from, "duration_us", to.duration_us);
    Read(from, "order_wait_us", to.order_wait_us);
    Read(from, "tool_wait_us", to.tool_wait_us);
    Read(from, "server_wait_us", to.server_wait_us);
    ReadHistogram(from, "lag", to.lag);
  }
  void Fill(const json& from, LoadReport& to) {
    Read(from, "tool_version", to.tool_version);
    Read(from, "created_us", to.created_us);
    Read(from, "target", to.target);
    Read(from, "server_version", to.server_version);
    Read(from, "shards", to.shards);
    if (const json* settings = Object(from, "settings")) Fill(*settings, to.settings);
    ReadList(from, "captures", to.captures);
    if (const json* totals = Object(from, "totals")) Fill(*totals, to.totals);
    if (const json* errors = Object(from, "errors")) {
      for (const auto& [state, counts] : errors->items()) {
        if (counts.is_object()) {
          Fill(counts, to.errors[state]);
        } else {
          Complain("errors");
        }
      }
    }
    ReadList(from, "patterns", to.patterns);
    if (const json* excluded = Object(from, "excluded")) {
      for (const auto& [reason, count] : excluded->items()) {
        Read(*excluded, reason.c_str(), to.excluded[reason]);
      }
    }
    Read(from, "notes", to.notes);
  }
};

constexpr std::string_view kKind = "load report of scry";

}  // namespace

std::string WriteLoadJson(const LoadReport& report) {
  ordered_json document;
  document["schema"] = kLoadSchema;
  document["tool_version"] = report.tool_version;
  document["created"] = base::FormatWall(report.created_us);
  document["created_us"] = report.created_us;
  document["target"] = report.target;
  document["server_version"] = report.server_version;
  document["shards"] = report.shards;
  document["settings"] = Of(report.settings);
  document["captures"] = ordered_json::array();
  for (const CaptureFacts& capture : report.captures) {
    document["captures"].push_back(CaptureJson(capture));
  }
  document["totals"] = Of(report.totals);
  document["errors"] = ordered_json::object();
  for (const auto& [state, errors] : report.errors) document["errors"][state] = Of(errors);
  document["patterns"] = ordered_json::array();
  for (const LoadPattern& pattern : report.patterns) document["patterns"].push_back(Of(pattern));
  document["excluded"] = ordered_json::object();
  for (const auto& [reason, count] : report.excluded) document["excluded"][reason] = count;
  document["notes"] = report.notes;
  // Without line breaks inside: the buckets alone would be most of the lines.
  return document.dump(-1, ' ', false, ordered_json::error_handler_t::replace) + "\n";
}

base::Result<LoadReport> ReadLoadJson(std::string_view text) {
  SCRY_TRY_ASSIGN(const json parsed, ParseReport(text, kLoadSchema, kKind));
  LoadReport report;
  Reader reader;
  reader.Fill(parsed, report);
  if (!reader.problem().empty()) return NotOfKind(kKind, reader.problem());
  return report;
}

bool IsLoadJson(std::string_view text) {
  constexpr size_t kLookAtMost = 200;  // "schema" is written first.
  return text.substr(0, kLookAtMost).find("\"scry.load/") != std::string_view::npos;
}

}  // namespace scry::report
