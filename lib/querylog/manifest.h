// What a capture says about itself: manifest.json. Written by log_writer, read by log_reader and
// the commands. Plain values and pure functions. Format: FORMAT.md, section "Directory".
#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <string_view>

#include "base/clock.h"
#include "base/result.h"
#include "querylog/format.h"

namespace scry::querylog {

struct CaptureTotals {
  uint64_t segments = 0;
  uint64_t events = 0;
  uint64_t exchanges = 0;
  uint64_t gaps = 0;            // Gap events.
  uint64_t exchanges_lost = 0;  // Their sum.
  uint64_t stored_bytes = 0;    // Size of all segments.
  base::Micros last_us = 0;     // Latest moment, since start.
  friend bool operator==(const CaptureTotals&, const CaptureTotals&) = default;
};

struct Manifest {
  uint32_t format_version = kFormatVersion;
  std::string scry_version;
  std::string capture_id;            // 32 hex digits. Empty for LogWriter::Create: it draws one.
  base::Micros started_wall_us = 0;  // 0 for LogWriter::Create: now.
  std::string server_version;
  // About the source. The owner keeps addresses out; keys that name a password are never written.
  std::map<std::string, std::string> facts;
  bool sealed = false;
  CaptureTotals totals;  // If sealed.
};

std::string EncodeManifest(const Manifest& manifest);
// Fails with kUnsupported for a newer format version, with kCorrupt for what is no manifest.
base::Result<Manifest> ParseManifest(std::string_view json);

std::optional<CaptureId> ParseCaptureId(std::string_view hex);
std::string FormatCaptureId(const CaptureId& id);

}  // namespace scry::querylog
