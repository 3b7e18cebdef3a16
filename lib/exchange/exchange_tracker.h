// One client connection as seen by the relay: messages of both directions in, events out. A pure
// state machine; the relay owns one per session and feeds it from one thread. Its input is hostile:
// whatever does not fit ends the recording of the session with a Gap, never the session.
// wire/PROTOCOL.md, section "Who answers what".
#pragma once

#include <cstdint>
#include <deque>
#include <string>
#include <string_view>

#include "base/bytes.h"
#include "base/clock.h"
#include "base/text_pool.h"
#include "event/event.h"
#include "event/event_sink.h"
#include "exchange/answer_reader.h"

namespace scry::exchange {

// What the trackers of a capture have in common. For one thread, theirs.
struct CaptureCommon {
  // Commits acknowledged to clients, of all sessions. Counts every exchange that made work visible,
  // or may have (see Answers::committed); replay decides which of them wrote.
  uint64_t acknowledged = 0;
  base::TextPool texts;
};

struct TrackerLimits {
  // Frontend bytes kept of one part of an exchange, with what holding them costs. Most exchanges
  // have one part; each COPY FROM STDIN adds one, its data.
  uint64_t exchange_bytes_max = 16u << 20;
  // The same, of all that is in flight.
  uint64_t in_flight_bytes_max = 64u << 20;
  uint32_t statements_max = 65536;  // Per exchange.
  // Of a statement's rows that Outcome::values may hold: some tens of new ids. Over it, none.
  uint64_t row_bytes_kept = 4096;
  // The same of what says RETURNING: a batch. As much as replay keeps of its rows on a lane.
  uint64_t returned_bytes_kept = 64 * 1024;
  // Messages in flight. Over it the session is no longer understood: nothing else bounds the memory
  // of messages that are not answered.
  uint32_t messages_max = 1u << 20;
};

class ExchangeTracker {
 public:
  enum class Phase : uint8_t {
    kAuthenticating,  // Password messages are passed by unread.
    kStarting,        // AuthenticationOk came, ReadyForQuery not yet.
    kReady,
    kRefused,  // The server refused the session before its first ReadyForQuery.
    kQuiet,    // Not understood: counting only.
    kClosed,
  };

  // `facts` is what the relay knows from the StartupMessage: session, protocol, parameters, client.
  // The tracker adds the rest and puts it at the first ReadyForQuery. `common` and `sink` must
  // outlive it.
  ExchangeTracker(event::SessionStart facts, CaptureCommon& common, event::EventSink& sink,
                  TrackerLimits limits = {});

  // In the order of forwarding. Times are since the capture's start, at the forwarding.
  void OnFrontend(uint8_t type, base::Bytes payload, base::Micros now_us);
  void OnFrontendPiece(uint8_t type, uint32_t payload_length, uint32_t offset, base::Bytes piece,
                       base::Micros now_us);
  void OnBackend(uint8_t type, base::Bytes payload, base::Micros now_us);
  void OnBackendPiece(uint8_t type, uint32_t payload_length, uint32_t offset, base::Bytes piece,
                      base::Micros now_us);
  // The caller cannot go on reading the session (a FrameScanner broke): Gap, then counting only.
  void OnBroken(std::string reason, base::Micros now_us);
  // Exchanges in flight are put as lost, then the SessionEnd (none if the session never was ready).
  // kTerminate is found out here: pass what the sockets say.
  void OnClosed(event::EndReason reason, base::Micros now_us);

  Phase phase() const { return phase_; }
  // Why recording stopped; empty unless it did.
  const std::string& reason() const { return reason_; }
  // Exchanges put or counted in gaps so far.
  uint64_t exchanges() const { return index_; }

 private:
  struct Kept {
    event::FrontendMessage message;  // Without content if dropped.
    base::Micros at_us = 0;
    uint64_t commits_seen = 0;
    uint64_t bytes = 0;   // Of its payload, kept or not.
    uint64_t weight = 0;  // What it counts against the limits.
    bool dropped = false;
  };
  // A message under way: its stamps are those of its first byte.
  struct Stamp {
    base::Micros at_us = 0;
    uint64_t commits_seen = 0;
  };

  bool SeeFrontend(uint8_t type, uint64_t bytes, base::Micros now_us);
  bool HasRoom(uint64_t bytes) const;
  void Keep(uint8_t type, base::Bytes payload, uint64_t bytes, Stamp stamp, bool dropped);
  void AfterBackend(base::Micros now_us);
  void OnStarting(uint8_t type, base::Bytes payload, base::Micros now_us);
  void SetReady(base::Micros now_us);
  void Finish(Answers answers, base::Micros now_us);
  void PutNotifications();
  void DropAnswered();
  void DropStrays();
  void EndPart();
  void PopKept();
  void GoQuiet(std::string reason, event::GapReason gap, base::Micros now_us);
  void PutQuietGap(base::Micros now_us);

  event::SessionStart facts_;
  CaptureCommon& common_;
  event::EventSink& sink_;
  const TrackerLimits limits_;
  AnswerReader reader_;
  Phase phase_ = Phase::kAuthenticating;
  std::string reason_;
  bool started_ = false;     // SessionStart was put.
  bool terminated_ = false;  // Terminate came.
  uint64_t index_ = 0;       // Of the next exchange.

  std::deque<Kept> kept_;  // One per message that reader_ was asked, in the same order.
  uint64_t kept_weight_ = 0;
  uint64_t part_weight_ = 0;   // Since the last message that ended a part.
  bool part_dropped_ = false;  // The rest of that part is not kept either.
  // Of the exchange in flight, once its content is given up.
  bool head_dropped_ = false;
  uint64_t head_bytes_ = 0;  // Of messages already forgotten.
  Stamp head_stamp_;

  // A message in pieces.
  std::string partial_;
  Stamp partial_stamp_;
  bool partial_dropped_ = false;

  // In kQuiet.
  base::Micros quiet_since_us_ = 0;
  uint64_t quiet_exchanges_ = 0;
  uint64_t quiet_bytes_ = 0;
  bool quiet_open_ = false;  // Something was asked since the last ReadyForQuery.
};

}  // namespace scry::exchange
