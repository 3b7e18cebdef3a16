#include "job/run_watch.h"

#include <fmt/format.h>

#include <algorithm>
#include <chrono>
#include <thread>

#include "base/units.h"

namespace scry::job {

using base::Micros;

namespace {

// Towards a moment of monotonic time; false: it has come.
bool SleepSome(Micros at_us) {
  constexpr Micros kStepUs = 20 * 1000;
  const Micros left_us = at_us - base::SystemClock().MonotonicUs();
  if (left_us <= 0) return false;
  std::this_thread::sleep_for(std::chrono::microseconds(std::min(kStepUs, left_us)));
  return true;
}

}  // namespace

RunWatch::RunWatch(Micros timeout_us, const std::function<bool()>& should_stop)
    : timeout_us_(timeout_us),
      should_stop_(should_stop),
      started_us_(base::SystemClock().MonotonicUs()) {}

bool RunWatch::OutOfTime() const {
  return timeout_us_ > 0 && base::SystemClock().MonotonicUs() - started_us_ > timeout_us_;
}

Micros RunWatch::LeftUs() const {
  return std::max<Micros>(1, timeout_us_ - (base::SystemClock().MonotonicUs() - started_us_));
}

base::Status RunWatch::Check() const {
  if (should_stop_()) return base::Fail(base::ErrorCode::kInterrupted, "interrupted");
  if (!OutOfTime()) return {};
  return base::Fail(base::ErrorCode::kTimeout,
                    fmt::format("the time limit of {} ran out", base::FormatDuration(timeout_us_)));
}

std::string RateText(uint64_t statements, Micros duration_us) {
  const double rate =
      static_cast<double>(statements) * 1e6 / static_cast<double>(std::max<Micros>(duration_us, 1));
  return fmt::format("{} statements, {:.0f}/s", base::FormatCount(statements), rate);
}

bool SleepUntil(Micros at_us, const std::stop_token& stop) {
  while (!stop.stop_requested() && SleepSome(at_us)) {
  }
  return !stop.stop_requested();
}

base::Status SleepUntil(Micros at_us, const RunWatch& watch) {
  do {
    SCRY_TRY(watch.Check());
  } while (SleepSome(at_us));
  return {};
}

base::Result<replay::ReplayStats> WatchedReplay(const std::vector<replay::LaneTarget>& lanes,
                                                Traffic traffic, event::PairSink& sink,
                                                event::FactsCache& facts,
                                                const replay::ReplayOptions& options,
                                                const RunWatch& watch, Progress& progress) {
  bool timed_out = false;
  auto stats = replay::Replay(
      lanes, traffic.source, sink, facts, options, base::SystemClock(),
      [&](const replay::ReplayStats& now) {
        const double share = traffic.statements == 0 ? traffic.source.ShareRead()
                                                     : static_cast<double>(now.statements) /
                                                           static_cast<double>(traffic.statements);
        progress.Update(share, RateText(now.statements, now.duration_us));
        timed_out = watch.OutOfTime();
        return !timed_out && !watch.ShouldStop();
      });
  if (!stats.ok() && timed_out) SCRY_TRY(watch.Check());
  return stats;
}

}  // namespace scry::job
