#include "querylog/frame.h"

#include <xxhash.h>
#include <zstd.h>

#include <algorithm>
#include <utility>

#include "base/check.h"

namespace scry::querylog {
namespace {

using base::ByteReader;
using base::ByteWriter;

// Closes a header with the checksum of what stands before.
std::string Signed(ByteWriter out, uint64_t seed) {
  out.LittleU64(Checksum(out.str(), seed));
  return out.Release();
}

// Whether the last 8 of `bytes` are the checksum of the rest, and it starts with `magic`.
bool IsSigned(std::string_view bytes, size_t size, std::string_view magic, uint64_t seed) {
  if (bytes.size() != size || !bytes.starts_with(magic)) return false;
  ByteReader checksum(bytes.substr(size - 8));
  return checksum.LittleU64() == Checksum(bytes.substr(0, size - 8), seed);
}

}  // namespace

uint64_t Checksum(std::string_view bytes, uint64_t seed) {
  return XXH64(bytes.data(), bytes.size(), seed);
}

std::string EncodeSegmentHeader(const SegmentHeader& header) {
  ByteWriter out;
  out.Text(kSegmentMagic);
  out.LittleU32(header.version);
  out.LittleU32(header.number);
  for (const uint8_t byte : header.capture_id) out.U8(byte);
  return Signed(std::move(out), 0);
}

std::optional<SegmentHeader> ParseSegmentHeader(std::string_view bytes) {
  if (!IsSigned(bytes, kSegmentHeaderBytes, kSegmentMagic, 0)) return std::nullopt;
  ByteReader in(bytes.substr(kSegmentMagic.size()));
  SegmentHeader header;
  header.version = in.LittleU32();
  header.number = in.LittleU32();
  for (uint8_t& byte : header.capture_id) byte = in.U8();
  return header;
}

uint64_t SegmentSeed(const CaptureId& capture_id, uint32_t number) {
  return ByteReader(base::Bytes(capture_id)).LittleU64() + number;
}

std::string EncodeBlockHeader(const BlockHeader& header, uint64_t seed, uint64_t offset) {
  ByteWriter out;
  out.Text(kBlockMagic);
  out.LittleU32(0);
  out.LittleU32(header.raw_bytes);
  out.LittleU32(header.stored_bytes);
  out.LittleU32(header.events);
  out.LittleU32(header.number);
  out.LittleU64(static_cast<uint64_t>(header.first_us));
  out.LittleU64(static_cast<uint64_t>(header.last_us));
  out.LittleU64(header.stored_checksum);
  return Signed(std::move(out), seed + offset);
}

std::optional<BlockHeader> ParseBlockHeader(std::string_view bytes, uint64_t seed,
                                            uint64_t offset) {
  if (!IsSigned(bytes, kBlockHeaderBytes, kBlockMagic, seed + offset)) return std::nullopt;
  ByteReader in(bytes.substr(kBlockMagic.size()));
  const uint32_t flags = in.LittleU32();
  BlockHeader header;
  header.raw_bytes = in.LittleU32();
  header.stored_bytes = in.LittleU32();
  header.events = in.LittleU32();
  header.number = in.LittleU32();
  header.first_us = static_cast<base::Micros>(in.LittleU64());
  header.last_us = static_cast<base::Micros>(in.LittleU64());
  header.stored_checksum = in.LittleU64();
  if (flags != 0 || header.raw_bytes > kRawBytesMax || header.stored_bytes > kStoredBytesMax ||
      header.events == 0) {
    return std::nullopt;
  }
  return header;
}

std::string EncodeIndexHeader(const IndexHeader& header, uint64_t seed, uint64_t offset) {
  ByteWriter out;
  out.Text(kIndexMagic);
  out.LittleU32(0);
  out.LittleU32(header.raw_bytes);
  out.LittleU32(header.stored_bytes);
  out.LittleU64(header.blocks);
  out.LittleU64(header.stored_checksum);
  return Signed(std::move(out), seed + offset);
}

std::optional<IndexHeader> ParseIndexHeader(std::string_view bytes, uint64_t seed,
                                            uint64_t offset) {
  if (!IsSigned(bytes, kIndexHeaderBytes, kIndexMagic, seed + offset)) return std::nullopt;
  ByteReader in(bytes.substr(kIndexMagic.size()));
  const uint32_t flags = in.LittleU32();
  IndexHeader header;
  header.raw_bytes = in.LittleU32();
  header.stored_bytes = in.LittleU32();
  header.blocks = in.LittleU64();
  header.stored_checksum = in.LittleU64();
  if (flags != 0 || header.raw_bytes > kRawBytesMax || header.stored_bytes > kStoredBytesMax) {
    return std::nullopt;
  }
  return header;
}

void IndexEncoder::Add(const IndexEntry& entry) {
  const auto first_us = static_cast<uint64_t>(entry.summary.first_us);
  const auto last_us = static_cast<uint64_t>(entry.summary.last_us);
  raw_.Varint(entry.offset - offset_);
  raw_.Varint(entry.summary.events);
  raw_.SignedVarint(static_cast<int64_t>(first_us - first_us_));
  raw_.Varint(last_us - first_us);
  raw_.Varint(entry.summary.sessions.size());
  uint64_t id_before = 0;
  for (const auto& [id, events] : entry.summary.sessions) {
    raw_.Varint(id - id_before);
    raw_.Varint(events);
    id_before = id;
  }
  offset_ = entry.offset;
  first_us_ = first_us;
  ++blocks_;
}

bool IndexDecoder::Next(IndexEntry& entry) {
  if (in_.left() == 0) return false;
  offset_ += in_.Varint();
  entry.offset = offset_;
  entry.summary.events = in_.Varint();
  first_us_ += static_cast<uint64_t>(in_.SignedVarint());
  entry.summary.first_us = static_cast<base::Micros>(first_us_);
  entry.summary.last_us = static_cast<base::Micros>(first_us_ + in_.Varint());
  entry.summary.sessions.clear();
  const uint64_t sessions = in_.Varint();
  uint64_t id = 0;
  for (uint64_t i = 0; i < sessions && in_.ok(); ++i) {
    id += in_.Varint();
    const uint64_t events = in_.Varint();
    if (in_.ok()) entry.summary.sessions.emplace_back(id, events);
  }
  return in_.ok();
}

std::string EncodeFooter(const Footer& footer, uint64_t seed, uint64_t offset) {
  ByteWriter out;
  out.LittleU64(footer.index_offset);
  out.LittleU64(footer.events);
  return Signed(std::move(out), seed + offset) + std::string(kFooterMagic);
}

std::optional<Footer> ParseFooter(std::string_view bytes, uint64_t seed, uint64_t offset) {
  if (bytes.size() != kFooterBytes || !bytes.ends_with(kFooterMagic)) return std::nullopt;
  bytes.remove_suffix(kFooterMagic.size());
  if (!IsSigned(bytes, bytes.size(), {}, seed + offset)) return std::nullopt;
  ByteReader in(bytes);
  Footer footer;
  footer.index_offset = in.LittleU64();
  footer.events = in.LittleU64();
  return footer;
}

struct Compressor::Context {
  ~Context() { ZSTD_freeCCtx(zstd); }
  ZSTD_CCtx* zstd = ZSTD_createCCtx();
  int level = 3;
};

Compressor::Compressor(int level) : context_(std::make_unique<Context>()) {
  SCRY_CHECK(context_->zstd != nullptr);
  context_->level = level;
}
Compressor::~Compressor() = default;

std::string Compressor::Compress(std::string_view raw) {
  std::string stored(ZSTD_compressBound(raw.size()), '\0');
  const size_t size = ZSTD_compressCCtx(context_->zstd, stored.data(), stored.size(), raw.data(),
                                        raw.size(), context_->level);
  // With room for the worst case, only a lack of memory is left to fail.
  SCRY_CHECK(ZSTD_isError(size) == 0);
  stored.resize(size);
  return stored;
}

std::optional<std::string> Decompress(std::string_view stored, size_t raw_bytes) {
  // The frame's own size stands first: a bomb is refused before memory is taken for it.
  if (ZSTD_getFrameContentSize(stored.data(), stored.size()) != raw_bytes) return std::nullopt;
  std::string raw(raw_bytes, '\0');
  const size_t size = ZSTD_decompress(raw.data(), raw.size(), stored.data(), stored.size());
  if (ZSTD_isError(size) != 0 || size != raw_bytes) return std::nullopt;
  return raw;
}

}  // namespace scry::querylog
