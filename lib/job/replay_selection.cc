#include "job/replay_selection.h"

#include <fmt/format.h>

#include <algorithm>
#include <utility>

#include "base/check.h"
#include "base/units.h"
#include "querylog/log_reader.h"
#include "replay/read_guard.h"

namespace scry::job {
namespace {

using base::Fail;
using base::Micros;
using base::Result;

base::Error BadMoment(const std::string& flag, const std::string& text) {
  return Fail(base::ErrorCode::kUsage,
              fmt::format("{} '{}' is no moment; write 10m (since the capture's start) or "
                          "2026-11-20T13:17:05Z",
                          flag, base::Printable(text, 60)));
}

// Since the capture's start.
Result<Micros> MomentIn(const querylog::LogReader& log, const std::string& flag,
                        const std::string& text, bool alone) {
  if (const auto wall = base::ParseWall(text)) return *wall - log.manifest().started_wall_us;
  const auto offset = base::ParseDuration(text);
  if (!offset.ok()) return BadMoment(flag, text);
  if (!alone) {
    return Fail(base::ErrorCode::kUsage,
                flag + " counts from a capture's start: give one capture, or a wall time");
  }
  return *offset;
}

// The latest moment a capture tells of. One that was not sealed has to be read for that.
Result<Micros> EndOf(querylog::LogReader& log) {
  if (log.manifest().sealed) return log.manifest().totals.last_us;
  Micros last_us = 0;
  for (;;) {
    SCRY_TRY_ASSIGN(const std::optional<event::Event> event, log.Next());
    if (!event) return last_us;
    last_us = std::max(last_us, event::TimeOf(*event));
  }
}

}  // namespace

// A capture and the filter over it.
class SelectedTraffic::Source final : public event::EventSource {
 public:
  Source(querylog::LogReader log, std::optional<replay::HiddenWrites> hidden, Capture& capture)
      : log_(std::move(log)),
        whole_(log_),
        guard_(facts_, std::move(hidden).value_or(replay::HiddenWrites())),
        filter_(whole_, capture.options, facts_, &guard_),
        selected_(filter_),
        capture_(capture) {}

  Result<bool> Read(event::Event& event) override {
    auto more = selected_.Read(event);
    if (more.ok() && !*more) NoteEnd();
    return more;
  }
  double ShareRead() const override { return log_.ShareRead(); }

 private:
  void NoteEnd() {
    capture_.stats = filter_.stats();
    capture_.whole = whole_.survey();
    capture_.selected = selected_.survey();
    for (CaptureSurvey* survey : {&capture_.whole, &capture_.selected}) {
      survey->facts.name = log_.directory();
      survey->facts.started_us = log_.manifest().started_wall_us;
    }
  }

