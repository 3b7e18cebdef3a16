// A disk in memory that can fill up, fail to sync, refuse to truncate or crash at a byte. Any
// thread.
#pragma once

#include <algorithm>
#include <cstdint>
#include <limits>
#include <map>
#include <memory>
#include <mutex>
#include <set>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "os/file.h"

namespace scry::test {

class FakeFiles : public os::FileSystem {
 public:
  static constexpr uint64_t kUnlimited = std::numeric_limits<uint64_t>::max();

  // --- Faults ---
  // Bytes that can still be written; a write over it is short and fails with "No space left".
  void SetSpace(uint64_t bytes) {
    const std::lock_guard lock(mutex_);
    space_ = bytes;
  }
  // After so many more bytes every operation that writes fails, and nothing changes any more.
  void CrashAfter(uint64_t bytes) {
    const std::lock_guard lock(mutex_);
    crash_after_ = bytes;
  }
  void FailTruncates(bool fail) {
    const std::lock_guard lock(mutex_);
    fail_truncates_ = fail;
  }
  void FailSyncs(bool fail) {
    const std::lock_guard lock(mutex_);
    fail_syncs_ = fail;
  }

  // --- Looking in ---
  std::map<std::string, std::string> Contents() const {
    const std::lock_guard lock(mutex_);
    std::map<std::string, std::string> contents;
    for (const auto& [path, bytes] : files_) contents[path] = *bytes;
    return contents;
  }
  bool Has(const std::string& path) const {
    const std::lock_guard lock(mutex_);
    return files_.count(path) != 0;
  }
  std::string Get(const std::string& path) const {
    const std::lock_guard lock(mutex_);
    const auto it = files_.find(path);
    return it == files_.end() ? std::string() : *it->second;
  }
  void Set(const std::string& path, std::string bytes) {
    const std::lock_guard lock(mutex_);
    files_[path] = std::make_shared<std::string>(std::move(bytes));
  }
  uint64_t failed_writes() const {
    const std::lock_guard lock(mutex_);
    return failed_writes_;
  }

  // --- os::FileSystem ---
  base::Result<std::unique_ptr<os::WritableFile>> Create(const std::string& path) override {
    const std::lock_guard lock(mutex_);
    if (crash_after_ == 0) return Crashed(path);
    if (files_.count(path) != 0) return base::Fail("create " + path + ": File exists");
    const auto bytes = files_[path] = std::make_shared<std::string>();
    return std::unique_ptr<os::WritableFile>(std::make_unique<Writable>(*this, path, bytes));
  }
  base::Result<std::unique_ptr<os::ReadableFile>> OpenForRead(const std::string& path) override {
    const std::lock_guard lock(mutex_);
    const auto it = files_.find(path);
    if (it == files_.end()) return NotFound(path);
    return std::unique_ptr<os::ReadableFile>(std::make_unique<Readable>(*this, it->second));
  }
  base::Status Rename(const std::string& from, const std::string& to) override {
    const std::lock_guard lock(mutex_);
    if (crash_after_ == 0) return Crashed(from);
    const auto it = files_.find(from);
    if (it == files_.end()) return NotFound(from);
    const auto bytes = it->second;
    files_.erase(it);
    files_[to] = bytes;
    return {};
  }
  base::Status Remove(const std::string& path) override {
    const std::lock_guard lock(mutex_);
    if (crash_after_ == 0) return Crashed(path);
    files_.erase(path);
    return {};
  }
  base::Status MakeDirectories(const std::string& path) override {
    const std::lock_guard lock(mutex_);
    directories_.insert(path);
    return {};
  }
  base::Status SyncDirectory(const std::string&) override { return {}; }
  base::Result<std::vector<std::string>> List(const std::string& path) override {
    const std::lock_guard lock(mutex_);
    std::vector<std::string> names;
    const std::string prefix = path + "/";
    for (const auto& [name, bytes] : files_) {
      if (name.rfind(prefix, 0) == 0) names.push_back(name.substr(prefix.size()));
    }
    if (names.empty() && directories_.count(path) == 0) return NotFound(path);
    return names;
  }

 private:
  class Writable : public os::WritableFile {
   public:
    Writable(FakeFiles& disk, std::string path, std::shared_ptr<std::string> bytes)
        : disk_(disk), path_(std::move(path)), bytes_(std::move(bytes)) {}
    base::Status Append(std::string_view bytes) override {
      const std::lock_guard lock(disk_.mutex_);
      const uint64_t room = std::min(disk_.space_, disk_.crash_after_);
      const auto fits = static_cast<size_t>(std::min<uint64_t>(room, bytes.size()));
      bytes_->append(bytes.substr(0, fits));
      if (disk_.space_ != kUnlimited) disk_.space_ -= fits;
      if (disk_.crash_after_ != kUnlimited) disk_.crash_after_ -= fits;
      if (fits == bytes.size()) return {};
      ++disk_.failed_writes_;
      if (disk_.crash_after_ == 0) return Crashed(path_);
      return base::Fail("write " + path_ + ": No space left on device");
    }
    base::Status Truncate(uint64_t size_bytes) override {
      const std::lock_guard lock(disk_.mutex_);
      if (disk_.crash_after_ == 0) return Crashed(path_);
      if (disk_.fail_truncates_) return base::Fail("truncate " + path_ + ": Input/output error");
      const uint64_t freed = bytes_->size() - std::min<uint64_t>(bytes_->size(), size_bytes);
      if (disk_.space_ != kUnlimited) disk_.space_ += freed;
      bytes_->resize(static_cast<size_t>(size_bytes));
      return {};
    }
    base::Status Sync() override {
      const std::lock_guard lock(disk_.mutex_);
      if (disk_.crash_after_ == 0) return Crashed(path_);
      if (disk_.fail_syncs_) return base::Fail("fsync " + path_ + ": Input/output error");
      return {};
    }

   private:
    FakeFiles& disk_;
    const std::string path_;
    const std::shared_ptr<std::string> bytes_;
  };

  class Readable : public os::ReadableFile {
   public:
    Readable(FakeFiles& disk, std::shared_ptr<std::string> bytes)
        : disk_(disk), bytes_(std::move(bytes)) {}
    base::Result<uint64_t> SizeBytes() override {
      const std::lock_guard lock(disk_.mutex_);
      return static_cast<uint64_t>(bytes_->size());
    }
    base::Result<std::string> ReadAt(uint64_t offset, size_t size_bytes) override {
      const std::lock_guard lock(disk_.mutex_);
      if (offset >= bytes_->size()) return std::string();
      return bytes_->substr(static_cast<size_t>(offset), size_bytes);
    }

   private:
    FakeFiles& disk_;
    const std::shared_ptr<std::string> bytes_;
  };

  static base::Error Crashed(const std::string& path) { return base::Fail(path + ": crashed"); }
  static base::Error NotFound(const std::string& path) {
    return base::Fail(base::ErrorCode::kNotFound, "open " + path + ": No such file or directory");
  }

  mutable std::mutex mutex_;
  // Guarded by mutex_.
  std::map<std::string, std::shared_ptr<std::string>> files_;
  std::set<std::string> directories_;
  uint64_t space_ = kUnlimited;
  uint64_t crash_after_ = kUnlimited;
  uint64_t failed_writes_ = 0;
  bool fail_truncates_ = false;
  bool fail_syncs_ = false;
};

}  // namespace scry::test
