// Whole replays on real servers. Each promise builds its capture by hand.
#include "replay/replayer.h"

#include <functional>
#include <map>
#include <string>
#include <vector>

#include "base/bytes.h"
#include "base/clock.h"
#include "exchange/row_digest.h"
#include "lanes.h"
#include "replay/row_rewriter.h"
#include "script.h"
#include "support/catch.h"
#include "support/pg_server.h"

using namespace scry;
using namespace scry::replay;
using event::OutcomeStatus;

namespace {

static void CheckAllSame(const Replayed& replayed) {
  CHECK(replayed.error.empty());
  for (const auto& pair : replayed.pairs) {
    INFO(pair.text.str() << ": " << pair.lanes[0].outcome.message << " / "
                         << pair.lanes[1].outcome.message);
    CHECK(Same(pair));
    CHECK(pair.lanes[0].outcome.status != OutcomeStatus::kLost);
  }
}

constexpr const char* kSchema =
    "CREATE TABLE t (id int PRIMARY KEY, v int NOT NULL, note text); "
    "INSERT INTO t SELECT i, i * 10, 'note ' || i FROM generate_series(1, 100) i; "
    "CREATE SEQUENCE s; CREATE TABLE log (id serial, who int, what text)";

}  // namespace

// Equal lanes do the same, whatever the protocol offers.
static void PlaysTheProtocol(Lanes& lanes) {
  INFO("equal lanes do the same, whatever the protocol offers");
  lanes.Reset(kSchema);
  Script script;
  script.Start(1);
  script.Query(1, "select * from t order by id");
  script.Query(1, "");
  script.Query(1, "select 1 as a; select 2 as b; select id from t where id < 4");
  script.Query(1, "select 1/0");
  script.Query(1, "this is no sql");
  script.Query(1, "do $$ begin raise notice 'hello'; raise warning 'oh'; end $$");
  script.Query(1, "set work_mem = '8MB'; show work_mem");
  script.Query(1, "listen x");
  script.Query(1, "notify x, 'payload'");
  // Failed transactions.
  script.Query(1, "begin", 'T');
  script.Query(1, "insert into t values (1, 1, 'twice')", 'E');
  script.Query(1, "select 1", 'E');
  script.Query(1, "rollback");
  // Cursors.
  script.Query(1, "begin", 'T');
  script.Query(1, "declare c cursor for select * from t order by id", 'T');
  script.Query(1, "fetch 30 from c", 'T');
  script.Query(1, "move 10 in c", 'T');
  script.Query(1, "fetch all from c", 'T');
  script.Query(1, "commit");
  // Prepared, binary, NULL.
  script.Send(1, Extended("select * from t where id = $1::int", {"7"}, true),
              {"select * from t where id = $1::int"});
  script.Send(1, Extended("select $1::text is null", {std::nullopt}), {"select $1::text is null"});
  script.Send(1, Extended("select * from t where id = $1::int", {"no number"}),
              {"select * from t where id = $1::int"});
  // A named statement, used in later exchanges, closed, and used again in vain.
  wire::Parse parse;
  parse.name = "by_id";
  parse.text = "select note from t where id = $1";
  script.Send(1, wire::EncodeParse(parse) + wire::EncodeSync(), {});
  wire::Bind bind;
  bind.statement = "by_id";
  bind.parameters = {"5"};
  const std::string run = wire::EncodeBind(bind) + wire::EncodeExecute("") + wire::EncodeSync();
  for (int i = 0; i < 7; ++i) script.Send(1, run, {"select note from t where id = $1"});
  script.Send(1, wire::EncodeClose(wire::Target::kStatement, "by_id") + wire::EncodeSync(), {});
  script.Send(1, run, {"select note from t where id = $1"});
  // Row limits: a portal that is suspended and goes on.
  wire::Parse all;
  all.text = "select id from t order by id";
  wire::Bind portal;
  portal.portal = "p";
  script.Query(1, "begin", 'T');
  script.Send(1,
              wire::EncodeParse(all) + wire::EncodeBind(portal) + wire::EncodeExecute("p", 10) +
                  wire::EncodeExecute("p", 50) + wire::EncodeSync(),
              {"select id from t order by id", "select id from t order by id"}, 'T');
  script.Send(1, wire::EncodeExecute("p") + wire::EncodeSync(), {"select id from t order by id"},
              'T');
  script.Query(1, "commit");
  // Several commands up to one Sync; the second fails, the third is skipped.
  std::string pipeline;
  for (const char* sql :
       {"insert into log (who) values (1)", "select 1/(1-1)", "insert into log (who) values (2)"}) {
    wire::Parse one;
    one.text = sql;
    pipeline += wire::EncodeParse(one) + wire::EncodeBind({}) + wire::EncodeExecute("");
  }
  script.Send(
      1, pipeline + wire::EncodeSync(),
      {"insert into log (who) values (1)", "select 1/(1-1)", "insert into log (who) values (2)"});
  // COPY, both ways and failing.
  script.Send(1,
              wire::EncodeQuery("copy log (who, what) from stdin") +
                  wire::EncodeCopyData("1\tone\n2\ttwo\n") + wire::EncodeCopyData("3\tthree\n") +
                  wire::EncodeCopyDone(),
              {"copy log (who, what) from stdin"});
  script.Send(1,
              wire::EncodeQuery("copy log (who) from stdin") + wire::EncodeCopyData("1\nx\n2\n") +
                  wire::EncodeCopyDone(),
              {"copy log (who) from stdin"});
  script.Send(1,
              wire::EncodeQuery("copy log (who) from stdin") + wire::EncodeCopyData("1\n") +
                  wire::EncodeCopyFail("changed my mind"),
              {"copy log (who) from stdin"});
  script.Query(1, "copy (select * from log order by id) to stdout");
  // A function call: pg_catalog.int4pl, oid 177.
  wire::FunctionCall call;
  call.function_oid = 177;
  call.arguments = {"40", "2"};
  script.Send(1, wire::EncodeFunctionCall(call), {"(function call 177)"});
  script.Send(1, wire::EncodeSync(), {});
  // A large result, in messages over every buffer.
  script.Query(1, "select repeat('x', 300000), i from generate_series(1, 20) i");
  script.Query(1, "select i from generate_series(1, 100000) i");
  script.Query(1, "select count(*), sum(who), max(id) from log");
  script.End(1);
  const Replayed replayed = lanes.Play(script);
  CheckAllSame(replayed);
  CHECK(replayed.stats.exchanges_excluded == 0);
  CHECK(replayed.stats.sessions == 1);
  CHECK(replayed.stats.sessions_excluded == 0);
  CHECK(replayed.stats.stalls_broken == 0);
  CHECK(replayed.stats.cancelled == 0);
  CHECK(replayed.Pair("select * from t order by id").lanes[0].outcome.rows == 100);
  CHECK(replayed.Pair("select 1/0").lanes[0].outcome.sqlstate == "22012");
  CHECK(replayed.Pair("(function call 177)").lanes[0].outcome.status == OutcomeStatus::kDone);
  CHECK(replayed.Pair("copy log (who, what) from stdin").lanes[0].outcome.tag == "COPY 3");
  CHECK(replayed.Pair("select i from generate_series(1, 100000) i").lanes[1].outcome.rows ==
        100000);
  CHECK(replayed.pairs.back().text == "select count(*), sum(who), max(id) from log");
}

