// Reads one sealed or torn segment, block by block. Used by log_reader.
// Not thread-safe: one reader per thread. Memory: one block, one event, and 40 bytes per block of
// the index. Format: FORMAT.md, section "Reading what is damaged".
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <set>
#include <string>
#include <vector>

#include "base/clock.h"
#include "base/result.h"
#include "event/event.h"
#include "os/file.h"
#include "querylog/block_codec.h"
#include "querylog/format.h"
#include "querylog/frame.h"

namespace scry::querylog {

// Which events are wanted; empty fields do not limit. A Gap of any session (SessionId::kNone)
// passes every set of sessions, and a Gap passes a range of time if it touches it: what is missing
// is never filtered away.
struct ReadFilter {
  std::optional<std::set<event::SessionId>> sessions;
  std::optional<base::Micros> from_us;  // Both inclusive; an exchange counts at its completion.
  std::optional<base::Micros> to_us;
  bool only_starts = false;  // Of recorded events, SessionStarts alone.

  bool WantsMoments(base::Micros first_us, base::Micros last_us) const;
  bool WantsSession(event::SessionId session) const;
  bool Wants(const event::Event& event) const;
};

struct ReadStats {
  uint64_t segments = 0;
  uint64_t blocks = 0;          // Read whole.
  uint64_t skipped_blocks = 0;  // Not wanted by the filter.
  uint64_t corrupt_blocks = 0;  // Gaps "corrupt block" made.
  uint64_t torn_segments = 0;   // Gaps "torn tail" made.
  uint64_t torn_bytes = 0;
  uint64_t events = 0;  // Recorded ones handed out, without the reader's own gaps.
  uint64_t exchanges = 0;
  uint64_t gaps = 0;            // Recorded ones.
  uint64_t exchanges_lost = 0;  // Their sum.
  uint64_t raw_bytes = 0;       // Of blocks read.
  uint64_t stored_bytes = 0;    // The same on disk.

  void Add(const ReadStats& other);
};

struct SegmentReadOptions {
  ReadFilter filter;
  // What the header should say. With them a segment whose header is damaged can still be read.
  std::optional<CaptureId> capture_id;
  std::optional<uint32_t> number;
  uint32_t version = kFormatVersion;  // Of the manifest.
  base::Micros last_us = 0;  // Moment reached before: where damage at the front is placed in time.
};

class SegmentReader {
 public:
  // Fails with kUnsupported for a newer format version, and with kCorrupt for a header that is
  // damaged (if the options do not stand in for it) or of another capture or segment.
  static base::Result<std::unique_ptr<SegmentReader>> Open(std::unique_ptr<os::ReadableFile> file,
                                                           SegmentReadOptions options);
  SegmentReader(const SegmentReader&) = delete;
  SegmentReader& operator=(const SegmentReader&) = delete;

  // Puts the next event into `event`; false at the end. Bad blocks and a torn tail are Gap events
  // of SessionId::kNone, never errors: an error is the disk's.
  base::Result<bool> Read(event::Event& event);
  base::Result<std::optional<event::Event>> Next();  // The same as a value.

  bool sealed() const { return sealed_; }
  const SegmentHeader& header() const { return header_; }
  const ReadStats& stats() const { return stats_; }
  // Moment reached by the blocks gone through.
  base::Micros last_us() const { return last_us_; }

 private:
  struct Entry {
    uint64_t offset = 0;
    uint64_t events = 0;
    base::Micros first_us = 0;
    base::Micros last_us = 0;
    bool wanted = true;
  };

  SegmentReader(std::unique_ptr<os::ReadableFile> file, SegmentReadOptions options);
  base::Status ReadHeader();
  base::Status ReadIndex();
  bool ParseIndex(const std::string& raw, const Footer& footer, uint64_t blocks);
  // Each moves on by one block: opens decoder_, sets gap_ or done_, or skips.
  base::Status StepByIndex();
  base::Status StepByWalk();
  base::Status StepOverDamage();
  void EndOfWalk(bool complete);
  // Opens decoder_ if header and content are right and end before `limit`.
  base::Status OpenBlock(uint64_t offset, const std::string& header_bytes, uint64_t limit);
  void GapCorrupt(base::Micros from_us, base::Micros to_us, uint64_t bytes);
  void Count(const event::Event& event);

  const std::unique_ptr<os::ReadableFile> file_;
  const SegmentReadOptions options_;
  SegmentHeader header_;
  uint64_t seed_ = 0;
  uint64_t size_bytes_ = 0;
  bool sealed_ = false;
  bool done_ = false;
  uint64_t index_offset_ = 0;
  std::vector<Entry> entries_;  // If sealed_.
  size_t entry_ = 0;
  uint64_t position_ = 0;  // If not sealed_: of the next block.
  base::Micros last_us_ = 0;
  std::unique_ptr<BlockDecoder> decoder_;
  BlockHeader block_;  // Of decoder_.
  std::optional<event::Gap> gap_;
  ReadStats stats_;
};

}  // namespace scry::querylog
