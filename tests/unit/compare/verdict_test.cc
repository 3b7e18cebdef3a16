#include "compare/verdict.h"

#include <algorithm>
#include <string>

#include "base/random.h"
#include "support/catch.h"
#include "unit/compare/pairs.h"

namespace scry::compare {
namespace {

const std::vector<event::Column> kId = {Col("id", 23, 1)};

// Puts pairs whose speed wanders: the lanes share what the machine does, and each adds its own
// noise.
class Traffic {
 public:
  explicit Traffic(uint64_t seed) : random_(seed) {}

  void Run(PatternTable& table, uint64_t fingerprint, int pairs, double base_us, double factor,
           double control_factor = 0) {
    for (int i = 0; i < pairs; ++i) {
      const double machine = base_us * (1 + 0.3 * random_.Unit());
      event::StatementPair pair = PairOf(Answer(kId, {{"1"}}), Answer(kId, {{"1"}}));
      if (control_factor > 0) pair.lanes.push_back(pair.lanes[0]);
      pair.lanes[0].outcome.elapsed_us = Noise(machine);
      pair.lanes[1].outcome.elapsed_us = Noise(machine * factor);
      if (control_factor > 0) pair.lanes[2].outcome.elapsed_us = Noise(machine * control_factor);
      table.Put(pair, Facts(fingerprint, "select " + std::to_string(fingerprint)));
    }
  }

