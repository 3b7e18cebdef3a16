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

// Floating point numbers within a relative tolerance fall into one class. Filled with all numbers
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

// Brings values into the form in which equal ones are equal. Two passes: Learn all values, Seal,
// then Form.
class ValueForms {
 public:
  void Learn(const event::Column& column, const Cell& cell);
  void Seal();
  std::string Form(const event::Column& column, const Cell& cell) const;

 private:
  // Relative; sums of floating point numbers depend on the order of their input.
  static constexpr double kFloat4Tolerance = 1e-5;
  static constexpr double kFloat8Tolerance = 1e-9;
  std::string FormOf(uint32_t type_oid, bool binary, std::string_view bytes) const;

  FloatClasses float4_{kFloat4Tolerance};
  FloatClasses float8_{kFloat8Tolerance};
};

// As psql would show it, on one line of at most `columns_max` code points: binary forms of common
// types decoded, others in hex; NULL is "NULL".
std::string DisplayValue(const event::Column& column, const Cell& cell, size_t columns_max);

// "integer", "numeric" ...; "type 12345" for one that is not built in.
std::string TypeName(uint32_t type_oid);

}  // namespace scry::compare
