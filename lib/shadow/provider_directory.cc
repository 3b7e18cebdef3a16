#include <fmt/format.h>
#include <sys/stat.h>

#include <algorithm>
#include <array>
#include <charconv>
#include <climits>
#include <cstdlib>

#include "os/subprocess.h"
#include "shadow/making.h"

namespace scry::shadow {
namespace {

constexpr std::array kLinksDropped = {"postgresql.conf", "postgresql.auto.conf", "pg_hba.conf",
                                      "pg_ident.conf"};

base::Result<int> MajorOf(const std::string& directory) {
  const auto text = os::LoadText(directory + "/PG_VERSION", 64);
  int major = 0;
  if (text.ok()) std::from_chars(text->data(), text->data() + text->size(), major);
  if (major > 0) return major;
  if (!os::Exists(directory)) {
    return base::Fail(base::ErrorCode::kNotFound, "folder " + directory + " does not exist");
  }
  if (!text.ok() && text.error().code != base::ErrorCode::kNotFound) return text.error();
  return base::Fail(base::ErrorCode::kUsage,
                    directory + " is no PostgreSQL data directory: it has no PG_VERSION");
}

base::Status CheckStopped(const Making& making, const std::string& directory,
                          const pg::Programs& programs) {
  if (const auto server = FindServer(directory)) {
    return base::Fail(
        base::ErrorCode::kUsage,
        fmt::format("a server (process {}) works in {}: stop it first, or use provider "
                    "physical",
                    server->pid, directory));
  }
  os::Program control;
  control.argv = {programs.Path("pg_controldata"), directory};
  control.environment = ServerEnvironment(programs, making.state.self());
  SCRY_TRY_ASSIGN(const os::Finished finished, os::RunChecked(control, making.control.Limits()));
  const std::string mark = "Database cluster state:";
  const size_t at = finished.out.find(mark);
  std::string state = at == std::string::npos ? "" : finished.out.substr(at + mark.size());
  state = state.substr(0, state.find('\n'));
  state.erase(0, state.find_first_not_of(' '));
  if (state == "shut down") return {};
  return base::Fail(
      base::ErrorCode::kUsage,
      fmt::format("{} was not shut down cleanly (its state is \"{}\"): start and stop its "
                  "server once, or use provider physical",
                  directory, state));
}

base::Status CheckNoTablespaces(const std::string& directory) {
  const auto names = os::ListDirectory(directory + "/pg_tblspc");
  if (!names.ok()) return names.error();
  if (names->empty()) return {};
  std::string list;
  for (const auto& name : *names) {
    std::array<char, PATH_MAX> real;
    const std::string path = directory + "/pg_tblspc/" + name;
    list += (list.empty() ? "" : ", ");
    list += realpath(path.c_str(), real.data()) == nullptr ? path : std::string(real.data());
  }
  return base::Fail(
      base::ErrorCode::kUnsupported,
      fmt::format("{} has tablespaces ({}), which a copy cannot place: use provider dump",
                  directory, list));
}

// A link in the copy still leads to the original's files, and the copy's server would write there.
base::Status ReplaceLinks(const std::string& directory, const std::string& data_dir,
                          uint64_t links_copied, const os::CopyOptions& options) {
  uint64_t known = 0;
  for (const char* name : kLinksDropped) {
    if (!os::IsSymbolicLink(data_dir + "/" + name)) continue;
    ++known;
    SCRY_TRY(os::RemoveTree(data_dir + "/" + name));
  }
  if (os::IsSymbolicLink(data_dir + "/pg_wal")) {
    ++known;
    SCRY_TRY(os::RemoveTree(data_dir + "/pg_wal"));
    std::array<char, PATH_MAX> real;
    if (realpath((directory + "/pg_wal").c_str(), real.data()) == nullptr) {
      return base::FailErrno("find " + directory + "/pg_wal");
    }
    os::CopyOptions plain = options;
    plain.leave_out.clear();
    SCRY_TRY_ASSIGN(const os::CopyStats stats,
                    os::CopyTree(real.data(), data_dir + "/pg_wal", plain));
    links_copied += stats.links;
  }
  if (links_copied == known) return {};
  return base::Fail(
      base::ErrorCode::kUnsupported,
      fmt::format("{} holds symbolic links other than pg_wal, which a copy must not follow: "
                  "use provider dump",
                  directory));
}

// There is no server to ask: its files tell, where they are in the data directory.
void TakeSettingsFromFiles(Making& making) {
  bool found = false;
  for (const char* name : {"postgresql.conf", "postgresql.auto.conf"}) {
    const auto text = os::LoadText(making.options.directory + "/" + name);
    if (!text.ok()) continue;
    found = found || std::string_view(name) == "postgresql.conf";
    for (const auto& [key, value] : ParseConfigText(*text)) {
      if (!IsCarried(key)) continue;
      std::erase_if(making.info.settings,
                    [&k = key](const auto& setting) { return SameSettingName(setting.first, k); });
      making.info.settings.emplace_back(key, value);
    }
  }
  if (!found) {
    making.Note("there is no postgresql.conf in " + making.options.directory +
                ": the server's defaults are used");
  }
}

// As text in hex: a role's name may hold anything.
std::string FromHex(std::string_view hex) {
  std::string text;
  for (size_t i = 0; i + 1 < hex.size(); i += 2) {
    unsigned value = 0;
    std::from_chars(hex.data() + i, hex.data() + i + 2, value, 16);
    text.push_back(static_cast<char>(value));
  }
  return text;
}

}  // namespace

base::Status MakeFromDirectory(Making& making) {
  const std::string& directory = making.options.directory;
  if (directory.empty()) return base::Fail(base::ErrorCode::kUsage, "no `directory` is configured");
  SCRY_TRY_ASSIGN(making.info.server_major, MajorOf(directory));
  SCRY_TRY_ASSIGN(const pg::Programs programs, pg::FindPrograms(making.info.server_major));
  SCRY_TRY(CheckStopped(making, directory, programs));
  SCRY_TRY(CheckNoTablespaces(directory));
  making.info.source = directory;
  making.info.dbname = making.options.dbname.empty() ? "postgres" : making.options.dbname;

  making.control.Say("copying " + directory);
  os::CopyOptions options;
  options.leave_out = {"postmaster.pid", "postmaster.opts", "log", "pg_log", "lost+found"};
  options.cancelled = [&] { return making.control.cancelled(); };
  const std::string data_dir = making.DataDir();
  SCRY_TRY(os::RemoveTree(data_dir));  // The copy brings its own.
  SCRY_TRY_ASSIGN(const os::CopyStats stats, os::CopyTree(directory, data_dir, options));
  SCRY_TRY(CheckStopped(making, directory, programs).With("after copying"));
  SCRY_TRY(ReplaceLinks(directory, data_dir, stats.links, options));
  SCRY_TRY_ASSIGN(const auto slots, os::ListDirectory(data_dir + "/pg_replslot"));
  for (const auto& slot : slots) SCRY_TRY(os::RemoveTree(data_dir + "/pg_replslot/" + slot));
  SCRY_TRY(os::ChownTree(data_dir, making.state.server_user()));
  // Servers refuse folders open to others; a group may have been allowed in.
  if (chmod(data_dir.c_str(), 0700) != 0) return base::FailErrno("set the mode of " + data_dir);

  TakeSettingsFromFiles(making);
  SCRY_TRY(DropUnusableSettings(making, programs));
  SCRY_TRY_ASSIGN(
      const std::string hex,
      SingleUserValue(programs, making.state.server_user(), data_dir,
                      "SELECT encode(textsend(rolname::text), 'hex') FROM pg_authid WHERE "
                      "rolsuper AND rolcanlogin ORDER BY oid LIMIT 1"));
  making.info.superuser = FromHex(hex);
  SCRY_TRY_ASSIGN(PrivateServer server, StartMade(making, programs));
  SCRY_TRY(VerifyMade(making, server));
  return server.Stop(PrivateServer::StopMode::kFast, 600 * 1000000LL);
}

}  // namespace scry::shadow
