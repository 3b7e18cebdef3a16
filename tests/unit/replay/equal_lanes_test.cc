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

void CheckEqual(const Replayed& replayed) {
  CHECK(replayed.error.empty());
  CHECK(replayed.stats.sessions_excluded == 0);
  for (const auto& pair : replayed.pairs) {
    INFO(pair.text << ": " << pair.lanes[0].outcome.message << " / "
                   << pair.lanes[1].outcome.message);
    CHECK(Same(pair));
  }
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

TEST_CASE("equal lanes end where production did", "[replay][server]") {
  Lanes lanes;
  HoldsCommitsUpForWhatIsYetToRead(lanes);
  KeepsWhatALostRaceBegan(lanes);
}

}  // namespace
}  // namespace scry::replay
