#include "compare/fidelity.h"

#include <fmt/format.h>

#include <algorithm>
#include <numeric>
#include <optional>

#include "base/letter_case.h"
#include "base/units.h"
#include "compare/difference.h"
#include "event/value_equality.h"

namespace scry::compare {
namespace {

using event::Outcome;
using event::OutcomeStatus;
using event::StatementPair;

bool IsJudged(const StatementPair& pair, bool introduced) {
  if (pair.lanes.empty() || introduced) return false;
  const bool raced = pair.captured.sqlstate != pair.lanes[0].outcome.sqlstate;
  if (pair.cancel_requested && raced) return false;
  const OutcomeStatus captured = pair.captured.status;
  return captured != OutcomeStatus::kLost && captured != OutcomeStatus::kSkipped &&
         pair.lanes[0].outcome.status != OutcomeStatus::kLost;
}

// Numbers of transactions and their like: digests cannot leave them aside.
bool ShowsServers(const event::LaneOutcome& lane) {
  return std::any_of(lane.columns.begin(), lane.columns.end(), [](const event::Column& column) {
    return event::EqualityOf(column) == event::ValueEquality::kServer;
  });
}

std::optional<FidelityLoss> LossOf(const StatementPair& pair, const event::StatementFacts& facts) {
  const Outcome& captured = pair.captured;
  const Outcome& baseline = pair.lanes[0].outcome;
  if (Succeeded(captured) != Succeeded(baseline)) return FidelityLoss::kSqlstate;
  if (!Succeeded(captured)) {
    if (captured.sqlstate != baseline.sqlstate) return FidelityLoss::kSqlstate;
    return std::nullopt;
  }
  if (captured.rows != baseline.rows) return FidelityLoss::kRows;
  if (event::TagCount(captured.tag) != event::TagCount(baseline.tag)) return FidelityLoss::kRows;
  const bool any_rows = event::LeavesOut(facts, baseline.rows) && !facts.ordered;
  if (IsVolatile(facts) || any_rows) return std::nullopt;
  // Captures of before told the format's header and the first row as one.
  const bool binary_copy = facts.kind == event::StatementKind::kCopyOut &&
                           base::ContainsInAnyCase(facts.pattern, "binary");
  if (binary_copy) return std::nullopt;
  if (captured.digest_unordered == baseline.digest_unordered) return std::nullopt;
  if (ShowsServers(pair.lanes[0])) return std::nullopt;
  const bool noise = pair.lanes.size() >= 3 && Succeeded(pair.lanes[2].outcome) &&
                     pair.lanes[2].outcome.digest_unordered != baseline.digest_unordered;
  if (noise) return std::nullopt;
  return FidelityLoss::kValues;
}

}  // namespace

uint64_t FidelityCounts::lost_in_all() const {
  return std::accumulate(lost.begin(), lost.end(), uint64_t{0});
}

double FidelityCounts::share() const {
  if (judged == 0) return 1;
  return static_cast<double>(matched()) / static_cast<double>(judged);
}

void FidelityCounts::Add(const FidelityCounts& other) {
  judged += other.judged;
  for (size_t i = 0; i < lost.size(); ++i) lost[i] += other.lost[i];
}

void JudgeFidelity(const StatementPair& pair, const event::StatementFacts& facts, bool introduced,
                   FidelityCounts& counts) {
  if (!IsJudged(pair, introduced)) return;
  ++counts.judged;
  if (const auto loss = LossOf(pair, facts)) ++counts.lost[static_cast<size_t>(*loss)];
}

std::string DescribeLosses(const FidelityCounts& counts) {
  std::string text;
  for (size_t i = 0; i < counts.lost.size(); ++i) {
    if (counts.lost[i] == 0) continue;
    text += fmt::format("{}{} {}", text.empty() ? "" : ", ", base::FormatCount(counts.lost[i]),
                        Name(static_cast<FidelityLoss>(i)));
  }
  return text;
}

const char* Name(FidelityLoss loss) {
  static constexpr std::array<const char*, kFidelityLosses> kNames = {"another SQLSTATE",
                                                                      "other rows", "other values"};
  return kNames[static_cast<size_t>(loss)];
}

}  // namespace scry::compare
