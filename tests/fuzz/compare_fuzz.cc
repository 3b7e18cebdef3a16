// Kept rows of two lanes: a byte with the number of columns (low bits) and the wire format (high
// bit), a byte per column that picks its type, a 16-bit length, the first lane's RowList of that
// length, and the second's. Whatever comes, parsing, lining up and showing end within their bounds,
// and a lane does not differ from itself.
#include <algorithm>
#include <cstdint>
#include <string>

#include "base/bytes.h"
#include "base/check.h"
#include "compare/difference.h"
#include "compare/row_grid.h"
#include "compare/row_sample.h"

namespace {

namespace compare = scry::compare;
namespace event = scry::event;

constexpr uint32_t kTypes[] = {16,   17,   20,   21,   23,   25,   700,  701,  1021,
                               1022, 1082, 1114, 1184, 1231, 1700, 2950, 3802, 99999};

// How many rows a list claims, malformed or not.
uint64_t RowsIn(std::string_view list) {
  scry::base::ByteReader in(list);
  uint64_t rows = 0;
  while (in.left() > 0) {
    in.TakeText(in.BigU32());
    rows += in.ok() ? 1U : 0U;
  }
  return rows;
}

event::LaneOutcome LaneOf(const std::vector<event::Column>& columns, std::string_view list) {
  event::LaneOutcome lane;
  lane.columns = columns;
  lane.rows = list;
  lane.rows_complete = true;
  lane.outcome.status = event::OutcomeStatus::kDone;
  lane.outcome.tag = "SELECT";
  lane.outcome.rows = RowsIn(list);
  lane.outcome.row_bytes = list.size();
  lane.outcome.digest_ordered = lane.outcome.digest_unordered = event::DigestOf(list);
  return lane;
}

void CheckSample(const compare::RowSample& sample) {
  SCRY_CHECK(sample.rows.size() <= compare::kSampleRowsMax);
  SCRY_CHECK(sample.columns.size() <= compare::kSampleColumnsMax);
  SCRY_CHECK(sample.size_bytes() < 100'000);
  SCRY_CHECK(sample.changed + sample.gone + sample.moved <= sample.rows_before);
  SCRY_CHECK(sample.changed + sample.added + sample.moved <= sample.rows_after);
  compare::DescribeSample(sample);
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  scry::base::ByteReader in(scry::base::Bytes(data, size));
  const uint8_t shape = in.U8();
  std::vector<event::Column> columns(shape & 0x0f);
  for (event::Column& column : columns) {
    const uint8_t type = in.U8();
    column.name = std::string(1, static_cast<char>('a' + (type & 3)));
    column.type_oid = kTypes[(type >> 2) % std::size(kTypes)];
    column.format = shape >> 7;
  }
  const size_t length = std::min<size_t>(in.BigU16(), in.left());
  const event::LaneOutcome before = LaneOf(columns, in.TakeText(length));
  const event::LaneOutcome after = LaneOf(columns, in.TakeRest());
  for (const bool ordered : {false, true}) {
    CheckSample(compare::SampleRows(before, after, ordered));
    SCRY_CHECK(compare::SampleRows(before, before, ordered).empty());
    event::StatementFacts facts;
    facts.ordered = ordered;
    facts.sort_keys = {"a", "#2"};
    event::StatementPair pair;
    pair.lanes = {before, after, before};
    compare::JudgePair(pair, facts);
    pair.lanes[1] = before;
    SCRY_CHECK(compare::JudgePair(pair, facts).kind == compare::DifferenceKind::kNone);
  }
  return 0;
}
