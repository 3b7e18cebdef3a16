#include "compare/clock_columns.h"

#include <string>
#include <vector>

#include "base/bytes.h"
#include "compare/verdict.h"
#include "support/catch.h"
#include "unit/compare/pairs.h"

namespace scry::compare {
namespace {

constexpr base::Micros kTwoSecondsUs = 2 * 1000 * 1000;
constexpr base::Micros kRunUs = 828'144'000'000'000;  // 2026-03-30 00:00:00.

struct Lanes {
  Rows baseline;
  Rows candidate;
  Rows control;
};

event::StatementPair PairOfLanes(const std::vector<event::Column>& columns, const Lanes& lanes) {
  event::StatementPair pair = PairOf(Kept(columns, lanes.baseline), Kept(columns, lanes.candidate));
  pair.lanes.push_back(Kept(columns, lanes.control));
  return pair;
}

bool Shifted(uint32_t type_oid, const std::string& baseline, const std::string& candidate,
             const std::string& control, uint16_t format = 0) {
  event::Column column = Col("at", type_oid);
  column.format = format;
  const auto pair = PairOfLanes({column}, {{{baseline}}, {{candidate}}, {{control}}});
  return ShiftedClockColumns(pair, 1, kTwoSecondsUs) == 1;
}

TEST_CASE("hours are no matter of the moment, a second is", "[compare]") {
  const std::string at = "2026-03-29 23:59:59.9";
  CHECK_FALSE(Shifted(1114, at, "2026-03-30 00:00:00.123456", "2026-03-30 00:00:01"));
  CHECK(Shifted(1114, at, "2026-03-30 05:00:00.123456", "2026-03-30 00:00:01"));
  CHECK(Shifted(1114, at, "2026-03-29 18:59:59.9", "2026-03-30 00:00:01"));
  CHECK(Shifted(1114, at, kNull, "2026-03-30 00:00:01"));
  // Where the control is as far off, nobody can tell.
  CHECK_FALSE(Shifted(1114, at, "2026-03-30 05:00:00", "2026-03-30 05:00:00"));
  CHECK_FALSE(Shifted(1082, "2026-03-29", "2026-03-30", "2026-03-30"));
  CHECK(Shifted(1082, "2026-03-29", "2026-04-29", "2026-03-30"));
}

TEST_CASE("without a control, clocks of the run explain what both lanes wrote in it", "[compare]") {
  event::Column at = Col("at", 1184);
  const auto judge = [&](const std::string& baseline, const std::string& candidate,
                         size_t rows_kept = SIZE_MAX, base::Micros began_us = kRunUs) {
    event::StatementPair pair =
        PairOf(Kept({at}, {{baseline}}, rows_kept), Kept({at}, {{candidate}}, rows_kept));
    for (event::LaneOutcome& lane : pair.lanes) lane.run_began_us = began_us;
    return JudgePair(pair, Facts());
  };
  const std::string moment = "2026-03-30 00:00:10.1+00";
  CHECK(judge(moment, "2026-03-30 00:00:10.2+00").excuse == Excuse::kVolatile);
  CHECK(judge(moment, "2026-03-30 00:00:10.2+00").weight == Weight::kNote);
  // Too far apart, and not of the run: stored before, and rounded since.
  CHECK(judge(moment, "2026-03-30 05:00:10.2+00").weight == Weight::kGate);
  CHECK(judge("2026-03-29 10:00:00.4+00", "2026-03-29 10:00:00+00").weight == Weight::kGate);
  CHECK(judge(moment, kNull).weight == Weight::kGate);
  // Nobody can tell.
  CHECK(judge(moment, "2026-03-30 00:00:10.2+00", 0).weight == Weight::kWarning);
  CHECK(judge(moment, "2026-03-30 00:00:10.2+00", 1, 0).weight == Weight::kWarning);
  at.type_oid = 1114;  // By the clock on the wall of whoever asks.
  CHECK(judge("2026-03-29 18:00:10", "2026-03-29 18:00:11").weight == Weight::kNote);
  CHECK(judge("2026-03-27 18:00:10", "2026-03-27 18:00:11").weight == Weight::kGate);
  at.type_oid = 1082;
  CHECK(judge("2026-03-30", "2026-03-31").weight == Weight::kNote);
}

TEST_CASE("without a control, what chance fills is no value", "[compare]") {
  event::Column token = Col("token", 2950);
  token.by_chance = true;
  const std::vector<event::Column> columns = {Col("id", 23, 1), token};
  const auto baseline = Answer(columns, {{"1", "a"}});
  CHECK(JudgePair(PairOf(baseline, Answer(columns, {{"1", "b"}})), Facts()).weight ==
        Weight::kNote);
  const auto other = JudgePair(PairOf(baseline, Answer(columns, {{"2", "b"}})), Facts());
  CHECK(other.weight == Weight::kGate);
  CHECK(other.columns == 1);
}

TEST_CASE("the zone is part of what a client reads", "[compare]") {
  const std::string at = "2026-03-29 12:00:00+00";
  const std::string later = "2026-03-29 12:00:01+00";
  CHECK_FALSE(Shifted(1184, at, "2026-03-29 12:00:01.5+00", later));
  CHECK(Shifted(1184, at, "2026-03-29 17:30:01+05:30", later));  // The same instant.
  CHECK(Shifted(1184, at, "2026-03-29 12:00:01-05", later));     // The same clock.
}

TEST_CASE("binary moments are read, and what cannot be read claims nothing", "[compare]") {
  const auto micros = [](uint64_t value) {
    base::ByteWriter out;
    out.BigU32(static_cast<uint32_t>(value >> 32U));
    out.BigU32(static_cast<uint32_t>(value));
    return out.Release();
  };
  constexpr uint64_t kHourUs = 3'600'000'000;
  CHECK(Shifted(1184, micros(1000), micros(5 * kHourUs), micros(2000), 1));
  CHECK_FALSE(Shifted(1184, micros(1000), micros(3000), micros(2000), 1));
  CHECK_FALSE(Shifted(1184, micros(1000), micros(INT64_MAX), micros(2000), 1));
  CHECK_FALSE(Shifted(1184, "short", micros(5 * kHourUs), micros(2000), 1));
  for (const char* odd : {"infinity", "-infinity", "0044-03-15 12:00:00 BC", "29.03.2026 12:00:00",
                          "Sun Mar 29 12:00:00 2026", "", "2026-13-01 00:00:00", "2026-03-29"}) {
    CAPTURE(odd);
    CHECK_FALSE(Shifted(1114, "2026-03-29 12:00:00", odd, "2026-03-29 12:00:01"));
  }
  CHECK_FALSE(Shifted(25, "2026-03-29 12:00:00", "2026-03-29 17:00:00", "2026-03-29 12:00:01"));
}

TEST_CASE("whichever row belongs to which", "[compare]") {
  const std::vector<event::Column> columns = {Col("at", 1114)};
  const Rows rows = {{"2026-01-01 00:00:00"}, {"2026-01-01 08:00:00"}};
  const Rows swapped = {{"2026-01-01 08:00:01"}, {"2026-01-01 00:00:01"}};
  const Rows one_off = {{"2026-01-01 08:00:01"}, {"2026-01-01 05:00:01"}};
  CHECK(ShiftedClockColumns(PairOfLanes(columns, {rows, swapped, swapped}), 1, kTwoSecondsUs) == 0);
  CHECK(ShiftedClockColumns(PairOfLanes(columns, {rows, one_off, swapped}), 1, kTwoSecondsUs) == 1);
}

TEST_CASE("a column that is hours off on the candidate gates, clocks alone do not", "[compare]") {
  const std::vector<event::Column> columns = {Col("id", 23, 1), Col("created_at", 1114, 2)};
  const auto hour = [](int hours, int seconds) {
    return "2026-03-29 1" + std::to_string(hours) + ":00:0" + std::to_string(seconds);
  };
  PatternTable table;
  for (int i = 0; i < 20; ++i) {
    const std::string id = std::to_string(i);
    table.Put(PairOfLanes(columns, {{{id, hour(1, 0)}}, {{id, hour(1, 1)}}, {{id, hour(1, 2)}}}),
              Facts());
  }
  CHECK(Judge(table, Policy(), RunFacts()).findings.empty());
  for (int i = 0; i < 20; ++i) {
    const std::string id = std::to_string(i);
    table.Put(PairOfLanes(columns, {{{id, hour(1, 0)}}, {{id, hour(6, 1)}}, {{id, hour(1, 2)}}}),
              Facts(2, "select other"));
  }
  const Verdict verdict = Judge(table, Policy(), RunFacts());
  REQUIRE(verdict.findings.size() == 1);
  CHECK(verdict.findings[0].gates);
  CHECK(verdict.findings[0].fingerprint == 2);
  CHECK(verdict.findings[0].reasons[0] ==
        "column created_at differs by more than the lanes' clocks, in 20 of 20 calls");
  // Statements that took hours longer on one lane explain hours.
  PatternTable slow;
  event::StatementPair sleeper = PairOf(Answer(columns, {}), Answer(columns, {}));
  sleeper.lanes.push_back(sleeper.lanes[0]);
  sleeper.lanes[1].outcome.elapsed_us = 6LL * 3600 * 1000 * 1000;
  slow.Put(sleeper, Facts());
  slow.Put(PairOfLanes(columns, {{{"1", hour(1, 0)}}, {{"1", hour(6, 1)}}, {{"1", hour(1, 2)}}}),
           Facts(2, "select other"));
  CHECK(slow.Find(2)->differences.at(DifferenceKind::kValues).weights.gates == 0);
}

}  // namespace
}  // namespace scry::compare
