#include "job/gave_up.h"

#include <string>
#include <vector>

#include "support/catch.h"

namespace scry::job {
namespace {

using base::Micros;
using migration::LockWaitEvent;

constexpr uint32_t kMigration = 100;
constexpr uint32_t kSupposed = 50;
constexpr uint32_t kTraffic = 7;
constexpr Micros kSecond = 1'000'000;
// It lets go at the third second.
constexpr SupposedHold kHold{kSupposed, 3 * kSecond};

// A statement of the migration that fails from the first to the second second.
class Scene {
 public:
  explicit Scene(const std::string& sqlstate) {
    migration::StatementProfile& statement = profile_.statements.emplace_back();
    statement.pid = kMigration;
    statement.sqlstate = sqlstate;
    statement.begin_us = kSecond;
    statement.end_us = 2 * kSecond;
  }
  Scene& Waits(std::vector<uint32_t> holders,
               LockWaitEvent::End end = LockWaitEvent::End::kFailed) {
    LockWaitEvent& wait = profile_.waits.emplace_back();
    wait.pid = kMigration;
    wait.begin_wall_us = kSecond;
    wait.end_wall_us = 2 * kSecond;
    wait.end = end;
    wait.holders = std::move(holders);
    return *this;
  }
  bool GaveUp(const SupposedHold& hold = kHold) const {
    return GaveUpBehind(hold, profile_, {{&profile_.statements[0], false}}, 0);
  }
  bool CommandGaveUp(Micros attempt_us) const {
    return GaveUpBehind(kHold, profile_, {}, attempt_us);
  }

 private:
  migration::MigrationProfile profile_;
};

TEST_CASE("a migration gives up behind the supposed transaction if that held what it waited for",
          "[job]") {
  CHECK(Scene("55P03").Waits({kSupposed}).GaveUp());
  CHECK(Scene("55P03").Waits({kTraffic, kSupposed}).GaveUp());
  CHECK(Scene("57014").Waits({kSupposed}).GaveUp());  // Its statement_timeout.
  CHECK_FALSE(Scene("55P03").Waits({kTraffic}).GaveUp());
  CHECK_FALSE(Scene("40P01").Waits({kTraffic}).GaveUp());
  // It had its lock, and failed for something else.
  CHECK_FALSE(Scene("23505").Waits({kSupposed}, LockWaitEvent::End::kGranted).GaveUp());
  CHECK_FALSE(Scene("55P03").Waits({kSupposed}).GaveUp({}));
}

TEST_CASE("a lock that was refused at once was refused for the supposed transaction while it held",
          "[job]") {
  CHECK(Scene("55P03").GaveUp());
  CHECK_FALSE(Scene("57014").GaveUp());
  CHECK_FALSE(Scene("55P03").GaveUp({kSupposed, kSecond / 2}));
}

TEST_CASE("a command that fails on no statement gave up if its last attempt ended in such a wait",
          "[job]") {
  CHECK(Scene("").Waits({kSupposed}).CommandGaveUp(0));
  CHECK_FALSE(Scene("").Waits({kSupposed}).CommandGaveUp(2 * kSecond));
  CHECK_FALSE(Scene("").Waits({kTraffic}).CommandGaveUp(0));
  CHECK_FALSE(Scene("").CommandGaveUp(0));
}

}  // namespace
}  // namespace scry::job
