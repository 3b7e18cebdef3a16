#include "job/migration_files.h"

#include <fmt/format.h>

#include <algorithm>
#include <charconv>
#include <cstdint>
#include <filesystem>
#include <string_view>
#include <system_error>
#include <utility>

#include "base/letter_case.h"
#include "base/units.h"
#include "event/sql_script.h"
#include "migration/statement_places.h"
#include "os/file.h"

namespace scry::job {
namespace {

namespace fs = std::filesystem;
using base::Fail;
using base::Result;
using base::Status;

constexpr uint64_t kFileBytesMax = 4 * 1024 * 1024;  // A dump of data is no migration.
constexpr size_t kFilesMax = 5000;

bool IsSqlName(const fs::path& path) {
  return base::LowerAscii(path.extension().string()) == ".sql";
}

bool IsFile(const fs::path& path) {
  std::error_code error;
  return fs::is_regular_file(path, error);
}

// As reviews name files: from the root of their repository. Outside of any, as it was named.
std::string RepositoryPath(const fs::path& path) {
  std::error_code error;
  const fs::path whole = fs::weakly_canonical(path, error);
  if (error) return path.generic_string();
  for (fs::path folder = whole.parent_path();; folder = folder.parent_path()) {
    // A folder, or in a worktree a file.
    if (fs::exists(folder / ".git", error))
      return whole.lexically_relative(folder).generic_string();
    if (folder == folder.parent_path()) break;
  }
  return path.lexically_normal().generic_string();
}

// What takes a migration back has the same statements as an earlier one: 3.down.sql, 3/down.sql,
// down/3.sql.
bool TakesBack(const fs::path& folder, const fs::path& file) {
  const fs::path inside = file.lexically_relative(folder);
  return inside.stem() == "down" || inside.stem().extension() == ".down" ||
         std::any_of(inside.begin(), inside.end(),
                     [](const fs::path& part) { return part == "down"; });
}

Status AddFolder(const fs::path& folder, std::vector<fs::path>& files) {
  std::error_code error;
  fs::recursive_directory_iterator entries(folder, fs::directory_options::skip_permission_denied,
                                           error);
  for (; !error && entries != fs::recursive_directory_iterator(); entries.increment(error)) {
    if (!IsSqlName(entries->path()) || !IsFile(entries->path())) continue;
    if (TakesBack(folder, entries->path())) continue;
    if (files.size() == kFilesMax) {
      return Fail(base::ErrorCode::kUsage,
                  fmt::format("{} holds more than {} SQL files; name the folder of the migrations",
                              base::Printable(folder.string()), base::FormatCount(kFilesMax)));
    }
    files.push_back(entries->path());
  }
  if (!error) return {};
  return Fail(fmt::format("read {}: {}", base::Printable(folder.string()), error.message()));
}

Result<std::vector<fs::path>> FilesOf(const std::vector<std::string>& paths) {
  std::vector<fs::path> files;
  for (const std::string& path : paths) {
    std::error_code error;
    if (fs::is_directory(path, error)) {
      SCRY_TRY(AddFolder(path, files));
    } else if (IsFile(path)) {
      files.emplace_back(path);
    } else {
      return Fail(base::ErrorCode::kUsage,
                  fmt::format("--migrations: no such file or folder: {}", base::Printable(path)));
    }
  }
  std::sort(files.begin(), files.end());
  files.erase(std::unique(files.begin(), files.end()), files.end());
  return files;
}

uint64_t FingerprintOf(const report::MigrationStatement& statement) {
  uint64_t fingerprint = 0;
  const char* end = statement.fingerprint.data() + statement.fingerprint.size();
  const auto read = std::from_chars(statement.fingerprint.data(), end, fingerprint, 16);
  if (!statement.fingerprint.empty() && read.ptr == end) return fingerprint;
  // A report of a version that did not keep it.
  return event::AnalyzeQuery(statement.text).front().fingerprint;
}

}  // namespace

std::vector<std::string> SqlFilesOf(const std::vector<std::string>& argv) {
  std::vector<std::string> files;
  for (const std::string& argument : argv) {
    const std::string_view text = argument;
    for (const std::string_view candidate :
         {text, text.substr(std::min(text.find('=') + 1, text.size())),
          text.starts_with("-f") ? text.substr(2) : std::string_view()}) {
      if (!IsSqlName(candidate) || !IsFile(candidate)) continue;
      files.emplace_back(candidate);
      break;
    }
  }
  return files;
}

Status PlaceStatements(const std::vector<std::string>& paths, report::MigrationFacts& facts) {
  SCRY_TRY_ASSIGN(const std::vector<fs::path> paths_found, FilesOf(paths));
  std::vector<migration::ScriptFile> files;
  for (const fs::path& path : paths_found) {
    std::error_code error;
    if (fs::file_size(path, error) > kFileBytesMax || error) continue;
    SCRY_TRY_ASSIGN(const std::string text,
                    os::ReadWholeFile(os::RealFileSystem(), path.string(), kFileBytesMax));
    files.push_back({RepositoryPath(path), event::ReadScript(text)});
  }
  std::vector<uint64_t> ran;
  for (const report::MigrationStatement& statement : facts.statements) {
    ran.push_back(FingerprintOf(statement));
  }
  const auto places = migration::FindPlaces(ran, files);
  for (size_t i = 0; i < places.size(); ++i) {
    report::MigrationStatement& statement = facts.statements[i];
    if (!places[i] || !statement.file.empty()) continue;
    statement.file = places[i]->file;
    statement.line = places[i]->line;
  }
  return {};
}

}  // namespace scry::job
