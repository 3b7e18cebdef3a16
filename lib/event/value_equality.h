// What the bytes of a column's values tell: when two of them are the same. Pure; any thread.
#pragma once

#include <cstdint>

#include "event/lane_pair.h"

namespace scry::event {

// Column::column_number of xmin, by which applications tell whether a row is still as they read it.
inline constexpr auto kXminNumber = static_cast<uint16_t>(-2);

enum class ValueEquality : uint8_t {
  kBytes,    // Equal bytes, as far as anybody knows.
  kNumeric,  // Equal numbers, whatever their scale.
  kRounded,  // Floating point numbers, arrays of numbers: within a tolerance.
  // The server fills it for itself: numbers of transactions, places of rows and of the log, names
  // of cursors. One transaction more or less changes them all, so they say nothing of the data.
  kServer,
};

ValueEquality EqualityOf(const Column& column);

}  // namespace scry::event
