#include "replay/lost_race.h"

#include "base/letter_case.h"
#include "script.h"
#include "support/catch.h"

namespace scry::replay {
namespace {

namespace frontend = wire::frontend;

event::Exchange Failed(const std::string& bytes, char status, const std::string& sqlstate) {
  Script script;
  event::Exchange& exchange = script.Send(1, bytes, {"update t set a = 1"}, status);
  exchange.statements[0].message = static_cast<uint32_t>(exchange.messages.size() - 2);
  exchange.statements[0].outcome.status = event::OutcomeStatus::kError;
  exchange.statements[0].outcome.sqlstate = sqlstate;
  return exchange;
}

std::string Types(const event::Exchange& exchange) {
  std::string types;
  for (const auto& message : exchange.messages) types += static_cast<char>(message.type);
  return types;
}

TEST_CASE("deadlocks, serialization failures and locks not had are lost races", "[replay]") {
  const std::string bytes = Extended("update t set a = 1", {});
  for (const char* state : {"40001", "40P01", "55P03"}) {
    CHECK(LostRace(Failed(bytes, 'E', state), false));
  }
  for (const char* state : {"23505", "57014", "25P02", ""}) {
    CHECK_FALSE(LostRace(Failed(bytes, 'E', state), false));
  }
}

TEST_CASE("a lock that the capture itself held is lost again by the order", "[replay]") {
  const std::string bytes = Extended("select 1 from t for update nowait", {});
  CHECK_FALSE(LostRace(Failed(bytes, 'E', "55P03"), true));
  CHECK(LostRace(Failed(bytes, 'E', "40P01"), true));
}

TEST_CASE("what was cancelled or did not get its lock gave up waiting", "[replay]") {
  const std::string bytes = Extended("update t set a = 1", {});
  CHECK(GaveUpWaiting(Failed(bytes, 'E', "55P03")));
  CHECK(GaveUpWaiting(Failed(bytes, 'E', "57014")));
  CHECK(WasCancelled(Failed(bytes, 'E', "57014")));
  CHECK_FALSE(GaveUpWaiting(Failed(bytes, 'E', "23505")));
}

TEST_CASE("a withdrawn exchange fails its transaction and keeps what it prepared", "[replay]") {
  event::Exchange exchange = Failed(Extended("update t set a = 1", {}), 'E', "40P01");
  Withdraw(exchange);
  CHECK(Types(exchange) == "PPS");  // Its own Parse, one that fails, Sync.
  CHECK(exchange.messages[1].head.find("scry_lost_a_race") != std::string::npos);
  CHECK(exchange.statements.empty());
}

TEST_CASE("a withdrawn exchange that left no transaction open rolls back", "[replay]") {
  event::Exchange exchange = Failed(wire::EncodeQuery("commit") + wire::EncodeSync(), 'I', "40001");
  exchange.statements[0].message = 0;
  Withdraw(exchange);
  CHECK(Types(exchange) == "PBES");
}

// What a driver sends with one Sync: the first `done` statements ran, the next one failed.
event::Exchange Pipeline(const std::vector<std::string>& texts, size_t done, char status) {
  std::string bytes;
  for (const std::string& text : texts) {
    const std::string one = Extended(text, {});
    bytes += one.substr(0, one.size() - wire::EncodeSync().size());
  }
  Script script;
  event::Exchange exchange = script.Send(1, bytes + wire::EncodeSync(), texts, status);
  for (size_t i = 0; i < texts.size(); ++i) {
    event::Statement& statement = exchange.statements[i];
    statement.message = static_cast<uint32_t>(4 * i + 3);  // Parse, Bind, Describe, Execute.
    statement.outcome.tag = base::UpperAscii(texts[i].substr(0, texts[i].find(' ')));
    if (i < done) continue;
    statement.outcome.status =
        i == done ? event::OutcomeStatus::kError : event::OutcomeStatus::kSkipped;
    statement.outcome.sqlstate = i == done ? "40P01" : "";
  }
  return exchange;
}

TEST_CASE("what a withdrawn exchange began before it failed is kept", "[replay]") {
  event::Exchange begins = Pipeline({"begin", "update t set a = 1"}, 1, 'E');
  Withdraw(begins);
  CHECK(Types(begins) == "PBDEPPS");
  event::Exchange saves =
      Pipeline({"update t set a = 1", "savepoint s", "update t set a = 2", "select 1"}, 2, 'E');
  Withdraw(saves);
  CHECK(Types(saves) == "PBDEPBDEPPS");
  CHECK(saves.messages[0].head.find("a = 1") != std::string::npos);
  CHECK(saves.statements.empty());
  // Nothing of it outlived the failure.
  event::Exchange undone = Pipeline({"update t set a = 1", "update t set a = 2"}, 1, 'E');
  Withdraw(undone);
  CHECK(Types(undone) == "PPPS");
}

#ifdef SCRY_HAVE_PG_QUERY
TEST_CASE("what a withdrawn text began before it failed is kept", "[replay]") {
  const std::string text = "begin; update t set a = ';'; savepoint s;\nupdate t set a = 'x'";
  for (const char status : {'E', 'I'}) {
    Script script;
    event::Exchange exchange =
        script.Send(1, wire::EncodeQuery(text), {text, text, text, text}, status);
    const char* tags[] = {"BEGIN", "UPDATE 1", "SAVEPOINT", ""};
    for (uint32_t i = 0; i < 4; ++i) {
      exchange.statements[i].ordinal = i;
      exchange.statements[i].outcome.tag = tags[i];
    }
    exchange.statements[3].outcome.status = event::OutcomeStatus::kError;
    Withdraw(exchange);
    REQUIRE(Types(exchange) == "Q");
    const std::string kept = "begin;\nupdate t set a = ';';\nsavepoint s;\n";
    CHECK(exchange.messages[0].head.starts_with(kept + (status == 'E' ? "SELECT" : "ROLLBACK")));
  }
}
#endif

TEST_CASE("a write that found no row is replaced by nothing", "[replay]") {
  event::Exchange exchange = Failed(Extended("update t set a = 1 where id = 2", {}), 'T', "");
  exchange.statements[0].outcome.status = event::OutcomeStatus::kDone;
  exchange.statements[0].outcome.tag = "UPDATE 1";
  const std::vector<Access> row = {{kFirstRelation, 7, Mode::kUpdate}};
  CHECK_FALSE(FoundNoRow(exchange, row));
  exchange.statements[0].outcome.tag = "UPDATE 0";
  CHECK(FoundNoRow(exchange, row));
  CHECK_FALSE(FoundNoRow(exchange, {{kFirstRelation, 0, Mode::kUpdate}}));
  Withdraw(exchange);
  CHECK(Types(exchange) == "PS");
  CHECK(exchange.statements.empty());
}

}  // namespace
}  // namespace scry::replay
