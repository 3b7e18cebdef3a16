// The packets that open a connection, which have no type byte: reading them (relay) and writing
// them (relay, tests). Not thread-safe. PROTOCOL.md, section "Start of a connection".
#pragma once

#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "base/bytes.h"

namespace scry::wire {

inline constexpr uint32_t kProtocol30 = 3u << 16;
inline constexpr uint32_t kCancelRequestCode = 1234u << 16 | 5678u;
inline constexpr uint32_t kSslRequestCode = 1234u << 16 | 5679u;
inline constexpr uint32_t kGssEncRequestCode = 1234u << 16 | 5680u;
// The server's own limits (MAX_STARTUP_PACKET_LENGTH; cancel keys of protocol 3.2).
inline constexpr uint32_t kStartupLengthMin = 8;
inline constexpr uint32_t kStartupLengthMax = 10000;
inline constexpr uint32_t kCancelKeyBytesMax = 256;
// First byte of a TLS ClientHello: PostgreSQL 17 clients may send one without SSLRequest.
inline constexpr uint8_t kTlsHandshakeByte = 0x16;

using Parameters = std::vector<std::pair<std::string, std::string>>;

enum class StartupKind : uint8_t {
  kIncomplete,  // More bytes are needed.
  kSslRequest,
  kGssEncRequest,
  kCancelRequest,
  kStartup,
  kInvalid,  // See StartupPacket::reason; the connection is to be closed.
};

struct StartupPacket {
  StartupKind kind = StartupKind::kIncomplete;
  std::string raw;          // The packet as it came, its length word included: what is forwarded.
  uint32_t protocol = 0;    // kStartup: major in the high 16 bits.
  Parameters parameters;    // kStartup, in their order.
  uint32_t cancel_pid = 0;  // kCancelRequest.
  std::string cancel_key;   // kCancelRequest: 4 bytes, up to 256 since protocol 3.2.
  std::string reason;       // kInvalid: one line for an ErrorResponse and the log.
};

// Reads one packet at a time: a connection may send SSLRequest, GSSENCRequest and then
// StartupMessage.
class StartupScanner {
 public:
  // How many bytes of `chunk` belong to the packet; the rest is untouched. Takes nothing once the
  // packet is complete or invalid, until Reset().
  size_t Feed(base::Bytes chunk);
  StartupKind kind() const { return packet_.kind; }
  const StartupPacket& packet() const { return packet_; }
  // Bytes of an incomplete packet seen: a client that connects and says nothing has 0.
  size_t bytes_seen() const { return packet_.raw.size(); }
  void Reset() { packet_ = StartupPacket(); }

 private:
  void Fail(std::string reason);
  void FailLayout();
  uint32_t ClaimedLength() const;
  void CheckStart();
  void Parse();

  StartupPacket packet_;
};

// The value of parameter `name`, or an empty view.
std::string_view FindParameter(const Parameters& parameters, std::string_view name);
// A walsender session (replication=true, database ...): it switches to COPY BOTH, which scry
// forwards and does not record.
bool AsksForReplication(const Parameters& parameters);

std::string EncodeStartupMessage(uint32_t protocol, const Parameters& parameters);
// The same packet with settings added, but for those that it brings along itself, as parameters or
// in `options`. REQUIRES: packet.kind is kStartup.
std::string StartupWith(const StartupPacket& packet, const Parameters& settings);
std::string EncodeCancelRequest(uint32_t pid, std::string_view key);
std::string EncodeSslRequest();
std::string EncodeGssEncRequest();
// For the relay's own refusals: severity "FATAL", sqlstate of five characters. With its type byte.
std::string EncodeErrorResponse(std::string_view severity, std::string_view sqlstate,
                                std::string_view message);

}  // namespace scry::wire
