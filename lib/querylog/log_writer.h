// Records events into a capture directory. Used by job, which hands it to capture as an EventSink.
// Thread rule: Put() by one thread, stats() by any, Close() once Put() is over. Owns one writer
// thread and a bounded queue to it; lives until Close() or its destructor, which closes. What goes
// wrong with the disk never reaches Put(): the writer retries while the queue takes what comes, and
// what does not fit becomes counted gaps, recorded as soon as there is room.
#pragma once

#include <atomic>
#include <condition_variable>
#include <cstdint>
#include <functional>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <thread>

#include "base/bounded_queue.h"
#include "base/clock.h"
#include "base/result.h"
#include "event/event_sink.h"
#include "os/file.h"
#include "querylog/loss_ledger.h"
#include "querylog/manifest.h"
#include "querylog/segment_writer.h"

namespace scry::querylog {

struct WriteOptions {
  size_t queue_bytes = size_t{64} << 20;  // By event::WeightBytes.
  size_t block_bytes = size_t{1} << 20;   // Raw.
  uint64_t segment_bytes = uint64_t{256} << 20;
  base::Micros flush_us = 1'000'000;  // What a crash of scry may lose.
  base::Micros sync_us = 5'000'000;   // What a crash of the machine may lose.
  base::Micros retry_us = 1'000'000;  // After a failed write.
  int compression_level = 1;          // Of zstd; 3 saved nothing on columns.
  os::FileSystem* files = nullptr;    // Null: the disk. Must outlive the writer.
};

struct WriteStats {
  uint64_t events = 0;  // In the file; so are the next three.
  uint64_t exchanges = 0;
  uint64_t gaps = 0;
  uint64_t segments = 0;
  uint64_t exchanges_lost = 0;  // In gaps recorded, waiting to be, or never to be (after Close()).
  uint64_t bytes_written = 0;
  bool failing = false;    // The last write failed and is being retried.
  std::string last_error;  // Empty: there was none.
};

class LogWriter : public event::EventSink {
 public:
  using Options = WriteOptions;
  using Stats = WriteStats;

  // Makes the directory and an open manifest from `facts` (its capture id and start are set if
  // empty). Fails with kUsage if the directory already holds a capture.
  static base::Result<std::unique_ptr<LogWriter>> Create(std::string directory, Manifest facts,
                                                         Options options);
  ~LogWriter() override;
  LogWriter(const LogWriter&) = delete;
  LogWriter& operator=(const LogWriter&) = delete;

  void Put(event::Event event) override;
  // Writes all that is queued, seals the segment and the manifest. On a failing disk it tries once
  // more, then counts what is left as lost and says so; what was written stays readable.
  base::Status Close();
  // Instead of Close(), for a capture that never began: if it holds nothing, its manifest goes, so
  // that the directory can be used again. (A directory that was made stays.)
  void Discard();
  Stats stats() const;
  const Manifest& manifest() const { return manifest_; }

 private:
  // Of events on their way into the file.
  struct Tally {
    uint64_t events = 0;
    uint64_t exchanges = 0;
    uint64_t gaps = 0;
    uint64_t exchanges_lost = 0;
    base::Micros last_us = 0;
    void Add(const event::Event& event);
  };

  LogWriter(std::string directory, Manifest manifest, CaptureId capture_id, Options options);
  // On the writer thread.
  void Run();
  void Drain();
  void Record(event::Event event);
  void RecordLosses();
  void FlushWhenDue();
  void Flush();
  void GiveUp(const Tally& tally);
  bool RetryUntilDone(const std::function<base::Status()>& attempt);
  base::Status TryWrite(const PackedBlock& block);
  void SealSegment();
  base::Status TrySeal(bool& sealed);
  void AbandonSegment();
  void Finish();
  void NoteError(const base::Error& error);
  std::string SegmentPath(uint32_t number, bool open) const;

  // Immutable.
  const std::string directory_;
  const CaptureId capture_id_;
  const Options options_;
  os::FileSystem& files_;

  Manifest manifest_;  // Changed by the writer thread in Finish() only.
  base::BoundedQueue<event::Event> queue_;
  std::atomic<bool> closing_ = false;
  std::atomic<bool> failing_ = false;

  std::mutex wake_mutex_;
  std::condition_variable wake_;
  bool woken_ = false;  // Guarded by wake_mutex_.

  mutable std::mutex put_mutex_;  // Also orders gaps among the queue's events.
  LossLedger ledger_;             // Guarded by put_mutex_.

  mutable std::mutex stats_mutex_;
  Stats stats_;  // Guarded by stats_mutex_.

  // Of the writer thread.
  BlockPacker packer_;
  Tally block_;  // Of what is in packer_.
  std::unique_ptr<SegmentWriter> segment_;
  uint32_t segment_number_ = 0;
  CaptureTotals totals_;
  bool gave_up_ = false;
  bool dirty_ = false;
  base::Micros flushed_us_ = 0;
  base::Micros synced_us_ = 0;
  std::optional<base::Error> close_error_;

  bool closed_ = false;  // Of the closing thread.
  std::thread thread_;
};

}  // namespace scry::querylog
