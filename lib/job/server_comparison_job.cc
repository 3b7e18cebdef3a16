#include "job/server_comparison_job.h"
#include "job/command_text.h"

#include <fmt/format.h>

#include <utility>

#include "job/comparison.h"
#include "job/replay_target.h"
#include "job/run_watch.h"
#include "job/traffic_budget.h"

namespace scry::job {
namespace {

using base::Fail;
using base::Result;
using base::Status;

struct Server {
  std::string lane;
  pg::ConnInfo info;
};

Result<std::vector<Server>> ResolveServers(const ServerComparisonRequest& request) {
  std::vector<Server> servers;
  SCRY_TRY_ASSIGN(pg::ConnInfo baseline, ResolveTarget(request.baseline));
  SCRY_TRY_ASSIGN(pg::ConnInfo candidate, ResolveTarget(request.candidate));
  servers.push_back({"baseline", std::move(baseline)});
  servers.push_back({"candidate", std::move(candidate)});
  if (!request.control.empty()) {
    SCRY_TRY_ASSIGN(pg::ConnInfo control, ResolveTarget(request.control));
    servers.push_back({"control", std::move(control)});
  }
  return servers;
}

class ServerComparison {
 public:
  ServerComparison(const ServerComparisonRequest& request, Progress& progress,
                   const std::function<bool()>& should_stop, SelectedTraffic traffic,
                   std::vector<Server> servers)
      : request_(request),
        progress_(progress),
        watch_(request.timeout_us, should_stop),
        traffic_(std::move(traffic)),
        servers_(std::move(servers)),
        comparison_(ComparisonOf(request), traffic_.Opener(), watch_, progress, report_) {
    report_.notes = request.notes;
  }

  Result<report::Report> Go();

 private:
  static ComparisonRequest ComparisonOf(const ServerComparisonRequest& request);
  bool reads_only() const { return request_.selection.filter.reads_only; }
  Status Admit();
  Status Choose();
  Status CheckDistinct() const;
  Result<std::vector<replay::LaneTarget>> Lanes() const;
  void FillNextSteps();

  const ServerComparisonRequest& request_;
  Progress& progress_;
  const RunWatch watch_;
  SelectedTraffic traffic_;
  std::vector<Server> servers_;
  report::Report report_;
  Comparison comparison_;
};

ComparisonRequest ServerComparison::ComparisonOf(const ServerComparisonRequest& request) {
  ComparisonRequest comparison;
  comparison.captures = request.captures;
  comparison.policy = request.policy;
  comparison.replay = request.replay;
  comparison.show_values = request.show_values;
  comparison.set_sequences = !request.selection.filter.reads_only;
  return comparison;
}

// On one database each write would happen twice, and meet itself.
Status ServerComparison::CheckDistinct() const {
  for (size_t i = 0; i < servers_.size(); ++i) {
    for (size_t j = i + 1; j < servers_.size(); ++j) {
      const pg::ConnInfo& a = servers_[i].info;
      const pg::ConnInfo& b = servers_[j].info;
      const bool own_databases =
          a.database_pinned() && b.database_pinned() && a.Get("dbname") != b.Get("dbname");
      if (!SameServer(a, b) || own_databases) continue;
      return Fail(
          base::ErrorCode::kUsage,
          fmt::format("{} and {} are the same server; give two servers, or two databases of "
                      "one, each by its name",
                      servers_[i].lane, servers_[j].lane));
    }
  }
  return {};
}

Status ServerComparison::Admit() {
  SCRY_TRY(CheckDistinct());
  SCRY_TRY_ASSIGN(const std::vector<std::string> databases, traffic_.Databases(request_.captures));
  replay::HiddenWrites hidden;
  for (Server& server : servers_) {
    progress_.Step(fmt::format("look at the {}", server.lane));
    SCRY_TRY(RefuseSources(server.info, request_.sources, reads_only()));
    SCRY_TRY(ChooseDatabase(databases, server.info));
    report::LaneFacts lane;
    lane.name = server.lane;
    lane.made = server.info.Display();
    SCRY_TRY_ASSIGN(lane.server_version, ServerVersion(server.info));
    SCRY_TRY(AdmitTarget(server.info, reads_only()));
    if (reads_only()) {
      SCRY_TRY_ASSIGN(replay::HiddenWrites there, HiddenWritesOf(server.info, databases));
      hidden.Add(std::move(there));
    }
    progress_.Done("PostgreSQL " + lane.server_version);
    report_.lanes.push_back(std::move(lane));
  }
  if (reads_only()) traffic_.Guard(std::move(hidden));
  if (servers_.size() < 3) {
    report_.notes.push_back(
        "No control: what two equal servers would disagree on by chance is not known; --control "
        "names a third server, equal to the baseline, that tells.");
  }
  return watch_.Check();
}

Status ServerComparison::Choose() {
  if (request_.budget_us == 0) return {};
  BudgetOptions options;
  options.budget_us = request_.budget_us;
  options.seed = request_.seed;
  options.speed = request_.replay.speed;
  options.lanes = servers_.size();
  options.latency = request_.policy.latency;
  SCRY_TRY_ASSIGN(TrafficBudget budget,
                  TrafficBudget::Choose(options, request_.captures, traffic_, watch_, progress_));
  comparison_.Limit(std::move(budget));
  return {};
}

// Asked again before each replay: the mark may be gone.
Result<std::vector<replay::LaneTarget>> ServerComparison::Lanes() const {
  std::vector<replay::LaneTarget> lanes;
  for (const Server& server : servers_) {
    SCRY_TRY(AdmitTarget(server.info, reads_only()));
    lanes.push_back({server.lane, server.info});
  }
  return lanes;
}

void ServerComparison::FillNextSteps() {
  const std::string capture = CommandText({request_.captures.front()});
  report_.next_steps.push_back({report_.exit_status == kExitInconclusive
                                    ? "see what the capture holds"
                                    : "see what was tested",
                                "scry log top " + capture});
}

Result<report::Report> ServerComparison::Go() {
  SCRY_TRY(Admit());
  SCRY_TRY(Choose());
  const Status surveyed = comparison_.Survey();
  if (!surveyed.ok()) return traffic_.WithWindow(surveyed.error());
  SCRY_TRY(comparison_.LookAtCatalogs([&] { return Lanes(); }, /*copies=*/false));
  SCRY_TRY(comparison_.Run([&] { return Lanes(); }));
  report_.tool_version = SCRY_VERSION;
  report_.created_us = base::SystemClock().WallUs();
  report_.exit_status = comparison_.ExitStatus();
  comparison_.FillTested();
  for (size_t lane = 0; lane < report_.lanes.size(); ++lane) {
    report_.lanes[lane].busy_us = comparison_.BusyUs(lane);
  }
  FillNextSteps();
  return report_;
}

}  // namespace

Result<report::Report> RunServerComparison(const ServerComparisonRequest& request,
                                           Progress& progress,
                                           const std::function<bool()>& should_stop) {
  SCRY_TRY_ASSIGN(std::vector<Server> servers, ResolveServers(request));
  SCRY_TRY_ASSIGN(SelectedTraffic traffic,
                  SelectedTraffic::Make(request.selection, request.captures));
  ServerComparison comparison(request, progress, should_stop, std::move(traffic),
                              std::move(servers));
  return comparison.Go();
}

}  // namespace scry::job