// What differs between lanes stands in the pairs and stops nothing.
static void TellsDifferences(Lanes& lanes) {
  INFO("what differs between lanes stands in the pairs and stops nothing");
  lanes.Reset(kSchema,
              "ALTER TABLE t DROP COLUMN note; UPDATE t SET v = 0 WHERE id = 3; "
              "DROP TABLE log; CREATE TABLE log (who text)");
  Script script;
  script.Start(1);
  script.Query(1, "select v from t where id = 3");
  script.Query(1, "select note from t where id = 3");
  script.Query(1, "begin", 'T');
  script.Query(1, "update t set note = 'x' where id = 1", 'T');
  script.Query(1, "select v from t where id = 1", 'T');
  script.Query(1, "commit");
  script.Query(1, "select v from t where id = 4");
  // A COPY that one lane refuses at once, with data and Sync behind it: the data must not be sent.
  const auto copy = [](const std::string& sql, const std::string& data, bool early_sync) {
    wire::Parse parse;
    parse.text = sql;
    return wire::EncodeParse(parse) + wire::EncodeBind({}) + wire::EncodeExecute("") +
           (early_sync ? wire::EncodeSync() : wire::EncodeFlush()) + wire::EncodeCopyData(data) +
           wire::EncodeCopyDone() + wire::EncodeSync();
  };
  for (const bool early_sync : {true, false}) {
    // Of two columns: the candidate has one.
    script.Send(1, copy("copy log (who, what) from stdin", "1\tone\n", early_sync),
                {"copy log (who, what) from stdin"});
    // Both take it; the baseline finds out in the data.
    script.Send(1, copy("copy log (who) from stdin", "no number\n2\n", early_sync),
                {"copy log (who) from stdin"});
    script.Query(1, "select 42");
  }
  script.Send(1,
              wire::EncodeQuery("copy log (what, who) from stdin") +
                  wire::EncodeCopyData("one\t1\n") + wire::EncodeCopyDone(),
              {"copy log (what, who) from stdin"});
  script.Query(1, "select 43");
  script.End(1);
  const Replayed replayed = lanes.Play(script);
  CHECK(replayed.error.empty());
  CHECK(replayed.stats.exchanges_excluded == 0);
  CHECK(replayed.stats.cancelled == 0);
  CHECK(replayed.stats.sessions_excluded == 0);
  CHECK_FALSE(Same(replayed.Pair("select v from t where id = 3")));
  CHECK(replayed.Pair("select note from t where id = 3").lanes[1].outcome.sqlstate == "42703");
  CHECK_FALSE(replayed.Pair("update t set note = 'x' where id = 1").counterfactual);
  CHECK(replayed.Pair("select v from t where id = 1").counterfactual);
  CHECK_FALSE(replayed.Pair("select v from t where id = 4").counterfactual);
  CHECK(Same(replayed.Pair("select v from t where id = 4")));
  CHECK(replayed.Pair("copy log (who, what) from stdin").lanes[0].outcome.tag == "COPY 1");
  CHECK(replayed.Pair("copy log (who, what) from stdin").lanes[1].outcome.sqlstate == "42703");
  CHECK(replayed.Pair("copy log (who) from stdin").lanes[0].outcome.sqlstate == "22P02");
  CHECK(replayed.Pair("copy log (who) from stdin").lanes[1].outcome.tag == "COPY 2");
  CHECK(replayed.Pair("copy log (what, who) from stdin").lanes[1].outcome.sqlstate == "42703");
  CHECK(Same(replayed.Pair("select 42")));
  CHECK(Same(replayed.Pair("select 43")));
}

