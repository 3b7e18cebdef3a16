#include "replay/session_choice.h"

#include <algorithm>
#include <limits>
#include <optional>
#include <set>

#include "base/random.h"
#include "event/cost_range.h"

namespace scry::replay {
namespace {

using base::Micros;
using event::StatementKind;

constexpr uint32_t kNoPattern = std::numeric_limits<uint32_t>::max();
// Sending, reading and judging one exchange on all lanes, beside what the servers do.
constexpr Micros kExchangeUs = 100;
// Sessions that are weighed against each other for one pattern.
constexpr size_t kWeighedMax = 64;
constexpr uint32_t kMagnitudes = 6;

uint32_t MagnitudeOf(const event::Outcome& outcome) {
  const uint64_t rows = std::max(outcome.rows, event::TagCount(outcome.tag).value_or(0));
  // None and a few are of one magnitude here, and so are all above.
  const uint32_t decade = std::max<uint32_t>(event::DecadeOf(rows), 1);
  return std::min(decade - 1, kMagnitudes - 1);
}

uint64_t ChanceOf(uint64_t seed, uint32_t capture, uint64_t session) {
  base::Random mixed(seed ^ (uint64_t{capture} << 48) ^ session);
  mixed.Next();
  return mixed.Next();
}

Micros Sane(Micros us) { return std::clamp<Micros>(us, 0, Micros{1} << 50); }

Micros CostOf(Micros time_us, uint64_t exchanges, uint64_t lanes) {
  return static_cast<Micros>(lanes) * time_us + static_cast<Micros>(exchanges) * kExchangeUs;
}

void NoteEarliest(Micros at_us, Micros& earliest) {
  if (earliest < 0 || at_us < earliest) earliest = at_us;
}

}  // namespace

std::string_view BareRelation(std::string_view name) {
  const size_t dot = name.rfind('.');
  return dot == name.npos ? name : name.substr(dot + 1);
}

void SessionSurvey::BeginCapture() {
  CloseAll();
  ++captures_;
  dropped_writes_.emplace_back();
}

void SessionSurvey::Add(const event::Event& event, event::FactsCache& facts) {
  if (const auto* exchange = std::get_if<event::Exchange>(&event)) {
    AddExchange(*exchange, facts);
  } else if (const auto* start = std::get_if<event::SessionStart>(&event)) {
    OpenRow& open = open_[static_cast<uint64_t>(start->session)];
    if (open.row.session != 0) return;  // Of a damaged capture that starts it twice.
    open.row.capture = captures_ - 1;
    open.row.session = static_cast<uint64_t>(start->session);
    open.row.order = ChanceOf(limits_.seed, open.row.capture, open.row.session);
    ++sessions_all_;
  } else if (const auto* end = std::get_if<event::SessionEnd>(&event)) {
    const auto found = open_.find(static_cast<uint64_t>(end->session));
    if (found == open_.end()) return;
    OpenRow open = std::move(found->second);
    open_.erase(found);
    Close(std::move(open));
  }
}

void SessionSurvey::AddExchange(const event::Exchange& exchange, event::FactsCache& facts) {
  const auto found = open_.find(static_cast<uint64_t>(exchange.session));
  if (found == open_.end()) return;  // Its start is not in the window: it is not replayed.
  OpenRow& open = found->second;
  ++open.row.exchanges;
  ++exchanges_all_;
  for (const event::Statement& statement : exchange.statements) {
    const Micros elapsed_us = Sane(statement.outcome.elapsed_us);
    ++open.row.statements;
    ++statements_all_;
    open.row.time_us += elapsed_us;
    time_all_us_ += elapsed_us;
    if (statement.text.empty()) continue;
    Count(statement, facts.Get(statement.text, statement.ordinal), exchange.forwarded_us, open);
  }
}

void SessionSurvey::Count(const event::Statement& statement, const event::StatementFacts& facts,
                          Micros at_us, OpenRow& open) {
  if (event::IsDull(facts.kind)) return;
  const bool done = statement.outcome.status == event::OutcomeStatus::kDone;
  if (facts.writes && done) NoteEarliest(Sane(at_us), open.row.first_write_us);
  const uint32_t pattern = PatternOf(facts);
  if (pattern == kNoPattern) return;
  NoteRelations(facts, patterns_[pattern]);
  ++patterns_[pattern].calls;
  patterns_[pattern].time_us += Sane(statement.outcome.elapsed_us);
  const uint32_t key = KeyOf(pattern, MagnitudeOf(statement.outcome));
  ++keys_[key].calls;
  const auto known = open.counts.find(key);
  if (known != open.counts.end()) {
    ++known->second;
  } else if (open_entries_ < limits_.entries_max) {
    open.counts.emplace(key, 1);
    ++open_entries_;
  }
}

uint32_t SessionSurvey::PatternOf(const event::StatementFacts& facts) {
  const auto known = pattern_of_.find(facts.fingerprint);
  if (known != pattern_of_.end()) return known->second;
  if (patterns_.size() >= limits_.patterns_max) return kNoPattern;
  Pattern pattern;
  pattern.fingerprint = facts.fingerprint;
  pattern.text = facts.pattern.substr(0, limits_.pattern_bytes);
  pattern.writes = facts.writes;
  const auto index = static_cast<uint32_t>(patterns_.size());
  patterns_.push_back(std::move(pattern));
  pattern_of_.emplace(facts.fingerprint, index);
  return index;
}

// Tables whose names differ in their numbers alone, as partitions do, are one pattern.
void SessionSurvey::NoteRelations(const event::StatementFacts& facts, Pattern& pattern) {
  for (const std::string& name : facts.relations) {
    std::string_view bare = BareRelation(name);
    if (relations_.size() >= limits_.relations_max) bare = kAnyRelation;
    auto known = relation_of_.find(bare);
    if (known == relation_of_.end()) {
      known = relation_of_.emplace(bare, static_cast<uint32_t>(relations_.size())).first;
      relations_.emplace_back(bare);
    }
    auto& relations = pattern.relations;
    if (std::find(relations.begin(), relations.end(), known->second) == relations.end()) {
      relations.push_back(known->second);
    }
  }
}

uint32_t SessionSurvey::KeyOf(uint32_t pattern, uint32_t magnitude) {
  const uint64_t both = uint64_t{pattern} * kMagnitudes + magnitude;
  const auto [found, added] = key_of_.emplace(both, static_cast<uint32_t>(keys_.size()));
  if (added) keys_.push_back({pattern, magnitude, 0, 0});
  return found->second;
}

void SessionSurvey::Close(OpenRow open) {
  Row& row = open.row;
  open_entries_ -= open.counts.size();
  entries_ += open.counts.size();
  row.entries.reserve(open.counts.size());
  for (const auto& [key, count] : open.counts) {
    row.entries.push_back({key, count});
    ++keys_[key].sessions;
  }
  std::sort(row.entries.begin(), row.entries.end(),
            [](const Entry& a, const Entry& b) { return a.key < b.key; });
  rows_.push_back(std::move(row));
  if (rows_.size() > limits_.sessions_max || entries_ > limits_.entries_max) Thin();
}

void SessionSurvey::CloseAll() {
  for (auto& [id, open] : open_) Close(std::move(open));
  open_.clear();
}

void SessionSurvey::End() { CloseAll(); }

void SessionSurvey::Thin() {
  std::sort(rows_.begin(), rows_.end(), [](const Row& a, const Row& b) {
    return a.order != b.order ? a.order < b.order : a.session < b.session;
  });
  const auto full = [&] {
    return rows_.size() > limits_.sessions_max / 2 || entries_ > limits_.entries_max / 2;
  };
  // What came since is thinned as often as the rest; if that is not enough, all of it once more.
  for (; full() && level_ < 64; ++level_, protected_ /= 2) {
    const uint64_t limit = std::numeric_limits<uint64_t>::max() >> level_;
    std::vector<Row> kept;
    // From the last: those that are kept first are the same whenever it is done.
    for (auto row = rows_.rbegin(); row != rows_.rend(); ++row) {
      const bool needed =
          row->order <= limit ||
          std::any_of(row->entries.begin(), row->entries.end(),
                      [&](const Entry& entry) { return keys_[entry.key].sessions <= protected_; });
      if (needed) {
        kept.push_back(std::move(*row));
        continue;
      }
      NoteWrites(*row);
      for (const Entry& entry : row->entries) --keys_[entry.key].sessions;
      entries_ -= row->entries.size();
    }
    std::reverse(kept.begin(), kept.end());
    rows_ = std::move(kept);
    if (!full()) break;
  }
}

void SessionSurvey::NoteWrites(const Row& row) {
  if (row.first_write_us < 0) return;
  ++writers_dropped_;
  for (const Entry& entry : row.entries) {
    const Pattern& pattern = patterns_[keys_[entry.key].pattern];
    if (!pattern.writes) continue;
    for (const uint32_t relation : pattern.relations) {
      const auto [found, added] =
          dropped_writes_[row.capture].emplace(relation, row.first_write_us);
      if (!added) NoteEarliest(row.first_write_us, found->second);
    }
  }
}

Micros SessionSurvey::EstimateAllUs(uint64_t lanes) const {
  return CostOf(time_all_us_, exchanges_all_, lanes);
}

// One choice over a survey.
class SessionChooser {
 public:
  SessionChooser(const SessionSurvey& survey, const ChoiceOptions& options)
      : survey_(survey), options_(options), chosen_(survey.rows_.size(), false) {}

