#include "compare/value_form.h"

#include <fmt/format.h>

#include <algorithm>
#include <bit>
#include <charconv>
#include <cmath>
#include <cstdlib>
#include <numeric>
#include <optional>

#include "base/bytes.h"
#include "base/units.h"

namespace scry::compare {
namespace {

// pg_type.dat; built-in types keep their OIDs in all versions.
enum Oid : uint32_t {
  kBool = 16,
  kBytea = 17,
  kName = 19,
  kInt8 = 20,
  kInt2 = 21,
  kInt4 = 23,
  kText = 25,
  kOid = 26,
  kJson = 114,
  kFloat4 = 700,
  kFloat8 = 701,
  kFloat4Array = 1021,
  kFloat8Array = 1022,
  kBpchar = 1042,
  kVarchar = 1043,
  kDate = 1082,
  kTimestamp = 1114,
  kTimestampTz = 1184,
  kNumericArray = 1231,
  kNumeric = 1700,
  kUuid = 2950,
  kJsonb = 3802,
};

// A numeric may name 131,072 digits in eight bytes: past this it stays bytes.
constexpr int kNumericWeightMax = 256;
constexpr int kNumericScaleMax = 1024;
constexpr size_t kArrayElementsMax = 4096;

uint32_t ElementOf(uint32_t array_oid) {
  if (array_oid == kFloat4Array) return kFloat4;
  if (array_oid == kFloat8Array) return kFloat8;
  if (array_oid == kNumericArray) return kNumeric;
  return 0;
}

uint32_t ElementOr(uint32_t type_oid) {
  const uint32_t element = ElementOf(type_oid);
  return element == 0 ? type_oid : element;
}

bool IsFloat(uint32_t type_oid) { return type_oid == kFloat4 || type_oid == kFloat8; }

// The elements of a flat array of numbers in text: {1,2.5,NULL}. nullopt: nested, quoted or with
// bounds.
std::optional<std::vector<std::string_view>> ElementsOf(std::string_view text) {
  if (text.size() < 2 || text.front() != '{' || text.back() != '}') return std::nullopt;
  text = text.substr(1, text.size() - 2);
  std::vector<std::string_view> elements;
  if (text.find_first_of("{}\"\\") != std::string_view::npos) return std::nullopt;
  while (!text.empty()) {
    const size_t comma = text.find(',');
    elements.push_back(text.substr(0, comma));
    if (elements.size() > kArrayElementsMax) return std::nullopt;
    text.remove_prefix(comma == std::string_view::npos ? text.size() : comma + 1);
  }
  return elements;
}

std::optional<double> ParseFloat(std::string_view text) {
  double value = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
  if (error != std::errc() || end != text.data() + text.size() || text.empty()) return std::nullopt;
  return value;
}

std::optional<double> FloatOf(uint32_t type_oid, bool binary, std::string_view bytes) {
  if (!binary) return ParseFloat(bytes);
  base::ByteReader in(bytes);
  double value = 0;
  if (type_oid == kFloat4) {
    // As it is written: the digits behind those are no part of it, and 0.1 is to equal 0.1.
    const auto written = ParseFloat(fmt::format("{}", std::bit_cast<float>(in.BigU32())));
    if (!written) return std::nullopt;
    value = *written;
  } else {
    const uint64_t high = in.BigU32();
    value = std::bit_cast<double>((high << 32) | in.BigU32());
  }
  if (!in.AtEnd()) return std::nullopt;
  return value;
}

// "-1.50" from numeric's binary form; nullopt: malformed, too long or no finite number.
std::optional<std::string> NumericText(std::string_view bytes) {
  base::ByteReader in(bytes);
  const int digits = in.BigI16();
  const int weight = in.BigI16();
  const uint16_t sign = in.BigU16();
  const int scale = in.BigI16();
  constexpr uint16_t kNegative = 0x4000;
  if (!in.ok() || digits < 0 || scale < 0 || (sign != 0 && sign != kNegative)) return std::nullopt;
  if (std::abs(weight) > kNumericWeightMax || scale > kNumericScaleMax) return std::nullopt;
  std::vector<int> groups;
  for (int i = 0; i < digits && in.ok(); ++i) groups.push_back(in.BigI16());
  if (!in.AtEnd()) return std::nullopt;
  const auto group = [&](int at) {
    return at >= 0 && at < digits ? groups[static_cast<size_t>(at)] : 0;
  };
  if (std::any_of(groups.begin(), groups.end(), [](int g) { return g < 0 || g > 9999; })) {
    return std::nullopt;
  }
  std::string text = sign == kNegative ? "-" : "";
  if (weight < 0) text += '0';
  for (int i = 0; i <= weight; ++i) {
    text += i == 0 ? fmt::format("{}", group(i)) : fmt::format("{:04}", group(i));
  }
  if (scale == 0) return text;
  std::string fraction;
  for (int i = weight + 1; fraction.size() < static_cast<size_t>(scale); ++i) {
    fraction += fmt::format("{:04}", group(i));
  }
  return text + "." + fraction.substr(0, static_cast<size_t>(scale));
}

// Without what does not change the number: "+01.50" and "1.5" become "1.5", "-0.0" becomes "0".
// Text that is no plain number stays as it is.
std::string PlainNumber(std::string_view text) {
  std::string_view digits = text;
  const bool negative = digits.starts_with('-');
  if (negative || digits.starts_with('+')) digits.remove_prefix(1);
  const bool plain = !digits.empty() &&
                     digits.find_first_not_of("0123456789.") == std::string_view::npos &&
                     std::count(digits.begin(), digits.end(), '.') <= 1;
  if (!plain) return std::string(text);
  if (digits.find('.') != std::string_view::npos) {
    digits.remove_suffix(digits.size() - 1 - digits.find_last_not_of('0'));
    if (digits.ends_with('.')) digits.remove_suffix(1);
  }
  digits.remove_prefix(std::min(digits.size(), digits.find_first_not_of('0')));
  if (digits.empty()) return "0";
  return (negative ? "-" : "") + std::string(digits);
}

std::string Hex(std::string_view bytes, size_t columns_max) {
  std::string text = "\\x";
  for (const char c : bytes) {
    if (columns_max != 0 && text.size() > columns_max) break;
    text += fmt::format("{:02x}", static_cast<uint8_t>(c));
  }
  return text;
}

// Days from 1970-01-01 to a date of the proleptic Gregorian calendar (Howard Hinnant's algorithm).
std::string DateText(int64_t days) {
  days += 719468;
  const int64_t era = (days >= 0 ? days : days - 146096) / 146097;
  const int64_t day_of_era = days - era * 146097;
  const int64_t year_of_era =
      (day_of_era - day_of_era / 1460 + day_of_era / 36524 - day_of_era / 146096) / 365;
  const int64_t day_of_year =
      day_of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
  const int64_t month_index = (5 * day_of_year + 2) / 153;
  const int64_t day = day_of_year - (153 * month_index + 2) / 5 + 1;
  const int64_t month = month_index < 10 ? month_index + 3 : month_index - 9;
  const int64_t year = year_of_era + era * 400 + (month <= 2 ? 1 : 0);
  return fmt::format("{:04}-{:02}-{:02}", year, month, day);
}

constexpr int64_t kEpochDays = 10957;  // 2000-01-01, where PostgreSQL counts from.
constexpr int64_t kDayUs = 86'400'000'000;

std::string TimestampText(int64_t us) {
  if (us == INT64_MAX) return "infinity";
  if (us == INT64_MIN) return "-infinity";
  int64_t days = us / kDayUs;
  int64_t rest = us % kDayUs;
  if (rest < 0) {
    --days;
    rest += kDayUs;
  }
  const int64_t seconds = rest / 1'000'000;
  std::string text = fmt::format("{} {:02}:{:02}:{:02}", DateText(days + kEpochDays),
                                 seconds / 3600, seconds / 60 % 60, seconds % 60);
  if (rest % 1'000'000 != 0) text += fmt::format(".{:06}", rest % 1'000'000);
  return text;
}

std::string DateValueText(int32_t days) {
  if (days == INT32_MAX) return "infinity";
  if (days == INT32_MIN) return "-infinity";
  return DateText(int64_t{days} + kEpochDays);
}

std::string UuidText(std::string_view bytes) {
  std::string text = Hex(bytes, 0).substr(2);
  for (const size_t at : {20U, 16U, 12U, 8U}) text.insert(at, "-");
  return text;
}

std::optional<std::string> IntegerText(size_t size, std::string_view bytes) {
  if (bytes.size() != size) return std::nullopt;
  base::ByteReader in(bytes);
  if (size == 2) return fmt::format("{}", in.BigI16());
  if (size == 4) return fmt::format("{}", in.BigI32());
  const uint64_t high = in.BigU32();
  return fmt::format("{}", static_cast<int64_t>((high << 32) | in.BigU32()));
}

std::optional<int64_t> Int64Of(std::string_view bytes) {
  if (bytes.size() != 8) return std::nullopt;
  base::ByteReader in(bytes);
  const uint64_t high = in.BigU32();
  return static_cast<int64_t>((high << 32) | in.BigU32());
}

// nullopt: not known, or not of the length it should have.
std::optional<std::string> DecodeBinary(uint32_t type_oid, std::string_view bytes) {
  switch (type_oid) {
    case kBool:
      if (bytes.size() != 1) return std::nullopt;
      return bytes[0] != 0 ? "t" : "f";
    case kInt2:
      return IntegerText(2, bytes);
    case kInt4:
      return IntegerText(4, bytes);
    case kInt8:
      return IntegerText(8, bytes);
    case kOid:
      if (bytes.size() != 4) return std::nullopt;
      return fmt::format("{}", base::ByteReader(bytes).BigU32());
    case kFloat4:
    case kFloat8: {
      const auto value = FloatOf(type_oid, true, bytes);
      if (!value) return std::nullopt;
      return type_oid == kFloat4 ? fmt::format("{}", static_cast<float>(*value))
                                 : fmt::format("{}", *value);
    }
    case kText:
    case kName:
    case kBpchar:
    case kVarchar:
    case kJson:
      return std::string(bytes);
    case kJsonb:
      if (!bytes.starts_with('\1')) return std::nullopt;
      return std::string(bytes.substr(1));
    case kDate: {
      if (bytes.size() != 4) return std::nullopt;
      return DateValueText(base::ByteReader(bytes).BigI32());
    }
    case kTimestamp:
    case kTimestampTz: {
      const auto us = Int64Of(bytes);
      if (!us) return std::nullopt;
      return TimestampText(*us) + (type_oid == kTimestampTz ? "+00" : "");
    }
    case kNumeric:
      return NumericText(bytes);
    case kUuid:
      if (bytes.size() != 16) return std::nullopt;
      return UuidText(bytes);
    default:
      return std::nullopt;
  }
}

std::optional<double> ValueOf(uint32_t type_oid, bool binary, std::string_view bytes) {
  if (IsFloat(type_oid)) return FloatOf(type_oid, binary, bytes);
  const auto text = binary ? DecodeBinary(type_oid, bytes) : std::string(bytes);
  return text ? ParseFloat(*text) : std::nullopt;
}

}  // namespace

bool HasValueForm(uint32_t type_oid) {
  return type_oid == kNumeric || IsFloat(type_oid) || ElementOf(type_oid) != 0;
}

bool IsNumber(uint32_t type_oid) {
  return IsWholeNumber(type_oid) || IsFloat(type_oid) || type_oid == kNumeric;
}

bool IsWholeNumber(uint32_t type_oid) {
  return type_oid == kInt2 || type_oid == kInt4 || type_oid == kInt8 || type_oid == kOid;
}

void FloatClasses::Add(double value) {
  if (std::isfinite(value)) values_.push_back(value);
}

void FloatClasses::Seal() {
  std::sort(values_.begin(), values_.end());
  values_.erase(std::unique(values_.begin(), values_.end()), values_.end());
  const size_t count = values_.size();
  // Classes are runs of values: each end knows the other one.
  std::vector<size_t> first(count);
  std::vector<size_t> last(count);
  std::iota(first.begin(), first.end(), size_t{0});
  std::iota(last.begin(), last.end(), size_t{0});
  std::vector<size_t> gaps(count == 0 ? 0 : count - 1);  // Before value i + 1.
  std::iota(gaps.begin(), gaps.end(), size_t{0});
  std::stable_sort(gaps.begin(), gaps.end(), [&](size_t a, size_t b) {
    return values_[a + 1] - values_[a] < values_[b + 1] - values_[b];
  });
  for (const size_t gap : gaps) {
    const size_t low = first[gap];
    const size_t high = last[gap + 1];
    const double scale = std::max(std::fabs(values_[low]), std::fabs(values_[high]));
    if (values_[high] - values_[low] > tolerance_ * scale) continue;
    last[low] = high;
    first[high] = low;
  }
  classes_.assign(count, 0);
  for (size_t low = 0, number = 0; low < count; low = last[low] + 1, ++number) {
    for (size_t i = low; i <= last[low]; ++i) classes_[i] = number;
  }
}

uint64_t FloatClasses::ClassOf(double value) const {
  constexpr uint64_t kNotANumber = UINT64_MAX;
  if (std::isnan(value)) return kNotANumber;
  if (std::isinf(value)) return kNotANumber - (value > 0 ? 1 : 2);
  const auto found = std::upper_bound(values_.begin(), values_.end(), value);
  if (found == values_.begin()) return 0;
  return classes_[static_cast<size_t>(found - values_.begin()) - 1];
}

ValueForms::ValueForms(const event::Column& before, const event::Column& after)
    : rule_(RuleOf(before.type_oid, after.type_oid)), floats_(ToleranceOf(before, after)) {}

ValueForms::Rule ValueForms::RuleOf(uint32_t before, uint32_t after) {
  if (before == after && !HasValueForm(before)) return Rule::kBytes;
  before = ElementOr(before);
  after = ElementOr(after);
  if (!IsNumber(before) || !IsNumber(after)) return Rule::kBytes;
  if (!IsFloat(before) && !IsFloat(after)) return Rule::kDigits;
  return IsWholeNumber(before) || IsWholeNumber(after) ? Rule::kWhole : Rule::kRounded;
}

double ValueForms::ToleranceOf(const event::Column& before, const event::Column& after) {
  // Relative; sums of floating point numbers depend on the order of their input.
  constexpr double kFloat4Tolerance = 1e-5;
  constexpr double kFloat8Tolerance = 1e-9;
  // What a table holds is not added up anew. But a view may show a sum, and is told as a table is:
  // the last digits may differ, and those are all that a real has to spare.
  constexpr double kStoredFloat8Tolerance = 1e-12;
  if (ElementOr(before.type_oid) == kFloat4) return kFloat4Tolerance;
  const bool stored = before.table_oid != 0 && after.table_oid != 0;
  // Of another type they are as precise as that one allows.
  return stored && before.type_oid == after.type_oid ? kStoredFloat8Tolerance : kFloat8Tolerance;
}

void ValueForms::Learn(const event::Column& column, const Cell& cell) {
  if (cell.null || rule_ != Rule::kRounded) return;
  const bool binary = column.format == 1;
  const auto learn = [&](uint32_t type_oid, std::string_view bytes) {
    if (const auto value = ValueOf(type_oid, binary, bytes)) floats_.Add(*value);
  };
  const uint32_t element = ElementOf(column.type_oid);
  if (element == 0) return learn(column.type_oid, cell.bytes);
  if (binary) return;
  const auto elements = ElementsOf(cell.bytes);
  if (!elements) return;
  for (const std::string_view text : *elements) learn(element, text);
}

void ValueForms::Seal() { floats_.Seal(); }

std::string ValueForms::Form(const event::Column& column, const Cell& cell) const {
  const bool binary = column.format == 1;
  const uint32_t element = ElementOf(column.type_oid);
  if (element == 0) return FormOf(column.type_oid, binary, cell.bytes);
  const auto elements = binary ? std::nullopt : ElementsOf(cell.bytes);
  if (!elements || rule_ == Rule::kBytes) return std::string(cell.bytes);
  std::string form = "{";
  for (const std::string_view text : *elements) form += FormOf(element, false, text) + ",";
  return form + "}";
}

std::string ValueForms::FormOf(uint32_t type_oid, bool binary, std::string_view bytes) const {
  if (rule_ == Rule::kBytes) return std::string(bytes);
  if (rule_ == Rule::kRounded) {
    const auto value = ValueOf(type_oid, binary, bytes);
    return value ? fmt::format("~{}", floats_.ClassOf(*value)) : std::string(bytes);
  }
  if (rule_ == Rule::kWhole && IsFloat(type_oid)) {
    const auto value = ValueOf(type_oid, binary, bytes);
    if (value && std::isfinite(*value)) return PlainNumber(fmt::format("{:f}", *value));
  }
  const auto text = binary ? DecodeBinary(type_oid, bytes) : std::string(bytes);
  return text ? PlainNumber(*text) : std::string(bytes);
}

std::string DisplayValue(const event::Column& column, const Cell& cell, size_t columns_max) {
  if (cell.null) return "NULL";
  if (column.format != 1) return base::Printable(cell.bytes, columns_max);
  const auto text = DecodeBinary(column.type_oid, cell.bytes);
  return base::Printable(text ? *text : Hex(cell.bytes, columns_max), columns_max);
}

std::string TypeName(uint32_t type_oid) {
  switch (type_oid) {
    case kBool:
      return "boolean";
    case kBytea:
      return "bytea";
    case kName:
      return "name";
    case kInt8:
      return "bigint";
    case kInt2:
      return "smallint";
    case kInt4:
      return "integer";
    case kText:
      return "text";
    case kOid:
      return "oid";
    case kJson:
      return "json";
    case kFloat4:
      return "real";
    case kFloat8:
      return "double precision";
    case kBpchar:
      return "character";
    case kVarchar:
      return "character varying";
    case kDate:
      return "date";
    case kTimestamp:
      return "timestamp";
    case kTimestampTz:
      return "timestamptz";
    case kNumeric:
      return "numeric";
    case kUuid:
      return "uuid";
    case kJsonb:
      return "jsonb";
    default:
      return fmt::format("type {}", type_oid);
  }
}

}  // namespace scry::compare
