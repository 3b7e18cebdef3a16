#include "compare/value_form.h"

#include <bit>
#include <limits>

#include "base/bytes.h"
#include "base/random.h"
#include "support/catch.h"
#include "unit/compare/pairs.h"

namespace scry::compare {
namespace {

constexpr uint32_t kNumeric = 1700;
constexpr uint32_t kFloat4 = 700;
constexpr uint32_t kFloat8 = 701;

event::Column Typed(uint32_t type, bool binary = false) {
  event::Column column = Col("c", type);
  column.format = binary ? 1 : 0;
  column.table_oid = 0;
  return column;
}

bool SameForm(const event::Column& before, const event::Column& after, std::string_view a,
              std::string_view b) {
  ValueForms forms(before, after);
  forms.Learn(before, {false, a});
  forms.Learn(after, {false, b});
  forms.Seal();
  return forms.Form(before, {false, a}) == forms.Form(after, {false, b});
}

bool SameForm(uint32_t type, std::string_view a, std::string_view b, bool binary = false) {
  return SameForm(Typed(type, binary), Typed(type, binary), a, b);
}

std::string Show(uint32_t type, std::string_view bytes, bool binary = true) {
  return DisplayValue(Typed(type, binary), {false, bytes}, 60);
}

std::string Big(std::initializer_list<uint16_t> words) {
  base::ByteWriter out;
  for (const uint16_t word : words) out.BigU16(word);
  return out.Release();
}

std::string Double(double value) {
  base::ByteWriter out;
  const auto bits = std::bit_cast<uint64_t>(value);
  out.BigU32(static_cast<uint32_t>(bits >> 32));
  out.BigU32(static_cast<uint32_t>(bits));
  return out.Release();
}

std::string Int64(int64_t value) {
  base::ByteWriter out;
  out.BigU32(static_cast<uint32_t>(static_cast<uint64_t>(value) >> 32));
  out.BigU32(static_cast<uint32_t>(value));
  return out.Release();
}

TEST_CASE("numeric is compared by value, not by scale", "[compare]") {
  CHECK(SameForm(kNumeric, "1.0", "1.00"));
  CHECK(SameForm(kNumeric, "1", "1.000"));
  CHECK(SameForm(kNumeric, "0.00", "-0"));
  CHECK(SameForm(kNumeric, "-100", "-100.0"));
  CHECK_FALSE(SameForm(kNumeric, "100", "1.00"));
  CHECK_FALSE(SameForm(kNumeric, "1.0", "1.01"));
  CHECK_FALSE(SameForm(kNumeric, "10", "1"));
  CHECK_FALSE(SameForm(kNumeric, "1", "-1"));
  CHECK(SameForm(kNumeric, "NaN", "NaN"));
  // digits, weight, sign, scale, then groups of four digits.
  CHECK(SameForm(kNumeric, Big({1, 0, 0, 1, 1}), Big({1, 0, 0, 2, 1}), true));
  CHECK_FALSE(SameForm(kNumeric, Big({1, 0, 0, 1, 1}), Big({1, 0, 0x4000, 1, 1}), true));
}

TEST_CASE("floating point numbers are equal within a relative tolerance", "[compare]") {
  CHECK(SameForm(kFloat8, "0.3", "0.30000000000000004"));
  CHECK(SameForm(kFloat8, "1e300", "1.0000000001e300"));
  CHECK_FALSE(SameForm(kFloat8, "1", "1.00000001"));
  CHECK_FALSE(SameForm(kFloat8, "0.001", "0.002"));
  CHECK(SameForm(kFloat8, "0", "-0"));
  CHECK_FALSE(SameForm(kFloat8, "NaN", "0"));
  CHECK_FALSE(SameForm(kFloat8, "Infinity", "-Infinity"));
  CHECK(SameForm(kFloat4, "1", "1.000001"));
  CHECK_FALSE(SameForm(kFloat4, "1", "1.001"));
  CHECK(SameForm(kFloat8, Double(0.1 + 0.2), Double(0.3), true));
  CHECK_FALSE(SameForm(kFloat8, Double(0.1), Double(0.3), true));
}

std::string Float(float value) {
  base::ByteWriter out;
  out.BigU32(std::bit_cast<uint32_t>(value));
  return out.Release();
}

TEST_CASE("a number is the same in another type, and lost digits make another", "[compare]") {
  constexpr uint32_t kInt2 = 21;
  constexpr uint32_t kInt4 = 23;
  constexpr uint32_t kInt8 = 20;
  const auto same = [](uint32_t before, uint32_t after, std::string_view a, std::string_view b,
                       bool binary = false) {
    return SameForm(Typed(before, binary), Typed(after, binary), a, b);
  };
  CHECK(same(kInt4, kNumeric, "5", "5.00"));
  CHECK(same(kNumeric, kInt4, "5.00", "5"));
  CHECK_FALSE(same(kNumeric, kInt4, "19.99", "20"));
  CHECK(same(kInt2, kInt4, Big({7}), Big({0, 7}), true));
  CHECK(same(kInt4, kInt8, Big({0xffff, 0xffff}), Int64(-1), true));
  CHECK_FALSE(same(kInt4, kInt8, Big({0, 7}), Int64(8), true));
  CHECK(same(kInt4, kNumeric, Big({0, 12}), Big({2, 0, 0, 2, 12, 0}), true));
  // As much as the type before could hold is to be there.
  CHECK(same(kFloat8, kFloat4, "0.1", "0.1"));
  CHECK_FALSE(same(kFloat8, kFloat4, "0.123456789012", "0.12345679"));
  CHECK(same(kFloat4, kFloat8, "0.1", "0.10000000149011612"));
  CHECK_FALSE(same(kFloat4, kFloat8, "0.1", "0.2"));
  CHECK(same(kFloat8, kNumeric, "0.30000000000000004", "0.300000000000000"));
  CHECK(same(kNumeric, kFloat8, "0.33333333333333333333", "0.3333333333333333"));
  CHECK(same(kNumeric, kFloat4, "19.99", "19.99"));
  CHECK(same(kNumeric, kFloat4, Big({2, 0, 0, 2, 19, 9900}), Float(19.99F), true));
  CHECK_FALSE(same(kNumeric, kFloat4, "1234567.89", "1.234568e+06"));
  // Of whole numbers every digit counts: they are ids.
  CHECK(same(kInt8, kFloat8, "9007199254740992", "9.007199254740992e+15"));
  CHECK_FALSE(same(kInt8, kFloat8, "9007199254740993", "9.007199254740992e+15"));
  CHECK(same(kFloat8, kInt4, "5", "5"));
  CHECK_FALSE(same(kFloat8, kInt4, "5.4", "5"));
  // Beside another type numbers are text, as they always were.
  CHECK_FALSE(same(kNumeric, 25, "5.00", "5"));
}

TEST_CASE("flat arrays of numbers are compared element by element", "[compare]") {
  CHECK(SameForm(1231, "{1.0,2}", "{1,2.00}"));
  CHECK_FALSE(SameForm(1231, "{1.0,2}", "{2,1.0}"));
  CHECK(SameForm(1022, "{0.3,NULL}", "{0.30000000000000004,NULL}"));
  CHECK_FALSE(SameForm(1022, "{0.3,NULL}", "{0.3}"));
  CHECK_FALSE(SameForm(1231, "{{1.0}}", "{{1}}"));  // Nested ones are text.
}

TEST_CASE("other types are their bytes", "[compare]") {
  CHECK_FALSE(SameForm(25, "1.0", "1.00"));
  CHECK_FALSE(SameForm(114, "{\"a\": 1}", "{\"a\":1}"));
  CHECK_FALSE(HasValueForm(25));
  CHECK(HasValueForm(kNumeric));
}

TEST_CASE("classes of numbers do not depend on their order", "[compare]") {
  base::Random random(3);
  std::vector<double> values;
  for (int i = 0; i < 200; ++i) values.push_back(random.Unit() * 100 - 50);
  FloatClasses forward(1e-2);
  FloatClasses backward(1e-2);
  for (const double value : values) forward.Add(value);
  for (auto value = values.rbegin(); value != values.rend(); ++value) backward.Add(*value);
  forward.Seal();
  backward.Seal();
  for (const double value : values) CHECK(forward.ClassOf(value) == backward.ClassOf(value));
}

TEST_CASE("a chain of near numbers is no class, and neighbours stay together", "[compare]") {
  constexpr double kTolerance = 1e-9;
  FloatClasses classes(kTolerance);
  std::vector<double> values;
  for (int i = 0; i < 1000; ++i) values.push_back(1 + i * 0.4 * kTolerance);
  const auto twin = [](double value) { return value * (1 + 4e-16); };
  for (const double value : values) {
    classes.Add(value);
    classes.Add(twin(value));
  }
  classes.Seal();
  for (size_t i = 0; i < values.size(); ++i) {
    CHECK(classes.ClassOf(values[i]) == classes.ClassOf(twin(values[i])));
    if (i >= 3) CHECK(classes.ClassOf(values[i]) != classes.ClassOf(values[i - 3]));
  }
}

TEST_CASE("of what is stored only the last digits may differ", "[compare]") {
  const auto same = [](uint32_t type, std::string_view a, std::string_view b) {
    event::Column column = Typed(type);
    column.table_oid = 5000;
    return SameForm(column, column, a, b);
  };
  CHECK(same(kFloat8, "0.3", "0.30000000000000004"));
  CHECK_FALSE(same(kFloat8, "1700000000.0", "1700000001.5"));
  // A view's sum(real), added up in another order.
  CHECK(same(kFloat4, "1234.56", "1234.565"));
  CHECK_FALSE(same(kFloat4, "1234.56", "1234.58"));
  CHECK(SameForm(kFloat8, "1700000000.0", "1700000001.5"));
}

TEST_CASE("binary values of common types read as psql shows them", "[compare]") {
  CHECK(Show(16, std::string("\1", 1)) == "t");
  CHECK(Show(21, Big({0xffff})) == "-1");
  CHECK(Show(23, Big({0, 42})) == "42");
  CHECK(Show(20, Int64(-5'000'000'000)) == "-5000000000");
  CHECK(Show(kFloat8, Double(0.1)) == "0.1");
  CHECK(Show(25, "text") == "text");
  CHECK(Show(kNumeric, Big({2, 0, 0, 2, 12, 5000})) == "12.50");
  CHECK(Show(kNumeric, Big({1, 1, 0, 0, 12})) == "120000");
  CHECK(Show(kNumeric, Big({1, 0xffff, 0x4000, 4, 12})) == "-0.0012");
  CHECK(Show(1082, Big({0, 0})) == "2000-01-01");
  CHECK(Show(1082, Big({0xffff, 0xffff})) == "1999-12-31");
  CHECK(Show(1082, Big({0, 8827})) == "2024-03-02");
  CHECK(Show(1114, Int64(86'400'000'000 + 3'661'000'001)) == "2000-01-02 01:01:01.000001");
  CHECK(Show(1184, Int64(-1'000'000)) == "1999-12-31 23:59:59+00");
  CHECK(Show(1114, Int64(std::numeric_limits<int64_t>::max())) == "infinity");
  CHECK(Show(2950, std::string("\x00\x11\x22\x33\x44\x55\x66\x77\x88\x99\xaa\xbb\xcc\xdd\xee\xff",
                               16)) == "00112233-4455-6677-8899-aabbccddeeff");
  CHECK(Show(3802, "\1{\"a\": 1}") == "{\"a\": 1}");
  CHECK(Show(17, "\x01\xff") == "\\x01ff");
  CHECK(DisplayValue(Typed(25), {true, {}}, 60) == "NULL");
  CHECK(Show(25, "a\nb\x1b[31m", false).find('\n') == std::string::npos);
}

TEST_CASE("any bytes of any type are shown within the limit", "[compare]") {
  base::Random random(5);
  for (int round = 0; round < 3000; ++round) {
    std::string bytes(random.Below(40), '\0');
    for (char& c : bytes) c = static_cast<char>(random.Below(256));
    for (const uint32_t type : {16U, 17U, 20U, 21U, 23U, 25U, 700U, 701U, 1021U, 1022U, 1082U,
                                1114U, 1184U, 1231U, 1700U, 2950U, 3802U, 99999U}) {
      for (const bool binary : {false, true}) {
        const event::Column column = Typed(type, binary);
        CHECK(DisplayValue(column, {false, bytes}, 20).size() <= 20 * 4);
        CHECK(SameForm(type, bytes, bytes, binary));
      }
    }
  }
}

TEST_CASE("a short numeric that claims to be huge stays bytes", "[compare]") {
  const std::string huge = Big({1, 0x7fff, 0, 0x3fff, 1});
  CHECK(Show(kNumeric, huge).starts_with("\\x"));
  CHECK(SameForm(kNumeric, huge, huge, true));
}

}  // namespace
}  // namespace scry::compare
