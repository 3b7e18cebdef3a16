#include "os/directory.h"

#include <dirent.h>
#include <fcntl.h>
#include <fmt/format.h>
#include <linux/fs.h>
#include <sys/file.h>
#include <sys/ioctl.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <chrono>
#include <cstdio>
#include <memory>
#include <thread>

#include "base/clock.h"
#include "os/random_name.h"

namespace scry::os {
namespace {

constexpr int kDepthMax = 64;  // A data directory is 4 deep; more is a trap.

struct CloseFolder {
  void operator()(DIR* folder) const { closedir(folder); }
};
using Folder = std::unique_ptr<DIR, CloseFolder>;

Folder OpenFolderAt(int parent, const char* name) {
  UniqueFd fd(openat(parent, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC));
  if (!fd) return nullptr;
  Folder folder(fdopendir(fd.get()));
  if (folder) fd.Release();
  return folder;
}

bool IsDots(const char* name) {
  return name[0] == '.' && (name[1] == '\0' || (name[1] == '.' && name[2] == '\0'));
}

bool NeedsChown(const User& owner) { return geteuid() == 0 && owner.uid != geteuid(); }

// Removes what is inside `folder`; keeps the first error and goes on.
void RemoveInside(int folder_fd, const std::string& path, int depth, base::Status& status) {
  Folder folder = OpenFolderAt(folder_fd, ".");
  const auto note = [&](const std::string& where) {
    if (status.ok()) status = base::FailErrno("remove " + where);
  };
  if (!folder || depth > kDepthMax) return note(path);
  while (const dirent* entry = readdir(folder.get())) {
    if (IsDots(entry->d_name)) continue;
    const std::string where = path + "/" + entry->d_name;
    if (unlinkat(folder_fd, entry->d_name, 0) == 0 || errno == ENOENT) continue;
    if (errno != EISDIR && errno != EPERM) {
      note(where);
      continue;
    }
    UniqueFd inner(
        openat(folder_fd, entry->d_name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC));
    if (!inner) {
      note(where);
      continue;
    }
    RemoveInside(inner.get(), where, depth + 1, status);
    if (unlinkat(folder_fd, entry->d_name, AT_REMOVEDIR) != 0 && errno != ENOENT) note(where);
  }
}

base::Status ChownInside(int parent, const char* name, const std::string& path, const User& owner,
                         int depth) {
  if (fchownat(parent, name, owner.uid, owner.gid, AT_SYMLINK_NOFOLLOW) != 0) {
    return base::FailErrno(fmt::format("hand {} over to {}", path, owner.name));
  }
  struct stat info {};
  if (fstatat(parent, name, &info, AT_SYMLINK_NOFOLLOW) != 0 || !S_ISDIR(info.st_mode)) return {};
  Folder folder = OpenFolderAt(parent, name);
  if (!folder || depth > kDepthMax) return base::FailErrno("open folder " + path);
  while (const dirent* entry = readdir(folder.get())) {
    if (IsDots(entry->d_name)) continue;
    SCRY_TRY(ChownInside(dirfd(folder.get()), entry->d_name, path + "/" + entry->d_name, owner,
                         depth + 1));
  }
  return {};
}

uint64_t SizeInside(int parent, const char* name, int depth) {
  struct stat info {};
  if (fstatat(parent, name, &info, AT_SYMLINK_NOFOLLOW) != 0) return 0;
  uint64_t bytes = static_cast<uint64_t>(info.st_blocks) * 512;
  if (!S_ISDIR(info.st_mode) || depth > kDepthMax) return bytes;
  Folder folder = OpenFolderAt(parent, name);
  if (!folder) return bytes;
  while (const dirent* entry = readdir(folder.get())) {
    if (!IsDots(entry->d_name)) bytes += SizeInside(dirfd(folder.get()), entry->d_name, depth + 1);
  }
  return bytes;
}

class Copier {
 public:
  explicit Copier(const CopyOptions& options) : options_(options), clone_(options.prefer_reflink) {}

  base::Status Folder(int from_parent, const char* from_name, int to_parent, const char* to_name,
                      const std::string& path, int depth) {
    struct stat info {};
    scry::os::Folder from = OpenFolderAt(from_parent, from_name);
    if (!from || depth > kDepthMax || fstat(dirfd(from.get()), &info) != 0) {
      return base::FailErrno("open folder " + path);
    }
    // Open to us alone until it is complete; the right mode comes last.
    if (mkdirat(to_parent, to_name, 0700) != 0)
      return base::FailErrno("make a copy of folder " + path);
    const UniqueFd to(openat(to_parent, to_name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC));
    if (!to) return base::FailErrno("open the copy of folder " + path);
    while (const dirent* entry = readdir(from.get())) {
      if (IsDots(entry->d_name) || (depth == 0 && LeftOut(entry->d_name))) continue;
      SCRY_TRY(
          Entry(dirfd(from.get()), to.get(), entry->d_name, path + "/" + entry->d_name, depth));
    }
    return Mirror(to.get(), info, path);
  }

