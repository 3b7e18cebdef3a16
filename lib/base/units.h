// Durations, sizes and counts as people write and read them. Pure.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>

#include "base/clock.h"
#include "base/result.h"

namespace scry::base {

// "500ms", "5s", "10m", "2h", "7d", also "250us". A bare number is refused: its unit is a guess.
Result<Micros> ParseDuration(std::string_view text);
// "256MB" (1000s), "2GiB" (1024s), "512" or "512B".
Result<uint64_t> ParseSize(std::string_view text);
// "1%" or "0.01".
Result<double> ParseShare(std::string_view text);

// Three significant figures with a unit: "0.042 ms", "3.41 ms", "12.9 s", "2 min 05 s".
std::string FormatDuration(Micros duration_us);
std::string FormatDuration(double duration_us);
// "17.3 MB".
std::string FormatSize(uint64_t size_bytes);
// "1,234,567".
std::string FormatCount(uint64_t count);

// Text made safe for a terminal and one line: control characters and broken UTF-8 escaped, and cut
// to `columns_max` columns of a terminal with "…". Zero: no cut.
std::string Printable(std::string_view text, size_t columns_max = 0);
// White space (also line breaks) folded to single blanks.
std::string OneLine(std::string_view text);

}  // namespace scry::base
