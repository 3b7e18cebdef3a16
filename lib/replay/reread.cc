#include "replay/reread.h"

#include <algorithm>

#include "wire/frontend.h"

namespace scry::replay {

namespace frontend = wire::frontend;

namespace {

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

bool SameAnswer(const event::Outcome& a, const event::Outcome& b) {
  return a.rows == b.rows && a.digest_unordered == b.digest_unordered;
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
  return answered && !answers.empty() &&
         !SameAnswer(exchange.statements.front().outcome,
                     answers.front().statements.front().outcome);
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
