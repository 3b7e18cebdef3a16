// A capture replayed as load by several threads, each with every n-th of its sessions: one thread
// is less than a server of several CPUs can take. The threads share nothing but the server; each
// reads the whole capture for itself, so that a session that waits holds up none of another thread.
// Used from one thread.
#pragma once

#include <condition_variable>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <mutex>
#include <string>
#include <vector>

#include "base/result.h"
#include "job/capture_survey.h"
#include "job/progress.h"
#include "job/replay_selection.h"
#include "job/run_watch.h"
#include "pg/conninfo.h"
#include "replay/options.h"
#include "replay/traffic_filter.h"
#include "report/load_table.h"

namespace scry::job {

class LoadParts {
 public:
  static constexpr size_t kJobsMax = 64;

  // `jobs`: threads at most, as the server has `room` for so many connections. `options` are those
  // of the whole. REQUIRES: 1 <= jobs <= kJobsMax, and a guard in `traffic`.
  LoadParts(const SelectedTraffic& traffic, const replay::ReplayOptions& options, size_t jobs,
            size_t room);
  ~LoadParts();
  LoadParts(const LoadParts&) = delete;
  LoadParts& operator=(const LoadParts&) = delete;

  // Blocks, and shows progress. A part that fails ends the others.
  base::Result<replay::ReplayStats> Replay(const std::string& directory, const pg::ConnInfo& target,
                                           const RunWatch& watch, Progress& progress);

  // Of all that was replayed.
  const CaptureSurvey& Whole(const std::string& directory) const;
  CaptureSurvey Selected(const std::string& directory) const;
  replay::TrafficFilterStats Filtered() const;
  void AddTo(report::LoadTable& table) const;
  size_t threads() const { return parts_.size(); }

 private:
  class Part;
  // How far all are: for progress.
  struct Glance {
    uint64_t statements = 0;
    uint64_t errors_fresh = 0;
    base::Micros duration_us = 0;
    base::Micros lag_us_max = 0;
    double share_read = 1;
    bool over = true;
  };
  // Where the threads of the parts and the one of the caller meet.
  struct Meeting {
    std::mutex mutex;
    std::condition_variable someone_is_over;
  };

  Glance Look() const;  // REQUIRES: the meeting's mutex is held.
  std::string StateOf(const Glance& glance) const;
  void WaitForAll(const RunWatch& watch, Progress& progress);

  const bool paced_;
  Meeting meeting_;
  std::vector<std::unique_ptr<Part>> parts_;
};

}  // namespace scry::job
