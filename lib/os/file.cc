#include "os/file.h"

#include <dirent.h>
#include <fcntl.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstdlib>
#include <limits>
#include <utility>

namespace scry::os {
namespace {

using base::Error;
using base::Result;
using base::Status;

Error FailPath(std::string_view verb, const std::string& path) {
  const int number = errno;
  Error error = base::FailErrno(std::string(verb) + " " + path);
  if (number == ENOENT) error.code = base::ErrorCode::kNotFound;
  return error;
}

class Descriptor {
 public:
  explicit Descriptor(int fd) : fd_(fd) {}
  ~Descriptor() {
    if (fd_ >= 0) ::close(fd_);
  }
  Descriptor(const Descriptor&) = delete;
  Descriptor& operator=(const Descriptor&) = delete;
  int get() const { return fd_; }

 private:
  const int fd_;
};

class RealWritableFile : public WritableFile {
 public:
  RealWritableFile(int fd, std::string path) : fd_(fd), path_(std::move(path)) {}

  Status Append(std::string_view bytes) override {
    while (!bytes.empty()) {
      const ssize_t written =
          ::pwrite(fd_.get(), bytes.data(), bytes.size(), static_cast<off_t>(position_));
      if (written < 0) {
        if (errno == EINTR) continue;
        return FailPath("write", path_);
      }
      if (written == 0) {
        errno = EIO;
        return FailPath("write", path_);
      }
      position_ += static_cast<uint64_t>(written);
      bytes.remove_prefix(static_cast<size_t>(written));
    }
    return {};
  }

  Status Truncate(uint64_t size_bytes) override {
    if (::ftruncate(fd_.get(), static_cast<off_t>(size_bytes)) != 0) {
      return FailPath("truncate", path_);
    }
    position_ = size_bytes;
    return {};
  }

  Status Sync() override {
    if (::fsync(fd_.get()) != 0) return FailPath("fsync", path_);
    return {};
  }

 private:
  Descriptor fd_;
  const std::string path_;
  uint64_t position_ = 0;
};

class RealReadableFile : public ReadableFile {
 public:
  RealReadableFile(int fd, std::string path) : fd_(fd), path_(std::move(path)) {}

  Result<uint64_t> SizeBytes() override {
    struct stat info {};
    if (::fstat(fd_.get(), &info) != 0) return FailPath("stat", path_);
    return static_cast<uint64_t>(info.st_size);
  }

  Result<std::string> ReadAt(uint64_t offset, size_t size_bytes) override {
    if (offset > static_cast<uint64_t>(std::numeric_limits<off_t>::max())) return std::string();
    std::string bytes(size_bytes, '\0');
    size_t filled = 0;
    while (filled < size_bytes) {
      const ssize_t got = ::pread(fd_.get(), bytes.data() + filled, size_bytes - filled,
                                  static_cast<off_t>(offset + filled));
      if (got < 0) {
        if (errno == EINTR) continue;
        return FailPath("read", path_);
      }
      if (got == 0) break;
      filled += static_cast<size_t>(got);
    }
    bytes.resize(filled);
    return bytes;
  }