  SessionChoice Run() {
    SetGoals();
    Index();
    for (const size_t goal : RarestFirst()) Meet(goal);
    TakeWriters();
    TakeRest();
    return Conclude();
  }

 private:
  using Row = SessionSurvey::Row;
  using Entry = SessionSurvey::Entry;
  static constexpr size_t kNoGoal = std::numeric_limits<size_t>::max();

  struct Goal {
    uint64_t wanted = 0;
    uint64_t available = 0;
    uint64_t have = 0;
    uint64_t missing() const { return have >= wanted ? 0 : wanted - have; }
    std::vector<uint32_t> keys;
  };

  Micros Cost(const Row& row) const { return CostOf(row.time_us, row.exchanges, options_.lanes); }
  bool Fits(const Row& row) const { return spent_us_ + Cost(row) <= options_.budget_us; }

  // The goal of a pattern has its number; those of magnitudes follow.
  void SetGoals() {
    const auto& patterns = survey_.patterns_;
    goals_.resize(patterns.size());
    std::vector<bool> heavy(patterns.size());
    for (size_t i = 0; i < patterns.size(); ++i) {
      heavy[i] = static_cast<double>(patterns[i].time_us) >=
                 options_.heavy_share * static_cast<double>(survey_.time_all_us_);
      goals_[i].available = patterns[i].calls;
      goals_[i].wanted = heavy[i] ? options_.calls_wanted_heavy : options_.calls_wanted;
    }
    magnitude_goal_.assign(survey_.keys_.size(), kNoGoal);
    for (uint32_t key = 0; key < survey_.keys_.size(); ++key) {
      const auto& one = survey_.keys_[key];
      goals_[one.pattern].keys.push_back(key);
      if (!heavy[one.pattern]) continue;
      magnitude_goal_[key] = goals_.size();
      goals_.push_back({options_.calls_wanted, one.calls, 0, {key}});
    }
  }

