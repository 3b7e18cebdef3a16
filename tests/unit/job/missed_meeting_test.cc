#include "job/missed_meeting.h"

#include <string>

#include "support/catch.h"

namespace scry::job {
namespace {

using base::Micros;
using migration::LockMode;

constexpr Micros kSecond = 1'000'000;
// From the tenth second to the fourteenth.
constexpr TransactionSpan kReport{10 * kSecond, 14 * kSecond};

// One that reads, then one that locks.
migration::MigrationProfile Locks(Micros at_us, const std::string& sqlstate = {}) {
  migration::MigrationProfile profile;
  migration::StatementProfile& reads = profile.statements.emplace_back();
  reads.pid = 1;
  reads.begin_us = reads.end_us = kSecond;
  migration::StatementProfile& alters = profile.statements.emplace_back();
  alters.pid = 1;
  alters.begin_us = at_us;
  alters.end_us = at_us + kSecond;
  alters.sqlstate = sqlstate;
  alters.locks.push_back({5, "orders", LockMode::kAccessExclusive, 0, false});
  return profile;
}

TEST_CASE("who comes before or behind a transaction has missed it", "[job]") {
  REQUIRE(FirstStrong(Locks(3 * kSecond)) != nullptr);
  CHECK(FirstStrong(Locks(3 * kSecond))->begin_us == 3 * kSecond);
  const auto early = Missed(Locks(8 * kSecond), kReport, 0);
  REQUIRE(early);
  CHECK(early->early);
  CHECK(early->by_us == 2 * kSecond);
  CHECK(early->first_lock_us == 8 * kSecond);
  const auto late = Missed(Locks(15 * kSecond), kReport, 0);
  REQUIRE(late);
  CHECK_FALSE(late->early);
  CHECK(late->by_us == 2 * kSecond);  // Behind the thirteenth second too little is left.
  CHECK_FALSE(Missed(Locks(10 * kSecond), kReport, 0));
  CHECK_FALSE(Missed(Locks(13 * kSecond), kReport, 0));
}

TEST_CASE("who waited for nobody while traffic was late may have come before it", "[job]") {
  CHECK_FALSE(Missed(Locks(11 * kSecond), kReport, kSecond));
  const auto missed = Missed(Locks(11 * kSecond), kReport, 2 * kSecond);
  REQUIRE(missed);
  CHECK(missed->traffic_late);
  CHECK(missed->by_us == 2 * kSecond);
}

TEST_CASE("who waited or failed met somebody, and who locks nothing meets nobody", "[job]") {
  migration::MigrationProfile waited = Locks(8 * kSecond);
  const auto add = [&](uint32_t pid, Micros begin_us, Micros us) {
    migration::LockWaitEvent& wait = waited.waits.emplace_back();
    wait.pid = pid;
    wait.begin_wall_us = begin_us;
    wait.end_wall_us = begin_us + us;
  };
  add(2, 8 * kSecond, kSecond);  // Of the traffic.
  CHECK(Missed(waited, kReport, 0));
  add(1, 7 * kSecond, kSecond / 2);  // Before it came for its lock.
  CHECK(Missed(waited, kReport, 0));
  add(1, 8 * kSecond, kSecond / 50);  // For a query that was just running.
  CHECK(Missed(waited, kReport, 0));
  add(1, 8 * kSecond, kSecond / 20);
  CHECK_FALSE(Missed(waited, kReport, 0));
  CHECK_FALSE(Missed(Locks(8 * kSecond, "55P03"), kReport, 0));
  migration::MigrationProfile harmless = Locks(8 * kSecond);
  harmless.statements.pop_back();
  CHECK(FirstStrong(harmless) == nullptr);
  CHECK_FALSE(Missed(harmless, kReport, 0));
  // One that writes rows comes for their locks.
  harmless.statements.back().rows = 7;
  CHECK(FirstStrong(harmless) != nullptr);
}

}  // namespace
}  // namespace scry::job
