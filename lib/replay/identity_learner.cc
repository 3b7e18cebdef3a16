#include "replay/identity_learner.h"

#include <algorithm>
#include <charconv>
#include <cstddef>
#include <set>
#include <string_view>
#include <utility>

#include "replay/identity_value.h"
#include "replay/row_rewriter.h"

namespace scry::replay {
namespace {

using Cells = std::vector<std::optional<std::string_view>>;

// nullopt: malformed.
std::optional<std::vector<Cells>> CellsOf(std::string_view row_list, size_t width) {
  std::vector<Cells> rows;
  bool fits = true;
  ForEachRow(row_list, [&](base::Bytes data_row) {
    Cells& cells = rows.emplace_back();
    wire::DataRowReader row(data_row);
    wire::RowValue value;
    while (row.Next(value)) {
      cells.push_back(value.null ? std::nullopt : std::optional(value.text));
    }
    fits = fits && row.ok() && cells.size() == width;
  });
  if (!fits) return std::nullopt;
  return rows;
}

std::optional<int64_t> Integer(const std::string& text) {
  int64_t number = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), number);
  if (error != std::errc() || end != text.data() + text.size()) return std::nullopt;
  return number;
}

}  // namespace

// An output column whose values are made by a column itself.
struct IdentityLearner::Source {
  size_t index = 0;  // In the baseline's output, and so in production's.
  std::string name;
  MappedColumn column;
  bool binary = false;
  bool call = false;
};

IdentityLearner::IdentityLearner(const ColumnCatalog& columns, event::SitesCache& sites,
                                 const event::SourceSnapshot* snapshot)
    : columns_(columns), sites_(sites) {
  if (snapshot == nullptr) return;
  for (const event::SequenceState& sequence : snapshot->sequences) {
    const MappedColumn* column = columns_.SequenceNamed(sequence.schema, sequence.name);
    if (column == nullptr || !sequence.last_value) continue;
    starts_[column->domain] = {*sequence.last_value, sequence.increment < 0};
  }
}

void IdentityLearner::NoteMoved(const std::string& schema, const std::string& sequence) {
  const MappedColumn* column = columns_.SequenceNamed(schema, sequence);
  if (column != nullptr) moved_.insert(column->domain);
}

void IdentityLearner::Note(const event::Statement& captured, IdentitySession& session) {
  if (!captured.outcome.tag.starts_with("INSERT ") || !captured.outcome.values.empty()) return;
  session.last_insert.text = captured.text;
  session.last_insert.ordinal = captured.ordinal;
}

CallColumns IdentityLearner::CallsOf(const event::Statement& captured,
                                     const std::vector<event::Column>& columns,
                                     const IdentitySession& session) {
  CallColumns calls;
  const bool plain = std::any_of(columns.begin(), columns.end(),
                                 [](const auto& column) { return column.table_oid == 0; });
  if (!plain || captured.text.empty() || !captured.outcome.tag.starts_with("SELECT ")) return calls;
  // A copy: looking at the text of the INSERT may push this one out of the cache.
  const std::vector<event::SequenceCall> found =
      sites_.Get(captured.text, captured.ordinal).sequence_calls;
  for (const event::SequenceCall& call : found) {
    const MappedColumn* column = nullptr;
    if (!call.sequence.empty()) {
      column = columns_.FindSequence(call.sequence);
    } else if (call.function != "nextval" && !session.last_insert.text.empty()) {
      const std::vector<std::string> writes =
          sites_.Get(session.last_insert.text, session.last_insert.ordinal).writes;
      if (writes.size() == 1) column = columns_.DrawnBy(writes.front());
    }
    if (column != nullptr && call.column < columns.size()) calls[call.column] = column;
  }
  return calls;
}

