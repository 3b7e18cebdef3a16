#include "replay/traffic_filter.h"

#include <algorithm>
#include <map>
#include <memory>
#include <set>
#include <string>
#include <utility>
#include <vector>

#include "script.h"
#include "support/catch.h"

namespace scry::replay {
namespace {

using event::Event;
using event::Exchange;

// What goes over the wire, in the order of each session.
using Sent = std::map<uint64_t, std::vector<std::string>>;

std::string TextOf(const event::FrontendMessage& message) {
  if (message.type == wire::frontend::kQuery)
    return message.head.substr(0, message.head.size() - 1);
  if (message.type == wire::frontend::kParse) {
    const std::string payload = message.Payload();
    const auto parse = wire::ParseParse(base::AsBytes(payload));
    return "parse " + std::string(parse->name);
  }
  if (message.type == wire::frontend::kExecute) return "execute";
  return {};
}

class FilterFixture {
 public:
  std::vector<Event> Run(const TrafficFilterOptions& options) {
    Script source;
    source.events = script.events;
    event::FactsCache facts;
    ReadGuard guard(facts, HiddenWrites());
    TrafficFilter filter(source, options, facts, &guard);
    std::vector<Event> events;
    for (;;) {
      auto next = filter.Next();
      REQUIRE(next.ok());
      if (!next->has_value()) break;
      events.push_back(std::move(**next));
    }
    stats = filter.stats();
    return events;
  }
  static Sent SentIn(const std::vector<Event>& events) {
    Sent sent;
    for (const Event& event : events) {
      const auto* exchange = std::get_if<Exchange>(&event);
      if (exchange == nullptr) continue;
      for (const auto& message : exchange->messages) {
        const std::string text = TextOf(message);
        if (!text.empty()) sent[static_cast<uint64_t>(exchange->session)].push_back(text);
      }
    }
    return sent;
  }
  Sent Filtered(const TrafficFilterOptions& options) { return SentIn(Run(options)); }

  static std::vector<uint64_t> SessionsIn(const std::vector<Event>& events) {
    std::vector<uint64_t> ids;
    for (const Event& event : events) {
      if (std::holds_alternative<event::SessionStart>(event)) {
        ids.push_back(static_cast<uint64_t>(event::SessionOf(event)));
      }
    }
    return ids;
  }
  // Random traffic of many sessions, some of it overlapping, some of it in transactions.
  void Scramble(uint64_t seed, uint64_t sessions) {
    base::Random random(seed);
    std::vector<uint64_t> open;
    for (uint64_t next = 1; next <= sessions || !open.empty();) {
      const uint64_t what = random.Below(10);
      if (next <= sessions && (open.empty() || what < 2)) {
        open.push_back(next);
        script.Start(next, what == 0 ? "app" : "batch", "db");
        ++next;
        continue;
      }
      const size_t place = random.Below(open.size());
      if (what == 9) {
        script.End(open[place]);
        open.erase(open.begin() + static_cast<std::ptrdiff_t>(place));
        continue;
      }
      script.Query(open[place], what < 6 ? "select 1" : "update t set a = 1");
    }
  }

