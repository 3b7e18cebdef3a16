#include "querylog/segment_reader.h"

#include <algorithm>
#include <utility>
#include <variant>

namespace scry::querylog {
namespace {

using base::ErrorCode;
using base::Fail;
using base::Micros;
using base::Result;
using base::Status;
using event::Event;
using event::Gap;
using event::GapReason;
using event::SessionId;

// How much is searched at a time for the next block.
constexpr size_t kSearchBytes = size_t{256} << 10;

}  // namespace

bool ReadFilter::WantsMoments(Micros first_us, Micros last_us) const {
  return (!from_us || last_us >= *from_us) && (!to_us || first_us <= *to_us);
}

bool ReadFilter::WantsSession(SessionId session) const {
  return !sessions || session == SessionId::kNone || sessions->contains(session);
}

bool ReadFilter::Wants(const Event& event) const {
  if (only_starts && !std::holds_alternative<event::SessionStart>(event)) return false;
  const auto [first_us, last_us] = MomentsOf(event);
  return WantsMoments(first_us, last_us) && WantsSession(event::SessionOf(event));
}

void ReadStats::Add(const ReadStats& other) {
  segments += other.segments;
  blocks += other.blocks;
  skipped_blocks += other.skipped_blocks;
  corrupt_blocks += other.corrupt_blocks;
  torn_segments += other.torn_segments;
  torn_bytes += other.torn_bytes;
  events += other.events;
  exchanges += other.exchanges;
  gaps += other.gaps;
  exchanges_lost += other.exchanges_lost;
  raw_bytes += other.raw_bytes;
  stored_bytes += other.stored_bytes;
}

Result<std::unique_ptr<SegmentReader>> SegmentReader::Open(std::unique_ptr<os::ReadableFile> file,
                                                           SegmentReadOptions options) {
  std::unique_ptr<SegmentReader> reader(new SegmentReader(std::move(file), std::move(options)));
  SCRY_TRY_ASSIGN(reader->size_bytes_, reader->file_->SizeBytes());
  SCRY_TRY(reader->ReadHeader());
  if (!reader->done_) SCRY_TRY(reader->ReadIndex());
  return reader;
}

SegmentReader::SegmentReader(std::unique_ptr<os::ReadableFile> file, SegmentReadOptions options)
    : file_(std::move(file)), options_(std::move(options)) {
  stats_.segments = 1;
  last_us_ = options_.last_us;
}

Status SegmentReader::ReadHeader() {
  SCRY_TRY_ASSIGN(const std::string bytes, file_->ReadAt(0, kSegmentHeaderBytes));
  if (bytes.size() < kSegmentHeaderBytes) {
    EndOfWalk(false);
    return {};
  }
  position_ = kSegmentHeaderBytes;
  const auto header = ParseSegmentHeader(bytes);
  if (header && header->version > kFormatVersion) {
    return Fail(ErrorCode::kUnsupported,
                "the segment has format version " + std::to_string(header->version) +
                    ", this scry reads up to version " + std::to_string(kFormatVersion) +
                    "; read it with the scry that wrote it or a newer one");
  }
  if (header && header->version != 0) {
    if ((options_.capture_id && *options_.capture_id != header->capture_id) ||
        (options_.number && *options_.number != header->number)) {
      return Fail(ErrorCode::kCorrupt, "the segment belongs to another capture or place");
    }
    header_ = *header;
  } else if (options_.capture_id && options_.number) {
    header_.capture_id = *options_.capture_id;
    header_.number = *options_.number;
    header_.version = options_.version;
    GapCorrupt(last_us_, last_us_, kSegmentHeaderBytes);
  } else {
    return Fail(ErrorCode::kCorrupt, "not a segment of a capture, or its header is damaged");
  }
  seed_ = SegmentSeed(header_.capture_id, header_.number);
  return {};
}

Status SegmentReader::ReadIndex() {
  if (size_bytes_ < kSegmentHeaderBytes + kIndexHeaderBytes + kFooterBytes) return {};
  const uint64_t footer_offset = size_bytes_ - kFooterBytes;
  SCRY_TRY_ASSIGN(const std::string footer_bytes, file_->ReadAt(footer_offset, kFooterBytes));
  const auto footer = ParseFooter(footer_bytes, seed_, footer_offset);
  if (!footer || footer->index_offset < kSegmentHeaderBytes ||
      footer->index_offset > footer_offset - kIndexHeaderBytes) {
    return {};
  }
  SCRY_TRY_ASSIGN(const std::string header_bytes,
                  file_->ReadAt(footer->index_offset, kIndexHeaderBytes));
  const auto header = ParseIndexHeader(header_bytes, seed_, footer->index_offset);
  const uint64_t stored_offset = footer->index_offset + kIndexHeaderBytes;
  if (!header || header->stored_bytes != footer_offset - stored_offset) return {};
  SCRY_TRY_ASSIGN(const std::string stored, file_->ReadAt(stored_offset, header->stored_bytes));
  if (Checksum(stored, 0) != header->stored_checksum) return {};
  const auto raw = Decompress(stored, header->raw_bytes);
  if (!raw || !ParseIndex(*raw, *footer, header->blocks)) {
    entries_.clear();
    return {};
  }
  index_offset_ = footer->index_offset;
  sealed_ = true;
  return {};
}

bool SegmentReader::ParseIndex(const std::string& raw, const Footer& footer, uint64_t blocks) {
  IndexDecoder decoder(raw);
  IndexEntry entry;
  uint64_t events = 0;
  uint64_t offset_min = kSegmentHeaderBytes;
  while (decoder.Next(entry)) {
    const auto& summary = entry.summary;
    if (entry.offset < offset_min || entry.offset >= footer.index_offset ||
        footer.index_offset - entry.offset <= kBlockHeaderBytes) {
      return false;
    }
    const bool wanted =
        options_.filter.WantsMoments(summary.first_us, summary.last_us) &&
        std::any_of(summary.sessions.begin(), summary.sessions.end(), [&](const auto& session) {
          return options_.filter.WantsSession(SessionId{session.first});
        });
    entries_.push_back({entry.offset, summary.events, summary.first_us, summary.last_us, wanted});
    events += summary.events;
    offset_min = entry.offset + kBlockHeaderBytes + 1;
  }
  // The first block follows the header, or bytes would go unnoticed.
  const bool starts = entries_.empty() ? footer.index_offset == kSegmentHeaderBytes
                                       : entries_.front().offset == kSegmentHeaderBytes;
  return decoder.AtEnd() && starts && entries_.size() == blocks && events == footer.events;
}

Result<std::optional<Event>> SegmentReader::Next() {
  std::optional<Event> event(std::in_place);
  SCRY_TRY_ASSIGN(const bool more, Read(*event));
  if (!more) event.reset();
  return event;
}

Result<bool> SegmentReader::Read(Event& event) {
  for (;;) {
    if (gap_) {
      event = *std::exchange(gap_, std::nullopt);
      return true;
    }
    if (decoder_) {
      const auto more = decoder_->Read(event);
      if (!more.ok()) {
        GapCorrupt(block_.first_us, block_.last_us, block_.stored_bytes);
        decoder_.reset();
        continue;
      }
      if (!*more) {
        decoder_.reset();
        continue;
      }
      if (!options_.filter.Wants(event)) continue;
      Count(event);
      return true;
    }
    if (done_) return false;
    SCRY_TRY(sealed_ ? StepByIndex() : StepByWalk());
  }
}

void SegmentReader::Count(const Event& event) {
  ++stats_.events;
  if (std::holds_alternative<event::Exchange>(event)) ++stats_.exchanges;
  if (const auto* gap = std::get_if<Gap>(&event)) {
    ++stats_.gaps;
    stats_.exchanges_lost += gap->exchanges;
  }
}

void SegmentReader::GapCorrupt(Micros from_us, Micros to_us, uint64_t bytes) {
  ++stats_.corrupt_blocks;
  gap_ = Gap{SessionId::kNone, from_us, to_us, GapReason::kCorrupt, 0, bytes};
}

Status SegmentReader::StepByIndex() {
  if (entry_ == entries_.size()) {
    done_ = true;
    return {};
  }
  const Entry& entry = entries_[entry_++];
  const uint64_t end = entry_ == entries_.size() ? index_offset_ : entries_[entry_].offset;
  last_us_ = entry.last_us;
  if (!entry.wanted) {
    ++stats_.skipped_blocks;
    return {};
  }
  SCRY_TRY_ASSIGN(const std::string bytes, file_->ReadAt(entry.offset, kBlockHeaderBytes));
  SCRY_TRY(OpenBlock(entry.offset, bytes, end));
  // Bytes between two blocks would be bytes nobody can explain.
  const bool fills = decoder_ && block_.events == entry.events &&
                     entry.offset + kBlockHeaderBytes + block_.stored_bytes == end;
  if (!fills) {
    decoder_.reset();
    GapCorrupt(entry.first_us, entry.last_us, end - entry.offset);
  }
  return {};
}

Status SegmentReader::OpenBlock(uint64_t offset, const std::string& header_bytes, uint64_t limit) {
  const auto header = ParseBlockHeader(header_bytes, seed_, offset);
  const uint64_t start = offset + kBlockHeaderBytes;
  if (!header || start > limit || header->stored_bytes > limit - start) return {};
  SCRY_TRY_ASSIGN(const std::string stored, file_->ReadAt(start, header->stored_bytes));
  if (Checksum(stored, 0) != header->stored_checksum) return {};
  auto raw = Decompress(stored, header->raw_bytes);
  if (!raw) return {};
  auto decoder = BlockDecoder::Open(std::move(*raw), header->events, header_.version);
  if (!decoder.ok()) return {};
  decoder_ = std::move(decoder).value();
  if (options_.filter.only_starts) decoder_->StopAfterStarts();
  block_ = *header;
  ++stats_.blocks;
  stats_.raw_bytes += header->raw_bytes;
  stats_.stored_bytes += kBlockHeaderBytes + header->stored_bytes;
  return {};
}

void SegmentReader::EndOfWalk(bool complete) {
  const uint64_t left = size_bytes_ - position_;
  done_ = true;
  if (complete) {
    // All blocks are there and behind them an index that is not right.
    GapCorrupt(last_us_, last_us_, left);
    return;
  }
  ++stats_.torn_segments;
  stats_.torn_bytes += left;
  gap_ = Gap{SessionId::kNone, last_us_, last_us_, GapReason::kTorn, 0, left};
}

Status SegmentReader::StepByWalk() {
  const uint64_t left = size_bytes_ - position_;
  SCRY_TRY_ASSIGN(const std::string bytes, file_->ReadAt(position_, kBlockHeaderBytes));
  const auto header = ParseBlockHeader(bytes, seed_, position_);
  if (!header) {
    const auto index =
        ParseIndexHeader(std::string_view(bytes).substr(0, kIndexHeaderBytes), seed_, position_);
    if (index) {
      EndOfWalk(left >= kIndexHeaderBytes + index->stored_bytes + kFooterBytes);
      return {};
    }
    return StepOverDamage();
  }
  const uint64_t block_bytes = kBlockHeaderBytes + header->stored_bytes;
  if (block_bytes > left) {
    EndOfWalk(false);
    return {};
  }
  const uint64_t offset = position_;
  position_ += block_bytes;
  last_us_ = header->last_us;
  if (!options_.filter.WantsMoments(header->first_us, header->last_us)) {
    ++stats_.skipped_blocks;
    return {};
  }
  SCRY_TRY(OpenBlock(offset, bytes, size_bytes_));
  if (!decoder_) GapCorrupt(header->first_us, header->last_us, block_bytes);
  return {};
}

Status SegmentReader::StepOverDamage() {
  const uint64_t damage = position_;
  for (uint64_t from = damage + 1; from < size_bytes_; from += kSearchBytes) {
    SCRY_TRY_ASSIGN(const std::string bytes, file_->ReadAt(from, kSearchBytes + kBlockHeaderBytes));
    for (size_t at = bytes.find('S'); at < std::min(bytes.size(), kSearchBytes);
         at = bytes.find('S', at + 1)) {
      const std::string_view here = std::string_view(bytes).substr(at);
      const uint64_t offset = from + at;
      const auto block = ParseBlockHeader(here.substr(0, kBlockHeaderBytes), seed_, offset);
      if (block || ParseIndexHeader(here.substr(0, kIndexHeaderBytes), seed_, offset)) {
        position_ = offset;
        GapCorrupt(last_us_, block ? block->first_us : last_us_, offset - damage);
        return {};
      }
    }
  }
  EndOfWalk(false);
  return {};
}

}  // namespace scry::querylog
