#include "job/starting_gun.h"

#include <algorithm>
#include <variant>

#include "job/run_watch.h"

namespace scry::job {

using base::Micros;

namespace {

constexpr Micros kPollUs = 5 * 1000;

Micros Now() { return base::SystemClock().MonotonicUs(); }

}  // namespace

base::Result<bool> StartingGun::Read(event::Event& event) {
  auto more = source_.Read(event);
  if (!fired_ && more.ok() && *more) {
    if (const auto* start = std::get_if<event::SessionStart>(&event)) Fire(start->at_us);
  }
  return more;
}

double StartingGun::ShareRead() const {
  const Micros at_us = started_us();
  if (at_us == 0 || expected_us_ <= 0) return -1;
  return std::min(1.0, static_cast<double>(Now() - at_us) / static_cast<double>(expected_us_));
}

Micros StartingGun::started_us() const {
  const std::lock_guard lock(mutex_);
  return at_us_;
}

std::optional<Micros> StartingGun::MomentOf(Micros captured_us) const {
  const std::lock_guard lock(mutex_);
  if (!fired_) return std::nullopt;
  return at_us_ + static_cast<Micros>(static_cast<double>(captured_us - captured_us_) / speed_);
}

std::optional<Micros> StartingGun::AwaitMomentOf(Micros captured_us, const std::stop_token& stop) {
  for (;;) {
    if (const auto moment = MomentOf(captured_us)) return moment;
    if (!SleepUntil(Now() + kPollUs, stop)) return std::nullopt;
  }
}

void StartingGun::Fire(Micros captured_us) {
  const std::lock_guard lock(mutex_);
  if (fired_) return;
  fired_ = true;
  at_us_ = Now();
  captured_us_ = captured_us;
}

}  // namespace scry::job
