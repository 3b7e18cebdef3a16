// Where scry keeps shadows and the forks of a run, and who owns what there.
//
//   <root>/shadows/<database>/<shadow>/      shadow.json lock sockets server.log data/
//   <root>/shadows/<database>/.making-*      half-made; its lock is held while somebody works on it
//   <root>/shadows/.removing-*               half-removed
//   <root>/runs/<run id>/                    run.json lock sockets kept
//   <root>/runs/<run id>/<lane>/             server.log data/
//   /tmp/scry-<12 hex digits>/               Unix sockets: their paths may have 107 bytes only
//
// "sockets" lists the socket folders that belong to a folder, one per line, written before they are
// made: a kill -9 at any point leaves nothing that CollectGarbage cannot find. Any thread; a plain
// value.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"
#include "os/user.h"
#include "shadow/options.h"

namespace scry::shadow {

class StateDir {
 public:
  // `flag` is --state-dir; empty: $SCRY_STATE_DIR, then /var/lib/scry for root, then
  // $XDG_STATE_HOME/scry, then ~/.local/state/scry. Made where missing. Fails where the user that
  // runs private servers cannot get through to it.
  static base::Result<StateDir> Open(const std::string& flag = {});

  const std::string& root() const { return root_; }
  // Runs private servers and owns their data: ourselves, or `postgres` (else `nobody`) under root,
  // as initdb and postgres refuse root.
  const os::User& server_user() const { return server_user_; }
  const os::User& self() const { return self_; }
  mode_t folder_mode() const { return self_.uid == 0 ? 0755 : 0700; }

  std::string ShadowsFolder() const { return root_ + "/shadows"; }
  std::string RunsFolder() const { return root_ + "/runs"; }
  std::string DatabaseFolder(const ShadowName& name) const;
  std::string ShadowFolder(const ShadowName& name) const;
  // Shared while a folder with a lock file is being made, exclusive while garbage is collected:
  // between its mkdir and its lock a new folder looks abandoned.
  std::string GateFile() const { return root_ + "/gate"; }

 private:
  std::string root_;
  os::User self_;
  os::User server_user_;
};

// Who runs private servers for `self`: see StateDir::server_user.
base::Result<os::User> ServerUserOf(const os::User& self);

// A name from configuration as a folder name: letters, digits, '_', '-' and inner '.' stay, all
// else becomes %XX, long names are cut and get a hash. Different names differ (but for hashes).
std::string EncodeName(std::string_view name);

// Makes a folder for Unix sockets, open to its owner alone, after noting it in `folder`/sockets.
base::Result<std::string> MakeSocketDir(const StateDir& state, const std::string& folder);
// Removes all socket folders noted there. What does not look like one of ours is left alone.
base::Status RemoveSocketDirs(const StateDir& state, const std::string& folder);
// "/tmp/scry-" and 12 hex digits.
bool IsSocketDirName(std::string_view path);

}  // namespace scry::shadow
