#include "job/load_replay_job.h"

#include <fmt/format.h>

#include <algorithm>
#include <utility>

#include "base/units.h"
#include "job/capture_survey.h"
#include "job/load_parts.h"
#include "job/replay_target.h"
#include "job/report_files.h"
#include "job/run_watch.h"
#include "os/affinity.h"
#include "os/file.h"
#include "replay/stall.h"
#include "report/load_json.h"
#include "report/load_table.h"
#include "report/load_text.h"

namespace scry::job {
namespace {

using base::Fail;
using base::Result;
using base::Status;

const char* NameOf(replay::SyncMode sync) {
  switch (sync) {
    case replay::SyncMode::kCommit:
      return "commit";
    case replay::SyncMode::kTime:
      return "time";
    case replay::SyncMode::kNone:
      return "none";
  }
  return "";
}

// Each session goes on as soon as it was answered.
bool IsFree(const replay::ReplayOptions& replay) {
  return replay.sync == replay::SyncMode::kNone && replay.speed <= 0 && replay.connect_speed <= 0;
}

Status CheckFreedom(const LoadReplayRequest& request) {
  if (IsFree(request.replay)) return {};
  if (request.jobs > 1) {
    return Fail(base::ErrorCode::kUsage,
                "several --jobs keep no order and no pace between sessions: they go with "
                "--speed max --sync none");
  }
  if (request.pipeline > 1) {
    return Fail(base::ErrorCode::kUsage,
                "a --pipeline waits for nobody else's commits and for no pace: it goes with "
                "--speed max --sync none");
  }
  return {};
}

// More than one only where nothing but the server is to set the pace, unless the user says so.
size_t PipelineOf(const LoadReplayRequest& request) {
  constexpr size_t kUsual = 8;
  if (request.pipeline > 0) return request.pipeline;
  return IsFree(request.replay) ? kUsual : 1;
}

// So many threads. Several only where sessions need to know nothing of each other, unless the user
// says so: without an order, without a pace, and of reads alone, since ids that one session makes
// and another uses are known to one thread.
size_t JobsOf(const LoadReplayRequest& request, size_t cpus) {
  // Each reads the capture for itself, which more of them repay less.
  constexpr size_t kUsualMax = 8;
  // A statement costs a server several times what it costs a thread that need not wait for it.
  constexpr size_t kCpusPerThread = 4;
  if (request.jobs > 0) return request.jobs;
  if (!IsFree(request.replay) || !request.selection.filter.reads_only) return 1;
  const size_t threads = PipelineOf(request) > 1 ? cpus / kCpusPerThread : cpus;
  return std::clamp<size_t>(threads, 1, kUsualMax);
}

replay::ReplayOptions OptionsOf(const LoadReplayRequest& request) {
  replay::ReplayOptions options = request.replay;
  options.pipeline = PipelineOf(request);
  return options;
}

// Its own connection is closed again: the threads may want it.
Result<size_t> RoomOn(const pg::ConnInfo& target) {
  SCRY_TRY_ASSIGN(replay::StallProbe probe, replay::StallProbe::Open({target}));
  return probe.RoomForSessions();
}

class LoadReplay {
 public:
  LoadReplay(const LoadReplayRequest& request, Progress& progress,
             const std::function<bool()>& should_stop, SelectedTraffic traffic, pg::ConnInfo target)
      : request_(request),
        progress_(progress),
        options_(OptionsOf(request)),
        watch_(request.timeout_us, should_stop),
        traffic_(std::move(traffic)),
        target_(std::move(target)),
        table_(facts_) {}

  Result<report::LoadReport> Go();

 private:
  bool reads_only() const { return request_.selection.filter.reads_only; }
  Status Admit();
  Status ReplayCaptures();
  Status CheckReplayed() const;
  void FillSettings();
  void FillTotals();

  const LoadReplayRequest& request_;
  Progress& progress_;
  const replay::ReplayOptions options_;
  const RunWatch watch_;
  SelectedTraffic traffic_;
  pg::ConnInfo target_;

