// Bytes of a connection: the first byte picks the chunk size, the rest is a startup packet and then
// frames. Any chunking must give the same frames, and no payload may be read outside of itself.
#include <algorithm>
#include <cstdint>
#include <string>

#include "base/bytes.h"
#include "base/check.h"
#include "wire/backend.h"
#include "wire/frame.h"
#include "wire/frontend.h"
#include "wire/startup.h"

namespace {

using scry::base::Bytes;
namespace wire = scry::wire;

void ReadPayload(uint8_t type, Bytes payload) {
  const wire::FrontendParts parts = wire::SplitFrontend(type, payload);
  SCRY_CHECK(std::string(parts.head) + std::string(parts.values) + std::string(parts.tail) ==
             scry::base::AsText(payload));
  if (const auto bind = wire::ParseBind(payload)) {
    SCRY_CHECK(wire::EncodeBind(*bind).substr(5) == scry::base::AsText(payload));
  }
  if (const auto parse = wire::ParseParse(payload)) {
    SCRY_CHECK(wire::EncodeParse(*parse).substr(5) == scry::base::AsText(payload));
  }
  if (const auto call = wire::ParseFunctionCall(payload)) {
    SCRY_CHECK(wire::EncodeFunctionCall(*call).substr(5) == scry::base::AsText(payload));
  }
  wire::ParseDescribeOrClose(payload);
  wire::ParseExecute(payload);
  wire::ParseQuery(payload);
  wire::ParseRowDescription(payload);
  wire::ParseCommandComplete(payload);
  wire::ParseParameterStatus(payload);
  wire::ParseBackendKeyData(payload);
  wire::ParseNotification(payload);
  wire::ParseCopyResponse(payload);
  wire::ParseNegotiateProtocolVersion(payload);
  wire::ParseErrorFields(payload);
  wire::DataRowReader row(payload);
  wire::RowValue value;
  while (row.Next(value)) {
  }
}

// Joins pieces, and writes down all it saw.
class Joiner : public wire::FrameSink {
 public:
  explicit Joiner(bool read) : read_(read) {}
  void OnFrame(uint8_t type, Bytes payload) override {
    if (read_) ReadPayload(type, payload);
    wire::AppendMessage(seen, type, scry::base::AsText(payload));
  }
  void OnPiece(uint8_t type, uint32_t payload_length, uint32_t offset, Bytes piece) override {
    SCRY_CHECK(!piece.empty() && offset == partial_.size());
    partial_.append(scry::base::AsText(piece));
    SCRY_CHECK(partial_.size() <= payload_length);
    if (partial_.size() < payload_length) return;
    wire::AppendMessage(seen, type, partial_);
    partial_.clear();
  }
  std::string seen;

 private:
  bool read_;
  std::string partial_;
};

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  if (size == 0) return 0;
  const size_t step = size_t{data[0]} + 1;
  Bytes bytes(data + 1, size - 1);
  wire::StartupScanner startup;
  size_t taken = 0;
  while (taken < bytes.size() && startup.kind() == wire::StartupKind::kIncomplete) {
    taken += startup.Feed(bytes.subspan(taken, std::min(step, bytes.size() - taken)));
  }
  if (startup.kind() == wire::StartupKind::kStartup) {
    const auto& packet = startup.packet();
    SCRY_CHECK(wire::EncodeStartupMessage(packet.protocol, packet.parameters) == packet.raw);
    wire::AsksForReplication(packet.parameters);
    bytes = bytes.subspan(taken);
  }
  wire::FrameScanner whole(1u << 20);
  Joiner expected(true);
  whole.Feed(bytes, expected);
  wire::FrameScanner chunked(16);
  Joiner got(false);
  for (size_t at = 0; at < bytes.size(); at += step) {
    chunked.Feed(bytes.subspan(at, std::min(step, bytes.size() - at)), got);
  }
  SCRY_CHECK(got.seen == expected.seen);
  SCRY_CHECK(whole.broken() == chunked.broken());
  // What was read is what came.
  SCRY_CHECK(scry::base::AsText(bytes).starts_with(got.seen));
  return 0;
}