  // Rows of each key, by chance.
  void Index() {
    rows_of_.resize(survey_.keys_.size());
    std::vector<uint32_t> order(survey_.rows_.size());
    for (uint32_t i = 0; i < order.size(); ++i) order[i] = i;
    std::sort(order.begin(), order.end(), [&](uint32_t a, uint32_t b) {
      const Row& x = survey_.rows_[a];
      const Row& y = survey_.rows_[b];
      if (x.order != y.order) return x.order < y.order;
      return std::pair(x.capture, x.session) < std::pair(y.capture, y.session);
    });
    for (const uint32_t row : order) {
      for (const Entry& entry : survey_.rows_[row].entries) rows_of_[entry.key].push_back(row);
    }
    by_chance_ = std::move(order);
  }

  std::vector<size_t> RarestFirst() const {
    std::vector<size_t> order(goals_.size());
    for (size_t i = 0; i < order.size(); ++i) order[i] = i;
    const auto tie = [&](size_t goal) {
      const uint32_t pattern = survey_.keys_[goals_[goal].keys.front()].pattern;
      return std::pair(survey_.patterns_[pattern].fingerprint, goal);
    };
    std::sort(order.begin(), order.end(), [&](size_t a, size_t b) {
      if (goals_[a].available != goals_[b].available) {
        return goals_[a].available < goals_[b].available;
      }
      return tie(a) < tie(b);
    });
    return order;
  }

