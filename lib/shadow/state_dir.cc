#include "shadow/state_dir.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cstdlib>

#include "os/directory.h"
#include "os/random_name.h"
#include "os/unique_fd.h"

namespace scry::shadow {
namespace {

constexpr std::string_view kSocketPrefix = "/tmp/scry-";
constexpr size_t kNameBytesMax = 120;

std::string Variable(const char* name) {
  const char* value = std::getenv(name);
  return value == nullptr ? "" : value;
}

base::Result<std::string> ChooseRoot(const std::string& flag, const os::User& self) {
  if (!flag.empty()) return flag;
  if (std::string given = Variable("SCRY_STATE_DIR"); !given.empty()) return given;
  if (self.uid == 0) return std::string("/var/lib/scry");
  if (std::string state = Variable("XDG_STATE_HOME"); state.starts_with("/"))
    return state + "/scry";
  const std::string home = Variable("HOME").empty() ? self.home : Variable("HOME");
  if (home.empty() || home == "/") {
    return base::Fail(base::ErrorCode::kUsage,
                      "no home folder to keep shadows in: give --state-dir or set SCRY_STATE_DIR");
  }
  return home + "/.local/state/scry";
}

// FNV-1a, for names too long for a folder; shadow.json holds the true name and decides.
uint64_t HashOf(std::string_view text) {
  uint64_t hash = 0xcbf29ce484222325ULL;
  for (const char c : text) hash = (hash ^ static_cast<uint8_t>(c)) * 0x100000001b3ULL;
  return hash;
}

bool StaysPlain(char c, bool first) {
  return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '_' ||
         c == '-' || (c == '.' && !first);
}

}  // namespace

base::Result<os::User> ServerUserOf(const os::User& self) {
  if (self.uid != 0) return self;
  for (const char* name : {"postgres", "nobody"}) {
    if (auto user = os::FindUser(name)) return *user;
  }
  return base::Fail(
      "private servers must not run as root, and there is no user postgres or nobody: "
      "add one, or run scry as another user");
}

base::Result<StateDir> StateDir::Open(const std::string& flag) {
  StateDir state;
  state.self_ = os::CurrentUser();
  SCRY_TRY_ASSIGN(state.server_user_, ServerUserOf(state.self_));
  SCRY_TRY_ASSIGN(std::string root, ChooseRoot(flag, state.self_));
  SCRY_TRY(os::MakeDirectories(root, state.folder_mode())
               .With("state folder " + root + " (--state-dir chooses another)"));
  // One name for it: it is compared with working directories of server processes.
  char* real = realpath(root.c_str(), nullptr);
  if (real == nullptr) return base::FailErrno("find folder " + root);
  state.root_ = real;
  std::free(real);
  SCRY_TRY(os::CheckTraversable(state.root_, state.server_user_).With("state folder"));
  SCRY_TRY(os::MakeDirectories(state.ShadowsFolder(), state.folder_mode()));
  SCRY_TRY(os::MakeDirectories(state.RunsFolder(), state.folder_mode()));
  return state;
}

std::string StateDir::DatabaseFolder(const ShadowName& name) const {
  return ShadowsFolder() + "/" + EncodeName(name.database);
}

std::string StateDir::ShadowFolder(const ShadowName& name) const {
  return DatabaseFolder(name) + "/" + EncodeName(name.shadow);
}

std::string EncodeName(std::string_view name) {
  std::string out;
  for (const char c : name) {
    if (StaysPlain(c, out.empty())) {
      out.push_back(c);
    } else {
      out += fmt::format("%{:02X}", static_cast<uint8_t>(c));
    }
  }
  if (out.empty()) return "%";
  if (out.size() > kNameBytesMax) {
    out.resize(kNameBytesMax);
    out += fmt::format("%%{:016x}", HashOf(name));
  }
  return out;
}

bool IsSocketDirName(std::string_view path) {
  if (!path.starts_with(kSocketPrefix) || path.size() != kSocketPrefix.size() + 12) return false;
  return path.substr(kSocketPrefix.size()).find_first_not_of("0123456789abcdef") ==
         std::string_view::npos;
}

base::Result<std::string> MakeSocketDir(const StateDir& state, const std::string& folder) {
  const std::string path = std::string(kSocketPrefix) + os::RandomHex(6);
  const std::string record = folder + "/sockets";
  const os::UniqueFd fd(
      open(record.c_str(), O_WRONLY | O_APPEND | O_CREAT | O_NOFOLLOW | O_CLOEXEC, 0600));
  const std::string line = path + "\n";
  if (!fd || write(fd.get(), line.data(), line.size()) != static_cast<ssize_t>(line.size())) {
    return base::FailErrno("write " + record);
  }
  SCRY_TRY(os::MakeNewDirectory(path, 0700, state.server_user()));
  return path;
}

base::Status RemoveSocketDirs(const StateDir& state, const std::string& folder) {
  const std::string record = folder + "/sockets";
  if (!os::Exists(record)) return {};
  SCRY_TRY_ASSIGN(const std::string text, os::LoadText(record));
  base::Status status;
  for (size_t begin = 0; begin < text.size();) {
    const size_t end = std::min(text.find('\n', begin), text.size());
    const std::string path = text.substr(begin, end - begin);
    begin = end + 1;
    struct stat info {};
    if (!IsSocketDirName(path) || lstat(path.c_str(), &info) != 0 || !S_ISDIR(info.st_mode))
      continue;
    if (info.st_uid != state.server_user().uid && info.st_uid != state.self().uid) continue;
    if (auto removed = os::RemoveTree(path); !removed.ok()) status = removed;
  }
  if (status.ok()) unlink(record.c_str());
  return status;
}

}  // namespace scry::shadow
