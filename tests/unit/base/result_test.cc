#include "base/result.h"

#include <cerrno>
#include <memory>
#include <string>
#include <utility>

#include "support/catch.h"

namespace scry::base {
namespace {

Result<int> Half(int number) {
  if (number % 2 != 0) return Fail(ErrorCode::kUsage, "odd");
  return number / 2;
}

Result<int> Quarter(int number) {
  int half = 0;
  SCRY_TRY_ASSIGN(half, Half(number));
  SCRY_TRY_ASSIGN(const int quarter, Half(half));
  return quarter;
}

Status BothEven(int a, int b) {
  SCRY_TRY(Half(a));
  SCRY_TRY(Half(b));
  return {};
}

TEST_CASE("a result is a value or an error, never both", "[base]") {
  const Result<int> good = 5;
  CHECK(good.ok());
  CHECK(static_cast<bool>(good));
  CHECK(*good == 5);
  const Result<int> bad = Fail("no");
  CHECK_FALSE(bad.ok());
  CHECK(bad.error().message == "no");
  CHECK(bad.error().code == ErrorCode::kFailed);
  CHECK(bad.error().sqlstate.empty());
}

TEST_CASE("the first error of a chain ends it and arrives unchanged", "[base]") {
  CHECK(Quarter(8).value() == 2);
  for (const int number : {7, 6}) {
    const auto refused = Quarter(number);
    REQUIRE_FALSE(refused.ok());
    CHECK(refused.error().code == ErrorCode::kUsage);
    CHECK(refused.error().message == "odd");
  }
  CHECK(BothEven(2, 4).ok());
  CHECK_FALSE(BothEven(2, 3).ok());
  CHECK_FALSE(BothEven(1, 4).ok());
}

TEST_CASE("context is put in front of an error and leaves a value alone", "[base]") {
  CHECK(Half(4).With("segment 3").value() == 2);
  const auto value = Half(3).With("block 2").With("segment 3");
  CHECK(value.error().message == "segment 3: block 2: odd");
  CHECK(value.error().code == ErrorCode::kUsage);
  CHECK(Status().With("x").ok());
  CHECK(Status(Fail("why")).With("what").error().message == "what: why");
}

TEST_CASE("a value that can only be moved passes through", "[base]") {
  const auto make = []() -> Result<std::unique_ptr<int>> { return std::make_unique<int>(7); };
  const auto pass = [&]() -> Result<std::unique_ptr<int>> {
    SCRY_TRY_ASSIGN(auto made, make());
    return made;
  };
  CHECK(**pass() == 7);
}

TEST_CASE("a failed system call says what failed and why", "[base]") {
  errno = ENOENT;
  const Error error = FailErrno("open /x/y");
  CHECK(error.message == "open /x/y: No such file or directory");
  CHECK(error.code == ErrorCode::kFailed);
}

}  // namespace
}  // namespace scry::base
