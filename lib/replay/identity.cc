#include "replay/identity.h"

#include <fmt/format.h>

#include <algorithm>
#include <charconv>
#include <cstdint>
#include <string_view>
#include <utility>

#include "base/letter_case.h"
#include "exchange/row_digest.h"
#include "replay/column_catalog.h"
#include "replay/identity_map.h"
#include "replay/loose_columns.h"
#include "replay/message_rewriter.h"
#include "replay/row_rewriter.h"
#include "replay/sequence_states.h"
#include "replay/type_oids.h"

namespace scry::replay {

struct Identity::Shared {
  ColumnCatalog columns;
  LooseColumns loose;  // Of the baseline.
  const event::SourceSnapshot* snapshot = nullptr;
  event::SitesCache* sites = nullptr;
  std::optional<IdentityLearner> learner;                  // From ShareSites on.
  std::vector<std::pair<std::string, std::string>> moved;  // Sequences, by the migration.
  size_t cells_max = 0;
  IdentityStats stats;
};

struct Identity::Lane {
  explicit Lane(size_t identities_max) : values(identities_max) {}
  TypeOids from_source;
  // In binary values, back to the source; without a snapshot, to the baseline.
  TypeOids to_source;
  TypeOids to_baseline;       // Of columns.
  NewTypes new_types;         // ... made since.
  base::Micros began_us = 0;  // See event::LaneOutcome::run_began_us.
  IdentityMap values;
  // Its rows hold what is to be translated back.
  bool active() const { return !to_source.empty() || !values.empty(); }
  bool learned = false;  // From the exchange that ended: its rows were digested before.
};

// Translates rows of a lane back.
class Identity::Rows final : public exchange::RowMapper {
 public:
  Rows(const Shared& shared, size_t index, Lane& lane)
      : shared_(shared), index_(index), lane_(lane) {}

  bool active() const override { return lane_.active(); }
  bool Begin(const std::vector<event::Column>& columns) override { return Begin(columns, {}); }

  bool Begin(const std::vector<event::Column>& columns, const CallColumns& calls) {
    cells_.assign(columns.size(), Cell());
    bool any = false;
    for (size_t i = 0; i < columns.size(); ++i) {
      const event::Column& column = columns[i];
      Cell& cell = cells_[i];
      cell.binary = column.format == 1;
      cell.holds_oids =
          cell.binary && !lane_.to_source.empty() && TypeOids::MayHoldOids(column.type_oid);
      const MappedColumn* mapped =
          shared_.columns.Find(index_, column.table_oid, column.column_number);
      const auto call = calls.find(i);
      if (mapped != nullptr) {
        cell.column = *mapped;
      } else if (call != calls.end()) {
        cell.column = *call->second;
        cell.column.kind = KindOf(column.type_oid);
      }
      if (!lane_.values.Has(cell.column.domain)) cell.column.domain = 0;
      any |= cell.holds_oids || cell.column.domain != 0;
    }
    return any;
  }

  base::Bytes Map(base::Bytes data_row) override {
    auto row = RewriteRow(
        data_row, [&](size_t column, std::string_view value) { return MapCell(column, value); });
    if (!row) return data_row;
    row_ = std::move(*row);
    return base::AsBytes(row_);
  }

 private:
  struct Cell {
    MappedColumn column;  // Domain 0: not mapped.
    bool binary = false;
    bool holds_oids = false;
  };

  std::optional<std::string> MapCell(size_t index, std::string_view value) {
    if (index >= cells_.size()) return std::nullopt;
    const Cell& cell = cells_[index];
    if (cell.holds_oids) return lane_.to_source.MapBinary(value);
    if (cell.column.domain == 0) return std::nullopt;
    const auto back = [&](const std::string& text) -> std::optional<std::string> {
      const auto found = lane_.values.ToCaptured(cell.column.domain, text);
      if (!found.known) return std::nullopt;
      return std::string(found.value);
    };
    return MapValue(cell.column.kind, value, cell.binary, back);
  }

