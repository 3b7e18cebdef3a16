#include "capture/link.h"

#include <fmt/format.h>
#include <sys/socket.h>

#include <utility>

#include "capture/relay.h"
#include "os/socket.h"

namespace scry::capture {
namespace {

// 08006 connection_failure, 08P01 protocol_violation.
constexpr const char* kConnectionFailure = "08006";
constexpr const char* kProtocolViolation = "08P01";

constexpr size_t kReadSize = 64 * 1024;

}  // namespace

Link::Link(Relay& relay, uint64_t id, os::UniqueFd client, std::string peer)
    : relay_(relay), id_(id), peer_(std::move(peer)) {
  client_.fd = std::move(client);
}

Link::~Link() {
  for (Side* side : {&client_, &server_}) {
    if (side->registered) relay_.poller_.Remove(side->fd.get());
  }
}

base::Status Link::Register() {
  SCRY_TRY(relay_.poller_.Add(client_.fd.get(), id_ * 2, true, false));
  client_.registered = true;
  client_.polled_read = true;
  return {};
}

void Link::OnReady(bool server_side, bool readable, bool writable) {
  if (dead_) return;
  if (server_side && state_ == State::kConnecting) {
    OnConnected();
  } else {
    if (writable) Flush(server_side ? server_ : client_);
    if (readable && !dead_) {
      if (state_ == State::kFirstPacket) {
        if (!server_side) ReadFirstPacket();
      } else if (server_side) {
        Pump(server_, client_, false);
      } else if (state_ != State::kConnecting) {
        Pump(client_, server_, true);
      }
    }
  }
  if (!dead_) AfterIo();
}

void Link::ReadFirstPacket() {
  const os::IoResult result = os::ReadSome(client_.fd.get(), relay_.buffer_.get(), kReadSize);
  if (result.state == os::IoState::kWouldBlock) return;
  if (result.state == os::IoState::kClosed) {  // A port scanner, a health check.
    Die();
    return;
  }
  OnFirstPacket(base::AsBytes(std::string_view(relay_.buffer_.get(), result.bytes)));
}

void Link::OnFirstPacket(base::Bytes bytes) {
  while (!bytes.empty() && state_ == State::kFirstPacket && !closing_) {
    bytes = bytes.subspan(startup_.Feed(bytes));
    switch (startup_.kind()) {
      case wire::StartupKind::kIncomplete:
        break;
      case wire::StartupKind::kSslRequest:
      case wire::StartupKind::kGssEncRequest:
        // The one place where the relay answers for itself. Bytes that came before our answer were
        // not meant to be read in clear (CVE-2021-23214): they end the connection.
        if (!bytes.empty()) {
          Refuse(kProtocolViolation, "received unencrypted data after an encryption request");
          break;
        }
        Send(client_, "N");
        startup_.Reset();
        break;
      case wire::StartupKind::kCancelRequest:
      case wire::StartupKind::kStartup:
        // Nothing should follow before the server answered; what does is forwarded all the same.
        first_packet_ = startup_.packet().raw;
        if (startup_.kind() == wire::StartupKind::kStartup && !relay_.options_.settings.empty()) {
          first_packet_ = wire::StartupWith(startup_.packet(), relay_.options_.settings);
        }
        first_packet_.append(base::AsText(bytes));
        bytes = {};
        Connect();
        break;
      case wire::StartupKind::kInvalid:
        Refuse(kProtocolViolation, startup_.packet().reason);
        break;
    }
  }
}

void Link::Connect() {
  auto fd = os::StartConnect(relay_.upstream_);
  if (!fd.ok()) {
    Refuse(kConnectionFailure, "scry cannot reach the server: " + fd.error().message);
    return;
  }
  server_.fd = std::move(fd).value();
  if (!relay_.poller_.Add(server_.fd.get(), id_ * 2 + 1, false, true).ok()) {
    Refuse(kConnectionFailure, "scry cannot watch another connection");
    return;
  }
  server_.registered = true;
  server_.polled_write = true;
  state_ = State::kConnecting;
  const wire::StartupPacket& packet = startup_.packet();
  if (packet.kind == wire::StartupKind::kCancelRequest) {
    const auto found = relay_.session_by_pid_.find(packet.cancel_pid);
    const bool known = found != relay_.session_by_pid_.end();
    relay_.sink_.Put(event::Cancel{known ? found->second : event::SessionId::kNone, relay_.Now()});
    return;
  }
  // COPY BOTH streams of walsenders are forwarded, not recorded.
  if (wire::AsksForReplication(packet.parameters)) return;
  event::SessionStart facts;
  facts.session = event::SessionId{++relay_.sessions_made_};
  facts.client = peer_;
  facts.protocol = packet.protocol;
  facts.parameters = packet.parameters;
  recorder_.emplace(std::move(facts), relay_.sink_, relay_.common_,
                    relay_.options_.exchange_bytes_max);
}

void Link::OnConnected() {
  const base::Status status = os::ConnectError(server_.fd.get());
  if (!status.ok()) {
    Refuse(kConnectionFailure, fmt::format("scry cannot reach the server at {}: {}",
                                           relay_.upstream_.Text(), status.error().message));
    return;
  }
  state_ = State::kForwarding;
  Send(server_, first_packet_);
  first_packet_.clear();
  first_packet_.shrink_to_fit();
}

void Link::Pump(Side& from, Side& to, bool from_client) {
  if (from.ended || to.Blocked()) return;
  char* buffer = relay_.buffer_.get();
  const os::IoResult result = os::ReadSome(from.fd.get(), buffer, kReadSize);
  if (result.state == os::IoState::kWouldBlock) return;
  if (result.state == os::IoState::kClosed) {
    from.ended = true;
    if (!from_client || result.error != 0) closing_ = true;
    return;
  }
  const base::Micros now = relay_.Now();
  const std::string_view bytes(buffer, result.bytes);
  if (relay_.options_.tell_first) Record(bytes, from_client, now);
  Send(to, bytes);
  relay_.counters_.bytes.fetch_add(result.bytes, std::memory_order_relaxed);
  if (!relay_.options_.tell_first) Record(bytes, from_client, now);
}

void Link::Record(std::string_view bytes, bool from_client, base::Micros now) {
  if (!recorder_) return;
  const bool started = recorder_->started();
  const uint64_t exchanges = recorder_->exchanges();
  if (from_client) {
    recorder_->OnFrontend(base::AsBytes(bytes), now);
  } else {
    recorder_->OnBackend(base::AsBytes(bytes), now);
  }
  relay_.counters_.exchanges.fetch_add(recorder_->exchanges() - exchanges,
                                       std::memory_order_relaxed);
  if (!started && recorder_->started()) {
    relay_.counters_.sessions.fetch_add(1, std::memory_order_relaxed);
    relay_.session_by_pid_[recorder_->backend_pid()] = recorder_->session();
  }
}

void Link::Send(Side& to, std::string_view bytes) {
  if (!to.Blocked() && !to.shut) {
    const os::IoResult result = os::WriteSome(to.fd.get(), bytes.data(), bytes.size());
    if (result.state == os::IoState::kClosed) {
      // It will not read any more; what it still says is read until its end of file.
      to.shut = true;
      if (&to == &client_) closing_ = true;
      return;
    }
    bytes.remove_prefix(result.bytes);
  }
  if (!to.shut) to.pending.append(bytes);
}

void Link::Flush(Side& to) {
  if (!to.Blocked()) return;
  const os::IoResult result = os::WriteSome(to.fd.get(), to.pending.data() + to.pending_at,
                                            to.pending.size() - to.pending_at);
  to.pending_at += result.bytes;
  if (result.state == os::IoState::kClosed) {
    // A server that takes no more may still say why; a client that takes no more is gone.
    to.shut = true;
    if (&to == &client_) closing_ = true;
    to.pending_at = to.pending.size();
  }
  if (!to.Blocked()) {
    to.pending.clear();
    to.pending_at = 0;
  }
}

// Decides what the link waits for now, or that it is over.
void Link::AfterIo() {
  if (client_.ended && server_.fd && !server_.Blocked() && !server_.shut &&
      state_ != State::kConnecting) {
    shutdown(server_.fd.get(), SHUT_WR);  // Half-close: the server's last words still come.
    server_.shut = true;
  }
  const bool client_drained = !client_.Blocked() || client_.shut;
  if (closing_ && client_drained) {
    Die();
    return;
  }
  if (client_.ended && (!server_.fd || server_.ended)) {
    Die();
    return;
  }
  UpdatePoll(client_, server_, false);
  if (server_.fd) UpdatePoll(server_, client_, true);
}

void Link::UpdatePoll(Side& side, Side& other, bool server_side) {
  const bool connecting = state_ == State::kConnecting;
  // While the server is being reached the client is not read: its bytes wait in the kernel.
  const bool read = !side.ended && !closing_ && !connecting && !other.Blocked();
  const bool write = side.Blocked() || (server_side && connecting);
  if (read == side.polled_read && write == side.polled_write) return;
  const uint64_t token = id_ * 2 + (server_side ? 1 : 0);
  const int fd = side.fd.get();
  base::Status status;
  if (!read && !write) {
    // Hang-ups are reported whatever one asks for: a side nobody waits for would keep the loop
    // awake.
    relay_.poller_.Remove(fd);
    side.registered = false;
  } else if (side.registered) {
    status = relay_.poller_.Change(fd, token, read, write);
  } else {
    status = relay_.poller_.Add(fd, token, read, write);
    side.registered = status.ok();
  }
  if (!status.ok()) {
    Die();
    return;
  }
  side.polled_read = read;
  side.polled_write = write;
}

void Link::Refuse(std::string_view sqlstate, const std::string& message) {
  relay_.counters_.refused.fetch_add(1, std::memory_order_relaxed);
  recorder_.reset();
  Send(client_, wire::EncodeErrorResponse("FATAL", sqlstate, message));
  closing_ = true;
}

void Link::Abandon() {
  if (recorder_) recorder_->OnEnd(event::EndReason::kCaptureEnded, relay_.Now());
  recorder_.reset();
  Die();
}

void Link::Die() {
  if (dead_) return;
  dead_ = true;
  if (recorder_) {
    relay_.session_by_pid_.erase(recorder_->backend_pid());
    recorder_->OnEnd(
        client_.ended ? event::EndReason::kClientClosed : event::EndReason::kServerClosed,
        relay_.Now());
  }
  relay_.dead_.push_back(id_);
}

}  // namespace scry::capture
