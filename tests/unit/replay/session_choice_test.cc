#include "replay/session_choice.h"

#include <algorithm>
#include <map>
#include <set>
#include <string>
#include <vector>

#include "base/random.h"
#include "support/catch.h"

namespace scry::replay {
namespace {

using base::Micros;

// Sessions one behind the other, as a survey sees them.
class Capture {
 public:
  void Session(uint64_t id, const std::vector<std::string>& statements, Micros each_us = 1000,
               uint64_t rows = 1) {
    event::SessionStart start;
    start.session = event::SessionId{id};
    start.at_us = now_us_;
    events_.emplace_back(start);
    for (const std::string& text : statements) {
      event::Exchange exchange;
      exchange.session = event::SessionId{id};
      exchange.forwarded_us = now_us_;
      exchange.completed_us = now_us_ += each_us;
      event::Statement statement;
      statement.text = text;
      statement.outcome.status = event::OutcomeStatus::kDone;
      statement.outcome.elapsed_us = each_us;
      statement.outcome.rows = rows;
      exchange.statements.push_back(statement);
      events_.emplace_back(exchange);
    }
    event::SessionEnd end;
    end.session = event::SessionId{id};
    end.at_us = now_us_;
    events_.emplace_back(end);
  }

  SessionSurvey Survey(const SurveyLimits& limits = {}) const {
    SessionSurvey survey(limits);
    event::FactsCache facts;
    survey.BeginCapture();
    for (const event::Event& event : events_) survey.Add(event, facts);
    survey.End();
    return survey;
  }
  Micros now_us() const { return now_us_; }

