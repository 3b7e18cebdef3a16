#include "replay/key_value.h"

#include <xxhash.h>

#include <charconv>
#include <cstring>
#include <string>

namespace scry::replay {
namespace {

constexpr std::string_view kBlanks = " \t\n\v\f\r";  // What the input functions skip.

std::string_view Trimmed(std::string_view value) {
  const size_t from = value.find_first_not_of(kBlanks);
  if (from == std::string_view::npos) return {};
  return value.substr(from, value.find_last_not_of(kBlanks) + 1 - from);
}

// 32 lower-case digits.
std::optional<std::string> Uuid(std::string_view value, bool binary) {
  constexpr std::string_view kDigits = "0123456789abcdef";
  std::string digits;
  if (binary) {
    for (const char c : value) {
      const auto byte = static_cast<uint8_t>(c);
      digits += {kDigits[byte >> 4], kDigits[byte & 15]};
    }
  } else {
    for (const char c : Trimmed(value)) {
      if (c == '-' || c == '{' || c == '}') continue;
      const char lower = c >= 'A' && c <= 'F' ? static_cast<char>(c - 'A' + 'a') : c;
      if (kDigits.find(lower) == std::string_view::npos) return std::nullopt;
      digits += lower;
    }
  }
  return digits.size() == 32 ? std::optional(digits) : std::nullopt;
}

}  // namespace

std::optional<int64_t> IntegerKey(std::string_view value, bool binary) {
  if (binary) {
    if (value.size() != 2 && value.size() != 4 && value.size() != 8) return std::nullopt;
    uint64_t bits = (static_cast<uint8_t>(value[0]) & 0x80) != 0 ? ~uint64_t{0} : 0;
    for (const char c : value) bits = bits << 8 | static_cast<uint8_t>(c);
    return static_cast<int64_t>(bits);
  }
  std::string_view digits = Trimmed(value);
  if (digits.starts_with('+')) digits.remove_prefix(1);
  int64_t number = 0;
  const auto [end, error] = std::from_chars(digits.data(), digits.data() + digits.size(), number);
  // Hexadecimal, underscores, 5.0: a server may know more forms than we do.
  if (error != std::errc() || end != digits.data() + digits.size()) return std::nullopt;
  return number;
}

std::optional<uint64_t> HashKey(KeyType type, std::string_view value, bool binary) {
  switch (type) {
    case KeyType::kInteger: {
      const auto number = IntegerKey(value, binary);
      if (!number) return std::nullopt;
      return XXH3_64bits(&*number, sizeof(*number));
    }
    case KeyType::kText:
      return XXH3_64bits(value.data(), value.size());
    case KeyType::kUuid: {
      const auto digits = Uuid(value, binary);
      if (!digits) return std::nullopt;
      return XXH3_64bits(digits->data(), digits->size());
    }
  }
  return std::nullopt;
}

}  // namespace scry::replay
