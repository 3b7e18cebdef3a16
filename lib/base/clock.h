// Time as scry uses it: microseconds. Passed in, so that tests own it.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

namespace scry::base {

using Micros = int64_t;

class Clock {
 public:
  virtual ~Clock() = default;
  virtual Micros MonotonicUs() const = 0;
  virtual Micros WallUs() const = 0;  // Since 1970-01-01 UTC.
};

// CLOCK_MONOTONIC and CLOCK_REALTIME. Any thread.
const Clock& SystemClock();

// "2026-11-20 13:17:05.123456Z".
std::string FormatWall(Micros wall_us);
// ISO 8601, to the second or finer: "2026-11-20T13:17:05Z", "2026-11-20 13:17:05.25+02:00". Without
// a zone it is UTC; without a time the day's beginning. nullopt for anything else.
std::optional<Micros> ParseWall(std::string_view text);

}  // namespace scry::base
