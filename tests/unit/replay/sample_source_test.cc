#include "replay/sample_book.h"

#include "base/bytes.h"
#include "script.h"
#include "support/catch.h"
#include "wire/frontend.h"

namespace scry::replay {
namespace {

TEST_CASE("samples of sessions that started late come after their session's start", "[replay]") {
  std::map<uint64_t, std::vector<Sample>> samples;
  for (uint64_t i = 1; i <= 3; ++i) {
    Sample sample;
    sample.fingerprint = i;
    sample.session.at_us = static_cast<base::Micros>(i) * 1000000;
    sample.session.parameters = {{"user", "role " + std::to_string(i)}};
    sample.text = "select " + std::to_string(i);
    samples[i].assign(5, sample);
  }
  SampleSource source(samples, /*rounds=*/2, /*seed=*/1);
  base::Micros last_us = 0;
  size_t exchanges = 0;
  std::set<event::SessionId> started;
  for (const event::Event& event : All(source)) {
    // A replay orders events by their time.
    CHECK(event::TimeOf(event) >= last_us);
    last_us = event::TimeOf(event);
    if (const auto* start = std::get_if<event::SessionStart>(&event)) {
      started.insert(start->session);
    } else if (const auto* exchange = std::get_if<event::Exchange>(&event)) {
      CHECK(started.count(exchange->session) == 1);
      ++exchanges;
    }
  }
  CHECK(started.size() == 3);
  CHECK(exchanges == 3 * 5 * 2 * 3);
}

TEST_CASE("what runs before a sample on its connection is its own pattern", "[replay]") {
  std::map<uint64_t, std::vector<Sample>> samples;
  for (uint64_t i = 1; i <= 4; ++i) {
    for (uint64_t run = 0; run < 60; ++run) {
      Sample sample;
      sample.fingerprint = i;
      sample.session.parameters = {{"user", "role " + std::to_string(run % 3)}};
      sample.text = "select " + std::to_string(i);
      samples[i].push_back(sample);
    }
  }
  SampleSource source(samples, /*rounds=*/1, /*seed=*/7);
  std::map<event::SessionId, std::string> before;
  std::map<std::string, size_t> stretches;
  size_t runs = 0;
  size_t strangers = 0;
  std::string last;
  for (const event::Event& event : All(source)) {
    const auto* exchange = std::get_if<event::Exchange>(&event);
    if (exchange == nullptr) continue;
    const std::string& text = exchange->statements.at(0).text;
    if (!text.starts_with("select")) continue;
    ++runs;
    strangers += before[exchange->session] != text ? 1U : 0U;
    stretches[text] += last != text ? 1U : 0U;
    before[exchange->session] = last = text;
  }
  CHECK(runs == 4 * 60);
  CHECK(strangers <= 4 * 3 * (60 / 3 / SampleSource::kStretch + 1));
  // And yet no pattern has a time of its own, in which one lane might have been slow.
  for (const auto& [text, count] : stretches) CHECK(count > 3);
}

Sample BoundSample(const std::string& text, const std::string& value, uint64_t executed_before) {
  Sample sample;
  sample.session.parameters = {{"user", "app"}};
  sample.text = text;
  sample.executed_before = executed_before;
  sample.messages = MessagesOf(Extended(text, {value}));
  return sample;
}

TEST_CASE("a sample is prepared by a name and bound before where its session had done so",
          "[replay]") {
  const std::string texts[] = {"select $1", "select $1 + 1"};
  std::map<uint64_t, std::vector<Sample>> samples;
  for (uint64_t run = 0; run < 20; ++run) {
    for (uint64_t pattern = 0; pattern < 2; ++pattern) {
      // The first five runs of a statement are planned with their parameters anyway.
      samples[pattern + 1].push_back(BoundSample(texts[pattern], std::to_string(run), run));
    }
  }
  SampleSource source(samples, /*rounds=*/1, /*seed=*/3);
  std::map<std::string, std::string> prepared;  // Texts by name.
  std::map<std::string, size_t> runs;           // By the name they are run by.
  char status = 'I';
  for (const event::Event& event : All(source)) {
    const auto* exchange = std::get_if<event::Exchange>(&event);
    if (exchange == nullptr) continue;
    const std::vector<event::FrontendMessage>& messages = exchange->messages;
    if (exchange->statements.empty()) {
      // Outside of a transaction: a rollback would not take it back, but a failure would end one.
      CHECK(status == 'I');
      const std::string payload = messages.at(0).Payload();
      const auto parse = wire::ParseParse(base::AsBytes(payload));
      REQUIRE(parse);
      CHECK(prepared.emplace(std::string(parse->name), std::string(parse->text)).second);
      REQUIRE(messages.size() == 1 + kCustomPlans + 1 + 1);
      for (size_t i = 1; i + 1 < messages.size(); ++i) {
        const std::string bound = messages[i].Payload();
        const auto bind = wire::ParseBind(base::AsBytes(bound));
        REQUIRE(bind);
        CHECK(bind->statement == parse->name);
      }
    } else if (messages.size() > 1) {
      const event::Statement& statement = exchange->statements.at(0);
      CHECK(messages.at(statement.message).type == wire::frontend::kExecute);
      const bool named = messages[0].type == wire::frontend::kBind;
      const std::string payload = messages[named ? 0 : 1].Payload();
      const auto bind = wire::ParseBind(base::AsBytes(payload));
      REQUIRE(bind);
      CHECK(named == !bind->statement.empty());
      const uint64_t value = std::stoull(std::string(*bind->parameters.at(0)));
      CHECK(named == (value >= kCustomPlans));
      if (named) CHECK(prepared.at(std::string(bind->statement)) == statement.text);
      ++runs[std::string(bind->statement)];
    }
    status = static_cast<char>(exchange->status);
  }
  CHECK(prepared.size() == 2);
  CHECK(runs.size() == 3);
  CHECK(runs[""] == 2 * kCustomPlans);
}

}  // namespace
}  // namespace scry::replay
