#include "querylog/event_spool.h"

#include <utility>

namespace scry::querylog {
namespace {

constexpr size_t kBlockBytes = size_t{1} << 20;

}  // namespace

class EventSpool::Reader final : public event::EventSource {
 public:
  Reader(const EventSpool& spool, std::unique_ptr<os::ReadableFile> file)
      : spool_(spool), file_(std::move(file)) {}

  base::Result<bool> Read(event::Event& event) override {
    for (;;) {
      if (block_) {
        SCRY_TRY_ASSIGN(const bool more, block_->Read(event));
        if (more) return true;
        block_.reset();
      }
      if (next_ == spool_.blocks_.size()) return false;
      const Block& block = spool_.blocks_[next_++];
      SCRY_TRY_ASSIGN(std::string raw, file_->ReadAt(block.offset, block.bytes));
      SCRY_TRY_ASSIGN(block_, BlockDecoder::Open(std::move(raw), block.events));
    }
  }

  double ShareRead() const override {
    if (spool_.blocks_.empty()) return 1;
    return static_cast<double>(next_) / static_cast<double>(spool_.blocks_.size());
  }

 private:
  const EventSpool& spool_;
  const std::unique_ptr<os::ReadableFile> file_;
  std::unique_ptr<BlockDecoder> block_;
  size_t next_ = 0;
};

EventSpool::EventSpool(os::FileSystem& files, std::string path,
                       std::unique_ptr<os::WritableFile> file)
    : files_(files), path_(std::move(path)), file_(std::move(file)) {}

EventSpool::~EventSpool() { (void)files_.Remove(path_).ok(); }

base::Result<std::unique_ptr<EventSpool>> EventSpool::Create(os::FileSystem& files,
                                                             std::string path) {
  SCRY_TRY_ASSIGN(std::unique_ptr<os::WritableFile> file, files.Create(path));
  return std::unique_ptr<EventSpool>(new EventSpool(files, std::move(path), std::move(file)));
}

base::Status EventSpool::Add(const event::Event& event) {
  if (!encoder_.empty() && encoder_.raw_bytes() + EventBytes(event) > kEventBytesMax) {
    SCRY_TRY(WriteBlock());
  }
  encoder_.Add(event);
  return encoder_.raw_bytes() >= kBlockBytes ? WriteBlock() : base::Status();
}

base::Status EventSpool::Finish() { return encoder_.empty() ? base::Status() : WriteBlock(); }

base::Status EventSpool::WriteBlock() {
  Block block;
  block.offset = bytes_;
  block.events = encoder_.events();
  const std::string raw = encoder_.Finish();
  block.bytes = raw.size();
  SCRY_TRY(file_->Append(raw));
  bytes_ += raw.size();
  blocks_.push_back(block);
  return {};
}

base::Result<std::unique_ptr<event::EventSource>> EventSpool::Open() const {
  SCRY_TRY_ASSIGN(std::unique_ptr<os::ReadableFile> file, files_.OpenForRead(path_));
  return std::unique_ptr<event::EventSource>(std::make_unique<Reader>(*this, std::move(file)));
}

}  // namespace scry::querylog
