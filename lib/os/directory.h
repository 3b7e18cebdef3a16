// Folders as a whole: making, removing, copying, locking. Used by shadow and querylog.
// Any thread. Symbolic links are never followed while removing or copying.
#pragma once

#include <sys/types.h>

#include <cstddef>
#include <cstdint>
#include <functional>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"
#include "os/unique_fd.h"
#include "os/user.h"

namespace scry::os {

bool Exists(const std::string& path);       // Also a dangling symbolic link.
bool IsDirectory(const std::string& path);  // Not through a symbolic link.
bool IsSymbolicLink(const std::string& path);

// All missing folders on the way, each with `mode` whatever the umask.
base::Status MakeDirectories(const std::string& path, mode_t mode);
// Exactly this one, which must not exist yet; handed over to `owner` where that is someone else.
base::Status MakeNewDirectory(const std::string& path, mode_t mode, const User& owner);
// Names inside, sorted, without "." and "..".
base::Result<std::vector<std::string>> ListDirectory(const std::string& path);
// The folder and all inside; nothing there is success. Goes on after a failure and reports the
// first.
base::Status RemoveTree(const std::string& path);
// The same of several, which must not overlap, side by side: a file system that gives blocks back
// to its disk makes removing wait, not work. Reports the failure of the first in order.
base::Status RemoveTrees(const std::vector<std::string>& paths);
// Everything inside handed over to `owner`. Nothing to do when not root.
base::Status ChownTree(const std::string& path, const User& owner);

base::Result<uint64_t> DiskFreeBytes(const std::string& path);
// Bytes on disk below `path`; what vanishes meanwhile is not counted.
uint64_t TreeSizeBytes(const std::string& path);

struct CopyOptions {
  bool prefer_reflink = true;
  // Top-level paths ("postmaster.pid") left out. Relative to `from`.
  std::vector<std::string> leave_out;
  std::function<bool()> cancelled;  // Asked between files.
};
struct CopyStats {
  uint64_t files = 0;
  uint64_t bytes = 0;      // Of file contents.
  uint64_t reflinked = 0;  // Files that share their blocks with the original.
  uint64_t links = 0;      // Symbolic links, copied as they are.
  std::string method;      // "reflink", "copy" or "reflink+copy".
};
// Copies the folder `from` to `to`, which must not exist. Keeps modes, and owners when root. Files
// are cloned where the file system can, else copied, holes kept. Sockets and pipes are left out. On
// failure `to` may hold a part: remove it.
base::Result<CopyStats> CopyTree(const std::string& from, const std::string& to,
                                 const CopyOptions& options = {});

// Small files of text: metadata and configuration.
base::Result<std::string> LoadText(const std::string& path, size_t bytes_max = 1 << 20);
// Writes a new file beside it and renames: readers see the old or the new one. Never through a
// link.
base::Status StoreText(const std::string& path, std::string_view text, mode_t mode,
                       const User& owner);
base::Status RenamePath(const std::string& from, const std::string& to);

// flock() on a file that is made where missing. The lock ends with this object or with the process.
class FileLock {
 public:
  enum class Mode : uint8_t { kShared, kExclusive };
  // nullopt: somebody else holds it.
  static base::Result<std::optional<FileLock>> TryTake(const std::string& path, Mode mode);
  // Waits at most `timeout_us`, then fails with an error that names the file.
  static base::Result<FileLock> Take(const std::string& path, Mode mode, int64_t timeout_us);

 private:
  explicit FileLock(UniqueFd fd) : fd_(std::move(fd)) {}
  UniqueFd fd_;
};

}  // namespace scry::os
