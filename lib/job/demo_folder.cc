#include "job/demo_folder.h"

#include <sys/stat.h>
#include <unistd.h>

#include <cstdlib>
#include <ctime>
#include <optional>

#include "os/random_name.h"
#include "os/user.h"
#include "shadow/garbage.h"
#include "shadow/private_server.h"
#include "shadow/state_dir.h"

namespace scry::job {
namespace {

using base::Result;
using base::Status;

constexpr std::string_view kPrefix = "scry-demo-";
constexpr size_t kNameBytes = 4;  // Twice as many hex digits.
// <temporary>/scry-demo-12345678/production/s/.s.PGSQL.5432 must fit into the 107 bytes of a
// socket's path.
constexpr size_t kTemporaryBytesMax = 60;
// A folder is made before its lock: without one it is abandoned after that time only.
constexpr time_t kMakingSeconds = 60;

bool IsName(const std::string& name) {
  return name.size() == kPrefix.size() + 2 * kNameBytes && name.starts_with(kPrefix) &&
         name.find_first_not_of("0123456789abcdef", kPrefix.size()) == std::string::npos;
}

// Not somebody else's, no link, not kept.
bool MayBeSwept(const std::string& folder) {
  struct stat info {};
  if (lstat(folder.c_str(), &info) != 0 || !S_ISDIR(info.st_mode) || info.st_uid != geteuid()) {
    return false;
  }
  if (os::Exists(folder + "/kept")) return false;
  return os::Exists(folder + "/lock") || info.st_mtime + kMakingSeconds < time(nullptr);
}

// Servers die with their scry; one that is still about to do so must not write any more.
void StopServers(const std::string& folder) {
  const auto names = os::ListDirectory(folder);
  if (!names.ok()) return;
  for (const std::string& name : *names) {
    const std::string data = folder + "/" + name + "/data";
    if (!os::IsDirectory(folder + "/" + name) || !os::IsDirectory(data)) continue;
    (void)shadow::StopFoundServer(data, shadow::PrivateServer::StopMode::kImmediate).ok();
  }
  // Socket folders of its shadows and forks lie elsewhere.
  if (!os::IsDirectory(folder + "/state")) return;
  const auto state = shadow::StateDir::Open(folder + "/state");
  if (state.ok()) (void)shadow::CollectGarbage(*state).ok();
}

std::string Temporary() {
  const std::string fallback = "/tmp";
  const char* given = std::getenv("TMPDIR");
  std::string folder = given == nullptr ? "" : given;
  while (folder.size() > 1 && folder.back() == '/') folder.pop_back();
  if (!folder.starts_with("/") || folder == "/" || folder.size() > kTemporaryBytesMax) {
    return fallback;
  }
  const auto server_user = shadow::ServerUserOf(os::CurrentUser());
  if (!server_user.ok() || !os::CheckTraversable(folder, *server_user).ok()) return fallback;
  return folder;
}

}  // namespace

void SweepDemoFolders(const std::string& temporary) {
  const auto names = os::ListDirectory(temporary);
  if (!names.ok()) return;
  for (const std::string& name : *names) {
    const std::string folder = temporary + "/" + name;
    if (!IsName(name) || !MayBeSwept(folder)) continue;
    const auto lock = os::FileLock::TryTake(folder + "/lock", os::FileLock::Mode::kExclusive);
    if (!lock.ok() || !*lock) continue;  // Its scry lives, or another sweeps it.
    StopServers(folder);
    (void)os::RemoveTree(folder).ok();
  }
}

Result<DemoFolder> DemoFolder::MakeIn(const std::string& temporary) {
  SweepDemoFolders(temporary);
  const std::string path = temporary + "/" + std::string(kPrefix) + os::RandomHex(kNameBytes);
  SCRY_TRY(os::MakeNewDirectory(path, 0755, os::CurrentUser()));
  SCRY_TRY_ASSIGN(auto lock, os::FileLock::TryTake(path + "/lock", os::FileLock::Mode::kExclusive));
  if (!lock) return base::Fail("another process took " + path + " away; run this again");
  return DemoFolder(path, std::move(*lock));
}

Result<DemoFolder> DemoFolder::Make() { return MakeIn(Temporary()); }

DemoFolder::~DemoFolder() {
  if (!path_.empty()) (void)os::RemoveTree(path_).ok();
}

Status DemoFolder::Keep() {
  SCRY_TRY(os::StoreText(path_ + "/kept", "", 0644, os::CurrentUser()));
  path_.clear();
  return {};
}

}  // namespace scry::job
