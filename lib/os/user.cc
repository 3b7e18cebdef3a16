#include "os/user.h"

#include <fmt/format.h>
#include <grp.h>
#include <pwd.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstdlib>

namespace scry::os {
namespace {

constexpr size_t kEntryBytesMax = size_t{1} << 20;

User FromEntry(const passwd& entry) {
  User user{entry.pw_uid, entry.pw_gid, entry.pw_name, entry.pw_dir, {}};
  int count = 64;
  user.groups.resize(static_cast<size_t>(count));
  if (getgrouplist(entry.pw_name, entry.pw_gid, user.groups.data(), &count) < 0) {
    user.groups.resize(static_cast<size_t>(std::max(count, 1)));
    if (getgrouplist(entry.pw_name, entry.pw_gid, user.groups.data(), &count) < 0) count = 0;
  }
  user.groups.resize(static_cast<size_t>(std::max(count, 0)));
  if (user.groups.empty()) user.groups = {entry.pw_gid};
  return user;
}

template <typename Lookup>
std::optional<User> Find(Lookup lookup) {
  std::vector<char> buffer(4096);
  for (;;) {
    passwd entry{};
    passwd* found = nullptr;
    const int error = lookup(&entry, buffer.data(), buffer.size(), &found);
    if (error == ERANGE && buffer.size() < kEntryBytesMax) {
      buffer.resize(buffer.size() * 2);
      continue;
    }
    if (error != 0 || found == nullptr) return std::nullopt;
    return FromEntry(*found);
  }
}

bool MaySearch(const struct stat& info, const User& user) {
  if (user.uid == 0) return true;
  if (info.st_uid == user.uid) return (info.st_mode & S_IXUSR) != 0;
  const bool member =
      std::find(user.groups.begin(), user.groups.end(), info.st_gid) != user.groups.end();
  return (info.st_mode & (member ? S_IXGRP : S_IXOTH)) != 0;
}

}  // namespace

User CurrentUser() {
  const uid_t uid = geteuid();
  auto user = Find([&](passwd* entry, char* buffer, size_t size, passwd** found) {
    return getpwuid_r(uid, entry, buffer, size, found);
  });
  if (user) return *user;
  // Containers often run as a number without an entry.
  const char* home = std::getenv("HOME");
  return User{uid, getegid(), std::to_string(uid), home == nullptr ? "" : home, {getegid()}};
}

std::optional<User> FindUser(const std::string& name) {
  return Find([&](passwd* entry, char* buffer, size_t size, passwd** found) {
    return getpwnam_r(name.c_str(), entry, buffer, size, found);
  });
}

base::Status CheckTraversable(const std::string& path, const User& user) {
  for (size_t end = 1; end <= path.size(); ++end) {
    if (end != path.size() && path[end] != '/' && end != 1) continue;
    const std::string part = path.substr(0, end);
    struct stat info {};
    if (stat(part.c_str(), &info) != 0) return base::FailErrno("look at folder " + part);
    if (S_ISDIR(info.st_mode) && !MaySearch(info, user)) {
      return base::Fail(fmt::format(
          "user {} cannot enter folder {}: run chmod o+x on it, or choose another folder "
          "with --state-dir",
          user.name, part));
    }
  }
  return {};
}

}  // namespace scry::os
