#include "compare/difference.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <cctype>
#include <optional>

#include "base/letter_case.h"
#include "base/units.h"
#include "compare/catalog_relations.h"
#include "compare/clock_columns.h"
#include "compare/clock_order.h"
#include "compare/result_rows.h"

namespace scry::compare {
namespace {

using event::LaneOutcome;
using event::Outcome;
using event::OutcomeStatus;
using event::StatementFacts;

template <size_t N>
bool In(const std::array<std::string_view, N>& sorted, std::string_view word) {
  return std::binary_search(sorted.begin(), sorted.end(), word);
}

// All of them sorted, for binary search. What these say of the server may be the same on baseline
// and control, and still be none of the query's business.
constexpr std::array<std::string_view, 34> kServerFunctions = {
    "gen_salt",
    "inet_client_addr",
    "inet_client_port",
    "inet_server_addr",
    "inet_server_port",
    "lo_creat",
    "lo_create",
    "lo_from_bytea",
    "lo_import",
    "pg_backend_pid",
    "pg_blocking_pids",
    "pg_conf_load_time",
    "pg_current_logfile",
    "pg_current_snapshot",
    "pg_current_wal_flush_lsn",
    "pg_current_wal_insert_lsn",
    "pg_current_wal_lsn",
    "pg_current_xact_id",
    "pg_current_xact_id_if_assigned",
    "pg_database_size",
    "pg_indexes_size",
    "pg_is_in_recovery",
    "pg_last_wal_replay_lsn",
    "pg_last_xact_replay_timestamp",
    "pg_postmaster_start_time",
    "pg_relation_size",
    "pg_size_pretty",
    "pg_table_size",
    "pg_total_relation_size",
    "timeofday",
    "txid_current",
    "txid_current_if_assigned",
    "txid_current_snapshot",
    "version",
};
// Whose values differ on every lane at any time.
constexpr std::array<std::string_view, 21> kClocks = {
    "age",
    "array_sample",
    "array_shuffle",
    "clock_timestamp",
    "current_date",
    "current_time",
    "current_timestamp",
    "gen_random_bytes",
    "gen_random_uuid",
    "localtime",
    "localtimestamp",
    "now",
    "random",
    "random_normal",
    "statement_timestamp",
    "transaction_timestamp",
    "uuid_generate_v1",
    "uuid_generate_v1mc",
    "uuid_generate_v4",
    "uuidv4",
    "uuidv7",
};
// What even the number of rows may depend on.
constexpr std::array<std::string_view, 8> kRandomFunctions = {
    "array_sample", "array_shuffle", "gen_random_bytes", "gen_random_uuid",
    "random",       "random_normal", "uuidv4",           "uuidv7",
};
// Aggregates whose floating point result depends on the order of their input.
constexpr std::array<std::string_view, 12> kFloatSums = {
    "avg",    "corr",       "covar_pop",   "covar_samp", "regr_avgx", "regr_slope",
    "stddev", "stddev_pop", "stddev_samp", "sum",        "var_pop",   "variance"};

static_assert(std::is_sorted(kServerFunctions.begin(), kServerFunctions.end()));
static_assert(std::is_sorted(kRandomFunctions.begin(), kRandomFunctions.end()));
static_assert(std::is_sorted(kFloatSums.begin(), kFloatSums.end()));
static_assert(std::is_sorted(kClocks.begin(), kClocks.end()));

template <size_t N>
bool CallsOneOf(const StatementFacts& facts, const std::array<std::string_view, N>& sorted) {
  return std::any_of(facts.functions.begin(), facts.functions.end(),
                     [&](const std::string& name) { return In(sorted, name); });
}

bool Explains(const StatementFacts& facts) {
  return base::StartsWithInAnyCase(facts.pattern, "explain");
}

// How it runs and where, whatever the data.
bool AsksServer(const StatementFacts& facts) {
  return CallsOneOf(facts, kServerFunctions) || Explains(facts) ||
         base::StartsWithInAnyCase(facts.pattern, "show server_version");
}

// A migration changes it, and each lane names by numbers of its own what is created on it.
bool ReadsCatalog(const StatementFacts& facts) {
  if (facts.relations.empty()) {
    return std::any_of(facts.functions.begin(), facts.functions.end(),
                       [](std::string_view name) { return name.starts_with("pg_get_"); });
  }
  return std::any_of(facts.relations.begin(), facts.relations.end(), &IsCatalogRelation);
}

// "INSERT 0 5" -> "INSERT 0"; for comparing commands whatever their counts.
std::string TagCommand(const std::string& tag) {
  std::string command = tag;
  while (!command.empty() &&
         (std::isdigit(static_cast<unsigned char>(command.back())) != 0 || command.back() == ' ')) {
    command.pop_back();
  }
  return command;
}

Difference Make(DifferenceKind kind, Weight weight, std::string detail,
                Excuse excuse = Excuse::kNone) {
  Difference difference;
  difference.kind = kind;
  difference.weight = weight;
  difference.excuse = excuse;
  difference.detail = std::move(detail);
  return difference;
}

Difference NotComparable(Excuse excuse) {
  return Make(DifferenceKind::kNotComparable, Weight::kNone, {}, excuse);
}

std::optional<Excuse> ExcuseOfState(std::string_view sqlstate) {
  if (IsRaceState(sqlstate)) return Excuse::kRace;
  if (IsInfrastructureState(sqlstate)) return Excuse::kInfrastructure;
  return std::nullopt;
}

std::string ErrorText(const Outcome& outcome) {
  return outcome.sqlstate + " " + MessageWithoutValues(outcome.sqlstate, outcome.message);
}

// At least one side did not succeed.
Difference CompareFailures(const Outcome& captured, const Outcome& a, const Outcome& b) {
  if (a.status == OutcomeStatus::kLost || b.status == OutcomeStatus::kLost) {
    return NotComparable(Excuse::kInfrastructure);
  }
  if (a.status == OutcomeStatus::kSkipped || b.status == OutcomeStatus::kSkipped) {
    if (a.status == b.status) return {};
    return NotComparable(Excuse::kCascade);
  }
  const bool a_failed = a.status == OutcomeStatus::kError;
  const bool b_failed = b.status == OutcomeStatus::kError;
  if (a_failed && b_failed && a.sqlstate == b.sqlstate) return {};
  for (const Outcome* side : {&a, &b}) {
    if (side->status != OutcomeStatus::kError) continue;
    if (const auto excuse = ExcuseOfState(side->sqlstate)) return NotComparable(*excuse);
    if (side->sqlstate == "25P02") return NotComparable(Excuse::kCascade);
  }
  if (a_failed && b_failed) {
    return Make(DifferenceKind::kErrorChanged, Weight::kWarning,
                fmt::format("{} instead of {}", ErrorText(b), ErrorText(a)));
  }
  if (b_failed) return Make(DifferenceKind::kError, Weight::kGate, ErrorText(b));
  Difference fixed = Make(DifferenceKind::kFixed, Weight::kNote, ErrorText(a));
  fixed.introduced = IsIntroducedState(a.sqlstate, Succeeded(captured));
  return fixed;
}

std::string Join(const std::vector<std::string>& names) {
  constexpr size_t kNamesMax = 4;
  std::string joined;
  for (size_t i = 0; i < names.size() && i < kNamesMax; ++i) {
    joined += (i == 0 ? "" : ", ") + base::Printable(names[i], 40);
  }
  if (names.size() > kNamesMax) joined += fmt::format(" and {} more", names.size() - kNamesMax);
  return joined;
}

std::string Plural(const std::vector<std::string>& names, std::string_view one,
                   std::string_view many) {
  return fmt::format("{} {}", names.size() == 1 ? one : many, Join(names));
}

std::string AddedColumns(const ColumnMatch& match) {
  return "also returns " + Plural(match.added, "column", "columns");
}

std::optional<Difference> CompareCounts(const Outcome& a, const Outcome& b,
                                        const StatementFacts& facts) {
  const bool rows = a.rows != b.rows;
  const auto affected_a = event::TagCount(a.tag);
  const auto affected_b = event::TagCount(b.tag);
  const bool affected = affected_a && affected_b && affected_a != affected_b;
  if (!rows && !affected) return std::nullopt;
  const uint64_t before = rows ? a.rows : affected_a.value_or(0);
  const uint64_t after = rows ? b.rows : affected_b.value_or(0);
  auto counts = Make(DifferenceKind::kRows, Weight::kGate,
                     fmt::format("{} rows {} instead of {}", base::FormatCount(after),
                                 rows ? "returned" : "affected", base::FormatCount(before)));
  if (Explains(facts)) {
    counts.weight = Weight::kNote;  // A plan of other nodes has other lines.
    counts.excuse = Excuse::kVolatile;
  } else if (IsVolatile(facts)) {
    // `created_at > now() - interval '1 hour'` may lose a row between two lanes, and `random() <
    // 0.1` too, but not in most runs.
    counts.weight = Weight::kGateIfMost;
    counts.by_clock = true;
  }
  return counts;
}

// `beyond_rounding`: values were compared with a tolerance, and differ all the same.
Difference ValuesDifference(const LaneOutcome& a, const LaneOutcome& b, const ColumnMatch& match,
                            const StatementFacts& facts, bool beyond_rounding) {
  auto values = Make(DifferenceKind::kValues, Weight::kGate, "other values in equally many rows");
  if (CallsOneOf(facts, kFloatSums) && EqualWithoutFloats(a, b, match)) {
    // Sums that cancel out may differ by more than rounding does, but not in most calls.
    values.weight = beyond_rounding ? Weight::kGateIfMost : Weight::kNote;
    if (!beyond_rounding) values.excuse = Excuse::kRowOrderSums;
  } else if (facts.gathers &&
             (facts.picks || !DiffersBeyondChoice(a, b, match, facts).value_or(false))) {
    const bool other = !facts.picks && GathersOtherContent(a, b, match, facts).value_or(false);
    values.weight = other ? Weight::kGateIfMost : Weight::kWarning;
    if (!other) values.excuse = Excuse::kRowOrderSums;
  }
  return values;
}

// Other values where the query chooses among tied rows.
void ExcuseByChoice(const LaneOutcome& a, const LaneOutcome& b, const ColumnMatch& match,
                    const StatementFacts& facts, Difference& values) {
  if (values.weight <= Weight::kWarning || !(facts.picks || facts.ranks)) return;
  const auto beyond = DiffersBeyondChoice(a, b, match, facts);
  if (!beyond) {
    // Too many values to tell. But what is tied is seldom tied in most calls.
    values.weight = Weight::kGateIfMost;
  } else if (!*beyond) {
    values.weight = Weight::kWarning;
    values.excuse = Excuse::kTiesAtLimit;
    values.detail += ", which a choice among tied rows may explain";
  }
}

std::string OtherNumbers(const ColumnMatch& match) {
  const bool one = match.retyped.size() == 1;
  return Plural(match.retyped, "column", "columns") +
         (one ? " has another type and holds other numbers"
              : " have other types and hold other numbers");
}

Difference MaybeRounding(const StatementFacts& facts) {
  const bool sums = CallsOneOf(facts, kFloatSums);
  return Make(DifferenceKind::kValues, sums ? Weight::kNote : Weight::kWarning,
              "other floating point numbers; too many rows to tell whether by more than rounding",
              sums ? Excuse::kRowOrderSums : Excuse::kNone);
}

std::optional<Difference> CompareContent(const LaneOutcome& a, const LaneOutcome& b,
                                         const ColumnMatch& match, const StatementFacts& facts) {
  RowsVerdict verdict = CompareRows(a, b, match, facts);
  const bool alike = verdict == RowsVerdict::kEqual;  // But for numbers that have another type.
  std::optional<RowsVerdict> by_value;
  if (!match.numbers.empty() || (!alike && verdict != RowsVerdict::kTooLarge)) {
    by_value = CompareRowsByValue(a, b, match, facts);
  }
  // Equal hashes of values, but other bytes.
  const bool rescaled =
      alike && match.same() && a.outcome.digest_unordered != b.outcome.digest_unordered;
  if (rescaled || by_value == RowsVerdict::kEqual) {
    if (alike && !rescaled) return std::nullopt;
    return Make(DifferenceKind::kValues, Weight::kNote,
                "the same numbers, with another scale or rounding", Excuse::kEqualByValue);
  }
  if (by_value) verdict = *by_value;
  switch (verdict) {
    case RowsVerdict::kEqual:
      return std::nullopt;
    case RowsVerdict::kTooLarge:
      return NotComparable(Excuse::kTooLarge);
    case RowsVerdict::kOrder:
      return Make(DifferenceKind::kOrder, Weight::kGate, "the same rows in another order");
    case RowsVerdict::kHiddenOrder:
      return Make(DifferenceKind::kOrder, Weight::kNote,
                  "the same rows in another order; what they are sorted by is not in the output",
                  Excuse::kHiddenSortKey);
    case RowsVerdict::kMaybeOrder:
      return Make(DifferenceKind::kOrder, Weight::kWarning,
                  "the same rows in another order; too many values to tell whether only tied rows "
                  "moved");
    case RowsVerdict::kMaybeRounding:
      return MaybeRounding(facts);
    case RowsVerdict::kMaybeTied:
      return Make(DifferenceKind::kOrder, Weight::kWarning,
                  "the same rows in another order; what they are sorted by may be equal though it "
                  "is written otherwise");
    case RowsVerdict::kTiesAtLimit:
      return Make(DifferenceKind::kValues, Weight::kNote,
                  "other rows among those tied at the limit", Excuse::kTiesAtLimit);
    case RowsVerdict::kOtherValues:
    case RowsVerdict::kMaybeTies:
    case RowsVerdict::kValuesHiddenLimit:
    case RowsVerdict::kValues:
      break;
  }
  auto values = ValuesDifference(a, b, match, facts, by_value.has_value());
  if (alike) values.detail = OtherNumbers(match);
  const bool limited = event::LeavesOut(facts, a.outcome.rows);
  if (limited && !facts.ordered && verdict != RowsVerdict::kOtherValues) {
    // The id may be none, but is so seldom.
    values.weight = facts.one_key ? Weight::kGateIfMost : Weight::kNote;
    if (!facts.one_key) values.excuse = Excuse::kLimitUnordered;
  } else if (verdict != RowsVerdict::kValues && values.weight == Weight::kGate) {
    values.weight = Weight::kGateIfMost;
  }
  ExcuseByChoice(a, b, match, facts, values);
  return values;
}

Difference CompareResults(const LaneOutcome& a, const LaneOutcome& b, const StatementFacts& facts) {
  const std::string before = TagCommand(a.outcome.tag);
  const std::string after = TagCommand(b.outcome.tag);
  if (!before.empty() && !after.empty() && before != after) {
    // COMMIT of a failed transaction answers ROLLBACK: the statement that failed is to blame.
    if (before == "ROLLBACK" || after == "ROLLBACK") return NotComparable(Excuse::kCascade);
    return Make(DifferenceKind::kTag, Weight::kGate,
                fmt::format("answers {} instead of {}", after, before));
  }
  const ColumnMatch match = MatchColumns(a.columns, b.columns);
  if (!match.gone.empty()) {
    std::string detail = Plural(match.gone, "column", "columns") +
                         (match.gone.size() == 1 ? " is gone" : " are gone");
    if (!match.added.empty()) detail += "; new: " + Join(match.added);
    return Make(DifferenceKind::kColumnsChanged, Weight::kGate, detail);
  }
  if (auto counts = CompareCounts(a.outcome, b.outcome, facts)) return *counts;
  const auto content = CompareContent(a, b, match, facts);
  if (content && content->kind != DifferenceKind::kNotComparable &&
      content->weight >= Weight::kWarning) {
    return *content;
  }
  if (!match.retyped.empty()) {
    return Make(DifferenceKind::kColumnsChanged, Weight::kWarning,
                Plural(match.retyped, "column", "columns") +
                    (match.retyped.size() == 1 ? " has another type" : " have other types"));
  }
  if (match.moved) {
    return Make(DifferenceKind::kColumnsChanged, Weight::kWarning,
                "the columns stand in another order");
  }
  if (content) return *content;
  if (!match.added.empty()) {
    return Make(DifferenceKind::kColumnsAdded, Weight::kNote, AddedColumns(match));
  }
  return {};
}

Difference CompareLanes(const Outcome& captured, const LaneOutcome& a, const LaneOutcome& b,
                        const StatementFacts& facts) {
  if (!Succeeded(a.outcome) || !Succeeded(b.outcome)) {
    return CompareFailures(captured, a.outcome, b.outcome);
  }
  Difference difference = CompareResults(a, b, facts);
  const auto excuse_values = [&](Excuse excuse) {
    if (difference.weight <= Weight::kNote) return;
    difference.weight = Weight::kNote;
    difference.excuse = excuse;
  };
  if (IsResultKind(difference.kind) && ReadsCatalog(facts)) excuse_values(Excuse::kCatalog);
  return difference;
}

bool FailsAlike(const Outcome& a, const Outcome& b) {
  return a.sqlstate == b.sqlstate || (MayBeRaced(a.sqlstate) && MayBeRaced(b.sqlstate));
}

// Does what the control lane does explain what the candidate does?
bool IsNoise(const Difference& difference) {
  const DifferenceKind control = difference.control;
  switch (difference.kind) {
    case DifferenceKind::kError:
    case DifferenceKind::kErrorChanged:
      return IsErrorKind(control) && difference.control_alike;
    case DifferenceKind::kValues:
      // Of other rows nobody can say which values they should hold.
      if (control == DifferenceKind::kRows) return true;
      return control == DifferenceKind::kValues &&
             (difference.own_columns() == 0 || difference.control_columns == 0);
    case DifferenceKind::kOrder:
      return control == DifferenceKind::kOrder || control == DifferenceKind::kValues ||
             control == DifferenceKind::kRows;
    default:
      return control == difference.kind;
  }
}

// Beside what the lanes' statements took: they run one after the other, or together.
constexpr base::Micros kClockToleranceUs = 2 * 1000 * 1000;

std::string ShiftedDetail(const event::StatementPair& pair, ColumnBits shifted) {
  const std::vector<event::Column>& columns = pair.lanes[0].columns;
  std::vector<std::string> names;
  for (size_t i = 0; i < columns.size() && i < kColumnBits; ++i) {
    if ((shifted >> i & 1U) != 0) names.push_back(columns[i].name);
  }
  return fmt::format(
      "{} by more than the lanes' clocks",
      Plural(names, "column", "columns") + (names.size() == 1 ? " differs" : " differ"));
}

// What the control lane shows of this pair. Columns cost sorting: only where they decide.
void LookAtControl(const event::StatementPair& pair, const StatementFacts& facts,
                   base::Micros clock_slack_us, Difference& difference) {
  const auto bits = [&](const LaneOutcome& lane) {
    return DifferingColumnBits(pair.lanes[0], lane,
                               MatchColumns(pair.lanes[0].columns, lane.columns));
  };
  if (difference.kind == DifferenceKind::kValues && difference.weight > Weight::kNote) {
    difference.columns = bits(pair.lanes[1]);
  }
  if (pair.lanes.size() < 3) return;
  const Difference control = CompareLanes(pair.captured, pair.lanes[0], pair.lanes[2], facts);
  difference.control = control.kind;
  difference.control_alike = FailsAlike(pair.lanes[1].outcome, pair.lanes[2].outcome);
  if (control.kind != DifferenceKind::kValues) return;
  difference.control_columns = bits(pair.lanes[2]);
  const ColumnBits both = difference.columns & difference.control_columns;
  if (both == 0) return;
  difference.shifted_columns = ShiftedClockColumns(pair, both, kClockToleranceUs + clock_slack_us);
  if (difference.shifted_columns != 0) {
    difference.detail = ShiftedDetail(pair, difference.shifted_columns);
  }
}

// Rows stored by transactions that began together, sorted by when they did.
void ExcuseByClockOrder(const event::StatementPair& pair, const StatementFacts& facts,
                        base::Micros clock_slack_us, Difference& difference) {
  if (difference.kind != DifferenceKind::kValues || difference.weight <= Weight::kNote) return;
  if (difference.noisy_columns() == 0 || difference.own_columns() == 0) return;
  if (!FollowsFromClocks(pair, facts, difference, kClockToleranceUs + clock_slack_us)) return;
  difference.weight = Weight::kNote;
  difference.excuse = Excuse::kNoise;
  difference.detail = "rows stored at nearly the same moment come in another order";
}

ColumnBits ColumnsByChance(const std::vector<event::Column>& columns) {
  ColumnBits bits = 0;
  for (size_t i = 0; i < std::min(columns.size(), kColumnBits - 1); ++i) {
    if (columns[i].by_chance) bits |= ColumnBits{1} << i;
  }
  return bits;
}

// Without a control lane: what clocks and chance fill anew on each lane is no difference.
void ExcuseDefaults(const event::StatementPair& pair, base::Micros clock_slack_us,
                    Difference& difference) {
  if (pair.lanes.size() != 2 || difference.kind != DifferenceKind::kValues) return;
  if (difference.columns == 0) return;
  const RunClocks clocks =
      ClocksOfRun(pair, difference.columns, kClockToleranceUs + clock_slack_us);
  difference.columns &= ~(clocks.explained | ColumnsByChance(pair.lanes[0].columns));
  if (difference.columns == 0) {
    difference.weight = Weight::kNote;
    difference.excuse = Excuse::kVolatile;
  } else if ((difference.columns & ~clocks.unsure) == 0) {
    difference.weight = std::min(difference.weight, Weight::kWarning);
  }
}

ColumnBits BitsNamed(const std::vector<event::Column>& columns,
                     const std::vector<std::string>& names) {
  ColumnBits bits = 0;
  for (size_t i = 0; i < columns.size(); ++i) {
    if (std::find(names.begin(), names.end(), columns[i].name) == names.end()) continue;
    bits |= ColumnBits{1} << std::min(i, kColumnBits - 1);
  }
  return bits;
}

// Without a control lane nobody can say how often chance makes another number of rows.
void ExcuseRandomCounts(const event::StatementPair& pair, const StatementFacts& facts,
                        Difference& difference) {
  if (pair.lanes.size() != 2 || difference.kind != DifferenceKind::kRows) return;
  if (!CallsOneOf(facts, kRandomFunctions)) return;
  difference.weight = Weight::kNote;
  difference.excuse = Excuse::kVolatile;
}

// A query that asks a clock or a sequence returns other values on every lane. With a control lane
// to tell which columns those are, the others are still to be the same; but for those that are
// known to hold numbers of sequences.
void ExcuseVolatile(const event::StatementPair& pair, const StatementFacts& facts,
                    Difference& difference) {
  const bool content =
      difference.kind == DifferenceKind::kValues || difference.kind == DifferenceKind::kOrder;
  if (!content || difference.weight <= Weight::kNote || !IsVolatile(facts)) return;
  // Beside a sequence, too: a default may ask a clock that the text does not name.
  const bool control_tells =
      pair.lanes.size() >= 3 && Succeeded(pair.lanes[2].outcome) &&
      (difference.control == DifferenceKind::kNone || difference.control_columns != 0);
  const bool sequences_told = !event::DrawsFromSequences(facts) || facts.drawn.has_value();
  const ColumnBits drawn = facts.drawn ? BitsNamed(pair.lanes[0].columns, *facts.drawn) : 0;
  const bool columns_tell = control_tells && sequences_told && !AsksServer(facts);
  // Neither clock nor chance made a difference between equal lanes; of what differs, columns say no
  // more.
  const bool no_columns = difference.kind == DifferenceKind::kOrder || difference.columns == 0;
  if (columns_tell && no_columns && difference.control == DifferenceKind::kNone) {
    difference.weight = std::min(difference.weight, Weight::kGateIfMost);
    difference.by_clock = true;
    return;
  }
  if (columns_tell && (difference.own_columns() & ~drawn) != 0) {
    // Where only the candidate drew other numbers, a trigger may have made the rest of them.
    const bool follows = (difference.own_columns() & drawn) != 0;
    difference.columns &= ~drawn;
    difference.weight =
        std::min(difference.weight, follows ? Weight::kWarning : Weight::kGateIfMost);
    difference.by_clock = !follows;
    return;
  }
  difference.weight = Weight::kNote;
  difference.excuse = Excuse::kVolatile;
}

// Differences that follow from the replay and not from the change: counted, not weighed.
void ExcuseByReplay(const event::StatementPair& pair, Difference& difference) {
  if (difference.weight == Weight::kNone || (!pair.counterfactual && !pair.order_broken)) return;
  if (difference.kind == DifferenceKind::kFixed) return;
  if (difference.kind == DifferenceKind::kError && pair.lanes.size() > 1) {
    const std::string& state = pair.lanes[1].outcome.sqlstate;
    // No order of statements and no earlier result takes a column away; a missing table can follow
    // from a temporary table that was not made.
    if (state == "42703") return;
    if (!pair.counterfactual && state.starts_with("42")) return;
  }
  difference.doubted = difference.weight > Weight::kNote && !IsNoise(difference);
  difference.weight = Weight::kNote;
  difference.excuse = pair.counterfactual ? Excuse::kCounterfactual : Excuse::kOrderBroken;
}

bool AnswersOneBool(const LaneOutcome& lane) {
  constexpr uint32_t kBoolOid = 16;
  return lane.columns.size() == 1 && lane.columns.front().type_oid == kBoolOid;
}

// What went round locks, or gave up at them, took what was free at that moment. Once a queue has
// drifted apart, a lane takes other rows of it ever after; but it still gets some.
void ExcuseByLocks(const event::StatementPair& pair, const StatementFacts& facts,
                   Difference& difference) {
  const bool chance =
      IsResultKind(difference.kind) && difference.kind != DifferenceKind::kColumnsChanged;
  if (!chance || difference.weight <= Weight::kNote || !event::DependsOnLocks(facts)) return;
  difference.by_locks = difference.kind == DifferenceKind::kRows ||
                        difference.kind == DifferenceKind::kTag || AnswersOneBool(pair.lanes[0]);
  difference.weight = Weight::kNote;
  difference.excuse = Excuse::kRace;
}

bool QuotesData(std::string_view sqlstate) {
  if (sqlstate == "42601") return true;  // "syntax error at or near ..."
  static constexpr std::array<std::string_view, 14> kNamesOnly = {
      "08", "0A", "23", "25", "26", "28", "3D", "3F", "40", "42", "53", "54", "55", "57"};
  static_assert(std::is_sorted(kNamesOnly.begin(), kNamesOnly.end()));
  return sqlstate.size() != 5 || !In(kNamesOnly, sqlstate.substr(0, 2));
}

}  // namespace

Difference JudgePair(const event::StatementPair& pair, const StatementFacts& facts,
                     base::Micros clock_slack_us) {
  if (pair.lanes.size() < 2) return NotComparable(Excuse::kNoLanes);
  Difference difference = CompareLanes(pair.captured, pair.lanes[0], pair.lanes[1], facts);
  LookAtControl(pair, facts, clock_slack_us, difference);
  ExcuseByClockOrder(pair, facts, clock_slack_us, difference);
  ExcuseDefaults(pair, clock_slack_us, difference);
  ExcuseRandomCounts(pair, facts, difference);
  ExcuseVolatile(pair, facts, difference);
  ExcuseByReplay(pair, difference);
  ExcuseByLocks(pair, facts, difference);
  if (difference.weight > Weight::kNote && IsNoise(difference)) {
    difference.weight = Weight::kNote;
    difference.excuse = Excuse::kNoise;
    // Noise in one column must not keep the news of another back.
    const ColumnMatch match = MatchColumns(pair.lanes[0].columns, pair.lanes[1].columns);
    if (difference.kind == DifferenceKind::kValues && !match.added.empty()) {
      difference.kind = DifferenceKind::kColumnsAdded;
      difference.detail = AddedColumns(match);
    }
  }
  return difference;
}

bool Succeeded(const Outcome& outcome) {
  return outcome.status == OutcomeStatus::kDone || outcome.status == OutcomeStatus::kEmpty ||
         outcome.status == OutcomeStatus::kSuspended;
}

bool IsErrorKind(DifferenceKind kind) {
  return kind == DifferenceKind::kError || kind == DifferenceKind::kErrorChanged;
}

bool IsResultKind(DifferenceKind kind) {
  return kind == DifferenceKind::kColumnsChanged || kind == DifferenceKind::kRows ||
         kind == DifferenceKind::kValues || kind == DifferenceKind::kOrder ||
         kind == DifferenceKind::kTag;
}

bool IsRaceState(std::string_view sqlstate) {
  return sqlstate == "40001" || sqlstate == "40P01" || sqlstate == "55P03" || sqlstate == "57014";
}

bool MayBeRaced(std::string_view sqlstate) {
  return sqlstate == "23503" || sqlstate == "23505" || sqlstate == "23P01";
}

bool IsInfrastructureState(std::string_view sqlstate) {
  return sqlstate.starts_with("08") || IsResourceState(sqlstate) || sqlstate.starts_with("57P");
}

bool IsResourceState(std::string_view sqlstate) { return sqlstate.starts_with("53"); }

bool IsIntroducedState(std::string_view sqlstate, bool captured_ok) {
  // Column, table, function, object, schema, ON CONFLICT without its index.
  static constexpr std::array<std::string_view, 6> kUndefined = {"3F000", "42703", "42704",
                                                                 "42883", "42P01", "42P10"};
  // Limits that a change may lift: numeric range, text length, enum label, NOT NULL, CHECK.
  static constexpr std::array<std::string_view, 5> kLifted = {"22001", "22003", "22P02", "23502",
                                                              "23514"};
  static_assert(std::is_sorted(kUndefined.begin(), kUndefined.end()));
  static_assert(std::is_sorted(kLifted.begin(), kLifted.end()));
  return In(kUndefined, sqlstate) || (captured_ok && In(kLifted, sqlstate));
}

bool IsVolatile(const StatementFacts& facts) {
  return CallsOneOf(facts, kClocks) || event::DrawsFromSequences(facts) || AsksServer(facts);
}

std::string MessageWithoutValues(std::string_view sqlstate, std::string_view message) {
  constexpr size_t kColumnsMax = 200;
  if (!QuotesData(sqlstate)) return base::Printable(base::OneLine(message), kColumnsMax);
  std::string safe;
  bool quoted = false;
  char quote = 0;
  for (const char c : message) {
    if (quoted) {
      if (c == quote) {
        quoted = false;
        safe += "…";
        safe += c;
      }
      continue;
    }
    if (c == '"' || c == '\'') {
      quoted = true;
      quote = c;
      safe += c;
    } else if (std::isdigit(static_cast<unsigned char>(c)) != 0) {
      if (!safe.ends_with('?')) safe += '?';
    } else {
      safe += c;
    }
  }
  if (quoted) safe += "…";
  return base::Printable(base::OneLine(safe), kColumnsMax);
}

const char* Name(DifferenceKind kind) {
  static constexpr std::array<const char*, kDifferenceKinds> kNames = {
      "none",   "error", "fixed", "error changed", "columns changed", "rows",
      "values", "order", "tag",   "columns added", "not comparable"};
  return kNames[static_cast<size_t>(kind)];
}

const char* Name(Excuse excuse) {
  static constexpr std::array<const char*, kExcuses> kNames = {"none",
                                                               "volatile",
                                                               "catalog",
                                                               "ties at limit",
                                                               "limit unordered",
                                                               "hidden sort key",
                                                               "row order sums",
                                                               "race",
                                                               "infrastructure",
                                                               "cascade",
                                                               "counterfactual",
                                                               "order broken",
                                                               "noise",
                                                               "equal by value",
                                                               "too large",
                                                               "no lanes"};
  return kNames[static_cast<size_t>(excuse)];
}

}  // namespace scry::compare
