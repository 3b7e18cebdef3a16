#include "querylog/log_writer.h"

#include <algorithm>
#include <chrono>
#include <cstdio>
#include <exception>
#include <random>
#include <utility>
#include <variant>

#include "querylog/segment_name.h"

namespace scry::querylog {
namespace {

using base::ErrorCode;
using base::Fail;
using base::Micros;
using base::Result;
using base::Status;
using event::Event;
using event::GapReason;

// Waking the writer costs the relay a system call: it wakes by itself this often, and is woken only
// when the queue has filled to a quarter.
constexpr std::chrono::milliseconds kNap{50};

Micros Now() { return base::SystemClock().MonotonicUs(); }

Result<CaptureId> DrawCaptureId() {
  CaptureId id{};
  try {
    std::random_device device;
    for (uint8_t& byte : id) byte = static_cast<uint8_t>(device());
  } catch (const std::exception& e) {
    return Fail(std::string("no random bytes from the system: ") + e.what());
  }
  return id;
}

Status RefuseUsedDirectory(os::FileSystem& files, const std::string& directory) {
  SCRY_TRY_ASSIGN(const auto names, files.List(directory));
  const bool used = std::any_of(names.begin(), names.end(), [](const std::string& name) {
    return name == kManifestName || ParseSegmentName(name).has_value();
  });
  if (!used) return {};
  return Fail(ErrorCode::kUsage,
              directory + " already holds a capture: choose another directory or remove it first");
}

}  // namespace

void LogWriter::Tally::Add(const Event& event) {
  last_us = events == 0 ? MomentsOf(event).second : std::max(last_us, MomentsOf(event).second);
  ++events;
  if (std::holds_alternative<event::Exchange>(event)) ++exchanges;
  if (const auto* gap = std::get_if<event::Gap>(&event)) {
    ++gaps;
    exchanges_lost += gap->exchanges;
  }
}

Result<std::unique_ptr<LogWriter>> LogWriter::Create(std::string directory, Manifest facts,
                                                     Options options) {
  os::FileSystem& files = options.files != nullptr ? *options.files : os::RealFileSystem();
  while (directory.size() > 1 && directory.back() == '/') directory.pop_back();
  SCRY_TRY(files.MakeDirectories(directory));
  SCRY_TRY(RefuseUsedDirectory(files, directory));
  if (facts.capture_id.empty()) {
    SCRY_TRY_ASSIGN(const CaptureId drawn, DrawCaptureId());
    facts.capture_id = FormatCaptureId(drawn);
  }
  const auto id = ParseCaptureId(facts.capture_id);
  if (!id) return Fail(ErrorCode::kUsage, "a capture id is 32 hex digits");
  if (facts.started_wall_us == 0) facts.started_wall_us = base::SystemClock().WallUs();
  facts.format_version = kFormatVersion;
  facts.sealed = false;
  SCRY_TRY(
      os::ReplaceFile(files, directory + "/" + std::string(kManifestName), EncodeManifest(facts)));
  std::unique_ptr<LogWriter> writer(
      new LogWriter(std::move(directory), std::move(facts), *id, options));
  try {
    writer->thread_ = std::thread([log = writer.get()] { log->Run(); });
  } catch (const std::exception& e) {
    writer->closed_ = true;
    return Fail(std::string("cannot start the thread that writes the capture: ") + e.what());
  }
  return writer;
}

LogWriter::LogWriter(std::string directory, Manifest manifest, CaptureId capture_id,
                     Options options)
    : directory_(std::move(directory)),
      capture_id_(capture_id),
      options_(options),
      files_(options.files != nullptr ? *options.files : os::RealFileSystem()),
      manifest_(std::move(manifest)),
      queue_(options.queue_bytes),
      packer_(options.block_bytes, options.compression_level),
      flushed_us_(Now()),
      synced_us_(flushed_us_) {}

LogWriter::~LogWriter() { static_cast<void>(Close()); }

void LogWriter::Put(Event event) {
  const GapReason reason = failing_ ? GapReason::kWriteFailed : GapReason::kQueueFull;
  bool crowded = false;
  {
    const std::lock_guard lock(put_mutex_);
    // Recording resumes with a quarter of the queue free: with less, a writer that is a little too
    // slow would leave a gap between every two exchanges.
    if (!ledger_.empty() && queue_.weight() <= options_.queue_bytes / 4 * 3) {
      for (Event& lost : ledger_.Take()) {
        if (!ledger_.empty() || !queue_.TryPush(lost, event::WeightBytes(lost))) {
          ledger_.Add(std::move(lost), reason);
        }
      }
    }
    if (!ledger_.empty() || !queue_.TryPush(event, event::WeightBytes(event))) {
      ledger_.Add(std::move(event), reason);
    }
    crowded = queue_.weight() >= options_.queue_bytes / 4;
  }
  if (!crowded) return;
  {
    const std::lock_guard lock(wake_mutex_);
    if (woken_) return;
    woken_ = true;
  }
  wake_.notify_one();
}

Status LogWriter::Close() {
  if (!closed_) {
    closed_ = true;
    {
      const std::lock_guard lock(wake_mutex_);
      closing_ = true;
    }
    queue_.Close();
    wake_.notify_one();
    thread_.join();
  }
  if (close_error_) return *close_error_;
  return {};
}

void LogWriter::Discard() {
  if (!Close().ok() || stats().segments > 0) return;
  for (const std::string_view name : {kManifestName, kSnapshotName}) {
    static_cast<void>(files_.Remove(directory_ + "/" + std::string(name)));
  }
}

WriteStats LogWriter::stats() const {
  Stats stats;
  {
    const std::lock_guard lock(stats_mutex_);
    stats = stats_;
  }
  stats.failing = failing_;
  const std::lock_guard lock(put_mutex_);
  stats.exchanges_lost += ledger_.exchanges();
  return stats;
}

// --- The writer thread
// -----------------------------------------------------------------------------

void LogWriter::Run() {
  for (;;) {
    // Read first: what is queued after this is seen by Drain() in the next round.
    const bool last_round = closing_;
    Drain();
    RecordLosses();
    FlushWhenDue();
    if (last_round && queue_.drained()) break;
    std::unique_lock lock(wake_mutex_);
    wake_.wait_for(lock, kNap, [this] { return woken_ || closing_; });
    woken_ = false;
  }
  Finish();
}

void LogWriter::Drain() {
  while (auto event = queue_.TryPop()) {
    Record(std::move(*event));
    FlushWhenDue();
  }
}

void LogWriter::RecordLosses() {
  std::vector<Event> events;
  {
    const std::lock_guard lock(put_mutex_);
    // What is queued came before what was lost.
    if (ledger_.empty() || queue_.weight() > 0) return;
    events = ledger_.Take();
  }
  for (Event& event : events) Record(std::move(event));
}

void LogWriter::Record(Event event) {
  if (!BlockPacker::Fits(event)) {
    LossLedger ledger;
    ledger.Add(std::move(event), GapReason::kTooLarge);
    for (Event& lost : ledger.Take()) {
      if (BlockPacker::Fits(lost)) Record(std::move(lost));
    }
    return;
  }
  if (packer_.MustPackBefore(event)) Flush();
  if (gave_up_) {
    Tally tally;
    tally.Add(event);
    GiveUp(tally);
    return;
  }
  packer_.Add(event);
  block_.Add(event);
  if (packer_.full()) Flush();
}

void LogWriter::FlushWhenDue() {
  const Micros now = Now();
  if (now - flushed_us_ >= options_.flush_us) Flush();
  if (dirty_ && segment_ && now - synced_us_ >= options_.sync_us) {
    synced_us_ = now;
    dirty_ = false;
    const Status synced = segment_->Sync();
    if (!synced.ok()) NoteError(synced.error());
  }
}

void LogWriter::Flush() {
  flushed_us_ = Now();
  if (packer_.empty()) return;
  const PackedBlock block = packer_.Pack();
  const Tally tally = std::exchange(block_, {});
  if (gave_up_ || !RetryUntilDone([&] { return TryWrite(block); })) {
    GiveUp(tally);
    return;
  }
  dirty_ = true;
  totals_.last_us = totals_.events == 0 ? tally.last_us : std::max(totals_.last_us, tally.last_us);
  totals_.events += tally.events;
  totals_.exchanges += tally.exchanges;
  totals_.gaps += tally.gaps;
  totals_.exchanges_lost += tally.exchanges_lost;
  {
    const std::lock_guard lock(stats_mutex_);
    stats_.events = totals_.events;
    stats_.exchanges = totals_.exchanges;
    stats_.gaps = totals_.gaps;
    stats_.exchanges_lost = totals_.exchanges_lost;
    stats_.segments = segment_number_;
    stats_.bytes_written = totals_.stored_bytes + segment_->size_bytes();
  }
  if (segment_->size_bytes() >= options_.segment_bytes || segment_->index_full()) SealSegment();
}

void LogWriter::GiveUp(const Tally& tally) {
  const std::lock_guard lock(stats_mutex_);
  stats_.exchanges_lost += tally.exchanges + tally.exchanges_lost;
}

bool LogWriter::RetryUntilDone(const std::function<Status()>& attempt) {
  for (;;) {
    const bool last_try = closing_;
    const Status status = attempt();
    if (status.ok()) {
      failing_ = false;
      return true;
    }
    NoteError(status.error());
    failing_ = true;
    if (last_try) {
      gave_up_ = true;
      close_error_ = status.error();
      return false;
    }
    std::unique_lock lock(wake_mutex_);
    wake_.wait_for(lock, std::chrono::microseconds(options_.retry_us),
                   [this] { return closing_.load(); });
  }
}

Status LogWriter::TryWrite(const PackedBlock& block) {
  if (!segment_) {
    const uint32_t number = segment_number_ + 1;
    SCRY_TRY_ASSIGN(auto file, files_.Create(SegmentPath(number, /*open=*/true)));
    segment_ = std::make_unique<SegmentWriter>(std::move(file), capture_id_, number);
    segment_number_ = number;
  }
  const Status status = segment_->Write(block);
  if (segment_->broken()) AbandonSegment();
  return status;
}

void LogWriter::AbandonSegment() {
  // It keeps its .open name, and readers use it up to its last good block.
  totals_.stored_bytes += segment_->size_bytes();
  segment_.reset();
}

void LogWriter::SealSegment() {
  bool sealed = false;
  const bool done = RetryUntilDone([&] { return segment_ ? TrySeal(sealed) : Status(); });
  if (done && segment_) AbandonSegment();
  dirty_ = false;
}

Status LogWriter::TrySeal(bool& sealed) {
  if (!sealed) {
    const Status status = segment_->Seal();
    if (segment_->broken()) AbandonSegment();
    SCRY_TRY(status);
    sealed = true;
  }
  const uint32_t number = segment_->number();
  SCRY_TRY(files_.Rename(SegmentPath(number, true), SegmentPath(number, false)));
  // The name is in place; a directory that cannot be synced now is no reason to rename again.
  const Status synced = files_.SyncDirectory(directory_);
  if (!synced.ok()) NoteError(synced.error());
  return {};
}

void LogWriter::Finish() {
  Flush();
  if (segment_ && !gave_up_) SealSegment();
  if (!gave_up_) {
    Manifest sealed = manifest_;
    sealed.sealed = true;
    sealed.totals = totals_;
    sealed.totals.segments = segment_number_;
    const std::string path = directory_ + "/" + std::string(kManifestName);
    if (RetryUntilDone([&] { return os::ReplaceFile(files_, path, EncodeManifest(sealed)); })) {
      manifest_ = std::move(sealed);
    }
  }
  const std::lock_guard lock(stats_mutex_);
  stats_.bytes_written = totals_.stored_bytes + (segment_ ? segment_->size_bytes() : 0);
  stats_.segments = segment_number_;
  if (close_error_) {
    close_error_->message =
        "the capture in " + directory_ + " is not complete, " +
        std::to_string(stats_.exchanges_lost) +
        " exchanges were lost; what was written can be read: " + close_error_->message;
  }
}

void LogWriter::NoteError(const base::Error& error) {
  const std::lock_guard lock(stats_mutex_);
  stats_.last_error = error.message;
}

std::string LogWriter::SegmentPath(uint32_t number, bool open) const {
  return directory_ + "/" + SegmentFileName(number, open);
}

}  // namespace scry::querylog
