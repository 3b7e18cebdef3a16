#include "base/units.h"

#include <fmt/format.h>

#include <cctype>
#include <charconv>
#include <cmath>
#include <limits>

#include "base/terminal_width.h"

namespace scry::base {
namespace {

struct Split {
  double number = 0;
  std::string_view unit;
  bool ok = false;
};

Split SplitNumber(std::string_view text) {
  Split split;
  const char* end = text.data() + text.size();
  const auto [rest, error] = std::from_chars(text.data(), end, split.number);
  if (error != std::errc() || !std::isfinite(split.number) || split.number < 0) return split;
  split.unit = std::string_view(rest, static_cast<size_t>(end - rest));
  split.ok = true;
  return split;
}

std::string Significant(double value) {
  if (value >= 100) return fmt::format("{:.0f}", value);
  if (value >= 10) return fmt::format("{:.1f}", value);
  if (value >= 1) return fmt::format("{:.2f}", value);
  return fmt::format("{:.3f}", value);
}

// Length of the valid UTF-8 sequence at the front, or 0.
size_t SequenceLength(std::string_view text) {
  const auto byte = [&](size_t i) { return static_cast<uint8_t>(text[i]); };
  const uint8_t lead = byte(0);
  if (lead < 0x80) return 1;
  const size_t length = lead >= 0xf0 ? 4 : lead >= 0xe0 ? 3 : 2;
  if (lead < 0xc2 || lead > 0xf4 || text.size() < length) return 0;
  for (size_t i = 1; i < length; ++i) {
    if ((byte(i) & 0xc0) != 0x80) return 0;
  }
  // C1 controls (U+0080..U+009F) move terminals as escape sequences do.
  if (lead == 0xc2 && byte(1) < 0xa0) return 0;
  // Forms that are too long, surrogates, and what is past U+10FFFF.
  if ((lead == 0xe0 && byte(1) < 0xa0) || (lead == 0xed && byte(1) >= 0xa0)) return 0;
  if ((lead == 0xf0 && byte(1) < 0x90) || (lead == 0xf4 && byte(1) >= 0x90)) return 0;
  // U+FFFE and U+FFFF are no characters, and no XML may hold them.
  if (lead == 0xef && byte(1) == 0xbf && byte(2) >= 0xbe) return 0;
  return length;
}

// Embeddings, overrides and isolates (U+202A..U+202E, U+2066..U+2069): after them a terminal or a
// browser shows text in another order than it has, so that a statement reads as what it is not.
bool TurnsText(std::string_view text) {
  return text.size() >= 3 &&
         ((text.starts_with("\xe2\x80") && text[2] >= '\xaa' && text[2] <= '\xae') ||
          (text.starts_with("\xe2\x81") && text[2] >= '\xa6' && text[2] <= '\xa9'));
}

// What stands for the front of `text`, its width, and how many bytes it stands for.
struct Shown {
  std::string text;
  size_t columns = 0;
  size_t bytes = 1;
};

Shown ShownFront(std::string_view text) {
  const auto byte = [&](size_t i) { return static_cast<uint8_t>(text[i]); };
  const size_t length = SequenceLength(text);
  Shown shown;
  if (TurnsText(text)) {
    shown.text = fmt::format("\\u{:04x}", 0x2000 + (byte(1) & 0x3f) * 64 + (byte(2) & 0x3f));
    shown.bytes = length;
  } else if (text[0] == '\n') {
    shown.text = "\\n";
  } else if (text[0] == '\t') {
    shown.text = "\\t";
  } else if (length == 0 || byte(0) < 0x20 || byte(0) == 0x7f) {
    shown.text = fmt::format("\\x{:02x}", byte(0));
  } else {
    return {std::string(text.substr(0, length)), FrontCharacter(text).columns, length};
  }
  shown.columns = shown.text.size();
  return shown;
}

}  // namespace

Result<Micros> ParseDuration(std::string_view text) {
  const Split split = SplitNumber(text);
  double scale = 0;
  if (split.unit == "us") scale = 1;
  if (split.unit == "ms") scale = 1e3;
  if (split.unit == "s") scale = 1e6;
  if (split.unit == "m" || split.unit == "min") scale = 60e6;
  if (split.unit == "h") scale = 3600e6;
  if (split.unit == "d") scale = 86400e6;
  if (!split.ok || scale == 0 || split.number * scale > 9e17) {
    return Fail(
        ErrorCode::kUsage,
        fmt::format("'{}' is no duration; write 500ms, 5s, 10m, 2h or 7d", Printable(text)));
  }
  return static_cast<Micros>(std::llround(split.number * scale));
}

Result<uint64_t> ParseSize(std::string_view text) {
  const Split split = SplitNumber(text);
  double scale = 0;
  if (split.unit.empty() || split.unit == "B") scale = 1;
  if (split.unit == "kB" || split.unit == "KB") scale = 1e3;
  if (split.unit == "MB") scale = 1e6;
  if (split.unit == "GB") scale = 1e9;
  if (split.unit == "TB") scale = 1e12;
  if (split.unit == "KiB") scale = 1024.0;
  if (split.unit == "MiB") scale = 1048576.0;
  if (split.unit == "GiB") scale = 1073741824.0;
  if (split.unit == "TiB") scale = 1099511627776.0;
  if (!split.ok || scale == 0 || split.number * scale > 9e18) {
    return Fail(ErrorCode::kUsage,
                fmt::format("'{}' is no size; write 256MB or 2GiB", Printable(text)));
  }
  return static_cast<uint64_t>(split.number * scale);
}

Result<double> ParseShare(std::string_view text) {
  const Split split = SplitNumber(text);
  const double share = split.unit == "%" ? split.number / 100 : split.number;
  if (!split.ok || (split.unit != "%" && !split.unit.empty()) || share > 1) {
    return Fail(ErrorCode::kUsage,
                fmt::format("'{}' is no share; write 1% or 0.01", Printable(text)));
  }
  return share;
}

std::string FormatDuration(double duration_us) {
  if (!std::isfinite(duration_us)) return "-";
  if (duration_us < 0) return "-" + FormatDuration(-duration_us);
  if (duration_us < 1e6) return Significant(duration_us / 1e3) + " ms";
  if (duration_us < 60e6) return Significant(duration_us / 1e6) + " s";
  const auto seconds = static_cast<uint64_t>(std::llround(duration_us / 1e6));
  if (seconds < 3600) return fmt::format("{} min {:02} s", seconds / 60, seconds % 60);
  return fmt::format("{} h {:02} min", seconds / 3600, seconds / 60 % 60);
}

std::string FormatDuration(Micros duration_us) {
  return FormatDuration(static_cast<double>(duration_us));
}

std::string FormatSize(uint64_t size_bytes) {
  const auto size = static_cast<double>(size_bytes);
  if (size < 1e3) return fmt::format("{} B", size_bytes);
  if (size < 1e6) return Significant(size / 1e3) + " kB";
  if (size < 1e9) return Significant(size / 1e6) + " MB";
  return Significant(size / 1e9) + " GB";
}

std::string FormatCount(uint64_t count) {
  std::string digits = std::to_string(count);
  for (size_t i = digits.size(); i > 3; i -= 3) digits.insert(i - 3, ",");
  return digits;
}

std::string Printable(std::string_view text, size_t columns_max) {
  std::string out;
  size_t columns = 0;
  size_t cut = 0;  // So much of `out` leaves room for the mark.
  while (!text.empty()) {
    const Shown shown = ShownFront(text);
    text.remove_prefix(shown.bytes);
    columns += shown.columns;
    if (columns_max != 0 && columns > columns_max) {
      out.resize(cut);
      out += "…";
      break;
    }
    out += shown.text;
    if (columns < columns_max) cut = out.size();
  }
  return out;
}

std::string OneLine(std::string_view text) {
  std::string out;
  bool blank = false;
  for (const char c : text) {
    if (std::isspace(static_cast<unsigned char>(c)) != 0) {
      blank = !out.empty();
      continue;
    }
    if (blank) out.push_back(' ');
    blank = false;
    out.push_back(c);
  }
  return out;
}

}  // namespace scry::base