  querylog::LogReader log_;
  SurveyedSource whole_;
  event::FactsCache facts_;
  replay::ReadGuard guard_;
  replay::TrafficFilter filter_;
  SurveyedSource selected_;
  Capture& capture_;
};

Result<SelectedTraffic> SelectedTraffic::Make(const ReplaySelection& selection,
                                              const std::vector<std::string>& captures) {
  SelectedTraffic traffic;
  if (!selection.last.empty() && (!selection.from.empty() || !selection.to.empty())) {
    return Fail(base::ErrorCode::kUsage, "--last goes without --from and --to");
  }
  const bool alone = captures.size() == 1;
  for (const std::string& directory : captures) {
    SCRY_TRY_ASSIGN(querylog::LogReader log, querylog::LogReader::Open(directory));
    replay::TrafficFilterOptions options = selection.filter;
    if (!selection.from.empty()) {
      SCRY_TRY_ASSIGN(options.from_us, MomentIn(log, "--from", selection.from, alone));
    }
    if (!selection.to.empty()) {
      SCRY_TRY_ASSIGN(options.to_us, MomentIn(log, "--to", selection.to, alone));
    }
    if (!selection.last.empty()) {
      SCRY_TRY_ASSIGN(const Micros length, base::ParseDuration(selection.last));
      SCRY_TRY_ASSIGN(const Micros end, EndOf(log));
      options.from_us = end - length;
    }
    if (options.from_us && options.to_us && *options.from_us >= *options.to_us) {
      return Fail(base::ErrorCode::kUsage, "--from is not before --to");
    }
    if (!traffic.captures_.emplace(directory, Capture{std::move(options), {}, {}, {}}).second) {
      return Fail(base::ErrorCode::kUsage,
                  "the capture " + base::Printable(directory) + " is given twice");
    }
  }
  return traffic;
}

void SelectedTraffic::LimitTo(const std::string& directory, std::vector<uint64_t> sessions) {
  const auto found = captures_.find(directory);
  SCRY_CHECK(found != captures_.end());
  std::vector<uint64_t>& kept = sessions_[directory];
  kept = std::move(sessions);
  found->second.options.sessions = &kept;
}

void SelectedTraffic::Cut(const std::string& directory, Micros length_us) {
  const auto found = captures_.find(directory);
  SCRY_CHECK(found != captures_.end());
  replay::TrafficFilterOptions& options = found->second.options;
  const Micros end_us = std::max<Micros>(options.from_us.value_or(0), 0) + length_us;
  options.to_us = std::min(end_us, options.to_us.value_or(end_us));
}

SelectedTraffic SelectedTraffic::Part(uint64_t part, uint64_t parts) const {
  SelectedTraffic traffic = *this;
  for (auto& [directory, capture] : traffic.captures_) {
    capture.options.part = part;
    capture.options.parts = parts;
    const auto limited = traffic.sessions_.find(directory);
    if (limited != traffic.sessions_.end()) capture.options.sessions = &limited->second;
  }
  return traffic;
}

Result<std::unique_ptr<event::EventSource>> SelectedTraffic::Open(const std::string& directory) {
  const auto found = captures_.find(directory);
  SCRY_CHECK(found != captures_.end());
  SCRY_CHECK(hidden_.has_value() || !found->second.options.reads_only);
  SCRY_TRY_ASSIGN(querylog::LogReader log, querylog::LogReader::Open(directory));
  return std::unique_ptr<event::EventSource>(
      std::make_unique<Source>(std::move(log), hidden_, found->second));
}

Result<std::vector<std::string>> SelectedTraffic::Databases(
    const std::vector<std::string>& captures) {
  std::set<std::string> names;
  for (const std::string& directory : captures) {
    const auto found = captures_.find(directory);
    SCRY_CHECK(found != captures_.end());
    SCRY_TRY(AddDatabases(directory, found->second, names));
  }
  return std::vector<std::string>(names.begin(), names.end());
}

base::Status SelectedTraffic::AddDatabases(const std::string& directory, const Capture& capture,
                                           std::set<std::string>& names) const {
  querylog::ReadOptions read;
  // Which sessions reach into a window is told by everything that happens before it.
  read.only_starts = !capture.options.from_us;
  SCRY_TRY_ASSIGN(querylog::LogReader log, querylog::LogReader::Open(directory, std::move(read)));
  replay::TrafficFilterOptions options = capture.options;
  options.reads_only = false;  // Whether exchanges stay does not matter here.
  event::FactsCache facts;
  replay::TrafficFilter filter(log, options, facts, nullptr);
  for (;;) {
    SCRY_TRY_ASSIGN(const std::optional<event::Event> event, filter.Next());
    if (!event) return {};
    const auto* start = std::get_if<event::SessionStart>(&*event);
    if (start == nullptr) continue;
    names.insert(std::string(replay::DatabaseOf(*start)));
    if (names.size() > kDatabasesMax) {
      return Fail(base::ErrorCode::kUsage,
                  fmt::format("the capture holds sessions of more than {} databases; choose some "
                              "with --database",
                              kDatabasesMax));
    }
  }
}

base::Error SelectedTraffic::WithWindow(base::Error error) const {
  if (error.code != base::ErrorCode::kInconclusive) return error;
  Micros longest_us = 0;
  bool windowed = false;
  uint64_t statements = 0;
  for (const auto& [directory, capture] : captures_) {
    windowed = windowed || capture.options.from_us || capture.options.to_us;
    longest_us = std::max(longest_us, capture.whole.facts.duration_us);
    statements += capture.whole.facts.statements;
  }
  if (!windowed || statements == 0) return error;
  return Fail(error.code,
              fmt::format("no statements of the capture are between --from and --to, or in --last; "
                          "it lasted {}",
                          base::FormatDuration(longest_us)));
}

replay::TrafficFilterStats SelectedTraffic::Stats() const {
  replay::TrafficFilterStats sum;
  for (const auto& [directory, capture] : captures_) sum.Add(capture.stats);
  return sum;
}

const CaptureSurvey& SelectedTraffic::Whole(const std::string& directory) const {
  const auto found = captures_.find(directory);
  SCRY_CHECK(found != captures_.end());
  return found->second.whole;
}

const CaptureSurvey& SelectedTraffic::Selected(const std::string& directory) const {
  const auto found = captures_.find(directory);
  SCRY_CHECK(found != captures_.end());
  return found->second.selected;
}

}  // namespace scry::job