 private:
  base::Micros Noise(double us) {
    return static_cast<base::Micros>(us * (1 + 0.2 * random_.Unit()));
  }
  base::Random random_;
};

Verdict JudgeOf(const PatternTable& table, const Policy& policy = {},
                const PatternTable* confirmation = nullptr) {
  return Judge(table, policy, RunFacts{}, confirmation);
}

void PutMany(PatternTable& table, const event::StatementPair& pair, int count,
             const event::StatementFacts& facts = Facts()) {
  for (int i = 0; i < count; ++i) table.Put(pair, facts);
}

const Finding* FindType(const Verdict& verdict, FindingClass type) {
  const auto found = std::find_if(verdict.findings.begin(), verdict.findings.end(),
                                  [&](const Finding& finding) { return finding.type == type; });
  return found == verdict.findings.end() ? nullptr : &*found;
}

TEST_CASE("two equal lanes are safe, over many runs", "[compare]") {
  for (uint64_t seed = 1; seed <= 40; ++seed) {
    PatternTable table;
    Traffic traffic(seed);
    for (uint64_t pattern = 1; pattern <= 12; ++pattern) {
      traffic.Run(table, pattern, 15 + static_cast<int>(pattern) * 10, 1000.0 * double(pattern), 1);
    }
    const Verdict verdict = JudgeOf(table);
    CAPTURE(seed);
    CHECK(verdict.result == VerdictResult::kSafe);
    CHECK(verdict.findings.empty());
    CHECK(verdict.unchanged == 12);
  }
}

TEST_CASE("a query half as slow again is found among equal ones, over many runs", "[compare]") {
  for (uint64_t seed = 1; seed <= 20; ++seed) {
    PatternTable table;
    Traffic traffic(seed);
    for (uint64_t pattern = 1; pattern <= 8; ++pattern) {
      traffic.Run(table, pattern, 60, 2000, pattern == 3 ? 1.5 : 1);
    }
    const Verdict verdict = JudgeOf(table);
    CAPTURE(seed);
    CHECK(verdict.result == VerdictResult::kRegressions);
    REQUIRE(verdict.findings.size() == 1);
    const Finding& finding = verdict.findings[0];
    CHECK(finding.id == "slower-0000000000000003");
    CHECK(finding.factor > 1.35);
    CHECK(finding.factor < 1.65);
    CHECK(finding.factor_interval.low <= finding.factor);
    CHECK(finding.factor_interval.high >= finding.factor);
    CHECK(verdict.NeedsConfirmation() == std::vector<uint64_t>{3});
  }
}

TEST_CASE("every floor of the latency policy holds by itself", "[compare]") {
  Policy policy;
  PatternTable table;
  Traffic traffic(1);
  SECTION("too small a ratio") {
    traffic.Run(table, 1, 400, 20000, 1.06);
    CHECK(JudgeOf(table).findings.empty());
  }
  SECTION("too small a gap") {
    traffic.Run(table, 1, 400, 100, 1.8);
    CHECK(JudgeOf(table).findings.empty());
  }
  SECTION("too few pairs are told as such") {
    traffic.Run(table, 1, 14, 20000, 3);
    const Verdict verdict = JudgeOf(table);
    CHECK(verdict.findings.empty());
    CHECK(verdict.result == VerdictResult::kSafe);
    REQUIRE(verdict.unjudged.size() == 1);
    CHECK(verdict.unjudged[0].pairs == 14);
    CHECK(verdict.unjudged[0].why.starts_with("too few calls to judge speed: 14 of 15"));
  }
  SECTION("too small a share is told and does not gate") {
    traffic.Run(table, 1, 50, 1000, 3);
    traffic.Run(table, 2, 500, 100000, 1);
    const Verdict verdict = JudgeOf(table);
    REQUIRE(verdict.findings.size() == 1);
    CHECK_FALSE(verdict.findings[0].gates);
    CHECK(verdict.result == VerdictResult::kSafe);
    CHECK(verdict.NeedsConfirmation().empty());
  }
  SECTION("the policy may not gate latency at all") {
    policy.gate.latency = false;
    traffic.Run(table, 1, 60, 20000, 3);
    CHECK(JudgeOf(table, policy).result == VerdictResult::kSafe);
    CHECK(JudgeOf(table, policy).findings.size() == 1);
  }
}

TEST_CASE("a latency finding gates only if a second run shows it again", "[compare]") {
  PatternTable table;
  Traffic traffic(1);
  traffic.Run(table, 1, 60, 20000, 2);
  traffic.Run(table, 2, 60, 20000, 2);
  PatternTable again;
  traffic.Run(again, 1, 60, 20000, 2);
  traffic.Run(again, 2, 60, 20000, 1);
  const Verdict verdict = JudgeOf(table, {}, &again);
  CHECK(verdict.result == VerdictResult::kRegressions);
  REQUIRE(verdict.findings.size() == 1);
  CHECK(verdict.findings[0].fingerprint == 1);
  CHECK(verdict.findings[0].confirmed);
  const auto refuted = [](const std::string& note) {
    return note.find("1 pattern looked slower") != std::string::npos;
  };
  CHECK(std::count_if(verdict.notes.begin(), verdict.notes.end(), refuted) == 1);
  CHECK(verdict.NeedsConfirmation().empty());
  // Nothing could be run again: what is not slower by far does not gate.
  const PatternTable nothing;
  CHECK(JudgeOf(table, {}, &nothing).result == VerdictResult::kSafe);
  traffic.Run(table, 3, 60, 20000, 10);
  const Verdict far = JudgeOf(table, {}, &nothing);
  CHECK(far.result == VerdictResult::kRegressions);
  CHECK(far.findings[0].fingerprint == 3);
  CHECK_FALSE(far.findings[0].confirmed);
  CHECK_FALSE(far.findings[1].gates);
}

TEST_CASE("a faster query is told, unless a second run is not faster", "[compare]") {
  PatternTable table;
  Traffic traffic(1);
  traffic.Run(table, 1, 60, 20000, 0.6);
  const Verdict verdict = JudgeOf(table);
  CHECK(verdict.result == VerdictResult::kSafe);
  REQUIRE(FindType(verdict, FindingClass::kFaster) != nullptr);
  CHECK(verdict.NeedsConfirmation() == std::vector<uint64_t>{1});

  PatternTable faster;
  traffic.Run(faster, 1, 60, 20000, 0.6);
  CHECK(FindType(JudgeOf(table, {}, &faster), FindingClass::kFaster) != nullptr);
  PatternTable same;
  traffic.Run(same, 1, 60, 20000, 1);
  CHECK(FindType(JudgeOf(table, {}, &same), FindingClass::kFaster) == nullptr);
  const PatternTable nothing;
  CHECK(FindType(JudgeOf(table, {}, &nothing), FindingClass::kFaster) == nullptr);
  traffic.Run(table, 2, 60, 20000, 0.1);
  CHECK(FindType(JudgeOf(table, {}, &nothing), FindingClass::kFaster)->fingerprint == 2);
}

TEST_CASE("a slowdown of some parameters only is a warning, until there are enough for a tail",
          "[compare]") {
  const auto run = [](int tenths) {
    PatternTable table;
    Traffic traffic(1);
    for (int i = 0; i < tenths; ++i) {
      traffic.Run(table, 1, 9, 2000, 1);
      traffic.Run(table, 1, 1, 2000, 20);
    }
    return JudgeOf(table);
  };
  const Verdict few = run(19);
  REQUIRE(FindType(few, FindingClass::kWarning) != nullptr);
  CHECK(FindType(few, FindingClass::kWarning)->affected == 19);
  CHECK(few.result == VerdictResult::kSafe);
  const Verdict enough = run(40);
  REQUIRE(FindType(enough, FindingClass::kSlower) != nullptr);
  CHECK(FindType(enough, FindingClass::kSlower)->part == "p95");
  CHECK(enough.result == VerdictResult::kRegressions);
  REQUIRE(enough.rechecks.size() == 1);
  CHECK(enough.rechecks[0].tail);
}

TEST_CASE("a noisy control lane makes latency inconclusive and leaves breaks alone", "[compare]") {
  PatternTable table;
  Traffic traffic(1);
  traffic.Run(table, 1, 60, 20000, 2, 2);
  const Verdict verdict = JudgeOf(table);
  CHECK(verdict.too_noisy);
  CHECK(verdict.result == VerdictResult::kInconclusive);
  PutMany(table, PairOf(Answer(kId, {{"1"}}), Failure("42703")), 3, Facts(9));
  CHECK(JudgeOf(table).result == VerdictResult::kRegressions);

  PatternTable quiet;
  traffic.Run(quiet, 1, 60, 20000, 2, 1);
  CHECK(JudgeOf(quiet).result == VerdictResult::kRegressions);
}

TEST_CASE("a control lane that differs anywhere ends the judgement of speed, if seen twice",
          "[compare]") {
  Traffic traffic(1);
  PatternTable elsewhere;
  traffic.Run(elsewhere, 1, 60, 20000, 2, 1);
  traffic.Run(elsewhere, 2, 60, 20000, 1, 3);
  CHECK(JudgeOf(elsewhere).NeedsConfirmation() == std::vector<uint64_t>{1, 2});
  PatternTable both;
  traffic.Run(both, 1, 60, 20000, 2, 1);
  traffic.Run(both, 2, 60, 20000, 1, 3);
  const Verdict noisy = JudgeOf(elsewhere, {}, &both);
  CHECK(noisy.result == VerdictResult::kInconclusive);
  CHECK(noisy.self_test.patterns == 2);
  CHECK(noisy.self_test.flagged == 1);
  PatternTable passed;
  traffic.Run(passed, 1, 60, 20000, 2, 1);
  traffic.Run(passed, 2, 60, 20000, 1, 1);
  CHECK(JudgeOf(elsewhere, {}, &passed).result == VerdictResult::kRegressions);
  // Nobody asks for speed: then its noise is no reason to say nothing.
  Policy policy;
  policy.gate.latency = false;
  CHECK(JudgeOf(elsewhere, policy).result == VerdictResult::kSafe);

  PatternTable first;
  traffic.Run(first, 1, 60, 20000, 2, 2);
  CHECK(JudgeOf(first).NeedsConfirmation() == std::vector<uint64_t>{1});
  PatternTable still_noisy;
  traffic.Run(still_noisy, 1, 60, 20000, 2, 2);
  CHECK(JudgeOf(first, {}, &still_noisy).result == VerdictResult::kInconclusive);
  PatternTable calm;
  traffic.Run(calm, 1, 60, 20000, 2, 1);
  CHECK(JudgeOf(first, {}, &calm).result == VerdictResult::kRegressions);
  PatternTable gone;
  traffic.Run(gone, 1, 60, 20000, 1, 1);
  CHECK(JudgeOf(first, {}, &gone).result == VerdictResult::kSafe);
}

TEST_CASE("the place of a lane's files is neither noise nor a finding that gates", "[compare]") {
  const auto put = [](PatternTable& table, event::StatementKind kind, base::Micros baseline,
                      base::Micros candidate, base::Micros control) {
    auto facts = Facts(static_cast<uint64_t>(kind) + 1);
    facts.kind = kind;
    event::StatementPair pair = PairOf(Answer(kId, {}), Answer(kId, {}));
    pair.lanes.push_back(Answer(kId, {}));
    const base::Micros lanes_us[] = {baseline, candidate, control};
    for (int i = 0; i < 100; ++i) {
      for (size_t lane = 0; lane < 3; ++lane) {
        pair.lanes[lane].outcome.elapsed_us = lanes_us[lane] + i;
      }
      PutMany(table, pair, 1, facts);
    }
  };
  PatternTable table;
  put(table, event::StatementKind::kDdl, 300, 300, 1200);  // TRUNCATE, on three copies.
  put(table, event::StatementKind::kCommit, 300, 1200, 300);
  put(table, event::StatementKind::kSavepoint, 300, 3000, 300);
  put(table, event::StatementKind::kSelect, 300, 300, 300);
  const Verdict same = JudgeOf(table);
  CHECK(same.result == VerdictResult::kSafe);
  CHECK(same.self_test.flagged == 0);
  REQUIRE(same.findings.size() == 1);
  CHECK(same.findings[0].reasons.back().find("files") != std::string::npos);

  put(table, event::StatementKind::kUpdate, 300, 1200, 300);
  const Verdict slower = JudgeOf(table);
  CHECK(slower.result == VerdictResult::kRegressions);
  CHECK(slower.sentence == "1 query is slower");
  // Without DDL in the traffic a COMMIT is slower for a reason: triggers that were put off.
  PatternTable commits;
  put(commits, event::StatementKind::kCommit, 300, 1200, 300);
  CHECK(JudgeOf(commits).result == VerdictResult::kRegressions);
  PatternTable heavy;  // REFRESH MATERIALIZED VIEW.
  put(heavy, event::StatementKind::kDdl, 20000, 60000, 20000);
  CHECK(JudgeOf(heavy).result == VerdictResult::kRegressions);
}

TEST_CASE("one broken query among thousands of good statements gates", "[compare]") {
  PatternTable table;
  Traffic(1).Run(table, 1, 3000, 1000, 1);
  PutMany(table, PairOf(Answer(kId, {{"1"}}), Failure("42703", "column \"a\" does not exist")), 1,
          Facts(2));
  const Verdict verdict = JudgeOf(table);
  CHECK(verdict.result == VerdictResult::kRegressions);
  CHECK(verdict.sentence == "1 query breaks");
  CHECK(verdict.findings[0].reasons[0] ==
        "fails in 1 of 1 call: 42703 column \"a\" does not exist");
}

TEST_CASE("findings stand in the order of harm", "[compare]") {
  PatternTable table;
  Traffic(1).Run(table, 1, 60, 20000, 2);
  PutMany(table, PairOf(Answer(kId, {{"1"}}), Answer(kId, {{"2"}})), 5, Facts(2));
  PutMany(table, PairOf(Answer(kId, {{"1"}}), Failure("42703")), 2, Facts(3));
  PutMany(table, PairOf(Failure("23505"), Failure("23503")), 2, Facts(4));
  const Verdict verdict = JudgeOf(table);
  REQUIRE(verdict.findings.size() == 4);
  CHECK(verdict.findings[0].type == FindingClass::kBroken);
  CHECK(verdict.findings[1].type == FindingClass::kDifferent);
  CHECK(verdict.findings[2].type == FindingClass::kSlower);
  CHECK(verdict.findings[3].type == FindingClass::kWarning);
  CHECK(verdict.sentence == "1 query breaks, 1 returns something else, 1 is slower");
  CHECK(verdict.unchanged == 0);
}

TEST_CASE("the policy decides which evidence gates", "[compare]") {
  PatternTable table;
  PutMany(table, PairOf(Answer(kId, {{"1"}}), Answer(kId, {{"2"}})), 5, Facts(2));
  PutMany(table, PairOf(Answer(kId, {{"1"}}), Failure("42703")), 2, Facts(3));
  Policy policy;
  policy.gate.error = false;
  CHECK(JudgeOf(table, policy).sentence == "1 query returns something else");
  policy.gate.result = false;
  CHECK(JudgeOf(table, policy).result == VerdictResult::kSafe);
  CHECK(JudgeOf(table, policy).findings.size() == 2);
}

TEST_CASE("doubtful differences gate only when most pairs differ", "[compare]") {
  auto clock = Facts();
  clock.functions = {"now"};
  PatternTable table;
  PutMany(table, PairOf(Answer(kId, {{"1"}}), Answer(kId, {})), 4, clock);
  PutMany(table, PairOf(Answer(kId, {{"1"}}), Answer(kId, {{"1"}})), 4, clock);
  CHECK(JudgeOf(table).result == VerdictResult::kSafe);
  CHECK(FindType(JudgeOf(table), FindingClass::kWarning) != nullptr);
  PutMany(table, PairOf(Answer(kId, {{"1"}}), Answer(kId, {})), 1, clock);
  CHECK(JudgeOf(table).result == VerdictResult::kRegressions);
}

TEST_CASE("differences gate only beyond what the control lane shows", "[compare]") {
  const auto put = [](PatternTable& table, int count, const char* candidate, const char* control) {
    event::StatementPair pair = PairOf(Answer(kId, {{"1"}}), Answer(kId, {{candidate}}));
    pair.lanes.push_back(Answer(kId, {{control}}));
    PutMany(table, pair, count);
  };
  PatternTable table;
  put(table, 90, "1", "1");
  put(table, 5, "2", "1");
  put(table, 5, "1", "2");
  CHECK(JudgeOf(table).result == VerdictResult::kSafe);
  put(table, 60, "2", "1");
  CHECK(JudgeOf(table).result == VerdictResult::kRegressions);
}

TEST_CASE("rows that a clock cannot have lost gate, though most calls have them", "[compare]") {
  auto clock = Facts();
  clock.functions = {"now"};
  const auto put = [&](PatternTable& table, int count, const Rows& candidate, const Rows& control) {
    event::StatementPair pair = PairOf(Answer(kId, {{"1"}}), Answer(kId, candidate));
    pair.lanes.push_back(Answer(kId, control));
    PutMany(table, pair, count, clock);
  };
  PatternTable table;
  put(table, 750, {{"1"}}, {{"1"}});
  SECTION("in a quarter of the calls") {
    put(table, 250, {}, {{"1"}});
    CHECK(JudgeOf(table).result == VerdictResult::kRegressions);
  }
  SECTION("as often as on the control lane") {
    put(table, 125, {}, {{"1"}});
    put(table, 125, {{"1"}}, {});
    CHECK(JudgeOf(table).result == VerdictResult::kSafe);
  }
  SECTION("now and then") {
    put(table, 10, {}, {{"1"}});
    CHECK(JudgeOf(table).result == VerdictResult::kSafe);
  }
}

TEST_CASE("what differs in most calls gates, in one way or another", "[compare]") {
  auto clock = Facts();
  clock.functions = {"now"};
  PatternTable table;
  PutMany(table, PairOf(Answer(kId, {{"1"}}), Answer(kId, {{"1"}})), 20, clock);
  PutMany(table, PairOf(Answer(kId, {{"1"}}), Answer(kId, {})), 21, clock);
  CHECK(JudgeOf(table).result == VerdictResult::kRegressions);
  auto tied = Ordered({"hidden"}, true);
  PatternTable both;
  PutMany(both, PairOf(Answer(kId, {{"1"}}), Answer(kId, {{"1"}})), 20, tied);
  PutMany(both, PairOf(Answer(kId, {{"1"}}), Answer(kId, {{"2"}})), 15, tied);
  CHECK(JudgeOf(both).result == VerdictResult::kSafe);
  tied.functions = {"now"};
  PutMany(both, PairOf(Answer(kId, {{"1"}}), Answer(kId, {})), 15, tied);
  CHECK(JudgeOf(both).result == VerdictResult::kRegressions);
  // And is not told again as what may be chance.
  CHECK(FindType(JudgeOf(both), FindingClass::kWarning) == nullptr);
}

TEST_CASE("an error of its own is not the noise of others", "[compare]") {
  PatternTable table;
  const auto put = [&](int count, const event::LaneOutcome& candidate,
                       const event::LaneOutcome& control) {
    event::StatementPair pair = PairOf(Answer(kId, {{"1"}}), candidate);
    pair.lanes.push_back(control);
    PutMany(table, pair, count);
  };
  const event::LaneOutcome done = Answer(kId, {{"1"}});
  put(992, done, done);
  put(2, done, Failure("23505"));
  SECTION("that only the candidate has") {
    put(6, Failure("23502"), done);
    CHECK(JudgeOf(table).result == VerdictResult::kRegressions);
  }
  SECTION("that races make as well") {
    put(6, Failure("23503"), done);
    CHECK(JudgeOf(table).result == VerdictResult::kSafe);
  }
}

TEST_CASE("new queries are judged against their captured latency", "[compare]") {
  const auto introduced = [](base::Micros captured, base::Micros candidate) {
    event::StatementPair pair =
        PairOf(Failure("42703", "column \"b\" does not exist"), Answer(kId, {{"1"}}));
    pair.captured = Answer(kId, {{"1"}}).outcome;
    pair.captured.elapsed_us = captured;
    pair.lanes[1].outcome.elapsed_us = candidate;
    return pair;
  };
  PatternTable table;
  SECTION("fine") {
    PutMany(table, introduced(1000, 1100), 20);
    const Verdict verdict = JudgeOf(table);
    CHECK(verdict.result == VerdictResult::kSafe);
    REQUIRE(FindType(verdict, FindingClass::kNew) != nullptr);
    CHECK(FindType(verdict, FindingClass::kNew)->has_latency);
  }
  SECTION("much slower") {
    PutMany(table, introduced(1000, 50000), 20);
    const Verdict verdict = JudgeOf(table);
    CHECK(verdict.result == VerdictResult::kRegressions);
    CHECK(verdict.sentence == "1 query is new and slow");
    REQUIRE(FindType(verdict, FindingClass::kNewSlow) != nullptr);
    CHECK(FindType(verdict, FindingClass::kNewSlow)->factor == Approx(50));
  }
  SECTION("not slower than everything is on this machine") {
    const auto known = [](uint64_t fingerprint, base::Micros captured, base::Micros replayed) {
      event::StatementPair pair = PairOf(Answer(kId, {{"1"}}), Answer(kId, {{"1"}}));
      pair.captured = Answer(kId, {{"1"}}).outcome;
      pair.captured.elapsed_us = captured;
      for (auto& lane : pair.lanes) lane.outcome.elapsed_us = replayed;
      return std::make_pair(pair, Facts(fingerprint, "select " + std::to_string(fingerprint)));
    };
    // One of three is odd, the other two take five times as long here.
    for (const auto& [pair, facts] :
         {known(11, 1000, 5000), known(12, 400, 2000), known(13, 1000, 100)}) {
      PutMany(table, pair, 20, facts);
    }
    PutMany(table, introduced(1000, 14000), 20);
    CHECK(JudgeOf(table).result == VerdictResult::kSafe);
    PatternTable slow;
    PutMany(slow, introduced(1000, 14000), 20);
    CHECK(JudgeOf(slow).result == VerdictResult::kRegressions);
    // Faster than production: no excuse to call it slow at less.
    PatternTable fast;
    const auto [pair, facts] = known(11, 1000, 100);
    PutMany(fast, pair, 20, facts);
    PutMany(fast, introduced(1000, 2500), 20);
    CHECK(JudgeOf(fast).result == VerdictResult::kSafe);
    // Another capture's pace is not that of the machine the query was captured on.
    table.BeginCapture();
    PutMany(table, introduced(1000, 14000), 20);
    CHECK(JudgeOf(table).result == VerdictResult::kRegressions);
    // Nor is what more rows take.
    PatternTable grown;
    auto more = known(11, 1000, 5000);
    more.first.captured.rows = 7;
    PutMany(grown, more.first, 20, more.second);
    PutMany(grown, introduced(1000, 14000), 20);
    CHECK(FindType(JudgeOf(grown), FindingClass::kNewSlow) != nullptr);
  }
  SECTION("too few to judge") {
    PutMany(table, introduced(1000, 50000), 4);
    const Verdict verdict = JudgeOf(table);
    CHECK(verdict.result == VerdictResult::kSafe);
    CHECK(verdict.unjudged.size() == 1);
    CHECK(FindType(verdict, FindingClass::kNew) != nullptr);
  }
}

TEST_CASE("nothing comparable is inconclusive, never safe", "[compare]") {
  PatternTable table;
  CHECK(JudgeOf(table).result == VerdictResult::kInconclusive);
  PutMany(table, PairOf(Command("UPDATE 1"), Failure("53300")), 10);
  CHECK(JudgeOf(table).result == VerdictResult::kInconclusive);
  event::StatementPair denied = PairOf(Failure("42501"), Failure("42501"));
  denied.captured = Answer(kId, {{"1"}}).outcome;
  PutMany(table, denied, 10, Facts(2));
  const Verdict verdict = JudgeOf(table);
  CHECK(verdict.result == VerdictResult::kInconclusive);
  REQUIRE(verdict.unjudged.size() == 1);
  CHECK(verdict.unjudged[0].why == "fails with 42501 on both lanes, though it ran when captured");
}

TEST_CASE("a query that always times out on the candidate breaks, one that once does, does not",
          "[compare]") {
  PatternTable table;
  PutMany(table, PairOf(Answer(kId, {{"1"}}), Answer(kId, {{"1"}})), 20);
  PutMany(table, PairOf(Answer(kId, {{"1"}}), Failure("57014")), 1);
  CHECK(JudgeOf(table).result == VerdictResult::kSafe);
  PutMany(table, PairOf(Answer(kId, {{"1"}}), Failure("57014")), 19);
  const Verdict verdict = JudgeOf(table);
  CHECK(verdict.result == VerdictResult::kRegressions);
  REQUIRE(verdict.findings.size() == 1);
  CHECK(verdict.findings[0].reasons[0] ==
        "is cancelled in 20 of 40 calls: 57014, 0 on the baseline");

  PatternTable deadlocks;
  PutMany(deadlocks, PairOf(Command("UPDATE 1"), Failure("40P01")), 20);
  PutMany(deadlocks, PairOf(Command("UPDATE 1"), Command("UPDATE 1")), 20);
  CHECK(JudgeOf(deadlocks).result == VerdictResult::kSafe);
  CHECK(FindType(JudgeOf(deadlocks), FindingClass::kWarning) != nullptr);
}

event::StatementPair CutOff(event::LaneOutcome candidate, base::Micros candidate_us) {
  event::StatementPair pair = PairOf(Answer(kId, {{"1"}}), std::move(candidate));
  pair.lanes.push_back(pair.lanes[0]);
  pair.lanes[1].outcome.elapsed_us = candidate_us;
  return pair;
}

TEST_CASE("a rare query that is always cancelled on the candidate alone breaks", "[compare]") {
  constexpr base::Micros kLimitUs = 2000 * 1000;
  PatternTable table;
  PutMany(table, CutOff(Answer(kId, {{"1"}}), 1000), 50, Facts(9));
  PutMany(table, CutOff(Failure("57014"), kLimitUs), 1);
  SECTION("one call is too few, and is not called safe") {
    const Verdict verdict = JudgeOf(table);
    CHECK(verdict.result == VerdictResult::kInconclusive);
    CHECK(verdict.sentence ==
          "1 query was cancelled on the candidate alone, in too few calls to judge; what else ran "
          "shows no regression");
    REQUIRE(!verdict.unjudged.empty());
    CHECK(std::any_of(verdict.unjudged.begin(), verdict.unjudged.end(), [](const Unjudged& one) {
      return one.why == "is cancelled with 57014 in its only call, on the candidate alone";
    }));
  }
  SECTION("two do") {
    PutMany(table, CutOff(Failure("57014"), kLimitUs), 1);
    const Verdict verdict = JudgeOf(table);
    CHECK(verdict.result == VerdictResult::kRegressions);
    REQUIRE(verdict.findings.size() == 1);
    CHECK(verdict.findings[0].id == "broken-0000000000000001-57014");
    CHECK(verdict.findings[0].reasons[0] ==
          "is cancelled in 2 of 2 calls: 57014, 0 on the baseline");
  }
  SECTION("two do where the limit is new, and the baseline goes on beyond it") {
    for (int i = 0; i < 2; ++i) {
      event::StatementPair pair = CutOff(Failure("57014"), 1000);
      pair.lanes[0].outcome.elapsed_us = pair.lanes[2].outcome.elapsed_us = 10'000;
      table.Put(pair, Facts(3));
    }
    CHECK(JudgeOf(table).result == VerdictResult::kRegressions);
  }
  SECTION("not where one of them ran") {
    PutMany(table, CutOff(Answer(kId, {{"1"}}), 1000), 1);
    CHECK(JudgeOf(table).result == VerdictResult::kSafe);
  }
  SECTION("nor where the baseline itself takes nearly as long as the limit is") {
    for (int i = 0; i < 2; ++i) {
      event::StatementPair pair = CutOff(Failure("57014"), kLimitUs);
      pair.lanes[0].outcome.elapsed_us = pair.lanes[2].outcome.elapsed_us = kLimitUs * 9 / 10;
      table.Put(pair, Facts(3));
    }
    PutMany(table, CutOff(Answer(kId, {{"1"}}), 1000), 1);
    CHECK(JudgeOf(table).result == VerdictResult::kSafe);
  }
  SECTION("nor where the control is cancelled too") {
    event::StatementPair pair = CutOff(Failure("57014"), kLimitUs);
    pair.lanes[2] = pair.lanes[1];
    PutMany(table, pair, 1);
    CHECK(JudgeOf(table).result == VerdictResult::kSafe);
  }
}

TEST_CASE("what goes round locks gates where it nearly always does on the candidate alone",
          "[compare]") {
  event::StatementFacts facts = Facts(1, "SELECT id FROM jobs LIMIT $1 FOR UPDATE SKIP LOCKED");
  facts.skips_locked = true;
  facts.limited = true;
  const auto job = [](const char* id) { return Answer(kId, {{id}}); };
  const auto pair_of = [](event::LaneOutcome candidate, event::LaneOutcome control) {
    event::StatementPair pair = PairOf(Answer(kId, {{"1"}}), std::move(candidate));
    pair.lanes.push_back(std::move(control));
    return pair;
  };
  PatternTable table;
  PutMany(table, pair_of(job("1"), job("1")), 1, facts);
  SECTION("no rows, again and again") {
    PutMany(table, pair_of(Answer(kId, {}), job("1")), 19, facts);
    const Verdict verdict = JudgeOf(table);
    CHECK(verdict.result == VerdictResult::kRegressions);
    REQUIRE(verdict.findings.size() == 1);
    CHECK(verdict.findings[0].gates);
    CHECK(verdict.findings[0].reasons[0] == "0 rows returned instead of 1, in 19 of 20 calls");
  }
  SECTION("not where the control does so as well") {
    PutMany(table, pair_of(Answer(kId, {}), job("1")), 15, facts);
    PutMany(table, pair_of(Answer(kId, {}), Answer(kId, {})), 4, facts);
    CHECK(JudgeOf(table).result == VerdictResult::kSafe);
  }
  SECTION("not other rows: a queue that drifted apart stays so") {
    PutMany(table, pair_of(job("2"), job("1")), 19, facts);
    CHECK(JudgeOf(table).result == VerdictResult::kSafe);
  }
  SECTION("not a few calls") {
    PutMany(table, pair_of(Answer(kId, {}), job("1")), 8, facts);
    CHECK(JudgeOf(table).result == VerdictResult::kSafe);
  }
  SECTION("a lock that is never to be had") {
    PutMany(table, pair_of(Failure("55P03"), job("1")), 19, facts);
    CHECK(JudgeOf(table).result == VerdictResult::kRegressions);
  }
}

TEST_CASE("too many differences that may be chance are inconclusive", "[compare]") {
  event::StatementPair pair = PairOf(Answer(kId, {{"1"}}), Answer(kId, {{"2"}}));
  pair.lanes.push_back(pair.lanes[0]);
  SECTION("out of order") { pair.order_broken = true; }
  SECTION("after lanes went apart") { pair.counterfactual = true; }
  PatternTable table;
  PutMany(table, CutOff(Answer(kId, {{"1"}}), 1000), 95);
  PutMany(table, pair, 5);
  CHECK(JudgeOf(table).result == VerdictResult::kSafe);
  event::StatementPair noise = pair;
  noise.lanes[2] = noise.lanes[1];
  PutMany(table, noise, 5);
  CHECK(JudgeOf(table).result == VerdictResult::kSafe);
  PutMany(table, pair, 5);
  const Verdict verdict = JudgeOf(table);
  CHECK(verdict.result == VerdictResult::kInconclusive);
  CHECK(verdict.sentence.starts_with("10 statements (9 %) differ where the order"));
}

TEST_CASE("what never ends on the candidate alone breaks at once", "[compare]") {
  PatternTable table;
  event::StatementPair stuck = CutOff(Failure("57014"), 60'000'000);
  stuck.stuck = true;
  SECTION("cancelled") {}
  SECTION("or given up") {
    stuck.lanes[1].outcome.status = event::OutcomeStatus::kLost;
    stuck.lanes[1].outcome.sqlstate.clear();
  }
  PutMany(table, stuck, 1);
  PutMany(table, CutOff(Answer(kId, {{"1"}}), 1000), 50);
  const Verdict verdict = JudgeOf(table);
  CHECK(verdict.result == VerdictResult::kRegressions);
  REQUIRE(verdict.findings.size() == 1);
  CHECK(verdict.findings[0].gates);
  CHECK(verdict.findings[0].reasons[0] == "does not end in 1 of 51 calls, and had to be cancelled");
}

TEST_CASE("what does not end on the control either is no finding", "[compare]") {
  PatternTable table;
  event::StatementPair stuck = CutOff(Failure("57014"), 60'000'000);
  stuck.stuck = true;
  stuck.lanes[2] = stuck.lanes[1];
  PutMany(table, stuck, 1);
  PutMany(table, CutOff(Answer(kId, {{"1"}}), 1000), 50);
  CHECK(JudgeOf(table).result == VerdictResult::kSafe);
}

TEST_CASE("a server that is out of room for a query on the candidate alone breaks it",
          "[compare]") {
  for (const char* state : {"53400", "53200", "53100"}) {
    CAPTURE(state);
    PatternTable table;
    PutMany(table, CutOff(Answer(kId, {{"1"}}), 1000), 50, Facts(9));
    PutMany(table, CutOff(Failure(state), 1000), 2);
    const Verdict verdict = JudgeOf(table);
    CHECK(verdict.result == VerdictResult::kRegressions);
    REQUIRE(verdict.findings.size() == 1);
    CHECK(verdict.findings[0].sqlstate == state);
    CHECK(verdict.findings[0].reasons[0] ==
          std::string("lacks resources in 2 of 2 calls: ") + state + ", 0 on the baseline");
  }
  PatternTable once;
  PutMany(once, CutOff(Answer(kId, {{"1"}}), 1000), 50);
  PutMany(once, CutOff(Failure("53200"), 1000), 1);
  CHECK(JudgeOf(once).result == VerdictResult::kSafe);
  PatternTable everywhere;
  event::StatementPair pair = CutOff(Failure("53400"), 1000);
  pair.lanes[0] = pair.lanes[2] = pair.lanes[1];
  PutMany(everywhere, pair, 10);
  PutMany(everywhere, CutOff(Answer(kId, {{"1"}}), 1000), 50);
  CHECK(JudgeOf(everywhere).findings.empty());
}

TEST_CASE("a query that ends its connection on the candidate alone breaks", "[compare]") {
  PatternTable table;
  event::StatementPair pair = CutOff(Command(""), 1000);
  pair.lanes[1].outcome.status = event::OutcomeStatus::kLost;
  PutMany(table, CutOff(Answer(kId, {{"1"}}), 1000), 50, Facts(9));
  PutMany(table, pair, 2);
  const Verdict verdict = JudgeOf(table);
  CHECK(verdict.result == VerdictResult::kRegressions);
  REQUIRE(verdict.findings.size() == 1);
  CHECK(verdict.findings[0].reasons[0] == "ends its connection in 2 of 2 calls, 0 on the baseline");
}

TEST_CASE("a lane that was lost for many statements leaves nothing to call safe", "[compare]") {
  PatternTable table;
  PutMany(table, PairOf(Command("UPDATE 1"), Command("UPDATE 1")), 90);
  PutMany(table, PairOf(Command("UPDATE 1"), Failure("57P01")), 3);
  CHECK(JudgeOf(table).result == VerdictResult::kSafe);
  PutMany(table, PairOf(Command("UPDATE 1"), Failure("57P01")), 10);
  CHECK(JudgeOf(table).result == VerdictResult::kInconclusive);
}

TEST_CASE("an unfaithful replay is inconclusive, even with findings", "[compare]") {
  PatternTable table;
  event::StatementPair pair = PairOf(Answer(kId, {{"1"}}), Failure("42703"));
  PutMany(table, pair, 5);
  pair.captured = Answer(kId, {{"7"}}).outcome;
  PutMany(table, pair, 5);
  Policy policy;
  const Verdict verdict = JudgeOf(table, policy);
  CHECK(verdict.result == VerdictResult::kInconclusive);
  CHECK(verdict.sentence ==
        "the baseline did what production did for 50 % of the statements and 95 % are required: 5 "
        "other values; most in select $1 (5 of 10 calls); in what was replayed, 1 query breaks");
  REQUIRE(verdict.findings.size() == 1);
  CHECK(verdict.findings[0].gates);
  policy.fidelity_floor = 0.5;
  CHECK(JudgeOf(table, policy).result == VerdictResult::kRegressions);
  policy.fidelity_floor = 0;
  CHECK(JudgeOf(table, policy).result == VerdictResult::kRegressions);
}

TEST_CASE("fidelity at its floor is enough, a hair below is not", "[compare]") {
  PatternTable table;
  event::StatementPair pair = PairOf(Answer(kId, {{"1"}}), Answer(kId, {{"1"}}));
  PutMany(table, pair, 95);
  pair.captured = Answer(kId, {{"7"}}).outcome;
  PutMany(table, pair, 5, Facts(2, "select later"));
  CHECK(JudgeOf(table).result == VerdictResult::kSafe);
  PutMany(table, pair, 1, Facts(3, "select last"));
  const Verdict verdict = JudgeOf(table);
  CHECK(verdict.result == VerdictResult::kInconclusive);
  REQUIRE(verdict.unfaithful.size() == 2);
  CHECK(verdict.unfaithful[0].fingerprint == 2);
  CHECK(verdict.unfaithful[1].counts.lost_in_all() == 1);
}

TEST_CASE("the list of unfaithful patterns is bounded", "[compare]") {
  PatternTable table;
  event::StatementPair pair = PairOf(Answer(kId, {{"1"}}), Answer(kId, {{"1"}}));
  pair.captured = Failure("42P01").outcome;
  for (uint64_t i = 1; i <= 100; ++i) table.Put(pair, Facts(i));
  const Verdict verdict = JudgeOf(table);
  CHECK(verdict.unfaithful.size() == kUnfaithfulMax);
  CHECK(verdict.fidelity.share() == 0);
}

TEST_CASE("noise is learnt column by column, whatever the order of pairs", "[compare]") {
  const std::vector<event::Column> columns = {Col("id", 23, 1), Col("name", 25, 2),
                                              Col("updated_at", 1114, 3)};
  const auto pair_of = [&](const Row& candidate, const Row& control) {
    event::StatementPair pair =
        PairOf(Answer(columns, {{"1", "a", "10:01"}}), Answer(columns, {candidate}));
    pair.lanes.push_back(Answer(columns, {control}));
    return pair;
  };
  const Row same = {"1", "a", "10:01"};
  const Row late = {"1", "a", "10:02"};
  std::vector<event::StatementPair> pairs;
  for (int i = 0; i < 6; ++i) {
    pairs.push_back(pair_of(same, same));
    pairs.push_back(pair_of(late, same));  // The control lane was in time by chance.
    pairs.push_back(pair_of(same, late));
  }
  const auto judge = [&] {
    PatternTable table;
    for (const auto& pair : pairs) table.Put(pair, Facts());
    return JudgeOf(table);
  };
  const Verdict noise = judge();
  CHECK(noise.result == VerdictResult::kSafe);
  CHECK(noise.findings.empty());
  CHECK(std::count(noise.notes.begin(), noise.notes.end(),
                   "6 statements not weighed: differ only in columns in which baseline and control "
                   "differ as well") == 1);
  pairs.push_back(pair_of({"1", "b", "10:02"}, late));  // Once, in a column without noise.
  for (int order = 0; order < 2; ++order) {
    const Verdict verdict = judge();
    CHECK(verdict.result == VerdictResult::kRegressions);
    REQUIRE(verdict.findings.size() == 1);
    CHECK(verdict.findings[0].affected == 1);
    std::reverse(pairs.begin(), pairs.end());
  }
}

TEST_CASE("sets of columns are bounded, and what is past the bound still weighs", "[compare]") {
  std::vector<event::Column> columns;
  for (int i = 0; i < 80; ++i) columns.push_back(Col("c" + std::to_string(i)));
  const Row row(80, "x");
  PatternTable table;
  for (size_t i = 0; i < 80; ++i) {
    Row other = row;
    other[i] = "y";
    table.Put(PairOf(Answer(columns, {row}), Answer(columns, {other})), Facts());
  }
  const KindStats& stats = table.Find(1)->differences.at(DifferenceKind::kValues);
  CHECK(stats.by_columns.size() == PatternTableLimits{}.column_sets);
  CHECK(JudgeOf(table).findings.at(0).affected == 80);
}

TEST_CASE("a replay that was cut short is not safe", "[compare]") {
  PatternTable table;
  Traffic(1).Run(table, 1, 60, 1000, 1);
  RunFacts run;
  run.interrupted = true;
  CHECK(Judge(table, {}, run).result == VerdictResult::kInconclusive);
}

TEST_CASE("the same table gives the same verdict", "[compare]") {
  const auto run = [] {
    PatternTable table;
    Traffic traffic(4);
    for (uint64_t i = 1; i < 6; ++i) traffic.Run(table, i, 40, 5000, i == 2 ? 2 : 1);
    return JudgeOf(table);
  };
  const Verdict a = run();
  const Verdict b = run();
  REQUIRE(a.findings.size() == b.findings.size());
  for (size_t i = 0; i < a.findings.size(); ++i) {
    CHECK(a.findings[i].id == b.findings[i].id);
    CHECK(a.findings[i].p == b.findings[i].p);
    CHECK(a.findings[i].factor_interval == b.findings[i].factor_interval);
  }
}

}  // namespace
}  // namespace scry::compare
