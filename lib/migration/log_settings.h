// What a fork is to log holds for all of its sessions: roles and databases of the source may have
// settings of their own, which would win over the server's. Used by the jobs before a watch begins.
// Blocks.
#pragma once

#include <string>
#include <vector>

#include "base/result.h"
#include "pg/admin.h"

namespace scry::migration {

// All of LogSettings().
std::vector<std::string> LogSettingNames();
// Where the watch's own lines are wanted alone: the one of them that hides them.
inline constexpr const char* kWatchSettingName = "log_min_messages";

// Takes away what roles and databases set of these names. As superuser; the caller checked the
// fork's marker.
base::Status ForgetSettings(pg::AdminSession& session, const std::vector<std::string>& names);

}  // namespace scry::migration