// Exchanges that captures cut short still end.
static void EndsWhatIsCutShort(Lanes& lanes) {
  INFO("exchanges that captures cut short still end");
  lanes.Reset(kSchema);
  Script script;
  script.Start(1);
  const auto extended = [](const std::string& sql) {
    wire::Parse parse;
    parse.text = sql;
    return wire::EncodeParse(parse) + wire::EncodeBind({}) + wire::EncodeExecute("");
  };
  // COPY data without an end, or none at all.
  script.Send(1, wire::EncodeQuery("copy log (who) from stdin") + wire::EncodeCopyData("1\n"),
              {"copy log (who) from stdin"});
  script.Query(1, "copy log (who) from stdin");
  script.Send(1, extended("copy log (who) from stdin") + wire::EncodeSync(), {"copy"});
  script.Send(
      1, extended("copy log (who) from stdin") + wire::EncodeCopyData("1\n") + wire::EncodeSync(),
      {"copy"});
  script.Send(1,
              wire::EncodeQuery("copy log (who) from stdin; copy t from stdin") +
                  wire::EncodeCopyData("1\n") + wire::EncodeCopyDone(),
              {"copy log (who) from stdin; copy t from stdin"});
  // An error in the extended protocol before a Query: the server waits for Sync.
  wire::Parse wrong;
  wrong.text = "no sql";
  script.Send(1, wire::EncodeParse(wrong) + wire::EncodeQuery("select 1"), {"no sql"});
  // Nothing would ever answer these.
  script.Send(1, extended("select 1"), {"select 1"});
  script.Send(1, wire::EncodeFlush(), {});
  script.Send(1, "", {});
  script.Send(1, wire::EncodeCopyDone(), {});
  script.Query(1, "select pg_sleep(0)", 0);  // The capture did not see its end.
  script.Query(1, "select 42");
  script.End(1);
  const Replayed replayed = lanes.Play(script);
  CheckAllSame(replayed);
  CHECK(replayed.stats.exchanges_excluded == 5);
  CHECK(replayed.stats.cancelled == 0);
  CHECK(replayed.Pair("select 42").lanes[0].outcome.status == OutcomeStatus::kDone);
  CHECK(lanes.baseline().Exec("select count(*) from log") == "0");
}

