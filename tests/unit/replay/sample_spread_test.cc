#include "replay/sample_spread.h"

#include <algorithm>
#include <string>
#include <vector>

#include "base/random.h"
#include "replay/sample_book.h"
#include "script.h"
#include "support/catch.h"

namespace scry::replay {
namespace {

// Offers executions by their one parameter.
class Spread {
 public:
  explicit Spread(size_t samples_max, uint64_t seed = 1) : spread_(samples_max, seed) {}

  void Run(const std::string& value, base::Micros elapsed_us = 100, uint64_t rows = 1) {
    SampleOffer offer;
    offer.key = event::DigestOf(value);
    offer.values = value;
    offer.elapsed_us = elapsed_us;
    offer.rows = rows;
    if (!spread_.Wants(offer)) return;
    ++put_;
    Sample sample;
    sample.text = value;
    spread_.Put(offer, std::move(sample));
  }
  std::vector<std::string> Chosen() const {
    std::vector<std::string> values;
    for (const Sample& sample : spread_.Chosen()) values.push_back(sample.text);
    return values;
  }
  bool Has(const std::string& value) const {
    const auto chosen = Chosen();
    return std::find(chosen.begin(), chosen.end(), value) != chosen.end();
  }
  size_t put() const { return put_; }
  size_t bytes() const { return spread_.bytes(); }

 private:
  SampleSpread spread_;
  size_t put_ = 0;
};

TEST_CASE("the spread holds the slowest, the extreme and the frequent, once each", "[replay]") {
  Spread spread(8);
  base::Random random(7);
  for (int i = 0; i < 20000; ++i) spread.Run(std::to_string(10000 + random.Below(80000)));
  spread.Run("50001", 90'000);      // The slowest.
  spread.Run("50002", 100, 7'000);  // The most rows.
  spread.Run("50003", 100, 0);      // None.
  spread.Run("7");                  // The smallest.
  spread.Run("4000000");            // The largest.
  for (int i = 0; i < 9000; ++i) spread.Run("50004");
  for (int i = 0; i < 20000; ++i) spread.Run(std::to_string(10000 + random.Below(80000)));
  const auto chosen = spread.Chosen();
  CHECK(chosen.size() == 8);
  CHECK(chosen[0] == "50001");
  for (const char* value : {"50002", "50003", "7", "4000000", "50004"}) {
    CAPTURE(value);
    CHECK(spread.Has(value));
  }
  // Copies are made for the few that are held, not for each execution.
  CHECK(spread.put() < 2000);
  CHECK(spread.bytes() < 40 * (sizeof(Sample) + 100));
}

TEST_CASE("all parameters are chosen where they are few", "[replay]") {
  Spread spread(8);
  for (int i = 0; i < 100; ++i) spread.Run(std::to_string(i % 5));
  CHECK(spread.Chosen().size() == 5);
}

TEST_CASE("the same executions and seed give the same spread", "[replay]") {
  const auto run = [](uint64_t seed) {
    Spread spread(8, seed);
    base::Random random(3);
    for (int i = 0; i < 5000; ++i) spread.Run(std::to_string(random.Below(100000)));
    return spread.Chosen();
  };
  CHECK(run(1) == run(1));
  CHECK(run(1) != run(2));
}

// --- In the book.

constexpr const char* kSql = "select v from t where id = $1";

std::vector<Sample> SpreadOf(Script& script, const std::string& sql = kSql) {
  event::FactsCache facts;
  const uint64_t fingerprint = facts.Get(sql, 0).fingerprint;
  SampleBook book({fingerprint}, 8, 1, SampleChoice::kSpread);
  REQUIRE(book.Scan(script, facts).ok());
  CHECK(book.left_out() == 0);
  const auto found = book.samples().find(fingerprint);
  return found == book.samples().end() ? std::vector<Sample>() : found->second;
}

TEST_CASE("a sample knows how often its prepared statement ran before", "[replay]") {
  Script script;
  script.Start(1);
  wire::Parse parse;
  parse.name = "s";
  parse.text = kSql;
  script.Send(1, wire::EncodeParse(parse) + wire::EncodeSync(), {});
  wire::Bind bind;
  bind.statement = "s";
  bind.parameters = {"7"};
  for (int i = 0; i < 9; ++i) {
    script.Send(1, wire::EncodeBind(bind) + wire::EncodeExecute("") + wire::EncodeSync(), {kSql});
  }
  const auto samples = SpreadOf(script);
  REQUIRE(samples.size() == 2);  // Before and after the server may have changed to a generic plan.
  std::vector<uint64_t> before = {samples[0].executed_before, samples[1].executed_before};
  std::sort(before.begin(), before.end());
  CHECK(before[0] < kCustomPlans);
  CHECK(before[1] >= kCustomPlans);
}

std::vector<std::string> SettingsOf(const std::vector<std::pair<std::string, char>>& statements) {
  Script script;
  script.Start(1);
  for (const auto& [sql, status] : statements) {
    auto& exchange = script.Query(1, sql, status);
    if (sql == "rollback" || sql == "commit") {
      exchange.statements[0].outcome.tag = sql == "rollback" ? "ROLLBACK" : "COMMIT";
    }
  }
  script.Query(1, "select 1");
  const auto samples = SpreadOf(script, "select 1");
  REQUIRE(samples.size() == 1);
  std::vector<std::string> texts;
  for (const SettingStatement& setting : samples[0].settings) texts.push_back(setting.text);
  return texts;
}

using Texts = std::vector<std::string>;

TEST_CASE("a sample has the settings that were in force", "[replay]") {
  CHECK(SettingsOf({{"set search_path = a", 'I'}, {"SET Search_Path TO b", 'I'}}) ==
        Texts{"SET Search_Path TO b"});
  CHECK(SettingsOf({{"set role a", 'I'}, {"set work_mem = '1MB'", 'I'}, {"reset role", 'I'}}) ==
        Texts{"set work_mem = '1MB'", "reset role"});
  CHECK(SettingsOf({{"set role a", 'I'}, {"discard all", 'I'}}).empty());
  CHECK(SettingsOf({{"select set_config('a.b', 'c', false)", 'I'}}) ==
        Texts{"select set_config('a.b', 'c', false)"});
  CHECK(
      SettingsOf({{"select version()", 'I'}, {"listen x", 'I'}, {"set transaction read only", 'I'}})
          .empty());
}

TEST_CASE("what a transaction set ends with it, or stays", "[replay]") {
  CHECK(SettingsOf({{"begin", 'T'}, {"set local role a", 'T'}}) == Texts{"set local role a"});
  CHECK(SettingsOf({{"begin", 'T'}, {"set local role a", 'T'}, {"commit", 'I'}}).empty());
  CHECK(SettingsOf({{"begin", 'T'}, {"set role a", 'T'}, {"commit", 'I'}}) == Texts{"set role a"});
  CHECK(SettingsOf({{"begin", 'T'}, {"set role a", 'T'}, {"rollback", 'I'}}).empty());
}

TEST_CASE("a session that set more than is remembered gives no samples", "[replay]") {
  Script script;
  script.Start(1);
  for (size_t i = 0; i <= kSettingsMax; ++i) {
    script.Query(1, "set a.b" + std::to_string(i) + " = 1");
  }
  script.Query(1, "select 1");
  event::FactsCache facts;
  SampleBook book({facts.Get("select 1", 0).fingerprint}, 8, 1, SampleChoice::kSpread);
  REQUIRE(book.Scan(script, facts).ok());
  CHECK(book.left_out() == 1);
  CHECK(book.samples().empty());
}

}  // namespace
}  // namespace scry::replay
