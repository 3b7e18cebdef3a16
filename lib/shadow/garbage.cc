#include "shadow/garbage.h"

#include <unistd.h>

#include <optional>

#include "os/directory.h"
#include "shadow/private_server.h"

namespace scry::shadow {
namespace {

class Sweep {
 public:
  explicit Sweep(const StateDir& state) : state_(state) {}

  void Runs(bool kept_too) {
    for (const auto& name : Names(state_.RunsFolder())) {
      const std::string folder = state_.RunsFolder() + "/" + name;
      if (!os::IsDirectory(folder)) continue;
      if (os::Exists(folder + "/kept") && !kept_too) {
        report_.kept_runs.push_back(folder);
        continue;
      }
      const auto lock = TakeLock(folder);
      if (!lock) continue;
      for (const auto& lane : Names(folder)) StopServer(folder + "/" + lane + "/data");
      if (Remove(folder)) ++report_.runs_removed;
    }
  }

  void Shadows() {
    for (const auto& database : Names(state_.ShadowsFolder())) {
      const std::string folder = state_.ShadowsFolder() + "/" + database;
      if (database.starts_with(".removing-")) {
        const auto lock = TakeLock(folder);
        if (lock && Remove(folder)) ++report_.shadows_removed;
        continue;
      }
      if (!os::IsDirectory(folder)) continue;
      for (const auto& name : Names(folder)) OneShadow(folder + "/" + name, name);
      rmdir(folder.c_str());  // Only where it is empty.
    }
  }

  GarbageReport Take() { return std::move(report_); }

 private:
  std::vector<std::string> Names(const std::string& folder) {
    if (!os::IsDirectory(folder)) return {};
    auto names = os::ListDirectory(folder);
    if (names.ok()) return std::move(*names);
    report_.failures.push_back(names.error().message);
    return {};
  }

  std::optional<os::FileLock> TakeLock(const std::string& folder) {
    auto lock = os::FileLock::TryTake(folder + "/lock", os::FileLock::Mode::kExclusive);
    if (lock.ok()) return std::move(*lock);
    report_.failures.push_back(lock.error().message);
    return std::nullopt;
  }

  void StopServer(const std::string& data_dir) {
    // What a link leads to is not ours to stop.
    if (!os::IsDirectory(data_dir) || !FindServer(data_dir)) return;
    const auto stopped = StopFoundServer(data_dir, PrivateServer::StopMode::kImmediate);
    if (stopped.ok()) {
      ++report_.servers_stopped;
    } else {
      report_.failures.push_back(stopped.error().message);
    }
  }

  bool Remove(const std::string& folder) {
    const uint64_t bytes = os::TreeSizeBytes(folder);
    for (const auto& status : {RemoveSocketDirs(state_, folder), os::RemoveTree(folder)}) {
      if (status.ok()) continue;
      report_.failures.push_back(status.error().message);
      return false;
    }
    report_.bytes_freed += bytes;
    return true;
  }

  void OneShadow(const std::string& folder, const std::string& name) {
    if (!os::IsDirectory(folder)) return;
    const auto lock = TakeLock(folder);
    if (!lock) return;
    if (name.starts_with(".making-")) {
      StopServer(folder + "/data");
      if (Remove(folder)) ++report_.shadows_removed;
      return;
    }
    // A shadow whose own server died leaves its socket folder.
    if (FindServer(folder + "/data")) return;
    if (const auto status = RemoveSocketDirs(state_, folder); !status.ok()) {
      report_.failures.push_back(status.error().message);
    }
  }

  const StateDir& state_;
  GarbageReport report_;
};

}  // namespace

base::Result<GarbageReport> CollectGarbage(const StateDir& state, bool kept_runs_too) {
  SCRY_TRY_ASSIGN(const os::FileLock gate,
                  os::FileLock::Take(state.GateFile(), os::FileLock::Mode::kExclusive, 60000000));
  Sweep sweep(state);
  sweep.Runs(kept_runs_too);
  sweep.Shadows();
  return sweep.Take();
}

}  // namespace scry::shadow
