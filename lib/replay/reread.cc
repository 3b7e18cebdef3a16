#include "replay/reread.h"

#include <algorithm>
#include <optional>
#include <string>
#include <string_view>

#include "event/lane_pair.h"
#include "event/value_equality.h"
#include "replay/row_rewriter.h"
#include "wire/frontend.h"

namespace scry::replay {

namespace frontend = wire::frontend;

namespace {

bool IsServerValue(const event::Column& column) {
  return event::EqualityOf(column) == event::ValueEquality::kServer;
}

bool IsUnnamed(const event::FrontendMessage& message) {
  const std::string payload = message.Payload();
  switch (message.type) {
    case frontend::kParse: {
      const auto parse = wire::ParseParse(base::AsBytes(payload));
      return parse && parse->name.empty();
    }
    case frontend::kBind: {
      const auto bind = wire::ParseBind(base::AsBytes(payload));
      return bind && bind->portal.empty();
    }
    case frontend::kQuery:
    case frontend::kDescribe:
    case frontend::kExecute:
    case frontend::kFlush:
    case frontend::kSync:
      return true;
    default:
      return false;
  }
}

// Rows in no order, without what each server fills for itself.
std::vector<std::string> RowsWithoutServerValues(std::string_view row_list,
                                                 const std::vector<event::Column>& columns) {
  std::vector<std::string> rows;
  ForEachRow(row_list, [&](base::Bytes data_row) {
    const auto other = RewriteRow(data_row, [&](size_t i, std::string_view) {
      const bool server = i < columns.size() && IsServerValue(columns[i]);
      return server ? std::optional<std::string>("") : std::nullopt;
    });
    rows.push_back(other.value_or(std::string(base::AsText(data_row))));
  });
  std::sort(rows.begin(), rows.end());
  return rows;
}

bool SameAnswer(const event::Outcome& captured, const event::Outcome& outcome,
                const event::LaneOutcome* lane) {
  if (captured.rows != outcome.rows) return false;
  if (captured.digest_unordered == outcome.digest_unordered) return true;
  // Of a row with its xmin, the digest tells nothing.
  return lane != nullptr && lane->rows_complete && !captured.values.empty() &&
         std::any_of(lane->columns.begin(), lane->columns.end(), IsServerValue) &&
         RowsWithoutServerValues(captured.values, lane->columns) ==
             RowsWithoutServerValues(lane->rows, lane->columns);
}

}  // namespace

bool MayReread(const event::Exchange& exchange) {
  if (exchange.statements.size() != 1) return false;
  const event::Outcome& outcome = exchange.statements.front().outcome;
  // A capture that was made of a server's log holds no rows.
  return outcome.status == event::OutcomeStatus::kDone &&
         event::TagCount(outcome.tag) == outcome.rows &&
         std::all_of(exchange.messages.begin(), exchange.messages.end(), IsUnnamed);
}

base::Micros AnsweredUs(const event::Exchange& exchange) {
  // What was flushed may be the answer to a Parse.
  const bool flushes =
      std::any_of(exchange.messages.begin(), exchange.messages.end(),
                  [](const auto& message) { return message.type == frontend::kFlush; });
  return flushes ? exchange.completed_us : exchange.first_answer_us;
}

bool ReadOtherwise(const event::Exchange& exchange, const std::vector<exchange::Answers>& answers) {
  const bool answered = std::all_of(answers.begin(), answers.end(), [](const auto& one) {
    return one.statements.size() == 1 && one.status != 'E' &&
           one.statements.front().outcome.status == event::OutcomeStatus::kDone;
  });
  if (!answered || answers.empty()) return false;
  const exchange::Answers& baseline = answers.front();
  return !SameAnswer(exchange.statements.front().outcome, baseline.statements.front().outcome,
                     baseline.lanes.empty() ? nullptr : &baseline.lanes.front());
}

bool RereadBook::Worthwhile(uint64_t fingerprint) const {
  constexpr uint32_t kFailedMax = 4;
  const auto counts = counts_.find(fingerprint);
  return counts == counts_.end() || counts->second.failed < kFailedMax + counts->second.found;
}

void RereadBook::Note(uint64_t fingerprint, bool found) {
  if (counts_.size() >= kPatternsMax) counts_.clear();
  Counts& counts = counts_[fingerprint];
  ++(found ? counts.found : counts.failed);
}

}  // namespace scry::replay
