// Watches both directions of one session: cuts bytes into messages and hands them to the tracker,
// which puts events into the sink. Whatever it meets, it never fails towards the link that feeds
// it. Runs on the relay's loop.
#pragma once

#include <cstdint>

#include "base/bytes.h"
#include "base/clock.h"
#include "event/event.h"
#include "event/event_sink.h"
#include "exchange/exchange_tracker.h"
#include "wire/frame.h"

namespace scry::capture {

class SessionRecorder {
 public:
  // `facts`: session, client, protocol and startup parameters. `sink` and `common` outlive it.
  SessionRecorder(event::SessionStart facts, event::EventSink& sink,
                  exchange::CaptureCommon& common, uint64_t exchange_bytes_max);

  // Bytes that were forwarded, in any chunks, with the time they were.
  void OnFrontend(base::Bytes bytes, base::Micros now_us);
  void OnBackend(base::Bytes bytes, base::Micros now_us);
  void OnEnd(event::EndReason reason, base::Micros now_us) { tracker_.OnClosed(reason, now_us); }

  event::SessionId session() const { return session_; }
  uint32_t backend_pid() const { return backend_pid_; }  // 0 until the server told it.
  bool started() const { return tracker_.phase() == exchange::ExchangeTracker::Phase::kReady; }
  uint64_t exchanges() const { return tracker_.exchanges(); }

 private:
  class FrontendFrames;
  class BackendFrames;

  const event::SessionId session_;
  exchange::ExchangeTracker tracker_;
  wire::FrameScanner frontend_;
  wire::FrameScanner backend_;
  uint32_t backend_pid_ = 0;
  bool broken_ = false;
};

}  // namespace scry::capture
