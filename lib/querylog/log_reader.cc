#include "querylog/log_reader.h"

#include <algorithm>
#include <utility>

#include "querylog/snapshot.h"

namespace scry::querylog {
namespace {

using base::ErrorCode;
using base::Fail;
using base::Result;
using base::Status;
using event::Event;
using event::GapReason;

// A manifest has some hundred bytes; its facts are the owner's.
constexpr uint64_t kManifestBytesMax = uint64_t{16} << 20;

}  // namespace

LogReader::LogReader(std::string directory, ReadOptions options, os::FileSystem& files)
    : directory_(std::move(directory)), options_(std::move(options)), files_(&files) {}

Result<LogReader> LogReader::Open(const std::string& directory, ReadOptions options) {
  os::FileSystem& files = options.files != nullptr ? *options.files : os::RealFileSystem();
  LogReader reader(directory, std::move(options), files);
  const std::string path = directory + "/" + std::string(kManifestName);
  auto text = os::ReadWholeFile(files, path, kManifestBytesMax);
  if (!text.ok()) {
    if (text.error().code != ErrorCode::kNotFound) return text.error();
    return Fail(ErrorCode::kNotFound, "no capture in " + directory + ": it has no " +
                                          std::string(kManifestName) +
                                          "; name the directory given to scry capture -o");
  }
  auto manifest = ParseManifest(*text);
  if (!manifest.ok()) return std::move(manifest).With(path).error();
  reader.manifest_ = std::move(manifest).value();
  reader.capture_id_ = ParseCaptureId(reader.manifest_.capture_id).value_or(CaptureId{});
  SCRY_TRY(reader.ListSegments());
  return reader;
}

Status LogReader::ListSegments() {
  SCRY_TRY_ASSIGN(const auto names, files_->List(directory_));
  for (const std::string& name : names) {
    if (const auto segment = ParseSegmentName(name)) segments_.push_back(*segment);
  }
  std::sort(segments_.begin(), segments_.end(), [](const SegmentName& a, const SegmentName& b) {
    return a.number != b.number ? a.number < b.number : a.open < b.open;
  });
  // Both names at once cannot come from a writer; the sealed one is complete.
  segments_.erase(
      std::unique(segments_.begin(), segments_.end(),
                  [](const SegmentName& a, const SegmentName& b) { return a.number == b.number; }),
      segments_.end());
  return {};
}

event::Gap LogReader::Missing(GapReason reason, uint64_t bytes) {
  if (reason == GapReason::kTorn) {
    ++stats_.torn_segments;
    stats_.torn_bytes += bytes;
  } else {
    ++stats_.corrupt_blocks;
  }
  return event::Gap{event::SessionId::kNone, last_us_, last_us_, reason, 0, bytes};
}

Result<std::unique_ptr<os::ReadableFile>> LogReader::OpenFile(const SegmentName& name) {
  auto file = files_->OpenForRead(directory_ + "/" + SegmentFileName(name.number, name.open));
  // A writer at work may have sealed it since the directory was listed.
  if (!file.ok() && name.open && file.error().code == ErrorCode::kNotFound) {
    return files_->OpenForRead(directory_ + "/" + SegmentFileName(name.number, false));
  }
  return file;
}

Status LogReader::OpenSegment(const SegmentName& name) {
  SCRY_TRY_ASSIGN(auto file, OpenFile(name));
  SCRY_TRY_ASSIGN(const uint64_t size_bytes, file->SizeBytes());
  stored_bytes_ += size_bytes;
  SegmentReadOptions options;
  options.filter = {options_.sessions, options_.from_us, options_.to_us, options_.only_starts};
  options.capture_id = capture_id_;
  options.number = name.number;
  options.version = manifest_.format_version;
  options.last_us = last_us_;
  auto segment = SegmentReader::Open(std::move(file), std::move(options));
  if (segment.ok()) {
    segment_ = std::move(segment).value();
    return {};
  }
  if (segment.error().code != ErrorCode::kCorrupt) return segment.error();
  missing_ = Missing(GapReason::kCorrupt, size_bytes);
  return {};
}

Result<bool> LogReader::Read(Event& event) {
  for (;;) {
    if (missing_) {
      event = *std::exchange(missing_, std::nullopt);
      return true;
    }
    if (segment_) {
      auto more = segment_->Read(event);
      last_us_ = segment_->last_us();
      if (!more.ok() || *more) return more;
      stats_.Add(segment_->stats());
      segment_.reset();
      continue;
    }
    if (next_segment_ == segments_.size()) {
      const bool short_of_segments =
          manifest_.sealed && expected_number_ <= manifest_.totals.segments;
      if (ended_ || !short_of_segments) return false;
      ended_ = true;
      missing_ = Missing(GapReason::kTorn, 0);
      continue;
    }
    const SegmentName& name = segments_[next_segment_];
    if (name.number != expected_number_) {
      expected_number_ = name.number;
      missing_ = Missing(GapReason::kCorrupt, 0);
      continue;
    }
    ++next_segment_;
    ++expected_number_;
    SCRY_TRY(OpenSegment(name).With(directory_ + "/" + SegmentFileName(name.number, name.open)));
  }
}

Result<std::optional<event::SourceSnapshot>> LogReader::Snapshot() const {
  const std::string path = directory_ + "/" + std::string(kSnapshotName);
  auto text = os::ReadWholeFile(*files_, path, kSnapshotBytesMax);
  if (!text.ok()) {
    if (text.error().code == ErrorCode::kNotFound) {
      return std::optional<event::SourceSnapshot>();
    }
    return text.error();
  }
  auto snapshot = ParseSnapshot(*text);
  if (!snapshot.ok()) return std::move(snapshot).With(path).error();
  return std::optional<event::SourceSnapshot>(std::move(snapshot).value());
}

double LogReader::ShareRead() const {
  if (!manifest_.sealed || manifest_.totals.events == 0) return -1;
  return std::min(
      1.0, static_cast<double>(stats().events) / static_cast<double>(manifest_.totals.events));
}

ReadStats LogReader::stats() const {
  ReadStats stats = stats_;
  if (segment_) stats.Add(segment_->stats());
  return stats;
}

}  // namespace scry::querylog
