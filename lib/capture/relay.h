// The proxy: accepts clients, connects each to the server, moves bytes both ways as they are and
// tells a sink what it saw. One level-triggered loop on the calling thread; the sink is called from
// it and must not block. Used by the capture job.
//
// Forwarding comes first: bytes read from one side are written to the other before anybody looks at
// them, and nothing that recording does or fails to do can stall, alter or cut a connection. When
// one side does not take bytes, the other is not read: at most one read buffer waits in each
// direction.
#pragma once

#include <atomic>
#include <cstdint>
#include <functional>
#include <memory>
#include <unordered_map>

#include "base/clock.h"
#include "base/result.h"
#include "capture/options.h"
#include "event/event.h"
#include "event/event_sink.h"
#include "exchange/exchange_tracker.h"
#include "os/poller.h"
#include "os/socket.h"

namespace scry::capture {

// Read by any thread while the relay runs.
struct RelayCounters {
  std::atomic<uint64_t> sessions_open = 0;
  std::atomic<uint64_t> sessions = 0;   // Reached their first ReadyForQuery.
  std::atomic<uint64_t> exchanges = 0;  // Completed, recorded or not.
  std::atomic<uint64_t> bytes = 0;      // Forwarded, both ways.
  std::atomic<uint64_t> refused = 0;    // Connections the relay had to turn away.
};

class Link;

class Relay {
 public:
  // Listens at once, so that address() is known. `sink` and `clock` outlive the relay.
  static base::Result<std::unique_ptr<Relay>> Open(const RelayOptions& options,
                                                   event::EventSink& sink,
                                                   const base::Clock& clock);
  Relay(const Relay&) = delete;
  Relay& operator=(const Relay&) = delete;
  ~Relay();

  const os::Address& address() const { return listener_.address; }
  const RelayCounters& counters() const { return counters_; }
  // Of the clock's monotonic time: where the times of its events count from.
  base::Micros started_us() const { return started_us_; }

  // Runs until `should_stop`, which is asked at least ten times a second. Then sessions still open
  // end in the capture, and their connections are closed. The error is of the loop, never of one
  // link.
  base::Status Run(const std::function<bool()>& should_stop);

 private:
  friend class Link;
  Relay(const RelayOptions& options, os::Address upstream, event::EventSink& sink,
        const base::Clock& clock, os::Listener listener, os::Poller poller);

  void AcceptAll();
  void Serve(const os::Readiness& ready);
  void Bury();
  base::Micros Now() const { return clock_.MonotonicUs() - started_us_; }

  const RelayOptions options_;
  const os::Address upstream_;
  event::EventSink& sink_;
  const base::Clock& clock_;
  const base::Micros started_us_;
  os::Listener listener_;
  os::Poller poller_;
  RelayCounters counters_;
  exchange::CaptureCommon common_;
  bool accepting_ = true;
  uint64_t links_made_ = 0;
  uint64_t sessions_made_ = 0;
  std::unordered_map<uint64_t, std::unique_ptr<Link>> links_;
  std::vector<uint64_t> dead_;  // To be removed after this round.
  std::unordered_map<uint32_t, event::SessionId> session_by_pid_;  // For cancel requests.
  std::unique_ptr<char[]> buffer_;                                 // One read, shared by all links.
};

}  // namespace scry::capture
