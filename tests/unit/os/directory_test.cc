#include "os/directory.h"

#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include <string>

#include "os/random_name.h"
#include "support/catch.h"

using namespace scry;
using namespace scry::os;

namespace {

struct Folder {
  std::string path = "/tmp/scry-test-" + RandomHex(4);
  Folder() { REQUIRE(MakeNewDirectory(path, 0700, CurrentUser()).ok()); }
  ~Folder() { CHECK(RemoveTree(path).ok()); }
  void Write(const std::string& name, const std::string& text, mode_t mode = 0600) const {
    REQUIRE(StoreText(path + "/" + name, text, mode, CurrentUser()).ok());
  }
};

mode_t ModeOf(const std::string& path) {
  struct stat info {};
  REQUIRE(lstat(path.c_str(), &info) == 0);
  return info.st_mode & 07777;
}

}  // namespace

TEST_CASE("removing a folder never follows a link out of it", "[os]") {
  const Folder folder;
  REQUIRE(MakeDirectories(folder.path + "/doomed/a/b", 0755).ok());
  REQUIRE(MakeDirectories(folder.path + "/safe", 0755).ok());
  folder.Write("safe/file", "x");
  folder.Write("doomed/a/b/file", "x");
  REQUIRE(symlink((folder.path + "/safe").c_str(), (folder.path + "/doomed/link").c_str()) == 0);
  REQUIRE(symlink((folder.path + "/safe").c_str(), (folder.path + "/link").c_str()) == 0);
  CHECK(RemoveTree(folder.path + "/doomed").ok());
  CHECK_FALSE(Exists(folder.path + "/doomed"));
  CHECK(RemoveTree(folder.path + "/link").ok());
  CHECK(Exists(folder.path + "/safe/file"));
  CHECK(RemoveTree(folder.path + "/never").ok());
}

TEST_CASE("folders removed side by side are all gone, and a failure of one is told", "[os]") {
  const Folder folder;
  std::vector<std::string> paths;
  for (const char* name : {"a", "b", "c", "never"}) paths.push_back(folder.path + "/" + name);
  for (size_t i = 0; i < 3; ++i) {
    REQUIRE(MakeDirectories(paths[i] + "/inner", 0755).ok());
    folder.Write(std::string(1, static_cast<char>('a' + i)) + "/inner/file", "x");
  }
  CHECK(RemoveTrees(paths).ok());
  for (const std::string& path : paths) CHECK_FALSE(Exists(path));
  REQUIRE(MakeDirectories(paths[2] + "/inner", 0755).ok());
  const auto failed = RemoveTrees({"/proc/1/fd", paths[2]});
  REQUIRE_FALSE(failed.ok());
  CHECK(failed.error().message.find("/proc/1/fd") != std::string::npos);
  CHECK_FALSE(Exists(paths[2]));
}

TEST_CASE("a copied tree has the same contents, modes, links and holes", "[os]") {
  const Folder folder;
  const std::string from = folder.path + "/from";
  const std::string to = folder.path + "/to";
  REQUIRE(MakeDirectories(from + "/inner", 0750).ok());
  folder.Write("from/text", std::string(100000, 'x'), 0640);
  folder.Write("from/empty", "", 0600);
  folder.Write("from/inner/script", "#!", 0755);
  folder.Write("from/left", "x");
  folder.Write("from/inner/left", "kept: only the top level is left out");
  folder.Write("from/sparse", "");
  REQUIRE(truncate((from + "/sparse").c_str(), 64 << 20) == 0);
  REQUIRE(symlink("/nowhere", (from + "/link").c_str()) == 0);
  CopyOptions options;
  options.leave_out = {"left"};
  for (const bool reflink : {true, false}) {
    options.prefer_reflink = reflink;
    const auto stats = CopyTree(from, to, options);
    REQUIRE(stats.ok());
    CHECK(stats->files == 5);
    CHECK(stats->links == 1);
    CHECK(*LoadText(to + "/text") == std::string(100000, 'x'));
    CHECK(Exists(to + "/empty"));
    CHECK(Exists(to + "/inner/left"));
    CHECK_FALSE(Exists(to + "/left"));
    CHECK(IsSymbolicLink(to + "/link"));
    CHECK(ModeOf(to + "/text") == 0640);
    CHECK(ModeOf(to + "/inner/script") == 0755);
    CHECK(ModeOf(to + "/inner") == 0750);
    CHECK(TreeSizeBytes(to) < (8u << 20));
    // An existing target is never written into.
    CHECK_FALSE(CopyTree(from, to, options).ok());
    REQUIRE(RemoveTree(to).ok());
  }
  options.cancelled = [] { return true; };
  CHECK(CopyTree(from, to, options).error().code == base::ErrorCode::kInterrupted);
}

TEST_CASE("text files are replaced as a whole, and never through a link", "[os]") {
  const Folder folder;
  folder.Write("target", "old");
  REQUIRE(symlink((folder.path + "/target").c_str(), (folder.path + "/link").c_str()) == 0);
  folder.Write("link", "new", 0644);
  CHECK(*LoadText(folder.path + "/target") == "old");
  CHECK(*LoadText(folder.path + "/link") == "new");
  CHECK(ModeOf(folder.path + "/link") == 0644);
  CHECK(ListDirectory(folder.path)->size() == 2);
  CHECK(LoadText(folder.path + "/none").error().code == base::ErrorCode::kNotFound);
  CHECK(LoadText(folder.path + "/link", 2).error().code == base::ErrorCode::kCorrupt);
}

TEST_CASE("an exclusive lock shuts out others, shared ones live together", "[os]") {
  const Folder folder;
  const std::string path = folder.path + "/lock";
  {
    auto first = FileLock::TryTake(path, FileLock::Mode::kShared);
    auto second = FileLock::TryTake(path, FileLock::Mode::kShared);
    REQUIRE((first.ok() && second.ok()));
    CHECK((first->has_value() && second->has_value()));
    CHECK_FALSE(FileLock::TryTake(path, FileLock::Mode::kExclusive)->has_value());
    const auto waited = FileLock::Take(path, FileLock::Mode::kExclusive, 1000);
    REQUIRE_FALSE(waited.ok());
    CHECK(waited.error().message.find(path) != std::string::npos);
  }
  CHECK(FileLock::TryTake(path, FileLock::Mode::kExclusive)->has_value());
}

TEST_CASE("a folder closed to a user is named", "[os]") {
  const Folder folder;
  REQUIRE(MakeDirectories(folder.path + "/a", 0755).ok());
  User stranger{65000, 65000, "stranger", "/", {65000}};
  const auto closed = CheckTraversable(folder.path + "/a", stranger);
  REQUIRE_FALSE(closed.ok());
  CHECK(closed.error().message.find("stranger cannot enter folder " + folder.path + ":") !=
        std::string::npos);
  CHECK(CheckTraversable(folder.path + "/a", CurrentUser()).ok());
}

TEST_CASE("random names do not repeat", "[os]") {
  CHECK(RandomHex(16).size() == 32);
  CHECK(RandomHex(16) != RandomHex(16));
  CHECK(UniqueName() != UniqueName());
}
