// What a statement takes away that others see, and what it may put back: a transaction that does
// first one and then the other must not be split, or others would see what is between. Used by the
// safe forms of migrations. Functions that a query calls are not looked into. Pure.
#pragma once

#include <cstdint>
#include <string>

namespace scry::event {

// Bits.
inline constexpr uint32_t kDefaults = 1;  // Of columns.
inline constexpr uint32_t kRows = 2;      // All of a relation.
inline constexpr uint32_t kObjects = 4;   // What is dropped, renamed, moved, disabled or revoked.
inline constexpr uint32_t kAll = 7;

// kAll of what does not tell by its text (DO, CALL), or does not parse.
uint32_t TakesAway(const std::string& sql);
uint32_t PutsBack(const std::string& sql);

}  // namespace scry::event
