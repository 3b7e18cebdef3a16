#include "wire/startup.h"

#include <algorithm>
#include <array>
#include <cctype>

#include "wire/frontend.h"

namespace scry::wire {
namespace {

std::string WithLength(std::string_view body) {
  base::ByteWriter out;
  out.BigU32(static_cast<uint32_t>(body.size() + 4));
  out.Text(body);
  return out.Release();
}

std::string RequestOfCode(uint32_t code) {
  base::ByteWriter body;
  body.BigU32(code);
  return WithLength(body.str());
}

bool LooksLikeHttp(std::string_view start) {
  static constexpr std::array<std::string_view, 8> kMethods = {"GET ", "POST", "HEAD", "PUT ",
                                                               "OPTI", "CONN", "DELE", "PRI "};
  return std::find(kMethods.begin(), kMethods.end(), start) != kMethods.end();
}

}  // namespace

void StartupScanner::Fail(std::string reason) {
  packet_.kind = StartupKind::kInvalid;
  packet_.reason = std::move(reason);
}

void StartupScanner::FailLayout() {
  packet_.parameters.clear();
  Fail("invalid startup packet layout: expected terminator as last byte");
}

uint32_t StartupScanner::ClaimedLength() const { return base::ByteReader(packet_.raw).BigU32(); }

// The first four bytes decide whether this is PostgreSQL at all: no more is read for a port
// scanner.
void StartupScanner::CheckStart() {
  const std::string_view start(packet_.raw);
  if (!start.empty() && static_cast<uint8_t>(start[0]) == kTlsHandshakeByte) {
    return Fail("direct TLS is not offered here; connect with sslnegotiation=postgres");
  }
  if (start.size() < 4) return;
  if (LooksLikeHttp(start.substr(0, 4))) {
    return Fail("this is a PostgreSQL port, and an HTTP request came");
  }
  const uint32_t length = ClaimedLength();
  if (length < kStartupLengthMin || length > kStartupLengthMax) {
    Fail("invalid length of startup packet: " + std::to_string(length));
  }
}

size_t StartupScanner::Feed(base::Bytes chunk) {
  size_t taken = 0;
  while (packet_.kind == StartupKind::kIncomplete && taken < chunk.size()) {
    const size_t seen = packet_.raw.size();
    const size_t wanted = seen < 4 ? 4 - seen : ClaimedLength() - seen;
    const size_t count = std::min(wanted, chunk.size() - taken);
    packet_.raw.append(base::AsText(chunk.subspan(taken, count)));
    taken += count;
    if (seen < 4) {
      CheckStart();
    } else if (packet_.raw.size() == ClaimedLength()) {
      Parse();
    }
  }
  return taken;
}

void StartupScanner::Parse() {
  base::ByteReader in(packet_.raw);
  const uint32_t length = in.BigU32();
  const uint32_t code = in.BigU32();
  if (code == kSslRequestCode || code == kGssEncRequestCode) {
    if (length != 8) return Fail("invalid length of encryption request: " + std::to_string(length));
    packet_.kind = code == kSslRequestCode ? StartupKind::kSslRequest : StartupKind::kGssEncRequest;
    return;
  }
  if (code == kCancelRequestCode) {
    packet_.cancel_pid = in.BigU32();
    packet_.cancel_key = in.TakeRest();
    if (!in.ok() || packet_.cancel_key.empty() || packet_.cancel_key.size() > kCancelKeyBytesMax) {
      return Fail("invalid length of cancel request: " + std::to_string(length));
    }
    packet_.kind = StartupKind::kCancelRequest;
    return;
  }
  if (code >> 16 != 3) {
    return Fail("unsupported frontend protocol " + std::to_string(code >> 16) + "." +
                std::to_string(code & 0xffff) + ": server supports 3.0");
  }
  packet_.protocol = code;
  while (in.left() > 1) {
    const std::string_view name = in.CString();
    // The terminator, and not as the last byte: the server refuses it, and so nothing may hide
    // behind it.
    if (name.empty()) return FailLayout();
    const std::string_view value = in.CString();
    packet_.parameters.emplace_back(name, value);
  }
  if (!in.ok() || in.left() != 1 || in.U8() != 0) return FailLayout();
  packet_.kind = StartupKind::kStartup;
}

std::string_view FindParameter(const Parameters& parameters, std::string_view name) {
  // The server lets the last one win.
  for (auto it = parameters.rbegin(); it != parameters.rend(); ++it) {
    if (it->first == name) return it->second;
  }
  return {};
}

bool AsksForReplication(const Parameters& parameters) {
  std::string value(FindParameter(parameters, "replication"));
  if (value.empty()) return false;
  for (char& c : value) c = static_cast<char>(std::tolower(static_cast<unsigned char>(c)));
  // parse_bool() of the server takes unique prefixes; whatever it refuses ends the session anyway.
  const auto is_prefix_of = [&](std::string_view word) { return word.starts_with(value); };
  return !(value == "0" || is_prefix_of("false") || is_prefix_of("no") ||
           (value.size() > 1 && is_prefix_of("off")));
}

std::string EncodeStartupMessage(uint32_t protocol, const Parameters& parameters) {
  base::ByteWriter body;
  body.BigU32(protocol);
  for (const auto& [name, value] : parameters) {
    body.CString(name);
    body.CString(value);
  }
  body.U8(0);
  return WithLength(body.str());
}

std::string StartupWith(const StartupPacket& packet, const Parameters& settings) {
  Parameters parameters = packet.parameters;
  const std::string_view options = FindParameter(packet.parameters, "options");
  for (const auto& [name, value] : settings) {
    const bool own = options.find(name) != std::string_view::npos ||
                     std::any_of(parameters.begin(), parameters.end(),
                                 [&, &key = name](const auto& one) { return one.first == key; });
    if (!own) parameters.emplace_back(name, value);
  }
  return EncodeStartupMessage(packet.protocol, parameters);
}

std::string EncodeCancelRequest(uint32_t pid, std::string_view key) {
  base::ByteWriter body;
  body.BigU32(kCancelRequestCode);
  body.BigU32(pid);
  body.Text(key);
  return WithLength(body.str());
}

std::string EncodeSslRequest() { return RequestOfCode(kSslRequestCode); }
std::string EncodeGssEncRequest() { return RequestOfCode(kGssEncRequestCode); }

std::string EncodeErrorResponse(std::string_view severity, std::string_view sqlstate,
                                std::string_view message) {
  base::ByteWriter fields;
  const auto field = [&](char code, std::string_view text) {
    fields.U8(static_cast<uint8_t>(code));
    // A zero byte would end the field early and shift what follows.
    fields.CString(text.substr(0, text.find('\0')));
  };
  field('S', severity);
  field('V', severity);
  field('C', sqlstate);
  field('M', message);
  fields.U8(0);
  std::string out;
  AppendMessage(out, 'E', fields.str());
  return out;
}

}  // namespace scry::wire
