#include "replay/lost_race.h"

#include <algorithm>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "wire/frontend.h"

namespace scry::replay {
namespace {

namespace frontend = wire::frontend;

// No server has such a type.
constexpr const char* kFails = "SELECT NULL::scry_lost_a_race_when_captured";

event::FrontendMessage Message(uint8_t type, const std::string& encoded) {
  constexpr size_t kTypeAndLength = 5;
  event::FrontendMessage message;
  message.type = type;
  message.head = encoded.substr(kTypeAndLength);
  return message;
}

// What fails, or rolls back.
void PutFailure(uint8_t status, std::vector<event::FrontendMessage>& messages) {
  wire::Parse parse;
  parse.text = status == 'E' ? kFails : "ROLLBACK";
  messages.push_back(Message(frontend::kParse, wire::EncodeParse(parse)));
  if (status == 'E') return;
  // Outside of a transaction a ROLLBACK only warns.
  messages.push_back(Message(frontend::kBind, wire::EncodeBind({})));
  messages.push_back(Message(frontend::kExecute, wire::EncodeExecute("")));
}

constexpr std::string_view kSerialization = "40001";
constexpr std::string_view kUniqueViolation = "23505";
constexpr std::string_view kDeadlock = "40P01";
constexpr std::string_view kLockNotAvailable = "55P03";
constexpr std::string_view kCancelled = "57014";
constexpr std::string_view kTerminated = "57P01";

bool FailedWith(const event::Exchange& exchange, std::string_view sqlstate) {
  return std::any_of(exchange.statements.begin(), exchange.statements.end(), [&](const auto& one) {
    return one.outcome.status == event::OutcomeStatus::kError && one.outcome.sqlstate == sqlstate;
  });
}

}  // namespace

bool IsLostRace(const event::Outcome& outcome) {
  return outcome.status == event::OutcomeStatus::kError &&
         (outcome.sqlstate == kSerialization || outcome.sqlstate == kDeadlock ||
          outcome.sqlstate == kLockNotAvailable);
}

bool LostRace(const event::Exchange& exchange, bool lock_held) {
  return FailedWith(exchange, kSerialization) || FailedWith(exchange, kDeadlock) ||
         (!lock_held && FailedWith(exchange, kLockNotAvailable));
}

bool GaveUpWaiting(const event::Exchange& exchange) {
  return FailedWith(exchange, kLockNotAvailable) || WasCancelled(exchange);
}

bool MetRow(const event::Exchange& exchange) { return FailedWith(exchange, kUniqueViolation); }

bool WasCancelled(const event::Exchange& exchange) { return FailedWith(exchange, kCancelled); }

bool WasCancelledBySql(const event::Exchange& exchange) {
  return std::any_of(exchange.statements.begin(), exchange.statements.end(), [](const auto& one) {
    return one.outcome.status == event::OutcomeStatus::kError &&
           one.outcome.sqlstate == kCancelled &&
           one.outcome.message.find("timeout") == std::string::npos;
  });
}

bool WasTerminated(const event::Exchange& exchange) { return FailedWith(exchange, kTerminated); }

bool FoundNoRow(const event::Exchange& exchange, const std::vector<Access>& touches) {
  if (exchange.statements.size() != 1) return false;
  const event::Outcome& outcome = exchange.statements.front().outcome;
  const bool none =
      outcome.tag == "UPDATE 0" || outcome.tag == "DELETE 0" || outcome.tag == "SELECT 0";
  const auto row = [](const Access& touch) {
    return touch.object >= kFirstRelation && touch.key != 0 &&
           (touch.mode == Mode::kUpdate || touch.mode == Mode::kDelete);
  };
  return outcome.status == event::OutcomeStatus::kDone && none &&
         std::any_of(touches.begin(), touches.end(), row) &&
         std::all_of(touches.begin(), touches.end(), [&](const Access& touch) {
           return touch.mode == Mode::kRead || touch.mode == Mode::kKeyShare || row(touch);
         });
}

void Withdraw(event::Exchange& exchange) {
  const auto error = std::find_if(
      exchange.statements.begin(), exchange.statements.end(),
      [](const auto& one) { return one.outcome.status == event::OutcomeStatus::kError; });
  const bool fails = error != exchange.statements.end();
  const size_t end = fails ? error->message : exchange.messages.size();
  std::vector<event::FrontendMessage> kept;
  for (size_t i = 0; i < std::min(end, exchange.messages.size()); ++i) {
    const uint8_t type = exchange.messages[i].type;
    if (type == frontend::kParse || type == frontend::kClose) {
      kept.push_back(std::move(exchange.messages[i]));
    }
  }
  if (fails) PutFailure(exchange.status, kept);
  kept.push_back(Message(frontend::kSync, wire::EncodeSync()));
  exchange.messages = std::move(kept);
  exchange.statements.clear();
}

}  // namespace scry::replay
