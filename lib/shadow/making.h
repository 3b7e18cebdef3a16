// A shadow while it is made: what the providers share. Internal to shadow. One thread.
#pragma once

#include <optional>
#include <string>

#include "base/result.h"
#include "os/directory.h"
#include "pg/admin.h"
#include "pg/conninfo.h"
#include "pg/server_programs.h"
#include "shadow/options.h"
#include "shadow/private_server.h"
#include "shadow/shadow_info.h"
#include "shadow/state_dir.h"

namespace scry::shadow {

struct Making {
  const ShadowOptions& options;
  const StateDir& state;
  const Control& control;
  std::string folder;  // Half-made, locked.
  ShadowInfo info;     // Filled by the provider.

  std::string DataDir() const { return folder + "/data"; }
  void Note(std::string note) { info.notes.push_back(std::move(note)); }
};

// Each fills `data` (owned by the server's user, server stopped cleanly) and `info`.
base::Status MakePhysical(Making& making);
base::Status MakeDump(Making& making);
base::Status MakeFromDirectory(Making& making);

// The source of kPhysical and kDump, looked at but never written to.
struct Source {
  pg::ConnInfo info;  // With defaults; dbname is the shadow's.
  std::optional<pg::AdminSession> session;
  int server_major = 0;
  uint64_t size_bytes = 0;  // 0: not allowed to know.
  std::string tablespaces;  // "fast in /mnt/ssd, ..."; empty: none.
};
// Connects, fills dbname, source, version and settings of making.info.
base::Result<Source> OpenSource(Making& making);
// For programs: the connection without its password, which goes into the environment.
std::string ConnInfoForArgv(const pg::ConnInfo& info);
os::Environment EnvironmentFor(const pg::ConnInfo& info);

base::Status CheckFreeSpace(const Making& making, uint64_t needed_bytes);
// Settings this machine's server would refuse or could not load are dropped, with a note each.
base::Status DropUnusableSettings(Making& making, const pg::Programs& programs);
// Writes configuration, starts the server on making's data.
base::Result<PrivateServer> StartMade(Making& making, const pg::Programs& programs);
// Connects to the shadow's database, fills server_version. kNotFound: no such database.
base::Status VerifyMade(Making& making, const PrivateServer& server);

}  // namespace scry::shadow
