#include "job/load_parts.h"

#include <fmt/format.h>

#include <algorithm>
#include <atomic>
#include <chrono>
#include <thread>
#include <utility>

#include "base/check.h"
#include "base/units.h"
#include "event/event_source.h"
#include "event/statement_facts.h"
#include "os/file.h"
#include "replay/replayer.h"

namespace scry::job {
namespace {

using base::Micros;
using base::Result;
using replay::ReplayStats;

constexpr std::chrono::milliseconds kLookEvery(100);

// Each thread has a connection of its own beside those of its sessions.
constexpr size_t kRoomForOne = 4;
// What this program has open beside sessions, each of which is a socket.
constexpr size_t kFilesReserved = 64;

replay::ReplayOptions ShareOf(const replay::ReplayOptions& whole, size_t jobs, size_t room) {
  replay::ReplayOptions options = whole;
  const size_t files = std::max(os::RaiseDescriptorLimit(), kFilesReserved + 1) - kFilesReserved;
  if (jobs > 1) options.sessions_max = std::max<size_t>(std::min(room, files) / jobs, 2) - 1;
  options.compare = false;
  options.window_bytes /= jobs;
  options.identities_max /= jobs;
  return options;
}

}  // namespace

// What one thread owns, but for its glance, which the meeting's mutex guards.
class LoadParts::Part {
 public:
  Part(SelectedTraffic traffic, const replay::ReplayOptions& options, Meeting& meeting)
      : traffic_(std::move(traffic)), options_(options), meeting_(meeting), table_(facts_) {}

  void Begin(const std::string& directory, const pg::ConnInfo& target) {
    glance_ = Glance();
    glance_.share_read = 0;
    glance_.over = false;
    thread_ = std::thread([this, directory, target] {
      result_ = Replay(directory, target);
      const std::lock_guard lock(meeting_.mutex);
      glance_.over = true;
      meeting_.someone_is_over.notify_one();
    });
  }
  Result<ReplayStats> End() {
    thread_.join();
    return std::move(result_);
  }
  void Stop() { stopped_ = true; }

  bool failed() const { return glance_.over && !result_.ok(); }
  const Glance& glance() const { return glance_; }
  const SelectedTraffic& traffic() const { return traffic_; }
  const report::LoadTable& table() const { return table_; }

 private:
  Result<ReplayStats> Replay(const std::string& directory, const pg::ConnInfo& target) {
    SCRY_TRY_ASSIGN(const std::unique_ptr<event::EventSource> source, traffic_.Open(directory));
    const std::vector<replay::LaneTarget> lanes = {{"target", target}};
    return replay::Replay(lanes, *source, table_, facts_, options_, base::SystemClock(),
                          [&](const ReplayStats& now) {
                            Show(now, source->ShareRead());
                            return !stopped_;
                          });
  }
  void Show(const ReplayStats& now, double share_read) {
    const std::lock_guard lock(meeting_.mutex);
    glance_.statements = now.statements;
    glance_.duration_us = now.duration_us;
    glance_.lag_us_max = now.lag_us_max;
    glance_.errors_fresh = table_.errors_fresh();
    glance_.share_read = share_read;
  }

  SelectedTraffic traffic_;
  const replay::ReplayOptions options_;
  Meeting& meeting_;
  event::FactsCache facts_;
  report::LoadTable table_;
  Glance glance_;
  std::atomic<bool> stopped_ = false;
  std::thread thread_;
  Result<ReplayStats> result_ = ReplayStats();
};

LoadParts::LoadParts(const SelectedTraffic& traffic, const replay::ReplayOptions& options,
                     size_t jobs, size_t room)
    : paced_(options.speed > 0) {
  SCRY_CHECK(jobs >= 1 && jobs <= kJobsMax);
  jobs = std::clamp<size_t>(room / kRoomForOne, 1, jobs);
  for (size_t part = 1; part <= jobs; ++part) {
    parts_.push_back(
        std::make_unique<Part>(traffic.Part(part, jobs), ShareOf(options, jobs, room), meeting_));
  }
}

LoadParts::~LoadParts() = default;

Result<ReplayStats> LoadParts::Replay(const std::string& directory, const pg::ConnInfo& target,
                                      const RunWatch& watch, Progress& progress) {
  for (const auto& part : parts_) part->Begin(directory, target);
  WaitForAll(watch, progress);
  base::Status status;
  ReplayStats stats;
  for (const auto& part : parts_) {
    Result<ReplayStats> one = part->End();
    if (one.ok()) {
      stats.AddBeside(*one);
    } else if (status.ok() || status.error().code == base::ErrorCode::kInterrupted) {
      // Those that were only stopped do not say why.
      status = one.error();
    }
  }
  SCRY_TRY(watch.Check());
  SCRY_TRY(std::move(status));
  Glance done;
  for (const auto& part : parts_) done.errors_fresh += part->table().errors_fresh();
  done.statements = stats.statements;
  done.duration_us = stats.duration_us;
  done.lag_us_max = stats.lag_us_max;
  progress.Done(StateOf(done));
  return stats;
}

void LoadParts::WaitForAll(const RunWatch& watch, Progress& progress) {
  std::unique_lock lock(meeting_.mutex);
  for (Glance glance = Look(); !glance.over; glance = Look()) {
    const bool failed =
        std::any_of(parts_.begin(), parts_.end(), [](const auto& part) { return part->failed(); });
    if (failed || !watch.Check().ok()) {
      for (const auto& part : parts_) part->Stop();
    }
    lock.unlock();
    progress.Update(glance.share_read, StateOf(glance));
    lock.lock();
    if (!Look().over) meeting_.someone_is_over.wait_for(lock, kLookEvery);
  }
}

LoadParts::Glance LoadParts::Look() const {
  Glance all;
  for (const auto& part : parts_) {
    const Glance& one = part->glance();
    all.statements += one.statements;
    all.errors_fresh += one.errors_fresh;
    all.duration_us = std::max(all.duration_us, one.duration_us);
    all.lag_us_max = std::max(all.lag_us_max, one.lag_us_max);
    all.share_read = std::min(all.share_read, one.share_read);
    all.over &= one.over;
  }
  return all;
}

std::string LoadParts::StateOf(const Glance& glance) const {
  std::string text = RateText(glance.statements, glance.duration_us);
  if (paced_) text += fmt::format(", {} behind at most", base::FormatDuration(glance.lag_us_max));
  if (glance.errors_fresh > 0) {
    text += fmt::format(", {} new errors", base::FormatCount(glance.errors_fresh));
  }
  return text;
}

const CaptureSurvey& LoadParts::Whole(const std::string& directory) const {
  return parts_.front()->traffic().Whole(directory);
}

CaptureSurvey LoadParts::Selected(const std::string& directory) const {
  CaptureSurvey survey;
  for (const auto& part : parts_) survey.Add(part->traffic().Selected(directory));
  return survey;
}

replay::TrafficFilterStats LoadParts::Filtered() const {
  replay::TrafficFilterStats stats;
  for (const auto& part : parts_) stats.Add(part->traffic().Stats());
  return stats;
}

void LoadParts::AddTo(report::LoadTable& table) const {
  for (const auto& part : parts_) table.Add(part->table());
}

}  // namespace scry::job
