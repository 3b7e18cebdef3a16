#include "compare/work.h"

#include <string>
#include <vector>

#include "compare/pattern_table.h"
#include "compare/verdict.h"
#include "support/catch.h"
#include "unit/compare/pairs.h"

namespace scry::compare {
namespace {

LaneWork Blocks(double blocks, double spilled = 0, double wal_bytes = 0) {
  LaneWork work;
  work.blocks = blocks;
  work.spilled = spilled;
  work.wal_bytes = wal_bytes;
  return work;
}

WorkSample Lanes(const LaneWork& baseline, const LaneWork& candidate) {
  return {baseline, candidate, baseline};
}

bool Rose(const std::vector<WorkSample>& samples, const WorkPolicy& policy = {}) {
  return !JudgeWork(samples, policy).rises.empty();
}

std::string Told(const std::vector<WorkSample>& samples) {
  std::string text;
  for (const std::string& reason : DescribeWork(JudgeWork(samples, {}))) {
    text += (text.empty() ? "" : "; ") + reason;
  }
  return text;
}

TEST_CASE("a rise counts from its ratio and from its blocks on, not before", "[compare]") {
  CHECK_FALSE(Rose({}));
  CHECK_FALSE(Rose({Lanes(Blocks(100), Blocks(100))}));
  CHECK_FALSE(Rose({Lanes(Blocks(1), Blocks(100))}));      // 99 blocks more.
  CHECK(Rose({Lanes(Blocks(1), Blocks(101))}));            // 100 more.
  CHECK_FALSE(Rose({Lanes(Blocks(1000), Blocks(1499))}));  // 1.499 times.
  CHECK(Rose({Lanes(Blocks(1000), Blocks(1500))}));
  CHECK_FALSE(Rose({Lanes(Blocks(1500), Blocks(1000))}));
  WorkPolicy policy;
  policy.min_ratio = 3;
  CHECK_FALSE(Rose({Lanes(Blocks(1000), Blocks(2999))}, policy));
  CHECK(Rose({Lanes(Blocks(1000), Blocks(3000))}, policy));
  policy.min_blocks = 5000;
  CHECK_FALSE(Rose({Lanes(Blocks(1000), Blocks(5999))}, policy));
}

TEST_CASE("what the control lane shows as well is noise", "[compare]") {
  WorkSample sample = Lanes(Blocks(10), Blocks(4000));
  CHECK(Rose({sample}));
  sample.control = Blocks(3900);
  CHECK_FALSE(Rose({sample}));
  sample.control.reset();
  CHECK(Rose({sample}));
}

TEST_CASE("a first spill counts however small, a larger one as blocks do", "[compare]") {
  CHECK(Rose({Lanes(Blocks(500), Blocks(500, 1))}));
  CHECK_FALSE(Rose({Lanes(Blocks(500, 1000), Blocks(500, 1400))}));
  CHECK(Rose({Lanes(Blocks(500, 1000), Blocks(500, 1500))}));
  WorkSample noisy = Lanes(Blocks(500), Blocks(500, 10));
  noisy.control = Blocks(500, 10);
  CHECK_FALSE(Rose({noisy}));
  CHECK(Told({Lanes(Blocks(500), Blocks(500, 128))}) ==
        "spills 1.05 MB to disk instead of nothing");
}

TEST_CASE("WAL rises from its own floor on", "[compare]") {
  CHECK_FALSE(Rose({Lanes(Blocks(5, 0, 100), Blocks(5, 0, 60000))}));
  CHECK(Rose({Lanes(Blocks(5, 0, 100000), Blocks(5, 0, 165536))}));
  CHECK(Told({Lanes(Blocks(5, 0, 100000), Blocks(5, 0, 200000))}) ==
        "writes 200 kB of WAL instead of 100 kB (2.0x)");
}

LaneWork Update(double rows, double hot) {
  LaneWork work;
  work.updated = rows;
  work.hot_updated = hot;
  work.wal_bytes = hot == rows ? 90 : 340;
  return work;
}

TEST_CASE("updates that are heap-only no longer are more work, however little", "[compare]") {
  const std::vector<WorkSample> lost(8, Lanes(Update(1, 1), Update(1, 0)));
  CHECK(Told(lost) ==
        "updates are no longer heap-only: each writes an entry into every index (340 B of WAL "
        "instead of 90 B)");
  CHECK(JudgeWork(lost, {}).numbers.risen == 8);
  // Few sets of parameters may all have met a full page.
  CHECK_FALSE(Rose(std::vector<WorkSample>(3, lost[0])));
  // One that still is shows that they can be.
  std::vector<WorkSample> some = lost;
  some[3] = Lanes(Update(1, 1), Update(1, 1));
  CHECK_FALSE(Rose(some));
  // Full pages before as well.
  std::vector<WorkSample> full = lost;
  full[0] = full[1] = full[2] = Lanes(Update(1, 0), Update(1, 0));
  CHECK_FALSE(Rose(full));
  // The control lane lost them too.
  std::vector<WorkSample> noisy = lost;
  for (WorkSample& sample : noisy) sample.control = Update(1, 0);
  CHECK_FALSE(Rose(noisy));
  // Those that find no row say nothing.
  std::vector<WorkSample> idle(20, Lanes(Update(0, 0), Update(0, 0)));
  CHECK_FALSE(Rose(idle));
  idle.insert(idle.end(), lost.begin(), lost.end());
  CHECK(Rose(idle));
}

TEST_CASE("a rise is told by its median, or by the parameters that show it", "[compare]") {
  const std::vector<WorkSample> all(3, Lanes(Blocks(12), Blocks(4812)));
  CHECK(Told(all) == "reads 4,812 blocks instead of 12 (401x)");
  std::vector<WorkSample> one(8, Lanes(Blocks(12), Blocks(12)));
  one[5] = Lanes(Blocks(40), Blocks(920));
  const WorkJudgement judged = JudgeWork(one, {});
  CHECK(Told(one) == "reads 920 blocks instead of 40 (23x) with 1 of the 8 sampled parameters");
  CHECK(judged.worst == 5);
  CHECK(judged.numbers.risen == 1);
  CHECK(judged.numbers.samples == 8);
  CHECK(judged.numbers.after.blocks == 12);
}

TEST_CASE("plans that changed shape and generic plans are told beside a rise", "[compare]") {
  std::vector<WorkSample> samples(2, Lanes(Blocks(12), Blocks(4812)));
  samples[0].candidate.plan_shape = 7;
  samples[1].candidate.generic_plan = true;
  CHECK(Told(samples) ==
        "reads 4,812 blocks instead of 12 (401x); has another plan for 1 of 2 sampled parameters; "
        "runs by the generic plan of a prepared statement for 1 of 2 sampled parameters");
  std::vector<WorkSample> cascade(1, Lanes(Blocks(12), Blocks(4812)));
  cascade[0].candidate.in_triggers = 4800;
  CHECK(Told(cascade) ==
        "reads 4,812 blocks instead of 12 (401x); most of it in triggers, those of foreign keys "
        "included");
  std::vector<WorkSample> same(2, Lanes(Blocks(12), Blocks(12)));
  same[0].candidate.plan_shape = 7;
  CHECK(Told(same).empty());
}

// --- In the verdict.

class WorkVerdict {
 public:
  // Calls of one pattern that take `us` on every lane, too few for the clock.
  void Calls(uint64_t fingerprint, int calls, base::Micros us, double factor = 1) {
    for (int i = 0; i < calls; ++i) {
      event::StatementPair pair =
          PairOf(Answer({Col("id")}, {{"1"}}), Answer({Col("id")}, {{"1"}}));
      pair.lanes[0].outcome.elapsed_us = us + i;
      pair.lanes[1].outcome.elapsed_us =
          static_cast<base::Micros>(static_cast<double>(us) * factor) + i;
      table.Put(pair, Facts(fingerprint, "select " + std::to_string(fingerprint)));
    }
  }
  Verdict Judge() const {
    return compare::Judge(table, policy, RunFacts{}, confirmed ? &table : nullptr, &work);
  }