// Writers of many sessions leave equal lanes equal.
static void KeepsWritersEqual(Lanes& lanes) {
  INFO("writers of many sessions leave equal lanes equal");
  lanes.Reset(kSchema);
  base::Random random(7);
  Script script;
  constexpr uint64_t kSessions = 8;
  std::map<uint64_t, int> open;  // Session to the statements of its transaction.
  uint64_t holder = 0;           // The capture was real: one writer holds the contended rows.
  for (uint64_t id = 1; id <= kSessions; ++id) script.Start(id);
  for (int i = 0; i < 1500; ++i) {
    const uint64_t id = 1 + random.Below(kSessions);
    const std::string row = std::to_string(1 + random.Below(5));
    if (open[id] == 0) {
      if (random.Below(2) == 0) {
        script.Query(id, "select sum(v), count(*) from t");
      } else if (holder == 0) {
        script.Query(id, "begin", 'T');
        open[id] = 1;
        holder = id;
      } else {
        script.Query(id, "insert into log (who) values (" + std::to_string(id) + ")");
      }
    } else if (open[id] < 4) {
      script.Query(
          id, "update t set v = v * 3 % 1001 + " + std::to_string(id) + " where id = " + row, 'T');
      ++open[id];
    } else {
      script.Query(id, random.Below(4) == 0 ? "rollback" : "commit");
      open[id] = 0;
      holder = 0;
    }
  }
  for (uint64_t id = 1; id <= kSessions; ++id) script.End(id);
  const Replayed replayed = lanes.Play(script);
  CheckAllSame(replayed);
  CHECK(replayed.stats.stalls_broken == 0);
  CHECK(replayed.stats.exchanges_excluded == 0);
  const std::string sum =
      "select sum(hashtext(t::text)::bigint)::text || ' ' || (select "
      "string_agg(log::text, ',' order by id) from log) from t";
  CHECK(lanes.baseline().Exec(sum) == lanes.candidate().Exec(sum));
}

