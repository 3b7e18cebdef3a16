#include "report/wording.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <utility>

#include "base/units.h"

namespace scry::report {
namespace {

std::string ShareText(uint64_t part, uint64_t whole) {
  return Percent(whole == 0 ? 1 : static_cast<double>(part) / static_cast<double>(whole));
}

}  // namespace

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

std::string ComparedText(const TestedFacts& tested) {
  std::string text =
      fmt::format("{} of {}; {} unchanged", Count(tested.compared, "statement", "statements"),
                  Count(tested.patterns, "pattern", "patterns"), FormatCount(tested.unchanged));
  for (const ClassCount& count : tested.classes) {
    if (count.name == "unchanged") continue;
    const bool unknown = count.name == "cannot-evaluate";
    text += fmt::format(", {} {}", FormatCount(count.patterns),
                        unknown ? "not evaluated" : Printable(count.name));
  }
  return text;
}

std::string SelfTestText(const TestedFacts& tested) {
  if (tested.self_test_patterns == 0) return {};
  const std::string patterns = Count(tested.self_test_patterns, "pattern", "patterns");
  if (tested.self_test_flagged == 0) {
    return fmt::format("baseline and control are equally fast in all of {}, by the same rules",
                       patterns);
  }
  return fmt::format("baseline and control differ in speed in {} of {}: latency does not gate",
                     FormatCount(tested.self_test_flagged), patterns);
}

std::string ConfirmedText(const TestedFacts& tested) {
  if (tested.confirm_asked == 0) return {};
  std::string text =
      fmt::format("{} of {} were slower in a second run as well", FormatCount(tested.confirmed),
                  Count(tested.confirm_asked, "slower pattern", "slower patterns"));
  const uint64_t missing =
      tested.confirm_asked - std::min(tested.confirm_asked, tested.confirm_ran);
  if (missing > 0) text += fmt::format("; {} could not be run again", FormatCount(missing));
  return text;
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

std::string BudgetText(const BudgetFacts& budget) {
  std::string text = fmt::format(
      "{}: {} of {} with {} of the patterns, {} of the statements and {} of the captured time; "
      "estimated {}",
      FormatDuration(budget.budget_us), FormatCount(budget.sessions),
      Count(budget.sessions_all, "session", "sessions"),
      ShareText(budget.patterns, budget.patterns_all),
      ShareText(budget.statements, budget.statements_all),
      ShareText(static_cast<uint64_t>(std::max<Micros>(budget.time_us, 0)),
                static_cast<uint64_t>(std::max<Micros>(budget.time_all_us, 0))),
      FormatDuration(budget.estimated_us));
  if (budget.cut_us > 0) {
    text += fmt::format("; only the first {}, as whole sessions take longer",
                        FormatDuration(budget.cut_us));
  }
  const uint64_t thin = budget.thin.size() + budget.thin_more;
  if (thin > 0) text += fmt::format("; {} met too seldom", Count(thin, "pattern", "patterns"));
  if (budget.rare > 0) {
    text += fmt::format("; {} all in, and still too few calls to judge speed",
                        Count(budget.rare, "rare pattern", "rare patterns"));
  }
  if (budget.fidelity_skipped > 0) {
    text +=
        fmt::format("; {} not counted for fidelity: they read what left-out sessions had written",
                    Count(budget.fidelity_skipped, "statement", "statements"));
  }
  return text;
}

std::string RuleText(const IgnoreRule& rule) {
  std::string what = rule.finding.empty() ? "all" : rule.finding;
  if (!rule.pattern.empty()) what += " of " + rule.pattern;
  return fmt::format("{}, {}: {} ({})", what,
                     rule.until.empty() ? "without an end" : "until " + rule.until, rule.reason,
                     rule.place);
}

std::string RuleFate(const IgnoreRule& rule) {
  if (rule.expired) {
    return rule.again == 0 ? "expired, and nothing in this run is left of it: take it out"
                           : fmt::format("expired: {} again",
                                         Count(rule.again, "finding counts", "findings count"));
  }
  return rule.hidden == 0 ? "nothing in this run: if it is done with, take it out"
                          : Count(rule.hidden, "finding", "findings");
}

std::vector<std::string> SqlLines(const Fix& fix) {
  std::vector<std::string> lines;
  for (const std::string& sql : fix.sql) {
    for (size_t at = 0; at <= sql.size();) {
      const size_t end = std::min(sql.find('\n', at), sql.size());
      lines.push_back(sql.substr(at, end - at));
      at = end + 1;
    }
  }
  return lines;
}

std::string FixWaitsText(const FixWaits& waits) {
  const std::string took =
      fmt::format("takes {} instead of {}", FormatDuration(waits.took_us_fixed),
                  FormatDuration(waits.took_us_before));
  if (waits.blocked_before + waits.blocked_fixed == 0) return "no query waited here; " + took;
  const auto longest = [](Micros us) { return us > 0 ? FormatDuration(us) : std::string("none"); };
  return fmt::format("longest wait {} -> {}; {} blocked -> {}; {}", longest(waits.wait_us_before),
                     longest(waits.wait_us_fixed), Count(waits.blocked_before, "query", "queries"),
                     FormatCount(waits.blocked_fixed), took);
}

std::string RehearsalText(const DuringFacts& during) {
  return fmt::format(
      "lock_timeout {}: {} after {} of at most {}", FormatDuration(during.lock_timeout_us),
      during.succeeded ? "succeeded" : "gave up", Count(during.attempts, "attempt", "attempts"),
      FormatCount(during.attempts_max));
}

std::string ChanceText(const DuringFacts& during) {
  // Nothing is rounded to what it is not: certain or impossible.
  const auto percent = [](double share) -> std::string {
    if (share > 0 && share < 0.01) return "under 1 %";
    if (share < 1 && share > 0.99) return "over 99 %";
    return fmt::format("{:.0f} %", 100 * share);
  };
  std::string text =
      fmt::format("of a lock on its tables, by the capture's transactions: {} for one attempt",
                  percent(during.chance_once));
  if (during.attempts_max > 1) {
    text += fmt::format(", {} for {}", percent(during.chance), FormatCount(during.attempts_max));
  }
  return text;
}

MigrationEstimates EstimatesOf(const MigrationStatement& statement) {
  MigrationEstimates told;
  if (statement.held_us_estimated > 0) told.held = FormatDuration(statement.held_us_estimated);
  if (!statement.estimate) return told;
  told.took = FormatDuration(statement.estimate->duration_us);
  if (statement.estimate->wal_bytes > 0) told.wal = base::FormatSize(statement.estimate->wal_bytes);
  return told;
}

std::string GrowthText(const MigrationStatement& statement) {
  const int64_t bytes = statement.disk_bytes.value_or(0);
  if (bytes == 0) return {};
  const auto size = static_cast<uint64_t>(bytes > 0 ? bytes : -bytes);
  return (bytes > 0 ? "grows by " : "shrinks by ") + base::FormatSize(size);
}

std::string TempText(uint64_t bytes) { return base::FormatSize(bytes) + " of temporary files"; }

}  // namespace scry::report
