#include "job/traffic_part.h"

#include <algorithm>
#include <memory>

#include "job/capture_traffic.h"

namespace scry::job {
namespace {

using base::Micros;

// The migration comes well into the transaction, as tools do not start equally fast each time, and
// with most of it still to come.
constexpr Micros kIntoTransactionUs = 2 * 1000 * 1000;
constexpr Micros kIntoTransactionShare = 3;
// Without a transaction worth it, so far into the part: what follows is for the queue to drain.
constexpr double kIntoPart = 0.4;
constexpr double kBeforeTransaction = 0.25;
constexpr Micros kShortTransactionUs = 100 * 1000;

}  // namespace

void TransactionScan::Take(const event::Event& event) {
  const auto session = static_cast<uint64_t>(event::SessionOf(event));
  end_us_ = std::max(end_us_, event::TimeOf(event));
  if (const auto* start = std::get_if<event::SessionStart>(&event)) {
    begin_us_ = std::min(begin_us_.value_or(start->at_us), start->at_us);
  } else if (const auto* exchange = std::get_if<event::Exchange>(&event)) {
    const bool open = exchange->status == 'T' || exchange->status == 'E';
    if (open) {
      open_.emplace(session, exchange->forwarded_us);
    } else {
      // A statement alone is a transaction, too.
      open_.emplace(session, exchange->forwarded_us);
      End(session, exchange->completed_us);
    }
  } else if (const auto* end = std::get_if<event::SessionEnd>(&event)) {
    if (open_.contains(session)) End(session, end->at_us);
  }
}

void TransactionScan::End(uint64_t session, Micros at_us) {
  const auto open = open_.find(session);
  if (at_us - open->second > longest_.end_us - longest_.begin_us) {
    longest_ = {open->second, at_us};
  }
  open_.erase(open);
}

TransactionScan::Longest TransactionScan::Finish() {
  while (!open_.empty()) End(open_.begin()->first, end_us_);
  return longest_;
}

base::Result<TrafficPart> ChooseTrafficPart(const std::vector<std::string>& captures,
                                            Micros length_us) {
  TrafficPart best;
  Micros begin_us = 0;
  Micros end_us = 0;
  TransactionScan::Longest longest;
  for (const std::string& capture : captures) {
    SCRY_TRY_ASSIGN(const std::unique_ptr<event::EventSource> source, OpenWholeCapture(capture));
    TransactionScan scan;
    uint64_t statements = 0;
    for (;;) {
      SCRY_TRY_ASSIGN(const std::optional<event::Event> event, source->Next());
      if (!event) break;
      if (const auto* exchange = std::get_if<event::Exchange>(&*event)) {
        statements += exchange->statements.size();
      }
      scan.Take(*event);
    }
    const TransactionScan::Longest found = scan.Finish();
    if (!best.capture.empty() &&
        found.end_us - found.begin_us <= longest.end_us - longest.begin_us) {
      continue;
    }
    best.capture = capture;
    best.statements = statements;
    longest = found;
    begin_us = scan.begin_us();
    end_us = scan.end_us();
  }
  best.from_us = begin_us;
  best.to_us = end_us;
  best.transaction_us_max = longest.end_us - longest.begin_us;
  const bool is_long = best.transaction_us_max >= kShortTransactionUs;
  if (end_us - begin_us > length_us) {
    const auto before = static_cast<Micros>(static_cast<double>(length_us) * kBeforeTransaction);
    best.whole = false;
    best.from_us = is_long ? longest.begin_us - before : begin_us + (end_us - begin_us) / 2;
    best.from_us = std::clamp(best.from_us, begin_us, end_us - length_us);
    best.to_us = best.from_us + length_us;
  }
  best.migrate_us =
      is_long ? longest.begin_us +
                    std::min(kIntoTransactionUs, best.transaction_us_max / kIntoTransactionShare)
              : best.from_us +
                    static_cast<Micros>(static_cast<double>(best.to_us - best.from_us) * kIntoPart);
  return best;
}

}  // namespace scry::job