  CaptureSurvey survey_;  // Of what is selected.
  event::FactsCache facts_;
  report::LoadTable table_;
  replay::ReplayStats stats_;
  replay::TrafficFilterStats filtered_;
  report::LoadReport report_;
};

// Before anything is sent that could change something.
Status LoadReplay::Admit() {
  progress_.Step("look at " + target_.Display());
  SCRY_TRY(RefuseSources(target_, request_.sources, reads_only()));
  SCRY_TRY_ASSIGN(const std::vector<std::string> databases, traffic_.Databases(request_.captures));
  SCRY_TRY(ChooseDatabase(databases, target_));
  SCRY_TRY_ASSIGN(report_.server_version, ServerVersion(target_));
  SCRY_TRY(AdmitTarget(target_, reads_only()));
  if (reads_only()) {
    SCRY_TRY_ASSIGN(replay::HiddenWrites hidden, HiddenWritesOf(target_, databases));
    traffic_.Guard(std::move(hidden));
  }
  report_.target = target_.Display();
  progress_.Done("PostgreSQL " + report_.server_version);
  return watch_.Check();
}

// How much there was to replay is counted on the way: a capture is read once by each thread.
Status LoadReplay::ReplayCaptures() {
  SCRY_TRY_ASSIGN(const size_t room, RoomOn(target_));
  LoadParts parts(traffic_, options_, JobsOf(request_, os::UsableCpus().size()), room);
  for (const std::string& directory : request_.captures) {
    progress_.Step("replay on " + target_.Display() +
                   (parts.threads() > 1 ? fmt::format(" by {} threads", parts.threads()) : ""));
    SCRY_TRY_ASSIGN(const replay::ReplayStats stats,
                    parts.Replay(directory, target_, watch_, progress_));
    stats_.Add(stats);
    report_.captures.push_back(parts.Whole(directory).facts);
    survey_.Add(parts.Selected(directory));
  }
  filtered_ = parts.Filtered();
  parts.AddTo(table_);
  return {};
}

Status LoadReplay::CheckReplayed() const {
  // A shard of a small capture may be empty, and its report is wanted all the same.
  if (survey_.facts.statements == 0 && request_.selection.filter.shards == 1) {
    return Fail(base::ErrorCode::kInconclusive,
                request_.filters.empty()
                    ? "the capture holds no statements; capture some traffic first: scry capture "
                      "--help"
                    : "nothing of the capture is left to replay with these filters; 'scry log top' "
                      "shows the patterns it holds");
  }
  if (stats_.sessions > 0 || stats_.exclusion_reasons.empty()) return {};
  return Fail(base::ErrorCode::kInconclusive,
              fmt::format("no session could be replayed: {}",
                          base::OneLine(stats_.exclusion_reasons.begin()->first)));
}

void LoadReplay::FillSettings() {
  const replay::TrafficFilterOptions& filter = request_.selection.filter;
  report_.settings.speed = options_.speed;
  report_.settings.connect_speed = options_.connect_speed;
  report_.settings.sync = NameOf(options_.sync);
  report_.settings.pipeline = options_.pipeline;
  report_.settings.multiply = filter.multiply;
  report_.settings.reads_only = filter.reads_only;
  report_.settings.filters = request_.filters;
  if (filter.shards > 1) report_.shards = {fmt::format("{}/{}", filter.shard, filter.shards)};
}

void LoadReplay::FillTotals() {
  report::LoadTotals& totals = report_.totals;
  totals.sessions = stats_.sessions;
  totals.sessions_excluded = stats_.sessions_excluded;
  totals.sessions_filtered = filtered_.sessions_filtered;
  totals.exchanges = stats_.exchanges;
  totals.exchanges_excluded = stats_.exchanges_excluded;
  totals.exchanges_filtered = filtered_.exchanges_filtered;
  totals.exchanges_refused = filtered_.exchanges_refused;
  totals.statements = table_.statements();
  totals.gaps = stats_.gaps;
  totals.gap_exchanges = stats_.gap_exchanges;
  totals.stalls_released = stats_.stalls_broken;
  totals.cancelled = stats_.cancelled;
  totals.races_withdrawn = stats_.races_withdrawn;
  totals.duration_us = stats_.duration_us;
  totals.order_wait_us = stats_.order_wait_us;
  totals.tool_wait_us = stats_.tool_wait_us;
  totals.server_wait_us = stats_.server_wait_us;
  totals.lag = stats_.lag;
  for (const auto& [reason, count] : stats_.exclusion_reasons) {
    report_.excluded[base::Printable(base::OneLine(reason), 200)] += count;
  }
}

Result<report::LoadReport> LoadReplay::Go() {
  SCRY_TRY(Admit());
  SCRY_TRY(ReplayCaptures());
  SCRY_TRY(CheckReplayed());
  report_.tool_version = SCRY_VERSION;
  report_.created_us = base::SystemClock().WallUs();
  FillSettings();
  FillTotals();
  table_.Fill(report_);
  return report_;
}

}  // namespace

Result<report::LoadReport> RunLoadReplay(const LoadReplayRequest& request, Progress& progress,
                                         const std::function<bool()>& should_stop) {
  SCRY_TRY(CheckFreedom(request));
  SCRY_TRY_ASSIGN(pg::ConnInfo target, ResolveTarget(request.target));
  SCRY_TRY_ASSIGN(SelectedTraffic traffic,
                  SelectedTraffic::Make(request.selection, request.captures));
  LoadReplay replay(request, progress, should_stop, std::move(traffic), std::move(target));
  return replay.Go();
}

Status WriteLoadReportFiles(const report::LoadReport& report, const std::string& directory) {
  os::FileSystem& files = os::RealFileSystem();
  SCRY_TRY(MakeReportFolder(directory));
  SCRY_TRY(os::ReplaceFile(files, directory + "/report.json", report::WriteLoadJson(report)));
  report::LoadTextOptions options;
  options.top = 0;
  return os::ReplaceFile(files, directory + "/report.txt", report::WriteLoadText(report, options));
}

}  // namespace scry::job
