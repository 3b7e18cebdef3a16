#include "querylog/manifest.h"

#include <nlohmann/json.hpp>

#include "base/letter_case.h"

namespace scry::querylog {
namespace {

using base::ErrorCode;
using base::Fail;
using nlohmann::json;

constexpr const char* kFormatName = "scry-capture";

bool NamesPassword(std::string_view text) {
  const std::string name = base::LowerAscii(text);
  return name.find("password") != std::string::npos || name.find("passwd") != std::string::npos;
}

std::string Text(const json& object, const char* key) {
  const auto it = object.find(key);
  return it != object.end() && it->is_string() ? it->get<std::string>() : std::string();
}

template <typename T>
T Number(const json& object, const char* key) {
  const auto it = object.find(key);
  return it != object.end() && it->is_number_integer() ? it->get<T>() : T{0};
}

CaptureTotals Totals(const json& object) {
  CaptureTotals totals;
  totals.segments = Number<uint64_t>(object, "segments");
  totals.events = Number<uint64_t>(object, "events");
  totals.exchanges = Number<uint64_t>(object, "exchanges");
  totals.gaps = Number<uint64_t>(object, "gaps");
  totals.exchanges_lost = Number<uint64_t>(object, "exchanges_lost");
  totals.stored_bytes = Number<uint64_t>(object, "stored_bytes");
  totals.last_us = Number<int64_t>(object, "last_us");
  return totals;
}

int HexDigit(char c) {
  if (c >= '0' && c <= '9') return c - '0';
  if (c >= 'a' && c <= 'f') return c - 'a' + 10;
  return -1;
}

}  // namespace

std::string EncodeManifest(const Manifest& manifest) {
  nlohmann::ordered_json out;
  out["format"] = kFormatName;
  out["format_version"] = manifest.format_version;
  out["scry_version"] = manifest.scry_version;
  out["capture_id"] = manifest.capture_id;
  out["started"] = base::FormatWall(manifest.started_wall_us);
  out["started_wall_us"] = manifest.started_wall_us;
  out["server_version"] = manifest.server_version;
  auto& facts = out["facts"] = nlohmann::ordered_json::object();
  for (const auto& [name, value] : manifest.facts) {
    if (!NamesPassword(name)) facts[name] = value;
  }
  out["state"] = manifest.sealed ? "sealed" : "open";
  if (manifest.sealed) {
    const CaptureTotals& totals = manifest.totals;
    out["totals"] = {{"segments", totals.segments},
                     {"events", totals.events},
                     {"exchanges", totals.exchanges},
                     {"gaps", totals.gaps},
                     {"exchanges_lost", totals.exchanges_lost},
                     {"stored_bytes", totals.stored_bytes},
                     {"last_us", totals.last_us}};
  }
  // A fact may hold bytes that are no UTF-8: they become U+FFFD instead of an exception.
  return out.dump(2, ' ', false, nlohmann::ordered_json::error_handler_t::replace) + "\n";
}

base::Result<Manifest> ParseManifest(std::string_view text) {
  const json object = json::parse(text, nullptr, /*allow_exceptions=*/false);
  if (!object.is_object() || Text(object, "format") != kFormatName) {
    return Fail(ErrorCode::kCorrupt, "not the manifest of a capture");
  }
  Manifest manifest;
  const auto version = Number<uint64_t>(object, "format_version");
  if (version > kFormatVersion) {
    return Fail(ErrorCode::kUnsupported,
                "the capture has format version " + std::to_string(version) +
                    ", this scry reads up to version " + std::to_string(kFormatVersion) +
                    "; read it with the scry that wrote it or a newer one");
  }
  manifest.format_version = static_cast<uint32_t>(version);
  manifest.scry_version = Text(object, "scry_version");
  manifest.capture_id = Text(object, "capture_id");
  manifest.started_wall_us = Number<int64_t>(object, "started_wall_us");
  manifest.server_version = Text(object, "server_version");
  if (version == 0 || !ParseCaptureId(manifest.capture_id)) {
    return Fail(ErrorCode::kCorrupt, "the manifest lacks its version or its capture id");
  }
  const auto facts = object.find("facts");
  if (facts != object.end() && facts->is_object()) {
    for (auto it = facts->begin(); it != facts->end(); ++it) {
      if (it->is_string()) manifest.facts[it.key()] = it->get<std::string>();
    }
  }
  manifest.sealed = Text(object, "state") == "sealed";
  const auto totals = object.find("totals");
  if (manifest.sealed && totals != object.end() && totals->is_object()) {
    manifest.totals = Totals(*totals);
  }
  return manifest;
}

std::optional<CaptureId> ParseCaptureId(std::string_view hex) {
  CaptureId id{};
  if (hex.size() != 2 * id.size()) return std::nullopt;
  for (size_t i = 0; i < id.size(); ++i) {
    const int high = HexDigit(hex[2 * i]);
    const int low = HexDigit(hex[2 * i + 1]);
    if (high < 0 || low < 0) return std::nullopt;
    id[i] = static_cast<uint8_t>(high * 16 + low);
  }
  return id;
}

std::string FormatCaptureId(const CaptureId& id) {
  std::string hex;
  for (const uint8_t byte : id) {
    hex += "0123456789abcdef"[byte >> 4];
    hex += "0123456789abcdef"[byte & 15];
  }
  return hex;
}

}  // namespace scry::querylog
