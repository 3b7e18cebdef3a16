// How reports say numbers and facts, the same in every format. Names and texts come out as they are
// in the report: each writer makes them safe for its own reader. Pure.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "report/report.h"

namespace scry::report {

std::string Count(uint64_t count, std::string_view one, std::string_view many);  // "1 session".
std::string Percent(double share);                                               // "3.1 %".
std::string Factor(double factor);                                               // "12.4x".
std::string WallSeconds(Micros wall_us);  // "2026-11-26 07:01:21Z".

std::string FidelityText(double fidelity);  // Rounded down: 99.96 % is not 100 %.
// "4,788 statements of 41 patterns; 34 unchanged, 2 slower".
std::string ComparedText(const TestedFacts& tested);
// Of the control lane. Empty: there was none.
std::string SelfTestText(const TestedFacts& tested);
// Of the second run. Empty: nothing looked slower.
std::string ConfirmedText(const TestedFacts& tested);
std::string FidelitySentence(const TestedFacts& tested);
std::string CaptureText(const CaptureFacts& capture);
// What was chosen for a time budget, and what was not.
std::string BudgetText(const BudgetFacts& budget);
// What a rule covers, until when and why; and what became of it in this run.
std::string RuleText(const IgnoreRule& rule);
std::string RuleFate(const IgnoreRule& rule);
std::string LaneText(const LaneFacts& lane);
std::string ReplayedText(const TestedFacts& tested);
// What kept the replay from going faster, and what it did not run to its end.
std::string WaitsText(const TestedFacts& tested);
// How the migration went with a lock_timeout, and its chance by the captured transactions.
// REQUIRES: it was asked for; of the second, it is known.
std::string RehearsalText(const DuringFacts& during);
std::string ChanceText(const DuringFacts& during);
// Its SQL line by line: a body in $$ keeps its lines, as a comment in it ends with one.
std::vector<std::string> SqlLines(const Fix& fix);
// "longest wait 812 ms -> 3 ms; 41 queries blocked -> 0; takes 1.9 s instead of 0.8 s".
std::string FixWaitsText(const FixWaits& waits);
// What a statement of the migration would take on production; empty where it is as measured.
struct MigrationEstimates {
  std::string took;
  std::string held;  // Its strongest lock.
  std::string wal;
};
MigrationEstimates EstimatesOf(const MigrationStatement& statement);
// "grows by 21.0 MB"; empty: the database did not, or nobody knows.
std::string GrowthText(const MigrationStatement& statement);
std::string TempText(uint64_t bytes);  // "1.2 MB of temporary files".

}  // namespace scry::report
