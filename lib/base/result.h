// Result<T>: a value or an Error, for everything the world can refuse. Used by all modules.
// Thread rule: a plain value. Exceptions of libraries are caught where the library is called and
// become an Error; none crosses a module border.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <variant>

#include "base/check.h"

namespace scry::base {

// What kind of failure, so that one place (apps/scry/exit_status.h) can turn it into a number.
enum class ErrorCode : uint8_t {
  kFailed,        // The world: server, disk, network.
  kTimeout,       // A limit that the user set ran out.
  kNotFound,      // A named database, shadow, capture or report does not exist.
  kNoCheckpoint,  // A named checkpoint does not exist.
  kInconclusive,  // Nothing can be said either way.
  kMigration,     // The migration command itself failed.
  kUsage,         // Wrong flags or configuration.
  kCorrupt,       // Stored bytes that are not what was written.
  kUnsupported,   // A newer format, an unknown version.
  kInterrupted,   // Ctrl-C.
};

struct Error {
  ErrorCode code = ErrorCode::kFailed;
  std::string message;   // One line: what failed, on what, what to do next.
  std::string sqlstate;  // Of the server, where it gave one; else empty.
};

template <typename T>
class [[nodiscard]] Result {
 public:
  Result(T value) : state_(std::in_place_index<0>, std::move(value)) {}      // NOLINT: by design
  Result(Error error) : state_(std::in_place_index<1>, std::move(error)) {}  // NOLINT: by design

  bool ok() const { return state_.index() == 0; }
  explicit operator bool() const { return ok(); }

  // REQUIRES: ok().
  T& value() & {
    SCRY_CHECK(ok());
    return std::get<0>(state_);
  }
  const T& value() const& {
    SCRY_CHECK(ok());
    return std::get<0>(state_);
  }
  T&& value() && {
    SCRY_CHECK(ok());
    return std::get<0>(std::move(state_));
  }
  T& operator*() & { return value(); }
  const T& operator*() const& { return value(); }
  T&& operator*() && { return std::move(*this).value(); }
  T* operator->() { return &value(); }
  const T* operator->() const { return &value(); }

  // REQUIRES: !ok().
  const Error& error() const {
    SCRY_CHECK(!ok());
    return std::get<1>(state_);
  }

  // Adds context in front of the message, once per module border: "segment 000003: bad checksum".
  Result With(std::string_view context) && {
    if (!ok()) {
      auto& e = std::get<1>(state_);
      e.message = std::string(context) + ": " + e.message;
    }
    return std::move(*this);
  }

 private:
  std::variant<T, Error> state_;
};

// A call that yields nothing but may fail.
template <>
class [[nodiscard]] Result<void> {
 public:
  Result() = default;
  Result(Error error) : error_(std::move(error)) {}  // NOLINT: by design

  bool ok() const { return !error_.has_value(); }
  explicit operator bool() const { return ok(); }
  const Error& error() const {
    SCRY_CHECK(!ok());
    return *error_;
  }
  Result With(std::string_view context) && {
    if (error_) error_->message = std::string(context) + ": " + error_->message;
    return std::move(*this);
  }

 private:
  std::optional<Error> error_;
};

using Status = Result<void>;

inline Error Fail(std::string message) { return Error{ErrorCode::kFailed, std::move(message), {}}; }
inline Error Fail(ErrorCode code, std::string message) {
  return Error{code, std::move(message), {}};
}
// "open /x/y: Permission denied", from errno as it is now.
Error FailErrno(std::string_view what);

}  // namespace scry::base

// Hands an error of `expression` to the caller.
#define SCRY_TRY(expression)                                   \
  do {                                                         \
    auto scry_try_status = (expression);                       \
    if (!scry_try_status.ok()) return scry_try_status.error(); \
  } while (false)

// SCRY_TRY_ASSIGN(auto file, Open(path)): the value, or the error to the caller.
#define SCRY_TRY_CONCAT2(a, b) a##b
#define SCRY_TRY_CONCAT(a, b) SCRY_TRY_CONCAT2(a, b)
#define SCRY_TRY_ASSIGN(target, expression) \
  SCRY_TRY_ASSIGN_(SCRY_TRY_CONCAT(scry_try_, __LINE__), target, expression)
#define SCRY_TRY_ASSIGN_(temporary, target, expression) \
  auto temporary = (expression);                        \
  if (!temporary.ok()) return temporary.error();        \
  target = std::move(temporary).value()
