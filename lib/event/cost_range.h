// Calls of one pattern by what they cost when captured: rows, or time, in powers of ten. Known
// before a replay and the same on every lane, so that parts of a pattern can be compared by
// themselves: the calls of the one customer with thousands of orders. Plain values.
#pragma once

#include <algorithm>
#include <cstdint>

#include "base/clock.h"

namespace scry::event {

// Decade 0 is nothing; decade d is [10^(d-1), 10^d), and the last one all above.
inline constexpr uint8_t kDecades = 12;

constexpr uint8_t DecadeOf(uint64_t number) {
  uint8_t decade = 0;
  for (; number > 0 && decade + 1 < kDecades; number /= 10) ++decade;
  return decade;
}
// The least number in a decade.
constexpr uint64_t DecadeBegin(uint8_t decade) {
  uint64_t begin = decade == 0 ? 0 : 1;
  for (uint8_t i = 1; i < decade; ++i) begin *= 10;
  return begin;
}

enum class CostKind : uint8_t { kAll, kRows, kTime };

struct CostDecades {
  uint8_t rows = 0;
  uint8_t time = 0;  // Of microseconds.
  friend bool operator==(const CostDecades&, const CostDecades&) = default;
};

constexpr CostDecades CostOf(uint64_t rows, base::Micros elapsed_us) {
  return {DecadeOf(rows), DecadeOf(static_cast<uint64_t>(std::max<base::Micros>(elapsed_us, 0)))};
}

struct CostRange {
  CostKind kind = CostKind::kAll;
  uint8_t low = 0;  // Decades, both included; of no meaning in kAll.
  uint8_t high = kDecades - 1;

  constexpr bool Contains(CostDecades cost) const {
    if (kind == CostKind::kAll) return true;
    const uint8_t decade = kind == CostKind::kRows ? cost.rows : cost.time;
    return low <= decade && decade <= high;
  }
  friend bool operator==(const CostRange&, const CostRange&) = default;
  friend auto operator<=>(const CostRange&, const CostRange&) = default;
};

}  // namespace scry::event
