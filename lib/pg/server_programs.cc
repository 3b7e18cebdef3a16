#include "pg/server_programs.h"

#include <dirent.h>
#include <fcntl.h>
#include <fmt/format.h>
#include <limits.h>
#include <spawn.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <charconv>
#include <cstdlib>

extern char** environ;

namespace scry::pg {
namespace {

bool IsExecutable(const std::string& path) {
  struct stat info {};
  return stat(path.c_str(), &info) == 0 && S_ISREG(info.st_mode) && access(path.c_str(), X_OK) == 0;
}

// First line of what a program prints. These are PostgreSQL's own, which end at once.
std::string FirstLineOf(const std::string& program, const std::string& argument) {
  int ends[2];
  if (pipe2(ends, O_CLOEXEC) != 0) return {};
  posix_spawn_file_actions_t actions;
  posix_spawn_file_actions_init(&actions);
  posix_spawn_file_actions_addopen(&actions, 0, "/dev/null", O_RDONLY, 0);
  posix_spawn_file_actions_adddup2(&actions, ends[1], 1);
  posix_spawn_file_actions_addopen(&actions, 2, "/dev/null", O_WRONLY, 0);
  std::string name = program;
  std::string option = argument;
  std::array<char*, 3> argv{name.data(), option.data(), nullptr};
  pid_t pid = -1;
  const int error = posix_spawn(&pid, program.c_str(), &actions, nullptr, argv.data(), environ);
  posix_spawn_file_actions_destroy(&actions);
  close(ends[1]);
  std::string text;
  if (error == 0) {
    std::array<char, 512> buffer;
    for (;;) {
      const ssize_t got = read(ends[0], buffer.data(), buffer.size());
      if (got < 0 && errno == EINTR) continue;
      if (got <= 0 || text.size() > 65536) break;
      text.append(buffer.data(), static_cast<size_t>(got));
    }
    while (waitpid(pid, nullptr, 0) < 0 && errno == EINTR) {
    }
  }
  close(ends[0]);
  return text.substr(0, text.find('\n'));
}

std::vector<std::string> Entries(const std::string& folder) {
  std::vector<std::string> names;
  DIR* open = opendir(folder.c_str());
  if (open == nullptr) return names;
  while (const dirent* entry = readdir(open)) {
    if (entry->d_name[0] != '.') names.emplace_back(entry->d_name);
  }
  closedir(open);
  std::sort(names.begin(), names.end());
  return names;
}

std::string RealFolder(const std::string& path) {
  std::array<char, PATH_MAX> real;
  return realpath(path.c_str(), real.data()) == nullptr ? path : std::string(real.data());
}

std::vector<std::string> PathFolders() {
  std::vector<std::string> folders;
  const char* value = std::getenv("PATH");
  const std::string path = value == nullptr ? "/usr/local/bin:/usr/bin:/bin" : value;
  for (size_t begin = 0; begin <= path.size();) {
    const size_t end = std::min(path.find(':', begin), path.size());
    if (end > begin) folders.push_back(path.substr(begin, end - begin));
    begin = end + 1;
  }
  return folders;
}

std::vector<std::string> CandidateFolders(const std::vector<std::string>& extra_folders) {
  std::vector<std::string> folders = PathFolders();
  for (const auto& folder : PathFolders()) {
    if (!IsExecutable(folder + "/pg_config")) continue;
    const std::string bindir = FirstLineOf(folder + "/pg_config", "--bindir");
    if (!bindir.empty()) folders.push_back(bindir);
    break;
  }
  const auto add_below = [&](const std::string& parent, const std::string& prefix) {
    for (const auto& name : Entries(parent)) {
      if (name.starts_with(prefix)) folders.push_back(parent + "/" + name + "/bin");
    }
  };
  add_below("/usr/lib/postgresql", "");     // Debian, Ubuntu.
  add_below("/usr", "pgsql-");              // Red Hat, from postgresql.org.
  add_below("/usr/libexec", "postgresql");  // Alpine.
  add_below("/usr/lib", "postgresql");      // SUSE, Gentoo.
  add_below("/opt/homebrew/opt", "postgresql");
  add_below("/usr/local/opt", "postgresql");
  add_below("/opt", "postgresql");
  for (const auto& name : Entries("/usr/libexec")) {
    if (name.starts_with("postgresql")) folders.push_back("/usr/libexec/" + name);
  }
  folders.emplace_back("/usr/local/pgsql/bin");
  folders.emplace_back("/usr/libexec/postgresql");
  folders.insert(folders.end(), extra_folders.begin(), extra_folders.end());
  return folders;
}

std::string InstallHint(int major) {
  return fmt::format(
      "install package postgresql-{0} (Debian, Ubuntu) or postgresql{0}-server (Red Hat)", major);
}

}  // namespace

std::optional<Programs> ParseVersionLine(const std::string& line) {
  const std::string mark = "(PostgreSQL) ";
  const size_t at = line.find(mark);
  if (at == std::string::npos) return std::nullopt;
  const std::string rest = line.substr(at + mark.size());
  Programs programs;
  programs.version = rest.substr(0, rest.find(' '));
  const char* end = programs.version.data() + programs.version.size();
  const auto [stop, error] = std::from_chars(programs.version.data(), end, programs.major);
  if (error != std::errc() || stop == programs.version.data() || programs.major <= 0)
    return std::nullopt;
  return programs;
}

std::vector<Programs> ListPrograms(const std::vector<std::string>& extra_folders) {
  std::vector<Programs> found;
  std::vector<std::string> seen;
  for (const auto& folder : CandidateFolders(extra_folders)) {
    // A folder in PATH may hold links to some programs only: go to where the server itself is.
    const std::string real = RealFolder(folder + "/postgres");
    const std::string bindir = real.substr(0, real.rfind('/'));
    if (std::find(seen.begin(), seen.end(), bindir) != seen.end()) continue;
    seen.push_back(bindir);
    // A folder with clients alone is no installation to run a server from.
    if (!IsExecutable(bindir + "/postgres") || !IsExecutable(bindir + "/initdb")) continue;
    if (!IsExecutable(bindir + "/pg_controldata")) continue;
    auto programs = ParseVersionLine(FirstLineOf(bindir + "/postgres", "--version"));
    if (!programs) continue;
    programs->bindir = bindir;
    found.push_back(*programs);
  }
  std::stable_sort(found.begin(), found.end(),
                   [](const Programs& a, const Programs& b) { return a.major > b.major; });
  return found;
}

base::Result<Programs> FindPrograms(std::optional<int> major) {
  const std::vector<Programs> found = ListPrograms();
  for (const auto& programs : found) {
    if (!major || programs.major == *major) return programs;
  }
  if (found.empty()) {
    return base::Fail(
        base::ErrorCode::kNotFound,
        fmt::format("no PostgreSQL server programs were found in PATH or the usual folders: {}",
                    InstallHint(major.value_or(17))));
  }
  std::string majors;
  for (const auto& programs : found) {
    majors += fmt::format("{}{} ({})", majors.empty() ? "" : ", ", programs.major, programs.bindir);
  }
  return base::Fail(base::ErrorCode::kNotFound,
                    fmt::format("PostgreSQL {} server programs were not found, only {}: {}", *major,
                                majors, InstallHint(*major)));
}

std::vector<std::string> LibraryFolders(const Programs& programs) {
  std::vector<std::string> folders;
  if (IsExecutable(programs.Path("pg_config"))) {
    folders.push_back(FirstLineOf(programs.Path("pg_config"), "--pkglibdir"));
  }
  for (const char* below : {"/../lib", "/../lib/postgresql", "/../lib64/pgsql", "/../lib/pgsql"}) {
    folders.push_back(RealFolder(programs.bindir + below));
  }
  std::erase_if(folders, [](const std::string& folder) {
    struct stat info {};
    return folder.empty() || stat(folder.c_str(), &info) != 0;
  });
  return folders;
}

}  // namespace scry::pg
