#include "wire/startup.h"

#include <string>

#include "base/random.h"
#include "support/catch.h"
#include "wire/backend.h"
#include "wire/frame.h"

namespace scry::wire {
namespace {

std::string Packet(uint32_t length, uint32_t code, std::string_view rest = {}) {
  base::ByteWriter out;
  out.BigU32(length);
  out.BigU32(code);
  out.Text(rest);
  return out.Release();
}

struct Read {
  StartupPacket packet;
  size_t taken = 0;
};

// Feeds in chunks of `step` bytes.
Read ReadPacket(const std::string& bytes, size_t step) {
  StartupScanner scanner;
  Read read;
  while (read.taken < bytes.size() && scanner.kind() == StartupKind::kIncomplete) {
    read.taken += scanner.Feed(base::AsBytes(std::string_view(bytes).substr(read.taken, step)));
  }
  read.packet = scanner.packet();
  return read;
}

const Parameters kParameters = {{"user", "ann"}, {"database", "shop"}, {"options", ""}};

}  // namespace

TEST_CASE("a startup message reads the same in every chunking, and takes no more", "[wire]") {
  const std::string bytes = EncodeStartupMessage(kProtocol30 + 2, kParameters);
  for (size_t step = 1; step <= bytes.size() + 5; ++step) {
    const Read read = ReadPacket(bytes + "Qrest", step);
    REQUIRE(read.packet.kind == StartupKind::kStartup);
    REQUIRE(read.packet.protocol == kProtocol30 + 2);
    REQUIRE(read.packet.parameters == kParameters);
    REQUIRE(read.packet.raw == bytes);
    REQUIRE(read.taken == bytes.size());
  }
}

TEST_CASE("several requests may come before the startup message", "[wire]") {
  const std::string bytes =
      EncodeSslRequest() + EncodeGssEncRequest() + EncodeStartupMessage(kProtocol30, kParameters);
  StartupScanner scanner;
  std::string_view left(bytes);
  for (const StartupKind kind :
       {StartupKind::kSslRequest, StartupKind::kGssEncRequest, StartupKind::kStartup}) {
    left.remove_prefix(scanner.Feed(base::AsBytes(left)));
    REQUIRE(scanner.kind() == kind);
    REQUIRE(scanner.Feed(base::AsBytes(left)) == 0);
    scanner.Reset();
  }
  CHECK(left.empty());
}

TEST_CASE("a setting is added to a startup message that does not bring its own", "[wire]") {
  const Parameters settings = {{"lock_timeout", "200ms"}};
  const auto with = [&](const Parameters& parameters) {
    StartupScanner scanner;
    scanner.Feed(base::AsBytes(EncodeStartupMessage(kProtocol30, parameters)));
    StartupScanner changed;
    changed.Feed(base::AsBytes(StartupWith(scanner.packet(), settings)));
    REQUIRE(changed.kind() == StartupKind::kStartup);
    CHECK(changed.packet().protocol == kProtocol30);
    return changed.packet().parameters;
  };
  CHECK(with({{"user", "app"}}) == Parameters{{"user", "app"}, {"lock_timeout", "200ms"}});
  for (const Parameters& own :
       {Parameters{{"user", "app"}, {"lock_timeout", "1s"}},
        Parameters{{"user", "app"}, {"options", "-c search_path=a -clock_timeout=0"}}}) {
    CHECK(with(own) == own);
  }
}

TEST_CASE("cancel keys have 4 to 256 bytes", "[wire]") {
  for (const size_t size : {4u, 32u, 256u}) {
    const std::string key(size, 'k');
    const Read read = ReadPacket(EncodeCancelRequest(77, key), 3);
    REQUIRE(read.packet.kind == StartupKind::kCancelRequest);
    CHECK(read.packet.cancel_pid == 77);
    CHECK(read.packet.cancel_key == key);
  }
  CHECK(ReadPacket(EncodeCancelRequest(1, std::string(257, 'k')), 99).packet.kind ==
        StartupKind::kInvalid);
  CHECK(ReadPacket(EncodeCancelRequest(1, ""), 99).packet.kind == StartupKind::kInvalid);
}

TEST_CASE("what is no startup packet is refused with a reason", "[wire]") {
  const auto reason = [](const std::string& bytes) {
    const Read read = ReadPacket(bytes, 1);
    REQUIRE(read.packet.kind == StartupKind::kInvalid);
    return read.packet.reason;
  };
  CHECK(reason(Packet(7, 0)).find("length") != std::string::npos);
  CHECK(reason(Packet(10001, kProtocol30)).find("10001") != std::string::npos);
  CHECK(reason(Packet(8, 2u << 16)).find("2.0") != std::string::npos);
  CHECK(reason(Packet(8, 4u << 16)).find("4.0") != std::string::npos);
  CHECK(reason(std::string("\x16\x03\x01", 3)).find("TLS") != std::string::npos);
  CHECK(reason("GET / HTTP/1.1\r\n").find("HTTP") != std::string::npos);
  CHECK(reason(Packet(9, kSslRequestCode, "x")).find("encryption") != std::string::npos);
  CHECK(reason(Packet(12, kCancelRequestCode, "abcd")).find("cancel") != std::string::npos);
  CHECK(reason(Packet(14, kProtocol30, std::string_view("user\0x", 6))).find("terminator") !=
        std::string::npos);
  CHECK(reason(Packet(10, kProtocol30, std::string_view("\0\0", 2))).find("terminator") !=
        std::string::npos);
  CHECK(reason(Packet(8, kProtocol30)).find("terminator") != std::string::npos);
}

TEST_CASE("a startup packet of the largest length is read", "[wire]") {
  const Parameters parameters = {{"options", std::string(10000 - 8 - 8 - 2, 'o')}};
  const std::string bytes = EncodeStartupMessage(kProtocol30, parameters);
  REQUIRE(bytes.size() == kStartupLengthMax);
  CHECK(ReadPacket(bytes, 4096).packet.parameters == parameters);
}

TEST_CASE("an incomplete packet stays incomplete", "[wire]") {
  const std::string bytes = EncodeStartupMessage(kProtocol30, kParameters);
  for (size_t size = 0; size < bytes.size(); ++size) {
    REQUIRE(ReadPacket(bytes.substr(0, size), 100).packet.kind == StartupKind::kIncomplete);
  }
}

TEST_CASE("random bytes never do more than be refused", "[wire]") {
  for (uint64_t seed = 0; seed < 2000; ++seed) {
    base::Random random(seed);
    std::string body(random.Below(60), '\0');
    for (char& c : body) c = random.Below(3) == 0 ? '\0' : static_cast<char>(random.Below(256));
    const auto length = static_cast<uint32_t>(body.size() + 8);
    const std::string bytes =
        Packet(length, random.Below(2) == 0 ? kProtocol30 : kCancelRequestCode, body);
    REQUIRE(ReadPacket(bytes, 1 + random.Below(9)).packet.kind != StartupKind::kIncomplete);
  }
}

TEST_CASE("replication is asked for as the server understands it", "[wire]") {
  for (const char* value : {"database", "true", "on", "1", "yes", "t", "TRUE"}) {
    CHECK(AsksForReplication({{"replication", value}}));
  }
  for (const char* value : {"false", "off", "0", "no", "f", "OFF"}) {
    CHECK(!AsksForReplication({{"replication", value}}));
  }
  CHECK(!AsksForReplication({{"user", "replication"}}));
}

TEST_CASE("our own refusal reads as an ErrorResponse", "[wire]") {
  struct Sink : FrameSink {
    void OnFrame(uint8_t type, base::Bytes payload) override {
      REQUIRE(type == 'E');
      text = base::AsText(payload);
    }
    void OnPiece(uint8_t, uint32_t, uint32_t, base::Bytes) override {}
    std::string text;
  } sink;
  FrameScanner scanner;
  scanner.Feed(base::AsBytes(EncodeErrorResponse("FATAL", "08006", "no server")), sink);
  const ErrorFields fields = ParseErrorFields(base::AsBytes(sink.text));
  CHECK(fields.fatal());
  CHECK(fields.sqlstate == "08006");
  CHECK(fields.message == "no server");
}

}  // namespace scry::wire