// Shuffled captures and locks that nobody lets go end with true counts.
// A read that ran while a commit did answers as it had answered: the commit seen or not.
static void ReadsWhatWasSeen(Lanes& lanes) {
  INFO("a read sees the commits that it had seen, also those that were under way");
  for (const char* seen : {"10", "11"}) {
    lanes.Reset(kSchema);
    const auto at = [](event::Exchange& exchange, base::Micros from, base::Micros to) {
      exchange.forwarded_us = from;
      exchange.first_answer_us = exchange.completed_us = to;
    };
    exchange::RowDigest digest;
    base::ByteWriter row;
    row.BigU16(1);
    AppendSized(row, seen);
    digest.Add(base::AsBytes(row.str()));
    Script script;
    script.Start(1);
    script.Start(2);
    at(script.Query(1, "begin", 'T'), 10000, 10100);
    at(script.Query(1, "update t set v = v + 1 where id = 1", 'T'), 11000, 11100);
    at(script.Query(1, "commit"), 20000, 20900);
    event::Exchange& read = script.Query(2, "select v from t where id < 2");
    at(read, 20500, 20800);
    event::Outcome& outcome = read.statements[0].outcome;
    outcome.tag = "SELECT 1";
    outcome.rows = 1;
    outcome.digest_unordered = digest.unordered();
    at(script.Query(2, "update t set v = 0 where id = 1"), 21000, 21100);
    const Replayed replayed = lanes.Play(script);
    CheckAllSame(replayed);
    const event::StatementPair& pair = replayed.Pair("select v from t where id < 2");
    CHECK(pair.lanes[0].outcome.digest_unordered == pair.captured.digest_unordered);
    CHECK(replayed.stats.rereads == (std::string(seen) == "11" ? 1 : 0));
    CHECK(replayed.stats.stalls_broken == 0);
    CHECK(replayed.pairs.size() == 5);
  }
}

static void EndsShuffledCaptures(Lanes& lanes) {
  INFO("shuffled captures and locks that nobody lets go end with true counts");
  lanes.Reset(kSchema);
  lanes.options.stuck_us = 1000 * 1000;
  for (uint64_t seed = 1; seed <= 6; ++seed) {
    INFO("seed " << seed);
    base::Random random(seed);
    Script script;
    for (uint64_t id = 1; id <= 6; ++id) script.Start(id);
    event::Gap gap;
    gap.exchanges = 3;
    for (int i = 0; i < 40; ++i) {
      if (i == 20) script.events.emplace_back(gap);
      const uint64_t id = 1 + random.Below(7);  // Session 7 never started.
      const std::string row = std::to_string(1 + random.Below(3));
      switch (random.Below(6)) {
        case 0:
          script.Query(id, "begin", 'T');
          break;
        case 1:
          script.Query(id, "update t set v = 1 where id = " + row,
                       random.Below(2) == 0 ? 'T' : 'I');
          break;
        case 2:
          script.Query(id, "commit");
          break;
        case 3:
          script.Query(id, "select pg_advisory_lock(" + row + ")");
          break;
        case 4:
          script.Query(id, "select * from t where id = " + row + " for update", 'T');
          break;
        default:
          script.Query(id, "select count(*) from t");
          break;
      }
    }
    // Some never end.
    for (uint64_t id = 1; id <= 3; ++id) script.End(id);
    if (seed > 3) script.Shuffle(seed);
    const Replayed replayed = lanes.Play(script);
    CHECK(replayed.error.empty());
    CHECK(replayed.stats.gaps == 1);
    CHECK(replayed.stats.gap_exchanges == 3);
  }
}

// A lock held past the window costs its holder, not the replay.
static void FreesLocksPastTheWindow(Lanes& lanes) {
  INFO("a lock held past the window costs its holder, not the replay");
  lanes.Reset(kSchema);
  lanes.options.window_bytes = 16 * 1024;
  Script script;
  script.Start(1);
  script.Start(2);
  script.Query(1, "begin", 'T');
  script.Query(1, "update t set v = 1 where id = 1", 'T');
  script.Query(2, "update t set v = 2 where id = 1");  // In the capture nobody held it.
  for (int i = 0; i < 2000; ++i) script.Query(2, "select 1");
  script.Query(1, "commit");
  script.End(1);
  script.End(2);
  const Replayed replayed = lanes.Play(script);
  CHECK(replayed.error.empty());
  CHECK(replayed.stats.stalls_broken == 1);
  CHECK(replayed.stats.sessions_excluded == 1);
  CHECK(replayed.stats.exchanges_excluded == 1);
}

