#include "job/plan_probe.h"

#include "event/lane_pair.h"
#include "job/lane_runner.h"

namespace scry::job {
namespace {

// A plan that takes longer is not worth the wait: the finding stands without it.
constexpr base::Micros kTimeoutUs = 30 * 1000000LL;

}  // namespace

base::Result<explain::Plan> ExplainSample(const pg::ConnInfo& lane, const replay::Sample& sample) {
  LaneRunner runner(lane);
  base::Result<explain::Plan> plan = base::Fail("not explained");
  const auto body = [&](pg::Connection& connection) -> base::Status {
    const auto text =
        connection.QueryBound("EXPLAIN (ANALYZE, BUFFERS, FORMAT JSON) " + sample.text,
                              ParametersOf(sample.messages).values);
    if (!text.ok()) return text.error();
    plan = explain::ParsePlan(text->value_or(""));
    return {};
  };
  SCRY_TRY(runner.InTransaction(sample, kTimeoutUs, body));
  return plan;
}

report::PlanText PlansOf(const std::vector<replay::LaneTarget>& lanes,
                         const replay::Sample& sample) {
  report::PlanText plans;
  const auto on = [&](event::LaneRole role) {
    return ExplainSample(lanes[static_cast<size_t>(role)].info, sample);
  };
  const auto after = on(event::LaneRole::kCandidate);
  const auto before = on(event::LaneRole::kBaseline);
  if (after.ok()) {
    plans.candidate = explain::RenderPlan(*after);
    plans.sentence = explain::DescribePlan(*after);
  }
  if (before.ok()) plans.baseline = explain::RenderPlan(*before);
  return plans;
}

}  // namespace scry::job
