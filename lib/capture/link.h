// One client connection and its server connection. Owned by the Relay, runs on its loop.
//
//   client --read--> [inspect] --write--> server        and the other way round
//
// A link starts with the client's first packet (SSLRequest, CancelRequest, StartupMessage),
// connects to the server when it knows that there is a session to make, and ends when both
// directions have ended.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include "base/bytes.h"
#include "base/clock.h"
#include "base/result.h"
#include "capture/session_recorder.h"
#include "os/unique_fd.h"
#include "wire/startup.h"

namespace scry::capture {

class Relay;

class Link {
 public:
  // Poller tokens: link id * 2 for the client's side, + 1 for the server's.
  Link(Relay& relay, uint64_t id, os::UniqueFd client, std::string peer);
  Link(const Link&) = delete;
  Link& operator=(const Link&) = delete;
  ~Link();

  base::Status Register();
  // Something can be read or written on a side. Afterwards dead() may be true.
  void OnReady(bool server_side, bool readable, bool writable);
  // The capture ends with this link open.
  void Abandon();
  bool dead() const { return dead_; }

 private:
  enum class State : uint8_t { kFirstPacket, kConnecting, kForwarding };

  // One direction's sink: what the socket has not taken yet, and what it is polled for.
  struct Side {
    os::UniqueFd fd;
    std::string pending;
    size_t pending_at = 0;
    bool ended = false;  // Nothing more will be read from it.
    bool shut = false;   // We sent our end of file to it.
    bool polled_read = false;
    bool polled_write = false;
    bool registered = false;
    bool Blocked() const { return pending_at < pending.size(); }
  };

  void ReadFirstPacket();
  void OnFirstPacket(base::Bytes bytes);
  void Connect();
  void OnConnected();
  void Pump(Side& from, Side& to, bool from_client);
  void Record(std::string_view bytes, bool from_client, base::Micros now);
  void Send(Side& to, std::string_view bytes);
  void Flush(Side& to);
  void AfterIo();
  void UpdatePoll(Side& side, Side& other, bool server_side);
  void Refuse(std::string_view sqlstate, const std::string& message);
  void Die();

  Relay& relay_;
  const uint64_t id_;
  const std::string peer_;
  State state_ = State::kFirstPacket;
  Side client_;
  Side server_;
  wire::StartupScanner startup_;
  std::string first_packet_;  // Forwarded to the server once it is connected.
  std::optional<SessionRecorder> recorder_;
  bool closing_ = false;  // What is pending for the client goes out, then the link ends.
  bool dead_ = false;
};

}  // namespace scry::capture
