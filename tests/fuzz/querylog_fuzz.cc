// The segment reader over any bytes: it must end, within its memory, with events and gaps. The
// first byte chooses how: as a file; or as the raw content of a block (of either format version),
// which checksums would shield from the fuzzer; or as the raw content of an index; or as the
// manifest or the source snapshot.
#include <cstddef>
#include <cstdint>
#include <memory>
#include <string>
#include <string_view>
#include <utility>

#include "base/check.h"
#include "querylog/block_codec.h"
#include "querylog/frame.h"
#include "querylog/manifest.h"
#include "querylog/segment_reader.h"
#include "querylog/snapshot.h"

namespace {

using scry::querylog::BlockDecoder;
using scry::querylog::BlockEncoder;
using scry::querylog::SegmentReader;

class MemoryFile : public scry::os::ReadableFile {
 public:
  explicit MemoryFile(std::string bytes) : bytes_(std::move(bytes)) {}
  scry::base::Result<uint64_t> SizeBytes() override { return uint64_t{bytes_.size()}; }
  scry::base::Result<std::string> ReadAt(uint64_t offset, size_t size_bytes) override {
    if (offset >= bytes_.size()) return std::string();
    return bytes_.substr(static_cast<size_t>(offset), size_bytes);
  }

 private:
  const std::string bytes_;
};

void ReadSegment(std::string_view bytes) {
  scry::querylog::SegmentReadOptions options;
  options.capture_id = scry::querylog::CaptureId{};
  options.number = 1;
  auto reader =
      SegmentReader::Open(std::make_unique<MemoryFile>(std::string(bytes)), std::move(options));
  if (!reader.ok()) return;
  for (;;) {
    auto next = (*reader)->Next();
    SCRY_CHECK(next.ok());  // The file never fails, and damage is no error.
    if (!next->has_value()) return;
  }
}

// What decodes must encode and decode to the same bytes again.
void ReadBlock(std::string_view bytes, uint32_t version) {
  const auto events = static_cast<uint64_t>(bytes.size());
  for (uint64_t count = 1; count <= 4 && count <= events; ++count) {
    auto decoder = BlockDecoder::Open(std::string(bytes), count, version);
    if (!decoder.ok()) return;
    BlockEncoder encoder;
    for (;;) {
      auto next = (*decoder)->Next();
      if (!next.ok() || !next->has_value()) break;
      encoder.Add(**next);
    }
    if (encoder.empty()) continue;
    const uint64_t decoded = encoder.events();
    const std::string first = encoder.Finish();
    auto again = BlockDecoder::Open(first, decoded);
    SCRY_CHECK(again.ok());
    for (;;) {
      auto next = (*again)->Next();
      SCRY_CHECK(next.ok());
      if (!next->has_value()) break;
      encoder.Add(**next);
    }
    SCRY_CHECK(encoder.Finish() == first);
  }
}

void ReadIndex(std::string_view bytes) {
  scry::querylog::IndexDecoder decoder(bytes);
  scry::querylog::IndexEntry entry;
  while (decoder.Next(entry)) {
  }
}

// What was read can be written and reads the same.
void ReadSnapshot(std::string_view bytes) {
  const auto read = scry::querylog::ParseSnapshot(bytes);
  if (!read.ok()) return;
  const auto again = scry::querylog::ParseSnapshot(scry::querylog::EncodeSnapshot(*read));
  SCRY_CHECK(again.ok() && *again == *read);
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  if (size == 0) return 0;
  const std::string_view rest(reinterpret_cast<const char*>(data) + 1, size - 1);
  switch (data[0] % 6) {
    case 0:
      ReadSegment(rest);
      break;
    case 1:
      ReadBlock(rest, 1);
      break;
    case 2:
      ReadIndex(rest);
      break;
    case 3:
      static_cast<void>(scry::querylog::ParseManifest(rest));
      break;
    case 4:
      ReadBlock(rest, 2);
      break;
    default:
      ReadSnapshot(rest);
      break;
  }
  return 0;
}
