#include "compare/fidelity.h"

#include <fmt/format.h>

#include <algorithm>
#include <numeric>
#include <optional>
#include <vector>

#include "base/letter_case.h"
#include "base/units.h"
#include "compare/clock_columns.h"
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
bool IsServers(const event::Column& column) {
  return event::EqualityOf(column) == event::ValueEquality::kServer;
}

// By a clock, or by chance.
bool MayBeFilledAnew(const event::Column& column) {
  return column.by_chance || HoldsMoments(column.type_oid);
}

// What two equal lanes disagree on. Without a control the candidate stands for it, where there is a
// column for it to be so.
bool IsNoise(const StatementPair& pair) {
  const auto differs = [&](size_t lane) {
    const Outcome& outcome = pair.lanes[lane].outcome;
    return Succeeded(outcome) && outcome.digest_unordered != pair.lanes[0].outcome.digest_unordered;
  };
  if (pair.lanes.size() >= 3) return differs(2);
  const std::vector<event::Column>& columns = pair.lanes[0].columns;
  return pair.lanes.size() == 2 && differs(1) &&
         std::any_of(columns.begin(), columns.end(), &MayBeFilledAnew);
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
  const std::vector<event::Column>& columns = pair.lanes[0].columns;
  if (std::any_of(columns.begin(), columns.end(), &IsServers) || IsNoise(pair)) return std::nullopt;
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
