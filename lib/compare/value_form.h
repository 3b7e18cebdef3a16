// What a value says, whatever its bytes: a form in which equal numbers are equal, and a form for
// people. Knows the common types in both wire formats; other values are their bytes. Used by
// value comparison and row samples. Pure. Bytes are hostile: nothing here fails on any.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "compare/row_grid.h"
#include "event/lane_pair.h"

namespace scry::compare {

// Values of this type can be equal though their bytes differ: numeric of another scale, floating
// point numbers that were added up in another order, arrays of those.
bool HasValueForm(uint32_t type_oid);
// A type of numbers, whole or not.
bool IsNumber(uint32_t type_oid);
bool IsWholeNumber(uint32_t type_oid);

// Floating point numbers within a relative tolerance fall into one class, the nearest ones first;
// no class is wider than that, however closely numbers follow each other. Filled with all numbers
// first, then sealed, then asked: so the classes do not depend on the order of numbers.
class FloatClasses {
 public:
  explicit FloatClasses(double tolerance) : tolerance_(tolerance) {}
  void Add(double value);
  void Seal();
  // REQUIRES: sealed. A number that was not added gets the class below it.
  uint64_t ClassOf(double value) const;

 private:
  const double tolerance_;
  std::vector<double> values_;  // Sealed: sorted, once each.
  std::vector<uint64_t> classes_;
};

// Brings the values of one column into the form in which equal ones are equal, where it may have
// another type on the other lane. Two passes: Learn all values, Seal, then Form.
class ValueForms {
 public:
  ValueForms(const event::Column& before, const event::Column& after);
  // `column`: one of the two.
  void Learn(const event::Column& column, const Cell& cell);
  void Seal();
  std::string Form(const event::Column& column, const Cell& cell) const;

 private:
  enum class Rule : uint8_t {
    kBytes,
    kDigits,  // A number as it is written, without what does not change it.
    kWhole,   // The same, and of a floating point number all digits before the point.
    kRounded,
  };
  static Rule RuleOf(uint32_t before, uint32_t after);
  static double ToleranceOf(const event::Column& before, const event::Column& after);
  std::string FormOf(uint32_t type_oid, bool binary, std::string_view bytes) const;

  const Rule rule_;
  FloatClasses floats_;
};

// As psql would show it, on one line of at most `columns_max` code points: binary forms of common
// types decoded, others in hex; NULL is "NULL".
std::string DisplayValue(const event::Column& column, const Cell& cell, size_t columns_max);

// "integer", "numeric" ...; "type 12345" for one that is not built in.
std::string TypeName(uint32_t type_oid);

}  // namespace scry::compare