std::vector<IdentityLearner::Source> IdentityLearner::SourcesOf(const event::LaneOutcome& baseline,
                                                                const CallColumns& calls) const {
  std::vector<Source> sources;
  for (size_t i = 0; i < baseline.columns.size(); ++i) {
    const event::Column& column = baseline.columns[i];
    Source source;
    source.index = i;
    source.name = column.name;
    source.binary = column.format == 1;
    const MappedColumn* mapped = columns_.Find(0, column.table_oid, column.column_number);
    const auto call = calls.find(i);
    if (call != calls.end()) {
      source.column = *call->second;
      source.column.kind = KindOf(column.type_oid);
      source.call = true;
    } else if (mapped != nullptr && mapped->own) {
      source.column = *mapped;
    } else {
      continue;
    }
    sources.push_back(std::move(source));
  }
  // Rows are told apart by ids, which may be learned from the same answer.
  std::stable_partition(sources.begin(), sources.end(),
                        [](const Source& source) { return !source.column.xmin; });
  return sources;
}

// A plain INSERT makes what it returns. Everything else may return what was there before.
IdentityLearner::Trust IdentityLearner::TrustOf(const event::Statement& captured) {
  if (!captured.outcome.tag.starts_with("INSERT ") || captured.text.empty()) return Trust::kKnown;
  const event::StatementSites& sites = sites_.Get(captured.text, captured.ordinal);
  if (!sites.insert) return Trust::kKnown;
  return sites.insert->on_conflict ? Trust::kEither : Trust::kNew;
}

// One cell, as production and the baseline have it.
struct IdentityLearner::Said {
  std::string captured;
  std::string baseline;
  Trust trust = Trust::kKnown;
  bool by_chance = false;  // Two lanes have not the same.
};

bool IdentityLearner::Believe(const Source& source, const Said& said) const {
  // Short values that are made by chance are made more than once.
  constexpr size_t kTellingBytes = 6;
  if (source.call) return true;
  const bool drawn = source.column.drawn;
  if (!drawn && said.captured.size() < kTellingBytes) return false;
  // What the baseline made just as production did, a lane has no reason to make otherwise: unless
  // it draws from a sequence, which a migration may move.
  if (said.trust == Trust::kNew) return drawn || said.baseline != said.captured;
  if (said.baseline == said.captured) return false;
  if (drawn) return DrawnSinceStart(source.column.domain, said.captured);
  // A row that had been there before has one value on all lanes.
  return said.trust == Trust::kEither && said.by_chance;
}

// Made during the capture: rows of before are the same ones on all lanes.
bool IdentityLearner::DrawnSinceStart(DomainId domain, const std::string& value) const {
  const auto start = starts_.find(domain);
  const auto number = Integer(value);
  if (start == starts_.end() || !number) return false;
  return start->second.descending ? *number < start->second.last_value
                                  : *number > start->second.last_value;
}

// What production and the lanes answered, cell by cell.
struct IdentityLearner::Answers {
  // Of a lane: its output column of that name; its rows, none if they do not fit production's.
  struct Lane {
    const event::LaneOutcome* outcome = nullptr;
    std::vector<Cells> rows;

    // A migration may have put columns in other places.
    std::optional<size_t> ColumnOf(const Source& source) const {
      const auto& columns = outcome->columns;
      const auto named = [&](const event::Column& column) { return column.name == source.name; };
      if (source.index < columns.size() && named(columns[source.index])) return source.index;
      const auto found = std::find_if(columns.begin(), columns.end(), named);
      if (found == columns.end()) return std::nullopt;
      return static_cast<size_t>(found - columns.begin());
    }
    std::optional<std::string> Read(const Source& source, size_t row) const {
      const auto column = rows.empty() ? std::nullopt : ColumnOf(source);
      if (!column || !rows[row][*column]) return std::nullopt;
      return ReadValue(source.column.kind, *rows[row][*column],
                       outcome->columns[*column].format == 1);
    }
  };

  bool IsByChance(const Source& source, size_t row, const std::string& baseline) const {
    return std::any_of(lanes.begin(), lanes.end(), [&](const Lane& lane) {
      const auto value = lane.Read(source, row);
      return value && *value != baseline;
    });
  }

