#include "base/clock.h"

#include <fmt/format.h>
#include <time.h>

#include <chrono>

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

// Takes an ISO 8601 moment apart from the left.
class WallReader {
 public:
  explicit WallReader(std::string_view text) : rest_(text) {}

  bool done() const { return rest_.empty(); }
  bool ok() const { return ok_; }
  bool Take(char wanted) {
    if (rest_.empty() || rest_[0] != wanted) return false;
    rest_.remove_prefix(1);
    return true;
  }
  void Need(char wanted) { ok_ &= Take(wanted); }
  int Number(size_t digits, int max) {
    if (rest_.size() < digits) {
      ok_ = false;
      return 0;
    }
    int value = 0;
    for (const char c : rest_.substr(0, digits)) {
      ok_ &= c >= '0' && c <= '9';
      value = value * 10 + (c - '0');
    }
    rest_.remove_prefix(digits);
    ok_ &= value <= max;
    return ok_ ? value : 0;
  }
  // What stands behind the point, to the microsecond.
  Micros Fraction() {
    Micros micros = 0;
    Micros unit = 100'000;
    size_t digits = 0;
    for (; !rest_.empty() && rest_[0] >= '0' && rest_[0] <= '9'; ++digits, unit /= 10) {
      micros += unit * (rest_[0] - '0');
      rest_.remove_prefix(1);
    }
    ok_ &= digits > 0;
    return micros;
  }
  // East of UTC.
  Micros ZoneMinutes() {
    if (done() || Take('Z')) return 0;
    const bool west = Take('-');
    if (!west) Need('+');
    const int hours = Number(2, 14);
    (void)Take(':');
    const int minutes = hours * 60 + (done() ? 0 : Number(2, 59));
    return west ? -minutes : minutes;
  }

 private:
  std::string_view rest_;
  bool ok_ = true;
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

std::optional<Micros> ParseWall(std::string_view text) {
  WallReader in(text);
  const int year = in.Number(4, 9999);
  in.Need('-');
  const int month = in.Number(2, 12);
  in.Need('-');
  const int day = in.Number(2, 31);
  Micros micros = 0;
  if (!in.done()) {
    if (!in.Take('T')) in.Need(' ');
    const Micros hours = in.Number(2, 23);
    in.Need(':');
    const Micros minutes = in.Number(2, 59);
    const Micros seconds = in.Take(':') ? in.Number(2, 59) : 0;
    micros = ((hours * 60 + minutes) * 60 + seconds) * 1'000'000;
    if (in.Take('.')) micros += in.Fraction();
    micros -= in.ZoneMinutes() * 60'000'000;
  }
  const std::chrono::year_month_day date{std::chrono::year(year),
                                         std::chrono::month(static_cast<unsigned>(month)),
                                         std::chrono::day(static_cast<unsigned>(day))};
  if (!in.ok() || !in.done() || !date.ok()) return std::nullopt;
  const auto days = std::chrono::sys_days(date).time_since_epoch().count();
  return Micros{days} * 86'400'000'000 + micros;
}

}  // namespace scry::base
