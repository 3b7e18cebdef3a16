#include "base/clock.h"

#include <fmt/format.h>
#include <time.h>

namespace scry::base {
namespace {

Micros Now(clockid_t id) {
  timespec now{};
  clock_gettime(id, &now);
  return static_cast<Micros>(now.tv_sec) * 1000000 + now.tv_nsec / 1000;
}

class RealClock final : public Clock {
 public:
  Micros MonotonicUs() const override { return Now(CLOCK_MONOTONIC); }
  Micros WallUs() const override { return Now(CLOCK_REALTIME); }
};

}  // namespace

const Clock& SystemClock() {
  static const RealClock clock;
  return clock;
}

std::string FormatWall(Micros wall_us) {
  Micros seconds = wall_us / 1000000;
  Micros micros = wall_us % 1000000;
  if (micros < 0) {
    micros += 1000000;
    --seconds;
  }
  const time_t when = static_cast<time_t>(seconds);
  tm parts{};
  if (gmtime_r(&when, &parts) == nullptr) return fmt::format("{}us", wall_us);
  return fmt::format("{:04}-{:02}-{:02} {:02}:{:02}:{:02}.{:06}Z", parts.tm_year + 1900,
                     parts.tm_mon + 1, parts.tm_mday, parts.tm_hour, parts.tm_min, parts.tm_sec,
                     micros);
}

}  // namespace scry::base
