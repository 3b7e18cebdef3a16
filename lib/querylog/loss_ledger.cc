#include "querylog/loss_ledger.h"

#include <algorithm>
#include <utility>
#include <variant>

namespace scry::querylog {
namespace {

// For starts of sessions. With some 2 KiB each, thousands of clients may connect during one stall.
constexpr size_t kKeptBytesMax = size_t{16} << 20;

// As the client sent them: type and length word are 5 bytes.
uint64_t FrontendBytes(const event::Exchange& exchange) {
  uint64_t bytes = 0;
  for (const auto& message : exchange.messages) bytes += 5 + message.size();
  return bytes;
}

// What a single event lost amounts to.
event::Gap GapOf(const event::Event& event) {
  event::Gap gap;
  gap.session = event::SessionOf(event);
  gap.from_us = gap.to_us = event::TimeOf(event);
  if (const auto* exchange = std::get_if<event::Exchange>(&event)) {
    gap.from_us = exchange->forwarded_us;
    gap.exchanges = 1;
    gap.bytes = FrontendBytes(*exchange);
  } else if (const auto* lost = std::get_if<event::Gap>(&event)) {
    gap = *lost;
  }
  return gap;
}

}  // namespace

void LossLedger::Add(event::Event event, event::GapReason reason) {
  Loss& loss = losses_[event::SessionOf(event)];
  if (auto* end = std::get_if<event::SessionEnd>(&event)) {
    loss.end = *end;
    return;
  }
  if (auto* start = std::get_if<event::SessionStart>(&event)) {
    const size_t weight = event::WeightBytes(event);
    if (kept_bytes_ + weight <= kKeptBytesMax) {
      kept_bytes_ += weight;
      loss.start = std::move(*start);
      return;
    }
  }
  const event::Gap gap = GapOf(event);
  exchanges_ += gap.exchanges;
  if (!loss.gap) {
    loss.gap = gap;
    // A gap that was known before says more than that it came at a bad time.
    if (!std::holds_alternative<event::Gap>(event)) loss.gap->reason = reason;
    return;
  }
  loss.gap->from_us = std::min(loss.gap->from_us, gap.from_us);
  loss.gap->to_us = std::max(loss.gap->to_us, gap.to_us);
  loss.gap->exchanges += gap.exchanges;
  loss.gap->bytes += gap.bytes;
}

std::vector<event::Event> LossLedger::Take() {
  std::vector<event::Event> events;
  for (auto& [session, loss] : losses_) {
    if (loss.start) events.emplace_back(std::move(*loss.start));
    if (loss.gap) events.emplace_back(*loss.gap);
    if (loss.end) events.emplace_back(*loss.end);
  }
  losses_.clear();
  exchanges_ = 0;
  kept_bytes_ = 0;
  return events;
}

}  // namespace scry::querylog
