#include "event/event.h"

#include <xxhash.h>

#include <charconv>
#include <type_traits>

namespace scry::event {
namespace {

size_t Weight(const Settings& settings) {
  size_t weight = 0;
  for (const auto& [name, value] : settings) weight += name.size() + value.size() + 64;
  return weight;
}

size_t Weight(const Exchange& exchange) {
  size_t weight = sizeof(Exchange);
  for (const auto& message : exchange.messages) weight += sizeof(message) + message.size();
  const Statement* before = nullptr;
  for (const auto& statement : exchange.statements) {
    const bool shared = before != nullptr && statement.text.SharesWith(before->text);
    weight += sizeof(statement) + (shared ? 0 : statement.text.size()) +
              statement.outcome.row_description.size() + statement.outcome.message.size() +
              statement.outcome.values.size();
    before = &statement;
  }
  for (const auto& sqlstate : exchange.notices) weight += sizeof(sqlstate) + sqlstate.size();
  return weight + Weight(exchange.parameter_changes);
}

}  // namespace

size_t WeightBytes(const Event& event) {
  if (const auto* exchange = std::get_if<Exchange>(&event)) return Weight(*exchange);
  if (const auto* start = std::get_if<SessionStart>(&event)) {
    return sizeof(*start) + Weight(start->parameters) + Weight(start->settings);
  }
  if (const auto* notification = std::get_if<Notification>(&event)) {
    return sizeof(Event) + notification->channel.size() + notification->payload.size();
  }
  return sizeof(Event);
}

Micros TimeOf(const Event& event) {
  return std::visit(
      [](const auto& e) -> Micros {
        using T = std::decay_t<decltype(e)>;
        if constexpr (std::is_same_v<T, Exchange>) {
          return e.completed_us;
        } else if constexpr (std::is_same_v<T, Gap>) {
          return e.to_us;
        } else {
          return e.at_us;
        }
      },
      event);
}

SessionId SessionOf(const Event& event) {
  return std::visit([](const auto& e) { return e.session; }, event);
}

const char* Name(OutcomeStatus status) {
  switch (status) {
    case OutcomeStatus::kDone:
      return "done";
    case OutcomeStatus::kEmpty:
      return "empty";
    case OutcomeStatus::kSuspended:
      return "suspended";
    case OutcomeStatus::kError:
      return "error";
    case OutcomeStatus::kSkipped:
      return "skipped";
    case OutcomeStatus::kLost:
      return "lost";
  }
  return "unknown";
}

const char* Name(EndReason reason) {
  switch (reason) {
    case EndReason::kTerminate:
      return "terminate";
    case EndReason::kClientClosed:
      return "client closed";
    case EndReason::kServerClosed:
      return "server closed";
    case EndReason::kCaptureEnded:
      return "capture ended";
  }
  return "unknown";
}

const char* Name(GapReason reason) {
  switch (reason) {
    case GapReason::kQueueFull:
      return "queue full";
    case GapReason::kWriteFailed:
      return "write failed";
    case GapReason::kTooLarge:
      return "exchange too large";
    case GapReason::kNotUnderstood:
      return "not understood";
    case GapReason::kCorrupt:
      return "corrupt block";
    case GapReason::kTorn:
      return "torn tail";
  }
  return "unknown";
}

uint64_t DigestOf(std::string_view bytes) { return XXH64(bytes.data(), bytes.size(), 0); }

uint64_t RowsOf(const Outcome& outcome) {
  return outcome.rows != 0 ? outcome.rows : TagCount(outcome.tag).value_or(0);
}

std::optional<uint64_t> TagCount(const std::string& tag) {
  const size_t blank = tag.rfind(' ');
  if (blank == std::string::npos) return std::nullopt;
  uint64_t count = 0;
  const char* end = tag.data() + tag.size();
  const auto [rest, error] = std::from_chars(tag.data() + blank + 1, end, count);
  if (error != std::errc() || rest != end) return std::nullopt;
  return count;
}

}  // namespace scry::event
