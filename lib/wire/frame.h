// Cuts one direction of a connection into protocol messages, for any chunking. Used by the relay,
// by replay lanes and by tests. Not thread-safe; views given to a sink live until the call returns.
// PROTOCOL.md, section "Frames".
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <string>

#include "base/bytes.h"

namespace scry::wire {

// The length word counts itself; the server takes at most 1 GiB less one (PQ_LARGE_MESSAGE_LIMIT).
inline constexpr uint32_t kFrameLengthMin = 4;
inline constexpr uint32_t kFrameLengthMax = 1u << 30;
// Messages up to this size come whole; longer ones in pieces, so that memory stays bounded.
inline constexpr uint32_t kGatherBytesMax = 64u << 10;

class FrameSink {
 public:
  virtual ~FrameSink() = default;
  // A whole message; `payload` is what follows the length word.
  virtual void OnFrame(uint8_t type, base::Bytes payload) = 0;
  // Part of a message over the gather limit, never empty, in order. The first has offset 0, the
  // last ends at payload_length.
  virtual void OnPiece(uint8_t type, uint32_t payload_length, uint32_t offset,
                       base::Bytes piece) = 0;
};

class FrameScanner {
 public:
  explicit FrameScanner(uint32_t gather_bytes_max = kGatherBytesMax)
      : gather_bytes_max_(gather_bytes_max) {}

  // Takes all of `chunk`. A whole message inside it is passed on without a copy. Once broken, bytes
  // are ignored: without a length nobody knows where the next message starts.
  void Feed(base::Bytes chunk, FrameSink& sink);

  bool broken() const { return broken_; }
  const std::string& reason() const { return reason_; }  // Empty unless broken.
  // Between two messages: nothing is half read.
  bool at_boundary() const { return header_bytes_ == 0; }

 private:
  void FeedPayload(base::Bytes& chunk, FrameSink& sink);
  bool ReadLength();

  uint32_t gather_bytes_max_;
  std::array<uint8_t, 5> header_{};
  uint32_t header_bytes_ = 0;  // 5: inside a payload.
  uint32_t payload_length_ = 0;
  uint32_t payload_bytes_ = 0;  // Of it, seen.
  std::string gathered_;
  bool broken_ = false;
  std::string reason_;
};

}  // namespace scry::wire
