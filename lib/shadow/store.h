// The shadows that are kept: list, show, destroy, look into. Used by `scry shadow` and jobs. Any
// process may do the same at the same time: each shadow has a lock file. One thread.
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "base/result.h"
#include "os/directory.h"
#include "pg/conninfo.h"
#include "shadow/options.h"
#include "shadow/private_server.h"
#include "shadow/shadow_info.h"
#include "shadow/state_dir.h"

namespace scry::shadow {

struct ShadowListing {
  std::vector<ShadowInfo> shadows;      // By database, then name.
  std::vector<std::string> unreadable;  // One line each: folder and why.
};
base::Result<ShadowListing> ListShadows(const StateDir& state);

// kNotFound names the shadows there are.
base::Result<ShadowInfo> ShowShadow(const StateDir& state, const ShadowName& name);

// Stops its server, if one runs, and removes it. Fails while somebody forks it or is connected to
// it; the latter not with `force`.
base::Status DestroyShadow(const StateDir& state, const ShadowName& name, bool force = false);

// Starts the shadow's own server where it is not running; it lives on after scry, until a fork
// needs it stopped or StopShadowServer. What is written there stays in the shadow.
base::Result<pg::ConnInfo> OpenShadowServer(const StateDir& state, const ShadowName& name,
                                            const Control& control = {});
base::Status StopShadowServer(const StateDir& state, const ShadowName& name, bool force = false);

// A shared lock on a shadow whose server does not run: its data may be copied while this is held.
// Stops the server where nobody is connected, else fails and says who has to leave.
base::Result<os::FileLock> HoldStoppedShadow(const StateDir& state, const ShadowInfo& info);

}  // namespace scry::shadow