  const Shared& shared_;
  const size_t index_;
  Lane& lane_;
  std::vector<Cell> cells_;  // By column.
  std::string row_;
};

namespace {

base::Result<base::Micros> ReadClock(pg::AdminSession& lane) {
  SCRY_TRY_ASSIGN(const pg::Rows rows,
                  lane.Exec("SELECT (extract(epoch FROM pg_catalog.clock_timestamp() - "
                            "'2000-01-01 00:00:00+00') * 1000000)::bigint"));
  const std::string text = rows.rows.at(0).at(0).value_or("");
  base::Micros us = 0;
  std::from_chars(text.data(), text.data() + text.size(), us);
  return us;
}

}  // namespace

Identity::Identity() : shared_(std::make_unique<Shared>()) {}
Identity::Identity(Identity&&) noexcept = default;
Identity& Identity::operator=(Identity&&) noexcept = default;
Identity::~Identity() = default;

base::Result<Identity> Identity::Open(const std::vector<pg::AdminSession*>& lanes,
                                      const ReplayOptions& options,
                                      std::vector<std::string>& notes) {
  Identity identity;
  identity.shared_->snapshot = options.snapshot;
  identity.shared_->cells_max = options.cells_max;
  // Names in a snapshot are UTF-8, whatever the encoding of the database.
  for (pg::AdminSession* lane : lanes) SCRY_TRY(lane->Exec("SET client_encoding = 'UTF8'"));
  if (options.snapshot != nullptr && options.set_sequences) {
    SCRY_TRY_ASSIGN(const SequenceReport report, SetSequences(lanes, *options.snapshot));
    notes = report.Notes();
    identity.shared_->moved = report.moved;
  }
  std::vector<event::SourceType> baseline;
  for (pg::AdminSession* session : lanes) {
    SCRY_TRY(identity.shared_->columns.AddLane(*session));
    SCRY_TRY_ASSIGN(std::vector<event::SourceType> types, ReadTypes(*session));
    auto lane = std::make_unique<Lane>(options.identities_max);
    SCRY_TRY_ASSIGN(lane->began_us, ReadClock(*session));
    const bool first = identity.lanes_.empty();
    if (first) {
      SCRY_TRY_ASSIGN(identity.shared_->loose, LooseColumns::Read(*session));
    } else {
      lane->to_baseline = TypeOids(types, baseline);
      lane->new_types = NewTypes(types, baseline);
    }
    if (options.snapshot != nullptr) {
      lane->from_source = TypeOids(options.snapshot->types, types);
      lane->to_source = TypeOids(types, options.snapshot->types);
    } else {
      lane->to_source = lane->to_baseline;
    }
    identity.lanes_.push_back(std::move(lane));
    if (first) baseline = std::move(types);
  }
  const size_t missing = identity.lanes_.empty() ? 0 : identity.lanes_[0]->from_source.missing();
  if (missing > 0) {
    notes.push_back(fmt::format("{} type{} of the source {} not in the shadow.", missing,
                                missing == 1 ? "" : "s", missing == 1 ? "is" : "are"));
  }
  for (pg::AdminSession* lane : lanes) SCRY_TRY(lane->Exec("RESET client_encoding"));
  return identity;
}

void Identity::ShareSites(event::SitesCache& sites) {
  shared_->sites = &sites;
  shared_->learner.emplace(shared_->columns, sites, shared_->snapshot);
  for (const auto& [schema, name] : shared_->moved) shared_->learner->NoteMoved(schema, name);
}

std::optional<std::vector<event::FrontendMessage>> Identity::ForLane(
    const event::Exchange& exchange, size_t index, const IdentitySession& session) {
  if (index >= lanes_.size() || shared_->sites == nullptr) return std::nullopt;
  Lane& lane = *lanes_[index];
  if (index == 0) {
    for (const event::FrontendMessage& message : exchange.messages) {
      if (CallsUnknownFunction(message)) ++shared_->stats.functions_unknown;
    }
  }
  return Rewritten(exchange, lane, session, shared_->stats);
}

bool Identity::Changes(const event::Exchange& exchange, size_t lane,
                       const IdentitySession& session) const {
  if (lane >= lanes_.size() || shared_->sites == nullptr) return false;
  IdentityStats uncounted;
  return Rewritten(exchange, *lanes_[lane], session, uncounted).has_value();
}

std::optional<std::vector<event::FrontendMessage>> Identity::Rewritten(
    const event::Exchange& exchange, Lane& lane, const IdentitySession& session,
    IdentityStats& stats) const {
  if (lane.from_source.empty() && lane.values.empty()) return std::nullopt;
  return MessageRewriter(lane.from_source, shared_->columns, lane.values, *shared_->sites, stats)
      .Rewrite(exchange, session.narrow);
}

std::unique_ptr<exchange::RowMapper> Identity::MapperFor(size_t lane) {
  if (lane >= lanes_.size()) return nullptr;
  return std::make_unique<Rows>(*shared_, lane, *lanes_[lane]);
}

bool Identity::LearnsFrom(const event::Exchange& exchange) const {
  if (shared_->columns.empty() || !shared_->learner) return false;
  return std::any_of(exchange.statements.begin(), exchange.statements.end(),
                     [&](const event::Statement& captured) {
                       const event::Outcome& outcome = captured.outcome;
                       if (outcome.values.empty()) return false;
                       // What was only read is believed if it is known where sequences began, and
                       // may show values that were learned before.
                       if (shared_->snapshot != nullptr || !Idle()) return true;
                       if (captured.text.empty() || !outcome.tag.starts_with("SELECT "))
                         return true;
                       const event::StatementSites& sites =
                           shared_->sites->Get(captured.text, captured.ordinal);
                       return !sites.sequence_calls.empty() ||
                              base::ContainsInAnyCase(captured.text.view(), "xmin");
                     });
}

void Identity::OnAnswers(const event::Exchange& exchange, std::vector<exchange::Answers>& answers,
                         IdentitySession& session) {
  if (answers.size() != lanes_.size()) return;
  TranslateTypes(answers);
  MarkColumns(answers.front().lanes);
  MarkClocks(answers);
  if (!shared_->learner) return;
  if (!shared_->columns.empty()) NoteNarrow(exchange, session.narrow);
  for (const auto& lane : lanes_) lane->learned = false;
  size_t statements = exchange.statements.size();
  for (const exchange::Answers& one : answers) statements = std::max(statements, one.lanes.size());
  for (size_t i = 0; i < statements; ++i) {
    const CallColumns calls =
        shared_->columns.empty() ? CallColumns() : Learn(exchange, i, answers, session);
    for (size_t lane = 0; lane < lanes_.size(); ++lane) {
      if (lanes_[lane]->active()) TranslateRows(lane, answers[lane], i, calls);
    }
  }
}

void Identity::TranslateTypes(std::vector<exchange::Answers>& answers) {
  for (size_t lane = 1; lane < lanes_.size(); ++lane) {
    std::vector<event::LaneOutcome>& outcomes = answers[lane].lanes;
    for (size_t i = 0; i < outcomes.size(); ++i) {
      const bool ran = i < answers[0].lanes.size();
      TranslateColumns(lane, ran ? answers[0].lanes[i].columns : std::vector<event::Column>(),
                       outcomes[i].columns);
    }
  }
}

void Identity::TranslateColumns(size_t lane, const std::vector<event::Column>& baseline,
                                std::vector<event::Column>& columns) {
  for (size_t i = 0; i < columns.size(); ++i) {
    event::Column& column = columns[i];
    column.type_oid = lanes_[lane]->to_baseline.Map(column.type_oid);
    if (i >= baseline.size() || baseline[i].name != column.name) continue;
    if (baseline[i].type_oid == column.type_oid) continue;
    column.type_oid = lanes_[lane]->new_types.Map(column.type_oid, baseline[i].type_oid);
  }
}

void Identity::MarkClocks(std::vector<exchange::Answers>& answers) const {
  for (size_t lane = 0; lane < lanes_.size(); ++lane) {
    for (event::LaneOutcome& outcome : answers[lane].lanes) {
      outcome.run_began_us = lanes_[lane]->began_us;
    }
  }
}

// Of the baseline.
void Identity::MarkColumns(std::vector<event::LaneOutcome>& outcomes) const {
  if (shared_->loose.empty() && shared_->columns.empty()) return;
  for (event::LaneOutcome& outcome : outcomes) {
    for (event::Column& column : outcome.columns) {
      column.loose = shared_->loose.Has(column);
      const MappedColumn* mapped = shared_->columns.Find(0, column.table_oid, column.column_number);
      column.by_chance = mapped != nullptr && mapped->own && !mapped->drawn && !mapped->xmin;
    }
  }
}

// No lane made anything of its own yet.
bool Identity::Idle() const {
  return std::all_of(lanes_.begin(), lanes_.end(),
                     [](const auto& lane) { return lane->values.empty(); });
}

CallColumns Identity::Learn(const event::Exchange& exchange, size_t statement,
                            const std::vector<exchange::Answers>& answers,
                            IdentitySession& session) {
  if (statement >= exchange.statements.size()) return {};
  const event::Statement& captured = exchange.statements[statement];
  if (captured.outcome.status != event::OutcomeStatus::kDone) return {};
  IdentityLearner::Note(captured, session);
  std::vector<const event::LaneOutcome*> lanes;
  std::vector<IdentityMap*> maps;
  bool differs = false;
  for (size_t lane = 0; lane < lanes_.size(); ++lane) {
    const auto& outcomes = answers[lane].lanes;
    const bool ran = statement < outcomes.size() &&
                     outcomes[statement].outcome.status == event::OutcomeStatus::kDone;
    lanes.push_back(ran ? &outcomes[statement] : nullptr);
    maps.push_back(&lanes_[lane]->values);
    differs |= ran && outcomes[statement].rows != captured.outcome.values;
  }
  if (lanes.front() == nullptr || (!differs && Idle())) return {};
  CallColumns calls;
  uint64_t learned = 0;
  if (captured.outcome.values.empty()) {
    learned = shared_->learner->LearnBeside(lanes, maps);
  } else {
    calls = shared_->learner->CallsOf(captured, lanes.front()->columns, session);
    learned = shared_->learner->Learn(captured, calls, lanes, maps);
  }
  shared_->stats.values_learned += learned;
  if (learned > 0) {
    for (const auto& lane : lanes_) lane->learned = true;
  }
  return calls;
}

// What was digested while it came was digested without what this exchange taught, and what calls
// draw is known only now.
void Identity::TranslateRows(size_t lane, exchange::Answers& answers, size_t statement,
                             const CallColumns& calls) {
  if (statement >= answers.lanes.size()) return;
  event::LaneOutcome& outcome = answers.lanes[statement];
  Rows rows(*shared_, lane, *lanes_[lane]);
  if (outcome.rows.empty() || !rows.Begin(outcome.columns, calls)) return;
  const bool again = outcome.rows_complete && (lanes_[lane]->learned || !calls.empty());
  exchange::RowDigest digest;
  exchange::CellHashes cells(shared_->cells_max);
  cells.Describe(outcome.columns);
  base::ByteWriter translated;
  uint64_t row_bytes = 0;
  ForEachRow(outcome.rows, [&](base::Bytes data_row) {
    const base::Bytes row = rows.Map(data_row);
    AppendSized(translated, base::AsText(row));
    if (!again) return;
    digest.Add(row);
    cells.AddRow(row);
    row_bytes += row.size();
  });
  outcome.rows = translated.Release();
  if (!again) return;
  event::Outcome& told = answers.statements[statement].outcome;
  told.digest_ordered = digest.ordered();
  told.digest_unordered = digest.unordered();
  told.row_bytes = row_bytes;
  outcome.values = cells.values();
  outcome.cells_complete = cells.complete();
  outcome.cells = cells.Take();
}

IdentityStats Identity::stats() const {
  IdentityStats stats = shared_->stats;
  for (const auto& lane : lanes_) stats.values_forgotten += lane->values.forgotten();
  return stats;
}

}  // namespace scry::replay