// The window holds, also against events that all came at once.
static void KeepsTheWindow(Lanes& lanes) {
  INFO("the window holds, also against events that all came at once");
  lanes.Reset(kSchema);
  lanes.options.window_bytes = 64 * 1024;
  Script script;
  script.Start(1);
  for (int i = 0; i < 40; ++i) {
    script.Query(1, "select length('" + std::string(30000, 'x') + "')");
  }
  script.End(1);
  for (auto& event : script.events) {
    if (auto* exchange = std::get_if<event::Exchange>(&event)) {
      exchange->forwarded_us = exchange->completed_us = 5;
    }
  }
  const Replayed replayed = lanes.Play(script);
  CheckAllSame(replayed);
  CHECK(replayed.stats.exchanges == 40);
}

// Sessions that cannot be replayed are counted with their reason.
static void CountsExcludedSessions(Lanes& lanes) {
  INFO("sessions that cannot be replayed are counted with their reason");
  lanes.Reset(std::string(kSchema) + "; CREATE ROLE app LOGIN",
              "REVOKE CONNECT ON DATABASE postgres FROM PUBLIC");
  Script script;
  script.Start(1, "nobody_of_this_name");
  script.Query(1, "select 1");
  script.Start(2, "app", "postgres");  // The candidate alone refuses it.
  script.Query(2, "select 2");
  script.Start(3);
  script.Query(3, "select 3");
  script.Start(3);  // Twice.
  script.Query(3, "select pg_terminate_backend(pg_backend_pid())");
  script.Query(3, "select 4");
  script.Start(4);
  script.Query(4, "select pg_terminate_backend(pg_backend_pid())");  // Its last word.
  script.End(4);
  script.Start(5);
  script.Query(5, "listen x");
  script.End(5);
  script.Query(5, "select 5");  // Behind its end.
  const Replayed replayed = lanes.Play(script);
  CHECK(replayed.error.empty());
  CHECK(replayed.stats.exchanges_excluded == 4);
  uint64_t excluded = 0;
  for (const auto& [reason, count] : replayed.stats.exclusion_reasons) excluded += count;
  CHECK(excluded == replayed.stats.sessions_excluded);
  CHECK(replayed.Pair("select 3").lanes[1].outcome.status == OutcomeStatus::kDone);
}

// A backend ended from outside costs one session, on whichever lane and when.
static void OutlivesBackends(Lanes& lanes) {
  INFO("a backend ended from outside costs one session, on whichever lane and when");
  lanes.Reset(kSchema);
  for (const bool baseline : {true, false}) {
    for (const bool running : {true, false}) {
      Script script;
      script.Start(1);
      std::get<event::SessionStart>(script.events.back())
          .parameters.emplace_back("application_name", "first");
      script.Start(2);
      // While one lane sleeps, the other has not begun or has answered.
      script.Query(1, "select pg_sleep(0.7)");
      script.Query(1, "select 1");
      for (int i = 0; i < 20; ++i) script.Query(2, "select pg_sleep(0.01)");
      script.End(1);
      script.End(2);
      lanes.options.hold_up_us = running ? 20 * 1000 : 10 * 1000 * 1000;
      int ticks = 0;
      const Replayed replayed = lanes.Play(script, [&] {
        if (++ticks != 3) return;
        (baseline ? lanes.baseline() : lanes.candidate())
            .Exec(
                "select pg_terminate_backend(pid) from pg_stat_activity "
                "where application_name = 'first'");
      });
      CHECK(replayed.error.empty());
      CHECK(replayed.stats.sessions_excluded == 1);
    }
  }
}

// A server that stops is one clear error.
static void SaysThatAServerStopped(Lanes& lanes) {
  INFO("a server that stops is one clear error");
  lanes.Reset(kSchema);
  Script script;
  for (uint64_t id = 1; id <= 8; ++id) script.Start(id);
  for (int i = 0; i < 400; ++i)
    script.Query(1 + static_cast<uint64_t>(i % 8), "select pg_sleep(0.05)");
  int ticks = 0;
  const Replayed replayed = lanes.Play(script, [&] {
    if (++ticks == 4) lanes.candidate().Stop();
  });
  CHECK(replayed.error.find("the candidate server ended during the replay") != std::string::npos);
}

