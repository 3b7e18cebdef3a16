#include "shadow/store.h"

#include <fmt/format.h>
#include <unistd.h>

#include <algorithm>
#include <charconv>
#include <chrono>
#include <thread>

#include "os/random_name.h"
#include "pg/admin.h"
#include "shadow/server_config.h"

namespace scry::shadow {
namespace {

constexpr int64_t kLockWaitUs = 5 * 1000000LL;
// Another run may copy the shadow meanwhile, which takes minutes without reflinks.
constexpr int64_t kLongLockWaitUs = 1800 * 1000000LL;
constexpr base::Micros kStopTimeoutUs = 600 * 1000000LL;

base::Result<ShadowInfo> Load(const std::string& folder) {
  const std::string path = folder + "/shadow.json";
  SCRY_TRY_ASSIGN(const std::string text, os::LoadText(path, 16 << 20));
  SCRY_TRY_ASSIGN(ShadowInfo info, FromJson(text, path));
  info.folder = folder;
  // Behind a link there may be production: its server would be taken for the shadow's and stopped.
  if (os::IsDirectory(info.DataDir())) return info;
  return base::Fail(base::ErrorCode::kCorrupt,
                    fmt::format("{} is no folder of its own: `scry shadow destroy {}` removes what "
                                "is left of the shadow",
                                info.DataDir(), info.name.Text()));
}

// A server started on a copy that holds links would write where they lead. Forks look at every
// file; this is for the shadow's own server.
base::Status CheckNoLinks(const std::string& data_dir) {
  for (const char* inside : {"", "/base", "/global", "/pg_tblspc"}) {
    SCRY_TRY_ASSIGN(const auto names, os::ListDirectory(data_dir + inside));
    for (const auto& name : names) {
      const std::string path = data_dir + inside + "/" + name;
      if (!os::IsSymbolicLink(path)) continue;
      return base::Fail(base::ErrorCode::kCorrupt,
                        path + " is a symbolic link, which no shadow holds: make it again");
    }
  }
  return {};
}

base::Result<os::FileLock> Lock(const std::string& folder, os::FileLock::Mode mode,
                                int64_t wait_us) {
  return os::FileLock::Take(folder + "/lock", mode, wait_us);
}

pg::ConnInfo InfoOf(const FoundServer& server, const ShadowInfo& info) {
  return pg::ConnInfo::Private(server.socket_dir, server.port, info.superuser, info.dbname);
}

// A client that has just left is still seen for a moment, while its backend ends: it gets a second.
base::Result<std::string> CountOthers(pg::AdminSession& session) {
  constexpr int kLooks = 20;
  constexpr auto kPause = std::chrono::milliseconds(50);
  for (int look = 1;; ++look) {
    SCRY_TRY_ASSIGN(
        const pg::Rows rows,
        session.Exec("SELECT count(*) FROM pg_catalog.pg_stat_activity WHERE backend_type = "
                     "'client backend' AND pid <> pg_catalog.pg_backend_pid()"));
    std::string others = rows.Single().value_or("0");
    if (others == "0" || look == kLooks) return others;
    std::this_thread::sleep_for(kPause);
  }
}

// REQUIRES: the exclusive lock is held.
base::Status StopLocked(const StateDir& state, const ShadowInfo& info, bool force) {
  if (!os::IsDirectory(info.DataDir())) return RemoveSocketDirs(state, info.folder);
  const auto server = FindServer(info.DataDir());
  if (server && !force) {
    auto session = pg::AdminSession::Connect(InfoOf(*server, info));
    if (session.ok()) {
      SCRY_TRY_ASSIGN(const std::string others, CountOthers(*session));
      if (others != "0") {
        return base::Fail(
            fmt::format("shadow {}: {} other clients are connected to its server (process "
                        "{}): disconnect them first",
                        info.name.Text(), others, server->pid));
      }
    }
  }
  SCRY_TRY(StopFoundServer(info.DataDir(), PrivateServer::StopMode::kFast, kStopTimeoutUs));
  return RemoveSocketDirs(state, info.folder);
}

std::string KnownNames(const StateDir& state) {
  const auto listing = ListShadows(state);
  if (!listing.ok() || listing->shadows.empty())
    return "there are none; create it with `scry shadow create`";
  std::string names = "there are ";
  for (const auto& shadow : listing->shadows) {
    names += (names.ends_with("are ") ? "" : ", ") + shadow.name.Text();
  }
  return names;
}

base::Result<PrivateServer> StartKept(const StateDir& state, const ShadowInfo& info,
                                      const Control& control) {
  SCRY_TRY_ASSIGN(const pg::Programs programs, pg::FindPrograms(info.server_major));
  ServerConfig config;
  config.carried = info.settings;
  config.cluster_name = "scry shadow";
  config.memory_bytes = MachineMemoryBytes();
  config.small_shared_memory = SharedMemoryIsSmall();
  SCRY_TRY(CheckNoLinks(info.DataDir()));
  SCRY_TRY(RemoveSocketDirs(state, info.folder));
  SCRY_TRY(WriteServerFiles(info.DataDir(), ComposeSettings(config), state.server_user()));
  ServerSpec spec;
  spec.programs = programs;
  spec.user = state.server_user();
  spec.data_dir = info.DataDir();
  SCRY_TRY_ASSIGN(spec.socket_dir, MakeSocketDir(state, info.folder));
  spec.log_file = info.folder + "/server.log";
  spec.superuser = info.superuser;
  spec.outlive = true;
  return PrivateServer::Start(spec, control);
}

}  // namespace

base::Result<ShadowListing> ListShadows(const StateDir& state) {
  ShadowListing listing;
  SCRY_TRY_ASSIGN(const auto databases, os::ListDirectory(state.ShadowsFolder()));
  for (const auto& database : databases) {
    const std::string parent = state.ShadowsFolder() + "/" + database;
    if (database.starts_with(".") || !os::IsDirectory(parent)) continue;
    const auto names = os::ListDirectory(parent);
    if (!names.ok()) {
      listing.unreadable.push_back(names.error().message);
      continue;
    }
    for (const auto& name : *names) {
      if (name.starts_with(".")) continue;
      auto info = Load(parent + "/" + name);
      if (info.ok()) {
        listing.shadows.push_back(std::move(*info));
      } else {
        listing.unreadable.push_back(info.error().message);
      }
    }
  }
  std::sort(listing.shadows.begin(), listing.shadows.end(),
            [](const ShadowInfo& a, const ShadowInfo& b) { return a.name.Text() < b.name.Text(); });
  return listing;
}

base::Result<ShadowInfo> ShowShadow(const StateDir& state, const ShadowName& name) {
  const std::string folder = state.ShadowFolder(name);
  if (!os::IsDirectory(folder)) {
    return base::Fail(base::ErrorCode::kNotFound,
                      fmt::format("shadow {} does not exist: {}", name.Text(), KnownNames(state)));
  }
  return Load(folder);
}

base::Status DestroyShadow(const StateDir& state, const ShadowName& name, bool force) {
  const std::string folder = state.ShadowFolder(name);
  // One whose description is damaged can be destroyed, too.
  ShadowInfo info;
  auto shown = ShowShadow(state, name);
  if (shown.ok()) {
    info = *shown;
  } else if (os::IsDirectory(folder)) {
    info.name = name;
    info.folder = folder;
    force = true;
  } else {
    return shown.error();
  }
  SCRY_TRY_ASSIGN(const os::FileLock lock,
                  Lock(folder, os::FileLock::Mode::kExclusive, kLockWaitUs));
  SCRY_TRY(StopLocked(state, info, force));
  // Gone at once for everybody else; a crash while removing leaves garbage, not half a shadow.
  const auto gate = os::FileLock::Take(state.GateFile(), os::FileLock::Mode::kShared, kLockWaitUs);
  const std::string doomed = state.ShadowsFolder() + "/.removing-" + os::RandomHex(6);
  SCRY_TRY(os::RenamePath(folder, doomed));
  rmdir(state.DatabaseFolder(name).c_str());  // Only where it is empty.
  return os::RemoveTree(doomed);
}

base::Result<pg::ConnInfo> OpenShadowServer(const StateDir& state, const ShadowName& name,
                                            const Control& control) {
  SCRY_TRY_ASSIGN(const ShadowInfo info, ShowShadow(state, name));
  SCRY_TRY_ASSIGN(const os::FileLock lock,
                  Lock(info.folder, os::FileLock::Mode::kExclusive, kLongLockWaitUs));
  if (const auto running = FindServer(info.DataDir())) return InfoOf(*running, info);
  SCRY_TRY_ASSIGN(const PrivateServer server, StartKept(state, info, control));
  return server.Info(info.dbname);
}

base::Status StopShadowServer(const StateDir& state, const ShadowName& name, bool force) {
  SCRY_TRY_ASSIGN(const ShadowInfo info, ShowShadow(state, name));
  SCRY_TRY_ASSIGN(const os::FileLock lock,
                  Lock(info.folder, os::FileLock::Mode::kExclusive, kLockWaitUs));
  return StopLocked(state, info, force);
}

base::Result<os::FileLock> HoldStoppedShadow(const StateDir& state, const ShadowInfo& info) {
  for (;;) {
    {
      SCRY_TRY_ASSIGN(os::FileLock lock,
                      Lock(info.folder, os::FileLock::Mode::kShared, kLongLockWaitUs));
      if (!FindServer(info.DataDir())) return lock;
    }
    SCRY_TRY_ASSIGN(const os::FileLock lock,
                    Lock(info.folder, os::FileLock::Mode::kExclusive, kLongLockWaitUs));
    SCRY_TRY(StopLocked(state, info, false));
  }
}

}  // namespace scry::shadow
