#include "compare/connect_verdict.h"

#include <string>

#include "support/catch.h"
#include "unit/compare/pairs.h"

namespace scry::compare {
namespace {

const std::vector<event::Column> kId = {Col("id", 23, 1)};

event::ConnectPair Connects(const std::string& role, const std::string& candidate_state,
                            const std::string& baseline_state = "-") {
  const auto lane = [](const std::string& state) {
    event::LaneConnect connect;
    connect.connected = state == "-";
    if (!connect.connected) {
      connect.sqlstate = state;
      connect.message = "connect to host=/tmp: connection to server failed: FATAL: no entry";
    }
    return connect;
  };
  event::ConnectPair pair;
  pair.role = role;
  pair.lanes = {lane(baseline_state), lane(candidate_state), lane(baseline_state)};
  return pair;
}

void PutConnects(PatternTable& table, const event::ConnectPair& pair, int count) {
  for (int i = 0; i < count; ++i) table.PutConnect(pair);
}

Verdict JudgeOf(const PatternTable& table, const RunFacts& run = {}) {
  return Judge(table, Policy(), run);
}

TEST_CASE("a role that only the candidate does not let in gates", "[compare]") {
  PatternTable table;
  PutConnects(table, Connects("owner", "-"), 3);
  PutConnects(table, Connects("app", "42501"), 2);
  PutConnects(table, Connects("app", "-"), 1);
  SECTION("beside what could be compared") {
    table.Put(PairOf(Answer(kId, {{"1"}}), Answer(kId, {{"1"}})), Facts());
  }
  SECTION("and where nothing was left to compare") {}
  const Verdict verdict = JudgeOf(table);
  CHECK(verdict.result == VerdictResult::kRegressions);
  CHECK(verdict.sentence == "1 role cannot connect");
  REQUIRE(verdict.findings.size() == 1);
  const Finding& finding = verdict.findings[0];
  CHECK(finding.gates);
  CHECK(finding.type == FindingClass::kBroken);
  CHECK(finding.pattern == "connect as app");
  CHECK(finding.sqlstate == "42501");
  CHECK(finding.calls == 3);
  CHECK(finding.affected == 2);
  CHECK(finding.reasons[0] == "cannot connect in 2 of 3 sessions: 42501 no entry");
}

TEST_CASE("what no lane lets in says nothing of the change", "[compare]") {
  PatternTable table;
  PutConnects(table, Connects("app", "28000", "28000"), 5);
  PutConnects(table, Connects("app", "-", "28000"), 5);
  table.Put(PairOf(Answer(kId, {{"1"}}), Answer(kId, {{"1"}})), Facts());
  const Verdict verdict = JudgeOf(table);
  CHECK(verdict.findings.empty());
  CHECK(verdict.result == VerdictResult::kSafe);
}

TEST_CASE("a server out of connections gates once that is no chance", "[compare]") {
  for (const char* state : {"53300", ""}) {
    PatternTable table;
    table.Put(PairOf(Answer(kId, {{"1"}}), Answer(kId, {{"1"}})), Facts());
    PutConnects(table, Connects("app", "-"), 20);
    PutConnects(table, Connects("app", state), 2);
    CAPTURE(state);
    CHECK(JudgeOf(table).result == VerdictResult::kSafe);
    PutConnects(table, Connects("app", state), 20);
    CHECK(JudgeOf(table).result == VerdictResult::kRegressions);
    PutConnects(table, Connects("app", state, state), 22);
    CHECK(JudgeOf(table).result == VerdictResult::kSafe);
    PutConnects(table, Connects("rare", state), 1);
    CHECK(JudgeOf(table).result == VerdictResult::kSafe);
    PutConnects(table, Connects("rare", state), 1);
    CHECK(JudgeOf(table).result == VerdictResult::kRegressions);
  }
}

TEST_CASE("too much that was left out is inconclusive", "[compare]") {
  PatternTable table;
  table.Put(PairOf(Answer(kId, {{"1"}}), Answer(kId, {{"1"}})), Facts());
  RunFacts run;
  run.exchanges = 96;
  run.exchanges_excluded = 2;
  run.gap_exchanges = 2;
  CHECK(JudgeOf(table, run).result == VerdictResult::kSafe);
  run.gap_exchanges = 6;
  const Verdict verdict = JudgeOf(table, run);
  CHECK(verdict.result == VerdictResult::kInconclusive);
  CHECK(verdict.sentence ==
        "8 % of the exchanges were left out (2 of sessions that could not be replayed, 6 missing "
        "from the capture), and at most 5 % may be; what ran shows no regression");
}

}  // namespace
}  // namespace scry::compare
