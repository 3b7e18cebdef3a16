// Files behind an interface, so that tests can fill the disk, cut a write short or crash at a byte.
// Used by querylog and by whoever keeps a small state file. New files are 0600, new directories
// 0700: what scry writes may hold production data. Thread rule: a FileSystem may be used by any
// thread; one file object by one thread at a time.
#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"

namespace scry::os {

// Grows at its end. Closed by its destructor.
class WritableFile {
 public:
  virtual ~WritableFile() = default;
  // All of it, or an error: then any part of it may be in the file (see Truncate).
  virtual base::Status Append(std::string_view bytes) = 0;
  // Cuts the file; the next Append goes on from there.
  virtual base::Status Truncate(uint64_t size_bytes) = 0;
  // Returns when the bytes have reached the disk.
  virtual base::Status Sync() = 0;
};

class ReadableFile {
 public:
  virtual ~ReadableFile() = default;
  // Now: another process may be appending.
  virtual base::Result<uint64_t> SizeBytes() = 0;
  // Up to `size_bytes` bytes; fewer only at the end of the file.
  virtual base::Result<std::string> ReadAt(uint64_t offset, size_t size_bytes) = 0;
};

// Errors name the path. A missing file or directory is kNotFound.
class FileSystem {
 public:
  virtual ~FileSystem() = default;
  // Fails if the file exists.
  virtual base::Result<std::unique_ptr<WritableFile>> Create(const std::string& path) = 0;
  virtual base::Result<std::unique_ptr<ReadableFile>> OpenForRead(const std::string& path) = 0;
  // Replaces `to`.
  virtual base::Status Rename(const std::string& from, const std::string& to) = 0;
  // Of a file; one that does not exist is no error.
  virtual base::Status Remove(const std::string& path) = 0;
  // With its parents; one that exists is no error and keeps its mode.
  virtual base::Status MakeDirectories(const std::string& path) = 0;
  // Makes names (created, renamed) in the directory durable.
  virtual base::Status SyncDirectory(const std::string& path) = 0;
  // Names in the directory, sorted, without "." and "..".
  virtual base::Result<std::vector<std::string>> List(const std::string& path) = 0;
};

// The disk.
FileSystem& RealFileSystem();

// Lets the process open as many files and sockets as it may, and says how many that is: the usual
// soft limit of 1,024 would end at a few hundred clients. Never below 1.
size_t RaiseDescriptorLimit();

// The whole file. Fails for one larger than `size_bytes_max`.
base::Result<std::string> ReadWholeFile(FileSystem& files, const std::string& path,
                                        uint64_t size_bytes_max);
// Never leaves half a file: writes `path`.tmp, syncs, renames, syncs the directory.
base::Status ReplaceFile(FileSystem& files, const std::string& path, std::string_view bytes);
// The same on the disk for a file that is the user's own: a link to it is followed, and it keeps
// its mode; a new one is 0644. Its temporary name ends in ".scry-tmp".
base::Status ReplaceUserFile(const std::string& path, std::string_view bytes);

}  // namespace scry::os
