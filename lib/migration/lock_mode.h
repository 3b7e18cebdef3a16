// The table locks of PostgreSQL, weakest first. Plain values; any thread.
#pragma once

#include <cstdint>
#include <string_view>

namespace scry::migration {

enum class LockMode : uint8_t {
  kNone,
  kAccessShare,
  kRowShare,
  kRowExclusive,
  kShareUpdateExclusive,
  kShare,
  kShareRowExclusive,
  kExclusive,
  kAccessExclusive,
};

// "AccessExclusiveLock", as pg_locks and the server's log write it. kNone for anything else.
LockMode ParseLockMode(std::string_view text);
// "AccessExclusive".
const char* Name(LockMode mode);
// Does whoever asks for `wanted` wait for whoever holds `held`?
bool Conflicts(LockMode wanted, LockMode held);
// It stops statements of applications that only need what reads and row writes need.
inline bool StopsTraffic(LockMode mode) { return mode >= LockMode::kShare; }

}  // namespace scry::migration
