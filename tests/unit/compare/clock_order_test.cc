#include "compare/clock_order.h"

#include <string>
#include <vector>

#include "compare/difference.h"
#include "support/catch.h"
#include "unit/compare/pairs.h"

namespace scry::compare {
namespace {

const std::vector<event::Column> kColumns = {Col("id", 23, 1), Col("created_at", 1114, 2)};

std::string At(const std::string& seconds) { return "2026-03-29 12:00:" + seconds; }

event::StatementFacts Newest() {
  event::StatementFacts facts = Facts(1, "select id, created_at from orders order by created_at");
  facts.ordered = true;
  facts.sort_keys = {"created_at"};
  return facts;
}

Difference Of(const Rows& baseline, const Rows& candidate, const Rows& control,
              const event::StatementFacts& facts) {
  event::StatementPair pair = PairOf(Kept(kColumns, baseline), Kept(kColumns, candidate));
  pair.lanes.push_back(Kept(kColumns, control));
  return JudgePair(pair, facts);
}

TEST_CASE("rows stored together come in the order of each lane's clock", "[compare]") {
  const Rows baseline = {{"1", At("01")}, {"2", At("05.10")}, {"3", At("05.11")}};
  const Rows control = {{"1", At("01")}, {"2", At("05.30")}, {"3", At("05.31")}};
  const Rows swapped = {{"1", At("01")}, {"3", At("05.20")}, {"2", At("05.21")}};
  CHECK(Of(baseline, swapped, control, Newest()).weight == Weight::kNote);
  // Another row in the middle is no accident.
  const Rows other = {{"1", At("01")}, {"4", At("05.20")}, {"2", At("05.21")}};
  CHECK(Of(baseline, other, control, Newest()).weight == Weight::kGate);
  // Where the control has the same moments, no clock made them.
  CHECK(Of(baseline, swapped, baseline, Newest()).weight == Weight::kGate);
}

TEST_CASE("where a LIMIT cuts between rows stored together either may come", "[compare]") {
  event::StatementFacts facts = Newest();
  facts.limited = true;
  facts.limit = 2;
  const Rows baseline = {{"1", At("01")}, {"2", At("05.10")}};
  const Rows control = {{"1", At("01")}, {"2", At("05.30")}};
  const Rows third = {{"1", At("01")}, {"3", At("05.20")}};
  CHECK(Of(baseline, third, control, facts).weight <= Weight::kNote);
  // Sorted by something else, no clock chose it.
  event::StatementFacts by_id = facts;
  by_id.sort_keys = {"id"};
  CHECK(Of(baseline, third, control, by_id).weight == Weight::kGate);
  const Rows first = {{"9", At("01")}, {"2", At("05.10")}};
  CHECK(Of(baseline, first, control, facts).weight >= Weight::kGateIfMost);
}

}  // namespace
}  // namespace scry::compare
