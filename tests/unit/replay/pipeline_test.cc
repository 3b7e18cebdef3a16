// Exchanges sent before those in front of them were answered come to the same.
#include <cstddef>
#include <cstdint>
#include <map>
#include <string>
#include <tuple>
#include <vector>

#include "base/clock.h"
#include "base/random.h"
#include "event/statement_facts.h"
#include "lanes.h"
#include "replay/replayer.h"
#include "script.h"
#include "support/catch.h"
#include "support/pg_server.h"

namespace scry::replay {
namespace {

constexpr uint64_t kSessions = 4;
constexpr size_t kDepth = 8;

std::string TableOf(uint64_t session) { return "t" + std::to_string(session); }

std::string Data(const std::string& text) {
  std::string bytes;
  wire::AppendMessage(bytes, wire::frontend::kCopyData, text);
  wire::AppendMessage(bytes, wire::frontend::kCopyDone, std::string());
  return bytes;
}

// Sessions that do not see each other's work, with everything that may go wrong between messages.
void AddAny(Script& script, uint64_t session, uint64_t number, base::Random& random) {
  const std::string table = TableOf(session);
  const std::string value = std::to_string(number);
  const auto query = [&](const std::string& sql) { script.Query(session, sql); };
  const auto extended = [&](const std::string& sql) {
    script.Send(session, Extended(sql, {}), {sql});
  };
  switch (random.Below(16)) {
    case 0:
      return query("begin");
    case 1:
      return query("commit");
    case 2:
      return query("rollback");
    case 3:
      return query("select * from missing");
    case 4:
      return extended("select 1 / (select count(*) * 0 from " + table + ")");
    case 5:
      return query("insert into " + table + " values (" + value + "); select 1 / 0");
    case 6:
      return query("select repeat('x', 1000) from generate_series(1, 300)");
    case 7: {
      const std::string sql = "copy " + table + " from stdin";
      script.Send(session, wire::EncodeQuery(sql) + Data(value + "\n"), {sql});
      return;
    }
    case 8: {
      const std::string sql = "copy missing from stdin";
      script.Send(session, wire::EncodeQuery(sql) + Data(value + "\n"), {sql});
      return;
    }
    case 9:
      return query("listen here; notify here, '" + value + "'");
    case 10:
      return query("do $$ begin raise notice 'n'; end $$");
    case 11:
      return query("copy (select 1) to stdout");
    case 12:
      return query("");
    case 13:
      return extended("delete from " + table + " where v = " + std::to_string(number / 2));
    default:
      return extended("insert into " + table + " values (" + value + ")");
  }
}

Script AnyTraffic(uint64_t seed) {
  base::Random random(seed);
  Script script;
  for (uint64_t id = 1; id <= kSessions; ++id) script.Start(id);
  for (uint64_t i = 0; i < 1200; ++i) AddAny(script, 1 + i % kSessions, i, random);
  for (uint64_t id = 1; id <= kSessions; ++id) script.End(id);
  return script;
}

class Target {
 public:
  // What was left in the tables goes to `left`.
  Replayed Play(const Script& script, size_t depth, std::string& left) {
    for (uint64_t id = 1; id <= kSessions; ++id) {
      server_.Exec("drop table if exists " + TableOf(id) + "; create table " + TableOf(id) +
                   " (v bigint)");
    }
    ReplayOptions options;
    options.sync = SyncMode::kNone;
    options.compare = false;
    options.pipeline = depth;
    options.stuck_us = 5 * 1000 * 1000;
    PairList pairs;
    event::FactsCache facts;
    Script source = script;
    Replayed replayed;
    const auto stats = Replay({{"target", server_.Info()}}, source, pairs, facts, options,
                              base::SystemClock(), [](const ReplayStats&) { return true; });
    REQUIRE(stats.ok());
    replayed.stats = *stats;
    replayed.pairs = std::move(pairs.pairs);
    CHECK(replayed.stats.exchanges + replayed.stats.exchanges_excluded == script.exchanges());
    CHECK(replayed.stats.cancelled == 0);
    left.clear();
    for (uint64_t id = 1; id <= kSessions; ++id) {
      left += server_.Exec("select string_agg(v::text, ',') from " + TableOf(id)) + "\n";
    }
    return replayed;
  }

