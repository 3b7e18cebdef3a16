#include "compare/clock_order.h"

#include <algorithm>
#include <cstdint>
#include <cstdlib>
#include <map>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "compare/clock_columns.h"
#include "compare/result_rows.h"
#include "compare/row_grid.h"

namespace scry::compare {
namespace {

using base::Micros;
using event::LaneOutcome;

bool IsNoisy(const Difference& difference, size_t column) {
  return column < kColumnBits - 1 && (difference.noisy_columns() >> column & 1U) != 0;
}

// A place in the baseline's columns that is sorted by and filled by a clock, behind nothing else
// that sorts: what sorts first would have to be compared in its order.
std::optional<size_t> ClockKey(const LaneOutcome& baseline, const event::StatementFacts& facts,
                               const Difference& difference) {
  if (!facts.ordered || facts.sort_keys.empty()) return std::nullopt;
  std::optional<size_t> found;
  for (size_t i = 0; i < baseline.columns.size(); ++i) {
    if (!NamesColumn(facts.sort_keys.front(), baseline.columns, i)) continue;
    if (found) return std::nullopt;
    found = i;
  }
  return found && IsNoisy(difference, *found) ? found : std::nullopt;
}

// The rows of a lane: moments by what the row says in all other columns, and those in their order.
struct Dated {
  std::map<std::string, std::vector<Micros>> rows;
  std::vector<Micros> moments;
};

std::optional<Dated> DatedRows(const LaneOutcome& lane, const std::vector<size_t>& columns,
                               size_t key) {
  const auto grid = RowGrid::Parse(lane);
  if (!grid || !grid->complete() || grid->rows() == 0) return std::nullopt;
  Dated dated;
  for (size_t row = 0; row < grid->rows(); ++row) {
    const auto moment = MomentOf(lane.columns[key], grid->At(row, key));
    if (!moment) return std::nullopt;
    std::string says;
    for (const size_t column : columns) {
      const Cell& cell = grid->At(row, column);
      says += cell.null ? "-" : std::to_string(cell.bytes.size()) + ":";
      says += cell.bytes;
    }
    dated.rows[std::move(says)].push_back(*moment);
    dated.moments.push_back(*moment);
  }
  return dated;
}

}  // namespace

bool FollowsFromClocks(const event::StatementPair& pair, const event::StatementFacts& facts,
                       const Difference& difference, Micros tolerance_us) {
  const LaneOutcome& baseline = pair.lanes[0];
  const LaneOutcome& candidate = pair.lanes[1];
  const auto key = ClockKey(baseline, facts, difference);
  if (!key) return false;
  const ColumnMatch match = MatchColumns(baseline.columns, candidate.columns);
  if (!match.gone.empty() || !match.retyped.empty()) return false;
  std::vector<size_t> left;
  std::vector<size_t> right;
  std::optional<size_t> other_key;
  for (const auto& [from, to] : match.common) {
    if (from == *key) other_key = to;
    if (IsNoisy(difference, from)) continue;
    left.push_back(from);
    right.push_back(to);
  }
  if (!other_key) return false;
  auto before = DatedRows(baseline, left, *key);
  auto after = DatedRows(candidate, right, *other_key);
  if (!before || !after) return false;

  const auto near = [&](Micros a, Micros b) { return std::abs(a - b) <= tolerance_us; };
  // At an end where the query leaves rows out, others may come in.
  const auto at_edge = [&](const Dated& lane, Micros moment) {
    return event::LeavesOut(facts, baseline.outcome.rows) &&
           (near(moment, lane.moments.back()) ||
            (facts.skips && near(moment, lane.moments.front())));
  };
  for (auto& [says, moments] : before->rows) {
    auto& others = after->rows[says];
    std::sort(moments.begin(), moments.end());
    std::sort(others.begin(), others.end());
    const size_t both = std::min(moments.size(), others.size());
    for (size_t i = 0; i < both; ++i) {
      if (!near(moments[i], others[i])) return false;
    }
    for (size_t i = both; i < moments.size(); ++i) {
      if (!at_edge(*before, moments[i])) return false;
    }
    others.erase(others.begin(), others.begin() + static_cast<std::ptrdiff_t>(both));
  }
  for (const auto& [says, moments] : after->rows) {
    for (const Micros moment : moments) {
      if (!at_edge(*after, moment)) return false;
    }
  }
  return true;
}

}  // namespace scry::compare