 private:
  std::vector<event::Event> events_;
  Micros now_us_ = 0;
};

std::string Read(uint64_t table, uint64_t shape = 0) {
  return "select a" + std::to_string(shape) + " from t" + std::to_string(table) + " where id = 7";
}
std::string Write(uint64_t table) {
  return "update t" + std::to_string(table) + " set a = 1 where id = 7";
}

ChoiceOptions Budget(Micros budget_us) {
  ChoiceOptions options;
  options.budget_us = budget_us;
  options.lanes = 2;
  options.calls_wanted = 5;
  options.calls_wanted_heavy = 20;
  return options;
}

// Patterns that many, few and single sessions have, with writers among them.
struct Traffic {
  explicit Traffic(uint64_t seed, uint64_t sessions = 120) : random(seed) {
    for (uint64_t id = 1; id <= sessions; ++id) {
      std::vector<std::string> texts;
      const uint64_t count = 1 + random.Below(8);
      for (uint64_t i = 0; i < count; ++i) {
        // The square makes high numbers rare.
        const uint64_t table = random.Below(30) * random.Below(30) / 30;
        const bool write = random.Below(4) == 0;
        texts.push_back(write ? Write(table) : Read(table, random.Below(3)));
        if (write) written[id].insert("t" + std::to_string(table));
      }
      const Micros each_us = 200 + static_cast<Micros>(random.Below(5000));
      capture.Session(id, texts, each_us);
      cost_us[id] = static_cast<Micros>(texts.size()) * (2 * each_us + 100);
      statements[id] = std::move(texts);
    }
  }
  base::Random random;
  Capture capture;
  std::map<uint64_t, std::set<std::string>> written;
  std::map<uint64_t, std::vector<std::string>> statements;
  std::map<uint64_t, Micros> cost_us;  // On two lanes.
};

TEST_CASE("the same capture and seed give the same choice, within the budget", "[replay]") {
  for (uint64_t seed = 1; seed <= 25; ++seed) {
    const Traffic traffic(seed);
    const Micros all_us = traffic.capture.Survey().EstimateAllUs(2);
    for (const Micros part : {3, 10, 50, 90}) {
      const ChoiceOptions options = Budget(all_us * part / 100);
      SurveyLimits limits;
      limits.seed = seed;
      const SessionChoice choice = traffic.capture.Survey(limits).Choose(options);
      CAPTURE(seed, part);
      CHECK(choice.sessions == traffic.capture.Survey(limits).Choose(options).sessions);
      CHECK(choice.estimated_us <= options.budget_us);
      REQUIRE(choice.sessions.size() == 1);
      CHECK(std::is_sorted(choice.sessions[0].begin(), choice.sessions[0].end()));
      CHECK(choice.sessions[0].size() == choice.sessions_chosen);
      CHECK(choice.sessions_chosen < choice.sessions_all);
    }
  }
}

TEST_CASE("a budget that is large enough leaves nothing out", "[replay]") {
  const Traffic traffic(3);
  const SessionSurvey survey = traffic.capture.Survey();
  const SessionChoice choice = survey.Choose(Budget(survey.EstimateAllUs(2)));
  CHECK(choice.sessions_chosen == choice.sessions_all);
  CHECK(choice.statements == choice.statements_all);
  CHECK(choice.time_us == choice.time_all_us);
  CHECK(choice.writers_left_out == 0);
  CHECK(choice.left_out_writes[0].empty());
  for (const ChosenPattern& pattern : choice.patterns) CHECK(pattern.calls == pattern.available);
}

TEST_CASE("what a pattern lacks would not have fitted", "[replay]") {
  event::FactsCache facts;
  for (uint64_t seed = 1; seed <= 25; ++seed) {
    const Traffic traffic(seed);
    const SessionSurvey survey = traffic.capture.Survey();
    const ChoiceOptions options = Budget(survey.EstimateAllUs(2) * 4 / 10);
    const SessionChoice choice = survey.Choose(options);
    const std::set<uint64_t> chosen(choice.sessions[0].begin(), choice.sessions[0].end());
    std::set<uint64_t> thin;
    for (size_t i = 0; i < choice.patterns.size(); ++i) {
      const ChosenPattern& pattern = choice.patterns[i];
      if (i > 0) CHECK(choice.patterns[i - 1].available <= pattern.available);
      if (pattern.calls < std::min(pattern.wanted, pattern.available)) {
        thin.insert(pattern.fingerprint);
      }
    }
    CAPTURE(seed);
    CHECK_FALSE(thin.empty());
    for (const auto& [id, statements] : traffic.statements) {
      if (chosen.count(id) != 0) continue;
      const bool needed = std::any_of(
          statements.begin(), statements.end(),
          [&](const std::string& text) { return thin.count(facts.Get(text, 0).fingerprint) != 0; });
      if (needed) CHECK(choice.estimated_us + traffic.cost_us.at(id) > options.budget_us);
    }
  }
}

TEST_CASE("a pattern that one of thousands of sessions has is met with little time", "[replay]") {
  Capture capture;
  for (uint64_t id = 1; id <= 3000; ++id) {
    std::vector<std::string> statements(10, Read(1));
    if (id == 1717) statements.push_back(Read(99));
    capture.Session(id, statements);
  }
  const SessionSurvey survey = capture.Survey();
  const SessionChoice choice = survey.Choose(Budget(survey.EstimateAllUs(2) / 300));
  CHECK(std::count(choice.sessions[0].begin(), choice.sessions[0].end(), uint64_t{1717}) == 1);
  SurveyLimits other;
  other.seed = 2;
  CHECK(capture.Survey(other).Choose(Budget(survey.EstimateAllUs(2) / 300)).sessions !=
        choice.sessions);
}

TEST_CASE("the heavy calls of a frequent pattern are met as well", "[replay]") {
  Capture capture;
  for (uint64_t id = 1; id <= 1000; ++id) {
    capture.Session(id, {Read(1)}, 1000, id % 200 == 0 ? 5000 : 1);
  }
  const SessionSurvey survey = capture.Survey();
  const SessionChoice choice = survey.Choose(Budget(survey.EstimateAllUs(2) / 20));
  uint64_t heavy = 0;
  for (const uint64_t id : choice.sessions[0]) heavy += id % 200 == 0 ? 1U : 0U;
  CHECK(heavy == 5);
}

TEST_CASE("what left-out sessions changed is told, and from when on", "[replay]") {
  for (uint64_t seed = 1; seed <= 25; ++seed) {
    const Traffic traffic(seed);
    const SessionSurvey survey = traffic.capture.Survey();
    const SessionChoice choice = survey.Choose(Budget(survey.EstimateAllUs(2) / 3));
    const std::set<uint64_t> chosen(choice.sessions[0].begin(), choice.sessions[0].end());
    uint64_t left_out = 0;
    std::set<std::string> changed;
    for (const auto& [id, relations] : traffic.written) {
      if (chosen.count(id) != 0) continue;
      ++left_out;
      for (const std::string& relation : relations) {
        changed.insert(relation);
        const auto found = choice.left_out_writes[0].find(relation);
        CAPTURE(seed, id, relation);
        REQUIRE(found != choice.left_out_writes[0].end());
      }
    }
    CHECK(choice.writers_left_out == left_out);
    // More where one fingerprint has several tables.
    CHECK(choice.left_out_writes[0].size() >= changed.size());
  }
}

TEST_CASE("writers come in their order, so that the beginning is as it was", "[replay]") {
  Capture capture;
  for (uint64_t id = 1; id <= 400; ++id) {
    capture.Session(id, {id % 2 == 0 ? Write(1) : Read(1)});
  }
  const SessionSurvey survey = capture.Survey();
  const SessionChoice choice = survey.Choose(Budget(survey.EstimateAllUs(2) / 4));
  const std::set<uint64_t> chosen(choice.sessions[0].begin(), choice.sessions[0].end());
  // Up to the first write that is left out, all writers are in: more than half of what fits.
  uint64_t in_order = 0;
  for (uint64_t id = 2; chosen.count(id) != 0; id += 2) ++in_order;
  CHECK(in_order > 40);
  CHECK(choice.left_out_writes[0].at("t1") == static_cast<Micros>(2 * in_order + 1) * 1000);
}

TEST_CASE("a survey of many sessions stays small and keeps what is rare", "[replay]") {
  Capture capture;
  base::Random random(5);
  for (uint64_t id = 1; id <= 20000; ++id) {
    std::vector<std::string> statements;
    for (int i = 0; i < 3; ++i) statements.push_back(Read(random.Below(5)));
    if (id == 13) statements.push_back(Write(77));
    if (id == 9999) statements.push_back(Read(88));
    capture.Session(id, statements);
  }
  SurveyLimits limits;
  limits.sessions_max = 2000;
  limits.entries_max = 5000;
  const SessionSurvey survey = capture.Survey(limits);
  CHECK(survey.sessions_kept() <= limits.sessions_max);
  CHECK(survey.entries() <= limits.entries_max);
  const SessionChoice choice = survey.Choose(Budget(survey.EstimateAllUs(2) / 100));
  CHECK(choice.sessions_all == 20000);
  CHECK(choice.statements_all == 60002);
  const std::set<uint64_t> chosen(choice.sessions[0].begin(), choice.sessions[0].end());
  CHECK(chosen.count(13) == 1);
  CHECK(chosen.count(9999) == 1);
  CHECK(capture.Survey(limits).Choose(Budget(survey.EstimateAllUs(2) / 100)).sessions ==
        choice.sessions);
}

TEST_CASE("sessions that end with the capture, and odd ones, are no trouble", "[replay]") {
  SessionSurvey survey;
  event::FactsCache facts;
  survey.BeginCapture();
  event::SessionStart start;
  start.session = event::SessionId{4};
  survey.Add(start, facts);
  survey.Add(start, facts);
  event::Exchange stray;
  stray.session = event::SessionId{9};
  stray.statements.resize(1);
  survey.Add(stray, facts);
  stray.session = event::SessionId{4};
  stray.statements[0].outcome.elapsed_us = -5;
  survey.Add(stray, facts);
  survey.BeginCapture();
  survey.Add(start, facts);
  survey.End();
  const SessionChoice choice = survey.Choose(Budget(1'000'000));
  CHECK(choice.sessions == std::vector<std::vector<uint64_t>>{{4}, {4}});
  CHECK(choice.statements == 1);
}

}  // namespace
}  // namespace scry::replay
