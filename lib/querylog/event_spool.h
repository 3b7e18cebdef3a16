// Events on the disk for the time of a run, to be read several times: what was chosen of a capture,
// where choosing it anew would take too long. Uncompressed, as it is read at once. Used by job. One
// thread.
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "base/result.h"
#include "event/event.h"
#include "event/event_source.h"
#include "os/file.h"
#include "querylog/block_codec.h"

namespace scry::querylog {

class EventSpool {
 public:
  // A new file at `path`, removed with the spool. `files` outlives it.
  static base::Result<std::unique_ptr<EventSpool>> Create(os::FileSystem& files, std::string path);
  EventSpool(const EventSpool&) = delete;
  EventSpool& operator=(const EventSpool&) = delete;
  ~EventSpool();

  // Read back as they are added, in any order of their times.
  base::Status Add(const event::Event& event);
  base::Status Finish();
  // From the first event; does not outlive the spool. REQUIRES: Finish() succeeded.
  base::Result<std::unique_ptr<event::EventSource>> Open() const;

 private:
  class Reader;
  struct Block {
    uint64_t offset = 0;
    size_t bytes = 0;
    uint64_t events = 0;
  };

  EventSpool(os::FileSystem& files, std::string path, std::unique_ptr<os::WritableFile> file);
  base::Status WriteBlock();

  os::FileSystem& files_;
  const std::string path_;
  const std::unique_ptr<os::WritableFile> file_;
  BlockEncoder encoder_;
  std::vector<Block> blocks_;
  uint64_t bytes_ = 0;
};

}  // namespace scry::querylog
