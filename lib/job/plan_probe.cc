#include "job/plan_probe.h"

#include <algorithm>
#include <utility>

#include "event/lane_pair.h"
#include "job/lane_runner.h"
#include "job/sample_statement.h"

namespace scry::job {
namespace {

// A plan that takes longer is not worth the wait: the finding stands without it.
constexpr base::Micros kTimeoutUs = 30 * 1000000LL;

}  // namespace

base::Result<explain::Plan> ExplainSample(const pg::ConnInfo& lane, const replay::Sample& sample,
                                          const std::vector<replay::Sample>& pattern) {
  LaneRunner runner(lane);
  base::Result<explain::Plan> plan = base::Fail("not explained");
  const auto body = [&](pg::Connection& connection) -> base::Status {
    SampleStatement statement(connection, sample);
    SCRY_TRY(statement.Prepare(pattern));
    const auto text =
        connection.QueryBound("EXPLAIN (ANALYZE, BUFFERS, FORMAT JSON) " + statement.sql(), {});
    if (!text.ok()) return text.error();
    plan = explain::ParsePlan(text->value_or(""));
    return {};
  };
  SCRY_TRY(runner.InTransaction(sample, kTimeoutUs, body));
  return plan;
}

PlanPair ExplainPair(const std::vector<replay::LaneTarget>& lanes, const replay::Sample& sample,
                     const std::vector<replay::Sample>& pattern) {
  PlanPair plans;
  const auto on = [&](event::LaneRole role) -> std::optional<explain::Plan> {
    auto plan = ExplainSample(lanes[static_cast<size_t>(role)].info, sample, pattern);
    if (!plan.ok()) return std::nullopt;
    return std::move(plan).value();
  };
  plans.after = on(event::LaneRole::kCandidate);
  plans.before = on(event::LaneRole::kBaseline);
  return plans;
}

namespace {

// Lines and nodes are in the same order.
std::optional<uint64_t> CostliestLine(const explain::Plan& plan,
                                      const std::vector<std::string>& lines) {
  const std::vector<const explain::PlanNode*> nodes = explain::AllNodes(plan);
  const auto found = std::find(nodes.begin(), nodes.end(), &explain::Costliest(plan));
  if (found == nodes.end() || nodes.size() != lines.size()) return std::nullopt;
  return static_cast<uint64_t>(found - nodes.begin());
}

}  // namespace

report::PlanText TextOf(const PlanPair& plans) {
  report::PlanText text;
  if (plans.after) {
    text.candidate = explain::RenderPlan(*plans.after);
    text.sentence = explain::DescribePlan(*plans.after);
    text.candidate_costliest = CostliestLine(*plans.after, text.candidate);
  }
  if (plans.before) {
    text.baseline = explain::RenderPlan(*plans.before);
    text.baseline_costliest = CostliestLine(*plans.before, text.baseline);
  }
  return text;
}

}  // namespace scry::job