  CopyStats Finish() {
    const bool some = stats_.reflinked > 0;
    stats_.method = some && stats_.reflinked == stats_.files ? "reflink"
                    : some                                   ? "reflink+copy"
                                                             : "copy";
    return stats_;
  }

 private:
  bool LeftOut(const char* name) const {
    return std::find(options_.leave_out.begin(), options_.leave_out.end(), name) !=
           options_.leave_out.end();
  }

  base::Status Entry(int from, int to, const char* name, const std::string& path, int depth) {
    struct stat info {};
    if (fstatat(from, name, &info, AT_SYMLINK_NOFOLLOW) != 0)
      return base::FailErrno("look at " + path);
    if (S_ISDIR(info.st_mode)) return Folder(from, name, to, name, path, depth + 1);
    if (S_ISLNK(info.st_mode)) return Link(from, to, name, info, path);
    if (!S_ISREG(info.st_mode)) return {};
    if (options_.cancelled && options_.cancelled()) {
      return base::Fail(base::ErrorCode::kInterrupted, "copying was interrupted");
    }
    const UniqueFd source(openat(from, name, O_RDONLY | O_NOFOLLOW | O_CLOEXEC));
    if (!source) return base::FailErrno("open " + path);
    const UniqueFd target(
        openat(to, name, O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0600));
    if (!target) return base::FailErrno("make a copy of " + path);
    ++stats_.files;
    stats_.bytes += static_cast<uint64_t>(info.st_size);
    SCRY_TRY(Contents(source.get(), target.get(), info, path));
    return Mirror(target.get(), info, path);
  }

  base::Status Link(int from, int to, const char* name, const struct stat& info,
                    const std::string& path) {
    std::string target(4096, '\0');
    const ssize_t length = readlinkat(from, name, target.data(), target.size());
    if (length < 0 || static_cast<size_t>(length) == target.size()) {
      return base::FailErrno("read the link " + path);
    }
    target.resize(static_cast<size_t>(length));
    if (symlinkat(target.c_str(), to, name) != 0) return base::FailErrno("copy the link " + path);
    if (geteuid() == 0 && fchownat(to, name, info.st_uid, info.st_gid, AT_SYMLINK_NOFOLLOW) != 0) {
      return base::FailErrno("hand over the copy of " + path);
    }
    ++stats_.links;
    return {};
  }

  base::Status Mirror(int fd, const struct stat& info, const std::string& path) {
    if (geteuid() == 0 && fchown(fd, info.st_uid, info.st_gid) != 0) {
      return base::FailErrno("hand over the copy of " + path);
    }
    if (fchmod(fd, info.st_mode & 07777) != 0)
      return base::FailErrno("set the mode of the copy of " + path);
    return {};
  }

  base::Status Contents(int from, int to, const struct stat& info, const std::string& path) {
    if (info.st_size == 0) {
      if (clone_) ++stats_.reflinked;  // Nothing to share: as good as shared.
      return {};
    }
    if (clone_) {
      if (ioctl(to, FICLONE, from) == 0) {
        ++stats_.reflinked;
        return {};
      }
      // Another file system, or one that cannot: it would be the same for all further files.
      if (errno == EOPNOTSUPP || errno == EXDEV || errno == ENOTTY || errno == ENOSYS) {
        clone_ = false;
        if (stats_.reflinked == stats_.files - 1) stats_.reflinked = 0;  // Only empty ones so far.
      }
    }
    if (ftruncate(to, info.st_size) != 0) return base::FailErrno("copy " + path);
    for (off_t position = 0; position < info.st_size;) {
      off_t begin = lseek(from, position, SEEK_DATA);
      if (begin < 0 && errno == ENXIO) break;  // Only a hole is left.
      if (begin < 0) begin = position;
      off_t end = lseek(from, begin, SEEK_HOLE);
      if (end < 0) end = info.st_size;
      SCRY_TRY(Range(from, to, begin, std::min(end, info.st_size), path));
      position = end;
    }
    return {};
  }

