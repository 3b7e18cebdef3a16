// Nothing ends a replay's sessions that the capture did not end, and nothing waits for what it need
// not wait for.
#include <string>

#include "lanes.h"
#include "support/catch.h"

namespace scry::replay {
namespace {

constexpr const char* kTable =
    "CREATE TABLE t (id int PRIMARY KEY, v int NOT NULL); "
    "INSERT INTO t SELECT i, 0 FROM generate_series(1, 40) i";

void CheckEqual(const Replayed& replayed) {
  CHECK(replayed.error.empty());
  CHECK(replayed.stats.sessions_excluded == 0);
  for (const auto& pair : replayed.pairs) {
    INFO(pair.text << ": " << pair.lanes[0].outcome.message);
    CHECK(Same(pair));
    CHECK(pair.lanes[0].outcome.status == event::OutcomeStatus::kDone);
  }
}

// A session that waits for another one is not idle, though the server thinks so.
void OutlivesIdleTimeouts(Lanes& lanes) {
  INFO("limits of idle time end no session that waits for others");
  lanes.Reset(kTable);
  for (test::PgServer* server : {&lanes.baseline(), &lanes.candidate()}) {
    server->Exec("ALTER DATABASE postgres SET idle_in_transaction_session_timeout = '150ms'");
    if (std::stoi(server->Exec("SHOW server_version_num")) >= 140000) {
      server->Exec("ALTER ROLE postgres SET idle_session_timeout = '150ms'");
    }
  }
  Script script;
  for (uint64_t id = 1; id <= 3; ++id) script.Start(id);
  script.Query(1, "begin", 'T');
  script.Query(1, "update t set v = 1 where id = 1", 'T');
  script.Query(2, "begin", 'T');
  script.Query(2, "update t set v = 1 where id = 2", 'T');
  script.Query(2, "select pg_sleep(0.6)", 'T').completed_us += 600 * 1000;
  script.Query(2, "commit");
  script.Query(1, "update t set v = v + 1 where id = 2", 'T');
  script.Query(1, "commit");
  script.Query(3, "update t set v = v + 1 where id = 2");
  // What a session asks for itself it gets.
  script.Query(3, "set idle_in_transaction_session_timeout = '7s'");
  script.Query(3, "show idle_in_transaction_session_timeout");
  const Replayed replayed = lanes.Play(script);
  CheckEqual(replayed);
  CHECK(replayed.pairs.size() == 11);
  for (test::PgServer* server : {&lanes.baseline(), &lanes.candidate()}) {
    CHECK(server->Exec("SELECT v FROM t WHERE id = 2") == "3");
    server->Exec("ALTER DATABASE postgres RESET ALL; ALTER ROLE postgres RESET ALL");
  }
}

TEST_CASE("nothing ends sessions that wait", "[replay][server]") {
  Lanes lanes;
  OutlivesIdleTimeouts(lanes);
}

}  // namespace
}  // namespace scry::replay
