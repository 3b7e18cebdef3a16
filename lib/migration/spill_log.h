// Has a fork's server log the temporary files of its sessions for a while: the only account of them
// by session and moment. Statistics come late and for a whole database; a migration's own session
// may not set it. Used by MigrationWatch. Blocks; one thread.
#pragma once

#include <cstdint>
#include <optional>
#include <string>

#include "base/result.h"
#include "pg/admin.h"

namespace scry::migration {

// Smaller files are not logged: traffic beside the migration spills as well.
inline constexpr uint64_t kSpillLoggedBytes = 1 << 20;

class SpillLog {
 public:
  // From here on, sessions that begin log them. False: not all do, as a role or a database has its
  // own word on it, or the server does not let itself be told; nothing has changed.
  bool Begin(pg::AdminSession& session);
  // As it was. REQUIRES: the same server.
  base::Status End(pg::AdminSession& session);

 private:
  bool begun_ = false;
  std::optional<std::string> before_;  // What ALTER SYSTEM had set before.
};

}  // namespace scry::migration
