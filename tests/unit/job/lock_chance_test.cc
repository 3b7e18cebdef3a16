#include "job/lock_chance.h"

#include "support/catch.h"

namespace scry::job {
namespace {

constexpr base::Micros kSecond = 1'000'000;

TEST_CASE("the chance of a lock is the share of moments that meet no longer transaction", "[job]") {
  LockWish wish{10 * kSecond, 20 * kSecond, kSecond, kSecond, 1};
  CHECK(LockChance(wish, {}) == 1);
  // Until a second before its end an attempt would be in vain: 3 of 10 seconds.
  const std::vector<TransactionSpan> one = {{12 * kSecond, 16 * kSecond}};
  CHECK(LockChance(wish, one) == Approx(0.7).margin(0.002));
  // Overlapping ones count once, those shorter than the timeout not at all.
  CHECK(LockChance(wish, {{12 * kSecond, 16 * kSecond},
                          {13 * kSecond, 17 * kSecond},
                          {18 * kSecond, 19 * kSecond}}) == Approx(0.6).margin(0.002));
  // The second attempt is two seconds later: only who begins in the first second fails twice.
  wish.attempts = 2;
  CHECK(LockChance(wish, one) == Approx(0.9).margin(0.002));
  wish.attempts = 3;
  CHECK(LockChance(wish, one) == 1);
}

TEST_CASE("one transaction for as long as the capture leaves no chance", "[job]") {
  const LockWish wish{0, 10 * kSecond, kSecond, kSecond, 5000};
  CHECK(LockChance(wish, {{0, 11 * kSecond}}) == 0);
}

}  // namespace
}  // namespace scry::job
