// Startup parameters as they were captured, turned into what libpq can send so that the server ends
// up with the same settings. Used by replay. Pure.
#pragma once

#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "pg/conninfo.h"

namespace scry::pg {

// Of a StartupMessage, in its order.
using StartupSettings = std::vector<std::pair<std::string, std::string>>;

struct StartupPlan {
  ConnInfo info;
  // Parameters that cannot be passed on, as "name: why".
  std::vector<std::string> dropped;
};

// `lane` with user, database (unless it is pinned) and settings of the captured session. Everything
// libpq has no keyword for goes into `options` as "-c name=value", behind the captured options: in
// the packet it had won over them, and the last of several -c wins.
StartupPlan PlanStartup(const ConnInfo& lane, const StartupSettings& settings);

// The database that a captured session ends up in on the lane.
std::string DatabaseOf(const ConnInfo& lane, const StartupSettings& settings);

// One argument of the server's command line inside `options`: blanks and backslashes escaped by a
// backslash.
std::string EscapeOption(std::string_view argument);
// How the server takes `options` apart (pg_split_opts).
std::vector<std::string> SplitOptions(std::string_view options);

}  // namespace scry::pg