  // How much of all that is still wanted it brings, for its time.
  double WorthOf(const Row& row) const {
    double worth = 0;
    const auto add = [&](const Goal& goal, uint32_t count) {
      if (goal.wanted == 0) return;
      worth += static_cast<double>(std::min<uint64_t>(count, goal.missing())) /
               static_cast<double>(goal.wanted);
    };
    for (const Entry& entry : row.entries) {
      add(goals_[survey_.keys_[entry.key].pattern], entry.count);
      const size_t magnitude = magnitude_goal_[entry.key];
      if (magnitude != kNoGoal) add(goals_[magnitude], entry.count);
    }
    return worth / static_cast<double>(Cost(row) + 1);
  }

  void Meet(size_t goal) {
    std::vector<size_t> at(goals_[goal].keys.size());  // In each list of rows.
    while (goals_[goal].missing() > 0) {
      std::optional<uint32_t> best;
      double best_worth = 0;
      for (size_t k = 0; k < at.size(); ++k) {
        const std::vector<uint32_t>& rows = rows_of_[goals_[goal].keys[k]];
        // What was taken or does not fit now never comes back: the budget only shrinks.
        while (at[k] < rows.size() && !MayTake(rows[at[k]])) ++at[k];
        size_t weighed = 0;
        for (size_t i = at[k]; i < rows.size() && weighed < kWeighedMax; ++i) {
          if (!MayTake(rows[i])) continue;
          ++weighed;
          const double worth = WorthOf(survey_.rows_[rows[i]]);
          if (best && worth <= best_worth) continue;
          best = rows[i];
          best_worth = worth;
        }
      }
      if (!best) return;
      Take(*best);
    }
  }

  bool MayTake(uint32_t row) const { return !chosen_[row] && Fits(survey_.rows_[row]); }

  void Take(uint32_t index) {
    const Row& row = survey_.rows_[index];
    chosen_[index] = true;
    spent_us_ += Cost(row);
    for (const Entry& entry : row.entries) {
      goals_[survey_.keys_[entry.key].pattern].have += entry.count;
      const size_t magnitude = magnitude_goal_[entry.key];
      if (magnitude != kNoGoal) goals_[magnitude].have += entry.count;
    }
  }

  template <typename See>
  void EachRelation(const Row& row, bool written, See see) const {
    for (const Entry& entry : row.entries) {
      const auto& pattern = survey_.patterns_[survey_.keys_[entry.key].pattern];
      if (written && !pattern.writes) continue;
      for (const uint32_t relation : pattern.relations) see(relation);
    }
  }

