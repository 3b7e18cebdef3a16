// Transcripts of what clients and servers really do, and what is recorded of them. A line reads
// "messages status; text#ordinal@message outcome".
#include "exchange/exchange_tracker.h"

#include <string>

#include "support/catch.h"
#include "unit/exchange/transcript.h"

namespace scry::exchange {
namespace {
using event::EndReason;
using event::GapReason;
}  // namespace

TEST_CASE("authentication messages are never recorded, the facts of the start are", "[exchange]") {
  Transcript t;
  t.Server('R', std::string_view("\0\0\0\12SCRAM-SHA-256\0\0", 19));
  t.Client('p', "SCRAM-SHA-256 secret");
  t.Server('R', std::string_view("\0\0\0\13data", 8));
  t.Client('p', "more secret");
  t.Server('N', ErrorPayload("WARNING", "01000", "collation"));
  t.Started();
  t.Query("select 1");
  t.Done("SELECT 1");
  t.Ready('I');
  const auto starts = t.list.All<event::SessionStart>();
  REQUIRE(starts.size() == 1);
  CHECK(starts[0].backend_pid == 7);
  CHECK(starts[0].settings == event::Settings{{"server_version", "15"}});
  CHECK(starts[0].at_us > 0);
  CHECK(t.Lines() == Lines{"Q I; select 1#0@0 done SELECT 1"});
}

TEST_CASE("a password in SQL is recorded neither in the message nor in the text", "[exchange]") {
  Session t;
  t.Query("alter role a password 'secret'");
  t.Done("ALTER ROLE");
  t.Ready('I');
  t.Run("alter role b password 'secret'");
  t.Sync();
  t.RanOk("ALTER ROLE");
  t.Ready('I');
  CHECK(t.Lines() == Lines{"Q I; alter role a password NULL#0@0 done ALTER ROLE",
                           "PBES I; alter role b password NULL#0@2 done ALTER ROLE"});
  const auto exchanges = t.Exchanges();
  for (const event::Exchange& exchange : exchanges) {
    for (const event::FrontendMessage& message : exchange.messages) {
      CHECK(message.head.find("secret") == std::string::npos);
    }
  }
  const auto parsed = wire::ParseParse(base::AsBytes(exchanges.at(1).messages.at(0).head));
  REQUIRE(parsed);
  CHECK(parsed->text == "alter role b password NULL");
}

TEST_CASE("a refused session leaves no events", "[exchange]") {
  Transcript t;
  t.Client('p', "wrong");
  t.Fatal("28P01");
  CHECK(t.tracker.phase() == ExchangeTracker::Phase::kRefused);
  t.Close(EndReason::kServerClosed);
  CHECK(t.list.events.empty());
}

TEST_CASE("a client may send its first query before it is let in", "[exchange]") {
  Transcript t;
  t.Query("select 1");
  t.Started();
  t.Done("SELECT 1");
  t.Ready('I');
  CHECK(t.Lines() == Lines{"Q I; select 1#0@0 done SELECT 1"});
}

TEST_CASE("a query of several statements has one outcome for each", "[exchange]") {
  Session t;
  t.Query("select 1; update t set a = 1; select 2");
  t.Columns({"a"});
  t.Row({"1"});
  t.Done("SELECT 1");
  t.Done("UPDATE 3");
  t.Columns({"b"});
  t.Done("SELECT 0");
  t.Ready('I');
  const auto exchanges = t.Exchanges();
  REQUIRE(exchanges.size() == 1);
  REQUIRE(exchanges[0].statements.size() == 3);
  CHECK(exchanges[0].statements[0].outcome.rows == 1);
  CHECK(exchanges[0].statements[0].outcome.row_description == ColumnsPayload({"a"}));
  CHECK(exchanges[0].statements[1].outcome.row_description.empty());
  CHECK(exchanges[0].statements[1].outcome.digest_ordered == 0);
  CHECK(exchanges[0].statements[2].outcome.row_description == ColumnsPayload({"b"}));
  CHECK(exchanges[0].statements[2].ordinal == 2);
}

TEST_CASE("an error in a query ends it", "[exchange]") {
  Session t;
  t.Query("select 1; select 1/0; select 2");
  t.Done("SELECT 1");
  t.Error("22012");
  t.Ready('I');
  t.Query("");
  t.Server('I');
  t.Ready('I');
  const std::string text = "select 1; select 1/0; select 2";
  CHECK(t.Lines() == Lines{"Q I; " + text + "#0@0 done SELECT 1; " + text + "#1@0 error 22012",
                           "Q I; #0@0 empty"});
  CHECK(t.Exchanges()[0].statements[1].outcome.message == "it failed");
}

TEST_CASE("an extended batch has one statement for its Execute", "[exchange]") {
  Session t;
  t.Parse("", "select $1");
  t.Bind("", "");
  t.DescribePortal("");
  t.Execute("");
  t.Sync();
  t.ParseOk();
  t.BindOk();
  t.Columns({"x"});
  t.Row({"1"});
  t.Row({"1"});
  t.Done("SELECT 2");
  t.Ready('I');
  CHECK(t.Lines() == Lines{"PBDES I; select $1#0@3 done SELECT 2"});
  const event::Outcome outcome = t.Exchanges()[0].statements[0].outcome;
  CHECK(outcome.rows == 2);
  CHECK(outcome.row_bytes == 2 * RowPayload({"1"}).size());
  CHECK(outcome.row_description == ColumnsPayload({"x"}));
  const event::FrontendMessage bind = t.Exchanges()[0].messages[1];
  CHECK(!bind.values.empty());
  CHECK(!bind.tail.empty());
}

TEST_CASE("a prepared statement is known by name in later exchanges", "[exchange]") {
  Session t;
  t.Parse("s1", "select a");
  t.DescribeStatement("s1");
  t.Sync();
  t.ParseOk();
  t.Server('t', std::string_view("\0\0", 2));
  t.Columns({"a"});
  t.Ready('I');
  for (int i = 0; i < 2; ++i) {
    t.Bind("", "s1");
    t.Execute("");
    t.Sync();
    t.BindOk();
    t.Done("SELECT 0");
    t.Ready('I');
  }
  t.CloseStatement("s1");
  t.Parse("s1", "select b");
  t.Bind("", "s1");
  t.Execute("");
  t.Sync();
  t.CloseOk();
  t.RanOk("SELECT 0");
  t.Ready('I');
  CHECK(t.Lines() == Lines{"PDS I", "BES I; select a#0@1 done SELECT 0",
                           "BES I; select a#0@1 done SELECT 0",
                           "CPBES I; select b#0@3 done SELECT 0"});
  // Described in another exchange: it did not come for this statement.
  CHECK(t.Exchanges()[1].statements[0].outcome.row_description.empty());
}

TEST_CASE("a portal keeps the statement it was bound from", "[exchange]") {
  Session t;
  t.Parse("", "select 1");
  t.Bind("p", "");
  t.Parse("", "select 2");
  t.Execute("p");
  t.Sync();
  t.ParseOk();
  t.BindOk();
  t.ParseOk();
  t.Done("SELECT 1");
  t.Ready('I');
  CHECK(t.Lines() == Lines{"PBPES I; select 1#0@3 done SELECT 1"});
}

TEST_CASE("a statement prepared by SQL or before the capture has no text", "[exchange]") {
  Session t;
  t.Bind("", "made_by_prepare");
  t.Execute("");
  t.Sync();
  t.BindOk();
  t.Done("SELECT 1");
  t.Ready('I');
  CHECK(t.Lines() == Lines{"BES I; #0@1 done SELECT 1"});
}

TEST_CASE("a row limit suspends the portal, which goes on later", "[exchange]") {
  Session t;
  t.Query("begin");
  t.Done("BEGIN");
  t.Ready('T');
  t.Parse("", "select a from t");
  t.Bind("c", "");
  t.DescribePortal("c");
  t.Execute("c", 1);
  t.Sync();
  t.ParseOk();
  t.BindOk();
  t.Columns({"a"});
  t.Row({"1"});
  t.Suspended();
  t.Ready('T');
  t.Execute("c", 1);
  t.Sync();
  t.Row({"2"});
  t.Done("SELECT 1");
  t.Ready('T');
  CHECK(t.Lines() == Lines{"Q T; begin#0@0 done BEGIN", "PBDES T; select a from t#0@3 suspended",
                           "ES T; select a from t#0@0 done SELECT 1"});
  CHECK(t.Exchanges()[2].statements[0].outcome.row_description.empty());
}

TEST_CASE("in a pipeline each exchange ends at its own ReadyForQuery", "[exchange]") {
  Session t;
  for (const char* text : {"insert 1", "insert 2", "insert 3"}) {
    t.Run(text);
    t.Sync();
  }
  t.Query("select 4");
  t.RanOk("INSERT 0 1");
  t.Ready('I');
  t.ParseOk();
  t.Error("23505");
  t.Ready('I');
  t.RanOk("INSERT 0 1");
  t.Ready('I');
  t.Done("SELECT 1");
  t.Ready('I');
  CHECK(t.Lines() ==
        Lines{"PBES I; insert 1#0@2 done INSERT 0 1", "PBES I; insert 2#0@2 error 23505",
              "PBES I; insert 3#0@2 done INSERT 0 1", "Q I; select 4#0@0 done SELECT 1"});
  CHECK(t.clock.acknowledged == 3);
}

TEST_CASE("after an error everything up to Sync is skipped without answers", "[exchange]") {
  Session t;
  t.Run("select 1");
  t.Run("select 1/0");
  t.Run("select 2");
  t.Query("select 3");
  t.Run("select 4");
  t.Sync();
  t.RanOk("SELECT 1");
  t.ParseOk();
  t.BindOk();
  t.Error("22012");
  t.Ready('I');
  CHECK(t.Lines() == Lines{"PBEPBEPBEQPBES I; select 1#0@2 done SELECT 1; select 1/0#0@5 error "
                           "22012; select 2#0@8 skipped; select 3#0@9 skipped; select 4#0@12 "
                           "skipped"});
}

TEST_CASE("an error of Parse or Bind belongs to the Execute that needed it", "[exchange]") {
  Session t;
  t.Run("select nonsense");
  t.Run("select 2");
  t.Sync();
  t.Error("42703");
  t.Ready('I');
  t.Parse("s", "select $1::int");
  t.Sync();
  t.ParseOk();
  t.Ready('I');
  t.Bind("p", "s");
  t.DescribePortal("p");
  t.Execute("p");
  t.Sync();
  t.Error("22P02");
  t.Ready('I');
  CHECK(t.Lines() == Lines{"PBEPBES I; select nonsense#0@2 error 42703; select 2#0@5 skipped",
                           "PS I", "BDES I; select $1::int#0@2 error 22P02"});
}

TEST_CASE("an error of Parse or Describe without an Execute has its own entry", "[exchange]") {
  Session t;
  t.Parse("s", "select nonsense");
  t.DescribeStatement("s");
  t.Sync();
  t.Error("42703");
  t.Ready('I');
  t.DescribeStatement("gone");
  t.Sync();
  t.Error("26000");
  t.Ready('I');
  CHECK(t.Lines() == Lines{"PDS I; select nonsense#0@0 error 42703", "DS I; #0@0 error 26000"});
}

TEST_CASE("an error with Flush before the rest is sent is attributed the same", "[exchange]") {
  Session t;
  t.Parse("", "select nonsense");
  t.Flush();
  t.Error("42703");
  t.Bind("", "");
  t.Execute("");
  t.Sync();
  t.Ready('I');
  CHECK(t.Lines() == Lines{"PHBES I; select nonsense#0@3 error 42703"});
}

TEST_CASE("Flush answers nothing and ends nothing", "[exchange]") {
  Session t;
  t.Parse("", "select 1");
  t.Flush();
  t.ParseOk();
  t.Bind("", "");
  t.Flush();
  t.BindOk();
  t.Execute("");
  t.Flush();
  t.Done("SELECT 1");
  CHECK(t.Exchanges().empty());
  t.Sync();
  t.Ready('I');
  CHECK(t.Lines() == Lines{"PHBHEHS I; select 1#0@4 done SELECT 1"});
}

TEST_CASE("a Query in an open pipeline ends the exchange", "[exchange]") {
  Session t;
  t.Run("insert 1");
  t.Query("select 2");
  t.RanOk("INSERT 0 1");
  t.Done("SELECT 1");
  t.Ready('I');
  CHECK(t.Lines() == Lines{"PBEQ I; insert 1#0@2 done INSERT 0 1; select 2#0@3 done SELECT 1"});
}

TEST_CASE("a commit that fails at Sync is the outcome of the last statement", "[exchange]") {
  Session t;
  t.Run("insert deferred");
  t.Sync();
  t.RanOk("INSERT 0 1");
  t.Error("23503");
  t.Ready('I');
  CHECK(t.Lines() == Lines{"PBES I; insert deferred#0@2 error INSERT 0 1 23503"});
  CHECK(t.clock.acknowledged == 0);
}

TEST_CASE("function calls are exchanges of their own", "[exchange]") {
  Session t;
  wire::FunctionCall call;
  call.function_oid = 952;
  t.Client('F', PayloadOf(wire::EncodeFunctionCall(call)));
  t.Server('V', std::string_view("\0\0\0\1x", 5));
  t.Ready('I');
  t.Client('F', PayloadOf(wire::EncodeFunctionCall(call)));
  t.Error("42883");
  t.Ready('I');
  CHECK(t.Lines() ==
        Lines{"F I; (function call 952)#0@0 done", "F I; (function call 952)#0@0 error 42883"});
  CHECK(t.Exchanges()[0].statements[0].outcome.rows == 1);
}

// --- COPY.

TEST_CASE("copy data belongs to the query that asked for it", "[exchange]") {
  Session t;
  t.Query("copy t from stdin; select 1; copy u from stdin");
  t.CopyIn();
  t.CopyData("1\n");
  t.CopyData("");
  t.CopyDone();
  t.Done("COPY 1");
  t.Done("SELECT 1");
  t.CopyIn();
  t.CopyData("2\n");
  t.CopyDone();
  t.Query("select 2");
  t.Done("COPY 1");
  t.Ready('I');
  t.Done("SELECT 1");
  t.Ready('I');
  REQUIRE(t.Exchanges().size() == 2);
  CHECK(t.Exchanges()[0].statements.size() == 3);
  CHECK(t.Exchanges()[0].messages.size() == 6);
  CHECK(t.Exchanges()[0].messages[1].values == "1\n");
  CHECK(t.Lines()[1] == "Q I; select 2#0@0 done SELECT 1");
}

TEST_CASE("libpq's two Syncs around a COPY get one ReadyForQuery", "[exchange]") {
  Session t;
  t.Run("copy t from stdin");
  t.Sync();
  t.ParseOk();
  t.BindOk();
  t.CopyIn();
  t.CopyData("1\n");
  t.CopyDone();
  t.Sync();
  t.Run("select 1");
  t.Sync();
  t.Done("COPY 1");
  t.Ready('I');
  t.RanOk("SELECT 1");
  t.Ready('I');
  CHECK(t.Lines() == Lines{"PBESdcS I; copy t from stdin#0@2 done COPY 1",
                           "PBES I; select 1#0@2 done SELECT 1"});
}

TEST_CASE("copy data sent ahead of CopyInResponse finds its COPY", "[exchange]") {
  Session t;
  t.Query("copy t from stdin");
  t.CopyData("1\n");
  t.CopyDone();
  t.Query("select 1");
  t.CopyIn();
  t.Done("COPY 1");
  t.Ready('I');
  t.Done("SELECT 1");
  t.Ready('I');
  CHECK(t.Lines() ==
        Lines{"Qdc I; copy t from stdin#0@0 done COPY 1", "Q I; select 1#0@0 done SELECT 1"});
}

TEST_CASE("a COPY that fails before it starts leaves its data to nobody", "[exchange]") {
  Session t;
  t.Query("copy nonsense from stdin");
  t.CopyData("1\n");
  t.CopyDone();
  t.Error("42P01");
  t.Ready('I');
  t.CopyData("late");
  t.Query("select 1");
  t.Done("SELECT 1");
  t.Ready('I');
  CHECK(t.Lines() ==
        Lines{"Q I; copy nonsense from stdin#0@0 error 42P01", "Q I; select 1#0@0 done SELECT 1"});
  SECTION("and in the extended protocol the first Sync is answered") {
    t.Run("copy nonsense from stdin");
    t.Sync();
    t.Error("42P01");
    t.Ready('I');
    t.Query("select 2");
    t.Done("SELECT 1");
    t.Ready('I');
    CHECK(t.Lines()[2] == "PBES I; copy nonsense from stdin#0@2 error 42P01");
    CHECK(t.Lines()[3] == "Q I; select 2#0@0 done SELECT 1");
  }
}

TEST_CASE("a COPY that fails in the middle ends at the next Sync or at once", "[exchange]") {
  Session t;
  SECTION("extended: copy data is ignored up to Sync") {
    t.Run("copy t from stdin");
    t.Sync();
    t.ParseOk();
    t.BindOk();
    t.CopyIn();
    t.CopyData("bad\n");
    t.Error("22P02");
    t.CopyData("more\n");
    t.CopyDone();
    t.Sync();
    t.Ready('I');
    CHECK(t.Lines() == Lines{"PBESddcS I; copy t from stdin#0@2 error 22P02"});
  }
  SECTION("extended: the error comes after all is sent") {
    t.Run("copy t from stdin");
    t.Sync();
    t.ParseOk();
    t.BindOk();
    t.CopyIn();
    t.CopyData("bad\n");
    t.CopyDone();
    t.Sync();
    t.Error("22P02");
    t.Ready('I');
    CHECK(t.Lines() == Lines{"PBESdcS I; copy t from stdin#0@2 error 22P02"});
  }
  SECTION("simple: the rest of the data is stray") {
    t.Query("copy t from stdin");
    t.CopyIn();
    t.CopyData("bad\n");
    t.CopyData("more\n");
    t.Error("22P02");
    t.Ready('I');
    t.CopyData("late\n");
    t.CopyDone();
    CHECK(t.Lines() == Lines{"Qdd I; copy t from stdin#0@0 error 22P02"});
  }
  SECTION("CopyFail") {
    t.Query("copy t from stdin");
    t.CopyIn();
    t.CopyFail();
    t.Error("57014");
    t.Ready('I');
    CHECK(t.Lines() == Lines{"Qf I; copy t from stdin#0@0 error 57014"});
  }
  t.Query("select 1");
  t.Done("SELECT 1");
  t.Ready('I');
  CHECK(t.Lines().back() == "Q I; select 1#0@0 done SELECT 1");
  CHECK(t.Gaps().empty());
}

TEST_CASE("the data of COPY OUT counts as rows", "[exchange]") {
  Session t;
  t.Query("copy t to stdout");
  t.CopyOut();
  t.Server('d', "1\n");
  t.Server('d', "2\n");
  t.Server('c');
  t.Done("COPY 2");
  t.Ready('I');
  const event::Outcome outcome = t.Exchanges().at(0).statements.at(0).outcome;
  CHECK(outcome.rows == 2);
  CHECK(outcome.row_bytes == 4);
  CHECK(outcome.digest_ordered != 0);
}

// --- Asynchronous messages and ends.

TEST_CASE("notices, notifications and settings may stand anywhere", "[exchange]") {
  Session plain;
  Session noisy;
  const auto noise = [](Session& t) {
    t.Server('N', ErrorPayload("NOTICE", "00000", "hello"));
    t.Server('A', std::string_view("\0\0\0\1ch\0hi\0", 10));
    t.Server('S', std::string_view("TimeZone\0UTC\0", 13));
  };
  for (Session* t : {&plain, &noisy}) {
    const auto maybe = [&] {
      if (t == &noisy) noise(*t);
    };
    maybe();
    t->Run("select 1");
    maybe();
    t->Sync();
    t->ParseOk();
    maybe();
    t->BindOk();
    t->Row({"1"});
    maybe();
    t->Row({"2"});
    t->Done("SELECT 2");
    maybe();
    t->Ready('I');
    maybe();
  }
  CHECK(plain.Lines() == noisy.Lines());
  CHECK(plain.Exchanges()[0].statements[0].outcome.digest_ordered ==
        noisy.Exchanges()[0].statements[0].outcome.digest_ordered);
}

TEST_CASE("an idle session that is shut down has lost nothing", "[exchange]") {
  Session t;
  t.Fatal("57P01");
  t.Close(EndReason::kServerClosed);
  CHECK(t.Exchanges().empty());
  CHECK(t.Gaps().empty());
  CHECK(t.list.All<event::SessionEnd>().at(0).reason == EndReason::kServerClosed);
}

TEST_CASE("a FATAL error is the outcome of what ran, the rest is lost", "[exchange]") {
  Session t;
  t.Query("select pg_sleep(9)");
  t.Query("select 2");
  t.Fatal("57P01");
  t.Close(EndReason::kServerClosed);
  CHECK(t.Lines() == Lines{"Q -; select pg_sleep(9)#0@0 error 57P01", "Q -; select 2#0@0 lost"});
}

TEST_CASE("a connection that ends in the middle loses each exchange in flight", "[exchange]") {
  Session t;
  t.Run("select 1");
  t.Sync();
  t.Run("select 2");
  t.Sync();
  t.Run("select 3");
  t.ParseOk();
  t.BindOk();
  t.Row({"1"});
  t.Close();
  CHECK(t.Lines() == Lines{"PBES -; select 1#0@2 lost", "PBES -; select 2#0@2 lost",
                           "PBE -; select 3#0@2 lost"});
  CHECK(t.Exchanges()[0].statements[0].outcome.rows == 1);
  const auto end = t.list.All<event::SessionEnd>().at(0);
  CHECK(end.exchanges == 3);
  CHECK(t.clock.acknowledged == 0);
}

TEST_CASE("Terminate is why a session ended, whoever closed first", "[exchange]") {
  for (const EndReason closed : {EndReason::kClientClosed, EndReason::kServerClosed}) {
    Session t;
    t.Terminate();
    t.Close(closed);
    CHECK(t.list.All<event::SessionEnd>().at(0).reason == EndReason::kTerminate);
  }
  Session t;
  t.Query("select 1");
  t.Close(EndReason::kCaptureEnded);
  CHECK(t.list.All<event::SessionEnd>().at(0).reason == EndReason::kCaptureEnded);
}

// --- Commits.

TEST_CASE("the commit clock counts what became visible", "[exchange]") {
  Session t;
  const auto run = [&](std::string_view text, std::string_view tag, char status) {
    t.Query(text);
    t.Done(tag);
    t.Ready(status);
    return t.clock.acknowledged;
  };
  CHECK(run("insert", "INSERT 0 1", 'I') == 1);
  CHECK(run("begin", "BEGIN", 'T') == 1);
  CHECK(run("insert", "INSERT 0 1", 'T') == 1);
  CHECK(run("commit", "COMMIT", 'I') == 2);
  CHECK(run("begin", "BEGIN", 'T') == 2);
  CHECK(run("rollback", "ROLLBACK", 'I') == 2);
  CHECK(run("commit", "ROLLBACK", 'I') == 2);  // COMMIT of a failed transaction.
  CHECK(run("commit and chain", "COMMIT", 'T') == 3);
  t.Query("commit; select 1/0");
  t.Done("COMMIT");
  t.Error("22012");
  t.Ready('I');
  CHECK(t.clock.acknowledged == 4);
}

TEST_CASE("an exchange is stamped with the commits seen when its first byte went on",
          "[exchange]") {
  Session t;
  t.Query("insert 1");
  t.Query("insert 2");
  t.Done("INSERT 0 1");
  t.Ready('I');
  t.Done("INSERT 0 1");
  t.clock.acknowledged += 10;  // Other sessions.
  t.Ready('I');
  REQUIRE(t.Exchanges().size() == 2);
  CHECK(t.Exchanges()[0].commits_seen == 0);
  CHECK(t.Exchanges()[0].commits_done == 1);
  CHECK(t.Exchanges()[1].commits_seen == 0);
  CHECK(t.Exchanges()[1].commits_done == 12);
}

TEST_CASE("times add up to the time of the exchange", "[exchange]") {
  Session t;
  t.Query("select 1; select 2");  // At 50: Started took four ticks.
  t.Columns({"a"});
  t.Done("SELECT 0");
  t.Done("SELECT 1");
  t.Ready('I');
  const event::Exchange exchange = t.Exchanges().at(0);
  CHECK(exchange.forwarded_us == 50);
  CHECK(exchange.first_answer_us == 60);
  CHECK(exchange.completed_us == 90);
  CHECK(exchange.statements[0].outcome.elapsed_us == 20);
  CHECK(exchange.statements[1].outcome.elapsed_us == 20);
}

// --- Not understood.

TEST_CASE("what is not understood ends the recording with counts, not the session", "[exchange]") {
  Session t;
  t.Query("select 0");
  t.Done("SELECT 1");
  t.Ready('I');
  t.Query("select 1");
  SECTION("an unknown answer") { t.Server('?'); }
  SECTION("an answer that fits no question") { t.ParseOk(); }
  SECTION("COPY BOTH") { t.Server('W', std::string_view("\0\0\0", 3)); }
  SECTION("an unknown question") { t.Client('?', "what"); }
  SECTION("a broken frame") { t.tracker.OnBroken("length 0", t.Tick()); }
  CHECK(t.tracker.phase() == ExchangeTracker::Phase::kQuiet);
  CHECK(!t.tracker.reason().empty());
  t.Done("SELECT 1");
  t.Ready('I');
  t.Query("select 2");
  t.Ready('I');
  t.Query("select 3");
  t.Close();
  CHECK(t.Exchanges().size() == 1);
  CHECK(t.Accounted() == t.ready_seen + 1);
  for (const auto& gap : t.Gaps()) CHECK(gap.reason == GapReason::kNotUnderstood);
  CHECK(t.list.All<event::SessionEnd>().at(0).exchanges == 4);
}

TEST_CASE("a replication session is not recorded", "[exchange]") {
  Transcript t({}, {{"user", "r"}, {"replication", "database"}});
  t.Started();
  t.Query("IDENTIFY_SYSTEM");
  t.Ready('I');
  t.Close();
  CHECK(t.Exchanges().empty());
  CHECK(t.Accounted() == 1);
}

}  // namespace scry::exchange
