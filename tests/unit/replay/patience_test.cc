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

void CheckEqualAndDone(const Replayed& replayed) {
  CheckEqual(replayed);
  CHECK(replayed.stats.sessions_excluded == 0);
  for (const auto& pair : replayed.pairs) {
    INFO(pair.text.str() << ": " << pair.lanes[0].outcome.message);
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
  script.Query(2, "select pg_sleep(0.6)", 'T');
  script.Query(2, "commit");
  script.Query(1, "update t set v = v + 1 where id = 2", 'T');
  script.Query(1, "commit");
  script.Query(3, "update t set v = v + 1 where id = 2");
  // What a session asks for itself it gets.
  script.Query(3, "set idle_in_transaction_session_timeout = '7s'");
  script.Query(3, "show idle_in_transaction_session_timeout");
  const Replayed replayed = lanes.Play(script);
  CheckEqualAndDone(replayed);
  CHECK(replayed.pairs.size() == 11);
  for (test::PgServer* server : {&lanes.baseline(), &lanes.candidate()}) {
    CHECK(server->Exec("SELECT v FROM t WHERE id = 2") == "3");
    server->Exec("ALTER DATABASE postgres RESET ALL; ALTER ROLE postgres RESET ALL");
  }
}

// Nor is it where it has set the limit itself.
void OutlivesItsOwnIdleTimeouts(Lanes& lanes) {
  INFO("limits of idle time that a session sets itself do not end it while it waits for others");
  lanes.Reset(kTable);
  Script script;
  for (uint64_t id = 1; id <= 3; ++id) script.Start(id);
  std::get<event::SessionStart>(script.events.back())
      .parameters.emplace_back("options", "-c idle_in_transaction_session_timeout=200");
  script.Query(1, "set idle_in_transaction_session_timeout = '0.2s'");
  script.Query(1, "begin", 'T');
  script.Query(1, "update t set v = 1 where id = 1", 'T');
  script.Query(3, "begin", 'T');
  script.Query(3, "update t set v = 3 where id = 3", 'T');
  script.Query(2, "begin", 'T');
  script.Query(2, "update t set v = 1 where id = 2", 'T');
  script.Query(2, "select pg_sleep(0.8)", 'T');
  script.Query(2, "commit");
  script.Query(1, "update t set v = v + 1 where id = 2", 'T');
  script.Query(1, "show idle_in_transaction_session_timeout", 'T');
  script.Query(1, "commit");
  script.Query(3, "update t set v = v + 1 where id = 2", 'T');
  script.Query(3, "commit");
  const Replayed replayed = lanes.Play(script);
  CheckEqualAndDone(replayed);
  for (test::PgServer* server : {&lanes.baseline(), &lanes.candidate()}) {
    CHECK(server->Exec("SELECT v FROM t WHERE id = 2") == "3");
  }
}

void SendAt(event::Exchange& exchange, base::Micros us) {
  exchange.forwarded_us = us;
  exchange.completed_us = us + 1000;
}

event::SessionStart& StartOf(Script& script) {
  return std::get<event::SessionStart>(script.events.back());
}

// Production's numbers of backends mean others on a lane.
void EndsWhomProductionEnded(Lanes& lanes) {
  INFO("what production ended or cancelled is ended and cancelled, and nothing else");
  lanes.Reset(kTable);
  Script script;
  for (uint64_t id = 1; id <= 4; ++id) {
    script.Start(id);
    StartOf(script).backend_pid = static_cast<uint32_t>(1000000 + id);
  }
  // Whoever reads what another has committed knows that it is connected, on each lane.
  script.Query(2, "update t set v = 7 where id = 2");
  script.Query(1, "select v from t where id = 2");
  script.Query(2, "begin", 'T');
  script.Query(2, "update t set v = 1 where id = 1", 'T');
  // The lanes take turns: one has noticed its end long before the other begins.
  script.Query(1, "select pg_terminate_backend(1000002), pg_sleep(0.2)");
  script.Query(1, "select pg_terminate_backend(1000099), pg_sleep(0)");  // Not in the capture.
  script.Query(1,
               "select pg_terminate_backend(pid) from pg_stat_activity where pid <> "
               "pg_backend_pid()");
  event::Exchange& cancelled = script.Query(3, "select pg_sleep(100)");
  cancelled.completed_us += 50 * 1000;
  cancelled.statements[0].outcome.status = event::OutcomeStatus::kError;
  cancelled.statements[0].outcome.sqlstate = "57014";
  cancelled.statements[0].outcome.message = "canceling statement due to user request";
  script.Query(1, "select pg_cancel_backend(1000003)");
  event::Exchange& ended = script.Query(4, "select pg_sleep(200)", '\0');
  ended.statements[0].outcome.status = event::OutcomeStatus::kError;
  ended.statements[0].outcome.sqlstate = "57P01";
  script.End(4);
  script.Query(3, "select 3");
  script.Query(1, "select 1");
  const Replayed replayed = lanes.Play(script);
  CHECK(replayed.error.empty());
  CHECK(replayed.stats.signals_left_out == 1);
  CHECK(replayed.stats.cancelled == 0);  // Of itself nothing was stuck.
  for (const auto& pair : replayed.pairs) {
    INFO(pair.text.str());
    CHECK(Same(pair));
  }
  const auto rows = [&](const char* text) { return replayed.Pair(text).lanes[0].rows; };
  CHECK(rows("select pg_terminate_backend(1000002), pg_sleep(0.2)") !=
        rows("select pg_terminate_backend(1000099), pg_sleep(0)"));
  CHECK(replayed.Pair("select pg_sleep(100)").lanes[1].outcome.sqlstate == "57014");
  CHECK(replayed.Pair("select 3").lanes[1].outcome.status == event::OutcomeStatus::kDone);
  CHECK(replayed.stats.notes.size() == 1);
}

// What ends every backend ends the probe that looks for stalls.
void ProbeComesBack(Lanes& lanes) {
  INFO("a probe that was ended comes back");
  lanes.Reset(std::string(kTable) +
              "; CREATE FUNCTION sweep() RETURNS bigint LANGUAGE sql AS $$ SELECT count("
              "pg_terminate_backend(pid)) FROM pg_stat_activity WHERE pid <> pg_backend_pid() AND "
              "query NOT LIKE '%sweep%' AND backend_type = 'client backend' $$");
  Script script;
  script.Start(1);
  script.Query(1, "select sweep()");
  script.Query(1, "select pg_sleep(0.7)");
  const Replayed replayed = lanes.Play(script);
  CHECK(replayed.error.empty());
  CHECK(replayed.stats.exchanges == 2);
}

size_t PlaceOf(const Replayed& replayed, const std::string& text) {
  for (size_t i = 0; i < replayed.pairs.size(); ++i) {
    if (replayed.pairs[i].text == text) return i;
  }
  return replayed.pairs.size();
}

// One that hangs has its exchanges read ahead, and leaves room for those of others.
void OthersGoOn(Lanes& lanes) {
  INFO("a session that hangs holds up no other");
  lanes.Reset(kTable);
  lanes.options.stuck_us = 60 * 1000 * 1000;
  Script script;
  constexpr uint64_t kSessions = 32;
  constexpr uint64_t kRounds = 3000;
  for (uint64_t id = 1; id <= kSessions; ++id) script.Start(id);
  script.Query(1, "select pg_sleep(4)");
  for (uint64_t i = 0; i < kRounds; ++i) {
    for (int n = 0; n < 3; ++n) script.Query(1, "select 1");
    script.Query(2 + i % (kSessions - 1), "select 2");
  }
  const Replayed replayed = lanes.Play(script);
  CheckEqualAndDone(replayed);
  CHECK(PlaceOf(replayed, "select pg_sleep(4)") == kRounds);
}

// Nobody waits for this program while a session thinks, or is open and has nothing to do.
void TellsWhoIsLate(Lanes& lanes) {
  INFO("time that a session spends by itself is nobody's lag");
  lanes.Reset(kTable);
  lanes.options.speed = 1;
  Script script;
  script.Start(1);
  script.Start(2);
  SendAt(script.Query(1, "select 1"), 100 * 1000);
  SendAt(script.Query(2, "select 1"), 200 * 1000);
  SendAt(script.Query(1, "select 2"), 400 * 1000);
  script.End(1);
  std::get<event::SessionEnd>(script.events.back()).at_us = 900 * 1000;
  script.End(2);
  std::get<event::SessionEnd>(script.events.back()).at_us = 901 * 1000;
  const Replayed replayed = lanes.Play(script);
  CheckEqualAndDone(replayed);
  CHECK(replayed.stats.tool_wait_us < 100 * 1000);
  CHECK(replayed.stats.order_wait_us < 100 * 1000);
}

// A client that leaves without a COMMIT held its locks until it left.
void KeepsLocksUntilTheEnd(Lanes& lanes) {
  INFO("a transaction that its session's end rolls back lasts until then");
  for (const bool ends : {true, false}) {
    lanes.Reset(kTable);
    lanes.options.speed = 1;
    Script script;
    script.Start(1);
    script.Start(2);
    SendAt(script.Query(1, "begin", 'T'), 20 * 1000);
    SendAt(script.Query(1, "update t set v = 1 where id = 1", 'T'), 30 * 1000);
    event::Exchange& refused = script.Query(2, "select v from t where id = 1 for update nowait");
    SendAt(refused, 300 * 1000);
    refused.statements[0].outcome.status = event::OutcomeStatus::kError;
    refused.statements[0].outcome.sqlstate = "55P03";
    SendAt(script.Query(2, "select 1"), 600 * 1000);
    if (ends) {  // Else with the capture.
      script.End(1);
      std::get<event::SessionEnd>(script.events.back()).at_us = 610 * 1000;
    }
    const Replayed replayed = lanes.Play(script);
    CHECK(replayed.error.empty());
    for (const auto& lane : replayed.Pair(refused.statements[0].text).lanes) {
      CHECK(lane.outcome.sqlstate == "55P03");
    }
    CHECK(replayed.stats.order_wait_us < 100 * 1000);
    CHECK(replayed.stats.sessions_excluded == 0);
  }
}

// Sessions 3 to 8: for two seconds there is hardly a moment without any progress.
void KeepBusy(Script& script) {
  for (int i = 0; i < 250; ++i) {
    for (uint64_t id = 3; id <= 8; ++id) script.Query(id, "select pg_sleep(0.004)");
  }
}

// The advisory lock is taken where nobody can see it, and released by what waits for its turn.
void BreaksStallsBesideTraffic(Lanes& lanes) {
  INFO("a stall of two is broken while others go on");
  lanes.Reset(std::string(kTable) +
              "; CREATE FUNCTION hold() RETURNS int IMMUTABLE LANGUAGE plpgsql AS "
              "$$ BEGIN PERFORM pg_advisory_xact_lock(1); RETURN 1; END $$");
  lanes.options.stall_us = 100 * 1000;
  Script script;
  for (uint64_t id = 1; id <= 8; ++id) script.Start(id);
  script.Query(2, "begin", 'T');
  script.Query(2, "select pg_sleep(0.3)", 'T');
  script.Query(2, "select 2, hold()", 'T');
  script.Query(2, "update t set v = 2 where id = 5", 'T');
  script.Query(2, "commit");
  script.Query(1, "begin", 'T');
  script.Query(1, "select 1, hold()", 'T');
  script.Query(1, "update t set v = 1 where id = 5", 'T');
  script.Query(1, "commit");
  KeepBusy(script);
  script.Query(3, "select 3");
  const Replayed replayed = lanes.Play(script);
  CHECK(replayed.error.empty());
  CHECK(replayed.stats.stalls_broken >= 1);  // Of each lane by itself.
  CHECK(replayed.stats.stalls_broken <= 2);
  CHECK(replayed.stats.cancelled == 0);
  CHECK(PlaceOf(replayed, "update t set v = 2 where id = 5") < PlaceOf(replayed, "select 3"));
}

// ... and so is what never ends.
void CancelsBesideTraffic(Lanes& lanes) {
  INFO("what never ends is cancelled while others go on");
  lanes.Reset(kTable);
  lanes.options.stall_us = 100 * 1000;
  lanes.options.stuck_us = 500 * 1000;
  Script script;
  for (uint64_t id = 1; id <= 8; ++id) script.Start(id);
  script.Query(1, "select pg_sleep(1000)");
  script.Query(1, "select 1");
  KeepBusy(script);
  script.Query(3, "select 2");
  const Replayed replayed = lanes.Play(script);
  CHECK(replayed.error.empty());
  CHECK(replayed.stats.cancelled == 1);
  CHECK(PlaceOf(replayed, "select 1") < PlaceOf(replayed, "select 2"));
}

TEST_CASE("nothing waits for what does not end", "[replay][server]") {
  Lanes lanes;
  TellsWhoIsLate(lanes);
  KeepsLocksUntilTheEnd(lanes);
  OthersGoOn(lanes);
  BreaksStallsBesideTraffic(lanes);
  CancelsBesideTraffic(lanes);
}

TEST_CASE("nothing ends sessions that wait", "[replay][server]") {
  Lanes lanes;
  ProbeComesBack(lanes);
  EndsWhomProductionEnded(lanes);
  OutlivesIdleTimeouts(lanes);
  OutlivesItsOwnIdleTimeouts(lanes);
}

}  // namespace
}  // namespace scry::replay
