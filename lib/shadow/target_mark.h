// The positive sign that somebody gave a server, which is no fork of scry's, to be written to by
// replays: a role without login whose comment names the cluster. It holds for the whole cluster, is
// in none of its databases and cannot be brought along by a client. A dump does not carry it into
// another cluster, as the name of the cluster would not fit; a copy made file by file does. Used by
// `scry shadow mark` and `scry replay`. Blocks.
#pragma once

#include <string>

#include "base/result.h"
#include "pg/conninfo.h"

namespace scry::shadow {

inline constexpr const char* kMarkRole = "scry_shadow_mark";

// Needs the right to create roles. Marking twice does no harm.
base::Status MarkTarget(const pg::ConnInfo& target);
// False: it was not marked.
base::Result<bool> UnmarkTarget(const pg::ConnInfo& target);
base::Result<bool> IsMarkedTarget(const pg::ConnInfo& target);
// kUsage, with what to do, for a server without the mark.
base::Status CheckTargetMark(const pg::ConnInfo& target);

}  // namespace scry::shadow
