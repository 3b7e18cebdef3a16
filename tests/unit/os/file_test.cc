#include "os/file.h"

#include <sys/stat.h>
#include <unistd.h>

#include <string>

#include "os/directory.h"
#include "os/random_name.h"
#include "os/user.h"
#include "support/catch.h"

namespace scry::os {
namespace {

struct Folder {
  std::string path = "/tmp/scry-test-" + RandomHex(4);
  Folder() { REQUIRE(MakeNewDirectory(path, 0700, CurrentUser()).ok()); }
  ~Folder() { CHECK(RemoveTree(path).ok()); }
  std::string Read(const std::string& name) const {
    const auto text = ReadWholeFile(RealFileSystem(), path + "/" + name, 1000);
    return text.ok() ? *text : text.error().message;
  }
};

mode_t ModeOf(const std::string& path) {
  struct stat info {};
  REQUIRE(lstat(path.c_str(), &info) == 0);
  return info.st_mode;
}

TEST_CASE("a user's file keeps its mode, and a link to it stays one", "[os]") {
  const Folder folder;
  const std::string file = folder.path + "/real.yaml";
  const std::string link = folder.path + "/scry.yaml";
  REQUIRE(ReplaceUserFile(file, "old").ok());
  CHECK((ModeOf(file) & 07777) == 0644);
  REQUIRE(chmod(file.c_str(), 0640) == 0);
  REQUIRE(symlink("real.yaml", link.c_str()) == 0);
  // Left by somebody who was killed.
  REQUIRE(ReplaceUserFile(file + ".scry-tmp", "half").ok());
  REQUIRE(ReplaceUserFile(link, "new").ok());
  CHECK(folder.Read("real.yaml") == "new");
  CHECK((ModeOf(file) & 07777) == 0640);
  CHECK(S_ISLNK(ModeOf(link)));
  CHECK(access((file + ".scry-tmp").c_str(), F_OK) != 0);
}

TEST_CASE("what is no file of text is not replaced", "[os]") {
  const Folder folder;
  CHECK_FALSE(ReplaceUserFile(folder.path, "x").ok());
  CHECK_FALSE(ReplaceUserFile("/dev/null", "x").ok());
  CHECK_FALSE(ReplaceUserFile(folder.path + "/no/such/folder.yaml", "x").ok());
}

}  // namespace
}  // namespace scry::os
