// Captures that were damaged on purpose, on real servers: whatever is missing, doubled, out of
// order or a lie, a replay ends by itself, accounts for all it was given, and tells of no
// difference between equal lanes that it does not mark as its own doing.
#include <algorithm>
#include <set>
#include <string>
#include <utility>
#include <vector>

#include "base/random.h"
#include "lanes.h"
#include "replay/lost_race.h"
#include "script.h"
#include "support/catch.h"

namespace scry::replay {
namespace {

constexpr uint64_t kSessions = 8;

constexpr const char* kSchema =
    "CREATE TABLE accounts (id int PRIMARY KEY, balance int NOT NULL); "
    "INSERT INTO accounts SELECT i, 100 FROM generate_series(1, 6) i; "
    "CREATE TABLE jobs (id serial PRIMARY KEY, state text NOT NULL DEFAULT 'new'); "
    "INSERT INTO jobs (state) SELECT 'new' FROM generate_series(1, 200); "
    "CREATE TABLE log (id serial PRIMARY KEY, what text)";

std::string Row(base::Random& random) { return std::to_string(1 + random.Below(6)); }

// One transaction of a session: statements, and the state that each leaves.
std::vector<std::pair<std::string, char>> Transaction(base::Random& random) {
  const auto change = [&] {
    return "update accounts set balance = balance + 1 where id = " + Row(random);
  };
  switch (random.Below(7)) {
    case 0:
      return {{"begin", 'T'}, {change(), 'T'}, {change(), 'T'}, {"commit", 'I'}};
    case 1:
      return {{"begin", 'T'},
              {"select id from jobs where state = 'new' order by id limit 1 for update skip locked",
               'T'},
              {"update jobs set state = 'done' where id = " + std::to_string(1 + random.Below(200)),
               'T'},
              {"commit", 'I'}};
    case 2:
      return {{"begin isolation level serializable", 'T'},
              {"select sum(balance) from accounts", 'T'},
              {change(), 'T'},
              {"commit", 'I'}};
    case 3:
      return {{"select pg_advisory_lock(1)", 'I'},
              {"insert into log (what) values ('locked')", 'I'},
              {"select pg_advisory_unlock(1)", 'I'}};
    case 4:
      return {{"begin", 'T'},
              {"savepoint a", 'T'},
              {"select * from accounts where id = " + Row(random) + " for update nowait", 'T'},
              {"rollback to a", 'T'},
              {change(), 'T'},
              {"rollback", 'I'}};
    case 5:
      return {{"begin", 'T'}, {"lock table log", 'T'}, {"commit and chain", 'T'}, {"end", 'I'}};
    default:
      return {{"select * from accounts order by id", 'I'},
              {change() + "; " + change(), 'I'},
              {"insert into log (what) values ('x') returning id", 'I'}};
  }
}

Script Traffic(base::Random& random) {
  Script script;
  std::vector<std::vector<std::pair<std::string, char>>> ahead(kSessions);
  for (uint64_t id = 1; id <= kSessions; ++id) script.Start(id);
  for (int i = 0; i < 250; ++i) {
    const uint64_t at = random.Below(kSessions);
    if (ahead[at].empty()) {
      ahead[at] = Transaction(random);
      std::reverse(ahead[at].begin(), ahead[at].end());
    }
    script.Query(at + 1, ahead[at].back().first, ahead[at].back().second);
    ahead[at].pop_back();
  }
  for (uint64_t id = 1; id <= kSessions; ++id) script.End(id);
  return script;
}

using Events = std::vector<event::Event>;

void Swap(Events& events, base::Random& random) {
  for (int i = 0; i < 60; ++i) {
    const size_t at = random.Below(events.size() - 1);
    std::swap(events[at], events[at + 1]);
  }
}

// The end of some sessions is missing: they hold what they hold.
void Cut(Events& events, base::Random& random) {
  std::set<uint64_t> cut;
  for (int i = 0; i < 4; ++i) cut.insert(1 + random.Below(kSessions));
  const size_t from = events.size() / 4 + random.Below(events.size() / 2);
  size_t at = 0;
  std::erase_if(events, [&](const event::Event& event) {
    return at++ >= from && cut.contains(static_cast<uint64_t>(event::SessionOf(event)));
  });
}

void Drop(Events& events, base::Random& random) {
  std::erase_if(events, [&](const event::Event& event) {
    return !std::holds_alternative<event::SessionStart>(event) && random.Below(6) == 0;
  });
}

void Double(Events& events, base::Random& random) {
  Events doubled;
  for (const event::Event& event : events) {
    doubled.push_back(event);
    if (random.Below(8) == 0) doubled.push_back(event);
  }
  events = std::move(doubled);
}

void Mistime(Events& events, base::Random& random) {
  for (event::Event& event : events) {
    auto* exchange = std::get_if<event::Exchange>(&event);
    if (exchange == nullptr || random.Below(3) != 0) continue;
    const auto stamp = [&] {
      return random.Below(4) == 0 ? static_cast<base::Micros>(random.Next())
                                  : static_cast<base::Micros>(random.Below(1000000));
    };
    exchange->forwarded_us = stamp();
    exchange->completed_us = stamp();
  }
}

void Lie(Events& events, base::Random& random) {
  for (event::Event& event : events) {
    auto* exchange = std::get_if<event::Exchange>(&event);
    if (exchange == nullptr || random.Below(6) != 0) continue;
    exchange->status = static_cast<uint8_t>("ITE\0"[random.Below(4)]);
    if (exchange->statements.empty() || random.Below(2) == 0) continue;
    event::Outcome& outcome = exchange->statements[0].outcome;
    outcome.status = event::OutcomeStatus::kError;
    outcome.sqlstate = random.Below(2) == 0 ? "40001" : "55P03";
  }
}

bool Marked(const event::StatementPair& pair) {
  return pair.order_broken || pair.counterfactual ||
         std::any_of(pair.lanes.begin(), pair.lanes.end(), [](const auto& lane) {
           return IsLostRace(lane.outcome) || lane.outcome.sqlstate == "57014" ||
                  lane.outcome.status == event::OutcomeStatus::kLost;
         });
}

void CheckHonest(const Replayed& replayed) {
  REQUIRE(replayed.error.empty());
  for (const auto& pair : replayed.pairs) {
    INFO(pair.text.str() << ": " << pair.lanes[0].outcome.tag << " "
                         << pair.lanes[0].outcome.message << " / " << pair.lanes[1].outcome.tag
                         << " " << pair.lanes[1].outcome.message);
    const event::StatementFacts facts = event::AnalyzeQuery(pair.text)[pair.ordinal];
    CHECK((Same(pair) || Marked(pair) || event::DependsOnLocks(facts)));
  }
}

}  // namespace

TEST_CASE("a damaged capture is replayed to its end, and honestly", "[replay][server]") {
  using Damage = void (*)(Events&, base::Random&);
  const std::vector<std::pair<const char*, Damage>> damages = {
      {"swapped", Swap},   {"cut", Cut},          {"dropped", Drop},
      {"doubled", Double}, {"mistimed", Mistime}, {"lied about", Lie}};
  Lanes lanes;
  for (uint64_t seed = 1; seed <= 2 * damages.size(); ++seed) {
    base::Random random(seed);
    Script script = Traffic(random);
    std::string done;
    for (size_t i = 0; i < damages.size(); ++i) {
      // Each alone, then several at once.
      const bool chosen = seed <= damages.size() ? i + 1 == seed : random.Below(2) == 0;
      if (!chosen) continue;
      damages[i].second(script.events, random);
      done += std::string(" ") + damages[i].first;
    }
    INFO("seed " << seed << ":" << done);
    lanes.Reset(kSchema);
    lanes.options.stuck_us = 1000 * 1000;
    lanes.options.stall_us = 50 * 1000;
    CheckHonest(lanes.Play(std::move(script)));
  }
}

}  // namespace scry::replay