  PatternTable table;
  WorkTable work;
  Policy policy;
  bool confirmed = false;
};

TEST_CASE("more work gates where the clock has too few calls to tell", "[compare]") {
  WorkVerdict run;
  run.Calls(1, 5, 1000);
  run.Calls(2, 5, 1000);
  run.work[1] = {Lanes(Blocks(12), Blocks(4812))};
  run.work[2] = {Lanes(Blocks(12), Blocks(13))};
  const Verdict verdict = run.Judge();
  CHECK(verdict.result == VerdictResult::kRegressions);
  CHECK(verdict.sentence == "1 query has more work to do");
  REQUIRE(verdict.findings.size() == 1);
  const Finding& finding = verdict.findings[0];
  CHECK(finding.id == "more-work-0000000000000001");
  CHECK(finding.gates);
  CHECK(finding.has_work);
  CHECK_FALSE(finding.has_latency);
  CHECK(finding.work.after.blocks == 4812);
  CHECK(finding.reasons == std::vector<std::string>{"reads 4,812 blocks instead of 12 (401x)"});
  REQUIRE(verdict.unjudged.size() == 1);
  CHECK(verdict.unjudged[0].fingerprint == 2);
  CHECK(verdict.unjudged[0].why.ends_with("its work did not rise"));
  CHECK(verdict.unchanged == 1);

  run.policy.gate.work = false;
  CHECK(run.Judge().result == VerdictResult::kSafe);
  CHECK(run.Judge().findings.size() == 1);
}

TEST_CASE("the share of time or of blocks, the larger one, decides what gates", "[compare]") {
  WorkVerdict run;
  run.Calls(1, 2, 10);
  run.Calls(2, 20, 50000);
  run.work[1] = {Lanes(Blocks(12), Blocks(4812))};
  run.work[2] = {Lanes(Blocks(1e6), Blocks(1e6))};
  const Verdict light = run.Judge();
  CHECK(light.result == VerdictResult::kSafe);
  REQUIRE(light.findings.size() == 1);
  CHECK_FALSE(light.findings[0].gates);
  CHECK(light.findings[0].reasons.back().starts_with("does not gate: 0.0"));
  run.work[2] = {Lanes(Blocks(100), Blocks(100))};  // Most of the blocks are the first one's.
  CHECK(run.Judge().result == VerdictResult::kRegressions);
}

TEST_CASE("more work that is faster all the same does not gate", "[compare]") {
  WorkVerdict run;
  run.Calls(1, 60, 20000, 0.98);
  run.work[1] = {Lanes(Blocks(1000), Blocks(4812))};
  const Verdict verdict = run.Judge();
  CHECK(verdict.result == VerdictResult::kSafe);
  REQUIRE(verdict.findings.size() == 1);
  CHECK(verdict.findings[0].type == FindingClass::kMoreWork);
  CHECK(verdict.findings[0].reasons.back() == "does not gate: it is faster all the same");
}

TEST_CASE("that some calls take longer is a reason of more work, not a second finding",
          "[compare]") {
  WorkVerdict run;
  for (int i = 0; i < 19; ++i) {
    run.Calls(1, 9, 2000);
    run.Calls(1, 1, 2000, 20);
  }
  REQUIRE(run.Judge().findings.size() == 1);
  CHECK(run.Judge().findings[0].type == FindingClass::kWarning);
  run.work[1] = {Lanes(Blocks(12), Blocks(4812))};
  const Verdict verdict = run.Judge();
  REQUIRE(verdict.findings.size() == 1);
  CHECK(verdict.findings[0].type == FindingClass::kMoreWork);
  CHECK(verdict.findings[0].gates);
  CHECK(verdict.findings[0].reasons[0] == "reads 4,812 blocks instead of 12 (401x)");
  CHECK(verdict.findings[0].reasons.back().starts_with("19 of 190 calls take"));
}

TEST_CASE("a slower pattern has its work as a reason, not as a second finding", "[compare]") {
  WorkVerdict run;
  run.confirmed = true;
  run.Calls(1, 60, 20000, 2);
  run.work[1] = {Lanes(Blocks(1000), Blocks(4812))};
  const Verdict verdict = run.Judge();
  REQUIRE(verdict.findings.size() == 1);
  const Finding& finding = verdict.findings[0];
  CHECK(finding.type == FindingClass::kSlower);
  CHECK(finding.gates);
  CHECK(finding.has_work);
  CHECK(finding.reasons[0] == "reads 4,812 blocks instead of 1,000 (4.8x)");
  CHECK(verdict.sentence == "1 query is slower");
}

TEST_CASE("work gates a slower pattern that the clock alone would not", "[compare]") {
  WorkVerdict run;
  run.confirmed = true;
  run.policy.gate.latency = false;
  run.Calls(1, 60, 20000, 2);
  run.work[1] = {Lanes(Blocks(1000), Blocks(4812))};
  REQUIRE(run.Judge().findings.size() == 1);
  CHECK(run.Judge().findings[0].gates);
}

}  // namespace
}  // namespace scry::compare
