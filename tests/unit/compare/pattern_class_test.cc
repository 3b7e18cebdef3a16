#include "compare/pattern_class.h"

#include <map>
#include <numeric>
#include <set>

#include "base/random.h"
#include "support/catch.h"
#include "unit/compare/noisy_machine.h"

namespace scry::compare {
namespace {

const std::vector<event::Column> kId = {Col("id", 23, 1)};

std::map<uint64_t, PatternClass> ClassesOf(const Verdict& verdict) {
  std::map<uint64_t, PatternClass> classes;
  for (const PatternVerdict& one : verdict.classes) classes[one.fingerprint] = one.type;
  return classes;
}

// Anything that can happen to a statement on two lanes.
event::StatementPair AnyPair(base::Random& random) {
  const auto lane = [&]() -> event::LaneOutcome {
    switch (random.Below(8)) {
      case 0:
        return Failure("42703");
      case 1:
        return Failure("40001");
      case 2:
        return Answer(kId, {{"2"}});
      case 3: {
        event::LaneOutcome lost;
        return lost;
      }
      default:
        return Answer(kId, {{"1"}});
    }
  };
  event::StatementPair pair = PairOf(lane(), lane());
  if (random.Below(2) == 0) pair.lanes.push_back(lane());
  if (random.Below(3) == 0) pair.captured = Answer(kId, {{"1"}}).outcome;
  pair.counterfactual = random.Below(9) == 0;
  pair.order_broken = random.Below(9) == 0;
  pair.warm_up = random.Below(9) == 0;
  if (random.Below(20) == 0) pair.lanes.clear();
  return pair;
}

TEST_CASE("every pattern ends in exactly one class, whatever happened to it", "[compare]") {
  for (uint64_t seed = 1; seed <= 60; ++seed) {
    base::Random random(seed);
    NoisyMachine machine(seed);
    PatternTable table;
    const uint64_t patterns = 1 + random.Below(30);
    for (uint64_t pattern = 1; pattern <= patterns; ++pattern) {
      const auto pairs = static_cast<int>(1 + random.Below(60));
      if (random.Below(2) == 0) {
        Replay(machine, table, pattern, pairs, 3000, random.Below(4) == 0 ? 3 : 1);
        continue;
      }
      // Some patterns do one thing only, others all of them.
      base::Random fixed(random.Next());
      const bool mixed = random.Below(2) == 0;
      const event::StatementPair always = AnyPair(fixed);
      for (int i = 0; i < pairs; ++i) table.Put(mixed ? AnyPair(random) : always, Facts(pattern));
    }
    WorkTable work;
    for (uint64_t pattern = 1; pattern <= patterns; pattern += 3) {
      WorkSample sample;
      sample.candidate.blocks = static_cast<double>(random.Below(2) * 1000);
      work[pattern] = {sample};
    }
    CAPTURE(seed);
    const Verdict verdict = Judge(table, {}, {}, nullptr, random.Below(2) == 0 ? &work : nullptr);
    CHECK(std::accumulate(verdict.class_counts.begin(), verdict.class_counts.end(), uint64_t{0}) ==
          verdict.patterns);
    CHECK(verdict.classes.size() == verdict.patterns);
    CHECK(ClassesOf(verdict).size() == verdict.patterns);
    CHECK(verdict.unchanged == verdict.class_counts[static_cast<size_t>(PatternClass::kUnchanged)]);
    std::set<std::string> ids;
    for (const Finding& finding : verdict.findings) ids.insert(finding.id);
    for (const PatternVerdict& one : verdict.classes) {
      if (one.type == PatternClass::kCannotEvaluate) CHECK_FALSE(one.why.empty());
      CHECK((one.finding.empty() || ids.count(one.finding) == 1));
      CHECK((one.type == PatternClass::kUnchanged) >=
            (one.detectable > 0 && one.finding.empty() && one.why.empty()));
    }
  }
}

TEST_CASE("a class says what became of a pattern", "[compare]") {
  PatternTable table;
  NoisyMachine machine(1);
  Replay(machine, table, 1, 60, 20000, 1);
  Replay(machine, table, 2, 60, 20000, 3);
  Replay(machine, table, 3, 60, 20000, 0.3);
  Replay(machine, table, 4, 5, 20000, 1);
  Replay(machine, table, 5, 5, 20000, 1);
  table.Put(PairOf(Answer(kId, {{"1"}}), Failure("42703")), Facts(6));
  table.Put(PairOf(Answer(kId, {{"1"}}), Answer(kId, {{"2"}})), Facts(7));
  event::StatementPair introduced = PairOf(Failure("42703"), Answer(kId, {{"1"}}));
  introduced.captured = Answer(kId, {{"1"}}).outcome;
  table.Put(introduced, Facts(8));
  event::StatementPair nowhere;
  table.Put(nowhere, Facts(9));
  Replay(machine, table, 10, 5, 20000, 1);
  WorkTable work;
  work[5] = {WorkSample{}};
  work[10] = {WorkSample{}};
  work[10][0].candidate.blocks = 5000;
  Policy policy;
  policy.fidelity_floor = 0;
  const Verdict verdict = Judge(table, policy, {}, nullptr, &work);
  const std::map<uint64_t, PatternClass> expected = {
      {1, PatternClass::kUnchanged},      {2, PatternClass::kSlower},
      {3, PatternClass::kFaster},         {4, PatternClass::kCannotEvaluate},
      {5, PatternClass::kUnchanged},      {6, PatternClass::kBroken},
      {7, PatternClass::kDifferent},      {8, PatternClass::kNew},
      {9, PatternClass::kCannotEvaluate}, {10, PatternClass::kMoreWork}};
  CHECK(ClassesOf(verdict) == expected);
  for (const PatternVerdict& one : verdict.classes) {
    CAPTURE(one.fingerprint);
    // What was measured knows what it could have seen; what was not, does not.
    CHECK((one.detectable > 1) == (one.fingerprint <= 3));
    if (one.fingerprint <= 3) CHECK(one.detectable < 1.6);
    // Its work is told where it was measured, risen or not.
    CHECK(one.work.samples == (work.contains(one.fingerprint) ? 1 : 0));
    CHECK(one.work.after.blocks == (one.fingerprint == 10 ? 5000 : 0));
  }
}

}  // namespace
}  // namespace scry::compare
