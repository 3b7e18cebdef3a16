#include "replay/identity.h"

#include <fmt/format.h>

#include <algorithm>
#include <cstdint>
#include <utility>

#include "replay/message_rewriter.h"
#include "replay/row_rewriter.h"
#include "replay/sequence_states.h"

namespace scry::replay {

struct Identity::Lane {
  TypeOids from_source;
  // In binary values, back to the source; without a snapshot, to the baseline.
  TypeOids to_source;
  TypeOids to_baseline;  // Of columns.
};

// Translates the rows of one connection back.
class Identity::Rows final : public exchange::RowMapper {
 public:
  explicit Rows(const Lane& lane) : lane_(lane) {}

  bool active() const override { return !lane_.to_source.empty(); }

  bool Begin(const std::vector<event::Column>& columns) override {
    holds_oids_.assign(columns.size(), false);
    for (size_t i = 0; i < columns.size(); ++i) {
      holds_oids_[i] = columns[i].format == 1 && TypeOids::MayHoldOids(columns[i].type_oid);
    }
    return std::find(holds_oids_.begin(), holds_oids_.end(), true) != holds_oids_.end();
  }

  base::Bytes Map(base::Bytes data_row) override {
    auto row = RewriteRow(data_row, [&](size_t column, std::string_view value) {
      const bool holds = column < holds_oids_.size() && holds_oids_[column];
      return holds ? lane_.to_source.MapBinary(value) : std::nullopt;
    });
    if (!row) return data_row;
    row_ = std::move(*row);
    return base::AsBytes(row_);
  }

 private:
  const Lane& lane_;
  std::vector<bool> holds_oids_;  // By column.
  std::string row_;
};

Identity::Identity() : stats_(std::make_unique<IdentityStats>()) {}
Identity::Identity(Identity&&) noexcept = default;
Identity& Identity::operator=(Identity&&) noexcept = default;
Identity::~Identity() = default;

base::Result<Identity> Identity::Open(const std::vector<pg::AdminSession*>& lanes,
                                      const ReplayOptions& options,
                                      std::vector<std::string>& notes) {
  Identity identity;
  // Names in a snapshot are UTF-8, whatever the encoding of the database.
  for (pg::AdminSession* lane : lanes) SCRY_TRY(lane->Exec("SET client_encoding = 'UTF8'"));
  if (options.snapshot != nullptr && options.set_sequences) {
    SCRY_TRY_ASSIGN(const SequenceReport report, SetSequences(lanes, *options.snapshot));
    notes = report.Notes();
  }
  std::vector<event::SourceType> baseline;
  for (pg::AdminSession* session : lanes) {
    SCRY_TRY_ASSIGN(std::vector<event::SourceType> types, ReadTypes(*session));
    auto lane = std::make_unique<Lane>();
    const bool first = identity.lanes_.empty();
    if (!first) lane->to_baseline = TypeOids(types, baseline);
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

std::optional<event::Exchange> Identity::ForLane(const event::Exchange& exchange, size_t lane) {
  if (lane >= lanes_.size()) return std::nullopt;
  auto messages = MessageRewriter(lanes_[lane]->from_source, *stats_).Rewrite(exchange.messages);
  if (!messages) return std::nullopt;
  event::Exchange other;
  other.session = exchange.session;
  other.index = exchange.index;
  other.status = exchange.status;
  other.messages = std::move(*messages);
  return other;
}

std::unique_ptr<exchange::RowMapper> Identity::MapperFor(size_t lane) {
  if (lane >= lanes_.size()) return nullptr;
  return std::make_unique<Rows>(*lanes_[lane]);
}

void Identity::OnAnswers(const event::Exchange& /*exchange*/,
                         std::vector<exchange::Answers>& answers) {
  for (size_t lane = 1; lane < std::min(answers.size(), lanes_.size()); ++lane) {
    const TypeOids& types = lanes_[lane]->to_baseline;
    if (types.empty()) continue;
    for (event::LaneOutcome& outcome : answers[lane].lanes) {
      for (event::Column& column : outcome.columns) column.type_oid = types.Map(column.type_oid);
    }
  }
}

const IdentityStats& Identity::stats() const { return *stats_; }

}  // namespace scry::replay
