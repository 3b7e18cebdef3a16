#include "config/config.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <filesystem>
#include <system_error>
#include <utility>

#include "base/units.h"
#include "config/schema.h"
#include "config/yaml_node.h"

namespace scry::config {
namespace {

constexpr const char* kFileName = "scry.yaml";
constexpr size_t kNamesListedMax = 10;

base::Error Unusable(const std::string& file, std::string_view why) {
  return base::Fail(base::ErrorCode::kUsage, fmt::format("{}: {}", base::Printable(file), why));
}

base::Error UnusableErrno(const std::string& file) {
  return Unusable(file, std::generic_category().message(errno));
}

class OpenFile {
 public:
  // Without O_NONBLOCK, opening a named pipe would wait for someone to write to it.
  explicit OpenFile(const std::string& file)
      : fd_(open(file.c_str(), O_RDONLY | O_CLOEXEC | O_NONBLOCK)) {}
  ~OpenFile() {
    if (fd_ >= 0) close(fd_);
  }
  OpenFile(const OpenFile&) = delete;
  OpenFile& operator=(const OpenFile&) = delete;
  int fd() const { return fd_; }

 private:
  int fd_;
};

// One byte over the limit is enough for ParseYaml to refuse it.
base::Result<std::string> ReadText(const std::string& file) {
  const OpenFile opened(file);
  if (opened.fd() < 0) return UnusableErrno(file);
  struct stat status {};
  if (fstat(opened.fd(), &status) != 0) return UnusableErrno(file);
  if (!S_ISREG(status.st_mode)) return Unusable(file, "not a regular file");
  std::string text(kFileBytesMax + 1, '\0');
  size_t size = 0;
  while (size < text.size()) {
    const ssize_t got = read(opened.fd(), text.data() + size, text.size() - size);
    if (got < 0 && errno == EINTR) continue;
    if (got < 0) return UnusableErrno(file);
    if (got == 0) break;
    size += static_cast<size_t>(got);
  }
  text.resize(size);
  return text;
}

base::Error NotFound(std::string_view what, std::string_view name, std::string_view file,
                     const std::vector<std::string>& known) {
  std::string message =
      fmt::format("{} has no {} '{}'", base::Printable(file), what, base::Printable(name, 140));
  if (known.empty()) {
    message += fmt::format(", and no other; add one under databases:");
    return base::Fail(base::ErrorCode::kNotFound, std::move(message));
  }
  std::vector<std::string_view> words(known.begin(), known.end());
  if (const std::string_view nearest = Nearest(name, words); !nearest.empty()) {
    message += fmt::format("; did you mean '{}'?", nearest);
  }
  message += message.back() == '?' ? " Known: " : "; known: ";
  for (size_t i = 0; i < known.size() && i < kNamesListedMax; ++i) {
    message += (i == 0 ? "" : ", ") + known[i];
  }
  if (known.size() > kNamesListedMax) {
    message += fmt::format(" and {} more", known.size() - kNamesListedMax);
  }
  return base::Fail(base::ErrorCode::kNotFound, std::move(message));
}

}  // namespace

std::vector<std::string> Config::DatabaseNames() const {
  std::vector<std::string> names;
  for (const auto& [name, entry] : document_.databases) names.push_back(name);
  return names;
}

std::vector<std::string> Config::ShadowNames() const {
  std::vector<std::string> names;
  for (const auto& [database, entry] : document_.databases) {
    for (const auto& [shadow, shadow_entry] : entry.shadows) {
      names.push_back(shadow::ShadowName{database, shadow}.Text());
    }
  }
  return names;
}

base::Result<DatabaseOptions> Config::FindDatabase(std::string_view name, Unset unset) const {
  const auto found = document_.databases.find(name);
  if (found == document_.databases.end()) {
    return NotFound("database", name, file_, DatabaseNames());
  }
  DatabaseOptions options;
  options.name = found->first;
  if (found->second.source) {
    auto source = Expand(*found->second.source, environment_, file_);
    if (source.ok()) {
      options.source = std::move(*source);
    } else if (unset == Unset::kTold) {
      options.source_unset = source.error().message;
    } else {
      return source.error();
    }
  }
  options.production_bytes = found->second.production_bytes;
  for (const Template& folder : found->second.captures) {
    std::string path;
    SCRY_TRY_ASSIGN(path, Expand(folder, environment_, file_));
    options.captures.push_back(InFileFolder(std::move(path)));
  }
  return options;
}

base::Result<shadow::ShadowOptions> Config::FindShadow(std::string_view name) const {
  shadow::ShadowOptions options;
  SCRY_TRY_ASSIGN(options.name, ParseShadowName(name));
  const auto database = document_.databases.find(options.name.database);
  if (database == document_.databases.end()) return NotFound("shadow", name, file_, ShadowNames());
  const auto found = database->second.shadows.find(options.name.shadow);
  if (found == database->second.shadows.end()) {
    return NotFound("shadow", name, file_, ShadowNames());
  }
  const ShadowEntry& entry = found->second;
  options.provider = entry.provider;
  if (entry.directory) {
    SCRY_TRY_ASSIGN(options.directory, Expand(*entry.directory, environment_, file_));
    options.directory = InFileFolder(std::move(options.directory));
  } else {
    // The schema made sure of one of them.
    const auto& source = entry.source ? entry.source : database->second.source;
    SCRY_TRY_ASSIGN(options.source, Expand(*source, environment_, file_));
  }
  if (entry.dbname) {
    SCRY_TRY_ASSIGN(options.dbname, Expand(*entry.dbname, environment_, file_));
  }
  return options;
}

std::vector<NamedSource> Config::Sources() const {
  std::vector<NamedSource> sources;
  const auto add = [&](std::string name, const std::optional<Template>& source) {
    if (!source) return;
    NamedSource& named = sources.emplace_back();
    named.name = std::move(name);
    auto text = Expand(*source, environment_, file_);
    (text.ok() ? named.source : named.unset) = text.ok() ? *text : text.error().message;
  };
  for (const auto& [database, entry] : document_.databases) {
    add(database, entry.source);
    for (const auto& [shadow, shadow_entry] : entry.shadows) {
      add(shadow::ShadowName{database, shadow}.Text(), shadow_entry.source);
    }
  }
  return sources;
}

std::string Config::InFileFolder(std::string path) const {
  const std::filesystem::path given(path);
  if (given.is_absolute()) return path;
  return (std::filesystem::path(file_).parent_path() / given).lexically_normal().string();
}

base::Result<shadow::ShadowName> ParseShadowName(std::string_view text) {
  const size_t slash = text.find('/');
  if (slash != text.npos && IsEntryName(text.substr(0, slash)) &&
      IsEntryName(text.substr(slash + 1))) {
    return shadow::ShadowName{std::string(text.substr(0, slash)),
                              std::string(text.substr(slash + 1))};
  }
  return base::Fail(
      base::ErrorCode::kUsage,
      fmt::format("'{}' names no shadow; write DATABASE/SHADOW, as in prod-db/ci-main",
                  base::Printable(text, 140)));
}

std::optional<std::string> FindFile(const std::string& directory) {
  std::error_code error;
  std::filesystem::path folder = std::filesystem::absolute(directory, error).lexically_normal();
  while (!error && !folder.empty()) {
    const std::filesystem::path file = folder / kFileName;
    if (std::filesystem::exists(file, error)) return file.string();
    // In a worktree or submodule .git is a file. What cannot be looked at does not end the search.
    if (std::filesystem::exists(folder / ".git", error)) return std::nullopt;
    error.clear();
    if (folder == folder.parent_path()) return std::nullopt;
    folder = folder.parent_path();
  }
  return std::nullopt;
}

base::Result<Config> Parse(std::string_view text, std::string_view file, Environment environment) {
  YamlNode root;
  SCRY_TRY_ASSIGN(root, ParseYaml(text, file));
  Document document;
  SCRY_TRY_ASSIGN(document, ReadDocument(root, file));
  return Config(std::string(file), std::move(document), std::move(environment));
}

base::Result<Config> Load(const std::string& file, Environment environment) {
  std::string text;
  SCRY_TRY_ASSIGN(text, ReadText(file));
  return Parse(text, file, std::move(environment));
}

base::Result<Config> LoadNearest(const std::string& directory, Environment environment) {
  const auto file = FindFile(directory);
  if (!file) {
    return base::Fail(base::ErrorCode::kUsage,
                      fmt::format("no {} in {} or above it; write one or give --config FILE",
                                  kFileName, base::Printable(directory)));
  }
  return Load(*file, std::move(environment));
}

}  // namespace scry::config