  std::optional<std::string> ReadCaptured(const Source& source, size_t row) const {
    const auto& cell = captured[row][source.index];
    return cell ? ReadValue(source.column.kind, *cell, source.binary) : std::nullopt;
  }

  std::vector<Source> sources;
  std::vector<Cells> captured;
  std::vector<Lane> lanes;  // The baseline first.
  Trust trust = Trust::kKnown;
};

uint64_t IdentityLearner::Learn(const event::Statement& captured, const CallColumns& calls,
                                const std::vector<const event::LaneOutcome*>& lanes,
                                const std::vector<IdentityMap*>& maps) {
  const event::LaneOutcome* baseline = lanes.front();
  if (baseline == nullptr || baseline->columns.empty() || !baseline->rows_complete) return 0;
  Answers answers;
  answers.sources = SourcesOf(*baseline, calls);
  if (answers.sources.empty()) return 0;
  auto rows = CellsOf(captured.outcome.values, baseline->columns.size());
  if (!rows) return 0;
  answers.captured = std::move(*rows);
  for (const event::LaneOutcome* lane : lanes) {
    Answers::Lane& answered = answers.lanes.emplace_back();
    answered.outcome = lane;
    if (lane == nullptr || !lane->rows_complete) continue;
    auto here = CellsOf(lane->rows, lane->columns.size());
    if (here && here->size() == answers.captured.size()) answered.rows = std::move(*here);
  }
  if (answers.lanes.front().rows.empty()) return 0;
  answers.trust = TrustOf(captured);
  uint64_t learned = 0;
  for (size_t lane = 0; lane < lanes.size(); ++lane) {
    if (answers.lanes[lane].rows.empty()) continue;
    const bool versions = answers.sources.back().column.xmin;
    if (!versions && lanes[lane]->rows == captured.outcome.values && maps[lane]->empty()) continue;
    for (const Source& source : answers.sources) {
      learned += source.column.xmin ? LearnXmin(answers, lane, source, *maps[lane])
                                    : LearnColumn(answers, lane, source, *maps[lane]);
    }
  }
  return learned;
}

uint64_t IdentityLearner::LearnColumn(const Answers& answers, size_t lane, const Source& source,
                                      IdentityMap& map) const {
  uint64_t learned = 0;
  for (size_t row = 0; row < answers.captured.size(); ++row) {
    const auto captured = answers.ReadCaptured(source, row);
    const auto baseline = answers.lanes.front().Read(source, row);
    const auto here = answers.lanes[lane].Read(source, row);
    if (!captured || !baseline || !here) continue;
    if (*captured != *here) {
      const bool asks = answers.trust == Trust::kEither && !source.column.drawn;
      const Said said{*captured, *baseline, answers.trust,
                      asks && answers.IsByChance(source, row, *baseline)};
      if (!Believe(source, said)) continue;
    }
    learned += map.Learn(source.column.domain, *captured, *here) ? 1U : 0U;
  }
  return learned;
}

// The output columns that hold the primary key of the table that `source` is of. Empty: it has
// none, or not all of it is there, or of several rows of the table (a self-join).
std::vector<IdentityLearner::Source> IdentityLearner::KeyBeside(
    const Source& source, const std::vector<event::Column>& columns) const {
  std::vector<Source> key;
  const uint32_t table_oid = columns[source.index].table_oid;
  for (const auto& [key_name, number, kind] : columns_.KeyOf(table_oid)) {
    const auto is_it = [table_oid, wanted = number](const event::Column& column) {
      return column.table_oid == table_oid && column.column_number == wanted;
    };
    if (std::count_if(columns.begin(), columns.end(), is_it) != 1) return {};
    const auto found = std::find_if(columns.begin(), columns.end(), is_it);
    Source& part = key.emplace_back();
    part.index = static_cast<size_t>(found - columns.begin());
    part.name = found->name;
    const MappedColumn* mapped = columns_.Find(0, table_oid, number);
    if (mapped != nullptr) part.column = *mapped;
    part.column.kind = kind;
    part.binary = found->format == 1;
  }
  return key;
}