  Script script;
  TrafficFilterStats stats;
};

TEST_CASE_METHOD(FilterFixture, "without a filter every event passes as it is", "[replay]") {
  Scramble(1, 20);
  const std::vector<Event> events = Run({});
  REQUIRE(events.size() == script.events.size());
  CHECK(SentIn(events) == SentIn(script.events));
  CHECK(SessionsIn(events) == SessionsIn(script.events));
  CHECK(stats.exchanges == script.exchanges());
}

TEST_CASE_METHOD(FilterFixture, "the union of all shards is the whole, and no two overlap",
                 "[replay]") {
  for (const uint64_t seed : {1U, 2U, 3U}) {
    script.events.clear();
    Scramble(seed, 60);
    const Sent whole = SentIn(script.events);
    for (const uint64_t shards : {1U, 2U, 3U, 7U, 100U}) {
      Sent sum;
      std::set<uint64_t> seen;
      uint64_t exchanges = 0;
      for (uint64_t shard = 1; shard <= shards; ++shard) {
        TrafficFilterOptions options;
        options.shard = shard;
        options.shards = shards;
        const std::vector<Event> events = Run(options);
        exchanges += stats.exchanges;
        for (const uint64_t id : SessionsIn(events)) CHECK(seen.insert(id).second);
        sum.merge(SentIn(events));
      }
      CHECK(sum == whole);
      CHECK(seen.size() == 60);
      CHECK(exchanges == script.exchanges());
    }
  }
}

TEST_CASE_METHOD(FilterFixture, "parts of a shard make it up, by sessions in turn", "[replay]") {
  Scramble(5, 60);
  TrafficFilterOptions options;
  options.users = {"app"};
  options.shards = 2;
  const Sent whole = SentIn(Run(options));
  const TrafficFilterStats all = stats;
  for (const uint64_t parts : {1U, 2U, 5U, 64U}) {
    Sent sum;
    TrafficFilterStats counted;
    options.parts = parts;
    for (options.part = 1; options.part <= parts; ++options.part) {
      const std::vector<Event> events = Run(options);
      counted.Add(stats);
      const size_t sessions = SessionsIn(events).size();
      CHECK(sessions >= all.sessions / parts);
      CHECK(sessions <= all.sessions / parts + 1);
      Sent sent = SentIn(events);
      const size_t before = sum.size();
      const size_t more = sent.size();
      sum.merge(sent);
      CHECK(sum.size() == before + more);
    }
    CHECK(sum == whole);
    CHECK(counted.sessions == all.sessions);
    CHECK(counted.sessions_filtered == all.sessions_filtered);
    CHECK(counted.exchanges == all.exchanges);
  }
}

TEST_CASE_METHOD(FilterFixture, "N copies are N times the sessions, each with its own number",
                 "[replay]") {
  Scramble(4, 25);
  TrafficFilterOptions options;
  options.multiply = 3;
  const std::vector<Event> events = Run(options);
  const std::vector<uint64_t> ids = SessionsIn(events);
  CHECK(ids.size() == 75);
  CHECK(std::set<uint64_t>(ids.begin(), ids.end()).size() == 75);
  std::multiset<std::vector<std::string>> copies;
  for (const auto& [id, sent] : SentIn(events)) copies.insert(sent);
  for (const auto& [id, sent] : SentIn(script.events)) CHECK(copies.count(sent) % 3 == 0);
  CHECK(SentIn(events).size() == 3 * SentIn(script.events).size());
  const auto ends = std::count_if(events.begin(), events.end(), [](const Event& event) {
    return std::holds_alternative<event::SessionEnd>(event);
  });
  CHECK(ends == 75);
}

TEST_CASE_METHOD(FilterFixture, "numbers of copies differ whatever the numbers of sessions",
                 "[replay]") {
  for (const uint64_t id : {UINT64_MAX, UINT64_MAX / 2, uint64_t{1}, uint64_t{0}}) {
    script.Start(id);
    script.Query(id, "select 1");
  }
  TrafficFilterOptions options;
  options.multiply = 1000;
  const std::vector<uint64_t> ids = SessionsIn(Run(options));
  CHECK(std::set<uint64_t>(ids.begin(), ids.end()).size() == 4000);
}

TEST_CASE_METHOD(FilterFixture, "sessions are chosen by what their startup packet says",
                 "[replay]") {
  script.Start(1, "app", "shop");
  script.Start(2, "app_batch", "shop");
  script.Start(3, "report", "stock");
  script.Start(4, "app");
  for (uint64_t id = 1; id <= 4; ++id) script.Query(id, "select 1");
  TrafficFilterOptions options;
  options.users = {"APP*"};
  CHECK(SessionsIn(Run(options)) == std::vector<uint64_t>{1, 2, 4});
  options.databases = {"shop"};
  CHECK(SessionsIn(Run(options)) == std::vector<uint64_t>{1, 2});
  options.users = {"report", "app"};
  options.databases = {};
  CHECK(SessionsIn(Run(options)) == std::vector<uint64_t>{1, 3, 4});
  options = {};
  options.databases = {"app"};  // Named by the user alone.
  CHECK(SessionsIn(Run(options)) == std::vector<uint64_t>{4});
  options = {};
  options.applications = {"psql"};
  CHECK(Run(options).empty());
  CHECK(stats.sessions_filtered == 4);
}

TEST_CASE_METHOD(FilterFixture, "of other statements what a session needs stays", "[replay]") {
  script.Start(1);
  script.Query(1, "set search_path = a");
  script.Query(1, "select 1");
  wire::Parse parse;
  parse.name = "s1";
  parse.text = "update t set a = 1";
  wire::Bind bind;
  bind.statement = "s1";
  // Prepared and run at once, then run again in a transaction.
  const std::string run = wire::EncodeBind(bind) + wire::EncodeExecute("") + wire::EncodeSync();
  script.Send(1, wire::EncodeParse(parse) + run, {parse.text.data()});
  script.Query(1, "begin", 'T');
  script.Query(1, "savepoint s", 'T');
  script.Query(1, "select 2", 'T');
  script.Query(1, "commit");
  script.Query(1, "begin", 'T');
  script.Query(1, "savepoint s", 'T');
  script.Query(1, "delete from t", 'T');
  script.Query(1, "select 3", 'T');
  script.Query(1, "commit");
  script.End(1);
  TrafficFilterOptions options;
  options.statements = {"delete from %"};
  CHECK(Filtered(options)[1] == std::vector<std::string>{"set search_path = a", "parse s1", "begin",
                                                         "savepoint s", "delete from t", "commit"});
  CHECK(stats.exchanges == 1);
  CHECK(stats.exchanges + stats.exchanges_for_state + stats.exchanges_filtered >=
        script.exchanges());
  options.statements = {"nothing like it"};
  CHECK(Filtered(options)[1] == std::vector<std::string>{"set search_path = a", "parse s1"});
}

TEST_CASE_METHOD(FilterFixture, "a transaction that failed in what is left out fails again",
                 "[replay]") {
  script.Start(1);
  script.Query(1, "begin", 'T');
  script.Query(1, "select nonsense", 'E');
  script.Query(1, "delete from t", 'E');
  script.Query(1, "rollback");
  TrafficFilterOptions options;
  options.statements = {"delete%"};
  const std::vector<std::string> sent = Filtered(options)[1];
  REQUIRE(sent.size() == 4);
  CHECK(sent[0] == "begin");
  CHECK(sent[1].find("scry_failed_when_captured") != std::string::npos);
  CHECK(sent[2] == "delete from t");
  CHECK(sent[3] == "rollback");
}

TEST_CASE_METHOD(FilterFixture, "a transaction left out in part is opened and ended all the same",
                 "[replay]") {
  script.Start(1);
  script.Query(1, "begin; update t set a = 1", 'T');
  script.Query(1, "delete from t", 'T');
  script.Query(1, "update t set a = 2; commit");
  TrafficFilterOptions options;
  options.statements = {"delete%"};
  std::get<Exchange>(script.events[1]).statements = {};
  std::get<Exchange>(script.events[3]).statements = {};
  CHECK(Filtered(options)[1] == std::vector<std::string>{"BEGIN", "delete from t", "ROLLBACK"});
}

TEST_CASE_METHOD(FilterFixture, "a window keeps the state its sessions come with", "[replay]") {
  script.Start(1);                             // 1 ms
  script.Query(1, "set search_path = a");      // 2, 3
  script.Query(1, "select 1");                 // 4, 5
  script.Start(2);                             // 6
  script.Query(2, "select 2");                 // 7, 8
  script.End(2);                               // 9
  script.Start(3);                             // 10
  script.Query(1, "begin", 'T');               // 11, 12
  script.Query(1, "update t set a = 1", 'T');  // 13, 14
  script.Query(1, "select 3", 'T');            // 15, 16: from here
  script.Query(3, "select 4");                 // 17, 18
  script.Query(1, "select 5", 'T');            // 19, 20: up to here
  script.Query(1, "commit");                   // 21, 22
  script.Query(3, "set search_path = b");      // 23, 24
  script.Start(4);                             // 25
  script.Query(4, "select 6");                 // 26, 27
  script.End(1);
  TrafficFilterOptions options;
  options.from_us = 15'000;
  options.to_us = 19'000;
  const std::vector<Event> events = Run(options);
  Sent sent = SentIn(events);
  CHECK(sent[1] == std::vector<std::string>{"set search_path = a", "begin", "select 3", "commit"});
  CHECK(sent[3] == std::vector<std::string>{"select 4"});
  CHECK(SessionsIn(events) == std::vector<uint64_t>{1, 3});  // 2 was over, 4 came later.
  for (const Event& event : events) CHECK(event::TimeOf(event) >= 15'000);
}

TEST_CASE_METHOD(FilterFixture, "windows side by side hold every exchange once", "[replay]") {
  Scramble(5, 40);
  const auto count = [](const Sent& sent) {
    size_t sum = 0;
    for (const auto& [id, texts] : sent) sum += texts.size();
    return sum;
  };
  size_t sum = 0;
  for (base::Micros from = 0; from < 2'000'000; from += 50'000) {
    TrafficFilterOptions options;
    options.from_us = from;
    options.to_us = from + 50'000;
    sum += count(Filtered(options));
  }
  CHECK(sum == count(SentIn(script.events)));
}

TEST_CASE_METHOD(FilterFixture, "what a long wait for the window holds back is bounded",
                 "[replay]") {
  script.Start(1);
  for (int i = 0; i < 2000; ++i) script.Query(1, "set search_path = a" + std::to_string(i));
  script.End(1);
  TrafficFilterOptions options;
  options.from_us = INT64_MAX / 2;
  // Past the limit the session is let through, though it was over before the window.
  CHECK(SessionsIn(Run(options)) == std::vector<uint64_t>{1});
}

TEST_CASE_METHOD(FilterFixture, "reads alone pass, in sessions that can only read", "[replay]") {
  script.Start(1);
  script.Query(1, "begin", 'T');
  script.Query(1, "insert into t values (1)", 'T');
  script.Query(1, "commit");
  script.Query(1, "begin read write", 'T');
  script.Query(1, "select 1", 'T');
  script.Query(1, "commit");
  script.End(1);
  TrafficFilterOptions options;
  options.reads_only = true;
  const std::vector<Event> events = Run(options);
  const auto& start = std::get<event::SessionStart>(events.front());
  CHECK(start.parameters.back() ==
        std::pair<std::string, std::string>("default_transaction_read_only", "on"));
  Sent sent = SentIn(events);
  for (const std::string& text : sent[1]) {
    CAPTURE(text);
    CHECK(text.find("insert") == std::string::npos);
    CHECK(text.find("write") == std::string::npos);
  }
  CHECK(stats.exchanges_refused == 2);
}

TEST_CASE_METHOD(FilterFixture, "gaps are told by the shard of their session, or by the first",
                 "[replay]") {
  script.Start(1);
  event::Gap gap;
  gap.exchanges = 5;
  script.events.emplace_back(gap);
  gap.session = event::SessionId{1};
  script.events.emplace_back(gap);
  uint64_t gaps = 0;
  for (const uint64_t shard : {1U, 2U, 3U}) {
    TrafficFilterOptions options;
    options.shard = shard;
    options.shards = 3;
    options.multiply = 4;
    for (const Event& event : Run(options)) {
      gaps += static_cast<uint64_t>(std::holds_alternative<event::Gap>(event));
    }
  }
  CHECK(gaps == 2);
}

}  // namespace
}  // namespace scry::replay
