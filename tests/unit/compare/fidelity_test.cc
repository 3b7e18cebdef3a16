#include "compare/fidelity.h"

#include <optional>

#include "support/catch.h"
#include "unit/compare/pairs.h"

namespace scry::compare {
namespace {

using event::LaneOutcome;

const std::vector<event::Column> kIdName = {Col("id", 23, 1), Col("name", 25, 2)};

// The loss that one statement is counted as; nullopt: none.
std::optional<FidelityLoss> LossOf(const event::StatementPair& pair,
                                   const event::StatementFacts& facts = Facts()) {
  FidelityCounts counts;
  JudgeFidelity(pair, facts, /*introduced=*/false, counts);
  CHECK(counts.judged == 1);
  CHECK(counts.lost_in_all() <= 1);
  for (size_t i = 0; i < counts.lost.size(); ++i) {
    if (counts.lost[i] == 1) return static_cast<FidelityLoss>(i);
  }
  return std::nullopt;
}

std::optional<FidelityLoss> LossAgainst(const LaneOutcome& production, const LaneOutcome& baseline,
                                        const event::StatementFacts& facts = Facts()) {
  event::StatementPair pair = PairOf(baseline, baseline);
  pair.captured = production.outcome;
  return LossOf(pair, facts);
}

TEST_CASE("a binary COPY of an older capture has other digests", "[compare]") {
  event::StatementFacts facts = Facts(1, "COPY t TO STDOUT (FORMAT BINARY)");
  facts.kind = event::StatementKind::kCopyOut;
  const auto production = Answer({}, {{"1"}, {"2"}});
  const auto other = Answer({}, {{"1"}, {"3"}});
  CHECK(LossAgainst(production, other, facts) == std::nullopt);
  CHECK(LossAgainst(production, Answer({}, {{"1"}}), facts) == FidelityLoss::kRows);
  facts.pattern = "COPY t TO STDOUT";
  CHECK(LossAgainst(production, other, facts) == FidelityLoss::kValues);
}

TEST_CASE("fidelity asks whether the baseline did what production did", "[compare]") {
  const auto production = Answer(kIdName, {{"1", "a"}, {"2", "b"}});
  const auto other_values = Answer(kIdName, {{"1", "a"}, {"2", "c"}});
  CHECK(LossAgainst(production, Answer(kIdName, {{"2", "b"}, {"1", "a"}})) == std::nullopt);
  CHECK(LossAgainst(production, Answer(kIdName, {{"1", "a"}})) == FidelityLoss::kRows);
  CHECK(LossAgainst(Command("UPDATE 1"), Command("UPDATE 2")) == FidelityLoss::kRows);
  CHECK(LossAgainst(production, Failure("42P01")) == FidelityLoss::kSqlstate);
  CHECK(LossAgainst(Failure("42P01"), production) == FidelityLoss::kSqlstate);
  CHECK(LossAgainst(Failure("42P01"), Failure("23505")) == FidelityLoss::kSqlstate);
  CHECK(LossAgainst(Failure("23505"), Failure("23505")) == std::nullopt);
  CHECK(LossAgainst(production, other_values) == FidelityLoss::kValues);
  auto clock = Facts();
  clock.functions = {"now"};
  CHECK(LossAgainst(production, other_values, clock) == std::nullopt);
}

TEST_CASE("fidelity does not ask for values that two equal lanes disagree on", "[compare]") {
  auto pair = PairOf(Answer(kIdName, {{"1", "10:01"}}), Answer(kIdName, {{"1", "10:02"}}));
  pair.captured = Answer(kIdName, {{"1", "09:00"}}).outcome;
  CHECK(LossOf(pair) == FidelityLoss::kValues);
  pair.lanes.push_back(pair.lanes[0]);
  CHECK(LossOf(pair) == FidelityLoss::kValues);
  pair.lanes[2] = Answer(kIdName, {{"1", "10:03"}});
  CHECK(LossOf(pair) == std::nullopt);
  pair.captured = Answer(kIdName, {{"1", "09:00"}, {"2", "09:00"}}).outcome;
  CHECK(LossOf(pair) == FidelityLoss::kRows);
}

TEST_CASE("fidelity does not ask for numbers of transactions", "[compare]") {
  const std::vector<event::Column> columns = {Col("id", 23, 1), Col("xmin", 28, 65534)};
  const auto production = Answer(columns, {{"1", "740"}});
  CHECK(LossAgainst(production, Answer(columns, {{"1", "900"}})) == std::nullopt);
  CHECK(LossAgainst(production, Answer(columns, {})) == FidelityLoss::kRows);
}

TEST_CASE("what cannot be faithful is not asked", "[compare]") {
  FidelityCounts counts;
  event::StatementPair pair = PairOf(Failure("42703"), Answer(kIdName, {}));
  pair.captured = Answer(kIdName, {}).outcome;
  JudgeFidelity(pair, Facts(), /*introduced=*/true, counts);
  pair.captured.status = event::OutcomeStatus::kSkipped;
  JudgeFidelity(pair, Facts(), false, counts);
  pair.captured.status = event::OutcomeStatus::kLost;
  JudgeFidelity(pair, Facts(), false, counts);
  JudgeFidelity(event::StatementPair{}, Facts(), false, counts);
  CHECK(counts == FidelityCounts{});
  CHECK(counts.share() == 1);
}

TEST_CASE("losses are told without those that did not happen", "[compare]") {
  FidelityCounts counts;
  CHECK(DescribeLosses(counts).empty());
  counts.judged = 9000;
  counts.lost = {1200, 0, 3};
  CHECK(DescribeLosses(counts) == "1,200 another SQLSTATE, 3 other values");
  CHECK(counts.matched() == 7797);
}

}  // namespace
}  // namespace scry::compare