// What never ends by itself is cancelled and counted.
static void CancelsWhatNeverEnds(Lanes& lanes) {
  INFO("what never ends by itself is cancelled and counted");
  lanes.Reset(kSchema);
  lanes.options.stuck_us = 500 * 1000;
  Script script;
  script.Start(1);
  script.Query(1, "select pg_sleep(1000)");
  script.Query(1, "select 1");
  // Took long in the capture: it may take long here.
  script.Query(1, "select pg_sleep(1)").completed_us += 1000 * 1000;
  script.End(1);
  const Replayed replayed = lanes.Play(script);
  CHECK(replayed.error.empty());
  CHECK(replayed.stats.cancelled == 1);
  CHECK(replayed.Pair("select pg_sleep(1000)").lanes[0].outcome.sqlstate == "57014");
  CHECK(replayed.Pair("select pg_sleep(1)").lanes[0].outcome.status == OutcomeStatus::kDone);
}

TEST_CASE("two hundred sessions at once, and more than there is room for one after the other",
          "[replay][server]") {
  Lanes lanes("max_connections = 260\n");
  lanes.Reset(kSchema);
  lanes.options.stuck_us = ReplayOptions().stuck_us;  // So many backends take their time to start.
  Script script;
  for (uint64_t id = 1; id <= 200; ++id) script.Start(id);
  for (int round = 0; round < 3; ++round) {
    for (uint64_t id = 1; id <= 200; ++id) {
      script.Query(id, round == 1 ? "insert into log (who) values (" + std::to_string(id) + ")"
                                  : "select count(*) from log");
    }
  }
  for (uint64_t id = 1; id <= 200; ++id) script.End(id);
  // Short sessions, one after the other: more in the window than the server takes at once.
  for (uint64_t id = 201; id <= 380; ++id) {
    script.Start(id);
    script.Query(id, "select max(id) from log");
    script.End(id);
  }
  const Replayed replayed = lanes.Play(script);
  CheckAllSame(replayed);
  CHECK(replayed.stats.sessions == 380);
  CHECK(replayed.stats.sessions_excluded == 0);
  CHECK(replayed.stats.exchanges == 780);
}

TEST_CASE("more sessions at once than the lanes have room for are left out, not waited for",
          "[replay][server]") {
  Lanes lanes("max_connections = 20\n");
  lanes.Reset(kSchema);
  lanes.options.stuck_us = ReplayOptions().stuck_us;  // So many backends take their time to start.
  Script script;
  for (uint64_t id = 1; id <= 30; ++id) script.Start(id);
  for (uint64_t id = 30; id >= 1; --id) script.Query(id, "insert into log (who) values (1)");
  for (uint64_t id = 1; id <= 30; ++id) script.End(id);
  const Replayed replayed = lanes.Play(script);
  CHECK(replayed.error.empty());
  CHECK(replayed.stats.exchanges > 0);
  CHECK(replayed.stats.exchanges_excluded == replayed.stats.sessions_excluded);
  CHECK(replayed.stats.sessions_excluded > 0);
}

// Views, policies and operators that write are found.
static void FindsHiddenWrites(Lanes& lanes) {
  INFO("views, policies and operators that write are found");
  lanes.Reset(
      "CREATE SEQUENCE s; CREATE TABLE plain (a int); INSERT INTO plain VALUES (1); "
      "CREATE FUNCTION touch(int) RETURNS bool LANGUAGE plpgsql VOLATILE AS 'begin return true; "
      "end'; "
      "CREATE VIEW drawn AS SELECT nextval('s') AS n; CREATE VIEW above AS SELECT n FROM drawn; "
      "CREATE VIEW locked AS SELECT a FROM plain FOR UPDATE; CREATE VIEW calm AS SELECT a FROM "
      "plain");
  // Every session draws a number through a view of a view: without order lanes would differ.
  Script script;
  for (uint64_t id = 1; id <= 8; ++id) script.Start(id);
  for (int i = 0; i < 200; ++i) {
    script.Query(1 + static_cast<uint64_t>(i % 8), "select * from above");
    script.Query(1 + static_cast<uint64_t>((i + 3) % 8), "select * from calm, locked");
  }
  const Replayed replayed = lanes.Play(script);
  CheckAllSame(replayed);
  CHECK(replayed.stats.exchanges == 400);
}