  base::Status Range(int from, int to, off_t begin, off_t end, const std::string& path) {
    off_t in = begin;
    off_t out = begin;
    while (in < end) {
      const auto left = static_cast<size_t>(end - in);
      const ssize_t copied = copy_file_range(from, &in, to, &out, left, 0);
      if (copied > 0) continue;
      if (copied < 0 && errno == EINTR) continue;
      if (copied == 0) return {};  // It was cut short meanwhile.
      if (errno != EXDEV && errno != EINVAL && errno != ENOSYS && errno != EOPNOTSUPP) {
        return base::FailErrno("copy " + path);
      }
      return Slowly(from, to, in, end, path);
    }
    return {};
  }

  base::Status Slowly(int from, int to, off_t position, off_t end, const std::string& path) {
    std::vector<char> buffer(size_t{1} << 20);
    while (position < end) {
      const auto want = std::min(buffer.size(), static_cast<size_t>(end - position));
      const ssize_t got = pread(from, buffer.data(), want, position);
      if (got < 0 && errno == EINTR) continue;
      if (got < 0) return base::FailErrno("read " + path);
      if (got == 0) return {};
      for (ssize_t done = 0; done < got;) {
        const ssize_t put =
            pwrite(to, buffer.data() + done, static_cast<size_t>(got - done), position + done);
        if (put < 0 && errno == EINTR) continue;
        if (put < 0) return base::FailErrno("write a copy of " + path);
        done += put;
      }
      position += got;
    }
    return {};
  }

