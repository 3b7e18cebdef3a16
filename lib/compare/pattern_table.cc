#include "compare/pattern_table.h"

#include <algorithm>
#include <limits>

#include "base/random.h"

namespace scry::compare {
namespace {

using event::OutcomeStatus;
using event::StatementPair;

constexpr uint64_t kRowsSalt = 0x5ca1ab1e0000ULL;
constexpr uint64_t kTimeSalt = 0xdecade00000ULL;

uint32_t Narrow(base::Micros us) {
  constexpr base::Micros kMax = std::numeric_limits<uint32_t>::max();
  return static_cast<uint32_t>(std::clamp<base::Micros>(us, 0, kMax));
}

// Cut between code points.
std::string Cut(const std::string& text, size_t bytes_max) {
  if (text.size() <= bytes_max) return text;
  size_t end = bytes_max;
  while (end > 0 && (static_cast<uint8_t>(text[end]) & 0xc0) == 0x80) --end;
  return text.substr(0, end) + "…";
}

// Both failed alike, and production did not: nothing was learned about the candidate.
bool FailedOnBoth(const StatementPair& pair, const Difference& difference) {
  return difference.kind == DifferenceKind::kNone && pair.lanes.size() >= 2 &&
         !Succeeded(pair.lanes[0].outcome) && Succeeded(pair.captured);
}

bool IsCompared(const StatementPair& pair, const Difference& difference) {
  if (difference.kind == DifferenceKind::kNotComparable) return false;
  // Not run on either lane, as an earlier statement of the exchange failed.
  if (pair.lanes[0].outcome.status == OutcomeStatus::kSkipped) return false;
  return !FailedOnBoth(pair, difference);
}

// Other lanes were done with it, the candidate alone had to be cancelled.
bool StuckOnCandidate(const StatementPair& pair) {
  if (!pair.stuck || pair.cancel_requested || pair.lanes.size() < 2) return false;
  for (size_t lane = 0; lane < pair.lanes.size(); ++lane) {
    const event::Outcome& outcome = pair.lanes[lane].outcome;
    const bool cut = outcome.status == OutcomeStatus::kLost || outcome.sqlstate == "57014";
    if (lane == 1 ? !cut : !Succeeded(outcome)) return false;
  }
  return true;
}

// As an example, rather than the one that is held.
bool GoesFirst(Weight weight, bool follows, const KindStats& kind) {
  if (weight > Weight::kNote && kind.example_weight > Weight::kNote &&
      follows != kind.example_follows) {
    return kind.example_follows;
  }
  return weight > kind.example_weight;
}

}  // namespace

void WeightCounts::Add(Weight weight) {
  gates += weight == Weight::kGate ? 1U : 0U;
  gates_if_most += weight == Weight::kGateIfMost ? 1U : 0U;
  warnings += weight == Weight::kWarning ? 1U : 0U;
}

void WeightCounts::Subtract(const WeightCounts& other) {
  gates -= other.gates;
  gates_if_most -= other.gates_if_most;
  warnings -= other.warnings;
}

void ColumnTally::Add(ColumnBits columns) {
  if (columns == 0) return;
  counts_.resize(kColumnBits);
  for (size_t bit = 0; bit < kColumnBits; ++bit) counts_[bit] += columns >> bit & 1U;
}

PatternTable::PatternTable(PatternTableLimits limits, FetchLimits fetch_limits)
    : limits_(limits),
      fetches_(fetch_limits),
      samples_left_(limits.samples_total),
      text_bytes_left_(limits.text_bytes) {}

void PatternTable::Put(const StatementPair& pair) {
  Put(pair, facts_.Get(pair.text, pair.ordinal));
}

void PatternTable::Put(const StatementPair& pair, const event::StatementFacts& facts) {
  const base::Micros clock_slack_us = ClockSlack(pair);
  const FetchBook::Part part = fetches_.Add(pair, facts, ended_);
  totals_.parts_alone = fetches_.parts_alone();
  PutWholes();
  const bool alone = part == FetchBook::Part::kNone;
  const Difference difference = alone ? JudgePair(pair, facts, clock_slack_us) : Difference();
  const TaintBook::Following following = Follow(pair, facts, difference);
  ++totals_.statements;
  totals_.warm_up += pair.warm_up ? 1U : 0U;
  totals_.held_up += pair.held_up ? 1U : 0U;
  totals_.order_broken += pair.order_broken ? 1U : 0U;
  totals_.counterfactual += pair.counterfactual ? 1U : 0U;
  totals_.has_control = totals_.has_control || pair.lanes.size() >= 3;
  const size_t lanes = std::min(pair.lanes.size(), kLanesMax);
  for (size_t i = 0; i < lanes; ++i) {
    totals_.time_us[i] += Narrow(pair.lanes[i].outcome.elapsed_us);
  }
  const bool compared = !pair.lanes.empty() && IsCompared(pair, difference);
  totals_.compared += compared ? 1U : 0U;
  FidelityCounts fidelity;
  if (alone || !Succeeded(pair.captured)) {
    fidelity = JudgeFidelityOf(pair, facts, difference.introduced);
  }

  PatternStats* stats = Open(pair, facts, difference.weight >= Weight::kWarning);
  if (stats == nullptr) {
    ++totals_.overflow_statements;
    return;
  }
  ++stats->calls;
  // Of a portal's parts only the whole counts, so that it can be most of what was compared.
  stats->compared += compared && part != FetchBook::Part::kOfPortal ? 1U : 0U;
  stats->warm_up += pair.warm_up ? 1U : 0U;
  stats->held_up += pair.held_up ? 1U : 0U;
  stats->order_broken += pair.order_broken ? 1U : 0U;
  stats->counterfactual += pair.counterfactual ? 1U : 0U;
  stats->failed_on_both += FailedOnBoth(pair, difference) ? 1U : 0U;
  stats->fidelity.Add(fidelity);
  stats->stuck += StuckOnCandidate(pair) ? 1U : 0U;
  for (size_t i = 0; i < lanes; ++i) {
    const event::Outcome& outcome = pair.lanes[i].outcome;
    stats->time_us[i] += Narrow(outcome.elapsed_us);
    stats->lost[i] += outcome.status == OutcomeStatus::kLost ? 1U : 0U;
    // What a client cancelled was no timeout.
    const bool cancelled = pair.cancel_requested && outcome.sqlstate == "57014";
    if (outcome.status != OutcomeStatus::kError || cancelled) continue;
    auto& errors = stats->errors[i];
    const bool room =
        errors.size() < limits_.sqlstates_per_lane || errors.count(outcome.sqlstate) != 0;
    ++errors[room ? outcome.sqlstate : std::string("other")];
  }
  AddDifference(*stats, pair, facts, difference, following);
  AddLatency(*stats, pair, difference);
}

void PatternTable::EndSessions() {
  fetches_.EndAll(ended_);
  PutWholes();
}

void PatternTable::PutWholes() {
  for (FetchedWhole& whole : ended_) PutWhole(whole);
  ended_.clear();
}

// Its parts were counted as statements when they came.
void PatternTable::PutWhole(FetchedWhole& whole) {
  const Difference difference = JudgeWhole(whole, clock_slack_us_);
  const TaintBook::Following following = Follow(whole.pair, whole.facts, difference);
  const FidelityCounts fidelity = JudgeFidelityOf(whole.pair, whole.facts, difference.introduced);
  PatternStats* stats = Open(whole.pair, whole.facts, difference.weight >= Weight::kWarning);
  if (stats == nullptr) return;
  // A DECLARE was compared when it ran.
  stats->compared += !whole.declared && IsCompared(whole.pair, difference) ? 1U : 0U;
  stats->fidelity.Add(fidelity);
  AddDifference(*stats, whole.pair, whole.facts, difference, following);
}

TaintBook::Following PatternTable::Follow(const StatementPair& pair,
                                          const event::StatementFacts& facts,
                                          const Difference& difference) {
  const TaintBook::Following following = taint_.Add(pair, facts, difference);
  if (following.in_transaction) {
    const auto cause = patterns_.find(following.cause);
    if (cause != patterns_.end()) ++cause->second.cut_short;
  }
  totals_.doubted += difference.doubted && !following.in_transaction ? 1U : 0U;
  if (difference.excuse != Excuse::kNone) ++totals_.excuses[difference.excuse];
  return following;
}

FidelityCounts PatternTable::JudgeFidelityOf(const StatementPair& pair,
                                             const event::StatementFacts& facts, bool introduced) {
  FidelityCounts fidelity;
  if (!knowable_ || knowable_(pair, facts)) {
    JudgeFidelity(pair, facts, introduced, fidelity);
  } else {
    ++totals_.fidelity_skipped;
  }
  totals_.fidelity.Add(fidelity);
  return fidelity;
}

void PatternTable::PutUnasked(const event::UnaskedPair& pair) {
  const event::StatementFacts& facts = facts_.Get(pair.text, pair.ordinal);
  unasked_.Put(pair, facts.fingerprint, Cut(facts.pattern, limits_.pattern_bytes));
}

void PatternTable::PutNotification(const event::Notification& notification,
                                   std::optional<size_t> lane) {
  unasked_.Notify(notification, lane);
}

std::vector<const PatternStats*> PatternTable::Patterns() const {
  std::vector<const PatternStats*> patterns;
  patterns.reserve(patterns_.size());
  for (const auto& [fingerprint, stats] : patterns_) patterns.push_back(&stats);
  std::sort(patterns.begin(), patterns.end(), [](const PatternStats* a, const PatternStats* b) {
    return a->fingerprint < b->fingerprint;
  });
  return patterns;
}

const PatternStats* PatternTable::Find(uint64_t fingerprint) const {
  const auto found = patterns_.find(fingerprint);
  return found == patterns_.end() ? nullptr : &found->second;
}

PatternStats* PatternTable::Open(const StatementPair& pair, const event::StatementFacts& facts,
                                 bool must_keep) {
  const auto found = patterns_.find(facts.fingerprint);
  if (found != patterns_.end()) return &found->second;
  // A pattern that breaks is never lost to the limit; these have a reserve of their own.
  const size_t reserve = must_keep ? limits_.patterns / 4 + 16 : 0;
  if (patterns_.size() >= limits_.patterns + reserve) return nullptr;
  PatternStats& stats = patterns_[facts.fingerprint];
  stats.fingerprint = facts.fingerprint;
  stats.pattern = Cut(facts.pattern, limits_.pattern_bytes);
  stats.kind = facts.kind;
  // The patterns of one Query have one text.
  if (kept_text_.empty() || !pair.text.SharesWith(kept_text_)) kept_text_ = KeepText(pair.text);
  stats.text = kept_text_;
  stats.ordinal = pair.ordinal;
  return &stats;
}

base::SharedText PatternTable::KeepText(const base::SharedText& text) {
  if (text.size() > text_bytes_left_) return {};
  text_bytes_left_ -= text.size();
  return text;
}

base::Micros PatternTable::ClockSlack(const StatementPair& pair) {
  const std::pair exchange(pair.session, pair.exchange);
  if (exchange != last_exchange_) apart_us_ = 0;
  last_exchange_ = exchange;
  base::Micros least_us = std::numeric_limits<base::Micros>::max();
  base::Micros most_us = 0;
  for (const event::LaneOutcome& lane : pair.lanes) {
    least_us = std::min(least_us, lane.outcome.elapsed_us);
    most_us = std::max(most_us, lane.outcome.elapsed_us);
  }
  apart_us_ += std::max<base::Micros>(most_us - least_us, 0);
  clock_slack_us_ = std::max(clock_slack_us_, apart_us_);
  return clock_slack_us_;
}

// Counted as texts are: past the limit examples have none.
void PatternTable::KeepRows(const StatementPair& pair, const event::StatementFacts& facts,
                            const Difference& difference, Example& example) {
  RowSample rows = SampleRows(pair.lanes[0], pair.lanes[1], facts.ordered,
                              difference.own_columns() == 0 ? 0 : difference.noisy_columns());
  if (rows.size_bytes() > text_bytes_left_) return;
  text_bytes_left_ -= rows.size_bytes();
  example.rows = std::move(rows);
}

void PatternTable::AddDifference(PatternStats& stats, const StatementPair& pair,
                                 const event::StatementFacts& facts, const Difference& difference,
                                 const TaintBook::Following& following) {
  if (IsErrorKind(difference.control) || IsResultKind(difference.control)) {
    ++stats.control_differences[difference.control];
  }
  stats.control_columns.Add(difference.noisy_columns());
  stats.candidate_columns.Add(difference.columns);
  if (difference.kind == DifferenceKind::kNone) return;
  const uint64_t cause = following.in_transaction ? 0 : following.cause;
  KindStats& kind = stats.differences[difference.kind];
  ++kind.count;
  kind.weights.Add(difference.weight);
  const bool weighs = difference.weight > Weight::kNote;
  const bool follows = weighs && cause != 0 &&
                       (kind.follows.size() < limits_.causes || kind.follows.count(cause) != 0);
  if (follows) kind.follows[cause].weights.Add(difference.weight);
  if (weighs && difference.own_columns() != 0) {
    auto& sets = kind.by_columns;
    const ColumnBits columns = difference.own_columns();
    const bool room = sets.size() < limits_.column_sets || sets.count(columns) != 0;
    if (room) sets[columns].Add(difference.weight);
    if (room && follows) kind.follows[cause].by_columns[columns].Add(difference.weight);
  }
  kind.notes += difference.weight == Weight::kNote ? 1U : 0U;
  kind.by_locks += difference.by_locks ? 1U : 0U;
  const bool if_most = difference.weight == Weight::kGateIfMost;
  kind.by_clock += difference.by_clock && if_most ? 1U : 0U;
  if (difference.kind == DifferenceKind::kError && difference.weight == Weight::kGate) {
    ++kind.states[pair.lanes[1].outcome.sqlstate];
  }
  kind.introduced += difference.introduced ? 1U : 0U;
  if (difference.excuse != Excuse::kNone) ++kind.excuses[difference.excuse];
  if (kind.count > 1 && !GoesFirst(difference.weight, follows, kind)) return;
  kind.example_weight = difference.weight;
  kind.example_follows = follows;
  Example& example = kind.example;
  example.session = pair.session;
  example.exchange = pair.exchange;
  text_bytes_left_ += example.text.size() + example.rows.size_bytes();
  example.text.clear();
  example.rows = {};
  example.text = KeepText(pair.text);
  example.ordinal = pair.ordinal;
  example.detail = difference.detail;
  if (pair.lanes.size() < 2) return;
  if (IsResultKind(difference.kind) && difference.weight > Weight::kNote) {
    KeepRows(pair, facts, difference, example);
  }
  const event::Outcome& baseline = pair.lanes[0].outcome;
  const event::Outcome& candidate = pair.lanes[1].outcome;
  const auto& failed = difference.kind == DifferenceKind::kFixed ? baseline : candidate;
  example.sqlstate = failed.sqlstate;
  example.message = MessageWithoutValues(failed.sqlstate, failed.message);
  example.baseline_rows = event::RowsOf(baseline);
  example.candidate_rows = event::RowsOf(candidate);
}

void PatternTable::AddLatency(PatternStats& stats, const StatementPair& pair,
                              const Difference& difference) {
  if (pair.lanes.size() < 2 || pair.warm_up || pair.counterfactual) return;
  const event::Outcome& candidate = pair.lanes[1].outcome;
  if (!Succeeded(candidate)) return;
  if (difference.introduced && Succeeded(pair.captured)) {
    ++stats.new_pairs;
    stats.new_in_capture = capture_;
    const std::array<uint32_t, 2> value = {Narrow(pair.captured.elapsed_us),
                                           Narrow(candidate.elapsed_us)};
    Sample(stats.new_latencies, stats.new_pairs, stats.fingerprint, limits_.samples_per_pattern,
           limits_.samples_per_pattern_min, value);
    return;
  }
  if (!Succeeded(pair.lanes[0].outcome)) return;
  LatencyTuple lanes_us{};
  for (size_t i = 0; i < std::min(pair.lanes.size(), kLanesMax); ++i) {
    lanes_us[i] = Narrow(pair.lanes[i].outcome.elapsed_us);
  }
  const event::CostDecades cost =
      event::CostOf(event::RowsOf(pair.captured), pair.captured.elapsed_us);
  const LatencySample value(lanes_us, stats.latency_pairs, cost);
  ++stats.latency_pairs;
  if (Succeeded(pair.captured) && pair.captured.rows == pair.lanes[0].outcome.rows) {
    PaceSums& pace = stats.paces[capture_];
    ++pace.pairs;
    pace.captured_us += Narrow(pair.captured.elapsed_us);
    pace.replayed_us += lanes_us[0];
  }
  SplitByCost(stats, stats.by_rows, cost.rows, kRowsSalt, value);
  SplitByCost(stats, stats.by_time, cost.time, kTimeSalt, value);
  Sample(stats.latencies, stats.latency_pairs, stats.fingerprint, limits_.samples_per_pattern,
         limits_.samples_per_pattern_min, value);
}

// Most patterns cost the same in every call: their split has one part, and its sample would be the
// pattern's own. Until there is a second part, the first one keeps none.
void PatternTable::SplitByCost(PatternStats& stats, CostSplit& split, uint8_t decade, uint64_t salt,
                               const LatencySample& value) {
  if (split.size() == 1 && split.begin()->first != decade) {
    CostStats& first = split.begin()->second;
    const size_t held = stats.latencies.size();
    const size_t kept = std::min({held, limits_.samples_per_cost, samples_left_});
    for (size_t i = 0; i < kept; ++i) first.latencies.push_back(stats.latencies[i * held / kept]);
    samples_left_ -= kept;
  }
  CostStats& part = split[decade];
  ++part.pairs;
  for (size_t i = 0; i < kLanesMax; ++i) part.time_us[i] += value.us[i];
  if (split.size() < 2) return;
  // What was seen before its sample was begun is in it as far as it was kept.
  Sample(part.latencies, part.pairs, stats.fingerprint ^ (salt + decade), limits_.samples_per_cost,
         0, value);
}

// Algorithm R: every one of `seen` values has the same chance to be in the sample. Growth stops
// once the budget of all patterns is used up; what is held then stays the size of the sample.
template <typename T>
void PatternTable::Sample(std::vector<T>& sample, uint64_t seen, uint64_t salt, size_t samples_max,
                          size_t samples_min, const T& value) {
  const size_t room = samples_left_ > 0 ? samples_max : std::min(samples_max, samples_min);
  if (sample.size() < room && sample.size() + 1 == seen) {
    sample.push_back(value);
    if (samples_left_ > 0) --samples_left_;
    return;
  }
  base::Random random(limits_.seed ^ salt ^ (seen * 0x9e3779b97f4a7c15ULL));
  const uint64_t place = random.Below(seen);
  if (place < sample.size()) sample[place] = value;
}

}  // namespace scry::compare
