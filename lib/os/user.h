// Who a process runs as. Used to run private servers as `postgres` or `nobody` when scry is root,
// and to hand their folders over. Plain values; any thread.
#pragma once

#include <sys/types.h>

#include <optional>
#include <string>
#include <vector>

#include "base/result.h"

namespace scry::os {

struct User {
  uid_t uid = 0;
  gid_t gid = 0;
  std::string name;  // "1000" where the system knows no name.
  std::string home;
  std::vector<gid_t> groups;  // All of them, for setgroups.
};

// The effective user of this process.
User CurrentUser();
// nullopt: no such user.
std::optional<User> FindUser(const std::string& name);

// Can `user` search every folder on the way to `path` (itself included)? The error names the first
// one that is closed to them. Judged by mode bits; access lists are not read.
base::Status CheckTraversable(const std::string& path, const User& user);

}  // namespace scry::os
