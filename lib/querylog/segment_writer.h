// Writes one segment: events become blocks (BlockPacker), blocks and at last the index go to a file
// (SegmentWriter). Used by log_writer. Not thread-safe: owned by the writer thread. The two are
// apart because a packed block outlives a segment whose disk failed: it can be written again,
// elsewhere. Format: FORMAT.md, sections "Segment", "Blocks", "Index and footer".
#pragma once

#include <cstdint>
#include <memory>
#include <string>

#include "base/result.h"
#include "event/event.h"
#include "os/file.h"
#include "querylog/block_codec.h"
#include "querylog/format.h"
#include "querylog/frame.h"

namespace scry::querylog {

// A finished block without a place in a file.
struct PackedBlock {
  BlockSummary summary;
  uint32_t raw_bytes = 0;
  std::string stored;
};

class BlockPacker {
 public:
  // A block is full at `block_bytes` raw bytes.
  BlockPacker(size_t block_bytes, int compression_level)
      : block_bytes_(block_bytes), compressor_(compression_level) {}

  // Whether FORMAT.md allows an event of this size at all.
  static bool Fits(const event::Event& event) {
    return EventBytes(event) <= kEventBytesMax && TextReads(event) <= kTextReadsMax;
  }
  // Whether the event must wait for the next block.
  bool MustPackBefore(const event::Event& event) const {
    return !empty() && encoder_.raw_bytes() + EventBytes(event) > kEventBytesMax;
  }
  // REQUIRES: Fits(event) and !MustPackBefore(event).
  void Add(const event::Event& event) { encoder_.Add(event); }
  bool full() const { return encoder_.raw_bytes() >= block_bytes_; }
  bool empty() const { return encoder_.empty(); }
  // REQUIRES: !empty(). The packer is empty after it.
  PackedBlock Pack();

 private:
  const size_t block_bytes_;
  BlockEncoder encoder_;
  Compressor compressor_;
};

class SegmentWriter {
 public:
  SegmentWriter(std::unique_ptr<os::WritableFile> file, const CaptureId& capture_id,
                uint32_t number);

  // After an error the file is cut back to its last good block and the block may be written again,
  // unless broken().
  base::Status Write(const PackedBlock& block);
  // Index, footer, sync. After an error as with Write; nothing may be written after success.
  base::Status Seal();
  base::Status Sync() { return file_->Sync(); }

  // Neither written nor cut back: the file must be left as it is.
  bool broken() const { return broken_; }
  uint32_t number() const { return header_.number; }
  // Good bytes in the file.
  uint64_t size_bytes() const { return size_bytes_; }
  // The index grows with blocks and sessions, and readers refuse one over 64 MiB.
  bool index_full() const { return index_.size() > kRawBytesMax / 4; }

 private:
  base::Status Append(const std::string& bytes);

  const std::unique_ptr<os::WritableFile> file_;
  const SegmentHeader header_;
  const uint64_t seed_;
  uint64_t size_bytes_ = 0;
  uint64_t events_ = 0;
  bool broken_ = false;
  IndexEncoder index_;
};

}  // namespace scry::querylog
