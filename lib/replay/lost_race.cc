#include "replay/lost_race.h"

#include <algorithm>
#include <iterator>
#include <set>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "event/sql_script.h"
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
const char* Failure(uint8_t status) { return status == 'E' ? kFails : "ROLLBACK"; }

void PutFailure(uint8_t status, std::vector<event::FrontendMessage>& messages) {
  wire::Parse parse;
  parse.text = Failure(status);
  messages.push_back(Message(frontend::kParse, wire::EncodeParse(parse)));
  if (status == 'E') return;
  // Outside of a transaction a ROLLBACK only warns.
  messages.push_back(Message(frontend::kBind, wire::EncodeBind({})));
  messages.push_back(Message(frontend::kExecute, wire::EncodeExecute("")));
}

// It began, ended or divided a transaction.
bool IsControl(const event::Statement& statement) {
  static const std::set<std::string_view> kTags = {
      "BEGIN",    "START TRANSACTION",   "SAVEPOINT",       "RELEASE",          "COMMIT",
      "ROLLBACK", "PREPARE TRANSACTION", "COMMIT PREPARED", "ROLLBACK PREPARED"};
  return statement.outcome.status == event::OutcomeStatus::kDone &&
         kTags.contains(statement.outcome.tag);
}

// The last that did so before `error`: what was done up to there outlives the failure. nullptr:
// none.
const event::Statement* LastControl(const event::Exchange& exchange,
                                    std::vector<event::Statement>::const_iterator error) {
  const auto begin = std::make_reverse_iterator(error);
  const auto found = std::find_if(begin, exchange.statements.rend(), IsControl);
  const bool known =
      found != exchange.statements.rend() && found->message < exchange.messages.size();
  return known ? &*found : nullptr;
}

// The statements of a Query up to `last`, and what fails in the place of those behind it.
std::string UpTo(const event::Statement& last, uint8_t status) {
  std::string text;
  const std::vector<event::ScriptPiece> pieces = event::SplitScript(last.text);
  for (size_t i = 0; i < std::min<size_t>(last.ordinal + 1, pieces.size()); ++i) {
    text += pieces[i].sql + ";\n";
  }
  return text + Failure(status);
}

// All up to `last`, and of what follows before `end` what it prepared.
void KeepMessages(event::Exchange& exchange, size_t end, const event::Statement* last,
                  std::vector<event::FrontendMessage>& kept) {
  const size_t whole = last == nullptr ? 0 : last->message + 1;
  for (size_t i = 0; i < std::min(end, exchange.messages.size()); ++i) {
    const uint8_t type = exchange.messages[i].type;
    if (i < whole || type == frontend::kParse || type == frontend::kClose) {
      kept.push_back(std::move(exchange.messages[i]));
    }
  }
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
  const event::Statement* last = fails ? LastControl(exchange, error) : nullptr;
  std::vector<event::FrontendMessage> kept;
  if (last != nullptr && exchange.messages[last->message].type == frontend::kQuery) {
    kept.push_back(Message(frontend::kQuery, wire::EncodeQuery(UpTo(*last, exchange.status))));
  } else {
    KeepMessages(exchange, fails ? error->message : exchange.messages.size(), last, kept);
    if (fails) PutFailure(exchange.status, kept);
    kept.push_back(Message(frontend::kSync, wire::EncodeSync()));
  }
  exchange.messages = std::move(kept);
  exchange.statements.clear();
}

}  // namespace scry::replay