// By the key of each row: a migration may bring rows in another order, and write some of those that
// one transaction had written. Where the key is not there, if the statement shows one xmin only, as
// what it wrote itself has.
uint64_t IdentityLearner::LearnXmin(const Answers& answers, size_t lane, const Source& source,
                                    IdentityMap& map) const {
  const Answers::Lane& here = answers.lanes[lane];
  const std::vector<Source> key = KeyBeside(source, answers.lanes.front().outcome->columns);
  struct Version {
    std::vector<std::string> key;  // As production had it.
    std::string xmin;              // Empty: there are several.
  };
  std::map<std::vector<std::string>, Version> captured;  // By the key that the lane has.
  std::map<std::vector<std::string>, Version> lanes;
  const auto note = [](auto& versions, const std::vector<std::string>& lane_key, Version version) {
    const std::string xmin = version.xmin;
    const auto [known, fresh] = versions.try_emplace(lane_key, std::move(version));
    if (!fresh && known->second.xmin != xmin) known->second.xmin.clear();
  };
  for (size_t row = 0; row < answers.captured.size(); ++row) {
    std::vector<std::string> captured_key;
    std::vector<std::string> wanted_key;
    std::vector<std::string> lane_key;
    bool sure = true;
    for (const Source& part : key) {
      captured_key.push_back(answers.ReadCaptured(part, row).value_or(""));
      const auto other = map.ToLane(part.column.domain, captured_key.back());
      sure = sure && !other.ambiguous;
      wanted_key.push_back(other.known ? std::string(other.value) : captured_key.back());
      lane_key.push_back(here.Read(part, row).value_or(""));
    }
    const auto xmin = answers.ReadCaptured(source, row);
    if (xmin && sure) note(captured, wanted_key, {captured_key, *xmin});
    const auto lane_xmin = here.Read(source, row);
    if (lane_xmin) note(lanes, lane_key, {{}, *lane_xmin});
  }
  uint64_t learned = 0;
  for (const auto& [lane_key, version] : captured) {
    const auto found = lanes.find(lane_key);
    if (version.xmin.empty() || found == lanes.end() || found->second.xmin.empty()) continue;
    const std::string& xmin = found->second.xmin;
    const DomainId domain = source.column.domain;
    if (!key.empty()) map.Put(domain, RowVersion(version.xmin, version.key), xmin);
    learned += map.Put(domain, version.xmin, xmin) ? 1U : 0U;
  }
  return learned;
}

// The baseline's rows of one statement, to be laid beside those of other lanes.
class IdentityLearner::Beside {
 public:
  Beside(const IdentityLearner& learner, const event::LaneOutcome& baseline)
      : learner_(learner), baseline_(baseline), sources_(learner.SourcesOf(baseline, {})) {
    std::erase_if(sources_, [&](const Source& source) {
      return !source.column.drawn || !learner.moved_.contains(source.column.domain);
    });
    if (sources_.empty()) return;
    auto rows = CellsOf(baseline.rows, baseline.columns.size());
    if (rows) rows_ = std::move(*rows);
    for (const event::Column& column : baseline.columns) {
      const MappedColumn* mapped = learner.columns_.Find(0, column.table_oid, column.column_number);
      mapped_.push_back(mapped != nullptr && learner.moved_.contains(mapped->domain) ? mapped
                                                                                     : nullptr);
    }
  }

  uint64_t Learn(const event::LaneOutcome& lane, IdentityMap& baseline_map,
                 IdentityMap& map) const {
    if (rows_.empty() || !lane.rows_complete || !SameShape(lane.columns)) return 0;
    const auto rows = CellsOf(lane.rows, lane.columns.size());
    if (!rows || rows->size() != rows_.size() || SharesNumbers(*rows)) return 0;
    uint64_t learned = 0;
    for (size_t row = 0; row < rows_.size(); ++row) {
      if (!Alike(rows_[row], (*rows)[row]) || !IsOnly(row, rows_) || !IsOnly(row, *rows)) continue;
      for (const Source& source : sources_) {
        learned += LearnCell(source, rows_[row], (*rows)[row], baseline_map, map) ? 1U : 0U;
      }
    }
    return learned;
  }

