#include "wire/frame.h"

#include <algorithm>
#include <cstring>

namespace scry::wire {
namespace {

uint32_t LengthAt(const uint8_t* bytes) {
  return static_cast<uint32_t>(bytes[0]) << 24 | static_cast<uint32_t>(bytes[1]) << 16 |
         static_cast<uint32_t>(bytes[2]) << 8 | static_cast<uint32_t>(bytes[3]);
}

}  // namespace

bool FrameScanner::ReadLength() {
  const uint32_t length = LengthAt(header_.data() + 1);
  if (length < kFrameLengthMin || length > kFrameLengthMax) {
    broken_ = true;
    reason_ = "message type " + std::to_string(header_[0]) + " claims a length of " +
              std::to_string(length) + " bytes";
    gathered_ = std::string();
    return false;
  }
  payload_length_ = length - kFrameLengthMin;
  payload_bytes_ = 0;
  return true;
}

void FrameScanner::Feed(base::Bytes chunk, FrameSink& sink) {
  while (!broken_) {
    if (header_bytes_ < header_.size()) {
      const size_t taken = std::min(header_.size() - header_bytes_, chunk.size());
      if (taken > 0) std::memcpy(header_.data() + header_bytes_, chunk.data(), taken);
      header_bytes_ += static_cast<uint32_t>(taken);
      chunk = chunk.subspan(taken);
      if (header_bytes_ < header_.size() || !ReadLength()) return;
    }
    const bool whole_in_chunk = payload_bytes_ == 0 && chunk.size() >= payload_length_;
    if (payload_length_ <= gather_bytes_max_ && whole_in_chunk) {
      header_bytes_ = 0;
      const base::Bytes payload = chunk.first(payload_length_);
      chunk = chunk.subspan(payload_length_);
      sink.OnFrame(header_[0], payload);
      continue;
    }
    if (chunk.empty()) return;
    FeedPayload(chunk, sink);
  }
}

void FrameScanner::FeedPayload(base::Bytes& chunk, FrameSink& sink) {
  const size_t taken = std::min<size_t>(payload_length_ - payload_bytes_, chunk.size());
  const base::Bytes piece = chunk.first(taken);
  chunk = chunk.subspan(taken);
  const uint32_t offset = payload_bytes_;
  payload_bytes_ += static_cast<uint32_t>(taken);
  const bool last = payload_bytes_ == payload_length_;
  if (last) header_bytes_ = 0;
  if (payload_length_ > gather_bytes_max_) {
    sink.OnPiece(header_[0], payload_length_, offset, piece);
    return;
  }
  gathered_.append(base::AsText(piece));
  if (!last) return;
  sink.OnFrame(header_[0], base::AsBytes(gathered_));
  gathered_.clear();
}

}  // namespace scry::wire
