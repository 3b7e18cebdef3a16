#include "job/detect_job.h"

#include <fmt/format.h>

#include <algorithm>
#include <nlohmann/json.hpp>
#include <optional>
#include <set>
#include <string_view>
#include <utility>

#include "base/units.h"
#include "os/subprocess.h"
#include "report/table.h"

namespace scry::job {
namespace {

using base::Fail;
using base::Result;
using migration::ChangedFile;
using migration::ChangeKind;

constexpr size_t kListBytesMax = 64 * 1024 * 1024;
constexpr size_t kPatchBytesMax = 4 * 1024 * 1024;
constexpr size_t kPathsAtOnce = 500;
constexpr std::string_view kHead = "HEAD:";  // Before paths that git grep prints.
constexpr base::Micros kGitTimeoutUs = 120 * 1000000LL;

class Git {
 public:
  explicit Git(std::string repository) : repository_(std::move(repository)) {}

  // nullopt: git said no.
  Result<std::optional<std::string>> Ask(const std::vector<std::string>& arguments,
                                         size_t bytes_max = 64 * 1024) {
    os::Program program;
    // No pager, no colour, no program of the repository's own configuration.
    program.argv = {"git",       "-C",
                    repository_, "--no-pager",
                    "-c",        "color.ui=false",
                    "-c",        "core.quotepath=false"};
    program.argv.insert(program.argv.end(), arguments.begin(), arguments.end());
    program.out.keep_bytes = bytes_max;
    os::RunLimits limits;
    limits.timeout_us = kGitTimeoutUs;
    SCRY_TRY_ASSIGN(os::Finished finished, os::RunProgram(program, limits));
    last_error_ = base::OneLine(finished.err);
    if (!finished.success()) return std::optional<std::string>();
    if (finished.out_cut) {
      return Fail(
          fmt::format("git {} printed more than {}", arguments[0], base::FormatSize(bytes_max)));
    }
    return std::optional<std::string>(std::move(finished.out));
  }
  const std::string& last_error() const { return last_error_; }

