#include "compare/budget_verdict.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <utility>

#include "base/units.h"
#include "base/wildcard.h"
#include "compare/finding_parts.h"
#include "compare/statistics.h"

namespace scry::compare {
namespace {

using base::FormatCount;
using base::FormatDuration;

constexpr double kTail = 0.01;  // Above the p99.

bool SameTable(const std::string& written, const std::string& table) {
  if (base::WildcardMatch(table, written)) return true;
  const size_t dot = written.rfind('.');
  return table.find('.') == std::string::npos && dot != std::string::npos &&
         base::WildcardMatch(table, written.substr(dot + 1));
}

class BudgetJudge {
 public:
  BudgetJudge(const PatternTable& table, const Policy& policy) : table_(table), policy_(policy) {}

  BudgetVerdict Run() {
    std::vector<bool> used(policy_.budgets.size());
    for (const PatternStats* stats : table_.Patterns()) {
      const Budget* tightest = nullptr;
      for (size_t i = 0; i < policy_.budgets.size(); ++i) {
        const Budget& budget = policy_.budgets[i];
        if (!Covers(budget, *stats)) continue;
        used[i] = true;
        if (tightest == nullptr || budget.p99_us < tightest->p99_us) tightest = &budget;
      }
      if (tightest != nullptr) under_.emplace_back(stats, tightest);
    }
    for (const auto& [stats, budget] : under_) Judge(*stats, *budget);
    for (size_t i = 0; i < used.size(); ++i) {
      if (used[i]) continue;
      verdict_.notes.push_back(fmt::format("The budget in {} covers no statement of this traffic",
                                           policy_.budgets[i].place));
    }
    return std::move(verdict_);
  }

 private:
  static bool Covers(const Budget& budget, const PatternStats& stats) {
    if (!budget.pattern.empty()) {
      return base::WildcardMatch(budget.pattern, stats.pattern) ||
             base::WildcardMatch(budget.pattern, event::FingerprintText(stats.fingerprint));
    }
    // A pattern that was cut does not parse; the text of one of its calls may have been kept.
    const bool by_text = stats.pattern.ends_with("…") && !stats.text.empty();
    std::vector<event::StatementFacts> facts =
        event::AnalyzeQuery(by_text ? stats.text.str() : stats.pattern);
    if (by_text && stats.ordinal < facts.size()) facts = {facts[stats.ordinal]};
    return std::any_of(facts.begin(), facts.end(), [&](const event::StatementFacts& one) {
      return std::any_of(one.relations.begin(), one.relations.end(),
                         [&](const std::string& name) { return SameTable(name, budget.table); });
    });
  }

  // Calls on the candidate, and the same before the change, where it could run.
  static void Calls(const PatternStats& stats, std::vector<double>& before,
                    std::vector<double>& after) {
    for (const LatencyTuple& tuple : stats.latencies) {
      before.push_back(tuple[0]);
      after.push_back(tuple[1]);
    }
    for (const auto& [captured, candidate] : stats.new_latencies) after.push_back(candidate);
  }

  void Judge(const PatternStats& stats, const Budget& budget) {
    std::vector<double> before;
    std::vector<double> after;
    Calls(stats, before, after);
    if (after.empty()) return;  // It never ran: that is another finding.
    if (after.size() < kBudgetSamplesMin) {
      verdict_.unjudged.push_back(
          UnjudgedOf(stats, table_.totals(),
                     fmt::format("too few calls for its p99 budget of {}: {} of {}",
                                 FormatDuration(budget.p99_us), FormatCount(after.size()),
                                 kBudgetSamplesMin)));
      return;
    }
    const auto over =
        static_cast<uint64_t>(std::count_if(after.begin(), after.end(), [&](double us) {
          return us > static_cast<double>(budget.p99_us);
        }));
    const uint64_t calls = after.size();
    const LatencyNumbers now = NumbersOf(std::move(after));
    if (now.p99_us <= static_cast<double>(budget.p99_us)) return;
    Finding finding = OpenFinding(FindingClass::kOverBudget, stats, table_.totals());
    finding.has_latency = true;
    finding.after = now;
    finding.affected = over;
    finding.reasons.push_back(fmt::format("p99 is {} and the budget {} ({}); {} of {} took longer",
                                          FormatDuration(now.p99_us), FormatDuration(budget.p99_us),
                                          budget.place, FormatCount(over), compare::Calls(calls)));
    if (!before.empty()) {
      finding.before = NumbersOf(std::move(before));
      finding.factor = now.p50_us / std::max(finding.before.p50_us, 1.0);
      finding.reasons.push_back(
          fmt::format("p99 was {} before the change", FormatDuration(finding.before.p99_us)));
    }
    const double p = BinomialAtLeast(over, calls, kTail) *
                     static_cast<double>(std::max<size_t>(under_.size(), 1));
    finding.p = std::min(p, 1.0);
    const bool sure = finding.p < 1 - policy_.latency.confidence;
    finding.gates = policy_.gate.budget && sure;
    if (!sure) {
      finding.reasons.push_back("does not gate: so few calls over it may be chance");
    }
    verdict_.findings.push_back(std::move(finding));
  }

  const PatternTable& table_;
  const Policy& policy_;
  std::vector<std::pair<const PatternStats*, const Budget*>> under_;
  BudgetVerdict verdict_;
};

}  // namespace

BudgetVerdict JudgeBudgets(const PatternTable& table, const Policy& policy) {
  if (policy.budgets.empty()) return {};
  return BudgetJudge(table, policy).Run();
}

double BinomialAtLeast(uint64_t hits, uint64_t trials, double chance) {
  if (hits == 0) return 1;
  if (hits > trials || chance <= 0) return 0;
  if (chance >= 1) return 1;
  const auto n = static_cast<double>(trials);
  double sum = 0;
  for (uint64_t k = hits; k <= trials; ++k) {
    const auto of = static_cast<double>(k);
    const double term =
        std::exp(std::lgamma(n + 1) - std::lgamma(of + 1) - std::lgamma(n - of + 1) +
                 of * std::log(chance) + (n - of) * std::log1p(-chance));
    sum += term;
    // Behind the peak, terms only shrink.
    if (of > n * chance && term < sum * 1e-12) break;
  }
  return std::min(sum, 1.0);
}

}  // namespace scry::compare
