#include "job/traffic_budget.h"

#include <fmt/format.h>

#include <algorithm>
#include <memory>
#include <unordered_map>
#include <utility>

#include "base/units.h"

namespace scry::job {
namespace {

using base::Fail;
using base::FormatCount;
using base::FormatDuration;
using base::Micros;
using base::Result;
using base::Status;

constexpr int kRoundsMax = 5;
// A window is shortened a little more than it has to be, as its sessions are not all alike.
constexpr double kCutMargin = 0.95;
constexpr size_t kThinListed = 100;
constexpr uint64_t kEventsPerCheck = 4096;
// The tail rule looks at 200 calls; some do not count: the first ones, and those held up.
constexpr uint64_t kTailCalls = 250;

struct Surveyed {
  replay::SessionSurvey survey;
  std::vector<Micros> lengths_us;  // Of the captures' windows.
  Micros length_us() const {
    Micros sum = 0;
    for (const Micros one : lengths_us) sum += one;
    return sum;
  }
};

Result<Surveyed> SurveyAll(const BudgetOptions& options, const std::vector<std::string>& captures,
                           SelectedTraffic& traffic, const RunWatch& watch,
                           event::FactsCache& facts) {
  replay::SurveyLimits limits;
  limits.seed = options.seed;
  Surveyed surveyed{replay::SessionSurvey(limits), {}};
  for (const std::string& directory : captures) {
    SCRY_TRY_ASSIGN(const std::unique_ptr<event::EventSource> source, traffic.Open(directory));
    surveyed.survey.BeginCapture();
    Micros first_us = -1;
    Micros last_us = 0;
    for (uint64_t events = 1;; ++events) {
      if (events % kEventsPerCheck == 0) SCRY_TRY(watch.Check());
      SCRY_TRY_ASSIGN(const std::optional<event::Event> event, source->Next());
      if (!event) break;
      const Micros at_us = event::TimeOf(*event);
      if (first_us < 0) first_us = at_us;
      last_us = std::max(last_us, at_us);
      surveyed.survey.Add(*event, facts);
    }
    surveyed.lengths_us.push_back(first_us < 0 ? 0 : last_us - first_us);
  }
  surveyed.survey.End();
  return surveyed;
}

replay::ChoiceOptions ChoiceOf(const BudgetOptions& options) {
  replay::ChoiceOptions choice;
  choice.budget_us = options.budget_us;
  choice.lanes = options.lanes;
  // Twice, as pairs that were held up, and the first ones, do not count.
  choice.calls_wanted = 2 * options.latency.min_pairs;
  choice.calls_wanted_heavy = std::max(choice.calls_wanted, kTailCalls);
  choice.heavy_share = options.latency.min_share;
  return choice;
}

// Patterns as the whole window has them, with the calls of the choice.
void FillPatterns(const std::vector<replay::ChosenPattern>& all,
                  const std::vector<replay::ChosenPattern>& chosen, report::BudgetFacts& facts) {
  std::unordered_map<uint64_t, uint64_t> calls;
  for (const replay::ChosenPattern& pattern : chosen) calls[pattern.fingerprint] = pattern.calls;
  for (const replay::ChosenPattern& pattern : all) {
    const uint64_t have = calls[pattern.fingerprint];
    ++facts.patterns_all;
    if (have > 0) ++facts.patterns;
    if (have >= pattern.wanted) continue;
    if (have >= pattern.available) {
      ++facts.rare;
    } else if (facts.thin.size() < kThinListed) {
      facts.thin.push_back({event::FingerprintText(pattern.fingerprint), pattern.pattern, have,
                            pattern.available, pattern.wanted});
    } else {
      ++facts.thin_more;
    }
  }
}

}  // namespace

Result<TrafficBudget> TrafficBudget::Choose(const BudgetOptions& options,
                                            const std::vector<std::string>& captures,
                                            SelectedTraffic& traffic, const RunWatch& watch,
                                            Progress& progress) {
  progress.Step(fmt::format("choose {} of replay", FormatDuration(options.budget_us)));
  event::FactsCache facts;
  TrafficBudget budget;
  report::BudgetFacts& told = budget.facts_;
  told.budget_us = options.budget_us;
  told.seed = options.seed;
  std::vector<replay::ChosenPattern> all;
  for (int round = 0; round < kRoundsMax; ++round) {
    SCRY_TRY_ASSIGN(const Surveyed surveyed, SurveyAll(options, captures, traffic, watch, facts));
    budget.choice_ = surveyed.survey.Choose(ChoiceOf(options));
    const replay::SessionChoice& choice = budget.choice_;
    const Micros paced_us =
        options.speed > 0
            ? static_cast<Micros>(static_cast<double>(surveyed.length_us()) / options.speed)
            : 0;
    if (round == 0) {
      all = choice.patterns;
      told.sessions_all = choice.sessions_all;
      told.statements_all = choice.statements_all;
      told.time_all_us = choice.time_all_us;
    }
    told.estimated_us = std::max(choice.estimated_us, paced_us);
    const bool too_long =
        paced_us > options.budget_us || (choice.sessions_chosen == 0 && choice.sessions_all > 0);
    if (!too_long) break;
    // Whole sessions take too long: as much of all of them as fits, from the beginning.
    const Micros needed_us =
        std::max({surveyed.survey.EstimateAllUs(options.lanes), paced_us, options.budget_us});
    const double part =
        kCutMargin * static_cast<double>(options.budget_us) / static_cast<double>(needed_us);
    told.cut_us = 0;
    for (size_t i = 0; i < captures.size(); ++i) {
      const auto length_us =
          static_cast<Micros>(part * static_cast<double>(surveyed.lengths_us[i]));
      traffic.Cut(captures[i], length_us);
      told.cut_us += length_us;
    }
  }
  const replay::SessionChoice& choice = budget.choice_;
  if (choice.sessions_chosen == 0 && told.sessions_all > 0) {
    return Fail(base::ErrorCode::kUsage,
                fmt::format("--budget {} is too short for any of the {} sessions",
                            FormatDuration(options.budget_us), FormatCount(told.sessions_all)));
  }
  told.sessions = choice.sessions_chosen;
  told.writers_left_out = choice.writers_left_out;
  told.statements = choice.statements;
  told.time_us = choice.time_us;
  FillPatterns(all, choice.patterns, told);
  for (size_t i = 0; i < captures.size(); ++i) traffic.LimitTo(captures[i], choice.sessions[i]);
  progress.Done(fmt::format("{} of {} sessions, {} of {} patterns", FormatCount(told.sessions),
                            FormatCount(told.sessions_all), FormatCount(told.patterns),
                            FormatCount(told.patterns_all)));
  return budget;
}

compare::PatternTable::Knowable TrafficBudget::Knowable(size_t capture) const {
  return [this, capture](const event::StatementPair& pair, const event::StatementFacts& facts) {
    const auto changed = [&](std::string_view relation) {
      for (size_t i = 0; i <= capture && i < choice_.left_out_writes.size(); ++i) {
        const auto& writes = choice_.left_out_writes[i];
        const auto found = writes.find(relation);
        if (found == writes.end()) continue;
        if (i < capture || found->second <= pair.completed_us) return true;
      }
      return false;
    };
    return std::none_of(
        facts.relations.begin(), facts.relations.end(), [&](const std::string& name) {
          return changed(replay::BareRelation(name)) || changed(replay::kAnyRelation);
        });
  };
}

}  // namespace scry::job
