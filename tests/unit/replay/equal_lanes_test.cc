// Equal lanes stay equal, and go where production went, however their speeds differ.
#include <string>

#include "lanes.h"
#include "support/catch.h"

namespace scry::replay {
namespace {

constexpr const char* kTable =
    "CREATE TABLE t (id int PRIMARY KEY, v int NOT NULL); "
    "INSERT INTO t SELECT i, 0 FROM generate_series(1, 40) i";

std::string Nap(const std::string& seconds) {
  return "CREATE OR REPLACE FUNCTION nap() RETURNS int LANGUAGE plpgsql AS "
         "$$ BEGIN PERFORM pg_sleep(" +
         seconds + "); RETURN 1; END $$";
}

void Fail(event::Exchange& exchange, size_t statement, const std::string& sqlstate) {
  exchange.statements[statement].outcome.status = event::OutcomeStatus::kError;
  exchange.statements[statement].outcome.sqlstate = sqlstate;
}

// Each statement of READ COMMITTED has a snapshot of its own.
void HoldsCommitsUpForWhatIsYetToRead(Lanes& lanes) {
  INFO("a commit waits for a long read that has another snapshot to take");
  lanes.Reset(std::string(kTable) + "; " + Nap("0"), Nap("0.9"));
  Script script;
  script.Start(1);
  script.Start(2);
  const std::string text = "select nap(); select count(*) from t";
  script.Send(1, wire::EncodeQuery(text), {text, text}).statements[1].ordinal = 1;
  script.Query(2, "insert into t values (100, 0)");
  CheckEqual(lanes.Play(script));
}

void KeepsWhatALostRaceBegan(Lanes& lanes) {
  INFO("what was begun or saved with the statement that lost a race is there for what follows");
  lanes.Reset(kTable);
  Script script;
  script.Start(1);
  const auto send = [&](const std::vector<std::pair<std::string, std::string>>& statements) {
    std::string bytes;
    std::vector<std::string> texts;
    for (const auto& [text, tag] : statements) {
      const std::string one = Extended(text, {});
      bytes += one.substr(0, one.size() - wire::EncodeSync().size());
      texts.push_back(text);
    }
    event::Exchange& exchange = script.Send(1, bytes + wire::EncodeSync(), texts, 'T');
    for (size_t i = 0; i < statements.size(); ++i) {
      exchange.statements[i].message = static_cast<uint32_t>(4 * i + 3);
      exchange.statements[i].outcome.tag = statements[i].second;
    }
    return &exchange;
  };
  send({{"begin", "BEGIN"}, {"update t set v = 1 where id = 1", "UPDATE 1"}});
  send({{"savepoint s", "SAVEPOINT"}, {"update t set v = 1 where id = 2", "UPDATE 1"}});
  event::Exchange* lost =
      send({{"savepoint s", "SAVEPOINT"}, {"update t set v = 1 where id = 3", ""}});
  Fail(*lost, 1, "40P01");
  lost->status = 'E';
  script.Query(1, "rollback to s", 'T');
  script.Query(1, "commit");
  lost = send({{"begin", "BEGIN"}, {"update t set v = 1 where id = 4", ""}});
  Fail(*lost, 1, "40001");
  lost->status = 'E';
  Fail(script.Query(1, "update t set v = 1 where id = 5", 'E'), 0, "25P02");
  script.Query(1, "rollback");
  CheckEqual(lanes.Play(script));
  for (test::PgServer* server : {&lanes.baseline(), &lanes.candidate()}) {
    CHECK(server->Exec("SELECT string_agg(id::text, ' ' ORDER BY id) FROM t WHERE v = 1") == "1 2");
  }
}

// What a COMMIT checks another session may have made since.
void ChecksWhatWasPutOff(Lanes& lanes) {
  INFO("a COMMIT waits for what its constraints look up");
  lanes.Reset(
      "CREATE TABLE parent (id int PRIMARY KEY); CREATE TABLE child (id int PRIMARY KEY, "
      "p int REFERENCES parent DEFERRABLE INITIALLY DEFERRED); " +
      Nap("0.3"));
  Script script;
  script.Start(1);
  script.Start(2);
  script.Query(1, "begin", 'T');
  script.Query(1, "insert into child values (1, 5)", 'T');
  script.Query(2, "insert into parent select 5 from (select nap()) n");
  script.Query(1, "commit");
  const Replayed replayed = lanes.Play(script);
  CheckEqual(replayed);
  for (const auto& lane : replayed.Pair("commit").lanes) CHECK(lane.outcome.tag == "COMMIT");
}

// A session begins as what the server knows of its role and database then.
void ConnectsBehindWhatMadeItsRole(Lanes& lanes) {
  INFO("a session connects behind the DDL that let it, and before that which would not");
  lanes.Reset(
      "CREATE SCHEMA IF NOT EXISTS b; DROP TABLE IF EXISTS b.t; DROP ROLE IF EXISTS app; "
      "CREATE TABLE t (v text); INSERT INTO t VALUES ('public'); "
      "CREATE TABLE b.t (v text); INSERT INTO b.t VALUES ('b'); "
      "GRANT USAGE ON SCHEMA public, b TO public; "
      "GRANT SELECT ON t, b.t TO public; " +
      Nap("0.3"));
  Script script;
  script.Start(1);
  script.Start(2);
  script.Query(1, "begin", 'T');
  script.Query(1, "create role app login", 'T');
  script.Query(1, "select nap()", 'T');
  script.Query(1, "commit");
  script.Start(3, "app", "postgres");
  script.Query(3, "select v, 3 from t");
  script.Query(2, "select nap()");
  script.Query(2, "alter role app set search_path = b");
  script.Start(4, "app", "postgres");
  script.Query(4, "select v, 4 from t");
  script.Start(5, "app", "postgres");
  script.Query(2, "alter role app nologin");
  script.Query(5, "select v, 5 from t");
  for (uint64_t id = 3; id <= 5; ++id) script.End(id);
  script.Query(1, "drop role app");
  const Replayed replayed = lanes.Play(script);
  CheckEqual(replayed);
  CHECK(replayed.Pair("drop role app").lanes[0].outcome.tag == "DROP ROLE");
  const auto& of_public = replayed.Pair("select v, 3 from t").lanes[1].outcome;
  const auto& of_b = replayed.Pair("select v, 4 from t").lanes[1].outcome;
  CHECK(of_public.rows == 1);
  CHECK(of_b.rows == 1);
  CHECK(of_public.row_bytes != of_b.row_bytes);
  CHECK(replayed.Pair("select v, 5 from t").lanes[1].outcome.row_bytes == of_b.row_bytes);
}

// Servers end a session a moment after its client has left.
void FindsWhatASessionLeft(Lanes& lanes) {
  INFO("what a session held is free for the next one when it has ended");
  lanes.Reset(
      "CREATE FUNCTION clutter() RETURNS int LANGUAGE plpgsql AS $$ BEGIN FOR i IN 1..300 "
      "LOOP EXECUTE 'CREATE TEMP TABLE clutter' || i || ' (id int PRIMARY KEY)'; END LOOP; "
      "RETURN 1; END $$");
  Script script;
  for (uint64_t id = 1; id <= 4; ++id) {
    script.Start(id);
    if (id % 2 == 1) script.Query(id, "select clutter()");
    script.Query(id, "select pg_try_advisory_lock(7)");
    script.End(id);
  }
  const Replayed replayed = lanes.Play(script);
  CheckEqual(replayed);
  CHECK(replayed.pairs.size() == 6);
  for (const auto& pair : replayed.pairs) {
    for (const auto& lane : pair.lanes) {
      CHECK((lane.rows.ends_with('t') || lane.rows.ends_with('1')));
    }
  }
}

// A new table is there for others once its transaction has committed.
void FindsWhatDdlMade(Lanes& lanes) {
  INFO("what DDL makes in a transaction is found by those that found it in production");
  lanes.Reset(std::string(kTable) + "; " + Nap("0.3"));
  Script script;
  script.Start(1);
  script.Start(2);
  script.Query(1, "begin", 'T');
  script.Query(1, "create table made (id int)", 'T');
  script.Query(1, "select nap()", 'T');
  script.Query(1, "commit");
  script.Query(2, "select * from made");
  const Replayed replayed = lanes.Play(script);
  CheckEqual(replayed);
  for (const auto& lane : replayed.Pair("select * from made").lanes) {
    CHECK(lane.outcome.sqlstate.empty());
  }
}

TEST_CASE("equal lanes end where production did", "[replay][server]") {
  Lanes lanes;
  HoldsCommitsUpForWhatIsYetToRead(lanes);
  KeepsWhatALostRaceBegan(lanes);
  ChecksWhatWasPutOff(lanes);
  ConnectsBehindWhatMadeItsRole(lanes);
  FindsWhatASessionLeft(lanes);
  FindsWhatDdlMade(lanes);
}

}  // namespace
}  // namespace scry::replay
