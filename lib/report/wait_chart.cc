#include "report/wait_chart.h"

#include <fmt/format.h>

#include <algorithm>
#include <utility>

#include "base/units.h"
#include "report/table.h"

namespace scry::report {
namespace {

constexpr size_t kBarMax = 40;
constexpr size_t kBarMin = 8;
constexpr size_t kGap = 2;
constexpr size_t kLinesMax = 24;

constexpr Micros kTimeMax = Micros{1000} * 86400 * 1000000;

// A report may come from anywhere; sums of its times must not overflow.
bool Sane(const DuringFacts& during) {
  const auto fits = [](Micros us) { return us >= 0 && us <= kTimeMax; };
  return during.step_us > 0 && fits(during.step_us) && fits(during.migration_at_us) &&
         fits(during.span_us) &&
         during.timeline.size() <= static_cast<size_t>(kTimeMax / during.step_us);
}

// Where there are more steps than lines, a line has several: the fullest and the longest of them.
std::vector<WaitStep> Joined(const std::vector<WaitStep>& steps, size_t each) {
  std::vector<WaitStep> joined((steps.size() + each - 1) / each);
  for (size_t i = 0; i < steps.size(); ++i) {
    WaitStep& to = joined[i / each];
    to.blocked = std::max(to.blocked, steps[i].blocked);
    to.wait_us_max = std::max(to.wait_us_max, steps[i].wait_us_max);
  }
  return joined;
}

// The steps worth a line: [first, second).
std::pair<size_t, size_t> Window(const DuringFacts& during) {
  auto first = static_cast<size_t>(during.migration_at_us / during.step_us);
  auto last = static_cast<size_t>((during.migration_at_us + during.span_us) / during.step_us);
  for (size_t i = 0; i < during.timeline.size(); ++i) {
    if (during.timeline[i].blocked == 0) continue;
    first = std::min(first, i);
    last = std::max(last, i);
  }
  first -= first > 0 ? 1 : 0;
  return {first, std::min(last + 2, during.timeline.size())};
}

std::string Bar(uint64_t value, uint64_t most, size_t columns) {
  if (value == 0) return {};
  const double share = static_cast<double>(value) / static_cast<double>(most);
  const auto full = static_cast<size_t>(share * static_cast<double>(columns) + 0.5);
  std::string bar;
  for (size_t i = 0; i < std::max<size_t>(full, 1); ++i) bar += "▇";
  return bar;
}

}  // namespace

std::vector<std::string> WaitChart(const DuringFacts& during, size_t columns_max) {
  if (!Sane(during)) return {};
  const auto [from, until] = Window(during);
  if (from >= until) return {};
  const size_t each = (until - from + kLinesMax - 1) / kLinesMax;
  const std::vector<WaitStep> steps =
      Joined({during.timeline.begin() + static_cast<std::ptrdiff_t>(from),
              during.timeline.begin() + static_cast<std::ptrdiff_t>(until)},
             each);
  uint64_t most = 1;
  for (const WaitStep& step : steps) most = std::max(most, step.blocked);
  Table table({{"second", Align::kRight},
               {"migration", Align::kLeft},
               {"blocked", Align::kRight},
               {"longest wait", Align::kRight}},
              2);
  for (size_t i = 0; i < steps.size(); ++i) {
    const Micros begin_us = static_cast<Micros>(from + i * each) * during.step_us;
    const Micros end_us = begin_us + static_cast<Micros>(each) * during.step_us;
    const bool runs =
        begin_us < during.migration_at_us + during.span_us && during.migration_at_us < end_us;
    const WaitStep& step = steps[i];
    table.AddRow({fmt::format("{}", begin_us / 1000000 + 1), runs ? "runs" : "",
                  base::FormatCount(step.blocked),
                  step.blocked == 0 ? "-" : base::FormatDuration(step.wait_us_max)});
  }
  std::vector<std::string> lines = table.Lines(columns_max);
  size_t width = 0;  // Of all lines, as their last column is on the right.
  for (const std::string& line : lines) width = std::max(width, DisplayWidth(line));
  const size_t room = columns_max > width + kGap ? columns_max - width - kGap : 0;
  for (size_t i = 0; i < steps.size(); ++i) {
    const std::string bar = Bar(steps[i].blocked, most, std::clamp(room, kBarMin, kBarMax));
    if (!bar.empty()) lines[i + 1] += std::string(kGap, ' ') + bar;
  }
  return lines;
}

}  // namespace scry::report
