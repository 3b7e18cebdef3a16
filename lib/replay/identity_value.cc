#include "replay/identity_value.h"

#include <algorithm>
#include <charconv>
#include <cstddef>
#include <utility>
#include <vector>

#include "base/bytes.h"
#include "replay/row_rewriter.h"

namespace scry::replay {
namespace {

constexpr std::string_view kBlanks = " \t\n\v\f\r";  // What the input functions skip.
constexpr std::string_view kDigits = "0123456789abcdef";
constexpr size_t kUuidBytes = 16;
constexpr uint32_t kInt8 = 20;
constexpr uint32_t kInt2 = 21;
constexpr uint32_t kInt4 = 23;
constexpr uint32_t kInt2Array = 1005;
constexpr uint32_t kInt4Array = 1007;
constexpr uint32_t kInt8Array = 1016;
constexpr int kNumericBase = 10000;
constexpr size_t kNumericHeader = 8;  // Digits, weight, sign, scale.

std::string_view Trimmed(std::string_view value) {
  const size_t from = value.find_first_not_of(kBlanks);
  if (from == std::string_view::npos) return {};
  return value.substr(from, value.find_last_not_of(kBlanks) + 1 - from);
}

std::optional<int64_t> ParseInteger(std::string_view value) {
  std::string_view digits = Trimmed(value);
  if (digits.starts_with('+')) digits.remove_prefix(1);
  if (digits.starts_with("-") && value.find('+') != std::string_view::npos) return std::nullopt;
  int64_t number = 0;
  const auto [end, error] = std::from_chars(digits.data(), digits.data() + digits.size(), number);
  // Hexadecimal, underscores, 5.0: a server may know more forms than we do.
  if (error != std::errc() || end != digits.data() + digits.size()) return std::nullopt;
  return number;
}

bool IsIntegerSize(size_t size) { return size == 2 || size == 4 || size == 8; }

// numeric_send. Only whole numbers.
std::optional<int64_t> ReadNumeric(std::string_view value) {
  base::ByteReader in(value);
  const uint16_t digits = in.BigU16();
  const int16_t weight = in.BigI16();
  const uint16_t sign = in.BigU16();
  in.BigU16();  // The scale: how many digits are shown.
  constexpr uint16_t kNegative = 0x4000;
  constexpr int kDigitsMax = 5;  // 10^20 is more than an int64_t holds.
  if (!in.ok() || (sign != 0 && sign != kNegative)) return std::nullopt;
  if (value.size() != kNumericHeader + size_t{2} * digits) return std::nullopt;
  if (digits > weight + 1 || weight >= kDigitsMax) return std::nullopt;
  int64_t number = 0;
  for (int i = 0; i <= weight; ++i) {
    const int64_t digit = i < digits ? in.BigU16() : 0;
    if (digit >= kNumericBase || __builtin_mul_overflow(number, kNumericBase, &number) ||
        __builtin_add_overflow(number, digit, &number)) {
      return std::nullopt;
    }
  }
  return sign == kNegative ? -number : number;
}

std::string WriteNumeric(int64_t number) {
  std::vector<uint16_t> digits;  // The lowest first.
  const bool negative = number < 0;
  for (uint64_t left = negative ? uint64_t{0} - static_cast<uint64_t>(number)
                                : static_cast<uint64_t>(number);
       left > 0; left /= kNumericBase) {
    digits.push_back(static_cast<uint16_t>(left % kNumericBase));
  }
  base::ByteWriter out;
  out.BigU16(static_cast<uint16_t>(digits.size()));
  out.BigU16(static_cast<uint16_t>(digits.empty() ? 0 : digits.size() - 1));
  out.BigU16(negative ? 0x4000 : 0);
  out.BigU16(0);
  for (size_t i = digits.size(); i-- > 0;) out.BigU16(digits[i]);
  return out.Release();
}

std::optional<std::string> WriteInteger(std::string_view text, std::string_view like) {
  const auto number = ParseInteger(text);
  if (!number) return std::nullopt;
  if (!IsIntegerSize(like.size())) return WriteNumeric(*number);
  const size_t bits = like.size() * 8;
  if (bits < 64 && (*number >> (bits - 1)) != 0 && (*number >> (bits - 1)) != -1) {
    return std::nullopt;
  }
  std::string out(like.size(), '\0');
  for (size_t i = 0; i < out.size(); ++i) {
    out[i] = static_cast<char>(static_cast<uint64_t>(*number) >> (8 * (out.size() - 1 - i)));
  }
  return out;
}

// Unsigned, in whatever width.
std::optional<int64_t> ReadXid(std::string_view value, bool binary) {
  if (binary && !IsIntegerSize(value.size())) return std::nullopt;
  auto number = ReadInteger(value, binary);
  if (binary && number && value.size() == sizeof(uint32_t)) *number &= UINT32_MAX;
  return number && *number >= 0 && *number <= UINT32_MAX ? number : std::nullopt;
}

std::optional<std::string> WriteXid(std::string_view text, std::string_view like) {
  const auto number = ParseInteger(text);
  if (!number || !IsIntegerSize(like.size())) return std::nullopt;
  const bool unsigned_form = like.size() == sizeof(uint32_t);
  return WriteInteger(std::to_string(unsigned_form ? static_cast<int32_t>(*number) : *number),
                      like);
}

std::optional<std::string> ReadUuid(std::string_view value, bool binary) {
  std::string digits;
  if (binary) {
    if (value.size() != kUuidBytes) return std::nullopt;
    for (const char c : value) {
      const auto byte = static_cast<uint8_t>(c);
      digits += {kDigits[byte >> 4], kDigits[byte & 15]};
    }
    return digits;
  }
  for (const char c : Trimmed(value)) {
    if (c == '-' || c == '{' || c == '}') continue;
    const char lower = c >= 'A' && c <= 'F' ? static_cast<char>(c - 'A' + 'a') : c;
    if (kDigits.find(lower) == std::string_view::npos) return std::nullopt;
    digits += lower;
  }
  return digits.size() == 2 * kUuidBytes ? std::optional(digits) : std::nullopt;
}

std::string WriteUuid(std::string_view digits, bool binary) {
  std::string out;
  if (!binary) {
    for (size_t i = 0; i < digits.size(); ++i) {
      if (i == 8 || i == 12 || i == 16 || i == 20) out += '-';
      out += digits[i];
    }
    return out;
  }
  for (size_t i = 0; i + 1 < digits.size(); i += 2) {
    out += static_cast<char>(kDigits.find(digits[i]) << 4 | kDigits.find(digits[i + 1]));
  }
  return out;
}

// One element of an array in text form: where it stands, and what it means.
struct Element {
  size_t begin = 0;
  size_t end = 0;
  std::string text;
  bool null = false;
};

bool IsNull(std::string_view word) {
  constexpr std::string_view kNull = "null";
  return std::equal(word.begin(), word.end(), kNull.begin(), kNull.end(),
                    [](char a, char b) { return (a | 0x20) == b; });
}

// nullopt: not an array of one dimension in the form that clients write.
std::optional<std::vector<Element>> SplitArray(std::string_view value) {
  if (value.size() < 2 || value.front() != '{' || value.back() != '}') return std::nullopt;
  std::vector<Element> elements;
  const size_t last = value.size() - 1;
  for (size_t at = 1; at < last;) {
    Element& element = elements.emplace_back();
    element.begin = at;
    at = std::min(value.find_first_not_of(kBlanks, at), last);
    const bool quoted = value[at] == '"';
    if (quoted) ++at;
    for (; at < last && value[at] != (quoted ? '"' : ','); ++at) {
      if (value[at] == '\\' && ++at >= last) return std::nullopt;
      if (!quoted && (value[at] == '{' || value[at] == '}' || value[at] == '"')) {
        return std::nullopt;
      }
      element.text += value[at];
    }
    if (quoted && (at >= last || value[at++] != '"')) return std::nullopt;
    if (quoted) at = std::min(value.find_first_not_of(kBlanks, at), last);
    element.end = at;
    if (!quoted) element.text = Trimmed(element.text);
    element.null = !quoted && IsNull(element.text);
    if (at == last) break;
    if (value[at++] != ',') return std::nullopt;
    if (at == last) return std::nullopt;  // A comma, and nothing behind it.
  }
  return elements;
}

std::string QuotedElement(std::string_view text) {
  std::string out = "\"";
  for (const char c : text) {
    if (c == '"' || c == '\\') out += '\\';
    out += c;
  }
  return out + "\"";
}

std::optional<std::string> MapTextArray(ValueKind kind, std::string_view value,
                                        const MapText& map) {
  const auto elements = SplitArray(value);
  if (!elements) return std::nullopt;
  std::string out;
  size_t done = 0;
  for (const Element& element : *elements) {
    if (element.null) continue;
    const auto other = MapValue(kind, element.text, false, map);
    if (!other) continue;
    out += value.substr(done, element.begin - done);
    out += kind == ValueKind::kInteger || kind == ValueKind::kUuid ? *other : QuotedElement(*other);
    done = element.end;
  }
  if (done == 0) return std::nullopt;
  return out + std::string(value.substr(done));
}

// array_send: dimensions, flag of NULLs, type, size and lower bound, elements. `element_type`: 0
// leaves what it says. `each` answers what stands in the place of an element.
template <typename Each>
std::optional<std::string> MapBinaryArray(std::string_view value, uint32_t element_type,
                                          const Each& each) {
  base::ByteReader in(value);
  base::ByteWriter out;
  const uint32_t dimensions = in.BigU32();
  out.BigU32(dimensions);
  out.BigU32(in.BigU32());
  const uint32_t type = in.BigU32();
  out.BigU32(element_type == 0 ? type : element_type);
  const uint32_t count = in.BigU32();
  out.BigU32(count);
  out.BigU32(in.BigU32());
  if (!in.ok() || dimensions != 1 || count > value.size()) return std::nullopt;
  bool changed = false;
  for (uint32_t i = 0; i < count; ++i) {
    const int32_t length = in.BigI32();
    if (length < 0) {
      out.BigU32(UINT32_MAX);
      continue;
    }
    const std::string_view element = in.TakeText(static_cast<size_t>(length));
    if (!in.ok()) return std::nullopt;
    const std::optional<std::string> other = each(element);
    changed |= other.has_value();
    AppendSized(out, other ? std::string_view(*other) : element);
  }
  if (!changed || !in.AtEnd()) return std::nullopt;
  return out.Release();
}

}  // namespace

ValueKind KindOf(uint32_t type_oid) {
  switch (type_oid) {
    case kInt8:
    case kInt2:
    case kInt4:
    case 1700:  // numeric
      return ValueKind::kInteger;
    case 25:  // text, varchar
    case 1043:
      return ValueKind::kText;
    case 28:
      return ValueKind::kXid;
    case 2950:
      return ValueKind::kUuid;
    default:
      return ValueKind::kOpaque;
  }
}

std::optional<int64_t> ReadInteger(std::string_view value, bool binary) {
  if (!binary) return ParseInteger(value);
  if (!IsIntegerSize(value.size())) return ReadNumeric(value);
  uint64_t bits = (static_cast<uint8_t>(value[0]) & 0x80) != 0 ? ~uint64_t{0} : 0;
  for (const char c : value) bits = bits << 8 | static_cast<uint8_t>(c);
  return static_cast<int64_t>(bits);
}

std::optional<std::string> ReadValue(ValueKind kind, std::string_view value, bool binary) {
  switch (kind) {
    case ValueKind::kInteger: {
      const auto number = ReadInteger(value, binary);
      return number ? std::optional(std::to_string(*number)) : std::nullopt;
    }
    case ValueKind::kXid: {
      const auto number = ReadXid(value, binary);
      return number ? std::optional(std::to_string(*number)) : std::nullopt;
    }
    case ValueKind::kUuid:
      return ReadUuid(value, binary);
    case ValueKind::kText:
      return std::string(value);
    case ValueKind::kOpaque:
      return (binary ? "b" : "t") + std::string(value);
  }
  return std::nullopt;
}

std::optional<std::string> WriteValue(ValueKind kind, std::string_view text, std::string_view like,
                                      bool binary) {
  switch (kind) {
    case ValueKind::kInteger:
      return binary ? WriteInteger(text, like) : std::string(text);
    case ValueKind::kXid:
      return binary ? WriteXid(text, like) : std::string(text);
    case ValueKind::kUuid:
      return WriteUuid(text, binary);
    case ValueKind::kText:
      return std::string(text);
    case ValueKind::kOpaque:
      if (!text.starts_with(binary ? 'b' : 't')) return std::nullopt;
      return std::string(text.substr(1));
  }
  return std::nullopt;
}

// The blank in front keeps a sign, or the E of a string, from what stands before it.
std::optional<std::string> WriteLiteral(ValueKind kind, std::string_view text) {
  const auto value = WriteValue(kind, text, {}, false);
  if (!value || value->find('\0') != std::string::npos) return std::nullopt;
  if (kind == ValueKind::kXid) return value;
  if (kind == ValueKind::kInteger) return value->starts_with('-') ? " " + *value : *value;
  const bool escapes = value->find('\\') != std::string::npos;
  std::string out = escapes ? " E'" : "'";
  for (const char c : *value) {
    if (c == '\'' || c == '\\') out += c;
    out += c;
  }
  return out + "'";
}

std::optional<std::string> MapValue(ValueKind kind, std::string_view value, bool binary,
                                    const MapText& map) {
  const auto text = ReadValue(kind, value, binary);
  if (!text) return std::nullopt;
  const auto other = map(*text);
  return other ? WriteValue(kind, *other, value, binary) : std::nullopt;
}

std::optional<std::string> MapArray(ValueKind kind, std::string_view value, bool binary,
                                    const MapText& map) {
  if (!binary) return MapTextArray(kind, value, map);
  return MapBinaryArray(
      value, 0, [&](std::string_view element) { return MapValue(kind, element, true, map); });
}

uint32_t WiderType(uint32_t type_oid) {
  switch (type_oid) {
    case kInt2:
    case kInt4:
      return kInt8;
    case kInt2Array:
    case kInt4Array:
      return kInt8Array;
    default:
      return 0;
  }
}

bool FitsType(uint32_t type_oid, std::string_view text) {
  const auto number = ParseInteger(text);
  if (!number || WiderType(type_oid) == 0) return true;
  const bool two = type_oid == kInt2 || type_oid == kInt2Array;
  const int64_t max = two ? INT16_MAX : INT32_MAX;
  return *number >= -max - 1 && *number <= max;
}

std::optional<std::string> WidenValue(std::string_view value, const MapText& map) {
  constexpr std::string_view kLikeInt8 = "12345678";
  const auto text = ReadValue(ValueKind::kInteger, value, true);
  if (!text) return std::nullopt;
  return WriteInteger(map(*text).value_or(*text), kLikeInt8);
}

std::optional<std::string> WidenArray(std::string_view value, const MapText& map) {
  return MapBinaryArray(value, kInt8,
                        [&](std::string_view element) { return WidenValue(element, map); });
}

}  // namespace scry::replay
