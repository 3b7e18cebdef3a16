// What stands around the raw blocks: headers, index, footer, compression. Used by segment_writer
// and segment_reader. Pure values, no IO. Parse functions answer nullopt to bytes that are not what
// their checksum says. Format: FORMAT.md, sections "Segment", "Blocks", "Index and footer".
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "querylog/block_codec.h"
#include "querylog/format.h"

namespace scry::querylog {

struct SegmentHeader {
  uint32_t version = kFormatVersion;
  uint32_t number = 1;
  CaptureId capture_id{};
};
std::string EncodeSegmentHeader(const SegmentHeader& header);
std::optional<SegmentHeader> ParseSegmentHeader(std::string_view bytes);

// Of the checksums inside a segment.
uint64_t SegmentSeed(const CaptureId& capture_id, uint32_t number);

struct BlockHeader {
  uint32_t raw_bytes = 0;
  uint32_t stored_bytes = 0;
  uint32_t events = 0;
  uint32_t number = 0;
  base::Micros first_us = 0;
  base::Micros last_us = 0;
  uint64_t stored_checksum = 0;
};
std::string EncodeBlockHeader(const BlockHeader& header, uint64_t seed, uint64_t offset);
// Also nullopt for sizes over the limits of FORMAT.md and for unknown flags.
std::optional<BlockHeader> ParseBlockHeader(std::string_view bytes, uint64_t seed, uint64_t offset);

struct IndexHeader {
  uint32_t raw_bytes = 0;
  uint32_t stored_bytes = 0;
  uint64_t blocks = 0;
  uint64_t stored_checksum = 0;
};
std::string EncodeIndexHeader(const IndexHeader& header, uint64_t seed, uint64_t offset);
std::optional<IndexHeader> ParseIndexHeader(std::string_view bytes, uint64_t seed, uint64_t offset);

struct IndexEntry {
  uint64_t offset = 0;
  BlockSummary summary;
};
// The raw index, entry by entry.
class IndexEncoder {
 public:
  void Add(const IndexEntry& entry);
  size_t size() const { return raw_.size(); }
  uint64_t blocks() const { return blocks_; }
  const std::string& raw() const { return raw_.str(); }

 private:
  base::ByteWriter raw_;
  uint64_t blocks_ = 0;
  uint64_t offset_ = 0;
  uint64_t first_us_ = 0;
};
class IndexDecoder {
 public:
  explicit IndexDecoder(std::string_view raw) : in_(raw) {}
  // False: no more, or broken (see AtEnd). Sessions are handed over one block at a time, so that a
  // small index cannot fill the memory.
  bool Next(IndexEntry& entry);
  bool AtEnd() const { return in_.AtEnd(); }

 private:
  base::ByteReader in_;
  uint64_t offset_ = 0;
  uint64_t first_us_ = 0;
};

struct Footer {
  uint64_t index_offset = 0;
  uint64_t events = 0;
};
std::string EncodeFooter(const Footer& footer, uint64_t seed, uint64_t offset);
std::optional<Footer> ParseFooter(std::string_view bytes, uint64_t seed, uint64_t offset);

uint64_t Checksum(std::string_view bytes, uint64_t seed);

// One zstd frame per call. Not thread-safe: it keeps zstd's working memory.
class Compressor {
 public:
  explicit Compressor(int level);
  ~Compressor();
  Compressor(const Compressor&) = delete;
  Compressor& operator=(const Compressor&) = delete;
  std::string Compress(std::string_view raw);

 private:
  struct Context;
  const std::unique_ptr<Context> context_;
};

// nullopt unless `stored` is one frame of exactly `raw_bytes` bytes. REQUIRES: raw_bytes was
// checked against a limit.
std::optional<std::string> Decompress(std::string_view stored, size_t raw_bytes);

}  // namespace scry::querylog
