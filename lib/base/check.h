// SCRY_CHECK: an invariant of our own code. On in release builds too; prints and aborts.
// Untrusted bytes (wire, log files, configuration) may never reach one: they are answered with a
// base::Result or a value.
#pragma once

namespace scry::base {
[[noreturn]] void CheckFailed(const char* condition, const char* file, int line);
}  // namespace scry::base

#define SCRY_CHECK(condition)                          \
  (static_cast<bool>(condition) ? static_cast<void>(0) \
                                : ::scry::base::CheckFailed(#condition, __FILE__, __LINE__))
