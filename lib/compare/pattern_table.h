// Adds up pairs per pattern, in bounded memory: counts, errors, differences with one example each,
// and a sample of latencies. Filled by replay through event::PairSink, read by Judge(). For one
// thread at a time. The same pairs in the same order give the same table.
#pragma once

#include <array>
#include <cstdint>
#include <functional>
#include <map>
#include <string>
#include <unordered_map>
#include <utility>
#include <vector>

#include "base/shared_text.h"
#include "compare/connect_tally.h"
#include "compare/difference.h"
#include "compare/fetch_book.h"
#include "compare/fidelity.h"
#include "compare/row_sample.h"
#include "compare/taint_book.h"
#include "compare/unasked_tally.h"
#include "event/cost_range.h"
#include "event/lane_pair.h"
#include "event/statement_facts.h"

namespace scry::compare {

inline constexpr size_t kLanesMax = 3;

struct PatternTableLimits {
  size_t patterns = 20'000;  // Further patterns are counted, not kept, unless they break.
  size_t samples_per_pattern = 4096;
  size_t samples_per_pattern_min = 64;  // Granted even when samples_total is used up.
  size_t samples_total = 4'000'000;     // Those of ranges included.
  // Of the calls of one cost (event::CostDecades), kept beside those of the whole pattern once a
  // pattern has calls of more than one: the rare and heavy ones would be lost among the light.
  size_t samples_per_cost = 256;
  size_t text_bytes = 64'000'000;  // Of example texts; past it patterns have none.
  size_t pattern_bytes = 4096;     // A longer pattern is cut.
  size_t sqlstates_per_lane = 32;  // Per pattern; further ones are counted as "other".
  size_t causes = 16;       // Per pattern and kind; what follows from further ones stands alone.
  size_t column_sets = 32;  // Per pattern and kind; pairs of further ones count as not known.
  uint64_t seed = 1;
};

// The first pair that showed a kind of difference.
struct Example {
  event::SessionId session = event::SessionId::kNone;
  uint64_t exchange = 0;
  base::SharedText text;  // With values: for plans and for --show-values, not for reports.
  uint32_t ordinal = 0;
  std::string sqlstate;  // The candidate's; of kFixed: the baseline's.
  std::string message;   // Of the same, without values.
  uint64_t baseline_rows = 0;
  uint64_t candidate_rows = 0;
  std::string detail;  // Difference::detail.
  RowSample rows;      // Of result differences that weigh; holds values.
};

// Pairs by weight.
struct WeightCounts {
  uint64_t gates = 0;          // Weight kGate.
  uint64_t gates_if_most = 0;  // Weight kGateIfMost.
  uint64_t warnings = 0;

  void Add(Weight weight);
  void Subtract(const WeightCounts& other);
  uint64_t sum() const { return gates + gates_if_most + warnings; }
};

struct ColumnWeights {
  WeightCounts weights;
  // Of those, by the columns in which only the candidate differs (kValues; where they are known).
  std::map<ColumnBits, WeightCounts> by_columns;
};

struct KindStats : ColumnWeights {
  uint64_t count = 0;
  // Of its weights, by the cause that they follow from: the fingerprint of an earlier difference.
  std::map<uint64_t, ColumnWeights> follows;
  uint64_t notes = 0;
  uint64_t by_locks = 0;                   // Of the notes: see Difference.
  uint64_t by_clock = 0;                   // Of those that gate if most do: the same.
  std::map<std::string, uint64_t> states;  // Of errors that gate: their SQLSTATEs.
  uint64_t introduced = 0;                 // kFixed: because the change introduces what it needs.
  std::map<Excuse, uint64_t> excuses;
  Example example;  // Of the heaviest weight seen; one that follows from no cause goes first.
  Weight example_weight = Weight::kNone;
  bool example_follows = false;
};

// One statement on every lane, in microseconds.
using LatencyTuple = std::array<uint32_t, kLanesMax>;

// ... with its place among the pairs of its pattern and with what it cost when captured. There may
// be millions, so the latter two share a word.
class LatencySample {
 public:
  static constexpr uint64_t kPlaceMax = (1U << 24U) - 1;  // Stands for all further ones too.