 private:
  const std::string repository_;
  std::string last_error_;
};

std::string Trimmed(std::string text) {
  while (!text.empty() && (text.back() == '\n' || text.back() == ' ')) text.pop_back();
  return text;
}

// A commit that the CI system compares with, and the variable that says so.
struct NamedBase {
  std::string revision;
  std::string variable;
};

std::vector<NamedBase> BasesOfCi() {
  std::vector<NamedBase> bases;
  const os::Environment environment = os::CurrentEnvironment();
  const auto add = [&](const char* variable, const char* prefix) {
    const auto value = os::GetVariable(environment, variable);
    // Zeros, of a new branch, are none.
    if (!value || value->find_first_not_of('0') == std::string::npos) return;
    bases.push_back({prefix + *value, variable});
  };
  add("GITHUB_BASE_REF", "origin/");
  add("CI_MERGE_REQUEST_DIFF_BASE_SHA", "");
  add("CI_MERGE_REQUEST_TARGET_BRANCH_NAME", "origin/");
  // A push to the default branch: that branch is what is to be tested.
  const auto branch = os::GetVariable(environment, "CI_COMMIT_BRANCH");
  if (branch && !branch->empty() && branch == os::GetVariable(environment, "CI_DEFAULT_BRANCH")) {
    add("CI_COMMIT_BEFORE_SHA", "");
  }
  return bases;
}

Result<bool> Exists(Git& git, const std::string& revision) {
  SCRY_TRY_ASSIGN(const auto found, git.Ask({"rev-parse", "--verify", "--quiet", "--end-of-options",
                                             revision + "^{commit}"}));
  return found.has_value();
}

base::Error NotFetched(const std::string& revision, const std::string& named_by) {
  return Fail(base::ErrorCode::kUsage,
              fmt::format("git knows no commit {}{}; fetch it first (in GitHub Actions: "
                          "actions/checkout with fetch-depth: 0)",
                          base::Printable(revision, 100), named_by));
}

Result<std::string> BaseOf(Git& git, const std::string& asked) {
  if (!asked.empty()) {
    SCRY_TRY_ASSIGN(const bool exists, Exists(git, asked));
    if (exists) return asked;
    return NotFetched(asked, "");
  }
  const std::vector<NamedBase> named = BasesOfCi();
  for (const NamedBase& base : named) {
    SCRY_TRY_ASSIGN(const bool exists, Exists(git, base.revision));
    if (exists) return base.revision;
  }
  // Another one would be a comparison that nobody asked for, and may find nothing.
  if (!named.empty()) {
    return NotFetched(named.front().revision, ", which " + named.front().variable + " names");
  }
  // What the remote calls its default.
  for (const char* base : {"origin/HEAD", "origin/main", "origin/master", "main", "master"}) {
    SCRY_TRY_ASSIGN(const bool exists, Exists(git, base));
    if (exists) return std::string(base);
  }
  return Fail(base::ErrorCode::kUsage,
              "no branch to compare with: name it with --base, and fetch it first");
}

// Fields of -z output.
std::vector<std::string> Fields(const std::string& text) {
  std::vector<std::string> fields;
  for (size_t at = 0; at < text.size();) {
    const size_t end = std::min(text.find('\0', at), text.size());
    fields.push_back(text.substr(at, end - at));
    at = end + 1;
  }
  return fields;
}

std::vector<ChangedFile> ChangesOf(const std::string& text) {
  std::vector<ChangedFile> files;
  const std::vector<std::string> fields = Fields(text);
  for (size_t i = 0; i + 1 < fields.size(); ++i) {
    const char status = fields[i].empty() ? 'M' : fields[i][0];
    // Renames and copies name the old path first.
    if ((status == 'R' || status == 'C') && i + 2 < fields.size()) ++i;
    const ChangeKind kind = status == 'A' || status == 'C' ? ChangeKind::kAdded
                            : status == 'D'                ? ChangeKind::kDeleted
                            : status == 'R'                ? ChangeKind::kRenamed
                                                           : ChangeKind::kModified;
    files.push_back({fields[++i], kind});
  }
  return files;
}

std::string AddedLines(std::string_view patch) {
  std::string added;
  bool in_hunk = false;
  while (!patch.empty()) {
    const size_t end = std::min(patch.find('\n'), patch.size());
    const std::string_view line = patch.substr(0, end);
    if (line.starts_with("@@")) {
      in_hunk = true;
    } else if (in_hunk && line.starts_with("+")) {
      added += line.substr(1);
      added += '\n';
    }
    patch.remove_prefix(std::min(end + 1, patch.size()));
  }
  return added;
}

std::string PathSpec(const ChangedFile& file) { return ":(top,literal)" + file.path; }

Result<std::string> AddedIn(Git& git, const std::string& range, const ChangedFile& file) {
  SCRY_TRY_ASSIGN(const auto patch, git.Ask({"diff", "--no-ext-diff", "--no-textconv",
                                             "--unified=0", range, "--", PathSpec(file)},
                                            kPatchBytesMax));
  return patch ? AddedLines(*patch) : std::string();
}

// As it stands; empty: too large to look at, or not there.
std::string WholeOf(Git& git, const ChangedFile& file) {
  const auto text = git.Ask({"cat-file", "blob", "HEAD:" + file.path}, kPatchBytesMax);
  return text.ok() && *text ? **text : std::string();
}

// Files that could be migrations by what they say as they stand: the word of a tool may be in a
// line that did not change. One search for many, as a large change has thousands and each question
// to git costs as much.
Result<std::set<std::string>> Telling(Git& git, const std::vector<ChangedFile>& files,
                                      const migration::DetectRules& rules) {
  std::vector<std::string> paths;
  for (const ChangedFile& file : files) {
    if (migration::MayTell(file, rules)) paths.push_back(PathSpec(file));
  }
  const std::string pattern = migration::TellingWordsPattern();
  std::set<std::string> telling;
  for (size_t at = 0; at < paths.size(); at += kPathsAtOnce) {
    std::vector<std::string> ask = {"grep", "--full-name", "-lzE", "-e", pattern, "HEAD", "--"};
    const size_t end = std::min(at + kPathsAtOnce, paths.size());
    ask.insert(ask.end(), paths.begin() + static_cast<std::ptrdiff_t>(at),
               paths.begin() + static_cast<std::ptrdiff_t>(end));
    SCRY_TRY_ASSIGN(const auto list, git.Ask(ask, kListBytesMax));
    // It also says no where there is nothing to be found.
    if (!list && git.last_error().empty()) continue;
    if (!list) return Fail("git grep failed: " + base::Printable(git.last_error(), 200));
    for (const std::string& field : Fields(*list)) telling.insert(field.substr(kHead.size()));
  }
  return telling;
}

std::optional<migration::Detected> Look(Git& git, const std::string& range, const ChangedFile& file,
                                        const migration::DetectRules& rules) {
  const auto added = AddedIn(git, range, file);
  auto detected = migration::Detect(file, added.ok() ? *added : std::string(), rules);
  if (detected) return detected;
  // A patch too large to look at.
  if (!added.ok()) return migration::DetectUnread(file, rules);
  if (added->empty()) return std::nullopt;
  return migration::DetectInWhole(file, *added, WholeOf(git, file), rules);
}

}  // namespace

Result<DetectReport> DetectMigrations(const DetectRequest& request) {
  Git git(request.repository);
  SCRY_TRY_ASSIGN(const auto inside, git.Ask({"rev-parse", "--git-dir"}));
  if (!inside) {
    return Fail(base::ErrorCode::kUsage, fmt::format("{} is no git repository that can be read: {}",
                                                     base::Printable(request.repository, 100),
                                                     base::Printable(git.last_error(), 200)));
  }
  DetectReport report;
  SCRY_TRY_ASSIGN(report.base, BaseOf(git, request.base));
  SCRY_TRY_ASSIGN(const auto fork,
                  git.Ask({"merge-base", "--end-of-options", report.base, "HEAD"}));
  if (!fork) {
    return Fail(
        base::ErrorCode::kUsage,
        fmt::format("{} and HEAD have no common commit here; a shallow clone has too little "
                    "history (in GitHub Actions: actions/checkout with fetch-depth: 0)",
                    base::Printable(report.base, 100)));
  }
  const std::string range = Trimmed(*fork) + "..HEAD";
  SCRY_TRY_ASSIGN(
      const auto list,
      git.Ask({"diff", "--no-ext-diff", "--name-status", "-z", "-M", range, "--"}, kListBytesMax));
  if (!list) return Fail("git diff failed: " + base::Printable(git.last_error(), 200));
  const std::vector<ChangedFile> files = ChangesOf(*list);
  report.files = files.size();
  SCRY_TRY_ASSIGN(const std::set<std::string> telling, Telling(git, files, request.rules));
  for (const ChangedFile& file : files) {
    const bool look = migration::NeedsContent(file, request.rules) || telling.contains(file.path);
    auto detected =
        look ? Look(git, range, file, request.rules) : migration::Detect(file, "", request.rules);
    if (detected) report.migrations.push_back(std::move(*detected));
  }
  std::sort(report.migrations.begin(), report.migrations.end(),
            [](const auto& a, const auto& b) { return a.path < b.path; });
  return report;
}

std::string DetectJson(const DetectReport& report) {
  using nlohmann::ordered_json;
  ordered_json list = ordered_json::array();
  for (const migration::Detected& one : report.migrations) {
    list.push_back({{"path", one.path},
                    {"tool", one.tool},
                    {"confidence", migration::Name(one.confidence)},
                    {"evidence", one.evidence}});
  }
  const ordered_json json = {{"schema", "scry.migrations/1"},
                             {"base", report.base},
                             {"files", report.files},
                             {"found", !report.migrations.empty()},
                             {"migrations", list}};
  return json.dump(2, ' ', false, ordered_json::error_handler_t::replace) + "\n";
}

std::string DetectText(const DetectReport& report, size_t columns) {
  std::string text;
  report::Table table(
      {{"file"}, {"tool"}, {"confidence"}, {"evidence", report::Align::kLeft, true}});
  for (const migration::Detected& one : report.migrations) {
    table.AddRow({one.path, one.tool, migration::Name(one.confidence), one.evidence});
  }
  if (!report.migrations.empty()) {
    for (const std::string& line : table.Lines(columns)) text += line + "\n";
  }
  return text + fmt::format("{} of {} changed file{} since {} {}\n", report.migrations.size(),
                            base::FormatCount(report.files), report.files == 1 ? "" : "s",
                            base::Printable(report.base, 100),
                            report.migrations.size() == 1 ? "is a migration" : "are migrations");
}

}  // namespace scry::job
