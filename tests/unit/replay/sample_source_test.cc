#include "replay/sample_book.h"

#include "support/catch.h"

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
  for (;;) {
    const auto next = source.Next();
    REQUIRE(next.ok());
    if (!*next) break;
    // A replay orders events by their time.
    CHECK(event::TimeOf(**next) >= last_us);
    last_us = event::TimeOf(**next);
    if (const auto* start = std::get_if<event::SessionStart>(&**next)) {
      started.insert(start->session);
    } else if (const auto* exchange = std::get_if<event::Exchange>(&**next)) {
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
  for (;;) {
    const auto next = source.Next();
    REQUIRE(next.ok());
    if (!*next) break;
    const auto* exchange = std::get_if<event::Exchange>(&**next);
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

}  // namespace
}  // namespace scry::replay