  LatencySample() = default;
  LatencySample(const LatencyTuple& lanes_us, uint64_t at, event::CostDecades cost)
      : us(lanes_us),
        packed_(static_cast<uint32_t>(at < kPlaceMax ? at : kPlaceMax) << 8U |
                static_cast<uint32_t>(cost.rows) << 4U | cost.time) {}

  operator const LatencyTuple&() const { return us; }  // NOLINT: where only the lanes matter.
  uint32_t at() const { return packed_ >> 8U; }
  event::CostDecades cost() const {
    return {static_cast<uint8_t>(packed_ >> 4U & 15U), static_cast<uint8_t>(packed_ & 15U)};
  }
  friend bool operator==(const LatencySample&, const LatencySample&) = default;

  LatencyTuple us{};

 private:
  static_assert(event::kDecades <= 16);
  uint32_t packed_ = 0;
};

// The calls of one pattern whose cost lies in one decade of rows, or of time.
struct CostStats {
  uint64_t pairs = 0;
  std::array<uint64_t, kLanesMax> time_us{};
  std::vector<LatencySample> latencies;  // A sample. Empty while all calls cost the same.
};
using CostSplit = std::map<uint8_t, CostStats>;  // By decade.

// Of pairs that ran when captured, and came to as many rows then as on the baseline.
struct PaceSums {
  uint64_t pairs = 0;
  uint64_t captured_us = 0;
  uint64_t replayed_us = 0;  // On the baseline.
};

// How many pairs differ in a column; empty: none does.
class ColumnTally {
 public:
  void Add(ColumnBits columns);
  uint64_t At(size_t bit) const { return bit < counts_.size() ? counts_[bit] : 0; }
  bool empty() const { return counts_.empty(); }

 private:
  std::vector<uint64_t> counts_;
};

struct PatternStats {
  uint64_t fingerprint = 0;
  std::string pattern;
  event::StatementKind kind = event::StatementKind::kOther;
  base::SharedText text;  // Of the first pair, with values; empty where it is too large.
  uint32_t ordinal = 0;

  uint64_t calls = 0;
  uint64_t compared = 0;  // Judged: the lanes gave something to compare.
  uint64_t warm_up = 0;
  uint64_t held_up = 0;
  uint64_t order_broken = 0;
  uint64_t counterfactual = 0;
  uint64_t cut_short = 0;       // Other statements after this one broke their transaction.
  uint64_t failed_on_both = 0;  // ... though production ran it.
  std::array<uint64_t, kLanesMax> time_us{};

  uint64_t latency_pairs = 0;  // Eligible; `latencies` is a sample of them.
  std::vector<LatencySample> latencies;
  CostSplit by_rows;
  CostSplit by_time;
  std::map<uint32_t, PaceSums> paces;  // By capture.
  uint64_t new_pairs = 0;              // Introduced by the change, and run when captured.
  std::vector<std::array<uint32_t, 2>> new_latencies;  // Captured, candidate.
  uint32_t new_in_capture = 0;                         // The last of those captures.

  std::array<std::map<std::string, uint64_t>, kLanesMax> errors;  // Per SQLSTATE.
  std::array<uint64_t, kLanesMax> lost{};  // Calls that ended the connection.
  uint64_t stuck = 0;  // Did not end on the candidate, and succeeded on the other lanes.
  std::map<DifferenceKind, KindStats> differences;
  // Pairs on which baseline and control differ, by kind, and of values by column.
  std::map<DifferenceKind, uint64_t> control_differences;
  ColumnTally control_columns;
  ColumnTally candidate_columns;  // The same of the candidate.

