#include "compare/moments.h"

#include <algorithm>
#include <string>

#include "base/random.h"
#include "compare/verdict.h"
#include "support/catch.h"
#include "unit/compare/pairs.h"

namespace scry::compare {
namespace {

constexpr double kAsBefore = 1;
constexpr double kMuchSlower = 5;

// One pattern in two moments; `at_first` and `later` are factors of its time, or of its blocks.
class TwoMoments {
 public:
  void Timed(uint64_t fingerprint, double at_first, double later) {
    Run(first_.timed, fingerprint, 40, at_first);
    Run(first_.confirmation, fingerprint, 120, at_first);
    Run(table_, fingerprint, 200, later);
    Run(confirmation_, fingerprint, 600, later);
    first_.remedies[fingerprint] = "VACUUM (ANALYZE) public.orders";
  }
  void Counted(uint64_t fingerprint, double at_first, double later) {
    Run(table_, fingerprint, 3, 1);  // Too few for the clock.
    first_.work[fingerprint] = {Blocks(at_first)};
    work_[fingerprint] = {Blocks(later)};
    first_.remedies[fingerprint] = "VACUUM (ANALYZE) public.orders";
  }
  Verdict Judged(const Policy& policy = {}) {
    RunFacts run;
    run.first = &first_;
    return Judge(table_, policy, run, &confirmation_, &work_);
  }
  FirstMoment& first() { return first_; }
  void Replayed(uint64_t fingerprint, int pairs, double factor) {
    Run(table_, fingerprint, pairs, factor);
  }

 private:
  static WorkSample Blocks(double factor) {
    LaneWork before;
    before.blocks = 200;
    LaneWork after = before;
    after.blocks *= factor;
    return {before, after, before};
  }
  void Run(PatternTable& table, uint64_t fingerprint, int pairs, double factor) {
    const std::vector<event::Column> columns = {Col("id", 23, 1)};
    for (int i = 0; i < pairs; ++i) {
      event::StatementPair pair = PairOf(Answer(columns, {{"1"}}), Answer(columns, {{"1"}}));
      pair.lanes.push_back(pair.lanes[0]);
      for (size_t lane = 0; lane < 3; ++lane) {
        const double us = 5000 * (1 + 0.3 * random_.Unit()) * (lane == 1 ? factor : 1);
        pair.lanes[lane].outcome.elapsed_us = static_cast<base::Micros>(us);
      }
      table.Put(pair, Facts(fingerprint, "select " + std::to_string(fingerprint)));
    }
  }

  base::Random random_{7};
  FirstMoment first_;
  PatternTable table_;
  PatternTable confirmation_;
  WorkTable work_;
};

const Finding* Of(const Verdict& verdict, uint64_t fingerprint) {
  const auto found =
      std::find_if(verdict.findings.begin(), verdict.findings.end(),
                   [&](const Finding& finding) { return finding.fingerprint == fingerprint; });
  return found == verdict.findings.end() ? nullptr : &*found;
}

TEST_CASE("bad only at first is transient, does not gate, and names the remedy", "[compare]") {
  TwoMoments run;
  SECTION("by the clock") { run.Timed(1, kMuchSlower, kAsBefore); }
  SECTION("by its blocks") { run.Counted(1, kMuchSlower, kAsBefore); }
  const Verdict verdict = run.Judged();
  CHECK(verdict.result == VerdictResult::kSafe);
  REQUIRE(verdict.findings.size() == 1);
  const Finding& finding = verdict.findings[0];
  CHECK(finding.type == FindingClass::kTransient);
  CHECK(finding.id == "transient-0000000000000001");
  CHECK(finding.moment == Moment::kFirst);
  CHECK_FALSE(finding.gates);
  CHECK(
      finding.reasons.back() ==
      "only until VACUUM (ANALYZE) public.orders, after which it is as before: ship the migration "
      "with it");
  CHECK(verdict.unchanged == 0);
  Policy strict;
  strict.gate.transient = true;
  const Verdict gated = run.Judged(strict);
  CHECK(gated.result == VerdictResult::kRegressions);
  CHECK(gated.sentence == "1 query is slower until VACUUM (ANALYZE)");
}

TEST_CASE("bad in both moments is one finding, of the second", "[compare]") {
  TwoMoments run;
  run.Timed(1, kMuchSlower, kMuchSlower);
  run.Counted(2, kMuchSlower, kMuchSlower);
  const Verdict verdict = run.Judged();
  CHECK(verdict.findings.size() == 2);
  REQUIRE(Of(verdict, 1) != nullptr);
  CHECK(Of(verdict, 1)->type == FindingClass::kSlower);
  CHECK(Of(verdict, 1)->moment == Moment::kBoth);
  REQUIRE(Of(verdict, 2) != nullptr);
  CHECK(Of(verdict, 2)->type == FindingClass::kMoreWork);
  CHECK(Of(verdict, 2)->moment == Moment::kBoth);
}

TEST_CASE("good at first and bad later is said", "[compare]") {
  TwoMoments run;
  run.Timed(1, kAsBefore, kMuchSlower);
  run.Counted(2, kAsBefore, kMuchSlower);
  const Verdict verdict = run.Judged();
  for (const uint64_t fingerprint : {uint64_t{1}, uint64_t{2}}) {
    REQUIRE(Of(verdict, fingerprint) != nullptr);
    CHECK(Of(verdict, fingerprint)->moment == Moment::kLater);
    CHECK(Of(verdict, fingerprint)->reasons.back().starts_with("only after VACUUM (ANALYZE)"));
  }
}

TEST_CASE("what was not measured at first is not told of it", "[compare]") {
  TwoMoments run;
  run.Replayed(1, 200, kMuchSlower);
  CHECK(Of(run.Judged(), 1)->moment == Moment::kNotTold);
}

TEST_CASE("good in both moments is unchanged", "[compare]") {
  TwoMoments run;
  run.Timed(1, kAsBefore, kAsBefore);
  run.Counted(2, kAsBefore, kAsBefore);
  const Verdict verdict = run.Judged();
  CHECK(verdict.findings.empty());
  CHECK(verdict.unchanged == 2);
}

TEST_CASE("a transient finding says how little is known of later", "[compare]") {
  TwoMoments run;
  run.Counted(1, kMuchSlower, kAsBefore);
  TwoMoments thin;
  thin.Replayed(1, 3, kAsBefore);
  thin.first().work = run.first().work;
  const Verdict verdict = thin.Judged();
  REQUIRE(verdict.findings.size() == 1);
  CHECK(verdict.findings[0].reasons.back().ends_with("measured too rarely to say more"));
}

}  // namespace
}  // namespace scry::compare
