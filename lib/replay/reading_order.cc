#include "replay/reading_order.h"

#include <algorithm>
#include <functional>
#include <utility>

namespace scry::replay {
namespace {

// What counts from when it was sent is looked for so long after that, as far as memory allows. A
// COMMIT that took longer is put in its place by the watchdog; a longer report sees more commits
// than it did.
constexpr base::Micros kSpanUs = 5 * 1000 * 1000;
// Stamps of a damaged capture must not overflow sums.
constexpr base::Micros kTimeMaxUs = INT64_MAX / 4;

base::Micros Sane(base::Micros time_us) { return std::clamp<base::Micros>(time_us, 0, kTimeMaxUs); }

}  // namespace

void ReadingOrder::Add(ReadEvent event, bool from_start) {
  event.key_us = Sane(event::TimeOf(event.event));
  event.sequence = ++events_;
  read_us_ = std::max(read_us_, event.key_us);
  if (const auto* exchange = std::get_if<event::Exchange>(&event.event); exchange && from_start) {
    event.key_us = std::min(event.key_us, Sane(exchange->forwarded_us));
  }
  // A client that pipelines sends its COMMIT before what it commits is done.
  const auto session = static_cast<uint64_t>(event::SessionOf(event.event));
  if (session != 0) {
    base::Micros& last_us = last_key_us_[session];
    event.key_us = std::max(event.key_us, last_us);
    last_us = event.key_us;
    if (std::holds_alternative<event::SessionEnd>(event.event)) last_key_us_.erase(session);
  }
  weight_ += event.weight;
  heap_.push_back(std::move(event));
  std::push_heap(heap_.begin(), heap_.end(), std::greater<>());
}

std::optional<ReadEvent> ReadingOrder::Next() {
  if (heap_.empty()) return std::nullopt;
  const bool settled = heap_.front().key_us + kSpanUs <= read_us_;
  if (!settled && !ended_ && weight_ <= weight_max_) return std::nullopt;
  std::pop_heap(heap_.begin(), heap_.end(), std::greater<>());
  ReadEvent event = std::move(heap_.back());
  heap_.pop_back();
  weight_ -= event.weight;
  return event;
}

}  // namespace scry::replay