  const CopyOptions& options_;
  bool clone_;
  CopyStats stats_;
};

base::Status MakeDirectory(const std::string& path, mode_t mode) {
  if (mkdir(path.c_str(), mode) == 0) {
    return chmod(path.c_str(), mode) == 0 ? base::Status()
                                          : base::FailErrno("set the mode of " + path);
  }
  const int error = errno;
  struct stat info {};
  if (error == EEXIST && stat(path.c_str(), &info) == 0) {
    if (S_ISDIR(info.st_mode)) return {};
    return base::Fail(fmt::format("make folder {}: a file of that name is in the way", path));
  }
  errno = error;
  return base::FailErrno("make folder " + path);
}

}  // namespace

bool Exists(const std::string& path) {
  struct stat info {};
  return lstat(path.c_str(), &info) == 0;
}

bool IsDirectory(const std::string& path) {
  struct stat info {};
  return lstat(path.c_str(), &info) == 0 && S_ISDIR(info.st_mode);
}

bool IsSymbolicLink(const std::string& path) {
  struct stat info {};
  return lstat(path.c_str(), &info) == 0 && S_ISLNK(info.st_mode);
}

base::Status MakeDirectories(const std::string& path, mode_t mode) {
  for (size_t end = 1; end <= path.size(); ++end) {
    if (end != path.size() && path[end] != '/') continue;
    const std::string part = path.substr(0, end);
    struct stat info {};
    if (stat(part.c_str(), &info) == 0 && S_ISDIR(info.st_mode)) continue;
    SCRY_TRY(MakeDirectory(part, mode));
  }
  return {};
}

base::Status MakeNewDirectory(const std::string& path, mode_t mode, const User& owner) {
  if (mkdir(path.c_str(), mode) != 0) return base::FailErrno("make folder " + path);
  if (chmod(path.c_str(), mode) != 0) return base::FailErrno("set the mode of " + path);
  if (NeedsChown(owner) && lchown(path.c_str(), owner.uid, owner.gid) != 0) {
    return base::FailErrno(fmt::format("hand {} over to {}", path, owner.name));
  }
  return {};
}

base::Result<std::vector<std::string>> ListDirectory(const std::string& path) {
  const Folder folder(opendir(path.c_str()));
  if (!folder) return base::FailErrno("open folder " + path);
  std::vector<std::string> names;
  while (const dirent* entry = readdir(folder.get())) {
    if (!IsDots(entry->d_name)) names.emplace_back(entry->d_name);
  }
  std::sort(names.begin(), names.end());
  return names;
}

base::Status RemoveTree(const std::string& path) {
  if (unlink(path.c_str()) == 0 || errno == ENOENT) return {};
  if (errno != EISDIR && errno != EPERM) return base::FailErrno("remove " + path);
  const UniqueFd folder(open(path.c_str(), O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC));
  if (!folder) return base::FailErrno("remove " + path);
  base::Status status;
  RemoveInside(folder.get(), path, 0, status);
  if (rmdir(path.c_str()) != 0 && errno != ENOENT && status.ok())
    return base::FailErrno("remove " + path);
  return status;
}

base::Status RemoveTrees(const std::vector<std::string>& paths) {
  std::vector<base::Status> results(paths.size());
  std::vector<std::thread> threads;
  for (size_t i = 0; i < paths.size(); ++i) {
    threads.emplace_back([&, i] { results[i] = RemoveTree(paths[i]); });
  }
  for (std::thread& thread : threads) thread.join();
  for (base::Status& result : results) SCRY_TRY(std::move(result));
  return {};
}

base::Status ChownTree(const std::string& path, const User& owner) {
  if (geteuid() != 0) return {};
  return ChownInside(AT_FDCWD, path.c_str(), path, owner, 0);
}

base::Result<uint64_t> DiskFreeBytes(const std::string& path) {
  struct statvfs info {};
  if (statvfs(path.c_str(), &info) != 0) return base::FailErrno("ask for free space of " + path);
  return static_cast<uint64_t>(info.f_bavail) * info.f_frsize;
}

uint64_t TreeSizeBytes(const std::string& path) { return SizeInside(AT_FDCWD, path.c_str(), 0); }

base::Result<CopyStats> CopyTree(const std::string& from, const std::string& to,
                                 const CopyOptions& options) {
  Copier copier(options);
  SCRY_TRY(copier.Folder(AT_FDCWD, from.c_str(), AT_FDCWD, to.c_str(), from, 0));
  return copier.Finish();
}

base::Result<std::string> LoadText(const std::string& path, size_t bytes_max) {
  const UniqueFd fd(open(path.c_str(), O_RDONLY | O_CLOEXEC));
  if (!fd) {
    base::Error error = base::FailErrno("read " + path);
    if (!Exists(path)) error.code = base::ErrorCode::kNotFound;
    return error;
  }
  std::string text;
  std::vector<char> buffer(16384);
  for (;;) {
    const ssize_t got = read(fd.get(), buffer.data(), buffer.size());
    if (got < 0 && errno == EINTR) continue;
    if (got < 0) return base::FailErrno("read " + path);
    if (got == 0) return text;
    text.append(buffer.data(), static_cast<size_t>(got));
    if (text.size() > bytes_max) {
      return base::Fail(base::ErrorCode::kCorrupt,
                        fmt::format("read {}: larger than {} bytes", path, bytes_max));
    }
  }
}

base::Status StoreText(const std::string& path, std::string_view text, mode_t mode,
                       const User& owner) {
  const std::string temporary = path + ".new-" + RandomHex(4);
  UniqueFd fd(open(temporary.c_str(), O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, mode));
  if (!fd) return base::FailErrno("write " + path);
  const auto fail = [&] {
    base::Error error = base::FailErrno("write " + path);
    unlink(temporary.c_str());
    return error;
  };
  while (!text.empty()) {
    const ssize_t put = write(fd.get(), text.data(), text.size());
    if (put < 0 && errno == EINTR) continue;
    if (put < 0) return fail();
    text.remove_prefix(static_cast<size_t>(put));
  }
  if (NeedsChown(owner) && fchown(fd.get(), owner.uid, owner.gid) != 0) return fail();
  if (fchmod(fd.get(), mode) != 0 || fsync(fd.get()) != 0) return fail();
  if (rename(temporary.c_str(), path.c_str()) != 0) return fail();
  return {};
}

base::Status RenamePath(const std::string& from, const std::string& to) {
  if (rename(from.c_str(), to.c_str()) != 0)
    return base::FailErrno(fmt::format("rename {} to {}", from, to));
  return {};
}

base::Result<std::optional<FileLock>> FileLock::TryTake(const std::string& path, Mode mode) {
  UniqueFd fd(open(path.c_str(), O_RDWR | O_CREAT | O_NOFOLLOW | O_CLOEXEC, 0600));
  if (!fd) return base::FailErrno("open the lock file " + path);
  const int operation = mode == Mode::kShared ? LOCK_SH : LOCK_EX;
  while (flock(fd.get(), operation | LOCK_NB) != 0) {
    if (errno == EINTR) continue;
    if (errno == EWOULDBLOCK) return std::optional<FileLock>();
    return base::FailErrno("lock " + path);
  }
  return std::optional<FileLock>(FileLock(std::move(fd)));
}

base::Result<FileLock> FileLock::Take(const std::string& path, Mode mode, int64_t timeout_us) {
  const base::Micros until = base::SystemClock().MonotonicUs() + timeout_us;
  for (;;) {
    SCRY_TRY_ASSIGN(auto lock, TryTake(path, mode));
    if (lock) return std::move(*lock);
    if (base::SystemClock().MonotonicUs() >= until) {
      return base::Fail(fmt::format("lock {}: another scry holds it; wait for it or end it", path));
    }
    std::this_thread::sleep_for(std::chrono::milliseconds(20));
  }
}

}  // namespace scry::os