 private:
  test::PgServer server_{kSettings};
};

using Told = std::tuple<std::string, event::OutcomeStatus, std::string, uint64_t, std::string,
                        std::string, uint8_t>;

// By session and exchange, in order.
std::map<std::pair<uint64_t, uint64_t>, std::vector<Told>> Outcomes(const Replayed& replayed) {
  std::map<std::pair<uint64_t, uint64_t>, std::vector<Told>> outcomes;
  for (const event::StatementPair& pair : replayed.pairs) {
    const event::LaneOutcome& lane = pair.lanes[0];
    outcomes[{static_cast<uint64_t>(pair.session), pair.exchange}].emplace_back(
        pair.text, lane.outcome.status, lane.outcome.tag, lane.outcome.rows, lane.outcome.sqlstate,
        lane.outcome.message, lane.transaction_status);
  }
  return outcomes;
}

// As production answered what one after the other answered.
void LearnFrom(const Replayed& replayed, Script& script) {
  std::map<std::pair<uint64_t, uint64_t>, std::vector<event::Outcome>> outcomes;
  for (const event::StatementPair& pair : replayed.pairs) {
    outcomes[{static_cast<uint64_t>(pair.session), pair.exchange}].push_back(pair.lanes[0].outcome);
  }
  for (event::Event& event : script.events) {
    auto* exchange = std::get_if<event::Exchange>(&event);
    if (exchange == nullptr) continue;
    const auto& found = outcomes[{static_cast<uint64_t>(exchange->session), exchange->index}];
    exchange->statements.resize(found.size());
    for (size_t i = 0; i < found.size(); ++i) exchange->statements[i].outcome = found[i];
  }
}

void ComesToTheSame(Target& target) {
  for (uint64_t seed = 1; seed <= 4; ++seed) {
    INFO("seed " << seed);
    Script script = AnyTraffic(seed);
    std::string left;
    const Replayed single = target.Play(script, 1, left);
    LearnFrom(single, script);
    std::string left_by_many;
    const Replayed many = target.Play(script, kDepth, left_by_many);
    CHECK(left_by_many == left);
    // Texts are those of the capture, which LearnFrom() has left alone.
    CHECK(Outcomes(many) == Outcomes(single));
    CHECK(many.stats.exchanges == single.stats.exchanges);
    CHECK(many.stats.statements == single.stats.statements);
  }
}

// What the server did before the connection ended counts, and nothing behind it.
void EndsWhereTheConnectionDoes(Target& target) {
  for (const int before : {0, 1, 5, 23}) {
    INFO(before << " exchanges before the end");
    Script script;
    script.Start(1);
    for (int i = 0; i < before; ++i) {
      script.Query(1, "insert into t1 values (" + std::to_string(i) + ")");
    }
    script.Query(1, "select pg_terminate_backend(pg_backend_pid())");
    for (int i = 0; i < 12; ++i) script.Query(1, "insert into t1 values (-1)");
    std::string left;
    const Replayed single = target.Play(script, 1, left);
    std::string left_by_many;
    const Replayed many = target.Play(script, kDepth, left_by_many);
    CHECK(left_by_many == left);
    CHECK(Outcomes(many) == Outcomes(single));
    CHECK(many.stats.exchanges == single.stats.exchanges);
    CHECK(many.stats.exchanges_excluded == single.stats.exchanges_excluded);
  }
}

TEST_CASE("a pipeline comes to the same as one exchange after the other", "[replay][server]") {
  Target target;
  ComesToTheSame(target);
  EndsWhereTheConnectionDoes(target);
}

}  // namespace
}  // namespace scry::replay
