// Builds statement pairs for the tests of compare: small results, cell by cell.
#pragma once

#include <cstdint>
#include <functional>
#include <string>
#include <utility>
#include <vector>

#include "base/bytes.h"
#include "event/lane_pair.h"
#include "event/statement_facts.h"

namespace scry::compare {

using Row = std::vector<std::string>;
using Rows = std::vector<Row>;

inline event::Column Col(std::string name, uint32_t type = 23, uint16_t number = 2) {
  event::Column column;
  column.name = std::move(name);
  column.table_oid = 5000;
  column.column_number = number;
  column.type_oid = type;
  return column;
}

inline uint64_t HashOf(const std::string& text) {
  return std::hash<std::string>{}(text)*0x9e3779b97f4a7c15ULL + 1;
}

inline event::LaneOutcome Answer(std::vector<event::Column> columns, const Rows& rows) {
  event::LaneOutcome lane;
  lane.columns = std::move(columns);
  lane.cells_complete = true;
  lane.transaction_status = 'I';
  event::Outcome& outcome = lane.outcome;
  outcome.status = event::OutcomeStatus::kDone;
  outcome.tag = "SELECT " + std::to_string(rows.size());
  outcome.rows = rows.size();
  outcome.elapsed_us = 1000;
  for (const Row& row : rows) {
    std::string payload;
    for (const std::string& cell : row) {
      lane.cells.push_back(HashOf(cell));
      payload += cell + '\x1f';
    }
    outcome.row_bytes += payload.size();
    outcome.digest_ordered = outcome.digest_ordered * 1000003 + HashOf(payload);
    outcome.digest_unordered += HashOf(payload);
  }
  return lane;
}

inline const std::string kNull = "\\N";  // In a Row: NULL.

// As Answer, and with the rows themselves, as a lane keeps them: whole or only the first.
inline event::LaneOutcome Kept(std::vector<event::Column> columns, const Rows& rows,
                               size_t rows_kept = SIZE_MAX) {
  event::LaneOutcome lane = Answer(std::move(columns), rows);
  base::ByteWriter list;
  for (size_t i = 0; i < rows.size() && i < rows_kept; ++i) {
    base::ByteWriter row;
    row.BigU16(static_cast<uint16_t>(rows[i].size()));
    for (const std::string& cell : rows[i]) {
      row.BigU32(cell == kNull ? UINT32_MAX : static_cast<uint32_t>(cell.size()));
      if (cell != kNull) row.Text(cell);
    }
    list.BigU32(static_cast<uint32_t>(row.size()));
    list.Text(row.str());
  }
  lane.rows = list.Release();
  lane.rows_complete = rows.size() <= rows_kept;
  return lane;
}

inline event::LaneOutcome Failure(std::string sqlstate, std::string message = "it failed") {
  event::LaneOutcome lane;
  lane.outcome.status = event::OutcomeStatus::kError;
  lane.outcome.sqlstate = std::move(sqlstate);
  lane.outcome.message = std::move(message);
  lane.outcome.elapsed_us = 1000;
  return lane;
}

inline event::LaneOutcome Command(std::string tag) {
  event::LaneOutcome lane;
  lane.outcome.status = event::OutcomeStatus::kDone;
  lane.outcome.tag = std::move(tag);
  lane.outcome.elapsed_us = 1000;
  return lane;
}

inline event::StatementPair PairOf(event::LaneOutcome baseline, event::LaneOutcome candidate) {
  event::StatementPair pair;
  pair.session = event::SessionId{1};
  pair.text = "select 1";
  pair.captured = baseline.outcome;
  pair.lanes.push_back(std::move(baseline));
  pair.lanes.push_back(std::move(candidate));
  return pair;
}

inline event::StatementFacts Facts(uint64_t fingerprint = 1, std::string pattern = "select $1") {
  event::StatementFacts facts;
  facts.fingerprint = fingerprint;
  facts.pattern = std::move(pattern);
  facts.parsed = true;
  facts.kind = event::StatementKind::kSelect;
  facts.writes = false;
  return facts;
}

inline event::StatementFacts Ordered(std::vector<std::string> keys, bool limited = false) {
  event::StatementFacts facts = Facts();
  facts.ordered = true;
  facts.limited = limited;
  facts.sort_keys = std::move(keys);
  return facts;
}

}  // namespace scry::compare