 private:
  bool SameShape(const std::vector<event::Column>& columns) const {
    return std::equal(columns.begin(), columns.end(), baseline_.columns.begin(),
                      baseline_.columns.end(), [](const auto& one, const auto& other) {
                        return one.name == other.name && one.format == other.format;
                      });
  }

  // What drew the same numbers draws alike: then only the order of rows differs.
  bool SharesNumbers(const std::vector<Cells>& rows) const {
    return std::any_of(sources_.begin(), sources_.end(), [&](const Source& source) {
      std::set<std::string_view> numbers;
      for (const Cells& row : rows_) {
        if (row[source.index]) numbers.insert(*row[source.index]);
      }
      return std::any_of(rows.begin(), rows.end(), [&](const Cells& row) {
        return row[source.index] && numbers.contains(*row[source.index]) &&
               DrawnHere(source, *row[source.index]);
      });
    });
  }
  bool DrawnHere(const Source& source, std::string_view cell) const {
    const auto value = ReadValue(source.column.kind, cell, source.binary);
    return value && learner_.DrawnSinceStart(source.column.domain, *value);
  }

  // All that was not drawn from a sequence that was moved is equal, and something is.
  bool Alike(const Cells& one, const Cells& other) const {
    bool some = false;
    for (size_t i = 0; i < one.size(); ++i) {
      if (one[i] != other[i] && mapped_[i] == nullptr) return false;
      some |= one[i].has_value() && one[i] == other[i] && mapped_[i] == nullptr;
    }
    return some;
  }

  // No other row of the result is alike.
  bool IsOnly(size_t row, const std::vector<Cells>& rows) const {
    constexpr size_t kRowsMax = 256;
    if (rows.size() > kRowsMax) return false;
    for (size_t i = 0; i < rows.size(); ++i) {
      if (i != row && Alike(rows[i], rows[row])) return false;
    }
    return true;
  }

  bool LearnCell(const Source& source, const Cells& before, const Cells& cells,
                 IdentityMap& baseline_map, IdentityMap& map) const {
    const MappedColumn& column = source.column;
    const auto read = [&](const Cells& row) {
      const auto& cell = row[source.index];
      return cell ? ReadValue(column.kind, *cell, source.binary) : std::nullopt;
    };
    const auto baseline = read(before);
    const auto here = read(cells);
    if (!baseline || !here || *baseline == *here) return false;
    if (!learner_.DrawnSinceStart(column.domain, *baseline)) return false;
    if (!learner_.DrawnSinceStart(column.domain, *here)) return false;
    const IdentityMap::Found captured = baseline_map.ToCaptured(column.domain, *baseline);
    if (captured.ambiguous) return false;
    const std::string meant = captured.known ? std::string(captured.value) : *baseline;
    return map.Learn(column.domain, meant, *here);
  }

  const IdentityLearner& learner_;
  const event::LaneOutcome& baseline_;
  std::vector<Source> sources_;
  std::vector<Cells> rows_;
  std::vector<const MappedColumn*> mapped_;  // By column of the output; of what was moved.
};

uint64_t IdentityLearner::LearnBeside(const std::vector<const event::LaneOutcome*>& lanes,
                                      const std::vector<IdentityMap*>& maps) const {
  const event::LaneOutcome* baseline = lanes.front();
  if (moved_.empty() || baseline == nullptr || baseline->rows.empty()) return 0;
  if (!baseline->rows_complete) return 0;
  std::optional<Beside> beside;
  uint64_t learned = 0;
  for (size_t lane = 1; lane < lanes.size(); ++lane) {
    if (lanes[lane] == nullptr || lanes[lane]->rows == baseline->rows) continue;
    if (!beside) beside.emplace(*this, *baseline);
    learned += beside->Learn(*lanes[lane], *maps.front(), *maps[lane]);
  }
  return learned;
}

}  // namespace scry::replay
