// A temporary folder for private servers: /tmp/scry-demo-<8 hex digits>, or below $TMPDIR. Removed
// with all inside by its destructor; after a kill -9 by the next Make of the same user. Used by the
// demo and the doctor. One thread.
//
//   lock    held for as long as its scry lives
//   kept    left on purpose: never swept
//   <name>/data, <name>/s, <name>/server.log    a private server
//   state/  a shadow::StateDir
#pragma once

#include <string>
#include <utility>

#include "base/result.h"
#include "os/directory.h"

namespace scry::job {

class DemoFolder {
 public:
  // Removes abandoned ones first. $TMPDIR is passed over where the user that runs private servers
  // cannot get through to it, or where paths of sockets would be too long.
  static base::Result<DemoFolder> Make();
  // The same in `temporary`, which has no slash at its end.
  static base::Result<DemoFolder> MakeIn(const std::string& temporary);

  DemoFolder(DemoFolder&& other) noexcept
      : path_(std::exchange(other.path_, {})), lock_(std::move(other.lock_)) {}
  DemoFolder& operator=(DemoFolder&&) = delete;
  ~DemoFolder();
  const std::string& path() const { return path_; }
  std::string In(const std::string& name) const { return path_ + "/" + name; }
  // Outlives this object, and the sweeps of others.
  base::Status Keep();

 private:
  DemoFolder(std::string path, os::FileLock lock)
      : path_(std::move(path)), lock_(std::move(lock)) {}
  std::string path_;
  os::FileLock lock_;
};

// Removes folders of this user in `temporary` whose scry is gone, with what still runs there.
void SweepDemoFolders(const std::string& temporary);

}  // namespace scry::job
