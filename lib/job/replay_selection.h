// Which part of captures is replayed, as the user chose it, and the captures opened that way. Used
// by the jobs behind `scry replay`. One thread.
#pragma once

#include <cstdint>
#include <map>
#include <memory>
#include <optional>
#include <set>
#include <string>
#include <utility>
#include <vector>

#include "base/clock.h"
#include "base/result.h"
#include "event/event_source.h"
#include "event/statement_facts.h"
#include "job/capture_survey.h"
#include "job/capture_traffic.h"
#include "replay/hidden_writes.h"
#include "replay/traffic_filter.h"

namespace scry::job {

struct ReplaySelection {
  replay::TrafficFilterOptions filter;  // But for its window, which is given here:
  std::string from;  // "10m" since the capture's start, or a wall time as base::ParseWall reads it.
  std::string to;
  std::string last;  // "2h" up to the capture's end. Not with the other two.

  bool whole() const { return filter.All() && from.empty() && to.empty() && last.empty(); }
};

class SelectedTraffic {
 public:
  // Works out the window of each capture. kUsage for one that means nothing.
  static base::Result<SelectedTraffic> Make(const ReplaySelection& selection,
                                            const std::vector<std::string>& captures);

  // Databases of the sessions that are replayed, in alphabetical order, as far as sessions alone
  // decide. Reads the captures as far as that takes. kUsage: more than kDatabasesMax.
  static constexpr size_t kDatabasesMax = 100;
  base::Result<std::vector<std::string>> Databases(const std::vector<std::string>& captures);

  // What must not be replayed. REQUIRES: before Open(), if only reads are selected.
  void Guard(replay::HiddenWrites hidden) { hidden_ = std::move(hidden); }

  // From now on only these sessions of it, by their numbers.
  void LimitTo(const std::string& directory, std::vector<uint64_t> sessions);
  // From now on at most so much of it, from where its window begins.
  void Cut(const std::string& directory, base::Micros length_us);

  // This, of every `parts`-th session alone. REQUIRES: after Guard().
  SelectedTraffic Part(uint64_t part, uint64_t parts) const;

  // What the survey of an empty selection failed with, as the window tells it: captures that hold
  // statements hold none in it. Other errors stay. REQUIRES: what was opened was read to its end.
  base::Error WithWindow(base::Error error) const;

  // Outlived by this.
  base::Result<std::unique_ptr<event::EventSource>> Open(const std::string& directory);
  OpenTraffic Opener() {
    return [this](const std::string& directory) { return Open(directory); };
  }

  // Of the captures that were read to their end, each once.
  replay::TrafficFilterStats Stats() const;
  // Of one of them: all that it holds, and what is selected of it.
  const CaptureSurvey& Whole(const std::string& directory) const;
  const CaptureSurvey& Selected(const std::string& directory) const;

 private:
  class Source;
  struct Capture {
    replay::TrafficFilterOptions options;
    // From the end of reading on.
    replay::TrafficFilterStats stats;
    CaptureSurvey whole;
    CaptureSurvey selected;
  };
  base::Status AddDatabases(const std::string& directory, const Capture& capture,
                            std::set<std::string>& names) const;

  std::map<std::string, Capture> captures_;                // By directory.
  std::map<std::string, std::vector<uint64_t>> sessions_;  // Where only some are let through.
  std::optional<replay::HiddenWrites> hidden_;
};

}  // namespace scry::job
