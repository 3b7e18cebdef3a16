// A session as messages of both sides: each a direction byte ('<' from the server, else from the
// client) and a frame with a 16-bit length that does not count itself: direction, type, length,
// payload. A length with the high bit set comes in pieces. Whatever comes, all exchanges are
// accounted for, and the same questions read by a lane never crash it.
#include <algorithm>
#include <cstdint>
#include <variant>

#include "base/bytes.h"
#include "base/check.h"
#include "event/event_sink.h"
#include "exchange/answer_reader.h"
#include "exchange/exchange_tracker.h"

namespace {

using scry::base::Bytes;
namespace event = scry::event;
namespace exchange = scry::exchange;

// Adds up what is recorded.
class Sums : public event::EventSink {
 public:
  void Put(event::Event event) override {
    SCRY_CHECK(ends == 0);
    if (const auto* one = std::get_if<event::Exchange>(&event)) {
      SCRY_CHECK(one->index == exchanges_seen());
      for (const auto& statement : one->statements) {
        SCRY_CHECK(statement.message < one->messages.size());
      }
      for (const auto& message : one->messages) SCRY_CHECK(message.type != 'p');
      ++recorded;
    }
    if (const auto* gap = std::get_if<event::Gap>(&event)) in_gaps += gap->exchanges;
    if (const auto* end = std::get_if<event::SessionEnd>(&event)) {
      SCRY_CHECK(end->exchanges == exchanges_seen());
      ++ends;
    }
  }
  uint64_t exchanges_seen() const { return recorded + in_gaps; }
  uint64_t recorded = 0;
  uint64_t in_gaps = 0;
  uint64_t ends = 0;
};

exchange::TrackerLimits SmallLimits() {
  exchange::TrackerLimits limits;
  limits.exchange_bytes_max = 2000;
  limits.in_flight_bytes_max = 6000;
  limits.statements_max = 8;
  limits.messages_max = 64;
  return limits;
}

template <typename Whole, typename Piece>
void Give(Bytes payload, bool pieces, Whole whole, Piece piece) {
  if (!pieces || payload.empty()) return whole(payload);
  const size_t step = std::max<size_t>(1, payload.size() / 3);
  for (size_t at = 0; at < payload.size(); at += step) {
    piece(static_cast<uint32_t>(payload.size()), static_cast<uint32_t>(at),
          payload.subspan(at, std::min(step, payload.size() - at)));
  }
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  scry::base::ByteReader in(Bytes(data, size));
  Sums sums;
  exchange::CaptureCommon clock;
  exchange::ExchangeTracker tracker({}, clock, sums, SmallLimits());
  exchange::AnswerOptions options;
  options.cells_max = 16;
  options.registered_max = 4;
  exchange::AnswerReader lane(options);
  scry::base::Micros now = 0;
  while (in.left() > 0) {
    const bool backend = in.U8() == '<';
    const uint8_t type = in.U8();
    const uint16_t length = in.BigU16();
    const Bytes payload = in.Take(std::min<size_t>(length & 0x7fff, in.left()));
    const bool pieces = (length & 0x8000) != 0;
    ++now;
    if (backend) {
      Give(
          payload, pieces, [&](Bytes p) { tracker.OnBackend(type, p, now); },
          [&](uint32_t total, uint32_t at, Bytes p) {
            tracker.OnBackendPiece(type, total, at, p, now);
          });
      Give(
          payload, pieces, [&](Bytes p) { lane.OnBackend(type, p, now); },
          [&](uint32_t total, uint32_t at, Bytes p) {
            lane.OnBackendPiece(type, total, at, p, now);
          });
      if (lane.done()) {
        const exchange::Answers answers = lane.Take();
        SCRY_CHECK(answers.lanes.size() == answers.statements.size());
      }
    } else {
      Give(
          payload, pieces, [&](Bytes p) { tracker.OnFrontend(type, p, now); },
          [&](uint32_t total, uint32_t at, Bytes p) {
            tracker.OnFrontendPiece(type, total, at, p, now);
          });
      lane.Add(type, payload, now);
    }
  }
  tracker.OnClosed(event::EndReason::kClientClosed, ++now);
  SCRY_CHECK(tracker.exchanges() == sums.exchanges_seen());
  while (lane.asked() > 0) {
    const size_t before = lane.asked();
    lane.Lose(++now);
    SCRY_CHECK(lane.asked() < before);
  }
  return 0;
}
