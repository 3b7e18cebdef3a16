// Reads a capture directory, all segments in order, also one that is still being written or whose
// writer died. Used by job (replay), report and the log commands.
// Not thread-safe: one reader per thread. Memory: one block, one event and one segment's index.
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <set>
#include <string>
#include <vector>

#include "base/clock.h"
#include "base/result.h"
#include "event/event_source.h"
#include "event/source_snapshot.h"
#include "os/file.h"
#include "querylog/manifest.h"
#include "querylog/segment_name.h"
#include "querylog/segment_reader.h"

namespace scry::querylog {

// Empty fields do not limit. Blocks with nothing wanted are not read. See ReadFilter.
struct ReadOptions {
  std::optional<std::set<event::SessionId>> sessions;
  std::optional<base::Micros> from_us;  // Both inclusive, since start.
  std::optional<base::Micros> to_us;
  bool only_starts = false;  // SessionStarts and gaps that reading finds; the rest is not decoded.
  os::FileSystem* files = nullptr;  // Null: the disk. Must outlive the reader.
};

class LogReader : public event::EventSource {
 public:
  // Fails with kNotFound if there is no directory or no manifest, with kUnsupported for a newer
  // format version.
  static base::Result<LogReader> Open(const std::string& directory, ReadOptions options = {});

  // Damage is a Gap (kCorrupt, kTorn), never an error: an error is the disk's, or kUnsupported.
  base::Result<bool> Read(event::Event& event) override;

  double ShareRead() const override;

  const std::string& directory() const { return directory_; }
  const Manifest& manifest() const { return manifest_; }
  // What the source was when the capture began; nullopt where the capture has none. Read from the
  // disk at each call. Fails with kCorrupt or kUnsupported; the events can be read all the same.
  base::Result<std::optional<event::SourceSnapshot>> Snapshot() const;
  // Complete after the end.
  ReadStats stats() const;
  // Size of the segments that were opened.
  uint64_t stored_bytes() const { return stored_bytes_; }

 private:
  LogReader(std::string directory, ReadOptions options, os::FileSystem& files);
  base::Status ListSegments();
  base::Status OpenSegment(const SegmentName& name);
  base::Result<std::unique_ptr<os::ReadableFile>> OpenFile(const SegmentName& name);
  event::Gap Missing(event::GapReason reason, uint64_t bytes);

  std::string directory_;
  ReadOptions options_;
  os::FileSystem* files_;
  Manifest manifest_;
  CaptureId capture_id_{};
  std::vector<SegmentName> segments_;
  size_t next_segment_ = 0;
  uint32_t expected_number_ = 1;
  bool ended_ = false;
  base::Micros last_us_ = 0;
  uint64_t stored_bytes_ = 0;
  std::unique_ptr<SegmentReader> segment_;
  std::optional<event::Gap> missing_;
  ReadStats stats_;  // Of segments gone through.
};

}  // namespace scry::querylog