  FidelityCounts fidelity;
};

struct TableTotals {
  uint64_t statements = 0;
  uint64_t compared = 0;
  uint64_t warm_up = 0;
  uint64_t held_up = 0;
  uint64_t order_broken = 0;
  uint64_t counterfactual = 0;
  // Differences that only the replay's doubts keep from weighing, and that follow from none that is
  // told.
  uint64_t doubted = 0;
  FidelityCounts fidelity;
  uint64_t fidelity_skipped = 0;     // Not judged: see PatternTable::JudgeFidelityWhere.
  uint64_t overflow_statements = 0;  // Of patterns past the limit.
  uint64_t parts_alone = 0;          // Of fetched results, judged each by itself: see FetchLimits.
  std::array<uint64_t, kLanesMax> time_us{};
  std::map<Excuse, uint64_t> excuses;
  bool has_control = false;
};

class PatternTable : public event::PairSink {
 public:
  explicit PatternTable(PatternTableLimits limits = {}, FetchLimits fetch_limits = {});
  void Put(const event::StatementPair& pair) override;
  // The same with facts that the caller knows.
  void Put(const event::StatementPair& pair, const event::StatementFacts& facts);
  void PutUnasked(const event::UnaskedPair& pair) override;
  void PutNotification(const event::Notification& notification,
                       std::optional<size_t> lane) override;
  void PutConnect(const event::ConnectPair& pair) override { connects_.Put(pair); }
  // Further pairs are of another capture.
  void BeginCapture() { ++capture_; }
  // There are no more pairs of any session so far: judges what clients had not fetched to its end.
  void EndSessions();

  // From now on, fidelity is judged only of statements for which `knowable` is true: those whose
  // data the lanes can have.
  using Knowable = std::function<bool(const event::StatementPair&, const event::StatementFacts&)>;
  void JudgeFidelityWhere(Knowable knowable) { knowable_ = std::move(knowable); }

  const TableTotals& totals() const { return totals_; }
  const UnaskedTally& unasked() const { return unasked_; }
  const ConnectTally& connects() const { return connects_; }
  size_t size() const { return patterns_.size(); }
  // By fingerprint. Valid until the next Put.
  std::vector<const PatternStats*> Patterns() const;
  const PatternStats* Find(uint64_t fingerprint) const;

 private:
  PatternStats* Open(const event::StatementPair& pair, const event::StatementFacts& facts,
                     bool must_keep);
  base::SharedText KeepText(const base::SharedText& text);
  base::Micros ClockSlack(const event::StatementPair& pair);
  FidelityCounts JudgeFidelityOf(const event::StatementPair& pair,
                                 const event::StatementFacts& facts, bool introduced);
  void PutWholes();
  void PutWhole(FetchedWhole& whole);
  TaintBook::Following Follow(const event::StatementPair& pair, const event::StatementFacts& facts,
                              const Difference& difference);
  void KeepRows(const event::StatementPair& pair, const event::StatementFacts& facts,
                const Difference& difference, Example& example);
  void AddDifference(PatternStats& stats, const event::StatementPair& pair,
                     const event::StatementFacts& facts, const Difference& difference,
                     const TaintBook::Following& following);
  void AddLatency(PatternStats& stats, const event::StatementPair& pair,
                  const Difference& difference);
  void SplitByCost(PatternStats& stats, CostSplit& split, uint8_t decade, uint64_t salt,
                   const LatencySample& value);
  template <typename T>
  void Sample(std::vector<T>& sample, uint64_t seen, uint64_t salt, size_t samples_max,
              size_t samples_min, const T& value);

  const PatternTableLimits limits_;
  event::FactsCache facts_;
  std::unordered_map<uint64_t, PatternStats> patterns_;
  TaintBook taint_;
  FetchBook fetches_;
  std::vector<FetchedWhole> ended_;  // For its memory.
  uint32_t capture_ = 0;
  Knowable knowable_;
  TableTotals totals_;
  UnaskedTally unasked_;
  ConnectTally connects_;
  // How far lanes were apart after an exchange, by what its statements took: at most, and of the
  // last one.
  base::Micros clock_slack_us_ = 0;
  base::Micros apart_us_ = 0;
  std::pair<event::SessionId, uint64_t> last_exchange_{event::SessionId::kNone, 0};
  size_t samples_left_;
  size_t text_bytes_left_;
  base::SharedText kept_text_;  // Of the last new pattern.
};

}  // namespace scry::compare