  void TakeWriters() {
    std::vector<bool> read(survey_.relations_.size());
    std::vector<uint32_t> writers;
    for (uint32_t i = 0; i < survey_.rows_.size(); ++i) {
      const Row& row = survey_.rows_[i];
      if (chosen_[i]) {
        EachRelation(row, false, [&](uint32_t relation) { read[relation] = true; });
      } else if (row.first_write_us >= 0) {
        writers.push_back(i);
      }
    }
    std::sort(writers.begin(), writers.end(), [&](uint32_t a, uint32_t b) {
      const Row& x = survey_.rows_[a];
      const Row& y = survey_.rows_[b];
      return std::tuple(x.capture, x.first_write_us, x.session) <
             std::tuple(y.capture, y.first_write_us, y.session);
    });
    // Relations behind a write that is left out gain nothing from later ones.
    std::vector<bool> lost(survey_.relations_.size());
    for (const auto& dropped : survey_.dropped_writes_) {
      for (const auto& [relation, since_us] : dropped) lost[relation] = true;
    }
    for (const uint32_t index : writers) {
      const Row& row = survey_.rows_[index];
      bool helps = false;
      EachRelation(row, true, [&](uint32_t relation) {
        helps = helps || (read[relation] && !lost[relation]);
      });
      if (helps && Fits(row)) {
        Take(index);
        EachRelation(row, false, [&](uint32_t relation) { read[relation] = true; });
      } else {
        EachRelation(row, true, [&](uint32_t relation) { lost[relation] = true; });
      }
    }
  }

  void TakeRest() {
    for (const uint32_t row : by_chance_) {
      if (MayTake(row)) Take(row);
    }
  }

  SessionChoice Conclude() const {
    SessionChoice choice;
    choice.sessions.resize(survey_.captures_);
    choice.left_out_writes.resize(survey_.captures_);
    choice.estimated_us = spent_us_;
    choice.sessions_all = survey_.sessions_all_;
    choice.statements_all = survey_.statements_all_;
    choice.time_all_us = survey_.time_all_us_;
    choice.writers_left_out = survey_.writers_dropped_;
    for (size_t i = 0; i < survey_.rows_.size(); ++i) {
      const Row& row = survey_.rows_[i];
      if (chosen_[i]) {
        choice.sessions[row.capture].push_back(row.session);
        ++choice.sessions_chosen;
        choice.statements += row.statements;
        choice.time_us += row.time_us;
      } else if (row.first_write_us >= 0) {
        ++choice.writers_left_out;
        EachRelation(row, true, [&](uint32_t relation) {
          NoteLeftOut(choice, row.capture, relation, row.first_write_us);
        });
      }
    }
    for (uint32_t capture = 0; capture < survey_.captures_; ++capture) {
      std::sort(choice.sessions[capture].begin(), choice.sessions[capture].end());
      for (const auto& [relation, since_us] : survey_.dropped_writes_[capture]) {
        NoteLeftOut(choice, capture, relation, since_us);
      }
    }
    ListPatterns(choice);
    return choice;
  }

  void NoteLeftOut(SessionChoice& choice, uint32_t capture, uint32_t relation,
                   Micros since_us) const {
    const auto [found, added] =
        choice.left_out_writes[capture].emplace(survey_.relations_[relation], since_us);
    if (!added) NoteEarliest(since_us, found->second);
  }

  void ListPatterns(SessionChoice& choice) const {
    for (size_t i = 0; i < survey_.patterns_.size(); ++i) {
      const Goal& goal = goals_[i];
      const auto& pattern = survey_.patterns_[i];
      choice.patterns.push_back(
          {pattern.fingerprint, pattern.text, goal.have, goal.available, goal.wanted});
    }
    std::sort(choice.patterns.begin(), choice.patterns.end(),
              [](const ChosenPattern& a, const ChosenPattern& b) {
                return a.available != b.available ? a.available < b.available
                                                  : a.fingerprint < b.fingerprint;
              });
  }

  const SessionSurvey& survey_;
  const ChoiceOptions& options_;
  std::vector<Goal> goals_;
  std::vector<size_t> magnitude_goal_;          // By key.
  std::vector<std::vector<uint32_t>> rows_of_;  // By key.
  std::vector<uint32_t> by_chance_;
  std::vector<bool> chosen_;
  Micros spent_us_ = 0;
};

SessionChoice SessionSurvey::Choose(const ChoiceOptions& options) const {
  return SessionChooser(*this, options).Run();
}

}  // namespace scry::replay
