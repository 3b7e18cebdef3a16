#include "report/wording.h"

#include <fmt/format.h>

#include <cmath>
#include <utility>

#include "base/units.h"

namespace scry::report {

using base::FormatCount;
using base::FormatDuration;
using base::Printable;

std::string Count(uint64_t count, std::string_view one, std::string_view many) {
  return fmt::format("{} {}", FormatCount(count), count == 1 ? one : many);
}

std::string Percent(double share) {
  if (!std::isfinite(share) || share <= 0) return "0 %";
  const double percent = share * 100;
  if (percent < 0.1) return "<0.1 %";
  return percent < 10 ? fmt::format("{:.1f} %", percent) : fmt::format("{:.0f} %", percent);
}

std::string Factor(double factor) {
  if (!std::isfinite(factor) || factor <= 0) return "-";
  if (factor >= 100) return fmt::format("{:.0f}x", factor);
  return factor >= 10 ? fmt::format("{:.1f}x", factor) : fmt::format("{:.2f}x", factor);
}

std::string WallSeconds(Micros wall_us) {
  std::string text = base::FormatWall(wall_us);
  const size_t point = text.find('.');
  if (point != std::string::npos) text = text.substr(0, point) + "Z";
  return text;
}

// 99.96 % is not 100 %.
std::string FidelityText(double fidelity) {
  if (!std::isfinite(fidelity)) return "-";
  return fmt::format("{:.4g} %", std::floor(fidelity * 1000) / 10);
}

std::string FidelitySentence(const TestedFacts& tested) {
  std::string text = FidelityText(tested.fidelity) +
                     " of the statements did on the baseline what they did when captured";
  const Losses& lost = tested.fidelity_lost;
  const std::pair<uint64_t, const char*> kinds[] = {{lost.sqlstate, "another SQLSTATE"},
                                                    {lost.rows, "another number of rows"},
                                                    {lost.values, "other values"}};
  const char* lead = "; ";
  for (const auto& [count, what] : kinds) {
    if (count == 0) continue;
    text += fmt::format("{}{} {}", lead, FormatCount(count), what);
    lead = ", ";
  }
  if (tested.fidelity < tested.fidelity_floor) {
    text += fmt::format("; {} are required", FidelityText(tested.fidelity_floor));
  }
  return text;
}

std::string LaneName(const LaneFacts& lane) { return Printable(lane.name); }

std::string CaptureText(const CaptureFacts& capture) {
  std::string text =
      fmt::format("{}: {}, {}", capture.name, Count(capture.sessions, "session", "sessions"),
                  Count(capture.statements, "statement", "statements"));
  if (capture.duration_us > 0) text += " in " + FormatDuration(capture.duration_us);
  if (capture.started_us > 0) text += ", from " + WallSeconds(capture.started_us);
  if (capture.gaps > 0) {
    text += fmt::format("; {} with {} missing", Count(capture.gaps, "gap", "gaps"),
                        Count(capture.gap_exchanges, "exchange", "exchanges"));
  }
  return text;
}

std::string LaneText(const LaneFacts& lane) {
  std::string text = lane.made;
  const auto append = [&](const std::string& part) { text += (text.empty() ? "" : ", ") + part; };
  if (!lane.server_version.empty()) append("PostgreSQL " + lane.server_version);
  if (lane.ready_us > 0) append("ready in " + FormatDuration(lane.ready_us));
  if (lane.busy_us > 0) append("busy for " + FormatDuration(lane.busy_us));
  return text;
}

std::string ReplayedText(const TestedFacts& tested) {
  std::string text = fmt::format("{}, {}", Count(tested.sessions, "session", "sessions"),
                                 Count(tested.statements, "statement", "statements"));
  if (tested.duration_us > 0) text += " in " + FormatDuration(tested.duration_us);
  if (tested.sessions_excluded > 0) {
    text += fmt::format("; {} left out", Count(tested.sessions_excluded, "session", "sessions"));
  }
  if (tested.order_broken > 0) {
    text += fmt::format("; {} out of the order of the capture",
                        Count(tested.order_broken, "statement", "statements"));
  }
  if (tested.held_up > 0) {
    text += fmt::format("; {} held up", Count(tested.held_up, "statement", "statements"));
  }
  if (tested.stalls_released > 0) {
    text += fmt::format("; {} released", Count(tested.stalls_released, "stall", "stalls"));
  }
  return text;
}

// What kept the replay from going faster, and what it did not run to its end.
std::string WaitsText(const TestedFacts& tested) {
  std::string text =
      fmt::format("{} for the order, {} for scry", FormatDuration(tested.order_wait_us),
                  FormatDuration(tested.tool_wait_us));
  if (tested.lag_us_max > 0) {
    text += fmt::format("; at most {} late", FormatDuration(tested.lag_us_max));
  }
  if (tested.races_withdrawn > 0) {
    text +=
        fmt::format("; {} not run again", Count(tested.races_withdrawn, "lost race", "lost races"));
  }
  if (tested.cancelled > 0) text += fmt::format("; {} cancelled", tested.cancelled);
  return text;
}

}  // namespace scry::report