 private:
  Descriptor fd_;
  const std::string path_;
};

class Disk : public FileSystem {
 public:
  Result<std::unique_ptr<WritableFile>> Create(const std::string& path) override {
    const int fd = ::open(path.c_str(), O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
    if (fd < 0) return FailPath("create", path);
    return std::unique_ptr<WritableFile>(std::make_unique<RealWritableFile>(fd, path));
  }

  Result<std::unique_ptr<ReadableFile>> OpenForRead(const std::string& path) override {
    const int fd = ::open(path.c_str(), O_RDONLY | O_CLOEXEC);
    if (fd < 0) return FailPath("open", path);
    return std::unique_ptr<ReadableFile>(std::make_unique<RealReadableFile>(fd, path));
  }

  Status Rename(const std::string& from, const std::string& to) override {
    if (::rename(from.c_str(), to.c_str()) != 0) return FailPath("rename to", to);
    return {};
  }

  Status Remove(const std::string& path) override {
    if (::unlink(path.c_str()) != 0 && errno != ENOENT) return FailPath("remove", path);
    return {};
  }

  Status MakeDirectories(const std::string& path) override {
    for (size_t slash = path.find('/', 1);; slash = path.find('/', slash + 1)) {
      const std::string part = path.substr(0, slash);
      if (::mkdir(part.c_str(), 0700) != 0) {
        // A parent on a read-only file system answers EROFS although it exists.
        struct stat info {};
        const int number = errno;
        if (::stat(part.c_str(), &info) != 0 || !S_ISDIR(info.st_mode)) {
          errno = number == EEXIST ? ENOTDIR : number;
          return FailPath("make directory", part);
        }
      }
      if (slash == std::string::npos) return {};
    }
  }

  Status SyncDirectory(const std::string& path) override {
    const Descriptor fd(::open(path.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC));
    if (fd.get() < 0) return FailPath("open directory", path);
    // Some file systems cannot sync a directory and say EINVAL: there is nothing to do about it.
    if (::fsync(fd.get()) != 0 && errno != EINVAL) return FailPath("fsync", path);
    return {};
  }

  Result<std::vector<std::string>> List(const std::string& path) override {
    DIR* directory = ::opendir(path.c_str());
    if (directory == nullptr) return FailPath("open directory", path);
    std::vector<std::string> names;
    errno = 0;
    while (const dirent* entry = ::readdir(directory)) {
      const std::string name = entry->d_name;
      if (name != "." && name != "..") names.push_back(name);
      errno = 0;
    }
    const int number = errno;
    ::closedir(directory);
    if (number != 0) {
      errno = number;
      return FailPath("read directory", path);
    }
    std::sort(names.begin(), names.end());
    return names;
  }
};

}  // namespace

FileSystem& RealFileSystem() {
  static Disk disk;
  return disk;
}

Result<std::string> ReadWholeFile(FileSystem& files, const std::string& path,
                                  uint64_t size_bytes_max) {
  SCRY_TRY_ASSIGN(const auto file, files.OpenForRead(path));
  SCRY_TRY_ASSIGN(const uint64_t size_bytes, file->SizeBytes());
  if (size_bytes > size_bytes_max) {
    return base::Fail(base::ErrorCode::kCorrupt,
                      "read " + path + ": " + std::to_string(size_bytes) +
                          " bytes, expected at most " + std::to_string(size_bytes_max));
  }
  return file->ReadAt(0, static_cast<size_t>(size_bytes));
}

namespace {

// Of a file that was to be written: nobody asked for the temporary one, and that its folder is
// missing is not what kNotFound is about.
Status AsWritten(Status status, const std::string& temporary, const std::string& path) {
  if (status.ok()) return status;
  Error error = status.error();
  if (error.code == base::ErrorCode::kNotFound) error.code = base::ErrorCode::kFailed;
  const size_t at = error.message.find(temporary);
  if (at != std::string::npos) error.message.replace(at, temporary.size(), path);
  return error;
}

Status SyncFolderOf(FileSystem& files, const std::string& path) {
  const size_t slash = path.rfind('/');
  if (slash == std::string::npos) return files.SyncDirectory(".");
  return files.SyncDirectory(slash == 0 ? "/" : path.substr(0, slash));
}

Status Replace(FileSystem& files, const std::string& path, const std::string& temporary,
               std::string_view bytes, mode_t mode) {
  // A crash may have left one.
  SCRY_TRY(files.Remove(temporary));
  {
    SCRY_TRY_ASSIGN(const auto file, files.Create(temporary));
    SCRY_TRY(file->Append(bytes));
    if (mode != 0 && ::chmod(temporary.c_str(), mode) != 0) return FailPath("chmod", temporary);
    SCRY_TRY(file->Sync());
  }
  SCRY_TRY(files.Rename(temporary, path));
  return SyncFolderOf(files, path);
}

}  // namespace

Status ReplaceFile(FileSystem& files, const std::string& path, std::string_view bytes) {
  const std::string temporary = path + ".tmp";
  return AsWritten(Replace(files, path, temporary, bytes, 0), temporary, path);
}

Status ReplaceUserFile(const std::string& path, std::string_view bytes) {
  std::string target = path;
  mode_t mode = 0644;
  struct stat info {};
  if (::stat(path.c_str(), &info) == 0) {
    if (!S_ISREG(info.st_mode)) return base::Fail(path + " is no regular file");
    mode = info.st_mode & 07777;
    char* real = ::realpath(path.c_str(), nullptr);
    if (real == nullptr) return FailPath("resolve", path);
    target = real;
    std::free(real);
  } else if (errno != ENOENT) {
    return FailPath("stat", path);
  }
  const std::string temporary = target + ".scry-tmp";
  return AsWritten(Replace(RealFileSystem(), target, temporary, bytes, mode), temporary, path);
}

size_t RaiseDescriptorLimit() {
  rlimit limit{};
  if (getrlimit(RLIMIT_NOFILE, &limit) != 0) return 1;
  const rlim_t before = std::exchange(limit.rlim_cur, limit.rlim_max);
  if (setrlimit(RLIMIT_NOFILE, &limit) != 0) limit.rlim_cur = before;
  constexpr rlim_t kMax = std::numeric_limits<int>::max();  // No descriptor is larger.
  return static_cast<size_t>(std::clamp<rlim_t>(limit.rlim_cur, 1, kMax));
}

}  // namespace scry::os