// In production the UPDATE of 2 waited for 1, whose COMMIT replaced the row: it changed nothing.
void LeavesOutLostRows(Lanes& lanes) {
  lanes.Reset("CREATE TABLE t (id int PRIMARY KEY, v int); INSERT INTO t VALUES (1, 0)");
  Script script;
  script.Start(1);
  script.Start(2);
  script.Query(1, "begin", 'T');
  script.Query(2, "begin", 'T');
  script.Query(1, "delete from t where id = 1", 'T').statements[0].outcome.tag = "DELETE 1";
  script.Query(1, "insert into t values (1, 5)", 'T').statements[0].outcome.tag = "INSERT 0 1";
  const base::Micros before_us = script.Query(1, "commit").forwarded_us;
  event::Exchange& update = script.Query(2, "update t set v = 7 where id = 1", 'T');
  update.forwarded_us = before_us;
  update.statements[0].outcome.tag = "UPDATE 0";
  script.Query(2, "commit");
  const Replayed replayed = lanes.Play(script);
  CheckAllSame(replayed);
  CHECK(replayed.pairs.size() == 6);
  CHECK(replayed.stats.races_withdrawn == 1);
  CHECK(replayed.stats.stalls_broken == 0);
  CHECK(lanes.baseline().Exec("SELECT v FROM t") == "5");
}

// A name means in each database what it is there.
void KnowsEveryDatabase(Lanes& lanes) {
  INFO("a name means in each database what it is there");
  lanes.Reset(
      "CREATE FUNCTION bump() RETURNS int IMMUTABLE LANGUAGE sql AS 'SELECT 0'; "
      "CREATE TABLE t (id serial PRIMARY KEY, v int)");
  for (test::PgServer* server : {&lanes.baseline(), &lanes.candidate()}) {
    server->Exec("CREATE DATABASE other");
    server->Exec(
        "CREATE TABLE counter (n int); INSERT INTO counter VALUES (0); "
        "CREATE FUNCTION bump() RETURNS int LANGUAGE sql AS "
        "'UPDATE counter SET n = n + 1 RETURNING n'; "
        "CREATE TABLE t (id serial PRIMARY KEY, v int)",
        "other");
  }
  Script script;
  for (uint64_t id = 1; id <= 8; ++id) script.Start(id, "postgres", id <= 6 ? "other" : "");
  for (int i = 0; i < 300; ++i) {
    const uint64_t id = 1 + static_cast<uint64_t>(i % 8);
    script.Query(id, "select bump()");
    script.Query(id, "insert into t (v) values (1) returning id");
  }
  const Replayed replayed = lanes.Play(script);
  CheckAllSame(replayed);
  for (test::PgServer* server : {&lanes.baseline(), &lanes.candidate()}) {
    server->Exec("DROP DATABASE other");
  }
}

TEST_CASE("equal lanes do the same, whatever comes", "[replay][server]") {
  Lanes lanes;
  KnowsEveryDatabase(lanes);
  PlaysTheProtocol(lanes);
  EndsWhatIsCutShort(lanes);
  KeepsTheWindow(lanes);
  FindsHiddenWrites(lanes);
  KeepsWritersEqual(lanes);
  ReadsWhatWasSeen(lanes);
  LeavesOutLostRows(lanes);
}

TEST_CASE("what differs is told, and what does not end is ended", "[replay][server]") {
  Lanes lanes;
  TellsDifferences(lanes);
  FreesLocksPastTheWindow(lanes);
  CancelsWhatNeverEnds(lanes);
  EndsShuffledCaptures(lanes);
}

TEST_CASE("connections that fail cost their session, servers that stop the replay",
          "[replay][server]") {
  Lanes lanes;
  OutlivesBackends(lanes);
  CountsExcludedSessions(lanes);
  SaysThatAServerStopped(lanes);
}
