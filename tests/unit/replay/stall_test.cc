#include "replay/stall.h"

#include <chrono>
#include <string>
#include <thread>

#include "support/catch.h"
#include "support/pg_server.h"

namespace scry::replay {
namespace {

TEST_CASE("who waits for whom is told, for locks and for safe snapshots", "[replay][server]") {
  test::PgServer server;
  server.Exec("CREATE TABLE t (id int PRIMARY KEY, v int); INSERT INTO t VALUES (1, 0)");
  auto probe = StallProbe::Open({server.Info()});
  REQUIRE(probe.ok());
  for (const std::string waits :
       {"BEGIN; UPDATE t SET v = 2; COMMIT",
        "BEGIN ISOLATION LEVEL SERIALIZABLE READ ONLY DEFERRABLE; SELECT * FROM t; COMMIT"}) {
    INFO(waits);
    auto holder = pg::AdminSession::Connect(server.Info());
    REQUIRE(holder.ok());
    REQUIRE(holder->Exec("BEGIN ISOLATION LEVEL SERIALIZABLE").ok());
    REQUIRE(holder->Exec("UPDATE t SET v = 1").ok());
    const auto pid = holder->Exec("SELECT pg_backend_pid()");
    REQUIRE(pid.ok());
    auto waiting = pg::AdminSession::Connect(server.Info());
    REQUIRE(waiting.ok());
    std::thread waiter([&] { (void)waiting->Exec(waits); });
    bool found = false;
    for (int i = 0; i < 200 && !found; ++i) {
      const auto told = probe->LockWaits();
      if (!told.ok()) break;
      found = told->size() == 1 && std::to_string(told->front().blocker_pid) == *pid->Single();
      std::this_thread::sleep_for(std::chrono::milliseconds(20));
    }
    const bool released = holder->Exec("ROLLBACK").ok();
    waiter.join();
    CHECK(released);
    CHECK(found);
  }
}

}  // namespace
}  // namespace scry::replay
