#include "migration/lock_mode.h"

#include <array>
#include <cstddef>

namespace scry::migration {
namespace {

constexpr std::array kNames = {
    "None",  "AccessShare",       "RowShare",  "RowExclusive",   "ShareUpdateExclusive",
    "Share", "ShareRowExclusive", "Exclusive", "AccessExclusive"};

// Manual, table 13.2 "Conflicting Lock Modes": bit n of entry m says that modes m and n conflict.
constexpr uint16_t Bits(int from) {
  uint16_t bits = 0;
  for (int mode = from; mode <= 8; ++mode) bits = static_cast<uint16_t>(bits | (1 << mode));
  return bits;
}
constexpr uint16_t kShareBit = 1 << static_cast<int>(LockMode::kShare);
constexpr std::array<uint16_t, 9> kConflicts = {
    0,       Bits(8), Bits(7), Bits(5), Bits(4), static_cast<uint16_t>((Bits(3) & ~kShareBit)),
    Bits(3), Bits(2), Bits(1)};

}  // namespace

LockMode ParseLockMode(std::string_view text) {
  constexpr std::string_view kEnd = "Lock";
  if (!text.ends_with(kEnd)) return LockMode::kNone;
  text.remove_suffix(kEnd.size());
  for (size_t i = 1; i < kNames.size(); ++i) {
    if (text == kNames[i]) return static_cast<LockMode>(i);
  }
  return LockMode::kNone;
}

const char* Name(LockMode mode) { return kNames[static_cast<size_t>(mode)]; }

bool Conflicts(LockMode wanted, LockMode held) {
  return (kConflicts[static_cast<size_t>(wanted)] >> static_cast<int>(held) & 1) != 0;
}

}  // namespace scry::migration
