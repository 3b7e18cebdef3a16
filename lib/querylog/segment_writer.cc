#include "querylog/segment_writer.h"

#include <utility>

namespace scry::querylog {

PackedBlock BlockPacker::Pack() {
  PackedBlock block;
  block.summary = encoder_.Summary();
  const std::string raw = encoder_.Finish();
  SCRY_CHECK(raw.size() <= kRawBytesMax);
  block.raw_bytes = static_cast<uint32_t>(raw.size());
  block.stored = compressor_.Compress(raw);
  return block;
}

SegmentWriter::SegmentWriter(std::unique_ptr<os::WritableFile> file, const CaptureId& capture_id,
                             uint32_t number)
    : file_(std::move(file)),
      header_{kFormatVersion, number, capture_id},
      seed_(SegmentSeed(capture_id, number)) {}

base::Status SegmentWriter::Append(const std::string& bytes) {
  auto status = file_->Append(bytes);
  if (status.ok()) {
    size_bytes_ += bytes.size();
  } else if (!file_->Truncate(size_bytes_).ok()) {
    broken_ = true;
  }
  return status;
}

base::Status SegmentWriter::Write(const PackedBlock& block) {
  // The header goes with the first block: one write, and a segment is never just a header.
  std::string bytes = size_bytes_ == 0 ? EncodeSegmentHeader(header_) : std::string();
  const uint64_t offset = size_bytes_ + bytes.size();
  BlockHeader header;
  header.raw_bytes = block.raw_bytes;
  header.stored_bytes = static_cast<uint32_t>(block.stored.size());
  header.events = static_cast<uint32_t>(block.summary.events);
  header.number = static_cast<uint32_t>(index_.blocks());
  header.first_us = block.summary.first_us;
  header.last_us = block.summary.last_us;
  header.stored_checksum = Checksum(block.stored, 0);
  bytes += EncodeBlockHeader(header, seed_, offset);
  bytes += block.stored;
  SCRY_TRY(Append(bytes));
  index_.Add({offset, block.summary});
  events_ += block.summary.events;
  return {};
}

base::Status SegmentWriter::Seal() {
  std::string bytes = size_bytes_ == 0 ? EncodeSegmentHeader(header_) : std::string();
  const uint64_t offset = size_bytes_ + bytes.size();
  const std::string stored = Compressor(3).Compress(index_.raw());
  IndexHeader header;
  header.raw_bytes = static_cast<uint32_t>(index_.size());
  header.stored_bytes = static_cast<uint32_t>(stored.size());
  header.blocks = index_.blocks();
  header.stored_checksum = Checksum(stored, 0);
  bytes += EncodeIndexHeader(header, seed_, offset);
  bytes += stored;
  const uint64_t footer_offset = size_bytes_ + bytes.size();
  bytes += EncodeFooter({offset, events_}, seed_, footer_offset);
  const uint64_t size_before = size_bytes_;
  SCRY_TRY(Append(bytes));
  auto status = file_->Sync();
  if (!status.ok()) {
    size_bytes_ = size_before;
    if (!file_->Truncate(size_before).ok()) broken_ = true;
  }
  return status;
}

}  // namespace scry::querylog
