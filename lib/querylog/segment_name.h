// File names of segments: 000001.scryseg, 000001.scryseg.open. Used by log_writer and log_reader.
// Pure. Format: FORMAT.md, section "Directory".
#pragma once

#include <charconv>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include "querylog/format.h"

namespace scry::querylog {

struct SegmentName {
  uint32_t number = 0;
  bool open = false;
};

inline std::string SegmentFileName(uint32_t number, bool open) {
  std::string digits = std::to_string(number);
  if (digits.size() < 6) digits.insert(0, 6 - digits.size(), '0');
  return digits + std::string(kSegmentSuffix) + std::string(open ? kOpenSuffix : "");
}

inline std::optional<SegmentName> ParseSegmentName(std::string_view name) {
  SegmentName parsed;
  parsed.open = name.ends_with(kOpenSuffix);
  if (parsed.open) name.remove_suffix(kOpenSuffix.size());
  if (!name.ends_with(kSegmentSuffix)) return std::nullopt;
  name.remove_suffix(kSegmentSuffix.size());
  const char* end = name.data() + name.size();
  const auto [rest, error] = std::from_chars(name.data(), end, parsed.number);
  if (error != std::errc() || rest != end || name.size() < 6 || parsed.number == 0) {
    return std::nullopt;
  }
  return parsed;
}

}  // namespace scry::querylog
