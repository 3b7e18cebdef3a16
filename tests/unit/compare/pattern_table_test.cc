#include "compare/pattern_table.h"

#include <algorithm>
#include <string>

#include "support/catch.h"
#include "unit/compare/pairs.h"

namespace scry::compare {
namespace {

const std::vector<event::Column> kId = {Col("id", 23, 1)};

event::StatementPair Timed(base::Micros baseline, base::Micros candidate) {
  event::StatementPair pair = PairOf(Answer(kId, {{"1"}}), Answer(kId, {{"1"}}));
  pair.lanes[0].outcome.elapsed_us = baseline;
  pair.lanes[1].outcome.elapsed_us = candidate;
  return pair;
}

TEST_CASE("a table counts every statement once", "[compare]") {
  PatternTable table;
  for (int i = 0; i < 10; ++i) table.Put(Timed(100, 200), Facts(1));
  for (int i = 0; i < 5; ++i) table.Put(Timed(100, 200), Facts(2));
  CHECK(table.totals().statements == 15);
  CHECK(table.totals().compared == 15);
  CHECK(table.totals().time_us[0] == 1500);
  CHECK(table.totals().time_us[1] == 3000);
  REQUIRE(table.Patterns().size() == 2);
  CHECK(table.Patterns()[0]->calls == 10);
  CHECK(table.Find(2)->calls == 5);
  CHECK(table.Find(3) == nullptr);
}

TEST_CASE("texts find their own pattern", "[compare]") {
  PatternTable table;
  event::StatementPair pair = Timed(1, 1);
  for (const char* text : {"select * from t where id = 1", "select * from t where id = 2"}) {
    pair.text = text;
    table.Put(pair);
  }
  CHECK(table.size() == 1);
}

TEST_CASE("warm-up and counterfactual pairs stay out of latency", "[compare]") {
  PatternTable table;
  event::StatementPair pair = Timed(1, 1);
  pair.warm_up = true;
  table.Put(pair, Facts());
  pair.warm_up = false;
  pair.counterfactual = true;
  table.Put(pair, Facts());
  pair.counterfactual = false;
  pair.held_up = true;
  table.Put(pair, Facts());
  event::StatementPair broken = PairOf(Answer(kId, {{"1"}}), Failure("42703"));
  table.Put(broken, Facts());
  CHECK(table.Find(1)->latency_pairs == 1);
  CHECK(table.Find(1)->held_up == 1);
  CHECK(table.Find(1)->calls == 4);
}

TEST_CASE("past the limit patterns are counted, but breaks are kept", "[compare]") {
  PatternTableLimits limits;
  limits.patterns = 8;
  PatternTable table(limits);
  for (uint64_t i = 1; i <= 100; ++i) table.Put(Timed(1, 1), Facts(i));
  CHECK(table.size() == 8);
  CHECK(table.totals().overflow_statements == 92);
  table.Put(PairOf(Answer(kId, {{"1"}}), Failure("42703")), Facts(1000));
  REQUIRE(table.Find(1000) != nullptr);
  CHECK(table.Find(1000)->differences.at(DifferenceKind::kError).weights.gates == 1);
}

TEST_CASE("latency samples are bounded, even and repeatable", "[compare]") {
  PatternTableLimits limits;
  limits.samples_per_pattern = 500;
  const auto fill = [&] {
    PatternTable table(limits);
    for (base::Micros i = 0; i < 20000; ++i) table.Put(Timed(i, i + 1), Facts());
    return table.Find(1)->latencies;
  };
  const auto sample = fill();
  CHECK(sample.size() == 500);
  CHECK(sample == fill());
  double sum = 0;
  bool paired = true;
  for (const LatencySample& tuple : sample) {
    sum += tuple.us[0];
    paired = paired && tuple.us[1] == tuple.us[0] + 1;
  }
  CHECK(paired);
  // The mean of 500 of 0..19999 lies within 5 standard errors (258) of 10,000.
  CHECK(sum / 500 > 8700);
  CHECK(sum / 500 < 11300);
}

TEST_CASE("the budget of all samples holds, with a floor per pattern", "[compare]") {
  PatternTableLimits limits;
  limits.samples_total = 100;
  limits.samples_per_pattern_min = 10;
  PatternTable table(limits);
  for (uint64_t pattern = 1; pattern <= 20; ++pattern) {
    for (int i = 0; i < 60; ++i) table.Put(Timed(1, 1), Facts(pattern));
  }
  size_t held = 0;
  for (const PatternStats* stats : table.Patterns()) {
    CHECK(stats->latencies.size() >= 10);
    CHECK(stats->latency_pairs == 60);
    held += stats->latencies.size();
  }
  CHECK(held <= 100 + 20 * 10);
}

TEST_CASE("large texts are not hoarded", "[compare]") {
  PatternTableLimits limits;
  limits.text_bytes = 1000;
  limits.pattern_bytes = 50;
  PatternTable table(limits);
  event::StatementPair pair = Timed(1, 1);
  pair.text = std::string(5000, 'x');
  table.Put(pair, Facts(1, "é" + std::string(200, 'y')));
  CHECK(table.Find(1)->text.empty());
  CHECK(table.Find(1)->pattern.size() <= 53);
  // The patterns of one Query hold it once.
  pair.text = std::string(600, 'x');
  for (uint64_t pattern = 2; pattern <= 4; ++pattern) table.Put(pair, Facts(pattern));
  CHECK(table.Find(4)->text.SharesWith(pair.text));
  pair.text = std::string(600, 'z');
  table.Put(pair, Facts(5));
  CHECK(table.Find(5)->text.empty());
  pair.text = std::string(300, 'z');
  table.Put(pair, Facts(6));
  CHECK(table.Find(6)->text == pair.text);
}

TEST_CASE("the example is of the heaviest difference, and the first of its weight", "[compare]") {
  PatternTable table;
  event::StatementPair race = PairOf(Answer(kId, {{"1"}}), Failure("42P01"));
  race.counterfactual = true;
  race.text = "light";
  table.Put(race, Facts());
  for (const char* text : {"first", "second"}) {
    event::StatementPair pair = PairOf(Answer(kId, {{"1"}}), Failure("42703", "no column"));
    pair.text = text;
    table.Put(pair, Facts());
  }
  const KindStats& stats = table.Find(1)->differences.at(DifferenceKind::kError);
  CHECK(stats.count == 3);
  CHECK(stats.weights.gates == 2);
  CHECK(stats.example.text == "first");
  CHECK(stats.example.sqlstate == "42703");
  CHECK(table.Find(1)->errors[1].at("42703") == 2);
  CHECK(table.Find(1)->errors[0].empty());
}

TEST_CASE("fidelity counts what the baseline did like production", "[compare]") {
  PatternTable table;
  table.Put(Timed(1, 1), Facts());
  event::StatementPair other = Timed(1, 1);
  other.captured = Answer(kId, {{"5"}}).outcome;
  table.Put(other, Facts());
  // New ones cannot match and say nothing about the shadow.
  event::StatementPair introduced = PairOf(Failure("42703"), Answer(kId, {{"1"}}));
  introduced.captured = Answer(kId, {{"1"}}).outcome;
  table.Put(introduced, Facts());
  CHECK(table.totals().fidelity.judged == 2);
  CHECK(table.totals().fidelity.matched() == 1);
  CHECK(table.Find(1)->fidelity == table.totals().fidelity);
}

TEST_CASE("what fails on both lanes compares nothing", "[compare]") {
  PatternTable table;
  event::StatementPair pair = PairOf(Failure("42501"), Failure("42501"));
  pair.captured = Answer(kId, {{"1"}}).outcome;
  table.Put(pair, Facts());
  CHECK(table.totals().compared == 0);
  CHECK(table.Find(1)->failed_on_both == 1);
  pair.captured = Failure("42501").outcome;
  table.Put(pair, Facts());
  CHECK(table.totals().compared == 1);
}

TEST_CASE("a pair without lanes is counted and does no harm", "[compare]") {
  PatternTable table;
  table.Put(event::StatementPair{}, Facts());
  CHECK(table.totals().statements == 1);
  CHECK(table.totals().compared == 0);
}

}  // namespace
}  // namespace scry::compare
