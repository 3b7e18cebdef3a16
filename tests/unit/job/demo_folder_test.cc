#include "job/demo_folder.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <optional>
#include <string>

#include "os/random_name.h"
#include "os/user.h"
#include "support/catch.h"

using namespace scry;
using namespace scry::job;

namespace {

struct Temporary {
  std::string path = "/tmp/scry-test-" + os::RandomHex(4);
  Temporary() { REQUIRE(os::MakeNewDirectory(path, 0755, os::CurrentUser()).ok()); }
  ~Temporary() { CHECK(os::RemoveTree(path).ok()); }
  // A folder as a scry that was killed leaves it.
  std::string Leave(const std::string& name, bool locked_once = true) const {
    const std::string folder = path + "/" + name;
    REQUIRE(os::MakeDirectories(folder + "/production/data", 0755).ok());
    if (locked_once) {
      REQUIRE(os::StoreText(folder + "/lock", "", 0600, os::CurrentUser()).ok());
    }
    return folder;
  }
  DemoFolder Make() const {
    auto made = DemoFolder::MakeIn(path);
    REQUIRE(made.ok());
    return std::move(*made);
  }
};

void MakeOld(const std::string& folder) {
  const timespec times[2] = {{1000000000, 0}, {1000000000, 0}};
  REQUIRE(utimensat(AT_FDCWD, folder.c_str(), times, 0) == 0);
}

}  // namespace

TEST_CASE("a demo's folder goes with it, and one that is kept stays", "[job]") {
  const Temporary temporary;
  std::string gone;
  std::string kept;
  {
    const DemoFolder folder = temporary.Make();
    DemoFolder other = temporary.Make();
    gone = folder.path();
    kept = other.path();
    CHECK(other.Keep().ok());
  }
  CHECK_FALSE(os::Exists(gone));
  CHECK(os::Exists(kept));
  const DemoFolder next = temporary.Make();
  CHECK(os::Exists(kept));
}

TEST_CASE("a folder whose scry is gone is swept by the next demo", "[job]") {
  const Temporary temporary;
  const std::string left = temporary.Leave("scry-demo-0123abcd");
  const DemoFolder next = temporary.Make();
  CHECK_FALSE(os::Exists(left));
  CHECK(os::Exists(next.path()));
}

TEST_CASE("a folder whose scry lives is left alone", "[job]") {
  const Temporary temporary;
  const DemoFolder living = temporary.Make();
  const DemoFolder next = temporary.Make();
  CHECK(os::Exists(living.path()));
}

TEST_CASE("a folder without a lock may be in the making, unless it is old", "[job]") {
  const Temporary temporary;
  const std::string young = temporary.Leave("scry-demo-00000001", false);
  const std::string old = temporary.Leave("scry-demo-00000002", false);
  MakeOld(old);
  SweepDemoFolders(temporary.path);
  CHECK(os::Exists(young));
  CHECK_FALSE(os::Exists(old));
}

TEST_CASE("what only looks like a demo's folder is left alone", "[job]") {
  const Temporary temporary;
  const std::string other = temporary.Leave("scry-demo-notes123");
  const std::string target = temporary.Leave("target");
  const std::string link = temporary.path + "/scry-demo-00000003";
  REQUIRE(symlink(target.c_str(), link.c_str()) == 0);
  SweepDemoFolders(temporary.path);
  CHECK(os::Exists(other));
  CHECK(os::Exists(target));
  CHECK(os::Exists(link));
  if (geteuid() != 0) return;
  const std::string foreign = temporary.Leave("scry-demo-00000004");
  REQUIRE(chown(foreign.c_str(), 1, 1) == 0);
  SweepDemoFolders(temporary.path);
  CHECK(os::Exists(foreign));
}

TEST_CASE("demos begin below TMPDIR where private servers can get there", "[job]") {
  const Temporary temporary;
  const auto made_with = [](const std::string& folder) {
    REQUIRE(setenv("TMPDIR", folder.c_str(), 1) == 0);
    auto made = DemoFolder::Make();
    REQUIRE(made.ok());
    return made->path();
  };
  const char* before = std::getenv("TMPDIR");
  const std::optional<std::string> given =
      before == nullptr ? std::nullopt : std::optional<std::string>(before);
  CHECK(made_with(temporary.path + "/").starts_with(temporary.path + "/scry-demo-"));
  CHECK(made_with("").starts_with("/tmp/scry-demo-"));
  CHECK(made_with("relative").starts_with("/tmp/scry-demo-"));
  const std::string deep = temporary.path + "/" + std::string(60, 'x');  // No socket fits below it.
  REQUIRE(os::MakeDirectories(deep, 0755).ok());
  CHECK(made_with(deep).starts_with("/tmp/scry-demo-"));
  const std::string closed = temporary.path + "/closed";
  REQUIRE(os::MakeDirectories(closed, 0000).ok());
  CHECK(made_with(closed).starts_with("/tmp/scry-demo-"));
  if (given) {
    setenv("TMPDIR", given->c_str(), 1);
  } else {
    unsetenv("TMPDIR");
  }
}
