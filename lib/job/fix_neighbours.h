// What a fix does to the other patterns over its tables: reads that get another plan, writes that
// maintain one more index. Each is compared with the candidate as it is without the fix, and with
// the baseline. Used by the prover of fixes. Blocks. One thread.
#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <set>
#include <string>
#include <vector>

#include "base/result.h"
#include "cause/catalog.h"
#include "compare/pattern_table.h"
#include "compare/policy.h"
#include "event/statement_facts.h"
#include "job/fix_meter.h"
#include "job/work_probe.h"
#include "report/report.h"

namespace scry::job {

class FixNeighbours {
 public:
  // All of it outlives this. `table` and `work`: of the second moment; `catalog`: of the candidate.
  FixNeighbours(FixMeter& meter, const compare::Policy& policy, const compare::PatternTable& table,
                const MeasuredWork& work, const cause::Catalog& catalog, event::FactsCache& facts)
      : meter_(meter),
        policy_(policy),
        table_(table),
        work_(work),
        catalog_(catalog),
        facts_(facts) {}

  // Measures the patterns over `tables` but `target`, before the fix is made. What is known already
  // is not measured again.
  base::Status Survey(uint64_t target, const std::set<std::string>& tables);
  // With the fix, after Survey() of the same. What writes pay; nullopt: some pattern does more than
  // without it, and more than on the baseline.
  base::Result<std::optional<std::vector<report::WriteCost>>> Costs(
      uint64_t target, const std::set<std::string>& tables);
  // The fix stays: what was measured over its tables is not so any more.
  void Forget(const std::set<std::string>& tables);

  // Of the first of those that write, to be timed with the fix.
  Samples TimedSamples(const std::vector<report::WriteCost>& writes) const;
  // Fills in how long they take. False: one that counts gets slower than the policy allows.
  bool JudgeTimes(const compare::PatternTable& timed, const std::set<uint64_t>& found_already,
                  std::vector<report::WriteCost>& writes) const;

 private:
  struct Now {
    std::vector<compare::WorkSample> counted;
    bool on_baseline = true;  // It runs there.
    double us = 0;            // 0: not timed.
  };
  std::vector<uint64_t> Over(uint64_t target, const std::set<std::string>& tables);
  const std::set<std::string>& RelationsOf(uint64_t fingerprint);
  std::vector<replay::Sample> SamplesOf(uint64_t fingerprint);
  bool Writes(uint64_t fingerprint);
  double TimeOf(uint64_t fingerprint) const;

  FixMeter& meter_;
  const compare::Policy& policy_;
  const compare::PatternTable& table_;
  const MeasuredWork& work_;
  const cause::Catalog& catalog_;
  event::FactsCache& facts_;
  std::map<uint64_t, std::set<std::string>> relations_;
  std::map<uint64_t, Now> now_;
};

}  // namespace scry::job
