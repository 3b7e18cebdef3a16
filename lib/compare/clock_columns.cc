#include "compare/clock_columns.h"

#include <algorithm>
#include <charconv>
#include <chrono>
#include <cstdlib>
#include <optional>
#include <string_view>
#include <vector>

#include "base/bytes.h"
#include "compare/row_grid.h"

namespace scry::compare {
namespace {

using base::Micros;
using event::LaneOutcome;

constexpr uint32_t kDateOid = 1082;
constexpr uint32_t kTimestampOid = 1114;
constexpr uint32_t kTimestampTzOid = 1184;
constexpr Micros kSecondUs = 1000 * 1000;
constexpr Micros kDayUs = 24 * 3600 * kSecondUs;

// Since 2000-01-01, as PostgreSQL counts.
struct Moment {
  Micros written_us = 0;  // By the calendar and clock that a client reads.
  Micros instant_us = 0;  // Less the zone; without one the same.
};

// Takes "-?digits" and what follows it off the front.
std::optional<int> TakeNumber(std::string_view& text, size_t digits_min, size_t digits_max,
                              char before) {
  if (before != 0) {
    if (text.empty() || text.front() != before) return std::nullopt;
    text.remove_prefix(1);
  }
  int number = 0;
  const char* end = text.data() + std::min(text.size(), digits_max);
  const auto [rest, error] = std::from_chars(text.data(), end, number);
  const auto taken = static_cast<size_t>(rest - text.data());
  if (error != std::errc() || taken < digits_min || number < 0) return std::nullopt;
  text.remove_prefix(taken);
  return number;
}

std::optional<Micros> TakeDate(std::string_view& text) {
  const auto year = TakeNumber(text, 4, 5, 0);
  const auto month = year ? TakeNumber(text, 2, 2, '-') : std::nullopt;
  const auto day = month ? TakeNumber(text, 2, 2, '-') : std::nullopt;
  if (!day || *year > static_cast<int>(std::chrono::year::max())) return std::nullopt;
  const std::chrono::year_month_day date(std::chrono::year(*year),
                                         std::chrono::month(static_cast<unsigned>(*month)),
                                         std::chrono::day(static_cast<unsigned>(*day)));
  if (!date.ok()) return std::nullopt;
  using std::chrono::sys_days;
  const auto since = sys_days(date) - sys_days(std::chrono::year(2000) / 1 / 1);
  return since.count() * kDayUs;
}

std::optional<Micros> TakeClock(std::string_view& text) {
  const auto hour = TakeNumber(text, 2, 2, 0);
  const auto minute = hour ? TakeNumber(text, 2, 2, ':') : std::nullopt;
  const auto second = minute ? TakeNumber(text, 2, 2, ':') : std::nullopt;
  if (!second) return std::nullopt;
  Micros micros = 0;
  if (text.starts_with('.')) {
    constexpr size_t kDigitsMax = 6;
    text.remove_prefix(1);
    const size_t before = text.size();
    const auto fraction = TakeNumber(text, 1, kDigitsMax, 0);
    if (!fraction) return std::nullopt;
    micros = *fraction;
    for (size_t digits = before - text.size(); digits < kDigitsMax; ++digits) micros *= 10;
  }
  return ((*hour * 60 + *minute) * 60 + *second) * kSecondUs + micros;
}

// "+05:30": to be taken off what is written.
std::optional<Micros> TakeZone(std::string_view& text) {
  if (text.empty() || (text.front() != '+' && text.front() != '-')) return std::nullopt;
  const int sign = text.front() == '-' ? -1 : 1;
  const auto hours = TakeNumber(text, 2, 2, text.front());
  if (!hours) return std::nullopt;
  int seconds = *hours * 3600;
  for (const int unit : {60, 1}) {
    if (!text.starts_with(':')) break;
    const auto part = TakeNumber(text, 2, 2, ':');
    if (!part) return std::nullopt;
    seconds += *part * unit;
  }
  return sign * seconds * kSecondUs;
}

std::optional<Moment> ReadText(uint32_t type_oid, std::string_view text) {
  const auto date = TakeDate(text);
  if (!date) return std::nullopt;
  Moment moment{*date, *date};
  if (type_oid == kDateOid) return text.empty() ? std::optional(moment) : std::nullopt;
  if (!text.starts_with(' ')) return std::nullopt;
  text.remove_prefix(1);
  const auto clock = TakeClock(text);
  if (!clock) return std::nullopt;
  moment.written_us = moment.instant_us = *date + *clock;
  if (type_oid == kTimestampTzOid) {
    const auto zone = TakeZone(text);
    if (!zone) return std::nullopt;
    moment.instant_us -= *zone;
  }
  return text.empty() ? std::optional(moment) : std::nullopt;
}

std::optional<Moment> ReadBinary(uint32_t type_oid, std::string_view bytes) {
  // Far from what is infinite, so that sums hold.
  constexpr int64_t kUsMax = INT64_MAX / 4;
  base::ByteReader in(bytes);
  int64_t micros = 0;
  if (type_oid == kDateOid) {
    const auto days = static_cast<int32_t>(in.BigU32());
    if (days > kUsMax / kDayUs || days < -kUsMax / kDayUs) return std::nullopt;  // Or infinite.
    micros = days * kDayUs;
  } else {
    const uint64_t high = in.BigU32();
    micros = static_cast<int64_t>(high << 32U | in.BigU32());
  }
  if (!in.ok() || in.left() > 0 || micros > kUsMax || micros < -kUsMax) return std::nullopt;
  return Moment{micros, micros};
}

std::optional<Moment> Read(const event::Column& column, const Cell& cell) {
  return column.format == 0 ? ReadText(column.type_oid, cell.bytes)
                            : ReadBinary(column.type_oid, cell.bytes);
}

// The moments of one column of one lane, in order.
struct Moments {
  std::vector<Micros> written_us;
  std::vector<Micros> instant_us;
};

std::optional<Moments> MomentsOf(const LaneOutcome& lane, const RowGrid& grid, size_t index) {
  if (index >= lane.columns.size() || (grid.rows() > 0 && index >= grid.width())) {
    return std::nullopt;
  }
  const event::Column& column = lane.columns[index];
  if (!HoldsMoments(column.type_oid)) return std::nullopt;
  Moments moments;
  for (size_t row = 0; row < grid.rows(); ++row) {
    const Cell& cell = grid.At(row, index);
    if (cell.null) continue;
    const auto moment = Read(column, cell);
    if (!moment) return std::nullopt;
    moments.written_us.push_back(moment->written_us);
    moments.instant_us.push_back(moment->instant_us);
  }
  std::sort(moments.written_us.begin(), moments.written_us.end());
  std::sort(moments.instant_us.begin(), moments.instant_us.end());
  return moments;
}

// In order, no other way to pair them keeps them closer together.
bool Near(const std::vector<Micros>& a, const std::vector<Micros>& b, Micros tolerance_us) {
  return std::equal(a.begin(), a.end(), b.begin(), b.end(), [&](Micros one, Micros other) {
    return std::abs(one - other) <= tolerance_us;
  });
}

bool Near(const Moments& a, const Moments& b, Micros tolerance_us) {
  return Near(a.written_us, b.written_us, tolerance_us) &&
         Near(a.instant_us, b.instant_us, tolerance_us);
}

// The baseline's column on another lane.
std::optional<size_t> PlaceOn(const LaneOutcome& baseline, const LaneOutcome& lane, size_t index) {
  for (const auto& [from, to] : MatchColumns(baseline.columns, lane.columns).common) {
    if (from == index) return to;
  }
  return std::nullopt;
}

std::vector<size_t> ClocksAmong(const LaneOutcome& baseline, ColumnBits suspects) {
  const size_t width = std::min(baseline.columns.size(), kColumnBits - 1);
  std::vector<size_t> columns;
  for (size_t index = 0; index < width; ++index) {
    const bool suspect = (suspects >> index & 1U) != 0;
    if (suspect && HoldsMoments(baseline.columns[index].type_oid)) columns.push_back(index);
  }
  return columns;
}

// Of all lanes; empty where one kept not all of them.
std::vector<RowGrid> GridsOf(const event::StatementPair& pair) {
  std::vector<RowGrid> grids;
  for (const LaneOutcome& lane : pair.lanes) {
    auto grid = RowGrid::Parse(lane);
    if (!grid || !grid->complete()) return {};
    grids.push_back(std::move(*grid));
  }
  return grids;
}

// One entry for each of `grids`; empty where those of a lane cannot be read.
std::vector<Moments> MomentsOfAll(const event::StatementPair& pair,
                                  const std::vector<RowGrid>& grids, size_t index) {
  std::vector<Moments> lanes;
  for (size_t lane = 0; lane < grids.size(); ++lane) {
    const auto place = PlaceOn(pair.lanes[0], pair.lanes[lane], index);
    auto moments = place ? MomentsOf(pair.lanes[lane], grids[lane], *place) : std::nullopt;
    if (!moments) return {};
    lanes.push_back(std::move(*moments));
  }
  return lanes;
}

// Midnight may lie between two lanes.
Micros Reach(const event::Column& column, Micros tolerance_us) {
  return tolerance_us + (column.type_oid == kDateOid ? kDayUs : 0);
}

// From when on a value may have been written during the run. Zones are up to 15 hours off, and a
// type may round.
Micros WrittenFrom(const event::Column& column, const LaneOutcome& lane) {
  constexpr Micros kZoneUs = 15 * 3600 * kSecondUs;
  const Micros from_us = lane.run_began_us - kSecondUs;
  if (column.type_oid == kTimestampTzOid) return from_us;
  return from_us - kZoneUs - (column.type_oid == kDateOid ? kDayUs : 0);
}

bool WrittenInRun(const event::StatementPair& pair, const std::vector<Moments>& lanes,
                  const event::Column& column) {
  const auto& before = lanes[0].instant_us;
  const auto& after = lanes[1].instant_us;
  const Micros from_us = WrittenFrom(column, pair.lanes[0]);
  const Micros candidate_from_us = WrittenFrom(column, pair.lanes[1]);
  for (size_t i = 0; i < std::min(before.size(), after.size()); ++i) {
    if (before[i] == after[i]) continue;
    if (before[i] < from_us || after[i] < candidate_from_us) return false;
  }
  return true;
}

}  // namespace

bool HoldsMoments(uint32_t type_oid) {
  return type_oid == kDateOid || type_oid == kTimestampOid || type_oid == kTimestampTzOid;
}

ColumnBits ShiftedClockColumns(const event::StatementPair& pair, ColumnBits suspects,
                               Micros tolerance_us) {
  const LaneOutcome& baseline = pair.lanes[0];
  const std::vector<size_t> columns = ClocksAmong(baseline, suspects);
  if (columns.empty()) return 0;
  const std::vector<RowGrid> grids = GridsOf(pair);
  if (grids.empty()) return 0;
  ColumnBits shifted = 0;
  for (const size_t index : columns) {
    const std::vector<Moments> lanes = MomentsOfAll(pair, grids, index);
    if (lanes.empty()) continue;
    const Micros near_us = Reach(baseline.columns[index], tolerance_us);
    if (Near(lanes[0], lanes[2], near_us) && !Near(lanes[0], lanes[1], near_us)) {
      shifted |= ColumnBits{1} << index;
    }
  }
  return shifted;
}

std::optional<Micros> MomentOf(const event::Column& column, const Cell& cell) {
  if (cell.null || !HoldsMoments(column.type_oid)) return std::nullopt;
  const auto moment = Read(column, cell);
  return moment ? std::optional(moment->instant_us) : std::nullopt;
}

RunClocks ClocksOfRun(const event::StatementPair& pair, ColumnBits suspects, Micros tolerance_us) {
  RunClocks clocks;
  const LaneOutcome& baseline = pair.lanes[0];
  const std::vector<size_t> columns = ClocksAmong(baseline, suspects);
  if (columns.empty()) return clocks;
  const std::vector<RowGrid> grids = GridsOf(pair);
  const bool known = baseline.run_began_us != 0 && pair.lanes[1].run_began_us != 0;
  for (const size_t index : columns) {
    const ColumnBits bit = ColumnBits{1} << index;
    const event::Column& column = baseline.columns[index];
    const auto place = PlaceOn(baseline, pair.lanes[1], index);
    // Another type is what the change made.
    if (!place || pair.lanes[1].columns[*place].type_oid != column.type_oid) continue;
    const std::vector<Moments> lanes = MomentsOfAll(pair, grids, index);
    if (lanes.empty()) {
      clocks.unsure |= bit;
    } else if (Near(lanes[0], lanes[1], Reach(column, tolerance_us))) {
      if (!known) clocks.unsure |= bit;
      if (known && WrittenInRun(pair, lanes, column)) clocks.explained |= bit;
    }
  }
  return clocks;
}

}  // namespace scry::compare
